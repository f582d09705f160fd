"""The strided luma difference between decoded pictures."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from sample_factory import ArrayFrame, camera, frames_of

from pipeline.sample import Recorder, steps


def test_the_difference_is_the_mean_of_every_8th_pixel_at_1080_lines() -> None:
    random = np.random.default_rng(1)
    first, second = random.integers(0, 256, (2, 1080, 1920), dtype=np.uint8)

    *_, step = steps(frames_of([first, second]))

    expected = np.abs(second[::8, ::8].astype(np.int16) - first[::8, ::8].astype(np.int16)).mean()
    assert step.difference == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("lines", "stride"), [(2160, 16), (720, 5), (540, 4), (240, 2), (134, 1), (48, 1)])
def test_the_grid_has_about_135_lines_at_any_size(lines: int, stride: int) -> None:
    random = np.random.default_rng(2)
    first, second = random.integers(0, 256, (2, lines, 96), dtype=np.uint8)

    *_, step = steps(frames_of([first, second]))

    grid = np.abs(second[::stride, ::stride].astype(int) - first[::stride, ::stride].astype(int))
    assert step.difference == pytest.approx(grid.mean(), abs=1e-12)


def test_the_first_picture_has_no_difference_and_none_before_it() -> None:
    (step,) = steps(frames_of([camera(0.0)]))

    assert step.previous is None
    assert np.isnan(step.difference)


def test_every_step_carries_the_frame_before() -> None:
    found = list(steps(frames_of([camera(t / 30) for t in range(4)])))

    assert all(later.previous is earlier.frame for earlier, later in pairwise(found))


def test_ten_bits_count_in_8_bit_steps() -> None:
    pictures = [camera(0.0), camera(0.1)]
    eight = list(steps(frames_of(pictures)))
    ten = list(steps(ArrayFrame(picture.astype(np.uint16) * 4, bit_depth=10) for picture in pictures))

    assert ten[1].difference == pytest.approx(eight[1].difference)


def test_a_change_of_size_gives_no_difference_and_the_next_picture_one() -> None:
    small, large = camera(0.0, (160, 90)), camera(0.0, (320, 180))

    found = [step.difference for step in steps(frames_of([small, large, large]))]

    assert np.isnan(found[1])
    assert found[2] == 0


def test_rotated_and_cropped_views_are_read_as_they_are() -> None:
    pictures = [camera(0.0), camera(0.1)]
    padded = [np.pad(picture, ((0, 0), (0, 32)))[:, :160] for picture in pictures]
    turned = [np.rot90(np.rot90(picture, -1).copy()) for picture in pictures]

    plain, cropped, rotated = (list(steps(frames_of(lumas)))[1].difference for lumas in (pictures, padded, turned))

    assert plain == cropped == rotated


def test_the_luma_of_a_frame_is_read_once() -> None:
    frames = list(frames_of([camera(t / 30) for t in range(5)]))

    list(steps(frames))

    assert [frame.luma_reads for frame in frames] == [1] * 5


def test_a_recorder_keeps_times_and_differences_of_what_passes() -> None:
    recorder = Recorder(steps(frames_of([camera(t / 25) for t in range(4)], Fraction(25), start_seconds=8.0)))

    passed = list(recorder)

    assert recorder.series.times_seconds.tolist() == pytest.approx([8.0, 8.04, 8.08, 8.12])
    assert np.isnan(recorder.series.differences[0])
    assert recorder.series.differences[1:].tolist() == pytest.approx([step.difference for step in passed[1:]])
