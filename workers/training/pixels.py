"""Trains the pixel network: whole ladders, cascades and stills of a content in one batch, no facts at all.

What it says becomes columns of the forests, so every training content must be judged by a network that has not seen
it: there is one network a fold of the contents. Resumable, seeded.
"""

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workers.models.backbone import BackboneConfig, BackboneNetwork, pixel_network
from workers.models.measure import FRAME
from workers.models.pixels import PIXELS, PixelConfig, PixelNetwork
from workers.training import losses
from workers.training.extract import FRAMES, Sample
from workers.training.progress import Progress

_WARM_UP = 50  # steps
_SAVED_EVERY = 50  # steps
_AVERAGE = 0.99
_COLUMNS = [FRAME.index(name) for name in PIXELS]


@dataclass(frozen=True, slots=True)
class PixelRecipe:
    """Everything that decides the pixel networks, beside the samples."""

    config: PixelConfig | BackboneConfig
    seed: int
    cycles: tuple[int, ...]
    """Steps of each cycle of the learning rate: every cycle but the first starts from the weights that the one before
    it kept, with a fresh optimizer (warm restarts: Loshchilov and Hutter, arXiv 1608.03983)."""
    contents_in_batch: int = 4
    cells_seen: int = 8
    """Cells of one frame of a clip in one step; all clips of a content show the same places at the same instant."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    device: str = "cpu"
    imagenet: Path | None = None
    """File of the ImageNet weights of a backbone; None: timm fetches them."""


def fit(
    samples: Sequence[Sample], path: Path, recipe: PixelRecipe, report: Callable[[Progress], None]
) -> PixelNetwork | BackboneNetwork:
    """Train one network on all samples, or return the one of an earlier run at `path`; each cycle keeps its result."""
    torch.manual_seed(recipe.seed)
    network = pixel_network(recipe.config).to(recipe.device)
    for cycle in range(len(recipe.cycles)):
        last = cycle + 1 == len(recipe.cycles)
        kept = path if last else path.with_suffix(f".cycle{cycle + 1}{path.suffix}")
        if kept.exists():
            network.load_state_dict(torch.load(kept, weights_only=True))
        else:
            if cycle:
                torch.manual_seed(recipe.seed + cycle)  # the draws of a cycle do not hang on who ran the one before
            _fit_cycle(network, samples, kept, recipe, cycle, report)
    return network.eval()


def _fit_cycle(
    network: PixelNetwork | BackboneNetwork,
    samples: Sequence[Sample],
    path: Path,
    recipe: PixelRecipe,
    cycle: int,
    report: Callable[[Progress], None],
) -> None:
    steps, before = recipe.cycles[cycle], sum(recipe.cycles[:cycle])
    unfinished = path.with_suffix(".unfinished")
    if cycle == 0 and isinstance(network, BackboneNetwork) and not unfinished.exists():
        network.start_from_imagenet(recipe.imagenet)
    optimizer = torch.optim.AdamW(network.groups(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    average = {key: tensor.detach().clone() for key, tensor in network.state_dict().items()}
    first = 0
    if unfinished.exists():
        state = torch.load(unfinished, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        average, first = state["average"], int(state["step"])
    by_content: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.tells_alone:
            by_content[sample.content].append(sample)
    total = 0.0
    network.train()
    started = time.monotonic()
    for step in range(first, steps):
        rng = random.Random(f"{recipe.seed}/{before + step}")
        chosen = rng.sample(sorted(by_content), min(recipe.contents_in_batch, len(by_content)))
        for group in optimizer.param_groups:
            warm, cosine = min(1.0, (step + 1) / _WARM_UP), 0.5 * (1 + math.cos(math.pi * step / steps))
            group["lr"] = recipe.learning_rate * group["share"] * warm * (0.01 + 0.99 * cosine)
        loss = _loss(network, [by_content[content] for content in chosen], recipe, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                average[key].lerp_(tensor.detach(), 1 - min(_AVERAGE, (step + 1) / (step + 10)))
            else:
                average[key].copy_(tensor)
        total += float(loss.detach())
        if (step + 1) % _SAVED_EVERY == 0 or step + 1 == steps:
            left = (time.monotonic() - started) / (step + 1 - first) * (steps - step - 1)
            report(Progress(path.stem, step + 1, steps, total / ((step - first) % _SAVED_EVERY + 1), left))
            total = 0.0
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "average": average}
            _save({**state, "step": step + 1}, unfinished)
    network.load_state_dict(average)
    _save(network.state_dict(), path)
    unfinished.unlink()


def _save(state: dict[str, object], path: Path) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.rename(path)


def _loss(
    network: PixelNetwork | BackboneNetwork,
    contents: Sequence[Sequence[Sample]],
    recipe: PixelRecipe,
    rng: random.Random,
) -> Tensor:
    cells: list[NDArray[np.uint8]] = []
    truths: list[list[float]] = []
    groups: list[int] = []
    for group, members in enumerate(contents):
        instant, turn = rng.randrange(FRAMES), rng.randrange(8)
        count = members[0].cells.shape[1]
        places = sorted(rng.sample(range(count), count if network.needs_all_cells else recipe.cells_seen))
        for sample in members:
            frame = min(instant, len(sample.cells) - 1)
            cells.append(_turned(sample.cells[frame][places], turn))
            truths.append([sample.target_frames[frame] / 100, *sample.made])
            groups.append(group)
    truth = torch.tensor(truths, dtype=torch.float32, device=recipe.device)  # [M, len(PIXELS)]
    group_of = torch.tensor(groups, device=recipe.device)
    with torch.autocast(torch.device(recipe.device).type, torch.bfloat16):
        said = network(torch.from_numpy(np.stack(cells)).to(recipe.device))
    score, share, harshness, again, soft = said.unbind(dim=1)
    known = ~truth[:, 2].isnan()
    loss: Tensor = (
        (score - truth[:, 0]).abs().mean()
        + 0.5 * losses.rank(score, truth[:, 0], group_of)
        + 0.1 * (share - truth[:, 1]).abs().mean()
        + 0.1 * ((harshness - truth[:, 2]).nan_to_num().abs() * known).mean()
        + 0.05 * nn.functional.binary_cross_entropy_with_logits(again, truth[:, 3])
        + 0.05 * nn.functional.binary_cross_entropy_with_logits(soft, truth[:, 4])
    )
    return loss


def _turned(cells: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Return cells [N, P, P] in one of the eight ways to lay a square: a codec prefers none of them much."""
    if turn & 1:
        cells = cells[..., ::-1]
    if turn & 2:
        cells = cells[:, ::-1]
    if turn & 4:
        cells = cells.swapaxes(1, 2)
    return np.ascontiguousarray(cells)


def read(say: Callable[[NDArray[np.uint8]], NDArray[np.float32]], samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples with what a pixel network says of their frames."""
    seen = []
    for sample in samples:
        frame = sample.measured.frame.copy()
        frame[:, _COLUMNS] = say(sample.cells)
        seen.append(replace(sample, measured=replace(sample.measured, frame=frame)))
    return seen
