"""Publishes the events of a feed, and what could not be read as dead letters."""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Protocol

from pipeline.clips import work
from pipeline.decode.isolate import IsolatedPool
from pipeline.ingest import Fetcher
from pipeline.observe.traces import tracing
from pipeline.settings import Settings
from pipeline.stream.protocol import Producer
from pipeline.stream.topics import Topics
from schemas import SegmentReady
from workers.failed import Failed, dead_letter
from workers.service.events import publication
from workers.service.feed import Feed, FeedOptions, Item, Live, Opened
from workers.service.outbox import OneShot
from workers.service.tracing import traced_producer


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
    live: list[Live] = field(default_factory=list)
    """Found, and to be followed."""


class Announcer:
    """Publishes what a feed yields."""

    def __init__(self, producer: Producer, topics: Topics, source: str, known: Known | None = None) -> None:
        self._outbox = OneShot(producer)
        self._topics, self._source, self._known = topics, source, known

    def announce(
        self,
        items: Iterable[Item],
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
                self._outbox.send(publication(self._topics.dead_letters, dead_letter(item), self._source))
            elif isinstance(item, Live):
                tally.live.append(item)
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

        with (
            tracing(settings.traces, "rungwatch-ingest", version("rungwatch")) as traces,
            closing(traced_producer(KafkaBusProducer(settings.kafka), traces)) as producer,
        ):
            source = f"rungwatch/ingest/{socket.gethostname()}/{os.getpid()}"
            announcer = Announcer(producer, Topics(settings.kafka.prefix), source)
            tally = Tally()
            announcer.announce(items, say, threading.Event(), tally)
            return tally


def _shown(items: Iterable[Item], say: Callable[[str], None], show: Callable[[str], None]) -> Tally:
    tally = Tally()
    for item in items:
        if isinstance(item, Opened):
            tally.streams.append(item)
            say(opened(item))
        elif isinstance(item, Failed):
            tally.failed.append(item)
        elif isinstance(item, Live):
            tally.live.append(item)
        else:
            show(item.model_dump_json(exclude_none=True))
            tally.announced += 1
    return tally
