"""Wires live ingest: which presentation a source is, and who follows it."""

from collections.abc import Iterable

from pipeline.ingest import Fetcher
from pipeline.ingest.presentation import Presentation
from pipeline.settings import Settings
from workers.service.announced import Announced
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
    known: Announced | None = None,
    observer: FollowObserver | None = None,
) -> Follower:
    """Return a follower of streams that were found live. `known`: what an earlier process came to."""
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
    found = follower(settings, fetcher, sink, ends=ends, known=known, observer=observer)
    found.set_sources(specs)
    return found


def follower(
    settings: Settings,
    fetcher: Fetcher,
    sink: Sink,
    *,
    ends: bool,
    known: Announced | None = None,
    observer: FollowObserver | None = None,
) -> Follower:
    """Return a follower of nothing yet."""
    opened = opener(settings, fetcher, known)
    return Follower(opened, sink, threads=settings.service.looks, ends=ends, observer=observer)


def opener(settings: Settings, fetcher: Fetcher, known: Announced | None = None) -> Open:
    """Return what makes the presentation of a source."""

    def opened(spec: SourceSpec) -> Presentation:
        from pipeline.ingest.open import open_presentation  # noqa: PLC0415 - most runs follow nothing

        position = known.position(spec.id, spec.url) if known else None
        return open_presentation(spec.url, spec.id, fetcher, settings.fetch, position)

    return opened
