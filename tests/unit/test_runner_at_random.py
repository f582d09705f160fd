"""Whatever happens in whatever order: everything is finished, and nothing is committed that is not."""

import random
import threading
import time

import pytest
from bus_scene import (
    DEAD,
    GROUP,
    OUTPUT,
    QUICK,
    TOPIC,
    ConsumerAround,
    Run,
    bus_with,
    echo,
    read,
    until,
)

from pipeline.errors import Damaged, Transient, Unavailable
from schemas import DeadLetter

MESSAGES = 150
SETTINGS = QUICK.model_copy(update={"in_flight": 12, "dead_share": 1.0, "retry_first_seconds": 0.01})


class Crash(BaseException):
    """Ends a runner as a power cut would: nothing is committed after it, and nobody is told."""


class Crashing(ConsumerAround):
    """Checks every commit, and crashes when the test says so."""

    def __init__(self, inner, crash, stored, wrong):
        super().__init__(inner)
        self.crash = crash
        self._stored = stored
        self._wrong = wrong

    def poll(self, timeout_seconds, most):
        if self.crash.is_set():
            raise Crash
        return super().poll(timeout_seconds, most)

    def commit(self, offsets):
        if self.crash.is_set():
            return
        for partition, offset in offsets.items():
            missing = set(range(offset)) - self._stored.get(partition, set())
            if missing:
                self._wrong.append((partition, offset, missing))
        super().commit(offsets)

    def close(self):
        if not self.crash.is_set():
            super().close()


class Random:
    """Answers from threads, late, in any order, with any fate."""

    def __init__(self, seed):
        self._chance = random.Random(seed)
        self._places = self._chance.choice((2, 5, 30))
        self._open = 0
        self._lock = threading.Lock()

    def room(self):
        return self._places - self._open

    def start(self, message, answer):
        with self._lock:
            self._open += 1
        timer = threading.Timer(self._chance.random() ** 3 * 0.1, self._answer, (message, answer))
        timer.daemon = True
        timer.start()

    def _answer(self, message, answer):
        name = message.value.decode()
        with self._lock:
            self._open -= 1
            fate = self._chance.random()
        if fate < 0.1:
            answer(Transient("not now"))
        elif fate < 0.2:
            answer(Unavailable("away"))
        else:
            answer(Damaged("no picture") if name.endswith("7") else echo(name))

    def close(self):
        pass


class Recording:
    """A producer that notes which messages are dealt with, and fails now and then."""

    def __init__(self, bus, seed, stored, places):
        self._producer = bus.producer()
        self._chance = random.Random(seed)
        self._stored = stored
        self._places = places

    def send(self, publication, done):
        if self._chance.random() < 0.1:
            done(Unavailable("no leader"))
            return

        def noted(error):
            if error is None:
                name = (
                    publication.value.decode()
                    if publication.topic == OUTPUT
                    else self._places[DeadLetter.model_validate_json(publication.value).origin]
                )
                partition, offset = self._places[name]
                self._stored.setdefault(partition, set()).add(offset)
            done(error)

        self._producer.send(publication, noted)

    def flush(self, timeout_seconds):
        pass

    def close(self):
        pass


@pytest.mark.parametrize("seed", range(6))
def test_everything_is_finished_and_nothing_is_committed_before(seed):
    chance = random.Random(seed)
    names = [f"m{number}" for number in range(MESSAGES)]
    bus = bus_with(names, partitions=4, session_seconds=0.6)
    places = {}
    for message in read(bus, TOPIC):
        places[message.value.decode()] = (message.partition, message.offset)
        places[message.origin] = message.value.decode()
    stored, wrong, runs = {}, [], []

    def begin():
        crash = threading.Event()

        def factory(listener):
            return Crashing(bus.consumer(GROUP, [TOPIC], listener), crash, stored, wrong)

        producer = Recording(bus, chance.random(), stored, places)
        runs.append((Run(bus, Random(chance.random()), SETTINGS, producer, factory), crash))

    begin()
    end = time.monotonic() + 4.0
    while bus.unread(GROUP, TOPIC) and time.monotonic() < end:
        time.sleep(chance.random() * 0.3)
        if len(runs) < 3 and chance.random() < 0.6:
            begin()
        elif runs and chance.random() < 0.7:
            run, crash = runs.pop(chance.randrange(len(runs)))
            if chance.random() < 0.5:
                crash.set()
                with pytest.raises(Crash):
                    run.wait()
            else:
                run.end()
    if not runs:
        begin()
    try:
        until(lambda: bus.unread(GROUP, TOPIC) == 0, 60)
    finally:
        for run, _ in runs:
            run.end()
    assert wrong == []
    assert sum(map(len, stored.values())) == MESSAGES
    assert {message.value.decode() for message in read(bus, OUTPUT)} == {n for n in names if not n.endswith("7")}
    assert len({message.value for message in read(bus, DEAD)}) >= sum(n.endswith("7") for n in names)
