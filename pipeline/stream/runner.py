"""Polls, hands out, commits the finished prefix: the loop of every process that reads the bus."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable

from pipeline.errors import Unavailable
from pipeline.settings import BusSettings
from pipeline.stream.handling import Handling
from pipeline.stream.ledger import Ledger
from pipeline.stream.observer import Observer, Unobserved
from pipeline.stream.protocol import Consumer, Message, Partition, Processor, Producer, Rebalance
from pipeline.stream.retry import Backoff, Outage
from pipeline.stream.watchdog import Watchdog

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
"""Of one poll that finds nothing, and between two polls while paused: so long a retry, a commit or a stop may wait."""
PAUSED_POLL_SECONDS = 0.01
"""A poll of paused partitions returns nothing, it only keeps the membership."""
LOOK_SECONDS = 1.0
"""Between two looks at lag, partitions that stand still, and the gauges."""
FLUSH_SECONDS = 5.0
"""At the end, at least, for publications that are on their way; they have been worked for."""
AWAY_MOST_SECONDS = 2.0
"""Longest pause between polls while the bus is away: whoever is silent for long is put out of the group."""


class Runner:
    """One thread owns the consumer; the processor works and answers on threads of its own.

    An offset is committed when it and all before it in its partition are finished, and finished means that what came
    of it is stored. A process that is killed therefore repeats work, and loses none.
    """

    def __init__(
        self,
        consumer_factory: Callable[[Rebalance], Consumer],
        producer: Producer,
        processor: Processor,
        settings: BusSettings,
        dead_letter_topic: str,
        observer: Observer | None = None,
    ) -> None:
        """The processor is closed at the end of `run`, the producer is left to whoever made it."""
        self._consumer_factory = consumer_factory
        self._producer = producer
        self._settings = settings
        self._observer = observer or Unobserved()
        self._ledger = Ledger()
        self._handling = Handling(producer, processor, self._ledger, settings, dead_letter_topic, self._observer)
        self._watchdog = Watchdog(settings.still_seconds)
        self._bus = Outage("The bus")
        self._backoff = Backoff(settings.retry_first_seconds, min(AWAY_MOST_SECONDS, settings.retry_most_seconds))
        self._chance = random.Random()
        self._consumer: Consumer | None = None
        self._paused = False
        self._must_pause_again = False
        self._most_room = 1
        self._has_polled = False
        self._failed_polls = 0
        self._failed_commits = 0
        self._is_ending = False
        self._poll_at = self._membership_at = self._commit_at = self._look_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then finish what is in flight within `drain_seconds`.

        Raises:
            TooManyRejected: More than the allowed share of the last messages.
            StandsStill: A partition gives nothing, also to a fresh consumer.
            Bug: Work failed with an error of no fate. What was not finished is not committed, in all three cases.
        """
        drain_until = 0.0
        try:
            while not stop.is_set():
                self._turn()
            drain_until = time.monotonic() + self._settings.drain_seconds
            self._drain(drain_until)
        finally:
            self._end(max(drain_until - time.monotonic(), FLUSH_SECONDS))

    def _turn(self) -> None:
        self._handling.settle()
        self._handling.retry_due()
        now = time.monotonic()
        if now >= self._commit_at:
            self._commit(self._ledger.partitions())
        if now >= self._look_at:
            self._look(now)
        room = self._handling.room()
        self._pause_or_resume(room)
        if self._paused:
            self._poll_for_membership(now)
            self._handling.settle(self._until_due(now))
        elif now < self._poll_at:
            self._handling.settle(min(self._until_due(now), self._poll_at - now))
        else:
            self._poll(self._until_due(now), room)

    def _until_due(self, now: float) -> float:
        """Seconds that may be spent waiting: until the next retry, or the next turn."""
        due = self._handling.next_due()
        # A retry that is due but finds no room waits for an answer, as everything does.
        return POLL_SECONDS if due is None or due <= now else min(POLL_SECONDS, due - now)

    def _pause_or_resume(self, room: int) -> None:
        """Pause when there is no room, resume when a quarter is free again: a fetch that stops and goes costs time."""
        self._most_room = max(self._most_room, room)
        if room == 0 and not self._paused:
            self._paused = True
            self._pause_all()
        elif self._paused:
            # Places that wait for a retry come free one by one, perhaps late: they do not count.
            usable = min(self._most_room, self._settings.in_flight - self._handling.waiting())
            if room >= max(1, usable // 4):
                self._paused = False
                if self._consumer is not None:
                    self._consumer.resume(self._consumer.assignment())

    def _pause_all(self) -> None:
        if self._consumer is not None:
            self._consumer.pause(self._consumer.assignment())

    def _poll_for_membership(self, now: float) -> None:
        if now >= max(self._poll_at, self._membership_at):
            self._membership_at = now + POLL_SECONDS
            self._poll(PAUSED_POLL_SECONDS, 1)

    def _poll(self, timeout_seconds: float, most: int) -> None:
        for message in self._polled(timeout_seconds, most):
            self._watchdog.moved(message.partition, time.monotonic())
            self._handling.start(message)

    def _polled(self, timeout_seconds: float, most: int) -> list[Message]:
        try:
            if self._consumer is None:
                self._consumer = self._consumer_factory(_Listener(self))
            messages = self._consumer.poll(timeout_seconds, most)
        except Unavailable as error:
            self._bus.began("poll", error)
            self._failed_polls += 1
            self._poll_at = time.monotonic() + self._backoff.seconds(self._failed_polls, self._chance)
            return []
        self._failed_polls = 0
        self._has_polled = True
        self._bus.over("poll")
        if self._must_pause_again:
            self._must_pause_again = False
            if self._paused:
                self._pause_all()
        return messages

    def _commit(self, partitions: Iterable[Partition]) -> None:
        """Commit the finished prefix of these partitions, as far as it is news."""
        ready = self._ledger.ready()
        offsets = {partition: ready[partition] for partition in partitions if partition in ready}
        pause_seconds = self._settings.commit_seconds
        if offsets and self._consumer is not None:
            try:
                self._consumer.commit(offsets)
            except Unavailable as error:
                self._bus.began("commit", error)
                self._failed_commits += 1
                pause_seconds = self._backoff.seconds(self._failed_commits, self._chance)
            else:
                self._failed_commits = 0
                self._bus.over("commit")
                self._ledger.committed(offsets)
        self._commit_at = time.monotonic() + pause_seconds

    def _look(self, now: float) -> None:
        """Tell the gauges, and give partitions that stand still a fresh consumer."""
        self._look_at = now + min(LOOK_SECONDS, self._settings.still_seconds / 4)
        away = self._bus.reason or (None if self._has_polled else "the bus was not reached yet")
        self._observer.standing(self._handling.in_flight, self._paused, away)
        if self._consumer is None or self._bus:
            self._watchdog.excuse(now)
            return
        lag = self._consumer.lag()
        for partition, messages in lag.items():
            self._observer.lag(partition.topic, partition.number, messages)
        if self._paused:
            self._watchdog.excuse(now)
            return
        at_work = {partition: self._ledger.at_work(partition) for partition in self._ledger.partitions()}
        still = self._watchdog.still(lag, at_work, now)
        if still:
            names = ", ".join(str(partition) for partition in still)
            log.warning("%s stand still although messages wait there; making the consumer anew.", names)
            self._close_consumer()

    def _drain(self, until: float) -> None:
        """Finish what is in flight; poll only to stay in the group, until it is committed."""
        self._paused = True
        self._pause_all()
        if self._handling.in_flight:
            log.info("Stopping: finishing %d messages.", self._handling.in_flight)
        while self._handling.in_flight and (now := time.monotonic()) < until:
            self._handling.settle()
            self._handling.retry_due()
            if now >= self._commit_at:
                self._commit(self._ledger.partitions())
            if self._consumer is not None:
                self._poll_for_membership(now)
            due = self._handling.next_due()
            if due is not None and due >= until and self._handling.waiting() == self._handling.in_flight:
                return  # all that is left would be tried again after the end
            if self._handling.in_flight:
                self._handling.settle(min(self._until_due(now), until - now))

    def _end(self, flush_seconds: float) -> None:
        self._is_ending = True
        try:
            self._handling.close()
        finally:
            try:
                self._producer.flush(flush_seconds)
            except Unavailable as error:
                log.warning("Not everything that was published is known to be stored: %s", error)
            self._handling.collect()
            left = sum(self._ledger.at_work(partition) for partition in self._ledger.partitions())
            if left:
                log.warning("Stopped with %d messages unfinished; they are not committed and come again.", left)
            self._close_consumer()

    def _close_consumer(self) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        self._commit(self._ledger.partitions())
        try:
            consumer.close()
        except Unavailable as error:
            log.warning("The consumer could not leave its group properly, which costs the others a wait: %s", error)
        finally:
            self._consumer = None
            self._let_go(self._ledger.partitions())

    def _assigned(self, partitions: Iterable[Partition]) -> None:
        come = tuple(partitions)
        self._ledger.assign(come)
        self._handling.drop_lost()
        self._watchdog.watch(come, time.monotonic())
        # A rebalance forgets pauses, some buses only after this call: once more after the poll.
        self._must_pause_again = True
        if self._paused:
            self._pause_all()

    def _revoked(self, partitions: Iterable[Partition]) -> None:
        gone = tuple(partitions)
        self._handling.collect()
        self._commit(gone)
        self._let_go(gone)

    def _let_go(self, partitions: Iterable[Partition]) -> None:
        gone = tuple(partitions)
        unfinished = self._ledger.forget(gone)
        if unfinished and not self._is_ending:
            log.info("Gave up %d unfinished messages with their partitions; another member does them.", unfinished)
        self._handling.drop_lost()
        self._watchdog.forget(gone)
        self._must_pause_again = True
        for partition in gone:
            self._observer.gone(partition.topic, partition.number)


class _Listener:
    """Hands on what the consumer says; on the runner's thread, inside `poll` or `close`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def assigned(self, partitions: Iterable[Partition]) -> None:
        self._runner._assigned(partitions)

    def revoked(self, partitions: Iterable[Partition]) -> None:
        self._runner._revoked(partitions)

    def lost(self, partitions: Iterable[Partition]) -> None:
        self._runner._let_go(partitions)
