"""What the bytes say before libav sees them: decoding encrypted samples would give garbage pictures."""

import os
from dataclasses import dataclass

from pipeline.decode import boxes, ebml, transport
from pipeline.decode.source import ByteFile
from pipeline.errors import Encrypted, NotMedia, Truncated

_TEXT_BYTES = frozenset(range(0x20, 0x7F)) | {0x09, 0x0A, 0x0D} | frozenset(range(0x80, 0x100))


@dataclass(frozen=True, slots=True)
class Preflight:
    container: str
    """``mov``, ``matroska``, ``mpegts``, ``avi``, ``text`` or ``other``."""
    size_bytes: int
    fragmented: bool = False
    cut_off: bool = False
    """The end is missing, as far as the container tells."""
    has_text_track: bool = False
    """Subtitles in ISO base media; libav counts some kinds of them as data."""


def examine(file: ByteFile, name: str) -> Preflight:
    """Look at the head and the index. Raises Encrypted, Truncated or NotMedia where they leave no doubt."""
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = _read(file, max(ebml.HEAD_BYTES, transport.HEAD_BYTES))
    if boxes.looks_like(head):
        return _of_boxes(boxes.examine(file, size_bytes), size_bytes, name)
    if ebml.looks_like(head):
        matroska = ebml.examine(head[: ebml.HEAD_BYTES], size_bytes)
        if matroska.encrypted:
            raise Encrypted(f"{name}: encrypted (WebM ContentEncryption): not scored; point to the clear media")
        return Preflight("matroska", size_bytes, cut_off=matroska.cut_off)
    if transport.looks_like(head):
        packets = transport.examine(head[: transport.HEAD_BYTES], size_bytes)
        if packets.scrambled:
            raise Encrypted(f"{name}: encrypted (scrambled transport stream): not scored; point to the clear media")
        return Preflight("mpegts", size_bytes, cut_off=packets.cut_off)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        stated_bytes = int.from_bytes(head[4:8], "little") + 8
        return Preflight("avi", size_bytes, cut_off=8 < stated_bytes < 1 << 32 and stated_bytes > size_bytes)
    return Preflight("text" if _is_text(head[:4096]) else "other", size_bytes)


def _of_boxes(facts: boxes.BoxFacts, size_bytes: int, name: str) -> Preflight:
    if facts.encryption:
        raise Encrypted(f"{name}: encrypted ({facts.encryption}): not scored; point to the clear media")
    if not facts.has_index and facts.fragmented:
        raise NotMedia(f"{name}: a media segment without its init segment; give the init segment (EXT-X-MAP) too")
    if not facts.has_index:
        raise Truncated(
            f"{name}: index (moov) missing: file was cut off or not finalised; copy it again or finish the recording"
        )
    return Preflight(
        "mov",
        size_bytes,
        fragmented=facts.fragmented,
        cut_off=facts.cut_off,
        has_text_track=not facts.handlers.isdisjoint(("text", "subt", "sbtl", "clcp", "subp")),
    )


def _read(file: ByteFile, count: int) -> bytes:
    """Read `count` bytes; an unbuffered file may give fewer at a time."""
    parts: list[bytes] = []
    while count > 0 and (part := file.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _is_text(head: bytes) -> bool:
    return bool(head) and _TEXT_BYTES.issuperset(head)
