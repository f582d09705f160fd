"""Scores one event: fetch, decode, prepare, model. An event gives the same record on any worker, in any order."""

from collections.abc import Hashable
from datetime import UTC, datetime, timedelta

from pipeline.cells import CellGrid
from pipeline.clip import Clip
from pipeline.clips import ClipJob, SamplerChoice
from pipeline.decode.source import MediaSource
from pipeline.errors import NotFound, Rejected, Transient
from pipeline.ingest import Fetcher, shown
from pipeline.settings import DecodeLimits
from schemas import ReferencePart, Rendition, Segment, SegmentReady, SegmentScored
from workers.ahead import Pool, one_clip
from workers.reference import judge
from workers.scoring import Scored, Scorer, Work
from workers.service.batcher import Batcher
from workers.service.observer import Silent, WorkObserver, timed
from workers.service.pictures import NoPictures, PictureSink
from workers.service.references import Kept, ReferenceCache
from workers.sheets import Sheet, sheet_over

_NOT_YET_DURATIONS = 2


class Engine:
    """Everything that a score needs, behind one blocking call. Safe for many threads."""

    def __init__(
        self,
        scorer: Scorer,
        batcher: Batcher,
        pool: Pool,
        fetcher: Fetcher,
        *,
        limits: DecodeLimits,
        sampler: SamplerChoice,
        grid: CellGrid,
        sheets: int,
        observer: WorkObserver | None = None,
        pictures: PictureSink | None = None,
    ) -> None:
        self._scorer, self._batcher, self._pool, self._fetcher = scorer, batcher, pool, fetcher
        self._limits, self._sampler, self._grid = limits, sampler, grid
        self._references = ReferenceCache(sheets)
        self._observer = observer or Silent()
        self._pictures = pictures or NoPictures()

    def score(self, event: SegmentReady) -> SegmentScored:
        """Return the score of one segment.

        Raises:
            Rejected: It cannot be scored.
            Transient: It, or the reference without which it would get another score, cannot be had at the moment.
        """
        if event.is_reference and event.reference is not None:
            kept = self._reference(event, event.reference.parts[0])
            if isinstance(kept.result, Rejected):
                raise kept.result
            record = kept.result
        else:
            sheet = self._sheet(event)
            clip = self._clip(event, event.segment, sheet)
            scored = self._score(event, event.rendition, event.segment, clip, sheet)
            self._pictures.take(scored)
            record = scored.record
        now = datetime.now(UTC)
        delay = now.timestamp() - record.start_seconds - record.duration_seconds if event.live else None
        self._observer.scored(record.basis, delay_seconds=delay)
        return record.model_copy(update={"live": event.live, "scored_at": now})

    def _sheet(self, event: SegmentReady) -> Sheet | None:
        """Return the reference over an event's segment; None: there is none, or it is this rung that stands in."""
        if event.reference is None:
            return None
        found = [(part.segment, self._reference(event, part).sheet) for part in event.reference.parts]
        sheet = sheet_over(event.segment, [(segment, sheet) for segment, sheet in found if sheet is not None])
        return None if sheet is None or sheet.rendition_id == event.rendition.rendition_id else sheet

    def _reference(self, event: SegmentReady, part: ReferencePart) -> Kept:
        kept, hit = self._references.get(_key(event, part), lambda: self._judged(event, part))
        if not event.is_reference:
            self._observer.sheet(hit=hit)
        return kept

    def _judged(self, event: SegmentReady, part: ReferencePart) -> Kept:
        """Score a segment of the best rung alone, and look at the next best where it seems broken."""
        if event.reference is None:
            raise ValueError("an event without a reference has none to judge")
        best_id, stand_in = event.reference.rendition, part.stand_in
        best: Scored | None = None
        error: Rejected | None = None
        try:
            clip = self._clip(event, part.segment, None)
            best = self._score(event, best_id, part.segment, clip, None, heads_ladder=True)
        except Rejected as rejected:
            error = rejected

        def look() -> Clip | None:
            try:
                return self._clip(event, stand_in.segment, None) if stand_in else None
            except Rejected:
                return None  # said when its own turn comes

        def score(clip: Clip) -> Scored:
            if stand_in is None:
                raise ValueError("nothing stands in")
            return self._score(event, stand_in.rendition, stand_in.segment, clip, None, heads_ladder=True)

        judged, sheet = judge(best, stand_in.rendition.rendition_id if stand_in else None, look=look, score=score)
        if judged is not None:
            self._pictures.take(judged)
            return Kept(judged.record, sheet)
        return Kept(error or Rejected(f"{shown(part.segment.media.uri)}: not scored"), sheet)

    def _score(
        self,
        event: SegmentReady,
        rendition: Rendition,
        segment: Segment,
        clip: Clip,
        sheet: Sheet | None,
        *,
        heads_ladder: bool = False,
    ) -> Scored:
        # A file that was cut by us starts where its first picture is; a playlist says where a segment starts.
        is_cut = segment.window_seconds is not None and segment.window_seconds[0] == segment.start_seconds
        work = Work(
            stream_id=event.stream_id,
            rendition=rendition,
            number=segment.number,
            start_seconds=clip.start_seconds if is_cut else segment.start_seconds,
            time_basis=segment.time_basis,
            sheet=sheet,
            heads_ladder=heads_ladder,
            live=event.live,
            label=segment.label,
            cdn=segment.cdn,
        )
        with timed(self._observer, "prepare"):
            prepared = self._scorer.prepare(work, clip)
        return self._batcher.score(prepared)

    def _clip(self, event: SegmentReady, segment: Segment, sheet: Sheet | None) -> Clip:
        with timed(self._observer, "fetch"):
            source = self._source(segment, event)
        job = ClipJob(
            source=source,
            limits=self._limits,
            sampler=self._sampler,
            grid=self._grid,
            number=segment.number,
            span_seconds=segment.window_seconds,
            display_height_px=event.display_height_px or (sheet.display_height_px if sheet else None),
            display_width_px=sheet.display_width_px if sheet else None,
            anchors={segment.number: sheet.anchor} if sheet else {},
            grid_rate=event.slowest_frame_rate,
            thumbnails=self._pictures.width_px > 0,
            thumbnail_px=self._pictures.width_px,
        )
        with timed(self._observer, "decode"):
            return one_clip(self._pool, job)

    def _source(self, segment: Segment, event: SegmentReady) -> MediaSource:
        try:
            return self._read(segment)
        except NotFound as error:
            if _may_still_come(segment, event):
                raise Transient(f"{error} (not yet)") from error
            raise

    def _read(self, segment: Segment) -> MediaSource:
        name = shown(segment.media.uri)
        # A part of a file is sought in it; a segment is read whole, and keeps the clock that the renditions share.
        path = self._fetcher.local_path(segment.media) if segment.window_seconds is not None else None
        if path is not None:
            return MediaSource(name=name, path=path)
        return MediaSource(name=name, data=self._fetcher.segment_bytes(segment))


def _may_still_come(segment: Segment, event: SegmentReady) -> bool:
    """At the live edge packagers announce a segment before their origin has it."""
    if event.available_at is None:
        return False
    patience = timedelta(seconds=_NOT_YET_DURATIONS * (segment.duration_seconds or 0.0))
    return datetime.now(UTC) < event.available_at + patience


def _key(event: SegmentReady, part: ReferencePart) -> Hashable:
    """Return all that decides what a reference comes to."""
    best = event.reference.rendition.rendition_id if event.reference else ""
    return event.stream_id, best, part.model_dump_json(), event.display_height_px, event.slowest_frame_rate
