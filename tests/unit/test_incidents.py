"""What is wrong with a stream, told once: known series and the incidents that they must come to."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
import series_factory

from pipeline.history import Resolution, SeriesPoint
from pipeline.incidents import incidents
from schemas import (
    Basis,
    ContentLabel,
    FindingKind,
    Incident,
    ManifestFinding,
    ManifestFindingKind,
    Severity,
    TimeBasis,
)

NOON = 1_795_000_000.0
LIVE = TimeBasis.PROGRAM_DATE_TIME
GOOD = [90.0] * 20


def _points(scores: Sequence[float], first: float = NOON, **fixed: object) -> list[SeriesPoint]:
    time_basis = fixed.pop("time_basis", LIVE)
    return [SeriesPoint.of(each) for each in series_factory.points(scores, first, time_basis=time_basis, **fixed)]


def _minute(start: float, score: float, least: float | None = None, **fixed: object) -> SeriesPoint:
    values = {
        "resolution": Resolution.MINUTE,
        "start_seconds": start,
        "duration_seconds": 60.0,
        "count": 30,
        "score": score,
        "low": score - 3,
        "high": score + 3,
        "least_score": score if least is None else least,
        "least_seconds": start,
        "greatest_score": score,
        "bitrate_bps": 2_500_000.0,
        "bases": ((Basis.LADDER, 30),),
        "findings": (),
        **fixed,
    }
    return SeriesPoint(**values)  # type: ignore[arg-type]


def _only(found: list[Incident]) -> Incident:
    assert len(found) == 1, [each.summary for each in found]
    return found[0]


def _finding(kind: ManifestFindingKind, at: float, over: float | None = None, **fixed: object) -> ManifestFinding:
    return ManifestFinding(
        finding_id=f"demo/{kind}/{at}",
        stream_id="demo",
        kind=kind,
        text="nothing new for 18 s",
        found_at=datetime.fromtimestamp(at, UTC),
        over_at=None if over is None else datetime.fromtimestamp(over, UTC),
        **fixed,  # type: ignore[arg-type]
    )


def test_a_level_stream_has_no_incident() -> None:
    assert incidents("demo", {"720p": _points(GOOD), "360p": _points([60.0] * 20)}, live=True) == []


def test_a_stream_without_points_has_no_incident() -> None:
    assert incidents("demo", {}, live=True) == []
    assert incidents("demo", {"720p": []}, live=True) == []


def test_a_drop_opens_where_it_begins_and_closes_where_it_ends() -> None:
    found = _only(incidents("demo", {"720p": _points([*GOOD, *[45.0] * 10, *GOOD])}, live=True))
    assert (found.start_seconds, found.end_seconds) == (NOON + 40, NOON + 60)
    assert (found.cause, found.rendition_ids, found.severity) == ("low_quality", ("720p",), Severity.WARNING)
    assert (found.usual_score, found.score, found.worst_score) == (90, 45, 45)
    assert found.opened_at == datetime.fromtimestamp(NOON + 40, UTC)
    assert found.closed_at == datetime.fromtimestamp(NOON + 60, UTC)
    assert found.duration_seconds == 20


def test_a_drop_that_goes_on_is_open() -> None:
    found = _only(incidents("demo", {"720p": _points([*GOOD, *[45.0] * 10])}, live=True))
    assert found.is_open
    assert found.closed_at is None
    assert "on the score is low, 45 instead of 90" in found.summary


def test_a_drop_stays_open_until_it_has_been_well_for_some_time() -> None:
    for good, is_open in ((1, True), (9, True), (10, False), (20, False)):
        found = _only(incidents("demo", {"720p": _points([*GOOD, *[45.0] * 5, *[90.0] * good])}, live=True))
        assert found.is_open is is_open, good


def test_at_the_end_of_a_title_everything_is_over() -> None:
    points = _points([*GOOD, *[45.0] * 10], 0.0, time_basis=TimeBasis.MEDIA_TIME)
    found = _only(incidents("demo", {"720p": points}, live=False))
    assert found.end_seconds == 60
    assert found.opened_at is None
    assert found.closed_at is None
    assert "from 40 s to 1:00 (20 s)" in found.summary


def test_a_wavering_score_is_one_incident() -> None:
    wave = [*[45.0] * 3, *[90.0] * 4] * 10
    found = _only(incidents("demo", {"720p": _points([*GOOD, *wave, *GOOD])}, live=True))
    assert (found.start_seconds, found.end_seconds) == (NOON + 40, NOON + 40 + 2 * (70 - 4))


def test_two_drops_that_are_well_apart_are_two_incidents() -> None:
    found = incidents("demo", {"720p": _points([*GOOD, 45, 45, *GOOD, 45, 45, *GOOD])}, live=True)
    assert [each.start_seconds - NOON for each in found] == [40, 84]
    assert len({each.incident_id for each in found}) == 2


def test_a_drop_with_less_bitrate_is_starved() -> None:
    points = [*_points(GOOD), *_points([40.0] * 10, NOON + 40, bitrate_bps=400_000), *_points(GOOD, NOON + 60)]
    found = _only(incidents("demo", {"720p": points}, live=True))
    assert found.cause == "starved"
    assert (found.usual_bitrate_bps, found.bitrate_bps) == (2_500_000, 400_000)
    assert "the score is low, 40 instead of 90, and the bitrate 400 kbit/s instead of 2.50 Mbit/s" in found.summary


def test_a_drop_to_poor_is_critical() -> None:
    assert _only(incidents("demo", {"720p": _points([*GOOD, *[30.0] * 9])}, live=True)).severity is Severity.CRITICAL


def test_a_drop_that_stays_excellent_is_none() -> None:
    assert incidents("demo", {"720p": _points([*[97.0] * 20, *[82.0] * 10])}, live=True) == []


def test_a_bad_source_is_one_incident_of_all_renditions() -> None:
    ladder = {
        "1080p": _points([95.0] * 20 + [50.0] * 20, rendition="1080p"),
        "720p": _points([85.0] * 21 + [45.0] * 19, rendition="720p"),
        "360p": _points([65.0] * 20 + [35.0] * 20, rendition="360p"),
    }
    found = _only(incidents("demo", ladder, live=True))
    assert found.rendition_ids == ("1080p", "720p", "360p")
    assert found.severity is Severity.CRITICAL
    assert found.summary.startswith("All 3 renditions: from ")
    assert "look at the source" in found.summary


def test_renditions_that_fall_at_other_times_are_incidents_of_their_own() -> None:
    ladder = {
        "1080p": _points([95.0] * 20 + [50.0] * 40),
        "720p": _points([85.0] * 40 + [45.0] * 20),
    }
    assert [each.rendition_ids for each in incidents("demo", ladder, live=True)] == [("1080p",), ("720p",)]


def test_a_frozen_span_is_one_incident_and_no_drop() -> None:
    ladder = {
        "1080p": _points([95.0] * 40),
        "720p": [
            *_points(GOOD),
            *_points([30.0] * 6, NOON + 40, findings=(FindingKind.FROZEN,)),
            *_points([90.0] * 14, NOON + 52),
        ],
    }
    found = _only(incidents("demo", ladder, live=True))
    assert (found.cause, found.rendition_ids, found.severity) == ("frozen", ("720p",), Severity.CRITICAL)
    assert (found.start_seconds - NOON, found.end_seconds and found.end_seconds - NOON) == (40, 52)
    assert "720p stands still from" in found.summary
    assert "while the others move, the score is 30 instead of 90" in found.summary


@pytest.mark.parametrize(
    ("kind", "severity"),
    [
        (FindingKind.BLACK, Severity.CRITICAL),
        (FindingKind.DAMAGED, Severity.CRITICAL),
        (FindingKind.TRUNCATED, Severity.WARNING),
        (FindingKind.MISMATCH, Severity.WARNING),
    ],
)
def test_what_is_seen_in_pictures_is_an_incident_of_its_kind(kind: FindingKind, severity: Severity) -> None:
    ladder = {"1080p": _points([95.0] * 21), "720p": [*_points(GOOD), *_points([70.0], NOON + 40, findings=(kind,))]}
    found = _only(incidents("demo", {**ladder, "360p": _points([60.0] * 21)}, live=True))
    assert (found.cause, found.severity, found.rendition_ids) == (str(kind), severity, ("720p",))


@pytest.mark.parametrize(
    "kind",
    [FindingKind.OFFSET, FindingKind.INTERLACED, FindingKind.TIMESTAMPS_REPAIRED, FindingKind.REFERENCE_REPLACED],
)
def test_what_is_only_worth_knowing_is_no_incident(kind: FindingKind) -> None:
    assert incidents("demo", {"720p": _points(GOOD, findings=(kind,))}, live=True) == []


def _ad(points: Sequence[SeriesPoint]) -> list[SeriesPoint]:
    raws = [each.raw for each in points if each.raw is not None]
    return [SeriesPoint.of(each.model_copy(update={"label": ContentLabel.AD})) for each in raws]


def test_ads_are_left_out_of_drops() -> None:
    points = [*_points(GOOD), *_ad(_points([30.0] * 15, NOON + 40)), *_points(GOOD, NOON + 70)]
    assert incidents("demo", {"720p": points}, live=True) == []


def test_minutes_with_ads_are_left_out_of_drops() -> None:
    first = NOON - NOON % 60
    minutes = [_minute(first + 60 * n, 45.0 if 10 <= n < 13 else 90.0) for n in range(30)]
    ads = [(first - 3600, first - 3500), (first + 610, first + 770)]
    assert incidents("demo", {"720p": minutes}, live=True, ads=ads) == []
    assert len(incidents("demo", {"720p": minutes}, live=True, ads=ads[:1])) == 1


def test_black_between_ads_is_no_incident_and_damage_is_one() -> None:
    for kind, expected in ((FindingKind.BLACK, 0), (FindingKind.FROZEN, 0), (FindingKind.DAMAGED, 1)):
        points = [*_points(GOOD), *_ad(_points([30.0], NOON + 40, findings=(kind,))), *_points(GOOD, NOON + 42)]
        assert len(incidents("demo", {"720p": points}, live=True)) == expected


def test_a_stale_playlist_is_an_incident_until_it_is_over() -> None:
    finding = _finding(ManifestFindingKind.STALE, NOON + 10, NOON + 15, severity=Severity.CRITICAL)
    found = _only(incidents("demo", {"720p": _points(GOOD)}, live=True, findings=[finding]))
    assert (found.cause, found.rendition_ids, found.duration_seconds) == ("stale", (), 5)
    assert found.severity is Severity.CRITICAL
    assert "nothing new for 18 s" in found.summary
    going_on = finding.model_copy(update={"over_at": None})
    again = _only(incidents("demo", {"720p": _points(GOOD)}, live=True, findings=[going_on]))
    assert again.is_open
    assert again.incident_id == found.incident_id


def test_a_standstill_of_which_nobody_told_the_end_is_over_when_segments_came_again() -> None:
    finding = _finding(ManifestFindingKind.STALE, NOON + 41, severity=Severity.CRITICAL)
    for more, end in ((30, None), (70, NOON + 80)):
        points = {"720p": [*_points(GOOD), *_points([90.0] * more, NOON + 80)]}
        assert _only(incidents("demo", points, live=True, findings=[finding])).end_seconds == end


def test_missing_segments_in_a_row_are_one_incident() -> None:
    missing = [
        _finding(ManifestFindingKind.MISSING_SEGMENT, NOON + 6 * n, rendition_id="720p", segment_number=n)
        for n in range(4)
    ]
    found = _only(incidents("demo", {"720p": _points([90.0] * 40)}, live=True, findings=missing))
    assert (found.cause, found.rendition_ids, found.end_seconds) == ("missing_segment", ("720p",), NOON + 28)
    assert "(and 3 more times)" in found.summary


def test_findings_that_viewers_do_not_suffer_from_are_no_incidents() -> None:
    findings = [
        _finding(ManifestFindingKind.BANDWIDTH, NOON),
        _finding(ManifestFindingKind.STALE, NOON, severity=Severity.INFO),
    ]
    assert incidents("demo", {"720p": _points(GOOD)}, live=True, findings=findings) == []


def test_segments_that_came_too_late_are_one_incident_of_all_their_renditions() -> None:
    skipped = [
        series_factory.skipped(NOON + 40 + 2 * n, rendition=rendition)
        for n in range(5)
        for rendition in ("720p", "360p")
    ]
    ladder = {name: [*_points(GOOD), *_points(GOOD, NOON + 50)] for name in ("720p", "360p")}
    found = _only(incidents("demo", ladder, live=True, skipped=skipped))
    assert (found.cause, found.rendition_ids) == ("not_scored", ("720p", "360p"))
    assert (found.start_seconds, found.end_seconds) == (NOON + 40, NOON + 50)
    assert "10 segments" in found.summary


def test_a_late_segment_that_was_scored_all_the_same_is_no_incident() -> None:
    skipped = [series_factory.skipped(NOON + 20)]
    assert incidents("demo", {"720p": _points(GOOD)}, live=True, skipped=skipped) == []


def test_shots_that_are_hard_to_encode_are_no_incident() -> None:
    # A low rung as it was measured: a programme of shots, over and over, with one that is harder than the others.
    loop = [66, 46, 58, 42, 65, 47, 61, 39, 45, 67, 49, 52, 57, 58, 52, 51]
    hard = [38, 38, 38, 38, 38, 38, 47, 61, 39, 45, 67, 49, 52, 57, 58, 52]
    assert incidents("demo", {"180p": _points([*loop, *loop, *hard, *loop])}, live=True) == []


def test_nothing_is_told_before_the_usual_level_is_known() -> None:
    assert incidents("demo", {"720p": _points([90.0] * 5 + [40.0] * 3)}, live=True) == []
    assert len(incidents("demo", {"720p": _points([90.0] * 8 + [40.0] * 3)}, live=True)) == 1


def test_a_picture_that_sticks_while_the_rung_starves_is_part_of_it() -> None:
    def points(stuck: int) -> list[SeriesPoint]:
        return [
            *_points(GOOD),
            *_points([20.0] * 6, NOON + 40, bitrate_bps=100_000),
            *_points([5.0] * stuck, NOON + 52, findings=(FindingKind.FROZEN,)),
            *_points(GOOD, NOON + 52 + 2 * stuck),
        ]

    assert [each.cause for each in incidents("demo", {"720p": points(2)}, live=True)] == ["starved"]
    long = incidents("demo", {"720p": points(10)}, live=True)
    assert [(each.cause, each.usual_score) for each in long] == [("starved", 90), ("frozen", 90)]


def _starving(findings: Sequence[tuple[FindingKind, ...]], score: float = 8.0, rate: int = 60_000) -> list[SeriesPoint]:
    return [
        point
        for place, kinds in enumerate(findings)
        for point in _points([score], NOON + 40 + 2 * place, bitrate_bps=rate, findings=kinds)
    ]


STUCK = (FindingKind.FROZEN,)


@pytest.mark.parametrize(
    "findings",
    [[STUCK] * 10, [(), STUCK, STUCK, STUCK, (), STUCK, STUCK, STUCK, STUCK, ()], [STUCK, STUCK, STUCK, (), (), ()]],
    ids=["always", "now and then", "at first"],
)
def test_a_rung_that_stands_still_for_want_of_bits_is_starved_and_not_frozen(
    findings: list[tuple[FindingKind, ...]],
) -> None:
    after = _points(GOOD, NOON + 40 + 2 * len(findings))
    ladder = {"1080p": _points([95.0] * 50), "720p": [*_points(GOOD), *_starving(findings), *after]}
    found = _only(incidents("demo", ladder, live=True))
    assert (found.cause, found.rendition_ids) == ("starved", ("720p",))
    assert (found.start_seconds, found.end_seconds) == (NOON + 40, NOON + 40 + 2 * len(findings))
    assert "the bitrate 60 kbit/s instead of 2.50 Mbit/s, so that the picture sticks" in found.summary


def test_a_frozen_picture_takes_few_bits_and_keeps_its_score() -> None:
    for score, rate in ((88.0, 60_000), (8.0, 900_000)):
        points = [*_points(GOOD), *_starving([STUCK] * 6, score, rate), *_points(GOOD, NOON + 52)]
        ladder = {"1080p": _points([95.0] * 50), "720p": points}
        assert [each.cause for each in incidents("demo", ladder, live=True)] == ["frozen"]


def test_who_stands_still_for_want_of_bits_before_its_level_is_known_is_told_by_the_bits() -> None:
    points = [*_points([90.0] * 4, NOON + 32), *_starving([STUCK] * 5), *_points(GOOD, NOON + 50)]
    found = _only(incidents("demo", {"1080p": _points([95.0] * 50), "720p": points}, live=True))
    assert found.cause == "starved"
    assert "stands still" in found.summary
    assert "as the bitrate is 60 kbit/s instead of 2.50 Mbit/s" in found.summary


def test_minutes_tell_the_same_drop_to_the_minute() -> None:
    minutes = [_minute(NOON - NOON % 60 + 60 * n, 45.0 if 20 <= n < 30 else 90.0) for n in range(60)]
    found = _only(incidents("demo", {"720p": minutes}, live=True))
    assert found.duration_seconds == 600
    assert found.cause == "low_quality"


def test_a_dip_within_a_minute_shows_in_its_roll_up() -> None:
    first = NOON - NOON % 60
    minutes = [_minute(first + 60 * n, 86.0 if n == 20 else 90.0, 35.0 if n == 20 else 86.0) for n in range(40)]
    found = _only(incidents("demo", {"720p": minutes}, live=True))
    assert (found.start_seconds, found.end_seconds, found.worst_score) == (first + 1200, first + 1260, 35)


def test_a_minute_with_a_frozen_segment_is_an_incident() -> None:
    first = NOON - NOON % 60
    minutes = [_minute(first + 60 * n, 90.0, findings=((FindingKind.FROZEN, 3),) if n == 7 else ()) for n in range(20)]
    found = _only(incidents("demo", {"720p": minutes}, live=True))
    assert (found.cause, found.start_seconds, found.end_seconds) == ("frozen", first + 420, first + 480)


def test_a_trouble_waits_until_all_renditions_are_known_there() -> None:
    ladder = {"1080p": _points([95.0] * 20 + [50.0]), "720p": _points([85.0] * 20)}
    assert incidents("demo", ladder, live=True) == []
    ladder["720p"] = _points([85.0] * 20 + [40.0])
    assert _only(incidents("demo", ladder, live=True)).rendition_ids == ("1080p", "720p")


def test_a_rendition_that_is_gone_is_not_waited_for() -> None:
    ladder = {"1080p": _points([95.0] * 60 + [50.0]), "720p": _points([85.0] * 20)}
    assert _only(incidents("demo", ladder, live=True)).rendition_ids == ("1080p",)


def test_a_trouble_of_a_rendition_that_is_gone_is_over() -> None:
    ladder = {"1080p": _points([95.0] * 100), "720p": _points([85.0] * 20 + [40.0] * 5)}
    found = _only(incidents("demo", ladder, live=True))
    assert found.end_seconds == NOON + 50


def test_an_id_fits_however_long_the_name_of_the_stream() -> None:
    names = ["s" * 512, "s" * 511 + "t"]
    found = [_only(incidents(name, {"720p": _points([*GOOD, *[45.0] * 10])}, live=True)).incident_id for name in names]
    assert found[0] != found[1]
