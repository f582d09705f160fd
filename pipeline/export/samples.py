"""What a point is as samples of Prometheus: four series a rendition, at the segment's own time."""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.history import SeriesEntry, SeriesPoint
from pipeline.words import WALL_CLOCK
from schemas import QualityPoint, TimeBasis

MS = 1000

Labels = tuple[tuple[str, str], ...]
"""Sorted by name, as remote write wants them."""


class LeftOut(StrEnum):
    """Why a sample is not in the store."""

    NO_CLOCK = "no_clock"
    """On media time, which has no place on the clock."""
    FUTURE = "future"
    """So far ahead of now that it would make the store refuse all others: Prometheus counts from its newest sample."""
    OUT_OF_ORDER = "out_of_order"
    """There is a newer one, and the store takes none that is older."""
    TOO_OLD = "too_old"
    """Older than the store's window."""
    DUPLICATE = "duplicate"
    """There is another value for this moment, which stays."""
    REFUSED = "refused"
    """For a reason that the store put in words of its own."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series."""

    labels: Labels
    """The name of the metric, `__name__`, among them."""
    time_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class Exported:
    """Of a point or a roll-up, what is exported."""

    stream_id: str
    rendition_id: str
    model_name: str
    display_height_px: int
    time_basis: TimeBasis
    start_seconds: float
    score: float
    low: float
    high: float
    bitrate_bps: float | None

    @property
    def values(self) -> dict[str, float]:
        """By the name of their metric."""
        named = {"score": self.score, "low": self.low, "high": self.high, "bitrate_bps": self.bitrate_bps}
        return {f"rungwatch_quality_{name}": value for name, value in named.items() if value is not None}

    @classmethod
    def of(cls, point: QualityPoint) -> "Exported":
        return cls(
            point.stream_id,
            point.rendition_id,
            point.model_name,
            point.display_height_px,
            point.time_basis,
            point.start_seconds,
            point.score,
            point.low,
            point.high,
            point.bitrate_bps,
        )

    @classmethod
    def read(cls, entry: SeriesEntry, point: SeriesPoint) -> "Exported":
        """Return one value of a series, which may be a roll-up: then the means, at the start of its minute or hour."""
        series = entry.series
        return cls(
            entry.stream_id,
            series.rendition_id,
            series.model_name,
            series.display_height_px,
            entry.latest.time_basis,
            point.start_seconds,
            point.score,
            point.low,
            point.high,
            point.bitrate_bps,
        )


def why_left_out(point: Exported, now_seconds: float, past_seconds: float, future_seconds: float) -> LeftOut | None:
    """Return why a point is not put to a store; None: it is. Times: since the epoch, and how far from then."""
    if point.time_basis not in WALL_CLOCK:
        return LeftOut.NO_CLOCK
    if point.start_seconds > now_seconds + future_seconds:
        return LeftOut.FUTURE
    return LeftOut.TOO_OLD if point.start_seconds < now_seconds - past_seconds else None


def samples_of(point: Exported, more: dict[str, str]) -> list[Sample]:
    """Return the samples of a point on the wall clock, at the start of its segment; `more`: labels besides its own."""
    time_ms = round(point.start_seconds * MS)
    own = {
        "stream": point.stream_id,
        "rendition": point.rendition_id,
        "model": point.model_name,
        "display_height": str(point.display_height_px),
    }
    return [
        Sample(tuple(sorted((more | own | {"__name__": name}).items())), time_ms, value)
        for name, value in point.values.items()
    ]
