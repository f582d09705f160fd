"""Fragmented MP4 as CMAF has it: one file cut into init segment and fragments, each moved to its place in time."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SEGMENT_TYPE = struct.pack(">I4s4sI4s4s", 24, b"styp", b"msdh", 0, b"msdh", b"msix")
DATA_OFFSET, FIRST_SAMPLE_FLAGS, SIZES_ONLY = 0x1, 0x4, 0x200
"""Flags of `trun`: what it states of its pictures."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One `moof` with its `mdat`: a media segment that begins at time 0."""

    data: bytes
    number_offset: int
    """Where `mfhd` holds the sequence number, 32 bits."""
    time_offset: int
    """Where `tfdt` holds the decode time, 64 bits."""
    begin: int = 0
    """Ticks after the begin of the segment that it belongs to."""

    @property
    def size(self) -> int:
        """Bytes as it is served."""
        return len(SEGMENT_TYPE) + len(self.data)

    def at(self, number: int, decode_time: int) -> bytes:
        """Return the segment with this number and time stamp (in the timescale of the init segment)."""
        moved = bytearray(SEGMENT_TYPE + self.data)
        shift = len(SEGMENT_TYPE)
        struct.pack_into(">I", moved, shift + self.number_offset, number & 0xFFFFFFFF)
        struct.pack_into(">Q", moved, shift + self.time_offset, decode_time + self.begin)
        return bytes(moved)


def part(fragment: Fragment, first: int, end: int) -> Fragment:
    """Return the pictures [first, end) of a fragment as one of their own, its decode time counted from the fragment's.

    Raises:
        ValueError: The fragment is not as `workers.simulate.writer` makes it.
    """
    header, header_end = find(fragment.data, b"moof", b"traf", b"tfhd")
    run, _ = find(fragment.data, b"moof", b"traf", b"trun")
    if int.from_bytes(fragment.data[run + 1 : run + 4], "big") & 0xFFFFF0 != SIZES_ONLY:
        raise ValueError("pictures of a fragment are expected to differ in size alone")
    flagged = fragment.data[run + 3] & FIRST_SAMPLE_FLAGS
    sizes_at = run + 12 + (4 if flagged else 0)
    count = int.from_bytes(fragment.data[run + 4 : run + 8], "big")
    sizes = struct.unpack_from(f">{count}I", fragment.data, sizes_at)
    content, _ = find(fragment.data, b"mdat")
    start = content + sum(sizes[:first])
    media = fragment.data[start : start + sum(sizes[first:end])]
    # The first picture is a key picture in the first part only; the header's defaults speak of the others.
    first_flags = fragment.data[run + 12 : run + 16] if flagged and first == 0 else b""
    kinds = SIZES_ONLY | DATA_OFFSET | (FIRST_SAMPLE_FLAGS if first_flags else 0)
    head = struct.pack(">II", kinds, end - first)
    tail = first_flags + struct.pack(f">{end - first}I", *sizes[first:end])
    duration = _default_duration(fragment.data[header:header_end])
    track = _box(b"tfhd", fragment.data[header:header_end]) + _box(b"tfdt", struct.pack(">IQ", 1 << 24, 0))
    number = _box(b"mfhd", bytes(8))
    size = 8 + len(number) + 8 + len(track) + 8 + len(head) + 4 + len(tail)
    moof = _box(b"moof", number + _box(b"traf", track + _box(b"trun", head + struct.pack(">I", size + 8) + tail)))
    made = _fragment(moof + _box(b"mdat", media))
    return Fragment(made.data, made.number_offset, made.time_offset, first * duration)


def _default_duration(header: bytes) -> int:
    """Return the ticks of a picture, which the track's header states for all of them."""
    flags = int.from_bytes(header[1:4], "big")
    if not flags & 8:
        raise ValueError("the fragment states no common duration of its pictures")
    at = 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
    return int.from_bytes(header[at : at + 4], "big")


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def cut(file: bytes) -> tuple[bytes, list[Fragment]]:
    """Return the init segment and the fragments of a file with one track and a fragment per key picture."""
    starts = [start for kind, start, _ in boxes(file, 0, len(file)) if kind == b"moof"]
    ends = [*starts[1:], next((s for kind, s, _ in boxes(file, 0, len(file)) if kind == b"mfra"), len(file))]
    return file[: starts[0]], [_fragment(file[start:end]) for start, end in zip(starts, ends, strict=True)]


def timescale(init: bytes) -> int:
    """Return the ticks a second of the first track."""
    start, _ = find(init, b"moov", b"trak", b"mdia", b"mdhd")
    version = init[start]
    return int.from_bytes(init[start + (20 if version else 12) :][:4], "big")


def decode_time(segment: bytes) -> int:
    """Return the decode time of the first picture, in ticks."""
    start, _ = find(segment, b"moof", b"traf", b"tfdt")
    return int.from_bytes(segment[start + 4 : start + (12 if segment[start] else 8)], "big")


def find(data: bytes, *path: bytes) -> tuple[int, int]:
    """Return (start, end) of the content of the box at the path. Raises ValueError."""
    start, end = 0, len(data)
    for name in path:
        found = next(((s, e) for kind, s, e in boxes(data, start, end) if kind == name), None)
        if found is None:
            raise ValueError(f"the file has no box {b'/'.join(path).decode()}")
        start, end = found[0] + 8, found[1]
    return start, end


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, start, end) of the boxes side by side in data[start:end]; 32-bit sizes, as segments have."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8 or start + size > end:
            raise ValueError(f"the box at byte {start} has an impossible size of {size} bytes")
        yield kind, start, start + size
        start += size


def _fragment(data: bytes) -> Fragment:
    number, _ = find(data, b"moof", b"mfhd")
    time, _ = find(data, b"moof", b"traf", b"tfdt")
    if data[time] != 1:
        raise ValueError("the muxer wrote a 32-bit decode time; 64 bits are needed to move it")
    return Fragment(data, number + 4, time + 4)
