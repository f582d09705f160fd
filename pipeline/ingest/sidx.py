"""The segment index of an MP4 file (``sidx``, ISO/IEC 14496-12 8.16.3): which bytes hold which time."""

import struct
from dataclasses import dataclass

HEADER_BYTES = 8
REFERENCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One subsegment, or another index where `is_index`."""

    offset: int
    length: int
    time: int
    duration: int
    """In ticks of the timescale."""
    is_index: bool


@dataclass(frozen=True, slots=True)
class SegmentIndex:
    timescale: int
    entries: tuple[IndexEntry, ...]


def parse_sidx(data: bytes, position: int) -> SegmentIndex:
    """Return the first index in `data`, which lies at byte `position` of the file. Raises ValueError."""
    try:
        return _parse(data, position)
    except struct.error as exc:
        raise ValueError("the segment index is cut off") from exc


def _parse(data: bytes, position: int) -> SegmentIndex:
    at = 0
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        header = HEADER_BYTES
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + HEADER_BYTES)
            header += 8
        if length == 0:
            length = len(data) - at
        if kind == b"sidx":
            break
        if length < header:
            raise ValueError("no segment index where the manifest says")
        at += length
    end = at + length
    at += header
    version = data[at] if at < len(data) else 0
    # Version and flags, then the id of the stream that it indexes.
    _, timescale = struct.unpack_from(">II", data, at + 4)
    at += 12
    time, first = struct.unpack_from(">II" if version == 0 else ">QQ", data, at)
    at += 8 if version == 0 else 16
    _, count = struct.unpack_from(">HH", data, at)
    at += 4
    if timescale == 0 or count == 0:
        raise ValueError("the segment index is empty")
    # Offsets count from the first byte after the index.
    offset = position + end + first
    entries: list[IndexEntry] = []
    for _ in range(count):
        size, duration, _ = struct.unpack_from(">III", data, at)
        at += REFERENCE_BYTES
        is_index, size = bool(size >> 31), size & 0x7FFFFFFF
        if size == 0:
            raise ValueError("the segment index lists a subsegment of zero bytes")
        entries.append(IndexEntry(offset, size, time, duration, is_index))
        offset += size
        time += duration
    return SegmentIndex(timescale, tuple(entries))
