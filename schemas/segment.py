"""One media segment, and the event that says that it can be scored."""

from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from schemas.ladder import Rendition
from schemas.record import Identifier, Pixels, Record


class TimeBasis(StrEnum):
    """How a segment's place on the time axis was found."""

    PROGRAM_DATE_TIME = "program_date_time"
    AVAILABILITY = "availability"
    MEDIA_TIME = "media_time"
    SEQUENCE = "sequence"


class ByteRange(Record):
    """Bytes [offset, offset + length) of a resource."""

    offset: int = Field(ge=0)
    length: int = Field(ge=1)


class Resource(Record):
    """Bytes that can be fetched: a whole resource, or one range of it."""

    uri: str = Field(min_length=1, max_length=8192)
    byte_range: ByteRange | None = None


class EncryptionKey(Record):
    """What the playlist says of the encryption. The key itself never travels."""

    method: str = Field(max_length=64)
    uri: str | None = Field(default=None, max_length=8192)
    iv_hex: str | None = Field(default=None, pattern=r"^(0[xX])?[0-9a-fA-F]{1,32}$")


class Segment(Record):
    """One media segment of a rendition."""

    rendition_id: Identifier
    number: int = Field(ge=0)
    """Media sequence number, or the count from the start of a plain file."""
    media: Resource
    init: Resource | None = None
    """Initialization segment (EXT-X-MAP, DASH Initialization); None where the media carries its own."""
    key: EncryptionKey | None = None
    discontinuity_sequence: int = Field(default=0, ge=0)
    start_seconds: float = Field(ge=-1e10, le=1e12, allow_inf_nan=False)
    """Start of the span [start, start + duration): media time, or seconds since the epoch for live."""
    duration_seconds: float | None = Field(default=None, gt=0, le=86_400, allow_inf_nan=False)
    """None: not declared; the decoder measures it."""
    window_seconds: tuple[float, float] | None = None
    """[start, end) of a plain file that was cut by us; None: the resource is the segment."""
    time_basis: TimeBasis = TimeBasis.MEDIA_TIME
    expires_at: datetime | None = None

    @model_validator(mode="after")
    def _window_is_ordered(self) -> Self:
        if self.window_seconds and not self.window_seconds[0] < self.window_seconds[1]:
            raise ValueError(f"window_seconds must be [start, end) with start < end, got {self.window_seconds}")
        return self


class Reference(Record):
    """The best rung over the same span: what to decode where its sheet is not in the cache."""

    rendition: Rendition
    segments: tuple[Segment, ...] = Field(min_length=1, max_length=64)


class SegmentReady(Record):
    """A segment can be fetched and scored. A pointer: it carries no media bytes."""

    stream_id: Identifier
    rendition: Rendition
    segment: Segment
    reference: Reference | None = None
    """None: this is the best rung, a ladder of one, or rungs that could not be aligned."""
    display_height_px: Pixels | None = None
    """None: the height of the segment itself."""
    live: bool = False
    deadline: datetime | None = None
    """Live work that is not started by then is skipped and counted; None: never skipped."""
