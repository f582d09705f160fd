"""Encodes the pictures of one rung into an init segment and fragments, a key picture at the start of each."""

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av.video.stream import VideoStream

from workers.simulate.encoder import ENCODERS, RFC6381, Codec, encoder_options
from workers.simulate.fmp4 import Fragment, cut

MOVIE_FLAGS = "+frag_keyframe+empty_moov+default_base_moof+cmaf+skip_trailer"
TAGS: dict[Codec, str] = {"h264": "avc1", "hevc": "hvc1"}


@dataclass(frozen=True, slots=True)
class RungPlan:
    """What one rung is encoded to."""

    name: str
    codec: Codec
    width_px: int
    height_px: int
    bitrate_bps: int


@dataclass(frozen=True, slots=True)
class Written:
    init: bytes
    fragments: tuple[Fragment, ...]
    codecs: str
    """As declared, RFC 6381."""
    parameter_sets: bytes


class RungWriter:
    """One encode. Pictures come in the size of the rung, yuv420p, in order."""

    def __init__(self, plan: RungPlan, frame_rate: Fraction, segment_frames: int, bitrate_bps: int) -> None:
        self._plan = plan
        self._tick = 1 / frame_rate
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format="mp4", options={"movflags": MOVIE_FLAGS})
        self._stream = cast("VideoStream", self._container.add_stream(ENCODERS[plan.codec], rate=frame_rate))
        encoder = self._stream.codec_context
        encoder.width, encoder.height, encoder.pix_fmt = plan.width_px, plan.height_px, "yuv420p"
        encoder.time_base = self._tick
        encoder.bit_rate = bitrate_bps
        encoder.gop_size = segment_frames
        encoder.codec_tag = TAGS[plan.codec]
        encoder.options = encoder_options(plan.codec, bitrate_bps, segment_frames, alike=True)
        self._written = 0

    def write(self, picture: av.VideoFrame) -> None:
        picture.pts, picture.time_base = self._written, self._tick
        self._written += 1
        self._container.mux(self._stream.encode(picture))

    def close(self) -> Written:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        init, fragments = cut(self._file.getvalue())
        parameter_sets = self._stream.codec_context.extradata or b""
        return Written(init, tuple(fragments), RFC6381[self._plan.codec](parameter_sets), parameter_sets)


def last_picture(init: bytes, fragment: Fragment) -> av.VideoFrame:
    """Return the last picture of a fragment, in the order in which they are shown."""
    container = av.open(io.BytesIO(init + fragment.data), "r")
    with container:
        pictures = list(container.decode(video=0))
    return pictures[-1]


def standing(plan: RungPlan, frame_rate: Fraction, segment_frames: int, picture: av.VideoFrame) -> Written:
    """Return one segment in which nothing but this picture is shown."""
    writer = RungWriter(plan, frame_rate, segment_frames, plan.bitrate_bps)
    for _ in range(segment_frames):
        writer.write(picture)
    return writer.close()
