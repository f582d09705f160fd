"""Input that cannot be scored is told apart: one class of error and one clear line for each kind."""

from pathlib import Path

import media_factory
import numpy as np
import pytest

from pipeline import errors
from pipeline.decode import MediaSource, open_media
from pipeline.settings import DecodeLimits

LIMITS = DecodeLimits()


def refused(source: MediaSource | Path, limits: DecodeLimits = LIMITS) -> errors.Rejected:
    """Return the error that opening and reading a source ends with."""
    if isinstance(source, Path):
        source = MediaSource.of_path(source)
    with pytest.raises(errors.Rejected) as caught, open_media(source, limits) as media:
        list(media.frames())
    message = str(caught.value)
    assert message.startswith(source.name)
    assert "\n" not in message
    return caught.value


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    assert type(refused(tmp_path / "nothing.mp4")) is errors.NotFound


def test_a_folder(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert type(error) is errors.NotMedia
    assert "is a folder" in str(error)


def test_a_zero_byte_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert type(refused(tmp_path / "empty.mp4")) is errors.EmptyInput
    assert type(refused(MediaSource("empty", data=b""))) is errors.EmptyInput


@pytest.mark.parametrize(
    "text", ["hello\n" * 100, "#EXTM3U\n#EXTINF:6,\na.ts\n", "ffconcat version 1.0\nfile '/etc/hosts'\n"]
)
def test_a_text_file_named_mp4(text: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text(text, encoding="utf-8")
    error = refused(tmp_path / "text.mp4")
    assert type(error) is errors.NotMedia
    assert "a text" in str(error)


@pytest.mark.parametrize("data", [np.random.default_rng(3).bytes(100_000), bytes(100_000)], ids=["noise", "zeros"])
def test_bytes_of_no_known_kind(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "unknown.mp4").write_bytes(data)
    assert type(refused(tmp_path / "unknown.mp4")) is errors.NotMedia


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.aac", "a.mkv"])
def test_audio_only(name: str, tmp_path: Path) -> None:
    assert type(refused(media_factory.write_audio(tmp_path / name))) is errors.AudioOnly


def test_an_mp3_with_cover_art_is_audio_only(tmp_path: Path) -> None:
    assert type(refused(media_factory.write_audio(tmp_path / "a.mp3", cover=True))) is errors.AudioOnly


@pytest.mark.parametrize("name", ["a.srt", "a.vtt"])
def test_subtitle_only(name: str, tmp_path: Path) -> None:
    assert type(refused(media_factory.write_subtitles(tmp_path / name))) is errors.SubtitleOnly


def test_common_encryption_is_met_before_decoding(tmp_path: Path) -> None:
    init, segments = media_factory.encrypted_fragments(frames=5)
    error = refused(MediaSource("segment", data=init + segments[0]))
    assert type(error) is errors.Encrypted
    assert "encrypted (cenc): not scored" in str(error)
    path = tmp_path / "whole.mp4"
    path.write_bytes(init + b"".join(segments))
    assert type(refused(path)) is errors.Encrypted


def test_a_scrambled_transport_stream_is_encrypted(tmp_path: Path) -> None:
    clear = media_factory.write_video(tmp_path / "clear.ts", frames=5).read_bytes()
    assert type(refused(MediaSource("scrambled.ts", data=media_factory.scramble(clear)))) is errors.Encrypted


def test_an_encrypted_webm_is_encrypted(tmp_path: Path) -> None:
    clear = media_factory.write_video(tmp_path / "clear.webm", "libvpx-vp9", frames=5).read_bytes()
    assert type(refused(MediaSource("a.webm", data=media_factory.encrypted_webm_head(clear)))) is errors.Encrypted


@pytest.mark.parametrize(("transfer", "name"), [(media_factory.PQ, "PQ"), (media_factory.HLG, "HLG")])
@pytest.mark.parametrize("container", ["mp4", "ts", "mkv"])
def test_hdr_is_never_scored_as_sdr(transfer: int, name: str, container: str, tmp_path: Path) -> None:
    path = media_factory.write_video(
        tmp_path / f"hdr.{container}", "libx265", frames=3, pixel_format="yuv420p10le", transfer=transfer
    )
    error = refused(path)
    assert type(error) is errors.HdrNotScored
    assert f"HDR ({name}): not scored" in str(error)


def test_sdr_that_says_so_is_scored(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "sdr.mp4", frames=3, transfer=media_factory.BT709)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        assert len(list(media.frames())) == 3


def test_an_mp4_without_its_index_was_cut_off(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "whole.mp4", frames=10)
    error = refused(media_factory.cut(path, 0.6, tmp_path / "cut.mp4"))
    assert type(error) is errors.Truncated
    assert "index (moov) missing: file was cut off or not finalised" in str(error)


def test_an_init_segment_alone_has_no_picture() -> None:
    init, _ = media_factory.fragments(frames=5)
    assert type(refused(MediaSource("init.mp4", data=init))) is errors.Truncated


def test_a_media_segment_alone_asks_for_its_init_segment() -> None:
    _, segments = media_factory.fragments(frames=5)
    error = refused(MediaSource("a.m4s", data=segments[0]))
    assert type(error) is errors.NotMedia
    assert "init segment" in str(error)


def test_packets_without_a_picture_are_damaged(tmp_path: Path) -> None:
    init, (segment,) = media_factory.fragments(frames=5)
    start = segment.index(b"mdat") + 4
    error = refused(MediaSource("a.m4s", data=init + segment[:start] + b"\xff" * (len(segment) - start)))
    assert type(error) is errors.Damaged
    assert error.detail


def test_more_pixels_than_allowed(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "a.mp4", frames=2)
    error = refused(path, DecodeLimits(max_pixels=160 * 96 - 1))
    assert type(error) is errors.LimitExceeded
    assert "RUNGWATCH_DECODE_MAX_PIXELS" in str(error)


def test_more_pixels_than_allowed_in_a_raw_stream(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "a.h264", frames=2)
    assert type(refused(path, DecodeLimits(max_pixels=1000))) is errors.LimitExceeded


def test_more_pictures_than_a_segment_may_have() -> None:
    init, (segment,) = media_factory.fragments(frames=10)
    error = refused(MediaSource("a.m4s", data=init + segment), DecodeLimits(max_frames=9))
    assert type(error) is errors.LimitExceeded
    assert "RUNGWATCH_DECODE_MAX_FRAMES" in str(error)


def test_more_bytes_than_a_segment_may_have() -> None:
    assert (
        type(refused(MediaSource("a.ts", data=bytes(11)), DecodeLimits(max_segment_bytes=10))) is errors.LimitExceeded
    )


def test_a_source_is_either_a_path_or_data(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError):
        MediaSource("neither")
    with pytest.raises(errors.UsageError):
        MediaSource("both", path=tmp_path, data=b"x")


def test_the_decoder_says_nothing_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = media_factory.write_video(tmp_path / "a.ts", frames=10).read_bytes()
    capfd.readouterr()
    damaged = media_factory.flip_bytes(data, len(data) // 4, len(data), 60)
    with open_media(MediaSource("a.ts", data=damaged), LIMITS) as media:
        list(media.frames())
        assert media.notes
    assert capfd.readouterr() == ("", "")
