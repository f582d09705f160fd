"""Where pictures are looked at: inside the picture, on the block grid, the same on every rung, all over in time."""

import numpy as np
import pytest

from pipeline.cells import CellGrid, cut_shown

GRID = CellGrid()


@pytest.mark.parametrize("size", [(1920, 1080), (426, 240), (65, 64), (40, 22), (1, 1)])
def test_cells_lie_inside_the_picture(size: tuple[int, int]) -> None:
    width, height = size
    for instant in range(8):
        for top, left in GRID.places(width, height, instant):
            assert 0 <= top <= max(0, height - 64)
            assert 0 <= left <= max(0, width - 64)


def test_cells_line_up_with_blocks_of_16() -> None:
    places = [place for instant in range(8) for place in GRID.places(1919, 1079, instant)]
    assert all(top % 16 == 0 and left % 16 == 0 for top, left in places)


def test_eight_instants_reach_every_quarter_of_the_picture_evenly() -> None:
    places = np.array([place for instant in range(8) for place in GRID.places(1920, 1080, instant)])
    quarters = np.histogram2d(places[:, 0], places[:, 1], bins=[[0, 508, 1080], [0, 928, 1920]])[0]
    assert quarters.sum() == 128
    assert quarters.min() >= 24


def test_the_same_instant_is_cut_at_the_same_places() -> None:
    assert GRID.places(1280, 720, 3) == GRID.places(1280, 720, 3)
    assert GRID.places(1280, 720, 3) != GRID.places(1280, 720, 4)


def test_a_cell_holds_the_pixels_of_its_place() -> None:
    picture = np.arange(200 * 300, dtype=np.uint32).astype(np.uint8).reshape(200, 300)
    cells = cut_shown(picture, GRID, 2)
    for cell, (top, left) in zip(cells, GRID.places(300, 200, 2), strict=True):
        assert np.array_equal(cell, picture[top : top + 64, left : left + 64])


def test_a_picture_smaller_than_a_cell_is_mirrored_at_its_edges() -> None:
    picture = np.arange(24 * 30, dtype=np.uint16).astype(np.uint8).reshape(24, 30)
    cell = cut_shown(picture, GRID, 0)[0]
    assert cell.shape == (64, 64)
    assert np.array_equal(cell[:24, :30], picture)
    assert np.array_equal(cell[24, :30], picture[23])
