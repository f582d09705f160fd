"""Chaos: scores thousands of segments while everything is killed, restarted and rebalanced, and checks every point.

Run: PYTHONPATH=tests python -m chaos.chaos [--segments 5000] [--seed 1] [--partitions 4]

Real Kafka, real Redis, real decoding, worker and series processes of their own; only the model is a cheap one. What
is disturbed, and when, is drawn from the seed. The exit code is 1 where anything does not hold; the folder with all
logs is kept then.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaos.checks import Check, check_letters, check_offsets, check_points, check_scores, table
from chaos.contents import write_bad_files, write_contents
from chaos.disturbances import SERVICES_AND_GROUP, Disturber, kill_on, plan
from chaos.feed import Feed, feed
from chaos.flock import Flock
from chaos.offsets import Offsets, Standing
from chaos.undisturbed import Place, expected_points
from pydantic import SecretStr
from services.kafka import Broker
from services.redis_server import RedisServer

from pipeline.series import SeriesQueries, connect
from pipeline.settings import KafkaSettings, RedisSettings
from pipeline.stream.kafka import KafkaBusProducer, create, read_range
from pipeline.stream.topics import Topics, plans
from schemas import QualityPoint
from workers.service.outbox import OneShot

PREFIX = "chaos."
SESSION_SECONDS = 6
LOOK_SECONDS = 0.5
SAY_SECONDS = 10.0
STILL_SECONDS = 180.0
"""Nothing committed by anyone for so long: it would need a hand."""
AHEAD_SHARE = 0.4
"""So much more than is done is announced, so that the announcing, too, meets every disturbance."""


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    segments: int = 5000
    partitions: int = 4
    workers: int = 3
    series: int = 2
    kill_seconds: tuple[float, float] = (2.0, 6.0)
    disturbances: tuple[str, ...] = SERVICES_AND_GROUP


SHORT = Scale(
    segments=160,
    series=1,
    kill_seconds=(1.5, 4.0),
    disturbances=("redis crashes", "broker crashes", "rebalance storm"),
)
"""For every run of the tests: well under a minute."""


@dataclass
class Outcome:
    """What came of a run."""

    seed: int
    folder: Path
    checks: list[Check] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Why it did not come to its end, or who ended."""

    @property
    def is_good(self) -> bool:
        return bool(self.checks) and not self.problems and not any(check.wrong for check in self.checks)

    def report(self) -> str:
        lines = [table(self.checks)] if self.checks else []
        lines += self.problems
        if not self.is_good:
            lines.append(f"FAILED with --seed {self.seed}; the logs of all processes are in {self.folder}")
        return "\n".join(lines)


def run(scale: Scale, seed: int, folder: Path, say: Callable[[str], None]) -> Outcome:
    """Do all of it below a folder, which is left as it is."""
    outcome = Outcome(seed, folder)
    begin = time.monotonic()
    with ExitStack() as stack:
        ladders = write_contents(folder / "media")
        bad = write_bad_files(folder / "media" / "bad", folder / "outside", random.Random(f"{seed} files"))
        kafka_topics = Topics(PREFIX)
        chance = random.Random(f"{seed} feed")
        announced = feed(kafka_topics.segments, ladders, bad, segments=scale.segments, chance=chance)
        say(f"{len(announced.messages)} segments, {len(announced.poison)} of them poison; scoring them undisturbed")
        expected = expected_points(ladders, announced.good, folder / "media")
        services = stack.enter_context(_services(scale, folder))
        say(f"Kafka, Redis and the undisturbed run are there after {time.monotonic() - begin:.0f} s")
        stage = _Stage(scale, seed, folder, services, announced, outcome, say)
        took_seconds = stage.play()
        if not outcome.problems:
            outcome.checks += stage.checks(expected)
            outcome.checks.append(Check("time", f"{took_seconds:.0f} s under disturbances"))
        else:
            stage.stop()
    return outcome


@dataclass(frozen=True)
class _Services:
    broker: Broker
    redis: RedisServer
    kafka: KafkaSettings
    store: RedisSettings


