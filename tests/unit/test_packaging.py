"""The three packages are ours and nobody else's: a foreign distribution of the same name would be merged silently."""

import importlib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["schemas", "pipeline", "workers"])
def test_a_package_belongs_to_this_repository(name: str) -> None:
    assert set(packages_distributions().get(name, ["rungwatch"])) <= {"rungwatch"}
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT)


def test_no_module_grows_beyond_500_lines() -> None:
    files = [path for name in ("schemas", "pipeline", "workers", "tests") for path in (ROOT / name).rglob("*.py")]
    assert len(files) > 100
    long = {str(path.relative_to(ROOT)): count for path in files if (count := len(path.read_text().splitlines())) > 500}
    assert long == {}
