"""The whole service in one process: feed, worker and series over a bus and a Redis of its own, kept in one folder."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from pipeline.ingest import Fetcher
from pipeline.observe.points import PointMetrics
from pipeline.observe.scoring import ScoringMetrics
from pipeline.series import EmbeddedRedis, Link, SeriesQueries, SeriesStore
from pipeline.settings import RedisSettings, Settings
from pipeline.stream.local import LocalBus
from pipeline.stream.protocol import Answer, Done, Message, Processor
from pipeline.stream.runner import Runner
from pipeline.stream.topics import Topics
from schemas import DeadLetter
from workers.service.announce import Announcer, Tally
from workers.service.announced import Announced
from workers.service.events import parse
from workers.service.feed import Feed, FeedOptions
from workers.service.process import Process
from workers.service.scoring_processor import ScoringProcessor
from workers.service.series_writer import SeriesProcessor
from workers.service.stack import ScoringOptions, scoring

log = logging.getLogger(__name__)

WORKERS, SERIES, LETTERS = "workers", "series", "letters"
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Standing:
    """How far it is."""

    tally: Tally
    left: int
    """Segments that are not scored, or not stored, yet."""
    is_fed: bool
    """Whether everything was announced, so that `left` can reach 0 for good."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a watch came to."""

    tally: Tally
    letters: tuple[DeadLetter, ...]
    """What could not be scored, in this run."""
    is_complete: bool
    """False: it was stopped before; the same command goes on."""


class Display:
    """What is shown meanwhile; this one shows nothing."""

    def say(self, text: str) -> None: ...

    def letter(self, letter: DeadLetter) -> None: ...

    def standing(self, standing: Standing, queries: SeriesQueries) -> None: ...

    def done(self, watched: Watched, queries: SeriesQueries) -> None: ...


def run_watch(
    settings: Settings,
    inputs: Sequence[str],
    feed_options: FeedOptions,
    options: ScoringOptions,
    *,
    state: Path,
    redis_url: str | None,
    again: bool,
    display: Display,
) -> Watched:
    """Score everything that the inputs name into Redis, and return when that is done or SIGTERM came.

    Args:
        state: The folder that a later run goes on from.
        redis_url: A Redis that is there; None: one of our own in `state`.
        again: Score also what was scored before.

    Raises:
        UsageError: The folder, the Redis or the model cannot be used.
    """
    state.mkdir(parents=True, exist_ok=True)
    topics = Topics(settings.kafka.prefix)
    with ExitStack() as stack:
        process = stack.enter_context(Process(settings.service))
        link, redis = stack.enter_context(_redis(settings.redis, state, redis_url))
        bus = stack.enter_context(closing(LocalBus(state / "bus.sqlite")))
        bus.create((topics.segments, topics.scores, topics.skipped, topics.dead_letters))
        fetcher = stack.enter_context(Fetcher(settings.fetch))
        metrics = ScoringMetrics(process.metrics)
        display.say("loading the model")
        made = stack.enter_context(scoring(settings, options, fetcher, metrics))
        identity = f"{made.model.name}@{made.model.weights_hash}"
        process.metrics.model(identity)
        salt = f"{identity} {options.sampler} {options.model.hide_stream} {redis_url or ''}"
        known = stack.enter_context(closing(Announced(state / "announced.sqlite", salt)))
        queries = SeriesQueries(link, redis)

        letters: list[DeadLetter] = []
        processors: dict[str, Processor] = {
            WORKERS: ScoringProcessor(
                made.engine,
                threads=made.threads,
                scores_topic=topics.scores,
                skipped_topic=topics.skipped,
                source=f"rungwatch/watch/{os.getpid()}",
                observer=metrics,
            ),
            SERIES: SeriesProcessor(
                SeriesStore(link, redis), skipped_topic=topics.skipped, observer=PointMetrics(process.metrics)
            ),
            LETTERS: _Letters(letters, display),
        }
        reads = {
            WORKERS: (topics.segments,),
            SERIES: (topics.scores, topics.skipped),
            LETTERS: (topics.dead_letters,),
        }
        loops = {
            name: Runner(
                lambda listener, name=name: bus.consumer(name, reads[name], listener),  # type: ignore[misc]
                bus.producer(),
                processor,
                settings.bus,
                topics.dead_letters,
                process.observer(name),
            ).run
            for name, processor in processors.items()
        }
        for name, group_topics in reads.items():  # known to the bus before the first event, so that nothing is dropped
            _join(bus, name, group_topics)
        feed = Feed(settings, fetcher, made.pool, feed_options)
        announcer = Announcer(bus.producer(), topics, f"rungwatch/watch/{os.getpid()}", None if again else known)
        watching = _Watching(bus, reads, display, queries)

        def announce(stop: threading.Event) -> None:
            announcer.announce(feed.read(inputs), display.say, stop, watching.tally)
            watching.is_fed = not stop.is_set()

        process.run(feed=announce, watching=watching.run, **loops)
        watched = Watched(watching.tally, tuple(letters), watching.is_complete)
        display.done(watched, queries)
        return watched


class _Watching:
    """Shows how things stand, and ends the process when all is done."""

    def __init__(
        self, bus: LocalBus, reads: dict[str, tuple[str, ...]], display: Display, queries: SeriesQueries
    ) -> None:
        self._bus, self._reads, self._display, self._queries = bus, reads, display, queries
        self.tally = Tally()
        self.is_fed = False
        self.is_complete = False

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(_LOOK_SECONDS):
            is_fed = self.is_fed  # before the count: what is announced in between is counted
            left = sum(self._bus.unread(group, topic) for group, topics in self._reads.items() for topic in topics)
            self._display.standing(Standing(self.tally, left, is_fed), self._queries)
            if is_fed and left == 0:
                self.is_complete = True
                stop.set()


class _Letters:
    """Implements `Processor`: hands dead letters on as they come."""

    def __init__(self, letters: list[DeadLetter], display: Display) -> None:
        self._letters, self._display = letters, display

    def room(self) -> int:
        return 1000

    def start(self, message: Message, answer: Callable[[Answer], None]) -> None:
        letter = parse(DeadLetter, message)
        self._letters.append(letter)
        self._display.letter(letter)
        answer(Done())

    def close(self) -> None: ...


class _Nobody:
    def assigned(self, partitions: object) -> None: ...

    def revoked(self, partitions: object) -> None: ...

    def lost(self, partitions: object) -> None: ...


def _join(bus: LocalBus, group: str, topics: tuple[str, ...]) -> None:
    bus.consumer(group, topics, _Nobody()).close()


@contextmanager
def _redis(settings: RedisSettings, state: Path, url: str | None) -> Iterator[tuple[Link, RedisSettings]]:
    with ExitStack() as stack:
        if url is None:
            embedded = stack.enter_context(EmbeddedRedis(state / "redis"))
            settings = settings.model_copy(update={"url": SecretStr(embedded.url)})
        link = stack.enter_context(closing(Link(settings)))
        yield link, settings
