"""Pristine pictures from sources: photos under a moving camera and windows of clips, sharp or soft."""

import math
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.training.sources import WINDOWS_PER_VIDEO, Content

Picture = NDArray[np.uint8]  # [H, W, 3] BGR

SOFT_SHARE = 0.25
STILL_SHARE = 0.12
FOREGROUND_SHARE = 0.35
GRAIN_SHARE = 0.12
FRAME_COUNTS = (24, 24, 32, 32, 32, 40, 48, 64)
MIN_FRAMES = 24
MAX_PIXELS = 22_000_000  # of all frames together: 24 frames of 720p; what keeps one clip near a core-second
FRAME_RATES = (Fraction(24), Fraction(25), Fraction(30))
DISPLAY_LINES = (352, 360, 360, 384, 416, 448, 480, 480, 480, 540, 576, 720)
ASPECTS = (16 / 9, 16 / 9, 16 / 9, 4 / 3, 4 / 3, 1.0, 3 / 4)
CAMERA_MARGIN_PX = 16


class SourceError(Exception):
    """A source file that cannot be used: unreadable, too small or too short."""


@dataclass(frozen=True, slots=True)
class Pristine:
    """The reference pictures of one content, at display size."""

    frames: tuple[NDArray[np.uint8], ...]  # each [H * 3 / 2, W]: planar 4:2:0, BT.601
    width_px: int  # even
    height_px: int  # even
    frame_rate: Fraction
    soft: bool  # no fine detail, as film and 4K have

    def write_y4m(self, path: Path, frames: slice) -> None:
        """Write some of the frames as an uncompressed YUV4MPEG2 file."""
        rate = f"{self.frame_rate.numerator}:{self.frame_rate.denominator}"
        with path.open("wb") as file:
            file.write(f"YUV4MPEG2 W{self.width_px} H{self.height_px} F{rate} Ip A1:1 C420mpeg2\n".encode())
            for frame in self.frames[frames]:
                file.write(b"FRAME\n")
                file.write(frame.tobytes())


def make_pristine(content: Content, companions: Sequence[Path], rng: random.Random) -> Pristine:
    """Pristine frames of one content; every choice is drawn from `rng`.

    `companions` are photos of the same split, from which foreground objects are cut. Raises SourceError.
    """
    soft = rng.random() < SOFT_SHARE
    if content.kind == "photo":
        pictures, rate = _film_photo(content.path, rng, soft), rng.choice(FRAME_RATES)
        if companions and rng.random() < FOREGROUND_SHARE:
            with suppress(SourceError):  # a broken companion is reported where it is the content itself
                _move_object(pictures, _read_photo(rng.choice(companions)), rng)
    else:
        pictures, rate = _cut_window(content, rng, soft)
    if rng.random() < GRAIN_SHARE:
        pictures = _add_grain(pictures, rng)
    height, width = pictures[0].shape[:2]
    planar = (cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420) for picture in pictures)
    frames = tuple(np.asarray(frame, np.uint8) for frame in planar)
    return Pristine(frames, width, height, rate, soft)


