"""The default model: boosted trees on measured features, and the network that corrects them from the pixels.

Both look at the same clip. The trees are strong where little data was seen; the network sees what they cannot
measure. Trees and network are one checkpoint, one identity and one score.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.cells import CellGrid
from pipeline.clip import Clip
from schemas import ModelIdentity
from workers.measured import Measured
from workers.models.checkpoint import Checkpoint
from workers.models.facts import FACTS, STREAM
from workers.models.measure import (
    AGAINST,
    FIRST,
    FRAME,
    SUMMARY,
    SUMMARY_AGAINST,
    compare,
    measure,
    summary,
    summary_against,
)
from workers.models.network import Batch, LadderNetwork, NetworkConfig
from workers.models.protocol import Prediction
from workers.models.trees import Trees

GUESS = ("alone", "alone_pixels", "ladder", "ladder_pixels", "best")
"""What the trees say: with and without the facts of the stream, alone and against the reference; and of that."""
CLIP = (*FIRST, *FACTS)
_STREAM_IN_FACTS = [FACTS.index(name) for name in STREAM]
_STREAM_ALONE = [SUMMARY.index(name) for name in STREAM]
_STREAM_LADDER = [
    index for index, name in enumerate(SUMMARY_AGAINST) if name in STREAM or name.removeprefix("best_") in STREAM
]
_MAX_BATCH = 8  # a larger batch was slower on the CPU; on a GPU the worker batches across segments


def network_config(**sizes: Any) -> NetworkConfig:
    """Return the sizes of a network that fits what is measured here."""
    return NetworkConfig(
        frame_columns=len(FRAME),
        clip_columns=len(CLIP),
        against_columns=len(AGAINST),
        best_columns=len(SUMMARY),
        guess_columns=len(GUESS),
        **sizes,
    )


ARCHITECTURES: dict[str, NetworkConfig] = {
    "nano": network_config(embed=32, depths=(1, 1, 2, 1), heads=(1, 2, 4, 8)),
    "small": network_config(embed=48, depths=(2, 2, 6, 2), heads=(2, 4, 8, 16), width=192),
    "tiny": network_config(embed=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24), width=256),
}
"""Sizes that can be trained; which of them carry trained weights stands in `workers.models.WEIGHTS`."""


def tree_row(measured: Measured, *, hide_stream: bool) -> NDArray[np.float32]:
    """Return the row [len(SUMMARY)] of the trees that score alone."""
    row = summary(measured)
    if hide_stream:
        row[_STREAM_ALONE] = np.nan
    return row


def ladder_tree_row(measured: Measured, best_guess: float, *, hide_stream: bool) -> NDArray[np.float32]:
    """Return the row [len(SUMMARY_AGAINST) + 1] of the trees that score against the reference.

    `best_guess` is what the other trees say of the reference, seen with as many facts.
    """
    row = np.append(summary_against(measured), np.float32(best_guess))
    if hide_stream:
        row[_STREAM_LADDER] = np.nan
    return row


FORESTS = ("alone", "alone_pixels", "ladder", "ladder_pixels")
"""Two forests score alone and two against the reference; of each pair one knows the facts of the stream.

