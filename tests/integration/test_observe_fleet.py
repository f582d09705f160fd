"""What Prometheus is told of the streams is what stands in Redis, and a Redis that is away breaks no scrape."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from series_factory import point
from services.redis_fixtures import Series
from services.redis_server import RedisServer, needed_system_binary

from pipeline.history import EVENT_SECONDS, is_open
from pipeline.observe.fleet import AT_WORK_SECONDS, Fleet, FleetMetrics, FleetStream, fleet_of
from pipeline.observe.metrics import Metrics
from pipeline.series import SeriesQueries, SeriesStore, connect
from pipeline.settings import RedisSettings
from schemas import ManifestFinding, ManifestFindingKind, TimeBasis

NOW = 1_800_000_000.0
DAY = 86_400.0


def finding(
    kind: ManifestFindingKind = ManifestFindingKind.STALE,
    *,
    ago_seconds: float = 5.0,
    over: bool = False,
    name: str = "a",
) -> ManifestFinding:
    found_at = datetime.fromtimestamp(time.time() - ago_seconds, UTC)
    return ManifestFinding(
        finding_id=f"news/-/{kind.value}/{name}",
        stream_id="news",
        kind=kind,
        text="nothing new for 9 s",
        found_at=found_at,
        over_at=found_at + timedelta(seconds=1) if over else None,
    )


def read(metrics: Metrics) -> dict[str, float]:
    samples = {}
    for family in text_string_to_metric_families(metrics.text()[0].decode()):
        if family.name.startswith(("rungwatch_stream", "rungwatch_fleet")):
            for sample in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


def of(*streams: FleetStream, left_out: int = 0) -> Metrics:
    metrics = Metrics("1.2.3")
    FleetMetrics(metrics, lambda: Fleet(streams, left_out), now_seconds=lambda: NOW)
    return metrics


def live(start_seconds: float, score: float = 80.0, **fixed: object) -> FleetStream:
    made = point(start_seconds, score, stream="news", time_basis=TimeBasis.PROGRAM_DATE_TIME, **fixed)  # type: ignore[arg-type]
    return FleetStream("news", (made,), 0)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer(binary=needed_system_binary()) as server:
        yield server


def test_every_rung_has_its_latest_score_and_bitrate_and_a_live_stream_its_age() -> None:
    told = read(of(live(NOW - 10, 71.5, rendition="720p", bitrate_bps=2_000_000)))
    assert told["rungwatch_stream_score{model=nano,rendition=720p,stream=news}"] == 71.5
    assert told["rungwatch_stream_bitrate_bps{rendition=720p,stream=news}"] == 2_000_000
    assert told["rungwatch_stream_age_seconds{stream=news}"] == 8
    assert told["rungwatch_stream_open_findings{stream=news}"] == 0


def test_a_stream_on_media_time_has_no_age() -> None:
    told = read(of(FleetStream("film", (point(10.0, stream="film"),), 0)))
    assert not [name for name in told if name.startswith("rungwatch_stream_age")]


def test_a_name_with_quotes_and_line_breaks_stays_one_label() -> None:
    name = 'a"b\\c\nd'
    (sample,) = [each for each in read(of(FleetStream(name, (), 3))) if "open_findings" in each]
    assert sample == f"rungwatch_stream_open_findings{{stream={name}}}"


def test_no_label_names_a_segment() -> None:
    text = of(live(NOW)).text()[0].decode()
    assert "segment_number" not in text
    assert str(int(NOW)) not in "".join(line for line in text.splitlines() if line.startswith("rungwatch_stream"))


def test_what_is_left_out_is_counted() -> None:
    told = read(of(live(NOW), left_out=7))
    assert (told["rungwatch_fleet_streams"], told["rungwatch_fleet_left_out_streams"]) == (8, 7)


def test_a_second_scraper_at_the_same_time_costs_no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.observe.fleet.FRESH_SECONDS", 3600.0)
    looks = []
    metrics = Metrics("1.2.3")
    FleetMetrics(metrics, lambda: looks.append(1) or Fleet(()))  # type: ignore[func-returns-value]
    read(metrics)
    read(metrics)
    assert len(looks) == 1


def test_a_bug_in_what_is_asked_breaks_no_scrape(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> Fleet:
        raise KeyError("secret")

    metrics = Metrics("1.2.3")
    FleetMetrics(metrics, broken)
    told = read(metrics)
    assert told["rungwatch_fleet_up"] == 0
    assert b"rungwatch_build_info" in metrics.text()[0]
    assert "KeyError" in caplog.text


def test_of_too_many_streams_at_work_the_same_are_told_every_time(series7: Series) -> None:
    now = time.time()
    for name in ("one", "two", "three"):
        rungs = [("720p", 80.0), ("360p", 60.0)]
        series7.store.write(
            [
                point(now - 4, score, stream=name, rendition=rung, time_basis=TimeBasis.PROGRAM_DATE_TIME)
                for rung, score in rungs
            ]
        )
    for _ in range(2):
        fleet = fleet_of(series7.queries, 2, DAY)
        assert [each.stream_id for each in fleet.streams] == ["one", "three"]
        assert fleet.left_out == 1
        series7.store.write([point(now - 2, stream="two", time_basis=TimeBasis.PROGRAM_DATE_TIME)])
    assert {each.rendition_id: each.score for each in fleet.streams[0].latest} == {"720p": 80.0, "360p": 60.0}


def test_a_stream_at_work_goes_before_one_that_is_not(series7: Series) -> None:
    series7.store.write([point(0.0, stream="a film")])
    time.sleep(1.1)  # whole seconds are stored
    series7.store.write([point(time.time(), stream="news")])
    later = fleet_of(series7.queries, 1, DAY, lambda: time.time() + AT_WORK_SECONDS + 1)
    assert [each.stream_id for each in later.streams] == ["news"]


def test_a_stream_that_was_not_written_for_long_is_not_told(series7: Series) -> None:
    series7.store.write([point(0.0, stream="old")])
    time.sleep(0.05)
    assert fleet_of(series7.queries, 10, 0.04) == Fleet(())


def test_findings_are_open_until_they_are_over(series7: Series) -> None:
    series7.store.write([point(time.time(), stream="news", time_basis=TimeBasis.PROGRAM_DATE_TIME)])
    series7.store.find([finding(name="a"), finding(name="b"), finding(name="c", over=True)])
    (stream,) = fleet_of(series7.queries, 10, DAY).streams
    assert stream.open_findings == 2


@pytest.mark.parametrize(
    ("kind", "ago_seconds", "expected"),
    [
        (ManifestFindingKind.STALE, 7200, True),
        (ManifestFindingKind.STALE, 2 * DAY, False),
        (ManifestFindingKind.MISSING_SEGMENT, 10, True),
        (ManifestFindingKind.MISSING_SEGMENT, EVENT_SECONDS + 60, False),
    ],
    ids=["lasts for two hours", "was never told to be over", "just happened", "happened long ago"],
)
def test_what_lasts_stays_open_and_what_happened_is_soon_past(
    kind: ManifestFindingKind, ago_seconds: float, expected: bool
) -> None:
    assert is_open(finding(kind, ago_seconds=ago_seconds), time.time()) is expected


def test_a_redis_that_goes_and_comes_is_a_zero_and_a_one(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    settings = RedisSettings(url=SecretStr(redis.url))
    with closing(connect(settings)) as link:
        SeriesStore(link, settings).write([point(time.time(), stream="news")])
        metrics = Metrics("1.2.3")
        collector = FleetMetrics(metrics, lambda: fleet_of(SeriesQueries(link, settings), 10, DAY))
        seen = []
        for act in (lambda: None, redis.kill, redis.start):
            act()
            collector._asked_at = None  # as if FRESH_SECONDS had passed
            told = read(metrics)
            seen.append((told["rungwatch_fleet_up"], any(each.startswith("rungwatch_stream_") for each in told)))
    assert seen == [(1, True), (0, False), (1, True)]
    assert caplog.text.count("rungwatch_fleet_up is 0") == 1
