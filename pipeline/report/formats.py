"""Writes scores to a file or to stdout: a table for people; JSON, JSON Lines, CSV and Parquet for machines.

The flat row of CSV and Parquet, one a segment (`COLUMNS`):

    stream_id, rendition_id           which stream, which rendition of it
    segment_number                    media sequence number, or count from the start of a plain file
    start_seconds, duration_seconds   span [start, start + duration) on the axis that `time_basis` names
    time_basis                        media_time, program_date_time, availability or sequence
    score, low, high                  0-100, with its 90 % interval
    basis                             ladder or alone
    reference_rendition_id            compared with, empty where alone
    reference_offset_seconds          the content lags the reference by this much, empty where alone
    display_height_px                 the height at which quality was judged
    worst_frame_score, worst_frame_seconds, worst_frame_pts
    codec, width_px, height_px, bit_depth, interlaced, frames       as decoded
    frame_rate                        exact, for example 30000/1001
    frame_rate_hz                     the same as a number
    bitrate_bps                       measured, video only, empty for a still
    declared_bitrate_bps              as the playlist says, empty where it does not
    findings                          kinds: a list in Parquet, joined by spaces in CSV
    model_name, weights_hash, sampler_name, sampler_frames
"""

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, TextIO

from pipeline.errors import UsageError
from pipeline.report.rendition import Note, RenditionSummary
from pipeline.report.summary import StreamSummary, headline, in_words
from pipeline.report.table import console_for, print_run
from schemas import DeadLetter, QualityPoint, SegmentScored

Cell = str | int | float | bool | list[str] | None

COLUMNS: Mapping[str, Callable[[SegmentScored], Cell]] = {
    "stream_id": lambda s: s.stream_id,
    "rendition_id": lambda s: s.rendition_id,
    "segment_number": lambda s: s.segment_number,
    "start_seconds": lambda s: s.start_seconds,
    "duration_seconds": lambda s: s.duration_seconds,
    "time_basis": lambda s: str(s.time_basis),
    "score": lambda s: s.score,
    "low": lambda s: s.low,
    "high": lambda s: s.high,
    "basis": lambda s: str(s.basis),
    "reference_rendition_id": lambda s: s.reference_rendition_id,
    "reference_offset_seconds": lambda s: s.reference_offset_seconds,
    "display_height_px": lambda s: s.display_height_px,
    "worst_frame_score": lambda s: s.worst_frame.score,
    "worst_frame_seconds": lambda s: s.worst_frame.time_seconds,
    "worst_frame_pts": lambda s: s.worst_frame.pts,
    "codec": lambda s: s.media.codec,
    "width_px": lambda s: s.media.width_px,
    "height_px": lambda s: s.media.height_px,
    "bit_depth": lambda s: s.media.bit_depth,
    "interlaced": lambda s: s.media.interlaced,
    "frames": lambda s: s.media.frames,
    "frame_rate": lambda s: None if s.media.frame_rate is None else str(s.media.frame_rate),
    "frame_rate_hz": lambda s: None if s.media.frame_rate is None else float(s.media.frame_rate),
    "bitrate_bps": lambda s: s.media.bitrate_bps,
    "declared_bitrate_bps": lambda s: s.rung.bitrate_bps,
    "findings": lambda s: list(dict.fromkeys(str(finding.kind) for finding in s.findings)),
    "model_name": lambda s: s.model.name,
    "weights_hash": lambda s: s.model.weights_hash,
    "sampler_name": lambda s: s.sampler.name,
    "sampler_frames": lambda s: s.sampler.frames,
}


class Writer(Protocol):
    """Takes scores as they come, then what they come to."""

    def add(self, scored: SegmentScored) -> None: ...

    def close(self, streams: Sequence[StreamSummary], rejected: Sequence[DeadLetter]) -> None:
        """Write what is left and close the file; stdout stays open. Called once."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a writer writes: the file, or stdout where `path` is None.

    Writers open it when they are made, so that a wrong path is known before hours of scoring.
    """

    path: Path | None = None
    stdout: TextIO = field(default_factory=lambda: sys.stdout)

    def text(self) -> TextIO:
        if self.path is None:
            return self.stdout
        try:
            return self.path.open("w", encoding="utf-8", newline="")
        except OSError as exc:
            raise self._refusal(exc) from exc

    def binary(self, format_name: str) -> IO[bytes]:
        """Raises UsageError without a path: nobody wants bytes in a terminal."""
        if self.path is None:
            raise UsageError(f"--format {format_name} writes binary data: name a file with --out FILE.{format_name}")
        try:
            return self.path.open("wb")
        except OSError as exc:
            raise self._refusal(exc) from exc

    def done(self, stream: IO[Any]) -> None:
        if self.path is None:
            stream.flush()
        else:
            stream.close()

    def _refusal(self, exc: OSError) -> UsageError:
        return UsageError(f"--out {self.path}: {exc.strerror}; name a file in a folder that exists and can be written")


class TableWriter:
    """A table per stream and what was found, for a person."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stream = target.text()

    def add(self, scored: SegmentScored) -> None:
        """Nothing: a table is drawn when all is known."""

    def close(self, streams: Sequence[StreamSummary], rejected: Sequence[DeadLetter]) -> None:
        print_run(console_for(self._stream), streams, rejected)
        self._target.done(self._stream)


class JsonLinesWriter:
    """One `SegmentScored` a line and nothing else, as they come."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stream = target.text()

    def add(self, scored: SegmentScored) -> None:
        self._stream.write(scored.model_dump_json() + "\n")
        self._stream.flush()  # a reader at the other end of a pipe sees each score when it is made

    def close(self, streams: Sequence[StreamSummary], rejected: Sequence[DeadLetter]) -> None:
        self._target.done(self._stream)


