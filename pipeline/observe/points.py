"""What the writer of points counts."""

from typing import Protocol

from prometheus_client import Counter

from pipeline.observe.metrics import Metrics
from schemas import ManifestFindingKind


class Written(Protocol):
    """What the store of the series returns; each point is counted once."""

    @property
    def new(self) -> int: ...

    @property
    def changed(self) -> int: ...

    @property
    def repeated(self) -> int: ...

    @property
    def outdated(self) -> int: ...

    @property
    def late(self) -> int: ...


OUTCOMES = ("new", "changed", "repeated", "outdated", "late")


class PointMetrics:
    """What became of points on their way into Redis. Once per `Metrics`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        points = Counter(
            "rungwatch_points_written_total",
            "Points by outcome: new; changed, of other values or a newer model; repeated, there already, which a "
            "replay or a restart explains; outdated, of an older model than what is there: a worker was left behind "
            "by a deploy; late, older than what is kept: raise RUNGWATCH_REDIS_RAW_SECONDS if they are wanted.",
            ["outcome"],
            registry=metrics.registry,
        )
        findings = Counter(
            "rungwatch_findings_total",
            "Findings of playlists, manifests and origins, by kind. `rungwatch series findings STREAM` says what and "
            "where.",
            ["kind"],
            registry=metrics.registry,
        )
        self._findings_of = {kind: findings.labels(kind.value) for kind in ManifestFindingKind}
        self._points_of = {outcome: points.labels(outcome) for outcome in OUTCOMES}
        self._skips = Counter(
            "rungwatch_skips_noted_total",
            "Live segments that were noted in the series as not scored, for being late. Growing: see "
            "rungwatch_segments_skipped_late_total of the workers.",
            registry=metrics.registry,
        )

    def written(self, written: Written, skipped: int) -> None:
        """Count points by what became of them, and skipped segments that were noted for the first time."""
        for outcome, counter in self._points_of.items():
            counter.inc(getattr(written, outcome))
        self._skips.inc(skipped)

    def found(self, kind: ManifestFindingKind) -> None:
        """Count one finding of a playlist, a manifest or its origin."""
        self._findings_of[kind].inc()

    def wrote(self, seconds: float) -> None:
        """Count the time that one batch took to be stored."""
        self._metrics.stage_took("write", seconds)

    def delivered(self, delay_seconds: float) -> None:
        """Say that a live point can be read, so long after its segment ended."""
        self._metrics.delivered("point", delay_seconds)
