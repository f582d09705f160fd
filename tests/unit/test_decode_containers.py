"""Containers and codecs: everything that streams use comes out, with its facts and its packets accounted for."""

import gc
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import media_factory
import pytest

from pipeline.decode import MediaSource, open_media
from pipeline.settings import DecodeLimits

LIMITS = DecodeLimits()
VIDEOS: list[tuple[str, str, dict[str, Any]]] = [
    ("h264.mp4", "h264", {}),
    ("h264.ts", "h264", {}),
    ("h264.mkv", "h264", {}),
    ("h264.flv", "h264", {}),
    ("raw.h264", "h264", {}),
    ("raw.264", "h264", {}),
    ("with_sound.mp4", "h264", {"audio": True}),
    ("hevc.mp4", "hevc", {"codec": "libx265"}),
    ("hevc.ts", "hevc", {"codec": "libx265"}),
    ("raw.hevc", "hevc", {"codec": "libx265"}),
    ("hevc10.mkv", "hevc", {"codec": "libx265", "pixel_format": "yuv420p10le"}),
    ("av1.mp4", "av1", {"codec": "libsvtav1"}),
    ("av1.ivf", "av1", {"codec": "libsvtav1"}),
    ("av1.mkv", "av1", {"codec": "libsvtav1", "pixel_format": "yuv420p10le"}),
    ("vp9.webm", "vp9", {"codec": "libvpx-vp9"}),
    ("mpeg2.ts", "mpeg2video", {"codec": "mpeg2video"}),
    ("mpeg2.mpg", "mpeg2video", {"codec": "mpeg2video"}),
    ("mpeg2.mxf", "mpeg2video", {"codec": "mpeg2video", "fps": Fraction(25)}),
    ("mpeg4.avi", "mpeg4", {"codec": "mpeg4"}),
    ("prores.mov", "prores", {"codec": "prores_ks", "pixel_format": "yuv422p10le"}),
    ("animated.gif", "gif", {"codec": "gif", "pixel_format": "rgb8"}),
    ("animated.png", "apng", {"codec": "apng", "pixel_format": "rgb24", "container_format": "apng"}),
]


@pytest.mark.parametrize(("name", "codec", "video"), VIDEOS, ids=[name for name, _, _ in VIDEOS])
def test_every_picture_comes_out_once_and_in_order(
    name: str, codec: str, video: dict[str, Any], tmp_path: Path
) -> None:
    path = media_factory.write_video(tmp_path / name, frames=20, **video)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        pictures = list(media.frames())
        assert (media.codec, media.width_px, media.height_px) == (codec, *media_factory.SIZE)
        assert media.display_aspect == Fraction(160, 96)
        assert media.bit_depth == (10 if "10le" in video.get("pixel_format", "") else 8)
        assert not media.interlaced
        assert not media.still
        assert media.notes == ()
    assert [picture.index for picture in pictures] == list(range(20))
    times = [picture.time_seconds for picture in pictures]
    assert times[0] == 0
    assert times == sorted(set(times))
    step = float(1 / video.get("fps", Fraction(30)))
    assert times[-1] == pytest.approx(19 * step, abs=0.03)
    assert media.end_seconds == pytest.approx(20 * step, abs=0.03)


@pytest.mark.parametrize("name", ["h264.mp4", "h264.ts", "h264.mkv", "raw.h264", "mpeg2.ts"])
def test_the_end_is_known_before_all_is_decoded(name: str, tmp_path: Path) -> None:
    codec = "mpeg2video" if name.startswith("mpeg2") else "libx264"
    path = media_factory.write_video(tmp_path / name, codec, frames=20)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        assert media.end_seconds == pytest.approx(20 / 30, abs=0.002)


def test_packet_bytes_add_up_to_the_video_packets(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "a.mp4", frames=20, audio=True)
    expected = media_factory.video_packet_bytes(path)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        sizes = [picture.packet_bytes for picture in media.frames()]
    assert None not in sizes
    assert sum(size or 0 for size in sizes) == expected


def test_key_pictures_carry_the_largest_packets(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "a.mp4", frames=20)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        pictures = list(media.frames())
    largest = max(pictures, key=lambda picture: picture.packet_bytes or 0)
    assert largest.picture_type == "I"
    assert {picture.picture_type for picture in pictures} == {"I", "P", "B"}


def test_h264_tells_its_quantiser(tmp_path: Path) -> None:
    options = {"preset": "veryfast", "x264-params": "log-level=none:qp=30:ipratio=1:pbratio=1"}
    path = media_factory.write_video(tmp_path / "a.mp4", frames=5, options=options)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        assert [picture.qp() for picture in media.frames()] == [pytest.approx(30)] * 5


def test_the_quantiser_is_none_where_it_is_not_exported(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "a.mp4", frames=2)
    with open_media(MediaSource.of_path(path), LIMITS, export_qp=False) as media:
        assert next(media.frames()).qp() is None


def test_an_fmp4_segment_is_read_behind_its_init_segment() -> None:
    init, segments = media_factory.fragments(frames=45)
    with open_media(MediaSource("second.m4s", data=init + segments[1]), LIMITS) as media:
        assert len(list(media.frames())) == 15


def test_the_largest_video_stream_is_chosen(tmp_path: Path) -> None:
    path = media_factory.write_two_sizes(tmp_path / "two.mkv", (80, 48), (160, 96))
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        assert (media.width_px, media.height_px) == (160, 96)


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    stamps = [0, 1, 2, 5, 9, 10, 11, 12, 20, 21]
    path = media_factory.write_video(tmp_path / "vfr.mp4", frames=len(stamps), pts=stamps)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        assert [round(picture.time_seconds * 30) for picture in media.frames()] == stamps


@pytest.mark.parametrize("name", ["still.png", "still.jpg", "still.bmp", "still.webp", "still.tiff"])
def test_an_image_is_a_still_of_one_picture(name: str, tmp_path: Path) -> None:
    path = media_factory.write_still(tmp_path / name)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        (picture,) = media.frames()
        assert media.still
        assert media.frame_rate is None
        assert (media.start_seconds, media.end_seconds) == (0, 0)
    assert (picture.time_seconds, picture.width_px, picture.height_px) == (0, 160, 96)


def test_a_name_with_a_number_pattern_is_one_file(tmp_path: Path) -> None:
    path = media_factory.write_still(tmp_path / "frame%03d*.png")
    media_factory.write_still(tmp_path / "frame001.png")
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        assert len(list(media.frames())) == 1


def test_all_can_be_read_twice(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "a.mp4", frames=10)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        first = [picture.time_seconds for picture in media.frames()]
        assert [picture.time_seconds for picture in media.frames()] == first


def live_frames() -> int:
    return sum(type(thing) is av.VideoFrame for thing in gc.get_objects())


def test_pictures_are_let_go_without_the_garbage_collector(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "a.mp4", frames=30)
    gc.collect()
    gc.disable()
    try:
        with open_media(MediaSource.of_path(path), LIMITS) as media:
            for picture in media.frames():
                assert picture.qp() is not None
                if picture.index == 15:
                    assert live_frames() <= 3
        del picture, media
        assert live_frames() == 0
    finally:
        gc.enable()
