"""The small picture that rungs are matched by."""

import numpy as np
import pytest
from sample_factory import ArrayFrame, camera

from pipeline.sample import small_picture


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_a_picture_of_whole_cells_gives_their_means() -> None:
    picture = camera(0.0, (640, 360))

    means = picture.reshape(36, 10, 64, 10).mean(axis=(1, 3))

    assert np.abs(small_picture(ArrayFrame(picture)) - means).max() <= 0.5


def test_a_1080_line_picture_gives_its_cell_means_within_a_level_on_average() -> None:
    picture = camera(0.0, (1920, 1080))

    means = picture.reshape(36, 30, 64, 30).mean(axis=(1, 3))

    assert np.abs(small_picture(ArrayFrame(picture)) - means).mean() < 0.5


@pytest.mark.parametrize("size", [(1920, 1080), (426, 240), (427, 241), (854, 480), (256, 144), (64, 36), (99, 57)])
def test_sizes_of_a_ladder_give_the_same_small_picture(size: tuple[int, int]) -> None:
    reference = small_picture(ArrayFrame(camera(0.0, (1280, 720))))
    other = small_picture(ArrayFrame(camera(0.0, size)))

    assert other.shape == (36, 64)
    assert correlation(reference, other) > 0.98


@pytest.mark.parametrize("size", [(1, 1), (2, 200), (33, 17), (63, 35)])
def test_tiny_pictures_have_a_small_picture_too(size: tuple[int, int]) -> None:
    width, height = size
    picture = np.full((height, width), 77, np.uint8)

    assert (small_picture(ArrayFrame(picture)) == 77).all()


def test_a_picture_narrower_than_64_pixels_keeps_its_place() -> None:
    picture = np.zeros((36, 32), np.uint8)
    picture[:, 16:] = 200

    small = small_picture(ArrayFrame(picture))

    assert (small[:, :32] == 0).all()
    assert (small[:, 32:] == 200).all()


@pytest.mark.parametrize("bit_depth", [10, 12, 16])
def test_deep_pictures_count_in_8_bit_steps(bit_depth: int) -> None:
    picture = camera(0.0)
    deep = picture.astype(np.uint16) << (bit_depth - 8)

    small = small_picture(ArrayFrame(deep, bit_depth=bit_depth))

    assert (small == small_picture(ArrayFrame(picture))).all()


def test_the_largest_16_bit_values_do_not_overflow() -> None:
    white = np.full((1080, 1920), 65535, np.uint16)

    assert (small_picture(ArrayFrame(white, bit_depth=16)) == 255).all()


def test_views_of_other_memory_layouts_give_the_same() -> None:
    picture = camera(0.0)
    turned = np.rot90(np.rot90(picture, -1).copy())

    assert (small_picture(ArrayFrame(turned)) == small_picture(ArrayFrame(picture))).all()


def test_a_fifth_of_a_pixel_of_motion_shows_in_the_small_picture() -> None:
    # 0.2 pixels of 320 are 1/25 of a cell: too little to see, enough to tell frames apart
    pictures = [small_picture(ArrayFrame(camera(t, (640, 360), speed_px=6.0))) for t in (0.0, 1 / 30, 2 / 30)]

    near = np.abs(pictures[1].astype(int) - pictures[0]).mean()
    far = np.abs(pictures[2].astype(int) - pictures[0]).mean()

    assert far > near > 0
