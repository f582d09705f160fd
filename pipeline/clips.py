"""From media to clips: decodes a source once, cuts it into segments, samples, and keeps only the cells.

The wiring of the stages `decode` and `sample`. It runs inside a decoder process (`pipeline.decode.isolate`), so that
what it returns must be small and picklable, and nothing here may import torch.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.cells import CellGrid, cut_coded, cut_shown
from pipeline.clip import Anchor, Clip, DifferenceSeries, Match, SampledFrame, SegmentFacts, Window
from pipeline.decode import Media, MediaSource, open_media
from pipeline.errors import Damaged, LimitExceeded, Truncated
from pipeline.frame import Frame
from pipeline.sample import (
    SAMPLERS,
    Imposer,
    Recorder,
    Step,
    frozen_spans,
    hardly_moves,
    is_black,
    small_picture,
    stands_still,
    steps,
    still_beside,
)
from pipeline.settings import DecodeLimits
from schemas import Finding, FindingKind, Rung

THUMBNAIL_PX = 480
_STILL_SECONDS = 1.0
_LEAD_SECONDS = 1.0  # decoded before a span, so that its first picture can be compared with the one before
_LEAST_REMAINDER = 0.5  # of a segment; a shorter rest of a plain file joins the segment before it


@dataclass(frozen=True, slots=True)
class SamplerChoice:
    name: str = "frame_difference"
    frames: int = 8


@dataclass(frozen=True, slots=True)
class ClipJob:
    """One source to be turned into clips."""

    source: MediaSource
    limits: DecodeLimits
    sampler: SamplerChoice = SamplerChoice()
    grid: CellGrid = CellGrid()
    number: int = 0
    """Of the segment, or of the first segment of a plain file."""
    segment_seconds: float | None = None
    """Cut the source into windows of this length; None: the source is one segment."""
    span_seconds: tuple[float, float] | None = None
    """The source holds more than this segment: only [start, end) of it; None: all of it."""
    first_window: int = 0
    """Leave out the windows before this one of a source that is cut; where a run goes on after a decoder was lost."""
    windows: int | None = None
    """Stop after so many windows; None: go on to the end."""
    display_height_px: int | None = None
    """None: the height of the source itself."""
    display_width_px: int | None = None
    anchors: dict[int, Anchor] = field(default_factory=dict)
    """Segment number -> what the reference imposes; empty: the instants are chosen here."""
    grid_rate: Fraction | None = None
    """Frame rate of the slowest rung of the ladder, for a reference that shows more frames than it."""
    thumbnails: bool = True
    """Make pictures that people see."""
    thumbnail_px: int = THUMBNAIL_PX
    """Their width, at most."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A segment that should be there and shows nothing."""

    window: Window
    message: str


def clips(job: ClipJob) -> Iterator[Clip | Gap]:
    """Yield the clips of a source in order, one for each segment.

    Raises:
        Rejected: Nothing of the source can be scored; the class and the message tell why.
    """
    with open_media(job.source, job.limits, export_qp=True) as media:
        windows = _windows(media, job)
        yield from _clips_of(media, job, windows)


def _clips_of(media: Media, job: ClipJob, windows: list[Window]) -> Iterator[Clip | Gap]:
    start_seconds = windows[0].start_seconds if job.first_window or job.span_seconds else None
    stream = _steps_from(media, start_seconds)
    for window in windows:
        found = _one_clip(media, job, window, stream)
        notes = media.take_notes()
        if isinstance(found, _Unsettled):
            found, notes = _once_more(job, window, found.around_seconds)
        if found is None:
            yield Gap(window, f"{job.source.name}: no picture in segment {window.number}. {_why(media)}")
        else:
            yield replace(found, findings=(*found.findings, *notes))


def _steps_from(media: Media, start_seconds: float | None) -> "_Pushback":
    """Return the steps from a time on; the first knows the picture before it, as if all had been decoded."""
    if start_seconds is None or start_seconds <= media.start_seconds:
        return _Pushback(steps(media.frames()))

    def late() -> Iterator[Step]:
        for step in steps(media.frames(start_seconds - _LEAD_SECONDS)):
            if step.frame.time_seconds >= start_seconds:
                yield step
            else:
                media.take_notes()  # what is wrong there belongs to the segment before

    return _Pushback(late())


def windows_of(start_seconds: float, end_seconds: float, length_seconds: float) -> list[tuple[float, float]]:
    """Return how a plain file of [start, end) is cut: [start, end) of every window; the last one has no end."""
    count = max(1, math.floor((end_seconds - start_seconds) / length_seconds + 1 - _LEAST_REMAINDER))
    edges = [start_seconds + index * length_seconds for index in range(count)]
    return list(zip(edges, [*edges[1:], math.inf], strict=True))


