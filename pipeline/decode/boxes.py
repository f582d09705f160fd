"""What ISO base media boxes tell before a decoder sees them: index missing, file cut off, samples encrypted."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.decode.source import ByteFile

# A 10-hour file with 2 s fragments has 18,000 moof boxes and as many mdat and sidx.
MAX_TOP_LEVEL_BOXES = 200_000
MAX_INDEX_BYTES = 128 * 1024 * 1024

FIRST_BOXES = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"free", b"skip", b"wide", b"pdin", b"emsg",
               b"prft", b"pnot", b"uuid"}  # fmt: skip
_VISUAL_ENTRY_BYTES = 78


@dataclass(frozen=True, slots=True)
class BoxFacts:
    """Of a whole file or of init segment + media segment."""

    has_index: bool
    """A moov box, or for stills a meta box, is there and complete."""
    has_media: bool
    """An mdat or moof box is there."""
    fragmented: bool
    cut_off: bool
    """The last box is longer than what is left of the file."""
    handlers: frozenset[str]
    """Kinds of tracks: ``vide``, ``soun``, ``text``, ``subt``..."""
    encryption: str | None
    """Scheme of the video samples (``cenc``, ``cbcs``...); None: in the clear."""


def looks_like(head: bytes) -> bool:
    """Tell whether these first bytes begin an ISO base media or QuickTime file."""
    return len(head) >= 8 and head[4:8] in FIRST_BOXES and int.from_bytes(head[:4], "big") != 2


def examine(file: ByteFile, size_bytes: int) -> BoxFacts:
    """Walk the top-level boxes; reads headers and the index only."""
    index = b""
    has_meta = has_media = cut_off = fragmented = samples_carry_iv = False
    position = 0
    for _ in range(MAX_TOP_LEVEL_BOXES):
        if position + 8 > size_bytes:
            cut_off = cut_off or size_bytes > position
            break
        file.seek(position)
        kind, header, length = _header(file.read(16), size_bytes - position)
        if length < header or not _is_kind(kind):
            cut_off = cut_off or not _is_kind(kind)
            break
        complete = position + length <= size_bytes
        cut_off = cut_off or not complete
        if kind == b"moov" and complete and length <= MAX_INDEX_BYTES:
            file.seek(position + header)
            index = file.read(length - header)
        elif kind == b"meta":
            has_meta = complete
        elif kind in (b"mdat", b"moof"):
            has_media = True
            if kind == b"moof":
                fragmented = True
                if complete and length <= MAX_INDEX_BYTES and not samples_carry_iv:
                    file.seek(position + header)
                    samples_carry_iv = _fragment_is_encrypted(file.read(length - header))
        position += length
    fragmented = fragmented or any(kind == b"mvex" for kind, _ in _children(index))
    return BoxFacts(
        has_index=bool(index) or has_meta,
        has_media=has_media,
        fragmented=fragmented,
        cut_off=cut_off,
        handlers=frozenset(
            _first(track, b"mdia", b"hdlr")[8:12].decode("ascii", "replace")
            for kind, track in _children(index)
            if kind == b"trak"
        ),
        encryption=_video_encryption(index, samples_carry_iv),
    )


def _is_kind(kind: bytes) -> bool:
    return all(32 <= byte < 127 or byte == 0xA9 for byte in kind)


def _header(head: bytes, left: int) -> tuple[bytes, int, int]:
    """Return (kind, header length, box length); a box of size 0 reaches to the end."""
    length = int.from_bytes(head[:4], "big")
    if length == 1 and len(head) == 16:
        return head[4:8], 16, int.from_bytes(head[8:16], "big")
    return head[4:8], 8, left if length == 0 else length


def _children(payload: bytes, start: int = 0) -> Iterator[tuple[bytes, bytes]]:
    position = start
    while position + 8 <= len(payload):
        kind, header, length = _header(payload[position : position + 16], len(payload) - position)
        if length < header:
            return
        yield kind, payload[position + header : position + length]
        position += length


def _first(payload: bytes, *path: bytes) -> bytes:
    """Return the payload of the first box along `path`, empty where there is none."""
    for wanted in path:
        payload = next((child for kind, child in _children(payload) if kind == wanted), b"")
    return payload


def _video_encryption(index: bytes, samples_carry_iv: bool) -> str | None:
    """Return the scheme where no video sample entry is in the clear, or where encrypted samples are used."""
    for kind, track in _children(index):
        if kind != b"trak":
            continue
        handler = _first(track, b"mdia", b"hdlr")
        entries = list(_children(_first(track, b"mdia", b"minf", b"stbl", b"stsd"), start=8))
        if handler[8:12] != b"vide" and not any(entry == b"encv" for entry, _ in entries):
            continue
        encrypted = [payload for entry, payload in entries if entry == b"encv"]
        if encrypted and (len(encrypted) == len(entries) or samples_carry_iv):
            return _scheme(encrypted[0])
    return None


def _scheme(entry: bytes) -> str:
    for kind, payload in _children(entry, start=_VISUAL_ENTRY_BYTES):
        if kind == b"sinf":
            scheme = _first(payload, b"schm")
            if len(scheme) >= 8:
                return scheme[4:8].decode("ascii", "replace")
    return "unknown scheme"


def _fragment_is_encrypted(fragment: bytes) -> bool:
    return any(
        kind == b"senc" and len(payload) >= 8 and struct.unpack(">I", payload[4:8])[0] > 0
        for outer, traf in _children(fragment)
        if outer == b"traf"
        for kind, payload in _children(traf)
    )
