"""How far the groups have come: committed offsets and ends of topics, asked for without being a member."""

import contextlib
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from pipeline.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one group and all its topics."""

    committed: int
    end: int

    @property
    def is_at_end(self) -> bool:
        return self.committed == self.end


class Offsets:
    """Asks with a client of its own; while the broker is away the last answer stands."""

    def __init__(self, settings: KafkaSettings, group: str, topics: tuple[str, ...], partitions: int) -> None:
        self._bootstrap = settings.bootstrap
        self._group = group
        self._places = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
        self._client: Any = None
        self._last = Standing(0, 0)

    def now(self) -> Standing:
        try:
            if self._client is None:
                self._client = KafkaConsumer(
                    bootstrap_servers=self._bootstrap,
                    group_id=self._group,  # never subscribed, so not a member
                    enable_auto_commit=False,
                    bootstrap_timeout_ms=2000,
                    request_timeout_ms=5000,
                    metrics_enabled=False,
                )
            ends = self._client.end_offsets(self._places, timeout_ms=3000)
            committed = [self._client.committed(place, timeout_ms=3000) or 0 for place in self._places]
        except KafkaError:
            return self._last
        self._last = Standing(sum(committed), sum(ends.values()))
        return self._last

    def close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(KafkaError):
                self._client.close(autocommit=False)
