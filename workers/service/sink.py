"""What is followed, put on the bus: events and findings, each announced once, also over restarts."""

import logging
from collections.abc import Callable

from pipeline.errors import Rejected, Transient
from pipeline.ingest import shown
from pipeline.ingest.presentation import Update
from pipeline.observe.ingest import IngestMetrics
from pipeline.stream.topics import Topics
from schemas import ManifestFinding, SegmentReady
from workers.failed import Failed, dead_letter
from workers.service.announced import Announced
from workers.service.events import publication
from workers.service.outbox import Outbox
from workers.service.sources import SourceSpec

log = logging.getLogger(__name__)

_SAID = 200  # characters of notes


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
        self.announced = 0
        self.repeated = 0
        """Left out, because they were announced before."""

    def event(self, event: SegmentReady) -> bool:
        """See `Sink.event`."""
        if event in self._known:
            self.repeated += 1
            return False
        self._outbox.send(publication(self._topics.segments, event, self._source), lambda: self._known.add(event))
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

    def looked(self) -> None:
        """See `Sink.looked`."""

    def failed(self, source: SourceSpec, error: Rejected | Transient) -> None:
        """See `Sink.failed`."""
        if isinstance(error, Rejected):
            letter = dead_letter(Failed(shown(source.url), error, source.id))
            self._outbox.send(publication(self._topics.dead_letters, letter, self._source))
