"""Reads the incidents of a stream over any range: minutes tell where to look, segments tell when exactly."""

import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import median

from pipeline.drops import LEVEL_SEGMENTS
from pipeline.history import History, Resolution, SeriesEntry, SeriesPoint
from pipeline.incidents import SILENT_SECONDS, incidents
from pipeline.troubles import SEEN_KINDS, end_of
from pipeline.words import WALL_CLOCK
from schemas import Incident

LOOK_BACK_SECONDS = 86_400.0
"""How long a trouble may have lasted before the range; what has been lower for longer than this is the usual level."""
LOOK_AHEAD_SECONDS = 6 * 3600.0
"""How far behind the range its ends are looked for."""
SUSPECT_FALL = 5.0
"""Fall of a minute, half way between mean and least, from which its segments are looked at: a segment that falls by
the least fall of a drop moves its minute by as much."""
LEAD_SECONDS = 600.0
"""Segments before a suspect minute, for the usual level: sixty of 10 s;"""
TAIL_SECONDS = 180.0
"""and after it, to see that it is well again."""
MINUTE_SECONDS = 60.0
WHOLE_SECONDS = 1200.0
"""What is suspect for this long at most is looked at as a whole: an ad break is told from a drop by its segments."""
MOST_LOOKED_AT_SECONDS = 6 * 3600.0
"""Of a rendition, segment by segment; beyond that, from the start on, its minutes must do."""


@dataclass(frozen=True, slots=True)
class _Window:
    """Whole minutes [start_seconds, end_seconds)."""

    start_seconds: float
    end_seconds: float


def read_incidents(
    history: History,
    stream_id: str,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    *,
    model: str | None = None,
    look_back_seconds: float = LOOK_BACK_SECONDS,
    now_seconds: float | None = None,
) -> list[Incident]:
    """Return the incidents that lie in [start, end) or reach into it, whole, in order of time.

    None: from the first point, to the last. The same trouble has the same id whichever range is asked for, as long as
    its segments are kept; from then on it is told to the minute, and has the id of its minute.

    Args:
        history: Where points and findings are.
        stream_id: Whose.
        start_seconds: On the stream's axis.
        end_seconds: On the stream's axis.
        model: Of these scores only; None: of the newest weights.
        look_back_seconds: What began longer before the range is not told.
        now_seconds: Since the epoch; None: now.

    Raises:
        Unavailable: The store is away.
    """
    first = None if start_seconds is None else start_seconds - look_back_seconds
    last = None if end_seconds is None else end_seconds + LOOK_AHEAD_SECONDS
    entries = history.select(stream_id, None, first, last, model)
    live = entries[0].latest.time_basis in WALL_CLOCK if entries else True
    asked = _Window(
        float("-inf") if start_seconds is None else start_seconds, float("inf") if end_seconds is None else end_seconds
    )
    points = _points(history, entries, first, last, asked)
    ends = [end_of(own[-1]) for own in points.values() if own]
    until = max(ends, default=None)
    if live and until is not None:
        now = time.time() if now_seconds is None else now_seconds
        # A stream that has been silent for so long has ended, or nobody scores it: nothing lasts that nobody sees.
        unread = last is not None and until > last - SILENT_SECONDS
        until = until if unread or now - until < 10 * SILENT_SECONDS else now
    found = incidents(
        stream_id,
        points,
        live=live,
        findings=history.findings(stream_id, first, end_seconds) if live else (),
        skipped=history.skipped(stream_id, None, first, end_seconds),
        ads=history.ads(stream_id, first, last),
        known_until_seconds=until,
    )
    return [
        each
        for each in found
        if (end_seconds is None or each.start_seconds < end_seconds)
        and (start_seconds is None or each.end_seconds is None or each.end_seconds > start_seconds)
    ]


