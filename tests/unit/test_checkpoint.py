"""One file is one model: what decides a score is inside, and its hash is the identity."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.errors import UsageError
from workers.models import WEIGHTS, load_model
from workers.models.checkpoint import load, save
from workers.models.ladder_model import Architecture
from workers.models.untrained import untrained


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    made = replace(untrained("nano"), revision=1_700_000_000)
    path = tmp_path / "nano.safetensors"
    identity = save(made, path)
    read = load(path)
    assert read.weights_hash == identity
    assert (read.name, read.calibration, read.accuracy, read.revision) == (
        made.name,
        made.calibration,
        made.accuracy,
        made.revision,
    )
    assert Architecture.from_dict(read.config) == Architecture.from_dict(made.config)
    assert all(torch.equal(read.tensors[key], tensor) for key, tensor in made.tensors.items())


def test_the_revision_of_a_model_is_that_of_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "nano.safetensors"
    save(replace(untrained("nano"), revision=1_700_000_000), path)
    assert load_model(str(path)).identity.revision == 1_700_000_000


def test_the_same_content_has_the_same_hash(tmp_path: Path) -> None:
    assert save(untrained("nano"), tmp_path / "a.safetensors") == save(untrained("nano"), tmp_path / "b.safetensors")


def test_another_calibration_is_another_model(tmp_path: Path) -> None:
    made = untrained("nano")
    other = replace(made, calibration={"reach": {"alone": 1.0, "ladder": 2.0}})
    assert save(made, tmp_path / "a.safetensors") != save(other, tmp_path / "b.safetensors")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_file_that_is_no_checkpoint_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not a Rungwatch checkpoint"):
        load(path)


def test_a_missing_checkpoint_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint is there"):
        load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_shipped_weights_are_trained_measured_and_small(name: str) -> None:
    checkpoint = load(WEIGHTS[name])
    assert "SROCC" in checkpoint.accuracy
    assert WEIGHTS[name].stat().st_size < 20_000_000
    assert {t.dtype for key, t in checkpoint.tensors.items() if key.startswith(("network.", "pixels."))} <= {
        torch.float16,
        torch.int64,
        torch.bool,
    }
    assert (WEIGHTS[name].parent / f"{name}.md").is_file(), "every model has a card"


def test_a_size_without_weights_is_not_loaded_unasked() -> None:
    with pytest.raises(UsageError, match="untrained"):
        load_model("small")


def test_an_unknown_model_is_refused_with_what_there_is() -> None:
    with pytest.raises(UsageError, match="nano"):
        load_model("huge")


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="--device cpu"):
        load_model("nano", device="cuda:99")
