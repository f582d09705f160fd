"""The models: measured clips in, predictions out. Nothing here loads torch before a model is loaded."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workers.models.protocol import Model, Prediction

if TYPE_CHECKING:
    from workers.models.ladder_model import ARCHITECTURES
    from workers.models.registry import DEFAULT_MODEL, WEIGHTS, load_model

_HOMES = {
    "ARCHITECTURES": "ladder_model",
    "DEFAULT_MODEL": "registry",
    "WEIGHTS": "registry",
    "load_model": "registry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["ARCHITECTURES", "DEFAULT_MODEL", "WEIGHTS", "Model", "Prediction", "load_model"]
