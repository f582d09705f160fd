"""Keeps which offsets are at work, so that only the finished prefix of a partition is committed."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.stream.protocol import Message, Partition


@dataclass(frozen=True, slots=True)
class Place:
    """One started message in one assignment of its partition."""

    partition: Partition
    offset: int
    epoch: int
    """Of the assignment: a partition that goes and comes back has another."""


@dataclass(slots=True)
class _Log:
    epoch: int
    open: deque[int] = field(default_factory=deque)
    """Started offsets in order, of which none before the first is unfinished."""
    finished: set[int] = field(default_factory=set)
    """Those of `open` that are finished behind one that is not."""
    next_offset: int = -1
    """After the last started one; -1: nothing was started."""
    committed: int = -1
    """What is known to be stored, or need not be: that the first started message comes first."""


class Ledger:
    """Offsets that are started in order and finished in any order. For one thread, but for `is_ours`."""

    def __init__(self) -> None:
        self._logs: dict[Partition, _Log] = {}
        self._epochs = 0

    def partitions(self) -> frozenset[Partition]:
        return frozenset(self._logs)

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Begin an assignment of each; of those that are ours already it goes on, with what is at work."""
        for partition in partitions:
            if partition not in self._logs:
                self._begin(partition)

    def forget(self, partitions: Iterable[Partition]) -> int:
        """End the assignment of these partitions. Returns how many of their messages were not finished."""
        logs = (self._logs.pop(partition, None) for partition in partitions)
        return sum(len(log.open) - len(log.finished) for log in logs if log is not None)

    def start(self, message: Message) -> Place | None:
        """Note that a message is at work. None: its partition is not ours.

        An offset that was started before means that the topic was made anew, and begins a new assignment.
        """
        log = self._logs.get(message.partition)
        if log is None:
            return None
        if message.offset < log.next_offset:
            log = self._begin(message.partition)
        if log.next_offset < 0:
            log.committed = message.offset
        log.open.append(message.offset)
        log.next_offset = message.offset + 1
        return Place(message.partition, message.offset, log.epoch)

    def is_ours(self, place: Place) -> bool:
        """Whether the assignment still holds. May be asked by any thread: it reads one entry."""
        log = self._logs.get(place.partition)
        return log is not None and log.epoch == place.epoch

    def finish(self, place: Place) -> bool:
        """Note that a message is dealt with. False: its assignment is over, and the answer came too late to count.

        Raises:
            ValueError: It was finished before.
        """
        if not self.is_ours(place):
            return False
        log = self._logs[place.partition]
        if not log.open or place.offset < log.open[0] or place.offset in log.finished:
            raise ValueError(f"{place.partition}/{place.offset} was finished twice")
        log.finished.add(place.offset)
        while log.open and log.open[0] in log.finished:
            log.finished.remove(log.open.popleft())
        return True

    def ready(self) -> dict[Partition, int]:
        """Return, per partition, the offset to read next as far as all before it is finished, where that is news."""
        news = {}
        for partition, log in self._logs.items():
            offset = log.open[0] if log.open else log.next_offset
            if offset != log.committed:
                news[partition] = offset
        return news

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """Note that these offsets are stored, so that `ready` names them no more."""
        for partition, offset in offsets.items():
            if partition in self._logs:
                self._logs[partition].committed = offset

    def at_work(self, partition: Partition) -> int:
        """Return how many messages of a partition are started and not finished."""
        log = self._logs.get(partition)
        return 0 if log is None else len(log.open) - len(log.finished)

    def _begin(self, partition: Partition) -> _Log:
        self._epochs += 1
        self._logs[partition] = _Log(self._epochs)
        return self._logs[partition]
