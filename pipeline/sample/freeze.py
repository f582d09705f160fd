"""Finds where the picture stands still: a rung's while the reference moves, and that of a whole segment."""

import numpy as np
from numpy.typing import NDArray

from pipeline.clip import DifferenceSeries

WINDOW_SECONDS = 1.0
REFERENCE_MOVES = 0.8
"""Mean |dY| of the reference, in 8-bit steps, from which its picture surely moves."""
SHARE_LEFT = 0.12
"""Of the reference's change. A frozen picture that is encoded again still changes a little: an encoder refines it and
its picture types differ (0.1 to 0.3 was seen). Starved rungs that do move keep more than a third."""

STILL_RANGE = 10.0
"""Change of any cell of the small picture over a segment, in 8-bit steps, up to which nothing in it moves. A still that
is encoded again and again stays under 6 on rungs that are worth their bits (9 to 12 at 100 kbit/s); a camera that moves
by a twentieth of a pixel of 1080 lines a picture changes some cell by 13, a clock by 100."""
STILL_MEDIAN = 0.25
"""Median |dY| of such a still at the most: refining it leaves 0.1. More is noise, or many small movements."""


def stands_still(series: DifferenceSeries, small: NDArray[np.uint8]) -> bool:
    """Return whether nothing moves in a segment, however its encoder refines and renews the picture.

    Args:
        series: Of all of its pictures.
        small: [T, h, w] small pictures of its instants; of fewer than two nothing can be told.
    """
    if len(small) < 2:
        return False
    ranges = small.max(axis=0).astype(np.int16) - small.min(axis=0)  # [h, w]
    return float(ranges.max()) <= STILL_RANGE and hardly_moves(series)


def hardly_moves(series: DifferenceSeries, start_seconds: float = -np.inf, end_seconds: float = np.inf) -> bool:
    """Return whether most pictures in [start, end] are as the ones before. False: there are none."""
    within = (series.times_seconds >= start_seconds) & (series.times_seconds <= end_seconds)
    known = series.differences[within & ~np.isnan(series.differences)]
    return len(known) > 0 and float(np.median(known)) < STILL_MEDIAN


def still_beside(
    series: DifferenceSeries, reference: DifferenceSeries, offset_seconds: float, least_seconds: float = WINDOW_SECONDS
) -> list[tuple[float, float]]:
    """Return (start_seconds, duration_seconds) of every span in which only the rung stands still.

    The rung's content lags the reference's by `offset_seconds`. Compared are medians over a second to either side of
    every picture, which neither a cut nor a keyframe moves.
    """
    times = series.times_seconds
    if len(times) < 3 or len(reference.times_seconds) < 3:
        return []
    own = _local_median(times, series.differences, times)
    best = _local_median(reference.times_seconds, reference.differences, times - offset_seconds)
    still = (best > REFERENCE_MOVES) & (own < SHARE_LEFT * best)
    spans: list[tuple[float, float]] = []
    start: int | None = None
    for index, is_still in enumerate([*still, False]):
        if is_still and start is None:
            start = index
        elif not is_still and start is not None:
            end = times[index] if index < len(times) else times[-1]
            if end - times[start] >= least_seconds - 1e-6:
                spans.append((float(times[start]), float(end - times[start])))
            start = None
    return spans


def _local_median(
    times: NDArray[np.float64], values: NDArray[np.float32], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the median [len(at)] of values within half a window of each time; NaN where there is none."""
    known = ~np.isnan(values)
    times, values = times[known], values[known]
    first = np.searchsorted(times, at - WINDOW_SECONDS / 2)
    last = np.searchsorted(times, at + WINDOW_SECONDS / 2, side="right")
    medians = [float(np.median(values[a:b])) if b > a else np.nan for a, b in zip(first, last, strict=True)]
    return np.array(medians)
