"""Sampling by frame difference: of every time bucket the frame that differs most from the one before it."""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

from pipeline.sample.buckets import Buckets, on_grid, winners
from pipeline.sample.protocol import Step


class FrameDifferenceSampler:
    """Cuts [start, end) into K equal buckets and yields of each the step with the largest difference.

    Ties go to the earlier frame; a difference that is NaN counts as the lowest; an empty bucket yields none.

    Sampling by frame difference is inspired by Q-CLIP (arXiv 2508.06092). The definition is our own: the code
    released with that paper samples uniformly. Buckets keep the whole segment covered, where the K largest of
    all would crowd around cuts.

    `grid_rate`: the frame rate of the slower rungs of the ladder, whose instants the choice is kept to where
    the rates are multiples; None: every frame is a candidate. See `on_grid`.
    """

    name = "frame_difference"

    def __init__(self, frames: int = 8, grid_rate: Fraction | None = None) -> None:
        self.frames = frames
        self.grid_rate = grid_rate

    def sample(self, steps: Iterable[Step], start_seconds: float, end_seconds: float) -> Iterator[Step]:
        """Yield the winner of every bucket once a step past it has arrived."""
        buckets = Buckets(start_seconds, end_seconds, self.frames)
        return winners(on_grid(steps, self.grid_rate, start_seconds), buckets, differs_more)


def differs_more(_bucket: int, step: Step, best: Step) -> bool:
    return _rank(step) > _rank(best)


def _rank(step: Step) -> float:
    return -math.inf if math.isnan(step.difference) else step.difference
