"""What people noted of streams, in Redis: the newest of each stream, for as long as its hours are kept."""

import time

from pipeline.series.connection import Command, Link
from pipeline.series.keys import Keys, in_ms
from pipeline.settings import RedisSettings
from schemas import Annotation

ANNOTATIONS_KEPT = 2_000
"""Of one stream; those that start earliest go first."""


class AnnotationStore:
    """Notes by stream. May be used by many threads. All raise Unavailable where Redis is away."""

    def __init__(self, link: Link, settings: RedisSettings) -> None:
        self._link = link
        self._keys = Keys(settings.prefix)
        self._kept_seconds = max(settings.hour_seconds, settings.minute_seconds, settings.raw_seconds)

    def add(self, annotation: Annotation) -> None:
        """Keep a note; one of the same id is replaced."""
        name, told = self._names(annotation.stream_id)
        start_ms = in_ms(annotation.start_at.timestamp())
        self._link.run(
            [
                ("HSET", told, annotation.annotation_id, annotation.model_dump_json(exclude_none=True)),
                ("ZADD", name, start_ms, annotation.annotation_id),
                ("EXPIRE", name, self._kept_seconds),
                ("EXPIRE", told, self._kept_seconds),
            ]
        )
        least = in_ms(time.time() - self._kept_seconds)
        [many, old] = self._link.run(
            [("ZRANGE", name, 0, -ANNOTATIONS_KEPT - 1), ("ZRANGEBYSCORE", name, "-inf", f"({least}")]
        )
        if surplus := {*many, *old}:
            self._link.run(_removed(name, told, *surplus))

    def read(
        self, stream_id: str, start_seconds: float | None = None, end_seconds: float | None = None
    ) -> list[Annotation]:
        """Return those that overlap [start, end), seconds since the epoch, in order of time."""
        name, told = self._names(stream_id)
        past = "+inf" if end_seconds is None else f"({in_ms(end_seconds)}"
        [members] = self._link.run([("ZRANGEBYSCORE", name, "-inf", past)])
        if not members:
            return []
        [texts] = self._link.run([("HMGET", told, *members)])
        found = [Annotation.model_validate_json(text) for text in texts if text is not None]
        least = "-inf" if start_seconds is None else start_seconds
        return [each for each in found if (each.end_at or each.start_at).timestamp() >= float(least)]

    def remove(self, stream_id: str, annotation_id: str) -> bool:
        """Return whether it was there."""
        name, told = self._names(stream_id)
        return bool(self._link.run(_removed(name, told, annotation_id.encode()))[0])

    def _names(self, stream_id: str) -> tuple[str, str]:
        return self._keys.annotations(stream_id), self._keys.annotations_told(stream_id)


def _removed(name: str, told: str, *members: bytes) -> list[Command]:
    return [("ZREM", name, *members), ("HDEL", told, *members)]
