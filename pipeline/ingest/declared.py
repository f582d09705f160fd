"""What playlists declare, in our words: codec names from RFC 6381 strings, exact frame rates, sizes."""

import re
from fractions import Fraction

VIDEO_CODECS = {
    "avc1": "h264",
    "avc2": "h264",
    "avc3": "h264",
    "avc4": "h264",
    "dva1": "h264",
    "dvav": "h264",
    "hvc1": "hevc",
    "hev1": "hevc",
    "dvh1": "hevc",
    "dvhe": "hevc",
    "av01": "av1",
    "av1": "av1",
    "dav1": "av1",
    "vp08": "vp8",
    "vp8": "vp8",
    "vp09": "vp9",
    "vp9": "vp9",
    "vvc1": "vvc",
    "vvi1": "vvc",
    "mp2v": "mpeg2video",
    "mjpg": "mjpeg",
    "mjpeg": "mjpeg",
    "theora": "theora",
}
TEXT_CODECS = {"stpp", "wvtt", "tx3g", "ttml", "vtt", "c608", "c708"}
AUDIO_CODECS = {"mp4a", "ac-3", "ec-3", "ac-4", "opus", "vorbis", "flac", "alac", "mp3", "iamf", "ipcm", "lpcm"}
AUDIO_CODEC_STARTS = ("dts", "mha", "mhm", "samr", "sawb", "sawp")

MOST_RATE = 1000


def _video_codec(entry: str) -> str | None:
    name, _, rest = entry.strip().lower().partition(".")
    if name != "mp4v":
        return VIDEO_CODECS.get(name)
    # Object type of ISO/IEC 14496-1: 60-65 are the profiles of MPEG-2, 6a is MPEG-1, 20 is MPEG-4 part 2.
    object_type = rest.partition(".")[0]
    if object_type in ("60", "61", "62", "63", "64", "65"):
        return "mpeg2video"
    return "mpeg1video" if object_type == "6a" else "mpeg4"


def video_codec(codecs: str | None) -> str | None:
    """Return the short name of the first video codec in an RFC 6381 list; None: none that is known."""
    return next(filter(None, map(_video_codec, (codecs or "").split(","))), None)


def without_pictures(codecs: str | None) -> str | None:
    """Return ``audio`` or ``text`` where the list holds nothing else, None where there may be pictures."""
    names = [entry.strip().lower().partition(".")[0] for entry in (codecs or "").split(",") if entry.strip()]
    kinds = {
        "text"
        if name in TEXT_CODECS
        else "audio"
        if name in AUDIO_CODECS or name.startswith(AUDIO_CODEC_STARTS)
        else ""
        for name in names
    }
    if not kinds or "" in kinds:
        return None
    return "audio" if "audio" in kinds else "text"


def exact_rate(text: str | float | None) -> Fraction | None:
    """Return a declared frame rate as it was meant: 29.97 is 30000/1001. None: nothing usable is declared."""
    # Checked first: Fraction("1e999999999") would compute that number.
    if not re.fullmatch(r"\s*\d{1,9}(\.\d{1,9}|/0*[1-9]\d{0,8})?\s*", str(text)):
        return None
    rate = Fraction(str(text))
    if not 0 < rate <= MOST_RATE:
        return None
    if rate.denominator == 1 or "/" in str(text):
        return rate
    for whole in (24, 30, 48, 60, 120, 240):
        # Playlists round 30000/1001 to 29.97 or 29.970: 0.005 covers two digits, and 25 fps stays far away.
        if abs(rate - Fraction(whole * 1000, 1001)) < Fraction(5, 1000):
            return Fraction(whole * 1000, 1001)
    return rate.limit_denominator(1001)


def pixels(text: str | int | None) -> int | None:
    """Return a declared width or height, None where it is not one."""
    try:
        value = int(str(text))
    except ValueError:
        return None
    return value if 1 <= value <= 65_535 else None


def size(text: str | None) -> tuple[int | None, int | None]:
    """Return (width, height) of ``1920x1080``."""
    match = re.fullmatch(r"\s*(\d{1,5})\s*[xX]\s*(\d{1,5})\s*", text or "")
    return (pixels(match[1]), pixels(match[2])) if match else (None, None)


def bitrate(*candidates: str | int | None) -> int | None:
    """Return the first candidate that is a bitrate in bit/s."""
    for candidate in candidates:
        try:
            value = int(float(str(candidate)))
        except (ValueError, OverflowError):
            continue
        if 1 <= value <= 10_000_000_000:
            return value
    return None
