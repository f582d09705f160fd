"""What the head of a Matroska or WebM file tells before a decoder sees it: encryption, and a cut-off end."""

from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\x1a\x45\xdf\xa3"
HEAD_BYTES = 1024 * 1024

_SEGMENT = 0x18538067
_TRACKS = 0x1654AE6B
_CLUSTER = 0x1F43B675
_TRACK = 0xAE
_TRACK_TYPE = 0x83
_ENCODINGS = 0x6D80
_ENCODING = 0x6240
_ENCRYPTION = 0x5035
_VIDEO = 1


@dataclass(frozen=True, slots=True)
class EbmlFacts:
    encrypted: bool
    """The video track is encrypted."""
    cut_off: bool
    """The segment states a size that is more than what is there."""


def looks_like(head: bytes) -> bool:
    return head.startswith(MAGIC)


def examine(head: bytes, size_bytes: int) -> EbmlFacts:
    """Read what the first `HEAD_BYTES` tell; the track list stands there in every file that can be streamed."""
    for identifier, start, length in _elements(head, 0, len(head)):
        if identifier == _SEGMENT:
            end = len(head) if length is None else start + length
            return EbmlFacts(
                encrypted=_video_is_encrypted(head, start, min(end, len(head))),
                cut_off=length is not None and end > size_bytes,
            )
    return EbmlFacts(encrypted=False, cut_off=True)


def _video_is_encrypted(head: bytes, start: int, end: int) -> bool:
    for identifier, at, length in _elements(head, start, end):
        if identifier == _CLUSTER or length is None:
            return False
        if identifier == _TRACKS:
            return any(
                _is_encrypted_video(head, track, track + (size or 0))
                for kind, track, size in _elements(head, at, min(at + length, end))
                if kind == _TRACK
            )
    return False


def _is_encrypted_video(head: bytes, start: int, end: int) -> bool:
    is_video = encrypted = False
    for identifier, at, length in _elements(head, start, end):
        if identifier == _TRACK_TYPE and length:
            is_video = int.from_bytes(head[at : at + length], "big") == _VIDEO
        elif identifier == _ENCODINGS and length:
            encrypted = any(
                inner == _ENCRYPTION
                for kind, encoding, size in _elements(head, at, at + length)
                if kind == _ENCODING
                for inner, _, _ in _elements(head, encoding, encoding + (size or 0))
            )
    return is_video and encrypted


def _elements(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int | None]]:
    """Yield (identifier, payload start, payload length; None: unknown) of one level."""
    position, end = start, min(end, len(data))
    while position < end:
        identifier, position = _number(data, position, keep_marker=True)
        length, position = _number(data, position, keep_marker=False)
        if identifier is None:
            return
        yield identifier, position, length
        if length is None:
            return
        position += length


def _number(data: bytes, position: int, keep_marker: bool) -> tuple[int | None, int]:
    """Read one variable-length number; None: out of data, or (as a length) unknown."""
    if position >= len(data) or data[position] == 0:
        return None, position + 1
    width = 9 - data[position].bit_length()
    raw = data[position : position + width]
    if len(raw) < width:
        return None, position + width
    value = int.from_bytes(raw, "big")
    if keep_marker:
        return value, position + width
    mask = (1 << (7 * width)) - 1
    return (None if value & mask == mask else value & mask), position + width