class JsonWriter:
    """One document: model, sampler, the streams with their renditions and points, and what was rejected."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stream = target.text()

    def add(self, scored: SegmentScored) -> None:
        """Nothing: the document is written when all is known."""

    def close(self, streams: Sequence[StreamSummary], rejected: Sequence[DeadLetter]) -> None:
        json.dump(document(streams, rejected), self._stream, indent=2, ensure_ascii=False, allow_nan=False)
        self._stream.write("\n")
        self._target.done(self._stream)


class CsvWriter:
    """One flat row a segment, as they come, under a header; see `COLUMNS`."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stream = target.text()
        self._csv = csv.writer(self._stream, lineterminator="\n")
        self._csv.writerow(COLUMNS)

    def add(self, scored: SegmentScored) -> None:
        cells = [column(scored) for column in COLUMNS.values()]
        self._csv.writerow([_csv_cell(cell) for cell in cells])
        self._stream.flush()

    def close(self, streams: Sequence[StreamSummary], rejected: Sequence[DeadLetter]) -> None:
        self._target.done(self._stream)


class ParquetWriter:
    """One flat row a segment, typed; see `COLUMNS`. Always a file."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stream = target.binary("parquet")
        self._rows: list[dict[str, Cell]] = []

    def add(self, scored: SegmentScored) -> None:
        self._rows.append({name: column(scored) for name, column in COLUMNS.items()})

    def close(self, streams: Sequence[StreamSummary], rejected: Sequence[DeadLetter]) -> None:
        # Half a second of imports that only this format needs.
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        pq.write_table(pa.Table.from_pylist(self._rows, schema=parquet_schema()), self._stream, compression="zstd")
        self._target.done(self._stream)


WRITERS: dict[str, Callable[[Target], Writer]] = {
    "table": TableWriter,
    "json": JsonWriter,
    "jsonl": JsonLinesWriter,
    "csv": CsvWriter,
    "parquet": ParquetWriter,
}


def document(streams: Sequence[StreamSummary], rejected: Sequence[DeadLetter]) -> dict[str, Any]:
    """Return the JSON document of a run; the model and sampler are null where nothing was scored."""
    first = streams[0] if streams else None
    return {
        "verdict": headline(streams, rejected),
        "model": first.model.model_dump(mode="json") if first else None,
        "sampler": first.sampler.model_dump(mode="json") if first else None,
        "streams": [_stream_document(stream) for stream in streams],
        "rejected": [letter.model_dump(mode="json") for letter in rejected],
    }


def parquet_schema() -> Any:
    """Return the pyarrow schema of a row; columns that can be empty are nullable."""
    import pyarrow as pa  # noqa: PLC0415

    kinds: dict[str, Any] = {
        "segment_number": pa.int64(),
        "start_seconds": pa.float64(),
        "duration_seconds": pa.float64(),
        "score": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "reference_offset_seconds": pa.float64(),
        "display_height_px": pa.int32(),
        "worst_frame_score": pa.float64(),
        "worst_frame_seconds": pa.float64(),
        "worst_frame_pts": pa.int64(),
        "width_px": pa.int32(),
        "height_px": pa.int32(),
        "bit_depth": pa.int8(),
        "interlaced": pa.bool_(),
        "frames": pa.int32(),
        "frame_rate_hz": pa.float64(),
        "bitrate_bps": pa.int64(),
        "declared_bitrate_bps": pa.int64(),
        "findings": pa.list_(pa.string()),
        "sampler_frames": pa.int32(),
    }
    empty = {
        "reference_rendition_id",
        "reference_offset_seconds",
        "worst_frame_pts",
        "frame_rate",
        "frame_rate_hz",
        "bitrate_bps",
        "declared_bitrate_bps",
    }
    return pa.schema([pa.field(name, kinds.get(name, pa.string()), nullable=name in empty) for name in COLUMNS])


def _csv_cell(cell: Cell) -> str | int | float | None:
    if isinstance(cell, list):
        return " ".join(cell)
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell


def _stream_document(stream: StreamSummary) -> dict[str, Any]:
    return {
        "stream_id": stream.stream_id,
        "display_height_px": stream.display_height_px,
        "ladder": stream.ladder.model_dump(mode="json") if stream.ladder else None,
        "sentences": in_words(stream),
        "notes": [_note_document(note) for note in stream.notes],
        "renditions": [_rendition_document(summary) for summary in stream.renditions],
    }


def _note_document(note: Note) -> dict[str, Any]:
    return {
        "severity": str(note.severity),
        "kind": note.kind,
        "text": note.text,
        "rendition_ids": list(note.rendition_ids),
        "spans_seconds": [list(span) for span in note.spans_seconds],
    }


def _rendition_document(summary: RenditionSummary) -> dict[str, Any]:
    media = summary.media
    return {
        "rendition_id": summary.rendition_id,
        "codec": media.codec,
        "width_px": media.width_px,
        "height_px": media.height_px,
        "frame_rate": None if media.frame_rate is None else str(media.frame_rate),
        "bitrate_bps": None if summary.bitrate_bps is None else round(summary.bitrate_bps),
        "declared_bitrate_bps": summary.rung.bitrate_bps,
        "segments": len(summary.segments),
        "duration_seconds": summary.duration_seconds,
        "mean": summary.mean,
        "low": summary.low,
        "high": summary.high,
        "word": summary.word,
        "fifth_percentile": summary.fifth_percentile,
        "worst_frame": {"time_seconds": summary.worst.time_seconds, "score": summary.worst.score},
        "basis": summary.basis,
        "points": [QualityPoint.of(scored).model_dump(mode="json") for scored in summary.segments],
    }
