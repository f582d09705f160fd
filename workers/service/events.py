"""Records as messages: JSON in the value, CloudEvents in the headers, keyed by stream."""

from datetime import UTC, datetime
from typing import TypeVar

from pydantic import ValidationError

from pipeline.errors import BadEvent
from pipeline.stream.protocol import Headers, Message, Publication
from schemas import DeadLetter, ManifestFinding, Record, SegmentReady, SegmentScored, SegmentSkipped

R = TypeVar("R", bound=Record)

Event = SegmentReady | SegmentScored | SegmentSkipped | ManifestFinding | DeadLetter

_SHOWN = 300  # characters of what is wrong with an event


def publication(topic: str, record: Event, source: str) -> Publication:
    """Return a record as a message of its stream; `source`: which process says so (`ce_source`)."""
    return Publication(
        topic=topic,
        key=record.stream_id,
        value=record.model_dump_json(exclude_none=True).encode(),
        headers=headers(record, source),
    )


def headers(record: Event, source: str) -> Headers:
    """Return the attributes of CloudEvents 1.0 in binary mode."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", type(record).__name__.encode()),
        ("ce_id", _event_id(record).encode()),
        ("ce_source", source.encode()),
        ("ce_time", datetime.now(UTC).isoformat().encode()),
        ("content-type", b"application/json"),
    )


def _event_id(record: Event) -> str:
    if isinstance(record, SegmentReady):
        return record.event_id
    if isinstance(record, ManifestFinding):
        return f"{record.finding_id}{'/over' if record.over_at else ''}"
    if isinstance(record, DeadLetter):
        return record.origin
    ours = f"{record.stream_id}/{record.rendition_id}/{record.segment_number}"
    if isinstance(record, SegmentSkipped):
        return f"{ours}/skipped"
    return f"{ours}/{record.model.name}@{record.model.weights_hash}"


def parse(kind: type[R], message: Message) -> R:
    """Return the record that a message carries. Raises BadEvent."""
    try:
        return kind.model_validate_json(message.value)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole value"
        raise BadEvent(
            f"{message.origin}: not a {kind.__name__} ({where}: {first['msg']})"[:_SHOWN]
            + f"; see schemas/json/{kind.__name__}.schema.json for what is expected",
            detail=str(exc)[:4096],
        ) from exc
