"""Findings in Redis: each occurrence once, over when it is over, the oldest leave first."""

from datetime import UTC, datetime, timedelta

import pytest
from services.redis_fixtures import Series

from pipeline.series import store
from schemas import ManifestFinding, ManifestFindingKind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def finding(name: str = "stale", minute: int = 0, over_minute: int | None = None) -> ManifestFinding:
    return ManifestFinding(
        finding_id=f"demo/720p/{name}",
        stream_id="demo",
        rendition_id="720p",
        kind=ManifestFindingKind.STALE,
        text="nothing new for 9 s, 1.5 x the target duration",
        found_at=NOON + timedelta(minutes=minute),
        over_at=None if over_minute is None else NOON + timedelta(minutes=over_minute),
    )


def test_findings_are_read_back_in_order_of_time(series: Series) -> None:
    late, early = finding(minute=5), finding("gone", minute=1)
    assert series.store.find([late, early]) == 2
    assert series.queries.findings("demo") == [early, late]


def test_a_repeat_is_the_same_finding(series: Series) -> None:
    assert series.store.find([finding()]) == 1
    assert series.store.find([finding()]) == 0
    assert series.queries.findings("demo") == [finding()]


def test_what_is_over_stays_over_when_its_beginning_comes_again(series: Series) -> None:
    series.store.find([finding(), finding(over_minute=2)])
    series.store.find([finding()])
    assert series.queries.findings("demo") == [finding(over_minute=2)]


def test_the_same_trouble_later_is_another_occurrence(series: Series) -> None:
    series.store.find([finding(over_minute=2), finding(minute=30)])
    assert [found.over_at is None for found in series.queries.findings("demo")] == [False, True]


def test_a_range_takes_what_was_found_in_it(series: Series) -> None:
    series.store.find([finding(minute=minute) for minute in range(4)])
    start, end = (NOON + timedelta(minutes=minute) for minute in (1, 3))
    found = series.queries.findings("demo", start.timestamp(), end.timestamp())
    assert [each.found_at for each in found] == [NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)]


def test_the_oldest_leave_when_there_are_too_many(series: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "FINDINGS_KEPT", 3)
    for minute in range(6):
        series.store.find([finding(minute=minute)])
    assert [each.found_at.minute for each in series.queries.findings("demo")] == [3, 4, 5]
