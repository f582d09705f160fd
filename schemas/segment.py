"""One media segment, and the event that says that it can be scored."""

from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from schemas.ladder import Rendition
from schemas.record import Identifier, Pixels, Rate, Record


class TimeBasis(StrEnum):
    """How a segment's place on the time axis was found."""

    PROGRAM_DATE_TIME = "program_date_time"
    AVAILABILITY = "availability"
    MEDIA_TIME = "media_time"
    SEQUENCE = "sequence"


class ContentLabel(StrEnum):
    """What a segment carries: baselines and advice leave ads out."""

    PROGRAM = "program"
    AD = "ad"


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
    init_key: EncryptionKey | None = None
    """Of the initialization segment, which may be clear, or have another key than the media."""
    discontinuity_sequence: int = Field(default=0, ge=0)
    start_seconds: float = Field(ge=-1e10, le=1e12, allow_inf_nan=False)
    """Start of the span [start, start + duration): media time, or seconds since the epoch for live."""
    duration_seconds: float | None = Field(default=None, gt=0, le=86_400, allow_inf_nan=False)
    """None: not declared; the decoder measures it."""
    window_seconds: tuple[float, float] | None = None
    """[start, end) of a plain file that was cut by us; None: the resource is the segment."""
    time_basis: TimeBasis = TimeBasis.MEDIA_TIME
    expires_at: AwareDatetime | None = None
    """When it leaves the live window; None: it does not."""
    label: ContentLabel = ContentLabel.PROGRAM
    cdn: str | None = Field(default=None, max_length=256)
    """Host that it is read from, where a rendition has more than one; None: there is one."""

    @model_validator(mode="after")
    def _window_is_ordered(self) -> Self:
        if self.window_seconds and not self.window_seconds[0] < self.window_seconds[1]:
            raise ValueError(f"window_seconds must be [start, end) with start < end, got {self.window_seconds}")
        return self


class StandIn(Record):
    """The next best rung at one place of the reference: looked at where the best one is broken."""

    rendition: Rendition
    segment: Segment


class ReferencePart(Record):
    """One segment of the best rung, and what may stand in for it."""

    segment: Segment
    stand_in: StandIn | None = None
    """None: no other rung has a segment over the same span."""


class Reference(Record):
    """The best rung over the span of a segment: what to decode where its sheet is not in the cache."""

    rendition: Rendition
    parts: tuple[ReferencePart, ...] = Field(min_length=1, max_length=64)
    """In order of time; more than one where the rungs are cut at different places."""


class SegmentReady(Record):
    """A segment can be fetched and scored. A pointer: it carries no media bytes."""

    stream_id: Identifier
    rendition: Rendition
    segment: Segment
    reference: Reference | None = None
    """None: a ladder of one, rungs that could not be aligned, or scores wanted alone. Of the best rung it names the
    segment itself, so that its sheet is kept."""
    display_height_px: Pixels | None = None
    """None: the height of the segment itself."""
    slowest_frame_rate: Rate | None = None
    """Of the ladder: instants of a faster reference are kept to frames that every rung has. None: not declared."""
    live: bool = False
    available_at: AwareDatetime | None = None
    """When it was first seen; for two durations from then on, that it is not there means not yet. None: not live."""
    deadline: AwareDatetime | None = None
    """Live work that is not started by then is skipped and counted; None: never skipped."""

    @property
    def is_reference(self) -> bool:
        """Whether this is the best rung itself."""
        return self.reference is not None and self.reference.rendition.rendition_id == self.rendition.rendition_id

    @property
    def event_id(self) -> str:
        """What makes two events the same: a repeat overwrites what the first one did."""
        segment = self.segment
        return f"{self.stream_id}/{self.rendition.rendition_id}/{segment.discontinuity_sequence}/{segment.number}"


class SegmentSkipped(Record):
    """Live work that came too late to matter, and was not scored."""

    stream_id: Identifier
    rendition_id: Identifier
    segment_number: int = Field(ge=0)
    start_seconds: float = Field(allow_inf_nan=False)
    duration_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    deadline: AwareDatetime
    late_seconds: float = Field(ge=0, allow_inf_nan=False)
    """How long after the deadline its turn came."""
