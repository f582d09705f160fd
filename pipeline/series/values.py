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
from typing import Any

from pipeline.history import Resolution, SeriesId, SeriesPoint
from schemas import Basis, ContentLabel, FindingKind, QualityPoint, SegmentSkipped, TimeBasis

MS = 1000.0
MILLION = 1e6
PACKED = struct.Struct("<12d")


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
    """Return the point of a decoded array."""
    (revision, score, duration, bitrate, basis, findings, low, high, worst_score, worst_seconds, start, number) = (
        values[:12]
    )
    return QualityPoint(
        stream_id=stream_id,
        rendition_id=series.rendition_id,
        segment_number=number,
        start_seconds=start,
        duration_seconds=duration,
        time_basis=TimeBasis(values[12]),
        score=score,
        low=low,
        high=high,
        worst_score=worst_score,
        worst_seconds=worst_seconds,
        basis=Basis(basis),
        bitrate_bps=bitrate,
        display_height_px=series.display_height_px,
        findings=tuple(FindingKind(kind) for kind in findings.split(",") if kind),
        model_name=series.model_name,
        weights_hash=values[13],
        label=ContentLabel(values[14]),
        model_revision=revision,
        sampler_name=series.sampler_name,
        sampler_frames=series.sampler_frames,
    )


def of_raw(point: QualityPoint) -> SeriesPoint:
    return SeriesPoint(
        resolution=Resolution.RAW,
        start_seconds=point.start_seconds,
        duration_seconds=point.duration_seconds,
        count=1,
        score=point.score,
        low=point.low,
        high=point.high,
        least_score=point.score,
        least_seconds=point.start_seconds,
        greatest_score=point.score,
        bitrate_bps=point.bitrate_bps,
        bases=((point.basis, 1),),
        findings=tuple((kind, 1) for kind in point.findings),
        raw=point,
    )


def of_rollup(text: bytes, start_ms: int, resolution: Resolution) -> SeriesPoint:
    (_, count, duration_ms, weight, score, low, high, least, least_ms, greatest, known, bitrate) = PACKED.unpack_from(
        text
    )
    bases, findings = json.loads(text[PACKED.size :])
    return SeriesPoint(
        resolution=resolution,
        start_seconds=start_ms / MS,
        duration_seconds=duration_ms / MS,
        count=int(count),
        score=score / weight / MILLION,
        low=low / weight / MILLION,
        high=high / weight / MILLION,
        least_score=least,
        least_seconds=least_ms / MS,
        greatest_score=greatest,
        bitrate_bps=bitrate / known if known else None,
        bases=tuple(sorted((Basis(name), number) for name, number in bases.items())),
        findings=tuple(sorted((FindingKind(name), number) for name, number in findings.items())),
    )


def skipped_text(skipped: SegmentSkipped) -> str:
    return skipped.model_dump_json(exclude={"stream_id", "schema_version"}, exclude_none=True)


def skipped_of(text: bytes, stream_id: str) -> SegmentSkipped:
    return SegmentSkipped.model_validate({"stream_id": stream_id, **json.loads(text)})


_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode
