"""Reads a span of time of a topic, or all of it, without a group: for replays."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from pipeline.errors import Unavailable
from pipeline.settings import KafkaSettings
from pipeline.stream.kafka.connection import connected, partition_numbers, request_ms
from pipeline.stream.kafka.errors import in_our_words, unknown_topic
from pipeline.stream.kafka.records import message_of
from pipeline.stream.protocol import Message

_POLL_MS = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_range(
    settings: KafkaSettings, topic: str, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Message]:
    """Yield the messages published in [since, until), in order within each partition.

    Args:
        settings: Where Kafka is.
        topic: Full name.
        since: None: from the oldest that is kept.
        until: None: up to what was there when reading began.

    Raises:
        UsageError: There is no such topic, or it may not be read.
        Unavailable: Kafka is away, or gives nothing for twice `request_seconds`.
    """
    client, _ = connected(
        KafkaConsumer,
        settings,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    try:
        partitions = partitions_of(client, settings, topic)
        ends = _offsets(client, partitions, until, client.end_offsets(partitions))
        starts = _offsets(client, partitions, since, client.beginning_offsets(partitions) if since is None else ends)
        open_ends = {key: ends[key] for key in partitions if starts[key] < ends[key]}
        yield from _read(client, {key: starts[key] for key in open_ends}, open_ends, settings)
    except KafkaError as error:
        raise in_our_words(error, settings, f"reading {topic}") from error
    finally:
        client.close(autocommit=False)


def partitions_of(client: KafkaConsumer, settings: KafkaSettings, topic: str) -> list[TopicPartition]:
    """Return them, in order. Raises UsageError where there is no such topic."""
    numbers = partition_numbers(client, settings, topic)
    if not numbers:
        raise unknown_topic(settings, topic)
    return [TopicPartition(topic, number) for number in sorted(numbers)]


def _offsets(
    client: KafkaConsumer,
    partitions: list[TopicPartition],
    moment: datetime | None,
    otherwise: dict[TopicPartition, int],
) -> dict[TopicPartition, int]:
    """Return, per partition, the offset of the first message at that moment or later, or `otherwise`."""
    if moment is None:
        return otherwise
    # Rounded down, as the time stamps of messages are: one that came later in the same millisecond is not left out.
    at_ms = max(0, (moment - _EPOCH) // timedelta(milliseconds=1))
    found = client.offsets_for_times(dict.fromkeys(partitions, at_ms))
    return {key: otherwise[key] if found[key] is None else found[key].offset for key in partitions}


def _read(
    client: KafkaConsumer,
    starts: dict[TopicPartition, int],
    ends: dict[TopicPartition, int],
    settings: KafkaSettings,
) -> Iterator[Message]:
    if not starts:
        return
    client.assign(list(starts))
    for key, offset in starts.items():
        client.seek(key, offset)
    patience_seconds = 2 * request_ms(settings) / 1000
    moved_at = time.monotonic()
    while ends:
        records = client.poll(timeout_ms=_POLL_MS)
        for key, found in records.items():
            yield from (message_of(record) for record in found if key in ends and record.offset < ends[key])
        # The position, not the last message: the end may be a place where compaction left nothing.
        over = [key for key, end in ends.items() if (client.position(key, timeout_ms=_POLL_MS) or 0) >= end]
        for key in over:
            del ends[key]
            client.pause(key)
        if records or over:
            moved_at = time.monotonic()
        elif time.monotonic() - moved_at > patience_seconds:
            raise Unavailable(f"Kafka at {settings.bootstrap} gives no more messages; try again when it is well")
