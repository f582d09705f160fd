"""Speed as ratios: ``make bench``. One pinned core, both sides of a ratio in turn on the same clip, median of rounds.

    (decode + sampling) / decode      what choosing frames costs
    whole scoring / decode            what everything costs: decode, sample, cut, measure, trees, network
    naive loop / (decode + sampling)  RGB and a float difference on every picture, as most scripts do it
    (decode + libvmaf) / whole        the full-reference metric on the same clip, one thread

CPU time, not wall time, so that a busy machine moves it little. Prints a table and writes bench-out/bench.json.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import media_factory
import numpy as np
import torch

from pipeline.clip import Clip
from pipeline.clips import ClipJob, clips
from pipeline.decode import MediaSource, open_media
from pipeline.sample import SAMPLERS, steps
from pipeline.settings import DecodeLimits
from schemas import Rendition, SamplerIdentity, TimeBasis
from workers.models import load_model
from workers.scoring import Scorer, Work

GOALS = {
    "(decode + sampling) / decode": ("<=", 1.06),
    "whole scoring / decode": ("<=", 1.35),
    "naive loop / (decode + sampling)": (">=", 5.0),
    "(decode + libvmaf) / whole scoring": (">=", 6.0),
}
SECONDS, RATE, SIZE = 6, 30, (1920, 1080)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--core", type=int, default=0, help="which core to pin to")
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    torch.set_num_threads(1)
    options.out.mkdir(exist_ok=True)
    clip = make_clip(options.out)
    sides = measured_sides(clip)
    rounds = [{name: cpu_seconds(side) for name, side in sides.items()} for _ in range(options.rounds + 1)][1:]
    ratios = {
        "(decode + sampling) / decode": [r["decode and sample"] / r["decode"] for r in rounds],
        "whole scoring / decode": [r["whole"] / r["decode"] for r in rounds],
        "naive loop / (decode + sampling)": [r["naive"] / r["decode and sample"] for r in rounds],
        "(decode + libvmaf) / whole scoring": [r["libvmaf"] / r["whole"] for r in rounds],
    }
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{processor()}, one core",
        "clip": f"{SIZE[0]}x{SIZE[1]}, {RATE} frames/s, {SECONDS} s, H.264, {megabits(clip):.1f} Mbit/s",
        "rounds": options.rounds,
        "cpu_seconds": {name: statistics.median(r[name] for r in rounds) for name in sides},
        "ratios": {
            name: {"median": statistics.median(values), "least": min(values), "most": max(values), "goal": GOALS[name]}
            for name, values in ratios.items()
        },
        "start_seconds": start_to_first_score(clip),
    }
    (options.out / "bench.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    missed = print_report(report)
    sys.exit(1 if missed else 0)


def megabits(clip: Path) -> float:
    return clip.stat().st_size * 8 / SECONDS / 1e6


def make_clip(folder: Path) -> Path:
    path = folder / "clip.mp4"
    if not path.exists():
        rate = {"b": "4500k", "maxrate": "6000k", "bufsize": "9000k"}  # what 1080p30 gets in many ladders
        media_factory.write_video(
            path,
            codec="libx264",
            frames=SECONDS * RATE,
            size=SIZE,
            fps=Fraction(RATE),
            pattern=busy,
            options={"preset": "medium", "threads": "2", **rate},
        )
    return path


def busy(index: int, width: int, height: int) -> np.ndarray:
    """Return a pan with fine noise on it, so that the encoder has as much to do as with a camera."""
    noise = np.random.default_rng(index).integers(-2, 3, (height, width), dtype=np.int16)
    return np.clip(media_factory.pan(index, width, height) + noise, 16, 235).astype(np.uint8)


def measured_sides(clip: Path) -> dict[str, Callable[[], None]]:
    scorer = Scorer(load_model(), SamplerIdentity(name="frame_difference", frames=8))
    source, limits = MediaSource(name=clip.name, path=clip), DecodeLimits()
    work = Work("bench", Rendition(rendition_id="bench"), 0, 0.0, TimeBasis.MEDIA_TIME)

    def decode() -> None:
        with av.open(str(clip)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for _ in container.decode(video=0):
                pass

    def decode_and_sample() -> None:
        with open_media(source, limits) as media:
            for _ in SAMPLERS["frame_difference"](8).sample(steps(media.frames()), 0.0, float(SECONDS)):
                pass

    def whole() -> None:
        for found in clips(ClipJob(source, limits)):
            if not isinstance(found, Clip):
                raise RuntimeError(found.message)
            scorer.score(work, found)

    def naive() -> None:
        before = None
        with av.open(str(clip)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for frame in container.decode(video=0):
                picture = frame.to_ndarray(format="rgb24").astype(np.float32)
                if before is not None:
                    np.abs(picture - before).mean()
                before = picture

    def libvmaf() -> None:
        graph = "[0:v]settb=AVTB[a];[1:v]settb=AVTB[b];[a][b]libvmaf=n_threads=1"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-threads", "1", "-i", str(clip),
                   "-threads", "1", "-i", str(raw_of(clip)), "-lavfi", graph, "-f", "null", "-"]  # fmt: skip
        subprocess.run(command, check=True)

    return {
        "decode": decode,
        "decode and sample": decode_and_sample,
        "whole": whole,
        "naive": naive,
        "libvmaf": libvmaf,
    }


def raw_of(clip: Path) -> Path:
    """Return the clip unpacked, so that libvmaf is spared the decoding of its reference."""
    raw = clip.with_suffix(".y4m")
    if not raw.exists():
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(clip), str(raw)]
        subprocess.run(command, check=True)
    return raw


def cpu_seconds(side: Callable[[], None]) -> float:
    def spent() -> float:
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime

    before = spent()
    side()
    return spent() - before


def start_to_first_score(clip: Path) -> float:
    """Return wall seconds from the start of the command to the end of its only segment."""
    started = time.monotonic()
    command = [sys.executable, "-m", "workers.cli.main", "score", "--format", "jsonl", "--decoders", "1", str(clip)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def print_report(report: dict) -> int:
    print(f"{report['machine']}; {report['clip']}; {report['rounds']} rounds")
    missed = 0
    for name, found in report["ratios"].items():
        sign, goal = GOALS[name]
        met = found["median"] <= goal if sign == "<=" else found["median"] >= goal
        missed += not met
        span = f"[{found['least']:.3f}, {found['most']:.3f}]"
        print(f"  {name:<36} {found['median']:7.3f}  {span:<18} goal {sign} {goal:<5} {'met' if met else 'MISSED'}")
    for name, seconds in report["cpu_seconds"].items():
        print(f"  {name:<36} {seconds:7.3f} s of CPU")
    print(f"  start of the command to its first score {report['start_seconds']:.1f} s")
    return missed


if __name__ == "__main__":
    main()
