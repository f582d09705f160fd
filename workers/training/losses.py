"""What the network is trained for: the score, its spread, the order along a ladder, and features told apart by bitrate.

Scores are in units of 100 points. M cases stand in a batch that is made of whole ladders.
"""

import torch
from torch import Tensor

_JND = 0.06  # six points: pairs closer than this have no certain order
_POINT = 0.01
_SEVERER = 0.1  # of the range of a fault


def laplace(score: Tensor, spread: Tensor, truth: Tensor) -> Tensor:
    """Negative log likelihood of a Laplace distribution of scale `spread` [M]: L1 that learns its own uncertainty."""
    return ((score - truth).abs() / spread + torch.log(2 * spread)).mean()


def plcc(score: Tensor, truth: Tensor) -> Tensor:
    """(1 - Pearson correlation) / 2 over the batch, as in FAST-VQA (Wu et al., arXiv 2207.02595)."""
    a, b = score - score.mean(), truth - truth.mean()
    loss: Tensor = (1 - (a * b).sum() / (a.norm() * b.norm() + 1e-6)) / 2
    return loss


def rank(score: Tensor, truth: Tensor, group: Tensor) -> Tensor:
    """Hinge on pairs of one group [M] in the wrong order, by how wrong they are.

    The fine step of arXiv 2401.08522; the paper does not give its form, this is the hinge of FAST-VQA's code with a
    margin, along the ladder of one content rather than within a bitrate.
    """
    gap = truth[:, None] - truth[None, :]
    pairs = (group[:, None] == group[None, :]) & (gap > _JND)
    if not pairs.any():
        return score.sum() * 0
    wrong = torch.relu(_JND / 2 - (score[:, None] - score[None, :]))
    return wrong[pairs].mean()


def severity_order(score: Tensor, severity: Tensor, series: Tensor) -> Tensor:
    """Hinge on pairs of one series [M] whose severer clip is not at least a point lower; series -1 stands in none.

    For faults that VMAF does not see, so that their order is the only label.
    """
    worse = severity[:, None] - severity[None, :] > _SEVERER
    pairs = (series[:, None] == series[None, :]) & (series[:, None] >= 0) & worse
    if not pairs.any():
        return score.sum() * 0
    wrong = torch.relu(_POINT - (score[None, :] - score[:, None]))
    return wrong[pairs].mean()


def group_contrastive(features: Tensor, truth: Tensor, temperature: float = 0.5) -> Tensor:
    """Pull features of like quality together, push the best from the worst quarter.

    The coarse step of arXiv 2401.08522 (groups of bitrates), in the form of the group contrastive loss of TTA-IQA
    (Roy et al., ICCV 2023). Groups here are the upper and lower quarter of the batch by VMAF: our reconstruction.
    """
    size = len(truth) // 4
    if size < 2:
        return features.sum() * 0
    order = truth.argsort()
    z = torch.nn.functional.normalize(features[torch.cat([order[:size], order[-size:]])], dim=1)  # [2 * size, D]
    alike = z @ z.T
    low = torch.arange(2 * size, device=z.device) < size
    same = low[:, None] == low[None, :]
    own = (alike * (same & ~torch.eye(2 * size, dtype=torch.bool, device=z.device))).sum(1) / (size - 1)
    other = (torch.exp(alike / temperature) * ~same).sum(1)
    near = torch.exp(own / temperature)
    return -torch.log(near / (near + other)).mean()
