"""From what the user names to events: finds streams, cuts plain files, and says what could not be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.clips import Probe, ProbeJob, windows_of
from pipeline.decode.source import MediaSource
from pipeline.errors import NotAllowed, Rejected, Transient
from pipeline.ingest import Fetcher, Stream, find_streams, shown
from pipeline.ingest.events import cut, events, spans_of
from pipeline.ingest.stream import LiveSource
from pipeline.settings import Settings
from schemas import Ladder, Rendition, SegmentReady
from workers.ahead import Pool
from workers.failed import Failed


@dataclass(frozen=True, slots=True)
class FeedOptions:
    as_ladder: bool = False
    against_ladder: bool = True
    display_height_px: int | None = None
    segment_seconds: float = 6.0
    follow: bool = True
    """False: of live streams, what they list now, and no more."""
    late_seconds: float | None = 60.0
    """After so long nobody needs the score of a live segment any more; None: it is always made."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream whose events follow."""

    ladder: Ladder
    segments: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Live:
    """A stream that is still published: it is followed, not read once."""

    stream_id: str
    source: LiveSource


Item = Opened | SegmentReady | Failed | Live


class Feed:
    """Reads playlists and probes plain files; decodes no more than that."""

    def __init__(self, settings: Settings, fetcher: Fetcher, pool: Pool, options: FeedOptions) -> None:
        self._settings, self._fetcher, self._pool, self._options = settings, fetcher, pool, options

    def read(self, inputs: Sequence[str]) -> Iterator[Item]:
        """Yield, stream by stream, that it was opened, what could not be read of it, and its events.

        Of a live stream only where it is, unless the options want what it lists now.
        """
        found = find_streams(
            inputs, as_ladder=self._options.as_ladder, limits=self._settings.fetch, fetcher=self._fetcher
        )
        for stream in found:
            if isinstance(stream, tuple):
                yield Failed(*stream)
                continue
            if stream.live is not None and self._options.follow:
                yield Live(stream.ladder.stream_id, stream.live)
                continue
            yield from (Failed(origin, error, stream.ladder.stream_id) for origin, error in stream.problems)
            if stream.plain_files:
                stream, failed = self._cut(stream)  # noqa: PLW2901 - the same stream, now of segments
                yield from failed
            count = sum(len(segments) for segments in stream.segments.values())
            if count:
                yield Opened(stream.ladder, count, stream.notes)
                yield from events(
                    stream,
                    against_ladder=self._options.against_ladder,
                    display_height_px=self._options.display_height_px,
                )

    def _cut(self, stream: Stream) -> tuple[Stream, list[Failed]]:
        spans: dict[str, list[tuple[float, float]]] = {}
        known: dict[str, Rendition] = {}
        failed = []
        for rendition in stream.ladder.renditions:
            try:
                probe = self._probed(stream, rendition)
            except (Rejected, Transient) as error:
                origin = shown(stream.segments[rendition.rendition_id][0].media.uri)
                failed.append(Failed(origin, error, stream.ladder.stream_id, rendition.rendition_id))
                continue
            known[rendition.rendition_id] = rendition.model_copy(update={"rung": probe.rung})
            if probe.end_seconds is not None:
                cuts = windows_of(probe.start_seconds, probe.end_seconds, self._options.segment_seconds)
                spans[rendition.rendition_id] = spans_of(cuts, probe.end_seconds)
        readable = {name: segments for name, segments in stream.segments.items() if name in known}
        return cut(replace(stream, segments=readable), spans, known), failed

    def _probed(self, stream: Stream, rendition: Rendition) -> Probe:
        media = stream.segments[rendition.rendition_id][0].media
        path = self._fetcher.local_path(media)
        if path is None or not media.uri.startswith("file:"):
            raise NotAllowed(
                f"{shown(media.uri)}: a whole file over http would be read anew for every segment; "
                "publish it as HLS or DASH, name a local copy, or score it with `rungwatch score`"
            )
        for found in self._pool.submit(ProbeJob(MediaSource(name=shown(media.uri), path=path), self._settings.decode)):
            if isinstance(found, Probe):
                return found
        raise AssertionError("a probe answers or raises")
