"""Makes small real media with a known answer: real encoders, a deterministic moving picture, and damage on purpose."""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 tells its configuration on stderr otherwise

SIZE = (160, 96)
KEY_HEX = "00112233445566778899aabbccddeeff"

PQ, HLG, BT709 = 16, 18, 1
"""AVColorTransferCharacteristic."""


@cache
def _texture() -> NDArray[np.uint8]:
    """[1200, 2100] smooth shapes with fine detail, 16..235; a camera pans over it."""
    random = np.random.default_rng(7)
    height, width = 1200, 2100
    coarse = np.kron(random.integers(30, 200, (height // 60, width // 60)), np.ones((60, 60)))
    fine = np.kron(random.integers(-24, 25, (height // 3, width // 3)), np.ones((3, 3)))
    return np.clip(coarse + fine, 16, 235).astype(np.uint8)


def pan(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return the luma [H, W] of picture `index`: the camera moves 3 pixels right and 2 down a picture."""
    top, left = 2 * index % 100, 3 * index % 160
    return _texture()[top : top + height, left : left + width]


def scene(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return the same picture at 320x192 and at its halves: the pan, scaled by means of blocks."""
    full = pan(index, 320, 192)
    step = 320 // width
    return full.reshape(height, step, width, step).mean(axis=(1, 3)).astype(np.uint8)


def still(index: int, width: int, height: int) -> NDArray[np.uint8]:
    return pan(0, width, height)


def woven(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """Return two fields of two instants in one picture, as an interlaced camera gives them (top field first)."""
    picture = pan(2 * index, width, height).copy()
    picture[1::2] = pan(2 * index + 1, width, height)[1::2]
    return picture


def frame_of(luma: NDArray[np.uint8], pixel_format: str = "yuv420p") -> av.VideoFrame:
    """Return a libav frame with this luma and grey chroma; deeper formats get it shifted up, packed ones converted."""
    height, width = luma.shape
    frame = av.VideoFrame(width, height, pixel_format)
    if (frame.format.is_rgb or not frame.format.is_planar) and not pixel_format.startswith("gray"):
        return frame_of(luma, "yuv444p").reformat(format=pixel_format)
    if frame.format.is_big_endian:
        return frame_of(luma, pixel_format.removesuffix("be") + "le").reformat(format=pixel_format)
    bits = frame.format.components[0].bits
    kind: Any = np.uint8 if bits == 8 else np.uint16
    for number, plane in enumerate(frame.planes):
        raw: Any = plane
        rows = np.frombuffer(raw, kind).reshape(plane.height, -1)
        rows[:] = 1 << (bits - 1)
        if number == 0:
            rows[:, :width] = luma.astype(kind) << (bits - 8)
    return frame


def write_video(
    target: Path | io.BytesIO,
    codec: str = "libx264",
    *,
    frames: int = 30,
    size: tuple[int, int] = SIZE,
    fps: Fraction = Fraction(30),
    pixel_format: str = "yuv420p",
    options: Mapping[str, str] | None = None,
    pattern: Any = pan,
    container_format: str | None = None,
    container_options: Mapping[str, str] | None = None,
    transfer: int | None = None,
    full_range: bool = False,
    sample_aspect: Fraction | None = None,
    rotation_degrees: int | None = None,
    hflip: bool = False,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    interlaced: bool = False,
    audio: bool = False,
) -> Path:
    """Encode `frames` pictures of `pattern` and mux them. `pts`: one per picture, in `time_base` (default 1/fps).

    Returns the path (the current folder for a buffer).
    """
    where: Any = str(target) if isinstance(target, Path) else target
    with av.open(where, "w", format=container_format, options=dict(container_options or {})) as container:
        stream: Any = container.add_stream(codec, rate=fps)  # type: ignore[call-overload]
        stream.width, stream.height, stream.pix_fmt = *size, pixel_format
        stream.options = _defaults(codec, frames) | dict(options or {})
        encoder = stream.codec_context
        encoder.thread_count = 1
        if time_base is not None:
            encoder.time_base = time_base
        if transfer is not None:
            encoder.color_trc = transfer
        if full_range:
            encoder.color_range = 2
        if sample_aspect is not None:
            encoder.sample_aspect_ratio = sample_aspect
        if rotation_degrees is not None or hflip:
            stream.set_display_rotation(rotation_degrees or 0, hflip=hflip)
        if interlaced:
            encoder.flags |= av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me
        sound = _Sound(container) if audio else None
        top_first = _top_field_first(size, pixel_format, time_base or 1 / fps) if interlaced else None
        for index in range(frames):
            frame = frame_of(pattern(index, *size), pixel_format)
            if transfer is not None:
                frame.color_trc = transfer
            if full_range:
                frame.color_range = 2
            frame.pts = pts[index] if pts is not None else index
            frame.time_base = time_base or 1 / fps
            if top_first is not None:
                top_first.vpush(frame)
                frame = top_first.vpull()
            container.mux(stream.encode(frame))
            if sound is not None:
                sound.fill(float((index + 1) / fps))
        container.mux(stream.encode(None))
        if sound is not None:
            sound.finish()
    return target if isinstance(target, Path) else Path()


def _defaults(codec: str, frames: int) -> dict[str, str]:
    reordered = 3 if frames > 4 else 0  # x265 gives a first time stamp at random where it has fewer pictures to reorder
    return {
        "libx264": {"preset": "veryfast", "g": "15", "bf": "3", "b-pyramid": "normal", "x264-params": "log-level=none"},
        "libx265": {"preset": "ultrafast", "x265-params": f"log-level=none:keyint=15:bframes={reordered}:pools=none"},
        "libsvtav1": {"preset": "12", "svtav1-params": "keyint=15:lp=1"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "g": "15", "lag-in-frames": "8", "auto-alt-ref": "1"},
        "mpeg2video": {"g": "15", "bf": "2", "b": "2000000"},
    }.get(codec, {})


def _top_field_first(size: tuple[int, int], pixel_format: str, time_base: Fraction) -> av.filter.Graph:
    """Return a graph that flags pictures as interlaced; PyAV has no other way to."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=size[0], height=size[1], format=av.VideoFormat(pixel_format), time_base=time_base)
    graph.link_nodes(source, graph.add("setfield", "tff"), graph.add("buffersink")).configure()
    return graph


class _Sound:
    """A quiet stereo track beside the pictures."""

    def __init__(self, container: Any, codec: str = "aac") -> None:
        self._container = container
        self._stream = container.add_stream(codec, rate=48_000)
        self._stream.layout = "stereo"
        self._samples = 0

    def fill(self, until_seconds: float) -> None:
        while self._samples < until_seconds * 48_000:
            frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            for plane in frame.planes:
                plane.update(np.zeros(1024, np.float32).tobytes())
            frame.sample_rate, frame.pts, frame.time_base = 48_000, self._samples, Fraction(1, 48_000)
            self._container.mux(self._stream.encode(frame))
            self._samples += 1024

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))


def write_audio(path: Path, seconds: float = 0.5, cover: bool = False) -> Path:
    """Write audio only; `cover`: with cover art, which is a video stream to libav."""
    with av.open(str(path), "w") as container:
        art: Any = None
        if cover:
            art = container.add_stream("mjpeg")
            art.width, art.height, art.pix_fmt = 32, 32, "yuvj420p"
            art.disposition = av.stream.Disposition.attached_pic
        sound = _Sound(container, "libmp3lame" if path.suffix == ".mp3" else "aac")
        if art is not None:
            frame = frame_of(pan(0, 32, 32), "yuvj420p")
            frame.pts = 0
            container.mux(art.encode(frame))
            container.mux(art.encode(None))
        sound.fill(seconds)
        sound.finish()
    return path


def write_subtitles(path: Path) -> Path:
    """Write SubRip, or WebVTT where the extension says so."""
    cue = "00:00:00.000 --> 00:00:01.000\nA line of dialogue.\n"
    text = f"WEBVTT\n\n{cue}" if path.suffix == ".vtt" else f"1\n{cue.replace('.000', ',000')}"
    path.write_text(text, encoding="utf-8")
    return path


_STILLS = {
    ".png": ("png", "rgb24"),
    ".jpg": ("mjpeg", "yuvj420p"),
    ".bmp": ("bmp", "bgr24"),
    ".webp": ("libwebp", "yuv420p"),
    ".tiff": ("tiff", "rgb24"),
}


def write_still(path: Path, size: tuple[int, int] = SIZE, pixel_format: str | None = None) -> Path:
    """Write one picture as an image file of the kind that the extension names."""
    codec, usual_format = _STILLS[path.suffix]
    pixel_format = pixel_format or usual_format
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, pixel_format
    encoder.time_base = Fraction(1, 25)
    frame = frame_of(pan(0, *size), pixel_format)
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    path.write_bytes(b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)]))
    return path


def write_two_sizes(path: Path, *sizes: tuple[int, int]) -> Path:
    """Write one file with a video stream of each size."""
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for size in sizes:
            stream: Any = container.add_stream("mpeg4", rate=30)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            streams.append(stream)
        for stream, size in zip(streams, sizes, strict=True):
            frame = frame_of(pan(0, *size))
            frame.pts, frame.time_base = 0, Fraction(1, 30)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def video_packet_bytes(path: Path) -> int:
    """Return the sum of the video packets, as the demuxer gives them."""
    with av.open(str(path)) as container:
        return sum(packet.size for packet in container.demux(video=0))


def fragments(**video: Any) -> tuple[bytes, list[bytes]]:
    """Return (init segment, media segments) of fragmented MP4; one segment for each key picture."""
    buffer = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof+skip_trailer"}
    options |= video.pop("container_options", {})
    write_video(buffer, container_format="mp4", container_options=options, **video)
    init, segments = b"", []
    for kind, box in top_level_boxes(buffer.getvalue()):
        if kind == b"moof":
            segments.append(b"")
        if segments:
            segments[-1] += box
        else:
            init += box
    return init, segments


def top_level_boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        yield data[position + 4 : position + 8], data[position : position + length]
        position += length


def encrypted_fragments(**video: Any) -> tuple[bytes, list[bytes]]:
    """Return common-encryption fMP4 (cenc), made by libav's own muxer."""
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": KEY_HEX, "encryption_kid": KEY_HEX}
    return fragments(container_options=key, **video)


def cut(path: Path, share: float, target: Path) -> Path:
    """Write the first `share` of a file."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def flip_bytes(data: bytes, start: int, end: int, count: int, seed: int = 1) -> bytes:
    """Return `data` with `count` bytes in [start, end) inverted."""
    damaged = bytearray(data)
    for position in np.random.default_rng(seed).integers(start, min(end, len(data)), count):
        damaged[position] ^= 0xFF
    return bytes(damaged)


def scramble(transport_stream: bytes) -> bytes:
    """Return a transport stream whose media packets say that they are scrambled."""
    data = bytearray(transport_stream)
    for start in range(0, len(data) - 187, 188):
        if ((data[start + 1] & 0x1F) << 8 | data[start + 2]) >= 0x20:
            data[start + 3] |= 0x80
    return bytes(data)


def encrypted_webm_head(webm: bytes) -> bytes:
    """Return a WebM file whose first track states ContentEncryption; its samples are as they were."""
    encryption = b"\x50\x35\x80"  # ContentEncryption, empty: what counts is that it is there
    encoding = b"\x62\x40" + bytes((0x80 | len(encryption),)) + encryption
    encodings = b"\x6d\x80" + bytes((0x80 | len(encoding),)) + encoding
    head = b"\x1a\x45\xdf\xa3\x80"
    video = b"\x83\x81\x01"  # TrackType 1
    entry = b"\xae" + bytes((0x80 | len(video + encodings),)) + video + encodings
    tracks = b"\x16\x54\xae\x6b" + bytes((0x80 | len(entry),)) + entry
    clusters = webm[webm.index(b"\x1f\x43\xb6\x75") :]
    return head + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + tracks + clusters
