"""The pictures of the demo and of the live origin: photographs of scikit-image in motion, or the user's video."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import ceil, sin
from pathlib import Path

import av
import av.error
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from pipeline.decode.geometry import Orientation, display_aspect
from pipeline.errors import UsageError

WIDTH_PX, HEIGHT_PX = 1280, 720
FRAME_RATE = Fraction(25)
SHOT_FRAMES = 75  # a cut every 3 s: never more than two in a segment, and not always at its border
GRAIN_STEPS = 1.6  # of luma, like a good camera in daylight; photographs enlarged without it look like drawings
SHARPENING = 0.9
"""Unsharp masking of enlarged photographs, as cameras do it: without it the source itself looks soft."""
LUMA_RANGE = (26, 220)
"""Of the photographs: zooming overshoots by up to 10 %, and the grain adds up to 6."""
MOST_FRAME_RATE = 30
CAPTION = "Rungwatch demo  ·  a programme of photographs, four renditions, two faults  ·  "
CAPTION_PX = 56
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Luma [H, W] and two chroma planes [H / 2, W / 2], limited range."""


@dataclass(frozen=True, slots=True)
class Footage:
    """Pictures of one size at one constant rate. `pictures` can be asked for once."""

    width_px: int
    height_px: int
    frame_rate: Fraction
    frames: int
    pictures: Iterator[av.VideoFrame]


def photographs(seconds: float, caption: str = CAPTION) -> Footage:
    """Return a programme of moving photographs with cuts, a caption that runs, and grain.

    Raises:
        UsageError: scikit-image is not installed.
    """
    frames = round(seconds * FRAME_RATE)
    return Footage(WIDTH_PX, HEIGHT_PX, FRAME_RATE, frames, _programme(frames, caption))


