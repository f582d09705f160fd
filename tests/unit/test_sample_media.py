"""Sampling and imposing on what real encoders make of a programme with a known answer."""

import weakref
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from media_factory import write_video
from numpy.typing import NDArray
from sample_factory import ArrayFrame, Programme, anchor_of, decoded, impose, other, pan, shots

from pipeline.clip import Anchor
from pipeline.sample import SAMPLERS, Imposer, Recorder, Step, frozen_spans, is_black, small_picture, steps

SECONDS = 2


def encoded(
    folder: Path,
    programme: Programme = pan,
    *,
    codec: str = "libx264",
    rate: Fraction | int = 30,
    size: tuple[int, int] = (320, 180),
    options: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
    pixel_format: str = "yuv420p",
) -> Path:
    fps = Fraction(rate)

    def pattern(index: int, width: int, height: int) -> NDArray[np.uint8]:
        return programme(float(index / fps), (width, height))

    path = folder / f"{codec}-{size[1]}-{len(list(folder.iterdir()))}.mkv"
    return write_video(
        path,
        codec,
        frames=round(seconds * rate),
        size=size,
        fps=fps,
        options=options,
        pattern=pattern,
        pixel_format=pixel_format,
    )


def anchor_on(path: Path, rate: Fraction | int = 30, frames: int = 8, grid: Fraction | None = None) -> Anchor:
    stream = steps(decoded(path))
    sampler = SAMPLERS["frame_difference"](frames=frames, grid_rate=grid)
    return anchor_of(sampler.sample(stream, 0.0, SECONDS), rate)


@pytest.fixture(scope="module")
def anchor(tmp_path_factory: pytest.TempPathFactory) -> Anchor:
    """Of a good encode of the pan."""
    return anchor_on(encoded(tmp_path_factory.mktemp("reference"), options={"crf": "18"}))


BAD = [
    ("libx264", (320, 180), {"crf": "47"}),
    ("libx264", (160, 90), {"crf": "42"}),
    ("libx265", (160, 90), {"crf": "42"}),
    ("mpeg2video", (160, 96), {"qmin": "31", "qmax": "31"}),
    ("libvpx-vp9", (160, 90), {"crf": "60", "b": "0"}),
    ("libsvtav1", (160, 90), {"crf": "60"}),
]


@pytest.mark.parametrize(("codec", "size", "options"), BAD, ids=[f"{codec} {size[1]}" for codec, size, _ in BAD])
def test_a_starved_rung_fits_without_an_offset(
    anchor: Anchor, tmp_path: Path, codec: str, size: tuple[int, int], options: dict[str, str]
) -> None:
    chosen, result = impose(anchor, decoded(encoded(tmp_path, codec=codec, size=size, options=options)))

    assert result.match.fits, result.match.text
    assert result.fits_at.all()
    assert result.offset_seconds == 0
    assert [chosen[instant] for instant in range(8)] == pytest.approx(anchor.instants_seconds.tolist(), abs=2e-3)


POOR = [("libx264", {"crf": "36"}), ("libx265", {"crf": "38"}), BAD[3][::2], ("libvpx-vp9", {"crf": "50", "b": "0"})]


