"""The seam of frame sampling: a stream of steps goes in, the chosen ones come out as soon as they are certain."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pipeline.frame import Frame


@dataclass(frozen=True, slots=True)
class Step:
    """One decoded picture with the one before it."""

    frame: Frame
    previous: Frame | None
    """None for the first picture of a source."""
    difference: float
    """Mean |dY| on the strided luma grid in 8-bit steps; NaN where there is no previous picture."""


class Sampler(Protocol):
    """Chooses K frames of a segment."""

    name: str
    frames: int

    def sample(self, steps: Iterable[Step], start_seconds: float, end_seconds: float) -> Iterator[Step]:
        """Yield at most `frames` steps of [start_seconds, end_seconds) in presentation order.

        Streaming: a step is yielded once it is certain, and at most a few are held. Deterministic.
        """
