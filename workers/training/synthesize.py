"""Training data: pristine contents become ladders of real encodes, labelled by libvmaf at display size.

Below the output folder stand `clips/<content>/<name>`, the encoded files; `labels/<content>.json`, written
when a content is finished, which is what makes a run resumable; and `index.parquet`, one row a clip.
"""

import json
import multiprocessing
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import pyarrow as pa
import pyarrow.parquet as pq

from workers.training.encoders import (
    CODECS,
    CodecName,
    Encode,
    EncodeError,
    draw_codec,
    draw_encode,
    encode,
    scaled_size,
)
from workers.training.faults import IN_STREAM, ORDER_ONLY, Fault, FaultName, break_stream, shown_with
from workers.training.pristine import Pristine, SourceError, make_pristine
from workers.training.processes import end_with_parent
from workers.training.sources import FAULTS_SUFFIX, WHOLE_LADDER_SUFFIX, Content, SourceKind, Split, find_contents
from workers.training.vmaf import Labels, measure_vmaf

ClipKind = Literal["ladder", "small", "cascade", "still", "fault", "order"]
"""`fault`: a rung with something wrong beside its encode; `order`: the same, but only the severity is known of it."""
Making = Literal["mixed", "ladders", "faults"]

LADDER_CLIPS = 8
LADDER_SHARES = (1.0, 3 / 4, 2 / 3, 1 / 2, 3 / 8, 1 / 3, 1 / 4, 1 / 6)  # of the display's sides
LADDER_WEIGHTS = (8, 4, 3, 5, 3, 2, 3, 1)
GOOD_TOP_SHARE = 0.5
ONE_CODEC_SHARE = 0.4  # real ladders keep one codec and preset, mixed ones teach the difference
CASCADE_SHARE = 0.6
CASCADES_OF_RUNGS = 3  # rungs that are encoded again as they are: what a cascade hides is then any quality
SMALL_CLIPS_SOFT = 2
SMALL_CLIPS_SHARP = 1  # below a sixth of the sides of a sharp picture VMAF is nearly always 0
SMALL_CODECS: tuple[CodecName, ...] = ("x264", "x265", "vp9")  # SVT-AV1 wants 64 px a side
STILL_CLIPS = 2
WHOLE_LADDER_CLIPS = 10
WHOLE_LADDER_SHARES = (1.0, 3 / 4, 2 / 3, 1 / 2, 3 / 8, 1 / 4)
WHOLE_LADDER_WEIGHTS = (3, 1, 1, 2, 1, 1)
WHOLE_LADDER_CODECS: dict[CodecName, int] = {"x264": 3, "x265": 2, "svtav1": 2}
WHOLE_LADDER_TOP_CRF: dict[CodecName, tuple[int, int]] = {"x264": (12, 18), "x265": (12, 18), "svtav1": (12, 22)}
FAULT_SERIES = 2
FAULT_SEVERITIES = 3  # of a series: one fault on one content in one encode, worse and worse
FAULT_CLEAN_CLIPS = 3  # the top rung among them
FAULT_SHARES, FAULT_WEIGHTS = (1.0, 2 / 3, 1 / 2), (3, 1, 1)
FAULT_CODECS: dict[CodecName, int] = {"x264": 3, "x265": 2}
FAULT_CRF = (16, 30)
SHARED_MEMORY = Path("/dev/shm")  # raw pictures of one content are up to 33 MB, and are read some 26 times
SHARED_MEMORY_FREE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class ClipLabel:
    """One row of the index: an encoded file, how it was made, and how good it is."""

    file: str  # relative to the output folder
    content: str
    source: str  # file name
    source_kind: SourceKind
    kind: ClipKind
    soft: bool
    codec: CodecName
    preset: str
    rate_control: str
    crf: float | None  # the encoder's own quality number; None with abr
    bitrate_bps: int | None  # target or cap, not what came out
    width_px: int
    height_px: int
    display_width_px: int
    display_height_px: int
    scaler: str
    gop_frames: int | None  # None: the encoder's default
    b_frames: bool
    frames: int
    frame_rate: str  # exact fraction
    vmaf: float  # mean over the frames, 0-100
    vmaf_frames: list[float]  # [frames]
    vmaf_neg_frames: list[float]  # [frames]
    cambi: float | None  # mean over the frames; None: too small a display for it
    fault: FaultName | None
    severity: float | None  # 0-1, with a fault
    split: Split
    first_encode: str | None  # JSON of the encode that a cascade was made from, else None
    seed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, reported after every content."""

    content: str  # the one that was just finished or skipped
    done: int  # contents, those of earlier runs included
    total: int
    clips: int  # made in this run
    elapsed_seconds: float
    left_seconds: float  # at the pace of this run
    messages: tuple[str, ...]  # skipped sources and dropped clips, one line each


@dataclass(frozen=True, slots=True)
class _Plan:
    """One clip to be made."""

    name: str
    kind: ClipKind
    settings: Encode
    first: Encode | None = None  # a cascade's first encode
    of: str | None = None  # the name of the rung that is a cascade's first encode
    frame: int | None = None  # a still's frame
    fault: Fault | None = None


def synthesize(
    sources: Path,
    out: Path,
    *,
    contents: int | None,
    seed: int,
    jobs: int,
    report: Callable[[Progress], None],
    making: Making = "mixed",
) -> int:
    """Make and label the clips of `contents` contents (None: all), and return the rows of the index.

    Of each content `making` makes: ``mixed``, random rungs, cascades, stills and small clips; ``ladders``, one whole
    ladder below a near-pristine top rung, and cascades; ``faults``, a short ladder with rungs whose chain has a fault.
    Contents come in an order shuffled by the seed, so an interrupted run leaves a fair sample, and with ``ladders`` in
    the reverse of it, so that a short run adds contents to a short mixed one. What is finished is not made again.
    A content depends on the seed and the source files, not on the order or on
    `jobs`. Sources that cannot be used and encodes that fail are named in the reports and left out.
    """
    available = find_contents(sources)
    wanted = list(available)
    random.Random(f"{seed}/order").shuffle(wanted)
    if making == "ladders":
        wanted.reverse()
    wanted = [replace(c, content_id=c.content_id + _SUFFIXES[making]) for c in wanted[:contents]]
    for folder in ("clips", "labels"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    todo = [content for content in wanted if not _label_file(out, content.content_id).exists()]
    companions = {
        split: [content.path for content in available if content.kind == "photo" and content.split == split]
        for split in ("train", "validation")
    }

    started = time.monotonic()
    clips = 0
    context = multiprocessing.get_context("spawn")  # forks copy locks without their holders
    with _cancelled_on_error(ProcessPoolExecutor(jobs, context, end_with_parent)) as pool:
        pending = {
            pool.submit(_make_content, content, companions[content.split], out, seed, making): content.content_id
            for content in todo
        }
        for finished, future in enumerate(as_completed(pending), start=1):
            made, messages = future.result()
            clips += made
            elapsed = time.monotonic() - started
            report(
                Progress(
                    content=pending[future],
                    done=len(wanted) - len(todo) + finished,
                    total=len(wanted),
                    clips=clips,
                    elapsed_seconds=elapsed,
                    left_seconds=elapsed / finished * (len(todo) - finished),
                    messages=messages,
                )
            )
    return write_index(out)


def write_index(out: Path) -> int:
    """Gather all finished contents in `index.parquet`, sorted by content and clip; return how many rows."""
    rows: list[dict[str, Any]] = []
    for path in sorted((out / "labels").glob("*.json")):
        rows += json.loads(path.read_text())
    partial = out / "index.parquet.partial"
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), partial)
    partial.replace(out / "index.parquet")
    return len(rows)


def _make_content(
    content: Content, companions: list[Path], out: Path, seed: int, making: Making
) -> tuple[int, tuple[str, ...]]:
    """Make all clips of one content; return how many, and one line for everything that was left out."""
    cv2.setNumThreads(1)
    rng = random.Random(f"{seed}/{content.content_id}")
    try:
        pristine = make_pristine(content, companions, rng)
    except SourceError as error:
        return 0, (f"skipped {content.content_id}: {error}",)
    folder = out / "clips" / content.content_id
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
    folder.mkdir()
    labels: list[ClipLabel] = []
    messages: list[str] = []
    with _scratch() as scratch:
        reference = scratch / "pristine.y4m"
        pristine.write_y4m(reference, slice(None))
        for plan in _PLANS[making](pristine, rng):
            target = folder / plan.name
            try:
                said = _make_clip(plan, pristine, reference, target, scratch)
            except EncodeError as error:
                target.unlink(missing_ok=True)
                messages.append(f"dropped {content.content_id}/{plan.name}: {error}")
                continue
            labels.append(
                ClipLabel(
                    file=target.relative_to(out).as_posix(),
                    content=content.content_id,
                    source=content.path.name,
                    source_kind=content.kind,
                    kind=plan.kind,
                    soft=pristine.soft,
                    display_width_px=pristine.width_px,
                    display_height_px=pristine.height_px,
                    frames=len(said.vmaf),
                    frame_rate=f"{pristine.frame_rate.numerator}/{pristine.frame_rate.denominator}",
                    vmaf=_mean(said.vmaf),
                    vmaf_frames=said.vmaf,
                    vmaf_neg_frames=said.vmaf_neg,
                    cambi=_mean(said.cambi) if said.cambi else None,
                    fault=plan.fault.name if plan.fault else None,
                    severity=plan.fault.severity if plan.fault else None,
                    split=content.split,
                    first_encode=None if plan.first is None else json.dumps(asdict(plan.first)),
                    seed=seed,
                    **asdict(plan.settings),
                )
            )
    partial = out / "labels" / f"{content.content_id}.partial"
    partial.write_text(json.dumps([asdict(label) for label in labels]))
    partial.replace(_label_file(out, content.content_id))
    return len(labels), tuple(messages)


def _plan_clips(pristine: Pristine, rng: random.Random) -> list[_Plan]:
    """Draw all clips of one content, before any is made: a failed encode then changes no other clip."""
    display = (pristine.width_px, pristine.height_px)
    plans: list[_Plan] = []

    def add(
        kind: ClipKind,
        settings: Encode,
        first: Encode | None = None,
        frame: int | None = None,
    ) -> None:
        name = f"{len(plans):02d}_{kind}{CODECS[settings.codec].suffix}"
        plans.append(_Plan(name, kind, settings, first, frame=frame))

    def draw(codec: CodecName, share: float, crf: tuple[int, int] | None = None, preset: str | None = None) -> Encode:
        size = scaled_size(codec, display, share)
        return draw_encode(codec, size, pristine.frame_rate, rng, crf=crf, preset=preset)

    good_top = rng.random() < GOOD_TOP_SHARE
    one_codec = draw_codec(rng) if rng.random() < ONE_CODEC_SHARE else None
    one_preset = rng.choice(CODECS[one_codec].presets) if one_codec else None
    for index in range(LADDER_CLIPS):
        codec = one_codec or draw_codec(rng)
        if index == 0 and good_top:
            add("ladder", draw(codec, 1.0, CODECS[codec].top_crf, one_preset))
        else:
            add("ladder", draw(codec, rng.choices(LADDER_SHARES, LADDER_WEIGHTS)[0], None, one_preset))
    for _ in range(SMALL_CLIPS_SOFT if pristine.soft else SMALL_CLIPS_SHARP):
        add("small", draw(draw_codec(rng, SMALL_CODECS), 1 / rng.uniform(6, 16)))
    if rng.random() < CASCADE_SHARE:
        first_codec = draw_codec(rng)
        low, high = CODECS[first_codec].crf
        poor = (low + (high - low) // 3, high)
        first = draw(first_codec, rng.choices(LADDER_SHARES, LADDER_WEIGHTS)[0], poor)
        second: CodecName = rng.choices(("x264", "x265"), weights=(3, 1))[0]
        add("cascade", draw(second, 1.0, (12, 18)), first=first)
    for _ in range(STILL_CLIPS):
        codec = rng.choices(("x265", "x264"), weights=(3, 1))[0]
        share = 2 ** rng.uniform(-4 if pristine.soft else -2.5, 0)
        add("still", draw(codec, share, (18, 45)), frame=rng.randrange(len(pristine.frames)))
    return [*plans, *_encoded_again(plans[:LADDER_CLIPS], pristine, rng, len(plans))]


def _encoded_again(rungs: Sequence[_Plan], pristine: Pristine, rng: random.Random, number: int) -> list[_Plan]:
    """Draw cascades of some rungs of a ladder, named from `number` on."""
    plans = []
    for index, rung in enumerate(rng.sample(rungs, CASCADES_OF_RUNGS), number):
        codec: CodecName = rng.choices(("x264", "x265"), weights=(3, 1))[0]
        size = scaled_size(codec, (pristine.width_px, pristine.height_px), 1.0)
        # The fastest preset: at these rates the preset changes the size of the file, hardly what is seen.
        settings = draw_encode(codec, size, pristine.frame_rate, rng, crf=(12, 18), preset=CODECS[codec].presets[0])
        name = f"{index:02d}_cascade{CODECS[codec].suffix}"
        plans.append(_Plan(name, "cascade", settings, first=rung.settings, of=rung.name))
    return plans


def _plan_ladder(pristine: Pristine, rng: random.Random) -> list[_Plan]:
    """Draw one whole ladder: a near-pristine top rung, what is below it in size, rate and codec, and cascades."""
    plans = [_rung(index, pristine, rng) for index in range(WHOLE_LADDER_CLIPS)]
    return [*plans, *_encoded_again(plans, pristine, rng, len(plans))]


def _plan_faults(pristine: Pristine, rng: random.Random) -> list[_Plan]:
    """Draw a short clean ladder, and rungs with a fault: every severity of one fault in the same encode."""
    display = (pristine.width_px, pristine.height_px)
    plans = [_rung(index, pristine, rng) for index in range(FAULT_CLEAN_CLIPS)]
    for name in rng.sample(get_args(FaultName), FAULT_SERIES):
        codec = rng.choices(list(FAULT_CODECS), list(FAULT_CODECS.values()))[0]
        size = scaled_size(codec, display, rng.choices(FAULT_SHARES, FAULT_WEIGHTS)[0])
        settings = draw_encode(codec, size, pristine.frame_rate, rng, crf=FAULT_CRF)
        seed, suffix = rng.getrandbits(32), ".ts" if name in IN_STREAM else CODECS[codec].suffix
        kind: ClipKind = "order" if name in ORDER_ONLY else "fault"
        for step in range(FAULT_SEVERITIES):
            fault = Fault(name, round((step + rng.random()) / FAULT_SEVERITIES, 3), seed)
            plans.append(_Plan(f"{len(plans):02d}_{name}{suffix}", kind, settings, fault=fault))
    return plans


def _rung(index: int, pristine: Pristine, rng: random.Random) -> _Plan:
    """Draw a rung of a whole ladder; the first is near-pristine."""
    codec = rng.choices(list(WHOLE_LADDER_CODECS), list(WHOLE_LADDER_CODECS.values()))[0]
    share = rng.choices(WHOLE_LADDER_SHARES, WHOLE_LADDER_WEIGHTS)[0] if index else 1.0
    crf = CODECS[codec].crf if index else WHOLE_LADDER_TOP_CRF[codec]
    size = scaled_size(codec, (pristine.width_px, pristine.height_px), share)
    settings = draw_encode(codec, size, pristine.frame_rate, rng, crf=crf)
    return _Plan(f"{index:02d}_ladder{CODECS[codec].suffix}", "ladder", settings)


def _make_clip(plan: _Plan, pristine: Pristine, reference: Path, target: Path, scratch: Path) -> Labels:
    """Encode one planned clip to `target` and return its labels."""
    source, frames, rate = reference, len(pristine.frames), pristine.frame_rate
    whole = target
    if plan.fault and plan.fault.name in IN_STREAM:
        whole = scratch / "whole.ts"
    elif plan.fault:
        shown = shown_with(pristine, plan.fault)
        source, frames, rate = scratch / "faulty.y4m", len(shown.frames), shown.frame_rate
        shown.write_y4m(source, slice(None))
    if plan.frame is not None:
        source = reference = scratch / "still.y4m"
        frames = 1
        pristine.write_y4m(source, slice(plan.frame, plan.frame + 1))
    if plan.of is not None:
        source = target.with_name(plan.of)
        if not source.exists():
            raise EncodeError(f"{plan.of} was left out, of which it is made")
    elif plan.first is not None:
        source = scratch / f"first{CODECS[plan.first.codec].suffix}"
        encode(reference, plan.first, source, frames, pristine.frame_rate)
    encode(source, plan.settings, whole, frames, rate)
    if plan.fault and whole != target:
        break_stream(whole, plan.fault, target)
    return measure_vmaf(
        target,
        reference,
        size=(pristine.width_px, pristine.height_px),
        frames=1 if plan.frame is not None else len(pristine.frames),
        frame_rate=pristine.frame_rate,
        scratch=scratch,
        by_time=plan.fault is not None,
    )


@contextmanager
def _cancelled_on_error(pool: ProcessPoolExecutor) -> Iterator[ProcessPoolExecutor]:
    """The pool, without the wait for all pending contents when one of them shows a bug or the user stops."""
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for raw pictures, in memory where there is room, removed afterwards."""
    roomy = SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK)
    roomy = roomy and shutil.disk_usage(SHARED_MEMORY).free > SHARED_MEMORY_FREE_BYTES
    with tempfile.TemporaryDirectory(prefix="rungwatch-", dir=SHARED_MEMORY if roomy else None) as folder:
        yield Path(folder)


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)


def _label_file(out: Path, content_id: str) -> Path:
    return out / "labels" / f"{content_id}.json"


_PLANS: dict[Making, Callable[[Pristine, random.Random], list[_Plan]]] = {
    "mixed": _plan_clips,
    "ladders": _plan_ladder,
    "faults": _plan_faults,
}
_SUFFIXES: dict[Making, str] = {"mixed": "", "ladders": WHOLE_LADDER_SUFFIX, "faults": FAULTS_SUFFIX}
_ARROW_TYPES: dict[Any, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    int | None: pa.int64(),
    float: pa.float64(),
    float | None: pa.float64(),
    list[float]: pa.list_(pa.float64()),
}
_SCHEMA = pa.schema([(field.name, _ARROW_TYPES.get(field.type, pa.string())) for field in fields(ClipLabel)])
