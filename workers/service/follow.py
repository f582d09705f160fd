"""Follows many presentations at once: each on its own clock, a failing one backs off and comes back by itself."""

import heapq
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pipeline.errors import Rejected, Transient
from pipeline.ingest import shown
from pipeline.ingest.live_events import LiveEvents
from pipeline.ingest.presentation import Presentation, Resumable, Update
from schemas import ManifestFinding, SegmentReady
from schemas.record import Record
from workers.service.sources import SourceSpec, SourceState

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 1.0
_QUICK_PAUSES = 15  # pauses of at most two seconds: what a live window still holds after an outage must not be missed
_QUICK_PAUSE_SECONDS = 2.0
_MOST_PAUSE_SECONDS = 60.0
_REJECTED_PAUSE_SECONDS = 30.0  # what cannot be followed may be repaired; asking often does not help
_LEAST_WAIT_SECONDS = 0.05
_IDLE_SECONDS = 0.2


class FollowObserver(Protocol):
    """Is told how following goes; metrics stand behind it. From many threads."""

    def looked(self, seconds: float) -> None:
        """One look took so long."""

    def parts_late(self, seconds: float) -> None:
        """The latest parts of a low-latency presentation were so late."""


@runtime_checkable
class _LowLatency(Protocol):
    """A presentation that knows how late its parts were."""

    @property
    def part_late_seconds(self) -> Mapping[str, float]: ...


Open = Callable[[SourceSpec], Presentation]
"""Makes a presentation. Raises Rejected, Transient."""


class Sink(Protocol):
    """Where events and findings go. Called from many threads."""

    def event(self, event: SegmentReady) -> bool:
        """Take an event; False: it was announced before."""

    def finding(self, finding: ManifestFinding) -> None: ...

    def opened(self, source: SourceSpec, update: Update) -> None:
        """A source was read for the first time, or once more after it could not be."""

    def looked(self, source: SourceSpec, position: Record | None) -> None:
        """A look is done, and what it brought was handed in; `position`: of a presentation that is `Resumable`."""

    def failed(self, source: SourceSpec, error: Rejected | Transient) -> None:
        """A source could not be read; said once, until it can be read again."""


@dataclass(slots=True, eq=False)
class _Followed:
    spec: SourceSpec
    events: LiveEvents
    presentation: Presentation | None = None
    state: str = "starting"
    failures: int = 0
    announced: int = 0
    renditions: int = 0
    newest_seconds: float | None = None
    seen_seconds: float | None = None
    error: str | None = None
    open_findings: dict[str, str] = field(default_factory=dict)
    is_dropped: bool = False


