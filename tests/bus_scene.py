"""A bus with one topic to read, processors that answer as a test wants, and a runner on a thread of its own."""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from pipeline.settings import BusSettings
from pipeline.stream import (
    Answer,
    Consumer,
    Done,
    LocalBus,
    Message,
    Observer,
    Partition,
    Processor,
    Producer,
    Publication,
    Rebalance,
    Runner,
    Unobserved,
)
from schemas import DeadLetter

TOPIC, OUTPUT, DEAD, GROUP = "segments", "scores", "dead-letters", "worker"
QUICK = BusSettings(
    in_flight=8,
    commit_seconds=0.05,
    retry_first_seconds=0.02,
    retry_most_seconds=0.1,
    retry_total_seconds=30.0,
    drain_seconds=10.0,
)


def bus_with(values: Iterable[bytes | str] = (), partitions: int = 1, session_seconds: float = 300.0) -> LocalBus:
    """Return a bus whose topic holds these values, one key each; the group is known to it."""
    bus = LocalBus(partitions=partitions, session_seconds=session_seconds)
    bus.create([TOPIC, OUTPUT, DEAD])
    bus.consumer(GROUP, [TOPIC], Listening()).close()
    send(bus, values)
    return bus


def send(bus: LocalBus, values: Iterable[bytes | str], topic: str = TOPIC) -> None:
    for number, value in enumerate(values):
        content = value.encode() if isinstance(value, str) else value
        failures: list[Exception | None] = []
        bus.producer().send(Publication(topic, f"key-{number}", content), failures.append)
        assert failures == [None]


def read(bus: LocalBus, topic: str, group: str = "reader") -> list[Message]:
    """Return what a new group finds in a topic."""
    consumer = bus.consumer(group, [topic], Listening())
    messages: list[Message] = []
    while found := consumer.poll(0.0, 1000):
        messages += found
    consumer.close()
    return messages


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition; a test that waits for long has failed."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.005)


class Listening:
    """Notes every rebalance."""

    def __init__(self) -> None:
        self.events: list[tuple[str, frozenset[int]]] = []

    def assigned(self, partitions: Iterable[Partition]) -> None:
        self._note("assigned", partitions)

    def revoked(self, partitions: Iterable[Partition]) -> None:
        self._note("revoked", partitions)

    def lost(self, partitions: Iterable[Partition]) -> None:
        self._note("lost", partitions)

    def _note(self, what: str, partitions: Iterable[Partition]) -> None:
        self.events.append((what, frozenset(partition.number for partition in partitions)))


class Held:
    """Keeps every message until the test answers it."""

    def __init__(self, room: int = 1000) -> None:
        self.places = room
        self.open: dict[str, Callable[[Answer], None]] = {}
        self.started: list[str] = []
        self.most_open = 0
        self.is_closed = False

    def room(self) -> int:
        return self.places - len(self.open)

    def start(self, message: Message, answer: Callable[[Answer], None]) -> None:
        name = message.value.decode()
        self.started.append(name)
        self.open[name] = answer
        self.most_open = max(self.most_open, len(self.open))

    def answer(self, name: str, answer: Answer | None = None) -> None:
        self.open.pop(name)(Done() if answer is None else answer)

    def close(self) -> None:
        self.is_closed = True


class Answering:
    """Answers at once with what a function of the value and the number of the attempt says."""

    def __init__(self, function: Callable[[str, int], Answer]) -> None:
        self._function = function
        self.attempts: dict[str, int] = defaultdict(int)

    def room(self) -> int:
        return 1000

    def start(self, message: Message, answer: Callable[[Answer], None]) -> None:
        name = message.value.decode(errors="replace")
        self.attempts[name] += 1
        answer(self._function(name, self.attempts[name]))

    def close(self) -> None: ...


def echo(name: str) -> Done:
    return Done((Publication(OUTPUT, name, name.encode()),))


