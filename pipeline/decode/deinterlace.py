"""Interlaced pictures become progressive ones, one for one (bwdif, one picture per frame)."""

from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
import av.filter


class Deinterlacer:
    """Starts with the first interlaced picture; before it, and where a picture is progressive, nothing changes.

    bwdif: the w3fdif and yadif filters combined, as libavfilter ships it.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._graph: av.filter.Graph | None = None

    @property
    def is_active(self) -> bool:
        return self._graph is not None

    def feed(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        if self._graph is None:
            if not frame.interlaced_frame:
                yield frame
                return
            self._graph = self._built(frame)
        self._graph.vpush(frame)
        yield from self._ready()

    def flush(self) -> Iterator[av.VideoFrame]:
        """Yield the picture that was held back; call once, at the end."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready()

    def _built(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        graph.threads = 1
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=self._time_base
        )
        graph.link_nodes(
            source, graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced"), graph.add("buffersink")
        ).configure()
        return graph

    def _ready(self) -> Iterator[av.VideoFrame]:
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            if frame.pts is not None and frame.time_base:  # bwdif counts in half ticks, for its other mode
                frame.pts = round(frame.pts * frame.time_base / self._time_base)
                frame.time_base = self._time_base
            yield frame
