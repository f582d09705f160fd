"""Pictures in front of the samplers: arrays behind the Frame protocol, a camera over a scene, real files decoded."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.clip import Anchor
from pipeline.frame import Luma8
from pipeline.sample import SAMPLERS, Imposer, Imposition, Step, small_picture, steps

Luma = NDArray[np.uint8] | NDArray[np.uint16]

Programme = Callable[[float, tuple[int, int]], NDArray[np.uint8]]
"""(time in seconds, (width, height)) -> luma [H, W]."""

SIZE = (128, 72)
SMALL_RUNG = (96, 54)


class ArrayFrame:
    """A decoded picture made of an array; counts how often its luma is asked for."""

    def __init__(
        self, luma: Luma, time_seconds: float = 0.0, index: int = 0, bit_depth: int = 8, picture_type: str = "P"
    ) -> None:
        self._luma = luma
        self.index = index
        self.pts: int | None = index
        self.time_seconds = time_seconds
        self.picture_type = picture_type
        self.height_px, self.width_px = luma.shape
        self.bit_depth = bit_depth
        self.packet_bytes: int | None = None
        self.luma_reads = 0

    @property
    def luma(self) -> Luma:
        self.luma_reads += 1
        return self._luma

    def luma8(self, top: int, left: int, height: int, width: int) -> Luma8:
        return self._luma[top : top + height, left : left + width].astype(np.uint8)

    def display_luma(self, width_px: int, height_px: int) -> Luma8:
        raise AssertionError("sampling looks at the luma alone")

    def qp(self) -> float | None:
        return None

    def thumbnail(self, width_px: int) -> bytes:
        raise AssertionError("sampling looks at the luma alone")


def frames_of(lumas: Iterable[Luma], rate: Fraction | float = 30, start_seconds: float = 0.0) -> Iterator[ArrayFrame]:
    for index, luma in enumerate(lumas):
        yield ArrayFrame(luma, start_seconds + float(index / rate), index)


def steps_with(times_seconds: Sequence[float], differences: Sequence[float]) -> list[Step]:
    """Return steps of given times and differences; their pictures are blank."""
    blank = np.zeros((2, 2), np.uint8)
    found: list[Step] = []
    for index, (time_seconds, difference) in enumerate(zip(times_seconds, differences, strict=True)):
        frame = ArrayFrame(blank, time_seconds, index)
        found.append(Step(frame, found[-1].frame if found else None, difference))
    return found


@cache
def _scene(seed: int) -> NDArray[np.float64]:
    """[400, 900] luma 20..230 with as much in coarse shapes as in fine, as photographs have."""
    random = np.random.default_rng(seed)
    height, width = 400, 900
    scene = np.zeros((height, width))
    for cell in (80, 40, 20, 10, 5):
        grid = random.normal(0, cell**0.5, (height // cell + 3, width // cell + 3))
        scene += _sampled(grid, np.arange(height) / cell + 1, np.arange(width) / cell + 1)
    scene -= scene.min()
    return 20 + 210 * scene / scene.max()


def _sampled(grid: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    top, left = rows.astype(int), columns.astype(int)
    down, across = (rows - top)[:, None], columns - left
    lines = grid[top] * (1 - down) + grid[top + 1] * down
    sampled: NDArray[np.float64] = lines[:, left] * (1 - across) + lines[:, left + 1] * across
    return sampled


def camera(
    time_seconds: float, size: tuple[int, int] = (160, 90), *, seed: int = 1, speed_px: float = 40.0
) -> NDArray[np.uint8]:
    """Return the picture [H, W] at a time, of a camera that moves so many pixels of a 320-pixel picture a second."""
    width, height = size
    left, top = 20 + speed_px * time_seconds, 20 + 0.4 * speed_px * time_seconds
    rows = top + (np.arange(height) + 0.5) * 180 / height - 0.5
    columns = left + (np.arange(width) + 0.5) * 320 / width - 0.5
    return np.rint(_sampled(_scene(seed), rows, columns)).astype(np.uint8)


def shots(seed: int = 1, speed_px: float = 40.0) -> Programme:
    """Return a programme with a cut each second."""

    def picture(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        shot = int(time_seconds + 1e-6)
        return camera(time_seconds - shot, size, seed=seed + shot, speed_px=speed_px)

    return picture


def decoded(path: Path) -> Iterator[ArrayFrame]:
    """Decode a file with PyAV alone; luma is a view of the decoder's own picture."""
    with av.open(str(path)) as container:
        for index, picture in enumerate(container.decode(video=0)):
            plane = picture.planes[0]
            deep = picture.format.components[0].bits > 8
            samples = np.frombuffer(plane, np.uint16 if deep else np.uint8)
            luma = samples.reshape(plane.height, -1)[:, : plane.width]
            depth = picture.format.components[0].bits
            yield ArrayFrame(luma, float(picture.time), index, depth)


def anchor_of(chosen: Iterable[Step], rate: Fraction | float = 30) -> Anchor:
    """Return what the steps chosen on a reference impose."""
    kept = [(step.frame.time_seconds, small_picture(step.frame)) for step in chosen]
    return Anchor(
        instants_seconds=np.array([time_seconds for time_seconds, _ in kept]),
        places=tuple(range(len(kept))),
        pictures=np.array([picture for _, picture in kept], np.uint8).reshape(len(kept), 36, 64),
        start_seconds=0.0,
        frame_rate=Fraction(rate),
    )


def impose(
    anchor: Anchor, frames: Iterable[ArrayFrame], around_seconds: float = 0.0, *, search: bool = True
) -> tuple[dict[int, float], Imposition]:
    """Return the time of the frame chosen for every instant, and the verdict."""
    imposer = Imposer(anchor, around_seconds, search=search)
    chosen = {imposed.instant: imposed.step.frame.time_seconds for imposed in imposer.choose(steps(frames))}
    return chosen, imposer.result()


def pan(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
    return camera(time_seconds, size, seed=1)


def other(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
    return camera(time_seconds, size, seed=2)


def rung(
    programme: Programme = pan,
    *,
    rate: Fraction | float = 30,
    seconds: float = 2.0,
    lag_seconds: float = 0.0,
    start_seconds: float = 0.0,
    size: tuple[int, int] = SMALL_RUNG,
) -> Iterator[ArrayFrame]:
    """Yield the frames of a rung that shows the programme late by `lag_seconds`."""
    times = [float(index / rate) for index in range(round(seconds * rate))]
    lumas = (programme(max(0.0, time_seconds - lag_seconds), size) for time_seconds in times)
    return frames_of(lumas, rate, start_seconds)


def reference(
    programme: Programme = pan, *, rate: Fraction | float = 30, seconds: float = 2.0, frames: int = 8
) -> Anchor:
    sampler = SAMPLERS["frame_difference"](frames=frames)
    stream = steps(rung(programme, rate=rate, seconds=seconds, size=SIZE))
    return anchor_of(sampler.sample(stream, 0.0, seconds), rate)
