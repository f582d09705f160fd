"""What is asked of quality over time, and what is answered: the vocabulary of whoever reads a series."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol
from urllib.parse import quote, unquote

from schemas import (
    Basis,
    ContentLabel,
    FindingKind,
    ManifestFinding,
    ManifestFindingKind,
    QualityPoint,
    SegmentSkipped,
    TimeBasis,
)

RAW_UNTIL_SECONDS = 6 * 3600
"""`auto`: up to this length single points are shown, a few thousand of a rendition;"""
MINUTES_UNTIL_SECONDS = 7 * 86400
"""and up to this one minutes."""
EVENT_SECONDS = 600.0
"""A finding that is over as it happens counts as open for so long: two looks of most alert rules."""
LONGEST_OPEN_SECONDS = 86_400.0
"""What began before that and was never told to be over belongs to an ingest that was ended in between."""
EVENTS = frozenset(
    {
        ManifestFindingKind.AUDIO_VIDEO_START,
        ManifestFindingKind.CHANGED_SEGMENT,
        ManifestFindingKind.MISSING_SEGMENT,
        ManifestFindingKind.RUNG_NEW,
        ManifestFindingKind.SEQUENCE_WENT_BACK,
        ManifestFindingKind.TIME_JUMP,
    }
)
"""Findings that are over as they happen."""


class Resolution(StrEnum):
    """What one value of a series stands for."""

    RAW = "raw"
    MINUTE = "minute"
    HOUR = "hour"


class SeriesPoint(NamedTuple):
    """One value of a series: a segment, or the roll-up of a minute or an hour of segments.

    A tuple, as a question may be for 20,000 of them: a frozen dataclass takes five times as long to make.
    """

    resolution: Resolution
    start_seconds: float
    """Of the segment, or of the minute or hour."""
    duration_seconds: float
    """What was scored: of a roll-up at most about its minute or hour, less where there are gaps."""
    count: int  # type: ignore[assignment]  # nobody asks such a tuple how often it holds something
    score: float
    """Mean, weighted by duration."""
    low: float
    high: float
    """The 90 % interval; of a roll-up the mean of its segments' ends."""
    least_score: float
    least_seconds: float
    """Where the segment of the least score starts."""
    greatest_score: float
    bitrate_bps: float | None
    bases: tuple[tuple[Basis, int], ...]
    findings: tuple[tuple[FindingKind, int], ...]
    """How many segments had which."""
    raw: QualityPoint | None = None
    """The point itself; None: a roll-up, or only its values were asked for."""
    label: ContentLabel | None = None
    """Of a segment. None: a roll-up, which does not know it."""

    @classmethod
    def of(cls, point: QualityPoint) -> "SeriesPoint":
        """Return a single point as a value of its series."""
        # By place: by name it takes two and a half times as long, and an hour of six rungs has 10,800.
        return cls(
            Resolution.RAW,
            point.start_seconds,
            point.duration_seconds,
            1,
            point.score,
            point.low,
            point.high,
            point.score,
            point.start_seconds,
            point.score,
            point.bitrate_bps,
            ((point.basis, 1),),
            tuple([(kind, 1) for kind in point.findings]) if point.findings else (),
            point,
            point.label,
        )


Wanted = Resolution | Literal["auto", "raw", "minute", "hour"]

quoted = lru_cache(maxsize=16_384)(lambda text: quote(text, safe=""))


class SeriesId(NamedTuple):
    """What may stand in one line: scores of two models, two displays or two samplers never mix."""

    rendition_id: str
    model_name: str
    display_height_px: int
    sampler_name: str
    sampler_frames: int

    @classmethod
    def of(cls, point: QualityPoint) -> "SeriesId":
        return cls(
            point.rendition_id, point.model_name, point.display_height_px, point.sampler_name, point.sampler_frames
        )

    @classmethod
    def parsed(cls, name: str) -> "SeriesId":
        rendition, model, height, sampler, frames = name.split("/")
        return cls(unquote(rendition), unquote(model), int(height), unquote(sampler), int(frames))

    @property
    def name(self) -> str:
        """As it stands in keys and fields."""
        return series_name(
            self.rendition_id, self.model_name, self.display_height_px, self.sampler_name, self.sampler_frames
        )


def series_name(rendition: str, model: str, height_px: int, sampler: str, frames: int) -> str:
    return f"{quoted(rendition)}/{quoted(model)}/{height_px}/{quoted(sampler)}/{frames}"


@dataclass(frozen=True, slots=True)
class StreamEntry:
    stream_id: str
    written_seconds: float
    """When it was last written to, since the epoch."""


class SeriesEntry(NamedTuple):
    """One series of a stream."""

    stream_id: str
    series: SeriesId
    first_seconds: float
    """Start of its first point, which may have expired."""
    written_seconds: float
    """When it was last written to, since the epoch."""
    revision: int
    """Of the newest weights in it."""
    latest: QualityPoint

    @property
    def end_seconds(self) -> float:
        return self.latest.start_seconds + self.latest.duration_seconds


class RungStanding(NamedTuple):
    """How one rendition of a stream stands: of its latest point as much as a list of streams shows."""

    series: SeriesId
    revision: int
    """Of the newest weights in it."""
    start_seconds: float
    """Of its latest point, to the millisecond, as its end."""
    end_seconds: float
    written_seconds: float
    """When it was last written to, since the epoch."""
    score: float
    bitrate_bps: int | None
    time_basis: TimeBasis


