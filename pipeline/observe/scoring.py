"""What a scoring worker counts."""

from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram

from pipeline.observe.metrics import Metrics
from schemas import Basis

PICTURE_FATES = ("kept", "left", "dropped", "failed")
BATCH_CLIPS = (1, 2, 4, 8, 12, 16, 24, 32, 64, 128, 256, 512, 1024)


class ScoringMetrics:
    """Scores, and how cores and device are used: what a worker tells of itself. Once per `Metrics`; from any thread."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        registry = metrics.registry
        scored = Counter(
            "rungwatch_segments_scored_total",
            "Segments scored, by basis. More and more of `alone`: rungs do not match their reference; read the "
            "findings of the scores (mismatch, reference_replaced).",
            ["basis"],
            registry=registry,
        )
        self._scored_of = {basis: scored.labels(basis.value) for basis in Basis}
        self._skipped = Counter(
            "rungwatch_segments_skipped_late_total",
            "Live segments that were not scored because their deadline had passed. Growing: there are too few workers "
            "for the live work; add some, or give on-demand work a group of its own.",
            registry=registry,
        )
        self._sheet_hits = Counter(
            "rungwatch_sheets_hits_total",
            "Segments whose reference lay in the cache. Compare with rungwatch_sheets_misses_total.",
            registry=registry,
        )
        self._sheet_misses = Counter(
            "rungwatch_sheets_misses_total",
            "Segments whose reference was decoded once more, which costs a decode each. More than a few per cent in "
            "steady work: raise RUNGWATCH_SERVICE_SHEETS, and check that events are keyed by stream, best rung first.",
            registry=registry,
        )
        self._depth = Gauge(
            "rungwatch_queue_depth",
            "Segments that wait, per queue. `decode` full and `model` empty: the cores are the limit, add decoders or "
            "machines. `model` full: the device is.",
            ["queue"],
            registry=registry,
        )
        self._batch = Histogram(
            "rungwatch_batch_size",
            'Clips that the model got at once. 1 while rungwatch_queue_depth{queue="model"} is high: the batcher is '
            "held back; look at RUNGWATCH_SERVICE_BATCH.",
            buckets=BATCH_CLIPS,
            registry=registry,
        )
        self._busy = Counter(
            "rungwatch_model_busy_seconds_total",
            "Seconds that the device computed. Its rate is the share of use: near 1 the device is the limit; low while "
            "work waits, decoding is.",
            registry=registry,
        )

        pictures = Counter(
            "rungwatch_pictures_total",
            "Pictures of worst frames by outcome: kept; left, as worse ones are kept; dropped, as too many waited: "
            "Redis is slow; failed, as it was away. Scores do not wait for them.",
            ["outcome"],
            registry=registry,
        )
        self._pictures_of = {fate: pictures.labels(fate) for fate in PICTURE_FATES}

    def stage(self, name: str, seconds: float) -> None:
        self._metrics.stage_took(name, seconds)

    def sheet(self, *, hit: bool) -> None:
        (self._sheet_hits if hit else self._sheet_misses).inc()

    def batch(self, clips: int, busy_seconds: float) -> None:
        self._batch.observe(clips)
        self._busy.inc(busy_seconds)

    def waiting(self, clips: int) -> None:
        self._depth.labels("model").set(clips)

    def watch_decoding(self, depth: Callable[[], int]) -> None:
        """Have `depth` asked, from another thread, whenever the metrics are read: segments that wait for a decoder."""
        self._depth.labels("decode").set_function(depth)

    def scored(self, basis: Basis, *, delay_seconds: float | None) -> None:
        """Count one score; `delay_seconds`: since the live segment ended; None: not live."""
        self._scored_of[basis].inc()
        if delay_seconds is not None:
            self._metrics.delivered("score", delay_seconds)

    def skipped(self) -> None:
        self._skipped.inc()

    def picture(self, fate: str) -> None:
        """Count the picture of a worst frame by one of `PICTURE_FATES`."""
        self._pictures_of[fate].inc()
