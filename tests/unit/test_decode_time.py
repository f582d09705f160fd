"""The time axis: gaps stand, wraps and missing stamps are repaired, and time never falls."""

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import media_factory
import pytest

from pipeline.decode import MediaSource, open_media
from pipeline.decode.timestamps import Timeline
from pipeline.settings import DecodeLimits
from schemas import FindingKind

LIMITS = DecodeLimits()
CLOCK = Fraction(1, 90_000)


def placed(stamps: list[int | None], wrap_ticks: int | None = None) -> tuple[list[float], Timeline]:
    """Place stamps in ticks of 1/10 s, one picture a tick."""
    timeline = Timeline(Fraction(1, 10), 0.1, wrap_ticks)
    return [seconds for _, seconds in timeline.place((None, stamp) for stamp in stamps)], timeline


def test_regular_stamps_stay() -> None:
    times, timeline = placed([5, 6, 7])
    assert times == pytest.approx([0.5, 0.6, 0.7])
    assert (timeline.missing, timeline.repaired) == (0, 0)


def test_gaps_survive() -> None:
    times, timeline = placed([0, 1, 2, 50, 51])
    assert times == pytest.approx([0, 0.1, 0.2, 5.0, 5.1])
    assert timeline.repaired == 0


def test_a_gap_before_the_last_picture_survives() -> None:
    assert placed([0, 1, 50])[0] == pytest.approx([0, 0.1, 5.0])


def test_missing_stamps_are_filled_with_the_usual_step() -> None:
    times, timeline = placed([None, None, 2, None, 4])
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert timeline.missing == 3


def test_a_doubled_stamp_does_not_move_the_rest() -> None:
    times, timeline = placed([0, 1, 1, 2, 3])
    assert times[:2] == pytest.approx([0, 0.1])
    assert 0.1 < times[2] < 0.2
    assert times[3:] == pytest.approx([0.2, 0.3])
    assert timeline.repaired == 1


def test_a_clock_that_is_set_back_goes_on_from_where_it_was() -> None:
    times, timeline = placed([100, 101, 102, 0, 1, 2, 3])
    assert times == sorted(set(times))
    assert times[4:] == pytest.approx([10.4, 10.5, 10.6])
    assert timeline.repaired > 0


def test_one_stamp_that_leaps_does_not_move_the_rest() -> None:
    times, timeline = placed([0, 1, 90_000, 3, 4])
    assert times == sorted(set(times))
    assert times[3:] == pytest.approx([0.3, 0.4])
    assert timeline.repaired == 1


def test_one_stamp_that_falls_does_not_move_the_rest() -> None:
    times, _ = placed([100, 101, 5, 103, 104])
    assert times == sorted(set(times))
    assert times[3:] == pytest.approx([10.3, 10.4])


def test_a_wrap_of_the_clock_is_no_gap() -> None:
    times, timeline = placed([62, 63, 0, 1], wrap_ticks=64)
    assert times == pytest.approx([6.2, 6.3, 6.4, 6.5])
    assert timeline.repaired == 0


def near_wrap(path: Path, frames: int = 30) -> Path:
    """A transport stream whose 33-bit clock wraps after half of its pictures."""
    stamps = [2**33 - 45_000 + 3000 * index for index in range(frames)]
    return media_factory.write_video(
        path, frames=frames, pts=stamps, time_base=CLOCK, container_options={"mpegts_copyts": "1"}
    )


def test_a_33_bit_wrap_inside_a_segment_keeps_absolute_time(tmp_path: Path) -> None:
    data = near_wrap(tmp_path / "wrap.ts").read_bytes()
    with open_media(MediaSource("wrap.ts", data=data), LIMITS) as media:
        times = [picture.time_seconds for picture in media.frames()]
        assert media.notes == ()
        assert media.end_seconds == pytest.approx(times[-1] + 1 / 30)
    assert times[0] == pytest.approx(2**33 / 90_000 - 0.5, abs=0.1)
    assert [after - before for before, after in itertools.pairwise(times)] == pytest.approx([1 / 30] * 29)


