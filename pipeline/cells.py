"""Where a picture is looked at: a grid of small cells at full resolution, the same on every rung of a ladder.

Cutting cells instead of scaling the picture down follows the grid mini-patch sampling of FAST-VQA (Wu et al.,
arXiv 2207.02595): the cost does not depend on the resolution, and blocking, ringing and blur survive. Cells here
are 64 px rather than 32, because a pyramid of four levels and an SSIM window need that much context, and they move
from instant to instant, so that eight instants see 128 places.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.frame import Frame, Luma8

_ALIGN_PX = 16  # blocks of 8 and 16 and the DCT then line up with the cell

# Fractional parts of multiples of these two spread evenly over the unit square (the R2 sequence of M. Roberts).
_STEP_DOWN = 0.7548776662466927
_STEP_ACROSS = 0.5698402909980532


@dataclass(frozen=True, slots=True)
class CellGrid:
    """`rows` x `columns` cells of `cell_px` x `cell_px` pixels."""

    rows: int = 4
    columns: int = 4
    cell_px: int = 64

    @property
    def cells(self) -> int:
        return self.rows * self.columns

    def places(self, width_px: int, height_px: int, instant: int) -> list[tuple[int, int]]:
        """Return (top, left) of every cell, row by row, on a picture of this size at this instant of the clip.

        Depends on nothing else, so that all rungs of a ladder are cut at the same places of the shown picture.
        """
        free_down = max(0, height_px - self.cell_px)
        free_across = max(0, width_px - self.cell_px)
        places = []
        for row in range(self.rows):
            for column in range(self.columns):
                turn = instant * self.cells + row * self.columns + column
                down = (row + math.modf(0.5 + turn * _STEP_DOWN)[0]) / self.rows * free_down
                across = (column + math.modf(0.5 + turn * _STEP_ACROSS)[0]) / self.columns * free_across
                places.append((int(down) // _ALIGN_PX * _ALIGN_PX, int(across) // _ALIGN_PX * _ALIGN_PX))
        return places


def cut_coded(frame: Frame, grid: CellGrid, instant: int) -> NDArray[np.uint8]:
    """Return [N, P, P] cells of the picture as coded."""
    width_px, height_px = frame.width_px, frame.height_px
    return _cut(frame.luma8, width_px, height_px, grid, instant)


def cut_shown(shown: Luma8, grid: CellGrid, instant: int) -> NDArray[np.uint8]:
    """Return [N, P, P] cells of a picture [H, W] that was scaled to the display."""

    def region(top: int, left: int, height: int, width: int) -> Luma8:
        return shown[top : top + height, left : left + width]

    return _cut(region, shown.shape[1], shown.shape[0], grid, instant)


def _cut(
    region: Callable[[int, int, int, int], Luma8], width_px: int, height_px: int, grid: CellGrid, instant: int
) -> NDArray[np.uint8]:
    size = grid.cell_px
    height, width = min(size, height_px), min(size, width_px)
    cells = np.empty((grid.cells, size, size), np.uint8)
    for index, (top, left) in enumerate(grid.places(width_px, height_px, instant)):
        piece = region(top, left, height, width)
        if piece.shape != (size, size):  # a picture smaller than one cell: mirror its edges
            piece = np.pad(piece, ((0, size - height), (0, size - width)), mode="symmetric")
        cells[index] = piece
    return cells
