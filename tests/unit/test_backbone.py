"""Pixel networks on timm's Swin V2: what they are shown, what they start from, and that a checkpoint carries one."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from pipeline.errors import UsageError
from workers.models import ARCHITECTURES
from workers.models.backbone import BackboneConfig, BackboneNetwork
from workers.models.checkpoint import load, save
from workers.models.ladder_model import LadderModel
from workers.models.pixels import PIXELS
from workers.models.untrained import untrained
from workers.training.pixels import PixelRecipe, fit

Network = TypeVar("Network", bound=torch.nn.Module)
TINY = BackboneConfig("swinv2_tiny_window8_256")


@pytest.fixture(scope="module")
def network() -> BackboneNetwork:
    torch.manual_seed(0)
    return with_open_blocks(BackboneNetwork(TINY)).eval()


@pytest.fixture(scope="module")
def theirs() -> torch.nn.Module:
    """timm's whole model, classifier and all, with random numbers."""
    torch.manual_seed(1)
    return with_open_blocks(timm.create_model(TINY.backbone)).eval()


@pytest.fixture
def published(theirs: torch.nn.Module, tmp_path: Path) -> Path:
    """Its weights in a file, as timm publishes them."""
    path = tmp_path / "model.safetensors"
    save_file(theirs.state_dict(), path)
    return path


def with_open_blocks(network: Network) -> Network:
    """timm starts every block of a Swin V2 as nothing."""
    for name, parameter in network.named_parameters():
        if name.endswith(("norm1.weight", "norm2.weight")):
            torch.nn.init.uniform_(parameter, 0.2, 0.5)
    return network


def cells(frames: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(2).integers(0, 256, (frames, 16, 64, 64), np.uint8))


def test_the_cells_of_a_frame_are_one_picture_without_scaling(network: BackboneNetwork) -> None:
    shown: list[torch.Tensor] = []
    hook = network.backbone.patch_embed.register_forward_pre_hook(lambda _, given: shown.append(given[0]))
    given = cells(1)
    try:
        said = network(given)
    finally:
        hook.remove()
    assert said.shape == (1, len(PIXELS))
    (picture,) = shown
    assert picture.shape == (1, 3, 256, 256)
    for cell, row, column in ((0, 0, 0), (3, 0, 3), (4, 1, 0), (15, 3, 3)):
        piece = picture[0, 0, 64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
        assert torch.allclose(piece * 0.229 + 0.485, given[0, cell] / 255, atol=1e-5)


def test_cells_that_make_no_whole_picture_are_refused(network: BackboneNetwork) -> None:
    with pytest.raises(ValueError, match="8 cells of 64 px"):
        network(cells(1)[:, :8])


def test_gradients_reach_every_weight_that_is_of_use(network: BackboneNetwork) -> None:
    network(cells(1)).square().sum().backward()
    still = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    network.zero_grad()
    assert still == set()


def test_training_starts_from_the_weights_that_timm_publishes(
    network: BackboneNetwork, theirs: Any, published: Path
) -> None:
    started = deepcopy(network)
    started.start_from_imagenet(published)
    picture = torch.rand(1, 3, 256, 256)
    with torch.inference_mode():
        expected = theirs.forward_head(theirs.forward_features(picture), pre_logits=True)
        assert torch.allclose(started.backbone(picture), expected)


def test_a_file_without_these_weights_is_refused_with_where_to_get_them(
    network: BackboneNetwork, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"other": torch.zeros(1)}, path)
    with pytest.raises(UsageError, match=r"are not in .*get the file model.safetensors of timm/swinv2_tiny"):
        network.start_from_imagenet(path)


def test_training_that_goes_on_wants_no_imagenet_weights(network: BackboneNetwork, tmp_path: Path) -> None:
    state = network.state_dict()
    optimizer = torch.optim.AdamW(network.groups()).state_dict()
    unfinished = {"network": state, "optimizer": optimizer, "average": state, "step": 1}
    torch.save(unfinished, tmp_path / "net.unfinished")
    recipe = PixelRecipe(TINY, 0, (1,), imagenet=tmp_path / "nowhere.safetensors")
    went_on = fit([], tmp_path / "net.pt", recipe, lambda _: None)
    assert all(torch.equal(tensor, state[key]) for key, tensor in went_on.state_dict().items())


def test_a_checkpoint_carries_a_backbone(network: BackboneNetwork, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    made = untrained("swinv2-tiny")
    tensors = {f"pixels.{key}": tensor for key, tensor in network.state_dict().items()}
    save(replace(made, tensors=made.tensors | tensors), path)
    given = cells(1)
    with torch.inference_mode():
        assert torch.allclose(torch.from_numpy(LadderModel(load(path)).say(given.numpy())), network(given))


def test_every_backbone_is_one_that_timm_knows_with_imagenet_weights() -> None:
    names = {sizes.pixels.backbone for sizes in ARCHITECTURES.values() if isinstance(sizes.pixels, BackboneConfig)}
    assert names == {f"swinv2_{size}_window8_256" for size in ("tiny", "small", "base")}
    assert {f"{name}.ms_in1k" for name in names} <= set(timm.list_models("swinv2*", pretrained=True))
