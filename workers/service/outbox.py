"""Messages on their way to the bus: not faster than it stores them, and none lost while it is away."""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from pipeline.errors import Transient
from pipeline.stream.protocol import Producer, Publication

log = logging.getLogger(__name__)

_UNSTORED = 1000  # messages that may be on their way
_FLUSH_SECONDS = 120.0
_AGAIN_SECONDS = 1.0

Stored = Callable[[], None]


class Outbox(Protocol):
    """Where messages are handed in."""

    def send(self, sent: Publication, stored: Stored = lambda: None) -> None:
        """Publish one message; `stored` is called, from any thread, once it is. Waits while too many are unstored."""


class OneShot:
    """For a command that ends: what is not stored is an error, and the user runs the command again."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._room = threading.Semaphore(_UNSTORED)
        self._error: Exception | None = None

    def send(self, sent: Publication, stored: Stored = lambda: None) -> None:
        """See `Outbox.send`. Raises Transient where an earlier message was not stored."""
        self._check()
        self._room.acquire()

        def done(error: Exception | None) -> None:
            if error is None:
                stored()
            else:
                self._error = error
            self._room.release()

        self._producer.send(sent, done)

    def flush(self) -> None:
        """Wait until everything is stored. Raises Transient where something was not."""
        self._producer.flush(_FLUSH_SECONDS)
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise Transient(
                f"not everything was published: {self._error}; run the same again, publishing twice is harmless"
            ) from self._error


class Patient:
    """For a process that stays: what is not stored is sent again, for as long as it takes."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._room = threading.Semaphore(_UNSTORED)
        self._is_away = False

    def send(self, sent: Publication, stored: Stored = lambda: None) -> None:
        """See `Outbox.send`."""
        self._room.acquire()
        self._try(sent, stored)

    def _try(self, sent: Publication, stored: Stored) -> None:
        def done(error: Exception | None) -> None:
            if error is None:
                if self._is_away:
                    self._is_away = False
                    log.info("The bus stores messages again.")
                stored()
                self._room.release()
                return
            if not self._is_away:
                self._is_away = True
                log.warning("The bus does not store what is announced, it is sent again until it does: %s", error)
            again = threading.Timer(_AGAIN_SECONDS, self._try, (sent, stored))
            again.daemon = True
            again.start()

        try:
            self._producer.send(sent, done)
        except Transient as error:
            done(error)


def publish_all(producer: Producer, publications: Iterable[Publication]) -> int:
    """Publish messages and return how many they were. Raises Transient where the bus does not store them."""
    outbox, count = OneShot(producer), 0
    for sent in publications:
        outbox.send(sent)
        count += 1
    outbox.flush()
    return count
