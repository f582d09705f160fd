"""The file of a training run: which samples, where to, and every setting that differs from the defaults."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError

_KEYS = ("samples", "out", "further", "recipe", "device", "hours")


@dataclass(frozen=True, slots=True)
class RunFile:
    """What `rungwatch train run CONFIG` reads; paths in it are relative to the file."""

    samples: Path
    out: Path
    further: tuple[Path, ...] = ()
    """Samples for the trees and the temporal network alone."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `workers.training.train.Recipe` that differ from its defaults."""
    device: str | None = None
    hours: float | None = None

    @classmethod
    def read(cls, path: Path) -> "RunFile":
        """Read a TOML file; raise UsageError where it is not one, lacks a key or has an unknown one."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            raise UsageError(f"{path} is not a TOML file: {exc}") from exc
        unknown = sorted(set(values) - set(_KEYS))
        if unknown:
            raise UsageError(f"{path} has {', '.join(unknown)}: known are {', '.join(_KEYS)}")
        missing = [key for key in ("samples", "out") if not isinstance(values.get(key), str)]
        if missing:
            raise UsageError(f"{path} does not say {' and '.join(missing)}: give each as a path in quotes")
        further, recipe = values.get("further", []), values.get("recipe", {})
        if not (isinstance(further, list) and all(isinstance(item, str) for item in further)):
            raise UsageError(f"{path}: further must be a list of paths")
        if not isinstance(recipe, dict):
            raise UsageError(f"{path}: recipe must be a table, [recipe]")
        samples, *others = (path.parent / folder for folder in (values["samples"], *further))
        if isinstance(recipe.get("imagenet"), str):
            recipe["imagenet"] = str(path.parent / recipe["imagenet"])
        for folder in (samples, *others):
            if not folder.is_dir():
                raise UsageError(f"{path}: {folder} is not a folder; `rungwatch train extract` makes one")
        hours = values.get("hours")
        if hours is not None and not (isinstance(hours, int | float) and hours > 0):
            raise UsageError(f"{path}: hours must be a number above 0")
        return cls(samples, path.parent / values["out"], tuple(others), recipe, values.get("device"), hours)
