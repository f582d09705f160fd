"""Faults of a chain that delivers pictures: what can go wrong in one rung, how badly, and how it is built in.

Three places: in the pictures before they are encoded, in their times, and in the packets of the encoded stream. A
severity runs from 0, hardly seen, to 1, and a larger one is worse on the same content: where VMAF is blind, that order
is all that is known. The ranges are ours.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.training.encoders import run_ffmpeg
from workers.training.pristine import Pristine

FaultName = Literal[
    "noise",
    "grain",
    "blur",
    "sharpening",
    "banding",
    "gamma",
    "interlacing",
    "freeze",
    "frame_rate",
    "damage",
    "loss",
]
Luma = NDArray[np.float32]  # [H, W], 0-255

ORDER_ONLY = frozenset({"banding", "freeze", "frame_rate"})
"""Faults that VMAF does not see or misjudges: it misses bands, and takes a held picture for a wrong one."""
OWN_FAULT = frozenset({"noise", "interlacing", "damage", "loss"})
"""Faults that a picture shows by itself; a soft or a dark picture may be what somebody wanted."""
BY_NEG = frozenset({"sharpening", "gamma"})
"""Faults for which VMAF gives a reward: VMAF NEG is the label there."""
IN_STREAM = frozenset({"damage", "loss"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `seed` draws what is not its severity, the same for all severities of a series."""

    name: FaultName
    severity: float  # 0-1
    seed: int


def shown_with(pristine: Pristine, fault: Fault) -> Pristine:
    """Return the pictures with a fault in them or in their times; at a lower frame rate there are fewer."""
    if fault.name == "freeze":
        return replace(pristine, frames=_held(pristine.frames, fault))
    if fault.name == "frame_rate":
        step = _rate_divisor(fault)
        return replace(pristine, frames=pristine.frames[::step], frame_rate=pristine.frame_rate / step)
    if fault.name == "interlacing":
        return replace(pristine, frames=_woven(pristine, fault))
    change = _LUMA_FAULTS[fault.name](fault, random.Random(fault.seed))
    lines = pristine.height_px
    frames = []
    for frame in pristine.frames:
        changed = frame.copy()
        changed[:lines] = np.clip(np.rint(change(frame[:lines].astype(np.float32))), 0, 255).astype(np.uint8)
        frames.append(changed)
    return replace(pristine, frames=tuple(frames))


def break_stream(stream: Path, fault: Fault, target: Path) -> None:
    """Copy an MPEG transport stream with some packets of video damaged or lost, key pictures excepted."""
    share = _between(0.06, 0.5, fault)
    hit = f"not(key)*lt(mod(n*37+{fault.seed % 100}\\,100)\\,{100 * share:.0f})"
    option = f"noise=drop='{hit}'" if fault.name == "loss" else f"noise=amount='{hit}*{_DAMAGED_BYTE_IN}'"
    run_ffmpeg(["-y", "-i", str(stream), "-map", "0:v:0", "-c", "copy", "-bsf:v", option, str(target)])


_DAMAGED_BYTE_IN = 200


def _between(low: float, high: float, fault: Fault) -> float:
    """Return the value at the fault's severity on a geometric scale."""
    return float(low * (high / low) ** fault.severity)


def _rate_divisor(fault: Fault) -> int:
    return 2 + min(2, int(3 * fault.severity))


def _held(frames: tuple[NDArray[np.uint8], ...], fault: Fault) -> tuple[NDArray[np.uint8], ...]:
    held = round(len(frames) * _between(0.15, 0.8, fault))
    first = random.Random(fault.seed).randrange(1, len(frames) // 5)
    last = min(len(frames), first + held)
    return (*frames[:first], *[frames[first]] * (last - first), *frames[last:])


def _woven(pristine: Pristine, fault: Fault) -> tuple[NDArray[np.uint8], ...]:
    """Return pictures whose odd lines are some frames late: fields that were woven and should not have been."""
    late = 1 + min(2, int(3 * fault.severity))
    frames = []
    for index, frame in enumerate(pristine.frames):
        woven = frame.copy()
        other = pristine.frames[min(index + late, len(pristine.frames) - 1)]
        woven[1 : pristine.height_px : 2] = other[1 : pristine.height_px : 2]
        frames.append(woven)
    return tuple(frames)


def _noise(fault: Fault, rng: random.Random) -> Callable[[Luma], Luma]:
    deviation, generator = _between(2, 25, fault), np.random.default_rng(rng.getrandbits(64))
    return lambda luma: luma + np.float32(deviation) * generator.standard_normal(luma.shape, np.float32)


def _grain(fault: Fault, rng: random.Random) -> Callable[[Luma], Luma]:
    deviation, generator = _between(2, 16, fault), np.random.default_rng(rng.getrandbits(64))
    size = rng.uniform(0.7, 1.3)

    def grainy(luma: Luma) -> Luma:
        grain = cv2.GaussianBlur(generator.standard_normal(luma.shape, np.float32), (0, 0), size)
        return luma + np.asarray(grain * (deviation / float(grain.std())), np.float32)

    return grainy


def _blur(fault: Fault, _: random.Random) -> Callable[[Luma], Luma]:
    return lambda luma: np.asarray(cv2.GaussianBlur(luma, (0, 0), _between(0.5, 3, fault)), np.float32)


def _sharpening(fault: Fault, rng: random.Random) -> Callable[[Luma], Luma]:
    amount, size = np.float32(_between(0.3, 4, fault)), rng.uniform(0.8, 1.8)
    return lambda luma: luma + amount * (luma - np.asarray(cv2.GaussianBlur(luma, (0, 0), size), np.float32))


def _banding(fault: Fault, _: random.Random) -> Callable[[Luma], Luma]:
    step = np.float32(_between(2, 14, fault))
    return lambda luma: np.floor(luma / step) * step + step / 2


def _gamma(fault: Fault, rng: random.Random) -> Callable[[Luma], Luma]:
    exponent = _between(1.06, 1.9, fault) ** rng.choice((1, -1))
    return lambda luma: np.asarray(255 * (luma / 255) ** exponent, np.float32)


_LUMA_FAULTS: dict[str, Callable[[Fault, random.Random], Callable[[Luma], Luma]]] = {
    "noise": _noise,
    "grain": _grain,
    "blur": _blur,
    "sharpening": _sharpening,
    "banding": _banding,
    "gamma": _gamma,
}
