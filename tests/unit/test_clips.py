"""From a source to clips: how it is cut, what is kept, and that starting later changes nothing."""

from fractions import Fraction
from pathlib import Path

import media_factory
import numpy as np
import pytest

from pipeline.clip import Clip
from pipeline.clips import ClipJob, Gap, ProbeJob, SamplerChoice, clips, probe, windows_of
from pipeline.decode import MediaSource
from pipeline.errors import LimitExceeded, Truncated
from pipeline.settings import DecodeLimits
from schemas import FindingKind


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5.2 s at 25 frames/s, a keyframe a second."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return media_factory.write_video(path, frames=130, size=(256, 144), fps=Fraction(25), options={"g": "25"})


def _job(path: Path, **changes: object) -> ClipJob:
    return ClipJob(MediaSource(name=path.name, path=path), DecodeLimits(), **changes)  # type: ignore[arg-type]


def _clips(job: ClipJob) -> list[Clip]:
    found = list(clips(job))
    assert all(isinstance(clip, Clip) for clip in found)
    return [clip for clip in found if isinstance(clip, Clip)]


def test_a_short_rest_joins_the_segment_before(film: Path) -> None:
    assert [clip.facts.frames for clip in _clips(_job(film, segment_seconds=2.5))] == [63, 67]
    assert [clip.facts.frames for clip in _clips(_job(film, segment_seconds=2.0))] == [50, 50, 30]


def test_no_picture_is_lost_or_counted_twice(film: Path) -> None:
    cut = _clips(_job(film, segment_seconds=0.7))
    times = np.concatenate([clip.differences.times_seconds for clip in cut])
    assert np.allclose(times, np.arange(130) / 25, atol=1e-6)


def test_segments_after_a_later_start_are_the_same(film: Path) -> None:
    whole = _clips(_job(film, segment_seconds=1.3))
    later = _clips(_job(film, segment_seconds=1.3, first_window=2))
    assert [clip.window.number for clip in later] == [2, 3]
    for expected, clip in zip(whole[2:], later, strict=True):
        assert [frame.pts for frame in clip.frames] == [frame.pts for frame in expected.frames]
        assert np.array_equal(clip.coded, expected.coded)


def test_spans_of_a_file_give_what_decoding_it_at_one_go_gives(film: Path) -> None:
    whole = _clips(_job(film, segment_seconds=1.3))
    start_seconds, end_seconds = 0.0, 5.2
    for number, span in enumerate(windows_of(start_seconds, end_seconds, 1.3)):
        (clip,) = _clips(_job(film, number=number, span_seconds=span))
        expected = whole[number]
        assert clip.frames[1:] == expected.frames[1:]
        assert clip.facts == expected.facts
        assert np.array_equal(clip.before, expected.before)
        assert np.array_equal(clip.differences.differences, expected.differences.differences, equal_nan=True)


def test_a_span_of_a_larger_source_is_one_segment(film: Path) -> None:
    (clip,) = _clips(_job(film, number=7, span_seconds=(2.0, 3.0)))
    assert (clip.window.number, clip.facts.frames, clip.start_seconds) == (7, 25, 2.0)


def test_a_start_behind_the_end_is_told(film: Path) -> None:
    with pytest.raises(Truncated, match="ends before segment 9"):
        list(clips(_job(film, segment_seconds=1.0, first_window=9)))


def test_cells_of_the_shown_picture_are_those_of_the_coded_where_nothing_is_scaled(film: Path) -> None:
    (own,) = _clips(_job(film))
    assert own.shown is own.coded
    (larger,) = _clips(_job(film, display_height_px=288))
    assert (larger.display_width_px, larger.display_height_px) == (512, 288)
    assert not np.array_equal(larger.shown, larger.coded)


def test_the_frames_asked_for_are_kept_with_a_picture_of_each(film: Path) -> None:
    (clip,) = _clips(_job(film, sampler=SamplerChoice("uniform", 5)))
    assert len(clip.frames) == len(clip.thumbnails) == 5
    assert all(picture.startswith(b"\xff\xd8") for picture in clip.thumbnails)


def test_bytes_are_counted_by_picture_type(film: Path) -> None:
    (clip,) = _clips(_job(film))
    assert clip.facts.bytes_by_type["I"][0] >= 6
    assert sum(count for count, _ in clip.facts.bytes_by_type.values()) == 130
    assert clip.facts.video_bytes == media_factory.video_packet_bytes(film)


