"""What scores come to: per stream the renditions from best to worst, what is wrong, and it in words."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.report.findings import fault_notes
from pipeline.report.order import order_notes
from pipeline.report.rendition import Note, RenditionSummary, Severity, rendition_summary
from pipeline.words import as_bitrate, as_duration, as_time, count, listed, printable
from schemas import DeadLetter, Ladder, ModelIdentity, SamplerIdentity, SegmentScored, quality_word


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """One stream: its renditions from best to worst as declared, and what there is to tell about them."""

    stream_id: str
    label: str
    """`stream_id` without what would steer a terminal."""
    ladder: Ladder | None
    """As declared; None: the caller knows of none."""
    renditions: tuple[RenditionSummary, ...]
    notes: tuple[Note, ...]
    """Problems first, then advice, then what is worth knowing."""

    @property
    def model(self) -> ModelIdentity:
        return self.renditions[0].segments[0].model

    @property
    def sampler(self) -> SamplerIdentity:
        return self.renditions[0].segments[0].sampler

    @property
    def display_height_px(self) -> int:
        return self.renditions[0].segments[0].display_height_px

    @property
    def problems(self) -> tuple[Note, ...]:
        return tuple(note for note in self.notes if note.severity is Severity.PROBLEM)

    @property
    def troubled_ids(self) -> tuple[str, ...]:
        """Renditions that a problem is about: of an inversion the dearer one."""
        found = (note.rendition_ids[:1] if note.kind == "inverted" else note.rendition_ids for note in self.problems)
        return tuple(dict.fromkeys(each for ids in found for each in ids))


def summarise(
    scored: Iterable[SegmentScored], ladders: Mapping[str, Ladder] | Iterable[Ladder] = ()
) -> tuple[StreamSummary, ...]:
    """Return one summary per stream, in the order in which the streams first appear.

    Args:
        scored: Of one run, in any order.
        ladders: What was declared, by stream or as they are; renditions without any score are named.

    Raises:
        ValueError: A rendition has scores of two models or display heights, which do not mix.
    """
    declared = ladders.values() if isinstance(ladders, Mapping) else ladders
    by_stream = {ladder.stream_id: ladder for ladder in declared}
    grouped: dict[str, dict[str, list[SegmentScored]]] = defaultdict(lambda: defaultdict(list))
    for each in scored:
        grouped[each.stream_id][each.rendition_id].append(each)
    return tuple(
        _stream_summary(stream_id, [rendition_summary(each) for each in renditions.values()], by_stream.get(stream_id))
        for stream_id, renditions in grouped.items()
    )


def in_words(summary: StreamSummary) -> list[str]:
    """Return sentences for a person: what the stream comes to, what is wrong, advice, what to know."""
    return [overview(summary), *(note.text for note in summary.notes)]


def overview(summary: StreamSummary) -> str:
    """Return one sentence with the range of the stream's quality."""
    best, last = summary.renditions[0], summary.renditions[-1]
    shown = f"shown at {summary.display_height_px} lines"
    if len(summary.renditions) == 1:
        over = f" over {as_duration(best.duration_seconds)}" if best.duration_seconds else ""
        price = f" at {as_bitrate(best.bitrate_bps)}" if best.bitrate_bps else ""
        return (
            f"{summary.label}: {best.mean:.0f} ({best.word}){over}{price}, {shown}; the worst frame, at "
            f"{as_time(best.worst.time_seconds, best.time_basis)}, has {best.worst.score:.0f}."
        )
    span = max(each.duration_seconds for each in summary.renditions)
    return (
        f"{summary.label}: {count(len(summary.renditions), 'rendition')} over {as_duration(span)}, {shown}: "
        f"from {_told(best)} to {_told(last)}."
    )


def headline(streams: Sequence[StreamSummary], rejected: Sequence[DeadLetter] = ()) -> str:
    """Return the verdict on a whole run in one sentence."""
    if not streams:
        return "Nothing could be scored."
    tail = f" {count(len(rejected), 'input')} could not be scored." if rejected else ""
    if len(streams) > 1:
        troubled = [stream.label for stream in streams if stream.problems]
        if not troubled:
            worst = min((each for stream in streams for each in stream.renditions), key=lambda each: each.mean)
            lowest = f"the lowest score is {worst.mean:.0f} ({worst.word})"
            return f"{len(streams)} streams, no fault found; {lowest}.{tail}"
        verb = "has a problem" if len(troubled) == 1 else "have problems"
        return f"{len(troubled)} of {len(streams)} streams {verb}.{tail}"
    (stream,) = streams
    best = stream.renditions[0]
    if len(stream.renditions) == 1:
        fault = f", with {count(len(stream.problems), 'problem')}" if stream.problems else ""
        return f"{stream.label} is {best.word}: {best.mean:.0f} of 100{fault}.{tail}"
    labels = {each.rendition_id: each.label for each in stream.renditions}
    troubled = [labels.get(each, printable(each)) for each in stream.troubled_ids]
    if not troubled:
        verdict = f"the best is {best.word} with {best.mean:.0f}"
        return f"All {len(stream.renditions)} renditions hold up; {verdict}.{tail}"
    verb = "has a problem" if len(troubled) == 1 else "have problems"
    return f"{len(troubled)} of {max(len(labels), len(troubled))} renditions {verb}: {listed(troubled)}.{tail}"


def _stream_summary(stream_id: str, renditions: Sequence[RenditionSummary], ladder: Ladder | None) -> StreamSummary:
    ordered = sorted(renditions, key=_rank, reverse=True)
    if len(ordered) == 1 and (ladder is None or len(ladder.renditions) == 1):
        ordered = [replace(ordered[0], label=printable(stream_id))]  # the name that the user gave
    notes = [
        *fault_notes(ordered),
        *order_notes(ordered),
        *_unscored_notes(ordered, ladder),
    ]
    severities = list(Severity)
    return StreamSummary(
        stream_id=stream_id,
        label=printable(stream_id),
        ladder=ladder,
        renditions=tuple(ordered),
        notes=tuple(sorted(notes, key=lambda note: severities.index(note.severity))),
    )


def _rank(summary: RenditionSummary) -> tuple[int, float]:
    """Order by what is declared, never by the score, so that the order does not flap between runs."""
    return summary.rung.height_px or summary.media.height_px, summary.price_bps or 0.0


def _unscored_notes(renditions: Sequence[RenditionSummary], ladder: Ladder | None) -> list[Note]:
    if ladder is None:
        return []
    scored = {each.rendition_id for each in renditions}
    return [
        Note(
            Severity.PROBLEM,
            "unscored",
            f"{printable(each.rendition_id)}: no segment could be scored.",
            (each.rendition_id,),
        )
        for each in ladder.renditions
        if each.rendition_id not in scored
    ]


def _told(summary: RenditionSummary) -> str:
    price = f" at {as_bitrate(summary.bitrate_bps)}" if summary.bitrate_bps else ""
    return f"{summary.mean:.0f} ({quality_word(summary.mean)}) for {summary.label}{price}"
