"""What a playlist or manifest, or its origin, does that it should not; found without decoding a picture."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from schemas.incident import Severity
from schemas.record import Identifier, Record


class ManifestFindingKind(StrEnum):
    STALE = "stale"
    """Nothing new for k x target duration."""
    MISSING_SEGMENT = "missing_segment"
    """Listed, and not to be had."""
    CHANGED_SEGMENT = "changed_segment"
    """Listed again as something else."""
    SEQUENCE_WENT_BACK = "sequence_went_back"
    TARGET_DURATION = "target_duration"
    """A segment is longer than the playlist promises, or the promise changed."""
    DISCONTINUITY_MISMATCH = "discontinuity_mismatch"
    """Renditions disagree where the discontinuities are."""
    RUNG_GONE = "rung_gone"
    RUNG_NEW = "rung_new"
    BANDWIDTH = "bandwidth"
    """Segments are larger than the declared bandwidth allows."""
    CODEC = "codec"
    """Segments hold another codec than is declared."""
    WINDOW_SHRINKING = "window_shrinking"
    SLOW_ORIGIN = "slow_origin"
    FAILING_ORIGIN = "failing_origin"
    AUDIO_VIDEO_START = "audio_video_start"
    """Audio and video start apart."""
    TIME_JUMP = "time_jump"
    """The wall clock of the playlist jumps or drifts against the durations."""
    CLOCK_SKEW = "clock_skew"
    """Renditions state other wall clocks for the same content."""
    NOT_ALIGNED = "not_aligned"
    """Renditions cannot be aligned, and are not compared."""
    ENCRYPTED = "encrypted"
    """Not scored."""
    BAD_PLAYLIST = "bad_playlist"


class ManifestFinding(Record):
    """One thing worth telling about a presentation, once while it lasts."""

    finding_id: Identifier
    """The same for every repeat of the same trouble, so that a repeat overwrites."""
    stream_id: Identifier
    rendition_id: Identifier | None = None
    """None: of the presentation as a whole."""
    cdn: str | None = Field(default=None, max_length=256)
    kind: ManifestFindingKind
    severity: Severity = Severity.WARNING
    text: str = Field(min_length=1, max_length=2048)
    """For a person: what, where, what is expected."""
    found_at: AwareDatetime
    segment_number: int | None = Field(default=None, ge=0)
    over_at: AwareDatetime | None = None
    """When it was well again; None: not yet, or a single event."""
