"""DASH: from a manifest to the segments of every video representation, over all periods, on one time axis."""

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from pipeline.errors import (
    AudioOnly,
    BadPlaylist,
    Encrypted,
    LimitExceeded,
    NotAllowed,
    NoVideo,
    Rejected,
    Transient,
)
from pipeline.ingest.access import as_path, is_remote, shown
from pipeline.ingest.dash_addressing import Address, Window, is_by_number, list_segments, whole_reference
from pipeline.ingest.dash_manifest import Manifest, Period, Representation, parse
from pipeline.ingest.names import UniqueNames, playlist_name, rung_names
from pipeline.ingest.sidx import IndexEntry, parse_sidx
from pipeline.ingest.source import Refusals, Source, one_of
from pipeline.ingest.stream import Draft, LiveSource, Problem
from schemas import ByteRange, Rendition, Resource, Segment, TimeBasis

MOST_RENDITIONS = 256
DEEPEST_INDEX = 4
# Segments of a manifest in all its renditions, in `max_segments`: a page of XML can claim any number.
MOST_SEGMENTS_FACTOR = 5
# How much may lie after the last indexed byte and still be its end (an index that is a little too short).
LOOSE_END_BYTES = 64 * 1024
# Of a live manifest that lists nothing, before now: as much as players keep.
MOST_BACK_SECONDS = 60.0
# A whole file in a manifest of several periods is cut into parts of this length.
WINDOW_SECONDS = 6.0


_Window = tuple[int, float, float]
"""(count within the period, start, end) of a part of a whole file, in seconds of the period."""


@dataclass(slots=True)
class _Part:
    """One representation in one period. `addresses` None: the resource as a whole."""

    period: Period
    representation: Representation
    addresses: list[Address] | None
    reference: str


@dataclass(slots=True)
class _Rung:
    """The representations that form one rendition over the periods."""

    first: Representation
    parts: list[_Part] = field(default_factory=list)


def read_dash(source: Source) -> Draft:
    """Return the ladder of a manifest."""
    manifest = parse(source.data, source.uri)
    where = shown(source.uri)
    notes = Counter(manifest.notes)
    if not any(r.video for period in manifest.periods for r in period.representations):
        raise without_video(manifest, where)
    problems: list[Problem] = []
    rungs = _rungs(manifest, source, problems, notes)
    if not rungs:
        raise one_of(tuple(problems), "representations")
    plain = len(manifest.periods) == 1 and all(p.addresses is None for rung in rungs for p in rung.parts)
    zero, basis = 0.0, TimeBasis.MEDIA_TIME
    if manifest.dynamic:
        notes["live manifest: only the segments listed now"] += 1
        if manifest.availability_start_seconds is not None:
            zero, basis = manifest.availability_start_seconds, TimeBasis.AVAILABILITY
    windows = [_windows(period, rungs, source) for period in manifest.periods]
    bases = _number_bases(manifest, rungs, windows)
    labels = rung_names([rung.first.rung for rung in rungs])
    names = UniqueNames()
    renditions: list[tuple[Rendition, tuple[Segment, ...]]] = []
    for rung, label in zip(rungs, labels, strict=True):
        rendition_id = names.claim(rung.first.representation_id or label)
        maker = _SegmentMaker(source, rendition_id, zero, basis, problems)
        if plain:
            segments = maker.whole(rung.parts[0])
        else:
            segments = [
                segment
                for part in rung.parts
                for segment in maker.part(part, bases[part.period.index], windows[part.period.index])
            ]
        if not segments and (problems or not manifest.dynamic):
            continue
        rendition = Rendition(
            rendition_id=rendition_id,
            rung=rung.first.rung,
            codecs=rung.first.codecs,
            uri=segments[0].media.uri if plain else source.uri,
        )
        renditions.append((rendition, tuple(segments)))
    if not renditions:
        raise one_of(tuple(problems), "representations")
    said = tuple(f"{what} ({times})" if times > 1 else what for what, times in notes.items())
    live = LiveSource(source.uri, "dash") if manifest.dynamic else None
    return Draft(playlist_name(source.uri), tuple(renditions), plain, basis, tuple(problems), said, live)


