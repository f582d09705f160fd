"""What a runner does where the bus takes no publication, no commit, or is away."""

import logging
import threading

from bus_scene import (
    GROUP,
    OUTPUT,
    TOPIC,
    Answering,
    ConsumerAround,
    FailingProducer,
    away_for,
    bus_with,
    committed,
    echo,
    letters,
    names,
    outputs,
    running,
    until,
)

from pipeline.errors import Damaged, LimitExceeded, Unavailable
from pipeline.stream import Done, Publication


def test_a_publication_that_fails_does_not_finish_its_message():
    bus, gate = bus_with(names(3)), threading.Event()
    tried = []

    def failure(publication):
        tried.append(publication.value)
        return None if gate.is_set() or publication.value != b"m1" else Unavailable("no leader for scores/0")

    processor = Answering(lambda name, _: echo(name))
    with running(bus, processor, producer=FailingProducer(bus, failure)):
        until(lambda: tried.count(b"m1") >= 3)
        until(lambda: committed(bus) == 1)
        gate.set()
        until(lambda: committed(bus) == 3)
    assert outputs(bus) == names(3)
    assert processor.attempts["m1"] == 1


def test_of_several_publications_only_the_failed_one_is_repeated():
    bus, failures = bus_with(names(1)), [Unavailable("no leader")]
    producer = FailingProducer(bus, lambda p: failures.pop() if p.value == b"two" and failures else None)
    three = Done(tuple(Publication(OUTPUT, "key", value) for value in (b"one", b"two", b"three")))
    with running(bus, Answering(lambda *_: three), producer=producer):
        until(lambda: committed(bus) == 1)
    assert outputs(bus) == ["one", "three", "two"]


def test_a_publication_that_the_bus_will_never_take_rejects_its_message():
    bus = bus_with(names(1))
    producer = FailingProducer(bus, lambda p: LimitExceeded("2 MB is over 1 MB") if p.topic == OUTPUT else None)
    with running(bus, Answering(lambda name, _: echo(name)), producer=producer):
        until(lambda: committed(bus) == 1)
    assert [letter.reason for letter in letters(bus)] == ["limit_exceeded"]


def test_a_letter_too_large_for_its_topic_is_kept_without_the_original():
    bus = bus_with([b"x" * 1000])
    producer = FailingProducer(bus, lambda p: LimitExceeded("too large") if len(p.value) > 1300 else None)
    with running(bus, Answering(lambda *_: Damaged("no picture", "short")), producer=producer):
        until(lambda: committed(bus) == 1)
    (letter,) = letters(bus)
    assert letter.original_base64 is None
    assert "it is at segments/0/0" in letter.message


def test_a_bus_that_is_away_is_waited_for_and_said_once(caplog):
    bus = bus_with(names(5))
    is_away = away_for(0.6)

    class Away(ConsumerAround):
        def poll(self, timeout_seconds, most):
            if is_away():
                raise Unavailable("no broker answers")
            return super().poll(timeout_seconds, most)

    processor = Answering(lambda name, _: echo(name))
    with (
        caplog.at_level(logging.INFO),
        running(bus, processor, factory=lambda listener: Away(bus.consumer(GROUP, [TOPIC], listener))),
    ):
        until(lambda: committed(bus) == 5)
    assert caplog.text.count("no broker answers") == 1
    assert caplog.text.count("The bus is back") == 1


def test_a_commit_that_fails_is_tried_again():
    bus = bus_with(names(5))
    failures = [Unavailable("coordinator moved")] * 3

    class Away(ConsumerAround):
        def commit(self, offsets):
            if failures:
                raise failures.pop()
            super().commit(offsets)

    processor = Answering(lambda name, _: echo(name))
    with running(bus, processor, factory=lambda listener: Away(bus.consumer(GROUP, [TOPIC], listener))):
        until(lambda: committed(bus) == 5)
    assert len(outputs(bus)) == 5
