"""A consumer group in this process: its members, and which of them gets which partition."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipeline.stream.protocol import Partition


@dataclass(slots=True, eq=False)
class Member:
    """One consumer of a group. It gives partitions back, and takes those that came free, when it polls."""

    topics: tuple[str, ...]
    seen_at: float
    """When it last polled, on the bus's clock."""
    generation: int = -1
    """The last one that it has taken note of."""
    owned: set[Partition] = field(default_factory=set)
    wanted: frozenset[Partition] = frozenset()
    """What it shall own, once the others have given back what it lacks."""


class Group:
    """Not thread-safe: the bus holds its lock. Every join and leave begins a new generation."""

    def __init__(self, partitions_of: Callable[[str], tuple[Partition, ...]], session_seconds: float) -> None:
        self._partitions_of = partitions_of
        self._session_seconds = session_seconds
        self._members: list[Member] = []
        self.generation = 0

    def join(self, member: Member) -> None:
        self._members.append(member)
        self._share_out()

    def leave(self, member: Member) -> None:
        """Take a member out; what it owned is free at once."""
        if member in self._members:
            self._members.remove(member)
            self._share_out()

    def holds(self, member: Member) -> bool:
        """Whether it is still in. False: it was silent for too long."""
        return member in self._members

    def put_out_silent(self, now: float) -> bool:
        """Take out members that have not polled for too long. Returns whether there was one."""
        silent = [member for member in self._members if now - member.seen_at > self._session_seconds]
        for member in silent:
            self.leave(member)
        return bool(silent)

    def free(self, member: Member) -> set[Partition]:
        """Return what the member shall own and nobody owns yet."""
        if not member.wanted - member.owned:
            return set()
        taken: set[Partition] = set().union(*(other.owned for other in self._members))
        return set(member.wanted - taken)

    def _share_out(self) -> None:
        """Give every member its share of every topic, leaving with each as much as possible of what it has."""
        self.generation += 1
        wanted: dict[Member, set[Partition]] = {member: set() for member in self._members}
        for topic in sorted({topic for member in self._members for topic in member.topics}):
            readers = [member for member in self._members if topic in member.topics]
            for member, partitions in _shares(self._partitions_of(topic), readers, wanted):
                wanted[member] |= partitions
        for member in self._members:
            member.wanted = frozenset(wanted[member])


def _shares(
    partitions: tuple[Partition, ...], readers: list[Member], loads: dict[Member, set[Partition]]
) -> Iterator[tuple[Member, set[Partition]]]:
    """Yield each reader's share; shares differ by one at most, and the least loaded get the larger ones."""
    had = {member: [partition for partition in partitions if partition in member.wanted] for member in readers}
    order = sorted(readers, key=lambda member: (len(loads[member]), -len(had[member])))
    least, larger = divmod(len(partitions), len(readers))
    quota = {member: least + (place < larger) for place, member in enumerate(order)}
    kept = {member: had[member][: quota[member]] for member in order}
    free = iter(sorted(set(partitions).difference(*kept.values())))
    for member in order:
        yield member, {*kept[member], *(next(free) for _ in range(quota[member] - len(kept[member])))}
