"""Messages that are worked on together, in one thread: nothing is waited for, and what comes meanwhile is one batch."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.stream.protocol import Answer, Message


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message, and how it is answered."""

    message: Message
    answer: Callable[[Answer], None]


class Together:
    """Has the methods of `Processor`, for one that works on batches."""

    def __init__(self, work: Callable[[list[Waiting]], None], name: str, most_at_once: int) -> None:
        """
        Args:
            work: Answers every message of a batch; raises nothing.
            name: Of the thread.
            most_at_once: Messages of a batch.
        """
        self._work_on, self._most = work, most_at_once
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def room(self) -> int:
        """See `Processor.room`."""
        # One batch waits while one is worked on.
        return max(0, self._most - self._queue.qsize())

    def start(self, message: Message, answer: Callable[[Answer], None]) -> None:
        """See `Processor.start`."""
        self._queue.put(Waiting(message, answer))

    def close(self) -> None:
        """See `Processor.close`."""
        self._closed.set()
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while not self._closed.is_set():
            batch = self._take()
            if batch:
                self._work_on(batch)

    def _take(self) -> list[Waiting]:
        first = self._queue.get()
        batch = [] if first is None else [first]
        while len(batch) < self._most:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is not None:
                batch.append(following)
        return batch
