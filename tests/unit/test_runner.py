import base64
import itertools
import logging
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from bus_scene import (
    GROUP,
    QUICK,
    TOPIC,
    Answering,
    ConsumerAround,
    Counting,
    FailingProducer,
    Held,
    Listening,
    Run,
    away_for,
    bus_with,
    committed,
    echo,
    letters,
    names,
    outputs,
    read,
    running,
    send,
    until,
)

from pipeline.errors import Damaged, StandsStill, TooManyRejected, Transient, Unavailable, UsageError
from pipeline.stream import Bug, Done, Partition, Publication, handling, runner


def test_what_comes_of_messages_is_published_and_they_are_committed():
    bus = bus_with(names(50), partitions=4)
    counting = Counting()
    with running(bus, Answering(lambda name, _: echo(name)), observer=counting):
        until(lambda: bus.unread(GROUP, TOPIC) == 0)
    assert outputs(bus) == sorted(names(50))
    assert (counting.counts["received"], counting.counts["finished"]) == (50, 50)


def test_messages_finished_out_of_order_are_committed_as_a_prefix():
    bus, held = bus_with(names(4)), Held()
    with running(bus, held):
        until(lambda: len(held.open) == 4)
        for name in ("m3", "m1"):
            held.answer(name)
        time.sleep(0.3)
        assert committed(bus) == 0
        held.answer("m0")
        until(lambda: committed(bus) == 2)
        held.answer("m2")
        until(lambda: committed(bus) == 4)


def test_an_answer_is_published_at_once_by_the_thread_that_gives_it():
    bus, held = bus_with(names(1)), Held()
    with running(bus, held):
        until(lambda: held.open)
        held.answer("m0", echo("m0"))
        assert outputs(bus) == ["m0"]


def test_a_member_that_falls_silent_without_a_commit_has_its_messages_repeated():
    bus = bus_with(names(3), session_seconds=0.3)
    dead = bus.consumer(GROUP, [TOPIC], Listening())
    assert len(dead.poll(1.0, 3)) == 3
    processor = Answering(lambda name, _: echo(name))
    with running(bus, processor):
        until(lambda: bus.unread(GROUP, TOPIC) == 0)
    assert outputs(bus) == names(3)


def test_answers_of_revoked_partitions_are_discarded():
    bus = bus_with(names(40), partitions=2, session_seconds=300.0)
    places = {message.value.decode(): message.partition for message in read(bus, TOPIC)}
    first, second, counting = Held(), Held(), Counting()
    with running(bus, first, QUICK.model_copy(update={"in_flight": 100}), observer=counting):
        until(lambda: len(first.open) == 40)
        with running(bus, second, QUICK.model_copy(update={"in_flight": 100})):
            until(lambda: second.open)
            (partition,) = {places[name] for name in list(second.open)}
            moved = sorted(name for name, place in places.items() if place == partition)
            until(lambda: sorted(second.open) == moved)
            for name in list(first.open):
                first.answer(name, echo(name))
            until(lambda: counting.counts["discarded"] == len(moved))
            assert set(outputs(bus)).isdisjoint(moved)
            for name in moved:
                second.answer(name, echo(name))
            until(lambda: bus.unread(GROUP, TOPIC) == 0)
    assert outputs(bus) == sorted(names(40))


def test_what_is_finished_when_partitions_are_revoked_is_committed_first():
    bus, first, second = bus_with(names(20), partitions=2), Held(), Held()
    last = {message.partition: message.value.decode() for message in read(bus, TOPIC)}
    settings = QUICK.model_copy(update={"in_flight": 100, "commit_seconds": 1000.0})
    with running(bus, first, settings):
        until(lambda: len(first.open) == 20)
        for name in set(names(20)) - set(last.values()):
            first.answer(name)
        with running(bus, second, settings):
            until(lambda: second.open)
            assert second.started == list(second.open)
            assert second.started in [[name] for name in last.values()]
            for held in (first, second):
                for name in list(held.open):
                    held.answer(name)
    assert bus.unread(GROUP, TOPIC) == 0


