"""All streams as they stand: worked out once for everybody who asks within a second, then searched, sorted, cut."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pipeline.api.answers import cursor, parts_of
from pipeline.api.times import as_time
from pipeline.history import LONGEST_OPEN_SECONDS, History, SeriesEntry, is_open, selected
from pipeline.words import WALL_CLOCK

FRESH_SECONDS = 1.0
CURRENT_SECONDS = 120.0
"""A rung whose last point lies so far behind the stream's is not there any more, and does not make it worse."""
FINDINGS_LOOKED_AT = 200
"""Of one stream, the newest, to count what is open."""

SORTS: dict[str, Callable[[dict[str, Any]], float | str]] = {
    "worst": lambda stream: stream["score"],
    "name": lambda stream: "",
    "fresh": lambda stream: -stream["written_seconds"],
    "findings": lambda stream: -stream["open_findings"],
}
"""By name: the value that sorts, least first; of equals the name decides."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list."""

    total: int
    next: str | None
    streams: Sequence[dict[str, Any]]


class Fleet:
    """The list of streams. May be used by many threads."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._lock = threading.Lock()
        self._at = -FRESH_SECONDS
        self._rows: list[dict[str, Any]] = []

    def page(self, search: str, sort: str, limit: int, after: str | None) -> Page:
        """Return up to `limit` streams of those whose names hold every word of `search`. Raises Unavailable."""
        words = search.casefold().split()
        rows = [row for row in self._fresh() if all(word in row["stream_id"].casefold() for word in words)]
        value = SORTS[sort]
        in_order = sorted(((value(row), row["stream_id"], row) for row in rows), key=lambda each: each[:2])
        if after is not None:
            sorted_by, seen, name = parts_of(after, str, (int, float, str), str)
            if sorted_by != sort or isinstance(seen, str) != (sort == "name"):
                # The cursor of another order: it begins anew.
                seen = "" if sort == "name" else float("-inf")
                name = ""
            in_order = [each for each in in_order if each[:2] > (seen, name)]
        shown = in_order[:limit]
        more = len(in_order) > limit
        streams = [{key: row[key] for key in row if key != "written_seconds"} for _, _, row in shown]
        return Page(len(rows), cursor(sort, *shown[-1][:2]) if more else None, streams)

    def _fresh(self) -> list[dict[str, Any]]:
        with self._lock:  # whoever comes meanwhile waits for this answer instead of asking as well
            if time.monotonic() - self._at > FRESH_SECONDS:
                self._rows = self._read()
                self._at = time.monotonic()
            return self._rows

    def _read(self) -> list[dict[str, Any]]:
        now = time.time()
        streams = self._history.streams()
        names = [stream.stream_id for stream in streams]
        series = self._history.series_of(names)
        findings = self._history.findings_of(names, now - LONGEST_OPEN_SECONDS, None, FINDINGS_LOOKED_AT)
        return [
            _row(
                stream.stream_id,
                stream.written_seconds,
                selected(series[stream.stream_id]),
                sum(is_open(found, now) for found in findings[stream.stream_id]),
                now,
            )
            for stream in streams
            if series[stream.stream_id]
        ]


def _row(
    stream_id: str, written_seconds: float, entries: Sequence[SeriesEntry], open_findings: int, now: float
) -> dict[str, Any]:
    end = max(entry.end_seconds for entry in entries)
    is_clock = entries[0].latest.time_basis in WALL_CLOCK
    current = [entry for entry in entries if not is_clock or entry.end_seconds > end - CURRENT_SECONDS]
    worst = min(current, key=lambda entry: entry.latest.score)
    first = entries[0]
    return {
        "stream_id": stream_id,
        "live": is_clock,
        "time_basis": first.latest.time_basis.value,
        "written_at": as_time(written_seconds),
        "written_seconds": written_seconds,
        "age_seconds": round(max(0.0, now - end), 1) if is_clock else None,
        "score": round(worst.latest.score, 2),
        "worst_rendition_id": worst.series.rendition_id,
        "mean_score": round(fmean(entry.latest.score for entry in current), 2),
        "renditions": len(entries),
        "open_findings": open_findings,
        "model": first.series.model_name,
        "display_height_px": first.series.display_height_px,
        "ladder": [
            {
                "rendition_id": entry.series.rendition_id,
                "score": round(entry.latest.score, 2),
                "bitrate_bps": entry.latest.bitrate_bps,
            }
            for entry in current
        ],
    }
