"""All streams as they stand: worked out once for everybody who asks within a second, then searched, sorted, cut."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from pipeline.api.answers import as_text, cursor, parts_of
from pipeline.api.times import as_time
from pipeline.history import History, RungStanding, StreamStanding
from pipeline.words import WALL_CLOCK

FRESH_SECONDS = 1.0
CURRENT_SECONDS = 120.0
"""A rung whose last point lies so far behind the stream's is not there any more, and does not make it worse."""
FINDINGS_LOOKED_AT = 200
"""Of one stream, the newest, to count what is open."""


_name = lru_cache(maxsize=16_384)(as_text)


@dataclass(frozen=True)
class Row:
    """One stream of the list."""

    standing: StreamStanding
    current: Sequence[RungStanding]
    """The rungs that are there."""
    worst: RungStanding
    """Of these the one of the least score."""
    end_seconds: float
    read_seconds: float
    """When the list was worked out, since the epoch."""
    folded_name: str
    """As it is searched."""

    @classmethod
    def of(cls, standing: StreamStanding, now_seconds: float) -> "Row":
        rungs = standing.rungs
        end = max([rung.end_seconds for rung in rungs])
        current = [rung for rung in rungs if rung.end_seconds > end - CURRENT_SECONDS] if _is_clock(rungs) else rungs
        worst = min(current, key=lambda rung: rung.score)
        return cls(standing, current, worst, end, now_seconds, standing.stream_id.casefold())

    @cached_property
    def text(self) -> str:
        """What is shown of it, as JSON: made for those that are shown, and once for all who ask."""
        standing, worst = self.standing, self.worst
        first = standing.rungs[0]
        is_clock = _is_clock(standing.rungs)
        about = as_text(
            {
                "stream_id": standing.stream_id,
                "live": is_clock,
                "time_basis": first.time_basis.value,
                "written_at": as_time(standing.written_seconds),
                "age_seconds": round(max(0.0, self.read_seconds - self.end_seconds), 1) if is_clock else None,
                "score": round(worst.score, 2),
                "worst_rendition_id": worst.series.rendition_id,
                "mean_score": round(sum([rung.score for rung in self.current]) / len(self.current), 2),
                "renditions": len(standing.rungs),
                "open_findings": standing.open_findings,
                "model": first.series.model_name,
                "display_height_px": first.series.display_height_px,
            }
        )
        # By hand, as there are thousands: the encoder takes three times as long.
        ladder = [
            f'{{"rendition_id":{_name(rung.series.rendition_id)},"score":{round(rung.score, 2)},'
            f'"bitrate_bps":{"null" if rung.bitrate_bps is None else rung.bitrate_bps}}}'
            for rung in self.current
        ]
        return f'{about[:-1]},"ladder":[{",".join(ladder)}]}}'


SORTS: dict[str, Callable[[Row], float | str]] = {
    "worst": lambda row: round(row.worst.score, 2),
    "name": lambda row: "",
    "fresh": lambda row: -row.standing.written_seconds,
    "findings": lambda row: -row.standing.open_findings,
}
"""By name: the value that sorts, least first; of equals the name decides."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list."""

    total: int
    next: str | None
    rows: Sequence[Row]

    @property
    def body(self) -> bytes:
        """As it is sent."""
        streams = ",".join([row.text for row in self.rows])
        return f'{{"total":{self.total},"next":{as_text(self.next)},"streams":[{streams}]}}'.encode("utf-8", "replace")


class Fleet:
    """The list of streams. May be used by many threads."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._lock = threading.Lock()
        self._at = -FRESH_SECONDS
        self._rows: list[Row] = []

    def page(self, search: str, sort: str, limit: int, after: str | None) -> Page:
        """Return up to `limit` streams of those whose names hold every word of `search`. Raises Unavailable."""
        words = search.casefold().split()
        rows = [row for row in self._fresh() if all(word in row.folded_name for word in words)]
        value = SORTS[sort]
        in_order = sorted(((value(row), row.standing.stream_id, row) for row in rows), key=lambda each: each[:2])
        if after is not None:
            sorted_by, seen, name = parts_of(after, str, (int, float, str), str)
            if sorted_by != sort or isinstance(seen, str) != (sort == "name"):
                # The cursor of another order: it begins anew.
                seen = "" if sort == "name" else float("-inf")
                name = ""
            in_order = [each for each in in_order if each[:2] > (seen, name)]
        shown = in_order[:limit]
        more = len(in_order) > limit
        return Page(len(rows), cursor(sort, *shown[-1][:2]) if more else None, [row for _, _, row in shown])

    def _fresh(self) -> list[Row]:
        with self._lock:  # whoever comes meanwhile waits for this answer instead of asking as well
            if time.monotonic() - self._at > FRESH_SECONDS:
                now = time.time()
                self._rows = [Row.of(each, now) for each in self._history.standings(now, FINDINGS_LOOKED_AT)]
                self._at = time.monotonic()
            return self._rows


def _is_clock(rungs: Sequence[RungStanding]) -> bool:
    return rungs[0].time_basis in WALL_CLOCK
