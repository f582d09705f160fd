"""The label: VMAF (vmaf_v0.6.1) of every frame of an encoded clip, at display size."""

import json
from fractions import Fraction
from pathlib import Path

from workers.training.encoders import EncodeError, run_ffmpeg


def measure_vmaf(
    clip: Path, reference: Path, *, size: tuple[int, int], frames: int, frame_rate: Fraction, scratch: Path
) -> list[float]:
    """VMAF per frame, 0-100, of a clip that is scaled bicubically to `size`, the reference's width, height.

    Raises EncodeError unless exactly `frames` pairs were compared. The first frame scores some points lower,
    because VMAF sees no motion before it.
    """
    # Both inputs are stamped by frame number, one tick a frame, or time bases and edit lists shift them: the
    # milliseconds of WebM put a frame just before its partner, and it is compared with the one before (VMAF 7
    # for 86). The rate must be the true one: the stream's end bears it, and cuts off what is stamped later.
    stamp = f"settb={frame_rate.denominator}/{frame_rate.numerator},setpts=N"
    graph = (
        f"[0:v]scale={size[0]}:{size[1]}:flags=bicubic,setsar=1,format=yuv420p,{stamp}[clip];"
        f"[1:v]setsar=1,format=yuv420p,{stamp}[reference];"
        # Without `shortest` a clip that lost its last frames is padded by repeating one, and nobody sees it.
        "[clip][reference]libvmaf=model=version=vmaf_v0.6.1:n_threads=1:shortest=1"
        ":log_fmt=json:log_path=vmaf.json"
    )
    inputs = ["-threads", "1", "-i", str(clip.resolve()), "-threads", "1", "-i", str(reference.resolve())]
    run_ffmpeg([*inputs, "-filter_complex_threads", "1", "-lavfi", graph, "-f", "null", "-"], folder=scratch)
    log = scratch / "vmaf.json"
    scores = [float(frame["metrics"]["vmaf"]) for frame in json.loads(log.read_text())["frames"]]
    log.unlink()
    if len(scores) != frames:
        raise EncodeError(f"VMAF compared {len(scores)} frames of {frames}")
    return [round(score, 3) for score in scores]
