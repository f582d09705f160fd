"""Segments of a live HLS presentation lie on wall clock, whatever its playlists say of it, and never move."""

from itertools import pairwise

import pytest
from hls_stage import NOW, Stage, date_time, playlist, rung

from pipeline.ingest.hls_tags import wall_clock
from schemas import ManifestFindingKind, TimeBasis

Kind = ManifestFindingKind


def steps(starts: list[float]) -> list[float]:
    return [round(after - before, 3) for before, after in pairwise(starts)]


def test_a_declared_wall_clock_is_where_a_segment_lies() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(100, 106), zero=NOW - 220))
        update = stage.look()
        assert update.aligned_by is TimeBasis.PROGRAM_DATE_TIME
        assert stage.starts(360) == stage.starts(720) == [NOW - 14, NOW - 12, NOW - 10]
        assert {segment.time_basis for segment in stage.segments} == {TimeBasis.PROGRAM_DATE_TIME}
        assert stage.findings == []


def test_a_clock_stated_now_and_then_is_carried_on_by_the_durations() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), before={2: f"#EXT-X-PROGRAM-DATE-TIME:{date_time(NOW - 20)}\n"}))
        stage.look()
        assert stage.starts() == [NOW - 18, NOW - 16, NOW - 14]
        stage.show(playlist(range(3, 9)))
        stage.look(6)
        stage.show(playlist(range(6, 12), before={11: f"#EXT-X-PROGRAM-DATE-TIME:{date_time(NOW - 1.9)}\n"}))
        stage.look(6)
        assert stage.starts()[-1] == NOW - 1.9
        assert set(steps(stage.starts()[:-1])) == {2.0}
        assert stage.findings == []


@pytest.mark.parametrize(
    ("text", "seconds", "zoned"),
    [
        ("2027-01-15T08:00:00.000Z", NOW, True), ("2027-01-15T08:00:00+0000", NOW, True),
        ("2027-01-15 09:00:00.5+01:00", NOW + 0.5, True), ('"2027-01-15T08:00:00Z"', NOW, True),
        ("2027-01-15T08:00:00 UTC", NOW, True), ("2027-01-15T08:00:00", NOW, False),
        ("20270115T080000Z", NOW, True), ("yesterday", None, False), ("", None, False),
        ("2027-13-45T00:00:00Z", None, False),
    ],
)  # fmt: skip
def test_wall_clocks_are_read_in_many_forms(text: str, seconds: float | None, zoned: bool) -> None:
    assert wall_clock(text) == (seconds, zoned)


def test_local_time_without_a_zone_is_set_right_by_our_own_clock() -> None:
    with Stage() as stage:
        # Nine hours ahead of UTC, and not said.
        stage.show(playlist(range(0, 6), zero=NOW - 20 + 9 * 3600).replace("Z\n#EXTINF", "\n#EXTINF"))
        stage.look()
        assert stage.starts() == [NOW - 14, NOW - 12, NOW - 10]
        assert "wall-clock times state no time zone" in stage.notes[0]


def test_a_clock_that_is_days_off_is_told_and_not_believed() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), zero=NOW - 3 * 86_400))
        stage.look()
        (finding,) = stage.told(Kind.CLOCK_SKEW)
        assert "3.0 days behind" in finding.text
        assert stage.starts() == pytest.approx([NOW - 6, NOW - 4, NOW - 2])


def test_a_clock_that_jumps_back_moves_nothing_and_is_told_until_it_is_back() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6), zero=NOW - 20))
        stage.look()
        # All of the playlist says 36 s less from one reload to the next, as the specification permits.
        stage.show(playlist(range(1, 7), zero=NOW - 56))
        stage.look(2)
        stage.show(playlist(range(2, 8), zero=NOW - 56))
        stage.look(2)
        (finding,) = stage.told()
        assert finding.kind is Kind.TIME_JUMP and finding.rendition_id is None
        assert "jumps by -36.0 s at segment 6" in finding.text
        assert stage.starts(360) == stage.starts(720)
        assert set(steps(stage.starts(360))) == {2.0}
        stage.show(playlist(range(3, 9), zero=NOW - 20))
        stage.look(2)
        assert stage.told()[-1].over_at is not None
        assert stage.starts(720)[-1] == NOW - 4
        assert set(steps(stage.starts(720))) == {2.0}


def test_a_clock_that_jumps_ahead_while_the_segments_go_on_is_corrected() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), zero=NOW - 20))
        stage.look()
        stage.show(playlist(range(1, 7), zero=NOW + 580))
        stage.look(2)
        assert "jumps by +600.0 s" in stage.told(Kind.TIME_JUMP)[0].text
        assert set(steps(stage.starts())) == {2.0}


