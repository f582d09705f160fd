"""What a process counts that writes points to a store of others."""

from collections.abc import Iterable

from prometheus_client import Counter, Histogram

from pipeline.observe.metrics import Metrics

REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class ExportMetrics:
    """Samples and requests. Once per `Metrics`; from any thread."""

    def __init__(self, metrics: Metrics, reasons: Iterable[str]) -> None:
        """`reasons`: for which samples may be left out."""
        registry = metrics.registry
        self._written = Counter(
            "rungwatch_export_samples_total",
            "Samples that the store accepted, four a point. Standing still while scores are made: look at /readyz of "
            "this process, which says what the store answers.",
            registry=registry,
        )
        left_out = Counter(
            "rungwatch_export_left_out_samples_total",
            "Samples that are not in the store, by reason. duplicate: a re-score, which it cannot take. out_of_order "
            "and too_old: raise storage.tsdb.out_of_order_time_window there. future: a packager's clock is ahead, see "
            "the findings clock_skew and time_jump. no_clock: on-demand streams have no time on the clock.",
            ["reason"],
            registry=registry,
        )
        requests = Histogram(
            "rungwatch_export_request_seconds",
            "Seconds of one request to the store, by the class of its answer (none: no answer came). Many of 4xx: "
            "requests are halved until what is refused stands alone. Many of 5xx or none: the store is away or full.",
            ["answer"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._left_out_of = {reason: left_out.labels(reason) for reason in reasons}
        self._requests_of = {answer: requests.labels(answer) for answer in ("2xx", "4xx", "5xx", "none")}

    def written(self, samples: int) -> None:
        self._written.inc(samples)

    def left_out(self, reason: str, samples: int) -> None:
        self._left_out_of[reason].inc(samples)

    def asked(self, status: str, seconds: float) -> None:
        # 1xx and 3xx are no answers that are waited for: they end the process, as most of 4xx do.
        self._requests_of.get(status, self._requests_of["4xx"]).observe(seconds)
