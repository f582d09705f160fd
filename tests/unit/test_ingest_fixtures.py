"""Other players' own test playlists and manifests: all are read, or refused in words; real ladders resolve to bytes."""

from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from ingest_playlists import find, find_one, limits

from pipeline.errors import NotFound, Rejected, Transient
from pipeline.ingest import Fetcher, Stream
from pipeline.ingest.dash_manifest import parse as parse_dash
from pipeline.ingest.hls_playlist import Master, Media
from pipeline.ingest.hls_playlist import parse as parse_hls

FIXTURES = Path(__file__).resolve().parents[2].parent / "shared" / "fixtures"
PLAYLISTS = sorted(FIXTURES.glob("hls-playlists/**/*.m3u8"))
MANIFESTS = sorted(FIXTURES.glob("dash-*/**/*.mpd"))
CONTENTS = FIXTURES / "dash-contents"

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="the shared fixtures are not beside this repository")


@pytest.mark.parametrize("path", PLAYLISTS + MANIFESTS, ids=lambda path: path.name)
def test_every_public_playlist_is_a_stream_or_a_clear_error(path: Path) -> None:
    (found,) = find(path)
    if isinstance(found, Stream):
        assert all(found.segments.values())
    else:
        # One sentence of what and where, and after the semicolon what to do next.
        assert isinstance(found[1], Rejected | Transient)
        assert ";" in str(found[1]) or ": not read" in str(found[1])


@pytest.mark.parametrize(
    ("name", "segments"),
    [
        ("absoluteUris", 4), ("byteRange", 17), ("discontinuity", 9), ("disc-sequence", 4), ("encrypted", 6),
        ("diff-init-key", 11), ("extinf", 17), ("fmp4", 2), ("liveStart30sBefore", 9), ("llhls", 7), ("llhlsDelta", 4),
        ("manifestExtXEndlistEarly", 5), ("missingExtinf", 3), ("missingSegmentDuration", 4),
        ("negativeMediaSequence", 4), ("twoMediaSequences", 4), ("whiteSpace", 4), ("zeroDuration", 1),
        ("manifestNoExtM3u", 1),
    ],
)  # fmt: skip
def test_no_segment_of_a_public_playlist_is_lost(name: str, segments: int) -> None:
    path = FIXTURES / "hls-playlists" / "integration" / f"{name}.m3u8"
    playlist = parse_hls(path.read_bytes(), path.as_uri(), max_segments=1000)
    assert isinstance(playlist, Media)
    assert len(playlist.entries) == segments


@pytest.mark.parametrize(
    ("name", "variants"),
    [("master", 4), ("alternateAudio", 2), ("alternateVideo", 1), ("brightcove", 4), ("emptyTargetDuration", 4),
     ("master-fmp4", 8), ("multipleAudioGroups", 3), ("streamInfInvalid", 2)],
)  # fmt: skip
def test_no_variant_of_a_public_playlist_is_lost(name: str, variants: int) -> None:
    path = FIXTURES / "hls-playlists" / "integration" / f"{name}.m3u8"
    playlist = parse_hls(path.read_bytes(), path.as_uri(), max_segments=1000)
    assert isinstance(playlist, Master)
    assert len(playlist.variants) == variants


def test_the_periods_of_a_public_manifest_follow_one_another() -> None:
    path = FIXTURES / "dash-manifests" / "multiperiod.mpd"
    periods = parse_dash(path.read_bytes(), path.as_uri()).periods
    for before, after in pairwise(periods):
        assert after.start_seconds == pytest.approx(before.start_seconds + (before.duration_seconds or 0))


def boxes(data: bytes) -> list[str]:
    """Return the types of the top-level boxes of an MP4; they must fill the data exactly."""
    kinds, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kinds.append(data[at + 4 : at + 8].decode("latin-1"))
        assert length >= 8 and at + length <= len(data), (kinds, length, len(data))
        at += length
    return kinds


@pytest.mark.parametrize("name", ["multi_codecs", "broken_sidx"])
def test_subsegments_of_an_indexed_ladder_are_whole_fragments(name: str) -> None:
    with Fetcher(limits()) as fetcher:
        stream = find_one(CONTENTS / "DASH_static_SegmentBase" / "media" / f"{name}.mpd", fetcher=fetcher)
        assert not stream.plain_files
        for segments in stream.segments.values():
            assert len(segments) == 15
            if segments[0].window_seconds is not None:
                continue
            for segment in segments:
                kinds = boxes(fetcher.segment_bytes(segment))
                assert "moov" in kinds
                assert kinds[-2:] == ["moof", "mdat"]


def test_renditions_of_a_real_ladder_that_are_not_there_are_problems() -> None:
    media = CONTENTS / "DASH_static_SegmentBase" / "media"
    with Fetcher(limits()) as fetcher:
        stream = find_one(media / "multi_codecs.mpd", fetcher=fetcher)
        assert len(stream.segments) == 6 and len(stream.problems) == 4
        assert all(isinstance(error, NotFound) for _, error in stream.problems)
        webm = {name: segments for name, segments in stream.segments.items() if segments[0].window_seconds}
        assert {stream.ladder.rendition(name).rung.codec for name in webm} == {"vp9"}
        paths = {fetcher.local_path(segments[0].media) for segments in webm.values()}
        assert {path.name for path in paths if path} == {path.name for path in media.glob("v-*.webm")}


@pytest.mark.parametrize(
    ("manifest", "renditions", "segments"),
    [
        ("DASH_static_SegmentTimeline/media/ateam.mpd", 4, 26),
        ("DASH_static_SegmentTemplate_Multi_Periods/media/mp4-live-periods-mpd.mpd", 4, 24),
    ],
)
def test_a_real_ladder_resolves_to_the_files_on_disk(manifest: str, renditions: int, segments: int) -> None:
    read = 0
    with Fetcher(limits()) as fetcher:
        stream = find_one(CONTENTS / manifest, fetcher=fetcher)
        assert [len(found) for found in stream.segments.values()] == [segments] * renditions
        for segment in (segment for found in stream.segments.values() for segment in found):
            path = (CONTENTS / manifest).parent / Path(unquote(segment.media.uri.removeprefix("file://")))
            if path.exists():
                assert "moof" in boxes(fetcher.segment_bytes(segment))
                read += 1
            else:
                with pytest.raises(NotFound):
                    fetcher.segment_bytes(segment)
    assert read >= renditions


def test_a_folder_of_a_real_ladder_is_one_stream_without_its_audio() -> None:
    first, *others = find(CONTENTS / "DASH_static_SegmentTemplate_Multi_Periods" / "media")
    assert isinstance(first, Stream)
    assert not any(isinstance(item, Stream) and item.plain_files for item in others)
