"""The bus inside one process: what Kafka is to many, in memory or kept in a file."""

import contextlib
import itertools
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from pipeline.errors import Unavailable
from pipeline.stream.local_group import Group, Member
from pipeline.stream.local_store import Store
from pipeline.stream.protocol import Consumer, Message, Partition, Producer, Publication, Rebalance

DAY_SECONDS = 86_400.0
MIB = 1024 * 1024
_NAP_SECONDS = 1.0
"""At most so long a consumer sleeps before it looks for members that have fallen silent."""


class LocalBus:
    """Topics, producers and consumer groups for the threads of one process.

    With a file, a process that was killed goes on where it stopped; the file belongs to one process at a time. Groups
    behave as on Kafka: members share partitions, each partition has one owner, what is not committed comes again.
    """

    def __init__(
        self,
        path: Path | None = None,
        partitions: int = 4,
        *,
        retention_seconds: float = 7 * DAY_SECONDS,
        partition_bytes: int = 64 * MIB,
        session_seconds: float = 300.0,
        full_seconds: float = 30.0,
    ) -> None:
        """
        Args:
            path: Where the bus is kept; None: in memory.
            partitions: Of every topic that is made.
            retention_seconds: Older messages go, read or not.
            partition_bytes: When so much of a partition waits for a group, senders wait; of a topic that no group
                reads, the oldest messages go.
            session_seconds: A member of a group that does not poll for so long is out.
            full_seconds: How long a sender waits for room, before sending fails as Unavailable.

        Raises:
            UsageError: The file is of another kind, or another process uses it.
        """
        self._store = Store(path, retention_seconds, partition_bytes)
        self._partitions = partitions
        self._session_seconds = session_seconds
        self._full_seconds = full_seconds
        self._changed = threading.Condition(threading.Lock())
        self._groups: dict[str, Group] = {}
        self._keyless = itertools.count()

    def create(self, topics: Iterable[str]) -> None:
        """Make topics; those that are there stay as they are."""
        with self._locked() as store:
            for topic in topics:
                store.create(topic, self._partitions)

    def producer(self) -> Producer:
        return _LocalProducer(self)

    def consumer(self, group: str, topics: Iterable[str], listener: Rebalance) -> Consumer:
        """Join a group. A group that is new reads all that is kept, and nothing is dropped from now on before it.

        Raises:
            UsageError: There is no such topic.
        """
        names = tuple(topics)
        with self._locked() as store:
            for topic in names:
                store.enter(group, topic)
            if group not in self._groups:
                self._groups[group] = Group(store.partitions, self._session_seconds)
            return _LocalConsumer(self, group, names, listener)

    def committed(self, group: str, topic: str) -> dict[Partition, int]:
        """Return the offset that a group reads next, per partition."""
        with self._locked() as store:
            return {partition: store.committed(group, partition) for partition in store.partitions(topic)}

    def unread(self, group: str, topic: str) -> int:
        """Return how many messages of a topic a group has not committed: 0 when it has dealt with all."""
        with self._locked() as store:
            return sum(
                store.end(partition) - store.committed(group, partition) for partition in store.partitions(topic)
            )

    def close(self) -> None:
        """Close the file. Consumers and producers of this bus are of no use any more."""
        with self._changed:
            self._store.close()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[Store]:
        with self._changed:
            try:
                yield self._store
            except sqlite3.OperationalError as error:
                raise Unavailable(f"the file of the bus cannot be used now: {error}; is the disk full?") from error

    def _publish(self, publication: Publication) -> None:
        until = time.monotonic() + self._full_seconds
        with self._locked() as store:
            partitions = store.partitions(publication.topic)
            # crc32 is the same in every process, as hash() is not.
            place = next(self._keyless) if publication.key is None else zlib.crc32(publication.key.encode())
            partition = partitions[place % len(partitions)]
            while store.is_full(partition):
                if not self._changed.wait(until - time.monotonic()):
                    raise Unavailable(
                        f"{partition} is full of messages that have not been read for {self._full_seconds:.0f} s; "
                        "is its reader at work?"
                    )
            store.append(partition, publication)
            self._changed.notify_all()


