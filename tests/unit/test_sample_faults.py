"""Faults that the difference series and the small pictures show."""

import math

import numpy as np
import pytest
from sample_factory import ArrayFrame, camera, frames_of, shots

from pipeline.clip import DifferenceSeries
from pipeline.sample import Recorder, cuts, frozen_spans, is_black, is_flat, small_picture, steps


def series(differences: list[float], rate: float = 10, start_seconds: float = 0.0) -> DifferenceSeries:
    times = start_seconds + np.arange(len(differences)) / rate
    return DifferenceSeries(times, np.array(differences, np.float32))


def test_a_span_runs_from_the_picture_that_stays_to_the_first_that_differs() -> None:
    moving, still = [5.0] * 10, [0.0] * 15

    (span,) = frozen_spans(series([math.nan, *moving, *still, *moving]))

    assert span == pytest.approx((1.0, 1.6))


def test_a_span_at_the_end_runs_to_the_last_picture() -> None:
    (span,) = frozen_spans(series([math.nan, 5.0, 5.0, *[0.0] * 12]))

    assert span == pytest.approx((0.2, 1.2))


def test_a_segment_that_never_moves_is_one_span() -> None:
    (span,) = frozen_spans(series([math.nan, *[0.01] * 20], start_seconds=6.0))

    assert span == pytest.approx((6.0, 2.0))


def test_stillness_under_a_second_is_no_span() -> None:
    assert frozen_spans(series([math.nan, 5.0, *[0.0] * 8, 5.0, 5.0])) == []


def test_a_picture_shown_long_because_none_follows_stands_still() -> None:
    slides = DifferenceSeries(np.array([0.0, 0.1, 3.1, 3.2]), np.array([math.nan, 9, 9, 9], np.float32))

    assert frozen_spans(slides) == [pytest.approx((0.1, 3.0))]


def test_an_unknown_difference_ends_a_span() -> None:
    spans = frozen_spans(series([math.nan, *[0.0] * 12, math.nan, *[0.0] * 12]))

    assert [start for start, _ in spans] == pytest.approx([0.0, 1.3])


@pytest.mark.parametrize("times", [[], [4.0]])
def test_less_than_two_pictures_have_no_span(times: list[float]) -> None:
    none = DifferenceSeries(np.array(times), np.full(len(times), math.nan, np.float32))

    assert frozen_spans(none) == []
    assert cuts(none) == []


def test_slow_motion_does_not_stand_still() -> None:
    recorder = Recorder(steps(frames_of([camera(t / 30, (320, 180), speed_px=2.0) for t in range(60)])))
    list(recorder)

    assert frozen_spans(recorder.series) == []


def test_cuts_are_found_where_shots_change() -> None:
    programme = shots(speed_px=60.0)
    recorder = Recorder(steps(frames_of([programme(t / 30, (160, 90)) for t in range(120)])))
    list(recorder)

    assert cuts(recorder.series) == pytest.approx([1.0, 2.0, 3.0])


def test_fast_steady_motion_is_no_cut() -> None:
    recorder = Recorder(steps(frames_of([camera(t / 30, speed_px=300.0) for t in range(30)])))
    list(recorder)

    assert np.nanmin(recorder.series.differences) > 8
    assert cuts(recorder.series) == []


def test_black_is_dark_and_shows_nothing() -> None:
    random = np.random.default_rng(1)
    noisy_black = np.clip(random.normal(17, 2, (180, 320)), 0, 255).astype(np.uint8)

    assert is_black(small_picture(ArrayFrame(noisy_black)))


def test_a_night_scene_is_not_black() -> None:
    night = np.full((180, 320), 17, np.uint8)
    night[100:140, 200:230] = 120

    assert not is_black(small_picture(ArrayFrame(night)))


def test_a_grey_slate_is_flat_but_not_black() -> None:
    grey = small_picture(ArrayFrame(np.full((180, 320), 90, np.uint8)))

    assert is_flat(grey)
    assert not is_black(grey)
