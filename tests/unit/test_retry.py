import random

import pytest

from pipeline.errors import StandsStill, Unavailable
from pipeline.stream import Partition
from pipeline.stream.retry import Backoff, Outage, Waiting
from pipeline.stream.watchdog import Watchdog

A, B = Partition("segments", 0), Partition("segments", 1)


def test_pauses_double_up_to_the_limit():
    backoff, chance = Backoff(0.5, 30.0), random.Random(1)
    for failures, full in ((1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (5000, 30.0)):
        pauses = [backoff.seconds(failures, chance) for _ in range(200)]
        assert full / 2 <= min(pauses) < full * 0.6
        assert full * 0.9 < max(pauses) <= full


def test_what_waits_comes_out_soonest_first_and_never_early():
    waiting = Waiting[str]()
    for due, item in ((3.0, "c"), (1.0, "a"), (2.0, "b"), (1.0, "a2")):
        waiting.add(due, item)
    assert waiting.next_due() == 1.0
    assert [waiting.take_due(2.5) for _ in range(4)] == ["a", "a2", "b", None]
    assert len(waiting) == 1


def test_what_is_over_is_dropped_and_the_order_stays():
    waiting = Waiting[int]()
    for number in (5, 1, 4, 2, 3):
        waiting.add(float(number), number)
    assert sorted(waiting.drop(lambda number: number % 2 == 0)) == [2, 4]
    assert [waiting.take_due(9.0) for _ in range(4)] == [1, 3, 5, None]


def test_an_outage_is_said_once_when_it_begins_and_once_when_all_are_through(caplog):
    outage = Outage("Redis")
    with caplog.at_level("INFO"):
        for who in ("one", "two", "one"):
            outage.began(who, Unavailable("connection refused"))
        outage.over("one")
        outage.over("three")
        assert outage
        outage.over("two")
        assert not outage
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "Redis is away, waiting for it: connection refused" in caplog.text
    assert "Redis is back after 0.0 s." in caplog.text


def test_who_left_during_an_outage_does_not_end_it_with_good_news(caplog):
    outage = Outage("Redis")
    with caplog.at_level("INFO"):
        outage.began("one", Unavailable("connection refused"))
        outage.forget("one")
    assert not outage
    assert "is back" not in caplog.text


def watchdog_at_work():
    watchdog = Watchdog(still_seconds=60.0)
    watchdog.watch([A, B], 0.0)
    return watchdog


def test_a_partition_that_lags_and_does_not_move_stands_still():
    watchdog = watchdog_at_work()
    watchdog.moved(B, 50.0)
    assert watchdog.still({A: 5, B: 5}, {}, 59.0) == []
    assert watchdog.still({A: 5, B: 5}, {}, 61.0) == [A]


@pytest.mark.parametrize(
    ("lag", "at_work"), [({A: 0}, {}), ({}, {}), ({A: 5}, {A: 1})], ids=["no lag", "lag unknown", "at work"]
)
def test_a_partition_that_has_a_reason_does_not_stand_still(lag, at_work):
    watchdog = watchdog_at_work()
    assert watchdog.still(lag, at_work, 59.0) == []
    assert watchdog.still({A: 5}, {}, 61.0) == []


def test_time_that_is_excused_does_not_count():
    watchdog = watchdog_at_work()
    watchdog.excuse(50.0)
    assert watchdog.still({A: 5}, {}, 100.0) == []


def test_the_third_stand_in_a_row_is_an_error():
    watchdog = watchdog_at_work()
    assert watchdog.still({A: 5}, {}, 60.0) == [A]
    assert watchdog.still({A: 5}, {}, 120.0) == [A]
    with pytest.raises(StandsStill, match="segments/0 has 5 messages waiting"):
        watchdog.still({A: 5}, {}, 180.0)


def test_a_partition_that_moves_in_between_begins_anew():
    watchdog = watchdog_at_work()
    for turn in range(1, 6):
        assert watchdog.still({A: 5}, {}, turn * 100.0) == [A]
        watchdog.moved(A, turn * 100.0 + 1)


def test_a_partition_that_left_is_not_watched():
    watchdog = watchdog_at_work()
    watchdog.forget([A])
    assert watchdog.still({A: 5}, {}, 100.0) == []
