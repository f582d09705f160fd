"""Decodes ahead: many jobs at the same time, their results handed on in order, and the next segment after a loss."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pipeline.clip import Clip
from pipeline.clips import ClipJob, Gap, Probe, ProbeJob
from pipeline.decode.isolate import IsolatedPool
from pipeline.errors import DecoderFailed, Rejected, Transient, Truncated
from pipeline.ingest import Stream, shown
from schemas import Finding, FindingKind, Rendition, Segment
from workers.sheets import Sheet

_AHEAD = 2  # clips a decoder may be ahead of the scorer
_LOST_IN_A_ROW = 3  # decoders lost on segments of one file before the rest of it is given up

Pool = IsolatedPool[ClipJob | ProbeJob, Clip | Gap | Probe]

SheetOf = Callable[[int], Sheet | None]
"""Segment number -> the reference over it; looked up when it is needed, since all sheets would not fit the memory."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One decode job: a segment, or a plain file that becomes many."""

    stream: Stream
    rendition: Rendition
    segment: Segment
    sheet_of: SheetOf
    make_job: Callable[[], ClipJob]
    """Fetches what has to be fetched; called in the thread that decodes."""

    @property
    def origin(self) -> str:
        return shown(self.segment.media.uri)

    @property
    def plain(self) -> bool:
        return self.stream.plain_files


Found = Clip | Rejected | Transient
_Item = tuple[int, Found] | BaseException | None
"""Of a line: a result, a bug, or the end."""


def in_order(
    pool: Pool, aside: Callable[[], Pool], pieces: Sequence[Piece], ahead: int
) -> Iterator[tuple[Piece, int, Found]]:
    """Yield what the pieces give in their order, while up to `ahead` of them are decoded at the same time."""
    stop = threading.Event()
    lines: list[queue.Queue[_Item]] = [queue.Queue(_AHEAD) for _ in pieces]

    def put(line: queue.Queue[_Item], item: _Item) -> bool:
        while not stop.is_set():
            try:
                line.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def decode(index: int) -> None:
        try:
            for item in _decode(pool, aside, pieces[index]):
                if not put(lines[index], item):
                    return
            put(lines[index], None)
        except BaseException as bug:
            put(lines[index], bug)

    with ThreadPoolExecutor(ahead, thread_name_prefix="decode") as threads:
        for index in range(len(pieces)):
            threads.submit(decode, index)
        try:
            for piece, line in zip(pieces, lines, strict=True):
                while (item := line.get()) is not None:
                    if isinstance(item, BaseException):
                        raise item
                    yield piece, *item
        finally:
            stop.set()
            threads.shutdown(wait=True, cancel_futures=True)


def _decode(pool: Pool, aside: Callable[[], Pool], piece: Piece) -> Iterator[tuple[int, Found]]:
    """Yield (segment number, clip or why there is none); a plain file goes on after a segment that took the decoder."""
    number, first, lost = piece.segment.number, 0, 0
    try:
        job = piece.make_job()
    except (Rejected, Transient) as error:
        yield number, error
        return
    while True:
        try:
            for found in pool.submit(replace(job, first_window=first)):
                lost = 0
                if isinstance(found, Gap):
                    yield found.window.number, _again_alone(aside(), job, found)
                elif isinstance(found, Clip):
                    yield found.window.number, found
                else:
                    continue
                first = found.window.number - number + 1
            return
        except DecoderFailed as error:
            yield number + first, error
            first, lost = first + 1, lost + 1
            if not piece.plain or lost >= _LOST_IN_A_ROW:
                return
        except (Rejected, Transient) as error:
            if not (lost and isinstance(error, Truncated)):  # the lost segment was the last
                yield number + first, error
            return


def one_clip(pool: Pool, job: ClipJob) -> Clip:
    """Decode one segment. Raises Rejected, Transient."""
    for found in list(pool.submit(job)):  # to its end, which frees the decoder for a second look
        if isinstance(found, Clip):
            return found
        if isinstance(found, Gap):
            again = _again_alone(pool, job, found)
            if isinstance(again, Clip):
                return again
            raise again
    raise Truncated(f"{job.source.name}: no segment is in it.")


def _again_alone(pool: Pool, job: ClipJob, gap: Gap) -> Found:
    """Return the segment with instants of its own, where none of the reference's could be shown."""
    if gap.window.number in job.anchors:
        once = replace(job, anchors={}, first_window=gap.window.number - job.number, windows=1)
        try:
            for found in list(pool.submit(once)):
                if isinstance(found, Clip):
                    text = "nothing is shown at the instants of the reference: scored alone"
                    return replace(found, findings=(*found.findings, Finding(kind=FindingKind.MISMATCH, text=text)))
        except (Rejected, Transient) as error:
            return error
    return Truncated(gap.message)
