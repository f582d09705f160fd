"""How the time of a shift is shared out, and which incident comes first: known answers."""

import random
from collections.abc import Sequence

import pytest
import series_factory

from pipeline.history import Resolution, SeriesPoint
from pipeline.report.shift import totals_of, worst_first
from schemas import Basis, ContentLabel, Incident, Severity


def _points(scores: Sequence[float], first: float = 0.0) -> list[SeriesPoint]:
    return [SeriesPoint.of(each) for each in series_factory.points(scores, first)]


def _incident(start: float = 0.0, end: float | None = 10.0, *ids: str, **fixed: object) -> Incident:
    values = {"cause": "low_quality", "severity": Severity.WARNING, "usual_score": 90.0, "score": 60.0, **fixed}
    return Incident(
        incident_id=f"demo/{start}/{values['cause']}",
        stream_id="demo",
        rendition_ids=ids or ("720p",),
        summary="it is worse",
        start_seconds=start,
        end_seconds=end,
        **values,  # type: ignore[arg-type]
    )


def test_time_is_counted_by_word() -> None:
    totals = totals_of("720p", _points([90, 80, 79.9, 60, 50, 30, 10, 10]), 0, 16)
    assert totals.seconds == {"excellent": 4, "good": 4, "fair": 2, "poor": 2, "bad": 4}
    assert totals.unscored_seconds == 0


def test_ads_are_no_quality_of_the_programme() -> None:
    raws = series_factory.points([90] * 5)
    raws[2] = raws[2].model_copy(update={"label": ContentLabel.AD})
    totals = totals_of("720p", [SeriesPoint.of(each) for each in raws], 0, 10)
    assert (totals.ad_seconds, totals.seconds["excellent"]) == (2, 8)


def test_gaps_are_not_scored_and_what_came_too_late_is_said_apart() -> None:
    points = [*_points([90] * 5), *_points([90] * 5, 20)]
    totals = totals_of("720p", points, 0, 40, skipped=[(10, 12), (12, 14), (28, 32)])
    assert (totals.seconds["excellent"], totals.skipped_seconds, totals.unscored_seconds) == (20, 6, 14)


def test_only_the_range_is_counted() -> None:
    totals = totals_of("720p", _points([90] * 20), 5, 11)
    assert totals.all_seconds == totals.seconds["excellent"] == 6


def test_a_minute_counts_what_was_scored_of_it_and_its_ads() -> None:
    minute = SeriesPoint(
        Resolution.MINUTE, 60.0, 50.0, 25, 70.0, 67.0, 73.0, 40.0, 62.0, 90.0, None, ((Basis.LADDER, 25),), ()
    )
    totals = totals_of("720p", [minute], 0, 120, ads=[(60, 80)])
    assert (totals.seconds["good"], totals.ad_seconds, totals.unscored_seconds) == (30, 20, 70)


def test_time_in_incidents_is_counted_once() -> None:
    incidents = [_incident(2, 8), _incident(4, 10), _incident(16, None), _incident(11, 12, "480p")]
    assert totals_of("720p", _points([90] * 10), 0, 20, incidents=incidents).trouble_seconds == 12


@pytest.mark.parametrize("seed", range(20))
def test_all_parts_together_are_the_range(seed: int) -> None:
    dice = random.Random(seed)
    starts = sorted(dice.sample(range(0, 200, 2), 60))
    points = [SeriesPoint.of(series_factory.point(start, dice.uniform(0, 100))) for start in starts]
    first, last = dice.uniform(0, 50), dice.uniform(100, 200)
    skipped = [(start, start + 2.0) for start in dice.sample(range(200), 20)]
    totals = totals_of("720p", points, first, last, skipped=skipped)
    assert totals.all_seconds == pytest.approx(last - first)
    assert min(*totals.seconds.values(), totals.skipped_seconds, totals.unscored_seconds) >= 0


def test_the_worst_incident_comes_first() -> None:
    short, long = _incident(50, 60), _incident(0, 40)
    wide = _incident(100, 140, "1080p", "720p")
    critical = _incident(200, 202, severity=Severity.CRITICAL)
    frozen = _incident(300, 345, cause="frozen", score=None, usual_score=None)
    going_on = _incident(400, None)
    assert worst_first([short, long, wide, critical, frozen, going_on], 1000) == [
        critical,
        going_on,
        frozen,
        wide,
        long,
        short,
    ]
