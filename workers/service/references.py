"""References by what they were made of: kept in memory up to a number, and made once where several wait for one."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass

from pipeline.errors import Rejected
from schemas import SegmentScored
from workers.sheets import Sheet


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of one segment of the best rung."""

    result: SegmentScored | Rejected
    """Its own score, made alone, or why there is none."""
    sheet: Sheet | None
    """None: neither it nor its stand-in can serve; the other rungs are scored alone."""


class ReferenceCache:
    """At most `most` references, the least recently used leave first. Safe for many threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, Future[Kept]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Kept]) -> tuple[Kept, bool]:
        """Return what is kept, and whether it was there already; where it is being made by another thread, wait for it.

        Raises what `make` raises, also in those who wait; nothing is kept then.
        """
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            else:
                made: Future[Kept] = Future()
                self._entries[key] = made
                while len(self._entries) > self._most:
                    self._entries.popitem(last=False)
        if found is not None:
            return found.result(), True
        try:
            kept = make()
        except BaseException as error:
            with self._lock:
                if self._entries.get(key) is made:
                    del self._entries[key]
            made.set_exception(error)
            raise
        made.set_result(kept)
        return kept, False

    def __len__(self) -> int:
        return len(self._entries)