def _windows(media: Media, job: ClipJob) -> list[Window]:
    start_seconds, end_seconds = media.start_seconds, media.end_seconds
    if job.span_seconds is not None:
        return [Window(job.number, *job.span_seconds)]
    length = job.segment_seconds
    if length is None or media.still or end_seconds is None or not math.isfinite(end_seconds - start_seconds):
        return [Window(job.number, None, None)]
    spans = windows_of(start_seconds, end_seconds, length)
    windows = [Window(job.number + index, *span) for index, span in enumerate(spans)]
    windows = windows[job.first_window :][: job.windows]
    if not windows:
        raise Truncated(f"{job.source.name}: it ends before segment {job.number + job.first_window}.")
    return windows


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """The offset against the reference was found too late to be used: decode the segment once more with it."""

    around_seconds: float


def _once_more(job: ClipJob, window: Window, around_seconds: float) -> tuple[Clip | None, tuple[Finding, ...]]:
    with open_media(job.source, job.limits, export_qp=True) as media:
        stream = _steps_from(media, window.start_seconds)
        found = _one_clip(media, job, window, stream, around_seconds, last_try=True)
        return (None if isinstance(found, _Unsettled) else found), media.take_notes()


def _one_clip(
    media: Media,
    job: ClipJob,
    window: Window,
    stream: "_Pushback",
    around_seconds: float | None = None,
    *,
    last_try: bool = False,
) -> Clip | _Unsettled | None:
    ledger = _Ledger(job, window, _until(stream, window.end_seconds))
    passing = Recorder(ledger)
    first = stream.peek()
    if first is None or (window.end_seconds is not None and first.frame.time_seconds >= window.end_seconds):
        return None
    cutter = _Cutter(media, job, first.frame)
    match: Match | None = None
    anchor = job.anchors.get(window.number)
    if anchor is not None:
        around = _clock_gap(anchor, first.frame.time_seconds) if around_seconds is None else around_seconds
        imposer = Imposer(anchor, around, search=not last_try)
        for imposed in imposer.choose(passing):
            cutter.take(imposed.instant, anchor.places[imposed.instant], imposed.step)
        result = imposer.result()
        if not (result.settled or last_try):
            return _Unsettled(result.offset_seconds)
        match = result.match
        if match.fits:
            cutter.keep_only([instant for instant, fits in enumerate(result.fits_at) if fits])
    else:
        begin = window.start_seconds if window.start_seconds is not None else media.start_seconds
        end = min(window.end_seconds or math.inf, media.end_seconds if media.end_seconds is not None else math.inf)
        begin = max(begin, first.frame.time_seconds) if window.start_seconds is None else begin
        sampler = SAMPLERS[job.sampler.name](job.sampler.frames, job.grid_rate)
        for instant, step in enumerate(sampler.sample(passing, begin, end if math.isfinite(end) else begin)):
            cutter.take(instant, instant, step)
    for _ in passing:  # what the sampler did not need still counts for the facts
        pass
    if not cutter.frames:
        return None
    return cutter.clip(window, ledger, passing.series, match, anchor)


def _clock_gap(anchor: Anchor, first_seconds: float) -> float:
    """Return how much later the rung's clock runs: 0 where its pictures overlap the reference's in time.

    Segments of two renditions mostly share a clock; where they do not, they were paired by number, and their first
    pictures show the same moment.
    """
    gap = first_seconds - anchor.start_seconds
    span = float(anchor.instants_seconds[-1]) - anchor.start_seconds
    return 0.0 if abs(gap) <= max(span, 0.5) else gap


class _Pushback:
    """An iterator of steps that can be looked ahead by one."""

    def __init__(self, source: Iterator[Step]) -> None:
        self._source = source
        self._next: Step | None = None

    def peek(self) -> Step | None:
        if self._next is None:
            self._next = next(self._source, None)
        return self._next

    def take(self) -> Step | None:
        step = self.peek()
        self._next = None
        return step


def _until(stream: _Pushback, end_seconds: float | None) -> Iterator[Step]:
    while (step := stream.peek()) is not None:
        if end_seconds is not None and step.frame.time_seconds >= end_seconds:
            return
        stream.take()
        yield step


