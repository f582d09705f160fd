"""Pixels: luma as decoded, its mapping to 8 bits of limited range, upright, and as shown."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import media_factory
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.decode import MediaSource, Picture, open_media
from pipeline.decode.geometry import Orientation
from pipeline.decode.luma import to_limited_8bit
from pipeline.settings import DecodeLimits

LIMITS = DecodeLimits()
WIDTH, HEIGHT = media_factory.SIZE
LOSSLESS = {"preset": "ultrafast", "x264-params": "log-level=none:qp=0"}
SOURCE = media_factory.pan(0, WIDTH, HEIGHT)


def first_picture(path: Path) -> Picture:
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        return next(media.frames())


def lossless(path: Path, **video: Any) -> Picture:
    return first_picture(media_factory.write_video(path, frames=2, **({"options": LOSSLESS} | video)))


def whole(picture: Picture) -> NDArray[np.uint8]:
    return picture.luma8(0, 0, picture.height_px, picture.width_px)


def full_to_limited(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.floor(16 + luma.astype(float) * 219 / 255 + 0.5).astype(np.uint8)


def test_luma_is_what_was_encoded(tmp_path: Path) -> None:
    picture = lossless(tmp_path / "a.mp4")
    assert np.array_equal(picture.luma, SOURCE)
    assert picture.luma.base is not None  # a view


@pytest.mark.parametrize("size", [(158, 98), (34, 18)])
def test_odd_sizes_are_cropped_to_what_is_shown(size: tuple[int, int], tmp_path: Path) -> None:
    picture = lossless(tmp_path / "a.mp4", size=size)
    assert np.array_equal(picture.luma, media_factory.pan(0, *size))


def test_an_odd_number_of_pixels_comes_out_whole(tmp_path: Path) -> None:
    picture = lossless(tmp_path / "a.mp4", size=(157, 97), pixel_format="yuv444p")
    assert np.array_equal(picture.luma, media_factory.pan(0, 157, 97))


def test_ten_bits_keep_their_depth_in_luma_and_round_in_luma8(tmp_path: Path) -> None:
    picture = lossless(tmp_path / "a.mkv", codec="ffv1", pixel_format="yuv420p10le", options={})
    assert picture.luma.dtype == np.uint16
    assert np.array_equal(picture.luma, SOURCE.astype(np.uint16) << 2)
    assert np.array_equal(whole(picture), SOURCE)


def test_ten_bits_round_to_the_nearest_of_eight() -> None:
    table = to_limited_8bit(10, full_range=False)
    assert [int(table[value]) for value in (64, 65, 66, 67, 68, 940, 1023)] == [16, 16, 17, 17, 17, 235, 255]


def test_full_range_is_mapped_to_limited(tmp_path: Path) -> None:
    picture = lossless(tmp_path / "a.mp4", pixel_format="yuvj420p", full_range=True)
    assert np.array_equal(picture.luma, SOURCE)
    assert np.array_equal(whole(picture), full_to_limited(SOURCE))
    assert [int(to_limited_8bit(8, full_range=True)[value]) for value in (0, 255)] == [16, 235]


@pytest.mark.parametrize("pixel_format", ["yuv422p", "yuv444p", "yuv422p10le", "yuyv422"])
def test_luma_is_the_same_whatever_the_chroma(pixel_format: str, tmp_path: Path) -> None:
    codec = "rawvideo" if pixel_format == "yuyv422" else "ffv1"
    picture = lossless(tmp_path / "a.mkv", codec=codec, pixel_format=pixel_format, options={})
    assert np.array_equal(whole(picture), SOURCE)


@pytest.mark.parametrize("pixel_format", ["rgb24", "rgba", "rgb48be"])
def test_rgb_becomes_limited_range_luma(pixel_format: str, tmp_path: Path) -> None:
    picture = first_picture(media_factory.write_still(tmp_path / "a.png", pixel_format=pixel_format))
    assert np.abs(whole(picture).astype(int) - SOURCE).max() <= 1


@pytest.mark.parametrize("pixel_format", ["gray", "gray16be"])
def test_a_gray_image_is_full_range(pixel_format: str, tmp_path: Path) -> None:
    picture = first_picture(media_factory.write_still(tmp_path / "a.png", pixel_format=pixel_format))
    assert np.abs(whole(picture).astype(int) - full_to_limited(SOURCE)).max() <= 1


def test_luma8_gives_the_region_asked_for(tmp_path: Path) -> None:
    region = lossless(tmp_path / "a.mp4").luma8(8, 16, 32, 48)
    assert np.array_equal(region, SOURCE[8:40, 16:64])
    assert region.base is None  # its own memory: the picture can go


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(degrees: int, tmp_path: Path) -> None:
    picture = lossless(tmp_path / "a.mp4", rotation_degrees=degrees)
    expected = np.rot90(SOURCE, degrees // 90)
    assert (picture.height_px, picture.width_px) == expected.shape
    assert np.array_equal(picture.luma, expected)
    assert np.array_equal(picture.luma8(3, 5, 20, 30), expected[3:23, 5:35])
    assert np.array_equal(picture.display_luma(picture.width_px, picture.height_px), expected)


def test_mirrored_pictures_are_turned_back(tmp_path: Path) -> None:
    assert np.array_equal(lossless(tmp_path / "a.mp4", hflip=True).luma, SOURCE[:, ::-1])
    both = lossless(tmp_path / "b.mp4", hflip=True, rotation_degrees=180)
    assert np.array_equal(both.luma, SOURCE[::-1])


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip_columns", [False, True])
@pytest.mark.parametrize("flip_rows", [False, True])
def test_an_orientation_is_what_its_matrix_says(transpose: bool, flip_columns: bool, flip_rows: bool) -> None:
    x, y = (-1 if flip_columns else 1), (-1 if flip_rows else 1)
    matrix = (0, y, x, 0) if transpose else (x, 0, 0, y)
    assert Orientation.of_matrix(*matrix) == Orientation(transpose, flip_columns, flip_rows)


def test_rotation_turns_the_aspect_too(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "a.mp4", frames=2, rotation_degrees=90, sample_aspect=Fraction(4, 3))
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        assert (media.width_px, media.height_px) == (HEIGHT, WIDTH)
        assert media.display_aspect == Fraction(9, 20)


@pytest.mark.parametrize("container", ["mp4", "ts", "mkv"])
def test_pixels_that_are_not_square_widen_the_display_aspect(container: str, tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / f"a.{container}", frames=2, sample_aspect=Fraction(4, 3))
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        assert (media.width_px, media.height_px) == (WIDTH, HEIGHT)
        assert media.display_aspect == Fraction(20, 9)


def test_display_luma_at_the_native_size_is_not_scaled(tmp_path: Path) -> None:
    assert np.array_equal(lossless(tmp_path / "a.mp4").display_luma(WIDTH, HEIGHT), SOURCE)


def test_display_luma_scales_as_shown_and_keeps_the_range(tmp_path: Path) -> None:
    shown = lossless(tmp_path / "a.mp4").display_luma(2 * WIDTH, 2 * HEIGHT)
    assert (shown.shape, shown.dtype) == ((2 * HEIGHT, 2 * WIDTH), np.uint8)
    halved = shown.reshape(HEIGHT, 2, WIDTH, 2).mean((1, 3))
    assert np.abs(halved - SOURCE).mean() < 1.5
    assert abs(float(shown.mean()) - float(SOURCE.mean())) < 0.1


def test_display_luma_is_the_same_every_time(tmp_path: Path) -> None:
    picture = lossless(tmp_path / "a.mp4")
    first = picture.display_luma(213, 120)
    picture.display_luma(64, 64)
    assert np.array_equal(picture.display_luma(213, 120), first)


def thumbnail_of(picture: Picture, width_px: int) -> Picture:
    with open_media(MediaSource("thumbnail.jpg", data=picture.thumbnail(width_px)), LIMITS) as media:
        return next(media.frames())


def test_a_thumbnail_is_a_jpeg_of_the_picture(tmp_path: Path) -> None:
    small = thumbnail_of(lossless(tmp_path / "a.mp4"), 80)
    assert (small.width_px, small.height_px) == (80, 48)
    box = SOURCE.reshape(48, 2, 80, 2).mean((1, 3))
    assert np.abs(whole(small) - box).mean() < 4


def test_a_thumbnail_is_upright_with_square_pixels_and_never_enlarged(tmp_path: Path) -> None:
    upright = thumbnail_of(lossless(tmp_path / "a.mp4", rotation_degrees=90), 1000)
    assert (upright.width_px, upright.height_px) == (HEIGHT, WIDTH)
    assert np.abs(whole(upright).astype(int) - np.rot90(SOURCE)).mean() < 4
    wide = thumbnail_of(lossless(tmp_path / "b.mp4", sample_aspect=Fraction(4, 3)), 1000)
    assert (wide.width_px, wide.height_px) == (160, 72)


def test_a_thumbnail_of_an_rgb_image_has_its_brightness(tmp_path: Path) -> None:
    small = thumbnail_of(first_picture(media_factory.write_still(tmp_path / "a.png")), 80)
    assert abs(float(whole(small).mean()) - float(SOURCE.mean())) < 1


def interlaced(path: Path, codec: str) -> Path:
    options = {"preset": "veryfast", "x264-params": "log-level=none:qp=8"} if codec == "libx264" else {"b": "8M"}
    return media_factory.write_video(
        path, codec, frames=20, pattern=media_factory.woven, interlaced=True, options=options
    )


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_interlaced_pictures_are_deinterlaced_one_for_one(codec: str, tmp_path: Path) -> None:
    with open_media(MediaSource.of_path(interlaced(tmp_path / "a.ts", codec)), LIMITS) as media:
        pictures = list(media.frames())
        assert media.interlaced
        assert media.notes == ()
    assert [picture.time_seconds for picture in pictures] == pytest.approx([k / 30 for k in range(20)])
    assert all(picture.packet_bytes for picture in pictures)
    errors, woven_errors = [], []
    for index, picture in enumerate(pictures[1:-1], start=1):
        top_field_instant = media_factory.pan(2 * index, WIDTH, HEIGHT).astype(int)
        errors.append(np.abs(picture.luma - top_field_instant).mean())
        woven_errors.append(np.abs(media_factory.woven(index, WIDTH, HEIGHT) - top_field_instant).mean())
    assert np.mean(errors) < 0.75 * np.mean(woven_errors)


def test_progressive_pictures_are_not_touched_by_deinterlacing(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "a.ts", frames=5)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        list(media.frames())
        assert not media.interlaced
