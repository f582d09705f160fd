"""When something is tried again: pauses that grow, what waits for its turn, and an outage said once."""

import heapq
import itertools
import logging
import random
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double up to a limit. Chance takes up to half of each, so that retries do not march in step."""

    first_seconds: float
    most_seconds: float

    def seconds(self, failures: int, chance: random.Random) -> float:
        """Return the pause after so many failures in a row, 1 or more."""
        # 2^60 pauses are beyond any limit, and a float holds it.
        full = min(self.most_seconds, self.first_seconds * 2.0 ** min(failures - 1, 60))
        return full * chance.uniform(0.5, 1.0)


class Waiting(Generic[T]):
    """What waits for a moment, soonest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: float, item: T) -> None:
        heapq.heappush(self._heap, (due, next(self._order), item))

    def next_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> T | None:
        """Take out the first one whose moment has come. None: there is none."""
        if not self._heap or self._heap[0][0] > now:
            return None
        return heapq.heappop(self._heap)[2]

    def drop(self, is_over: Callable[[T], bool]) -> list[T]:
        """Take out all that are over, and return them."""
        over = [item for _, _, item in self._heap if is_over(item)]
        if over:
            self._heap = [entry for entry in self._heap if not is_over(entry[2])]
            heapq.heapify(self._heap)
        return over


class Outage:
    """Says once that something is away, and once that it is back: when nothing waits for it any more."""

    def __init__(self, what: str) -> None:
        """`what` begins a sentence, such as `The bus`."""
        self._what = what
        self._waiting: set[Hashable] = set()
        self._since = 0.0
        self._said = ""

    @property
    def reason(self) -> str | None:
        """What was said when it went away; None: it is there."""
        return self._said if self._waiting else None

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def began(self, who: Hashable, error: BaseException) -> None:
        if not self._waiting:
            self._since = time.monotonic()
            self._said = str(error)
            log.warning("%s is away, waiting for it: %s", self._what, error)
        self._waiting.add(who)

    def over(self, who: Hashable) -> None:
        if who in self._waiting:
            self.forget(who)
            if not self._waiting:
                log.info("%s is back after %.1f s.", self._what, time.monotonic() - self._since)

    def forget(self, who: Hashable) -> None:
        """Wait no longer for `who`, without a word: it is not its success."""
        self._waiting.discard(who)