def mentioned(source: Source) -> set[Path]:
    """Return every local file that a manifest mentions, scored or not."""
    files: set[Path] = set()
    try:
        manifest = parse(source.data, source.uri)
    except Rejected:
        return files
    most = MOST_SEGMENTS_FACTOR * source.limits.max_segments
    for period in manifest.periods:
        for representation in period.representations:
            if len(files) > most:
                return files
            for reference in _references(representation, period, manifest, source):
                try:
                    uri = source.follow(reference)
                except NotAllowed:
                    continue
                if not is_remote(uri):
                    files.add(as_path(uri))
    return files


def _references(representation: Representation, period: Period, manifest: Manifest, source: Source) -> set[str]:
    where = shown(source.uri)
    try:
        addresses = list_segments(
            representation,
            period,
            max_segments=source.limits.max_segments,
            where=where,
            window=_window(representation, period, manifest),
        )
        if addresses is None:
            return {whole_reference(representation, where)}
    except Rejected:
        return set()
    found = {address.reference for address in addresses}
    return found | {address.init_reference for address in addresses if address.init_reference}


def without_video(manifest: Manifest, where: str) -> NoVideo:
    said = "; ".join(manifest.notes) or "no representations"
    kind = AudioOnly if all(note.startswith("left out: audio") for note in manifest.notes) else NoVideo
    return kind(f"{where}: no video in the manifest ({said}); name a manifest with pictures")


def _rungs(manifest: Manifest, source: Source, problems: list[Problem], notes: Counter[str]) -> list[_Rung]:
    """Bring together what is the same rendition in different periods, and find its segments."""
    rungs: list[_Rung] = []
    left = MOST_SEGMENTS_FACTOR * source.limits.max_segments
    for period in manifest.periods:
        free = list(rungs)
        listed: set[tuple[str, ByteRange | None]] = set()
        for representation in period.representations:
            if not representation.video:
                continue
            origin = f"{shown(source.uri)}, representation {representation.representation_id[:80] or '?'}"
            try:
                part = _part(representation, period, manifest, source, origin, notes)
            except (Rejected, Transient) as exc:
                problems.append((origin, exc))
                continue
            place = (part.reference, part.addresses[0].byte_range if part.addresses else None)
            if place in listed:
                notes["left out: representations that list the same segments as another one"] += 1
                continue
            listed.add(place)
            left -= len(part.addresses or ())
            if left < 0:
                raise LimitExceeded(
                    f"{shown(source.uri)}: more than {MOST_SEGMENTS_FACTOR} x {source.limits.max_segments} segments "
                    "in all; raise RUNGWATCH_FETCH_MAX_SEGMENTS or cut the manifest"
                )
            rung = _of(representation, free)
            if rung is None:
                rung = _Rung(representation)
                rungs.append(rung)
            else:
                free.remove(rung)
            rung.parts.append(part)
            if len(rungs) > MOST_RENDITIONS:
                raise BadPlaylist(f"{shown(source.uri)}: more than {MOST_RENDITIONS} renditions; split the manifest")
    return rungs


def _of(representation: Representation, rungs: list[_Rung]) -> _Rung | None:
    place = going_on(representation, [rung.first for rung in rungs])
    return None if place is None else rungs[place]


def going_on(representation: Representation, earlier: Sequence[Representation]) -> int | None:
    """Return the place of the earlier representation that this one goes on: by id, else by what it is."""

    def alike(other: Representation) -> bool:
        ours, theirs = representation.rung, other.rung
        return (ours.codec, ours.width_px, ours.height_px) == (theirs.codec, theirs.width_px, theirs.height_px)

    def distance(place: int) -> int:
        return abs((representation.bandwidth or 0) - (earlier[place].bandwidth or 0))

    places = [place for place, other in enumerate(earlier) if alike(other)]
    # An advertisement may use the ids of the programme for other things.
    certain = [place for place in places if earlier[place].representation_id == representation.representation_id]
    return min(certain or places, key=distance, default=None)