def test_instants_of_the_reference_are_imposed(film: Path, tmp_path: Path) -> None:
    (reference,) = _clips(_job(film))
    worse = media_factory.write_video(
        tmp_path / "worse.mp4", frames=130, size=(256, 144), fps=Fraction(25), options={"crf": "40"}
    )
    (clip,) = _clips(_job(worse, anchors={0: reference.anchor()}))
    assert clip.match is not None
    assert clip.match.fits
    assert [f.time_seconds for f in clip.frames] == [f.time_seconds for f in reference.frames]


def test_a_late_rung_is_found_by_its_pictures(film: Path, tmp_path: Path) -> None:
    def three_late(index: int, width: int, height: int) -> np.ndarray:
        return media_factory.pan(max(0, index - 3), width, height)

    late = media_factory.write_video(
        tmp_path / "late.mp4", frames=130, size=(256, 144), fps=Fraction(25), pattern=three_late
    )
    (reference,) = _clips(_job(film))
    (clip,) = _clips(_job(late, anchors={0: reference.anchor()}))
    assert clip.match is not None
    assert clip.match.fits
    assert clip.match.offset_seconds == pytest.approx(3 / 25)
    assert clip.frames[4].time_seconds - reference.frames[clip.frames[4].instant].time_seconds == pytest.approx(3 / 25)


def test_a_rung_that_stands_still_beside_a_moving_reference_is_told(film: Path, tmp_path: Path) -> None:
    still = media_factory.write_video(
        tmp_path / "still.mp4", frames=130, size=(256, 144), fps=Fraction(25), pattern=media_factory.still
    )
    (reference,) = _clips(_job(film))
    (clip,) = _clips(_job(still, anchors={0: reference.anchor()}))
    (finding,) = [found for found in clip.findings if found.kind is FindingKind.FROZEN]
    assert "while the reference moves" in finding.text
    assert finding.duration_seconds == pytest.approx(5.2, abs=0.3)


def test_what_stands_still_with_nothing_beside_it_is_told_as_still(tmp_path: Path) -> None:
    still = media_factory.write_video(
        tmp_path / "still.mp4", frames=100, size=(256, 144), fps=Fraction(25), pattern=media_factory.still
    )
    for clip in _clips(_job(still, segment_seconds=2.0)):
        (finding,) = clip.findings
        assert finding.kind is FindingKind.STILL
        assert finding.duration_seconds == pytest.approx(2.0)
    (reference,) = _clips(_job(still))
    (beside,) = _clips(_job(still, anchors={0: reference.anchor()}))
    assert [found.kind for found in beside.findings] == [FindingKind.STILL]


def test_a_clip_of_one_picture_does_not_stand_still(tmp_path: Path) -> None:
    one = media_factory.write_video(tmp_path / "one.mp4", frames=1, size=(256, 144), fps=Fraction(25))
    photograph = media_factory.write_still(tmp_path / "one.png")
    assert [clip.findings for path in (one, photograph) for clip in _clips(_job(path))] == [(), ()]


def test_what_is_black_is_told_as_black_only(tmp_path: Path, film: Path) -> None:
    dark = media_factory.write_video(
        tmp_path / "dark.mp4",
        frames=130,
        size=(256, 144),
        fps=Fraction(25),
        pattern=lambda _index, width, height: np.full((height, width), 16, np.uint8),
    )
    (reference,) = _clips(_job(film))
    for anchors in ({}, {0: reference.anchor()}):
        (clip,) = _clips(_job(dark, anchors=anchors))
        assert [found.kind for found in clip.findings] == [FindingKind.BLACK]


def test_too_many_pictures_in_a_segment_are_refused_with_the_setting(film: Path) -> None:
    job = ClipJob(MediaSource(name="film", path=film), DecodeLimits(max_frames=100))
    with pytest.raises(LimitExceeded, match="RUNGWATCH_DECODE_MAX_FRAMES"):
        list(clips(job))


def test_a_window_without_pictures_is_a_gap(tmp_path: Path) -> None:
    pts = [*range(25), *range(100, 125)]
    gappy = media_factory.write_video(tmp_path / "gap.mp4", frames=50, fps=Fraction(25), pts=pts)
    found = list(clips(_job(gappy, segment_seconds=1.0)))
    assert any(isinstance(one, Gap) for one in found)
    assert sum(one.facts.frames for one in found if isinstance(one, Clip)) == 50


def test_a_probe_tells_the_rung(film: Path) -> None:
    found = probe(ProbeJob(MediaSource(name="film", path=film), DecodeLimits()))
    assert (found.rung.codec, found.rung.width_px, found.rung.height_px) == ("h264", 256, 144)
    assert found.rung.frame_rate == 25
    assert found.rung.bitrate_bps == pytest.approx(film.stat().st_size * 8 / 5.2, rel=0.02)
