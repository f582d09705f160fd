"""Writes a stretch of a series for machines: JSON in one document, CSV and Parquet as points and, beside, incidents."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from pipeline.history import SeriesPoint
from pipeline.report.of_series import Stretch, StretchLine
from pipeline.report.shift import worst_first
from pipeline.troubles import end_of
from schemas import Basis, Incident

Cell = str | int | float | datetime | list[str] | None


def _incident_ids(stretch: Stretch, line: StretchLine, point: SeriesPoint) -> list[str]:
    """Return the incidents that the point lies in."""
    rendition, end = line.entry.series.rendition_id, end_of(point)
    return [
        each.incident_id
        for each in stretch.incidents
        if (not each.rendition_ids or rendition in each.rendition_ids)
        and each.start_seconds < end
        and (each.end_seconds is None or each.end_seconds > point.start_seconds)
    ]


POINT_COLUMNS: Mapping[str, Callable[[Stretch, StretchLine, SeriesPoint], Cell]] = {
    "stream_id": lambda s, _, __: s.stream_id,
    "rendition_id": lambda _, line, __: line.entry.series.rendition_id,
    "model_name": lambda _, line, __: line.entry.series.model_name,
    "weights_hash": lambda _, line, p: p.raw.weights_hash if p.raw else line.entry.latest.weights_hash,
    "display_height_px": lambda _, line, __: line.entry.series.display_height_px,
    "sampler_name": lambda _, line, __: line.entry.series.sampler_name,
    "sampler_frames": lambda _, line, __: line.entry.series.sampler_frames,
    "resolution": lambda _, __, p: p.resolution.value,
    "start_time": lambda s, _, p: clock(p.start_seconds, s),
    "start_seconds": lambda _, __, p: p.start_seconds,
    "duration_seconds": lambda _, __, p: p.duration_seconds,
    "count": lambda _, __, p: p.count,
    "score": lambda _, __, p: p.score,
    "low": lambda _, __, p: p.low,
    "high": lambda _, __, p: p.high,
    "least_score": lambda _, __, p: p.least_score,
    "least_seconds": lambda _, __, p: p.least_seconds,
    "greatest_score": lambda _, __, p: p.greatest_score,
    "worst_frame_score": lambda _, __, p: p.raw.worst_score if p.raw else None,
    "worst_frame_seconds": lambda _, __, p: p.raw.worst_seconds if p.raw else None,
    "bitrate_bps": lambda _, __, p: None if p.bitrate_bps is None else round(p.bitrate_bps),
    "alone": lambda _, __, p: dict(p.bases).get(Basis.ALONE, 0),
    "ladder": lambda _, __, p: dict(p.bases).get(Basis.LADDER, 0),
    "label": lambda _, __, p: str(p.raw.label) if p.raw else None,
    "findings": lambda _, __, p: [str(kind) for kind, _count in p.findings],
    "incident_ids": _incident_ids,
}
"""`start_time` is empty on media time; what a roll-up does not tell is empty, too."""

INCIDENT_COLUMNS: Mapping[str, Callable[[Stretch, Incident], Cell]] = {
    "incident_id": lambda _, i: i.incident_id,
    "stream_id": lambda _, i: i.stream_id,
    "rendition_ids": lambda _, i: list(i.rendition_ids),
    "cause": lambda _, i: i.cause,
    "severity": lambda _, i: str(i.severity),
    "start_time": lambda s, i: clock(i.start_seconds, s),
    "end_time": lambda s, i: None if i.end_seconds is None else clock(i.end_seconds, s),
    "start_seconds": lambda _, i: i.start_seconds,
    "end_seconds": lambda _, i: i.end_seconds,
    "duration_seconds": lambda _, i: i.duration_seconds,
    "usual_score": lambda _, i: i.usual_score,
    "score": lambda _, i: i.score,
    "worst_score": lambda _, i: i.worst_score,
    "usual_bitrate_bps": lambda _, i: i.usual_bitrate_bps,
    "bitrate_bps": lambda _, i: i.bitrate_bps,
    "summary": lambda _, i: i.summary,
}


def document(stretch: Stretch) -> dict[str, Any]:
    """Return everything as JSON has it."""
    totals = stretch.totals()
    return {
        "stream_id": stretch.stream_id,
        "time_basis": str(stretch.time_basis),
        "start_seconds": stretch.start_seconds,
        "end_seconds": stretch.end_seconds,
        "start_time": _iso(clock(stretch.start_seconds, stretch)),
        "end_time": _iso(clock(stretch.end_seconds, stretch)),
        "incidents": [
            {name: _iso(column(stretch, each)) for name, column in INCIDENT_COLUMNS.items()}
            for each in worst_first(stretch.incidents, stretch.end_seconds)
        ],
        "renditions": [
            {
                "rendition_id": line.entry.series.rendition_id,
                "seconds": {
                    **{word: round(seconds, 3) for word, seconds in own.seconds.items()},
                    "ads": round(own.ad_seconds, 3),
                    "skipped": round(own.skipped_seconds, 3),
                    "not_scored": round(own.unscored_seconds, 3),
                    "in_incidents": round(own.trouble_seconds, 3),
                },
                "points": [
                    {name: _iso(column(stretch, line, point)) for name, column in POINT_COLUMNS.items()}
                    for point in line.points
                ],
            }
            for line, own in zip(stretch.lines, totals, strict=True)
        ],
        "ads": [list(span) for span in stretch.ads],
        "skipped": [each.model_dump(mode="json", exclude={"stream_id", "schema_version"}) for each in stretch.skipped],
    }


def write_json(stretch: Stretch, stream: TextIO) -> None:
    json.dump(document(stretch), stream, indent=1, ensure_ascii=False, allow_nan=False)
    stream.write("\n")


def write_csv(stretch: Stretch, stream: TextIO) -> None:
    """Write the points; the incidents of each are named in its row."""
    _write_rows(POINT_COLUMNS, _point_rows(stretch), stream)


def write_incidents_csv(stretch: Stretch, stream: TextIO) -> None:
    _write_rows(INCIDENT_COLUMNS, _incident_rows(stretch), stream)


def write_parquet(stretch: Stretch, points: Path, incidents: Path) -> None:
    # Half a second of imports that only this format needs.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    moment, strings = pa.timestamp("ms", tz="UTC"), pa.list_(pa.string())
    kinds = {
        **dict.fromkeys(("display_height_px", "sampler_frames", "count", "alone", "ladder"), pa.int32()),
        **dict.fromkeys(("bitrate_bps", "usual_bitrate_bps"), pa.int64()),
        **dict.fromkeys(("start_time", "end_time"), moment),
        **dict.fromkeys(("findings", "incident_ids", "rendition_ids"), strings),
    }
    for path, columns, rows in (
        (points, POINT_COLUMNS, _point_rows(stretch)),
        (incidents, INCIDENT_COLUMNS, _incident_rows(stretch)),
    ):
        numbers = {name for name in columns if name.endswith(("seconds", "score")) or name in ("low", "high")}
        schema = pa.schema(
            [(name, kinds.get(name, pa.float64() if name in numbers else pa.string())) for name in columns]
        )
        table = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in rows], schema=schema)
        pq.write_table(table, path, compression="zstd")


def clock(seconds: float, stretch: Stretch) -> datetime | None:
    """Return a moment of the stream's axis; None: it is on media time."""
    return datetime.fromtimestamp(seconds, UTC) if stretch.is_clock else None


def _point_rows(stretch: Stretch) -> Iterator[list[Cell]]:
    for line in stretch.lines:
        for point in line.points:
            yield [column(stretch, line, point) for column in POINT_COLUMNS.values()]


def _incident_rows(stretch: Stretch) -> Iterator[list[Cell]]:
    for each in worst_first(stretch.incidents, stretch.end_seconds):
        yield [column(stretch, each) for column in INCIDENT_COLUMNS.values()]


def _write_rows(columns: Mapping[str, object], rows: Iterator[list[Cell]], stream: TextIO) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([" ".join(cell) if isinstance(cell, list) else _iso(cell) for cell in row])


def _iso(cell: Cell) -> Cell:
    return cell.isoformat() if isinstance(cell, datetime) else cell