@contextmanager
def _services(scale: Scale, folder: Path) -> Iterator[_Services]:
    with Broker(folder / "kafka") as broker, RedisServer(folder=folder / "redis") as redis:
        kafka = KafkaSettings(
            bootstrap=broker.bootstrap, prefix=PREFIX, partitions=scale.partitions, session_seconds=SESSION_SECONDS
        )
        create(kafka, plans(PREFIX, scale.partitions))
        yield _Services(broker, redis, kafka, RedisSettings(url=SecretStr(redis.url)))


class _Stage:
    """The processes, who disturbs them, and how far the work is."""

    def __init__(
        self,
        scale: Scale,
        seed: int,
        folder: Path,
        services: _Services,
        announced: Feed,
        outcome: Outcome,
        say: Callable[[str], None],
    ) -> None:
        self._scale, self._seed, self._services = scale, seed, services
        self._feed, self._outcome, self._say = announced, outcome, say
        self._topics = Topics(PREFIX)
        logs = folder / "logs"
        logs.mkdir()
        self._flock = Flock(
            logs,
            {
                "RUNGWATCH_KAFKA_BOOTSTRAP": services.kafka.bootstrap,
                "RUNGWATCH_KAFKA_PREFIX": PREFIX,
                "RUNGWATCH_KAFKA_SESSION_SECONDS": str(SESSION_SECONDS),
                "RUNGWATCH_REDIS_URL": services.redis.url,
                "RUNGWATCH_FETCH_ROOTS": json.dumps([str(folder / "media")]),
                "RUNGWATCH_DECODERS": "1",
                "RUNGWATCH_SERVICE_BATCH": "4",
            },
        )
        self._offsets = {
            "workers": Offsets(
                services.kafka, self._topics.group("workers"), (self._topics.segments,), scale.partitions
            ),
            "series": Offsets(
                services.kafka,
                self._topics.group("series"),
                (self._topics.scores, self._topics.skipped),
                scale.partitions,
            ),
        }
        self._standing = {name: Standing(0, 0) for name in self._offsets}
        self._happened: list[str] = []
        self._stop = threading.Event()
        self._announcing: list[BaseException] = []
        self._is_announced = False

    def play(self) -> float:
        """Do the work under disturbances, and return the seconds that it took; what goes wrong is in the outcome."""
        begin = time.monotonic()
        chance = random.Random(f"{self._seed} kills")
        announcer = threading.Thread(target=self._announce, daemon=True)
        killer = threading.Thread(
            target=kill_on, args=(self._flock, self._scale.kill_seconds, chance, self._stop), daemon=True
        )
        try:
            self._start()
            announcer.start()
            killer.start()
            self._work()
            self._stop.set()
            killer.join()
            self._settle()
            stopped_seconds = self._flock.stop()
            self._say(f"all processes have left, {stopped_seconds:.1f} s after SIGTERM")
        finally:
            self._stop.set()
            announcer.join()
            self._flock.close()
        self._outcome.problems += self._flock.problems
        return time.monotonic() - begin

    def stop(self) -> None:
        for offsets in self._offsets.values():
            offsets.close()

    def checks(self, expected: dict[Place, QualityPoint]) -> Iterator[Check]:
        yield Check("disturbed by", f"{self._flock.kills} kills; " + "; ".join(self._happened))
        kafka = self._services.kafka
        for name, offsets in self._offsets.items():
            yield check_offsets(name, offsets.now())
        yield from check_scores(read_range(kafka, self._topics.scores), expected)
        yield from check_letters(read_range(kafka, self._topics.dead_letters), self._feed)
        with closing(connect(self._services.store)) as link:
            yield from check_points(SeriesQueries(link, self._services.store), expected)
        self.stop()

    def _start(self) -> None:
        for number in range(1, self._scale.workers + 1):
            self._flock.add(f"worker-{number}", "chaos.worker", RUNGWATCH_KAFKA_INSTANCE_ID=f"worker-{number}")
        for number in range(1, self._scale.series + 1):
            self._flock.add(f"series-{number}", "chaos.series", RUNGWATCH_KAFKA_INSTANCE_ID=f"series-{number}")

    def _announce(self) -> None:
        total = len(self._feed.messages)
        try:
            with closing(KafkaBusProducer(self._services.kafka)) as producer:
                outbox = OneShot(producer)
                for place, message in enumerate(self._feed.messages):
                    while place > self._standing["workers"].committed + AHEAD_SHARE * total:
                        if self._stop.wait(0.1):
                            return
                    outbox.send(message)
                outbox.flush()
                self._is_announced = True
        except Exception as error:
            self._announcing.append(error)

    def _work(self) -> None:
        """Return when the workers are done and all disturbances are over, or something is wrong."""
        disturber = Disturber(
            self._services.broker,
            self._services.redis,
            self._flock,
            self._services.kafka,
            self._topics.segments,
            random.Random(f"{self._seed} disturbances"),
        )
        coming = plan(self._scale.disturbances, random.Random(f"{self._seed} plan"))
        watch = _Watch()
        while self._goes_on(watch):
            share = self._standing["workers"].committed / len(self._feed.messages)
            if coming and share >= coming[0].share:
                happened = disturber.bring(coming.pop(0).kind)
                self._happened.append(happened)
                self._say(f"{share:4.0%} done: {happened}")
            elif self._is_announced and self._standing["workers"].is_at_end:
                return
            time.sleep(LOOK_SECONDS)

    def _settle(self) -> None:
        """Return when the points are written as well."""
        watch = _Watch()
        while self._goes_on(watch) and not all(standing.is_at_end for standing in self._standing.values()):
            time.sleep(LOOK_SECONDS)

    def _goes_on(self, watch: "_Watch") -> bool:
        """Look at everything; False: something is wrong, which is noted."""
        self._standing = {name: offsets.now() for name, offsets in self._offsets.items()}
        done = sum(standing.committed for standing in self._standing.values())
        if watch.says(done):
            workers, series = self._standing["workers"], self._standing["series"]
            self._say(
                f"{workers.committed} of {len(self._feed.messages)} segments, "
                f"{series.committed} of {series.end} scores, {self._flock.kills} kills"
            )
        if self._announcing:
            self._outcome.problems.append(f"announcing failed: {self._announcing[0]!r}")
        elif watch.is_still():
            self._outcome.problems.append(f"nothing was committed for {STILL_SECONDS:g} s: {self._standing}")
        elif not self._flock.look():
            return not self._outcome.problems
        return False


