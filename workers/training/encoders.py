"""Encodes as real ladders have them: which settings are drawn, and the ffmpeg call that realises them."""

import os
import random
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import imageio_ffmpeg

CodecName = Literal["x264", "x265", "svtav1", "vp9", "mpeg2"]
RateControl = Literal["crf", "capped_crf", "abr"]

SCALERS = ("bicubic", "bicubic", "bicubic", "bicubic", "lanczos", "lanczos", "bilinear", "area")
TIMEOUT_SECONDS = 300


class EncodeError(Exception):
    """An encode or a measurement that failed; the message carries what ffmpeg said."""


@dataclass(frozen=True, slots=True)
class Encode:
    """One encoder setting."""

    codec: CodecName
    preset: str
    rate_control: RateControl
    crf: float | None  # the encoder's own quality number (for mpeg2 the quantiser scale); None with abr
    bitrate_bps: int | None  # the target of abr, the cap of capped_crf; None with crf
    width_px: int
    height_px: int
    scaler: str
    gop_frames: int | None  # None: the encoder's default
    b_frames: bool  # False: switched off (VP9 and SVT-AV1 ignore it); True: the encoder's default


@dataclass(frozen=True, slots=True)
class Codec:
    """What may be drawn for one codec."""

    presets: tuple[str, ...]
    crf: tuple[int, int]  # both ends are drawn, as below
    top_crf: tuple[int, int]  # what a good top rung has
    weight: int  # how often the codec is drawn, relative to the others
    # Below it the encoder fails: x265 corrupts its heap at 42 x 24, SVT-AV1 with abr gives up at 106 x 60.
    min_side_px: int
    suffix: str
    arguments: Callable[[Encode], list[str]]


def _x264(encode: Encode) -> list[str]:
    return ["-c:v", "libx264", "-preset", encode.preset]


def _x265(encode: Encode) -> list[str]:
    # The coding tree block must fit into the picture, which the default of 64 does not in the smallest ones.
    block = 64 if min(encode.width_px, encode.height_px) >= 64 else 32
    private = f"pools=1:frame-threads=1:log-level=none:ctu={block}"
    return ["-c:v", "libx265", "-preset", encode.preset, "-x265-params", private, "-tag:v", "hvc1"]


def _svtav1(encode: Encode) -> list[str]:
    return ["-c:v", "libsvtav1", "-preset", encode.preset, "-svtav1-params", "lp=1"]


def _vp9(encode: Encode) -> list[str]:
    return ["-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", encode.preset]


def _mpeg2(encode: Encode) -> list[str]:
    return ["-c:v", "mpeg2video", *(["-bf", "2"] if encode.b_frames else [])]


CODECS: dict[CodecName, Codec] = {
    "x264": Codec(
        presets=("veryfast", "veryfast", "fast", "medium", "slow"),
        crf=(15, 45),
        top_crf=(15, 22),
        weight=36,
        min_side_px=16,
        suffix=".mp4",
        arguments=_x264,
    ),
    "x265": Codec(
        presets=("superfast", "superfast", "veryfast", "fast", "medium"),
        crf=(15, 46),
        top_crf=(15, 22),
        weight=26,
        min_side_px=32,
        suffix=".mp4",
        arguments=_x265,
    ),
    "svtav1": Codec(
        presets=("7", "8", "9", "10", "10"),
        crf=(15, 62),
        top_crf=(15, 28),
        weight=22,
        min_side_px=64,
        suffix=".mp4",
        arguments=_svtav1,
    ),
    "vp9": Codec(
        presets=("5",),
        crf=(15, 62),
        top_crf=(15, 28),
        weight=11,
        min_side_px=16,
        suffix=".webm",
        arguments=_vp9,
    ),
    "mpeg2": Codec(
        presets=("default",),
        crf=(2, 24),
        top_crf=(2, 4),
        weight=5,
        min_side_px=16,
        suffix=".ts",
        arguments=_mpeg2,
    ),
}


def draw_codec(rng: random.Random, among: Sequence[CodecName] = tuple(CODECS)) -> CodecName:
    """A codec, with the frequency that it has in ladders."""
    return rng.choices(among, weights=[CODECS[name].weight for name in among])[0]


def scaled_size(codec: CodecName, display: tuple[int, int], share: float) -> tuple[int, int]:
    """An even coded size of about `share` of the display's sides, larger where the encoder needs it."""
    share = max(share, CODECS[codec].min_side_px / min(display))
    return round(display[0] * share / 2) * 2, round(display[1] * share / 2) * 2


