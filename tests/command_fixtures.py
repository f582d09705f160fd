"""The service's commands on a real Kafka and a real Redis, under a name of their own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from bus_factory import fresh_name
from command_line import Commands
from services.kafka import Broker


@pytest.fixture
def commands(tmp_path: Path, broker: Broker, redis_urls: Callable[[str], str]) -> Commands:
    name = fresh_name()
    made = Commands(
        tmp_path,
        RUNGWATCH_KAFKA_BOOTSTRAP=broker.bootstrap,
        RUNGWATCH_KAFKA_PREFIX=f"{name}.",
        RUNGWATCH_KAFKA_SESSION_SECONDS="6",
        RUNGWATCH_REDIS_URL=redis_urls("redis 7"),
        RUNGWATCH_REDIS_PREFIX=name,
    )
    assert made.run("topics", "create").returncode == 0
    return made
