"""Finds where a series of segment scores falls to another level, and where it comes back."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import hypot
from statistics import fmean, median
from typing import NamedTuple

LEAST_FALL = 12.0
"""Two just-noticeable differences, of scores made against the reference: content cancels in the comparison."""
LEAST_FALL_ALONE = 18.0
"""Three, of scores made alone: from shot to shot content alone moves them by up to two."""
LEVEL_SEGMENTS = 8
"""The usual level is the median of this many good segments before: short enough to follow a slow change."""
WATCHED_SEGMENTS = 60
"""The same of a series that is watched, from `LEVEL_SEGMENTS` on: long enough for shots that are hard to encode and
shots that are not, between which a low rung swings by 30 points."""
SWING_DEVIATIONS = 2.5
"""Standard deviations of those segments, told from their median deviation, that a drop must exceed."""
OPENING_SEGMENTS = 3 * LEVEL_SEGMENTS
"""Of a series that goes on growing, whether it begins low is told from this many, once and for good."""
STARVED_RATIO = 0.6
"""Measured bitrate in the drop over that before, under which the fall is blamed on the bitrate."""


class Sample(NamedTuple):
    """One segment [start_seconds, end_seconds) as the detector sees it: a tuple, as a day has 43,200."""

    start_seconds: float
    end_seconds: float
    score: float
    half_interval: float
    bitrate_bps: float | None
    alone: bool


@dataclass(frozen=True, slots=True)
class Drop:
    """A span at a lower level. None: it lasts to the end, or a bitrate is not known."""

    start_seconds: float
    end_seconds: float | None
    usual_score: float
    """Level outside of the drop."""
    score: float
    """Mean inside."""
    usual_bitrate_bps: float | None
    bitrate_bps: float | None
    at_start: bool = False
    """The series begins low and rises, so there is no level before."""

    @property
    def starved(self) -> bool:
        if self.bitrate_bps is None or not self.usual_bitrate_bps:
            return False
        return self.bitrate_bps < STARVED_RATIO * self.usual_bitrate_bps


def find_drops(samples: Sequence[Sample], *, watched: bool = False, grows: bool = False) -> list[Drop]:
    """Return the drops of one rendition in order of time.

    A segment opens a drop where it lies under the usual level by the least fall and by the two intervals
    taken together; the drop ends with the first segment within half of that.

    Args:
        samples: In order of time.
        watched: Of a long series, in which a false alarm is dear: nothing is told before the usual level is known, and
            a drop must stand out of how the scores swing with the content.
        grows: More will follow: what is told of a part of a series is told of all of it, too.
    """
    runs = _low_runs(samples, watched=watched)
    drops = [_drop(samples, first, end) for first, end in runs]
    if grows and len(samples) < OPENING_SEGMENTS:
        return drops
    opening = _opening_run(samples[:OPENING_SEGMENTS] if grows else samples, watched=watched)
    if opening and not any(first < opening for first, _ in runs):
        drops.insert(0, _drop(samples, 0, opening))
    return drops


def _low_runs(samples: Sequence[Sample], *, watched: bool) -> list[tuple[int, int]]:
    """Return index spans [first, end) that lie under the level of the good segments before them."""
    runs: list[tuple[int, int]] = []
    low: list[int] = []
    least_good, memory = (LEVEL_SEGMENTS, WATCHED_SEGMENTS) if watched else (1, LEVEL_SEGMENTS)
    good = _Good(memory)
    for index, sample in enumerate(samples):
        if len(good.samples) >= least_good and _is_low(sample, good, opened=bool(low), watched=watched):
            low.append(index)
            continue
        if low:
            runs.append((low[0], index))
            low = []
        good.add(sample)
    if low:
        runs.append((low[0], len(samples)))
    return runs


class _Good:
    """The last good samples, their scores kept in order: the median of sixty is asked for at every sample."""

    def __init__(self, most: int) -> None:
        self.samples: deque[Sample] = deque(maxlen=most)
        self.level = 0.0
        """The median of the scores, as soon as there is one."""
        self._ordered: list[float] = []

    def add(self, sample: Sample) -> None:
        ordered = self._ordered
        if len(self.samples) == self.samples.maxlen:
            del ordered[bisect_left(ordered, self.samples[0].score)]
        self.samples.append(sample)
        insort(ordered, sample.score)
        middle = len(ordered) // 2
        self.level = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _is_low(sample: Sample, good: _Good, *, opened: bool, watched: bool) -> bool:
    level = good.level
    # It ends nearer to the level than it opens, so that a score that wavers does not make ten drops.
    fall = (level - sample.score) / (0.5 if opened else 1.0)
    return (
        fall > (LEAST_FALL_ALONE if sample.alone else LEAST_FALL)
        and fall > _joint(sample, good.samples)
        and not (watched and fall <= _swing(good.samples, level))
    )


def _swing(good: Iterable[Sample], level: float) -> float:
    """Return how far the scores of good segments swing around their level."""
    return SWING_DEVIATIONS * 1.4826 * median([abs(each.score - level) for each in good])


def _joint(sample: Sample, good: Iterable[Sample]) -> float:
    """Return half of the interval of the difference to the level."""
    return hypot(sample.half_interval, median([each.half_interval for each in good]))


def _opening_run(samples: Sequence[Sample], *, watched: bool) -> int:
    """Return how many segments at the start are low, seen backwards in time; 0 where none."""
    backwards = _low_runs(samples[::-1], watched=watched)
    if backwards and backwards[-1][1] == len(samples):
        return len(samples) - backwards[-1][0]
    return 0


def _drop(samples: Sequence[Sample], first: int, end: int) -> Drop:
    inside = samples[first:end]
    around = samples[max(0, first - LEVEL_SEGMENTS) : first] or samples[end : end + LEVEL_SEGMENTS]
    return Drop(
        start_seconds=inside[0].start_seconds,
        end_seconds=None if end == len(samples) else inside[-1].end_seconds,
        usual_score=median(each.score for each in around),
        score=fmean(each.score for each in inside),
        usual_bitrate_bps=_middle([each.bitrate_bps for each in around]),
        bitrate_bps=_middle([each.bitrate_bps for each in inside]),
        at_start=first == 0,
    )


def _middle(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
