"""An opened source: what it is, and its pictures in presentation order."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType

import av
import av.error
from av.sidedata.sidedata import Type

from pipeline.decode import duration, opening
from pipeline.decode.deinterlace import Deinterlacer
from pipeline.decode.geometry import Orientation, display_aspect, side_data
from pipeline.decode.log import captured
from pipeline.decode.notes import Notes
from pipeline.decode.packets import PacketReader, VideoPacket, frame_rate_of
from pipeline.decode.picture import Picture, PictureContext
from pipeline.decode.source import MediaSource
from pipeline.decode.timestamps import Timeline
from pipeline.errors import Damaged, LimitExceeded, Rejected, Truncated, UnsupportedCodec
from pipeline.settings import DecodeLimits
from schemas import Finding

_CLOCK_33_BITS = 1 << 33
_DEFAULT_STEP_SECONDS = 0.04
_ROUNDING_SECONDS = 1e-6
# Seconds before a wanted time to seek to, until a picture at or before it comes out; then from the start.
_SEEK_MARGINS_SECONDS = (0.0, 2.0, 10.0, 30.0)
# These decoders conceal damage without a mark on the picture.
_SAYS_DAMAGE_IN_LOG = frozenset(("hevc", "vvc", "vp9", "av1"))


@dataclass(frozen=True, slots=True, eq=False)
class _Sent:
    """Travels with a packet through the decoder to the picture that it becomes."""

    bytes: int


def open_media(source: MediaSource, limits: DecodeLimits, *, threads: int = 1, export_qp: bool = True) -> Media:
    """Open a source and decode its first picture. Use with `with`.

    `threads`: more than one costs 5 to 9 % more work in all and only helps a single urgent segment.
    `export_qp`: have H.264, MPEG-2 and VP9 pictures tell their quantiser (`Frame.qp`), for 0.4 % of the decoding time.
    Raises a `Rejected` that says what is wrong: NotFound, NotAllowed, EmptyInput, NotMedia, AudioOnly, SubtitleOnly,
    NoVideo, Encrypted, HdrNotScored, Truncated, Damaged, UnsupportedCodec, LimitExceeded.
    """
    return Media(source, limits, threads, export_qp)


class Media:
    """One video stream. Pictures are decoded as they are asked for, one behind the other."""

    codec: str
    """As decoders call it: ``h264``, ``hevc``, ``av1``, ``vp9``, ``mpeg2video``."""
    width_px: int
    """As coded, after rotation."""
    height_px: int
    display_aspect: Fraction
    """Width over height as shown: pixels made square, rotated."""
    bit_depth: int
    frame_rate: Fraction | None
    """Pictures a second as the stream states it; None: not stated, or a still."""
    still: bool
    start_seconds: float
    """Time of the first picture: 0 for a file, media time for a segment in memory."""
    end_seconds: float | None
    """End of the last picture, exclusive: as the headers or the packets say, and exact once all is decoded.
    None: not known before all is decoded."""
    audio_lag_seconds: float | None
    """How much later than the first picture the sound begins, by the container; None: there is no sound."""
    interlaced: bool
    """An interlaced picture has come by; such pictures are deinterlaced (bwdif), one for one."""

    def __init__(self, source: MediaSource, limits: DecodeLimits, threads: int, export_qp: bool) -> None:
        self._source, self._limits, self._threads, self._export_qp = source, limits, threads, export_qp
        self._notes = Notes()
        self._context: PictureContext | None = None
        self._coded_size = (0, 0)
        self._origin_seconds: float | None = None if source.path else 0.0
        self._last_seconds: float | None = None
        self._decoder_log: list[str] = []
        self._unsupported = False
        self._packets_seen = 0
        self.interlaced = False
        self._started = False
        self._running: Iterator[Picture] = iter(())
        self._input = self._opened()
        try:
            self._describe()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Media:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._running = iter(())
        self._input.close()

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What was met while decoding, up to now."""
        return self._notes.all()

    def take_notes(self) -> tuple[Finding, ...]:
        """Return what was met since the last call, so that each window gets its own."""
        return self._notes.take()

    def frames(self, start_seconds: float | None = None) -> Iterator[Picture]:
        """Yield the pictures in presentation order, from the first at or after `start_seconds` (None: from the first).

        One iterator runs at a time: a new call ends the one before. Raises HdrNotScored and LimitExceeded where
        a later picture is the reason.
        """
        if start_seconds is None or start_seconds <= self.start_seconds:
            if self._started:
                self._reopen()
            self._started = True
            return self._running
        self._started = True
        pictures = self._sought(start_seconds)
        return itertools.dropwhile(lambda picture: picture.time_seconds < start_seconds - _ROUNDING_SECONDS, pictures)

    def _opened(self) -> opening.Input:
        opened = opening.open_input(self._source, self._limits)
        decoder = opened.stream.codec_context
        decoder.thread_count = self._threads
        decoder.copy_opaque = True
        decoder.options = {"max_pixels": str(self._limits.max_pixels)} | (
            {"export_side_data": "venc_params"} if self._export_qp else {}
        )
        return opened

    def _reopen(self) -> None:
        self.close()
        self._input = self._opened()
        self._running = self._pictures(self._packets())

    def _packets(self) -> PacketReader:
        return PacketReader(self._input.container, self._input.stream)

    def _describe(self) -> None:
        """Fill in the facts; decodes the first picture, because only it tells some of them for sure."""
        name, stream = self._source.name, self._input.stream
        decoder = stream.codec_context
        opening.check_size(decoder.width, decoder.height, self._limits, name)
        opening.check_range(decoder.color_trc, name)
        opening.check_dolby_vision(decoder.codec_tag, decoder.color_trc, has_metadata=False, name=name)
        self.codec = decoder.codec.canonical_name
        self.still = opening.is_still(self._input.container, stream)
        self.frame_rate = None if self.still else frame_rate_of(stream)
        self._step_seconds = float(1 / self.frame_rate) if self.frame_rate else _DEFAULT_STEP_SECONDS
        # a segment is in memory anyway, and its exact end decides how it is cut into buckets
        held = self._all_packets() if self._source.data is not None else None
        pictures = self._pictures(self._packets() if held is None else held)
        first = next(pictures, None)
        if first is None:
            raise self._nothing_came_out()
        self.start_seconds = first.time_seconds
        self.audio_lag_seconds = opening.audio_lag(self._input.container, stream)
        if self.still:
            self.end_seconds = self.start_seconds
        elif held is not None:
            self.end_seconds = self._end_of_packets(held)
        else:
            self.end_seconds = self._end_of_file()
        self._running = _resumed(first, pictures)

    def _all_packets(self) -> list[VideoPacket]:
        most = 2 * self._limits.max_frames  # two fields may come as two packets
        held = list(itertools.islice(self._packets(), most + 1))
        if len(held) > most:
            raise self._too_many()
        return held

    def _describe_picture(self, frame: av.VideoFrame) -> None:
        orientation = Orientation.of(frame)
        self._coded_size = (frame.width, frame.height)
        self.width_px, self.height_px = orientation.size(frame.width, frame.height)
        self.display_aspect = display_aspect(
            frame.width, frame.height, self._input.stream.sample_aspect_ratio, orientation
        )
        self.bit_depth = max(component.bits for component in frame.format.components)
        self._context = PictureContext(
            orientation=orientation,
            display_aspect=self.display_aspect,
            untagged_gray_is_full=self.still or self.codec in ("png", "apng", "gif"),
        )
        opening.check_dolby_vision(
            "", frame.color_trc, side_data(frame, Type.DOVI_METADATA) is not None, self._source.name
        )

    @property
    def _wrap_ticks(self) -> int | None:
        """Period of the clock where it is ours to unwrap; within a file libav does."""
        in_memory = self._source.data is not None
        return _CLOCK_33_BITS if in_memory and self._input.container.format.name in ("mpegts", "mpeg") else None

    def _end_of_packets(self, packets: Iterable[VideoPacket]) -> float | None:
        return duration.of_packets(packets, self._step_seconds, self._input.time_base, self._wrap_ticks)

    def _end_of_file(self) -> float | None:
        end = duration.stated_end(self._input)
        if end is None:
            again = opening.open_input(self._source, self._limits)
            try:
                end = self._end_of_packets(PacketReader(again.container, again.stream))
            finally:
                again.close()
        return None if end is None else max(0.0, end - (self._origin_seconds or 0.0))

    def _sought(self, start_seconds: float) -> Iterator[Picture]:
        """Return pictures that begin at or before `start_seconds`, from the nearest key picture that serves."""
        if self._source.path is not None and not self.still:
            decoder = self._input.stream.codec_context
            depth = decoder.reorder_depth
            for margin in _SEEK_MARGINS_SECONDS:
                target = start_seconds - margin + (self._origin_seconds or 0.0)
                if target <= (self._origin_seconds or 0.0):
                    break
                try:
                    self._input.container.seek(int(target / self._input.time_base), stream=self._input.stream)
                except av.error.FFmpegError:
                    break
                decoder.reorder_depth = depth  # a flush forgets it, and B pictures of a pyramid would be dropped
                self._running = self._pictures(self._packets())
                first = next(self._running, None)
                if first is not None and first.time_seconds <= start_seconds:
                    return _resumed(first, self._running)
        self._reopen()
        self._started = True
        return self._running

    def _pictures(self, packets: Iterable[VideoPacket]) -> Iterator[Picture]:
        timeline = Timeline(self._input.time_base, self._step_seconds, self._wrap_ticks)
        missing = repaired = 0
        stamped = ((frame, frame.pts) for frame in self._progressive(self._decoded(packets)))
        for index, (frame, placed_seconds) in enumerate(timeline.place(stamped)):
            if self._origin_seconds is None:
                self._origin_seconds = placed_seconds
            seconds = self._last_seconds = placed_seconds - self._origin_seconds
            if timeline.missing != missing or timeline.repaired != repaired:
                expected = self._input.container.format.name in opening.RAW_FORMATS
                self._notes.stamps(0 if expected else timeline.missing - missing, timeline.repaired - repaired)
                missing, repaired = timeline.missing, timeline.repaired
            assert self._context is not None
            sent = frame.opaque
            yield Picture(frame, self._context, index, seconds, sent.bytes if isinstance(sent, _Sent) else None)
            if self.still:
                return
        if self._input.preflight.cut_off:
            self._notes.cut_off(self._last_seconds)
        if self._last_seconds is not None:
            self.end_seconds = self._last_seconds + self._step_seconds

    def _progressive(self, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        deinterlacer = Deinterlacer(self._input.time_base)
        for frame in frames:
            yield from deinterlacer.feed(frame)
            self.interlaced = self.interlaced or deinterlacer.is_active
        yield from deinterlacer.flush()

    def _decoded(self, packets: Iterable[VideoPacket]) -> Iterator[av.VideoFrame]:
        """Yield frames as the decoder gives them, past damaged packets, until the size changes or all is read."""
        decoder = self._input.stream.codec_context
        name, count = self._source.name, 0
        max_frames = self._limits.max_frames if self._source.data is not None else None
        for packet in itertools.chain(packets, (None,)):
            if packet is not None:
                self._packets_seen += 1
                packet.opaque = _Sent(packet.size)
            log: list[str] = []
            try:
                with captured(log):
                    frames = decoder.decode(packet)
            except MemoryError:
                raise
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, ValueError) as exc:
                self._unsupported = self._unsupported or isinstance(exc, av.error.PatchWelcomeError)
                self._decoder_log = log or [str(exc)]
                self._notes.damaged_packet(self._last_seconds, self._decoder_log[-1])
                continue
            for frame in frames:
                if self._context is None:
                    opening.check_size(frame.width, frame.height, self._limits, name)
                    self._describe_picture(frame)
                if (frame.width, frame.height) != self._coded_size:
                    before = "{}x{}".format(*self._coded_size)
                    self._notes.size_changed(before, f"{frame.width}x{frame.height}", self._last_seconds)
                    return
                if frame.color_trc in opening.HDR_TRANSFERS:
                    opening.check_range(frame.color_trc, name)
                if frame.is_corrupt:
                    self._notes.damaged_picture(self._last_seconds, log[-1] if log else None)
                    log = []
                count += 1
                if max_frames is not None and count > max_frames:
                    raise self._too_many()
                yield frame
            if log and self.codec in _SAYS_DAMAGE_IN_LOG:
                self._notes.damaged_packet(self._last_seconds, log[-1])

    def _too_many(self) -> LimitExceeded:
        return LimitExceeded(
            f"{self._source.name}: more than {self._limits.max_frames} pictures in one segment; "
            "raise RUNGWATCH_DECODE_MAX_FRAMES if this is meant"
        )

    def _nothing_came_out(self) -> Rejected:
        name, detail = self._source.name, "\n".join(self._decoder_log) or None
        if detail and ("max pixel count" in detail or "Picture size" in detail):
            return LimitExceeded(
                f"{name}: a picture of more than {self._limits.max_pixels} pixels; "
                "raise RUNGWATCH_DECODE_MAX_PIXELS if this is meant",
                detail,
            )
        if self._unsupported:
            return UnsupportedCodec(
                f"{name}: {self.codec} with a feature that no decoder here reads; encode it differently", detail
            )
        if not self._packets_seen:
            return Truncated(
                f"{name}: headers without a picture behind them; an init segment needs its media segment, "
                "anything else was cut off",
                detail,
            )
        if self._input.preflight.cut_off:
            return Truncated(f"{name}: cut off before the first picture; copy or fetch it again", detail)
        return Damaged(f"{name}: {self.codec} packets, but no picture comes out; copy or encode it again", detail)


def _resumed(first: Picture, rest: Iterator[Picture]) -> Iterator[Picture]:
    """Yield a picture that was looked at, then the rest; unlike `itertools.chain`, hold on to none."""
    held = [first]
    del first
    yield held.pop()
    yield from rest
