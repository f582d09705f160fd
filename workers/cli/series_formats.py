"""Series for machines: JSON with everything, and CSV with one value a row."""

import csv
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from pipeline.history import SeriesPoint, StreamEntry
from schemas import Basis, ManifestFinding, QualityPoint
from workers.cli.series_lines import Answer, Line

COLUMNS = (
    "stream_id", "rendition_id", "model_name", "weights_hash", "display_height_px", "sampler_name", "sampler_frames",
    "resolution", "start_seconds", "start_time", "duration_seconds", "count", "score", "low", "high", "least_score",
    "least_seconds", "greatest_score", "bitrate_bps", "alone", "ladder", "findings",
)  # fmt: skip
"""`start_time` is ISO 8601 for live streams, empty on media time; `alone` and `ladder` count segments by basis."""


def write_json(found: Answer, stream: TextIO) -> None:
    _write(
        {
            "stream_id": found.stream_id,
            "time_basis": found.time_basis,
            "start_seconds": found.start_seconds,
            "end_seconds": found.end_seconds,
            "renditions": [_line(line) for line in found.lines],
        },
        stream,
    )


def write_csv(found: Answer, stream: TextIO) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in found.lines:
        series = line.entry.series
        for point in line.points:
            bases = dict(point.bases)
            writer.writerow(
                (
                    found.stream_id,
                    series.rendition_id,
                    series.model_name,
                    line.entry.latest.weights_hash if point.raw is None else point.raw.weights_hash,
                    series.display_height_px,
                    series.sampler_name,
                    series.sampler_frames,
                    point.resolution,
                    point.start_seconds,
                    _iso(point.start_seconds) if found.is_clock else "",
                    point.duration_seconds,
                    point.count,
                    point.score,
                    point.low,
                    point.high,
                    point.least_score,
                    point.least_seconds,
                    point.greatest_score,
                    "" if point.bitrate_bps is None else round(point.bitrate_bps),
                    bases.get(Basis.ALONE, 0),
                    bases.get(Basis.LADDER, 0),
                    " ".join(f"{kind}:{number}" for kind, number in point.findings),
                )
            )


def write_streams(found: Sequence[StreamEntry], renditions: Sequence[Sequence[str]], stream: TextIO) -> None:
    _write(
        [
            {"stream_id": entry.stream_id, "written_seconds": entry.written_seconds, "renditions": names}
            for entry, names in zip(found, renditions, strict=True)
        ],
        stream,
    )


def write_latest(found: Sequence[QualityPoint], stream: TextIO) -> None:
    _write([point.model_dump(mode="json") for point in found], stream)


def write_findings(found: Sequence[ManifestFinding], stream: TextIO) -> None:
    _write([finding.model_dump(mode="json", exclude_none=True) for finding in found], stream)


def _line(line: Line) -> dict[str, Any]:
    series, entry = line.entry.series, line.entry
    return {
        "rendition_id": series.rendition_id,
        "model_name": series.model_name,
        "weights_hash": entry.latest.weights_hash,
        "model_revision": entry.revision,
        "display_height_px": series.display_height_px,
        "sampler_name": series.sampler_name,
        "sampler_frames": series.sampler_frames,
        "points": [_point(point) for point in line.points],
        "skipped": [
            each.model_dump(
                mode="json", include={"segment_number", "start_seconds", "duration_seconds", "late_seconds"}
            )
            for each in line.skipped
        ],
    }


def _point(point: SeriesPoint) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "resolution": point.resolution,
        "start_seconds": point.start_seconds,
        "duration_seconds": point.duration_seconds,
        "count": point.count,
        "score": point.score,
        "low": point.low,
        "high": point.high,
        "least_score": point.least_score,
        "least_seconds": point.least_seconds,
        "greatest_score": point.greatest_score,
        "bitrate_bps": point.bitrate_bps,
        "bases": dict(point.bases),
        "findings": dict(point.findings),
    }
    if point.raw is not None:
        raw = point.raw
        shown |= {
            "segment_number": raw.segment_number,
            "worst_score": raw.worst_score,
            "worst_seconds": raw.worst_seconds,
            "label": raw.label,
            "weights_hash": raw.weights_hash,
        }
    return shown


def _write(document: object, stream: TextIO) -> None:
    json.dump(document, stream, indent=1, ensure_ascii=False)
    stream.write("\n")


def _iso(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return ""  # beyond the year 9999