def test_without_room_the_partitions_are_paused_and_never_more_is_held(monkeypatch):
    monkeypatch.setattr(runner, "LOOK_SECONDS", 0.05)
    bus, held, counting = bus_with(names(60), partitions=4), Held(room=5), Counting()
    with running(bus, held, observer=counting):
        until(lambda: len(held.open) == 5)
        until(lambda: counting.counts["paused"] >= 2)
        assert len(held.started) == 5
        while len(held.started) < 60 or held.open:
            for name in list(held.open):
                held.answer(name)
            time.sleep(0.005)
        until(lambda: bus.unread(GROUP, TOPIC) == 0)
    assert held.most_open == 5


def test_no_more_than_in_flight_is_held_whatever_room_the_processor_has():
    bus, held = bus_with(names(30)), Held(room=1000)
    with running(bus, held):
        until(lambda: len(held.open) == QUICK.in_flight)
        time.sleep(0.3)
        assert len(held.started) == QUICK.in_flight
        while bus.unread(GROUP, TOPIC):
            for name in list(held.open):
                held.answer(name)
            time.sleep(0.005)
    assert held.most_open == QUICK.in_flight


def test_a_rebalance_while_full_pauses_again():
    bus, full, other = bus_with(names(60), partitions=4), Held(room=3), Held(room=3)
    with running(bus, full):
        until(lambda: len(full.open) == 3)
        with running(bus, other, QUICK.model_copy(update={"drain_seconds": 0.0})):
            until(lambda: len(other.open) == 3)
            time.sleep(0.5)
        time.sleep(0.5)  # the other one has gone, and all four partitions are back
        assert full.most_open == 3
        while bus.unread(GROUP, TOPIC):
            for name in list(full.open):
                full.answer(name)
            time.sleep(0.005)
    assert full.most_open == 3


class Forgetful(ConsumerAround):
    """Forgets pauses once more when the listener has already been told of a rebalance."""

    before = frozenset()

    def poll(self, timeout_seconds, most):
        messages = super().poll(timeout_seconds, most)
        if self.assignment() != self.before:
            self.before = self.assignment()
            self.resume(self.before)
        return messages


def test_pauses_that_are_forgotten_after_the_listener_was_told_are_made_again():
    bus, full, other, counting = bus_with(names(60), partitions=4), Held(room=3), Held(room=3), Counting()
    factory = lambda listener: Forgetful(bus.consumer(GROUP, [TOPIC], listener))  # noqa: E731
    with running(bus, full, QUICK.model_copy(update={"drain_seconds": 0.0}), factory=factory, observer=counting):
        until(lambda: len(full.open) == 3)
        with running(bus, other, QUICK.model_copy(update={"drain_seconds": 0.0})):
            until(lambda: len(other.open) == 3)
        time.sleep(0.8)
    assert counting.counts["received"] == full.most_open == 3


def test_what_is_transient_is_tried_again_with_growing_pauses_and_blocks_nobody():
    bus = bus_with(names(10))
    moments, committed_then = [], []

    def answer(name, attempt):
        if name != "m0":
            return echo(name)
        if attempt == 5:
            committed_then.append(committed(bus))
            assert len(processor.attempts) == 10
            return echo(name)
        moments.append(time.monotonic())
        return Transient("not yet")

    counting = Counting()
    settings = QUICK.model_copy(update={"retry_first_seconds": 0.1, "retry_most_seconds": 10.0})
    processor = Answering(answer)
    with running(bus, processor, settings, observer=counting):
        until(lambda: committed(bus) == 10)
    assert committed_then == [0]
    assert counting.counts["retried Transient"] == 4
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert all(pause >= least for pause, least in zip(pauses, (0.05, 0.1, 0.2), strict=True))
    assert letters(bus) == []


def test_what_fails_until_its_time_is_over_goes_to_the_dead_letters(monkeypatch):
    # A clock that moves on only when it is looked at: however slow the machine, there is time for some attempts.
    moments = itertools.count(1)
    monkeypatch.setattr(handling, "time", SimpleNamespace(monotonic=lambda: 0.03 * next(moments)))
    bus = bus_with(names(3))
    settings = QUICK.model_copy(update={"retry_total_seconds": 0.4})
    processor = Answering(lambda name, _: Transient("origin answers 503") if name == "m1" else echo(name))
    with running(bus, processor, settings):
        until(lambda: committed(bus) == 3)
    (letter,) = letters(bus)
    assert (letter.reason, letter.origin) == ("gave_up", "segments/0/1")
    assert letter.attempts == processor.attempts["m1"] >= 3
    assert "origin answers 503" in letter.message
    assert outputs(bus) == ["m0", "m2"]


