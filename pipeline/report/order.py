"""Whether the rungs of a ladder are worth their bits: rungs out of order, and rungs that add nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot, sqrt
from statistics import fmean

from pipeline.report.findings import merged_spans
from pipeline.report.rendition import Note, RenditionSummary, Severity, half_interval
from pipeline.words import as_bitrate, as_span, count
from schemas import FindingKind, SegmentScored, TimeBasis

JND_POINTS = 6.0
"""About one just-noticeable difference on this scale."""
INVERSION_POINTS = 2.0
"""How far a difference between two rungs must exceed its noise: what the errors of a rung's segments have in
common does not average out."""
DEAR_RATIO = 1.25
"""A rung that costs less than this over its neighbour is not worth a remark."""
BROKEN = frozenset({FindingKind.FROZEN, FindingKind.BLACK, FindingKind.DAMAGED, FindingKind.MISMATCH})
EFFICIENCY = {"mpeg2video": 0, "mpeg4": 1, "h264": 2, "vp8": 2, "vp9": 3, "hevc": 3, "av1": 4}


@dataclass(frozen=True, slots=True)
class _Pair:
    """One segment of the dearer rung against the cheaper rung over the same span [start, end)."""

    start_seconds: float
    end_seconds: float
    dear: float
    cheap: float
    half_interval: float
    """Of the difference: both intervals together."""


def order_notes(renditions: Sequence[RenditionSummary]) -> list[Note]:
    """Return the inversions of a ladder, then the rungs that add nothing."""
    priced = sorted((each for each in renditions if each.price_bps), key=lambda each: each.price_bps or 0)
    inversions = {}
    for index, dear in enumerate(priced):
        found = [(cheap, pairs) for cheap in priced[:index] if (pairs := _inverted_pairs(dear, cheap)) is not None]
        if found:
            cheap, pairs = max(found, key=lambda each: sum(p.cheap - p.dear for p in each[1]))
            inversions[dear.rendition_id] = _inversion_note(dear, cheap, pairs)
    notes = list(inversions.values())
    for cheap, dear in pairwise(priced):
        if dear.rendition_id not in inversions and cheap.rendition_id not in inversions:
            notes.extend(_adds_nothing(dear, cheap))
    return notes


def _inverted_pairs(dear: RenditionSummary, cheap: RenditionSummary) -> list[_Pair] | None:
    """Return the segments in which the dearer rung looks worse; None: nowhere by more than the noise.

    Tested over every run of segments, and where none is enough, over the whole. The mean difference must exceed
    `INVERSION_POINTS` plus the joint interval over the root of the segments: the segments' errors are taken as
    independent, and what they have in common is what the points are for.
    """
    if (dear.price_bps or 0) <= (cheap.price_bps or 0) or _codec_explains(dear, cheap):
        return None
    pairs = _pairs(dear, cheap)
    inverted = [pair for run in _runs(pairs) if _beyond_noise(run) for pair in run]
    if not inverted and pairs and _beyond_noise(pairs):
        return pairs
    return inverted or None


def _codec_explains(dear: RenditionSummary, cheap: RenditionSummary) -> bool:
    """Say whether a newer codec may give more for less: at most half of the bits per generation."""
    generations = EFFICIENCY.get(cheap.media.codec, 2) - EFFICIENCY.get(dear.media.codec, 2)
    return generations > 0 and (dear.price_bps or 0) <= (cheap.price_bps or 0) * 2**generations


def _pairs(dear: RenditionSummary, cheap: RenditionSummary) -> list[_Pair]:
    """Pair the segments by their middles, so that rungs of other segment lengths compare too."""
    pairs = []
    others = iter(cheap.segments)
    other = next(others)
    for mine in filter(_is_comparable, dear.segments):
        middle = mine.start_seconds + mine.duration_seconds / 2
        while other.start_seconds + other.duration_seconds <= middle and (following := next(others, None)):
            other = following
        covers = other.start_seconds <= middle < other.start_seconds + other.duration_seconds
        if (covers or mine.duration_seconds == 0) and _is_comparable(other) and _made_alike(mine, other):
            pairs.append(
                _Pair(
                    mine.start_seconds,
                    mine.start_seconds + mine.duration_seconds,
                    mine.score,
                    other.score,
                    hypot(half_interval(mine), half_interval(other)),
                )
            )
    return pairs


def _is_comparable(scored: SegmentScored) -> bool:
    """A segment that is broken, or of other content, says nothing about the order of the rungs."""
    return not any(finding.kind in BROKEN for finding in scored.findings)


def _made_alike(one: SegmentScored, other: SegmentScored) -> bool:
    """Whether two scores tell an order: both alone, or against the same reference.

    A score against the other rung as its reference says how near it comes to it, not which of them is better.
    """
    return one.basis is other.basis and one.reference_rendition_id == other.reference_rendition_id


def _runs(pairs: Sequence[_Pair]) -> list[list[_Pair]]:
    runs: list[list[_Pair]] = [[]]
    for pair in pairs:
        if pair.cheap - pair.dear > INVERSION_POINTS:
            runs[-1].append(pair)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _beyond_noise(pairs: Sequence[_Pair]) -> bool:
    difference = fmean(pair.cheap - pair.dear for pair in pairs)
    noise = fmean(pair.half_interval for pair in pairs) / sqrt(len(pairs))
    return difference > INVERSION_POINTS + noise


def _inversion_note(dear: RenditionSummary, cheap: RenditionSummary, pairs: Sequence[_Pair]) -> Note:
    spans = merged_spans([(pair.start_seconds, pair.end_seconds) for pair in pairs])
    whole = len(pairs) == len(dear.segments)
    when = "" if whole else f" {_when(spans, dear)}"
    return Note(
        Severity.PROBLEM,
        "inverted",
        f"{dear.label} at {as_bitrate(dear.price_bps)} looks worse than {cheap.label} at "
        f"{as_bitrate(cheap.price_bps)}{when}: {fmean(p.dear for p in pairs):.0f} against "
        f"{fmean(p.cheap for p in pairs):.0f}.",
        (dear.rendition_id, cheap.rendition_id),
        tuple(spans),
    )


def _when(spans: Sequence[tuple[float, float]], summary: RenditionSummary) -> str:
    last = summary.segments[-1]
    basis: TimeBasis = summary.time_basis
    start, end = spans[0]
    to_the_end = end >= last.start_seconds + last.duration_seconds - 0.5
    text = as_span(start, None if to_the_end else end, basis)
    return text if len(spans) == 1 else f"{text}, and {count(len(spans) - 1, 'more time')}"


def _adds_nothing(dear: RenditionSummary, cheap: RenditionSummary) -> list[Note]:
    """Advise on a rung that is less than one step of perception above its neighbour of the same codec."""
    if dear.media.codec != cheap.media.codec or _is_faulty(dear) or _is_faulty(cheap):
        return []
    ratio = (dear.price_bps or 0) / (cheap.price_bps or 1)
    gain = dear.mean - cheap.mean
    if ratio < DEAR_RATIO or not -INVERSION_POINTS < gain < JND_POINTS:
        return []
    return [
        Note(
            Severity.ADVICE,
            "adds_nothing",
            f"{dear.label} costs {ratio:.1f} times the bitrate of {cheap.label} and gains "
            f"{max(gain, 0):.1f} points, less than one just-noticeable difference ({JND_POINTS:.0f}): "
            f"consider leaving it out, or spacing the rungs wider.",
            (dear.rendition_id, cheap.rendition_id),
        )
    ]


def _is_faulty(summary: RenditionSummary) -> bool:
    """A rung that is broken for a while says nothing about how the ladder is spaced."""
    return bool(summary.drops) or not all(map(_is_comparable, summary.segments))
