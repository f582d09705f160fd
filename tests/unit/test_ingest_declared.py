"""What playlists declare is read in our words."""

from fractions import Fraction

import pytest

from pipeline.ingest import declared
from pipeline.ingest.names import UniqueNames, common_name, natural_key, playlist_name


@pytest.mark.parametrize(
    ("codecs", "name"),
    [
        ("avc1.640028,mp4a.40.2", "h264"),
        ("mp4a.40.2, avc3.4d401f", "h264"),
        ("hev1.1.6.L93.B0", "hevc"),
        ("dvh1.05.06", "hevc"),
        ("av01.0.05M.08", "av1"),
        ("vp09.00.10.08", "vp9"),
        ("vp9", "vp9"),
        ("mp4v.61", "mpeg2video"),
        ("mp4v.20.9", "mpeg4"),
        ("mp4v", "mpeg4"),
        ("xxxx.1", None),
        ("", None),
        (None, None),
    ],
)
def test_codec_names_come_from_rfc_6381(codecs: str | None, name: str | None) -> None:
    assert declared.video_codec(codecs) == name


@pytest.mark.parametrize(
    ("codecs", "kind"),
    [("mp4a.40.2", "audio"), ("ac-3,ec-3", "audio"), ("stpp.ttml.im1t", "text"), ("mp4a.40.2,wvtt", "audio"),
     ("avc1.640028,mp4a.40.2", None), ("unknown", None), ("", None), (None, None)],
)  # fmt: skip
def test_codecs_without_pictures_are_told(codecs: str | None, kind: str | None) -> None:
    assert declared.without_pictures(codecs) == kind


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("25", Fraction(25)),
        (29.97, Fraction(30000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("59.940", Fraction(60000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("12.5", Fraction(25, 2)),
        (30.0, Fraction(30)),
        ("0", None),
        ("25/0", None),
        ("1e999999999", None),
        ("fast", None),
        (None, None),
    ],
)
def test_frame_rates_are_exact(text: str | float | None, rate: Fraction | None) -> None:
    assert declared.exact_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "size"),
    [("1920x1080", (1920, 1080)), ("1920X1080", (1920, 1080)), ("0x1080", (None, 1080)), ("wide", (None, None)),
     (None, (None, None))],
)  # fmt: skip
def test_sizes_are_width_and_height(text: str | None, size: tuple[int | None, int | None]) -> None:
    assert declared.size(text) == size


def test_the_first_usable_bitrate_counts() -> None:
    assert declared.bitrate(None, "x", "0", 1_500_000) == 1_500_000
    assert declared.bitrate("9" * 400) is None


def test_names_sort_as_people_count() -> None:
    assert sorted(["b", "a10", "A9", "a", "10"], key=natural_key) == ["10", "a", "A9", "a10", "b"]


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://cdn.example/show/master.m3u8?token=1", "show"),
        ("https://cdn.example/show.m3u8", "show"),
        ("https://cdn.example/master.m3u8", "cdn.example"),
        ("file:///videos/my%20show/index.m3u8", "my show"),
    ],
)
def test_a_stream_is_named_after_what_says_something(uri: str, name: str) -> None:
    assert playlist_name(uri) == name


def test_files_of_one_content_share_their_leading_words() -> None:
    assert common_name(["/x/big_show-1080p.mp4", "/x/big_show-720p.mp4"]) == "big-show"
    assert common_name(["/x/only.mp4"]) == "x"


def test_a_name_is_given_once() -> None:
    names = UniqueNames()
    assert [names.claim(name) for name in ("a", "a", "a-2", "", "b\n")] == ["a", "a-2", "a-2-2", "unnamed", "b"]
