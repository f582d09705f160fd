"""The offset that several instants of a segment agree on, from how well the frames around each fit; or a drift."""

import numpy as np
from numpy.typing import NDArray

REACH_FRAMES = 4
"""Frames of the slower of the two rungs to either side in which the offset is searched."""

LEAST_GAIN_LATE = 0.4
LEAST_GAIN_EARLY = 0.05
"""Mean drop of the log residual for which an offset other than 0 is believed. Starved encodes lag by themselves, as
their skipped blocks keep showing the picture before: on 52 contents in 6 bad encodes each, without an offset, that
made later frames fit better by up to 0.3, and earlier ones never. A true offset of 3 frames
gives 0.4 to 4, less only where next to nothing moves."""

LAG_SHARE = 0.82
"""The frame before the best is taken where it gains this share of it: again that lag, which is one frame mostly."""

LEAST_AGREEMENT = 0.6
"""Share of the instants that must gain themselves, so that one cut does not decide alone."""

LEAST_DRIFT_GAIN = 0.12
"""Mean drop of the log residual by which a growing offset must beat the best constant one. Without drift it is 0.05
at the most on the same encodes; with 3 frames of drift 0.12 to 2.3, less only where next to nothing moves."""

DRIFT_FRAMES = range(2, 9)
"""Growth over the segment, in frames of the slower rung, that is tried in either direction."""

MOST_MISSING = 1 / 4
"""Share of the instants at which a tried offset may have no frame."""


def consensus(residuals: NDArray[np.float64]) -> int:
    """Return the offset in frames from log residuals [instants, 2 n + 1] at offsets -n..n; NaN: no frame there.

    0 unless another is clearly better. One instant of no gain is added to those seen, so that few must gain more.
    """
    instants, offsets = residuals.shape
    middle = int(offsets // 2)
    gains = residuals[:, middle : middle + 1] - residuals  # [instants, 2 n + 1]
    known = ~np.isnan(gains)
    seen = known.sum(axis=0)  # [2 n + 1]
    if instants == 0 or not seen.any():
        return 0
    means = np.where(known, gains, 0.0).sum(axis=0) / (seen + 1)
    agreement = (known & (gains > 0.05)).sum(axis=0) / np.maximum(seen, 1)
    means[(agreement < LEAST_AGREEMENT) | (2 * seen < seen.max())] = -np.inf
    means[middle] = 0.0
    best = int(means.argmax())
    least = LEAST_GAIN_LATE if best > middle else LEAST_GAIN_EARLY
    if best == middle or means[best] < least:
        return 0
    if best > 0 and means[best - 1] >= LAG_SHARE * means[best]:
        best -= 1
    return best - middle


def drift(residuals: NDArray[np.float64], times_seconds: NDArray[np.float64], scale: int) -> tuple[int, int] | None:
    """Return the offsets in frames at the first and the last instant where one that grows fits clearly better.

    `residuals` as for `consensus`, `times_seconds` [instants], `scale`: frames of the rung in one of the slower of
    the two rungs. None: one offset holds for all instants, or there are fewer than 4 to tell by.
    """
    instants, offsets = residuals.shape
    known = ~np.isnan(residuals)
    if instants < 4 or not known.any(axis=1).all() or np.ptp(times_seconds) <= 0:
        return None
    sides = offsets // 2
    lost = residuals - np.nanmin(residuals, axis=1, keepdims=True)  # [instants, offsets]
    place = (times_seconds - times_seconds[0]) / np.ptp(times_seconds)  # [instants] 0..1
    rows = np.arange(instants)
    found: tuple[float, int, int] = (LEAST_DRIFT_GAIN, 0, 0)
    for growth in (sign * frames * scale for frames in DRIFT_FRAMES for sign in (1, -1)):
        for first in range(-sides, sides + 1):
            columns = np.rint(first + growth * place).astype(int) + sides
            inside = (columns >= 0) & (columns < offsets)
            values = lost[rows[inside], columns[inside]]
            there = ~np.isnan(values)
            if there.sum() < (1 - MOST_MISSING) * instants:
                continue
            used = rows[inside][there]
            steady = lost[used]  # [used, offsets]; a constant offset must have its frames at the same instants
            constant = float(np.where(np.isnan(steady), np.inf, steady).mean(axis=0).min())
            gain = constant - float(values[there].mean())
            if np.isfinite(gain) and gain > found[0]:
                found = (gain, first, first + growth)
    return None if found[1] == found[2] else (found[1], found[2])
