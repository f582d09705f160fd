"""What MPEG transport stream packets tell before a decoder sees them: scrambling, and a cut-off end."""

from collections import Counter
from dataclasses import dataclass

PACKET_BYTES = 188
HEAD_BYTES = 512 * 1024
_SYNC = 0x47
_FIRST_MEDIA_PID = 0x20
_NULL_PID = 0x1FFF


@dataclass(frozen=True, slots=True)
class TransportFacts:
    scrambled: bool
    """Most packets of the largest stream carry scrambled payload."""
    cut_off: bool
    """The file ends inside a packet."""


def looks_like(head: bytes) -> bool:
    """Tell whether packets of 188 bytes begin here (the first four are looked at, or all of a shorter file)."""
    starts = range(0, min(len(head), 4 * PACKET_BYTES), PACKET_BYTES)
    return len(head) >= PACKET_BYTES and all(head[start] == _SYNC for start in starts)


def examine(head: bytes, size_bytes: int) -> TransportFacts:
    packets: Counter[int] = Counter()
    scrambled: Counter[int] = Counter()
    for start in range(0, len(head) - PACKET_BYTES + 1, PACKET_BYTES):
        if head[start] != _SYNC:
            continue
        pid = (head[start + 1] & 0x1F) << 8 | head[start + 2]
        has_payload = head[start + 3] & 0x10
        if has_payload and _FIRST_MEDIA_PID <= pid < _NULL_PID:
            packets[pid] += 1
            scrambled[pid] += head[start + 3] >> 6 != 0
    (largest, count), *_ = packets.most_common(1) or [(0, 0)]
    return TransportFacts(
        scrambled=count > 0 and scrambled[largest] * 2 > count,
        cut_off=size_bytes % PACKET_BYTES != 0,
    )
