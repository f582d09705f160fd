"""What the API counts: requests by endpoint and answer, their time, and who listens."""

from prometheus_client import Counter, Gauge, Histogram

from pipeline.observe.metrics import Metrics

REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CUT_OFF_REASONS = ("behind", "slow")
LIVE_ROUTE = "/api/v1/events"


class ApiMetrics:
    """Once per `Metrics`."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = Counter(
            "rungwatch_http_requests_total",
            "Requests by endpoint and status; 499: the client hung up. 5xx: see the log, 503 is Redis that is away. "
            "429: a client asks more often than RUNGWATCH_API_REQUESTS_PER_SECOND.",
            ["route", "status"],
            registry=metrics.registry,
        )
        self._seconds = Histogram(
            "rungwatch_http_request_seconds",
            "Seconds from a request to the end of its answer, by endpoint; live listeners are left out. Growing: Redis "
            "is slow, or ranges are asked for point by point (resolution=raw).",
            ["route"],
            buckets=REQUEST_SECONDS,
            registry=metrics.registry,
        )
        self._listeners = Gauge(
            "rungwatch_live_listeners",
            "Clients that listen to live points now. At RUNGWATCH_API_LIVE_CLIENTS: newcomers are turned away.",
            registry=metrics.registry,
        )
        cut_off = Counter(
            "rungwatch_live_cut_off_total",
            "Live clients that read too slowly. behind: lost events and was told so; slow: took nothing for half a "
            "minute and was hung up on.",
            ["reason"],
            registry=metrics.registry,
        )
        self._cut_off_of = {reason: cut_off.labels(reason) for reason in CUT_OFF_REASONS}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one request; `route`: the path of the endpoint, never of the request."""
        self._requests.labels(route, status).inc()
        if route != LIVE_ROUTE:
            self._seconds.labels(route).observe(seconds)

    def listening(self, clients: int) -> None:
        self._listeners.set(clients)

    def cut_off(self, reason: str) -> None:
        self._cut_off_of[reason].inc()
