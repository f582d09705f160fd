"""One record of kafka-python as a message of the bus."""

from typing import Any

from pipeline.stream.protocol import Message, Partition


def message_of(record: Any) -> Message:
    """Return a record as received. A key of other people's bytes is made readable; a value that is null is empty."""
    return Message(
        partition=Partition(record.topic, record.partition),
        offset=record.offset,
        key=None if record.key is None else bytes(record.key).decode("utf-8", "replace"),
        value=b"" if record.value is None else bytes(record.value),
        headers=tuple((name, b"" if value is None else bytes(value)) for name, value in record.headers or ()),
        timestamp_ms=max(0, record.timestamp),
    )
