"""From labelled encodes to training samples: every clip is decoded and cut as in production, and measured once.

One ``.npz`` a content holds all its clips. The instants are those of the content's best rung, imposed on the others as
in a ladder; each clip is compared with the best rung and with a poorer one, so that references of every quality occur.
"""

import json
import math
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.clip import Anchor, Clip
from pipeline.clips import ClipJob, SamplerChoice, clips
from pipeline.decode import MediaSource
from pipeline.errors import Rejected
from pipeline.ladder import reference_order
from pipeline.settings import DecodeLimits
from schemas import Ladder, Rendition, Rung
from workers.measured import Measured
from workers.models.measure import compare, measure
from workers.training.encoders import CODECS
from workers.training.faults import BY_NEG, OWN_FAULT
from workers.training.processes import end_with_parent
from workers.training.target import target_of

FRAMES = 8
_CODEC_OF_ENCODER = {"x264": "h264", "x265": "hevc", "svtav1": "av1", "vp9": "vp9", "mpeg2": "mpeg2video"}
_MEASURED = ("frame", "first", "facts", "times")
_DROPPED_AT_MOST = 4  # rungs taken away before the poorer reference is chosen


@dataclass(frozen=True, slots=True)
class Sample:
    """One clip in training: measured alone, and against up to two references of the same content."""

    file: str
    content: str
    kind: str
    split: str
    codec: str
    share: float
    """Coded against displayed height."""
    vmaf: float
    """VMAF NEG where VMAF rewards the fault."""
    target: float
    """What is taught of it; see `workers.training.target`. NaN: only its place in the order of severities is known."""
    target_frames: NDArray[np.float32]  # [T] at the sampled frames
    made: tuple[float, float, float, float]
    """How it was made, for the pixel network: log2 of its smallest coded size against the display's; how hard that
    encode was quantised, 0..1 of the codec's range, NaN where a bitrate ruled; encoded twice; from a soft source."""
    cells: NDArray[np.uint8]  # [T, N, P, P] shown cells
    measured: Measured
    references: tuple[tuple[int, NDArray[np.float32]], ...]
    """(index of the reference in the content's list, against [T, A]); best first."""
    fault: str | None = None
    severity: float = math.nan

    @property
    def tells_alone(self) -> bool:
        """Whether its own pictures show what is taught of it; beside the reference every fault is seen."""
        return self.kind != "order" and (self.fault is None or self.fault in OWN_FAULT)


def extract(data: Path, out: Path, *, jobs: int, seed: int = 0) -> Iterator[tuple[str, int, str]]:
    """Measure every labelled content of `data` that `out` does not hold yet; yield (content, clips, message)."""
    out.mkdir(parents=True, exist_ok=True)
    todo = [labels for labels in sorted((data / "labels").glob("*.json")) if not (out / f"{labels.stem}.npz").exists()]
    with ProcessPoolExecutor(jobs, initializer=end_with_parent) as pool:
        running = {pool.submit(_extract_content, data, labels, out, seed): labels.stem for labels in todo}
        for future in as_completed(running):
            count, message = future.result()
            yield running[future], count, message


def load_samples(folder: Path, contents: Sequence[str] | None = None) -> list[Sample]:
    """Read the samples of all contents, or of those named."""
    files = sorted(folder.glob("*.npz")) if contents is None else [folder / f"{name}.npz" for name in contents]
    return [sample for file in files for sample in _read(file)]


def _extract_content(data: Path, labels: Path, out: Path, seed: int) -> tuple[int, str]:
    import torch  # noqa: PLC0415 - in the worker process only

    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = json.loads(labels.read_text())
    rng = random.Random(f"{seed}/{labels.stem}")
    rungs = [row for row in rows if row["kind"] in ("ladder", "small")]
    ladder = _ladder(labels.stem, rungs, data)
    clean = [rendition.rendition_id for rendition in reference_order(ladder)] if ladder else []
    # What a fault does to the bits must not make it the reference.
    order = [*clean, *(row["file"] for row in rows if row.get("fault"))]
    made: dict[str, Clip] = {}
    troubles: list[str] = []
    anchor: Anchor | None = None
    for row in sorted(rows, key=lambda row: order.index(row["file"]) if row["file"] in order else len(order)):
        in_ladder = row["file"] in order
        try:
            clip = _clip(data, row, anchor if in_ladder else None)
        except Rejected as exc:
            troubles.append(f"{row['file']}: {exc}")
            continue
        if in_ladder and anchor is None:
            anchor = clip.anchor()
        elif in_ladder and clip.match and not clip.match.fits:
            clip = _clip(data, row, None)  # as in production: what does not fit is scored alone
        made[row["file"]] = clip
    best = [name for name in order if name in made][:1]
    poorer_from = rng.randint(1, _DROPPED_AT_MOST)
    fitting = [name for name in order if name in made and (name in best or _fits(made[name]))]
    poorer = [name for name in fitting if name in clean][poorer_from : poorer_from + 1]
    _write(out / f"{labels.stem}.npz", rows, made, [*best, *poorer], fitting)
    return len(made), "; ".join(troubles)


