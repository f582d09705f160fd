"""Fewer values for a chart: neighbours are joined, and what was best and worst among them is kept."""

from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

from pipeline.history import Resolution, SeriesPoint, Wanted, auto

T = TypeVar("T")

STEPS_SECONDS = (
    *(1, 2, 4, 5, 10, 15, 20, 30),
    *(60 * minutes for minutes in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(3600 * hours for hours in (1, 2, 3, 4, 6, 8, 12, 24, 48, 96, 168, 336, 720, 1440, 2880, 8766)),
)
"""Widths of what is joined. From a fixed list and counted from the epoch, so that a range that moves on joins the same
values as before."""


LEAST_SEGMENT_SECONDS = 0.1
"""Stills have no duration."""
MOST_RAW, MOST_MINUTES = 2, 8
"""Values that are read for each that is shown. More single points than that are joined over half a minute or more,
which minutes tell as well (mean, least and greatest); and a week of minutes fits into 1,500 values."""


def fitting(wanted: Wanted, length_seconds: float, segment_seconds: float, points: int) -> Resolution:
    """Return the finest resolution that is wanted and not read for nothing.

    auto: single points up to 6 hours, minutes up to 7 days.
    """
    resolution = auto(length_seconds) if wanted == "auto" else Resolution(wanted)
    if resolution is Resolution.RAW and length_seconds > MOST_RAW * points * max(
        segment_seconds, LEAST_SEGMENT_SECONDS
    ):
        resolution = Resolution.MINUTE
    if resolution is Resolution.MINUTE and length_seconds > MOST_MINUTES * points * 60:
        resolution = Resolution.HOUR
    return resolution


def step_for(length_seconds: float, points: int) -> float:
    """Return the least width at which a range has no more than `points` values, those cut by its ends included."""
    least = length_seconds / max(1, points - 1)
    return next((step for step in STEPS_SECONDS if step >= least), least)


def thinned(points: Sequence[SeriesPoint], step_seconds: float) -> list[SeriesPoint]:
    """Return one value for every step that has some: means weighted by duration, least and greatest kept."""
    return [_joined(list(group)) for _, group in groupby(points, lambda point: point.start_seconds // step_seconds)]


def _joined(points: list[SeriesPoint]) -> SeriesPoint:
    if len(points) == 1:
        return points[0]
    weights = [max(point.duration_seconds, 0.001) for point in points]
    known = [
        (point.bitrate_bps, weight)
        for point, weight in zip(points, weights, strict=True)
        if point.bitrate_bps is not None
    ]
    least = min(points, key=lambda point: (point.least_score, point.least_seconds))
    return SeriesPoint(
        resolution=points[0].resolution,
        start_seconds=points[0].start_seconds,
        duration_seconds=sum(point.duration_seconds for point in points),
        count=sum(point.count for point in points),
        score=_mean([point.score for point in points], weights),
        low=_mean([point.low for point in points], weights),
        high=_mean([point.high for point in points], weights),
        least_score=least.least_score,
        least_seconds=least.least_seconds,
        greatest_score=max(point.greatest_score for point in points),
        bitrate_bps=sum(bps * weight for bps, weight in known) / sum(weight for _, weight in known) if known else None,
        bases=_summed([pair for point in points for pair in point.bases]),
        findings=_summed([pair for point in points for pair in point.findings]),
    )


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _summed(pairs: Sequence[tuple[T, int]]) -> tuple[tuple[T, int], ...]:
    total: dict[T, int] = {}
    for name, number in pairs:
        total[name] = total.get(name, 0) + number
    return tuple(total.items())
