"""What a SCTE-35 message says of an ad break: the only module that talks to threefive."""

import base64
import binascii
import logging
import re
from dataclasses import dataclass
from functools import cache

try:  # an extra of its own, for its licence is not ours
    import threefive
    from threefive.crc import crc32
except ImportError:
    threefive = None

log = logging.getLogger(__name__)

TABLE_ID = 0xFC
# A section's length is 12 bits and counts from its fourth byte on.
SMALLEST_BYTES, LARGEST_BYTES = 17, 4098
SPLICE_INSERT, TIME_SIGNAL = 5, 6
SEGMENTATION = 2

# segmentation_type_id of ANSI/SCTE 35, table 23: breaks, ads and opportunities for ads, of provider and distributor.
# Program, chapter and overlay types do not say that an ad is on.
STARTS = {0x22, 0x30, 0x32, 0x34, 0x36, 0x44, 0x46}
ENDS = {kind + 1 for kind in STARTS}
# A plausible break: longer ones are mistakes of units.
LONGEST_BREAK_SECONDS = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Splice:
    """Out of the program, or back into it."""

    is_out: bool
    duration_seconds: float | None = None
    """Planned length of the break; None: not said."""
    auto_return: bool = False
    """It ends by itself after the planned time, without a message that says so."""
    event_id: int | None = None


def splice_of_text(text: str) -> Splice | None:
    """Return what base64 or hexadecimal text says; None: nothing of a break, or not to be read."""
    text = text.strip().strip('"')
    if len(text) > 2 * LARGEST_BYTES + 2:
        return None
    try:
        if re.fullmatch(r"0[xX][0-9a-fA-F]+", text):
            return splice_of(bytes.fromhex(text[2:]))
        # Some packagers leave out the padding.
        return splice_of(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def splice_of(data: bytes) -> Splice | None:
    """Return what a splice_info_section says of a break; None: nothing, or it is damaged."""
    if threefive is None:
        _say_once()
        return None
    section = _section(data)
    if section is None:
        return None
    try:
        cue = threefive.Cue(section)
    except Exception:
        # The library raises whatever its bit reader and look-ups raise; a damaged marker must not cost the playlist.
        return None
    command = cue.command
    if command is None:
        return None
    if getattr(command, "command_type", None) == SPLICE_INSERT:
        if command.splice_event_cancel_indicator:
            return None
        return Splice(
            is_out=bool(command.out_of_network_indicator),
            duration_seconds=_length(command.break_duration),
            auto_return=bool(command.break_auto_return),
            event_id=command.splice_event_id,
        )
    found = [splice for descriptor in cue.descriptors if (splice := _segmentation(descriptor)) is not None]
    # A message that ends one ad and starts the next is a start.
    return next((splice for splice in found if splice.is_out), found[0] if found else None)


@cache
def _say_once() -> None:
    log.warning(
        "SCTE-35 messages are not decoded, so ads that nothing else marks count as program: "
        "pip install 'rungwatch[ads]' to decode them."
    )


def _section(data: bytes) -> bytes | None:
    """Return the section without what follows it, checked, so that the library is given nothing damaged."""
    if not SMALLEST_BYTES <= len(data) <= LARGEST_BYTES or data[0] != TABLE_ID:
        return None
    size = 3 + (int.from_bytes(data[1:3], "big") & 0xFFF)
    encrypted = bool(data[4] & 0x80)
    if size > len(data) or size < SMALLEST_BYTES or encrypted or data[13] not in (SPLICE_INSERT, TIME_SIGNAL):
        return None
    section = data[:size]
    # Over all bytes with the checksum itself it is 0.
    return section if crc32(section) == 0 else None


def _segmentation(descriptor: object) -> Splice | None:
    if getattr(descriptor, "tag", None) != SEGMENTATION:
        return None
    kind = getattr(descriptor, "segmentation_type_id", None)
    if kind not in STARTS | ENDS:
        return None
    event_id = getattr(descriptor, "segmentation_event_id", None)
    return Splice(
        is_out=kind in STARTS,
        duration_seconds=_length(getattr(descriptor, "segmentation_duration", None)),
        auto_return=True,
        event_id=int(event_id, 16) if isinstance(event_id, str) else None,
    )


def _length(seconds: object) -> float | None:
    if isinstance(seconds, int | float) and 0 < seconds <= LONGEST_BREAK_SECONDS:
        return float(seconds)
    return None