The two that score alone disagree where a bad source was encoded well: the facts are good there and the pixels bad.
"""


class Guesser:
    """The forests; returns what `GUESS` names, in 0..100, NaN where there is no reference."""

    def __init__(self, forests: Mapping[str, Trees]) -> None:
        self.forests = dict(forests)

    def guess(self, clips: Sequence[Measured]) -> NDArray[np.float32]:
        """Return [C, len(GUESS)] for C clips. A clip without facts gets the pixels' guess for both."""
        guesses = np.full((len(clips), len(GUESS)), np.nan, np.float32)
        guesses[:, 0], guesses[:, 1] = self.of_alone(clips)
        beside = [index for index, clip in enumerate(clips) if clip.best is not None]
        if beside:
            best, best_pixels = self.of_alone([clip.best for clip in clips if clip.best is not None])
            for column, said, hide in ((2, best, False), (3, best_pixels, True)):
                rows = [ladder_tree_row(clips[i], said[n], hide_stream=hide) for n, i in enumerate(beside)]
                guesses[beside, column] = self.forests["ladder_pixels" if hide else "ladder"].predict(np.stack(rows))
            guesses[beside, 4] = best
        without = [index for index, clip in enumerate(clips) if not _knows_stream(clip)]
        guesses[without, 0], guesses[without, 2] = guesses[without, 1], guesses[without, 3]
        return guesses

    def of_alone(self, clips: Sequence[Measured]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what is said of C clips alone, with and without the facts of the stream: [C] each."""
        pixels = self.forests["alone_pixels"].predict(np.stack([tree_row(clip, hide_stream=True) for clip in clips]))
        facts = self.forests["alone"].predict(np.stack([tree_row(clip, hide_stream=False) for clip in clips]))
        known = np.array([_knows_stream(clip) for clip in clips])
        return np.where(known, facts, pixels), pixels


def _knows_stream(measured: Measured) -> bool:
    return not bool(np.isnan(measured.facts[_STREAM_IN_FACTS]).all())


def start_of(guess: NDArray[np.float32]) -> float:
    """Return the guess (0..100) from which the network moves: against the ladder where there is one."""
    return float(guess[2] if not np.isnan(guess[2]) else guess[0])


class Scaler:
    """Mean and deviation of every column, learned in training; unknown values become zero and raise their flag."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = {key: tensor.float() for key, tensor in tensors.items()}

    def __call__(self, name: str, values: NDArray[np.float32]) -> Tensor:
        raw = torch.from_numpy(np.ascontiguousarray(values, np.float32))
        unknown = raw.isnan()
        scaled = (raw - self.tensors[f"{name}_mean"]) / self.tensors[f"{name}_deviation"]
        scaled = torch.where(unknown, 0.0, scaled).clamp(-6, 6)
        return torch.cat([scaled, unknown.float()], dim=-1)


def collate(clips: Sequence[Measured], guesses: NDArray[np.float32], scaler: Scaler) -> Batch:
    """Return clips of up to T frames as one batch, the shorter ones padded."""
    frames = max(len(clip.times) for clip in clips)

    def padded(rows: Tensor) -> Tensor:
        return torch.nn.functional.pad(rows, (0, 0) * (rows.ndim - 1) + (0, frames - rows.shape[0]))

    nothing = np.full((1, len(AGAINST)), np.nan, np.float32)
    no_best = np.full(len(SUMMARY), np.nan, np.float32)
    return Batch(
        cells=torch.stack([padded(torch.from_numpy(clip.cells)) for clip in clips]),
        present=torch.stack([torch.arange(frames) < len(clip.times) for clip in clips]),
        times=torch.stack([padded(torch.from_numpy(clip.times)) for clip in clips]),
        frame=torch.stack([padded(scaler("frame", clip.frame)) for clip in clips]),
        clip=torch.stack([scaler("clip", np.concatenate([clip.first, clip.facts])) for clip in clips]),
        against=torch.stack(
            [padded(scaler("against", clip.against if clip.against is not None else nothing)) for clip in clips]
        ),
        best=torch.stack([scaler("best", summary(clip.best) if clip.best else no_best) for clip in clips]),
        guess=scaler("guess", guesses),
        has_best=torch.tensor([clip.best is not None for clip in clips]),
    )


class LadderModel:
    """A checkpoint on a device, ready to score."""

    def __init__(self, checkpoint: Checkpoint, *, device: str = "cpu", swin_type: torch.dtype | None = None) -> None:
        """`swin_type`: None takes bf16 where the device computes in it, else fp32; a score moves by less than half a
        point between the two."""
        self.identity = ModelIdentity(
            name=checkpoint.name,
            weights_hash=checkpoint.weights_hash or "untrained",
            accuracy=checkpoint.accuracy,
        )
        config = NetworkConfig.from_dict(checkpoint.config["network"])
        self.grid = CellGrid(config.grid, config.grid, config.cell_px)
        self._device = torch.device(device)
        self._network = LadderNetwork(config)
        self._network.load_state_dict({key: t.float() for key, t in checkpoint.part("network").items()}, strict=True)
        self._network.eval().to(self._device)
        self._network.spatial.swin.to(swin_type or _fast_type(self._device))
        self._guesser = Guesser({part: _trees(checkpoint, part) for part in FORESTS})
        self._scaler = Scaler(checkpoint.part("scale"))
        self._reach = {basis: float(checkpoint.calibration["reach"][basis]) for basis in ("alone", "ladder")}

    def measure(self, clip: Clip, *, hide_stream: bool) -> Measured:
        """See `Model.measure`."""
        return measure(clip, hide_stream=hide_stream)

    def compare(
        self, measured: Measured, shown: NDArray[np.uint8], best: Measured, sheet: NDArray[np.uint8]
    ) -> Measured:
        """See `Model.compare`."""
        return compare(measured, shown, best, sheet)

    @torch.inference_mode()
    def predict(self, clips: Sequence[Measured]) -> list[Prediction]:
        """See `Model.predict`."""
        predictions: list[Prediction] = []
        for start in range(0, len(clips), _MAX_BATCH):
            predictions += self._predict(clips[start : start + _MAX_BATCH])
        return predictions

    def _predict(self, clips: Sequence[Measured]) -> list[Prediction]:
        guesses = self._guesser.guess(clips)
        batch = collate(clips, guesses, self._scaler).to(self._device)
        starts = torch.tensor([start_of(guess) / 100 for guess in guesses], device=self._device)
        output = self._network(batch, starts)
        scores, spreads = output.score.cpu().numpy() * 100, output.spread.cpu().numpy() * 100
        frames = output.frames.cpu().numpy() * 100
        predictions = []
        for index, clip in enumerate(clips):
            reach = self._reach["alone" if clip.best is None else "ladder"] * float(spreads[index])
            score = float(np.clip(scores[index], 0, 100))
            predictions.append(
                Prediction(
                    score=score,
                    low=float(np.clip(scores[index] - reach, 0, score)),
                    high=float(np.clip(scores[index] + reach, score, 100)),
                    frames=np.clip(frames[index, : len(clip.times)].astype(np.float64), 0, 100),
                )
            )
        return predictions


def _fast_type(device: torch.device) -> torch.dtype:
    if device.type == "cpu":
        computes = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    else:
        computes = torch.cuda.is_bf16_supported()
    return torch.bfloat16 if computes else torch.float32


def _trees(checkpoint: Checkpoint, part: str) -> Trees:
    return Trees.from_arrays({key: tensor.numpy() for key, tensor in checkpoint.part(part).items()})
