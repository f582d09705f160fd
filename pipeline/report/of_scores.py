"""Makes the page of a run: scores that were made just now, with everything that is known of them."""

from collections.abc import Mapping, Sequence

from pipeline.history import SeriesPoint
from pipeline.report.rendition import RenditionSummary, moment_on_axis
from pipeline.report.shown import Identity, ShownFrame, ShownPage, ShownRung, ShownStream
from pipeline.report.summary import StreamSummary, headline, overview
from pipeline.words import as_codec, as_rate, as_size, as_time, printable
from schemas import DeadLetter, QualityPoint, SegmentScored

WorstFrames = Mapping[tuple[str, str], bytes]
"""JPEG of the worst frame by (stream_id, rendition_id)."""


def page_of_scores(
    streams: Sequence[StreamSummary], rejected: Sequence[DeadLetter], worst_frames: WorstFrames
) -> ShownPage:
    return ShownPage(
        headline=headline(streams, rejected),
        streams=[_stream(stream, worst_frames) for stream in streams],
        identities=_identities(streams),
    )


def _stream(stream: StreamSummary, worst_frames: WorstFrames) -> ShownStream:
    rungs = [_rung(each, worst_frames.get((each.stream_id, each.rendition_id))) for each in stream.renditions]
    return ShownStream(
        stream_id=stream.stream_id,
        label=stream.label,
        overview=overview(stream),
        time_basis=stream.renditions[0].time_basis,
        display_height_px=stream.display_height_px,
        rungs=rungs,
        notes=stream.notes,
        listed_notes=stream.notes,
        troubled_ids=stream.troubled_ids,
        frames=[
            ShownFrame(rung.rendition_id, rung.worst_jpeg, rung.worst_score, rung.worst_when)
            for rung in rungs
            if rung.worst_jpeg
        ],
    )


def _rung(summary: RenditionSummary, jpeg: bytes | None) -> ShownRung:
    media = summary.media
    more = [as_codec(media.codec)]
    more += [f"{as_rate(summary.frame_rate)}/s"] if summary.frame_rate else []
    more += ["varies"] if summary.varies else []
    return ShownRung(
        rendition_id=summary.rendition_id,
        label=summary.label,
        points=[_point(each) for each in summary.segments],
        mean=summary.mean,
        low=summary.low,
        high=summary.high,
        worst_score=summary.worst.score,
        worst_when=as_time(summary.worst.time_seconds, summary.time_basis) if summary.duration_seconds else None,
        bitrate_bps=summary.bitrate_bps,
        basis=summary.basis,
        segments=len(summary.segments),
        fifth_percentile=summary.fifth_percentile,
        declared_bps=summary.rung.bitrate_bps,
        codec=media.codec,
        picture=as_size(media.width_px, media.height_px),
        picture_more=", ".join(more),
        worst_jpeg=jpeg,
    )


def _point(scored: SegmentScored) -> SeriesPoint:
    worst = moment_on_axis(scored, scored.worst_frame.time_seconds)
    return SeriesPoint.of(QualityPoint.of(scored).model_copy(update={"worst_seconds": worst}))


def _identities(streams: Sequence[StreamSummary]) -> list[Identity]:
    """Return every model and sampler once."""
    found = {}
    for stream in streams:
        model, sampler = stream.model, stream.sampler
        found[model.name, model.weights_hash, sampler.name, sampler.frames] = Identity(
            model=printable(model.name),
            weights=model.weights_hash,
            sampler=f"{printable(sampler.name)}, {sampler.frames} frames a segment",
            accuracy=printable(model.accuracy),
        )
    return list(found.values())
