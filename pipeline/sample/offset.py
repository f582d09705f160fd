"""The offset that several instants of a segment agree on, from how well the frames around each fit."""

import numpy as np
from numpy.typing import NDArray

LEAST_GAIN_LATE = 0.3
LEAST_GAIN_EARLY = 0.05
"""Mean drop of the log residual for which an offset other than 0 is believed. Starved encodes lag by themselves, as
their skipped blocks keep showing the picture before: on 52 contents in 6 bad encodes each, without an offset, that
made later frames fit better by up to 0.3, and earlier ones never. A true offset of 3 frames
gives 0.4 to 4, less only where next to nothing moves."""

LAG_SHARE = 0.82
"""The frame before the best is taken where it gains this share of it: again that lag, which is one frame mostly."""

LEAST_AGREEMENT = 0.6
"""Share of the instants that must gain themselves, so that one cut does not decide alone."""


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
