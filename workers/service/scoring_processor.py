"""Segment events in, scores out: what a scoring worker does with messages, in threads of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Protocol

from pipeline.errors import NotFound
from pipeline.stream.protocol import Answer, Done, Message
from pipeline.stream.topics import Topics
from schemas import SegmentReady, SegmentScored, SegmentSkipped
from workers.service.contradictions import Contradictions, missing
from workers.service.events import parse, publication
from workers.service.observer import Silent, WorkObserver
from workers.service.outbox import Outbox
from workers.service.tracing import Work


class Engine(Protocol):
    """See `workers.service.engine.Engine`."""

    def score(self, event: SegmentReady) -> SegmentScored: ...


class ScoringProcessor:
    """Implements `Processor`: starts segments in the order in which they come, so that the best rung is ahead."""

    def __init__(
        self,
        engine: Engine,
        *,
        threads: int,
        topics: Topics,
        beside: Outbox,
        source: str,
        observer: WorkObserver | None = None,
        work: Work | None = None,
    ) -> None:
        """`beside`: takes a finding where there is no score that it could go with. `work`: traces it; None: nobody."""
        self._engine, self._source, self._observer = engine, source, observer or Silent()
        self._topics, self._beside, self._traced = topics, beside, work or Work()
        self._contradictions = Contradictions()
        # As many again may wait: a thread that becomes free must not wait for the bus.
        self._most = 2 * threads
        self._lock = threading.Lock()
        self._started = 0
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="segment")

    def room(self) -> int:
        """See `Processor.room`."""
        return max(0, self._most - self._started)

    def start(self, message: Message, answer: Callable[[Answer], None]) -> None:
        """See `Processor.start`."""
        with self._lock:
            self._started += 1
        self._threads.submit(self._work, message, answer)

    def waiting(self) -> int:
        """Return how many segments were taken up and have no thread yet."""
        return max(0, self._started - self._most // 2)

    def close(self) -> None:
        """See `Processor.close`."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _work(self, message: Message, answer: Callable[[Answer], None]) -> None:
        try:
            with self._traced.on(message) as carried:
                try:
                    result = self._result(message)
                except BaseException as error:
                    result = error
                result = carried(result)
        finally:
            with self._lock:
                self._started -= 1
        answer(result)

    def _result(self, message: Message) -> Answer:
        event = parse(SegmentReady, message)
        late_seconds = (datetime.now(UTC) - event.deadline).total_seconds() if event.live and event.deadline else 0.0
        if late_seconds > 0 and event.deadline is not None:
            self._observer.skipped()
            skipped = SegmentSkipped(
                stream_id=event.stream_id,
                rendition_id=event.rendition.rendition_id,
                segment_number=event.segment.number,
                start_seconds=event.segment.start_seconds,
                duration_seconds=event.segment.duration_seconds,
                deadline=event.deadline,
                late_seconds=late_seconds,
            )
            return Done([publication(self._topics.skipped, skipped, self._source)])
        try:
            record = self._engine.score(event)
        except NotFound as error:
            if event.live:
                self._beside.send(publication(self._topics.findings, missing(event, error), self._source))
            raise
        found = self._contradictions.look(event, record) if event.live else []
        return Done(
            [
                publication(self._topics.scores, record, self._source),
                *(publication(self._topics.findings, finding, self._source) for finding in found),
            ]
        )