def _film_photo(path: Path, rng: random.Random, soft: bool) -> list[Picture]:
    photo = _read_photo(path)
    if soft:
        photo = _soften(photo, rng)
    elif min(photo.shape[:2]) >= 700 and rng.random() < 0.4:
        photo = _resize(photo, rng.uniform(0.6, 0.9))
    photo_height, photo_width = photo.shape[:2]
    margins = 2 * CAMERA_MARGIN_PX
    width, height = _display_size(photo_width - margins, photo_height - margins, path, rng)
    count = _frame_count(width, height, rng)

    still = rng.random() < STILL_SHARE
    speed = rng.choice((0.0, 0.3, 1.0, 2.0, 4.0, 7.0))  # px a frame
    angle = rng.uniform(0, math.tau)
    zoom = rng.choice((0.0, 0.0, 0.0, 0.002, -0.002, 0.006))  # a frame
    rotation = rng.choice((0.0, 0.0, 0.0, 0.2, -0.1))  # degrees a frame
    shake = rng.choice((0.0, 0.0, 0.0, 0.6, 1.5))  # px, standard deviation
    if still:
        speed = zoom = rotation = shake = 0.0
    scale = rng.choice((1.0, 1.0, rng.uniform(1.0, 1.2)))
    slack_x, slack_y = photo_width - width / scale, photo_height - height / scale
    start_x = photo_width / 2 + rng.uniform(-0.5, 0.5) * max(0.0, slack_x - margins)
    start_y = photo_height / 2 + rng.uniform(-0.5, 0.5) * max(0.0, slack_y - margins)

    pictures: list[Picture] = []
    for index in range(count):
        time = index - count / 2
        x = start_x + speed * time * math.cos(angle) + shake * rng.gauss(0, 1)
        y = start_y + speed * time * math.sin(angle) + shake * rng.gauss(0, 1)
        view = cv2.getRotationMatrix2D((x, y), rotation * time, scale * (1 + zoom * time))
        view[:, 2] += (width / 2 - x, height / 2 - y)
        picture = cv2.warpAffine(photo, view, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        pictures.append(np.asarray(picture, np.uint8))
    return pictures


def _cut_window(content: Content, rng: random.Random, soft: bool) -> tuple[list[Picture], Fraction]:
    total, rate, source_width, source_height = _probe_video(content.path)
    enlarged = soft and rng.random() < 0.75
    if enlarged:
        scale = rng.uniform(1.5, 2.5)
    else:
        scale = rng.choice((1.0, 0.75, 0.5)) if min(source_width, source_height) >= 700 else 1.0
    blur = rng.uniform(1.0, 2.5) if soft and not enlarged else 0.0
    width, height = _display_size(int(source_width * scale), int(source_height * scale), content.path, rng)
    count = min(_frame_count(width, height, rng), total)
    slack = total - count
    start = int(slack * (content.window + rng.random()) / WINDOWS_PER_VIDEO)
    crop_width = min(source_width, round(width / scale))
    crop_height = min(source_height, round(height / scale))
    left, top = rng.randint(0, source_width - crop_width), rng.randint(0, source_height - crop_height)

    pictures: list[Picture] = []
    for frame in _read_video(content.path, start, count):
        crop = frame[top : top + crop_height, left : left + crop_width]
        if scale != 1.0:
            interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            crop = np.asarray(cv2.resize(crop, (width, height), interpolation=interpolation), np.uint8)
        if blur:
            crop = np.asarray(cv2.GaussianBlur(crop, (0, 0), blur), np.uint8)
        pictures.append(np.ascontiguousarray(crop))
    return pictures, rate


def _display_size(available_width: int, available_height: int, path: Path, rng: random.Random) -> tuple[int, int]:
    height = min(rng.choice(DISPLAY_LINES), available_height)
    width = min(round(height * rng.choice(ASPECTS)), available_width)
    if min(width, height) < 192:
        raise SourceError(f"{path.name} is too small: 288 px a side are enough")
    return width - width % 2, height - height % 2


def _frame_count(width: int, height: int, rng: random.Random) -> int:
    return min(rng.choice(FRAME_COUNTS), max(MIN_FRAMES, MAX_PIXELS // (width * height)))


def _soften(photo: Picture, rng: random.Random) -> Picture:
    if rng.random() < 0.75:
        return _resize(photo, rng.uniform(1.5, 3.0))
    return np.asarray(cv2.GaussianBlur(photo, (0, 0), rng.uniform(1.0, 2.5)), np.uint8)


def _resize(photo: Picture, scale: float) -> Picture:
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(photo, None, fx=scale, fy=scale, interpolation=interpolation), np.uint8)


def _move_object(pictures: list[Picture], photo: Picture, rng: random.Random) -> None:
    """Let a round piece of another photo cross the pictures, in place: motion beside the camera's."""
    height, width = pictures[0].shape[:2]
    size = min(round(height * rng.uniform(0.15, 0.4)), width, *photo.shape[:2])
    top, left = rng.randint(0, photo.shape[0] - size), rng.randint(0, photo.shape[1] - size)
    piece = photo[top : top + size, left : left + size].astype(np.float32)
    distance = np.hypot(*(np.mgrid[:size, :size] - (size - 1) / 2))
    opacity = np.clip((size / 2 - 2 - distance) / 4, 0, 1).astype(np.float32)[..., None]  # [size, size, 1]
    x, y = rng.uniform(0, width - size), rng.uniform(0, height - size)
    step_x, step_y = rng.uniform(-6, 6), rng.uniform(-4, 4)
    for index, picture in enumerate(pictures):
        column = round(min(max(x + step_x * index, 0), width - size))
        row = round(min(max(y + step_y * index, 0), height - size))
        under = picture[row : row + size, column : column + size]
        under[...] = np.rint(opacity * piece + (1 - opacity) * under).astype(np.uint8)


def _add_grain(pictures: list[Picture], rng: random.Random) -> list[Picture]:
    deviation, coarse = rng.uniform(1.0, 5.0), rng.random() < 0.4
    generator = np.random.default_rng(rng.getrandbits(64))
    grainy: list[Picture] = []
    for picture in pictures:
        grain = generator.standard_normal(picture.shape[:2], np.float32) * deviation
        if coarse:
            # The blur leaves about half of the deviation.
            grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), 0.8), np.float32) * 2
        grainy.append(np.clip(np.rint(picture + grain[..., None]), 0, 255).astype(np.uint8))
    return grainy


def _read_photo(path: Path) -> Picture:
    photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if photo is None:
        raise SourceError(f"{path.name} cannot be read as a picture: remove it or replace it")
    return np.asarray(photo, np.uint8)


def _probe_video(path: Path) -> tuple[int, Fraction, int, int]:
    """Frames (counted, since headers lie), the nearest of FRAME_RATES, width and height."""
    capture = cv2.VideoCapture(str(path))
    opened, picture = capture.read()
    if not opened:
        raise SourceError(f"{path.name} cannot be decoded: remove it or replace it")
    rate = capture.get(cv2.CAP_PROP_FPS)
    total = 1
    while capture.grab():
        total += 1
    capture.release()
    if total < MIN_FRAMES:
        raise SourceError(f"{path.name} has {total} frames, {MIN_FRAMES} at least are needed")
    nearest = min(FRAME_RATES, key=lambda choice: abs(choice - Fraction(rate)))
    return total, nearest, picture.shape[1], picture.shape[0]


def _read_video(path: Path, start: int, count: int) -> list[Picture]:
    capture = cv2.VideoCapture(str(path))
    frames: list[Picture] = []
    for _ in range(start):
        capture.grab()
    for _ in range(count):
        read, picture = capture.read()
        if not read:
            raise SourceError(f"{path.name} ends early when it is decoded again")
        frames.append(np.asarray(picture, np.uint8))
    capture.release()
    return frames
