"""Damage in the middle costs pictures, never the whole: what can be decoded comes out, and the notes tell."""

from pathlib import Path

import media_factory
import pytest

from pipeline.decode import MediaSource, open_media
from pipeline.errors import Rejected
from pipeline.settings import DecodeLimits
from schemas import Finding, FindingKind

LIMITS = DecodeLimits()


def decoded(source: MediaSource) -> tuple[int, tuple[Finding, ...]]:
    with open_media(source, LIMITS) as media:
        return len(list(media.frames())), media.notes


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "fast.mp4", "fragmented.mp4", "a.webm", "a.avi"])
def test_a_file_cut_at_60_percent_gives_its_pictures_and_a_note(name: str, tmp_path: Path) -> None:
    codec = {"webm": "libvpx-vp9", "avi": "mpeg4"}.get(name.rsplit(".", 1)[1], "libx264")
    flags = {"fast.mp4": "faststart", "fragmented.mp4": "frag_keyframe+empty_moov"}.get(name)
    path = media_factory.write_video(
        tmp_path / name, codec, frames=60, container_options={"movflags": flags} if flags else None
    )
    pictures, notes = decoded(MediaSource.of_path(media_factory.cut(path, 0.6, tmp_path / f"cut_{name}")))
    assert 1 < pictures < 60
    assert FindingKind.TRUNCATED in {note.kind for note in notes}


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.ts", "libx264"), ("a.mp4", "libx265"), ("a.ts", "mpeg2video")]
)
def test_flipped_bytes_give_pictures_and_a_note(name: str, codec: str, tmp_path: Path) -> None:
    data = media_factory.write_video(tmp_path / name, codec, frames=60).read_bytes()
    damaged = media_factory.flip_bytes(data, len(data) // 4, len(data) * 3 // 4, 25)
    pictures, notes = decoded(MediaSource(name, data=damaged))
    assert pictures > 30
    assert FindingKind.DAMAGED in {note.kind for note in notes}


def test_good_media_has_no_notes(tmp_path: Path) -> None:
    assert decoded(MediaSource.of_path(media_factory.write_video(tmp_path / "a.ts", frames=40))) == (40, ())


def test_a_change_of_size_ends_the_segment_with_a_note(tmp_path: Path) -> None:
    small = media_factory.write_video(tmp_path / "a.ts", frames=15).read_bytes()
    large = media_factory.write_video(tmp_path / "b.ts", frames=15, size=(320, 192)).read_bytes()
    pictures, notes = decoded(MediaSource("spliced.ts", data=small + large))
    assert pictures == 15
    assert any("picture size changes inside the segment, from 160x96 to 320x192" in note.text for note in notes)


def test_notes_are_taken_window_by_window(tmp_path: Path) -> None:
    # With its macroblock tree x264 gives other bytes in one file of six, and other bytes are time stamps.
    same = {"x264-params": "log-level=none:mbtree=0"}
    data = media_factory.write_video(tmp_path / "a.ts", frames=60, options=same).read_bytes()
    damaged = media_factory.flip_bytes(data, len(data) * 3 // 4, len(data), 30, seed=2)
    with open_media(MediaSource("a.ts", data=damaged), LIMITS) as media:
        pictures = media.frames()
        for _ in range(20):
            next(pictures)
        assert media.take_notes() == ()
        assert sum(1 for _ in pictures) > 0
        assert {note.kind for note in media.take_notes()} == {FindingKind.DAMAGED}
        assert media.take_notes() == ()
        assert {note.kind for note in media.notes} == {FindingKind.DAMAGED}


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv", "a.h264", "a.flv"])
def test_damage_of_any_kind_ends_in_pictures_or_one_clear_error(name: str, tmp_path: Path) -> None:
    data = media_factory.write_video(tmp_path / name, frames=10).read_bytes()
    for seed in range(6):
        for damaged in (
            media_factory.flip_bytes(data, 0, 400, 4, seed),
            media_factory.flip_bytes(data, 0, len(data), len(data) // 100, seed),
            data[: len(data) * (seed + 1) // 8],
            data[: 300 * seed] + bytes(500) + data[300 * seed :],
        ):
            try:
                with open_media(MediaSource(name, data=damaged, extension=Path(name).suffix), LIMITS) as media:
                    times = [picture.time_seconds for picture in media.frames()]
                assert times == sorted(times)
            except Rejected as error:
                assert str(error).startswith(name)
