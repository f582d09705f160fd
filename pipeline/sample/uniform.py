"""Uniform sampling: of every time bucket the frame at its centre, whatever moves."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from pipeline.sample.buckets import TIME_TOLERANCE_SECONDS, Better, Buckets, on_grid, winners
from pipeline.sample.protocol import Step


class UniformSampler:
    """Cuts [start, end) into K equal buckets and yields of each the first frame at or after its centre.

    Where a bucket ends before such a frame comes, its last frame is taken; an empty bucket yields none.
    `grid_rate`: see `on_grid`.
    """

    name = "uniform"

    def __init__(self, frames: int = 8, grid_rate: Fraction | None = None) -> None:
        self.frames = frames
        self.grid_rate = grid_rate

    def sample(self, steps: Iterable[Step], start_seconds: float, end_seconds: float) -> Iterator[Step]:
        """Yield the frame of every bucket once a step past the bucket has arrived."""
        buckets = Buckets(start_seconds, end_seconds, self.frames)
        return winners(on_grid(steps, self.grid_rate, start_seconds), buckets, nearer_the_centre(buckets))


def nearer_the_centre(buckets: Buckets) -> Better:
    def better(bucket: int, _step: Step, best: Step) -> bool:
        # Steps come in time order: a later one is wanted only as long as the centre has not been reached.
        return best.frame.time_seconds + TIME_TOLERANCE_SECONDS < buckets.centre_seconds(bucket)

    return better