class _Ledger:
    """Counts what passes: pictures, bytes by type, the first picture's cells."""

    def __init__(self, job: ClipJob, window: Window, stream: Iterable[Step]) -> None:
        self._job = job
        self._window = window
        self._stream = stream
        self.pictures = 0
        self.bytes_by_type: dict[str, tuple[int, int]] = {}
        self.bytes_known = True
        self.first_cells: NDArray[np.uint8] | None = None
        self.first_seconds = math.nan
        self.last_seconds = math.nan

    def __iter__(self) -> Iterator[Step]:
        limit = self._job.limits.max_frames
        for step in self._stream:
            frame = step.frame
            if self.pictures == 0:
                self.first_seconds = frame.time_seconds
                self.first_cells = cut_coded(frame, self._job.grid, 0)
            self.pictures += 1
            if self.pictures > limit:
                raise LimitExceeded(
                    f"{self._job.source.name}: segment {self._window.number} has more than {limit} pictures. "
                    "Raise RUNGWATCH_DECODE_MAX_FRAMES, or cut it shorter with --segment-seconds."
                )
            self.last_seconds = frame.time_seconds
            if frame.packet_bytes is None:
                self.bytes_known = False
            else:
                count, size = self.bytes_by_type.get(frame.picture_type, (0, 0))
                self.bytes_by_type[frame.picture_type] = (count + 1, size + frame.packet_bytes)
            yield step

    def facts(self, media: Media, qp_mean: float | None) -> SegmentFacts:
        duration = self._duration(media)
        video_bytes = sum(size for _, size in self.bytes_by_type.values())
        return SegmentFacts(
            codec=media.codec,
            width_px=media.width_px,
            height_px=media.height_px,
            display_aspect=media.display_aspect,
            bit_depth=media.bit_depth,
            frame_rate=media.frame_rate,
            frames=self.pictures,
            duration_seconds=duration,
            video_bytes=video_bytes if self.bytes_known and video_bytes else None,
            bytes_by_type=self.bytes_by_type if self.bytes_known else {},
            qp_mean=qp_mean,
            interlaced=media.interlaced,
            still=media.still or self.pictures == 1,
            audio_lag_seconds=media.audio_lag_seconds if self._window.start_seconds is None else None,
        )

    def _duration(self, media: Media) -> float:
        if media.still:
            return 0.0
        between = self.last_seconds - self.first_seconds
        if self.pictures > 1 and between > 0:
            return between * self.pictures / (self.pictures - 1)  # the last picture is shown as long as the others
        return float(1 / media.frame_rate) if media.frame_rate else 0.0


class _Cutter:
    """Takes sampled steps, keeps their cells and lets go of the pictures."""

    def __init__(self, media: Media, job: ClipJob, first: Frame) -> None:
        self._media = media
        self._job = job
        self._height_px = job.display_height_px or media.height_px
        wide = job.display_width_px or round(self._height_px * media.display_aspect)
        self._width_px = max(2, int(wide))
        self._native = (self._width_px, self._height_px) == (first.width_px, first.height_px)
        self.frames: list[SampledFrame] = []
        self._shown: list[NDArray[np.uint8]] = []
        self._coded: list[NDArray[np.uint8]] = []
        self._before: list[NDArray[np.uint8]] = []
        self._small: list[NDArray[np.uint8]] = []
        self._thumbnails: list[bytes] = []
        self._qp: list[float] = []

    def take(self, instant: int, place: int, step: Step) -> None:
        """Keep what is needed of the picture of one instant, cut at one of the grid's places."""
        frame, grid = step.frame, self._job.grid
        coded = cut_coded(frame, grid, place)
        self._coded.append(coded)
        if not self._native:
            self._shown.append(cut_shown(frame.display_luma(self._width_px, self._height_px), grid, place))
        self._before.append(cut_coded(step.previous, grid, place) if step.previous else coded)
        self._small.append(small_picture(frame))
        if self._job.thumbnails:
            self._thumbnails.append(frame.thumbnail(self._job.thumbnail_px))
        if (qp := frame.qp()) is not None:
            self._qp.append(qp)
        difference = step.difference if step.previous else math.nan
        self.frames.append(SampledFrame(instant, frame.pts, frame.time_seconds, frame.picture_type, difference))

    def keep_only(self, instants: list[int]) -> None:
        """Let go of the frames of other instants, unless nothing would be left."""
        kept = [index for index, frame in enumerate(self.frames) if frame.instant in instants]
        if kept and len(kept) < len(self.frames):
            for name in ("frames", "_shown", "_coded", "_before", "_small", "_thumbnails"):
                values = getattr(self, name)
                setattr(self, name, [values[index] for index in kept] if values else values)

    def clip(
        self,
        window: Window,
        ledger: _Ledger,
        series: DifferenceSeries,
        match: Match | None,
        anchor: Anchor | None,
    ) -> Clip:
        if ledger.first_cells is None:
            raise Damaged(f"{self._job.source.name}: no picture in segment {window.number}.")
        coded = np.stack(self._coded)
        facts = ledger.facts(self._media, sum(self._qp) / len(self._qp) if self._qp else None)
        small = np.stack(self._small)
        return Clip(
            window=window,
            facts=facts,
            display_width_px=self._width_px,
            display_height_px=self._height_px,
            frames=tuple(self.frames),
            shown=coded if self._native else np.stack(self._shown),
            coded=coded,
            before=np.stack(self._before),
            first=ledger.first_cells,
            small=small,
            differences=series,
            start_seconds=ledger.first_seconds,
            match=match,
            findings=tuple(_findings(facts, small, _still(series, small, match, anchor))),
            thumbnails=tuple(self._thumbnails),
        )


