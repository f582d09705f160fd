"""The temporal network: a transformer over the sampled frames that corrects the trees, and knows how unsure it is.

After Yu et al., "Video Quality Assessment Based on Swin TransformerV2 and Coarse to Fine Strategy" (arXiv
2401.08522): features of each frame, then a temporal transformer. The paper gives no sizes, no inputs and no code. Here
a frame's token is what was measured of it, what the pixel network says (`workers.models.pixels`), and what differs
from the reference; the facts of the clip and the guesses of the trees are tokens beside them: all ours.

Shapes: B clips, T frames, D width of a token.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the network; the defaults are `nano`."""

    width: int = 96
    layers: int = 2
    heads: int = 4
    frame_columns: int = 0
    clip_columns: int = 0
    against_columns: int = 0
    best_columns: int = 0
    guess_columns: int = 0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "NetworkConfig":
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs of the network, standardised; unknown columns are zero with their flag in the second half."""

    present: Tensor  # [B, T] bool: False pads a clip of fewer frames
    times: Tensor  # [B, T] seconds from the start of the segment
    frame: Tensor  # [B, T, 2 * frame_columns]
    clip: Tensor  # [B, 2 * clip_columns]; first picture and facts
    against: Tensor  # [B, T, 2 * against_columns]
    best: Tensor  # [B, 2 * best_columns]; summary of the reference
    guess: Tensor  # [B, 2 * guess_columns]; what the boosted trees say
    has_best: Tensor  # [B] bool

    def to(self, device: torch.device | str) -> "Batch":
        return Batch(**{name: getattr(self, name).to(device) for name in Batch.__slots__})


@dataclass(frozen=True, slots=True)
class Output:
    score: Tensor  # [B] around 0..1 for 0..100
    frames: Tensor  # [B, T]
    spread: Tensor  # [B] scale of a Laplace distribution, in units of score
    features: Tensor  # [B, D] clip features, for the contrastive term


class LadderNetwork(nn.Module):
    """Frame tokens through a temporal transformer to one score."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.frame_token = _mlp(2 * config.frame_columns, width)
        self.against_token = _mlp(2 * config.against_columns, width)
        self.clip_token = _mlp(2 * config.clip_columns, width)
        self.best_token = _mlp(2 * config.best_columns, width)
        self.guess_token = _mlp(2 * config.guess_columns, width)
        self.alone = nn.Parameter(torch.zeros(width))
        self.ask = nn.Parameter(torch.zeros(width))
        layer = nn.TransformerEncoderLayer(
            width, config.heads, 2 * width, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.temporal = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, 2)  # correction of the trees' guess, log of the spread
        self.frame_score = nn.Linear(width, 1)  # a frame against the clip
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)
        nn.init.zeros_(self.frame_score.weight)
        nn.init.zeros_(self.frame_score.bias)
        nn.init.trunc_normal_(self.alone, std=0.02)
        nn.init.trunc_normal_(self.ask, std=0.02)

    def forward(self, batch: Batch, guess: Tensor) -> Output:
        """Score a batch; `guess` [B] in 0..1 is where the trees stand, the network moves from there."""
        clips = len(batch.present)
        best = torch.where(batch.has_best[:, None], self.best_token(batch.best), self.alone)  # [B, D]
        against = torch.where(batch.has_best[:, None, None], self.against_token(batch.against), 0.0)
        frame = self.frame_token(batch.frame) + against + _time_code(batch.times, self.config.width)
        head = torch.stack(
            [self.ask.expand(clips, -1), self.clip_token(batch.clip), best, self.guess_token(batch.guess)], 1
        )
        x = torch.cat([head, frame], dim=1)  # [B, 4 + T, D]
        padding = torch.cat([torch.zeros(clips, head.shape[1], dtype=torch.bool, device=x.device), ~batch.present], 1)
        x = self.norm(self.temporal(x, src_key_padding_mask=padding))
        correction, log_spread = self.score(x[:, 0]).float().unbind(dim=1)
        score = guess + correction
        around = self.frame_score(x[:, head.shape[1] :]).float().squeeze(2)  # [B, T]
        count = batch.present.sum(dim=1, keepdim=True)
        around = around - (around * batch.present).sum(dim=1, keepdim=True) / count  # frames average to the clip
        return Output(score, score[:, None] + around, torch.exp(log_spread - 3.0), x[:, 0].float())

    @torch.no_grad()
    def keep_correction(self, share: float) -> None:
        """Follow the correction of the guess by this share only; frame scores and spread stay as they are."""
        self.score.weight[0] *= share
        self.score.bias[0] *= share


def _mlp(columns: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(columns, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def _time_code(times: Tensor, width: int) -> Tensor:
    """Return [B, T, D] sines and cosines of seconds, periods from 0.1 s to 100 s."""
    rate = torch.logspace(1, -2, width // 2, device=times.device) * 2 * torch.pi
    angle = times[..., None] * rate
    return 0.1 * torch.cat([angle.sin(), angle.cos()], dim=-1)
