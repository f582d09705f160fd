"""Trains the default model: the pixel networks, the trees, the temporal network on top; and writes the checkpoint.

Batches are whole ladders. Resumable: the state is written to the run's folder as it goes, and a run that finds one goes
on from there. Seeded.
"""

import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.errors import UsageError
from workers.measured import Measured
from workers.models.backbone import BackboneNetwork
from workers.models.checkpoint import Checkpoint, save, stored
from workers.models.ladder_model import ARCHITECTURES, CLIP, Scaler, collate, start_of
from workers.models.measure import summary
from workers.models.network import LadderNetwork
from workers.models.pixels import PixelNetwork, say
from workers.training import losses, pixels
from workers.training.boost import Case, Grown, cases_of, folds_of, grow, hidden, taught
from workers.training.extract import Sample
from workers.training.progress import Progress


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the weights, beside the samples."""

    architecture: str = "nano"
    imagenet: str = ""
    """File of timm's ImageNet weights, for the sizes ``swinv2-*``; empty: timm fetches them."""
    seed: int = 0
    pixel_cycles: tuple[int, ...] = (500, 1000, 1200)
    """Steps of each pixel network, a cycle of the learning rate each; there is one network a fold."""
    trees: int = 500
    folds: int = 3
    epochs: int = 10
    contents_in_batch: int = 2
    frames_seen: int = 4
    """Frames of a clip that the temporal network sees in one step of training."""
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    hide_stream: float = 0.3
    """Share of clips whose stream facts are hidden."""
    hide_guess: float = 0.05
    """Share of clips whose trees say a smeared score; at 0.3 the network corrected trees that were right."""
    correction: float = 0.5
    """How much of what the temporal network has learned to correct is kept in the end: with all of it the validation
    clips were 0.3 points worse alone, with none of it cascades 6 points."""
    average: float = 0.995
    """Decay of the running average of the weights, which is what is kept."""
    threads: int = 2
    """More than the free cores make the trees many times slower."""
    device: str = "cpu"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Recipe":
        """Return the recipe whose fields are those named, the others at their defaults."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise UsageError(f"a recipe has no {', '.join(unknown)}: it has {', '.join(f.name for f in fields(cls))}")
        cycles = {"pixel_cycles": tuple(values["pixel_cycles"])} if "pixel_cycles" in values else {}
        recipe = cls(**{**values, **cycles})
        if recipe.architecture not in ARCHITECTURES:
            raise UsageError(f"there is no architecture {recipe.architecture!r}: there are {', '.join(ARCHITECTURES)}")
        return recipe


def train(
    samples: Sequence[Sample],
    out: Path,
    recipe: Recipe,
    report: Callable[[Progress], None],
    *,
    further: Sequence[Sample] = (),
    hours: float | None = None,
) -> Path:
    """Train on the samples of split ``train`` and return the path of the checkpoint, not yet calibrated.

    `hours` ends the temporal network early at the end of an epoch, with the learning rate brought down in time.
    """
    for split, least in (("train", recipe.folds), ("validation", 2)):  # intervals are checked across two halves
        there = len({sample.content for sample in samples if sample.split == split})
        if there < least:
            raise UsageError(
                f"the samples have {there} contents on the {split} side of the split, and {least} at least are needed: "
                "make and extract more contents (of some seven files one is for validation, as its name decides)"
            )
    torch.set_num_threads(recipe.threads)
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2) + "\n")
    known = [sample for sample in samples if sample.split == "train"]
    more = [sample for sample in further if sample.split == "train"]
    # The one that ships is the first fold's: what it says of new contents is then what the trees learned to read.
    fold_of = folds_of(known, recipe.folds, more)
    pixel_network = fit_pixels([*known, *more], fold_of, out, recipe, report, 0)
    seen = seen_by_others([*known, *more], fold_of, out, recipe, report)
    return train_on_top(seen, fold_of, pixel_network, out, recipe, report, hours=hours)


def train_on_top(
    seen: Sequence[Sample],
    fold_of: Mapping[str, int],
    pixel_network: nn.Module,
    out: Path,
    recipe: Recipe,
    report: Callable[[Progress], None],
    *,
    hours: float | None = None,
) -> Path:
    """Grow the trees and train the temporal network on samples that a pixel network has seen; see `train`."""
    cases = taught(cases_of(seen, fold_of))
    grown = grow(cases, folds=recipe.folds, trees=recipe.trees, seed=recipe.seed, threads=recipe.threads)
    scaler = Scaler(_scales(cases, grown))
    torch.manual_seed(recipe.seed)
    network = LadderNetwork(ARCHITECTURES[recipe.architecture].network).to(recipe.device)
    _fit(network, cases, grown, scaler, recipe, out, report, hours)
    tensors = stored("network", network) | stored("pixels", pixel_network)
    for part, trees in grown.guesser.forests.items():
        tensors |= {f"{part}.{key}": torch.from_numpy(array) for key, array in trees.arrays().items()}
    tensors |= {f"scale.{key}": tensor for key, tensor in scaler.tensors.items()}
    checkpoint = Checkpoint(
        name=recipe.architecture,
        tensors=tensors,
        config={**ARCHITECTURES[recipe.architecture].to_dict(), "recipe": asdict(recipe)},
        calibration={"reach": {"alone": math.log(10), "ladder": math.log(10)}},  # 90 % of a Laplace distribution
        accuracy="not measured yet",
        revision=int(time.time()),
    )
    path = out / f"{recipe.architecture}.safetensors"
    save(checkpoint, path)
    return path


def fit_pixels(
    samples: Sequence[Sample],
    fold_of: Mapping[str, int],
    out: Path,
    recipe: Recipe,
    report: Callable[[Progress], None],
    fold: int,
) -> PixelNetwork | BackboneNetwork:
    """Return the pixel network that has not seen a fold of the samples' contents."""
    members = [sample for sample in samples if fold_of[sample.content] != fold]
    sizes = ARCHITECTURES[recipe.architecture].pixels
    imagenet = Path(recipe.imagenet) if recipe.imagenet else None
    settings = pixels.PixelRecipe(sizes, recipe.seed, recipe.pixel_cycles, device=recipe.device, imagenet=imagenet)
    return pixels.fit(members, out / f"pixels_without_{fold}.pt", settings, report)