def _still(
    series: DifferenceSeries, small: NDArray[np.uint8], match: Match | None, anchor: Anchor | None
) -> Iterator[tuple[FindingKind, float, float, str]]:
    """Yield where the picture stands still, and what that means: kind, start, duration, words."""
    pictures = len(series.times_seconds)
    length = float(np.ptp(series.times_seconds)) if pictures > 1 else 0.0
    # A second, or most of a segment that is shorter: from the first to the last picture it lacks one interval.
    least = min(_STILL_SECONDS, 0.8 * length)
    if least <= 0:
        return
    reference = None if anchor is None or match is None else anchor.differences
    offset = match.offset_seconds if match else 0.0
    beside = still_beside(series, reference, offset, least) if reference else []
    for start, duration in beside:
        yield FindingKind.FROZEN, start, duration, "the picture stands still while the reference moves"
    spans = frozen_spans(series, least)
    same = match is None or match.fits
    # What shows the same as a reference that stands still does so, too, be it encoded ever so coarsely.
    if same and (stands_still(series, small) or (anchor and reference and stands_still(reference, anchor.pictures))):
        spans = [(float(series.times_seconds[0]), length * pictures / (pictures - 1))]
    for span in spans:
        if any(_meet(span, other) for other in beside):
            continue
        start, end = span[0] - offset, sum(span) - offset
        if same and (reference is None or hardly_moves(reference, start, end)):
            yield FindingKind.STILL, *span, "the picture stands still"
        else:
            yield FindingKind.FROZEN, *span, "the picture stands still while the reference moves"


def _meet(span: tuple[float, float], other: tuple[float, float]) -> bool:
    return span[0] < other[0] + other[1] and other[0] < span[0] + span[1]


def _findings(
    facts: SegmentFacts,
    small: NDArray[np.uint8],
    still: Iterable[tuple[FindingKind, float, float, str]],
) -> Iterator[Finding]:
    if all(is_black(picture) for picture in small):
        yield Finding(kind=FindingKind.BLACK, text="the picture is black")  # that it stands still goes without saying
    elif not facts.still:
        for kind, start, duration, text in still:
            yield Finding(
                kind=kind, text=f"{text} for {duration:.1f} s", start_seconds=start, duration_seconds=duration
            )
    if facts.interlaced:
        yield Finding(kind=FindingKind.INTERLACED, text="interlaced: deinterlaced with bwdif before it was scored")


def _why(media: Media) -> str:
    said = "; ".join(note.text for note in media.notes)
    return said or "The container promises more than its packets hold: the file may be cut off."


@dataclass(frozen=True, slots=True)
class ProbeJob:
    """Asks what a plain file holds, without scoring it."""

    source: MediaSource
    limits: DecodeLimits


@dataclass(frozen=True, slots=True)
class Probe:
    rung: Rung
    start_seconds: float
    end_seconds: float | None
    """None: not known, or a still."""


def work(job: ClipJob | ProbeJob) -> Iterator[Clip | Gap | Probe]:
    """Do either job: what a decoder process runs."""
    if isinstance(job, ProbeJob):
        yield probe(job)
    else:
        yield from clips(job)


def probe(job: ProbeJob) -> Probe:
    """Return what a plain file is, as a rung; its bitrate is the file's size over its duration."""
    with open_media(job.source, job.limits) as media:
        end = media.end_seconds
        ends = end is not None and math.isfinite(end) and not media.still
        duration = None if media.end_seconds is None else media.end_seconds - media.start_seconds
        size_bytes = job.source.path.stat().st_size if job.source.path else len(job.source.data or b"")
        rung = Rung(
            codec=media.codec,
            width_px=media.width_px,
            height_px=media.height_px,
            frame_rate=media.frame_rate,
            bitrate_bps=max(1, round(size_bytes * 8 / duration)) if duration else None,
        )
        return Probe(rung, media.start_seconds, end if ends else None)
