"""A monotone map from the model's scores to the opinions of a user's own viewers, kept in the checkpoint's header."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class OpinionMap:
    """Straight lines between fixed points; scores and opinions 0-100, never falling."""

    values: tuple[float, ...]
    """Opinions at scores that divide 0..100 evenly, both ends included."""

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(scores, np.linspace(0, 100, len(self.values)), self.values)

    @classmethod
    def of(cls, calibration: dict[str, Any]) -> "OpinionMap | None":
        """Return the map of a checkpoint's calibration; None: it has none."""
        return cls(tuple(calibration["opinion"])) if "opinion" in calibration else None
