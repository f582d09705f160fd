"""What holds for writing points, over Redis 7, Redis 6.2 and a cluster."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from redis.crc import key_slot
from series_factory import point, points, read_rollups, rollups, skipped
from services.redis_fixtures import Series

from pipeline.history import SeriesId
from pipeline.series import Written
from pipeline.series.keys import Keys
from schemas import Basis, ContentLabel, FindingKind, QualityPoint

MINUTE, HOUR, DAY = 60, 3600, 86_400


def raw(series: Series, rendition: str = "720p", stream: str = "demo", **asked: object) -> list[QualityPoint]:
    found = series.queries.points(stream, rendition, resolution="raw", **asked)  # type: ignore[arg-type]
    return [each.raw for each in found if each.raw is not None]


def everything(series: Series) -> list[object]:
    """All that can be read of the stream, without the time of writing."""
    entries = series.queries.series("demo")
    return [
        [
            (each.series, each.first_seconds, each.revision, each.latest)
            for each in sorted(entries, key=lambda e: e.series)
        ],
        [
            series.queries.read(entry, resolution=resolution)  # type: ignore[arg-type]
            for entry in sorted(entries, key=lambda e: e.series)
            for resolution in ("raw", "minute", "hour")
        ],
    ]


def forget_raw(series: Series, of: QualityPoint) -> None:
    """Let the single points of a minute expire now."""
    name = SeriesId.of(of).name
    key = Keys(series.settings.prefix).raw(of.stream_id, name, round(of.start_seconds * 1000) // 60_000)
    assert series.link.run([("PEXPIRE", key, 0)]) == [1]


def test_what_is_written_is_read_back_exactly(series: Series) -> None:
    written = [
        point(0.1 + 2 * n, 100 / (n + 1.1), basis=Basis.ALONE, bitrate_bps=None, findings=tuple(FindingKind)[:n])
        for n in range(5)
    ]
    written.append(written[0].model_copy(update={"start_seconds": 30.0, "label": ContentLabel.AD}))
    assert series.store.write(written) == Written(new=6)
    assert raw(series) == written


def test_a_repeat_changes_nothing(series: Series) -> None:
    written = points([80, 70, 60, 50])
    series.store.write(written)
    before = everything(series)
    assert series.store.write(written + written) == Written(repeated=8)
    assert everything(series) == before


def test_of_the_same_weights_the_last_write_wins(series: Series) -> None:
    series.store.write([point(0, 80)])
    assert series.store.write([point(0, 60)]) == Written(changed=1)
    assert [each.score for each in raw(series)] == [60]
    assert [each.score for each in series.queries.points("demo", "720p", resolution="hour")] == [60]


def test_newer_weights_replace_older_ones_and_never_the_other_way(series: Series) -> None:
    series.store.write([point(0, 80, revision=5)])
    assert series.store.write([point(0, 70, revision=6)]) == Written(changed=1)
    assert series.store.write([point(0, 80, revision=5)]) == Written(outdated=1)
    assert [each.score for each in raw(series)] == [70]
    assert series.queries.latest("demo")["720p"].score == 70


def test_the_points_of_another_model_stand_beside(series: Series) -> None:
    series.store.write([point(0, 80, model="nano"), point(0, 90, model="large"), point(0, 70, height_px=2160)])
    assert [each.score for each in raw(series, model="large")] == [90]
    assert len(series.queries.series("demo")) == 3
    assert len(raw(series)) == 1


@pytest.mark.parametrize("seed", range(6))
def test_any_order_and_any_repetition_end_in_the_same_series(series: Series, seed: int) -> None:
    dice = random.Random(seed)
    written = [
        point(
            start,
            dice.uniform(0, 100),
            seconds=dice.choice([0.0, 1.92, 2.002, 6.006]),
            revision=revision,
            rendition=dice.choice(["720p", "480p"]),
            basis=dice.choice(list(Basis)),
            bitrate_bps=dice.choice([None, dice.randrange(10**7)]),
            findings=tuple(dice.sample(list(FindingKind), dice.choice([0, 0, 1, 3]))),
        )
        for start in (dice.uniform(-2 * HOUR, 2 * HOUR) for _ in range(60))
        for revision in dice.sample([1, 2, 3], dice.choice([1, 2, 3]))
    ]
    series.store.write(written)
    in_order = everything(series)
    series.link.run([("DEL", key) for key in keys_of(series)])
    shuffled = written * 2
    dice.shuffle(shuffled)
    while shuffled:
        size = dice.choice([1, 7, 50])
        series.store.write(shuffled[:size])
        del shuffled[:size]
    assert everything(series) == in_order


def test_roll_ups_are_what_a_plain_recomputation_gives(series: Series) -> None:
    dice = random.Random(11)
    written = [
        point(
            dice.uniform(-90 * MINUTE, 90 * MINUTE),
            round(dice.uniform(0, 100), 3),
            seconds=dice.choice([0, 2.0, 2.002]),
            basis=dice.choice(list(Basis)),
            bitrate_bps=dice.choice([None, 10**6, 3 * 10**6]),
            findings=dice.choice([(), (FindingKind.FROZEN,), (FindingKind.BLACK, FindingKind.DAMAGED)]),
        )
        for _ in range(300)
    ]
    series.store.write(written)
    assert read_rollups(series.queries, "minute") == rollups(written, MINUTE)
    assert read_rollups(series.queries, "hour") == rollups(written, HOUR)


def test_a_minute_of_stills_has_their_plain_mean(series: Series) -> None:
    series.store.write([point(0, 50, seconds=0), point(1, 70, seconds=0)])
    [minute] = series.queries.points("demo", "720p", resolution="minute")
    assert (minute.score, minute.duration_seconds, minute.count) == (60, 0, 2)


def test_a_point_whose_minute_has_expired_is_left_out_and_counted(series: Series) -> None:
    written = points([80] * 30)
    series.store.write(written)
    forget_raw(series, written[0])
    assert series.store.write([written[3], point(1.0, 10)]) == Written(late=2)
    [minute] = series.queries.points("demo", "720p", resolution="raw")
    assert (minute.resolution, minute.count, minute.score) == ("minute", 30, 80)


def test_an_expired_minute_is_made_anew_of_newer_weights(series: Series) -> None:
    written = points([80] * 30)
    series.store.write(written)
    forget_raw(series, written[0])
    assert series.store.write(points([60] * 30, revision=1)) == Written(new=30)
    [hour] = series.queries.points("demo", "720p", resolution="hour")
    assert (hour.count, hour.score) == (30, 60)


def test_a_point_of_an_hour_of_which_only_the_roll_up_is_left_is_left_out(series: Series) -> None:
    written = points([80] * 30)
    series.store.write(written)
    forget_raw(series, written[0])
    keys = Keys(series.settings.prefix)
    assert series.link.run([("PEXPIRE", keys.minutes("demo", SeriesId.of(written[0]).name, 0), 0)]) == [1]
    assert series.store.write([written[0], point(3000, 10)]) == Written(late=2)
    [hour] = series.queries.points("demo", "720p", resolution="raw")
    assert (hour.resolution, hour.count) == ("hour", 30)


def test_a_gap_in_an_expired_hour_can_still_be_filled(series: Series) -> None:
    written = points([80] * 30)
    series.store.write(written)
    forget_raw(series, written[0])
    assert series.store.write([point(60, 50)]) == Written(new=1)
    assert [each.resolution for each in series.queries.points("demo", "720p", resolution="raw")] == ["minute", "raw"]


def test_every_key_expires(series: Series) -> None:
    series.store.write(points([80] * 40))
    series.store.skip([skipped(90)])
    kept = {key.split("}:")[1].split(":")[0]: series.link.run([("TTL", key)])[0] for key in keys_of(series)}
    wanted = series.settings
    assert kept.keys() == {"raw", "minutes", "hours", "months", "series", "skipped"}
    for name, seconds in {
        "raw": wanted.raw_seconds,
        "minutes": wanted.minute_seconds,
        "skipped": wanted.minute_seconds,
        "hours": wanted.hour_seconds,
        "months": wanted.hour_seconds,
        "series": wanted.hour_seconds,
    }.items():
        assert seconds - 60 <= kept[name] <= seconds, name


def test_a_roll_up_outlives_what_it_is_made_of_whatever_the_settings_say(series7: Series) -> None:
    url = series7.settings.url.get_secret_value()
    series = Series(url, raw_seconds=10 * DAY, minute_seconds=DAY, hour_seconds=DAY)
    series.store.write([point(0)])
    kept = [series.link.run([("TTL", key)])[0] for key in keys_of(series)]
    series.close()
    assert min(kept) > 9 * DAY


def test_every_new_or_changed_point_is_published_and_a_repeat_is_not(series: Series) -> None:
    with listening(series, "demo") as heard:
        series.store.write([point(0, 80), point(2, 70)])
        series.store.write([point(0, 80), point(2, 60), point(4, 50)])
        assert heard(4) == [point(0, 80), point(2, 70), point(2, 60), point(4, 50)]


@pytest.mark.parametrize(
    "name", ["a{b}c", "{", "}{", "a:b:c", "live/*?[x]", "ü\N{SNOWMAN}\n\0 %7B", "x" * 511, "{}", " "]
)
def test_a_hostile_name_is_a_name_like_others(series: Series, name: str) -> None:
    series.store.write([point(0, 80, stream=name, rendition=name, model=name), point(0, 70, stream=name + "2")])
    series.store.skip([skipped(2, stream=name, rendition=name)])
    assert [(each.stream_id, each.rendition_id) for each in raw(series, name, name)] == [(name, name)]
    assert {each.stream_id for each in series.queries.streams()} == {name, name + "2"}
    assert [each.rendition_id for each in series.queries.skipped(name)] == [name]


def test_all_keys_of_a_stream_are_in_one_slot(series7: Series) -> None:
    for name in ("demo", "{a}b", "}{"):
        series7.store.write(points([80] * 40, stream=name))
        series7.store.skip([skipped(0, stream=name)])
        assert len({key_slot(key.encode()) for key in keys_of(series7, name)}) == 1


def test_a_skipped_segment_is_noted_once(series: Series) -> None:
    late = [skipped(start) for start in (0, 2, 4000, -5)] + [skipped(0, rendition="480p")]
    assert series.store.skip(late) == 5
    assert series.store.skip(late) == 0
    assert series.queries.skipped("demo", "720p") == sorted(late[:4], key=lambda each: each.start_seconds)
    assert series.queries.skipped("demo", start_seconds=0, end_seconds=2) == [late[4], late[0]]
    assert [each.stream_id for each in series.queries.streams()] == ["demo"]


def test_a_server_that_forgot_its_scripts_is_given_them_again(series: Series) -> None:
    series.store.write([point(0)])
    series.client.script_flush()
    assert series.store.write([point(2)]) == Written(new=1)


def test_many_streams_in_one_write_are_all_there(series: Series) -> None:
    written = [point(2 * n, 50, stream=f"s{stream}") for stream in range(40) for n in range(20)]
    random.Random(3).shuffle(written)
    assert series.store.write(written) == Written(new=800)
    assert all(len(raw(series, stream=f"s{stream}")) == 20 for stream in range(40))


def test_a_long_run_of_one_stream_is_written_in_parts(series7: Series) -> None:
    written = points([50 + n % 40 for n in range(4321)])
    assert series7.store.write(written) == Written(new=4321)
    assert raw(series7) == written


def keys_of(series: Series, stream: str = "demo") -> list[str]:
    client = series.client
    start = Keys(series.settings.prefix).stream(stream)
    pattern = start.replace("[", "\\[").replace("*", "\\*") + "*"
    return sorted(key.decode() for key in client.scan_iter(match=pattern, count=1000))


@contextmanager
def listening(series: Series, stream: str) -> Iterator[Callable[[int], list[QualityPoint]]]:
    """Hear what is published of a stream: `heard(n)` waits for n points and returns all that came."""
    client = series.client
    subscription = client.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(Keys(series.settings.prefix).channel(stream))
    subscription.get_message(timeout=5)
    found: list[QualityPoint] = []

    def heard(count: int) -> list[QualityPoint]:
        until = time.monotonic() + 20
        quiet_until = None
        while time.monotonic() < (quiet_until or until):
            message = subscription.get_message(timeout=0.05)
            if message:
                found.append(QualityPoint.model_validate_json(message["data"]))
            if len(found) >= count and quiet_until is None:
                quiet_until = time.monotonic() + 0.3
        return found

    yield heard
    subscription.close()
