"""The seam of the bus: messages, the two ends of a topic, and what a processor of messages answers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One partition of one topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


@dataclass(frozen=True, slots=True)
class Message:
    """One message as received."""

    partition: Partition
    offset: int
    key: str | None
    value: bytes
    headers: Headers = ()
    timestamp_ms: int = 0
    """When it was published, milliseconds since the epoch."""

    @property
    def origin(self) -> str:
        return f"{self.partition}/{self.offset}"

    def header(self, name: str) -> bytes | None:
        """Return the last header of that name; None: there is none."""
        return next((value for key, value in reversed(self.headers) if key == name), None)


@dataclass(frozen=True, slots=True)
class Publication:
    """One message to be published. Messages of one key keep their order, on one partition."""

    topic: str
    key: str | None
    value: bytes
    headers: Headers = ()


class Rebalance(Protocol):
    """Is told, inside `Consumer.poll` or `Consumer.close`, which partitions come and go."""

    def assigned(self, partitions: Iterable[Partition]) -> None: ...

    def revoked(self, partitions: Iterable[Partition]) -> None:
        """Still ours until this returns: the last moment to commit what is finished."""

    def lost(self, partitions: Iterable[Partition]) -> None:
        """No longer ours, perhaps for some time already: nothing of them may be committed."""


class Consumer(Protocol):
    """One member of one group. Used by one thread only, which must go on calling `poll`, paused or not."""

    def poll(self, timeout_seconds: float, most: int) -> list[Message]:
        """Return up to `most` messages, as soon as there is one; empty when the time is over.

        Raises:
            Unavailable: The bus is away; poll again.
        """

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Store, for every partition, the offset to read next. Of partitions that are not ours nothing is stored.

        Raises:
            Unavailable: The bus is away; nothing may have been stored.
        """

    def assignment(self) -> frozenset[Partition]: ...

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Return nothing more of these partitions from `poll`. A rebalance forgets it."""

    def resume(self, partitions: Iterable[Partition]) -> None: ...

    def lag(self) -> dict[Partition, int]:
        """Return, for every assigned partition where it is known, how many messages lie after those returned so far."""

    def close(self) -> None:
        """Leave the group (a static member only goes silent)."""


class Producer(Protocol):
    """May be used by many threads."""

    def send(self, publication: Publication, done: Callable[[Exception | None], None]) -> None:
        """Publish one message; `done` is called once, from any thread, when it is stored or has failed for good."""

    def flush(self, timeout_seconds: float) -> None:
        """Wait until everything sent is stored. Raises Unavailable when the time is over before."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Done:
    """A message is dealt with, once what came of it is stored."""

    publications: Sequence[Publication] = field(default=())


Answer = Done | BaseException
"""What came of a message: `Transient` is tried again, `Rejected` goes to the dead letters, another error is a bug."""


class Processor(Protocol):
    """What a process does with messages."""

    def room(self) -> int:
        """Return how many more messages could be started now; 0 is what pauses the partitions."""

    def start(self, message: Message, answer: Callable[[Answer], None]) -> None:
        """Begin with one message without blocking; call `answer` once, from any thread, when it is done."""

    def close(self) -> None:
        """Stop; what was started and not answered is of no use any more."""
