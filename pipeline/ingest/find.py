"""From what the user names to streams: files, folders, playlists, manifests, addresses."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BadPlaylist, NotAllowed, NotFound, Rejected, Transient
from pipeline.ingest import dash, hls
from pipeline.ingest.access import SCHEME, absolute, as_path, is_remote, shown
from pipeline.ingest.fetch import Fetcher
from pipeline.ingest.folder import DASH_EXTENSIONS, HLS_EXTENSIONS, Listing, list_folder
from pipeline.ingest.hls_playlist import is_master
from pipeline.ingest.names import UniqueNames, common_name, file_name, file_stems, path_of
from pipeline.ingest.source import Source
from pipeline.ingest.stream import Draft, Failure, Stream
from pipeline.settings import FetchLimits
from schemas import Rendition, Resource, Segment, TimeBasis

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _MediaFile:
    """A media file, local or downloaded. `given`: what the user named."""

    given: str
    uri: str


_Found = Draft | _MediaFile | tuple[str, Failure]


def find_streams(
    inputs: Sequence[str], *, as_ladder: bool, limits: FetchLimits, fetcher: Fetcher
) -> Iterator[Stream | tuple[str, Failure]]:
    """Yield a stream, or (origin, error), for everything that the inputs name, in their order.

    `as_ladder`: all media files together are the renditions of one stream, which comes last; playlists and
    manifests are ladders by themselves in any case. A stream is read when it is asked for, not before.
    """
    finder = _Finder(limits, fetcher)
    names = UniqueNames()
    loose: list[_MediaFile] = []
    for given in inputs:
        notes: list[str] = []
        for found in finder.find(given, notes):
            if isinstance(found, tuple):
                yield found
                continue
            if isinstance(found, _MediaFile) and as_ladder:
                loose.append(found)
                continue
            draft = _stream_of_one(found) if isinstance(found, _MediaFile) else found
            yield draft.stream(names.claim(draft.name), tuple(notes))
            notes.clear()
    if loose:
        yield _ladder_of(loose, names)


class _Finder:
    def __init__(self, limits: FetchLimits, fetcher: Fetcher) -> None:
        self._limits = limits
        self._fetcher = fetcher

    def find(self, given: str, notes: list[str]) -> Iterator[_Found]:
        """Yield all that one input holds; words on what was passed over go to `notes` first."""
        try:
            if not given or "\0" in given:
                raise NotFound(f"{given!r} is not a path or an address; name a file, a folder or a playlist")
            path = _local(given)
            if path is None:
                yield self._address(given)
            elif path.is_dir():
                yield from self._folder(given, path, notes)
            else:
                yield self._file(given, path)
        except (Rejected, Transient) as exc:
            yield given, exc

    def _address(self, url: str) -> Draft | _MediaFile:
        fetcher = self._fetcher
        scope = fetcher.access.admit_url(url)
        extension = path_of(url).suffix.casefold()
        if extension in HLS_EXTENSIONS | DASH_EXTENSIONS:
            found = fetcher.fetch(Resource(uri=url), max_bytes=self._limits.max_playlist_bytes)
            return self._playlist(Source(found.data, found.uri, scope, fetcher, self._limits), extension)
        # What an address without such an ending leads to shows only when it is read.
        path, final = fetcher.download(url)
        kind = _kind(path)
        if not kind:
            return _MediaFile(url, url)
        if path.stat().st_size > self._limits.max_playlist_bytes:
            raise BadPlaylist(f"{shown(url)}: a playlist of {path.stat().st_size} bytes; name a smaller one")
        return self._playlist(Source(path.read_bytes(), final, scope, fetcher, self._limits), kind)

    def _file(self, given: str, path: Path) -> Draft | _MediaFile:
        uri = self._fetcher.access.admit_file(path)
        self._fetcher.local_path(Resource(uri=uri))
        kind = _kind(path)
        extension = path.suffix.casefold()
        if extension in HLS_EXTENSIONS | DASH_EXTENSIONS:
            # What the file says it is counts for more than its name, where it says anything.
            kind = kind or extension
        if not kind:
            return _MediaFile(given, uri)
        return self._playlist(self._source(path), kind)

    def _source(self, path: Path) -> Source:
        scope = self._fetcher.access.admit_folder(absolute(path).parent)
        uri = self._fetcher.access.admit_file(path)
        data = self._fetcher.read(Resource(uri=uri), max_bytes=self._limits.max_playlist_bytes)
        return Source(data, uri, scope, self._fetcher, self._limits)

    def _playlist(self, source: Source, kind: str) -> Draft:
        return dash.read_dash(source) if kind in DASH_EXTENSIONS else hls.read_hls(source)

    def _folder(self, given: str, folder: Path, notes: list[str]) -> Iterator[_Found]:
        """Yield the ladders of a folder, then the media files that none of them mentions."""
        self._fetcher.access.admit_folder(folder)
        listing = list_folder(folder)
        words = listing.passed_over()
        if not (listing.hls or listing.dash or listing.media):
            raise NotFound(f"{folder}: no media in this folder{f' ({words})' if words else ''}; name a media file")
        if words:
            notes.append(words)
        ladders, mentioned = self._ladders(listing, notes)
        yield from ladders
        for path in listing.media:
            if absolute(path) not in mentioned:
                # Links in a folder that the user named are meant to be followed.
                yield _MediaFile(str(path), self._fetcher.access.admit_file(path))

    def _ladders(self, listing: Listing, notes: list[str]) -> tuple[list[_Found], set[Path]]:
        """Return the ladders of a folder, and every file that they mention."""
        found: list[_Found] = []
        mentioned: set[Path] = set()
        playlists = [
            *((0 if self._is_master(path) else 2, ".m3u8", path) for path in listing.hls),
            *((1, ".mpd", path) for path in listing.dash),
        ]
        # Masters first, because they mention the media playlists beside them.
        for _, kind, path in sorted(playlists, key=lambda item: item[0]):
            if absolute(path) in mentioned:
                continue
            try:
                source = self._source(path)
                draft = self._playlist(source, kind)
            except (Rejected, Transient) as exc:
                found.append((str(path), exc))
                continue
            files = _files(draft)
            if files and files <= mentioned:
                notes.append(f"passed over: {path.name}, which lists the same media as a playlist before it")
                continue
            mentioned |= dash.mentioned(source) if kind == ".mpd" else hls.mentioned(source)
            found.append(draft)
        return found, mentioned

    def _is_master(self, path: Path) -> bool:
        try:
            return is_master(self._source(path).data)
        except (Rejected, Transient):
            # Reported when it is read.
            return False


def _local(given: str) -> Path | None:
    """Return the path that was named, None for an http(s) address. Raises NotAllowed, NotFound."""
    path = Path(given)
    # Not the methods of Path: they raise where a name is too long or a folder is closed.
    if os.path.exists(path):  # noqa: PTH110
        return path
    if is_remote(given):
        return None
    match = SCHEME.match(given)
    if match and match[1].lower() == "file":
        path = as_path("file" + given[4:])
        if not os.path.exists(path):  # noqa: PTH110
            raise NotFound(f"{path}: not there; check the path")
        return path
    if match:
        raise NotAllowed(f"{given[:200]}: {match[1]!r} addresses are not read; name a file, a folder or http(s)")
    if os.path.islink(path):  # noqa: PTH114
        raise NotFound(f"{given}: a link to a file that is not there; correct the link")
    raise NotFound(f"{given}: not there; check the path")


def _kind(path: Path) -> str:
    """Return the extension of the playlist that a file is by its first bytes; empty for all else."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"#EXTM3U"):
        return ".m3u8"
    return ".mpd" if head.startswith(b"<") and re.search(rb"<(\w+:)?MPD[\s>]", head) else ""


