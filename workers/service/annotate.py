"""Sends what happens on live streams to Grafana as annotations: findings and incidents, each once."""

import hashlib
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Protocol

from pipeline.errors import Unavailable, UsageError
from pipeline.grafana.annotations import Annotator, GrafanaStore, Note, Sent, Store, of_finding, of_incident
from pipeline.grafana.rehearsal import Memory, ToldStore
from pipeline.grafana.server import Grafana
from pipeline.history import History
from pipeline.incident_reader import read_incidents
from pipeline.observe.annotations import AnnotationMetrics
from pipeline.observe.health import Flag
from pipeline.series import Link, SeriesQueries
from pipeline.series.sent import SentStore
from pipeline.settings import GrafanaSettings, Settings
from pipeline.words import WALL_CLOCK
from schemas import ManifestFindingKind
from workers.service.process import Process

log = logging.getLogger(__name__)

INCIDENT_SECONDS = 15.0
"""How often incidents are worked out, where there is time for it: 40 ms a stream of six rungs."""
BUDGET_SECONDS = 2.0
"""For incidents in one turn; the other streams wait for the next, so that findings are never late."""
INCIDENT_BACK_SECONDS = 900.0
AT_WORK_SECONDS = 600.0
"""Incidents are looked for in streams that were written within so long."""
KEPT_TIMES = 3
"""Marks are kept so many times as long as anything is sent."""
LEASE_SECONDS = 120.0
LONGEST_PAUSE_SECONDS = 60.0
MANIFEST_CAUSES = frozenset(kind.value for kind in ManifestFindingKind)
"""Incidents of these are findings already."""


def run_annotate(settings: Settings, *, once: bool = False, say: Callable[[str], None] | None = None) -> None:
    """Send annotations until SIGTERM; while Redis or Grafana is away, wait for it. Any number of processes: one sends.

    Args:
        settings: Of Grafana, Redis and the process.
        once: End when what is there now is sent.
        say: Told what would be sent; nothing is sent then, and Grafana is not asked. None: it is sent.

    Raises:
        UsageError: Grafana, Redis or the port are not as the settings say.
    """
    asked = settings.grafana
    kept_seconds = KEPT_TIMES * asked.annotate_back_seconds
    with (
        Process(settings.service) as process,
        closing(Link(settings.redis)) as link,
        ExitStack() as stack,
    ):
        process.health.check("redis", link.ping)
        metrics = AnnotationMetrics(process.metrics)
        sent: Marks = Memory()
        store: Store
        if say is not None:
            store, first = ToldStore(say), link.ping
        else:
            grafana = stack.enter_context(closing(Grafana(asked)))
            sent = SentStore(link, settings.redis, target_of(asked), kept_seconds)
            store, first = GrafanaStore(grafana), grafana.check_account
            log.info("Sending annotations to Grafana at %s from Redis at %s.", grafana.where, link.where)
        source = NoteSource(SeriesQueries(link, settings.redis), asked.annotate_back_seconds)
        loop = AnnotateLoop(
            source,
            sent,
            Annotator(store, sent, metrics, kept_seconds=kept_seconds),
            asked.annotate_seconds,
            beat=process.health.heart("annotate"),
            grafana=process.health.flag("grafana", "Grafana was not asked yet"),
            leads=metrics.leads,
            first=first,
            once=once,
        )
        process.run(annotate=loop.run)


def target_of(settings: GrafanaSettings) -> str:
    """Return the name of one Grafana and organization: another has annotations of its own."""
    text = f"{settings.url.rstrip('/')}|{settings.organization or ''}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Marks(Sent, Protocol):
    """What was sent, and who sends: see `pipeline.series.sent.SentStore`."""

    def lead(self, owner: str, seconds: float) -> bool: ...

    def resign(self, owner: str) -> None: ...


