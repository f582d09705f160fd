"""One cause of bad quality on one stream, opened once, closed once."""

from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from schemas.record import Identifier, Record, Score


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Incident(Record):
    """Open while `closed_at` is None."""

    incident_id: Identifier
    stream_id: Identifier
    rendition_ids: tuple[Identifier, ...] = Field(min_length=1)
    cause: Identifier
    """What it is, as one word of the field: ``frozen``, ``starved``, ``inverted``, ``mismatch``."""
    severity: Severity
    summary: str = Field(min_length=1, max_length=2048)
    opened_at: datetime
    closed_at: datetime | None = None
    start_seconds: float = Field(allow_inf_nan=False)
    """On the stream's time axis."""
    end_seconds: float | None = Field(default=None, allow_inf_nan=False)
    worst_score: Score | None = None

    @model_validator(mode="after")
    def _closes_after_it_opens(self) -> Self:
        if self.closed_at is not None and self.closed_at < self.opened_at:
            raise ValueError("an incident cannot close before it opens")
        return self
