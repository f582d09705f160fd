"""Which frames of a segment are looked at, and the same instants on every rung. Numpy only."""

from pipeline.sample.difference import Recorder, steps
from pipeline.sample.faults import cuts, frozen_spans, is_black, is_flat
from pipeline.sample.frame_difference import FrameDifferenceSampler
from pipeline.sample.freeze import hardly_moves, stands_still, still_beside
from pipeline.sample.impose import Imposed, Imposer, Imposition
from pipeline.sample.mixed import MixedSampler
from pipeline.sample.protocol import Sampler, Step
from pipeline.sample.small import small_picture
from pipeline.sample.uniform import UniformSampler

SAMPLERS: dict[str, type[FrameDifferenceSampler] | type[UniformSampler] | type[MixedSampler]] = {
    "frame_difference": FrameDifferenceSampler,
    "uniform": UniformSampler,
    "mixed": MixedSampler,
}
"""Every way of sampling by name; each is made with `(frames=8, grid_rate=None)`."""

__all__ = [
    "SAMPLERS",
    "Imposed",
    "Imposer",
    "Imposition",
    "Recorder",
    "Sampler",
    "Step",
    "cuts",
    "frozen_spans",
    "hardly_moves",
    "is_black",
    "is_flat",
    "small_picture",
    "stands_still",
    "steps",
    "still_beside",
]
