"""From what is new of a presentation to events: a rung waits, for a while, until its reference is known."""

from collections import deque
from datetime import UTC, datetime, timedelta

from pipeline.ingest.align import AGREEMENT, TOLERANCE_SECONDS, overlapping
from pipeline.ingest.presentation import Update
from pipeline.ladder import reference_order
from schemas import Ladder, Reference, ReferencePart, Rendition, Segment, SegmentReady, StandIn, TimeBasis

# Segments of a rung that a later one of another rung may be compared with: of one look, and from look to look. A
# hundred ladders of five rungs keep 12,000 of them, about 25 MB.
_TAKEN, _KEPT = 128, 24
_UNDECLARED_SECONDS = 6.0


class LiveEvents:
    """One stream. Rungs of a ladder appear at their own pace; events leave best rung first."""

    def __init__(
        self,
        stream_id: str,
        *,
        against_ladder: bool = True,
        display_height_px: int | None = None,
        hold: float = 1.0,
        late_seconds: float | None = None,
    ) -> None:
        """
        Args:
            stream_id: Of the stream.
            against_ladder: False leaves out the references, so that every rung is scored alone.
            display_height_px: None: the top rung's.
            hold: How long a segment waits for its reference, in its own durations; after that it goes alone.
            late_seconds: After a live segment was seen, when nobody needs its score any more; None: never.
        """
        self._stream_id, self._against_ladder = stream_id, against_ladder
        self._display_height_px, self._hold, self._late_seconds = display_height_px, hold, late_seconds
        self._recent: dict[str, deque[Segment]] = {}
        self._parts: dict[tuple[int, int], ReferencePart] = {}
        self._waiting: list[tuple[float, Segment]] = []
        self._live = True
        self._aligned_by: TimeBasis | None = None
        self._order: list[Rendition] = []

    def take(self, update: Update, now_seconds: float) -> list[SegmentReady]:
        """Return the events that can leave now; `now_seconds` since the epoch."""
        self._order = reference_order(update.ladder)
        self._live = update.is_live
        self._aligned_by = update.aligned_by
        for segment in update.segments:
            self._recent.setdefault(segment.rendition_id, deque(maxlen=_TAKEN)).append(segment)
            self._waiting.append((now_seconds, segment))
        leaving = self._leaving(update.ladder, now_seconds, all_of_them=update.is_over)
        for recent in self._recent.values():
            while len(recent) > _KEPT:
                recent.popleft()
        while len(self._parts) > _KEPT:
            del self._parts[next(iter(self._parts))]
        return leaving

    def _leaving(self, ladder: Ladder, now_seconds: float, *, all_of_them: bool) -> list[SegmentReady]:
        places = {rendition.rendition_id: place for place, rendition in enumerate(self._order)}
        # A rung that has left the ladder meanwhile comes last.
        self._waiting.sort(key=lambda item: (item[1].start_seconds, places.get(item[1].rendition_id, len(places))))
        events, still = [], []
        for seen_seconds, segment in self._waiting:
            patience = self._hold * (segment.duration_seconds or _UNDECLARED_SECONDS)
            is_due = all_of_them or now_seconds - seen_seconds >= patience
            reference, is_known = self._reference(segment, is_due)
            if is_known or is_due:
                events.append(self._event(ladder, segment, reference, seen_seconds))
            else:
                still.append((seen_seconds, segment))
        self._waiting = still
        return events

    def _reference(self, segment: Segment, is_due: bool) -> tuple[Reference | None, bool]:
        """Return the reference of a segment, and whether it is all that can be expected."""
        if not self._against_ladder or self._aligned_by is None or len(self._order) < 2:
            return None, True
        best = next((rendition for rendition in self._order if self._recent.get(rendition.rendition_id)), None)
        if best is None:
            return None, True
        if segment.rendition_id == best.rendition_id:
            over: tuple[Segment, ...] = (segment,)
        else:
            over = overlapping(segment, tuple(self._recent[best.rendition_id]))
            if not _covers(over, segment):
                return None, False
        found = [self._part(best, each, is_due) for each in over]
        parts = [part for part in found if part is not None]
        if len(parts) < len(found):
            return None, False
        return Reference(rendition=best, parts=tuple(parts)), True

    def _part(self, best: Rendition, segment: Segment, is_due: bool) -> ReferencePart | None:
        """Return a segment of the best rung with its stand-in; None: that may still come.

        Made once, so that all rungs name the same, and the worker makes one sheet for them.
        """
        key = segment.discontinuity_sequence, segment.number
        if key in self._parts:
            return self._parts[key]
        stand_in = self._stand_in(best, segment)
        if stand_in is None and not is_due and self._expects_stand_in(best):
            return None
        self._parts[key] = ReferencePart(segment=segment, stand_in=stand_in)
        while len(self._parts) > _TAKEN:
            del self._parts[next(iter(self._parts))]
        return self._parts[key]

    def _stand_in(self, best: Rendition, segment: Segment) -> StandIn | None:
        lesser = self._lesser(best)
        if lesser is None:
            return None
        over = overlapping(segment, tuple(self._recent[lesser.rendition_id]))
        return StandIn(rendition=lesser, segment=over[0]) if len(over) == 1 and _covers(over, segment) else None

    def _expects_stand_in(self, best: Rendition) -> bool:
        """Whether the next best rung is cut where the best is: otherwise no segment of it can stand in."""
        lesser = self._lesser(best)
        if lesser is None:
            return False
        cuts = list(self._recent[best.rendition_id])[:-1]
        return not cuts or any(len(overlapping(each, tuple(self._recent[lesser.rendition_id]))) == 1 for each in cuts)

    def _lesser(self, best: Rendition) -> Rendition | None:
        others = (each for each in self._order if each.rendition_id != best.rendition_id)
        return next((each for each in others if self._recent.get(each.rendition_id)), None)

    def _event(
        self, ladder: Ladder, segment: Segment, reference: Reference | None, seen_seconds: float
    ) -> SegmentReady:
        heights = [each.rung.height_px for each in self._order if each.rung.height_px]
        rates = [each.rung.frame_rate for each in self._order if each.rung.frame_rate]
        deadline = None
        if self._live and self._late_seconds is not None:
            deadline = datetime.fromtimestamp(seen_seconds, UTC) + timedelta(seconds=self._late_seconds)
        known = {rendition.rendition_id: rendition for rendition in ladder.renditions}
        return SegmentReady(
            stream_id=self._stream_id,
            rendition=known.get(segment.rendition_id, Rendition(rendition_id=segment.rendition_id)),
            segment=segment,
            reference=reference,
            display_height_px=self._display_height_px or max(heights, default=None),
            slowest_frame_rate=min(rates, default=None) if self._against_ladder else None,
            live=self._live,
            available_at=datetime.fromtimestamp(seen_seconds, UTC) if self._live else None,
            deadline=deadline,
        )


def _covers(over: tuple[Segment, ...], segment: Segment) -> bool:
    """Whether the reference reaches to the end of a segment, as far as spans have to agree."""
    if not over:
        return False
    duration = segment.duration_seconds or 0.0
    ends = [each.start_seconds + (each.duration_seconds or 0.0) for each in over]
    return max(ends) >= segment.start_seconds + duration - max(TOLERANCE_SECONDS, AGREEMENT * duration)
