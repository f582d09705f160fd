"""Live events, fanned out: made once, given to everybody who listens, and never kept for one who does not read."""

import asyncio
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pipeline.api.ladder import rung

EVENTS_KEPT = 4096
"""For clients that come back: some ten seconds of the largest fleet that one process is meant for."""
EVENTS_WAITING = 2048
"""Of one client, about 1 MB; who is further behind loses them all and is told so."""
INCOMING_MOST = 20_000
"""Between the thread of the feed and the loop."""


@dataclass(frozen=True, slots=True)
class Event:
    number: int
    stream_id: str
    text: bytes
    """As it is sent."""


class Client:
    """One listener: what waits for it. Belongs to the loop."""

    def __init__(self, stream_ids: frozenset[str]) -> None:
        self.stream_ids = stream_ids
        self.wake = asyncio.Event()
        self.is_closed = False
        self._waiting: list[bytes] = []

    def offer(self, text: bytes) -> int:
        """Add to what waits; return how many events were lost for it."""
        lost = 0
        if len(self._waiting) >= EVENTS_WAITING:
            lost = len(self._waiting)
            self._waiting = [_gap("this client reads too slowly", lost)]
        self._waiting.append(text)
        self.wake.set()
        return lost

    def take(self) -> bytes:
        waiting, self._waiting = self._waiting, []
        self.wake.clear()
        if self.is_closed:
            self.wake.set()
        return b"".join(waiting)

    def close(self) -> None:
        self.is_closed = True
        self.wake.set()


class Hub:
    """Is told by the feed, from its thread, and tells all clients, in the loop that `open` was called in."""

    def __init__(self, lost: Callable[[], None] = lambda: None) -> None:
        """`lost`: called when a client lost events."""
        self._lost = lost
        self._run = secrets.token_hex(4)
        self._number = 0
        self._recent: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._everything: set[Client] = set()
        self._by_stream: dict[str, set[Client]] = {}
        self._away: str | None = "not reached yet"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._incoming: deque[Callable[[], None]] = deque()
        self._is_closed = False

    # Called by the feed.

    def subscribed(self) -> None:
        self._hand(self._subscribed)

    def away(self, reason: str) -> None:
        self._hand(lambda: self._set_away(reason))

    def point(self, text: bytes) -> None:
        point = json.loads(text)
        stream_id = point["stream_id"]
        shown = {"stream_id": stream_id, **rung(point, time.time())}
        self._hand(lambda: self._tell(stream_id, "point", shown))

    def finding(self, text: bytes) -> None:
        finding = json.loads(text)
        shown = {"rendition_id": None, "cdn": None, "segment_number": None, "over_at": None, **finding}
        self._hand(lambda: self._tell(finding["stream_id"], "finding", shown))

    # Called in the loop.

    def open(self) -> None:
        """Begin: from now on events are told in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._work()  # what the feed said before

    def close(self) -> None:
        """End all clients; who comes now is ended at once."""
        self._is_closed = True
        for client in self._clients():
            client.close()

    @property
    def listening(self) -> int:
        return sum(1 for _ in self._clients())

    @contextmanager
    def listen(self, stream_ids: Iterable[str] = (), after: str | None = None) -> Iterator[Client]:
        """Yield a client of these streams (none: of all), which first hears how things stand.

        Args:
            after: The id of the last event that it knows; what came since is told, or that some of it is lost.
        """
        client = Client(frozenset(stream_ids))
        client.offer(self._state())
        for text in self._since(client, after):
            client.offer(text)
        groups = [self._by_stream.setdefault(each, set()) for each in client.stream_ids] or [self._everything]
        for group in groups:
            group.add(client)
        if self._is_closed:
            client.close()
        try:
            yield client
        finally:
            for group in groups:
                group.discard(client)
            for stream_id in client.stream_ids:
                if not self._by_stream.get(stream_id, True):
                    del self._by_stream[stream_id]

    def _hand(self, work: Callable[[], None]) -> None:
        with self._lock:
            is_first = not self._incoming
            if len(self._incoming) >= INCOMING_MOST:  # the loop stands still: better none than a process without memory
                self._incoming.clear()
                self._incoming.append(self._subscribed)
            self._incoming.append(work)
            loop = self._loop
        if is_first and loop is not None:
            with suppress(RuntimeError):  # it was closed meanwhile
                loop.call_soon_threadsafe(self._work)

    def _work(self) -> None:
        with self._lock:
            incoming, self._incoming = self._incoming, deque()
        for work in incoming:
            work()

    def _tell(self, stream_id: str, kind: str, document: dict[str, Any]) -> None:
        self._number += 1
        event = Event(self._number, stream_id, _event(kind, document, f"{self._run}-{self._number}"))
        self._recent.append(event)
        for group in (self._everything, self._by_stream.get(stream_id, ())):
            for client in group:
                if client.offer(event.text):
                    self._lost()

    def _subscribed(self) -> None:
        # What was published before was heard by nobody.
        had_begun, self._away = self._number > 0 or self._away is None, None
        self._number += 1
        self._recent.clear()
        self._tell_all(self._state())
        if had_begun:
            self._tell_all(_gap("Redis was away", None, f"{self._run}-{self._number}"))

    def _set_away(self, reason: str) -> None:
        if self._away != reason:
            self._away = reason
            self._tell_all(self._state())

    def _tell_all(self, text: bytes) -> None:
        for client in self._clients():
            client.offer(text)

    def _clients(self) -> Iterator[Client]:
        seen: set[Client] = set(self._everything)
        for group in self._by_stream.values():
            seen |= group
        return iter(seen)

    def _state(self) -> bytes:
        return _event("state", {"redis": "ok" if self._away is None else f"away: {self._away}"})

    def _since(self, client: Client, after: str | None) -> Iterator[bytes]:
        if not after:
            return
        run, _, number = after.partition("-")
        last = int(number) if number.isascii() and number.isdigit() and len(number) < 16 else -1
        oldest = self._recent[0].number if self._recent else self._number + 1
        if run != self._run or not oldest - 1 <= last <= self._number:
            yield _gap("it was away for too long", None, f"{self._run}-{self._number}")
            return
        for event in self._recent:
            if event.number > last and (not client.stream_ids or event.stream_id in client.stream_ids):
                yield event.text


def _gap(reason: str, lost: int | None, number: str | None = None) -> bytes:
    return _event("gap", {"reason": reason, "lost": lost}, number)


def _event(kind: str, document: dict[str, Any], number: str | None = None) -> bytes:
    line = f"id: {number}\n" if number else ""
    return f"{line}event: {kind}\ndata: {json.dumps(document, separators=(',', ':'))}\n\n".encode()
