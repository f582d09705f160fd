"""Gathers the findings of segments and the drops of renditions into sentences about spans of time."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from pipeline.drops import Drop
from pipeline.report.rendition import Note, RenditionSummary, Severity, moment_on_axis
from pipeline.settings import IncidentSettings
from pipeline.spans import Span, merged
from pipeline.words import as_bitrate, as_span, as_time, count, listed, printable
from schemas import Finding, FindingKind, SegmentScored, TimeBasis

TOUCH_SECONDS = 0.5
"""Spans of one kind that are less than this apart are one: a freeze does not end at a segment's border."""

STILL_EXCELLENT = 80
"""A drop that stays above this is not a problem."""

SEVERITIES: Mapping[FindingKind, Severity] = {
    FindingKind.FROZEN: Severity.PROBLEM,
    FindingKind.STILL: Severity.INFO,
    FindingKind.BLACK: Severity.PROBLEM,
    FindingKind.DAMAGED: Severity.PROBLEM,
    FindingKind.TRUNCATED: Severity.PROBLEM,
    FindingKind.MISMATCH: Severity.PROBLEM,
    FindingKind.REFERENCE_REPLACED: Severity.PROBLEM,
    FindingKind.INTERLACED: Severity.INFO,
    FindingKind.OFFSET: Severity.INFO,
    FindingKind.TIMESTAMPS_REPAIRED: Severity.INFO,
    FindingKind.DOUBTFUL_SOURCE: Severity.INFO,
}
STATES: Mapping[FindingKind, tuple[str, str]] = {
    FindingKind.FROZEN: ("stands still", "stand still"),
    FindingKind.STILL: ("stands still", "stand still"),
    FindingKind.BLACK: ("is black", "are black"),
}
"""Kinds that a rendition is in for a while, for one and for many; others keep the finding's own words."""
OTHERS: Mapping[FindingKind, str] = {
    FindingKind.FROZEN: "while the others move",
    FindingKind.BLACK: "while the others show a picture",
}


@dataclass(frozen=True, slots=True)
class _State:
    """A rendition is frozen, still or black over [start_seconds, end_seconds)."""

    kind: FindingKind
    rendition_id: str
    start_seconds: float
    end_seconds: float

    def meets(self, other: "_State") -> bool:
        """Say whether at least half of this span is also in the other's."""
        both = min(self.end_seconds, other.end_seconds) - max(self.start_seconds, other.start_seconds)
        return self.kind is other.kind and both >= (self.end_seconds - self.start_seconds) / 2

    def explains(self, summary: RenditionSummary, drop: Drop) -> bool:
        """Say whether the score fell because of this: it covers at least half of the drop."""
        end = _end(summary, drop)
        both = min(self.end_seconds, end) - max(self.start_seconds, drop.start_seconds)
        return self.rendition_id == summary.rendition_id and both >= (end - drop.start_seconds) / 2


def fault_notes(renditions: Sequence[RenditionSummary]) -> list[Note]:
    """Return what the segments' findings and the drops come to, over segments and over renditions."""
    basis = renditions[0].time_basis
    seen = [state for each in renditions for state in _states(each)]
    states = [state for state in seen if _is_told(state, seen, len(renditions))]
    drops = [(each, drop) for each in renditions for drop in each.drops]
    explained = [(each, drop) for each, drop in drops if any(state.explains(each, drop) for state in states)]
    return [
        *_state_notes(states, explained, renditions, basis),
        *_drop_notes([each for each in drops if each not in explained], renditions, basis),
        *_told_notes(renditions, basis),
    ]


def _drop_notes(
    drops: Sequence[tuple[RenditionSummary, Drop]], renditions: Sequence[RenditionSummary], basis: TimeBasis
) -> list[Note]:
    """Return a note for every drop; one for all where the whole ladder falls at the same time."""
    notes = []
    told: set[int] = set()
    for index, (summary, drop) in enumerate(drops):
        if index in told:
            continue
        slack = summary.segments[0].duration_seconds
        together = [
            other
            for other, (_, candidate) in enumerate(drops)
            if other not in told and abs(candidate.start_seconds - drop.start_seconds) <= slack
        ]
        if len(renditions) > 1 and len({drops[other][0].rendition_id for other in together}) == len(renditions):
            told.update(together)
            notes.append(_shared_drop_note([drops[other] for other in together], basis))
        else:
            told.add(index)
            notes.append(_drop_note(summary, drop, basis))
    return notes


def merged_spans(spans: Sequence[Span]) -> list[Span]:
    """Return the spans in order, with those that touch within `TOUCH_SECONDS` as one."""
    return merged(spans, TOUCH_SECONDS)


def _span(scored: SegmentScored, finding: Finding) -> tuple[float, float]:
    if finding.start_seconds is None:
        return scored.start_seconds, scored.start_seconds + scored.duration_seconds
    start = moment_on_axis(scored, finding.start_seconds)
    return start, start + (finding.duration_seconds or 0.0)


def _states(summary: RenditionSummary) -> Iterator[_State]:
    for kind in STATES:
        spans = [
            _span(scored, finding) for scored in summary.segments for finding in scored.findings if finding.kind is kind
        ]
        for start, end in merged_spans(spans):
            yield _State(kind, summary.rendition_id, start, end)


