"""The encoders of the demo and of the live origin: live-like rate control, and what is declared of the result."""

from collections.abc import Callable
from fractions import Fraction
from typing import Literal

Codec = Literal["h264", "hevc"]

ENCODERS: dict[Codec, str] = {"h264": "libx264", "hevc": "libx265"}
ALIKE = {"h264": "bframes=0:level=4.0", "hevc": "bframes=0:level-idc=40:info=0"}
"""The level stated rather than found from the bitrate, and no settings written into the headers: so encodes of one rung
at other bitrates have the same parameter sets, and share one init segment. Pictures are coded in the order in which
they are shown, so that a segment's first time stamp is its place in time, to the tick, in every container."""


def encoder_options(codec: Codec, bitrate_bps: int, gop: int, *, alike: bool = False) -> dict[str, str]:
    """Return live-like rate control with a key picture per segment.

    One thread each: under a rate limit x264 does not give the same bytes twice with more.

    Args:
        alike: Give encodes at other bitrates the same parameter sets, and exact time stamps.
    """
    peak, buffer = bitrate_bps * 11 // 10 // 1000, bitrate_bps * 3 // 2 // 1000
    shared = f"keyint={gop}:min-keyint={gop}:scenecut=0:vbv-maxrate={peak}:vbv-bufsize={buffer}"
    if alike:
        shared += f":{ALIKE[codec]}"
    if codec == "h264":
        return {"preset": "superfast", "x264-params": f"{shared}:threads=1"}
    threads = "pools=none:wpp=0:frame-threads=1"
    return {"preset": "ultrafast", "x265-params": f"{shared}:open-gop=0:{threads}:log-level=none"}


def even(size: float | Fraction) -> int:
    """Return the nearest even number of pixels that an encoder takes."""
    return max(16, round(size / 2) * 2)


def _avc_string(parameter_sets: bytes) -> str:
    """Profile, constraints and level as in ISO 14496-15: the three bytes after the SPS's header."""
    sps = parameter_sets[parameter_sets.index(b"\x00\x00\x01\x67") + 4 :]
    return f"avc1.{sps[:3].hex()}"


def _hevc_string(parameter_sets: bytes) -> str:
    """Profile, compatibility, tier, level and constraints as in ISO 14496-15 annex E."""
    start = parameter_sets.index(b"\x00\x00\x01\x42\x01") + 5
    level = parameter_sets[start:].replace(b"\x00\x00\x03", b"\x00\x00")[1:13]  # profile_tier_level, unescaped
    tier, profile = level[0] >> 5 & 1, level[0] & 31
    compatibility = int(f"{int.from_bytes(level[1:5], 'big'):032b}"[::-1], 2)
    constraints = [f"{byte:X}" for byte in level[5:11].rstrip(b"\x00")]
    return ".".join([f"hvc1.{profile}.{compatibility:X}.{'LH'[tier]}{level[11]}", *constraints])


RFC6381: dict[Codec, Callable[[bytes], str]] = {"h264": _avc_string, "hevc": _hevc_string}
"""The CODECS string, out of the parameter sets of an encoder."""