def made_of(row: dict[str, Any]) -> tuple[float, float, float, float]:
    """Return `Sample.made` of a row of the index; of a cascade the first encode is what ruined it."""
    first = json.loads(row["first_encode"]) if row["first_encode"] else None
    width_px = min(row["width_px"], first["width_px"]) if first else row["width_px"]
    worse = first or row
    low, high = CODECS[worse["codec"]].crf
    harshness = (worse["crf"] - low) / (high - low) if worse["rate_control"] == "crf" else math.nan
    return (math.log2(width_px / row["display_width_px"]), harshness, float(first is not None), float(row["soft"]))


def _fits(clip: Clip) -> bool:
    return clip.match is not None and clip.match.fits


def _ladder(stream_id: str, rows: list[dict[str, Any]], data: Path) -> Ladder | None:
    renditions = tuple(
        Rendition(
            rendition_id=row["file"],
            rung=Rung(
                codec=_CODEC_OF_ENCODER[row["codec"]],
                width_px=row["width_px"],
                height_px=row["height_px"],
                frame_rate=Fraction(row["frame_rate"]),
                bitrate_bps=_bitrate_bps(data / row["file"], row),
            ),
        )
        for row in rows
    )
    return Ladder(stream_id=stream_id, renditions=renditions) if renditions else None


def _bitrate_bps(file: Path, row: dict[str, Any]) -> int:
    duration_seconds = row["frames"] / Fraction(row["frame_rate"])
    return max(1, int(file.stat().st_size * 8 / duration_seconds))


def _clip(data: Path, row: dict[str, Any], anchor: Anchor | None) -> Clip:
    job = ClipJob(
        source=MediaSource(name=row["file"], path=data / row["file"]),
        limits=DecodeLimits(),
        sampler=SamplerChoice(frames=FRAMES),
        display_height_px=row["display_height_px"],
        display_width_px=row["display_width_px"],
        anchors={0: anchor} if anchor else {},
        thumbnails=False,
    )
    for clip in clips(job):
        if isinstance(clip, Clip):
            return clip
    raise Rejected(f"{row['file']}: no clip came out")


def _write(
    path: Path, rows: list[dict[str, Any]], made: dict[str, Clip], references: list[str], fitting: list[str]
) -> None:
    names = list(made)
    by_file = {row["file"]: row for row in rows}
    measured = {name: measure(clip) for name, clip in made.items()}
    arrays: dict[str, NDArray[Any]] = {}
    facts = []
    for index, name in enumerate(names):
        row, clip, seen = by_file[name], made[name], measured[name]
        arrays[f"{index}.cells"] = clip.shown
        for field in _MEASURED:
            arrays[f"{index}.{field}"] = getattr(seen, field)
        rate = Fraction(row["frame_rate"])
        places = [min(len(row["vmaf_frames"]) - 1, round(frame.time_seconds * rate)) for frame in clip.frames]
        labels = row["vmaf_neg_frames" if row.get("fault") in BY_NEG else "vmaf_frames"]
        arrays[f"{index}.vmaf_frames"] = np.array([labels[place] for place in places], np.float32)
        used: list[int] = []
        for reference in references:
            allowed = name in fitting and reference != name and fitting.index(reference) < fitting.index(name)
            if allowed and [f.instant for f in clip.frames] == [f.instant for f in made[reference].frames]:
                beside = compare(seen, clip.shown, measured[reference], made[reference].shown)
                if beside.against is not None:
                    arrays[f"{index}.against{len(used)}"] = beside.against
                    used.append(names.index(reference))
        facts.append(
            {
                "file": name,
                "content": row["content"],
                "kind": row["kind"],
                "split": row["split"],
                "codec": _CODEC_OF_ENCODER[row["codec"]],
                "share": row["height_px"] / row["display_height_px"],
                "vmaf": round(sum(labels) / len(labels), 3),
                "fault": row.get("fault"),
                "severity": row.get("severity"),
                "made": made_of(row),
                "references": used,
            }
        )
    arrays["index"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **arrays)  # type: ignore[arg-type]  # numpy's stub mistakes ** for its flag
    partial.rename(path)


def _read(path: Path) -> list[Sample]:
    with np.load(path) as stored:
        facts = json.loads(bytes(stored["index"]).decode())
        measured = [
            Measured(**{field: stored[f"{index}.{field}"] for field in _MEASURED}) for index in range(len(facts))
        ]
        return [
            Sample(
                file=fact["file"],
                content=fact["content"],
                kind=fact["kind"],
                split=fact["split"],
                codec=fact["codec"],
                share=fact["share"],
                vmaf=fact["vmaf"],
                target=float(target_of(np.array([fact["vmaf"]], np.float32), fact["kind"], fact["share"])[0]),
                target_frames=target_of(stored[f"{index}.vmaf_frames"], fact["kind"], fact["share"]),
                made=tuple(fact["made"]),
                cells=stored[f"{index}.cells"],
                measured=measured[index],
                references=tuple(
                    (place, stored[f"{index}.against{number}"]) for number, place in enumerate(fact["references"])
                ),
                fault=fact.get("fault"),
                severity=math.nan if fact.get("severity") is None else fact["severity"],
            )
            for index, fact in enumerate(facts)
        ]


def against(sample: Sample, number: int, content: Sequence[Sample]) -> Measured:
    """Return a sample's clip against its `number`-th reference; `content` are all samples of its content, in order."""
    place, differs = sample.references[number]
    own = sample.measured
    return Measured(own.frame, own.first, own.facts, own.times, differs, content[place].measured)