def _is_told(state: _State, states: Sequence[_State], renditions: int) -> bool:
    """Whether it is worth a sentence: that nothing moves is, where nothing moves on any rendition."""
    return state.kind is not FindingKind.STILL or (
        len({other.rendition_id for other in states if state.meets(other)}) == renditions
    )


def _state_notes(
    states: Sequence[_State],
    drops: Sequence[tuple[RenditionSummary, Drop]],
    renditions: Sequence[RenditionSummary],
    basis: TimeBasis,
) -> Iterator[Note]:
    labels = {each.rendition_id: each.label for each in renditions}
    still_seconds = IncidentSettings().still_seconds
    told: set[_State] = set()
    for state in states:
        if state in told:
            continue
        alike = [other for other in states if other not in told and state.meets(other)]
        ids = list(dict.fromkeys(other.rendition_id for other in alike))
        told.update(alike)
        one, many = STATES[state.kind]
        when = as_span(min(s.start_seconds for s in alike), max(s.end_seconds for s in alike), basis)
        if len(renditions) == 1:
            text = f"{labels[ids[0]]} {one} {when}"
        elif len(ids) == len(renditions):
            text = f"All renditions {many} {when}: look at the source, before the encoders"
        elif len(ids) == 1:
            text = f"{labels[ids[0]]} {one} {when} {OTHERS[state.kind]}"
        else:
            text = f"{listed([labels[each] for each in ids])} {many} {when} {OTHERS[state.kind]}"
        falls = [drop for summary, drop in drops if any(other.explains(summary, drop) for other in alike)]
        if falls:
            worst = min(falls, key=lambda drop: drop.score)
            text += f"; the score falls from {worst.usual_score:.0f} to {worst.score:.0f}"
        spans = tuple(sorted({(other.start_seconds, other.end_seconds) for other in alike}))
        severity = SEVERITIES[state.kind]
        if state.kind is FindingKind.STILL and max(end - start for start, end in spans) >= still_seconds:
            severity = Severity.PROBLEM
        yield Note(severity, str(state.kind), f"{text}.", tuple(ids), spans)


def _told_notes(renditions: Sequence[RenditionSummary], basis: TimeBasis) -> Iterator[Note]:
    """Yield one note per rendition and kind, in the words of the first finding."""
    for summary in renditions:
        found: dict[FindingKind, list[tuple[SegmentScored, Finding]]] = defaultdict(list)
        for scored in summary.segments:
            for finding in scored.findings:
                if finding.kind not in STATES:
                    found[finding.kind].append((scored, finding))
        for kind, each in found.items():
            spans = merged_spans([_span(scored, finding) for scored, finding in each])
            segments = len(list(groupby(each, key=lambda pair: pair[0].segment_number)))
            text = printable(each[0][1].text).strip().rstrip(".")
            if segments == len(summary.segments) and segments > 1:
                text = f"{text} (in all {segments} segments)"
            elif segments > 1:
                text = f"{text} (and in {count(segments - 1, 'more segment')})"
            where = "" if len(summary.segments) == 1 else f" {_at(spans[0], basis)}"
            yield Note(
                SEVERITIES[kind],
                str(kind),
                f"{summary.label}{where}: {text}.",
                (summary.rendition_id,),
                tuple(spans),
            )


def _at(span: tuple[float, float], basis: TimeBasis) -> str:
    return f"at {as_time(span[0], basis)}"


def _drop_note(summary: RenditionSummary, drop: Drop, basis: TimeBasis) -> Note:
    end = drop.end_seconds
    if drop.at_start and end is not None:
        text = (
            f"{summary.label} begins at {drop.score:.0f} and reaches {drop.usual_score:.0f} "
            f"only at {as_time(end, basis)}"
        )
    else:
        text = (
            f"{summary.label}: {as_span(drop.start_seconds, end, basis)} the score falls "
            f"from {drop.usual_score:.0f} to {drop.score:.0f}"
        )
    if drop.starved:
        usual, got = as_bitrate(drop.usual_bitrate_bps), as_bitrate(drop.bitrate_bps)
        text += f", and the bitrate from {usual} to {got}"
    return Note(
        Severity.INFO if drop.score >= STILL_EXCELLENT else Severity.PROBLEM,
        "starved" if drop.starved else "drop",
        f"{text}.",
        (summary.rendition_id,),
        ((drop.start_seconds, _end(summary, drop)),),
    )


def _shared_drop_note(drops: Sequence[tuple[RenditionSummary, Drop]], basis: TimeBasis) -> Note:
    start = min(drop.start_seconds for _, drop in drops)
    ends = [drop.end_seconds for _, drop in drops]
    known = [end for end in ends if end is not None]
    end = max(known) if len(known) == len(ends) else None
    best, drop = drops[0]
    return Note(
        Severity.PROBLEM,
        "drop",
        f"All renditions fall {as_span(start, end, basis)} ({best.label} from {drop.usual_score:.0f} to "
        f"{drop.score:.0f}): look at the source, or at content that is hard to encode.",
        tuple(dict.fromkeys(summary.rendition_id for summary, _ in drops)),
        ((start, max(_end(summary, each) for summary, each in drops)),),
    )


def _end(summary: RenditionSummary, drop: Drop) -> float:
    last = summary.segments[-1]
    return last.start_seconds + last.duration_seconds if drop.end_seconds is None else drop.end_seconds
