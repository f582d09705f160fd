"""The offset that several instants of a segment agree on, from how well the frames around each fit; or a drift."""

import numpy as np
from numpy.typing import NDArray

REACH_FRAMES = 4
"""Frames of the slower of the two rungs to either side in which the offset is searched."""

LEAST_GAIN_LATE = 0.4
LEAST_GAIN_EARLY = 0.05
"""Mean drop of the log residual for which an offset other than 0 is believed. Starved encodes lag by themselves, as
their skipped blocks keep showing the picture before: on 57 contents in 6 bad encodes each, without an offset, that
made later frames fit better by up to 0.3, and earlier ones never. A true offset of 3 frames gives 0.4 to 4, less
only where next to nothing moves or all is lost."""

LAG_SHARE = 0.86
"""The frame before the best is taken where it gains this share of it: again that lag, which is one frame mostly."""

SPEAKS_FROM = 0.05
"""Change of the log residual, either way, from which an instant says anything of an offset; one at rest does not."""

LEAST_AGREEMENT = 0.6
"""Share of those instants that must speak for it, so that one cut does not outvote the rest."""

LEAST_DRIFT_GAIN = 0.2
"""Mean drop of the log residual by which a growing offset must beat the best constant one. Without drift it is 0.15
at the most on the same encodes; 6 frames of drift give 1 and more in good encodes, less only where little moves."""

DRIFT_FRAMES = range(2, 9)
"""Growth over the segment, in frames of the slower rung, that is tried in either direction."""

NO_FRAME = 1e6
"""Stands for a log residual where there is no frame: that offset is out."""

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
    speaking = (known & (np.abs(gains) > SPEAKS_FROM)).sum(axis=0)
    agreement = (known & (gains > SPEAKS_FROM)).sum(axis=0) / np.maximum(speaking, 1)
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
    steady = np.where(np.isnan(lost), NO_FRAME, lost)
    place = (times_seconds - times_seconds[0]) / np.ptp(times_seconds)  # [instants] 0..1
    first = np.arange(-sides, sides + 1)  # [F] tried offsets at the first instant
    found: tuple[float, int, int] | None = None
    for growth in (sign * frames * scale for frames in DRIFT_FRAMES for sign in (1, -1)):
        columns = np.rint(first[:, None] + growth * place).astype(np.intp) + sides  # [F, instants]
        inside = (columns >= 0) & (columns < offsets)
        values = lost[np.arange(instants), np.clip(columns, 0, offsets - 1)]  # [F, instants]
        used = inside & ~np.isnan(values)
        count = used.sum(axis=1)  # [F]
        tried = count >= (1 - MOST_MISSING) * instants
        if not tried.any():
            continue
        growing = np.where(used, values, 0.0).sum(axis=1)[tried] / count[tried]
        # A constant offset is judged at the same instants, and must have its frames there.
        constant = np.where(used[tried][:, :, None], steady, 0.0).sum(axis=1) / count[tried, None]
        gains = constant.min(axis=1) - growing
        best = int(gains.argmax())
        if gains[best] > (LEAST_DRIFT_GAIN if found is None else found[0]):
            begin = int(first[tried][best])
            found = (float(gains[best]), begin, begin + growth)
    return None if found is None else (found[1], found[2])