def draw_encode(
    codec: CodecName,
    size: tuple[int, int],
    frame_rate: Fraction,
    rng: random.Random,
    *,
    crf: tuple[int, int] | None = None,
    preset: str | None = None,
) -> Encode:
    """Settings for one codec and size; with `crf` plain CRF within that range, else any rate control."""
    kind: RateControl = "crf" if crf else rng.choices(("crf", "capped_crf", "abr"), weights=(76, 12, 12))[0]
    if codec == "mpeg2" and kind == "capped_crf":
        kind = "abr"  # its quantiser scale cannot be capped
    low, high = crf or CODECS[codec].crf
    bits_per_pixel = 2 ** rng.uniform(-6.5, -1.5 if codec == "mpeg2" else -2.5)  # .011 to .18, mpeg2 .35
    bitrate = max(8_000, round(bits_per_pixel * size[0] * size[1] * frame_rate))
    return Encode(
        codec=codec,
        preset=preset or rng.choice(CODECS[codec].presets),
        rate_control=kind,
        crf=None if kind == "abr" else float(rng.randint(low, high)),
        bitrate_bps=None if kind == "crf" else bitrate,
        width_px=size[0],
        height_px=size[1],
        scaler=rng.choice(SCALERS),
        gop_frames=rng.randint(12, 30) if rng.random() < 0.3 else None,
        b_frames=rng.random() >= 0.15,
    )


def encode(source: Path, settings: Encode, target: Path, frames: int, frame_rate: Fraction) -> None:
    """Scale and encode a file on one thread; raise EncodeError unless exactly `frames` pictures come out."""
    # A first encode's container rounds time stamps (WebM to milliseconds), hence new ones.
    stamp = f"settb={frame_rate.denominator}/{frame_rate.numerator},setpts=N"
    arguments = [
        *("-y", "-threads", "1", "-i", str(source), "-map", "0:v:0", "-fps_mode", "passthrough"),
        *("-vf", f"scale={settings.width_px}:{settings.height_px}:flags={settings.scaler},setsar=1,{stamp}"),
        *CODECS[settings.codec].arguments(settings),
        *_rate_arguments(settings),
        *([] if settings.gop_frames is None else ["-g", str(settings.gop_frames)]),
        *([] if settings.b_frames or settings.codec in ("svtav1", "vp9") else ["-bf", "0"]),
        # Matroska would else draw random identifiers, and the same seed would give other bytes.
        *("-fflags", "+bitexact", "-pix_fmt", "yuv420p", "-threads", "1", "-progress", "pipe:1", str(target)),
    ]
    report = run_ffmpeg(arguments)
    counts = [line.removeprefix("frame=") for line in report.splitlines() if line.startswith("frame=")]
    if not counts or int(counts[-1]) != frames:
        raise EncodeError(f"{settings.codec} wrote {counts[-1] if counts else 'no'} frames of {frames}")


def run_ffmpeg(arguments: list[str], folder: Path | None = None) -> str:
    """Run the ffmpeg that imageio-ffmpeg installs, return what it prints; raise EncodeError when it fails."""
    quiet = ["-v", "error", "-nostdin", "-nostats", "-filter_threads", "1"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *quiet, *arguments]
    environment = os.environ | {"SVT_LOG": "1"}  # SVT-AV1 prints its banner whatever ffmpeg's log level is
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise EncodeError(f"ffmpeg did not finish within {TIMEOUT_SECONDS} s") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise EncodeError(f"ffmpeg failed: {' / '.join(lines[-3:])}")
    return done.stdout


def _rate_arguments(settings: Encode) -> list[str]:
    quality = "-q:v" if settings.codec == "mpeg2" else "-crf"
    arguments = [] if settings.crf is None else [quality, f"{settings.crf:g}"]
    if settings.bitrate_bps is None:
        return arguments + (["-b:v", "0"] if settings.codec == "vp9" else [])
    bitrate = str(settings.bitrate_bps)
    if settings.rate_control == "abr" or settings.codec == "vp9":  # -b:v is libvpx's cap
        return [*arguments, "-b:v", bitrate]
    return [*arguments, "-maxrate", bitrate, "-bufsize", str(2 * settings.bitrate_bps)]
