"""The worst segments of a range, found by their hours and minutes: only what holds some is read point by point."""

from collections.abc import Callable, Sequence
from heapq import nsmallest
from typing import Any
from urllib.parse import urlencode

from pipeline.api.times import Span, as_time
from pipeline.history import History, Pictures, Resolution, SeriesEntry, SeriesPoint

HOURS_FROM_SECONDS = 2 * 86_400
LENGTH_SECONDS = {Resolution.HOUR: 3600.0, Resolution.MINUTE: 60.0}
FINER = {Resolution.HOUR: Resolution.MINUTE, Resolution.MINUTE: Resolution.RAW}

Value = tuple[SeriesEntry, SeriesPoint]


def worst_of(history: History, span: Span, most: int) -> list[Value]:
    """Return the segments with the least scores, the worst first; where single points have expired, their minutes.

    The k worst segments lie in the k minutes with the least scores, and these in the k hours. Raises Unavailable.
    """
    start, end = span.start_seconds, span.end_seconds
    # An hour or a minute at an edge of the range may be there for a segment outside of it.
    looked_at = most + 2 * len(span.entries)
    coarse = Resolution.HOUR if span.length_seconds > HOURS_FROM_SECONDS else Resolution.MINUTE
    values = [(entry, point) for entry in span.entries for point in history.read(entry, start, end, coarse)]
    for resolution in (coarse, FINER[coarse]):
        if resolution is Resolution.RAW:
            break
        finer: list[Value] = []
        for entry, point in _least(values, looked_at):
            if point.resolution is not resolution:
                finer.append((entry, point))
                continue
            since = max(start, point.start_seconds)
            until = min(end, point.start_seconds + LENGTH_SECONDS[resolution])
            finer += [(entry, each) for each in history.read(entry, since, until, FINER[resolution])]
        values = finer
    return _least([value for value in values if start <= value[1].least_seconds < end], most)


def segments(
    history: History, pictures: Pictures, span: Span, most: int, path: Callable[[str], str] = lambda query: query
) -> list[dict[str, Any]]:
    """Return the worst segments as they are shown; `path` makes the address of a picture of its query."""
    found = worst_of(history, span, most)
    kept = _kept(pictures, span, found)
    return [_shown(entry, point, span, kept, path) for entry, point in found]


def _least(values: Sequence[Value], most: int) -> list[Value]:
    return nsmallest(most, values, key=lambda value: (value[1].least_score, value[1].least_seconds))


def _kept(pictures: Pictures, span: Span, found: Sequence[Value]) -> set[tuple[str, int]]:
    if not found:
        return set()
    first = min(point.least_seconds for _, point in found)
    last = max(point.least_seconds for _, point in found)
    return {
        (picture.rendition_id, round(picture.start_seconds * 1000))
        for picture in pictures.kept(span.stream_id, None, first, last + 0.001)
    }


def _shown(
    entry: SeriesEntry, point: SeriesPoint, span: Span, kept: set[tuple[str, int]], path: Callable[[str], str]
) -> dict[str, Any]:
    raw, rendition, start = point.raw, entry.series.rendition_id, round(point.least_seconds, 3)
    query = urlencode({"stream": span.stream_id, "rendition": rendition, "start": f"{start:.3f}"})
    return {
        "rendition_id": rendition,
        "start_seconds": start,
        "time": as_time(start) if span.is_clock else None,
        "duration_seconds": None if raw is None else round(raw.duration_seconds, 3),
        "score": round(point.least_score, 2),
        "worst_score": None if raw is None else round(raw.worst_score, 2),
        "worst_seconds": None if raw is None else round(raw.worst_seconds, 3),
        "findings": [kind.value for kind, _ in point.findings],
        "label": None if raw is None else raw.label.value,
        "picture": path(query) if (rendition, round(start * 1000)) in kept else None,
    }
