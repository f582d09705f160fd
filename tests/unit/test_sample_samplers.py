"""Which frames the samplers choose."""

import math
import weakref
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from sample_factory import ArrayFrame, camera, frames_of, steps_with

from pipeline.sample import SAMPLERS, Sampler, Step, steps
from pipeline.sample.frame_difference import FrameDifferenceSampler
from pipeline.sample.mixed import MixedSampler
from pipeline.sample.uniform import UniformSampler

NAN = math.nan


def times(chosen: Iterator[Step]) -> list[float]:
    return [round(step.frame.time_seconds, 6) for step in chosen]


@pytest.fixture(params=sorted(SAMPLERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(name: str, frames: int, grid_rate: Fraction | None = None) -> Sampler:
    return SAMPLERS[name](frames=frames, grid_rate=grid_rate)


def test_every_sampler_carries_the_name_it_is_registered_by(name: str) -> None:
    assert made(name, 8).name == name


def test_every_sampler_chooses_8_frames_unless_told_otherwise(name: str) -> None:
    assert SAMPLERS[name]().frames == 8


def test_a_sampler_of_no_frames_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="at least 1 frame"):
        list(made(name, 0).sample([], 0.0, 1.0))


def test_a_segment_without_a_known_end_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="known start and end"):
        list(made(name, 8).sample([], 0.0, math.inf))


def test_the_same_steps_give_the_same_choice(name: str) -> None:
    stream = list(steps(frames_of([camera(t / 30) for t in range(60)])))

    assert times(made(name, 8).sample(stream, 0.0, 2.0)) == times(made(name, 8).sample(stream, 0.0, 2.0))


def test_choices_come_in_time_order_and_none_twice(name: str) -> None:
    random = np.random.default_rng(3)
    stream = steps_with([t / 30 for t in range(180)], random.random(180).tolist())

    chosen = times(made(name, 8).sample(stream, 0.0, 6.0))

    assert len(chosen) == 8
    assert chosen == sorted(set(chosen))


def test_more_frames_asked_for_than_there_are_gives_each_once(name: str) -> None:
    stream = steps_with([0.0, 0.1, 0.2], [NAN, 1, 1])

    assert times(made(name, 8).sample(stream, 0.0, 0.3)) == [0.0, 0.1, 0.2]


@pytest.mark.parametrize("duration_seconds", [0.0, 0.04])
def test_a_still_gives_its_one_frame(name: str, duration_seconds: float) -> None:
    stream = steps_with([5.0], [NAN])

    assert times(made(name, 8).sample(stream, 5.0, 5.0 + duration_seconds)) == [5.0]


def test_a_bucket_without_frames_gives_none(name: str) -> None:
    stream = steps_with([0.1, 0.2, 0.9], [NAN, 1, 2])  # buckets of 0.25 s: only the 1st and the 4th have frames

    chosen = times(made(name, 4).sample(stream, 0.0, 1.0))

    assert len(chosen) == 2
    assert chosen[1] == 0.9


def test_frames_outside_of_the_segment_are_left_out_at_its_half_open_edges(name: str) -> None:
    stream = steps_with([0.9, 1.0, 2.0, 2.1], [9, NAN, 9, 9])

    assert times(made(name, 8).sample(stream, 1.0, 2.0)) == [1.0]


def test_a_segment_without_frames_gives_none(name: str) -> None:
    assert times(made(name, 8).sample([], 0.0, 6.0)) == []


def test_frames_without_a_time_belong_where_the_one_before_does(name: str) -> None:
    stream = steps_with([0.0, NAN, NAN, 0.6], [NAN, 1, 5, 1])

    chosen = list(made(name, 2).sample(stream, 0.0, 1.0))

    assert [step.frame.index for step in chosen][-1] == 3
    assert len(chosen) == 2


def test_at_most_two_steps_are_alive_in_any_sampler(name: str) -> None:
    alive: weakref.WeakSet[ArrayFrame] = weakref.WeakSet()
    most = 0

    def watched() -> Iterator[ArrayFrame]:
        nonlocal most
        for index in range(90):
            frame = ArrayFrame(camera(index / 30, (64, 36)), index / 30, index)
            alive.add(frame)
            most = max(most, len(alive))
            yield frame
            del frame

    for step in made(name, 4).sample(steps(watched()), 0.0, 3.0):
        del step

    assert most <= 5  # the best with the one before it, the current with the one before it, the next


def test_of_each_bucket_the_frame_that_differs_most_is_chosen() -> None:
    differences = [NAN, 1, 7, 2, 3, 3, 9, 1]
    stream = steps_with([t / 4 for t in range(8)], differences)

    assert times(FrameDifferenceSampler(2).sample(stream, 0.0, 2.0)) == [0.5, 1.5]


def test_of_equal_differences_the_earliest_is_chosen() -> None:
    stream = steps_with([0.0, 0.1, 0.2, 0.3], [NAN, 4, 4, 4])

    assert times(FrameDifferenceSampler(1).sample(stream, 0.0, 1.0)) == [0.1]


