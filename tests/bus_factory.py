"""Both buses behind one face, and what tests of a bus say often: publish, read, wait."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from pipeline.settings import KafkaSettings
from pipeline.stream.kafka import KafkaBusConsumer, KafkaBusProducer, create
from pipeline.stream.local import LocalBus
from pipeline.stream.protocol import Consumer, Message, Partition, Producer, Publication, Rebalance
from pipeline.stream.topics import TopicPlan

PARTITIONS = 4
PATIENCE_SECONDS = 60.0
"""For a condition that comes within a second or two on an idle machine."""


class Bus(Protocol):
    def create(self, topics: Iterable[str]) -> None: ...

    def consumer(self, group: str, topics: Iterable[str], listener: Rebalance) -> Consumer: ...

    def producer(self) -> Producer: ...


class KafkaBus:
    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def create(self, topics: Iterable[str]) -> None:
        create(self._settings, [TopicPlan(name, PARTITIONS, 3600) for name in topics])

    def consumer(self, group: str, topics: Iterable[str], listener: Rebalance) -> Consumer:
        return KafkaBusConsumer(self._settings, group, tuple(topics), listener)

    def producer(self) -> Producer:
        return KafkaBusProducer(self._settings)


def local_bus() -> Bus:
    return LocalBus(partitions=PARTITIONS)


class Listener:
    """Keeps what it was told, and by which thread."""

    def __init__(self, when_revoked: Callable[[], None] = lambda: None) -> None:
        self.told: list[tuple[str, frozenset[Partition]]] = []
        self.threads: set[int] = set()
        self.outside = 0
        """Calls while nobody polled or closed."""
        self.is_inside = False
        self._when_revoked = when_revoked

    def assigned(self, partitions: Iterable[Partition]) -> None:
        self._note("assigned", partitions)

    def revoked(self, partitions: Iterable[Partition]) -> None:
        self._note("revoked", partitions)
        self._when_revoked()

    def lost(self, partitions: Iterable[Partition]) -> None:
        self._note("lost", partitions)

    def verbs(self) -> list[str]:
        """The calls that had partitions, in order."""
        return [verb for verb, partitions in self.told if partitions]

    def _note(self, verb: str, partitions: Iterable[Partition]) -> None:
        self.told.append((verb, frozenset(partitions)))
        self.threads.add(threading.get_ident())
        self.outside += not self.is_inside


class Reader:
    """One member: a consumer, its listener, and all that it has read."""

    def __init__(self, bus: Bus, group: str, topic: str, listener: Listener | None = None) -> None:
        self.listener = listener or Listener()
        self.consumer = bus.consumer(group, [topic], self.listener)
        self.read: list[Message] = []

    def poll(self, seconds: float = 0.1, most: int = 500) -> list[Message]:
        self.listener.is_inside = True
        try:
            messages = self.consumer.poll(seconds, most)
        finally:
            self.listener.is_inside = False
        self.read += messages
        return messages

    def commit(self) -> None:
        """Commit all that was read."""
        self.consumer.commit(ends(self.read))

    def values(self) -> list[bytes]:
        return [message.value for message in self.read]

    def close(self) -> None:
        self.listener.is_inside = True
        try:
            self.consumer.close()
        finally:
            self.listener.is_inside = False


class Scene:
    """A bus with one topic of its own, whose readers are closed at the end."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.topic = fresh_name()
        self.group = fresh_name()
        bus.create([self.topic])
        self.producer = bus.producer()
        self._readers: list[Reader] = []

    def reader(self, listener: Listener | None = None) -> Reader:
        """Return a new member of the scene's group."""
        self._readers.append(Reader(self.bus, self.group, self.topic, listener))
        return self._readers[-1]

    def publish(self, *items: tuple[str | None, bytes]) -> None:
        """Store messages (key, value), and return when they are stored."""
        outcomes: list[Exception | None] = []
        for key, value in items:
            self.producer.send(Publication(self.topic, key, value), outcomes.append)
        self.producer.flush(PATIENCE_SECONDS)
        assert outcomes == [None] * len(items)

    def close(self) -> None:
        for reader in self._readers:
            reader.close()
        self.producer.close()


@contextmanager
def scene_on(bus: Bus) -> Iterator[Scene]:
    scene = Scene(bus)
    try:
        yield scene
    finally:
        scene.close()


def fresh_name() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


def numbered(count: int, keys: int = 16) -> list[tuple[str | None, bytes]]:
    """Return messages whose values count up, over keys enough for every partition to get some."""
    return [(f"stream-{number % keys}", str(number).encode()) for number in range(count)]


def ends(messages: Iterable[Message]) -> dict[Partition, int]:
    """Return per partition the offset after the last of the messages."""
    return {message.partition: message.offset + 1 for message in messages}


def poll_until(condition: Callable[[], bool], *readers: Reader) -> None:
    """Poll the readers in turn until the condition holds."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, [reader.listener.told for reader in readers]
        for reader in readers:
            reader.poll()


def share(reader: Reader) -> frozenset[Partition]:
    return reader.consumer.assignment()


def share_evenly(*readers: Reader) -> None:
    """Poll until the readers own all partitions, each as many."""
    each = PARTITIONS // len(readers)
    poll_until(lambda: all(len(share(reader)) == each for reader in readers), *readers)
