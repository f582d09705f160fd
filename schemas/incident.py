"""One cause of bad quality on one stream, opened once, closed once."""

from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from schemas.record import Identifier, Record, Score


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Incident(Record):
    """Open while `end_seconds` is None."""

    incident_id: Identifier
    """The same whenever the same trouble is told again, longer, on more renditions, or closed."""
    stream_id: Identifier
    rendition_ids: tuple[Identifier, ...] = ()
    """Best bitrate first; empty: the presentation as a whole."""
    cause: Identifier
    """What it is, as one word of the field: ``low_quality``, ``starved``, ``frozen``, ``still``, ``stale``."""
    severity: Severity
    summary: str = Field(min_length=1, max_length=2048)
    """One sentence for a person: what, where, when, and where to look."""
    opened_at: AwareDatetime | None = None
    """`start_seconds` on the clock; None: of a stream on media time, which has none."""
    closed_at: AwareDatetime | None = None
    start_seconds: float = Field(allow_inf_nan=False)
    """On the stream's time axis: [start, end)."""
    end_seconds: float | None = Field(default=None, allow_inf_nan=False)
    worst_score: Score | None = None
    """Of a segment; None: it is not about a score."""
    score: Score | None = None
    """Mean while it lasts."""
    usual_score: Score | None = None
    """Before it; None: not known."""
    bitrate_bps: int | None = Field(default=None, ge=0)
    usual_bitrate_bps: int | None = Field(default=None, ge=0)

    @property
    def is_open(self) -> bool:
        return self.end_seconds is None

    @property
    def duration_seconds(self) -> float | None:
        """How long it lasted; None: it is open."""
        return None if self.end_seconds is None else self.end_seconds - self.start_seconds

    @model_validator(mode="after")
    def _closes_after_it_opens(self) -> Self:
        if self.end_seconds is not None and self.end_seconds < self.start_seconds:
            raise ValueError("an incident cannot end before it starts")
        if self.closed_at is not None and (self.opened_at is None or self.closed_at < self.opened_at):
            raise ValueError("an incident cannot close before it opens")
        return self
