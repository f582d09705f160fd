"""What disturbs a chaos run: kills at any moment, services that stop or crash, and members that come and go."""

import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from chaos.flock import Flock
from services.kafka import Broker
from services.redis_server import RedisServer

from pipeline.errors import Unavailable
from pipeline.settings import KafkaSettings
from pipeline.stream.kafka import KafkaBusConsumer
from pipeline.stream.protocol import Partition

SERVICES_AND_GROUP = ("redis stops", "redis crashes", "broker stops", "broker crashes", "rebalance storm")
FIRST_SHARE, LAST_SHARE = 0.08, 0.85
SERIES_SHARE = 0.2
"""Of the kills: the other processes are workers."""
STARTING_SHARE = 0.25
"""Of the kills that find a process still starting, so many are done: else nobody would work on a busy machine."""
REDIS_AWAY_SECONDS = (0.5, 4.0)
BROKER_AWAY_SECONDS = (0.2, 3.0)
PASSING_MEMBERS = 4
PASSING_STAYS = 2
STAY_SECONDS = (0.5, 3.0)


@dataclass(frozen=True, slots=True, order=True)
class Disturbance:
    """One that is not a kill."""

    share: float
    """Of the segments done, at which it comes."""
    kind: str


def plan(kinds: Iterable[str], chance: random.Random) -> list[Disturbance]:
    """Return the disturbances in a random order, spread over the run."""
    order = list(kinds)
    chance.shuffle(order)
    step = (LAST_SHARE - FIRST_SHARE) / max(1, len(order))
    return [Disturbance(FIRST_SHARE + step * (place + chance.random()), kind) for place, kind in enumerate(order)]


class Disturber:
    """Brings them about."""

    def __init__(
        self, broker: Broker, redis: RedisServer, flock: Flock, kafka: KafkaSettings, reads: str, chance: random.Random
    ) -> None:
        """`reads`: the topic whose group the storm is in."""
        self._broker, self._redis, self._flock = broker, redis, flock
        self._kafka, self._reads = kafka, reads
        self._chance = chance
        self._extra = 0

    def bring(self, kind: str) -> str:
        """Return what was done, in words, when it is over."""
        begin = time.monotonic()
        service, _, how = kind.partition(" ")
        if kind == "rebalance storm":
            self._storm()
        elif service == "redis":
            self._redis.kill() if how == "crashes" else self._redis.stop()
            time.sleep(self._chance.uniform(*REDIS_AWAY_SECONDS))
            self._redis.start()
        else:
            self._broker.kill() if how == "crashes" else self._broker.stop()
            time.sleep(self._chance.uniform(*BROKER_AWAY_SECONDS))
            self._broker.start()
        return f"{kind}, over after {time.monotonic() - begin:.1f} s"

    def _storm(self) -> None:
        """Let members without a name join and leave: some only read, two are workers, of which one dies."""
        workers = [self._extra_worker() for _ in range(2)]
        self._flock.wait_until_ready(workers)
        stays = [[self._chance.uniform(*STAY_SECONDS) for _ in range(PASSING_STAYS)] for _ in range(PASSING_MEMBERS)]
        threads = [threading.Thread(target=self._pass_by, args=(own,), daemon=True) for own in stays]
        for thread in threads:
            thread.start()
            time.sleep(self._chance.uniform(0.1, 0.8))
        self._flock.lose(workers.pop())
        for thread in threads:
            thread.join()
        self._flock.leave(workers.pop())

    def _extra_worker(self) -> str:
        self._extra += 1
        name = f"extra-{self._extra}"
        self._flock.add(name, "chaos.worker")
        return name

    def _pass_by(self, stays: list[float]) -> None:
        group = f"{self._kafka.prefix}workers"
        for seconds in stays:
            consumer = KafkaBusConsumer(self._kafka, group, [self._reads], _Nobody())
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                try:
                    consumer.poll(0.1, 20)  # what it reads it never commits: others must do it
                except Unavailable:
                    time.sleep(0.1)
            consumer.close()


def kill_on(flock: Flock, between_seconds: tuple[float, float], chance: random.Random, stop: threading.Event) -> None:
    """Kill a process every few seconds, until `stop`."""
    while not stop.wait(chance.uniform(*between_seconds)):
        kind = "series" if chance.random() < SERIES_SHARE else "worker"
        name, is_hard = chance.choice(flock.names(kind)), chance.random() < STARTING_SHARE
        if is_hard or flock.is_ready(name):
            flock.kill(name)


class _Nobody:
    def assigned(self, partitions: Iterable[Partition]) -> None: ...

    def revoked(self, partitions: Iterable[Partition]) -> None: ...

    def lost(self, partitions: Iterable[Partition]) -> None: ...
