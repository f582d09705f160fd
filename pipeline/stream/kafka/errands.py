"""A thread for the client's blocking calls, so that the thread that asked for one stays free to be called back."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: BaseException | None = None


class Errands:
    """One errand at a time. While it is under way, `ask` hands calls to whoever waits for it.

    kafka-python calls a rebalance listener on its network thread, where nothing may block: a listener could not commit.
    And it waits without looking at a clock of ours where it is stuck; a waiter here can always leave.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._orders: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[_Outcome | Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.is_under_way = False

    def start(self, errand: Callable[[], Any]) -> None:
        if self.is_under_way:
            raise RuntimeError("an errand is under way already")
        if self._thread is None:
            # A daemon: a call that never returns must not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self.is_under_way = True
        self._orders.put(errand)

    def ask(self, call: Callable[[], None]) -> None:
        """Have a call made by the thread that waits for the errand."""
        self._news.put(call)

    def wait(self, timeout_seconds: float) -> bool:
        """Make the calls that are asked for until the errand is over; False: the time was over before."""
        until = time.monotonic() + timeout_seconds
        while True:
            try:
                news = self._news.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return False
            if isinstance(news, _Outcome):
                self.is_under_way = False
                self._last = news
                return True
            news()

    def outcome(self) -> Any:
        """Return what the last errand returned, or raise what it raised."""
        if self._last.error is not None:
            raise self._last.error
        return self._last.value

    def end(self) -> None:
        """Let the thread end after its errand."""
        self._orders.put(None)

    def _run(self) -> None:
        while (errand := self._orders.get()) is not None:
            try:
                outcome = _Outcome(errand())
            except BaseException as error:
                outcome = _Outcome(error=error)
            self._news.put(outcome)
