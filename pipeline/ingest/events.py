"""From a stream to the events that its segments are published as: best rung first, each naming its reference."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pipeline.ingest.align import overlapping
from pipeline.ingest.stream import Stream
from pipeline.ladder import reference_order
from schemas import Reference, ReferencePart, Rendition, Segment, SegmentReady, StandIn


def cut(
    stream: Stream,
    spans: Mapping[str, Sequence[tuple[float, float]]],
    renditions: Mapping[str, Rendition],
) -> Stream:
    """Return a stream of plain files as one of segments: `spans` says where each file is cut, `renditions` what it is.

    A file without spans stays one segment.
    """
    segments = {}
    for rendition_id, (whole, *_) in stream.segments.items():
        pieces = spans.get(rendition_id) or ()
        segments[rendition_id] = tuple(_piece(whole, index, *span) for index, span in enumerate(pieces)) or (whole,)
    known = tuple(renditions.get(found.rendition_id, found) for found in stream.ladder.renditions)
    ladder = stream.ladder.model_copy(update={"renditions": known})
    return replace(stream, ladder=ladder, segments=segments, plain_files=False)


def _piece(whole: Segment, number: int, start_seconds: float, end_seconds: float) -> Segment:
    return whole.model_copy(
        update={
            "number": whole.number + number,
            "start_seconds": start_seconds,
            "duration_seconds": min(end_seconds - start_seconds, 86_400),
            "window_seconds": (start_seconds, end_seconds),
        }
    )


def events(
    stream: Stream, *, against_ladder: bool = True, display_height_px: int | None = None
) -> Iterator[SegmentReady]:
    """Yield the events of a stream whose segments are known, in order of time and at each time best rung first.

    `against_ladder`: False leaves out the references, so that every rung is scored alone.
    """
    order = reference_order(stream.ladder)
    compares = against_ladder and len(order) > 1 and stream.aligned_by is not None
    height = display_height_px or max((r.rung.height_px for r in order if r.rung.height_px), default=None)
    rates = [rendition.rung.frame_rate for rendition in order if rendition.rung.frame_rate]
    best = next((rendition for rendition in order if stream.segments.get(rendition.rendition_id)), None)
    ladder = _References(stream, order, best) if compares and best is not None else None

    def of(rendition: Rendition) -> Iterator[SegmentReady]:
        for segment in stream.segments.get(rendition.rendition_id, ()):
            yield SegmentReady(
                stream_id=stream.ladder.stream_id,
                rendition=rendition,
                segment=segment,
                reference=ladder.over(rendition, segment) if ladder else None,
                display_height_px=height,
                slowest_frame_rate=min(rates, default=None) if against_ladder else None,
            )

    # Each rendition is in order of time already; at one time the place in the ladder decides.
    places = {rendition.rendition_id: place for place, rendition in enumerate(order)}
    yield from heapq.merge(
        *(of(rendition) for rendition in order),
        key=lambda event: (event.segment.start_seconds, places[event.rendition.rendition_id]),
    )


class _References:
    """Finds, for a segment of any rung, the best rung's segments over the same span, and what may stand in."""

    def __init__(self, stream: Stream, order: Sequence[Rendition], best: Rendition) -> None:
        self._best = best
        self._segments = stream.segments[best.rendition_id]
        others = [rendition for rendition in order if rendition is not best]
        self._lesser = next((r for r in others if stream.segments.get(r.rendition_id)), None)
        self._lesser_segments = stream.segments[self._lesser.rendition_id] if self._lesser else ()

    def over(self, rendition: Rendition, segment: Segment) -> Reference | None:
        is_best = rendition.rendition_id == self._best.rendition_id
        found = (segment,) if is_best else overlapping(segment, self._segments)
        if not found:
            return None
        return Reference(rendition=self._best, parts=tuple(self._part(segment) for segment in found))

    def _part(self, segment: Segment) -> ReferencePart:
        over = overlapping(segment, self._lesser_segments)
        if self._lesser is None or len(over) != 1:  # cut otherwise: it could not stand in as a whole
            return ReferencePart(segment=segment)
        return ReferencePart(segment=segment, stand_in=StandIn(rendition=self._lesser, segment=over[0]))


def spans_of(cuts: Sequence[tuple[float, float]], end_seconds: float) -> list[tuple[float, float]]:
    """Return cuts whose last end may be infinite as spans that JSON can carry: a day is more than any rest."""
    return [(start, end if end <= end_seconds else end_seconds + 86_400.0) for start, end in cuts]