def test_a_service_that_is_away_is_waited_for_beyond_every_deadline_and_said_once(caplog):
    bus = bus_with(names(5))
    is_away = away_for(1.0)
    settings = QUICK.model_copy(update={"retry_total_seconds": 0.1})
    processor = Answering(lambda name, _: Unavailable("Redis refuses connections") if is_away() else echo(name))
    with caplog.at_level(logging.INFO), running(bus, processor, settings):
        until(lambda: committed(bus) == 5)
    assert outputs(bus) == names(5)
    assert letters(bus) == []
    assert caplog.text.count("Redis refuses connections") == 1
    assert caplog.text.count("is back") == 1


def test_poison_goes_to_the_dead_letters_with_its_bytes_and_good_messages_go_on():
    bus, counting = bus_with([b"good", b"\xffpoison", b"fine"]), Counting()
    processor = Answering(lambda name, _: Damaged("no picture", "libav said so") if "poison" in name else echo(name))
    with running(bus, processor, observer=counting):
        until(lambda: committed(bus) == 3)
    (letter,) = letters(bus)
    assert base64.b64decode(letter.original_base64) == b"\xffpoison"
    assert (letter.reason, letter.detail, letter.origin) == ("damaged", "libav said so", "segments/0/1")
    assert outputs(bus) == ["fine", "good"]
    assert counting.reasons == ["damaged"]


def test_an_error_that_is_raised_by_start_is_an_answer_too():
    bus = bus_with(names(2))

    def fail(name, attempt):
        raise Damaged("no picture")

    with running(bus, Answering(fail)):
        until(lambda: committed(bus) == 2)
    assert len(letters(bus)) == 2


def test_a_message_is_not_finished_before_its_dead_letter_is_stored():
    bus, gate = bus_with(names(1)), threading.Event()
    producer = FailingProducer(bus, lambda _: None if gate.is_set() else Unavailable("no leader"))
    with running(bus, Answering(lambda *_: Damaged("no picture")), producer=producer):
        time.sleep(0.4)
        assert committed(bus) == 0
        gate.set()
        until(lambda: committed(bus) == 1)
    assert len(letters(bus)) == 1


def test_too_great_a_share_of_dead_letters_stops_and_leaves_the_rest():
    bus = bus_with(names(100))
    settings = QUICK.model_copy(update={"dead_least": 10, "dead_window": 20, "in_flight": 1})
    run = Run(bus, Answering(lambda *_: Damaged("no picture")), settings)
    with pytest.raises(TooManyRejected, match="10 of the last 10 messages were rejected"):
        run.wait()
    assert len(letters(bus)) == 9
    assert committed(bus) == 9


def test_a_bug_stops_the_runner_with_nothing_committed_past_it():
    bus = bus_with(names(20))
    run = Run(bus, Answering(lambda name, _: ZeroDivisionError("oops") if name == "m7" else echo(name)))
    with pytest.raises(Bug, match="segments/0/7 failed with ZeroDivisionError: oops") as caught:
        run.wait()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert committed(bus) == 7
    assert letters(bus) == []


def test_an_answer_given_twice_is_a_bug():
    bus, held = bus_with(names(2)), Held()
    run = Run(bus, held)
    until(lambda: len(held.open) == 2)
    answer = held.open["m1"]
    answer(Transient("once"))
    answer(Done())
    with pytest.raises(Bug, match="answered twice"):
        run.wait()
    assert committed(bus) == 0


def test_an_error_for_the_user_is_raised_as_it_is():
    bus = bus_with(names(1))
    run = Run(bus, Answering(lambda *_: Done((Publication("nowhere", None, b""),))))
    with pytest.raises(UsageError, match="there is no topic 'nowhere'") as caught:
        run.wait()
    assert caught.value.__notes__ == ["while working on segments/0/0, which is not committed"]


