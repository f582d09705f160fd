"""The models by name, and how one is loaded."""

from importlib.resources import files
from pathlib import Path

from pipeline.errors import UsageError
from workers.models.checkpoint import Checkpoint, load
from workers.models.ladder_model import ARCHITECTURES, LadderModel
from workers.models.protocol import Model

DEFAULT_MODEL = "nano"
WEIGHTS: dict[str, Path] = {"nano": Path(str(files("workers") / "weights" / "nano.safetensors"))}
"""Models with trained weights that come with the program; every other name of `ARCHITECTURES` has none yet."""


def load_model(name_or_path: str = DEFAULT_MODEL, *, device: str = "cpu", allow_untrained: bool = False) -> Model:
    """Load a model by name, or a checkpoint by its path, onto a device (``cpu``, ``cuda``, ``cuda:1``).

    Raises:
        UsageError: No such model, no trained weights for it, or a device that is not there.
    """
    return LadderModel(checkpoint_of(name_or_path, allow_untrained=allow_untrained), device=_checked(device))


def checkpoint_of(name_or_path: str, *, allow_untrained: bool = False) -> Checkpoint:
    """Return the checkpoint of a model by name, or the one at a path."""
    if name_or_path in WEIGHTS:
        return load(WEIGHTS[name_or_path])
    if name_or_path in ARCHITECTURES:
        if not allow_untrained:
            raise UsageError(
                f"{name_or_path}: no trained weights come with this size, and untrained weights give random scores. "
                f"Take --model {DEFAULT_MODEL}, train it yourself, "
                "or pass --i-know-these-weights-are-untrained to try the plumbing."
            )
        from workers.models.untrained import untrained  # noqa: PLC0415 - only whoever asks for it

        return untrained(name_or_path)
    if Path(name_or_path).suffix == ".safetensors":
        return load(Path(name_or_path))
    raise UsageError(
        f"{name_or_path}: no such model. Known: {', '.join(WEIGHTS)}; or give the path of a .safetensors checkpoint."
    )


def _checked(device: str) -> str:
    import torch  # noqa: PLC0415 - heavy

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as exc:
        raise UsageError(
            f"--device {device}: not usable here ({str(exc).splitlines()[0]}). Take --device cpu."
        ) from exc
    return device
