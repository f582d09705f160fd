"""What the stages see of a decoded picture; the decoder implements it, nothing else knows PyAV."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Luma8 = NDArray[np.uint8]
"""[H, W] 8-bit luma in limited range (16-235), whatever the stream's depth and range."""


class Frame(Protocol):
    """One decoded picture, upright (rotation applied), progressive."""

    @property
    def index(self) -> int:
        """Count from the first decoded picture of the source."""

    @property
    def pts(self) -> int | None:
        """As the stream states it, in ticks; None where it states none."""

    @property
    def time_seconds(self) -> float:
        """Repaired presentation time: never falls, has no wraps; absolute media time of the source."""

    @property
    def picture_type(self) -> str:
        """``I``, ``P``, ``B`` or ``?``."""

    @property
    def width_px(self) -> int:
        """Of the coded picture after rotation; its pixels may not be square."""

    @property
    def height_px(self) -> int: ...

    @property
    def luma(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """[H, W] as decoded, native depth and range; a view where the decoder allows it. Do not write."""

    @property
    def bit_depth(self) -> int:
        """Of `luma`: 8 where it is uint8, 9-16 where it is uint16."""

    def luma8(self, top: int, left: int, height: int, width: int) -> Luma8:
        """Return one region [height, width] in 8-bit limited range."""

    def display_luma(self, width_px: int, height_px: int) -> Luma8:
        """Return the whole picture [height_px, width_px], scaled bicubic as a player would show it."""

    @property
    def packet_bytes(self) -> int | None:
        """Size of the packet that this picture came from; None where it cannot be told."""

    def qp(self) -> float | None:
        """Return the mean quantiser over the picture on the codec's own scale; None where it was not exported."""

    def thumbnail(self, width_px: int) -> bytes:
        """Return the picture in colour as JPEG, pixels made square, at most `width_px` wide."""
