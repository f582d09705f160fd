"""What is followed, put on the bus: events and findings, each announced once, also over restarts."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from pipeline.errors import Rejected, Transient
from pipeline.ingest import shown
from pipeline.ingest.presentation import Update
from pipeline.observe.ingest import IngestMetrics
from pipeline.stream.topics import Topics
from schemas import ManifestFinding, SegmentReady
from schemas.record import Record
from workers.failed import Failed, dead_letter
from workers.service.announced import Announced
from workers.service.events import publication
from workers.service.outbox import Outbox
from workers.service.sources import SourceSpec

log = logging.getLogger(__name__)

_SAID = 200  # characters of notes
_HELD_SECONDS = 30.0  # for so long a segment may wait for its reference before it is announced
_POSITIONS = 1000  # of one source, while the bus is away


class BusSink:
    """Implements `Sink`: publishes, and says one line on the screen for what a person wants to know."""

    def __init__(
        self,
        outbox: Outbox,
        topics: Topics,
        source: str,
        known: Announced,
        say: Callable[[str], None],
        metrics: IngestMetrics,
    ) -> None:
        self._metrics = metrics
        self._outbox, self._topics, self._source, self._known, self._say = outbox, topics, source, known, say
        self._lock = threading.Lock()
        self._unstored: dict[str, float] = {}
        self._positions: dict[str, deque[tuple[float, Record]]] = {}
        self.announced = 0
        self.repeated = 0
        """Left out, because they were announced before."""

    def event(self, event: SegmentReady) -> bool:
        """See `Sink.event`."""
        if event in self._known:
            self.repeated += 1
            return False
        with self._lock:
            self._unstored[event.event_id] = time.monotonic()
        self._outbox.send(publication(self._topics.segments, event, self._source), lambda: self._stored(event))
        self.announced += 1
        self._metrics.announced()
        return True

    def finding(self, finding: ManifestFinding) -> None:
        """See `Sink.finding`."""
        if finding.over_at is None:
            self._metrics.found(finding.kind)
        state = "over: " if finding.over_at else ""
        self._say(f"{finding.stream_id}: {state}{finding.text}")
        self._outbox.send(publication(self._topics.findings, finding, self._source))

    def opened(self, source: SourceSpec, update: Update) -> None:
        """See `Sink.opened`."""
        rungs = len(update.ladder.renditions)
        kind = "live" if update.is_live else "on demand"
        notes = f" ({'; '.join(update.notes)[:_SAID]})" if update.notes else ""
        self._say(f"{source.id}: following {shown(source.url)}, {kind}, {rungs} rendition{'s' * (rungs != 1)}{notes}")

    def looked(self, source: SourceSpec, position: Record | None) -> None:
        """See `Sink.looked`. A position is kept once all that was given out before it is stored.

        A restart goes on from there and gives out once more what came after: each segment at its place on the time
        axis, with its reference beside it. What was announced is known by its id.
        """
        if position is None:
            return
        now = time.monotonic()
        with self._lock:
            waiting = self._positions.setdefault(source.id, deque(maxlen=_POSITIONS))
            waiting.append((now, position))
            stored_until = min(self._unstored.values(), default=now)
            safe: Record | None = None
            while waiting and waiting[0][0] <= min(stored_until, now) - _HELD_SECONDS:
                safe = waiting.popleft()[1]
        if safe is not None:
            self._known.stopped_at(source.id, source.url, safe.model_dump_json())

    def _stored(self, event: SegmentReady) -> None:
        self._known.add(event)
        with self._lock:
            self._unstored.pop(event.event_id, None)

    def failed(self, source: SourceSpec, error: Rejected | Transient) -> None:
        """See `Sink.failed`."""
        if isinstance(error, Rejected):
            letter = dead_letter(Failed(shown(source.url), error, source.id))
            self._outbox.send(publication(self._topics.dead_letters, letter, self._source))
