"""What imposing holds and when it yields, and rungs with too few pictures or odd times."""

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from sample_factory import SIZE, SMALL_RUNG, ArrayFrame, anchor_of, camera, impose, other, reference, rung

from pipeline.sample import Imposer, steps


@pytest.mark.parametrize("frames", [1, 2, 4, 8, 12])
@pytest.mark.parametrize("rung_rate", [30, 60])
def test_at_most_k_plus_4_frames_are_alive(frames: int, rung_rate: int) -> None:
    anchor = reference(frames=frames)
    alive: weakref.WeakSet[ArrayFrame] = weakref.WeakSet()
    most = 0

    def watched() -> Iterator[ArrayFrame]:
        nonlocal most
        for frame in rung(rate=rung_rate):
            alive.add(frame)
            most = max(most, len(alive))
            yield frame
            del frame

    for imposed in Imposer(anchor).choose(steps(watched())):
        del imposed

    assert most <= frames + 4


def test_instants_on_neighbouring_frames_keep_the_bound() -> None:
    anchor = anchor_of(list(steps(rung(size=SIZE)))[20:28])
    alive: weakref.WeakSet[ArrayFrame] = weakref.WeakSet()
    most = 0

    def watched() -> Iterator[ArrayFrame]:
        nonlocal most
        for frame in rung():
            alive.add(frame)
            most = max(most, len(alive))
            yield frame
            del frame

    chosen = [imposed.step.frame.index for imposed in Imposer(anchor).choose(steps(watched()))]

    assert chosen == list(range(20, 28))
    assert most <= 12


def test_a_step_is_yielded_before_the_next_bucket_is_read() -> None:
    anchor = reference()
    read = 0

    def counted() -> Iterator[ArrayFrame]:
        nonlocal read
        for frame in rung():
            read += 1
            yield frame

    first = next(iter(Imposer(anchor).choose(steps(counted()))))

    assert read <= first.step.frame.index + 7  # the window and one more


def test_the_same_input_gives_the_same_result() -> None:
    anchor = reference()

    first, second = (impose(anchor, rung(lag_seconds=0.1)) for _ in range(2))

    assert first[0] == second[0]
    assert first[1].match == second[1].match


def test_a_still_is_matched_with_its_one_frame() -> None:
    anchor = reference(frames=8, seconds=1 / 30)
    assert len(anchor.pictures) == 1

    chosen, same = impose(anchor, rung(seconds=1 / 30))
    _, different = impose(anchor, rung(other, seconds=1 / 30))

    assert chosen == {0: 0.0}
    assert same.match.fits
    assert not different.match.fits


def test_a_rung_of_variable_rate_shows_its_last_picture_until_the_next() -> None:
    def slides(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return camera(0.0, size, seed=3 + int(time_seconds + 1e-6))

    # 30 pictures a second in the first half second, then one at each change.
    times = [index / 30 for index in range(15)] + [1.0, 2.0, 3.0]
    frames = [ArrayFrame(slides(t, SMALL_RUNG), t, index) for index, t in enumerate(times)]
    anchor = reference(slides, seconds=4.0)

    chosen, result = impose(anchor, frames)

    shown = {instant: int(time_seconds + 1e-6) for instant, time_seconds in chosen.items()}
    assert shown == {i: int(anchor.instants_seconds[i] + 1e-6) for i in shown}
    assert result.match.fits


def test_a_rung_that_ends_early_has_no_picture_for_the_later_instants() -> None:
    chosen, result = impose(reference(), rung(seconds=1.3))

    assert sorted(chosen) == list(range(5))
    assert result.match.fits


@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_a_rung_with_pictures_at_less_than_half_of_the_instants_does_not_fit(seconds: float) -> None:
    _, result = impose(reference(), rung(seconds=seconds))

    assert not result.match.fits
    assert "has a picture at only" in result.match.text


def test_frames_without_a_time_are_passed_over() -> None:
    def timeless() -> Iterator[ArrayFrame]:
        for frame in rung():
            if frame.index % 7 == 3:
                frame.time_seconds = float("nan")
            yield frame

    _, result = impose(reference(), timeless())

    assert result.match.fits


def test_a_rung_whose_frames_all_have_one_time_does_not_fit_and_does_no_harm() -> None:
    def stuck() -> Iterator[ArrayFrame]:
        for frame in rung():
            frame.time_seconds = 0.0
            yield frame

    chosen, result = impose(reference(), stuck())

    assert len(chosen) <= 1
    assert not result.match.fits


def test_an_empty_anchor_chooses_nothing() -> None:
    chosen, result = impose(anchor_of([]), rung())

    assert chosen == {}
    assert not result.match.fits


def test_asking_for_the_result_too_early_is_refused() -> None:
    imposer = Imposer(reference())
    next(iter(imposer.choose(steps(rung()))))

    with pytest.raises(RuntimeError, match="exhaust"):
        imposer.result()


def test_the_difference_series_of_the_rung_is_kept() -> None:
    _, result = impose(reference(), rung())

    assert result.series.times_seconds.size == 60
    assert np.isnan(result.series.differences[0])