def from_video(path: Path, seconds: float) -> Footage:
    """Return the start of the user's video at most 1280 x 720 and 30 frames/s, repeated where it is shorter.

    Raises:
        UsageError: It is not there, is no video that can be decoded, or is HDR.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no file is there; name a video, or leave it out for the photographs")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UsageError(f"{path}: has no pictures; name a video, or leave it out for the photographs")
            stream = container.streams.video[0]
            first = next(container.decode(stream), None)
            rate = stream.average_rate or FRAME_RATE
            square = stream.codec_context.sample_aspect_ratio
    except av.error.FFmpegError as exc:
        raise UsageError(f"{path}: cannot be decoded ({exc.strerror}); name a file that plays") from exc
    if first is None:
        raise UsageError(f"{path}: no picture comes out of it; name a file that plays")
    if first.color_trc in HDR_TRANSFERS:
        raise UsageError(f"{path}: is HDR ({HDR_TRANSFERS[first.color_trc]}); name a video in SDR")
    orientation = Orientation.of(first)
    aspect = display_aspect(first.width, first.height, square, orientation)
    upright_height = orientation.size(first.width, first.height)[1]
    height = min(HEIGHT_PX, upright_height, round(WIDTH_PX / aspect))
    height = max(144, height - height % 2)
    width = max(64, round(height * aspect / 2) * 2)
    rate = rate / ceil(rate / MOST_FRAME_RATE)
    frames = ceil(seconds * rate)
    return Footage(width, height, rate, frames, _video_pictures(path, width, height, rate, frames))


def mirrored(picture: av.VideoFrame) -> av.VideoFrame:
    """Return a yuv420p picture with left and right exchanged."""
    luma, blue, red = (np.ascontiguousarray(plane[:, ::-1]) for plane in _planes(picture))
    return _frame((luma, blue, red))


def black(width_px: int, height_px: int) -> av.VideoFrame:
    """Return a yuv420p picture without light, limited range."""
    chroma = np.full((height_px // 2, width_px // 2), 128, np.uint8)
    return _frame((np.full((height_px, width_px), 16, np.uint8), chroma, chroma))


def _programme(frames: int, text: str) -> Iterator[av.VideoFrame]:
    shots = _shots()
    caption = _caption(text)
    generator = np.random.default_rng(2024)
    # One field of grain, shifted by another amount per picture: drawing new noise costs 20 times more.
    drawn = np.rint(generator.normal(0, GRAIN_STEPS, (2 * HEIGHT_PX, 2 * WIDTH_PX)))
    # Bytes that wrap: adding 255 takes 1 away. `LUMA_RANGE` leaves room, so that no picture value wraps.
    grain = drawn.clip(-6, 6).astype(np.int8).view(np.uint8)
    shifts = generator.integers(0, (HEIGHT_PX, WIDTH_PX), (frames, 2))
    for index in range(frames):
        shot, at = divmod(index, SHOT_FRAMES)
        luma, blue, red = shots[shot % len(shots)](at)
        luma, blue, red = luma.copy(), blue.copy(), red.copy()
        _lay_caption(caption, index, luma, blue, red)
        top, left = shifts[index]
        luma += grain[top : top + HEIGHT_PX, left : left + WIDTH_PX]
        yield _frame((luma, blue, red))


Shot = Callable[[int], Planes]
"""Gives the planes of the n-th picture of a shot."""


def _shots() -> list[Shot]:
    try:
        from skimage import data  # noqa: PLC0415 only the demo needs it
    except ImportError as exc:
        raise UsageError(
            "the photographs of the programme come with scikit-image: install it with pip install 'rungwatch[demo]', "
            "or name a video of your own"
        ) from exc
    names = ("astronaut", "coffee", "chelsea", "rocket", "hubble_deep_field", "retina")  # all in its wheel
    astronaut, coffee, cat, rocket, hubble, retina = (np.asarray(getattr(data, name)()) for name in names)
    motorcycle = np.asarray(data.stereo_motorcycle()[0])  # type: ignore[no-untyped-call]
    # Several pictures side by side keep small photographs near their own size, where they are sharp.
    wall = _wall(astronaut[60:430], coffee, cat, rocket)
    return [
        _pan(_canvas(motorcycle, 1660, 1120), (40, 300), (4, -2)),
        _wall_shot(wall),
        _zoom(_canvas(hubble, 1400, 1221), 0.97, 0.72),
        _pan(_canvas(coffee, 1640, 1093), (300, 20), (-4, 2)),
        _pan(_canvas(rocket, 1500, 1001), (0, 0), (2, 2)),
        _zoom(_canvas(retina[180:1200, 60:1351], 1560, 1233), 0.7, 0.95),
        _pan(_canvas(astronaut[:400], 1600, 1250), (160, 400), (-2, -4)),
        _wall_shot(wall[::-1]),
    ]


def _canvas(photograph: NDArray[np.uint8], width_px: int, height_px: int) -> Planes:
    """Return a photograph enlarged to a canvas that the camera moves over."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 comes with scikit-image

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(photograph), format="rgb24")
    scaled = frame.reformat(width_px, height_px - height_px % 2, "yuv420p", interpolation=Interpolation.LANCZOS)
    luma, blue, red = _planes(scaled)
    radius_px = width_px / photograph.shape[1]  # enlarging spread each edge over this much
    steps = luma.astype(np.float32)
    sharpened = steps + SHARPENING * (steps - gaussian_filter(steps, radius_px))
    return np.rint(sharpened.clip(*LUMA_RANGE)).astype(np.uint8), blue, red


def _planes(frame: av.VideoFrame) -> Planes:
    luma, blue, red = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].copy()
        for plane in frame.planes
    )
    return luma, blue, red


def _pan(canvas: Planes, start: tuple[int, int], step: tuple[int, int]) -> Shot:
    """A camera that moves by whole even pixels: (left, top) at the start, and per picture."""

    def shot(at: int) -> Planes:
        height, width = canvas[0].shape
        left = int(np.clip(start[0] + step[0] * at, 0, width - WIDTH_PX))
        top = int(np.clip(start[1] + step[1] * at, 0, height - HEIGHT_PX))
        return _crop(canvas, left - left % 2, top - top % 2, WIDTH_PX, HEIGHT_PX)

    return shot


