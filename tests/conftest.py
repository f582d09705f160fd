"""What holds for every test: the order of their files, and that nothing logs an error unseen."""

import logging
import os
from collections.abc import Iterator

import pytest

# Three workers share the cores. Before torch is loaded, which reads it then.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["services.fixtures", "services.redis_fixtures", "simulate_fixtures", "command_fixtures"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests wait for processes stand between those that compute, so that the cores are never idle for long;
    a little ahead of them, so that what is left at the end of a run fills all workers."""
    files = dict.fromkeys(item.path for item in items)
    waiting = [file for file in files if "integration" in file.parts]
    others = [file for file in files if "integration" not in file.parts]
    place = {file: 0.9 * number / len(waiting) for number, file in enumerate(waiting)}
    place |= {file: number / len(others) for number, file in enumerate(others)}
    items.sort(key=lambda item: place[item.path])


@pytest.fixture(autouse=True)
def no_errors_are_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    records = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    # What libav says of input that a test broke on purpose is not ours.
    errors = [record.getMessage() for record in records if not record.name.startswith("libav")]
    assert errors == [], "logged at ERROR during the test"


@pytest.fixture(autouse=True)
def nothing_runs_in_real_time() -> Iterator[None]:
    """SVT-AV1, called by root, makes the caller a real-time process for good; a browser that inherits it takes all."""
    _share_the_machine()
    yield
    _share_the_machine()


def _share_the_machine() -> None:
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
