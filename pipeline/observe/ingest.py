"""What a process that follows live presentations counts."""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from pipeline.observe.metrics import Metrics
from schemas import ManifestFindingKind

LOOK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
STATES = ("starting", "following", "backing off", "ended", "failed")


class IngestMetrics:
    """Looks, sources and what they brought. Once per `Metrics`; from any thread."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self._announced = Counter(
            "rungwatch_segments_announced_total",
            "Segments announced to the workers. Standing still while sources are followed: read the findings.",
            registry=registry,
        )
        findings = Counter(
            "rungwatch_manifest_findings_total",
            "Findings of playlists, manifests and origins, by kind, as they are made. `rungwatch series findings "
            "STREAM` says what and where.",
            ["kind"],
            registry=registry,
        )
        self._findings_of = {kind: findings.labels(kind.value) for kind in ManifestFindingKind}
        self._looks = Histogram(
            "rungwatch_look_seconds",
            "Seconds that one look at a presentation takes, blocking reloads of LL-HLS included. Growing: an origin is "
            "slow, or there are more sources than RUNGWATCH_SERVICE_LOOKS threads can look at.",
            buckets=LOOK_SECONDS,
            registry=registry,
        )
        self._sources = Gauge(
            "rungwatch_sources",
            "Sources by state. Any that back off or have failed: `rungwatch sources` says which, and why.",
            ["state"],
            registry=registry,
        )
        self._parts_late = Gauge(
            "rungwatch_parts_late_seconds",
            "How late the latest parts of low-latency HLS were, the worst of all renditions. More than a part's "
            "length: the packager or its origin falls behind; players stall.",
            registry=registry,
        )
        self.sources(())

    def announced(self) -> None:
        self._announced.inc()

    def found(self, kind: ManifestFindingKind) -> None:
        self._findings_of[kind].inc()

    def looked(self, seconds: float) -> None:
        self._looks.observe(seconds)

    def sources(self, states: Iterable[str]) -> None:
        """Say in which state every source is."""
        count = Tally(states)
        for state in STATES:
            self._sources.labels(state).set(count[state])

    def parts_late(self, seconds: float) -> None:
        self._parts_late.set(seconds)
