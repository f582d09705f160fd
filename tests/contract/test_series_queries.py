"""What holds for reading series, over Redis 7, Redis 6.2 and a cluster."""

import pytest
from series_factory import point, points
from services.redis_fixtures import Series

from pipeline.history import SeriesId, SeriesPoint, auto, worst
from pipeline.series.keys import Keys
from schemas import TimeBasis

HOUR, DAY = 3600, 86_400
NOW = 1_790_000_000 // 3600 * 3600  # an hour of the wall clock


def shown(found: list[SeriesPoint]) -> list[tuple[str, float, int]]:
    return [(each.resolution.value, each.start_seconds, each.count) for each in found]


def test_a_range_is_half_open(series: Series) -> None:
    series.store.write(points([80] * 60))
    found = series.queries.points("demo", "720p", 10, 20, "raw")
    assert [each.start_seconds for each in found] == [10, 12, 14, 16, 18]


def test_what_is_not_there_is_nothing(series: Series) -> None:
    series.store.write(points([80] * 3, first_seconds=100))
    assert series.queries.series("no such stream") == []
    assert series.queries.latest("no such stream") == {}
    assert series.queries.points("demo", "no such rendition") == []
    assert series.queries.points("demo", "720p", 0, 100) == []
    assert series.queries.points("demo", "720p", 106, 10_000) == []
    assert series.queries.points("demo", "720p", 50, 40) == []


def test_gaps_stay_gaps(series: Series) -> None:
    series.store.write([point(0), point(10), point(2 * HOUR)])
    assert [each.start_seconds for each in series.queries.points("demo", "720p", resolution="raw")] == [0, 10, 7200]
    assert shown(series.queries.points("demo", "720p", resolution="minute")) == [("minute", 0, 2), ("minute", 7200, 1)]
    assert shown(series.queries.points("demo", "720p", resolution="hour")) == [("hour", 0, 2), ("hour", 7200, 1)]


def test_expired_parts_of_a_range_are_shown_by_their_roll_ups(series: Series) -> None:
    written = points([80] * 5400, first_seconds=NOW)  # three hours
    series.store.write(written)
    keys, name = Keys(series.settings.prefix), SeriesId.of(written[0]).name
    first_minute = NOW // 60
    for minute in range(first_minute, first_minute + 175):
        series.link.run([("DEL", keys.raw("demo", name, minute))])
    series.link.run([("DEL", keys.minutes("demo", name, NOW // HOUR))])
    found = series.queries.points("demo", "720p", resolution="raw")
    kinds = [each.resolution.value for each in found]
    assert (kinds.count("hour"), kinds.count("minute"), kinds.count("raw")) == (1, 115, 150)
    assert [each.start_seconds for each in found] == sorted(each.start_seconds for each in found)
    assert sum(each.count for each in found) == 5400
    assert sum(each.count for each in series.queries.points("demo", "720p", resolution="minute")) == 5400


def test_an_hour_whose_minutes_lie_outside_of_the_range_is_not_shown(series: Series) -> None:
    series.store.write([point(100), point(HOUR + 100)])
    assert shown(series.queries.points("demo", "720p", 1800, HOUR + 200, "raw")) == [("raw", HOUR + 100, 1)]


def test_times_before_zero_and_far_apart_are_read_like_others(series: Series) -> None:
    starts = [-1e10, -4000.5, -0.001, 0.0, 1e6, 1e12]
    series.store.write([point(start) for start in starts])
    for resolution in ("raw", "minute", "hour"):
        found = series.queries.points("demo", "720p", resolution=resolution)  # type: ignore[arg-type]
        assert sum(each.count for each in found) == len(starts)
    assert [each.start_seconds for each in series.queries.points("demo", "720p", resolution="raw")] == starts


def test_long_ranges_are_shown_coarser(series: Series) -> None:
    series.store.write([point(NOW), point(NOW + 5 * HOUR), point(NOW + 30 * DAY)])
    assert {kind for kind, *_ in shown(series.queries.points("demo", "720p"))} == {"hour"}
    day = series.queries.points("demo", "720p", NOW, NOW + DAY)
    assert {kind for kind, *_ in shown(day)} == {"minute"}
    assert {kind for kind, *_ in shown(series.queries.points("demo", "720p", NOW, NOW + 6 * HOUR))} == {"raw"}


@pytest.mark.parametrize(
    ("seconds", "resolution"), [(6 * HOUR, "raw"), (6 * HOUR + 1, "minute"), (7 * DAY, "minute"), (8 * DAY, "hour")]
)
def test_auto_keeps_a_line_at_a_few_thousand_values(seconds: float, resolution: str) -> None:
    assert auto(seconds) == resolution


def test_the_series_of_the_newest_weights_is_taken(series: Series) -> None:
    series.store.write(points([80] * 5, model="old", revision=1))
    series.store.write(points([70] * 5, model="new", revision=2))
    series.store.write(points([80] * 5, model="old", revision=1, first_seconds=10))
    assert {each.score for each in series.queries.points("demo", "720p", end_seconds=10)} == {70}
    assert {each.score for each in series.queries.points("demo", "720p", model="old")} == {80}


def test_where_the_newest_weights_made_nothing_the_older_are_shown(series: Series) -> None:
    series.store.write(points([80] * 5, model="old", revision=1, first_seconds=1000))
    series.store.write(points([70] * 5, model="new", revision=2))
    assert {each.score for each in series.queries.points("demo", "720p", 1000, 2000)} == {80}


def test_latest_is_by_time_not_by_arrival(series: Series) -> None:
    series.store.write([point(100, 70)])
    series.store.write([point(50, 60), point(10, 50)])
    assert series.queries.latest("demo")["720p"].start_seconds == 100


def test_renditions_come_best_bitrate_first(series: Series) -> None:
    series.store.write(
        [
            point(0, rendition="a", bitrate_bps=500_000),
            point(0, rendition="b", bitrate_bps=5_000_000),
            point(0, rendition="c", bitrate_bps=None),
        ]
    )
    assert series.queries.renditions("demo") == ["b", "a", "c"]
    assert list(series.queries.latest("demo")) == ["b", "a", "c"]


def test_streams_come_last_written_first(series: Series) -> None:
    series.store.write([point(0, stream="one")])
    series.link.run([("ZINCRBY", Keys(series.settings.prefix).streams, -100, "one")])
    series.store.write([point(0, stream="two")])
    assert [each.stream_id for each in series.queries.streams()] == ["two", "one"]


def test_the_worst_is_found_in_points_and_in_roll_ups(series: Series) -> None:
    series.store.write(points([80, 20, 50, 20]))
    for resolution in ("raw", "hour"):
        found = worst(series.queries.points("demo", "720p", resolution=resolution), 1)  # type: ignore[arg-type]
        assert [(each.least_score, each.least_seconds) for each in found] == [(20, 2)]


def test_a_live_stream_keeps_the_basis_of_its_clock(series: Series) -> None:
    series.store.write([point(NOW, time_basis=TimeBasis.PROGRAM_DATE_TIME)])
    assert series.queries.series("demo")[0].latest.time_basis is TimeBasis.PROGRAM_DATE_TIME