@pytest.mark.parametrize(("codec", "options"), POOR, ids=[codec for codec, _ in POOR])
def test_a_poor_rung_that_comes_3_frames_late_is_found_to(
    anchor: Anchor, tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    def late(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return pan(time_seconds - 0.1, size)

    path = encoded(tmp_path, late, codec=codec, size=(160, 96), options=options)
    _, result = impose(anchor, decoded(path))
    if not result.settled:
        _, result = impose(anchor, decoded(path), around_seconds=result.offset_seconds, search=False)

    assert result.offset_seconds == pytest.approx(0.1, abs=2e-3)
    assert result.match.fits, result.match.text


@pytest.mark.parametrize("options", [{"crf": "20"}, {"crf": "45"}], ids=["good", "starved"])
def test_other_content_does_not_fit(anchor: Anchor, tmp_path: Path, options: dict[str, str]) -> None:
    _, result = impose(anchor, decoded(encoded(tmp_path, other, size=(160, 90), options=options)))

    assert not result.match.fits
    assert result.match.text == "shows other content than the reference"


def test_an_advertisement_on_the_rung_does_not_fit(anchor: Anchor, tmp_path: Path) -> None:
    def with_ad(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return other(time_seconds, size) if time_seconds >= 0.91 else pan(time_seconds, size)

    _, result = impose(anchor, decoded(encoded(tmp_path, with_ad, size=(160, 90), options={"crf": "35"})))

    assert not result.match.fits
    assert result.fits_at.tolist() == [True] * 4 + [False] * 4


def test_a_rung_that_freezes_is_called_frozen_across_its_key_frames(anchor: Anchor, tmp_path: Path) -> None:
    def freezing(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return pan(min(time_seconds, 0.7), size)

    path = encoded(tmp_path, freezing, size=(160, 90), options={"crf": "30", "g": "15", "keyint_min": "15"})
    recorder = Recorder(decoded_steps(path))
    list(recorder)
    _, result = impose(anchor, decoded(path))

    assert not result.match.fits
    assert result.match.text.startswith("frozen while the reference moves")
    assert sum(duration for _, duration in frozen_spans(recorder.series, at_least_seconds=0.2)) > 1.0


def decoded_steps(path: Path) -> Iterator[Step]:
    return steps(decoded(path))


def test_a_60_fps_reference_on_the_grid_of_30_is_matched_exactly(tmp_path: Path) -> None:
    reference = anchor_on(encoded(tmp_path, rate=60, options={"crf": "20"}), 60, grid=Fraction(30))

    chosen, result = impose(reference, decoded(encoded(tmp_path, size=(160, 90), options={"crf": "35"})))

    assert result.match.fits, result.match.text
    assert result.offset_seconds == 0
    assert [chosen[instant] for instant in range(8)] == pytest.approx(reference.instants_seconds.tolist(), abs=2e-3)


def test_a_30_fps_reference_is_matched_exactly_on_a_rung_of_60(anchor: Anchor, tmp_path: Path) -> None:
    chosen, result = impose(anchor, decoded(encoded(tmp_path, rate=60, size=(160, 90), options={"crf": "35"})))

    assert result.match.fits, result.match.text
    assert [chosen[instant] for instant in range(8)] == pytest.approx(anchor.instants_seconds.tolist(), abs=2e-3)


def test_29_97_fps_with_cuts_fits_30_over_10_seconds(tmp_path: Path) -> None:
    programme = shots()
    stream = steps(decoded(encoded(tmp_path, programme, seconds=10, size=(160, 90), options={"crf": "20"})))
    reference = anchor_of(SAMPLERS["frame_difference"](8).sample(stream, 0.0, 10.0))
    path = encoded(tmp_path, programme, rate=Fraction(30000, 1001), seconds=10, size=(96, 54), options={"crf": "32"})

    chosen, result = impose(reference, decoded(path))

    assert result.match.fits, result.match.text
    assert result.fits_at.all()
    assert max(abs(chosen[i] - reference.instants_seconds[i]) for i in chosen) < 1.6 / 30


def test_a_black_reference_fits_a_black_rung_by_its_time_stamps(tmp_path: Path) -> None:
    def black(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return np.full(size[::-1], 16, np.uint8)

    path = encoded(tmp_path, black, size=(160, 90))
    reference = anchor_on(path)

    _, result = impose(reference, decoded(encoded(tmp_path, black, size=(96, 54), options={"crf": "45"})))

    assert all(is_black(picture) for picture in reference.pictures)
    assert result.match.fits
    assert not result.match.informative


def test_a_slide_fits_by_its_time_stamps(tmp_path: Path) -> None:
    def slide(time_seconds: float, size: tuple[int, int]) -> NDArray[np.uint8]:
        return pan(0.0, size)

    reference = anchor_on(encoded(tmp_path, slide, options={"crf": "23"}))

    _, result = impose(reference, decoded(encoded(tmp_path, slide, size=(160, 90), options={"crf": "40"})))

    assert result.match.fits, result.match.text
    assert not result.match.informative
    assert result.offset_seconds == 0


def test_a_10_bit_rung_fits_an_8_bit_reference(anchor: Anchor, tmp_path: Path) -> None:
    path = encoded(tmp_path, codec="libx265", size=(160, 90), options={"crf": "30"}, pixel_format="yuv420p10le")

    _, result = impose(anchor, decoded(path))

    assert result.match.fits
    assert result.match.correlation > 0.98


def test_the_difference_of_a_10_bit_encode_is_near_that_of_8_bits(tmp_path: Path) -> None:
    means = []
    for pixel_format in ("yuv420p", "yuv420p10le"):
        path = encoded(tmp_path, codec="libx265", options={"crf": "20"}, pixel_format=pixel_format)
        recorder = Recorder(decoded_steps(path))
        list(recorder)
        means.append(float(np.nanmean(recorder.series.differences)))

    assert means[1] == pytest.approx(means[0], rel=0.05)


def test_1080_and_240_lines_of_a_picture_correlate(tmp_path: Path) -> None:
    small = []
    for size in ((1920, 1080), (426, 240)):
        path = encoded(tmp_path, size=size, seconds=1 / 30, options={"crf": "30"})
        small.append(small_picture(next(decoded(path))))

    assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.98


def test_decoded_frames_are_held_within_the_bound(anchor: Anchor, tmp_path: Path) -> None:
    path = encoded(tmp_path, size=(160, 90))
    alive: weakref.WeakSet[ArrayFrame] = weakref.WeakSet()
    most = 0

    def watched() -> Iterator[ArrayFrame]:
        nonlocal most
        for frame in decoded(path):
            alive.add(frame)
            most = max(most, len(alive))
            yield frame
            del frame

    for imposed in Imposer(anchor).choose(steps(watched())):
        del imposed

    assert most <= 8 + 4
