"""How old the newest live picture is that there is a score, or a point, of."""

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Delivered = Literal["score", "point"]
DELAY_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0)
"""Around the length of a segment (2 to 10 s), then what a viewer's live window holds."""


class Freshness(Collector):
    """The age is worked out when it is asked for: a worker that stands still grows old by itself."""

    def __init__(self, registry: CollectorRegistry, now_seconds: Callable[[], float]) -> None:
        self._now_seconds = now_seconds
        self._lock = Lock()
        self._newest_seconds: dict[Delivered, float] = {}
        delays = Histogram(
            "rungwatch_live_delay_seconds",
            "Seconds from the end of a live segment, when it can first be had, to its score or its point. Growing: "
            "compare with rungwatch_stage_seconds and rungwatch_consumer_lag_messages, and add workers when lag grows "
            "too.",
            ["to"],
            buckets=DELAY_SECONDS,
            registry=registry,
        )
        self._delay_of = {what: delays.labels(what) for what in get_args(Delivered)}
        registry.register(self)

    def delivered(self, what: Delivered, delay_seconds: float) -> None:
        ended_seconds = self._now_seconds() - delay_seconds
        # A clock that is off by a little must not make a delay negative: a histogram's sum may only grow.
        self._delay_of[what].observe(max(delay_seconds, 0.0))
        with self._lock:
            self._newest_seconds[what] = max(ended_seconds, self._newest_seconds.get(what, ended_seconds))

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield self._family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = self._family()
        with self._lock:
            newest = dict(self._newest_seconds)
        for what, ended_seconds in newest.items():
            family.add_metric([what], self._now_seconds() - ended_seconds)
        yield family

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "rungwatch_freshness_seconds",
            "Seconds since the end of the newest live segment that this process scored or stored; absent while it had "
            "no live work. Growing without end: nothing live arrives (look at ingest), or this process stands still "
            "(look at /healthz).",
            labels=["to"],
        )
