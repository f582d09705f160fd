"""The labels: VMAF (vmaf_v0.6.1), VMAF NEG and CAMBI of every frame of an encoded clip, at display size."""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from workers.training.encoders import EncodeError, run_ffmpeg


@dataclass(frozen=True, slots=True)
class Labels:
    """What libvmaf says of a clip, frame by frame."""

    vmaf: list[float]  # 0-100
    vmaf_neg: list[float]
    """0-100: VMAF without the reward for enhancement, as sharpening."""
    cambi: list[float] | None
    """0 to some 24: how visible bands are in the clip itself, seen at display size; above 5 they annoy. None: it is too
    small for CAMBI, which wants some 216 px a side."""


def measure_vmaf(
    clip: Path,
    reference: Path,
    *,
    size: tuple[int, int],
    frames: int,
    frame_rate: Fraction,
    scratch: Path,
    by_time: bool = False,
) -> Labels:
    """Label every frame of a clip that is scaled bicubically to `size`, the reference's width, height.

    Pictures are paired by their number, or with `by_time` by their time: where the clip has none, the one before it
    is still shown. Raises EncodeError unless exactly `frames` pairs were compared. The first frame scores some
    points lower, because VMAF sees no motion before it.
    """
    # Both inputs are stamped by frame number, one tick a frame, or time bases and edit lists shift them: the
    # milliseconds of WebM put a frame just before its partner, and it is compared with the one before (VMAF 7
    # for 86). The rate must be the true one: the stream's end bears it, and cuts off what is stamped later.
    stamp = f"settb={frame_rate.denominator}/{frame_rate.numerator},setpts=N"
    shown = f"fps={frame_rate},tpad=stop_mode=clone:stop={frames},trim=end_frame={frames}," if by_time else ""
    graph = (
        f"[0:v]{shown}scale={size[0]}:{size[1]}:flags=bicubic,setsar=1,format=yuv420p,{stamp}[clip];"
        f"[1:v]setsar=1,format=yuv420p,{stamp}[reference];"
        # Without `shortest` a clip that lost its last frames is padded by repeating one, and nobody sees it.
        "[clip][reference]libvmaf=model='version=vmaf_v0.6.1\\:name=vmaf|version=vmaf_v0.6.1neg\\:name=vmaf_neg'"
        ":feature='name=cambi':n_threads=1:shortest=1:log_fmt=json:log_path=vmaf.json"
    )
    inputs = ["-threads", "1", "-i", str(clip.resolve()), "-threads", "1", "-i", str(reference.resolve())]
    run_ffmpeg([*inputs, "-filter_complex_threads", "1", "-lavfi", graph, "-f", "null", "-"], folder=scratch)
    log = scratch / "vmaf.json"
    found = [frame["metrics"] for frame in json.loads(log.read_text())["frames"]]
    log.unlink()
    if len(found) != frames:
        raise EncodeError(f"VMAF compared {len(found)} frames of {frames}")
    vmaf, vmaf_neg = ([round(float(frame[name]), 3) for frame in found] for name in ("vmaf", "vmaf_neg"))
    cambi = [round(float(frame["cambi"]), 3) for frame in found if "cambi" in frame]
    return Labels(vmaf, vmaf_neg, cambi or None)
