"""The forms of values in Redis: a point, a roll-up, a skipped segment; compact JSON arrays, and back.

A point:    [revision, score, duration_seconds, bitrate_bps or null, basis, findings joined by commas, low, high,
             worst_score, worst_seconds, start_seconds, segment_number, time_basis, weights_hash, label]
A roll-up:  twelve doubles: revision, count, milliseconds, weight, score sum, low sum, high sum, least score, its start
             in ms, greatest score, weight of known bitrates, bitrate sum; then [{basis: count}, {finding: count}]
A series:   [start of its first point in ms, milliseconds since the epoch of its last write, greatest revision,
             start of its latest point in ms, that point]

A weight is the duration in ms, and at least one, so that stills count; sums are of whole numbers (millionths of a point
of score x weight). `write.lua` reads the first eight places of a point and writes roll-ups and series: change both
together.
"""

import json
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from pipeline.history import Resolution, RungStanding, SeriesId, SeriesPoint
from schemas import SCHEMA_VERSION, Basis, ContentLabel, FindingKind, QualityPoint, SegmentSkipped, TimeBasis

MS = 1000.0
MILLION = 1e6
PACKED = struct.Struct("<12d")
_FIELDS = set(QualityPoint.model_fields)
_set = object.__setattr__
_BASES = {basis.value: basis for basis in Basis}
_TIME_BASES = {basis.value: basis for basis in TimeBasis}
_TIME_BASES_IN_BYTES = {basis.value.encode(): basis for basis in TimeBasis}
_LABELS = {label.value: label for label in ContentLabel}
_LABELS_IN_BYTES = {label.value.encode(): label for label in ContentLabel}
_ONE_OF = {basis.value.encode(): ((basis, 1),) for basis in Basis}


def point_text(point: QualityPoint) -> str:
    """Return what stands in Redis for a point."""
    return _dumps(
        (
            point.model_revision,
            point.score,
            point.duration_seconds,
            point.bitrate_bps,
            point.basis,
            ",".join(point.findings),
            point.low,
            point.high,
            point.worst_score,
            point.worst_seconds,
            point.start_seconds,
            point.segment_number,
            point.time_basis,
            point.weights_hash,
            point.label,
        )
    )


def point_of(values: list[Any], stream_id: str, series: SeriesId) -> QualityPoint:
    """Return the point of a decoded array, as it was when it was validated and written.

    It is not validated again: that takes longer than all the rest, and a question may be for 20,000 points.
    (`model_construct` takes longer still.)
    """
    (revision, score, duration, bitrate, basis, findings, low, high, worst_score, worst_seconds, start, number) = (
        values[:12]
    )
    fields = {
        "schema_version": SCHEMA_VERSION,
        "stream_id": stream_id,
        "rendition_id": series.rendition_id,
        "segment_number": number,
        "start_seconds": start,
        "duration_seconds": duration,
        "time_basis": _TIME_BASES[values[12]],
        "score": score,
        "low": low,
        "high": high,
        "worst_score": worst_score,
        "worst_seconds": worst_seconds,
        "basis": _BASES[basis],
        "bitrate_bps": bitrate,
        "display_height_px": series.display_height_px,
        "findings": _kinds(findings) if findings else (),
        "label": _LABELS[values[14]],
        "model_name": series.model_name,
        "weights_hash": values[13],
        "model_revision": revision,
        "sampler_name": series.sampler_name,
        "sampler_frames": series.sampler_frames,
    }
    point = QualityPoint.__new__(QualityPoint)
    _set(point, "__dict__", fields)
    _set(point, "__pydantic_fields_set__", _FIELDS)
    _set(point, "__pydantic_extra__", None)
    _set(point, "__pydantic_private__", None)
    return point


def segment_of(text: bytes) -> SeriesPoint:
    """Return a point as a value of its series, cut out of its text as in `standing_of`."""
    before, basis, _, findings, after, _ = text.split(b'"', 5)
    _, score_text, duration, bitrate, _ = before.split(b",")
    _, low, high, _, _, start_text, _, _ = after.split(b",")
    score, start = float(score_text), float(start_text)
    return SeriesPoint(
        Resolution.RAW,
        start,
        float(duration),
        1,
        score,
        float(low),
        float(high),
        score,
        start,
        score,
        None if bitrate == b"null" else int(bitrate),
        _ONE_OF[basis],
        _once(findings) if findings else (),
        None,
        _LABELS_IN_BYTES[text[text.rindex(b'"', 0, -2) + 1 : -2]],
    )


def standing_of(text: bytes, series: SeriesId) -> RungStanding:
    """Return how a series stands. Its value is cut at the commas, as a list of streams has thousands: decoding it takes
    four times as long."""
    _, written, revision, start, _, score, duration, bitrate, rest = text.split(b",", 8)
    start_seconds = int(start) / MS
    return RungStanding(
        series,
        int(revision),
        start_seconds,
        start_seconds + float(duration),
        int(written) / MS,
        float(score),
        None if bitrate == b"null" else int(bitrate),
        # Neither the basis nor the findings, which come before it, have a quotation mark in them.
        _TIME_BASES_IN_BYTES[rest.split(b'"', 6)[5]],
    )


def of_rollup(text: bytes, start_ms: int, resolution: Resolution) -> SeriesPoint:
    (_, count, duration_ms, weight, score, low, high, least, least_ms, greatest, known, bitrate) = PACKED.unpack_from(
        text
    )
    bases, findings = _counted(text[PACKED.size :])
    # By place: by name it takes two and a half times as long, and a day of six rungs has 8,640.
    return SeriesPoint(
        resolution,
        start_ms / MS,
        duration_ms / MS,
        int(count),
        score / weight / MILLION,
        low / weight / MILLION,
        high / weight / MILLION,
        least,
        least_ms / MS,
        greatest,
        bitrate / known if known else None,
        bases,
        findings,
    )


@lru_cache(maxsize=4096)
def _counted(text: bytes) -> tuple[tuple[tuple[Basis, int], ...], tuple[tuple[FindingKind, int], ...]]:
    # Nearly all minutes of a stream end in the same few texts.
    bases, findings = json.loads(text)
    return (
        tuple(sorted((Basis(name), number) for name, number in bases.items())),
        tuple(sorted((FindingKind(name), number) for name, number in findings.items())),
    )


@lru_cache(maxsize=1024)
def _kinds(text: str) -> tuple[FindingKind, ...]:
    return tuple(FindingKind(kind) for kind in text.split(",") if kind)


@lru_cache(maxsize=1024)
def _once(text: bytes) -> tuple[tuple[FindingKind, int], ...]:
    return tuple([(kind, 1) for kind in _kinds(text.decode())])


def skipped_text(skipped: SegmentSkipped) -> str:
    return skipped.model_dump_json(exclude={"stream_id", "schema_version"}, exclude_none=True)


def skipped_of(text: bytes, stream_id: str) -> SegmentSkipped:
    return SegmentSkipped.model_validate({"stream_id": stream_id, **json.loads(text)})


def loads_all(texts: Iterable[bytes]) -> list[Any]:
    """Decode many texts at once, which takes half as long as one by one; they hold JSON and nothing beside it."""
    decoded: list[Any] = _decode((b"[" + b",".join(texts) + b"]").decode())[0]
    return decoded


_decode = json.JSONDecoder().raw_decode
_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode
