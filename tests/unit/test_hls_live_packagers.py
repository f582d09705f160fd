"""Playlists that we did not write are followed: those of ffmpeg's own muxer, and the fixtures of other players."""

import io
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from hls_stage import NOW, Clock, Stage
from ingest_playlists import limits
from media_factory import SIZE, frame_of, pan

from pipeline.errors import Rejected
from pipeline.ingest import Fetcher
from pipeline.ingest.hls_live import HlsPresentation
from pipeline.ingest.hls_playlist import Media, is_master
from pipeline.ingest.hls_playlist import parse as parse_hls
from schemas import ManifestFinding, ManifestFindingKind, Segment, TimeBasis

FIXTURES = Path(__file__).resolve().parents[2].parent / "shared" / "fixtures" / "hls-playlists" / "integration"
PLAYLISTS = sorted(FIXTURES.glob("*.m3u8"))
needs_fixtures = pytest.mark.skipif(not PLAYLISTS, reason="the shared fixtures are not beside this repository")


class Muxed:
    """ffmpeg's HLS muxer at work in a folder, 25 pictures a second and a segment every second."""

    def __init__(self, path: Path, **options: str) -> None:
        settings = {"hls_time": "1", "hls_list_size": "5", **options}
        self._container = av.open(str(path), "w", format="hls", options=settings)
        self._stream: Any = self._container.add_stream("libx264", rate=25)
        self._stream.width, self._stream.height, self._stream.pix_fmt = *SIZE, "yuv420p"
        self._stream.options = {"preset": "ultrafast", "g": "25", "bf": "0", "x264-params": "log-level=none:scenecut=0"}
        self._index = 0

    def second(self) -> None:
        for _ in range(25):
            frame = frame_of(pan(self._index, *SIZE))
            frame.pts = self._index
            self._container.mux(self._stream.encode(frame))
            self._index += 1

    def end(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


@pytest.mark.parametrize(
    "options",
    [
        {"hls_flags": "delete_segments+program_date_time"},
        {"hls_flags": "delete_segments+independent_segments"},
        {"hls_segment_type": "fmp4", "hls_flags": "delete_segments"},
        {"hls_flags": "single_file"},
        {"hls_playlist_type": "event", "hls_list_size": "0"},
        {"hls_flags": "delete_segments+append_list+discont_start", "start_number": "1000"},
    ],
    ids=lambda options: "-".join(options.values()),
)
def test_what_ffmpeg_publishes_is_followed_to_its_end(tmp_path: Path, options: dict[str, str]) -> None:
    path, clock = tmp_path / "live.m3u8", Clock()
    muxed = Muxed(path, **options)
    segments: list[Segment] = []
    findings: list[ManifestFinding] = []
    counts: list[int] = []
    with Fetcher(limits()) as fetcher:
        scope = fetcher.access.admit_folder(tmp_path)
        presentation = HlsPresentation(path.as_uri(), "show", fetcher, limits(), scope, clock=clock)

        def look() -> bool:
            update = presentation.look()
            segments.extend(update.segments)
            findings.extend(update.findings)
            for segment in update.segments:
                with av.open(io.BytesIO(fetcher.segment_bytes(segment))) as container:
                    counts.append(sum(1 for _ in container.decode(video=0)))
            return update.is_over

        for _ in range(12):
            muxed.second()
            clock.now += 1
            if path.exists():
                assert not look()
        muxed.end()
        clock.now += 1
        assert look()
    first = int(options.get("start_number", 0))
    assert [segment.number for segment in segments] == list(range(first, first + 12))
    assert counts == [25] * 12
    assert [segment.duration_seconds for segment in segments] == [1.0] * 12
    starts = [segment.start_seconds for segment in segments]
    assert all(0 < after - before < 3 for before, after in pairwise(starts))
    # The muxer's wall clock is the real one, and the pictures come faster than they are played.
    expected = {ManifestFindingKind.CLOCK_SKEW, ManifestFindingKind.TIME_JUMP} if "date" in str(options) else set()
    # It does not count the sequence up for a single file.
    expected |= {ManifestFindingKind.CHANGED_SEGMENT} if "single" in str(options) else set()
    assert {finding.kind for finding in findings} <= expected


@needs_fixtures
@pytest.mark.parametrize("path", PLAYLISTS, ids=lambda path: path.stem)
def test_a_public_playlist_is_followed_to_its_end(path: Path) -> None:
    with Stage(back_seconds=1e9) as stage:
        if not is_master(path.read_bytes()):
            # Its segments may lie anywhere: they are not read.
            stage.fetcher = Fetcher(limits(hosts=("*",)))
        stage.begin(back_seconds=1e9)
        stage.show(path.read_bytes())
        try:
            first = stage.look()
        except Rejected as error:
            assert len(str(error).splitlines()) == 1
            return
        parsed = parse_hls(path.read_bytes(), path.as_uri(), max_segments=1000, may_be_empty=True)
        assert isinstance(parsed, Media)
        if parsed.skipped:
            pytest.fail("a delta update without what was before must be refused")
        told = Counter(finding.kind for finding in stage.findings)
        hidden = sum(1 for entry in parsed.entries if entry.key is not None and entry.key.method != "AES-128")
        assert len(stage.segments) == len(parsed.entries) - hidden
        assert told[ManifestFindingKind.ENCRYPTED] == bool(hidden)
        assert [s.duration_seconds for s in stage.segments] == [
            e.duration_seconds for e in parsed.entries if e.key is None or e.key.method == "AES-128"
        ]
        starts = stage.starts()
        assert starts == sorted(starts)
        if first.is_over:
            assert {s.time_basis for s in stage.segments} <= {TimeBasis.MEDIA_TIME, TimeBasis.SEQUENCE}
            return
        # The rest of the story: it ends, with one segment more.
        count = len(stage.segments)
        text = re.sub(rb"#EXT-X-PART:.*|#EXT-X-PRELOAD-HINT:.*|#EXT-X-RENDITION-REPORT:.*", b"", path.read_bytes())
        stage.show(text.rstrip() + b"\n#EXTINF:2,\nthe-last-one.ts\n#EXT-X-ENDLIST\n")
        assert stage.look(30).is_over
        assert len(stage.segments) == count + 1
        assert stage.clock.now > NOW


@needs_fixtures
@pytest.mark.parametrize(
    ("name", "segments", "seconds"),
    [
        ("byteRange", 17, 162.0), ("extinf", 17, None), ("discontinuity", 9, 106.0), ("encrypted", 6, None),
        ("fmp4", 2, None), ("diff-init-key", 11, None), ("absoluteUris", 4, 40.0), ("llhls", 7, 28.0),
    ],
)  # fmt: skip
def test_a_public_playlist_has_as_many_segments_as_its_players_say(
    name: str, segments: int, seconds: float | None
) -> None:
    with Stage(back_seconds=1e9) as stage:
        stage.fetcher = Fetcher(limits(hosts=("*",)))
        stage.begin(back_seconds=1e9)
        stage.show((FIXTURES / f"{name}.m3u8").read_bytes())
        stage.look()
        assert len(stage.segments) == segments
        if seconds is not None:
            assert sum(segment.duration_seconds or 0 for segment in stage.segments) == pytest.approx(seconds, abs=2)
