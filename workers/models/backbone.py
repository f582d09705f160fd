"""Pixel networks on timm's Swin V2 with its ImageNet weights: for those who have a GPU to fine-tune them on.

The 16 cells of a frame are laid side by side to one picture of 256 x 256 px, the size at which those weights were
trained, and nothing is scaled (fragments: Wu et al., FAST-VQA, arXiv 2207.02595); windows of 8 lie inside one cell in
the first two stages. The statistics of all four stages are tokens of a small transformer, the multi-stage fusion of Yu
et al. (arXiv 2401.08522); the paper gives no sizes, those here are ours.

Shapes: M frames, N cells of P x P pixels, C channels.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import timm
import torch
from torch import Tensor, nn

from pipeline.errors import UsageError
from workers.models.pixels import PIXELS, PixelConfig, PixelNetwork, statistics

_SIDE_PX = 256
_WEIGHTS = "ms_in1k"
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Which Swin V2 of timm, and the sizes of what stands on it."""

    backbone: str
    """Name in timm, of a model for 256 x 256 px."""
    cell_px: int = 64
    width: int = 192
    heads: int = 4

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "BackboneConfig":
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class BackboneNetwork(nn.Module):
    """Cells of a frame to the columns `PIXELS`, as `PixelNetwork`; here all cells of a frame are needed, in order."""

    needs_all_cells: ClassVar[bool] = True

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.name = config.backbone
        backbone: Any = timm.create_model(config.backbone, num_classes=0)
        self.backbone = backbone
        channels = [stage["num_chs"] for stage in backbone.feature_info]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(2 * count), nn.Linear(2 * count, config.width)) for count in channels
        )
        self.places = nn.Parameter(0.02 * torch.randn(1 + len(channels), config.width))
        self.fusion = nn.TransformerEncoderLayer(
            config.width, config.heads, 2 * config.width, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.frame = nn.Sequential(nn.LayerNorm(config.width), nn.Linear(config.width, len(PIXELS)))

    def forward(self, cells: Tensor) -> Tensor:
        """Return [M, len(PIXELS)] of shown cells [M, N, P, P] in 8-bit steps; N cells must make 256 x 256 px."""
        seen = [stage(statistics(it)) for stage, it in zip(self.stages, self._features(cells), strict=True)]
        tokens = torch.stack([torch.zeros_like(seen[0]), *seen], dim=1) + self.places
        said: Tensor = self.frame(self.fusion(tokens)[:, 0])
        return said.float()

    def groups(self) -> list[dict[str, Any]]:
        """Return the parameters by share of the learning rate: trained weights move slowly."""
        trained = [value for name, value in self.named_parameters() if name.startswith("backbone.")]
        new = [value for name, value in self.named_parameters() if not name.startswith("backbone.")]
        return [{"params": trained, "share": 0.05}, {"params": new, "share": 0.5}]

    def start_from_imagenet(self, file: Path | None) -> None:
        """Take over timm's ImageNet weights: from a file as timm publishes it, or as timm fetches and keeps them.

        Raises:
            UsageError: They cannot be fetched, or the file holds none of this network.
        """
        name = f"{self.name}.{_WEIGHTS}"
        overlay = None if file is None else {"file": str(file)}
        try:
            source: Any = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
        except Exception as error:  # whatever the hub's client, its HTTP library or the reader of the file raises
            where = "could not be fetched" if file is None else f"are not in {file}"
            raise UsageError(
                f"the ImageNet weights {name} {where} ({_first_line(error)}): get the file model.safetensors of "
                f'timm/{name} and name it: imagenet = "model.safetensors" below [recipe]'
            ) from error
        source.reset_classifier(0)  # loaded with its classifier, or timm takes a file that lacks weights as well
        self.backbone.load_state_dict(source.state_dict())

    def _features(self, cells: Tensor) -> list[Tensor]:
        """Return each stage as [M, h, w, C]."""
        frames, count, side, _ = cells.shape
        across = math.isqrt(count)
        if across**2 != count or across * side != _SIDE_PX:
            raise ValueError(f"{count} cells of {side} px do not make a picture of {_SIDE_PX} x {_SIDE_PX} px")
        rows = cells.reshape(frames, across, across, side, side).transpose(2, 3)
        luma = rows.reshape(frames, 1, _SIDE_PX, _SIDE_PX).float() / 255
        mean, deviation = (torch.tensor(v, device=luma.device)[:, None, None] for v in (_MEAN, _DEVIATION))
        picture = (luma - mean) / deviation
        backbone: Any = self.backbone
        stages = backbone.forward_intermediates(picture, norm=True, intermediates_only=True)
        return [stage.permute(0, 2, 3, 1) for stage in stages]


def pixel_sizes(values: dict[str, Any]) -> PixelConfig | BackboneConfig:
    """Return the sizes that a checkpoint's config holds."""
    return BackboneConfig.from_dict(values) if "backbone" in values else PixelConfig.from_dict(values)


def pixel_network(sizes: PixelConfig | BackboneConfig) -> PixelNetwork | BackboneNetwork:
    """Return a network of these sizes with random weights."""
    return PixelNetwork(sizes) if isinstance(sizes, PixelConfig) else BackboneNetwork(sizes)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
