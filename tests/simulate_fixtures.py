"""A live origin on a clock that stands still, for whoever asks for one."""

from collections.abc import Iterator

import pytest
from simulate_factory import Clock, Viewer, make_encodes

from workers.simulate import Encodes, Origin


@pytest.fixture(scope="session")
def encodes(tmp_path_factory: pytest.TempPathFactory) -> Encodes:
    return make_encodes(tmp_path_factory.getbasetemp())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def origin(encodes: Encodes, clock: Clock) -> Iterator[Origin]:
    with Origin(encodes, clock=clock) as made:
        yield made


@pytest.fixture
def viewer(origin: Origin, clock: Clock) -> Viewer:
    return Viewer(origin, clock)
