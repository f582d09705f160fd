"""The ladder that the live origin publishes: encoded once into a folder, kept in memory from then on."""

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import accumulate, islice
from math import ceil
from pathlib import Path
from typing import Any, Literal

import av
from av.video.reformatter import Interpolation, VideoReformatter

from pipeline.errors import UsageError
from workers.simulate import fmp4, transport
from workers.simulate.encoder import Codec, even
from workers.simulate.footage import Footage, black, from_video, mirrored, photographs
from workers.simulate.writer import RungPlan, RungWriter, Written, last_picture, standing

VERSION = 1
"""Of what is kept: another number, and everything is encoded anew."""
STARVED_SHARE = 0.08
"""Of the rung's bitrate, as when an encoder is given too little by mistake; still decodable."""
AD_SECONDS = 8
CAPTION = "Rungwatch  ·  a live programme of photographs  ·  "
LADDER: tuple[tuple[float, Codec, int], ...] = (
    (1.0, "h264", 2_800_000),
    (0.75, "h264", 1_300_000),
    (0.5, "hevc", 450_000),
    (0.4, "h264", 320_000),
    (0.3, "h264", 250_000),
)
"""Height (of the top rung's), codec, bitrate for 1280 x 720 at 25 frames/s, scaled with the pixels a second."""
BY_RUNGS = {3: (0, 1, 2), 4: (0, 1, 2, 4), 5: (0, 1, 2, 3, 4)}
LEAST_BITRATE_BPS = 60_000

