"""The reference's instants imposed on another rung, on pictures with a known answer."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from sample_factory import (
    ArrayFrame,
    Programme,
    anchor_of,
    camera,
    impose,
    other,
    pan,
    reference,
    rung,
    shots,
)

from pipeline.sample import SAMPLERS, steps


def test_the_same_instants_are_chosen_on_a_rung_of_another_size() -> None:
    anchor = reference()

    chosen, result = impose(anchor, rung())

    assert [chosen[instant] for instant in range(8)] == pytest.approx(anchor.instants_seconds.tolist())
    assert result.match.fits
    assert result.match.informative
    assert result.match.correlation > 0.99
    assert result.offset_seconds == 0
    assert result.fits_at.all()
    assert result.settled


@pytest.mark.parametrize("frames_late", [-4, -3, -2, -1, 1, 2, 3, 4])
def test_an_offset_of_frames_is_found_and_followed(frames_late: int) -> None:
    anchor = reference()
    lag = frames_late / 30

    # The rung has pictures beyond both ends, as a neighbouring segment would give.
    chosen, result = impose(anchor, rung(lag_seconds=lag + 0.5, seconds=3.0, start_seconds=-0.5))

    assert result.offset_seconds == pytest.approx(lag)
    assert result.match.fits
    for instant, time_seconds in chosen.items():
        assert time_seconds == pytest.approx(anchor.instants_seconds[instant] + lag)


def test_an_offset_of_3_frames_is_found_where_next_to_nothing_moves() -> None:
    def slow(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return camera(time_seconds, size, speed_px=3.0)  # a tenth of a pixel of 320 a frame

    stream = steps(rung(slow, size=(640, 360)))
    anchor = anchor_of(SAMPLERS["frame_difference"](8).sample(stream, 0.0, 2.0))

    _, result = impose(anchor, rung(slow, lag_seconds=0.1, size=(320, 180)))

    assert result.offset_seconds == pytest.approx(0.1)


def test_instants_whose_content_lies_beyond_the_rung_s_end_are_left_out() -> None:
    anchor = reference()

    chosen, result = impose(anchor, rung(lag_seconds=0.1, seconds=float(anchor.instants_seconds[-1]) + 1 / 30))

    assert sorted(chosen) == list(range(7))
    assert result.fits_at.tolist() == [True] * 7 + [False]
    assert result.match.fits


def test_an_offset_beyond_the_search_is_no_fit() -> None:
    _, result = impose(reference(), rung(lag_seconds=12 / 30))

    assert not result.match.fits


def test_a_known_offset_is_where_the_search_begins() -> None:
    anchor = reference()

    _, result = impose(anchor, rung(start_seconds=100.0, lag_seconds=0.1), around_seconds=100.0)

    assert result.offset_seconds == pytest.approx(100.1)
    assert result.match.fits


def test_without_search_the_given_offset_is_kept_and_checked() -> None:
    anchor = reference()

    right, checked = impose(anchor, rung(lag_seconds=0.1), around_seconds=0.1, search=False)
    _, wrong = impose(anchor, rung(programme=other), around_seconds=0.1, search=False)

    assert checked.settled
    assert checked.match.fits
    assert checked.offset_seconds == pytest.approx(0.1)
    assert right[0] == pytest.approx(anchor.instants_seconds[0] + 0.1)
    assert wrong.settled
    assert not wrong.match.fits


def test_an_offset_that_shows_only_late_is_not_settled_and_a_second_pass_with_it_fits() -> None:
    def slow_then_fast(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        moved_px = 4 * time_seconds + 80 * max(0.0, time_seconds - 1)  # of a picture of 320
        return camera(moved_px, size, speed_px=1.0)

    anchor = reference(slow_then_fast)

    _, first = impose(anchor, rung(slow_then_fast, lag_seconds=0.1))
    chosen, second = impose(
        anchor, rung(slow_then_fast, lag_seconds=0.1), around_seconds=first.offset_seconds, search=False
    )

    assert not first.settled
    assert not first.match.fits
    assert first.offset_seconds == pytest.approx(0.1)
    assert second.settled
    assert second.match.fits
    assert chosen[0] == pytest.approx(anchor.instants_seconds[0] + 0.1)


@pytest.mark.parametrize("rates", [(30, 60), (60, 30), (25, 50), (50, 25), (30, 15), (24, 30), (30, 24)])
def test_other_frame_rates_are_matched_to_the_nearest_frame(rates: tuple[int, int]) -> None:
    reference_rate, rung_rate = rates
    anchor = reference(rate=reference_rate)

    chosen, result = impose(anchor, rung(rate=rung_rate))

    away = [abs(chosen[instant] - anchor.instants_seconds[instant]) for instant in chosen]
    assert len(chosen) == 8
    assert max(away) <= 0.5 / rung_rate + 1e-6
    assert result.match.fits
    assert result.offset_seconds == 0


def test_an_offset_is_found_on_a_rung_of_twice_the_rate() -> None:
    anchor = reference(rate=30)

    _, first = impose(anchor, rung(rate=60, lag_seconds=0.1))
    chosen, second = impose(anchor, rung(rate=60, lag_seconds=0.1), around_seconds=first.offset_seconds, search=False)

    assert first.offset_seconds == pytest.approx(0.1)
    assert second.match.fits
    assert chosen[3] == pytest.approx(anchor.instants_seconds[3] + 0.1)


@pytest.mark.parametrize("programme", [pan, shots()], ids=["pan", "cuts"])
def test_29_97_fits_30_fps_over_10_seconds(programme: Programme) -> None:
    def wide(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return camera(time_seconds, size, speed_px=20.0) if programme is pan else programme(time_seconds, size)

    anchor = reference(wide, rate=30, seconds=10.0)

    chosen, result = impose(anchor, rung(wide, rate=Fraction(30000, 1001), seconds=10.0))

    assert result.match.fits
    assert result.fits_at.all()
    assert result.offset_seconds == 0
    away = [abs(chosen[instant] - anchor.instants_seconds[instant]) for instant in chosen]
    assert max(away) <= 1.5 / 30  # half a frame, or the next one where a cut lies between


def test_at_a_cut_between_two_frames_of_a_slower_rung_the_one_that_shows_the_same_is_chosen() -> None:
    def cut_at_odd_frame(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return other(time_seconds, size) if time_seconds >= 31 / 60 - 1e-6 else pan(time_seconds, size)

    # The cut is at 31/60 s; of the two frames of 30 fps at equal distance, the earlier shows the old shot.
    anchor = reference(cut_at_odd_frame, rate=60, frames=4)
    assert 31 / 60 in [pytest.approx(instant) for instant in anchor.instants_seconds]

    chosen, result = impose(anchor, rung(cut_at_odd_frame, rate=30))

    assert 32 / 60 in [pytest.approx(time_seconds) for time_seconds in chosen.values()]
    assert result.fits_at.all()


def test_other_content_of_the_same_brightness_does_not_fit() -> None:
    _, result = impose(reference(), rung(other))

    assert not result.match.fits
    assert not result.fits_at.any()
    assert result.match.text == "shows other content than the reference"


def test_other_content_between_the_same_black_bars_does_not_fit() -> None:
    def barred(programme: Programme) -> Programme:
        def picture(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
            found = programme(time_seconds, size).copy()
            bar = size[1] // 7
            found[:bar] = found[-bar:] = 16
            return found

        return picture

    _, different = impose(reference(barred(pan)), rung(barred(other)))
    _, same = impose(reference(barred(pan)), rung(barred(pan)))

    assert not different.match.fits
    assert same.match.fits


def test_an_advertisement_on_half_of_one_rung_does_not_fit_and_is_named() -> None:
    def with_ad(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return other(time_seconds, size) if time_seconds >= 1 else pan(time_seconds, size)

    _, result = impose(reference(), rung(with_ad))

    assert not result.match.fits
    assert result.fits_at.tolist() == [True] * 4 + [False] * 4
    assert "other content" in result.match.text
    assert "4 of 8 instants" in result.match.text


@pytest.mark.parametrize("frozen_from_seconds", [0.0, 1.0])
def test_a_rung_that_freezes_while_the_reference_moves_is_called_frozen(frozen_from_seconds: float) -> None:
    def freezing(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return pan(min(time_seconds, frozen_from_seconds), size)

    _, result = impose(reference(), rung(freezing))

    assert not result.match.fits
    assert result.match.text.startswith("frozen while the reference moves")
    assert f"from {frozen_from_seconds:.2f} s" in result.match.text


def test_a_black_rung_is_named() -> None:
    def black(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return np.full(size[::-1], 16, np.uint8)

    _, result = impose(reference(), rung(black))

    assert not result.match.fits
    assert (
        result.match.text == "frozen while the reference moves, from 0.00 s for 1.97 s" or "black" in result.match.text
    )


def test_where_the_reference_is_black_the_time_stamps_count() -> None:
    def black(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return np.full(size[::-1], 16, np.uint8)

    _, both = impose(reference(black), rung(black))
    _, only_reference = impose(reference(black), rung(pan))

    assert both.match.fits
    assert not both.match.informative
    assert not only_reference.match.fits
    assert only_reference.match.text == "shows a picture while the reference is black"


def test_where_the_reference_stands_still_the_time_stamps_count() -> None:
    def slide(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return pan(0.0, size)

    anchor = reference(slide)
    chosen, same = impose(anchor, rung(slide))
    _, different = impose(anchor, rung(other))

    assert same.match.fits
    assert not same.match.informative
    assert chosen[5] == pytest.approx(anchor.instants_seconds[5])
    assert not different.match.fits


def test_an_offset_that_grows_over_the_segment_does_not_fit() -> None:
    def slowed(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return pan(time_seconds * 0.9, size)  # 6 frames later at the end of 2 s

    _, result = impose(reference(), rung(slowed))

    assert not result.match.fits
    assert result.match.text.startswith("does not keep its distance in time")


def test_an_offset_that_jumps_within_the_segment_does_not_fit() -> None:
    def spliced(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return pan(time_seconds - (4 / 30 if time_seconds >= 1 else 0), size)

    _, result = impose(reference(), rung(spliced))

    assert not result.match.fits
    assert result.match.text.startswith("does not keep its distance in time")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda luma, _: np.clip(luma * 0.6 + 60, 0, 255), id="brightness and contrast"),
        pytest.param(lambda luma, random: np.clip(luma + random.normal(0, 25, luma.shape), 0, 255), id="noise"),
        pytest.param(lambda luma, _: luma // 32 * 32, id="banding"),
        pytest.param(
            lambda luma, _: np.kron(luma.reshape(18, 4, 16, 8).mean(axis=(1, 3)), np.ones((4, 8))), id="blocks"
        ),
    ],
)
def test_bad_pictures_of_the_same_content_fit(
    spoil: Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.float64]],
) -> None:
    random = np.random.default_rng(1)

    def spoilt(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return spoil(pan(time_seconds, (128, 72)), random).astype(np.uint8)

    _, result = impose(reference(), rung(spoilt))

    assert result.match.fits
    assert result.offset_seconds == 0


def test_ten_bits_match_eight() -> None:
    deep = (
        ArrayFrame(frame.luma.astype(np.uint16) * 4, frame.time_seconds, frame.index, bit_depth=10) for frame in rung()
    )

    _, result = impose(reference(), deep)

    assert result.match.fits
    assert result.match.correlation > 0.99