def _points(
    history: History,
    entries: Sequence[SeriesEntry],
    first_seconds: float | None,
    last_seconds: float | None,
    asked: _Window,
) -> dict[str, list[SeriesPoint]]:
    """Return every series in minutes, and in segments where something begins or ends that reaches into what is asked.

    All are read at once: a question costs a few trips to the store, however many renditions and troubles there are.
    """
    # A window around the first or the last minute reaches over the edge.
    since = None if first_seconds is None else first_seconds - LEAD_SECONDS - MINUTE_SECONDS
    until = None if last_seconds is None else last_seconds + TAIL_SECONDS + MINUTE_SECONDS
    coarse: list[list[SeriesPoint]] = []
    looked_at: list[tuple[SeriesEntry, list[SeriesPoint]]] = []
    for entry, found in zip(entries, history.read_all(entries, since, until, Resolution.MINUTE), strict=True):
        inside = [each for each in found if _is_inside(each, first_seconds, last_seconds)]
        windows = _windows([each for each in inside if each.resolution is Resolution.MINUTE], asked)
        starts = [window.start_seconds for window in windows]

        def is_fine(
            minute: SeriesPoint, windows: Sequence[_Window] = windows, starts: Sequence[float] = starts
        ) -> bool:
            index = bisect_right(starts, minute.start_seconds) - 1
            return index >= 0 and minute.start_seconds < windows[index].end_seconds

        # An hour reaches over the edge of a window.
        minutes = [each for each in found if each.resolution is Resolution.MINUTE] if windows else []
        looked_at.append((entry, [each for each in minutes if is_fine(each)]))
        coarse.append([each for each in inside if each.resolution is Resolution.HOUR or not is_fine(each)])
    points = {}
    for entry, fine, rest in zip(entries, history.segments(looked_at), coarse, strict=True):
        points[entry.series.rendition_id] = sorted([*rest, *fine], key=attrgetter("start_seconds"))
    return points


def _is_inside(point: SeriesPoint, first_seconds: float | None, last_seconds: float | None) -> bool:
    """Say whether some of a minute or an hour lies in [first, last)."""
    return (first_seconds is None or end_of(point) > first_seconds) and (
        last_seconds is None or point.start_seconds < last_seconds
    )


def _windows(minutes: Sequence[SeriesPoint], asked: _Window) -> list[_Window]:
    """Return where segments must be looked at, in order, none touching another."""
    joined: list[_Window] = []
    for window in sorted(_wanted(minutes, asked), key=lambda each: each.start_seconds):
        if joined and window.start_seconds <= joined[-1].end_seconds:
            joined[-1] = _Window(joined[-1].start_seconds, max(joined[-1].end_seconds, window.end_seconds))
        else:
            joined.append(window)
    kept: list[_Window] = []
    left = MOST_LOOKED_AT_SECONDS
    for window in reversed(joined):  # the newest first: of those the segments are kept
        left -= window.end_seconds - window.start_seconds
        if left < 0:
            break
        kept.append(window)
    return kept[::-1]


def _wanted(minutes: Sequence[SeriesPoint], asked: _Window) -> Iterator[_Window]:
    """Yield a window around the first and the last minute of everything that is suspect and may reach into `asked`."""
    for first, last in _suspects(minutes):
        start, end = minutes[first].start_seconds, end_of(minutes[last])
        if end < asked.start_seconds - TAIL_SECONDS or start > asked.end_seconds + TAIL_SECONDS:
            continue
        if end - start <= WHOLE_SECONDS:
            yield _Window(start - LEAD_SECONDS, end + TAIL_SECONDS)
        else:
            yield _Window(start - LEAD_SECONDS, start + TAIL_SECONDS)
            yield _Window(end - TAIL_SECONDS, end + TAIL_SECONDS)


def _suspects(minutes: Sequence[SeriesPoint]) -> list[tuple[int, int]]:
    """Return index spans [first, last] of minutes that are low, or in which something was seen."""
    found: list[tuple[int, int]] = []
    good: deque[float] = deque(maxlen=LEVEL_SEGMENTS)
    level: float | None = None
    low = False
    for index, minute in enumerate(minutes):
        seen = bool(minute.findings) and any(kind in SEEN_KINDS for kind, _ in minute.findings)
        score = (minute.score + minute.least_score) / 2
        low = level is not None and score < level - (SUSPECT_FALL / 2 if low else SUSPECT_FALL)
        if not low and not seen:
            good.append(score)
            level = median(good)
        # What begins low may be a fall before which nothing is known.
        if low or seen or index == 0:
            if found and found[-1][1] == index - 1:
                found[-1] = (found[-1][0], index)
            else:
                found.append((index, index))
    return found
