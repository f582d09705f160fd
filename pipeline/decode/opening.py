"""Opens a container and chooses the video stream; whatever stands in the way becomes one clear error."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.container
import av.error

from pipeline.decode.log import captured, keep_quiet
from pipeline.decode.preflight import Preflight, examine
from pipeline.decode.source import ByteFile, MediaSource
from pipeline.errors import (
    AudioOnly,
    Damaged,
    HdrNotScored,
    LimitExceeded,
    NotMedia,
    NoVideo,
    SubtitleOnly,
    Truncated,
    UnsupportedCodec,
)
from pipeline.settings import DecodeLimits

# What libav may take the bytes for. Not among them: formats that make it open other files (concat, hls, dash,
# image2), devices, and raw formats without any mark of their own, which would take any bytes for pictures.
_STILLS = (
    "bmp_pipe", "dpx_pipe", "exr_pipe", "j2k_pipe", "jpeg_pipe", "jpegxl_pipe", "pam_pipe", "pbm_pipe", "pgm_pipe",
    "png_pipe", "ppm_pipe", "qoi_pipe", "sgi_pipe", "tiff_pipe", "webp_pipe",
)  # fmt: skip
_VIDEO = (
    "apng", "asf", "av1", "avi", "dv", "evc", "flv", "gif", "gxf", "h264", "hevc", "ivf", "m4v", "matroska", "mjpeg",
    "mov", "mp4", "mpeg", "mpegts", "mpegvideo", "mpjpeg", "mxf", "nut", "obu", "ogg", "rm", "vc1", "vvc", "webm",
    "wtv", "yuv4mpegpipe",
)  # fmt: skip
_SOUND_AND_TEXT = (
    "aac", "ac3", "aiff", "amr", "ass", "au", "caf", "dts", "eac3", "flac", "loas", "mp3", "srt", "sup", "truehd",
    "tta", "w64", "wav", "webvtt", "wv",
)  # fmt: skip
_FORMATS = ",".join((*_STILLS, *_VIDEO, *_SOUND_AND_TEXT))

RAW_FORMATS = frozenset(("evc", "h264", "hevc", "m4v", "mpegvideo", "obu", "vc1", "vvc"))
"""Elementary streams: they have no time stamps, and none are missed."""

# Bytes between two calls into Python; each call takes the interpreter's lock.
_READ_BYTES = 256 * 1024

HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""AVColorTransferCharacteristic of high dynamic range."""
_DOLBY_VISION_TAGS = {"dvh1", "dvhe", "dva1", "dvav", "dav1"}

_ATTACHED = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails


@dataclass(frozen=True, slots=True)
class Input:
    """An open container, and its video stream."""

    file: ByteFile
    preflight: Preflight
    container: av.container.InputContainer
    stream: av.VideoStream

    @property
    def time_base(self) -> Fraction:
        return self.stream.time_base or Fraction(1, 1000)

    def close(self) -> None:
        self.container.close()
        self.file.close()


def open_input(source: MediaSource, limits: DecodeLimits) -> Input:
    """Raises NotFound, NotAllowed, EmptyInput, NotMedia, Encrypted, Truncated, Damaged, LimitExceeded, NoVideo and
    its kin, UnsupportedCodec.
    """
    keep_quiet()
    file = source.open(limits)
    try:
        preflight = examine(file, source.name)
        file.seek(0)
        container = _container(file, preflight, source, limits)
        return Input(file, preflight, container, _largest_video(container, preflight, source.name))
    except BaseException:
        file.close()
        raise


def _container(
    file: ByteFile, preflight: Preflight, source: MediaSource, limits: DecodeLimits
) -> av.container.InputContainer:
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
    if source.data is not None and preflight.container in ("mpegts", "other"):
        # libav moves a clock that is about to wrap below 0; segments of one rendition must stay comparable
        options["correct_ts_overflow"] = "0"
    lines: list[str] = []
    try:
        with captured(lines):
            return av.open(
                file,
                mode="r",
                container_options=options,
                options={"max_pixels": str(limits.max_pixels)},
                buffer_size=_READ_BYTES,
                metadata_errors="replace",
            )
    except MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as exc:
        refused = [line for line in lines if "whitelist" not in line]  # libav names all 80 formats in it
        raise _cannot_open(preflight, source.name, "\n".join([*refused, type(exc).__name__])) from None


