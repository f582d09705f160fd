"""The whole service in one process: feed, worker and series over a bus and a Redis of its own, kept in one folder."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from pipeline.ingest import Fetcher
from pipeline.observe.ingest import IngestMetrics
from pipeline.observe.points import PointMetrics
from pipeline.observe.scoring import ScoringMetrics
from pipeline.series import EmbeddedRedis, Link, SeriesQueries, SeriesStore
from pipeline.settings import RedisSettings, Settings
from pipeline.stream.local import LocalBus
from pipeline.stream.protocol import Answer, Done, Message, Partition, Processor
from pipeline.stream.runner import Runner
from pipeline.stream.topics import Topics
from schemas import DeadLetter
from workers.service.announce import Announcer, Tally
from workers.service.announced import Announced
from workers.service.events import parse
from workers.service.feed import Feed, FeedOptions
from workers.service.live import follow
from workers.service.outbox import Patient
from workers.service.pictures import keeping
from workers.service.process import Loop, Process
from workers.service.series_writer import SeriesProcessor
from workers.service.sink import BusSink
from workers.service.stack import ScoringOptions, processor_of, scoring

WORKERS, SERIES, LETTERS = "workers", "series", "letters"
_LOOK_SECONDS = 0.2
_MOST_LETTERS = 10_000


@dataclass(frozen=True, slots=True)
class Standing:
    """How far it is."""

    streams: tuple[str, ...]

    announced: int
    """Segments, in this run."""
    known: int
    """Segments that an earlier run announced."""
    left: int
    """Segments that are not scored yet."""
    is_fed: bool
    """Whether everything was announced, so that `left` can reach 0 for good."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a watch came to."""

    streams: tuple[str, ...]
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
    page: bool = False,
    seconds: float | None = None,
) -> Watched:
    """Score everything that the inputs name into Redis; return when all is done or SIGTERM came. Live streams go on.

    Args:
        state: The folder that a later run goes on from.
        redis_url: A Redis that is there; None: one of our own in `state`.
        again: Score also what was scored before.
        page: Serve the page and the API meanwhile, as `ApiSettings` say.
        seconds: Stop after so long; None: at the end, or when asked to.

    Raises:
        UsageError: The folder, the Redis or the model cannot be used.
    """
    state.mkdir(parents=True, exist_ok=True)
    topics = Topics(settings.kafka.prefix)
    source = f"rungwatch/watch/{os.getpid()}"
    with ExitStack() as stack:
        process = stack.enter_context(Process(settings.service))
        link, redis = stack.enter_context(_redis(settings.redis, state, redis_url))
        bus = stack.enter_context(closing(LocalBus(state / "bus.sqlite")))
        fetcher = stack.enter_context(Fetcher(settings.fetch))
        metrics = ScoringMetrics(process.metrics)
        display.say("loading the model")
        pictures = stack.enter_context(keeping(link, redis, settings.pictures, metrics))
        made = stack.enter_context(scoring(settings, options, fetcher, metrics, pictures=pictures))
        identity = f"{made.model.name}@{made.model.weights_hash}"
        process.metrics.model(identity)
        decides = (identity, options.sampler, options.model.hide_stream, feed_options, redis_url, again and time.time())
        known = stack.enter_context(closing(Announced(state / "announced.sqlite", str(decides))))

        letters = _Letters(display)
        processors: dict[str, tuple[Processor, tuple[str, ...]]] = {
            WORKERS: (
                processor_of(made, topics, bus.producer(), "watch", metrics),
                (topics.segments,),
            ),
            SERIES: (
                SeriesProcessor(
                    SeriesStore(link, redis), skipped_topic=topics.skipped, observer=PointMetrics(process.metrics)
                ),
                (topics.scores, topics.skipped, topics.findings),
            ),
            LETTERS: (letters, (topics.dead_letters,)),
        }
        bus.create(topic for _, read in processors.values() for topic in read)
        loops: dict[str, Loop] = {}
        for name, (processor, read) in processors.items():
            bus.consumer(name, read, _Aside()).close()  # known before the first event, so that nothing is dropped
            loops[name] = Runner(
                partial(bus.consumer, name, read),
                bus.producer(),
                processor,
                settings.bus,
                topics.dead_letters,
                process.observer(name),
            ).run

        watching = _Watching(bus, {name: read for name, (_, read) in processors.items()}, display, link, redis)
        following = IngestMetrics(process.metrics)
        sink = BusSink(Patient(bus.producer()), topics, source, known, display.say, following)
        announcer = Announcer(bus.producer(), topics, source, known)
        feed = Feed(settings, fetcher, made.pool, feed_options)

        def announce(stop: threading.Event) -> None:
            announcer.announce(feed.read(inputs), display.say, stop, watching.tally)
            watching.sink = sink
            live = watching.tally.live
            follow(settings, fetcher, live, feed_options, sink, ends=True, known=known, observer=following).run(stop)
            watching.is_fed = not stop.is_set()

        if page:
            from workers.service.serve import listen, loops_of, url_of  # noqa: PLC0415 - most watches serve nothing

            listener = stack.enter_context(closing(listen(settings.api)))
            loops |= loops_of(settings.model_copy(update={"redis": redis}), process, link, listener)
            display.say(f"the page: {url_of(settings.api, listener)}")
        if seconds is not None:
            loops["timer"] = partial(_after, seconds)
        process.run(feed=announce, watching=watching.run, **loops)
        watched = Watched(watching.streams(), tuple(letters.found), watching.is_complete)
        display.done(watched, watching.queries)
        return watched


