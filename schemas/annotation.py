"""What a person noted of a stream: an encoder that was changed, a complaint, a test that runs."""

from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from schemas.record import Identifier, Record

Tag = Annotated[str, Field(min_length=1, max_length=64)]


class Annotation(Record):
    """One note on one stream, at a moment or over a while of the wall clock."""

    annotation_id: Identifier
    stream_id: Identifier
    text: str = Field(min_length=1, max_length=2048)
    tags: tuple[Tag, ...] = Field(default=(), max_length=16)
    start_at: AwareDatetime
    end_at: AwareDatetime | None = None
    """None: at a moment."""
    created_at: AwareDatetime

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end_at is not None and self.end_at < self.start_at:
            raise ValueError("an annotation cannot end before it starts")
        return self
