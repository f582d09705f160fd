"""What a model said of a segment, and the point of the time series that comes of it."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from schemas.ladder import Rung
from schemas.record import Identifier, Pixels, Rate, Record, Score
from schemas.segment import ContentLabel, TimeBasis

STILL_SHARE = 0.9
"""Of a segment, from which its picture stands still for all of it: from the first picture to the last it lacks one."""


class Basis(StrEnum):
    """How a score was made."""

    ALONE = "alone"
    LADDER = "ladder"


class ModelIdentity(Record):
    """Which weights made a score; scores of two identities never mix."""

    name: Identifier
    weights_hash: str = Field(pattern=r"^[0-9a-f]{12,64}$|^untrained$")
    revision: int = Field(default=0, ge=0)
    """Of two weights of one name the newer has the greater: seconds since the epoch at the end of training."""
    accuracy: str = Field(max_length=512)
    """Measured on held-out contents, in one line: what a reader must know before trusting a number."""


class SamplerIdentity(Record):
    name: Identifier
    frames: int = Field(ge=1, le=512)
    """Frames asked for per segment (K)."""


class FrameScore(Record):
    pts: int | None
    """Presentation time stamp in `time_base` ticks of the stream; None: the stream has none."""
    time_seconds: float = Field(allow_inf_nan=False)
    """Media time of the frame."""
    score: Score


class FindingKind(StrEnum):
    """What was seen besides the score."""

    FROZEN = "frozen"
    """The picture stands still while that of another rung moves."""
    STILL = "still"
    """The picture stands still, and nothing is known that moves meanwhile: a title card does so rightly."""
    BLACK = "black"
    DAMAGED = "damaged"
    TRUNCATED = "truncated"
    INTERLACED = "interlaced"
    MISMATCH = "mismatch"
    OFFSET = "offset"
    REFERENCE_REPLACED = "reference_replaced"
    TIMESTAMPS_REPAIRED = "timestamps_repaired"
    DOUBTFUL_SOURCE = "doubtful_source"
    """The picture is worse than its bits should make it: the source may have been bad before it was encoded."""


class Finding(Record):
    """One thing worth telling about a segment, in words a person can act on."""

    kind: FindingKind
    text: str = Field(min_length=1, max_length=1024)
    start_seconds: float | None = Field(default=None, allow_inf_nan=False)
    duration_seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class MediaFacts(Record):
    """What the segment is, as decoded (not as declared)."""

    codec: str = Field(max_length=64)
    width_px: Pixels
    height_px: Pixels
    """As coded, after rotation, before pixels are made square."""
    bit_depth: int = Field(ge=1, le=16)
    frame_rate: Rate | None = None
    frames: int = Field(ge=1)
    """Decoded pictures in the segment."""
    duration_seconds: float = Field(ge=0, allow_inf_nan=False)
    bitrate_bps: int | None = Field(default=None, ge=0)
    """Video packets only, over the segment's duration; None for a still."""
    interlaced: bool = False
    audio_lag_seconds: float | None = Field(default=None, allow_inf_nan=False)
    """How much later than the first picture the sound in the same file begins; None: there is none."""


class SegmentScored(Record):
    """The score of one segment of one rendition by one model at one display height."""

    stream_id: Identifier
    rendition_id: Identifier
    rung: Rung = Rung()
    segment_number: int = Field(ge=0)
    start_seconds: float = Field(allow_inf_nan=False)
    duration_seconds: float = Field(ge=0, allow_inf_nan=False)
    time_basis: TimeBasis
    media: MediaFacts
    display_height_px: Pixels
    basis: Basis
    reference_rendition_id: Identifier | None = None
    reference_offset_seconds: float | None = Field(default=None, allow_inf_nan=False)
    """Content of this rung lags the reference by this much; None where the basis is `alone`."""
    score: Score
    low: Score
    """Lower end of the 90 % interval."""
    high: Score
    frames: tuple[FrameScore, ...] = Field(min_length=1)
    worst_frame: FrameScore
    findings: tuple[Finding, ...] = ()
    model: ModelIdentity
    sampler: SamplerIdentity
    live: bool = False
    label: ContentLabel = ContentLabel.PROGRAM
    cdn: str | None = Field(default=None, max_length=256)
    scored_at: AwareDatetime | None = None
    """When the score was made; None: not said."""


class QualityPoint(Record):
    """One value of a rendition's quality time series."""

    stream_id: Identifier
    rendition_id: Identifier
    segment_number: int = Field(ge=0)
    start_seconds: float = Field(allow_inf_nan=False)
    duration_seconds: float = Field(ge=0, allow_inf_nan=False)
    time_basis: TimeBasis
    score: Score
    low: Score
    high: Score
    worst_score: Score
    """Of the worst frame."""
    worst_seconds: float = Field(allow_inf_nan=False)
    """Where that frame is."""
    basis: Basis
    bitrate_bps: int | None = Field(default=None, ge=0)
    display_height_px: Pixels
    findings: tuple[FindingKind, ...] = ()
    """The kinds, each once; `still` only where the picture stands still for the whole segment."""
    label: ContentLabel = ContentLabel.PROGRAM
    model_name: Identifier
    weights_hash: str
    model_revision: int = Field(default=0, ge=0)
    sampler_name: Identifier
    sampler_frames: int = Field(ge=1)

    @classmethod
    def of(cls, scored: SegmentScored) -> "QualityPoint":
        """Return the point that a scored segment contributes."""
        return cls(
            stream_id=scored.stream_id,
            rendition_id=scored.rendition_id,
            segment_number=scored.segment_number,
            start_seconds=scored.start_seconds,
            duration_seconds=scored.duration_seconds,
            time_basis=scored.time_basis,
            score=scored.score,
            low=scored.low,
            high=scored.high,
            worst_score=scored.worst_frame.score,
            worst_seconds=scored.worst_frame.time_seconds,
            basis=scored.basis,
            bitrate_bps=scored.media.bitrate_bps,
            display_height_px=scored.display_height_px,
            findings=tuple(dict.fromkeys(found.kind for found in scored.findings if _is_of_all(found, scored))),
            label=scored.label,
            model_name=scored.model.name,
            weights_hash=scored.model.weights_hash,
            model_revision=scored.model.revision,
            sampler_name=scored.sampler.name,
            sampler_frames=scored.sampler.frames,
        )


def _is_of_all(finding: Finding, scored: SegmentScored) -> bool:
    """Whether a finding tells of the segment: a picture that rests for a part of it does not."""
    if finding.kind is not FindingKind.STILL or finding.duration_seconds is None:
        return True
    return finding.duration_seconds >= STILL_SHARE * scored.duration_seconds


def quality_word(score: float) -> str:
    """Return the word for a score: excellent >= 80, good >= 60, fair >= 40, poor >= 20, bad."""
    for least, word in ((80, "excellent"), (60, "good"), (40, "fair"), (20, "poor")):
        if score >= least:
            return word
    return "bad"


__all__ = [
    "Basis",
    "Finding",
    "FindingKind",
    "FrameScore",
    "MediaFacts",
    "ModelIdentity",
    "QualityPoint",
    "Rate",
    "SamplerIdentity",
    "SegmentScored",
    "quality_word",
]