class _Watching:
    """Shows how things stand, and ends the process when all is done."""

    def __init__(
        self, bus: LocalBus, reads: dict[str, tuple[str, ...]], display: Display, link: Link, redis: RedisSettings
    ) -> None:
        self._bus, self._reads, self._display = bus, reads, display
        self.queries = SeriesQueries(link, redis)
        self.tally = Tally()
        self.sink: BusSink | None = None
        self.is_fed = False
        self.is_complete = False

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(_LOOK_SECONDS):
            is_fed = self.is_fed  # before the count: what is announced in between is counted
            left = {name: sum(self._bus.unread(name, topic) for topic in read) for name, read in self._reads.items()}
            announced = self.tally.announced + (self.sink.announced if self.sink else 0)
            known = self.tally.known + (self.sink.repeated if self.sink else 0)
            self._display.standing(Standing(self.streams(), announced, known, left[WORKERS], is_fed), self.queries)
            if is_fed and not any(left.values()):
                self.is_complete = True
                stop.set()

    def streams(self) -> tuple[str, ...]:
        found = [stream.ladder.stream_id for stream in self.tally.streams]
        return (*found, *(live.stream_id for live in self.tally.live))


class _Letters:
    """Implements `Processor`: hands dead letters on as they come."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self.found: deque[DeadLetter] = deque(maxlen=_MOST_LETTERS)

    def room(self) -> int:
        return 1000

    def start(self, message: Message, answer: Callable[[Answer], None]) -> None:
        letter = parse(DeadLetter, message)
        self.found.append(letter)
        self._display.letter(letter)
        answer(Done())

    def close(self) -> None: ...


class _Aside:
    """Implements `Rebalance` for whoever reads nothing."""

    def assigned(self, partitions: Iterable[Partition]) -> None: ...

    def revoked(self, partitions: Iterable[Partition]) -> None: ...

    def lost(self, partitions: Iterable[Partition]) -> None: ...


def _after(seconds: float, stop: threading.Event) -> None:
    stop.wait(seconds)
    stop.set()


@contextmanager
def _redis(settings: RedisSettings, state: Path, url: str | None) -> Iterator[tuple[Link, RedisSettings]]:
    with ExitStack() as stack:
        where = url or stack.enter_context(EmbeddedRedis(state / "redis")).url
        settings = settings.model_copy(update={"url": SecretStr(where)})
        link = stack.enter_context(closing(Link(settings)))
        yield link, settings