def _files(draft: Draft) -> set[Path]:
    uris = {segment.media.uri for _, segments in draft.renditions for segment in segments}
    return {as_path(uri) for uri in uris if not is_remote(uri)}


def _whole_file(file: _MediaFile, rendition_id: str) -> tuple[Rendition, tuple[Segment, ...]]:
    segment = Segment(
        rendition_id=rendition_id,
        number=0,
        media=Resource(uri=file.uri),
        start_seconds=0.0,
        time_basis=TimeBasis.MEDIA_TIME,
    )
    return Rendition(rendition_id=rendition_id, uri=file.uri), (segment,)


def _stream_of_one(file: _MediaFile) -> Draft:
    name = file_name(file.uri)
    rendition_id = UniqueNames().claim(file_stems([name])[0])
    return Draft(name, (_whole_file(file, rendition_id),), True, TimeBasis.MEDIA_TIME)


def _ladder_of(files: list[_MediaFile], names: UniqueNames) -> Stream:
    """Return one stream with every file as a rendition; a file that was named twice counts once."""
    once = list({file.uri: file for file in files}.values())
    ids = UniqueNames()
    stems = file_stems([file_name(file.uri) for file in once])
    renditions = tuple(_whole_file(file, ids.claim(stem)) for file, stem in zip(once, stems, strict=True))
    twice = len(files) - len(once)
    notes = (f"passed over: {twice} file(s) named twice",) if twice else ()
    name = names.claim(common_name([file.uri for file in once]))
    return Draft(name, renditions, True, TimeBasis.MEDIA_TIME).stream(name, notes)
