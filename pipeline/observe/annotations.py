"""What a process that sends annotations to Grafana counts."""

from prometheus_client import Counter, Gauge

from pipeline.observe.metrics import Metrics


class AnnotationMetrics:
    """Once per `Metrics`."""

    def __init__(self, metrics: Metrics) -> None:
        done = Counter(
            "rungwatch_annotations_total",
            "Annotations in Grafana: sent; ended, given the end of what they tell of; surplus, which stood there twice "
            "after an answer was lost, and were removed. Standing still while findings are made: see "
            "rungwatch_annotations_leader and /readyz.",
            ["done"],
            registry=metrics.registry,
        )
        self._sent, self._ended, self._surplus = (done.labels(each) for each in ("sent", "ended", "surplus"))
        self._leader = Gauge(
            "rungwatch_annotations_leader",
            "1 in the process that sends annotations, 0 in those that stand by. 0 everywhere: Redis is away.",
            registry=metrics.registry,
        )

    def sent(self) -> None:
        self._sent.inc()

    def ended(self) -> None:
        self._ended.inc()

    def surplus(self) -> None:
        self._surplus.inc()

    def leads(self, leads: bool) -> None:
        self._leader.set(leads)
