"""Wires live ingest: which presentation a source is, and who follows it."""

from collections.abc import Iterable

from pipeline.ingest import Fetcher
from pipeline.ingest.presentation import Presentation
from pipeline.settings import Settings
from workers.service.feed import FeedOptions, Live
from workers.service.follow import Follower, FollowObserver, Open, Sink
from workers.service.sources import SourceSpec


def follow(
    settings: Settings,
    fetcher: Fetcher,
    streams: Iterable[Live],
    options: FeedOptions,
    sink: Sink,
    *,
    ends: bool,
    observer: FollowObserver | None = None,
) -> Follower:
    """Return a follower of streams that were found live."""
    specs = [
        SourceSpec(
            id=stream.stream_id,
            url=stream.source.uri,
            basis="auto" if options.against_ladder else "alone",
            display_height=options.display_height_px,
            late_seconds=options.late_seconds,
        )
        for stream in streams
    ]
    found = follower(settings, fetcher, sink, ends=ends, observer=observer)
    found.set_sources(specs)
    return found


def follower(
    settings: Settings, fetcher: Fetcher, sink: Sink, *, ends: bool, observer: FollowObserver | None = None
) -> Follower:
    """Return a follower of nothing yet."""
    return Follower(opener(settings, fetcher), sink, threads=settings.service.looks, ends=ends, observer=observer)


def opener(settings: Settings, fetcher: Fetcher) -> Open:
    """Return what makes the presentation of a source."""

    def opened(spec: SourceSpec) -> Presentation:
        from pipeline.ingest.open import open_presentation  # noqa: PLC0415 - most runs follow nothing

        return open_presentation(spec.url, spec.id, fetcher, settings.fetch)

    return opened