def test_a_stop_finishes_what_is_in_flight_and_commits_it(caplog):
    bus, held = bus_with(names(20)), Held(room=4)
    with caplog.at_level(logging.INFO):
        run = Run(bus, held, QUICK.model_copy(update={"commit_seconds": 1000.0, "drain_seconds": 60.0}))
        until(lambda: len(held.open) == 4)
        run.stop.set()
        until(lambda: "Stopping: finishing 4 messages" in caplog.text)
        for name in list(held.open):
            held.answer(name, echo(name))
        run.end()
    assert len(held.started) == 4
    assert held.is_closed
    assert committed(bus) == 4
    assert outputs(bus) == names(4)


def test_a_retry_that_is_due_in_time_is_finished_by_a_stop():
    bus = bus_with(names(3))
    processor = Answering(lambda name, attempt: Transient("not yet") if attempt < 4 else echo(name))
    run = Run(bus, processor, QUICK.model_copy(update={"retry_most_seconds": 0.05}))
    until(lambda: processor.attempts["m2"])
    run.end()
    assert committed(bus) == 3


def test_what_is_not_finished_in_time_is_left_and_counted(caplog):
    bus, held = bus_with(names(3)), Held()
    run = Run(bus, held, QUICK.model_copy(update={"drain_seconds": 0.2}))
    until(lambda: len(held.open) == 3)
    held.answer("m0")
    with caplog.at_level(logging.WARNING):
        run.end()
    assert committed(bus) == 1
    assert "Stopped with 2 messages unfinished" in caplog.text
    held.answer("m1", echo("m1"))
    assert outputs(bus) == []


class Stuck(ConsumerAround):
    """Gives nothing of partition 0, and claims that it lags."""

    def poll(self, timeout_seconds, most):
        self.inner.poll(0.0, 0)  # a rebalance forgets pauses, so it must come before
        self.inner.pause([Partition(TOPIC, 0)])
        return super().poll(timeout_seconds, most)


def test_a_partition_that_stands_still_is_given_a_fresh_consumer(caplog, monkeypatch):
    bus = bus_with(names(20), partitions=2)
    made = []
    # Time goes by in polls that bring nothing, and only there: a slow machine alone lets nothing stand still.
    moments = [0.0]
    monkeypatch.setattr(runner, "time", SimpleNamespace(monotonic=lambda: moments[-1]))

    class Timed(ConsumerAround):
        def poll(self, timeout_seconds, most):
            messages = super().poll(timeout_seconds, most)
            if not messages and timeout_seconds > 0:
                moments.append(moments[-1] + 0.1)
            return messages

    def factory(listener):
        consumer = Timed(bus.consumer(GROUP, [TOPIC], listener))
        made.append(consumer if made else Stuck(consumer))
        return made[-1]

    settings = QUICK.model_copy(update={"still_seconds": 0.3})
    with (
        caplog.at_level(logging.WARNING),
        running(bus, Answering(lambda name, _: echo(name)), settings, factory=factory),
    ):
        until(lambda: bus.unread(GROUP, TOPIC) == 0)
    assert len(made) == 2
    assert "segments/0 stand still" in caplog.text
    assert outputs(bus) == sorted(names(20))


def test_a_partition_that_stands_still_for_the_third_time_stops_the_runner():
    bus = bus_with(names(20), partitions=2)
    settings = QUICK.model_copy(update={"still_seconds": 0.1})
    run = Run(
        bus,
        Answering(lambda name, _: echo(name)),
        settings,
        factory=lambda listener: Stuck(bus.consumer(GROUP, [TOPIC], listener)),
    )
    with pytest.raises(StandsStill, match="segments/0"):
        run.wait()


def test_the_observer_sees_lag_only_of_partitions_that_are_ours():
    bus, held, counting = bus_with(names(30), partitions=2), Held(), Counting()
    run = Run(bus, held, QUICK.model_copy(update={"drain_seconds": 0.0}), observer=counting)
    until(lambda: sum(counting.lags.values()) == 30 - QUICK.in_flight)
    run.end()
    assert counting.lags == {}


def test_the_package_is_imported_without_a_kafka_client():
    script = "import sys, pipeline.stream as s; s.LocalBus; s.Runner; assert 'kafka' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_messages_that_arrive_later_are_dealt_with():
    bus = bus_with()
    with running(bus, Answering(lambda name, _: echo(name))):
        time.sleep(0.2)
        send(bus, names(3))
        until(lambda: committed(bus) == 3)