def test_a_clock_that_jumps_ahead_with_the_time_that_passes_is_followed() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), zero=NOW - 20))
        stage.look()
        stage.show(playlist(range(1, 7), zero=NOW + 40))
        stage.look(62)
        assert "so much time has passed" in stage.told(Kind.TIME_JUMP)[0].text
        assert stage.starts()[-1] == NOW + 52


def test_a_discontinuity_may_leave_time_out() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), zero=NOW - 20))
        stage.look()
        stage.show(playlist(range(1, 7), zero=NOW + 40, before={6: "#EXT-X-DISCONTINUITY\n"}))
        stage.look(2)
        assert stage.starts()[-1] == NOW + 52
        assert stage.told(Kind.TIME_JUMP) == []


def test_a_clock_that_drifts_against_the_durations_is_told() -> None:
    with Stage() as stage:
        # EXTINF says 2 s, the clock 2.1 s.
        def listing(first: int) -> str:
            clock = {n: f"#EXT-X-PROGRAM-DATE-TIME:{date_time(NOW - 20 + 2.1 * n)}\n" for n in range(first, first + 6)}
            return playlist(range(first, first + 6), before=clock)

        stage.show(listing(0))
        stage.look()
        for number in range(1, 15):
            stage.show(listing(number))
            stage.look(2.1)
        (finding,) = stage.told()
        assert finding.kind is Kind.TIME_JUMP and "drifts against the durations" in finding.text
        assert stage.starts()[-1] == pytest.approx(NOW - 20 + 2.1 * 19)


def test_a_rendition_with_another_clock_is_told_and_compared_all_the_same() -> None:
    with Stage(heights=(360, 720, 1080)) as stage:
        stage.show(playlist(range(0, 6), zero=NOW - 20))
        stage.show(playlist(range(0, 6), zero=NOW - 17), 720)
        update = stage.look()
        (finding,) = stage.told(Kind.CLOCK_SKEW)
        assert finding.rendition_id == rung(720) and "+3.00 s off" in finding.text
        assert stage.starts(720) == stage.starts(1080) == stage.starts(360)
        assert update.aligned_by is TimeBasis.PROGRAM_DATE_TIME


def test_renditions_that_number_otherwise_are_aligned_by_their_clock_without_a_finding() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6), zero=NOW - 20), 360)
        stage.show(playlist(range(3, 9), zero=NOW - 26), 720)
        stage.look()
        stage.show(playlist(range(1, 7), zero=NOW - 20), 360)
        stage.show(playlist(range(4, 10), zero=NOW - 26), 720)
        stage.look(2)
        assert stage.starts(360) == stage.starts(720)
        assert stage.numbers(360) == [3, 4, 5, 6] and stage.numbers(720) == [6, 7, 8, 9]
        assert stage.findings == []


def test_without_a_clock_the_newest_segment_is_now_and_renditions_share_their_places() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)), 360)
        stage.show(playlist(range(0, 5)), 720)
        update = stage.look()
        assert update.aligned_by is TimeBasis.SEQUENCE
        assert stage.starts(360)[-1] == NOW - 2
        stage.show(playlist(range(1, 7)))
        stage.look(2)
        assert stage.starts(720) == stage.starts(360)
        assert set(steps(stage.starts(360))) == {2.0}
        assert {segment.time_basis for segment in stage.segments} == {TimeBasis.SEQUENCE}


def test_without_a_clock_a_pause_of_the_stream_is_a_pause_on_the_axis() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        stage.show(playlist(range(1, 7)))
        stage.look(300)
        assert stage.starts()[-1] == pytest.approx(NOW + 298)


def test_without_a_clock_wrong_durations_do_not_run_away_from_the_time() -> None:
    with Stage() as stage:
        # 2 s are declared, a segment comes every 2.2 s, for 9 minutes.
        for number in range(0, 250):
            stage.show(playlist(range(number, number + 6)))
            stage.look(2.2)
        assert abs(stage.clock.now - stage.starts()[-1]) < 15
        starts = stage.starts()
        assert starts == sorted(starts) and len(set(starts)) == len(starts)


def test_one_rung_without_a_clock_makes_the_ladder_one_of_sequence_numbers() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)), 360)
        stage.show(playlist(range(0, 6), zero=NOW - 20), 720)
        update = stage.look()
        assert update.aligned_by is TimeBasis.SEQUENCE
        assert stage.starts(360) == stage.starts(720) == [NOW - 14, NOW - 12, NOW - 10]


def test_rungs_without_a_clock_or_numbers_in_common_are_not_compared() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)), 360)
        stage.show(playlist(range(100, 106)), 720)
        update = stage.look()
        assert update.aligned_by is None
        assert [(f.kind, f.rendition_id) for f in stage.told()] == [(Kind.NOT_ALIGNED, None)]
        assert stage.look(2).aligned_by is None
        assert len(stage.told()) == 1
