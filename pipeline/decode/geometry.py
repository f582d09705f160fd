"""How a coded picture stands upright: the display matrix, and pixels that are not square."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from numpy.typing import NDArray

Pixels = TypeVar("Pixels", bound=NDArray[Any])

# Beyond this a sample aspect ratio is a damaged header: the widest in use is 64:27 anamorphic in 720 x 576.
_MAX_SAMPLE_ASPECT = 8


@dataclass(frozen=True, slots=True)
class Orientation:
    """First transpose, then flip: the eight ways a rectangle can lie."""

    transpose: bool = False
    flip_columns: bool = False
    flip_rows: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> "Orientation":
        """Read the display matrix of a frame; angles that are no quarter turns count as the nearest.

        Of a JPEG with EXIF only the rotation can be had, not the mirroring (see `side_data`).
        """
        matrix_bytes = side_data(frame, Type.DISPLAYMATRIX)
        if matrix_bytes is not None:
            matrix = np.frombuffer(matrix_bytes, np.int32, 9)
            return cls.of_matrix(int(matrix[0]), int(matrix[1]), int(matrix[3]), int(matrix[4]))
        return _QUARTER_TURNS[round(frame.rotation / 90) % 4]

    @classmethod
    def of_matrix(cls, a: int, b: int, c: int, d: int) -> "Orientation":
        """A pixel at (x, y) is shown at (a x + c y, b x + d y)."""
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(transpose=True, flip_columns=c < 0, flip_rows=b < 0)
        return cls(flip_columns=a < 0, flip_rows=d < 0)

    @property
    def is_upright(self) -> bool:
        return self == Orientation()

    def apply(self, picture: Pixels) -> Pixels:
        """Return a view of [H, W] as shown."""
        shown: Any = picture.T if self.transpose else picture
        if self.flip_columns:
            shown = shown[:, ::-1]
        upright: Pixels = shown[::-1] if self.flip_rows else shown
        return upright

    def size(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Return (width, height) after the turn; it is its own inverse."""
        return (height_px, width_px) if self.transpose else (width_px, height_px)


def display_aspect(width_px: int, height_px: int, sample_aspect: Fraction | None, orientation: Orientation) -> Fraction:
    """Return width over height as shown; implausible sample aspects count as square."""
    aspect = sample_aspect or Fraction(1)
    if not Fraction(1, _MAX_SAMPLE_ASPECT) <= aspect <= _MAX_SAMPLE_ASPECT:
        aspect = Fraction(1)
    shown = Fraction(width_px, height_px) * aspect
    return 1 / shown if orientation.transpose else shown


_QUARTER_TURNS = (
    Orientation(),
    Orientation(transpose=True, flip_rows=True),  # counter-clockwise
    Orientation(flip_columns=True, flip_rows=True),
    Orientation(transpose=True, flip_columns=True),
)


_Container: Any = SideDataContainer


def side_data(frame: av.VideoFrame, wanted: Type) -> Any | None:
    """Return one kind of a frame's side data, as a buffer; None: there is none."""
    try:
        # not `frame.side_data`: that ties the frame into a reference cycle, and 3 MB of 1080p wait for the collector
        container = _Container(frame)
    except ValueError:  # PyAV 18 does not know all kinds that its libav has (EXIF), and then shows none
        return None
    return next((container[index] for index in range(len(container)) if container[index].type == wanted), None)
