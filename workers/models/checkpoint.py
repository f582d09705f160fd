"""The one checkpoint format: a safetensors file whose header carries config, calibration and accuracy as JSON.

Everything that decides a score is inside the file, so its SHA-256 is the identity of the model: `name@hash`.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.errors import UsageError

FORMAT = "rungwatch-checkpoint-2"
_HASH_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a file holds. `tensors` are keyed ``pixels.*``, ``network.*``, ``scale.*`` and by forest ``alone.*``, ..."""

    name: str
    tensors: dict[str, Tensor]
    config: dict[str, Any]
    calibration: dict[str, Any]
    accuracy: str
    """One line: figures on held-out contents, and which they were."""
    revision: int = 0
    """Seconds since the epoch at the end of training: of two checkpoints of one name the newer has the greater."""
    weights_hash: str = ""
    """SHA-256 of the file, first 16 digits; empty before it is saved."""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors below ``prefix.``, without the prefix."""
        return {key.removeprefix(f"{prefix}."): t for key, t in self.tensors.items() if key.startswith(f"{prefix}.")}


def stored(part: str, network: nn.Module) -> dict[str, Tensor]:
    """Return a network's tensors as a checkpoint holds them: on the CPU, in fp16, their keys below ``part.``."""
    return {
        f"{part}.{key}": tensor.cpu().half() if tensor.is_floating_point() else tensor.cpu()
        for key, tensor in network.state_dict().items()
    }


def save(checkpoint: Checkpoint, path: Path) -> str:
    """Write a checkpoint and return its hash. The same content gives the same bytes."""
    header = {
        "format": FORMAT,
        "name": checkpoint.name,
        "accuracy": checkpoint.accuracy,
        "revision": checkpoint.revision,
        "config": json.dumps(checkpoint.config, sort_keys=True),
        "calibration": json.dumps(checkpoint.calibration, sort_keys=True),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {key: tensor.contiguous() for key, tensor in sorted(checkpoint.tensors.items())}
    save_file(tensors, path, metadata={"rungwatch": json.dumps(header, sort_keys=True)})
    return hash_of(path)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        UsageError: The file is not there, is not a checkpoint, or is of a format that this version does not know.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no checkpoint is there. `rungwatch doctor` lists the models that are installed.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no iterator of its own
        header = json.loads(metadata["rungwatch"])
        if header["format"] != FORMAT:
            raise UsageError(f"{path}: format {header['format']!r} is not known here; update Rungwatch.")
        return Checkpoint(
            name=header["name"],
            tensors=tensors,
            config=json.loads(header["config"]),
            calibration=json.loads(header["calibration"]),
            accuracy=header["accuracy"],
            revision=header["revision"],
            weights_hash=hash_of(path),
        )
    except (SafetensorError, KeyError, json.JSONDecodeError) as exc:
        raise UsageError(
            f"{path}: not a Rungwatch checkpoint ({exc}). `rungwatch train run` writes one; `--model` takes its path."
        ) from exc


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:_HASH_DIGITS]
