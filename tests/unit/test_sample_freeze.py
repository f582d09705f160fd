"""Where only the rung stands still: told apart from a still scene, a starved encode, and cuts."""

import numpy as np
import pytest

from pipeline.clip import DifferenceSeries
from pipeline.sample import stands_still, still_beside

TIMES = np.arange(100) / 25


def _series(values: np.ndarray) -> DifferenceSeries:
    return DifferenceSeries(TIMES, values.astype(np.float32))


MOVING = np.full(100, 5.0)


def test_a_frozen_span_is_found_where_it_is() -> None:
    frozen = MOVING.copy()
    frozen[30:80] = np.where(np.arange(50) % 4, 0.02, 0.3)  # an encoder goes on refining a picture that stands
    ((start, duration),) = still_beside(_series(frozen), _series(MOVING), 0.0)
    assert start == pytest.approx(30 / 25, abs=0.1)
    assert duration == pytest.approx(2.0, abs=0.2)


def test_a_scene_that_stands_still_on_both_is_no_freeze() -> None:
    assert still_beside(_series(np.zeros(100)), _series(np.full(100, 0.05)), 0.0) == []


def test_a_starved_rung_that_moves_is_no_freeze() -> None:
    assert still_beside(_series(MOVING * 0.35), _series(MOVING), 0.0) == []


def test_a_cut_inside_of_a_freeze_does_not_hide_it() -> None:
    frozen = np.zeros(100)
    frozen[50] = 40.0
    spans = still_beside(_series(frozen), _series(MOVING), 0.0)
    assert sum(duration for _, duration in spans) > 3.5


def test_a_lag_is_taken_into_account() -> None:
    moves_late = np.zeros(100)
    moves_late[50:] = 5.0
    assert still_beside(_series(np.roll(moves_late, 25)), _series(moves_late), 1.0) == []


def test_a_freeze_shorter_than_a_second_is_left_alone() -> None:
    frozen = MOVING.copy()
    frozen[40:60] = 0.0
    assert still_beside(_series(frozen), _series(MOVING), 0.0) == []


def test_too_few_pictures_tell_nothing() -> None:
    few = DifferenceSeries(TIMES[:2], np.zeros(2, np.float32))
    assert still_beside(few, _series(MOVING), 0.0) == []


def _small(change: float, cells: int = 1) -> np.ndarray:
    """Small pictures of which some cells change by so much on the way."""
    pictures = np.full((8, 36, 64), 100, np.uint8)
    pictures[4:, 0, :cells] += np.uint8(change)
    return pictures


def test_a_still_that_is_encoded_again_stands_still() -> None:
    refined = np.where(np.arange(100) % 25, 0.08, 1.5)  # a key picture a second
    assert stands_still(_series(refined), _small(6, cells=60))


def test_a_clock_that_goes_is_no_still() -> None:
    assert not stands_still(_series(np.zeros(100)), _small(100))


def test_noise_over_a_still_is_no_still() -> None:
    assert not stands_still(_series(np.full(100, 0.4)), _small(2, cells=60))


def test_of_one_instant_nothing_is_told() -> None:
    assert not stands_still(_series(np.zeros(100)), _small(0)[:1])
