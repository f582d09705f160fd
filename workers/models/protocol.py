"""The seam of the models: clips are measured, compared with the reference, and scored. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.cells import CellGrid
from pipeline.clip import Clip
from schemas import ModelIdentity
from workers.measured import Measured


@dataclass(frozen=True, slots=True)
class Prediction:
    score: float
    """0-100 on the scale of VMAF v0.6.1."""
    low: float
    """Lower end of the 90 % interval."""
    high: float
    frames: NDArray[np.float64]  # [T] scores of the sampled frames
    bad_source: float = 0.0
    """How likely it is, 0..1, that the source was bad before it was encoded; 0 where that cannot be told: without the
    facts of the stream, and of a rung that is compared with another."""


class Model(Protocol):
    """One set of weights on one device."""

    @property
    def identity(self) -> ModelIdentity: ...

    @property
    def grid(self) -> CellGrid:
        """How clips for this model are cut."""

    def measure(self, clip: Clip, *, hide_stream: bool) -> Measured:
        """Measure a clip by itself; `hide_stream` leaves out bitrate, codec and quantiser."""

    def compare(
        self, measured: Measured, shown: NDArray[np.uint8], best: Measured, sheet: NDArray[np.uint8]
    ) -> Measured:
        """Add what differs from the reference; both [T, N, P, P] cut at the same places and times."""

    def predict(self, clips: Sequence[Measured]) -> list[Prediction]:
        """Score clips, each independent of the others: alone where `best` is None, else against the ladder."""
