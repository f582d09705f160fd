"""The metrics of one process: a registry of its own, what is built in, stage times, and the text that is scraped."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from pipeline.observe.freshness import Delivered, Freshness

# A second series per counter and histogram with its birth: no query of ours needs it. The switch is the library's own
# and global, which is why this package is its only user.
disable_created_metrics()  # type: ignore[no-untyped-call]

STAGES = ("fetch", "decode", "prepare", "model", "write")
STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""From a publication on a quiet machine to the longest that a decoder may take (`DecodeLimits.max_seconds`)."""


class Metrics:
    """Everything that one process counts. Made once and handed down; two of them know nothing of each other.

    `BusMetrics`, `ScoringMetrics` and `PointMetrics` add what their part of the process does, so that a process
    shows no counters of what it never does. All methods may be called from any thread.
    """

    def __init__(self, version: str, now_seconds: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._freshness = Freshness(self.registry, now_seconds)
        self._version = version
        self._build = Gauge(
            "rungwatch_build_info",
            "Always 1; says by its labels which program and which model run. More than one value in a fleet for longer "
            "than a deploy takes: finish or undo the deploy, scores of two models are kept apart.",
            ["version", "model"],
            registry=self.registry,
        )
        self._stages = Histogram(
            "rungwatch_stage_seconds",
            "Seconds that one segment (model: one batch) takes per stage. The stage that grew is the one to look at: "
            "fetch is the origin or the network, decode and prepare the cores, model the device, "
            "write Redis.",
            ["stage"],
            buckets=STAGE_SECONDS,
            registry=self.registry,
        )
        self._stage_of = {stage: self._stages.labels(stage) for stage in STAGES}
        self.model("")

    def model(self, identity: str) -> None:
        """Say which model is loaded, such as `nano@1a2b3c4d5e6f`; empty: none."""
        self._build.clear()
        self._build.labels(self._version, identity).set(1)

    def stage_took(self, stage: str, seconds: float) -> None:
        """Count one pass of a stage, one of `STAGES`."""
        self._stage_of[stage].observe(seconds)

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Count the seconds of the block, whether it succeeds or fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stage_took(stage, time.perf_counter() - start)

    def delivered(self, what: Delivered, delay_seconds: float) -> None:
        """Say that a score or a point of a live segment is there, so long after the segment ended."""
        if math.isfinite(delay_seconds):
            self._freshness.delivered(what, delay_seconds)

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition and its media type, as OpenMetrics where `accept` asks for it."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type
