"""What segments are against what is declared: told once when it begins, once when it is over."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import media_factory
import pytest
from score_factory import scored

from pipeline.clip import Clip
from pipeline.clips import ClipJob, clips
from pipeline.decode import MediaSource
from pipeline.errors import NotFound
from pipeline.settings import DecodeLimits
from schemas import (
    ManifestFinding,
    ManifestFindingKind,
    Rendition,
    Resource,
    Rung,
    Segment,
    SegmentReady,
    SegmentScored,
)
from workers.service.contradictions import Contradictions, missing


def event(number: int = 0, codec: str | None = "h264", bitrate_bps: int | None = 1_000_000) -> SegmentReady:
    segment = Segment(rendition_id="720p", number=number, media=Resource(uri="https://host/7.ts"), start_seconds=0.0)
    rung = Rung(codec=codec, bitrate_bps=bitrate_bps)
    return SegmentReady(
        stream_id="news",
        rendition=Rendition(rendition_id="720p", rung=rung),
        segment=segment,
        live=True,
        available_at=datetime.now(UTC),
    )


def told(events: list[tuple[SegmentReady, SegmentScored]]) -> list[tuple[str, bool]]:
    looking = Contradictions()
    found: list[ManifestFinding] = []
    for each, record in events:
        found += looking.look(each, record)
    return [(finding.kind.value, finding.over_at is not None) for finding in found]


def test_what_keeps_its_promises_is_not_told() -> None:
    assert told([(event(n), scored(80, n, codec="h264", bitrate_bps=900_000)) for n in range(20)]) == []


def test_another_codec_than_declared_is_told_once_and_when_it_is_over() -> None:
    wrong = [(event(n, codec="hevc"), scored(80, n, codec="h264", bitrate_bps=900_000)) for n in range(3)]
    right = [(event(3, codec="h264"), scored(80, 3, codec="h264", bitrate_bps=900_000))]
    assert told(wrong + right) == [("codec", False), ("codec", True)]


def test_one_large_segment_is_no_news_and_many_are() -> None:
    one = [(event(n), scored(80, n, bitrate_bps=3_000_000 if n == 7 else 900_000)) for n in range(10)]
    many = [(event(n), scored(80, n, bitrate_bps=2_000_000)) for n in range(10)]
    assert told(one) == []
    assert told(many) == [("bandwidth", False)]


def test_nothing_is_said_of_what_is_not_declared() -> None:
    nothing = [(event(n, codec=None, bitrate_bps=None), scored(80, n, bitrate_bps=9_000_000)) for n in range(10)]
    assert told(nothing) == []


@pytest.mark.parametrize(("lag", "expected"), [(0.04, []), (-0.25, [("audio_video_start", False)]), (None, [])])
def test_sound_that_begins_apart_from_the_pictures_is_told(lag: float | None, expected: list[tuple[str, bool]]) -> None:
    record = scored(80, bitrate_bps=900_000)
    media = record.media.model_copy(update={"audio_lag_seconds": lag})
    assert told([(event(), record.model_copy(update={"media": media}))]) == expected


def test_a_segment_that_never_came_is_named() -> None:
    finding = missing(event(7), NotFound("https://host/7.ts: the server answered 404"))
    assert (finding.kind, finding.segment_number) == (ManifestFindingKind.MISSING_SEGMENT, 7)
    assert "404" in finding.text


def test_the_lag_of_the_sound_is_read_from_the_container(tmp_path: Path) -> None:
    for name, audio in (("sound.ts", True), ("silent.ts", False)):
        path = media_factory.write_video(tmp_path / name, frames=30, fps=Fraction(25), audio=audio)
        source = MediaSource(name=name, data=path.read_bytes())
        (clip,) = list(clips(ClipJob(source, DecodeLimits())))
        assert isinstance(clip, Clip)
        lag = clip.facts.audio_lag_seconds
        assert lag is None if not audio else abs(lag or 0.0) < 0.1
