"""What a shift came to: every incident, the worst first, and how long each rendition was how good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.history import SeriesPoint
from pipeline.spans import Span, merged, without
from pipeline.troubles import end_of
from schemas import ContentLabel, Incident, Severity, quality_word

WORDS = ("excellent", "good", "fair", "poor", "bad")
NO_PICTURE_FALL = 60.0
"""What a second with a frozen, black or damaged picture counts, in points of score."""
PICTURE_CAUSES = frozenset({"frozen", "black", "damaged"})


@dataclass(frozen=True, slots=True)
class Totals:
    """How the time of one rendition went; all parts together are the range."""

    rendition_id: str
    seconds: Mapping[str, float]
    """By word of quality."""
    ad_seconds: float
    skipped_seconds: float
    """Passed over as too late."""
    unscored_seconds: float
    """Nothing is known, for whatever other reason."""
    trouble_seconds: float
    """In any incident of this rendition, or of the presentation."""

    @property
    def all_seconds(self) -> float:
        return sum(self.seconds.values()) + self.ad_seconds + self.skipped_seconds + self.unscored_seconds


@dataclass(frozen=True, slots=True)
class Shift:
    """Incidents, the worst first, and totals, best rendition first, over [start_seconds, end_seconds)."""

    start_seconds: float
    end_seconds: float
    incidents: Sequence[Incident]
    totals: Sequence[Totals]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """JPEG of the worst frame by incident."""


def worst_first(incidents: Sequence[Incident], end_seconds: float) -> list[Incident]:
    """Return the critical before others, and of each those that took the most quality from the most renditions."""

    def harm(incident: Incident) -> float:
        end = end_seconds if incident.end_seconds is None else incident.end_seconds
        fall = (incident.usual_score or 0.0) - (incident.score or 0.0) if incident.usual_score is not None else 0.0
        if incident.cause in PICTURE_CAUSES:
            fall = max(fall, NO_PICTURE_FALL)
        return max(1.0, fall) * max(1.0, end - incident.start_seconds) * max(1, len(incident.rendition_ids))

    severities = list(Severity)
    return sorted(
        incidents, key=lambda each: (-severities.index(each.severity), -harm(each), each.start_seconds, each.cause)
    )


def totals_of(
    rendition_id: str,
    points: Sequence[SeriesPoint],
    start_seconds: float,
    end_seconds: float,
    *,
    skipped: Sequence[tuple[float, float]] = (),
    ads: Sequence[tuple[float, float]] = (),
    incidents: Sequence[Incident] = (),
) -> Totals:
    """Return how the time [start, end) of one rendition went. `skipped`: spans of this rendition."""
    seconds = dict.fromkeys(WORDS, 0.0)
    ad_seconds = 0.0
    covered: list[tuple[float, float]] = []
    for point in points:
        start = max(start_seconds, point.start_seconds)
        # Durations of segments overlap their neighbours by rounding, and a roll-up may hold gaps.
        end = min(end_seconds, end_of(point) if point.raw is not None else point.start_seconds + point.duration_seconds)
        if covered:
            start = max(start, covered[-1][1])
        if end <= start:
            continue
        covered.append((start, end))
        in_ads = _is_ad(point, start, end, ads)
        ad_seconds += in_ads
        seconds[quality_word(point.score)] += end - start - in_ads
    known = sum(end - start for start, end in covered)
    late = _length(without(_clipped(skipped, start_seconds, end_seconds), covered))
    spans = [
        (each.start_seconds, end_seconds if each.end_seconds is None else each.end_seconds)
        for each in incidents
        if not each.rendition_ids or rendition_id in each.rendition_ids
    ]
    return Totals(
        rendition_id=rendition_id,
        seconds=seconds,
        ad_seconds=ad_seconds,
        skipped_seconds=late,
        unscored_seconds=max(0.0, end_seconds - start_seconds - known - late),
        trouble_seconds=_length(_clipped(spans, start_seconds, end_seconds)),
    )


def _is_ad(point: SeriesPoint, start: float, end: float, ads: Sequence[tuple[float, float]]) -> float:
    """Return how many seconds of [start, end) are ads."""
    if point.raw is not None:
        return end - start if point.raw.label is ContentLabel.AD else 0.0
    return sum(last - first for first, last in _clipped(ads, start, end))


def _clipped(spans: Sequence[Span], start: float, end: float) -> list[Span]:
    """Return the spans within [start, end), in order, those that overlap as one."""
    inside = ((max(first, start), min(last, end)) for first, last in spans)
    return merged((first, last) for first, last in inside if last > first)


def _length(spans: Sequence[Span]) -> float:
    return sum(end - start for start, end in spans)