class Follower:
    """Looks at every presentation when it is due, in a few threads; one look at a time for each."""

    def __init__(
        self,
        open_presentation: Open,
        sink: Sink,
        *,
        threads: int = 16,
        ends: bool = False,
        observer: FollowObserver | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`ends`: `run` returns when every source has ended or cannot be followed; else failed ones are tried again."""
        self._open, self._sink, self._ends, self._clock = open_presentation, sink, ends, clock
        self._threads = threads
        self._observer = observer
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, _Followed]] = []
        self._count = itertools.count()
        self._sources: dict[str, _Followed] = {}
        self._looking = 0
        self._bug: BaseException | None = None
        self._chance = random.Random()

    def set_sources(self, specs: Iterable[SourceSpec]) -> None:
        """Follow these and no others; what stays the same goes on undisturbed."""
        wanted = {spec.id: spec for spec in specs}
        with self._changed:
            for known in list(self._sources.values()):
                if wanted.get(known.spec.id) != known.spec:
                    known.is_dropped = True
                    del self._sources[known.spec.id]
            for index, spec in enumerate(spec for spec in wanted.values() if spec.id not in self._sources):
                events = LiveEvents(
                    spec.id,
                    against_ladder=spec.basis == "auto",
                    display_height_px=spec.display_height,
                    late_seconds=spec.late_seconds,
                )
                self._sources[spec.id] = _Followed(spec, events)
                # A hundred sources that are added at once shall not all be asked in the same moment.
                self._plan(self._sources[spec.id], index * 0.02)
            self._changed.notify()

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set. Raises what is a bug."""
        with ThreadPoolExecutor(self._threads, thread_name_prefix="follow") as pool:
            while not stop.is_set():
                with self._changed:
                    if self._bug is not None:
                        raise self._bug
                    if self._ends and not self._due and not self._looking:
                        return
                    now = time.monotonic()
                    if not self._due or self._due[0][0] > now or self._looking >= self._threads:
                        wait = min(_IDLE_SECONDS, self._due[0][0] - now) if self._due else _IDLE_SECONDS
                        self._changed.wait(max(0.001, wait))
                        continue
                    _, _, followed = heapq.heappop(self._due)
                    if followed.is_dropped:
                        _close(followed)
                        continue
                    self._looking += 1
                pool.submit(self._look, followed)
        for followed in self._sources.values():
            _close(followed)

    def states(self) -> list[SourceState]:
        """Return how every source stands."""
        with self._changed:
            return [_state(followed) for followed in self._sources.values()]

    def _plan(self, followed: _Followed, wait_seconds: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + wait_seconds, next(self._count), followed))

    def _look(self, followed: _Followed) -> None:
        wait: float | None = None
        try:
            wait = self._one_look(followed)
        except BaseException as error:
            with self._changed:
                self._bug = error
        finally:
            with self._changed:
                self._looking -= 1
                if wait is not None and not followed.is_dropped:
                    self._plan(followed, wait)
                elif followed.is_dropped or wait is None:
                    _close(followed)
                self._changed.notify()

    def _one_look(self, followed: _Followed) -> float | None:
        """Look once; return after how long to look again, None: never."""
        is_first = followed.presentation is None
        try:
            if followed.presentation is None:
                followed.presentation = self._open(followed.spec)
            begin = time.perf_counter()
            update = followed.presentation.look()
            self._tell(followed.presentation, time.perf_counter() - begin)
        except (Rejected, Transient) as error:
            return self._after(followed, error)
        if is_first or followed.state == "backing off":
            self._sink.opened(followed.spec, update)
        followed.failures, followed.error, followed.state = 0, None, "following"
        followed.renditions = len(update.ladder.renditions)
        for event in followed.events.take(update, self._clock()):
            if self._sink.event(event):
                followed.announced += 1
            followed.newest_seconds = max(event.segment.start_seconds, followed.newest_seconds or -1e12)
        if update.segments:
            followed.seen_seconds = self._clock()
        for finding in update.findings:
            self._told(followed, finding)
        position = followed.presentation.position if isinstance(followed.presentation, Resumable) else None
        self._sink.looked(followed.spec, position)
        if update.is_over:
            followed.state = "ended"
            return None
        return max(_LEAST_WAIT_SECONDS, update.wait_seconds)

    def _tell(self, presentation: Presentation, seconds: float) -> None:
        if self._observer is None:
            return
        self._observer.looked(seconds)
        if isinstance(presentation, _LowLatency) and (late := presentation.part_late_seconds):
            self._observer.parts_late(max(late.values()))

    def _after(self, followed: _Followed, error: Rejected | Transient) -> float | None:
        followed.failures += 1
        followed.error = str(error)
        if followed.failures == 1:
            log.warning("%s: %s", followed.spec.id, error)
            self._sink.failed(followed.spec, error)
        if isinstance(error, Rejected):
            # What is followed already was good once, and may be so again.
            if self._ends and followed.presentation is None:
                followed.state = "failed"
                return None
            followed.state = "failed"
            _close(followed)
            return _REJECTED_PAUSE_SECONDS
        followed.state = "backing off"
        doubled = _FIRST_PAUSE_SECONDS * 2.0 ** min(max(followed.failures - _QUICK_PAUSES, 1), 16)
        pause = min(_QUICK_PAUSE_SECONDS if followed.failures <= _QUICK_PAUSES else _MOST_PAUSE_SECONDS, doubled)
        return pause * self._chance.uniform(0.5, 1.0)

    def _told(self, followed: _Followed, finding: ManifestFinding) -> None:
        if finding.over_at is None:
            followed.open_findings[finding.finding_id] = f"{finding.kind.value}: {finding.text}"
        else:
            followed.open_findings.pop(finding.finding_id, None)
        self._sink.finding(finding)


def _close(followed: _Followed) -> None:
    if followed.presentation is not None:
        followed.presentation.close()
        followed.presentation = None


def _state(followed: _Followed) -> SourceState:
    return SourceState(
        id=followed.spec.id,
        url=shown(followed.spec.url),
        state=followed.state,
        renditions=followed.renditions,
        announced=followed.announced,
        newest_seconds=followed.newest_seconds,
        seen_seconds=followed.seen_seconds,
        findings=tuple(followed.open_findings.values()),
        error=followed.error,
    )
