"""Something that could not be scored, and the record that is kept of it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.errors import Rejected, Transient
from schemas import DeadLetter


@dataclass(frozen=True, slots=True)
class Failed:
    """Something that could not be scored, with its reason."""

    origin: str
    error: Rejected | Transient
    stream_id: str | None = None
    rendition_id: str | None = None
    segment_number: int | None = None


def dead_letter(failed: Failed) -> DeadLetter:
    """Return the record of something that could not be scored."""
    error = failed.error
    return DeadLetter(
        origin=failed.origin,
        stream_id=failed.stream_id,
        rendition_id=failed.rendition_id,
        segment_number=failed.segment_number,
        reason=error.reason if isinstance(error, Rejected) else "transient",
        message=str(error) or type(error).__name__,
        detail=getattr(error, "detail", None),
        rejected_at=datetime.now(UTC),
    )
