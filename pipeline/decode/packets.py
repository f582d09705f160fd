"""Compressed packets in file order, and what they tell before anything is decoded."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import av
import av.container
import av.error

from pipeline.decode.log import captured

VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"

# A reader that fails this often in a row will not recover: a cut-off MP4 fails once for each sample that is gone.
_MAX_FAILED_READS = 16


class PacketReader:
    """Reads one stream's packets past damage; leaves out empty ones, which a decoder takes for the end."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream) -> None:
        self._container = container
        self._stream = stream
        self.failed_reads = 0
        self.log: list[str] = []

    def __iter__(self) -> Iterator[VideoPacket]:
        failed_in_a_row = 0
        packets = self._container.demux(self._stream)
        while True:
            try:
                with captured(self.log):
                    packet = next(packets)
            except StopIteration:
                return
            except MemoryError:
                raise
            except av.error.FFmpegError:
                self.failed_reads += 1
                failed_in_a_row += 1
                if failed_in_a_row >= _MAX_FAILED_READS:
                    return
                packets = self._container.demux(self._stream)  # goes on behind what could not be read
                continue
            failed_in_a_row = 0
            if packet.size:
                yield packet


@dataclass(frozen=True, slots=True)
class Extent:
    """Where the packets of a stream lie in time, in its ticks."""

    packets: int
    first_pts: int | None
    """None: no packet carries a presentation time, or the clock is set back among them."""
    end_pts: int | None
    """End of the last picture, exclusive."""
    set_back: bool = False


def extent_of(packets: Iterable[VideoPacket], step_ticks: float, wrap_ticks: int | None) -> Extent:
    """Read all packets; decode none."""
    count, first, end, last_dts = 0, None, None, None
    for packet in packets:
        count += 1
        pts, dts = packet.pts, packet.dts
        if pts is None or packet.is_discard:
            continue
        if last_dts is not None and dts is not None and dts < last_dts and wrap_ticks is None:
            return Extent(count, None, None, set_back=True)
        last_dts = dts if dts is not None else last_dts
        if first is None or end is None:
            first = end = pts
        if wrap_ticks is not None:
            pts = first + (pts - first + wrap_ticks // 2) % wrap_ticks - wrap_ticks // 2
        first = min(first, pts)
        end = max(end, pts + (packet.duration or round(step_ticks)))
    return Extent(count, first, end)


def frame_rate_of(stream: av.VideoStream) -> Fraction | None:
    """Return the frame rate that the container or the codec states; None: not stated, or beyond 1000/s."""
    for rate in (stream.guessed_rate, stream.average_rate, stream.codec_context.framerate):
        if rate and 0 < rate <= 1000:
            return Fraction(rate)
    return None
