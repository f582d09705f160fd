"""What the runners of a process count: the adapter between the bus, which knows no metrics, and Prometheus."""

from collections.abc import Callable
from contextlib import suppress

from prometheus_client import Counter, Gauge, Histogram

from pipeline.errors import REJECTIONS
from pipeline.observe.metrics import Metrics

MESSAGE_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
"""Up to a message that was tried for as long as it may be, and waited for a bus that was away."""
LOST = "lost_partition"
OTHER = "other"


class BusMetrics:
    """The bus's families of one `Metrics`; `observer` gives each runner its own view of them."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self.received = Counter(
            "rungwatch_messages_received_total",
            "Messages received, repeats after a restart or a rebalance included. Standing still while "
            "rungwatch_consumer_lag_messages is not 0: look at rungwatch_paused and the log.",
            ["topic"],
            registry=registry,
        )
        self.seconds = Histogram(
            "rungwatch_message_seconds",
            "Seconds from receiving a message until what came of it is stored; its count is the messages finished. "
            "Growing: rungwatch_stage_seconds says where.",
            ["topic"],
            buckets=MESSAGE_SECONDS,
            registry=registry,
        )
        self.retries = Counter(
            "rungwatch_retries_total",
            'Attempts that failed and are made again. A steady rate: rungwatch_errors_total{kind="transient"} names '
            "the cause; it is outside of this process.",
            ["topic"],
            registry=registry,
        )
        self.errors = Counter(
            "rungwatch_errors_total",
            "Errors by fate. transient: is tried again, look at what the reason names. rejected: went to the dead "
            "letters, which say why and what to do (`rungwatch replay` brings them back). discarded: an answer came "
            "when its partition had moved to another member, which does the work again; many: members come and go, or "
            "RUNGWATCH_KAFKA_SESSION_SECONDS is too short.",
            ["kind", "reason"],
            registry=registry,
        )
        self.in_flight = Gauge(
            "rungwatch_in_flight",
            "Messages at work or waiting in this process. At RUNGWATCH_BUS_IN_FLIGHT all the time: it is busy to the "
            "full, which is well unless lag grows.",
            ["role"],
            registry=registry,
        )
        self.paused = Gauge(
            "rungwatch_paused",
            "1 while nothing new is taken from the bus because there is no room. All the time while lag grows: add "
            "workers; all the time while rungwatch_message_seconds counts nothing: the process hangs, see /healthz.",
            ["role"],
            registry=registry,
        )
        self.lag = Gauge(
            "rungwatch_consumer_lag_messages",
            "Messages that wait on a partition of this member. Growing: add workers, up to one per partition. Growing "
            "on one partition only: one stream is too big for a worker, or that partition stands still (see the log).",
            ["topic", "partition"],
            registry=registry,
        )
        # An alert on an increase does not see a series whose first value is 1: those that are known begin at 0.
        for reason in (*REJECTIONS, OTHER):
            self.errors.labels("rejected", reason)
        self.errors.labels("discarded", LOST)

    def observer(
        self,
        role: str,
        alive: Callable[[], None] | None = None,
        bus: Callable[[str | None], None] | None = None,
    ) -> "BusObserver":
        """Return what one runner is given as its observer.

        Args:
            role: Which runner of the process, such as `worker` or `series`.
            alive: Called at every sign of life, such as the beat of `Health.heart`.
            bus: Told why the bus does not answer, or None that it does.
        """
        return BusObserver(self, role, alive, bus)


class BusObserver:
    """Has the methods that a runner of `pipeline.stream` calls."""

    def __init__(
        self,
        families: BusMetrics,
        role: str,
        alive: Callable[[], None] | None,
        bus: Callable[[str | None], None] | None,
    ) -> None:
        self._families = families
        self._in_flight = families.in_flight.labels(role)
        self._paused = families.paused.labels(role)
        self._alive, self._bus = alive, bus

    def received(self, topic: str) -> None:
        self._families.received.labels(topic).inc()

    def finished(self, topic: str, seconds: float) -> None:
        self._families.seconds.labels(topic).observe(seconds)

    def retried(self, topic: str, error: str) -> None:
        self._families.retries.labels(topic).inc()
        self._families.errors.labels("transient", error).inc()

    def rejected(self, topic: str, reason: str) -> None:
        # `topic` is not a label here: reasons times topics would be a hundred series that nobody tells apart.
        del topic
        self._families.errors.labels("rejected", reason if reason in REJECTIONS else OTHER).inc()

    def discarded(self, topic: str) -> None:
        del topic
        self._families.errors.labels("discarded", LOST).inc()

    def standing(self, in_flight: int, paused: bool, away: str | None) -> None:
        self._in_flight.set(in_flight)
        self._paused.set(paused)
        if self._alive:
            self._alive()
        if self._bus:
            self._bus(away)

    def lag(self, topic: str, partition: int, messages: int) -> None:
        self._families.lag.labels(topic, partition).set(messages)

    def gone(self, topic: str, partition: int) -> None:
        with suppress(KeyError):  # its lag was never known
            self._families.lag.remove(topic, partition)
