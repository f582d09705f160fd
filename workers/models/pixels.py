"""The pixel network: what compression and scaling look like, read from the shown picture alone, whatever the facts say.

Convolutions bring each cell down to one 8 x 8 window, Swin V2 blocks (Liu et al., arXiv 2111.09883) look at the window
whole, and the statistics of every stage make the cell's token: the multi-stage features of Yu et al. (arXiv
2401.08522), pooled to mean and strength, since a distortion has a texture and no place. Sizes and heads are ours.

Shapes: M frames, N cells of P x P pixels, C channels.
"""

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from timm.models.swin_transformer_v2 import SwinTransformerV2Block
from torch import Tensor, nn

PIXELS = ("pixel_score", "pixel_share", "pixel_harshness", "pixel_again", "pixel_soft")
"""What the network says of a frame: VMAF / 100; log2 of the smallest coded size against the display's; how hard it was
quantised, 0..1 of the codec's range; log-odds that it was encoded twice; log-odds that the source itself is soft."""

_BLOCK_START = 0.3  # Swin V2 starts its blocks as nothing; two blocks and a short training need them at once


@dataclass(frozen=True, slots=True)
class PixelConfig:
    """Sizes of the network; the defaults are `nano`."""

    cell_px: int = 64
    channels: tuple[int, int, int] = (32, 64, 96)
    """At a half, a quarter and an eighth of a cell's side."""
    blocks: int = 2
    heads: int = 2
    width: int = 128

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PixelConfig":
        return cls(**{**values, "channels": tuple(values["channels"])})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class PixelNetwork(nn.Module):
    """Cells of a frame to the columns `PIXELS`. Each frame stands for itself; cells have no order."""

    needs_all_cells: ClassVar[bool] = False

    def __init__(self, config: PixelConfig) -> None:
        super().__init__()
        first, second, third = config.channels
        side = config.cell_px // 8
        self.first = _convolution(2, first, 5, 2)
        self.second = nn.Sequential(_convolution(first, second, 3, 2), _convolution(second, second, 3, 1))
        self.third = _convolution(second, third, 3, 2)
        self.swin = nn.ModuleList(
            SwinTransformerV2Block(third, (side, side), config.heads, window_size=side, mlp_ratio=2.0)
            for _ in range(config.blocks)
        )
        seen = 2 * (second + third + config.blocks * third)
        self.cell = nn.Sequential(
            nn.BatchNorm1d(seen),
            nn.Linear(seen, config.width),
            nn.GELU(),
            nn.Linear(config.width, config.width),
        )
        self.frame = nn.Sequential(
            nn.LayerNorm(2 * config.width),
            nn.Dropout(0.1),
            nn.Linear(2 * config.width, config.width),
            nn.GELU(),
            nn.Linear(config.width, len(PIXELS)),
        )
        for name, parameter in self.swin.named_parameters():
            if name.endswith(("norm1.weight", "norm2.weight")):
                nn.init.constant_(parameter, _BLOCK_START)
        self.to(memory_format=torch.channels_last)  # twice as fast in bf16

    def groups(self) -> list[dict[str, Any]]:
        """Return the parameters by share of the learning rate."""
        return [{"params": list(self.parameters()), "share": 1.0}]

    def forward(self, cells: Tensor) -> Tensor:
        """Return [M, len(PIXELS)] of shown cells [M, N, P, P] in 8-bit steps."""
        frames, count = cells.shape[:2]
        quarter = self.second(self.first(_inputs(cells.flatten(0, 1))))  # [M * N, C, P/4, P/4]
        eighth = self.third(quarter)
        seen = [statistics(quarter.permute(0, 2, 3, 1)), statistics(eighth.permute(0, 2, 3, 1))]
        whole = eighth.permute(0, 2, 3, 1)  # as it lies in memory
        for block in self.swin:
            whole = block(whole)
            seen.append(statistics(whole))
        tokens = self.cell(torch.cat(seen, dim=1)).float().reshape(frames, count, -1)
        said: Tensor = self.frame(torch.cat([tokens.mean(dim=1), tokens.std(dim=1)], dim=1))
        return said.float()


@torch.inference_mode()
def say(network: nn.Module, cells: NDArray[np.uint8], kind: torch.dtype) -> NDArray[np.float32]:
    """Return what the network says [T, len(PIXELS)] of shown cells [T, N, P, P], computed in bf16 or fp32."""
    device = next(network.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=kind == torch.bfloat16):
        said: NDArray[np.float32] = network(torch.from_numpy(cells).to(device)).cpu().numpy()
    return said


def _convolution(channels: int, out: int, taps: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, out, taps, stride, taps // 2, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )


def _inputs(cells: Tensor) -> Tensor:
    """Return [K, 2, P, P] of cells [K, P, P]: luma, and what a 5 px blur takes from it, enlarged."""
    luma = cells.float()[:, None]
    blur = _blur(luma.shape[-1], luma.device)
    fine = luma - blur @ luma @ blur.T
    both = torch.cat([(luma - 110.0) / 60.0, (fine / 8.0).clamp(-6, 6)], dim=1)
    return both.contiguous(memory_format=torch.channels_last)


@cache
def _blur(size: int, device: torch.device) -> Tensor:
    """Return the mean over five places as a matrix [P, P], its ends cut: eight times as fast as pooling on the CPU."""
    place = torch.arange(size, device=device)
    near = ((place[:, None] - place).abs() <= 2).float()
    return near / near.sum(dim=1, keepdim=True)


def statistics(stage: Tensor) -> Tensor:
    """Return means and root mean squares [K, 2 C] over the places of a stage [K, h, w, C]."""
    values = stage.flatten(1, 2)
    count = values.shape[1]
    strength = values.square().sum(dim=1, dtype=torch.float32) / count
    return torch.cat([values.sum(dim=1, dtype=torch.float32) / count, (strength + 1e-5).sqrt()], dim=1)
