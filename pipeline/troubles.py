"""Finds the spans in which something is wrong with one rendition: neighbours with the same trouble are one."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from operator import itemgetter
from statistics import fmean, median
from typing import NamedTuple

from pipeline.drops import LEVEL_SEGMENTS, STARVED_RATIO, Sample, find_drops
from pipeline.history import Resolution, SeriesPoint
from pipeline.spans import Span
from schemas import (
    Basis,
    ContentLabel,
    FindingKind,
    ManifestFinding,
    ManifestFindingKind,
    SegmentSkipped,
    Severity,
)

HOLD_SECONDS = 20.0
"""What comes back within this time, or within three segments, is the same trouble: a wavering score is one."""
HOLD_SEGMENTS = 3
TOGETHER_SEGMENTS = 2
"""Renditions that fall within this many segments fall together: they are cut at different places, and a weak fault
shows one segment later."""
TOGETHER_SECONDS = 15.0
"""The same for what is found in playlists: they are read one after the other, every target duration."""
STILL_EXCELLENT = 80
"""A drop is a trouble from the first segment on that is under this."""
MISSING_SECONDS = 10.0
"""A missing segment is told once, and its length not: it is taken for this long."""
SYMPTOM_SEGMENTS = 2
LEVEL = "level"
NOT_SCORED = "not_scored"

PICTURE_KINDS = (
    FindingKind.FROZEN,
    FindingKind.BLACK,
    FindingKind.DAMAGED,
    FindingKind.TRUNCATED,
    FindingKind.MISMATCH,
)
"""Those that may be troubles of a rendition. (A replaced reference is not: the trouble is the best rung's.)"""
SEEN_KINDS = (FindingKind.STILL, *PICTURE_KINDS)
"""A score beside one of them says nothing about the level. What is still is a trouble of the source only, see
`pipeline.standstill`."""
RIGHT_IN_ADS = frozenset({FindingKind.FROZEN, FindingKind.BLACK, FindingKind.MISMATCH})
"""Ads end in black and in stills, and rungs may carry different ones."""
LASTING_KINDS = (
    ManifestFindingKind.STALE,
    ManifestFindingKind.FAILING_ORIGIN,
    ManifestFindingKind.SLOW_ORIGIN,
    ManifestFindingKind.RUNG_GONE,
    ManifestFindingKind.BAD_PLAYLIST,
    ManifestFindingKind.MISSING_SEGMENT,
)
"""Findings of manifests that viewers suffer from; the others stay findings."""
STANDSTILLS = frozenset({ManifestFindingKind.STALE, ManifestFindingKind.RUNG_GONE})
WENT_ON_SECONDS = 120.0
"""A standstill is over when there are points of this much time after it, whoever should have told it."""
LENGTHS = {Resolution.MINUTE: 60.0, Resolution.HOUR: 3600.0}
SEGMENT = Resolution.RAW


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something is wrong over [start_seconds, end_seconds)."""

    family: str
    """What it is, before its cause is known: `LEVEL`, `NOT_SCORED`, or the kind of a finding."""
    rendition_id: str | None
    """None: the presentation as a whole."""
    start_seconds: float
    end_seconds: float
    lasts: bool
    """It had not ended when this was all that was known."""
    together_seconds: float
    """Another rendition's trouble that starts this near is the same."""
    segments: int = 1
    severity: Severity = Severity.WARNING
    worst_score: float | None = None
    score: float | None = None
    usual_score: float | None = None
    bitrate_bps: float | None = None
    usual_bitrate_bps: float | None = None
    starved: bool = False
    stuck: bool = False
    """Of a level: the picture stands still in some of it."""
    at_start: bool = False
    """The series begins with it."""
    text: str = ""
    """In the words of a finding."""


@dataclass(frozen=True, slots=True)
class Known:
    """How far a rendition is known."""

    until_seconds: float
    grows: bool
    """More may follow; else everything is over at the end."""

    def is_over(self, end_seconds: float, hold_seconds: float) -> bool:
        return not self.grows or self.until_seconds - end_seconds >= hold_seconds


class Part(NamedTuple):
    """A point, and whether it is of an ad: of a roll-up, whether some of it is."""

    point: SeriesPoint
    is_ad: bool


def labelled(points: Sequence[SeriesPoint], ads: Sequence[tuple[float, float]]) -> list[Part]:
    starts = [start for start, _ in ads]

    def is_ad(point: SeriesPoint) -> bool:
        if point.label is not None:
            return point.label is ContentLabel.AD
        before = bisect_left(starts, end_of(point)) - 1
        return before >= 0 and ads[before][1] > point.start_seconds

    return [Part(point, is_ad(point)) for point in points]


def end_of(point: SeriesPoint) -> float:
    if point.resolution is SEGMENT:
        return point.start_seconds + point.duration_seconds
    return point.start_seconds + LENGTHS[point.resolution]


def picture_troubles(
    rendition_id: str,
    parts: Sequence[Part],
    known: Known,
    falls: Sequence[Trouble],
    starves: Sequence[bool],
    rests: Sequence[Span] = (),
    settled_seconds: float = inf,
) -> Iterator[Trouble]:
    """Yield where the pictures of a rendition have a finding.

    Args:
        rendition_id: Whose.
        parts: In order of time.
        known: How far it is known.
        falls: Of its level: a segment or two with a finding there come from the same cause, as an encoder that starves
            repeats pictures; and however many that have no bits.
        starves: Of every part; see `pipeline.starvation`.
        rests: Where no rendition moves: there, none stands still alone.
        settled_seconds: Up to where that is known.
    """
    points, known_alone = [part.point for part in parts], known
    seen = {kind for point in points for kind, _ in point.findings}
    if seen.isdisjoint(PICTURE_KINDS):
        return
    in_fall = [any(each.start_seconds <= point.start_seconds < each.end_seconds for each in falls) for point in points]
    for kind in PICTURE_KINDS:
        if kind not in seen:
            continue
        known = known_alone
        having = [
            bool(part.point.findings) and any(found is kind for found, _ in part.point.findings) and _counts(part, kind)
            for part in parts
        ]
        if kind is FindingKind.FROZEN:
            having = [
                has
                and part.point.start_seconds < settled_seconds
                and not _is_within(part.point, rests)
                and not _is_of_fall(part.point, falls, starved)
                for has, part, starved in zip(having, parts, starves, strict=True)
            ]
            known = Known(min(known.until_seconds, settled_seconds), known.grows)  # the others may stand still, too
        for first, end in _runs(points, having):
            chosen = [index for index in range(first, end) if having[index]]
            inside = [points[index] for index in chosen]
            segments = sum(dict(point.findings)[kind] for point in inside)
            if segments <= SYMPTOM_SEGMENTS and any(
                each.start_seconds <= inside[0].start_seconds < each.end_seconds + _hold(inside[0]) for each in falls
            ):
                continue
            before = [
                point
                for point, fallen in zip(points[:first], in_fall[:first], strict=True)
                if tells_level(point) and not fallen
            ][-LEVEL_SEGMENTS:]
            starved = kind is FindingKind.FROZEN and 2 * sum(starves[index] for index in chosen) > len(chosen)
            yield Trouble(
                family=kind.value,
                rendition_id=rendition_id,
                start_seconds=inside[0].start_seconds,
                end_seconds=end_of(inside[-1]),
                lasts=not known.is_over(end_of(inside[-1]), _hold(inside[-1])),
                together_seconds=_together(inside[0]),
                segments=segments,
                severity=Severity.WARNING
                if kind in (FindingKind.TRUNCATED, FindingKind.MISMATCH)
                else Severity.CRITICAL,
                worst_score=min(point.least_score for point in inside),
                score=_mean(inside),
                usual_score=median(point.score for point in before) if before else None,
                bitrate_bps=_middle_rate(inside) if starved else None,
                usual_bitrate_bps=_middle_rate(before) if starved else None,
                starved=starved,
            )


def _counts(part: Part, kind: FindingKind) -> bool:
    if part.is_ad and kind in RIGHT_IN_ADS:
        return False
    # What is black stands still, which goes without saying.
    return kind is not FindingKind.FROZEN or all(found is not FindingKind.BLACK for found, _ in part.point.findings)


def _is_within(point: SeriesPoint, spans: Sequence[Span]) -> bool:
    middle = (point.start_seconds + end_of(point)) / 2
    return any(start <= middle < end for start, end in spans)


def _is_of_fall(point: SeriesPoint, falls: Sequence[Trouble], starves: bool) -> bool:
    """Say whether a picture stands still for the reason for which the score fell: there are no bits."""
    for fall in falls:
        if not fall.start_seconds <= point.start_seconds < fall.end_seconds + _hold(point):
            continue
        usual_bps, bps = fall.usual_bitrate_bps, point.bitrate_bps
        few = usual_bps is not None and bps is not None and bps < STARVED_RATIO * usual_bps
        if starves or (fall.starved and few):
            return True
    return False


def _middle_rate(points: Sequence[SeriesPoint]) -> float | None:
    rates = [point.bitrate_bps for point in points if point.bitrate_bps is not None]
    return median(rates) if rates else None


def level_troubles(
    rendition_id: str, parts: Sequence[Part], known: Known, starves: Sequence[bool]
) -> Iterator[Trouble]:
    """Yield where the score of a rendition is lower than usual, ads and what has another trouble left out.

    `starves`: of every part; what stands still for want of bits is low for that.
    """
    told = [
        part.point
        for part, starved in zip(parts, starves, strict=True)
        if (starved or tells_level(part.point)) and not part.is_ad
    ]
    by_start = {point.start_seconds: index for index, point in enumerate(told)}
    held: list[Trouble] = []
    for drop in find_drops([_sample(point) for point in told], watched=True, grows=known.grows):
        first = by_start[drop.start_seconds]
        inside = [point for point in told[first:] if drop.end_seconds is None or end_of(point) <= drop.end_seconds]
        # Begun where it is first seen, so that a fall in two steps does not begin sooner when the second comes.
        seen = next((index for index, point in enumerate(inside) if point.least_score < STILL_EXCELLENT), None)
        if seen is None:
            continue
        inside = inside[seen:]
        end = end_of(inside[-1])
        trouble = Trouble(
            family=LEVEL,
            rendition_id=rendition_id,
            start_seconds=inside[0].start_seconds,
            end_seconds=end,
            lasts=(drop.end_seconds is None and known.grows) or not known.is_over(end, _hold(inside[-1])),
            together_seconds=_together(inside[0]),
            segments=sum(point.count for point in inside),
            worst_score=min(point.least_score for point in inside),
            score=drop.score,
            usual_score=drop.usual_score,
            bitrate_bps=drop.bitrate_bps,
            usual_bitrate_bps=drop.usual_bitrate_bps,
            starved=drop.starved,
            stuck=any(found is FindingKind.FROZEN for point in inside for found, _ in point.findings),
            at_start=drop.at_start,
        )
        if held and trouble.start_seconds - held[-1].end_seconds < _hold(inside[0]):
            held[-1] = _joined(held[-1], trouble)
        else:
            held.append(trouble)
    yield from held


def manifest_troubles(
    findings: Sequence[ManifestFinding], known_until_seconds: float, starts: Mapping[str, Sequence[float]]
) -> Iterator[Trouble]:
    """Yield what lasted of the findings about a live presentation, by the clock at which they were found.

    Args:
        findings: In any order.
        known_until_seconds: Up to where the presentation is known.
        starts: Of the points of every rendition, in order of time.
    """
    lasting: dict[tuple[str, str | None], list[Trouble]] = {}
    for each in sorted(findings, key=lambda found: found.found_at):
        if each.kind not in LASTING_KINDS or each.severity is Severity.INFO:
            continue
        start = each.found_at.timestamp()
        # Of these two some are single events, which are never told to be over.
        single = each.kind is ManifestFindingKind.MISSING_SEGMENT or (
            each.kind is ManifestFindingKind.BAD_PLAYLIST and each.severity is not Severity.CRITICAL
        )
        over = each.over_at.timestamp() if each.over_at else start + MISSING_SECONDS if single else None
        if over is None and each.kind in STANDSTILLS:
            own = [starts.get(each.rendition_id, ())] if each.rendition_id else starts.values()
            over = _went_on_at(own, start)
        trouble = Trouble(
            family=each.kind.value,
            rendition_id=each.rendition_id,
            start_seconds=start,
            end_seconds=max(start, known_until_seconds) if over is None else max(start, over),
            lasts=over is None or known_until_seconds - over < HOLD_SECONDS,
            together_seconds=TOGETHER_SECONDS,
            severity=each.severity,
            text=each.text,
        )
        held = lasting.setdefault((each.kind, each.rendition_id), [])
        if held and trouble.start_seconds - held[-1].end_seconds < HOLD_SECONDS:
            held[-1] = _joined(held[-1], trouble)
        else:
            held.append(trouble)
    yield from (trouble for held in lasting.values() for trouble in held)


def unscored_troubles(skipped: Sequence[SegmentSkipped], known: Known) -> Iterator[Trouble]:
    """Yield where segments were passed over as too late, one by one of all renditions, those that touch as one span."""
    spans: list[tuple[float, float, set[str], int]] = []
    for each in sorted(skipped, key=lambda late: late.start_seconds):
        start, end = each.start_seconds, each.start_seconds + (each.duration_seconds or 0.0)
        if spans and start - spans[-1][1] < HOLD_SECONDS:
            begun, until, ids, count = spans[-1]
            spans[-1] = (begun, max(until, end), ids | {each.rendition_id}, count + 1)
        else:
            spans.append((start, end, {each.rendition_id}, 1))
    for start, end, ids, count in spans:
        for index, rendition_id in enumerate(sorted(ids)):
            yield Trouble(
                family=NOT_SCORED,
                rendition_id=rendition_id,
                start_seconds=start,
                end_seconds=end,
                lasts=not known.is_over(end, HOLD_SECONDS),
                together_seconds=0.0,
                segments=0 if index else count,
            )


def _went_on_at(starts: Iterable[Sequence[float]], since_seconds: float) -> float | None:
    """Return when new segments came after a standstill of which nobody told the end, as its ingest ended before."""
    after = [own[index:] for own in starts if (index := bisect_left(own, since_seconds)) < len(own)]
    went_on = [own[0] for own in after if own[-1] - since_seconds >= WENT_ON_SECONDS]
    return min(went_on, default=None)


def _runs(points: Sequence[SeriesPoint], having: Sequence[bool]) -> list[tuple[int, int]]:
    """Return index spans [first, end) of points that have it, over short breaks."""
    runs: list[tuple[int, int]] = []
    for index, (point, has) in enumerate(zip(points, having, strict=True)):
        if not has:
            continue
        if runs and point.start_seconds - end_of(points[runs[-1][1] - 1]) < _hold(point):
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs


def _joined(one: Trouble, other: Trouble) -> Trouble:
    """Return two troubles of a rendition as one, with the worse of both."""
    scores = [each for each in (one, other) if each.score is not None]
    longest = max(scores, key=lambda each: each.end_seconds - each.start_seconds, default=one)
    rates = [each.bitrate_bps for each in (one, other) if each.bitrate_bps is not None]
    return Trouble(
        family=one.family,
        rendition_id=one.rendition_id,
        start_seconds=one.start_seconds,
        end_seconds=max(one.end_seconds, other.end_seconds),
        lasts=other.lasts if other.end_seconds >= one.end_seconds else one.lasts,
        together_seconds=one.together_seconds,
        segments=one.segments + other.segments,
        severity=Severity.CRITICAL if Severity.CRITICAL in (one.severity, other.severity) else one.severity,
        worst_score=min((each.worst_score for each in scores if each.worst_score is not None), default=None),
        score=longest.score,
        usual_score=one.usual_score,
        bitrate_bps=min(rates, default=None),
        usual_bitrate_bps=one.usual_bitrate_bps,
        starved=one.starved or other.starved,
        stuck=one.stuck or other.stuck,
        at_start=one.at_start,
        text=one.text,
    )


def tells_level(point: SeriesPoint) -> bool:
    # Of a minute a part may stand still.
    return not point.findings or not any(
        kind in SEEN_KINDS and (kind is not FindingKind.STILL or number >= point.count)
        for kind, number in point.findings
    )


def _hold(point: SeriesPoint) -> float:
    """A whole minute or hour that is well parts two troubles; of segments three, or some seconds."""
    return LENGTHS.get(point.resolution, max(HOLD_SECONDS, HOLD_SEGMENTS * point.duration_seconds))


def _together(point: SeriesPoint) -> float:
    return LENGTHS.get(point.resolution, TOGETHER_SEGMENTS * point.duration_seconds)


def _mean(points: Sequence[SeriesPoint]) -> float:
    return fmean([point.score for point in points], [max(point.duration_seconds, 1e-3) for point in points])


def _sample(point: SeriesPoint) -> Sample:
    return Sample(
        start_seconds=point.start_seconds,
        end_seconds=end_of(point),
        # Of a minute half way to its least: a dip of a few seconds hardly moves the mean, and the least alone moves
        # with the content.
        score=(point.score + point.least_score) / 2,
        half_interval=(point.high - point.low) / 2,
        bitrate_bps=point.bitrate_bps,
        alone=bool(point.bases) and max(point.bases, key=itemgetter(1))[0] is Basis.ALONE,
    )
