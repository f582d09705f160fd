"""Swin V2 + temporal transformer: one network that scores a clip alone and against the reference of its ladder.

After Yu et al., "Video Quality Assessment Based on Swin TransformerV2 and Coarse to Fine Strategy" (arXiv
2401.08522): Swin V2 stages, fused by transformer layers into a local and a global feature of each frame, then a
temporal transformer. The paper gives no sizes, no inputs and no code; every dimension here, the measured tokens, the
facts and the reference are ours.

Shapes: B clips, T frames, N = G x G cells of P pixels, D width of a token.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from timm.models.swin_transformer_v2 import SwinTransformerV2
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the network; the defaults are `nano`."""

    grid: int = 4
    cell_px: int = 64
    embed: int = 24
    depths: tuple[int, ...] = (1, 1, 2, 1)
    heads: tuple[int, ...] = (1, 2, 4, 8)
    window: int = 8
    width: int = 96
    fusion_layers: int = 1
    temporal_layers: int = 2
    temporal_heads: int = 4
    frame_columns: int = 0
    clip_columns: int = 0
    against_columns: int = 0
    best_columns: int = 0
    guess_columns: int = 0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "NetworkConfig":
        return cls(**{**values, "depths": tuple(values["depths"]), "heads": tuple(values["heads"])})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs of the network, standardised; unknown columns are zero with their flag in the second half."""

    cells: Tensor  # [B, T, N, P, P] uint8
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


class SpatialModule(nn.Module):
    """Swin V2 over the fragments of one frame; features of all four stages fused into one token."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        side = config.grid * config.cell_px
        self.swin = SwinTransformerV2(
            img_size=side,
            patch_size=4,
            in_chans=2,
            num_classes=0,
            embed_dim=config.embed,
            depths=config.depths,
            num_heads=config.heads,
            window_size=config.window,
            drop_path_rate=0.0,
        )
        channels = [config.embed * 2**stage for stage in range(len(config.depths))]
        self.pooled = 4  # each stage is pooled to 4 x 4: one place a cell of the default grid
        self.project = nn.ModuleList(nn.Linear(channel, config.width) for channel in channels)
        self.place = nn.Parameter(torch.zeros(self.pooled**2, config.width))
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.temporal_heads,
            2 * config.width,
            0.0,
            "gelu",
            batch_first=True,
            norm_first=True,
        )
        self.fusion = nn.TransformerEncoder(layer, config.fusion_layers, enable_nested_tensor=False)
        self.join = nn.Linear(config.width + channels[-1], config.width)
        nn.init.trunc_normal_(self.place, std=0.02)

    def forward(self, fragments: Tensor) -> Tensor:
        """Return frame tokens [M, D] of fragments [M, 2, S, S]."""
        # Swin may run in bf16; what is fused stays in fp32.
        x = self.swin.patch_embed(fragments.to(next(self.swin.parameters()).dtype))  # [M, S/4, S/4, E]
        fused: Tensor | None = None
        for stage, project in zip(self.swin.layers, self.project, strict=True):
            x = stage(x)  # [M, h, w, C]
            pooled = nn.functional.adaptive_avg_pool2d(x.permute(0, 3, 1, 2).float(), self.pooled)  # [M, C, 4, 4]
            token = project(nn.functional.layer_norm(pooled.flatten(2).transpose(1, 2), [x.shape[-1]]))
            fused = token if fused is None else fused + token  # [M, 16, D]
        if fused is None:
            raise ValueError("a Swin network has at least one stage")
        seen: Tensor = self.fusion(fused + self.place).mean(dim=1)  # global, [M, D]
        local = nn.functional.layer_norm(x.float().mean(dim=(1, 2)), [x.shape[-1]])  # [M, C]
        joined: Tensor = self.join(torch.cat([seen, local], dim=1))
        return joined


class LadderNetwork(nn.Module):
    """Frame tokens (pixels, measurements, reference) through a temporal transformer to one score."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.spatial = SpatialModule(config)
        self.frame_token = _mlp(2 * config.frame_columns, width)
        self.against_token = _mlp(2 * config.against_columns, width)
        self.clip_token = _mlp(2 * config.clip_columns, width)
        self.best_token = _mlp(2 * config.best_columns, width)
        self.guess_token = _mlp(2 * config.guess_columns, width)
        self.alone = nn.Parameter(torch.zeros(width))
        self.ask = nn.Parameter(torch.zeros(width))
        layer = nn.TransformerEncoderLayer(
            width, config.temporal_heads, 2 * width, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.temporal = nn.TransformerEncoder(layer, config.temporal_layers, enable_nested_tensor=False)
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
        clips, frames = batch.present.shape
        pixels = torch.zeros(clips, frames, self.config.width, dtype=batch.frame.dtype, device=batch.frame.device)
        tokens = self.spatial(_fragments(batch.cells[batch.present], self.config.grid))  # [M, D]
        pixels = pixels.masked_scatter(batch.present[..., None], tokens.to(pixels.dtype))
        best = torch.where(batch.has_best[:, None], self.best_token(batch.best), self.alone)  # [B, D]
        against = torch.where(batch.has_best[:, None, None], self.against_token(batch.against), 0.0)
        frame = pixels + self.frame_token(batch.frame) + against + _time_code(batch.times, self.config.width)
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


def _mlp(columns: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(columns, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def _fragments(cells: Tensor, grid: int) -> Tensor:
    """Lay cells [M, N, P, P] out as pictures [M, 2, S, S]: luma, and luma with the cell's mean removed, enlarged."""
    count, _, size, _ = cells.shape
    luma = cells.float()
    fine = luma - nn.functional.avg_pool2d(luma, 5, 1, 2, count_include_pad=False)
    both = torch.stack([(luma - 110.0) / 60.0, fine / 8.0], dim=1)  # [M, 2, N, P, P]
    laid = both.reshape(count, 2, grid, grid, size, size).transpose(3, 4)  # [M, 2, G, P, G, P]
    return laid.reshape(count, 2, grid * size, grid * size)


def _time_code(times: Tensor, width: int) -> Tensor:
    """Return [B, T, D] sines and cosines of seconds, periods from 0.1 s to 100 s."""
    rate = torch.logspace(1, -2, width // 2, device=times.device) * 2 * torch.pi
    angle = times[..., None] * rate
    return 0.1 * torch.cat([angle.sin(), angle.cos()], dim=-1)
