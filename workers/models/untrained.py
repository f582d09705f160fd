"""Random weights of a given size, for those who ask for them by the flag that says so."""

import numpy as np
import torch

from workers.models.backbone import pixel_network
from workers.models.checkpoint import Checkpoint
from workers.models.ladder_model import ARCHITECTURES, CLIP, FORESTS, GUESS
from workers.models.measure import AGAINST, FRAME, SUMMARY, SUMMARY_AGAINST
from workers.models.network import LadderNetwork
from workers.models.trees import Trees

_LADDER_ROW = len(SUMMARY_AGAINST) + 1
_COLUMNS = {"frame": FRAME, "clip": CLIP, "against": AGAINST, "best": SUMMARY, "guess": GUESS}


def untrained(architecture: str) -> Checkpoint:
    """Return a checkpoint whose network is random (seed 0) and whose trees say 50 for everything."""
    torch.manual_seed(0)
    config = ARCHITECTURES[architecture]
    network = LadderNetwork(config.network)
    for head in (network.score, network.frame_score):  # otherwise every score is the trees' 50
        torch.nn.init.normal_(head.weight, std=0.2)
    tensors = {f"network.{key}": tensor for key, tensor in network.state_dict().items()}
    tensors |= {f"pixels.{key}": tensor for key, tensor in pixel_network(config.pixels).state_dict().items()}
    for part in FORESTS:
        columns = {"ruined": len(SUMMARY) + 3}.get(part, len(SUMMARY) if part.startswith("alone") else _LADDER_ROW)
        arrays = _constant(columns, -20.0 if part == "ruined" else 50.0).arrays()
        tensors |= {f"{part}.{key}": torch.from_numpy(array) for key, array in arrays.items()}
    for name, names in _COLUMNS.items():
        tensors[f"scale.{name}_mean"] = torch.zeros(len(names))
        tensors[f"scale.{name}_deviation"] = torch.ones(len(names))
    return Checkpoint(
        name=architecture,
        tensors=tensors,
        config=config.to_dict(),
        calibration={"reach": {"alone": 10.0, "ladder": 10.0}},
        accuracy="UNTRAINED: these scores are random and mean nothing",
    )


def _constant(columns: int, said: float) -> Trees:
    return Trees(
        column=np.zeros((1, 1), np.int16),
        threshold=np.zeros((1, 1), np.float32),
        left=np.full((1, 1), -1, np.int16),
        right=np.full((1, 1), -1, np.int16),
        unknown_left=np.ones((1, 1), bool),
        leaf=np.full((1, 1), said, np.float32),
        columns=columns,
    )