def test_an_unknown_difference_is_the_lowest() -> None:
    stream = steps_with([0.0, 0.1, 0.2], [NAN, NAN, 0.0])

    assert times(FrameDifferenceSampler(1).sample(stream, 0.0, 1.0)) == [0.2]


def test_of_unknown_differences_the_earliest_is_chosen() -> None:
    stream = steps_with([0.0, 0.1], [NAN, NAN])

    assert times(FrameDifferenceSampler(1).sample(stream, 0.0, 1.0)) == [0.0]


def test_a_frame_on_the_edge_of_two_buckets_belongs_to_the_later() -> None:
    # 0.3 of ten buckets of 0.1 s: 0.3 / 0.1 is 2.9999999999999996 in floats
    stream = steps_with([0.2, 0.1 + 0.2, 0.35], [NAN, 9, 5])

    assert times(FrameDifferenceSampler(10).sample(stream, 0.0, 1.0)) == [0.2, 0.3]


def test_a_winner_is_yielded_with_the_first_step_past_its_bucket() -> None:
    read = 0

    def counted() -> Iterator[Step]:
        nonlocal read
        for step in steps_with([t / 10 for t in range(10)], [float(t) for t in range(10)]):
            read += 1
            yield step

    chosen = FrameDifferenceSampler(2).sample(counted(), 0.0, 1.0)

    assert next(chosen).frame.time_seconds == 0.4
    assert read == 6


def test_a_variable_frame_rate_gives_one_frame_of_every_bucket_that_has_any() -> None:
    stream = steps_with([0.0, 0.01, 0.02, 0.9, 1.5, 1.51], [NAN, 1, 2, 3, 1, 8])

    assert times(FrameDifferenceSampler(4).sample(stream, 0.0, 2.0)) == [0.02, 0.9, 1.51]


def test_uniform_takes_the_first_frame_at_or_after_each_centre() -> None:
    stream = steps_with([t / 10 for t in range(20)], [1.0] * 20)

    assert times(UniformSampler(2).sample(stream, 0.0, 2.0)) == [0.5, 1.5]


def test_uniform_takes_the_last_frame_of_a_bucket_that_ends_before_its_centre() -> None:
    stream = steps_with([0.0, 0.1, 0.2, 1.7], [1.0] * 4)

    assert times(UniformSampler(2).sample(stream, 0.0, 2.0)) == [0.2, 1.7]


def test_mixed_takes_every_second_bucket_by_difference_and_the_others_at_their_centre() -> None:
    differences = [1.0] * 20
    differences[1] = differences[6] = differences[13] = differences[16] = 9.0
    stream = steps_with([t / 10 for t in range(20)], differences)

    # buckets of 0.5 s: by difference, centre 0.75, by difference, centre 1.75
    assert times(MixedSampler(4).sample(stream, 0.0, 2.0)) == [0.1, 0.8, 1.3, 1.8]


@pytest.mark.parametrize("start_seconds", [0.0, 7.3])
def test_with_a_grid_rate_a_60_fps_reference_picks_instants_that_30_fps_has(name: str, start_seconds: float) -> None:
    random = np.random.default_rng(4)
    stream = steps_with([start_seconds + t / 60 for t in range(360)], random.random(360).tolist())

    chosen = list(made(name, 8, Fraction(30)).sample(stream, start_seconds, start_seconds + 6))

    assert len(chosen) == 8
    assert [step.frame.index % 2 for step in chosen] == [0] * 8


@pytest.mark.parametrize("rate", [Fraction(60000, 1001), Fraction(60)])
@pytest.mark.parametrize("grid", [Fraction(30000, 1001), Fraction(30)])
def test_59_94_against_30_fps_picks_frames_next_to_the_slower_rung_s(rate: Fraction, grid: Fraction) -> None:
    random = np.random.default_rng(5)
    stream = steps_with([float(t / rate) for t in range(600)], random.random(600).tolist())

    chosen = times(FrameDifferenceSampler(16, grid).sample(stream, 0.0, 10.0))

    away = [abs(math.remainder(time_seconds, float(1 / grid))) for time_seconds in chosen]
    assert max(away) <= 1 / 120 + 1e-5


@pytest.mark.parametrize("grid", [Fraction(25), Fraction(24), Fraction(60), Fraction(120), None])
def test_a_grid_that_is_no_divisor_of_the_rate_leaves_all_frames(grid: Fraction | None) -> None:
    random = np.random.default_rng(6)
    stream = steps_with([t / 60 for t in range(360)], random.random(360).tolist())

    with_grid = times(FrameDifferenceSampler(8, grid).sample(stream, 0.0, 6.0))

    assert with_grid == times(FrameDifferenceSampler(8).sample(stream, 0.0, 6.0))


def test_a_grid_holds_with_time_stamps_rounded_to_milliseconds() -> None:
    random = np.random.default_rng(7)
    stream = steps_with([round(t / 60, 3) for t in range(360)], random.random(360).tolist())

    chosen = list(FrameDifferenceSampler(8, Fraction(30)).sample(stream, 0.0, 6.0))

    assert [step.frame.index % 2 for step in chosen] == [0] * 8
