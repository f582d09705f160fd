"""What holds for incidents over any range, over Redis 7, Redis 6.2 and a cluster."""

from datetime import UTC, datetime

import series_factory
from services.redis_fixtures import Series

from pipeline.incident_reader import read_incidents
from pipeline.incidents import incidents
from pipeline.series.keys import Keys
from schemas import (
    ContentLabel,
    FindingKind,
    Incident,
    ManifestFinding,
    ManifestFindingKind,
    QualityPoint,
    Severity,
    TimeBasis,
)

DAY = 86_400
NOON = 1_790_000_000 // DAY * DAY + DAY / 2
NOW = NOON + DAY / 4
LEVELS = {"1080p": (93.0, 6_000_000), "360p": (63.0, 700_000)}


def _hours(hours: float, first: float = NOON, rendition: str = "1080p", **fixed: object) -> list[QualityPoint]:
    level, bitrate = LEVELS[rendition]
    return [
        series_factory.point(
            first + 2 * n,
            level + (0, 2, -2, 1)[n % 4],
            rendition=rendition,
            bitrate_bps=bitrate,
            time_basis=TimeBasis.PROGRAM_DATE_TIME,
            **fixed,  # type: ignore[arg-type]
        )
        for n in range(int(hours * 1800))
    ]


def _spoiled(points: list[QualityPoint], start: float, end: float, **values: object) -> list[QualityPoint]:
    return [
        each.model_copy(update={"worst_score": values.get("score", each.score), **values})
        if NOON + start <= each.start_seconds < NOON + end
        else each
        for each in points
    ]


def _read(series: Series, start: float, end: float) -> list[Incident]:
    return read_incidents(series.queries, "demo", NOON + start, NOON + end, now_seconds=NOW)


def test_a_short_drop_is_found_in_a_long_range_to_the_segment(series: Series) -> None:
    series.store.write(_spoiled(_hours(3), 5400, 5408, score=50.0))
    series.store.write(_hours(3, rendition="360p"))
    (found,) = _read(series, 0, 3 * 3600)
    assert (found.start_seconds, found.end_seconds, found.rendition_ids) == (NOON + 5400, NOON + 5408, ("1080p",))
    assert (found.cause, found.score) == ("low_quality", 50)


def test_the_same_trouble_has_the_same_id_in_every_range(series7: Series) -> None:
    points = _spoiled(_spoiled(_hours(5), 3600, 7200, score=30.0), 9000, 9006, findings=(FindingKind.FROZEN,))
    series7.store.write(points)
    drop, freeze = _read(series7, 0, 5 * 3600)
    assert (drop.start_seconds - NOON, drop.duration_seconds, drop.severity) == (3600, 3600, Severity.CRITICAL)
    assert (freeze.cause, freeze.start_seconds - NOON, freeze.duration_seconds) == ("frozen", 9000, 6)
    for start, end in ((3500, 3700), (5000, 5300), (7100, 7300), (0, 20_000)):
        assert _read(series7, start, end)[0] == drop
    assert _read(series7, 7400, 8900) == []
    assert _read(series7, 8900, 9002) == [freeze]


def test_minutes_and_segments_tell_what_segments_alone_tell(series7: Series) -> None:
    points = _spoiled(_spoiled(_hours(2), 1000, 1030, score=55.0, bitrate_bps=900_000), 4000, 5000, score=35.0)
    series7.store.write(points)
    entry = series7.queries.select("demo")[0]
    expected = incidents("demo", {"1080p": series7.queries.read(entry, resolution="raw")}, live=True)
    found = _read(series7, 0, 7200)
    assert [(each.incident_id, each.end_seconds, each.cause) for each in found] == [
        (each.incident_id, each.end_seconds, each.cause) for each in expected
    ]
    assert [each.cause for each in found] == ["starved", "low_quality"]


def test_where_segments_have_expired_an_incident_is_told_to_the_minute(series: Series) -> None:
    points = _spoiled(_hours(1), 1830, 1950, score=40.0)
    series.store.write(points)
    keys, name = Keys(series.settings.prefix), series.queries.select("demo")[0].series.name
    for minute in range(60):
        series.link.run([("DEL", keys.raw("demo", name, int(NOON) // 60 + minute))])
    (found,) = _read(series, 0, 3600)
    assert (found.start_seconds - NOON, found.duration_seconds) == (1800, 180)
    assert found.worst_score == 40


def test_a_long_ad_break_is_no_incident(series7: Series) -> None:
    series7.store.write(_spoiled(_hours(1), 1800, 2400, score=45.0, label=ContentLabel.AD))
    assert _read(series7, 0, 3600) == []


def test_what_lasts_is_open_and_what_nobody_sees_any_more_is_over(series7: Series) -> None:
    series7.store.write(_spoiled(_hours(1), 3000, 3600, score=40.0))
    (found,) = read_incidents(series7.queries, "demo", NOON, NOON + 3600, now_seconds=NOON + 3605)
    assert found.is_open
    (later,) = read_incidents(series7.queries, "demo", NOON, NOON + 3600, now_seconds=NOON + 7200)
    assert (later.incident_id, later.end_seconds) == (found.incident_id, NOON + 3600)


def test_findings_of_manifests_are_incidents_beside_those_of_pictures(series: Series) -> None:
    series.store.write(_hours(0.2))
    series.store.find(
        [
            ManifestFinding(
                finding_id="demo/-/stale/7",
                stream_id="demo",
                kind=ManifestFindingKind.STALE,
                severity=Severity.CRITICAL,
                text="nothing new for 18 s",
                found_at=datetime.fromtimestamp(NOON + 100, UTC),
                over_at=datetime.fromtimestamp(NOON + 160, UTC),
            )
        ]
    )
    (found,) = _read(series, 0, 3600)
    assert (found.cause, found.duration_seconds, found.rendition_ids) == ("stale", 60, ())


def test_a_title_on_media_time_has_incidents_without_a_clock(series7: Series) -> None:
    series7.store.write(series_factory.points([90] * 60 + [40] * 30))
    (found,) = read_incidents(series7.queries, "demo")
    assert (found.start_seconds, found.end_seconds, found.opened_at) == (120, 180, None)


def test_a_stream_that_is_not_there_has_no_incident(series7: Series) -> None:
    assert read_incidents(series7.queries, "no such stream") == []