class NoteSource:
    """What is to stand in Grafana now."""

    def __init__(self, history: History, back_seconds: float, now_seconds: Callable[[], float] = time.time) -> None:
        self._history, self._back_seconds, self._now_seconds = history, back_seconds, now_seconds
        self._round_at = float("-inf")
        self._waiting: deque[str] = deque()
        """Streams whose incidents are still to be worked out in this round."""

    @property
    def has_more(self) -> bool:
        """Whether incidents of some streams are still to come in this round."""
        return bool(self._waiting)

    def notes(self, alive: Callable[[], None] = lambda: None) -> list[Note]:
        """Return all findings, and the incidents of those streams whose turn it is. Raises Unavailable."""
        now = self._now_seconds()
        since = now - self._back_seconds
        streams = [each for each in self._history.streams() if each.written_seconds >= since]
        found = self._history.findings_of([each.stream_id for each in streams], since)
        notes = [of_finding(finding) for findings in found.values() for finding in findings]
        if not self._waiting and now - self._round_at >= INCIDENT_SECONDS:
            self._waiting.extend(each.stream_id for each in streams if now - each.written_seconds < AT_WORK_SECONDS)
            self._round_at = now
        until = time.monotonic() + BUDGET_SECONDS
        while self._waiting and time.monotonic() < until:
            alive()
            notes += self._incidents(self._waiting.popleft(), now)
        return notes

    def _incidents(self, stream_id: str, now: float) -> list[Note]:
        latest = self._history.latest(stream_id).values()
        if not any(point.time_basis in WALL_CLOCK for point in latest):
            return []
        found = read_incidents(self._history, stream_id, now - INCIDENT_BACK_SECONDS, now_seconds=now)
        return [of_incident(each) for each in found if each.cause not in MANIFEST_CAUSES]


class AnnotateLoop:
    """Goes round: is this the process that sends? Then tell what there is."""

    def __init__(
        self,
        source: NoteSource,
        sent: Marks,
        annotator: Annotator,
        every_seconds: float,
        *,
        beat: Callable[[], None],
        grafana: Flag,
        leads: Callable[[bool], None],
        first: Callable[[], None],
        once: bool = False,
    ) -> None:
        """`first`: asked before anything is sent; its UsageError ends the process. `once`: one round."""
        self._source, self._sent, self._annotator = source, sent, annotator
        self._every_seconds = every_seconds
        self._beat, self._grafana, self._leads, self._first = beat, grafana, leads, first
        self._once = once
        self._owner = uuid.uuid4().hex

    def run(self, stop: threading.Event) -> None:
        pause = 0.0
        began = said = False
        while not stop.wait(pause):
            self._beat()
            try:
                if not began:
                    self._first()
                    began = True
                    self._grafana.good()
                self._pass()
            except Unavailable as error:
                pause = min(LONGEST_PAUSE_SECONDS, max(self._every_seconds, pause * 2))
                said = self._told(error, said)
            except UsageError as error:
                if not began:
                    raise
                # A token that was taken back, or a permission: people mend that, a restart does not.
                pause = LONGEST_PAUSE_SECONDS
                said = self._told(error, said)
            else:
                if said:
                    log.info("Annotations are sent again.")
                pause, said = self._every_seconds, False
                if self._once and not self._source.has_more:
                    break
                pause = 0.0 if self._once else pause
        try:
            self._sent.resign(self._owner)
        except Unavailable:
            log.info("Redis is away: another process takes over when the lease is over.")

    def _pass(self) -> None:
        leads = self._lead()
        self._leads(leads)
        if leads:
            self._annotator.tell(self._source.notes(self._alive), self._alive)
        self._grafana.good()

    def _alive(self) -> None:
        self._beat()
        if not self._lead():
            raise Unavailable("another process has taken over, as this one was silent for too long")

    def _lead(self) -> bool:
        return self._sent.lead(self._owner, max(LEASE_SECONDS, 4 * self._every_seconds))

    def _told(self, error: Exception, said: bool) -> bool:
        self._grafana.is_because(str(error))
        if not said:
            log.warning("Annotations wait: %s.", str(error).rstrip("."))
        return True
