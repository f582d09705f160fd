"""Scores a span of the segments topic once more, outside of every group: another model beside the old one."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from pipeline.ingest import Fetcher
from pipeline.observe.scoring import ScoringMetrics
from pipeline.settings import Settings
from pipeline.stream.kafka import KafkaBusProducer, read_range
from pipeline.stream.protocol import Message, Partition, Rebalance
from pipeline.stream.runner import Runner
from pipeline.stream.topics import Topics
from workers.models import Model
from workers.service.process import Process
from workers.service.stack import ScoringOptions, processor_of, scoring

_DRAIN_SECONDS = 3600.0  # what is at work when the span has been read is finished, however long it takes
_RECENT = 4096  # events by which a repeat in the topic is recognised


class Span:
    """Implements `Consumer` over messages that are there: it has an end, belongs to no group and commits nothing."""

    def __init__(self, messages: Iterator[Message], listener: Rebalance) -> None:
        self._messages, self._listener = messages, listener
        self._ours: set[Partition] = set()
        self._paused = False
        self.read = 0
        self.reached: datetime | None = None
        """When the last message that was read had been published."""
        self.is_over = threading.Event()

    def poll(self, timeout_seconds: float, most: int) -> list[Message]:
        if self._paused or self.is_over.is_set():
            self.is_over.wait(timeout_seconds)
            return []
        found = next(self._messages, None)
        if found is None:
            self.is_over.set()
            return []
        if found.partition not in self._ours:
            self._ours.add(found.partition)
            self._listener.assigned([found.partition])
        self.read += 1
        self.reached = datetime.fromtimestamp(found.timestamp_ms / 1000, UTC)
        return [found]

    def commit(self, offsets: Mapping[Partition, int]) -> None: ...

    def assignment(self) -> frozenset[Partition]:
        return frozenset(self._ours)

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._paused = True

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._paused = False

    def lag(self) -> dict[Partition, int]:
        return {}

    def close(self) -> None: ...


def rescore(
    settings: Settings,
    options: ScoringOptions,
    *,
    since: datetime | None,
    until: datetime | None,
    stream_id: str | None,
    say: Callable[[str], None],
    model: Model | None = None,
) -> int:
    """Publish scores of what was announced in [since, until), and return how many segments that was.

    Raises:
        UsageError: Kafka, topics or model are not as the settings say.
    """
    topics = Topics(settings.kafka.prefix)
    bus = settings.bus.model_copy(update={"drain_seconds": _DRAIN_SECONDS})
    with (
        Process(settings.service) as process,
        Fetcher(settings.fetch, folders=settings.fetch.roots or (Path.cwd(),)) as fetcher,
        closing(KafkaBusProducer(settings.kafka)) as producer,
        scoring(settings, options, fetcher, metrics := ScoringMetrics(process.metrics), model) as made,
    ):
        identity = f"{made.model.name}@{made.model.weights_hash}"
        process.metrics.model(identity)
        processor = processor_of(made, topics, producer, "rescore", metrics)
        messages = _once(_of_stream(read_range(settings.kafka, topics.segments, since, until), stream_id))
        spans: list[Span] = []

        def consumer(listener: Rebalance) -> Span:
            spans.append(Span(messages, listener))
            return spans[-1]

        def end(stop: threading.Event) -> None:
            while not stop.wait(0.2):
                if spans and spans[-1].is_over.is_set():
                    stop.set()

        runner = Runner(consumer, producer, processor, bus, topics.dead_letters, process.observer("rescore"))
        say(f"rescoring with {identity}")
        process.run(rescore=runner.run, end=end)
        if spans and not spans[-1].is_over.is_set() and spans[-1].reached:
            say(f"stopped; go on with --since {spans[-1].reached.isoformat(timespec='seconds')}")
        return sum(span.read for span in spans)


def _of_stream(messages: Iterator[Message], stream_id: str | None) -> Iterator[Message]:
    return (message for message in messages if stream_id is None or message.key == stream_id)


def _once(messages: Iterator[Message]) -> Iterator[Message]:
    """Leave out what was announced twice in a row of a few thousand: it would be scored twice for nothing."""
    recent: dict[bytes, None] = {}
    for message in messages:
        if message.value in recent:
            continue
        recent[message.value] = None
        if len(recent) > _RECENT:
            del recent[next(iter(recent))]
        yield message
