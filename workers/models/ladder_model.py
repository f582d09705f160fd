"""The default model: a pixel network that sees compression as such, boosted trees, and a temporal network.

What the pixel network says of every frame stands beside what was measured; boosted trees, strong where little data was
seen, weigh it against the facts and the reference; the temporal network corrects them and says how sure it is. All are
one checkpoint, one identity and one score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.cells import CellGrid
from pipeline.clip import Clip
from schemas import ModelIdentity
from workers.measured import Measured
from workers.models.backbone import BackboneConfig, pixel_network, pixel_sizes
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
from workers.models.opinion import OpinionMap
from workers.models.pixels import PIXELS, PixelConfig, say
from workers.models.protocol import Prediction
from workers.models.trees import Trees

GUESS = ("alone", "alone_pixels", "ladder", "ladder_pixels", "best", "ruined")
"""What the trees say: with and without the facts of the stream, alone and against the reference; of that reference;
and how likely it is that a bad source was encoded well."""
CLIP = (*FIRST, *FACTS)
_STREAM_IN_FACTS = [FACTS.index(name) for name in STREAM]
_STREAM_ALONE = [SUMMARY.index(name) for name in STREAM]
_STREAM_LADDER = [
    index for index, name in enumerate(SUMMARY_AGAINST) if name in STREAM or name.removeprefix("best_") in STREAM
]
_PIXELS_ALONE = [SUMMARY.index(name) for name in PIXELS]
# Odds of a bad source before anything was seen, as factors on those of the training clips, where every second full-size
# clip hides one. A file may come from anywhere; the best rung of a ladder was made of what somebody wanted to publish.
_RUINED_ODDS = 0.02
_RUINED_ODDS_OF_A_HEAD = 0.001
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


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes of the two networks."""

    pixels: PixelConfig | BackboneConfig
    network: NetworkConfig

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Architecture":
        return cls(pixel_sizes(values["pixels"]), NetworkConfig.from_dict(values["network"]))

    def to_dict(self) -> dict[str, Any]:
        return {"pixels": self.pixels.to_dict(), "network": self.network.to_dict()}


ARCHITECTURES: dict[str, Architecture] = {
    "nano": Architecture(PixelConfig(), network_config()),
    "small": Architecture(PixelConfig(channels=(48, 96, 192), blocks=4, heads=6, width=192), network_config(width=192)),
    "swinv2-tiny": Architecture(BackboneConfig("swinv2_tiny_window8_256"), network_config(width=192)),
    "swinv2-small": Architecture(BackboneConfig("swinv2_small_window8_256"), network_config(width=192)),
    "swinv2-base": Architecture(BackboneConfig("swinv2_base_window8_256", width=256), network_config(width=256)),
}
"""Sizes that can be trained; which of them carry trained weights stands in `workers.models.WEIGHTS`."""


def tree_row(measured: Measured, *, hide_stream: bool) -> NDArray[np.float32]:
    """Return the row [len(SUMMARY)] of the trees that score alone.

    One forest believes the facts, the other the pixel network: where the two disagree, a bad source is likely.
    """
    row = summary(measured)
    row[_STREAM_ALONE if hide_stream else _PIXELS_ALONE] = np.nan
    return row


def ruined_row(measured: Measured, facts_say: float, pixels_say: float) -> NDArray[np.float32]:
    """Return the row [len(SUMMARY) + 3] of the trees that find bad sources behind good encodes."""
    said = np.array([facts_say, pixels_say, facts_say - pixels_say], np.float32)
    return np.concatenate([summary(measured), said])


def ladder_tree_row(measured: Measured, best_guess: float, *, hide_stream: bool) -> NDArray[np.float32]:
    """Return the row [len(SUMMARY_AGAINST) + 1] of the trees that score against the reference.

    `best_guess` is what the other trees say of the reference, seen with as many facts.
    """
    row = np.append(summary_against(measured), np.float32(best_guess))
    if hide_stream:
        row[_STREAM_LADDER] = np.nan
    return row


FORESTS = ("alone", "alone_pixels", "ruined", "ladder", "ladder_pixels")
"""Two forests score alone and two against the reference; of each pair one knows the facts of the stream.

The two that score alone disagree where a bad source was encoded well: the facts are good there and the pixels bad. The
forest `ruined` says how likely that is, and the score of a clip alone moves from the facts' to the pixels' by as much.
"""


