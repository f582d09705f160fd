"""What the cheap signals of a segment tell of faults: spans where the picture stands still, cuts, black."""

import numpy as np
from numpy.typing import NDArray

from pipeline.clip import DifferenceSeries

STILL_BELOW = 0.03
"""Mean |dY| in 8-bit steps. A repeated picture gives 0, one whose encoder skips all blocks 0 or nearly so; slow
camera motion of a tenth of a pixel a frame gives 0.1 and more."""

FLAT_BELOW = 2.5
"""Standard deviation of a small picture, in 8-bit steps, under which there is nothing to recognise."""

BLACK_BELOW = 24.0
"""Mean luma; black is 16 in limited range and 0 in full range."""

CUT_FROM = 8.0
"""Mean |dY| of a cut at the least: two unlike pictures differ by 20 to 60, dark ones by 8 or more."""

CUT_RATIO = 4.0
"""How far a cut stands out of the median around it; fast motion reaches 2."""

CUT_REACH = 8
"""Pictures to either side that a cut is compared with: a quarter of a second."""


def frozen_spans(
    series: DifferenceSeries, at_least_seconds: float = 1.0, below: float = STILL_BELOW
) -> list[tuple[float, float]]:
    """Return (start_seconds, duration_seconds) of every span in which the picture stands still.

    Not a fault by itself: a slide stands still rightly. The caller compares with the reference. A span begins
    with the picture that stays and ends with the first that differs, or with the last there is. A picture that
    is shown long because none follows (variable frame rate) stands still, too.
    """
    times, differences = series.times_seconds, series.differences
    spans: list[tuple[float, float]] = []
    start = 0
    for index in range(1, len(times)):
        last = index == len(times) - 1
        moves = not differences[index] < below  # NaN: nothing is known, so the span ends
        if not (moves or last):
            continue
        duration_seconds = float(times[index] - times[start])
        if duration_seconds >= at_least_seconds - 1e-6:
            spans.append((float(times[start]), duration_seconds))
        start = index
    return spans


def cuts(series: DifferenceSeries) -> list[float]:
    """Return the times of pictures that may begin a new shot: candidates, a flash looks the same."""
    differences = np.nan_to_num(series.differences.astype(np.float64), nan=0.0)
    found: list[float] = []
    for index in np.flatnonzero(differences >= CUT_FROM):
        around = differences[max(0, index - CUT_REACH) : index + CUT_REACH + 1]
        here = min(int(index), CUT_REACH)
        others = np.concatenate([around[:here], around[here + 1 :]])
        usual = float(np.median(others)) if others.size else 0.0
        if differences[index] >= CUT_RATIO * usual and differences[index] >= others.max(initial=0.0):
            found.append(float(series.times_seconds[index]))
    return found


def is_flat(picture: NDArray[np.uint8]) -> bool:
    """Return whether a small picture shows nothing: black, white, one colour."""
    return float(picture.std()) < FLAT_BELOW


def is_black(picture: NDArray[np.uint8]) -> bool:
    """Return whether a small picture is black: dark and without anything in it."""
    return is_flat(picture) and float(picture.mean()) < BLACK_BELOW