def seen_by_others(
    samples: Sequence[Sample],
    fold_of: Mapping[str, int],
    out: Path,
    recipe: Recipe,
    report: Callable[[Progress], None],
) -> list[Sample]:
    """Return the samples, each with what a pixel network that has not seen its content says of it."""
    seen: list[Sample] = []
    for fold in range(recipe.folds):
        network = fit_pixels(samples, fold_of, out, recipe, report, fold)
        speak = partial(say, network, kind=torch.bfloat16)
        seen += pixels.read(speak, [sample for sample in samples if fold_of[sample.content] == fold])
    return seen


def _scales(cases: Sequence[Case], grown: Grown) -> dict[str, Tensor]:
    alone = [case.measured for case in cases if case.measured.best is None]
    columns = {
        "frame": np.concatenate([measured.frame for measured in alone]),
        "clip": np.stack([np.concatenate([measured.first, measured.facts]) for measured in alone]),
        "against": np.concatenate([m.against for m in (case.measured for case in cases) if m.against is not None]),
        "best": np.stack([summary(measured) for measured in alone]),
        "guess": grown.guesses,
    }
    scales = {}
    for name, values in columns.items():
        scales[f"{name}_mean"] = torch.from_numpy(np.nanmean(values, axis=0).astype(np.float32))
        deviation = np.nanstd(values, axis=0).astype(np.float32)
        scales[f"{name}_deviation"] = torch.from_numpy(np.maximum(deviation, 1e-3))
    if len(scales["clip_mean"]) != len(CLIP):
        raise ValueError(f"expected {len(CLIP)} columns of clip facts, got {len(scales['clip_mean'])}")
    return scales


def _fit(
    network: LadderNetwork,
    cases: Sequence[Case],
    grown: Grown,
    scaler: Scaler,
    recipe: Recipe,
    out: Path,
    report: Callable[[Progress], None],
    hours: float | None,
) -> None:
    by_content: dict[str, list[int]] = defaultdict(list)
    for index, case in enumerate(cases):
        by_content[case.sample.content].append(index)
    contents = sorted(by_content)
    steps = math.ceil(len(contents) / recipe.contents_in_batch)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    average = {key: tensor.detach().clone() for key, tensor in network.state_dict().items()}
    state_file, log_file = out / "state.pt", out / "losses.jsonl"
    first_epoch = 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        average, first_epoch = state["average"], int(state["epoch"])
    started = time.monotonic()
    for epoch in range(first_epoch, recipe.epochs):
        rng = random.Random(f"{recipe.seed}/{epoch}")
        order = contents.copy()
        rng.shuffle(order)
        total = 0.0
        network.train()
        for step in range(steps):
            done = (epoch + step / steps) / recipe.epochs
            if hours is not None:  # whichever ends first, the epochs or the time
                done = max(done, (time.monotonic() - started) / (hours * 3600))
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * _schedule(done, epoch * steps + step)
            members = [
                index
                for content in order[step * recipe.contents_in_batch : (step + 1) * recipe.contents_in_batch]
                for index in _chosen(by_content[content], cases, rng)
            ]
            loss = _step(network, [cases[i] for i in members], members, grown, scaler, recipe, rng)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            _blend(
                average,
                network,
                min(recipe.average, (epoch * steps + step + 1) / (epoch * steps + step + 10)),
            )
            total += float(loss.detach())
            spent = time.monotonic() - started
            passed = (epoch - first_epoch) * steps + step + 1
            left = spent / passed * ((recipe.epochs - first_epoch) * steps - passed)
            part = f"temporal network, epoch {epoch + 1} of {recipe.epochs}"
            report(Progress(part, step + 1, steps, total / (step + 1), left))
        _write_state(state_file, network, optimizer, average, epoch + 1)
        with log_file.open("a", encoding="utf-8") as log:
            log.write(json.dumps({"epoch": epoch + 1, "loss": total / steps}) + "\n")
        if hours is not None and time.monotonic() - started > hours * 3600:
            break
    network.load_state_dict(average)
    network.keep_correction(recipe.correction)


