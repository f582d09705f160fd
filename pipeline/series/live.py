"""Live points and findings: one subscription to Redis for a whole process, made again whenever Redis comes back."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from pipeline.errors import RungwatchError, Unavailable
from pipeline.series.connection import Link
from pipeline.series.keys import Keys
from pipeline.settings import RedisSettings

LOGGER = logging.getLogger(__name__)
LOOK_SECONDS = 0.25
"""Within which it stops when told to."""
SILENT_SECONDS = 5.0
"""After which it is asked whether anybody is there: a connection that died without a word looks like a quiet one."""
AGAIN_SECONDS = 1.0
"""Between two tries of a Redis that is away."""


class Listener(Protocol):
    """Is told what comes, from the thread of the feed."""

    def subscribed(self) -> None:
        """Hear that a subscription begins: what was published before is missed."""
        ...

    def away(self, reason: str) -> None:
        """Hear that nothing comes now."""
        ...

    def point(self, text: bytes) -> None:
        """Hear of a point that is new or changed, as JSON."""
        ...

    def finding(self, text: bytes) -> None:
        """Hear of a finding that begins or is over, as JSON."""
        ...


class LiveFeed:
    """What is written to a Redis, as it is written."""

    def __init__(self, link: Link, settings: RedisSettings) -> None:
        self._link = link
        self._timeout_seconds = settings.timeout_seconds
        self._points, self._findings = Keys(settings.prefix).channels
        self._is_away = False

    def run(self, stop: threading.Event, listener: Listener, beat: Callable[[], None] = lambda: None) -> None:
        """Tell the listener until `stop` is set. `beat`: called every few seconds, also while Redis is away."""
        while not stop.is_set():
            beat()
            try:
                self._listen(stop, listener, beat)
            except RungwatchError as error:
                listener.away(str(error))
                if not self._is_away:
                    LOGGER.warning("Live points stop: %s.", error)
                self._is_away = True
                stop.wait(AGAIN_SECONDS)

    def _listen(self, stop: threading.Event, listener: Listener, beat: Callable[[], None]) -> None:
        patterns = self._points, self._findings
        with self._link.subscribed(*patterns) as subscription:
            heard = time.monotonic()
            is_asked = False
            while not stop.is_set():
                beat()
                message = subscription.get_message(timeout=LOOK_SECONDS)
                now = time.monotonic()
                if message is None:
                    silent = now - heard
                    if is_asked and silent > SILENT_SECONDS + self._timeout_seconds:
                        raise Unavailable(
                            f"Redis at {self._link.where} did not answer in time (RUNGWATCH_REDIS_TIMEOUT_SECONDS)"
                        )
                    if not is_asked and silent > SILENT_SECONDS:
                        subscription.ping()
                        is_asked = True
                    continue
                heard, is_asked = now, False
                if message["type"] == "pmessage":
                    told = listener.point if message["pattern"] == self._points.encode() else listener.finding
                    told(message["data"])
                elif message["type"] == "psubscribe" and message["data"] == len(patterns):
                    # Also when the client connected again by itself, without an error that could be seen here.
                    LOGGER.info("Live points come from Redis at %s.", self._link.where)
                    self._is_away = False
                    listener.subscribed()
