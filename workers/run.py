"""One run over files and playlists, embedded: decodes, scores and hands on results in a fixed order.

Of each stream the best rung comes first; its sheets are kept for the others. Segments are decoded ahead in parallel,
but scored and reported in order, so that two runs give the same lines.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import groupby, islice

from pipeline.cells import CellGrid
from pipeline.clip import Clip
from pipeline.clips import ClipJob, Probe, ProbeJob, SamplerChoice
from pipeline.decode import MediaSource
from pipeline.errors import Rejected, Transient
from pipeline.ingest import Fetcher, Stream, overlapping, shown
from pipeline.ladder import reference_order
from pipeline.settings import DecodeLimits
from schemas import Rendition, Segment, TimeBasis
from workers.ahead import Piece, Pool, SheetOf, in_order
from workers.failed import Failed
from workers.reference import judge
from workers.scoring import Scored, Scorer, Work
from workers.sheets import Sheet, SheetStore, sheet_over

_FILES_TOGETHER = 64  # single files that are decoded side by side


@dataclass(frozen=True, slots=True)
class Options:
    """What decides the scores of a run, beside the model."""

    sampler: SamplerChoice = SamplerChoice()
    grid: CellGrid = CellGrid()
    segment_seconds: float = 6.0
    display_height_px: int | None = None
    against_ladder: bool = True
    """False: every rung is scored alone (`--basis alone`)."""
    decoders: int = 0
    """0: one a usable core, at most 8."""

    @property
    def processes(self) -> int:
        return self.decoders or min(8, len(os.sched_getaffinity(0)))


@dataclass(frozen=True, slots=True)
class Step:
    """How far a run is: one segment more of a rendition is done."""

    stream_id: str
    rendition_id: str
    done: int
    total: int | None


Result = Scored | Failed
Report = Callable[[Step], None]


class Runner:
    """Owns the order of work of a run."""

    def __init__(
        self,
        scorer: Scorer,
        pool: Pool,
        aside: Callable[[], Pool],
        fetcher: Fetcher,
        limits: DecodeLimits,
        options: Options,
    ) -> None:
        """`aside` gives decoders for second looks, never those of `pool`: a decoder of that may be waiting for the
        very result that a second look is for."""
        self._scorer, self._pool, self._aside, self._fetcher = scorer, pool, aside, fetcher
        self._limits, self._options = limits, options

    def score(self, streams: Iterable[Stream], report: Report) -> Iterator[Result]:
        """Yield a score or a failure for every segment, stream by stream, of each the best rung first."""
        for is_file, group in groupby(streams, _is_single_file):
            if is_file:
                while files := list(islice(group, _FILES_TOGETHER)):
                    yield from self._files(files, report)
            else:
                for stream in group:
                    yield from self._ladder(stream, report)

    def _files(self, streams: Sequence[Stream], report: Report) -> Iterator[Result]:
        pieces: list[Piece] = []
        for stream in streams:
            yield from _problems(stream)
            pieces += self._pieces(stream, stream.ladder.renditions[0], None, None)
        yield from self._scored(pieces, None, report)

    def _ladder(self, stream: Stream, report: Report) -> Iterator[Result]:
        yield from _problems(stream)
        if stream.plain_files:
            stream = self._probed(stream)
        order = reference_order(stream.ladder)
        compares = self._options.against_ladder and len(order) > 1 and stream.aligned_by is not None
        with SheetStore() as sheets:
            display: _Display | None = None
            for place, rendition in enumerate(order):
                is_best = compares and not sheets.numbers() and place + 1 < len(order)
                lesser = order[place + 1] if is_best else None
                pieces = list(self._pieces(stream, rendition, sheets if compares and not is_best else None, display))
                keeper = _Keeper(self, stream, lesser, sheets) if lesser else None
                for result in self._scored(pieces, keeper, report):
                    if isinstance(result, Scored) and display is None:
                        display = _Display(result.clip.display_width_px, result.clip.display_height_px)
                    yield result

    def _scored(self, pieces: Sequence[Piece], keeper: "_Keeper | None", report: Report) -> Iterator[Result]:
        done: dict[str, int] = {}
        for piece, number, found in in_order(self._pool, self._aside, pieces, self._options.processes):
            stream_id, rendition_id = piece.stream.ladder.stream_id, piece.rendition.rendition_id
            result: Result
            if isinstance(found, Clip):
                result = self._scorer.score(_work(piece, number, found, heads_ladder=keeper is not None), found)
            else:
                result = Failed(piece.origin, found, stream_id, rendition_id, number)
            yield keeper.keep(number, result) if keeper else result
            done[stream_id] = done.get(stream_id, 0) + 1
            total = None if piece.plain else len(piece.stream.segments[rendition_id])
            report(Step(stream_id, rendition_id, done[stream_id], total))

    # What is decoded

    def _pieces(
        self, stream: Stream, rendition: Rendition, sheets: SheetStore | None, display: "_Display | None"
    ) -> Iterator[Piece]:
        best = stream.segments.get(reference_order(stream.ladder)[0].rendition_id, ())
        for segment in stream.segments.get(rendition.rendition_id, ()):
            numbers = [segment.number] if sheets else []
            if sheets and stream.plain_files:
                numbers, find = sheets.numbers(), partial(_own_number, sheets)
            else:
                find = partial(self._sheet_over, segment, best, sheets)
            sheet_of = partial(_of_another, rendition.rendition_id, find)
            yield Piece(
                stream=stream,
                rendition=rendition,
                segment=segment,
                sheet_of=sheet_of,
                make_job=partial(self._job, stream, segment, numbers, sheet_of, display),
            )

    def _sheet_over(
        self, segment: Segment, best: Sequence[Segment], sheets: SheetStore | None, _number: int
    ) -> Sheet | None:
        """Return the sheet of the reference over a segment of a playlist; None: there is none."""
        if sheets is None:
            return None
        over = [found for found in overlapping(segment, best) if found.number in sheets]
        return sheet_over(segment, [(found, sheets.get(found.number)) for found in over])

    def _job(
        self,
        stream: Stream,
        segment: Segment,
        numbers: Sequence[int],
        sheet_of: SheetOf,
        display: "_Display | None",
    ) -> ClipJob:
        """Return the decode job of a segment, its bytes fetched where it is not a local file."""
        source = self._source(stream, segment)
        sheets = ((number, sheet_of(number)) for number in numbers)  # one at a time: only the anchors are kept
        anchors = {number: sheet.anchor for number, sheet in sheets if sheet is not None}
        height = self._options.display_height_px or (display.height_px if display else None)
        height = height or (_declared_height(stream) if not stream.plain_files else None)
        return ClipJob(
            source=source,
            limits=self._limits,
            sampler=self._options.sampler,
            grid=self._options.grid,
            number=segment.number,
            span_seconds=segment.window_seconds,
            segment_seconds=self._options.segment_seconds if stream.plain_files else None,
            display_height_px=height,
            display_width_px=display.width_px if display else None,
            anchors=anchors,
            grid_rate=_slowest_rate(stream) if self._options.against_ladder else None,
        )

    def _probed(self, stream: Stream) -> Stream:
        """Return a ladder of plain files with their rungs filled in, which nothing has declared."""
        renditions = []
        for rendition in stream.ladder.renditions:
            segment = stream.segments[rendition.rendition_id][0]
            try:
                job = ProbeJob(self._source(stream, segment), self._limits)
                rungs = [found.rung for found in self._pool.submit(job) if isinstance(found, Probe)]
            except (Rejected, Transient):
                rungs = []  # said when its turn comes to be scored
            renditions.append(rendition.model_copy(update={"rung": rungs[0]}) if rungs else rendition)
        return replace(stream, ladder=stream.ladder.model_copy(update={"renditions": tuple(renditions)}))

    def _source(self, stream: Stream, segment: Segment) -> MediaSource:
        # A file is streamed, and its time begins at 0. A segment is read whole, and keeps the clock that the
        # renditions share.
        is_file = stream.plain_files or segment.window_seconds is not None
        path = self._fetcher.local_path(segment.media) if is_file else None
        name = shown(segment.media.uri)
        if path is not None:
            return MediaSource(name=name, path=path)
        return MediaSource(name=name, data=self._fetcher.segment_bytes(segment))

    def decode_one(self, stream: Stream, rendition: Rendition, number: int) -> Clip | None:
        """Return one segment of a rendition, instants chosen on itself; None: there is none that can be shown."""
        for piece in self._pieces(stream, rendition, None, None):
            if not stream.plain_files and piece.segment.number != number:
                continue
            try:
                job = piece.make_job()
                if stream.plain_files:
                    job = replace(job, first_window=number - piece.segment.number, windows=1)
                return next((found for found in self._aside().submit(job) if isinstance(found, Clip)), None)
            except (Rejected, Transient):
                return None
        return None

    def score_stand_in(self, stream: Stream, rendition: Rendition, number: int, clip: Clip) -> Scored:
        work = Work(
            stream_id=stream.ladder.stream_id,
            rendition=rendition,
            number=number,
            start_seconds=clip.start_seconds,
            time_basis=TimeBasis.MEDIA_TIME,
            heads_ladder=True,
        )
        return self._scorer.score(work, clip)


class _Keeper:
    """Keeps the sheets of the best rung, and lets the next best stand in where that is broken."""

    def __init__(self, runner: Runner, stream: Stream, lesser: Rendition, sheets: SheetStore) -> None:
        self._runner, self._stream, self._lesser, self._sheets = runner, stream, lesser, sheets

    def keep(self, number: int, result: Result) -> Result:
        """Store the sheet of one segment and return the result, with a finding where another rung stands in."""
        scored, sheet = judge(
            result if isinstance(result, Scored) else None,
            self._lesser.rendition_id,
            look=lambda: self._runner.decode_one(self._stream, self._lesser, number),
            score=lambda clip: self._runner.score_stand_in(self._stream, self._lesser, number, clip),
        )
        if sheet is not None:
            self._sheets.put(number, sheet)
        return result if scored is None else scored


@dataclass(frozen=True, slots=True)
class _Display:
    width_px: int
    height_px: int


def _own_number(sheets: SheetStore, number: int) -> Sheet | None:
    return sheets.get(number) if number in sheets else None


def _of_another(rendition_id: str, find: SheetOf, number: int) -> Sheet | None:
    """A rung that stands in as the reference is not compared with itself."""
    sheet = find(number)
    return None if sheet is None or sheet.rendition_id == rendition_id else sheet


def _work(piece: Piece, number: int, clip: Clip, *, heads_ladder: bool) -> Work:
    return Work(
        stream_id=piece.stream.ladder.stream_id,
        rendition=piece.rendition,
        number=number,
        start_seconds=clip.start_seconds if piece.plain else piece.segment.start_seconds,
        time_basis=piece.segment.time_basis,
        sheet=piece.sheet_of(number),
        heads_ladder=heads_ladder,
    )


def _is_single_file(stream: Stream) -> bool:
    return stream.plain_files and len(stream.ladder.renditions) == 1


def _problems(stream: Stream) -> Iterator[Failed]:
    for origin, error in stream.problems:
        yield Failed(origin, error, stream.ladder.stream_id)


def _declared_height(stream: Stream) -> int | None:
    return max((r.rung.height_px for r in stream.ladder.renditions if r.rung.height_px), default=None)


def _slowest_rate(stream: Stream) -> Fraction | None:
    """Return the rate of the slowest rung: instants of a faster reference are kept to frames that all rungs have."""
    return min((r.rung.frame_rate for r in stream.ladder.renditions if r.rung.frame_rate), default=None)
