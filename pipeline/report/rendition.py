"""One rendition in numbers: what its scored segments come to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import ceil
from statistics import fmean

from pipeline.drops import Drop, Sample, find_drops
from pipeline.words import printable
from schemas import Basis, MediaFacts, Rung, SegmentScored, TimeBasis, quality_word


class Severity(StrEnum):
    PROBLEM = "problem"
    """Viewers see it."""
    ADVICE = "advice"
    """The ladder can be made better."""
    INFO = "info"
    """Worth knowing when the numbers are read."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to tell about a stream, in one sentence, with the spans [start, end) that it is about."""

    severity: Severity
    kind: str
    """One word: a `FindingKind`, or ``drop``, ``starved``, ``inverted``, ``adds_nothing``, ``unscored``."""
    text: str
    rendition_ids: tuple[str, ...] = ()
    spans_seconds: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """The worst frame of a rendition. `time_seconds` is on the same axis as the segments' starts."""

    time_seconds: float
    score: float
    segment_number: int


@dataclass(frozen=True, slots=True)
class RenditionSummary:
    """What one rendition comes to over all its scored segments."""

    stream_id: str
    rendition_id: str
    label: str
    """`rendition_id` without what would steer a terminal."""
    rung: Rung
    media: MediaFacts
    """Of the segment that stands for most of the others (codec, size, frame rate)."""
    varies: bool
    """Codec, size or frame rate differ between segments."""
    bitrate_bps: float | None
    """Measured, weighted by duration; None for stills."""
    duration_seconds: float
    mean: float
    low: float
    high: float
    """Means of the ends of the segments' intervals, weighted by duration like `mean`."""
    fifth_percentile: float
    """Of the scores of all sampled frames."""
    worst: Moment
    basis: str
    """``ladder``, ``alone`` or ``mixed``."""
    drops: tuple[Drop, ...]
    segments: tuple[SegmentScored, ...]
    """In order of time."""

    @property
    def word(self) -> str:
        return quality_word(self.mean)

    @property
    def frame_rate(self) -> Fraction | None:
        return self.media.frame_rate

    @property
    def price_bps(self) -> float | None:
        """What the rung costs: as declared, else as measured."""
        return self.rung.bitrate_bps or self.bitrate_bps

    @property
    def time_basis(self) -> TimeBasis:
        return self.segments[0].time_basis


def rendition_summary(scored: Iterable[SegmentScored]) -> RenditionSummary:
    """Return the summary of the segments of one rendition.

    Raises:
        ValueError: There is no segment, or they are of several renditions, models or display heights.
    """
    segments = tuple(sorted(scored, key=lambda each: (each.start_seconds, each.segment_number)))
    _check_one_series(segments)
    # A still lasts no time; it counts as one.
    weights = [each.duration_seconds or 1.0 for each in segments]
    looks = [(each.media.codec, each.media.width_px, each.media.height_px) for each in segments]
    usual = max(looks, key=looks.count)
    bases = {each.basis for each in segments}
    first = segments[0]
    return RenditionSummary(
        stream_id=first.stream_id,
        rendition_id=first.rendition_id,
        label=printable(first.rendition_id),
        rung=first.rung,
        media=segments[looks.index(usual)].media,
        varies=len(set(looks)) > 1,
        bitrate_bps=_measured_bitrate(segments),
        duration_seconds=sum(each.duration_seconds for each in segments),
        mean=fmean([each.score for each in segments], weights),
        low=fmean([each.low for each in segments], weights),
        high=fmean([each.high for each in segments], weights),
        fifth_percentile=_percentile([frame.score for each in segments for frame in each.frames], 5),
        worst=_worst(segments),
        basis=str(first.basis) if len(bases) == 1 else "mixed",
        drops=tuple(find_drops([_sample(each) for each in segments])),
        segments=segments,
    )


def half_interval(scored: SegmentScored) -> float:
    return (scored.high - scored.low) / 2


def moment_on_axis(scored: SegmentScored, time_seconds: float) -> float:
    """Return a media time of a segment's pictures on the axis of `start_seconds`.

    The two axes are one for a plain file. A transport stream starts at any time stamp, and a live segment's
    start is wall clock: there the first sampled frame is taken for the start, right within one time bucket.
    """
    start, end = scored.start_seconds, scored.start_seconds + scored.duration_seconds
    first = scored.frames[0].time_seconds
    last = scored.frames[-1].time_seconds
    slack = max(0.5, scored.duration_seconds / 4)  # declared durations are rounded, pictures lead by B-frames
    if start - slack <= first and last <= end + slack:
        return time_seconds
    return start + time_seconds - first


def _check_one_series(segments: Sequence[SegmentScored]) -> None:
    if not segments:
        raise ValueError("expected at least one scored segment, got none")
    kinds = {
        (each.stream_id, each.rendition_id, each.model.name, each.model.weights_hash, each.display_height_px)
        for each in segments
    }
    if len(kinds) > 1:
        raise ValueError(f"expected one rendition, one model and one display height, got {sorted(kinds)}")


def _measured_bitrate(segments: Sequence[SegmentScored]) -> float | None:
    known = [
        (float(each.media.bitrate_bps), each.duration_seconds)
        for each in segments
        if each.media.bitrate_bps is not None and each.duration_seconds > 0
    ]
    if not known:
        return None
    return fmean([bps for bps, _ in known], [seconds for _, seconds in known])


def _percentile(values: list[float], percent: float) -> float:
    """Return the nearest-rank percentile: a score that a frame really has."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def _worst(segments: Sequence[SegmentScored]) -> Moment:
    worst = min(segments, key=lambda each: each.worst_frame.score)
    return Moment(
        time_seconds=moment_on_axis(worst, worst.worst_frame.time_seconds),
        score=worst.worst_frame.score,
        segment_number=worst.segment_number,
    )


def _sample(scored: SegmentScored) -> Sample:
    return Sample(
        start_seconds=scored.start_seconds,
        end_seconds=scored.start_seconds + scored.duration_seconds,
        score=scored.score,
        half_interval=half_interval(scored),
        bitrate_bps=scored.media.bitrate_bps,
        alone=scored.basis is Basis.ALONE,
    )