def test_a_33_bit_wrap_inside_a_file_is_no_gap(tmp_path: Path) -> None:
    with open_media(MediaSource.of_path(near_wrap(tmp_path / "wrap.ts")), LIMITS) as media:
        assert [picture.time_seconds for picture in media.frames()] == pytest.approx([k / 30 for k in range(30)])


def test_a_segment_in_memory_keeps_its_media_time() -> None:
    init, segments = media_factory.fragments(frames=45)
    starts = []
    for segment in segments:
        with open_media(MediaSource("a.m4s", data=init + segment), LIMITS) as media:
            starts.append(media.start_seconds)
            assert media.end_seconds == pytest.approx(media.start_seconds + 0.5)
    assert [start - starts[0] for start in starts] == pytest.approx([0, 0.5, 1.0])


def test_a_file_starts_at_zero_wherever_its_clock_does(tmp_path: Path) -> None:
    stamps = [300 + index for index in range(10)]
    path = media_factory.write_video(tmp_path / "late.mkv", frames=10, pts=stamps)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        assert media.start_seconds == 0
        assert media.end_seconds == pytest.approx(10 / 30, abs=0.002)
        assert next(media.frames()).time_seconds == 0


def test_a_gap_in_a_file_survives(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "gap.mkv", frames=20, pts=[*range(10), *range(100, 110)])
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        times = [picture.time_seconds for picture in media.frames()]
    assert times[10] - times[9] == pytest.approx(91 / 30, abs=0.002)


def test_spliced_streams_whose_clock_starts_again_never_fall(tmp_path: Path) -> None:
    data = media_factory.write_video(tmp_path / "a.ts", frames=60).read_bytes()
    with open_media(MediaSource("spliced.ts", data=data + data), LIMITS) as media:
        times = [picture.time_seconds for picture in media.frames()]
        assert FindingKind.TIMESTAMPS_REPAIRED in {note.kind for note in media.notes}
    assert len(times) == 120
    assert times == sorted(set(times))
    assert times[-1] - times[0] == pytest.approx(119 / 30, abs=0.1)


def test_a_raw_stream_is_placed_by_its_frame_rate_without_complaint(tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / "a.h264", frames=10, fps=Fraction(50))
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        assert [picture.time_seconds for picture in media.frames()] == pytest.approx([k / 50 for k in range(10)])
        assert media.notes == ()


SEEKABLE: list[tuple[str, dict[str, Any]]] = [
    ("a.mp4", {}),
    ("a.ts", {}),
    ("a.mkv", {}),
    ("a.h264", {}),
    (
        "open_gop.mp4",
        {"options": {"g": "20", "bf": "3", "b-pyramid": "normal", "x264-params": "log-level=none:open-gop=1"}},
    ),
    ("hevc.ts", {"codec": "libx265"}),
    ("av1.mp4", {"codec": "libsvtav1"}),
    ("vp9.webm", {"codec": "libvpx-vp9"}),
    ("mpeg2.ts", {"codec": "mpeg2video"}),
]


@pytest.mark.parametrize(("name", "video"), SEEKABLE, ids=[name for name, _ in SEEKABLE])
def test_a_window_has_the_same_pictures_as_the_whole(name: str, video: dict[str, Any], tmp_path: Path) -> None:
    path = media_factory.write_video(tmp_path / name, frames=60, **video)
    with open_media(MediaSource.of_path(path), LIMITS) as media:
        whole = [(picture.time_seconds, picture.luma.tobytes()) for picture in media.frames()]
    for start in (0.51, 1.0, 1.9):
        with open_media(MediaSource.of_path(path), LIMITS) as media:
            part = [(picture.time_seconds, picture.luma.tobytes()) for picture in media.frames(start)]
        expected = [(seconds, luma) for seconds, luma in whole if seconds >= start - 1e-6]
        assert [seconds for seconds, _ in part] == pytest.approx([seconds for seconds, _ in expected])
        assert [luma for _, luma in part] == [luma for _, luma in expected]
