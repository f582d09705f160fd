"""What holds for every test: nothing logs an error unseen."""

import logging
from collections.abc import Iterator

import pytest

pytest_plugins = ["services.fixtures", "services.redis_fixtures", "simulate_fixtures", "command_fixtures"]


@pytest.fixture(autouse=True)
def no_errors_are_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    records = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    # What libav says of input that a test broke on purpose is not ours.
    errors = [record.getMessage() for record in records if not record.name.startswith("libav")]
    assert errors == [], "logged at ERROR during the test"