class FailingProducer:
    """The producer of a bus, which fails with the errors that a function gives, before anything is stored."""

    def __init__(self, bus: LocalBus, failure: Callable[[Publication], Exception | None]) -> None:
        self._producer = bus.producer()
        self._failure = failure

    def send(self, publication: Publication, done: Callable[[Exception | None], None]) -> None:
        error = self._failure(publication)
        if error is not None:
            done(error)
        else:
            self._producer.send(publication, done)

    def flush(self, timeout_seconds: float) -> None:
        self._producer.flush(timeout_seconds)

    def close(self) -> None: ...


class ConsumerAround:
    """The consumer of a bus; a test overrides what shall go wrong."""

    def __init__(self, consumer: Consumer) -> None:
        self.inner = consumer

    def poll(self, timeout_seconds: float, most: int) -> list[Message]:
        return self.inner.poll(timeout_seconds, most)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        self.inner.commit(offsets)

    def assignment(self) -> frozenset[Partition]:
        return self.inner.assignment()

    def pause(self, partitions: Iterable[Partition]) -> None:
        self.inner.pause(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        self.inner.resume(partitions)

    def lag(self) -> dict[Partition, int]:
        return self.inner.lag()

    def close(self) -> None:
        self.inner.close()


class Counting(Unobserved):
    """Counts what a runner tells."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self.reasons: list[str] = []
        self.lags: dict[int, int] = {}

    def received(self, topic: str) -> None:
        self.counts["received"] += 1

    def finished(self, topic: str, seconds: float) -> None:
        self.counts["finished"] += 1

    def retried(self, topic: str, error: str) -> None:
        self.counts[f"retried {error}"] += 1

    def rejected(self, topic: str, reason: str) -> None:
        self.reasons.append(reason)

    def discarded(self, topic: str) -> None:
        self.counts["discarded"] += 1

    def standing(self, in_flight: int, paused: bool, away: str | None) -> None:
        self.counts["paused" if paused else "not paused"] += 1

    def lag(self, topic: str, partition: int, messages: int) -> None:
        self.lags[partition] = messages

    def gone(self, topic: str, partition: int) -> None:
        self.lags.pop(partition, None)


class Run:
    """A runner at work on a thread."""

    def __init__(
        self,
        bus: LocalBus,
        processor: Processor,
        settings: BusSettings = QUICK,
        producer: Producer | None = None,
        factory: Callable[[Rebalance], Consumer] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.stop = threading.Event()
        self.error: BaseException | None = None
        runner = Runner(
            factory or (lambda listener: bus.consumer(GROUP, [TOPIC], listener)),
            producer or bus.producer(),
            processor,
            settings,
            DEAD,
            observer,
        )
        self.thread = threading.Thread(target=self._run, args=(runner,))
        self.thread.start()

    def _run(self, runner: Runner) -> None:
        try:
            runner.run(self.stop)
        except BaseException as error:
            self.error = error

    def end(self) -> None:
        """Stop, wait for the end, and raise what `run` raised."""
        self.stop.set()
        self.wait()

    def wait(self) -> None:
        self.thread.join(60.0)
        assert not self.thread.is_alive(), "the runner did not end"
        if self.error is not None:
            error, self.error = self.error, None
            raise error


@contextlib.contextmanager
def running(*args: object, **kwargs: object) -> Iterator[Run]:
    """Run for as long as the block; what `run` raises is raised at its end."""
    run = Run(*args, **kwargs)
    try:
        yield run
    except BaseException:
        run.stop.set()
        run.thread.join(60.0)
        raise
    run.end()


def committed(bus: LocalBus, partition: int = 0) -> int:
    return bus.committed(GROUP, TOPIC)[Partition(TOPIC, partition)]


def letters(bus: LocalBus) -> list[DeadLetter]:
    return [DeadLetter.model_validate_json(message.value) for message in read(bus, DEAD)]


def outputs(bus: LocalBus) -> list[str]:
    return sorted(message.value.decode() for message in read(bus, OUTPUT))


def names(count: int) -> list[str]:
    return [f"m{number}" for number in range(count)]


def away_for(seconds: float) -> Callable[[], bool]:
    """Return what says whether a service is away: for so long from the first time that it is asked for."""
    back_at: list[float] = []

    def is_away() -> bool:
        if not back_at:
            back_at.append(time.monotonic() + seconds)
            return True
        return time.monotonic() < back_at[0]

    return is_away
