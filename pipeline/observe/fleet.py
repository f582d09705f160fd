"""How the streams stand, worked out of the stored points whenever Prometheus asks: one process of a fleet tells it."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.errors import RungwatchError
from pipeline.history import LONGEST_OPEN_SECONDS, History, is_open, selected
from pipeline.observe.metrics import Metrics
from pipeline.words import WALL_CLOCK
from schemas import QualityPoint

log = logging.getLogger(__name__)

FRESH_SECONDS = 2.0
"""An answer serves all who ask within so long: two scrapers, and people who reload, cost Redis no more than one."""
AT_WORK_SECONDS = 120.0
"""Who was written within so long is at work, and of those the order is by name: else, where there are too many, every
scrape would tell of others."""


@dataclass(frozen=True, slots=True)
class FleetStream:
    """One stream as it stands."""

    stream_id: str
    latest: Sequence[QualityPoint]
    """The latest point of every rendition."""
    open_findings: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is known of all streams at one moment."""

    streams: Sequence[FleetStream]
    left_out: int = 0
    """Streams that are there as well, over the most that are told."""


def fleet_of(history: History, most: int, within_seconds: float, now_seconds: Callable[[], float] = time.time) -> Fleet:
    """Return `most` of the streams that were written within so long: those at work first.

    Raises:
        Unavailable: The store is away.
    """
    now = now_seconds()
    entries = [entry for entry in history.streams() if entry.written_seconds >= now - within_seconds]
    entries.sort(key=lambda entry: (max(0.0, now - entry.written_seconds - AT_WORK_SECONDS), entry.stream_id))
    names = [entry.stream_id for entry in entries[:most]]
    series = history.series_of(names)
    findings = history.findings_of(names, now - LONGEST_OPEN_SECONDS)
    streams = tuple(
        FleetStream(
            name,
            tuple(entry.latest for entry in selected(series[name])),
            sum(is_open(found, now) for found in findings[name]),
        )
        for name in names
    )
    return Fleet(streams, max(0, len(entries) - most))


class FleetMetrics(Collector):
    """Once per `Metrics`. A store that is away is a 0 of `rungwatch_fleet_up`, and breaks no scrape."""

    def __init__(
        self, metrics: Metrics, fleet: Callable[[], Fleet], now_seconds: Callable[[], float] = time.time
    ) -> None:
        """`fleet`: asked at a scrape, from any thread, such as `fleet_of` of a history."""
        self._fleet = fleet
        self._now_seconds = now_seconds
        self._lock = Lock()
        self._asked_at: float | None = None
        self._last: Fleet | None = None
        self._took_seconds = 0.0
        self._away: str | None = None
        metrics.registry.register(self)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield from _Families().all()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return all families; those of the streams are empty where the store is away: stale is worse than absent."""
        families = _Families()
        with self._lock:  # a second scrape waits for the first one's answer instead of asking as well
            fleet = self._asked()
            families.up.add_metric([], fleet is not None)
            families.took.add_metric([], self._took_seconds)
        if fleet is not None:
            families.count.add_metric([], len(fleet.streams) + fleet.left_out)
            families.left_out.add_metric([], fleet.left_out)
            for stream in fleet.streams:
                families.add(stream, self._now_seconds())
        yield from families.all()

    def _asked(self) -> Fleet | None:
        began = time.monotonic()
        if self._asked_at is not None and began - self._asked_at < FRESH_SECONDS:
            return self._last
        try:
            self._last, away = self._fleet(), None
        except RungwatchError as error:
            self._last, away = None, str(error)
        except Exception as error:
            # Whatever it is, the other metrics of this process must still be had. Only the kind is told, as in Health.
            self._last, away = None, f"{type(error).__name__}, which is a bug"
            if away != self._away:
                log.warning("The fleet could not be asked for.", exc_info=error)
        if away != self._away:
            if away is None:
                log.info("The streams are told to Prometheus again.")
            else:
                log.warning("The streams are not told to Prometheus (rungwatch_fleet_up is 0): %s", away)
            self._away = away
        self._asked_at = time.monotonic()
        self._took_seconds = self._asked_at - began
        return self._last


class _Families:
    """The families of one answer."""

    def __init__(self) -> None:
        self.up = GaugeMetricFamily(
            "rungwatch_fleet_up",
            "1 while the streams can be asked for. 0: Redis is away, as /readyz of this process says; the other "
            "rungwatch_stream_ metrics are absent until it is back.",
        )
        self.took = GaugeMetricFamily(
            "rungwatch_fleet_read_seconds",
            "Seconds that asking for all streams took. Near the scrape's time-out: lower "
            "RUNGWATCH_SERVICE_FLEET_STREAMS, or scrape less often.",
        )
        self.count = GaugeMetricFamily(
            "rungwatch_fleet_streams",
            "Streams that were written within RUNGWATCH_SERVICE_FLEET_SECONDS. Falling: streams ended, or nothing of "
            "them arrives; see rungwatch_stream_age_seconds.",
        )
        self.left_out = GaugeMetricFamily(
            "rungwatch_fleet_left_out_streams",
            "Streams of rungwatch_fleet_streams that are told nothing of, those written longest ago. Over 0: raise "
            "RUNGWATCH_SERVICE_FLEET_STREAMS, each stream costs two series a rung and two more.",
        )
        self.score = GaugeMetricFamily(
            "rungwatch_stream_score",
            "Latest score of a rung, 0 to 100 on the scale of VMAF, at the time of the scrape. Low: look at the stream "
            "on the page; for every segment's own time ask the API.",
            labels=["stream", "rendition", "model"],
        )
        self.bitrate = GaugeMetricFamily(
            "rungwatch_stream_bitrate_bps",
            "Bits per second of the video in the latest scored segment of a rung. Low together with its score: the "
            "encoder is starved; read the encoder's log.",
            labels=["stream", "rendition"],
        )
        self.age = GaugeMetricFamily(
            "rungwatch_stream_age_seconds",
            "Live streams: seconds since the end of the newest scored segment. Growing: the playlist stands still, or "
            "the workers are behind; `rungwatch series findings STREAM` and rungwatch_consumer_lag_messages say which.",
            labels=["stream"],
        )
        self.open = GaugeMetricFamily(
            "rungwatch_stream_open_findings",
            "Findings of playlists, manifests and origins that are not over. Over 0: `rungwatch series findings "
            "STREAM --open` says what and where.",
            labels=["stream"],
        )

    def all(self) -> Iterable[GaugeMetricFamily]:
        return (self.up, self.took, self.count, self.left_out, self.score, self.bitrate, self.age, self.open)

    def add(self, stream: FleetStream, now_seconds: float) -> None:
        name = stream.stream_id
        for point in stream.latest:
            self.score.add_metric([name, point.rendition_id, point.model_name], point.score)
            if point.bitrate_bps is not None:
                self.bitrate.add_metric([name, point.rendition_id], point.bitrate_bps)
        ends = [each.start_seconds + each.duration_seconds for each in stream.latest if each.time_basis in WALL_CLOCK]
        if ends:
            self.age.add_metric([name], now_seconds - max(ends))
        self.open.add_metric([name], stream.open_findings)
