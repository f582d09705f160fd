"""The SCTE-35 message that marks an ad break: a splice_insert out of the network, or back in."""

POLYNOMIAL = 0x04C11DB7
TICKS_A_SECOND = 90_000


def splice_insert(event_id: int, *, out: bool, pts: int, duration_seconds: float) -> bytes:
    """Return the splice_info_section (SCTE 35, 9.6 and 9.7.3).

    Args:
        out: True: the break begins; False: it is over.
        pts: Where in the stream, 33 bits at 90 kHz.
        duration_seconds: Of the break; said where it begins.
    """
    flags = (0x80 if out else 0) | 0x40 | (0x20 if out else 0) | 0x0F  # out of network, whole program, duration
    command = event_id.to_bytes(4, "big") + b"\x7f" + bytes([flags]) + _time(pts, 0xFE)
    if out:
        command += _time(round(duration_seconds * TICKS_A_SECOND), 0xFE)  # returns by itself
    command += b"\x00\x01\x01\x01"  # program 1, avail 1 of 1
    head = b"\x00" + bytes(5) + b"\x00" + (0xFFF << 12 | len(command)).to_bytes(3, "big") + b"\x05"
    body = head + command + b"\x00\x00"
    section = b"\xfc" + (0x3000 | len(body) + 4).to_bytes(2, "big") + body
    return section + _crc(section).to_bytes(4, "big")


def _time(ticks: int, flags: int) -> bytes:
    """Seven bits of flags and reserved bits, then 33 bits of time."""
    return (flags << 32 | ticks & 0x1FFFFFFFF).to_bytes(5, "big")


def _crc(data: bytes) -> int:
    """CRC-32 of MPEG-2 sections."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ POLYNOMIAL if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