class _LocalProducer:
    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus

    def send(self, publication: Publication, done: Callable[[Exception | None], None]) -> None:
        failed: Exception | None = None
        try:
            self._bus._publish(publication)
        except Exception as error:  # whatever it is, it belongs to whoever waits for the message
            failed = error
        done(failed)

    def flush(self, timeout_seconds: float) -> None:
        """Do nothing: what is sent is stored."""

    def close(self) -> None:
        """Do nothing: the bus owns the file."""


class _LocalConsumer:
    def __init__(self, bus: LocalBus, group: str, topics: tuple[str, ...], listener: Rebalance) -> None:
        self._bus = bus
        self._name = group
        self._topics = topics
        self._listener = listener
        self._group = bus._groups[group]
        self._positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._turns = itertools.count()
        self._nap_seconds = min(_NAP_SECONDS, bus._session_seconds / 4)
        self._closed = False
        self._join()

    def poll(self, timeout_seconds: float, most: int) -> list[Message]:
        until = time.monotonic() + timeout_seconds
        while True:
            self._rebalance()
            with self._bus._locked() as store:
                messages = self._fetch(store, most)
                left = until - time.monotonic()
                if messages or left <= 0:
                    return messages
                if not self._must_rebalance():
                    self._bus._changed.wait(min(left, self._nap_seconds))

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        with self._bus._locked() as store:
            if self._group.holds(self._member):
                ours = {partition: offset for partition, offset in offsets.items() if partition in self._member.owned}
                store.commit(self._name, ours)
                self._bus._changed.notify_all()

    def assignment(self) -> frozenset[Partition]:
        return frozenset(self._positions)

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._paused.update(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._paused.difference_update(partitions)

    def lag(self) -> dict[Partition, int]:
        with self._bus._locked() as store:
            return {partition: store.end(partition) - position for partition, position in self._positions.items()}

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with self._bus._changed:
            is_in = self._group.holds(self._member)
        try:
            (self._listener.revoked if is_in else self._listener.lost)(set(self._positions))
        finally:
            self._positions.clear()
            with self._bus._changed:
                self._group.leave(self._member)
                self._bus._changed.notify_all()

    def _join(self) -> None:
        self._member = Member(self._topics, time.monotonic())
        self._group.join(self._member)
        self._bus._changed.notify_all()

    def _must_rebalance(self) -> bool:
        member, group = self._member, self._group
        return not group.holds(member) or member.generation != group.generation or bool(group.free(member))

    def _rebalance(self) -> None:
        """Give back and take what the group has decided. The listener is called without the lock: it commits."""
        if self._closed:
            raise ValueError("this consumer is closed")
        with self._bus._changed:
            self._member.seen_at = time.monotonic()
            if self._group.put_out_silent(self._member.seen_at):
                self._bus._changed.notify_all()
            if not self._must_rebalance():
                return
            is_in = self._group.holds(self._member)
        if not is_in:
            self._lose_all()
        with self._bus._changed:
            generation = self._group.generation
            gone = self._member.owned - self._member.wanted
        if gone:
            self._listener.revoked(gone)
        with self._bus._locked() as store:
            for partition in gone:
                del self._positions[partition]
            self._member.owned -= gone
            come = self._group.free(self._member) if self._group.holds(self._member) else set()
            self._member.owned |= come
            self._positions |= {partition: store.committed(self._name, partition) for partition in come}
            self._member.generation = generation
            self._paused.clear()
            self._bus._changed.notify_all()
        self._listener.assigned(come)

    def _lose_all(self) -> None:
        self._listener.lost(set(self._positions))
        with self._bus._changed:
            self._positions.clear()
            self._join()

    def _fetch(self, store: Store, most: int) -> list[Message]:
        """Return messages of the partitions in turn, so that a full one does not hide the others."""
        waiting = [
            partition
            for partition, position in self._positions.items()
            if partition not in self._paused and position < store.end(partition)
        ]
        turn = next(self._turns) % len(waiting) if waiting else 0
        messages: list[Message] = []
        for partition in waiting[turn:] + waiting[:turn]:
            if len(messages) >= most:
                break
            found = store.read(partition, self._positions[partition], most - len(messages))
            if found:
                self._positions[partition] = found[-1].offset + 1
                messages += found
        return messages
