"""MPEG transport stream: a fragment in its packets, and the same packets moved to their place in time."""

import io
from collections import Counter

import av

PACKET = 188
CLOCK_HZ = 90_000
WRAP = 1 << 33
"""Time stamps have 33 bits: they begin again after 26.5 hours."""


def from_fragment(init: bytes, fragment: bytes) -> bytes:
    """Return one segment as a transport stream of its own, with PAT and PMT in front."""
    target = io.BytesIO()
    source = av.open(io.BytesIO(init + fragment), "r")
    with source, av.open(target, "w", format="mpegts") as sink:
        stream = source.streams.video[0]
        written = sink.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = written
                sink.mux(packet)
    return target.getvalue()


def first_time_stamp(data: bytes) -> int:
    """Return the first PTS, in 90 kHz ticks. Raises ValueError."""
    for start in range(0, len(data), PACKET):
        pes = _pes(data, start)
        if pes is not None and data[pes + 7] & 0x80:
            return _time_stamp(data, pes + 9)
    raise ValueError("the transport stream has no time stamp")


def packet_counts(data: bytes) -> Counter[int]:
    """Return by PID how many packets carry a payload: the continuity counter goes on by so many."""
    return Counter(
        (data[start + 1] & 0x1F) << 8 | data[start + 2] for start in range(0, len(data), PACKET) if data[start + 3] & 16
    )


def moved(data: bytes, shift: int, counters: Counter[int]) -> bytes:
    """Return the packets with all clocks put forward by `shift` (90 kHz), and continuity going on from `counters`."""
    out = bytearray(data)
    counters = counters.copy()
    for start in range(0, len(out), PACKET):
        pid = (out[start + 1] & 0x1F) << 8 | out[start + 2]
        flags = out[start + 3]
        out[start + 3] = flags & 0xF0 | (counters[pid] - (0 if flags & 16 else 1)) & 15
        if flags & 16:
            counters[pid] += 1
        if flags & 32 and out[start + 4] and out[start + 5] & 16:
            _move_clock(out, start + 6, shift)
        pes = _pes(out, start)
        if pes is None:
            continue
        if out[pes + 7] & 0x80:
            _put_time_stamp(out, pes + 9, (_time_stamp(out, pes + 9) + shift) % WRAP)
        if out[pes + 7] & 0x40:
            _put_time_stamp(out, pes + 14, (_time_stamp(out, pes + 14) + shift) % WRAP)
    return bytes(out)


def _pes(data: bytes | bytearray, start: int) -> int | None:
    """Return where the header of an elementary stream packet with time stamps begins in this packet, if one does."""
    if not data[start + 1] & 0x40:
        return None
    payload = start + 4 + (data[start + 4] + 1 if data[start + 3] & 32 else 0)
    if data[payload : payload + 3] != b"\x00\x00\x01" or not 0xE0 <= data[payload + 3] <= 0xEF:
        return None
    return payload


def _time_stamp(data: bytes | bytearray, at: int) -> int:
    return (
        (data[at] >> 1 & 7) << 30
        | data[at + 1] << 22
        | (data[at + 2] >> 1) << 15
        | data[at + 3] << 7
        | data[at + 4] >> 1
    )


def _put_time_stamp(data: bytearray, at: int, value: int) -> None:
    data[at] = data[at] & 0xF1 | (value >> 30 & 7) << 1
    data[at + 1] = value >> 22 & 0xFF
    data[at + 2] = (value >> 15 & 0x7F) << 1 | 1
    data[at + 3] = value >> 7 & 0xFF
    data[at + 4] = (value & 0x7F) << 1 | 1


def _move_clock(data: bytearray, at: int, shift: int) -> None:
    """Move the program clock reference: 33 bits at 90 kHz, the rest stays."""
    base = int.from_bytes(data[at : at + 4], "big") << 1 | data[at + 4] >> 7
    base = (base + shift) % WRAP
    data[at : at + 4] = (base >> 1).to_bytes(4, "big")
    data[at + 4] = data[at + 4] & 0x7F | (base & 1) << 7
