"""Finds where a series of segment scores falls to another level, and where it comes back."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from statistics import fmean, median

LEAST_FALL = 12.0
"""Two just-noticeable differences, of scores made against the reference: content cancels in the comparison."""
LEAST_FALL_ALONE = 18.0
"""Three, of scores made alone: from shot to shot content alone moves them by up to two."""
LEVEL_SEGMENTS = 8
"""The usual level is the median of this many good segments before: short enough to follow a slow change."""
STARVED_RATIO = 0.6
"""Measured bitrate in the drop over that before, under which the fall is blamed on the bitrate."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One segment [start_seconds, end_seconds) as the detector sees it."""

    start_seconds: float
    end_seconds: float
    score: float
    half_interval: float
    bitrate_bps: int | None
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


def find_drops(samples: Sequence[Sample]) -> list[Drop]:
    """Return the drops of one rendition in order of time.

    A segment opens a drop where it lies under the usual level by the least fall and by the two intervals
    taken together; the drop ends with the first segment within half of that.
    """
    runs = _low_runs(samples)
    drops = [_drop(samples, first, end) for first, end in runs]
    opening = _opening_run(samples)
    if opening and not any(first < opening for first, _ in runs):
        drops.insert(0, _drop(samples, 0, opening))
    return drops


def _low_runs(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """Return index spans [first, end) that lie under the level of the good segments before them."""
    runs: list[tuple[int, int]] = []
    good: list[Sample] = []
    low: list[int] = []
    for index, sample in enumerate(samples):
        if not good:
            good.append(sample)
            continue
        level = median(each.score for each in good)
        half = hypot(sample.half_interval, median(each.half_interval for each in good))
        fall = max(LEAST_FALL_ALONE if sample.alone else LEAST_FALL, half)
        # It ends nearer to the level than it opens, so that a score that wavers does not make ten drops.
        if sample.score < level - (fall / 2 if low else fall):
            low.append(index)
            continue
        if low:
            runs.append((low[0], index))
            low = []
        good = [*good, sample][-LEVEL_SEGMENTS:]
    if low:
        runs.append((low[0], len(samples)))
    return runs


def _opening_run(samples: Sequence[Sample]) -> int:
    """Return how many segments at the start are low, seen backwards in time; 0 where none."""
    backwards = _low_runs(samples[::-1])
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


def _middle(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
