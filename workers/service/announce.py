"""Publishes the events of a feed, and what could not be read as dead letters."""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.clips import work
from pipeline.decode.isolate import IsolatedPool
from pipeline.errors import Transient
from pipeline.ingest import Fetcher
from pipeline.settings import Settings
from pipeline.stream.protocol import Producer, Publication
from pipeline.stream.topics import Topics
from schemas import SegmentReady
from workers.failed import Failed, dead_letter
from workers.service.events import publication
from workers.service.feed import Feed, FeedOptions, Opened

_UNSTORED = 1000  # events that may be on their way to the bus
_FLUSH_SECONDS = 120.0


class Known(Protocol):
    """Remembers what was announced, so that a restart announces nothing twice."""

    def __contains__(self, event: SegmentReady) -> bool: ...

    def add(self, event: SegmentReady) -> None:
        """Called once the bus has stored it."""


@dataclass
class Tally:
    """What came of announcing."""

    streams: list[Opened] = field(default_factory=list)
    announced: int = 0
    known: int = 0
    """Left out, because it was announced before."""
    failed: list[Failed] = field(default_factory=list)


class Outbox:
    """Hands messages to a bus, not faster than it stores them."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._room = threading.Semaphore(_UNSTORED)
        self._error: Exception | None = None

    def send(self, sent: Publication, stored: Callable[[], None] = lambda: None) -> None:
        """Publish one message; `stored` is called, from any thread, once it is. Raises Transient where one was not."""
        self._check()
        self._room.acquire()

        def done(error: Exception | None) -> None:
            if error is None:
                stored()
            else:
                self._error = error
            self._room.release()

        self._producer.send(sent, done)

    def flush(self) -> None:
        """Wait until everything is stored. Raises Transient where something was not."""
        self._producer.flush(_FLUSH_SECONDS)
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise Transient(
                f"not everything was published: {self._error}; run the same again, publishing twice is harmless"
            ) from self._error


def publish_all(producer: Producer, publications: Iterable[Publication]) -> int:
    """Publish messages and return how many they were. Raises Transient where the bus does not store them."""
    outbox, count = Outbox(producer), 0
    for sent in publications:
        outbox.send(sent)
        count += 1
    outbox.flush()
    return count


class Announcer:
    """Publishes what a feed yields."""

    def __init__(self, producer: Producer, topics: Topics, source: str, known: Known | None = None) -> None:
        self._outbox = Outbox(producer)
        self._topics, self._source, self._known = topics, source, known

    def announce(
        self,
        items: Iterable[Opened | SegmentReady | Failed],
        say: Callable[[str], None],
        stop: threading.Event,
        tally: Tally,
    ) -> None:
        """Publish everything, or up to `stop`, and count it. Raises Transient where the bus does not store it."""
        for item in items:
            if stop.is_set():
                break
            if isinstance(item, Opened):
                tally.streams.append(item)
                say(opened(item))
            elif isinstance(item, Failed):
                tally.failed.append(item)
                letter = dead_letter(item)
                value = letter.model_dump_json().encode()
                self._outbox.send(Publication(self._topics.dead_letters, letter.stream_id, value))
            elif self._known is not None and item in self._known:
                tally.known += 1
            else:
                self._outbox.send(publication(self._topics.segments, item, self._source), self._remember(item))
                tally.announced += 1
        self._outbox.flush()

    def _remember(self, event: SegmentReady) -> Callable[[], None]:
        known = self._known
        return (lambda: known.add(event)) if known is not None else (lambda: None)


def opened(stream: Opened) -> str:
    """Return one line on a stream."""
    rungs = len(stream.ladder.renditions)
    notes = f" ({'; '.join(stream.notes)})" if stream.notes else ""
    return f"{stream.ladder.stream_id}: {rungs} rendition{'s' * (rungs != 1)}, {stream.segments} segments{notes}"


def announce(
    settings: Settings,
    inputs: Sequence[str],
    options: FeedOptions,
    *,
    say: Callable[[str], None],
    show: Callable[[str], None] | None = None,
) -> Tally:
    """Announce inputs on Kafka. `show`: is given the events as JSON instead, and nothing is published."""
    with (
        Fetcher(settings.fetch) as fetcher,
        IsolatedPool(work, 1, settings.decode, lambda job: job.source.name) as pool,
    ):
        items = Feed(settings, fetcher, pool, options).read(inputs)
        if show is not None:
            return _shown(items, say, show)
        from pipeline.stream.kafka import KafkaBusProducer  # noqa: PLC0415 - not for those who only look

        with closing(KafkaBusProducer(settings.kafka)) as producer:
            source = f"rungwatch/ingest/{socket.gethostname()}/{os.getpid()}"
            announcer = Announcer(producer, Topics(settings.kafka.prefix), source)
            tally = Tally()
            announcer.announce(items, say, threading.Event(), tally)
            return tally


def _shown(
    items: Iterable[Opened | SegmentReady | Failed], say: Callable[[str], None], show: Callable[[str], None]
) -> Tally:
    tally = Tally()
    for item in items:
        if isinstance(item, Opened):
            tally.streams.append(item)
            say(opened(item))
        elif isinstance(item, Failed):
            tally.failed.append(item)
        else:
            show(item.model_dump_json(exclude_none=True))
            tally.announced += 1
    return tally
