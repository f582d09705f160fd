"""How numbers and names are written for a person, the same in the terminal, on the page and in sentences."""

from datetime import UTC, datetime
from fractions import Fraction

from schemas import TimeBasis

CODEC_NAMES = {
    "h264": "H.264",
    "hevc": "HEVC",
    "av1": "AV1",
    "vp9": "VP9",
    "vp8": "VP8",
    "mpeg2video": "MPEG-2",
    "mpeg4": "MPEG-4",
    "mjpeg": "JPEG",
    "png": "PNG",
}
WALL_CLOCK = frozenset({TimeBasis.PROGRAM_DATE_TIME, TimeBasis.AVAILABILITY})


def printable(text: str) -> str:
    """Return `text` without what would steer a terminal: names come from outside."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def as_bitrate(bps: float | None) -> str:
    if bps is None:
        return "–"
    if bps >= 999_500:
        return f"{bps / 1e6:.2f} Mbit/s" if bps < 99.95e6 else f"{bps / 1e6:.0f} Mbit/s"
    return f"{bps / 1e3:.0f} kbit/s"


def as_time(seconds: float, basis: TimeBasis = TimeBasis.MEDIA_TIME) -> str:
    """Return a moment: ``6.4 s`` and ``12 s``, from a minute on ``2:05`` and ``1:02:03``, live as UTC."""
    if basis in WALL_CLOCK:
        return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S} UTC"
    if abs(seconds) < 60:
        return f"{round(seconds, 1):g} s"
    sign, whole = "-" if seconds < 0 else "", round(abs(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{sign}{hours}:{minutes:02d}:{rest:02d}" if hours else f"{sign}{minutes}:{rest:02d}"


def as_span(start_seconds: float, end_seconds: float | None, basis: TimeBasis = TimeBasis.MEDIA_TIME) -> str:
    """Return ``from 6 s to 12 s``, or ``from 12 s on`` where the end is None."""
    if end_seconds is None:
        return f"from {as_time(start_seconds, basis)} on"
    return f"from {as_time(start_seconds, basis)} to {as_time(end_seconds, basis)}"


def as_duration(seconds: float) -> str:
    return as_time(seconds) if seconds < 60 else f"{as_time(seconds)} {'h' if seconds >= 3600 else 'min'}"


def as_codec(codec: str) -> str:
    return CODEC_NAMES.get(codec, printable(codec))


def as_size(width_px: int, height_px: int) -> str:
    return f"{width_px}×{height_px}"


def as_rate(rate: Fraction | None) -> str:
    """Return ``25`` or ``29.97``; a dash where the rate is not known."""
    return "–" if rate is None else f"{float(rate):.4g}"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: list[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
