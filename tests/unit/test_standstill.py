"""When the source stands still on every rung: told once, after a while, and not as frozen rungs nor beside black."""

from collections.abc import Sequence
from typing import Any

import pytest
import score_factory
import series_factory

from pipeline.history import SeriesPoint
from pipeline.incidents import incidents
from schemas import ContentLabel, Finding, FindingKind, Incident, QualityPoint, Severity, TimeBasis

NOON = 1_795_000_000.0
RUNGS = ("1080p", "720p", "360p")
STILL = (FindingKind.STILL,)
MOVES: tuple[FindingKind, ...] = ()


def _points(spans: Sequence[tuple[int, tuple[FindingKind, ...]]], **fixed: Any) -> list[SeriesPoint]:
    """Return segments of 2 s: so many with these findings, one span after the other."""
    points = []
    for count, findings in spans:
        for _ in range(count):
            made = series_factory.point(
                NOON + 2 * len(points),
                fixed.get("score", 90.0),
                findings=findings,
                time_basis=fixed.get("time_basis", TimeBasis.PROGRAM_DATE_TIME),
            )
            points.append(SeriesPoint.of(made.model_copy(update={"label": fixed.get("label", ContentLabel.PROGRAM)})))
    return points


def _ladder(*spans: tuple[int, tuple[FindingKind, ...]], **fixed: Any) -> dict[str, list[SeriesPoint]]:
    return {rung: _points(spans, **fixed) for rung in RUNGS}


def _told(ladder: dict[str, list[SeriesPoint]], **asked: Any) -> list[Incident]:
    return incidents("demo", ladder, live=True, **asked)


def test_a_source_that_stands_still_is_one_incident_of_the_stream() -> None:
    (found,) = _told(_ladder((20, MOVES), (13, STILL), (30, MOVES)))
    assert (found.cause, found.rendition_ids, found.severity) == ("still", (), Severity.WARNING)
    assert (found.start_seconds, found.end_seconds) == (NOON + 40, NOON + 66)
    assert found.summary.startswith("The source stands still from ")
    assert "(26 s), on all 3 renditions: look at the source" in found.summary


def test_a_title_card_is_no_incident() -> None:
    assert _told(_ladder((20, MOVES), (4, STILL), (30, MOVES))) == []


def test_how_long_a_source_may_stand_still_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder = _ladder((20, MOVES), (13, STILL), (30, MOVES))
    assert _told(ladder, still_seconds=30.0) == []
    monkeypatch.setenv("RUNGWATCH_INCIDENT_STILL_SECONDS", "30")
    assert _told(ladder) == []
    monkeypatch.setenv("RUNGWATCH_INCIDENT_STILL_SECONDS", "25")
    assert len(_told(ladder)) == 1


def test_while_one_rung_moves_the_source_does() -> None:
    ladder = _ladder((20, MOVES), (13, STILL), (30, MOVES))
    ladder["720p"] = _points([(63, MOVES)])
    assert _told(ladder) == []


def test_a_rung_that_stands_still_alone_is_frozen_and_nothing_else() -> None:
    ladder = _ladder((60, MOVES))
    ladder["720p"] = _points([(20, MOVES), (13, (FindingKind.FROZEN,)), (27, MOVES)])
    assert [(each.cause, each.rendition_ids) for each in _told(ladder)] == [("frozen", ("720p",))]


def test_points_of_before_that_call_every_rung_frozen_are_one_source_that_stands_still() -> None:
    found = _told(_ladder((20, MOVES), (13, (FindingKind.FROZEN,)), (30, MOVES)))
    assert [(each.cause, each.rendition_ids) for each in found] == [("still", ())]


def test_black_is_told_as_black_only() -> None:
    for kinds in (
        (FindingKind.BLACK,),
        (FindingKind.FROZEN, FindingKind.BLACK),
        (FindingKind.STILL, FindingKind.BLACK),
    ):
        assert [each.cause for each in _told(_ladder((20, MOVES), (13, kinds), (30, MOVES)))] == ["black"]


def test_stills_in_ads_are_no_incident() -> None:
    ladder = _ladder((63, STILL), label=ContentLabel.AD)
    assert _told(ladder) == []


def test_a_stream_of_one_rung_can_stand_still_too() -> None:
    (found,) = _told({"720p": _points([(20, MOVES), (13, STILL), (30, MOVES)])})
    assert found.cause == "still"
    assert "renditions" not in found.summary


def test_slides_that_change_soon_are_none_and_slow_ones_are_one_incident() -> None:
    soon = [(3, STILL), (1, MOVES)] * 12
    assert _told(_ladder((20, MOVES), *soon, (30, MOVES))) == []
    slow = [(8, STILL), (1, MOVES)] * 5
    (found,) = _told(_ladder((20, MOVES), *slow, (30, MOVES)))
    assert (found.start_seconds, found.end_seconds) == (NOON + 40, NOON + 40 + 2 * (5 * 9 - 1))


def test_it_is_opened_once_and_closed_once_while_points_come_in() -> None:
    whole = _ladder((20, MOVES), (13, STILL), (9, MOVES), (7, STILL), (40, MOVES))
    seen = []
    for count in range(20, 89):
        found = _told({rung: points[:count] for rung, points in whole.items()})
        assert len(found) <= 1
        seen += [(each.incident_id, each.end_seconds) for each in found]
    assert len({name for name, _ in seen}) == 1
    ends = [end for _, end in seen]
    closed = next(place for place, end in enumerate(ends) if end is not None)
    assert len(seen) == 89 - 25  # after 10 s, and from then on
    assert set(ends[closed:]) == {NOON + 2 * (20 + 13 + 9 + 7)}


def test_it_is_not_told_while_a_rung_is_not_known_there() -> None:
    ladder = _ladder((20, MOVES), (13, STILL))
    ladder["360p"] = ladder["360p"][:23]
    assert _told(ladder) == []


def test_after_a_slate_the_programme_is_no_fall() -> None:
    slate = [SeriesPoint.of(each.raw.model_copy(update={"score": 99.0})) for each in _points([(90, STILL)]) if each.raw]
    later = [
        SeriesPoint.of(each.raw.model_copy(update={"start_seconds": each.start_seconds + 180}))
        for each in _points([(30, MOVES)], score=75.0)
        if each.raw
    ]
    assert [each.cause for each in _told({"720p": [*slate, *later]})] == ["still"]


def test_at_the_end_of_a_title_it_is_over() -> None:
    ladder = _ladder((20, MOVES), (13, STILL), time_basis=TimeBasis.MEDIA_TIME)
    (found,) = incidents("demo", ladder, live=False)
    assert (found.cause, found.end_seconds) == ("still", NOON + 66)


def test_a_point_says_still_only_where_all_of_its_segment_is() -> None:
    for seconds, expected in ((1.2, ()), (2.0, STILL)):
        rests = Finding(
            kind=FindingKind.STILL, text="the picture stands still", start_seconds=0.0, duration_seconds=seconds
        )
        assert QualityPoint.of(score_factory.scored(90, 0, seconds=2.0, findings=[rests])).findings == expected
