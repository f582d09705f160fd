"""Builds the programme of `rungwatch demo`: an HLS ladder of four rungs, one of which starves and one stands still.

It encodes with PyAV, which only the decoder may import in `pipeline/`: the demo makes media instead of reading it,
and needs no ffmpeg binary this way.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any, Literal, cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from pipeline.report.rendition import Note
from pipeline.report.summary import StreamSummary
from workers.simulate.encoder import ENCODERS, RFC6381, Codec, encoder_options, even
from workers.simulate.footage import Footage, from_video, photographs

PROGRAMME_SECONDS = 24
SEGMENT_SECONDS = 4
STARVED_FROM_SECONDS = 12
STARVED_SHARE = 0.1
"""Of the rung's bitrate: what is left when an encoder is given too little by mistake, still decodable."""
FROZEN_SECONDS = (6, 12)  # [start, end)
OVERHEAD = 1.1
"""Declared peak over target: the encoders hold the target over a segment to about this, and TS adds some."""


@dataclass(frozen=True, slots=True)
class _Rung:
    share: float
    """Height, of the footage's."""
    codec: Codec
    bitrate_bps: int
    """For 1280 x 720 footage at 25 frames/s; scaled with its pixels a second."""
    fault: Literal["starved", "frozen"] | None = None


RUNGS = (
    _Rung(1.0, "h264", 2_800_000),
    _Rung(0.75, "h264", 1_300_000, "starved"),
    _Rung(0.5, "hevc", 450_000, "frozen"),
    _Rung(0.3, "h264", 250_000),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that was built in over [start_seconds, end_seconds) of one rendition."""

    kind: Literal["starved", "frozen"]
    height_px: int
    start_seconds: float
    end_seconds: float

    def told(self) -> str:
        """Return what was done, in words."""
        if self.kind == "starved":
            share = f"{STARVED_SHARE:.0%} of its bitrate"
            return f"{self.height_px}p gets only {share} from {self.start_seconds:g} s on"
        return f"{self.height_px}p stands still from {self.start_seconds:g} s to {self.end_seconds:g} s"

    def found_in(self, summary: StreamSummary) -> Note | None:
        """Return the note that names this fault, where the scores led to one."""
        ids = {each.rendition_id for each in summary.renditions if each.media.height_px == self.height_px}
        kinds = {"frozen"} if self.kind == "frozen" else {"starved", "drop"}
        for note in summary.notes:
            if note.kind in kinds and ids & set(note.rendition_ids) and self._meets(note):
                return note
        return None

    def _meets(self, note: Note) -> bool:
        """Say whether the note's spans cover at least half of the fault, and begin and end near it."""
        near = SEGMENT_SECONDS  # scores are per segment
        both = sum(
            max(0.0, min(end, self.end_seconds) - max(start, self.start_seconds))
            for start, end in note.spans_seconds
            if start > self.start_seconds - near and end < self.end_seconds + near
        )
        return both >= (self.end_seconds - self.start_seconds) / 2


@dataclass(frozen=True, slots=True)
class DemoProgramme:
    """Where the ladder is, and what is wrong with it."""

    master: Path
    """The master playlist."""
    seconds: float
    faults: tuple[Fault, ...]


def build_programme(
    folder: Path, *, video: Path | None = None, report: Callable[[float, str], None] = lambda share, text: None
) -> DemoProgramme:
    """Encode the ladder into `folder` and return it with its faults. The same call gives the same bytes.

    Args:
        folder: Made where it is absent; files of an earlier demo in it are overwritten.
        video: What to encode; None: moving photographs.
        report: Told the share that is done, 0..1, and what is being done.

    Raises:
        UsageError: The video cannot be used, or the photographs are not installed.
    """
    footage = photographs(PROGRAMME_SECONDS) if video is None else from_video(video, PROGRAMME_SECONDS)
    folder.mkdir(parents=True, exist_ok=True)
    writers = [_RungWriter(rung, footage, folder) for rung in RUNGS]
    _write_all(writers, footage, report)
    master = folder / "master.m3u8"
    master.write_text("\n".join(_master_lines(writers)) + "\n", encoding="utf-8")
    report(1.0, "the programme is ready")
    return DemoProgramme(master, PROGRAMME_SECONDS, tuple(_faults(writers)))


def _write_all(writers: Sequence["_RungWriter"], footage: Footage, report: Callable[[float, str], None]) -> None:
    """Encode all rungs, each in a thread of its own, while the next second of pictures is made here."""
    with ThreadPoolExecutor(len(writers)) as pool:
        running: list[Future[None]] = []
        for first, pictures in _batches(footage):
            _wait(running)
            running = [pool.submit(writer.write, pictures, first) for writer in writers]
            report(first / footage.frames, f"encoding {len(writers)} renditions")
        _wait(running)
        _wait([pool.submit(writer.close) for writer in writers])


def _batches(footage: Footage) -> Iterator[tuple[int, list[av.VideoFrame]]]:
    """Yield a second of pictures at a time, with the index of the first."""
    pictures = islice(footage.pictures, PROGRAMME_SECONDS // SEGMENT_SECONDS * _segment_frames(footage))
    first = 0
    while batch := list(islice(pictures, ceil(footage.frame_rate))):
        for index, picture in enumerate(batch, first):
            picture.pts, picture.time_base = index, 1 / footage.frame_rate
        yield first, batch
        first += len(batch)


def _wait(running: Sequence[Future[None]]) -> None:
    for each in running:
        each.result()


class _RungWriter:
    """Scales, encodes and cuts one rendition into HLS segments; H.264 as MPEG-TS, HEVC as fMP4, as HLS asks."""

    def __init__(self, rung: _Rung, footage: Footage, folder: Path) -> None:
        self.rung = rung
        self.footage = footage
        self.height_px = even(footage.height_px * rung.share)
        self.width_px = even(footage.width_px * rung.share)
        pixels = footage.width_px * footage.height_px * footage.frame_rate / (1280 * 720 * 25)
        self.bitrate_bps = max(60_000, round(rung.bitrate_bps * float(pixels)))
        self.name = f"{self.height_px}p"
        self.folder = folder / self.name
        self.folder.mkdir(exist_ok=True)
        for old in self.folder.iterdir():
            if old.suffix in {".ts", ".m4s", ".mp4", ".m3u8"}:
                old.unlink()
        fragmented = rung.codec == "hevc"
        self._container = av.open(
            str(self.folder / "index.m3u8"),
            "w",
            format="hls",
            options={
                "hls_time": str(SEGMENT_SECONDS - 0.5),  # every key picture cuts, also where rounding makes it early
                "hls_playlist_type": "vod",
                "hls_flags": "independent_segments",
                "hls_segment_type": "fmp4" if fragmented else "mpegts",
                "hls_segment_filename": str(self.folder / ("%d.m4s" if fragmented else "%d.ts")),
            },
        )
        self._stream = cast("VideoStream", self._container.add_stream(ENCODERS[rung.codec], rate=footage.frame_rate))
        self._encoder = self._declared = self._stream.codec_context
        self._set_up(self._encoder, self.bitrate_bps)
        if fragmented:
            self._encoder.codec_tag = "hvc1"
        self._starved_from = STARVED_FROM_SECONDS // SEGMENT_SECONDS * _segment_frames(footage)
        self._frozen = range(*(round(second * footage.frame_rate) for second in FROZEN_SECONDS))
        self._scaler = VideoReformatter()  # the one that a picture carries is not safe between threads
        self._held: av.VideoFrame | None = None

    @property
    def codecs(self) -> str:
        """The RFC 6381 string, out of the parameter sets of the encoder that the rung began with."""
        return RFC6381[self.rung.codec](self._declared.extradata or b"")

    def write(self, pictures: Sequence[av.VideoFrame], first_index: int) -> None:
        for index, picture in enumerate(pictures, first_index):
            self._write_one(picture, index)

    def _write_one(self, picture: av.VideoFrame, index: int) -> None:
        if self.rung.fault == "starved" and index == self._starved_from:
            self._starve()
        if self.rung.fault == "frozen" and index in self._frozen and self._held is not None:
            scaled = self._held
        else:
            scaled = self._scaler.reformat(
                picture, self.width_px, self.height_px, "yuv420p", interpolation=Interpolation.BICUBIC
            )
            self._held = scaled
        scaled.pts, scaled.time_base = index, 1 / self.footage.frame_rate
        self._mux(self._encoder.encode(scaled))

    def close(self) -> None:
        self._mux(self._encoder.encode(None))
        self._container.close()

    def _starve(self) -> None:
        """Go on with another encoder at a fraction of the bitrate; it begins with a key picture."""
        self._mux(self._encoder.encode(None))
        poor = av.CodecContext.create(ENCODERS[self.rung.codec], "w")
        assert isinstance(poor, VideoCodecContext)
        poor.framerate = self.footage.frame_rate
        self._set_up(poor, round(self.bitrate_bps * STARVED_SHARE))
        self._encoder = poor

    def _set_up(self, encoder: VideoCodecContext, bitrate_bps: int) -> None:
        encoder.width, encoder.height, encoder.pix_fmt = self.width_px, self.height_px, "yuv420p"
        encoder.time_base = 1 / self.footage.frame_rate
        encoder.bit_rate = bitrate_bps
        encoder.gop_size = _segment_frames(self.footage)
        encoder.options = encoder_options(self.rung.codec, bitrate_bps, encoder.gop_size)

    def _mux(self, packets: Sequence["av.Packet[Any]"]) -> None:
        for packet in packets:
            packet.stream = self._stream
            self._container.mux(packet)


def _master_lines(writers: Sequence[_RungWriter]) -> Iterator[str]:
    """Yield a master playlist that declares what was planned: the fault is not announced."""
    yield "#EXTM3U"
    yield "#EXT-X-VERSION:7"
    yield "#EXT-X-INDEPENDENT-SEGMENTS"
    for writer in writers:
        yield (
            f"#EXT-X-STREAM-INF:BANDWIDTH={round(writer.bitrate_bps * OVERHEAD * 1.1)},"
            f"AVERAGE-BANDWIDTH={round(writer.bitrate_bps * OVERHEAD)},"
            f"RESOLUTION={writer.width_px}x{writer.height_px},FRAME-RATE={float(writer.footage.frame_rate):.3f},"
            f'CODECS="{writer.codecs}"'
        )
        yield f"{writer.name}/index.m3u8"


def _faults(writers: Sequence[_RungWriter]) -> Iterator[Fault]:
    for writer in writers:
        if writer.rung.fault == "starved":
            yield Fault("starved", writer.height_px, STARVED_FROM_SECONDS, PROGRAMME_SECONDS)
        elif writer.rung.fault == "frozen":
            yield Fault("frozen", writer.height_px, *FROZEN_SECONDS)


def _segment_frames(footage: Footage) -> int:
    """Return the pictures of one segment."""
    return round(SEGMENT_SECONDS * footage.frame_rate)
