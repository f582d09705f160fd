"""Scores in, points in Redis: what the process of the series does with messages, in one thread."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.errors import BadEvent
from pipeline.series import Written
from pipeline.stream.protocol import Answer, Done, Message
from schemas import ManifestFinding, ManifestFindingKind, QualityPoint, SegmentScored, SegmentSkipped
from workers.service.events import parse
from workers.service.together import Together, Waiting

LOGGER = logging.getLogger(__name__)
MOST_AT_ONCE = 500


class Store(Protocol):
    """See `pipeline.series.SeriesStore`."""

    def write(self, points: Sequence[QualityPoint]) -> Written: ...

    def skip(self, skipped: Sequence[SegmentSkipped]) -> int: ...

    def find(self, findings: Sequence[ManifestFinding]) -> int: ...


class SeriesObserver(Protocol):
    """Is told what became of messages, by the writer's thread."""

    def written(self, written: Written, skipped: int) -> None:
        """Points were stored, and so many segments noted as skipped for the first time."""

    def wrote(self, seconds: float) -> None:
        """Storing one batch took so long."""

    def delivered(self, delay_seconds: float) -> None:
        """A live point can be read, so long after its segment ended."""

    def found(self, kind: ManifestFindingKind) -> None:
        """A finding was stored."""


class SeriesProcessor:
    """Implements `Processor`: `SegmentScored` becomes a point, `SegmentSkipped` a note of what is missing.

    Nothing is waited for: one message alone is written at once, and what comes meanwhile is written together.
    """

    def __init__(
        self,
        store: Store,
        *,
        skipped_topic: str,
        observer: SeriesObserver | None = None,
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        """`skipped_topic`: whose messages are `SegmentSkipped` where no header `ce_type` says what they are."""
        self._store, self._skipped_topic, self._observer = store, skipped_topic, observer
        self._together = Together(self._write, "series-writer", most_at_once)

    def room(self) -> int:
        """See `Processor.room`."""
        return self._together.room()

    def start(self, message: Message, answer: Callable[[Answer], None]) -> None:
        """See `Processor.start`."""
        self._together.start(message, answer)

    def close(self) -> None:
        """See `Processor.close`."""
        self._together.close()

    def _write(self, batch: list[Waiting]) -> None:
        points: list[QualityPoint] = []
        live_ends: list[float] = []
        skipped: list[SegmentSkipped] = []
        findings: list[ManifestFinding] = []
        good: list[Waiting] = []
        for waiting in batch:
            try:
                record = self._parse(waiting.message)
            except BadEvent as error:
                waiting.answer(error)
                continue
            good.append(waiting)
            if isinstance(record, SegmentSkipped):
                skipped.append(record)
            elif isinstance(record, ManifestFinding):
                findings.append(record)
            else:
                points.append(QualityPoint.of(record))
                if record.live:
                    live_ends.append(record.start_seconds + record.duration_seconds)
        answer: Answer = Done()
        begin = time.perf_counter()
        try:
            written = self._store.write(points)
            noted = self._store.skip(skipped)
            self._store.find(findings)
        except Exception as error:
            answer = error
        else:
            self._tell(written, noted, findings)
            if self._observer is not None:
                self._observer.wrote(time.perf_counter() - begin)
                now = time.time()
                for end_seconds in live_ends:
                    self._observer.delivered(now - end_seconds)
        for waiting in good:
            waiting.answer(answer)

    def _parse(self, message: Message) -> SegmentScored | SegmentSkipped | ManifestFinding:
        name = message.header("ce_type")
        if name == b"SegmentScored":
            return parse(SegmentScored, message)
        if name == b"SegmentSkipped":
            return parse(SegmentSkipped, message)
        if name == b"ManifestFinding":
            return parse(ManifestFinding, message)
        if name is not None:
            raise BadEvent(
                f"{message.origin}: a {name.decode(errors='replace')[:100]} is not for the series; publish it elsewhere"
            )
        if message.partition.topic == self._skipped_topic:
            return parse(SegmentSkipped, message)
        return parse(SegmentScored, message)

    def _tell(self, written: Written, noted: int, findings: Sequence[ManifestFinding]) -> None:
        if written.late:
            LOGGER.warning(
                "%d points were left out: they came when the single points of their minute had expired already "
                "(RUNGWATCH_REDIS_RAW_SECONDS)",
                written.late,
            )
        if self._observer is not None:
            self._observer.written(written, noted)
            for finding in findings:
                if finding.over_at is None:
                    self._observer.found(finding.kind)
