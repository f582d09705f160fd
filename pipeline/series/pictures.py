"""Small pictures of worst frames in Redis: of every rendition and hour the worst few, and the newest.

What a picture shows: [rank, score of the frame, where the frame is in seconds, where its segment starts in seconds],
a JSON array. `keep_picture.lua` reads the rank.
"""

import json
import math
import time
from dataclasses import dataclass
from importlib import resources
from urllib.parse import unquote

from pipeline.history import PictureEntry, quoted
from pipeline.series.connection import Command, Link, Script, ScriptCall
from pipeline.series.keys import HOUR_MS, Keys, in_ms, picture_hour
from pipeline.settings import PictureSettings, RedisSettings

FAULT_RANK = -100.0
"""Added to the rank of a picture with a fault: it comes before every one without."""

_KEEP = Script(resources.files("pipeline.series").joinpath("keep_picture.lua").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Picture:
    """The worst frame of a segment, with its picture."""

    entry: PictureEntry
    jpeg: bytes
    has_fault: bool = False
    """Frozen, black, damaged: worth more than a frame that is only bad."""

    @property
    def rank(self) -> float:
        """The lower, the sooner it is kept."""
        return self.entry.score + (FAULT_RANK if self.has_fault else 0.0)

    @property
    def hour(self) -> int:
        return in_ms(self.entry.start_seconds) // HOUR_MS


class PictureStore:
    """Implements `pipeline.history.Pictures`, and is where pictures are written to. May be used by many threads."""

    def __init__(self, link: Link, redis: RedisSettings, settings: PictureSettings | None = None) -> None:
        """`settings`: of whoever writes; a reader needs none."""
        self._link = link
        self._keys = Keys(redis.prefix)
        self._settings = settings or PictureSettings()

    def keep(self, picture: Picture) -> float:
        """Keep a picture among the worst of its hour or as its newest; one at the same place is replaced.

        Returns the rank that another of this rendition and hour must be under to be among the worst; infinity while
        there is room.

        Raises:
            Unavailable: Redis is away.
            UsageError: Redis is there and refuses.
        """
        entry, keys = picture.entry, self._keys
        stream, rendition, hour = entry.stream_id, entry.rendition_id, picture.hour
        shows = json.dumps(
            [round(picture.rank, 6), entry.score, entry.worst_seconds, entry.start_seconds], separators=(",", ":")
        )
        call = ScriptCall(
            (keys.picture_hours(stream), keys.pictures(stream, rendition, hour), keys.jpegs(stream, rendition, hour)),
            (
                picture_hour(rendition, hour),
                in_ms(entry.start_seconds),
                shows,
                picture.jpeg,
                self._settings.each_hour,
                self._settings.age_seconds,
                int(time.time()),
            ),
        )
        [limit] = self._link.call(_KEEP, [call])
        return float(limit) if limit else math.inf

    def kept(
        self,
        stream_id: str,
        rendition_id: str | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
    ) -> list[PictureEntry]:
        """See `Pictures.kept`."""
        start_ms = None if start_seconds is None else in_ms(start_seconds)
        end_ms = None if end_seconds is None else in_ms(end_seconds)
        wanted = None if rendition_id is None else quoted(rendition_id)
        [members] = self._link.run([("ZRANGE", self._keys.picture_hours(stream_id), 0, -1)])
        commands: list[Command] = []
        renditions: list[str] = []
        for member in members:
            name, _, number = member.decode().rpartition("|")
            hour = int(number)
            if (
                wanted in (None, name)
                and (start_ms is None or hour >= start_ms // HOUR_MS)
                and (end_ms is None or hour <= end_ms // HOUR_MS)
            ):
                commands.append(("HGETALL", self._keys.pictures(stream_id, unquote(name), hour)))
                renditions.append(unquote(name))
        found = [
            PictureEntry(stream_id, rendition, start, worst, score)
            for rendition, fields in zip(renditions, self._link.run(commands), strict=True)
            for field, text in fields.items()
            if (start_ms is None or int(field) >= start_ms) and (end_ms is None or int(field) < end_ms)
            for _, score, worst, start in [json.loads(text)]
        ]
        return sorted(found, key=lambda entry: (entry.start_seconds, entry.rendition_id))

    def jpeg(self, stream_id: str, rendition_id: str, start_seconds: float) -> bytes | None:
        """See `Pictures.jpeg`."""
        start_ms = in_ms(start_seconds)
        key = self._keys.jpegs(stream_id, rendition_id, start_ms // HOUR_MS)
        found: list[bytes | None] = self._link.run([("HGET", key, start_ms)])
        return found[0]
