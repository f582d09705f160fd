"""Input that could not be scored, with the reason, kept so that nothing is lost."""

from datetime import datetime

from pydantic import Field

from schemas.record import Identifier, Record


class DeadLetter(Record):
    """What, where, why, and what to do next."""

    origin: str = Field(min_length=1, max_length=8192)
    """The path, the URI, or ``topic/partition/offset`` that it came from."""
    stream_id: Identifier | None = None
    rendition_id: Identifier | None = None
    segment_number: int | None = Field(default=None, ge=0)
    reason: Identifier
    """Machine-readable class of the error, for example ``encrypted``; see `pipeline.errors`."""
    message: str = Field(min_length=1, max_length=8192)
    """For a person: what happened, and the next step."""
    detail: str | None = Field(default=None, max_length=65_536)
    """Stack or decoder log."""
    attempts: int = Field(default=1, ge=1)
    rejected_at: datetime
    original_base64: str | None = None
    """The event as received, byte for byte, where there was one."""
