"""Makes scores for tests without scoring: segments, ladders, and the demo's programme with two faults."""

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction

from schemas import (
    Basis,
    DeadLetter,
    Finding,
    FindingKind,
    FrameScore,
    Ladder,
    MediaFacts,
    ModelIdentity,
    Rendition,
    Rung,
    SamplerIdentity,
    SegmentScored,
    TimeBasis,
)

MODEL = ModelIdentity(
    name="swinv2-temporal",
    weights_hash="0123456789abcdef",
    accuracy="SROCC 0.96 and 5.1 points of error on 40 contents held out",
)
SAMPLER = SamplerIdentity(name="frame_difference", frames=8)
SEGMENT_SECONDS = 4.0


def scored(
    score: float,
    number: int = 0,
    *,
    stream: str = "demo",
    rendition: str = "720p",
    height_px: int = 720,
    codec: str = "h264",
    bitrate_bps: int | None = 2_500_000,
    declared_bps: int | None = None,
    half: float = 3.0,
    basis: Basis = Basis.LADDER,
    reference: str = "source",
    seconds: float = SEGMENT_SECONDS,
    start: float | None = None,
    media_start: float | None = None,
    findings: Sequence[Finding] = (),
    frame_scores: Sequence[float] | None = None,
    time_basis: TimeBasis = TimeBasis.MEDIA_TIME,
    model: ModelIdentity = MODEL,
) -> SegmentScored:
    """Return one scored segment; `media_start`: where its time stamps begin, if not at `start`."""
    begin = number * seconds if start is None else start
    first = begin if media_start is None else media_start
    scores = list(frame_scores) if frame_scores is not None else [score + delta for delta in (1, 0, -1, 0)]
    frames = tuple(
        FrameScore(
            pts=int((first + seconds * index / len(scores)) * 90_000),
            time_seconds=first + seconds * index / len(scores),
            score=min(100, max(0, each)),
        )
        for index, each in enumerate(scores)
    )
    return SegmentScored(
        stream_id=stream,
        rendition_id=rendition,
        rung=Rung(
            codec=codec,
            width_px=height_px * 16 // 9,
            height_px=height_px,
            bitrate_bps=declared_bps or bitrate_bps,
        ),
        segment_number=number,
        start_seconds=begin,
        duration_seconds=seconds,
        time_basis=time_basis,
        media=MediaFacts(
            codec=codec,
            width_px=height_px * 16 // 9,
            height_px=height_px,
            bit_depth=8,
            frame_rate=Fraction(25),
            frames=max(1, round(seconds * 25)),
            duration_seconds=seconds,
            bitrate_bps=bitrate_bps,
        ),
        display_height_px=720,
        basis=basis,
        reference_rendition_id=None if basis is Basis.ALONE else reference,
        score=score,
        low=max(0, score - half),
        high=min(100, score + half),
        frames=frames,
        worst_frame=min(frames, key=lambda frame: frame.score),
        findings=tuple(findings),
        model=model,
        sampler=SAMPLER,
    )


def series(scores: Sequence[float], **fixed: object) -> list[SegmentScored]:
    """Return the segments of one rendition, one per score."""
    return [scored(score, number, **fixed) for number, score in enumerate(scores)]  # type: ignore[arg-type]


def frozen(start_seconds: float, duration_seconds: float) -> Finding:
    return Finding(
        kind=FindingKind.FROZEN,
        text="the picture stands still",
        start_seconds=start_seconds,
        duration_seconds=duration_seconds,
    )


def demo_scores(stream: str = "demo") -> list[SegmentScored]:
    """Return 24 s of a four-rung ladder: 540p frozen in [6, 12), 360p starved from 12 s on."""
    wave = (0.0, 1.5, -1.0, 0.5, -2.0, 1.0)
    found: list[SegmentScored] = []
    found += [scored(93 + w, n, stream=stream, basis=Basis.ALONE) for n, w in enumerate(wave)]
    freeze = {1: [frozen(6.0, 2.0)], 2: [frozen(8.0, 4.0)]}
    found += [
        scored(
            {1: 58.0, 2: 31.0}.get(n, 84 + w),
            n,
            stream=stream,
            rendition="540p",
            height_px=540,
            codec="hevc",
            bitrate_bps=1_100_000,
            findings=freeze.get(n, []),
        )
        for n, w in enumerate(wave)
    ]
    found += [
        scored(
            71 + w if n < 3 else 33 + w,
            n,
            stream=stream,
            rendition="360p",
            height_px=360,
            bitrate_bps=700_000 if n < 3 else 130_000,
            declared_bps=700_000,
        )
        for n, w in enumerate(wave)
    ]
    found += [
        scored(48 + w, n, stream=stream, rendition="216p", height_px=216, bitrate_bps=300_000)
        for n, w in enumerate(wave)
    ]
    return found


def ladder(stream: str = "demo", *rendition_ids: str) -> Ladder:
    return Ladder(
        stream_id=stream,
        renditions=tuple(Rendition(rendition_id=each) for each in (rendition_ids or ("720p", "540p", "360p", "216p"))),
    )


def dead_letter(origin: str = "films/song.mp3", reason: str = "audio_only", message: str = "") -> DeadLetter:
    return DeadLetter(
        origin=origin,
        reason=reason,
        message=message or f"{origin}: only audio is in it; name a file with pictures",
        rejected_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
