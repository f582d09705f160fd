"""Publishes to Kafka: idempotent, in order per key, never blocking whoever sends."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from kafka import KafkaProducer
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from pipeline.errors import LimitExceeded, Unavailable
from pipeline.settings import KafkaSettings
from pipeline.stream.kafka.connection import Link, connected, request_ms
from pipeline.stream.kafka.errors import in_our_words, unknown_topic
from pipeline.stream.protocol import Publication
from pipeline.stream.topics import MOST_MESSAGE_BYTES

logger = logging.getLogger(__name__)

Callback = Callable[[Exception | None], None]

LINGER_MS = 2
"""So long a batch waits for company."""
_METADATA_SECONDS = 5.0
"""For the client to learn of a topic that it has not published to yet."""
_PAUSE_SECONDS = 0.5
"""Between two tries to connect."""
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Order:
    publication: Publication
    done: Callback
    until: float
    is_alone: bool = False
    """To be sent with no other message under way."""


class KafkaBusProducer:
    """A thread of its own hands messages to the client, which may have to connect or to learn of a topic first.

    What cannot be stored within twice `request_seconds` fails as Unavailable; what is too big for its topic, as
    LimitExceeded; what is not allowed, or has no topic, as UsageError.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._open = 0
        self._settled = threading.Condition()
        self._is_closed = False
        self._client: Any = None
        self._link: Link | None = None
        self._is_broken = False
        self._thread = threading.Thread(target=self._work, name="kafka-publish", daemon=True)
        self._thread.start()

    def send(self, publication: Publication, done: Callback) -> None:
        with self._settled:
            if self._is_closed:
                raise ValueError("this producer is closed")
            self._open += 1
        until = time.monotonic() + 2 * request_ms(self._settings) / 1000
        self._orders.put(_Order(publication, done, until))

    def flush(self, timeout_seconds: float) -> None:
        """See `Producer.flush`. What has failed is over, too."""
        with self._settled:
            if not self._settled.wait_for(lambda: self._open == 0, timeout_seconds):
                raise Unavailable(
                    f"Kafka at {self._settings.bootstrap}: {self._open} messages are not stored after "
                    f"{timeout_seconds:g} s"
                )

    def close(self) -> None:
        """Give what was sent a few seconds to be stored; the rest fails as Unavailable."""
        with self._settled:
            if self._is_closed:
                return
            self._is_closed = True
            self._settled.wait_for(lambda: self._open == 0, _CLOSE_SECONDS)
        self._orders.put(None)
        self._thread.join(_CLOSE_SECONDS)

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                self._publish(order)
            except Exception as error:  # whatever it is, it belongs to whoever waits for the message
                self._finish(order, error)
        self._end_client()
        while not self._orders.empty():
            if (order := self._orders.get()) is not None:
                self._finish(order, self._away("the producer was closed"))

    def _publish(self, order: _Order) -> None:
        publication = order.publication
        client = self._connected(order.until)
        try:
            sent = client.send(
                publication.topic,
                value=publication.value,
                key=None if publication.key is None else publication.key.encode(),
                headers=list(publication.headers),
            )
            if order.is_alone:
                sent.get(timeout=max(0.0, order.until - time.monotonic()))
        except KafkaError as error:
            is_missing = isinstance(error, KafkaTimeoutError) and self._link is not None and self._link.is_up
            if is_missing and self._link is not None and not self._link.knows(publication.topic):
                raise unknown_topic(self._settings, publication.topic) from error
            self._is_broken |= order.is_alone
            raise self._in_our_words(error, publication) from error
        if order.is_alone:
            self._finish(order, None)
        else:
            sent.add_callback(lambda _: self._finish(order, None))
            sent.add_errback(lambda error: self._failed(order, error))

    def _connected(self, until: float) -> Any:
        """Return the client, made first or anew. Raises Unavailable when it is not there in time."""
        if self._is_broken:
            self._end_client()
        while self._client is None:
            try:
                self._client, self._link = connected(
                    KafkaProducer,
                    self._settings,
                    linger_ms=LINGER_MS,
                    delivery_timeout_ms=2 * request_ms(self._settings),
                    max_block_ms=int(_METADATA_SECONDS * 1000),
                    max_request_size=MOST_MESSAGE_BYTES,
                    allow_auto_create_topics=False,
                    metrics_enabled=False,
                )
            except Unavailable:
                if self._is_closed or time.monotonic() >= until:
                    raise
                time.sleep(_PAUSE_SECONDS)
        return self._client

    def _failed(self, order: _Order, error: Exception) -> None:
        """Give up on a message, or try it once more by itself.

        After an error that does not pass (a message too big for its topic, a forgotten producer id), a client of
        kafka-python 3.0 fails every other message with the same error, too. So the client is made anew, and which of
        the messages is to blame shows when each is sent alone.
        """
        if self._is_closed or getattr(error, "retriable", False):
            self._finish(order, self._in_our_words(error, order.publication))
        else:
            self._is_broken = True
            self._orders.put(replace(order, is_alone=True))

    def _in_our_words(self, error: Exception, publication: Publication) -> Exception:
        topic = publication.topic
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            return LimitExceeded(
                f"a message of {len(publication.value)} bytes is too big for topic {topic}: raise its "
                "max.message.bytes, or publish less"
            )
        if isinstance(error, KafkaError):
            return in_our_words(error, self._settings, f"publishing to {topic}")
        return error

    def _finish(self, order: _Order, error: Exception | None) -> None:
        with self._settled:
            self._open -= 1
            self._settled.notify_all()
        try:
            order.done(error)
        except Exception:
            logger.exception("A bug: what was to be done after publishing to %s failed.", order.publication.topic)

    def _away(self, words: str) -> Unavailable:
        return Unavailable(f"Kafka at {self._settings.bootstrap}: not stored, {words}")

    def _end_client(self) -> None:
        """Close the client; what it still holds fails, and so is told."""
        client, self._client, self._is_broken = self._client, None, False
        if client is None:
            return
        try:
            client.close(timeout=_CLOSE_SECONDS if self._is_closed else 0.1)
        except KafkaError:
            # Its close gives up where something cannot be flushed, and leaves its thread running.
            client._sender.force_close()
            client._sender.join(_CLOSE_SECONDS)
            with contextlib.suppress(KafkaError):
                client.close(timeout=0)