def _zoom(canvas: Planes, first: float, last: float) -> Shot:
    """A camera that zooms: the part of the canvas' height that it sees goes from `first` to `last`."""
    height, width = canvas[0].shape

    def shot(at: int) -> Planes:
        seen = first + (last - first) * at / SHOT_FRAMES
        wanted_height = int(height * seen) // 4 * 4
        wanted_width = min(width, wanted_height * 16 // 9) // 4 * 4
        left = (width - wanted_width) // 2 + round(12 * sin(at / 9))
        top = (height - wanted_height) // 2
        left = int(np.clip(left, 0, width - wanted_width))
        part = _crop(canvas, left - left % 2, top - top % 2, wanted_width, wanted_height)
        return _planes(_frame(part).reformat(WIDTH_PX, HEIGHT_PX, interpolation=Interpolation.BICUBIC))

    return shot


def _wall(*photographs: NDArray[np.uint8]) -> list[Planes]:
    """Return canvases a little larger than a quarter of the picture."""
    canvases = []
    for photograph in photographs:
        height, width = photograph.shape[:2]
        scale = max(760 / width, 440 / height)
        canvases.append(_canvas(photograph, ceil(width * scale / 2) * 2, ceil(height * scale / 2) * 2))
    return canvases


def _wall_shot(canvases: list[Planes]) -> Shot:
    """Four pictures side by side, each with a camera of its own."""
    half_width, half_height = WIDTH_PX // 2, HEIGHT_PX // 2

    def shot(at: int) -> Planes:
        quarters = []
        for place, canvas in enumerate(canvases):
            height, width = canvas[0].shape
            left = (width - half_width) * (1 + sin(at / 14 + place * 1.9)) / 2
            top = (height - half_height) * (1 + sin(at / 23 + place)) / 2
            quarters.append(_crop(canvas, int(left) // 2 * 2, int(top) // 2 * 2, half_width, half_height))
        luma, blue, red = (
            np.block([[quarters[0][plane], quarters[1][plane]], [quarters[2][plane], quarters[3][plane]]])
            for plane in range(3)
        )
        return luma, blue, red

    return shot


def _crop(planes: Planes, left: int, top: int, width: int, height: int) -> Planes:
    """Return a part of the planes; all four numbers are even."""
    luma, blue, red = planes
    part = np.s_[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2]
    return luma[top : top + height, left : left + width], blue[part], red[part]


def _caption(said: str) -> NDArray[np.uint8]:
    """Return the luma [CAPTION_PX, W] of a line of text that runs through, as in live programmes: sharp edges."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 comes with scikit-image

    font = ImageFont.load_default(30)
    text = said * ceil(2 * WIDTH_PX / font.getlength(said))
    width = ceil(font.getlength(text) / 2) * 2
    strip = Image.new("L", (width, CAPTION_PX), 28)
    ImageDraw.Draw(strip).text((0, CAPTION_PX // 2), text, fill=215, font=font, anchor="lm")
    return np.asarray(strip)


def _lay_caption(
    caption: NDArray[np.uint8],
    index: int,
    luma: NDArray[np.uint8],
    blue: NDArray[np.uint8],
    red: NDArray[np.uint8],
) -> None:
    top, left = HEIGHT_PX - CAPTION_PX - 40, index * 2 % (caption.shape[1] - WIDTH_PX)
    luma[top : top + CAPTION_PX] = caption[:, left : left + WIDTH_PX]
    for chroma in (blue, red):
        chroma[top // 2 : (top + CAPTION_PX) // 2] = 128


def _frame(planes: Planes) -> av.VideoFrame:
    height, width = planes[0].shape
    flat = np.concatenate([plane.reshape(-1) for plane in planes]).reshape(height * 3 // 2, width)
    return av.VideoFrame.from_ndarray(flat, format="yuv420p")


def _video_pictures(path: Path, width_px: int, height_px: int, rate: Fraction, frames: int) -> Iterator[av.VideoFrame]:
    """Yield `frames` pictures at a constant rate, from the start again as often as it takes."""
    given = 0
    while given < frames:
        before = given
        for picture in islice(_once(path, width_px, height_px, rate), frames - given):
            given += 1
            yield picture
        if given == before:
            raise UsageError(f"{path}: no picture comes out; name a file that plays")


def _once(path: Path, width_px: int, height_px: int, rate: Fraction) -> Iterator[av.VideoFrame]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        start: float | None = None
        given = 0
        try:
            for frame in container.decode(stream):
                time = given / float(rate) if frame.pts is None else frame.time
                start = time if start is None else start
                # Every picture fills the ticks up to its own time, so a variable rate becomes constant.
                while given / float(rate) <= time - start + 1e-6:
                    yield _upright(frame, width_px, height_px)
                    given += 1
        except av.error.FFmpegError:
            return  # a damaged tail: what came so far is repeated


def _upright(frame: av.VideoFrame, width_px: int, height_px: int) -> av.VideoFrame:
    orientation = Orientation.of(frame)
    lying = orientation.size(width_px, height_px)
    scaled = frame.reformat(*lying, "yuv420p", interpolation=Interpolation.BICUBIC)
    luma, blue, red = (orientation.apply(plane) for plane in _planes(scaled))
    return _frame((luma, blue, red))
