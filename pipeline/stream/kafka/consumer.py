"""One member of a Kafka consumer group, as the seam of the bus wants it."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kafka import AsyncConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.base import MemberState
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError
from kafka.future import Future

from pipeline.errors import Unavailable
from pipeline.settings import KafkaSettings
from pipeline.stream.kafka.connection import Link, connected, request_ms
from pipeline.stream.kafka.errands import Errands
from pipeline.stream.kafka.errors import in_our_words, unknown_topic
from pipeline.stream.kafka.orphans import OrphanWatch
from pipeline.stream.kafka.records import message_of
from pipeline.stream.protocol import Message, Partition, Rebalance

logger = logging.getLogger(__name__)

SILENT_SECONDS = 120.0
"""A member that does not poll for so long is put out, though its heart beats; a rebalance waits no longer for it."""
_HEARTBEAT_SECONDS = 1.0
"""How soon a member hears of a rebalance."""
_AWAY_SECONDS = 3.0
"""Without a connection for so long, the bus counts as away."""
_COMMIT_SECONDS = 10.0
_GRACE_SECONDS = 0.05
"""So much longer than asked for a poll may take: what the client needs to come back."""
_JOIN_SECONDS = 5.0
_STUCK_SECONDS = 30.0
"""So much longer than the slowest rebalance may a poll of the client take, before the client is given up."""
_SESSIONS = 3
"""After so many without an answer to a heartbeat, a member that believes to be one is none."""
_CLOSE_SECONDS = 5.0
_PAUSE_SECONDS = 0.5
"""After a try to connect that failed at once."""
_PARTITION_BYTES = 64 * 1024
"""Of one partition in one fetch, about thirty events: the client hands out a fetch to its end before it turns to the
next partition, and with the usual megabyte a worker would leave its other partitions alone for minutes."""
_LAG_SECONDS = 2.0
"""How old the ends of the partitions may be for `lag`."""


class KafkaBusConsumer:
    """Cooperative-sticky; static where the settings name an instance. Connects, and reconnects, while it is polled."""

    def __init__(self, settings: KafkaSettings, group: str, topics: Sequence[str], listener: Rebalance) -> None:
        """
        Args:
            settings: Where Kafka is.
            group: Full name, with the prefix; so are the topics.
            topics: What to read; a group that is new begins at the oldest message.
            listener: Called by the thread that polls or closes, inside of it; it may commit, pause and resume. Every
                rebalance that touches this member ends with `assigned`, perhaps of nothing: what was paused is not
                paused any more.
        """
        self._settings = settings
        self._group = group
        self._topics = tuple(topics)
        self._listener = listener
        self._errands = Errands(f"kafka-{group}")
        self._client: Any = None
        self._link: Link | None = None
        self._ours: set[Partition] = set()
        self._owed: dict[Partition, int] = {}
        """Offsets that could not be stored during a rebalance."""
        self._held: list[Message] = []
        """Received, and not returned yet."""
        self._began_at = 0.0
        """When the client's poll that is under way began."""
        self._is_serving = False
        """Whether a rebalance is being told, in the middle of a poll."""
        self._must_tell = False
        """Partitions went, and `assigned` was not called since."""
        self._failure: BaseException | None = None
        self._up_at = time.monotonic()
        self._ends: dict[Partition, int] = {}
        self._ends_at = 0.0
        self._is_closed = False
        self._orphans = OrphanWatch(settings, group, self._all)

    def poll(self, timeout_seconds: float, most: int) -> list[Message]:
        if self._is_closed:
            raise ValueError("this consumer is closed")
        if self._client is None and not self._connect(timeout_seconds):
            return []
        if held := self._take_held(most):
            return held
        if not self._errands.is_under_way:
            self._errands.start(lambda: _polled(self._client, timeout_seconds, most))
            self._began_at = time.monotonic()
        if not self._errands.wait(timeout_seconds + _GRACE_SECONDS):
            if self._must_tell:
                self._tell("assigned", set())
            self._raise_failure()
            self._look()
            return []
        try:
            records = self._errands.outcome()
        except KafkaError as error:
            self._raise_failure()
            raise in_our_words(error, self._settings, f"reading as group {self._group}") from error
        # The client counts them as read: they must not get lost where something below is raised.
        self._held += [message_of(record) for found in records.values() for record in found]
        if self._must_tell:
            self._tell("assigned", set())
        self._raise_failure()
        self._settle()
        self._look()
        self._adopt()
        return self._take_held(most)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `Consumer.commit`. What a rebalance keeps from being stored is stored by the `poll` that ends it."""
        mine = {partition: offset for partition, offset in offsets.items() if partition in self._ours}
        if self._client is None or not mine:
            return
        for partition in mine:
            self._owed.pop(partition, None)
        if self._errands.is_under_way and not self._is_serving:
            self._owed |= mine
        else:
            self._store(mine)

    def assignment(self) -> frozenset[Partition]:
        return frozenset(self._ours)

    def pause(self, partitions: Iterable[Partition]) -> None:
        if self._client is not None:
            self._client.pause(*self._assigned(partitions))

    def resume(self, partitions: Iterable[Partition]) -> None:
        if self._client is not None:
            self._client.resume(*self._assigned(partitions))

    def lag(self) -> dict[Partition, int]:
        """See `Consumer.lag`. The ends are asked for, at most every two seconds: those that come with the messages do
        not move where nothing is fetched."""
        client = self._client
        partitions = self._assigned(self._ours)
        if client is None or not partitions or self._errands.is_under_way:
            return {}
        lag: dict[Partition, int] = {}
        try:
            if time.monotonic() - self._ends_at >= _LAG_SECONDS and self._link is not None and self._link.is_up:
                self._ends_at = time.monotonic()
                ends = client.end_offsets(partitions, timeout_ms=1000)
                self._ends = {_ours(key): end for key, end in ends.items()}
            for key in partitions:
                position = client.position(key, timeout_ms=100)
                end = max(self._ends.get(_ours(key), -1), client.highwater(key) or -1)
                if position is not None and end >= 0:
                    lag[_ours(key)] = max(0, end - position)
        except KafkaError as error:
            logger.debug("The lag is not known now: %s", error)
        return lag

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        # A poll that is under way waits for the whole group to meet; leaving does not wait for it.
        self._errands.end()
        if self._client is not None:
            client, self._errands = self._client, Errands(f"kafka-{self._group}")
            self._errands.start(lambda: client.close(autocommit=False, timeout_ms=_CLOSE_SECONDS * 1000))
            if not self._errands.wait(2 * _CLOSE_SECONDS + _COMMIT_SECONDS):
                logger.warning("Leaving group %s takes too long; the brokers will notice by themselves.", self._group)
            self._errands.end()
        self._ours.clear()
        self._raise_failure()

    def _connect(self, timeout_seconds: float) -> bool:
        """Have a client made, which may take longer than this poll. Returns whether it is there."""
        if not self._errands.is_under_way:
            self._errands.start(self._made)
        if not self._errands.wait(timeout_seconds):
            return False
        try:
            self._client, self._link = self._errands.outcome()
        except Unavailable:
            time.sleep(min(timeout_seconds, _PAUSE_SECONDS))
            raise
        self._up_at = time.monotonic()
        return True

    def _made(self) -> tuple[Any, Link]:
        settings = self._settings
        client, link = connected(
            KafkaConsumer,
            settings,
            group_id=self._group,
            group_instance_id=settings.instance_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            partition_assignment_strategy=[CooperativeStickyAssignor],
            session_timeout_ms=int(settings.session_seconds * 1000),
            heartbeat_interval_ms=int(min(_HEARTBEAT_SECONDS, settings.session_seconds / 20) * 1000),
            max_poll_interval_ms=int(max(SILENT_SECONDS, settings.session_seconds) * 1000),
            max_partition_fetch_bytes=_PARTITION_BYTES,
            metrics_enabled=False,
        )
        try:
            for topic in self._topics:
                if not client.partitions_for_topic(topic):
                    raise unknown_topic(settings, topic)
            client.subscribe(list(self._topics), listener=_Bridge(self, link))
        except BaseException as error:
            client.close(autocommit=False)
            if isinstance(error, KafkaError):
                raise in_our_words(error, settings, f"looking for {', '.join(self._topics)}") from error
            raise
        if self._is_closed:
            client.close(autocommit=False)
        return client, link

    def _serve(self, verb: str, partitions: set[Partition]) -> None:
        """Take note of a rebalance, and tell the listener; a failure of its is raised when the poll is over."""
        self._is_serving = True
        try:
            self._rebalance(verb, partitions)
        finally:
            self._is_serving = False

    def _rebalance(self, verb: str, partitions: set[Partition]) -> None:
        if verb == "assigned":
            self._ours |= partitions
        else:
            partitions &= self._ours
        if verb == "lost":
            self._ours -= partitions
            self._owed.clear()
        elif verb == "revoked":
            self._settle()
        self._client.resume(*self._client.paused())
        self._tell(verb, partitions)
        self._ours -= partitions if verb == "revoked" else set()
        self._owed = {partition: offset for partition, offset in self._owed.items() if partition in self._ours}
        self._held = [message for message in self._held if message.partition in self._ours]
        self._must_tell = verb != "assigned"

    def _tell(self, verb: str, partitions: set[Partition]) -> None:
        self._must_tell = False
        try:
            getattr(self._listener, verb)(partitions)
        except BaseException as error:
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _settle(self) -> None:
        """Store what a rebalance kept from being stored."""
        owed, self._owed = self._owed, {}
        if owed:
            try:
                self._store(owed)
            except Unavailable:
                self._owed = owed | self._owed

    def _store(self, offsets: Mapping[Partition, int]) -> None:
        wanted = {_theirs(partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
        timeout_ms = min(request_ms(self._settings), _COMMIT_SECONDS * 1000)
        try:
            self._client.commit(wanted, timeout_ms=timeout_ms)
        except RebalanceInProgressError:
            self._owed |= offsets
        except CommitFailedError as error:
            # Out of the group: the next poll says which partitions are lost. But the broker, too, says "rebalancing".
            if any(isinstance(each, RebalanceInProgressError) for each in error.args):
                self._owed |= offsets
            else:
                logger.debug("Nothing is committed for group %s: its generation is over.", self._group)
        except KafkaError as error:
            raise in_our_words(error, self._settings, f"committing for group {self._group}") from error

    def _take_held(self, most: int) -> list[Message]:
        if not self._held:
            return []
        paused = {_ours(key) for key in self._client.paused()}
        ready: list[Message] = []
        left: list[Message] = []
        for message in self._held:
            (left if message.partition in paused or len(ready) == most else ready).append(message)
        self._held = left
        return ready

    def _look(self) -> None:
        """Say that the bus is away: the client itself would be quiet, and try again for ever."""
        now = time.monotonic()
        if self._held or (self._link is not None and self._link.is_up):
            self._up_at = now
        elif now - self._up_at > _AWAY_SECONDS:
            if self._link is not None and self._link.refusal is not None:
                raise in_our_words(self._link.refusal, self._settings, "connecting")
            raise Unavailable(f"Kafka at {self._settings.bootstrap} is away: no broker can be reached")
        if self._errands.is_under_way:
            is_stuck = now - self._began_at > SILENT_SECONDS + _STUCK_SECONDS
        else:
            is_stuck = now - _heard_of(self._client) > _SESSIONS * self._settings.session_seconds
        if is_stuck:
            self._give_up()
            raise Unavailable(f"the client of Kafka at {self._settings.bootstrap} is stuck: a fresh one is made")

    def _adopt(self) -> None:
        """Have the group deal out anew what belongs to nobody."""
        if orphans := self._orphans.found():
            names = ", ".join(str(partition) for partition in sorted(orphans))
            logger.warning("Nobody in group %s has %s; asking for a rebalance.", self._group, names)
            self._client._coordinator.request_rejoin()

    def _all(self) -> set[Partition]:
        link = self._link
        return {
            Partition(topic, number) for topic in self._topics for number in (link.partitions(topic) if link else ())
        }

    def _give_up(self) -> None:
        """Leave a stuck client to itself; it is out of the group when its session is over."""
        link, self._client, self._link = self._link, None, None
        self._errands.end()
        self._errands = Errands(f"kafka-{self._group}")
        if link is not None:
            self._errands.start(link.end)
            self._errands.wait(_CLOSE_SECONDS)
            self._errands.end()
            self._errands = Errands(f"kafka-{self._group}")
        lost, self._ours = self._ours, set()
        self._owed.clear()
        self._held.clear()
        self._tell("lost", lost)

    def _assigned(self, partitions: Iterable[Partition]) -> list[TopicPartition]:
        there = self._client.assignment() if self._client is not None else set()
        return [key for key in map(_theirs, partitions) if key in there]


class _Bridge(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python carries no types
    """Takes rebalance calls from the client's network thread to the thread that polls, and waits there for the end."""

    def __init__(self, consumer: KafkaBusConsumer, link: Link) -> None:
        self._consumer = consumer
        self._link = link

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._serve("assigned", assigned)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._serve("revoked", revoked)

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        await self._serve("lost", lost)

    async def _serve(self, verb: str, partitions: Iterable[TopicPartition]) -> None:
        done = Future()
        ours = {_ours(key) for key in partitions}

        def finish() -> None:
            done.success(None)

        def serve() -> None:
            try:
                self._consumer._serve(verb, ours)
            finally:
                self._link.call(finish)

        self._consumer._errands.ask(serve)
        await done


def _polled(client: Any, timeout_seconds: float, most: int) -> Any:
    """Return what the client's poll does, but never end in the middle of joining the group.

    A poll of kafka-python 3.0 that is over before the group has met leaves its request to join under way. When the
    answer comes between two polls it is thrown away, and the next poll joins again, which makes all others join again.
    Where new metadata were the cause, the next poll does not even look: without heartbeats the member is put out, and
    reads on beside the new owner. Asking for the join again brings such a poll back to it.
    """
    while True:
        if client.group_metadata().state is MemberState.REBALANCING:
            client._coordinator.request_rejoin()
        records = client.poll(timeout_ms=timeout_seconds * 1000, max_records=most)
        if records or client.group_metadata().state is not MemberState.REBALANCING:
            return records
        timeout_seconds = _JOIN_SECONDS


def _heard_of(client: Any) -> float:
    """Return when the group's coordinator last answered a heartbeat, or will be asked for one for the first time."""
    if client.group_metadata().state is not MemberState.STABLE:
        return time.monotonic()
    heart = client._coordinator.heartbeat
    return float(max(heart.last_receive, heart.last_reset))


def _theirs(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def _ours(key: TopicPartition) -> Partition:
    return Partition(key.topic, key.partition)