def _schedule(done: float, step: int) -> float:
    """Return the share of the learning rate: 100 steps up, then a cosine down."""
    return min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


def _chosen(members: list[int], cases: Sequence[Case], rng: random.Random) -> list[int]:
    """Of every clip take one case, alone or against one of its references."""
    of_clip: dict[str, list[int]] = defaultdict(list)
    for index in members:
        of_clip[cases[index].sample.file].append(index)
    return [rng.choice(choices) for choices in of_clip.values()]


def _step(
    network: LadderNetwork,
    cases: Sequence[Case],
    members: Sequence[int],
    grown: Grown,
    scaler: Scaler,
    recipe: Recipe,
    rng: random.Random,
) -> Tensor:
    clips: list[Measured] = []
    guesses: list[NDArray[np.float32]] = []
    frame_truth: list[Tensor] = []
    for index, case in zip(members, cases, strict=True):
        hide = rng.random() < recipe.hide_stream
        guess = (grown.hidden if hide else grown.guesses)[index]
        if rng.random() < recipe.hide_guess:
            guess = np.clip(guess + np.float32(rng.gauss(0, 12)), 0, 100).astype(np.float32)
        count = len(case.measured.times)
        seen = sorted(rng.sample(range(count), min(recipe.frames_seen, count)))
        clips.append(_view(hidden(case.measured) if hide else case.measured, seen))
        guesses.append(guess)
        frame_truth.append(torch.from_numpy(case.sample.target_frames[seen] / 100))
    batch = collate(clips, np.stack(guesses), scaler).to(recipe.device)
    truth = torch.tensor([case.sample.target / 100 for case in cases], dtype=torch.float32, device=recipe.device)
    start = torch.tensor([start_of(guess) / 100 for guess in guesses], dtype=torch.float32, device=recipe.device)
    groups = {content: number for number, content in enumerate(sorted({case.sample.content for case in cases}))}
    group = torch.tensor([groups[case.sample.content] for case in cases], device=recipe.device)
    output = network(batch, start)
    frames = torch.nn.utils.rnn.pad_sequence(frame_truth, batch_first=True).to(recipe.device)
    known = ~truth.isnan()
    seen_frames = batch.present & known[:, None]
    frame_error = ((output.frames - frames.nan_to_num()).abs() * seen_frames).sum() / seen_frames.sum()
    score, truth = output.score[known], truth[known]
    loss: Tensor = (
        0.1 * losses.laplace(score, output.spread[known], truth)
        + (score - truth).abs().mean()
        + 0.1 * losses.plcc(score, truth)
        + 0.3 * losses.rank(score, truth, group[known])
        + 0.3 * losses.severity_order(output.score, *series_of(cases, recipe.device))
        + 0.01 * losses.group_contrastive(output.features[known], truth)
        + 0.2 * frame_error
    )
    return loss


def series_of(cases: Sequence[Case], device: str) -> tuple[Tensor, Tensor]:
    """Return severity [M] and series [M] of the cases of which only that order is known; series -1 for the others."""
    names = [(c.sample.content, c.sample.fault) if c.sample.kind == "order" else None for c in cases]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(filter(None, names)))}
    series = torch.tensor([-1 if name is None else numbers[name] for name in names], device=device)
    severity = torch.tensor([case.sample.severity for case in cases], dtype=torch.float32, device=device)
    return severity, series


def _view(measured: Measured, frames: list[int]) -> Measured:
    return replace(
        measured,
        frame=measured.frame[frames],
        times=measured.times[frames],
        against=measured.against[frames] if measured.against is not None else None,
    )


def _blend(average: dict[str, Tensor], network: LadderNetwork, decay: float) -> None:
    for key, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            average[key].lerp_(tensor.detach(), 1 - decay)
        else:
            average[key].copy_(tensor)


def _write_state(
    path: Path,
    network: LadderNetwork,
    optimizer: torch.optim.Optimizer,
    average: dict[str, Tensor],
    epoch: int,
) -> None:
    state: dict[str, Any] = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average,
        "epoch": epoch,
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.rename(path)
