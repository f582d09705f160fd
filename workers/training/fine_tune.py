"""Fine-tunes the temporal network to a user's human scores, as far as some dozens of ratings can teach it anything.

The trees, the pixel network and all but the last layers of the temporal network stay as they are. It learns order and
straightness; the scale is left to the map that is fitted afterwards (`workers.training.opinion`).
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workers.measured import Measured
from workers.models.checkpoint import Checkpoint, stored
from workers.models.ladder_model import LadderModel
from workers.models.network import Batch, LadderNetwork
from workers.training import losses

# On 240 clips whose "viewers" took 15 points from one codec, held-out files came to RMSE 10.8 (the map alone: 11.4);
# with four times the steps they were worse than without.
_STEPS = 20
_LEARNING_RATE = 1e-3
_STAY = 1.0  # weight of what a score has moved, against the agreement with the viewers


@dataclass(frozen=True, slots=True)
class Rated:
    """All clips of the rated files, ready for the temporal network, and what the viewers said."""

    batch: Batch
    start: Tensor  # [C] in 0..1
    file_of: Tensor  # [C] index of the file
    opinions: Tensor  # [F] in 0..1

    @classmethod
    def of(cls, model: LadderModel, files: Sequence[Sequence[Measured]], opinions: Sequence[float]) -> "Rated":
        """`files` are the clips of each file, `opinions` its mean opinion, 0-100."""
        _, batch, start = model.inputs([clip for clips in files for clip in clips])
        file_of = [number for number, clips in enumerate(files) for _ in clips]
        return cls(batch, start, torch.tensor(file_of), torch.tensor(opinions, dtype=torch.float32) / 100)

    def scores(self, network: LadderNetwork) -> Tensor:
        """Return the mean score of every file [F], in 0..1."""
        said = network(self.batch, self.start).score.clamp(0, 1)
        sums = torch.zeros_like(self.opinions).index_add(0, self.file_of, said)
        return sums / torch.bincount(self.file_of, minlength=len(self.opinions))


def fine_tune(network: LadderNetwork, rated: Rated, learned: NDArray[np.bool_]) -> LadderNetwork:
    """Return a copy of the network whose last layers have seen the opinions of the files that `learned` [F] marks."""
    tuned = deepcopy(network).eval()  # no dropout: so few files want every feature
    tuned.requires_grad_(requires_grad=False)
    moved = [*tuned.norm.parameters(), *tuned.score.parameters()]
    for parameter in moved:
        parameter.requires_grad_()
    optimizer = torch.optim.Adam(moved, _LEARNING_RATE)
    chosen = torch.from_numpy(learned)
    with torch.no_grad():
        before = rated.scores(tuned)[chosen]
    one_group = torch.zeros(int(chosen.sum()))
    truth = rated.opinions[chosen]
    for _ in range(_STEPS):
        score = rated.scores(tuned)[chosen]
        loss = (
            losses.plcc(score, truth) + losses.rank(score, truth, one_group) + _STAY * (score - before).square().mean()
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return tuned.requires_grad_(requires_grad=False)


def scores_of(network: LadderNetwork, rated: Rated) -> NDArray[np.float64]:
    """Return the mean score of every file [F], 0-100."""
    with torch.no_grad():
        return rated.scores(network).double().numpy() * 100


def with_network(checkpoint: Checkpoint, network: LadderNetwork) -> Checkpoint:
    """Return the checkpoint with another temporal network."""
    return replace(checkpoint, tensors=checkpoint.tensors | stored("network", network))
