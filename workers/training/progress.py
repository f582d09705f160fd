"""How far a training is: told after every step or every few."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    part: str
    """Which network is trained."""
    step: int
    steps: int
    loss: float
    """Mean over the steps of late."""
    left_seconds: float
    """Of this part, at the pace so far."""
