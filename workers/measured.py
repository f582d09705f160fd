"""A clip as numbers, as models measure it: kept apart from the measuring, so that sheets need no torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Measured:
    """A clip of T frames as the models see it. NaN: not known."""

    frame: NDArray[np.float32]  # [T, columns] see `workers.models.measure.FRAME`
    first: NDArray[np.float32]  # [columns] FIRST
    facts: NDArray[np.float32]  # [columns] FACTS
    times: NDArray[np.float32]  # [T] seconds from the start of the segment
    against: NDArray[np.float32] | None = None  # [T, columns] AGAINST; None: scored alone
    best: "Measured | None" = None
    """The reference, measured alone; None: scored alone."""
    heads_ladder: bool = False
    """Other rungs are measured against this one: scored alone, but not of unknown origin."""
