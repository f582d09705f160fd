"""Pixel formats: where a picture's luma lies, and its mapping to 8 bits of limited range."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

Luma = NDArray[np.uint8] | NDArray[np.uint16]

_HD_HEIGHT_PX = 720
# Without the two flags swscale rounds differently from one kind of CPU to the next.
EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read the luma of one pixel format."""

    bits: int
    convert_to: str | None
    """Pixel format to convert to first, where luma has no plane of its own."""


@cache
def layout_of(format_name: str) -> Layout:
    """Return the layout of a pixel format, by libav's name."""
    pixels = av.VideoFormat(format_name)
    first, *others = pixels.components
    is_planar_luma = (
        first.is_luma
        and first.bits >= 8
        and first.plane == 0
        and not pixels.is_rgb
        and not any(other.plane == 0 for other in others)
    )
    if is_planar_luma and not pixels.is_big_endian and not _in_high_bits(format_name):
        return Layout(bits=first.bits, convert_to=None)
    if pixels.is_rgb or pixels.has_palette or format_name.startswith(("mono", "ya", "bayer", "xyz")):
        return Layout(bits=8, convert_to="gray" if format_name in ("ya8", "monow", "monob") else "yuv444p")
    if pixels.is_big_endian and is_planar_luma:
        return Layout(bits=first.bits, convert_to=format_name.removesuffix("be") + "le")
    return Layout(bits=8, convert_to="yuv444p") if first.bits == 8 else Layout(bits=10, convert_to="yuv444p10le")


def _in_high_bits(format_name: str) -> bool:
    """P010 and its kin keep their 10 bits at the top of 16."""
    return format_name[0] == "p" and format_name[1:4].isdigit()


def is_full_range(frame: av.VideoFrame, untagged_gray_is_full: bool) -> bool:
    """Tell whether the luma as read through its layout spans 0..2^bits - 1."""
    if (target := layout_of(frame.format.name).convert_to) and frame.format.is_rgb:
        return target == "gray"  # RGB was converted to limited range
    if frame.color_range != ColorRange.UNSPECIFIED:
        return frame.color_range == ColorRange.JPEG
    name = frame.format.name
    return name.startswith("yuvj") or (untagged_gray_is_full and name.startswith(("gray", "ya", "mono")))


def planar(frame: av.VideoFrame, target: str, reformatter: VideoReformatter) -> av.VideoFrame:
    """Return the picture in a format that has a luma plane, same size; RGB becomes limited range."""
    if not frame.format.is_rgb:
        return reformatter.reformat(frame, format=target, interpolation=Interpolation.BILINEAR | EXACT, threads=1)
    return reformatter.reformat(
        frame,
        format=target,
        dst_colorspace=Colorspace.ITU709 if frame.height >= _HD_HEIGHT_PX else Colorspace.ITU601,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.BILINEAR | EXACT,
        threads=1,
    )


def plane_of(frame: av.VideoFrame, bits: int) -> Luma:
    """Return a view [H, W] of plane 0. It keeps the frame alive."""
    plane: Any = frame.planes[0]
    rows: Luma = np.frombuffer(plane, np.uint8) if bits == 8 else np.frombuffer(plane, np.uint16)
    rows = rows.reshape(frame.height, -1)
    if plane.line_size < 0:  # stored bottom-up
        rows = rows[::-1]
    return rows[:, : frame.width]


@cache
def to_limited_8bit(bits: int, full_range: bool) -> NDArray[np.uint8]:
    """Return the table [2^bits] from native luma to 8-bit limited range, rounded to nearest."""
    native = np.arange(1 << bits, dtype=np.float64)
    limited = 16 + native * (219 / ((1 << bits) - 1)) if full_range else native / (1 << (bits - 8))
    return np.minimum(np.floor(limited + 0.5), 255).astype(np.uint8)
