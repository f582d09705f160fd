"""Time buckets: K equal parts of a segment, each of which gives at most one frame."""

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

from pipeline.sample.protocol import Step

TIME_TOLERANCE_SECONDS = 1e-6
"""Presentation times are sums of floats: a frame this little before an edge counts as on it."""

Better = Callable[[int, Step, Step], bool]
"""(bucket, step, best so far) -> whether the step replaces it."""


class Buckets:
    """`count` equal parts of [start_seconds, end_seconds), each half-open.

    Where the end is not after the start (a still of no duration) there is one bucket, with what lies at the start.
    """

    def __init__(self, start_seconds: float, end_seconds: float, count: int) -> None:
        if count < 1:
            raise ValueError(f"expected at least 1 frame per segment, got {count}")
        if not (math.isfinite(start_seconds) and math.isfinite(end_seconds)):
            raise ValueError(
                f"expected a segment with a known start and end, got [{start_seconds}, {end_seconds}) seconds"
            )
        self._start_seconds = start_seconds
        self._span_seconds = max(0.0, end_seconds - start_seconds)
        self._count = count

    def index(self, time_seconds: float) -> int | None:
        """Return the bucket that a time lies in; None: outside of the segment."""
        since = time_seconds - self._start_seconds + TIME_TOLERANCE_SECONDS
        if self._span_seconds <= TIME_TOLERANCE_SECONDS:
            return 0 if 0 <= since <= 2 * TIME_TOLERANCE_SECONDS else None
        if not 0 <= since < self._span_seconds:
            return None
        return min(self._count - 1, int(since * self._count / self._span_seconds))

    def centre_seconds(self, index: int) -> float:
        return self._start_seconds + self._span_seconds * (index + 0.5) / self._count


def winners(steps: Iterable[Step], buckets: Buckets, better: Better) -> Iterator[Step]:
    """Yield the best step of every bucket when the first step past it arrives; holds one step besides the current.

    A step without a time (NaN) belongs where the one before it does.
    """
    best: Step | None = None
    bucket: int | None = None
    for step in steps:
        time_seconds = step.frame.time_seconds
        at = bucket if math.isnan(time_seconds) else buckets.index(time_seconds)
        if at != bucket:
            if best is not None:
                yield best
            best, bucket = None, at
        if at is not None and (best is None or better(at, step, best)):
            best = step
    if best is not None:
        yield best


def on_grid(steps: Iterable[Step], grid_rate: Fraction | None, start_seconds: float) -> Iterator[Step]:
    """Let pass the steps that a slower rung has a frame for, so that instants chosen on 60 frames/s exist at 30.

    Where frames come at about n times `grid_rate` (n >= 2, within 5 %, by the mean interval so far), the one
    nearest to each multiple of 1 / grid_rate after `start_seconds` passes. At any other ratio, and for None, all do.
    """
    if grid_rate is None:
        yield from steps
        return
    period_seconds = float(1 / grid_rate)
    first_seconds, passed = math.nan, 0
    for step in steps:
        time_seconds = step.frame.time_seconds
        if passed == 0:
            first_seconds = time_seconds
        interval_seconds = (time_seconds - first_seconds) / passed if passed else 0.0
        passed += 1
        if not interval_seconds > 0:
            yield step
            continue
        ratio = period_seconds / interval_seconds
        if round(ratio) < 2 or abs(ratio / round(ratio) - 1) > 0.05:
            yield step
            continue
        phase = math.remainder(time_seconds - start_seconds, period_seconds)
        if -interval_seconds / 2 < phase + TIME_TOLERANCE_SECONDS <= interval_seconds / 2:
            yield step
