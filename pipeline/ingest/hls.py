"""HLS: from a master or media playlist to the segments of every rendition, on one time axis."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from pipeline.errors import BadPlaylist, NotAllowed, Rejected, Transient
from pipeline.ingest.access import as_path, is_remote, shown
from pipeline.ingest.hls_playlist import Entry, Master, Media, Variant, parse
from pipeline.ingest.hls_segment import Addresses
from pipeline.ingest.hls_skew import declared_starts
from pipeline.ingest.names import UniqueNames, playlist_name, rung_names
from pipeline.ingest.source import Refusals, Source, one_of
from pipeline.ingest.stream import Draft, LiveSource, Problem
from schemas import Rendition, Resource, Rung, Segment, TimeBasis

MOST_RENDITIONS = 256


def read_hls(source: Source) -> Draft:
    """Return the ladder of a master playlist, or the one rendition of a media playlist."""
    playlist = parse(source.data, source.uri, max_segments=source.limits.max_segments)
    if isinstance(playlist, Media):
        rungs: list[tuple[Variant, str, Media]] = [(Variant((source.uri,), Rung(), None), source.uri, playlist)]
        problems: tuple[Problem, ...] = ()
        notes = [*playlist.notes]
    else:
        rungs, problems = _media_of(playlist, source)
        if not rungs:
            raise one_of(problems, "renditions")
        notes = [*playlist.notes]
        for _, uri, media in rungs:
            notes += (f"{shown(uri)}: {note}" for note in media.notes)
    is_live = not all(media.ended for _, _, media in rungs)
    if is_live:
        notes.append("live playlist: only the segments listed now")
    aligned_by, starts = _time_axis([media for _, _, media in rungs])
    names = UniqueNames()
    renditions: list[tuple[Rendition, tuple[Segment, ...]]] = []
    labels = rung_names([variant.rung for variant, _, _ in rungs])
    for (variant, uri, media), label, at in zip(rungs, labels, starts, strict=True):
        rendition_id = names.claim(label if label != "rendition" else playlist_name(uri))
        rendition = Rendition(rendition_id=rendition_id, rung=variant.rung, codecs=variant.codecs, uri=uri)
        basis = aligned_by or TimeBasis.SEQUENCE
        segments, refused = _segments(rendition_id, media, uri, at, basis, source)
        problems += refused
        if segments:
            renditions.append((rendition, segments))
    if not renditions:
        raise one_of(problems, "renditions")
    live = LiveSource(source.uri, "hls") if is_live else None
    return Draft(playlist_name(source.uri), tuple(renditions), False, aligned_by, problems, tuple(notes), live)


def mentioned(source: Source) -> set[Path]:
    """Return every local file that a playlist mentions, directly or through others, scored or not."""
    files: set[Path] = set()
    waiting = [(source.data, source.uri)]
    while waiting:
        data, base = waiting.pop()
        for reference, playlist in _references(data, base, source):
            try:
                uri = source.follow(reference, base)
                if is_remote(uri) or as_path(uri) in files:
                    continue
                files.add(as_path(uri))
                if playlist:
                    found = source.fetcher.fetch(Resource(uri=uri), max_bytes=source.limits.max_playlist_bytes)
                    waiting.append((found.data, found.uri))
            except (Rejected, Transient):
                # What cannot be read is reported where it is to be scored.
                continue
    return files


def _references(data: bytes, base: str, source: Source) -> Iterator[tuple[str, bool]]:
    try:
        playlist = parse(data, base, max_segments=source.limits.max_segments)
    except Rejected:
        return
    if isinstance(playlist, Master):
        for uri in (*(uri for variant in playlist.variants for uri in variant.uris), *playlist.others):
            yield uri, True
        return
    for entry in playlist.entries:
        yield entry.uri, False
        if entry.init_uri:
            yield entry.init_uri, False


def _media_of(master: Master, source: Source) -> tuple[list[tuple[Variant, str, Media]], tuple[Problem, ...]]:
    """Read the playlist of every variant; of several that are declared alike, the first that can be read."""
    if len(master.variants) > MOST_RENDITIONS:
        raise BadPlaylist(
            f"{shown(source.uri)}: {len(master.variants)} renditions, more than {MOST_RENDITIONS}; split the playlist"
        )
    rungs: list[tuple[Variant, str, Media]] = []
    problems: list[Problem] = []
    for variant in master.variants:
        failed: list[Problem] = []
        for reference in variant.uris:
            try:
                uri = source.follow(reference)
                found = source.fetcher.fetch(Resource(uri=uri), max_bytes=source.limits.max_playlist_bytes)
                media = parse(
                    found.data, found.uri, max_segments=source.limits.max_segments, variables=master.variables
                )
                if isinstance(media, Master):
                    raise BadPlaylist(
                        f"{shown(uri)}: a master playlist where a media playlist is due; correct the master"
                    )
            except (Rejected, Transient) as exc:
                failed.append((shown(reference), exc))
                continue
            rungs.append((variant, found.uri, media))
            break
        else:
            problems += failed
    return rungs, tuple(problems)


def _segments(
    rendition_id: str, media: Media, uri: str, starts: list[float], basis: TimeBasis, source: Source
) -> tuple[tuple[Segment, ...], tuple[Problem, ...]]:
    segments: list[Segment] = []
    refusals = Refusals(uri)
    addresses = Addresses(source.fetcher.access, source.scope, uri)
    for entry, start in zip(media.entries, starts, strict=True):
        try:
            segments.append(addresses.segment(entry, rendition_id, start, basis))
        except NotAllowed as exc:
            refusals.add(exc)
    return tuple(segments), refusals.problems()


def _time_axis(playlists: list[Media]) -> tuple[TimeBasis | None, list[list[float]]]:
    """Return how the renditions are aligned, and the start of every segment of each.

    VOD: media time from 0. Live: wall clock where all declare it, otherwise the sequence numbers, because the
    lists of two renditions need not begin with the same segment.
    """
    sums = [[entry.offset_seconds for entry in media.entries] for media in playlists]
    declared = all(entry.duration_seconds for media in playlists for entry in media.entries)
    if all(media.ended for media in playlists):
        return (TimeBasis.MEDIA_TIME if declared else TimeBasis.SEQUENCE), sums
    clocks = [_wall_clock(media.entries) for media in playlists]
    known = [clock for clock in clocks if clock is not None]
    if declared and len(known) == len(clocks):
        return TimeBasis.PROGRAM_DATE_TIME, known
    anchor = _common_place(playlists)
    if anchor is None:
        return None, sums
    shifted = []
    for media, offsets in zip(playlists, sums, strict=True):
        zero = offsets[[_place(entry) for entry in media.entries].index(anchor)]
        shifted.append([offset - zero for offset in offsets])
    return TimeBasis.SEQUENCE, shifted


def _wall_clock(entries: tuple[Entry, ...]) -> list[float] | None:
    """Return the start of every segment since the epoch; None where it is not declared or goes back."""
    starts = declared_starts(entries)
    return starts if starts and all(before < after for before, after in pairwise(starts)) else None


def _place(entry: Entry) -> tuple[int, int]:
    return entry.discontinuity_sequence, entry.number


def _common_place(playlists: list[Media]) -> tuple[int, int] | None:
    """Return the first place in the sequence that all renditions list."""
    shared = set.intersection(*({_place(entry) for entry in media.entries} for media in playlists))
    return min(shared, default=None)
