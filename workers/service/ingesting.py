"""Live ingest over Kafka: follows streams that were named, or those that a file lists, until it is stopped."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from importlib.metadata import version
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.ingest import Fetcher
from pipeline.observe.ingest import IngestMetrics
from pipeline.observe.traces import tracing
from pipeline.settings import Settings
from pipeline.stream.kafka import KafkaBusProducer
from pipeline.stream.topics import Topics
from workers.service.announced import Announced
from workers.service.feed import FeedOptions, Live
from workers.service.follow import Follower
from workers.service.live import follow, follower
from workers.service.outbox import Patient
from workers.service.process import Loop, Process
from workers.service.sink import BusSink
from workers.service.sources import read_sources, write_states
from workers.service.tracing import traced_producer

log = logging.getLogger(__name__)

STATES = "sources.json"
_LOOK_SECONDS = 1.0


def run_ingest(
    settings: Settings,
    *,
    streams: Sequence[Live] = (),
    options: FeedOptions,
    config: Path | None = None,
    state: Path,
    say: Callable[[str], None],
) -> None:
    """Announce what is published, each segment once, over restarts as well; ends when all streams have ended.

    Args:
        streams: Found live, to be followed; not with `config`.
        config: A file of sources, read again when it changes; goes on until SIGTERM.
        state: The folder in which is kept what was announced, and how the sources stand.

    Raises:
        UsageError: Kafka, the file or the folder cannot be used.
    """
    state.mkdir(parents=True, exist_ok=True)
    topics = Topics(settings.kafka.prefix)
    with ExitStack() as stack:
        process = stack.enter_context(Process(settings.service))
        fetcher = stack.enter_context(Fetcher(settings.fetch))
        traces = stack.enter_context(tracing(settings.traces, "rungwatch-ingest", version("rungwatch")))
        producer = stack.enter_context(closing(traced_producer(KafkaBusProducer(settings.kafka), traces)))
        known = stack.enter_context(closing(Announced(state / "announced.sqlite", str(options.against_ladder))))
        source = f"rungwatch/ingest/{socket.gethostname()}/{os.getpid()}"
        metrics = IngestMetrics(process.metrics)
        sink = BusSink(Patient(producer), topics, source, known, say, metrics)
        loops: dict[str, Loop] = {}
        if config is None:
            following = follow(settings, fetcher, streams, options, sink, ends=True, known=known, observer=metrics)
        else:
            following = follower(settings, fetcher, sink, ends=False, known=known, observer=metrics)
            following.set_sources(read_sources(config))
            loops["config"] = _Reloading(config, following).run

        def run(stop: threading.Event) -> None:
            following.run(stop)
            stop.set()  # all streams have ended

        beat = process.health.heart("states")
        loops["states"] = lambda stop: _write_states(following, state / STATES, metrics, beat, stop)
        process.run(follow=run, **loops)
        write_states(state / STATES, following.states())


class _Reloading:
    """Reads the file of sources again when it has changed; a file that is wrong changes nothing, and is told."""

    def __init__(self, path: Path, following: Follower) -> None:
        self._path, self._following = path, following
        self._seen = _stamp(path)

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(_LOOK_SECONDS):
            stamp = _stamp(self._path)
            if stamp == self._seen:
                continue
            self._seen = stamp
            try:
                sources = read_sources(self._path)
            except UsageError as error:
                log.warning("%s; going on with the sources as they were.", error)
                continue
            self._following.set_sources(sources)
            log.info("%s: %d sources.", self._path, len(sources))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size


def _write_states(
    following: Follower, path: Path, metrics: IngestMetrics, beat: Callable[[], None], stop: threading.Event
) -> None:
    while not stop.wait(_LOOK_SECONDS):
        states = following.states()
        write_states(path, states)
        metrics.sources(each.state for each in states)
        beat()