class Guesser:
    """The forests; returns what `GUESS` names, in 0..100, NaN where there is no reference."""

    def __init__(self, forests: Mapping[str, Trees]) -> None:
        self.forests = dict(forests)

    def guess(self, clips: Sequence[Measured]) -> NDArray[np.float32]:
        """Return [C, len(GUESS)] for C clips. A clip without facts gets the pixels' guess for both."""
        guesses = np.full((len(clips), len(GUESS)), np.nan, np.float32)
        guesses[:, 0], guesses[:, 1], guesses[:, 5] = self.of_alone(clips)
        beside = [index for index, clip in enumerate(clips) if clip.best is not None]
        if beside:
            heads = [replace(clip.best, heads_ladder=True) for clip in clips if clip.best is not None]
            best, best_pixels, _ = self.of_alone(heads)
            for column, said, hide in ((2, best, False), (3, best_pixels, True)):
                rows = [ladder_tree_row(clips[i], said[n], hide_stream=hide) for n, i in enumerate(beside)]
                guesses[beside, column] = self.forests["ladder_pixels" if hide else "ladder"].predict(np.stack(rows))
            guesses[beside, 4] = best
        without = [index for index, clip in enumerate(clips) if not _knows_stream(clip)]
        guesses[without, 0], guesses[without, 2] = guesses[without, 1], guesses[without, 3]
        return guesses

    def of_alone(
        self, clips: Sequence[Measured]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return what is said of C clips alone, with and without the facts of the stream, and how likely the source is
        bad (0 where there are no facts to be too good for it): [C] each."""
        facts, pixels = both_say(self.forests, clips)
        rows = [ruined_row(clip, facts[n], pixels[n]) for n, clip in enumerate(clips)]
        before = np.array([_odds_before(clip) for clip in clips])
        odds = before * np.exp(self.forests["ruined"].predict(np.stack(rows)))
        known = np.array([_knows_stream(clip) for clip in clips])
        ruined = np.where(known, odds / (1 + odds), 0.0)
        return np.where(known, facts + ruined * (pixels - facts), pixels), pixels, ruined


def _odds_before(clip: Measured) -> float:
    return _RUINED_ODDS_OF_A_HEAD if clip.heads_ladder else _RUINED_ODDS


def both_say(
    forests: Mapping[str, Trees], clips: Sequence[Measured]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what the forest that believes the facts and the one that does not know them say of C clips: [C] each."""
    facts = forests["alone"].predict(np.stack([tree_row(clip, hide_stream=False) for clip in clips]))
    pixels = forests["alone_pixels"].predict(np.stack([tree_row(clip, hide_stream=True) for clip in clips]))
    return np.clip(facts, 0, 100), np.clip(pixels, 0, 100)


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

    def __init__(self, checkpoint: Checkpoint, *, device: str = "cpu", pixel_type: torch.dtype = torch.float32) -> None:
        """`pixel_type`: bf16 is half as long on CPUs that compute in it, and moves a score by 0.1 on average; but where
        the trees stand on an edge, one clip in a hundred moved by 10 points, so that fp32 is what scores."""
        self.identity = ModelIdentity(
            name=checkpoint.name,
            weights_hash=checkpoint.weights_hash or "untrained",
            accuracy=checkpoint.accuracy,
            revision=checkpoint.revision,
        )
        architecture = Architecture.from_dict(checkpoint.config)
        self.grid = CellGrid(cell_px=architecture.pixels.cell_px)
        self._device = torch.device(device)
        self._pixel_type = pixel_type
        self._pixels = pixel_network(architecture.pixels)
        self.network = LadderNetwork(architecture.network)
        for part, module in (("pixels", self._pixels), ("network", self.network)):
            module.load_state_dict({key: t.float() for key, t in checkpoint.part(part).items()}, strict=True)
            module.eval().to(self._device)
        self._guesser = Guesser({part: _trees(checkpoint, part) for part in FORESTS})
        self._scaler = Scaler(checkpoint.part("scale"))
        self._reach = {basis: float(checkpoint.calibration["reach"][basis]) for basis in ("alone", "ladder")}
        self._opinion = OpinionMap.of(checkpoint.calibration)

    def measure(self, clip: Clip, *, hide_stream: bool) -> Measured:
        """See `Model.measure`."""
        return measure(clip, self.say(clip.shown), hide_stream=hide_stream)

    def say(self, cells: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what the pixel network says [T, len(PIXELS)] of shown cells [T, N, P, P]."""
        return say(self._pixels, cells, self._pixel_type)

    def compare(
        self, measured: Measured, shown: NDArray[np.uint8], best: Measured, sheet: NDArray[np.uint8]
    ) -> Measured:
        """See `Model.compare`."""
        return compare(measured, shown, best, sheet)

    def inputs(self, clips: Sequence[Measured]) -> tuple[NDArray[np.float32], Batch, Tensor]:
        """Return what the trees say of C clips [C, len(GUESS)], and what the temporal network gets: the batch, and from
        where it moves [C], in 0..1."""
        guesses = self._guesser.guess(clips)
        batch = collate(clips, guesses, self._scaler).to(self._device)
        return guesses, batch, torch.tensor([start_of(guess) / 100 for guess in guesses], device=self._device)

    @torch.inference_mode()
    def predict(self, clips: Sequence[Measured]) -> list[Prediction]:
        """See `Model.predict`."""
        predictions: list[Prediction] = []
        for start in range(0, len(clips), _MAX_BATCH):
            predictions += self._predict(clips[start : start + _MAX_BATCH])
        return predictions

    def _predict(self, clips: Sequence[Measured]) -> list[Prediction]:
        guesses, batch, starts = self.inputs(clips)
        output = self.network(batch, starts)
        scores, spreads = output.score.cpu().numpy() * 100, output.spread.cpu().numpy() * 100
        frames = output.frames.cpu().numpy() * 100
        predictions = []
        for index, clip in enumerate(clips):
            reach = self._reach["alone" if clip.best is None else "ladder"] * float(spreads[index])
            middle = float(scores[index])
            ends = np.clip(np.array([middle - reach, middle, middle + reach]), 0, 100)
            each = np.clip(frames[index, : len(clip.times)].astype(np.float64), 0, 100)
            if self._opinion is not None:
                ends, each = self._opinion(ends), self._opinion(each)
            low, score, high = (float(end) for end in ends)
            predictions.append(Prediction(score, low, high, each, _bad_source(clip, float(guesses[index, 5]))))
        return predictions


def _bad_source(clip: Measured, ruined: float) -> float:
    """Return how likely a bad source is, had the clip come from anywhere: the head of a ladder is doubted as well."""
    if clip.best is not None:
        return 0.0
    odds = ruined / max(1 - ruined, 1e-6) * _RUINED_ODDS / _odds_before(clip)
    return odds / (1 + odds)


def _trees(checkpoint: Checkpoint, part: str) -> Trees:
    return Trees.from_arrays({key: tensor.numpy() for key, tensor in checkpoint.part(part).items()})