Container = Literal["cmaf", "ts"]
CONTAINERS: dict[Codec, tuple[Container, ...]] = {"h264": ("cmaf", "ts"), "hevc": ("cmaf",)}
"""HLS takes HEVC as fragmented MP4 only."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is encoded; the same plan is encoded once."""

    video: Path | None = None
    """None: the programme of photographs."""
    rungs: int = 4
    height_px: int = 360
    """Of the top rung, at most."""
    segment_seconds: float = 2.0
    loop_seconds: float = 32.0

    def key(self) -> str:
        """Return a name that changes with everything that changes the encodes."""
        values: dict[str, Any] = asdict(self) | {"version": VERSION, "ladder": LADDER, "starved": STARVED_SHARE}
        if self.video is not None:
            status = self.video.stat()
            values["video"] = (str(self.video.resolve()), status.st_size, status.st_mtime_ns)
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Take:
    """One encode of some segments of a rung, in CMAF and, where the codec is H.264, as a transport stream."""

    init: bytes
    fragments: tuple[fmp4.Fragment, ...]
    transports: tuple[bytes, ...]
    """Empty where the codec does not go into one."""
    counters: tuple[Counter[int], ...]
    """Packets by PID before each transport segment, and in all of them."""

    @classmethod
    def of(cls, init: bytes, fragments: tuple[fmp4.Fragment, ...], codec: Codec) -> "Take":
        """Return the take with its transport segments, which are made of the fragments."""
        packed: tuple[bytes, ...] = ()
        if "ts" in CONTAINERS[codec]:
            packed = tuple(transport.from_fragment(init, each.data) for each in fragments)
        counts = accumulate((transport.packet_counts(each) for each in packed), initial=Counter[int]())
        return cls(init, fragments, packed, tuple(counts))

    def continuity(self, index: int, loops: int) -> Counter[int]:
        """Return how many packets of each PID came before segment `index` when the take was played `loops` times."""
        whole, before = self.counters[-1], self.counters[index]
        return Counter({pid: before[pid] + loops * count for pid, count in whole.items()})

    def sizes(self, container: Container) -> list[int]:
        """Return the bytes of each segment."""
        if container == "ts":
            return [len(each) for each in self.transports]
        return [each.size for each in self.fragments]


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung with all of its takes."""

    plan: RungPlan
    codecs: str
    timescale: int
    bandwidth_bps: Mapping[Container, tuple[int, int]]
    """Peak over a segment and mean, as they are declared: measured, so that the declaration is true."""
    takes: dict[str, Take] = field(compare=False)
    """``main``, ``starved``, ``ad``, ``black`` and, once asked for, ``frozen-N`` (the last picture of segment N)."""

    @property
    def name(self) -> str:
        return self.plan.name


@dataclass(frozen=True, slots=True)
class Encodes:
    """A loop of segments in several rungs."""

    frame_rate: Fraction
    segment_frames: int
    segments: int
    ad_segments: int
    rungs: tuple[Rung, ...]
    """Best first."""

    @property
    def segment_seconds(self) -> Fraction:
        return self.segment_frames / self.frame_rate

    def rung(self, name: str) -> Rung | None:
        return next((rung for rung in self.rungs if rung.name == name), None)

    def freeze(self, index: int) -> str:
        """Make segments that stand still on the last picture of segment `index`, and return the name of the take."""
        name = f"frozen-{index}"
        for rung in self.rungs:
            if name not in rung.takes:
                main = rung.takes["main"]
                picture = last_picture(main.init, main.fragments[index])
                written = standing(rung.plan, self.frame_rate, self.segment_frames, picture)
                rung.takes[name] = Take.of(written.init, written.fragments, rung.plan.codec)
        return name


def prepare(plan: Plan, cache: Path, report: Callable[[float, str], None] = lambda share, text: None) -> Encodes:
    """Return the encodes of the plan: out of the cache folder, or encoded into it (seconds; two cores at most).

    Args:
        report: Told the share that is done, 0..1, and what is being done.

    Raises:
        UsageError: The plan cannot be met, the video cannot be used, or the photographs are not installed.
    """
    if plan.rungs not in BY_RUNGS:
        raise UsageError(f"a ladder of {plan.rungs} rungs is not offered; ask for {min(BY_RUNGS)} to {max(BY_RUNGS)}")
    if plan.video is not None and not plan.video.is_file():
        raise UsageError(f"{plan.video}: no file is there; name a video, or none for the programme of photographs")
    folder = cache / plan.key()
    if not (folder / "ladder.json").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="encoding-") as made:
            _encode(plan, Path(made), report)
            _keep(Path(made), folder)
    report(1.0, "reading the encodes")
    return _load(folder)


def _keep(made: Path, folder: Path) -> None:
    """Give finished encodes their name in one step; another process may have been quicker."""
    whole = made.parent / f"{made.name}-whole"
    shutil.copytree(made, whole)
    try:
        whole.rename(folder)
    except OSError:
        shutil.rmtree(whole)
        if not (folder / "ladder.json").is_file():
            raise


class _RungTakes:
    """Scales the pictures once for one rung and encodes its takes."""

    def __init__(self, plan: RungPlan, rate: Fraction, segment_frames: int, ad_frames: int) -> None:
        self.plan = plan
        self._rate, self._segment_frames, self._ad_frames = rate, segment_frames, ad_frames
        self._scaler = VideoReformatter()  # the one that a picture carries is not safe between threads
        starved_bps = round(plan.bitrate_bps * STARVED_SHARE)
        self._main = RungWriter(plan, rate, segment_frames, plan.bitrate_bps)
        self._starved = RungWriter(plan, rate, segment_frames, starved_bps)
        self._ad = RungWriter(plan, rate, segment_frames, plan.bitrate_bps)
        self._written = 0

    def write(self, pictures: Sequence[av.VideoFrame]) -> None:
        for picture in pictures:
            scaled = self._scaler.reformat(
                picture, self.plan.width_px, self.plan.height_px, "yuv420p", interpolation=Interpolation.BICUBIC
            )
            if self._written < self._ad_frames:
                self._ad.write(mirrored(scaled))
            self._main.write(scaled)
            self._starved.write(scaled)
            self._written += 1

    def close(self) -> dict[str, Written]:
        dark = black(self.plan.width_px, self.plan.height_px)
        return {
            "main": self._main.close(),
            "starved": self._starved.close(),
            "ad": self._ad.close(),
            "black": standing(self.plan, self._rate, self._segment_frames, dark),
        }


def _encode(plan: Plan, folder: Path, report: Callable[[float, str], None]) -> None:
    report(0.0, "making the first pictures")
    seconds = plan.loop_seconds
    footage = photographs(seconds, CAPTION) if plan.video is None else from_video(plan.video, seconds)
    segment_frames = max(1, round(plan.segment_seconds * footage.frame_rate))
    segments = max(2, round(plan.loop_seconds * footage.frame_rate / segment_frames))
    ad_segments = min(segments, max(1, ceil(AD_SECONDS * footage.frame_rate / segment_frames)))
    plans = _rung_plans(plan, footage)
    takes = [_RungTakes(each, footage.frame_rate, segment_frames, ad_segments * segment_frames) for each in plans]
    frames = segments * segment_frames
    with ThreadPoolExecutor(2) as pool:
        running: list[Future[None]] = []
        for first, pictures in _batches(footage, frames):  # made while the second before is encoded
            _wait(running)
            running = [pool.submit(each.write, pictures) for each in takes]
            report(first / frames, f"encoding {len(plans)} rungs")
        _wait(running)
        written = list(pool.map(_RungTakes.close, takes))
    for each, by_name in zip(plans, written, strict=True):
        _write_rung(folder / each.name, by_name)
    described = {
        "frame_rate": str(footage.frame_rate),
        "segment_frames": segment_frames,
        "segments": segments,
        "ad_segments": ad_segments,
        "rungs": [
            asdict(each) | {"codecs": by_name["main"].codecs} for each, by_name in zip(plans, written, strict=True)
        ],
    }
    (folder / "ladder.json").write_text(json.dumps(described, indent=1), encoding="utf-8")


def _wait(running: Sequence[Future[None]]) -> None:
    for each in running:
        each.result()


def _rung_plans(plan: Plan, footage: Footage) -> list[RungPlan]:
    top = min(plan.height_px, footage.height_px)
    aspect = Fraction(footage.width_px, footage.height_px)
    plans = []
    for share, codec, bitrate_bps in (LADDER[index] for index in BY_RUNGS[plan.rungs]):
        height = even(top * share)
        width = even(height * aspect)
        scaled_bps = bitrate_bps * (top * top * float(aspect * footage.frame_rate)) / (1280 * 720 * 25)
        plans.append(RungPlan(f"{height}p", codec, width, height, max(LEAST_BITRATE_BPS, round(scaled_bps))))
    return plans


def _batches(footage: Footage, frames: int) -> Iterator[tuple[int, list[av.VideoFrame]]]:
    """Yield a second of pictures at a time, with the index of the first."""
    pictures = islice(footage.pictures, frames)
    first = 0
    while batch := list(islice(pictures, ceil(footage.frame_rate))):
        yield first, batch
        first += len(batch)


def _write_rung(folder: Path, by_name: dict[str, Written]) -> None:
    folder.mkdir()
    for name, written in by_name.items():
        if written.parameter_sets != by_name["main"].parameter_sets:
            raise ValueError(f"take {name} of {folder.name} cannot share an init segment: other parameter sets")
        (folder / f"{name}.mp4").write_bytes(written.init + b"".join(each.data for each in written.fragments))


def _load(folder: Path) -> Encodes:
    described = json.loads((folder / "ladder.json").read_text(encoding="utf-8"))
    rate, segment_frames = Fraction(described["frame_rate"]), int(described["segment_frames"])
    rungs = []
    for entry in described["rungs"]:
        codecs = entry.pop("codecs")
        rungs.append(_rung(RungPlan(**entry), codecs, folder, segment_frames / rate))
    return Encodes(rate, segment_frames, described["segments"], described["ad_segments"], tuple(rungs))


def _rung(plan: RungPlan, codecs: str, folder: Path, segment_seconds: Fraction) -> Rung:
    takes = {}
    for name in ("main", "starved", "ad", "black"):
        init, fragments = fmp4.cut((folder / plan.name / f"{name}.mp4").read_bytes())
        takes[name] = Take.of(init, tuple(fragments), plan.codec)
    return Rung(
        plan=plan,
        codecs=codecs,
        timescale=fmp4.timescale(takes["main"].init),
        bandwidth_bps={each: _bandwidth(takes, each, segment_seconds) for each in CONTAINERS[plan.codec]},
        takes=takes,
    )


def _bandwidth(takes: Mapping[str, Take], container: Container, segment_seconds: Fraction) -> tuple[int, int]:
    sizes = [takes[name].sizes(container) for name in ("main", "ad")]
    peak = max(*sizes[0], *sizes[1])
    mean = max(Fraction(sum(each), len(each)) for each in sizes)
    return ceil(peak * 8 / segment_seconds), ceil(mean * 8 / segment_seconds)
