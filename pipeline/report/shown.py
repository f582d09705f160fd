"""What the page shows, wherever it came from: scores made just now, or points of a series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.history import SeriesPoint
from pipeline.report.rendition import Note, Severity
from pipeline.report.shift import Shift
from schemas import TimeBasis, quality_word


@dataclass(frozen=True, slots=True)
class ShownRung:
    """One rendition."""

    rendition_id: str
    label: str
    points: Sequence[SeriesPoint]
    """In order of time; the input of every line and total."""
    mean: float
    low: float
    high: float
    worst_score: float
    worst_when: str | None
    """None: a still has no time."""
    bitrate_bps: float | None
    basis: str
    """``ladder``, ``alone`` or ``mixed``."""
    segments: int
    fifth_percentile: float | None = None
    """Of the frames' scores; None: points do not tell it."""
    declared_bps: int | None = None
    codec: str = ""
    """Renditions of one codec are joined in the chart of quality against bitrate."""
    picture: str = ""
    picture_more: str = ""
    worst_jpeg: bytes | None = None

    @property
    def word(self) -> str:
        return quality_word(self.mean)


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """The picture of one bad frame."""

    rendition_id: str
    jpeg: bytes
    score: float
    when: str | None

    @property
    def word(self) -> str:
        return quality_word(self.score)


@dataclass(frozen=True, slots=True)
class ShownStream:
    """One stream: its renditions from best to worst, and what there is to tell about them."""

    stream_id: str
    label: str
    overview: str
    time_basis: TimeBasis
    display_height_px: int
    rungs: Sequence[ShownRung]
    notes: Sequence[Note]
    """Problems first; those with spans are marked in the chart."""
    troubled_ids: Sequence[str]
    listed_notes: Sequence[Note] = ()
    """Those that are told as sentences."""
    frames: Sequence[ShownFrame] = ()
    frames_title: str = "The worst frame of each rendition"
    shift: Shift | None = None
    ads: Sequence[tuple[float, float]] = ()
    skipped: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """By rendition: live work that came too late."""
    step: str = "One step is one segment"

    @property
    def problems(self) -> list[Note]:
        return [note for note in self.notes if note.severity is Severity.PROBLEM]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which model and sampler made scores."""

    model: str
    weights: str
    sampler: str
    accuracy: str = ""
    """Empty: not known here."""


@dataclass(frozen=True, slots=True)
class ShownPage:
    """The whole page."""

    headline: str
    streams: Sequence[ShownStream]
    identities: Sequence[Identity] = field(default=())
