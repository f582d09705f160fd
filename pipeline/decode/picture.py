"""One decoded picture: everything is computed when asked for, nothing per frame."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import Interpolation, VideoReformatter

from pipeline.decode import luma as luma_of
from pipeline.decode.geometry import Orientation, side_data
from pipeline.decode.thumbnail import jpeg
from pipeline.frame import Luma8

_TYPES = ("?", "I", "P", "B", "P", "I", "P", "B")  # by AVPictureType: none, I, P, B, S, SI, SP, BI
_BLOCK = np.dtype([("x", "<i4"), ("y", "<i4"), ("w", "<i4"), ("h", "<i4"), ("delta_qp", "<i4")])


@dataclass(frozen=True, slots=True)
class PictureContext:
    """What all pictures of a source share."""

    orientation: Orientation
    display_aspect: Fraction
    """Width over height as shown."""
    untagged_gray_is_full: bool
    """Still codecs mean full range where a gray picture states none."""
    scaler: VideoReformatter = field(default_factory=VideoReformatter)
    converter: VideoReformatter = field(default_factory=VideoReformatter)


class Picture:
    """A `pipeline.frame.Frame` over a libav frame, whose buffer lives as long as this object."""

    __slots__ = ("_context", "_frame", "_luma", "index", "packet_bytes", "time_seconds")

    def __init__(
        self,
        frame: av.VideoFrame,
        context: PictureContext,
        index: int,
        time_seconds: float,
        packet_bytes: int | None,
    ) -> None:
        self._frame = frame
        self._context = context
        self._luma: luma_of.Luma | None = None
        self.index = index
        self.time_seconds = time_seconds
        self.packet_bytes = packet_bytes

    def __repr__(self) -> str:
        return f"<Picture {self.index} at {self.time_seconds:.3f} s, {self.width_px}x{self.height_px}>"

    @property
    def pts(self) -> int | None:
        return self._frame.pts

    @property
    def picture_type(self) -> str:
        kind = int(self._frame.pict_type)
        return _TYPES[kind] if kind < len(_TYPES) else "?"

    @property
    def width_px(self) -> int:
        return self._context.orientation.size(self._frame.width, self._frame.height)[0]

    @property
    def height_px(self) -> int:
        return self._context.orientation.size(self._frame.width, self._frame.height)[1]

    @property
    def luma(self) -> luma_of.Luma:
        if self._luma is None:
            self._luma = self._context.orientation.apply(self._coded_luma())
        return self._luma

    @property
    def bit_depth(self) -> int:
        return luma_of.layout_of(self._frame.format.name).bits

    def luma8(self, top: int, left: int, height: int, width: int) -> Luma8:
        region = self.luma[top : top + height, left : left + width]
        bits = luma_of.layout_of(self._frame.format.name).bits
        full_range = luma_of.is_full_range(self._frame, self._context.untagged_gray_is_full)
        if bits == 8 and not full_range:
            return region.astype(np.uint8, order="C")  # a copy: a view would keep the whole picture alive
        return luma_of.to_limited_8bit(bits, full_range).take(region, mode="clip")

    def display_luma(self, width_px: int, height_px: int) -> Luma8:
        native = self.luma8(0, 0, self.height_px, self.width_px)
        if (width_px, height_px) == (self.width_px, self.height_px):
            return native
        # gray to gray: from yuv420p swscale would stretch limited range to full on its own account
        gray = av.VideoFrame.from_numpy_buffer(native, format="gray")
        scaled = self._context.scaler.reformat(
            gray, width_px, height_px, interpolation=Interpolation.BICUBIC | luma_of.EXACT, threads=1
        )
        return luma_of.plane_of(scaled, 8).astype(np.uint8, order="C")

    def thumbnail(self, width_px: int) -> bytes:
        return jpeg(self._frame, self._context.orientation, self._context.display_aspect, width_px)

    def qp(self) -> float | None:
        """Return the mean quantiser over the picture's area; None: not exported (see `open_media`)."""
        parameters = side_data(self._frame, Type.VIDEO_ENC_PARAMS)
        return None if parameters is None else _mean_qp(parameters)

    def _coded_luma(self) -> luma_of.Luma:
        layout = luma_of.layout_of(self._frame.format.name)
        frame = self._frame
        if layout.convert_to:
            frame = luma_of.planar(frame, layout.convert_to, self._context.converter)
        return luma_of.plane_of(frame, layout.bits)


def _mean_qp(parameters: Any) -> float:
    if not parameters.nb_blocks:
        return float(parameters.qp)
    raw = np.frombuffer(parameters, np.uint8)[parameters.blocks_offset :]
    rows = raw[: parameters.nb_blocks * parameters.block_size].reshape(parameters.nb_blocks, parameters.block_size)
    blocks = np.ascontiguousarray(rows[:, : _BLOCK.itemsize]).view(_BLOCK)[:, 0]
    area = blocks["w"].astype(np.float64) * blocks["h"]
    return float(parameters.qp + np.average(blocks["delta_qp"], weights=area if area.sum() > 0 else None))
