"""Finds where a rung stands still while the reference moves, by the difference series of both."""

import numpy as np
from numpy.typing import NDArray

from pipeline.clip import DifferenceSeries

WINDOW_SECONDS = 1.0
REFERENCE_MOVES = 0.8
"""Mean |dY| of the reference, in 8-bit steps, from which its picture surely moves."""
SHARE_LEFT = 0.12
"""Of the reference's change. A frozen picture that is encoded again still changes a little: an encoder refines it and
its picture types differ (0.1 to 0.3 was seen). Starved rungs that do move keep more than a third."""


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
