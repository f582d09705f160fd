"""Services that tests share: started when a test first asks for them, once per session."""

from collections.abc import Iterator

import pytest
from services.kafka import Broker


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A Kafka with all listeners, for tests that leave it running; give topics and groups names of their own."""
    with Broker(secure=True) as started:
        yield started