class StreamStanding(NamedTuple):
    """How a stream stands."""

    stream_id: str
    written_seconds: float
    """When it was last written to, since the epoch."""
    rungs: Sequence[RungStanding]
    """Of every rendition the series that `selected` takes, best bitrate first; there is at least one."""
    open_findings: int
    """How many of its newest findings are open, as `is_open` has it."""


class History(Protocol):
    """Questions about series. All raise Unavailable where their store is away, and return nothing where nothing is."""

    def streams(self) -> list[StreamEntry]: ...

    def series(self, stream_id: str) -> list[SeriesEntry]: ...

    def series_of(self, stream_ids: Sequence[str]) -> dict[str, list[SeriesEntry]]:
        """Return what `series` does, of many streams at once."""
        ...

    def standings(self, now_seconds: float, most_findings: int) -> list[StreamStanding]:
        """Return how all streams with points stand, the one that was written to last first.

        The same as `streams`, `series_of`, `selected` and `findings_of` tell together, in a third of the time.

        Args:
            now_seconds: Since the epoch: at which findings are open or not.
            most_findings: Of one stream, the newest, to count what is open.
        """
        ...

    def select(
        self,
        stream_id: str,
        rendition_id: str | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        model: str | None = None,
    ) -> list[SeriesEntry]: ...

    def latest(self, stream_id: str, model: str | None = None) -> dict[str, QualityPoint]: ...

    def read(
        self,
        entry: SeriesEntry,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        resolution: Wanted = "auto",
    ) -> list[SeriesPoint]: ...

    def read_all(
        self,
        entries: Sequence[SeriesEntry],
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        resolution: Wanted = "auto",
    ) -> list[list[SeriesPoint]]:
        """Return what `read` does of several series, at once."""
        ...

    def segments(self, wanted: Sequence[tuple[SeriesEntry, Sequence[SeriesPoint]]]) -> list[list[SeriesPoint]]:
        """Return of every series the segments of these minutes, in no order; a minute as it is where they expired.

        Their values only, without `raw`: in half the time.
        """
        ...

    def skipped(
        self,
        stream_id: str,
        rendition_id: str | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
    ) -> list[SegmentSkipped]: ...

    def findings(
        self, stream_id: str, start_seconds: float | None = None, end_seconds: float | None = None, most: int = 1000
    ) -> list[ManifestFinding]: ...

    def findings_of(
        self,
        stream_ids: Sequence[str],
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        most: int = 1000,
    ) -> dict[str, list[ManifestFinding]]:
        """Return what `findings` does, of many streams at once; `most` of each."""
        ...

    def ads(
        self, stream_id: str, start_seconds: float | None = None, end_seconds: float | None = None
    ) -> list[tuple[float, float]]:
        """Return [start, end) of the ad breaks that have segments starting in the range, in order of time."""
        ...


@dataclass(frozen=True, slots=True)
class PictureEntry:
    """The worst frame of one segment, of which a small picture is kept."""

    stream_id: str
    rendition_id: str
    start_seconds: float
    """Where its segment starts, as of its point."""
    worst_seconds: float
    """Where the frame is."""
    score: float
    """Of the frame."""


class Pictures(Protocol):
    """Questions about the pictures of worst frames. Raise Unavailable as `History` does."""

    def kept(
        self,
        stream_id: str,
        rendition_id: str | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
    ) -> list[PictureEntry]:
        """Return those whose segments start in [start, end), in order of time, then rendition."""
        ...

    def jpeg(self, stream_id: str, rendition_id: str, start_seconds: float) -> bytes | None:
        """Return one picture; None: none was kept, or it has gone."""
        ...


def is_open(finding: ManifestFinding, now_seconds: float) -> bool:
    """Whether something must still be looked at: it lasts, or it happened just now."""
    return finding.over_at is None and now_seconds - finding.found_at.timestamp() < open_for_seconds(finding.kind)


def open_for_seconds(kind: str) -> float:
    """Return for how long a finding of this kind counts as open where nobody tells that it is over."""
    return EVENT_SECONDS if kind in EVENTS else LONGEST_OPEN_SECONDS


def selected(
    entries: Sequence[SeriesEntry],
    rendition_ids: Collection[str] = (),
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    model: str | None = None,
    display_height_px: int | None = None,
) -> list[SeriesEntry]:
    """Return one series of every rendition: of those with something in [start, end) the first, as `History` sorts them.

    None and no renditions: every rendition, from the first, to the last, whichever model and display.
    """
    chosen: dict[str, SeriesEntry] = {}
    for entry in entries:
        series = entry.series
        if (rendition_ids and series.rendition_id not in rendition_ids) or model not in (None, series.model_name):
            continue
        if display_height_px not in (None, series.display_height_px):
            continue
        if end_seconds is not None and entry.first_seconds >= end_seconds:
            continue
        if start_seconds is not None and entry.latest.start_seconds < start_seconds:
            continue
        chosen.setdefault(series.rendition_id, entry)
    return list(chosen.values())


def auto(length_seconds: float) -> Resolution:
    """Return the resolution that shows a range of this length in a few thousand points at most."""
    if length_seconds <= RAW_UNTIL_SECONDS:
        return Resolution.RAW
    return Resolution.MINUTE if length_seconds <= MINUTES_UNTIL_SECONDS else Resolution.HOUR


def worst(points: Sequence[SeriesPoint], most: int) -> list[SeriesPoint]:
    """Return the values with the least scores, the worst first; of equals the earlier first."""
    return sorted(points, key=lambda point: (point.least_score, point.least_seconds))[:most]
