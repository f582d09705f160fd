"""What the model is taught to say of a clip: VMAF, and for stills and very small rungs the mean of VMAF and the size.

People who rated stills of 144 to 896 lines on a UHD display agreed with the height alone more than with VMAF (SROCC
.928 and .908), and below a sixth of the display VMAF is 0 for nearly everything, so that nothing could be learned of
the order there. The shape of the prior and its weight of one half are ours.
"""

import math

import numpy as np
from numpy.typing import NDArray

_BLENDED_KINDS = ("still", "small")
_STEEPNESS, _MIDDLE = 1.16, -0.61
"""VMAF against log2 of the size, fitted as a logistic to 1,015 stills and small clips of our own making."""


def target_of(vmaf: NDArray[np.float32], kind: str, share: float) -> NDArray[np.float32]:
    """Return what is taught [T], 0-100, of frames with this VMAF [T]; `share` is the coded against the shown height.

    NaN where VMAF is blind, and the order of severities is all that is taught.
    """
    if kind == "order":
        return np.full_like(vmaf, np.nan)
    if kind not in _BLENDED_KINDS:
        return vmaf
    return (vmaf + np.float32(size_alone(share))) / np.float32(2)


def size_alone(share: float) -> float:
    """Return the VMAF that stills of this size have on average."""
    return 100 / (1 + math.exp(-_STEEPNESS * (math.log2(share) - _MIDDLE)))
