"""Where a source ends, before it is decoded: from headers that can be trusted, or else from its packets."""

from collections.abc import Iterable
from fractions import Fraction

from pipeline.decode.opening import Input
from pipeline.decode.packets import VideoPacket, extent_of

# libav guesses the length of what is not among these from the bit rate.
_STATES_LENGTH = ("mov,mp4,m4a,3gp,3g2,mj2", "avi", "mxf", "mpegts")


def stated_end(opened: Input) -> float | None:
    """Return the end of the last picture in stream time; None: the packets must be read to know it."""
    preflight, stream, format_name = opened.preflight, opened.stream, opened.container.format.name
    if preflight.cut_off or preflight.fragmented:
        return None
    if format_name in _STATES_LENGTH and stream.duration is not None:
        return float(((stream.start_time or 0) + stream.duration) * opened.time_base)
    if format_name == "matroska,webm" and (tag := stream.metadata.get("DURATION")):
        return _clock_seconds(tag)
    return None


def of_packets(
    packets: Iterable[VideoPacket], step_seconds: float, time_base: Fraction, wrap_ticks: int | None
) -> float | None:
    """Return the end of the last picture; reads all packets, decodes none. None: they do not tell."""
    extent = extent_of(packets, step_seconds / float(time_base), wrap_ticks)
    if extent.first_pts is None or extent.end_pts is None:
        return extent.packets * step_seconds if extent.packets and not extent.set_back else None
    base = extent.first_pts % wrap_ticks if wrap_ticks else extent.first_pts
    return float((base + extent.end_pts - extent.first_pts) * time_base)


def _clock_seconds(text: str) -> float | None:
    """Read ``00:01:02.500000000``; None: something else stands there."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
