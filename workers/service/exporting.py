"""Points for a store of others by remote write: from Kafka as they are made, or from Redis for a time that is past."""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.errors import BadEvent, Unavailable, UsageError
from pipeline.export import Exported, LeftOut, RemoteWrite, Sample, samples_of, why_left_out
from pipeline.history import History, Resolution, SeriesEntry, Wanted, selected
from pipeline.observe.exports import ExportMetrics
from pipeline.settings import ExportSettings, Settings
from pipeline.stream.kafka import KafkaBusProducer
from pipeline.stream.protocol import Answer, Done, Message
from pipeline.stream.runner import Runner
from pipeline.stream.topics import Topics
from pipeline.words import WALL_CLOCK
from schemas import QualityPoint, SegmentScored
from workers.service.events import parse
from workers.service.process import Process
from workers.service.together import Together, Waiting
from workers.service.worker import consumers

log = logging.getLogger(__name__)

MOST_AT_ONCE = 250
"""Points of one request: a thousand samples."""
SPAN_SECONDS = 6 * 3600.0
"""Of one rendition's points that are read from Redis at a time."""


def run_export(settings: Settings, *, group: str) -> None:
    """Write what is scored to the store until SIGTERM; offsets are committed once the store has it.

    Raises:
        UsageError: Kafka, its topics, the store or the port are not as the settings say.
    """
    topics = Topics(settings.kafka.prefix)
    with Process(settings.service) as process, closing(KafkaBusProducer(settings.kafka)) as producer:
        metrics = ExportMetrics(process.metrics, LeftOut)
        with remote_write(settings, metrics) as store:
            process.health.check("store", lambda: store.away)
            runner = Runner(
                consumers(settings, group, topics.scores),
                producer,
                ExportProcessor(store, settings.export, metrics),
                settings.bus.model_copy(update={"in_flight": max(settings.bus.in_flight, 2 * MOST_AT_ONCE)}),
                topics.dead_letters,
                process.observer("export"),
            )
            log.info("Writing %s to %s by remote write.", topics.scores, store.where)
            process.run(export=runner.run)


def remote_write(settings: Settings, metrics: ExportMetrics) -> RemoteWrite:
    """Return the store of the settings. Raises UsageError."""
    url = settings.export.url.get_secret_value() if settings.export.url else ""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2].partition(":")[0]
    return RemoteWrite(settings.export, metrics, proxy=settings.fetch.proxy_for(scheme, host) if host else None)


class ExportProcessor:
    """Implements `Processor`: `SegmentScored` becomes samples; what the store refuses for good is counted and done."""

    def __init__(self, store: RemoteWrite, settings: ExportSettings, metrics: ExportMetrics) -> None:
        self._store, self._settings, self._metrics = store, settings, metrics
        self._stop = threading.Event()
        self._together = Together(self._write, "export", MOST_AT_ONCE)

    def room(self) -> int:
        """See `Processor.room`."""
        return self._together.room()

    def start(self, message: Message, answer: Callable[[Answer], None]) -> None:
        """See `Processor.start`."""
        self._together.start(message, answer)

    def close(self) -> None:
        """See `Processor.close`."""
        self._stop.set()
        self._together.close()

    def _write(self, batch: list[Waiting]) -> None:
        samples: list[Sample] = []
        good: list[Waiting] = []
        for waiting in batch:
            try:
                point = QualityPoint.of(parse(SegmentScored, waiting.message))
            except BadEvent as error:
                waiting.answer(error)
                continue
            good.append(waiting)
            exported = Exported.of(point)
            why = why_left_out(exported, time.time(), self._settings.past_seconds, self._settings.future_seconds)
            if why is None:
                samples += samples_of(exported, self._settings.labels)
            else:
                self._metrics.left_out(why, len(exported.values))
        answer: Answer = Done()
        try:
            self._store.write(samples, self._stop)
        except Exception as error:
            answer = error
        for waiting in good:
            waiting.answer(answer)


@dataclass
class Backfilled:
    """What came of a backfill."""

    streams: int = 0
    points: int = 0
    rollups: int = 0
    """Of them, minutes and hours whose single points have expired."""
    refused: Counter[LeftOut] = field(default_factory=Counter)
    """Samples, by reason."""
    no_clock: list[str] = field(default_factory=list)
    """Streams on media time, which are left out."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which points are meant."""

    start_seconds: float | None
    end_seconds: float | None
    streams: Sequence[str] = ()
    """Empty: all."""
    resolution: Wanted = "raw"


def backfill(
    history: History,
    store: RemoteWrite,
    settings: ExportSettings,
    span: Span,
    stop: threading.Event,
    say: Callable[[str], None] = lambda text: None,
) -> Backfilled:
    """Write what is stored already, stream by stream, each in order of time.

    Raises:
        Unavailable: Redis is away, or `stop` was set before the end.
        UsageError: The store does not let us in, or takes nothing so old.
    """
    done = Backfilled()
    for stream_id in span.streams or [entry.stream_id for entry in history.streams()]:
        known = history.series(stream_id)
        if known and known[0].latest.time_basis not in WALL_CLOCK:
            done.no_clock.append(stream_id)
            continue
        entries = selected(known, (), span.start_seconds, span.end_seconds)
        before = done.points
        for points in _in_order(history, entries, span):
            _put(store, settings, points, stop, done)
        if done.points > before:
            done.streams += 1
            say(f"{stream_id}: {done.points - before} points")
    return done


def _put(
    store: RemoteWrite,
    settings: ExportSettings,
    points: Sequence[tuple[Exported, bool]],
    stop: threading.Event,
    done: Backfilled,
) -> None:
    samples: list[Sample] = []
    for point, is_rollup in points:
        why = why_left_out(point, time.time(), math.inf, settings.future_seconds)
        if why is not None:
            done.refused[why] += len(point.values)
            continue
        samples += samples_of(point, settings.labels)
        done.points += 1
        done.rollups += is_rollup
    samples.sort(key=lambda sample: sample.time_ms)
    for first in range(0, len(samples), settings.batch):
        if stop.is_set():
            raise Unavailable("stopped before everything was written; the same command again writes the rest")
        part = samples[first : first + settings.batch]
        refused = store.write(part, stop)
        done.refused += refused
        # To learn of each sample by itself that the store takes none so old costs a request each.
        if refused[LeftOut.TOO_OLD] + refused[LeftOut.OUT_OF_ORDER] == len(part):
            moment = datetime.fromtimestamp(part[-1].time_ms / 1000, UTC)
            raise UsageError(
                f"{store.where} takes nothing as old as {moment:%Y-%m-%dT%H:%MZ}: give it a longer out-of-order window "
                "(storage.tsdb.out_of_order_time_window in prometheus.yml), or begin later with --from"
            )


def _in_order(history: History, entries: Sequence[SeriesEntry], span: Span) -> Iterator[list[tuple[Exported, bool]]]:
    """Return the points of one stream, a few hours of all its renditions at a time."""
    if not entries:
        return
    least = min(entry.first_seconds for entry in entries)
    past = max(entry.end_seconds for entry in entries) + 1.0
    start = least if span.start_seconds is None else max(least, span.start_seconds)
    end = past if span.end_seconds is None else min(past, span.end_seconds)
    while start < end:
        # At whole hours, so that no roll-up lies in two of them.
        until = min(end, (start // SPAN_SECONDS + 1) * SPAN_SECONDS)
        found = [
            (Exported.read(entry, point), point.resolution is not Resolution.RAW)
            for entry in entries
            for point in history.read(entry, start, until, span.resolution)
        ]
        if found:
            yield found
        start = until
