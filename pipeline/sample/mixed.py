"""Mixed sampling: every second bucket by frame difference, the others at their centre."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from pipeline.sample.buckets import Buckets, on_grid, winners
from pipeline.sample.frame_difference import differs_more
from pipeline.sample.protocol import Step
from pipeline.sample.uniform import nearer_the_centre


class MixedSampler:
    """Cuts [start, end) into K equal buckets; the 1st, 3rd, 5th ... give the frame with the largest difference,
    the 2nd, 4th, 6th ... the frame at their centre.

    So half the frames show what changes most and half show what is typical, no frame comes twice, and all come
    in time order. Q-CLIP (arXiv 2508.06092) reports a mixed sampling without defining it; this definition is ours.
    `grid_rate`: see `on_grid`.
    """

    name = "mixed"

    def __init__(self, frames: int = 8, grid_rate: Fraction | None = None) -> None:
        self.frames = frames
        self.grid_rate = grid_rate

    def sample(self, steps: Iterable[Step], start_seconds: float, end_seconds: float) -> Iterator[Step]:
        """Yield the frame of every bucket once a step past the bucket has arrived."""
        buckets = Buckets(start_seconds, end_seconds, self.frames)
        central = nearer_the_centre(buckets)

        def better(bucket: int, step: Step, best: Step) -> bool:
            return (central if bucket % 2 else differs_more)(bucket, step, best)

        return winners(on_grid(steps, self.grid_rate, start_seconds), buckets, better)