def _part(
    representation: Representation,
    period: Period,
    manifest: Manifest,
    source: Source,
    origin: str,
    notes: Counter[str],
) -> _Part:
    addresses = list_segments(
        representation,
        period,
        max_segments=source.limits.max_segments,
        where=origin,
        window=_window(representation, period, manifest),
    )
    if addresses is not None:
        if not addresses and not manifest.dynamic:
            raise BadPlaylist(f"{origin}: no segments within the period; correct the manifest")
        if not addresses:
            # Not begun yet, or over long ago.
            return _Part(period, representation, addresses, f"{period.index} {representation.representation_id}")
        return _Part(period, representation, addresses, addresses[0].reference)
    reference = whole_reference(representation, origin)
    addressing = representation.addressing
    # The index of WebM (Cues) is not read: such a file is cut by time instead.
    if addressing is not None and addressing.index_range is not None and "webm" not in representation.mime_type:
        addresses = indexed(reference, representation, source, origin, notes)
    if addresses is None and representation.key is not None:
        raise Encrypted(
            f"{origin}: encrypted ({representation.key.method}): not scored; "
            "score the clear output of the encoder, before it is encrypted"
        )
    return _Part(period, representation, addresses, reference)


def _window(representation: Representation, period: Period, manifest: Manifest) -> Window | None:
    """Return what a live manifest that lists nothing stands for now; None: all that is listed."""
    zero = manifest.availability_start_seconds
    if not manifest.dynamic or zero is None or not is_by_number(representation):
        return None
    until = time.time() - zero - period.start_seconds
    back = min(MOST_BACK_SECONDS, manifest.timing.window_seconds or MOST_BACK_SECONDS)
    return Window(max(0.0, until - back), until)


def indexed(
    reference: str, representation: Representation, source: Source, origin: str, notes: Counter[str]
) -> list[Address] | None:
    """Return one address per subsegment of the file's index; None where the index cannot be used."""
    addressing = representation.addressing
    assert addressing is not None and addressing.index_range is not None
    uri = source.follow(reference)
    init = addressing.init
    init_reference, init_range = reference, init.byte_range if init else None
    if init is not None and init.reference:
        init_reference = whole_reference(
            replace(representation, base_urls=(*representation.base_urls, init.reference)), origin
        )
    elif init_range is None and addressing.index_range.offset:
        init_range = ByteRange(offset=0, length=addressing.index_range.offset)
    try:
        timescale, entries = _index(uri, addressing.index_range, source, DEEPEST_INDEX)
    except ValueError as exc:
        notes[f"{origin}: {exc}: read as one file"] += 1
        return None
    entries[-1] = _to_the_end(entries[-1], uri, source)
    return [
        Address(
            index=index,
            reference=reference,
            byte_range=ByteRange(offset=entry.offset, length=entry.length),
            init_reference=init_reference if init_range is not None or init is not None else None,
            init_range=init_range,
            start_seconds=(entry.time - addressing.presentation_time_offset) / timescale,
            duration_seconds=entry.duration / timescale or None,
        )
        for index, entry in enumerate(entries)
    ]


def _index(uri: str, at: ByteRange, source: Source, depth: int) -> tuple[int, list[IndexEntry]]:
    data = source.fetcher.read(Resource(uri=uri, byte_range=at), max_bytes=source.limits.max_playlist_bytes)
    found = parse_sidx(data, at.offset)
    entries: list[IndexEntry] = []
    for entry in found.entries:
        if not entry.is_index:
            entries.append(entry)
        elif depth == 0:
            raise ValueError("segment indexes are nested too deep")
        else:
            below = ByteRange(offset=entry.offset, length=entry.length)
            timescale, nested = _index(uri, below, source, depth - 1)
            if timescale != found.timescale:
                raise ValueError("nested segment indexes differ in timescale")
            entries += nested
        if len(entries) > source.limits.max_segments:
            raise ValueError("the segment index lists too many segments")
    return found.timescale, entries


def _to_the_end(last: IndexEntry, uri: str, source: Source) -> IndexEntry:
    """Lengthen the last subsegment of a local file by the few bytes that its index forgets."""
    if is_remote(uri):
        return last
    size = source.fetcher.access.local_path(uri).stat().st_size
    missing = size - last.offset - last.length
    return replace(last, length=last.length + missing) if 0 < missing < LOOSE_END_BYTES else last


def _number_bases(manifest: Manifest, rungs: list[_Rung], windows: list[list[_Window]]) -> list[int]:
    """Return the number of the first segment of every period: the numbers go on from one to the next."""
    parts = [part for rung in rungs for part in rung.parts]
    first = next((part.representation.addressing for part in parts if part.addresses), None)
    base = 1 if first is None or first.start_number is None else first.start_number
    bases = []
    for period, cuts in zip(manifest.periods, windows, strict=True):
        bases.append(base)
        listed = [part.addresses[-1].index for part in parts if part.period is period and part.addresses]
        base += 1 + max([*listed, *(index for index, _, _ in cuts)], default=0)
    return bases


