"""A picture in colour as JPEG, for people: upright, with square pixels, never larger than it was."""

from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from pipeline.decode.geometry import Orientation

# Of 1..31; at 4 a picture 480 wide is some 30 KB and still shows the artefacts that are to be seen.
_QUANTISER = "4"
_HD_HEIGHT_PX = 720
# AVColorSpace -> the matrix of the same name; anything else is decided by the height, as players do.
_MATRICES = {1: Colorspace.ITU709, 4: Colorspace.FCC, 5: Colorspace.ITU601, 6: Colorspace.ITU601,
             7: Colorspace.SMPTE240M, 9: Colorspace.BT2020, 10: Colorspace.BT2020}  # fmt: skip


def jpeg(frame: av.VideoFrame, orientation: Orientation, display_aspect: Fraction, width_px: int) -> bytes:
    """Return a JPEG (4:4:4) at most `width_px` wide."""
    width, height = _size(frame, orientation, display_aspect, width_px)
    coded_width, coded_height = orientation.size(width, height)
    small = frame.reformat(
        coded_width,
        coded_height,
        format="yuvj444p",
        src_colorspace=_MATRICES.get(frame.colorspace, _default_matrix(frame)),
        dst_colorspace=Colorspace.ITU601,  # what JFIF means
        src_color_range=ColorRange.UNSPECIFIED if frame.format.is_rgb else frame.color_range,
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.AREA,
        threads=1,
    )
    if not orientation.is_upright:
        planes = small.to_ndarray()  # [3, H, W]
        upright = np.ascontiguousarray(np.stack([orientation.apply(plane) for plane in planes]))
        small = av.VideoFrame.from_ndarray(upright, format="yuvj444p")
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj444p"
    encoder.time_base = Fraction(1)
    encoder.thread_count = 1
    encoder.color_range = ColorRange.JPEG
    encoder.options = {"qmin": _QUANTISER, "qmax": _QUANTISER}  # libav's fixed-quality flag has no effect here
    small.pts, small.time_base = 0, Fraction(1)
    small.color_range = ColorRange.JPEG
    return b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])


def _size(frame: av.VideoFrame, orientation: Orientation, aspect: Fraction, width_px: int) -> tuple[int, int]:
    upright_width, upright_height = orientation.size(frame.width, frame.height)
    width = max(1, min(width_px, upright_width, int(upright_height * aspect)))
    return width, max(1, min(upright_height, round(width / aspect)))


def _default_matrix(frame: av.VideoFrame) -> Colorspace:
    return Colorspace.ITU709 if frame.height >= _HD_HEIGHT_PX else Colorspace.ITU601