def _cannot_open(preflight: Preflight, name: str, detail: str) -> NotMedia | Damaged | Truncated:
    if preflight.container == "text":
        return NotMedia(f"{name}: a text, not media; playlists and manifests end in .m3u8 or .mpd", detail)
    if preflight.container == "other":
        return NotMedia(f"{name}: no container or codec that is known here; check what it is (or its key)", detail)
    if preflight.cut_off:
        return Truncated(f"{name}: cut off before the first picture; copy or fetch it again", detail)
    return Damaged(f"{name}: {preflight.container} with headers that cannot be read; copy or export it again", detail)


def _largest_video(container: av.container.InputContainer, preflight: Preflight, name: str) -> av.VideoStream:
    """Return the largest video stream that is no cover art."""
    videos = [stream for stream in container.streams.video if not stream.disposition & _ATTACHED]
    decoders: list[tuple[av.VideoStream, Any]] = [(stream, stream.codec_context) for stream in videos]
    readable = [stream for stream, decoder in decoders if decoder is not None]  # PyAV has none for unknown codecs
    if readable:
        return max(readable, key=lambda stream: stream.codec_context.width * stream.codec_context.height)
    if videos:
        raise UnsupportedCodec(f"{name}: a video codec that no decoder here reads; `rungwatch doctor` lists those")
    kinds = {stream.type for stream in container.streams}
    if "audio" in kinds:
        raise AudioOnly(f"{name}: audio only; there is no picture to score")
    if "subtitle" in kinds or preflight.has_text_track:
        raise SubtitleOnly(f"{name}: subtitles only; there is no picture to score")
    raise NoVideo(f"{name}: no video stream; there is no picture to score")


def check_size(width_px: int, height_px: int, limits: DecodeLimits, name: str) -> None:
    if width_px * height_px > limits.max_pixels:
        raise LimitExceeded(
            f"{name}: {width_px}x{height_px} is more than {limits.max_pixels} pixels; "
            "raise RUNGWATCH_DECODE_MAX_PIXELS if this is meant"
        )


def check_range(transfer: int, name: str) -> None:
    """Raises HdrNotScored where a transfer characteristic (AVColorTransferCharacteristic) is of high dynamic range."""
    if kind := HDR_TRANSFERS.get(transfer):
        raise HdrNotScored(
            f"{name}: HDR ({kind}): not scored; the scale is defined for SDR, point to the SDR rendition"
        )


def check_dolby_vision(codec_tag: str, transfer: int, has_metadata: bool, name: str) -> None:
    """Raises HdrNotScored for Dolby Vision without a base layer that plays as SDR (profile 5 states no transfer)."""
    if codec_tag in _DOLBY_VISION_TAGS or (has_metadata and transfer == 2):
        raise HdrNotScored(
            f"{name}: HDR (Dolby Vision): not scored; the scale is defined for SDR, point to the SDR rendition"
        )


def is_still(container: av.container.InputContainer, stream: av.VideoStream) -> bool:
    """Tell whether this is a still picture: an image file, or AVIF and HEIF with a single picture."""
    if container.format.name in _STILLS:
        return True
    brand = container.metadata.get("major_brand", "")
    return brand.strip() in ("avif", "heic", "heix", "mif1") and stream.frames <= 1


def audio_lag(container: av.container.InputContainer, video: av.VideoStream) -> float | None:
    """Return how much later than the pictures the sound begins; None: there is none, or its start is not stated."""
    sound = next(iter(container.streams.audio), None)
    if sound is None or sound.start_time is None or video.start_time is None:
        return None
    if sound.time_base is None or video.time_base is None:
        return None
    return float(sound.start_time * sound.time_base - video.start_time * video.time_base)