class _SegmentMaker:
    """Makes the segments of one rendition."""

    def __init__(
        self, source: Source, rendition_id: str, zero: float, basis: TimeBasis, problems: list[Problem]
    ) -> None:
        self._source = source
        self._rendition_id = rendition_id
        self._zero = zero
        self._basis = basis
        self._problems = problems
        self._uris: dict[str, str] = {}

    def part(self, part: _Part, base: int, windows: list[_Window]) -> list[Segment]:
        if part.addresses is None:
            return self.whole(part, windows, base)
        made: list[Segment] = []
        refusals = Refusals(f"{self._source.uri}")
        for address in part.addresses:
            try:
                init = None
                if address.init_reference is not None:
                    init = Resource(uri=self._uri(address.init_reference), byte_range=address.init_range)
                media = Resource(uri=self._uri(address.reference), byte_range=address.byte_range)
            except NotAllowed as exc:
                refusals.add(exc)
                continue
            made.append(
                self._segment(
                    part, base + address.index, media, init, address.start_seconds, address.duration_seconds, None
                )
            )
        self._problems += refusals.problems()
        return made

    def whole(self, part: _Part, windows: Sequence[_Window] = (), base: int = 0) -> list[Segment]:
        """Return a file as a whole, or cut where windows are given."""
        try:
            uri = self._uri(part.reference)
            media = Resource(uri=uri)
            # Also tells now, once, where the file is not there.
            if is_remote(uri):
                self._source.fetcher.download(uri)
            else:
                self._source.fetcher.local_path(media)
        except (Rejected, Transient) as exc:
            self._problems.append((shown(part.reference), exc))
            return []
        if not windows:
            return [self._segment(part, base, media, None, 0.0, None, None)]
        addressing = part.representation.addressing
        # The file's own time at the start of the period.
        own = addressing.presentation_time_offset / addressing.timescale if addressing else 0.0
        return [
            self._segment(part, base + index, media, None, start, end - start, (own + start, own + end))
            for index, start, end in windows
        ]

    def _uri(self, reference: str) -> str:
        if reference not in self._uris:
            self._uris[reference] = self._source.follow(reference)
        return self._uris[reference]

    def _segment(
        self,
        part: _Part,
        number: int,
        media: Resource,
        init: Resource | None,
        start_seconds: float,
        duration_seconds: float | None,
        window_seconds: tuple[float, float] | None,
    ) -> Segment:
        try:
            return Segment(
                rendition_id=self._rendition_id,
                number=number,
                media=media,
                init=init,
                key=part.representation.key,
                discontinuity_sequence=part.period.index,
                start_seconds=self._zero + part.period.start_seconds + start_seconds,
                duration_seconds=duration_seconds,
                window_seconds=window_seconds,
                time_basis=self._basis,
            )
        except ValidationError as exc:
            raise BadPlaylist(
                f"{shown(self._source.uri)}: segment {number}: {exc.errors()[0]['msg']}; correct the manifest"
            ) from exc


def _windows(period: Period, rungs: list[_Rung], source: Source) -> list[_Window]:
    """Return how a whole file is cut: as the other renditions of the period are, else evenly."""
    parts = [part for rung in rungs for part in rung.parts if part.period is period]
    for addresses in (part.addresses for part in parts if part.addresses):
        spans = [
            (address.index, max(0.0, address.start_seconds), address.start_seconds + address.duration_seconds)
            for address in addresses
            if address.duration_seconds
        ]
        if spans:
            return spans
    if not parts or period.duration_seconds is None:
        return []
    # A short rest is added to the part before it.
    whole = max(1, math.ceil(period.duration_seconds / WINDOW_SECONDS - 0.5))
    if whole > source.limits.max_segments:
        raise LimitExceeded(
            f"{shown(source.uri)}: a period of {period.duration_seconds:g} s; "
            "raise RUNGWATCH_FETCH_MAX_SEGMENTS or correct the manifest"
        )
    ends = [*(index * WINDOW_SECONDS for index in range(1, whole)), period.duration_seconds]
    return [(index, index * WINDOW_SECONDS, end) for index, end in enumerate(ends)]