class _Watch:
    """Notes when something moved last, and when something was said last."""

    def __init__(self) -> None:
        self._done = -1
        self._moved_at = self._said_at = time.monotonic()

    def says(self, done: int) -> bool:
        now = time.monotonic()
        if done != self._done:
            self._done, self._moved_at = done, now
        if now - self._said_at < SAY_SECONDS:
            return False
        self._said_at = now
        return True

    def is_still(self) -> bool:
        return time.monotonic() - self._moved_at > STILL_SECONDS


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Scale()
    options.add_argument("--segments", type=int, default=usual.segments)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--partitions", type=int, default=usual.partitions)
    options.add_argument("--workers", type=int, default=usual.workers)
    options.add_argument("--series", type=int, default=usual.series)
    options.add_argument("--kill-seconds", type=float, nargs=2, default=usual.kill_seconds, metavar=("LEAST", "MOST"))
    options.add_argument("--short", action="store_true", help="the short form, whatever the other numbers")
    options.add_argument("--keep", action="store_true", help="keep the folder also where all is well")
    given = options.parse_args()
    scale = Scale(given.segments, given.partitions, given.workers, given.series, tuple(given.kill_seconds))
    scale = SHORT if given.short else scale
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends all processes on the way out
    folder = Path(tempfile.mkdtemp(prefix="rungwatch-chaos-"))
    begin = time.monotonic()

    def say(text: str) -> None:
        print(f"chaos {time.monotonic() - begin:5.0f} s  {text}", file=sys.stderr, flush=True)

    outcome = run(scale, given.seed, folder, say)
    print(f"chaos with --seed {given.seed}, {scale.segments} segments, {scale.partitions} partitions")
    print(outcome.report())
    if not outcome.is_good:
        sys.exit(1)
    if given.keep:
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
