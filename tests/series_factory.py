"""Makes points of a time series for tests, and recomputes their roll-ups the plain way."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pipeline.series import SeriesQueries
from schemas import Basis, FindingKind, QualityPoint, SegmentSkipped, TimeBasis


def point(
    start_seconds: float,
    score: float = 80.0,
    *,
    stream: str = "demo",
    rendition: str = "720p",
    seconds: float = 2.0,
    model: str = "nano",
    revision: int = 0,
    height_px: int = 1080,
    bitrate_bps: int | None = 2_500_000,
    basis: Basis = Basis.LADDER,
    findings: tuple[FindingKind, ...] = (),
    time_basis: TimeBasis = TimeBasis.MEDIA_TIME,
) -> QualityPoint:
    return QualityPoint(
        stream_id=stream,
        rendition_id=rendition,
        segment_number=max(0, int(start_seconds // seconds)) if seconds else 0,
        start_seconds=start_seconds,
        duration_seconds=seconds,
        time_basis=time_basis,
        score=score,
        low=max(0.0, score - 3),
        high=min(100.0, score + 3),
        worst_score=max(0.0, score - 1),
        worst_seconds=start_seconds + seconds / 2,
        basis=basis,
        bitrate_bps=bitrate_bps,
        display_height_px=height_px,
        findings=findings,
        model_name=model,
        weights_hash=f"{revision:012x}",
        model_revision=revision,
        sampler_name="frame_difference",
        sampler_frames=8,
    )


def points(scores: Iterable[float], first_seconds: float = 0.0, **fixed: object) -> list[QualityPoint]:
    """Return points of 2 s in a row."""
    return [point(first_seconds + 2 * index, score, **fixed) for index, score in enumerate(scores)]  # type: ignore[arg-type]


def skipped(start_seconds: float, *, stream: str = "demo", rendition: str = "720p") -> SegmentSkipped:
    return SegmentSkipped(
        stream_id=stream,
        rendition_id=rendition,
        segment_number=max(0, int(start_seconds // 2)),
        start_seconds=start_seconds,
        duration_seconds=2.0,
        deadline=datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        late_seconds=1.5,
    )


def rollups(of: Sequence[QualityPoint], bucket_seconds: int) -> list[tuple[object, ...]]:
    """Return the roll-ups of points, recomputed, in the form of `read_rollups`."""
    buckets: dict[int, list[QualityPoint]] = {}
    for each in of:
        buckets.setdefault(round(each.start_seconds * 1000) // (bucket_seconds * 1000), []).append(each)
    rows: list[tuple[object, ...]] = []
    for bucket, inside in sorted(buckets.items()):
        weights = [max(1, round(each.duration_seconds * 1000)) for each in inside]
        known = [(each.bitrate_bps, w) for each, w in zip(inside, weights, strict=True) if each.bitrate_bps is not None]
        least = min(inside, key=lambda each: (each.score, each.start_seconds))

        def mean(values: list[float], weights: list[int] = weights) -> float:
            return round(sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights), 5)

        rows.append(
            (
                float(bucket * bucket_seconds),
                len(inside),
                round(sum(each.duration_seconds for each in inside), 3),
                mean([each.score for each in inside]),
                mean([each.low for each in inside]),
                mean([each.high for each in inside]),
                least.score,
                round(least.start_seconds, 3),
                max(each.score for each in inside),
                round(sum(b * w for b, w in known) / sum(w for _, w in known), 3) if known else None,
                dict(Counter(each.basis for each in inside)),
                dict(Counter(kind for each in inside for kind in each.findings)),
            )
        )
    return rows


def read_rollups(queries: SeriesQueries, resolution: str, rendition: str = "720p") -> list[tuple[object, ...]]:
    """Return what is stored: a row for every roll-up."""
    return [
        (
            each.start_seconds,
            each.count,
            round(each.duration_seconds, 3),
            round(each.score, 5),
            round(each.low, 5),
            round(each.high, 5),
            each.least_score,
            each.least_seconds,
            each.greatest_score,
            None if each.bitrate_bps is None else round(each.bitrate_bps, 3),
            dict(each.bases),
            dict(each.findings),
        )
        for each in queries.points("demo", rendition, resolution=resolution)  # type: ignore[arg-type]
    ]
