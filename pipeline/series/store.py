"""Writes points and skipped segments: whatever comes twice, late or in another order ends in the same series."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from pipeline.history import series_name
from pipeline.series.connection import Command, Link, Script, ScriptCall
from pipeline.series.keys import (
    HOUR_MS,
    MINUTE_MS,
    MONTH_MS,
    Keys,
    in_ms,
    skipped_field,
)
from pipeline.series.values import point_text, skipped_text
from pipeline.settings import RedisSettings
from schemas import ContentLabel, ManifestFinding, QualityPoint, SegmentSkipped

POINTS_A_CALL = 200
"""So that the script holds Redis for about 10 ms at most."""
POINTS_A_PIPELINE = 2000
FINDINGS_KEPT = 10_000
"""Of one stream; the oldest go first."""
AD_SEGMENTS_KEPT = 100_000
"""Of one stream: about a month of segments of 6 s, one in four an ad; the oldest go first."""

_WRITE = Script(resources.files("pipeline.series").joinpath("write.lua").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Written:
    """What became of points; each is counted once."""

    new: int = 0
    changed: int = 0
    """Replaced what was there: written again with other values, or by newer weights."""
    repeated: int = 0
    """Were there already."""
    outdated: int = 0
    """Made by older weights than what is there: left out."""
    late: int = 0
    """Left out, as the points of their minute have expired and only its roll-up is left."""

    def __add__(self, other: "Written") -> "Written":
        return Written(
            self.new + other.new,
            self.changed + other.changed,
            self.repeated + other.repeated,
            self.outdated + other.outdated,
            self.late + other.late,
        )


class SeriesStore:
    """Where points are written to. May be used by many threads."""

    def __init__(self, link: Link, settings: RedisSettings) -> None:
        self._link = link
        self._keys = Keys(settings.prefix)
        # A roll-up that went before what it is made of would be made anew of less.
        self._raw_seconds = settings.raw_seconds
        self._minute_seconds = max(settings.minute_seconds, self._raw_seconds)
        self._hour_seconds = max(settings.hour_seconds, self._minute_seconds)

    def write(self, points: Sequence[QualityPoint]) -> Written:
        """Store points of any streams and publish those that are new or changed; a repeat changes nothing.

        Of two points at one place the one of the greater `model_revision` stays, then the one that was written last.

        Raises:
            Unavailable: Redis is away; some may be stored, and all can be written again.
            UsageError: Redis is there and refuses.
        """
        total = Written()
        for first in range(0, len(points), POINTS_A_PIPELINE):
            total += self._write(points[first : first + POINTS_A_PIPELINE])
        return total

    def skip(self, skipped: Sequence[SegmentSkipped]) -> int:
        """Note live segments that were not scored, and return how many were not noted before. Raises as `write`."""
        commands: list[Command] = []
        noted: list[int] = []
        for each in skipped:
            start_ms = in_ms(each.start_seconds)
            hour = start_ms // HOUR_MS
            key, hours = self._keys.skipped(each.stream_id, hour), self._keys.skipped_hours(each.stream_id)
            noted.append(len(commands))
            commands += [
                ("HSET", key, skipped_field(each.rendition_id, start_ms), skipped_text(each)),
                ("EXPIRE", key, self._minute_seconds),
                ("ZADD", hours, hour, hour),
                ("EXPIRE", hours, self._minute_seconds),
            ]
        replies = self._link.run(commands + self._index({each.stream_id for each in skipped}))
        return sum(replies[index] for index in noted)

    def find(self, findings: Sequence[ManifestFinding]) -> int:
        """Note findings and publish those that begin or are over; return how many were not noted before.

        One that is over stays so. Raises as `write`.
        """
        commands: list[Command] = []
        noted: list[int] = []
        for each in findings:
            found_ms = in_ms(each.found_at.timestamp())
            name, told = self._keys.findings(each.stream_id), self._keys.told(each.stream_id)
            member = f"{each.finding_id}|{found_ms}"
            noted.append(len(commands))
            text = each.model_dump_json(exclude_none=True)
            commands += [
                ("ZADD", name, found_ms, member),
                # That it began may come once more after it was over.
                ("HSET" if each.over_at else "HSETNX", told, member, text),
                ("EXPIRE", name, self._hour_seconds),
                ("EXPIRE", told, self._hour_seconds),
                ("ZRANGE", name, 0, -FINDINGS_KEPT - 1),
            ]
        replies = self._link.run(commands + self._index({each.stream_id for each in findings}))
        for each, index in zip(findings, noted, strict=True):
            if surplus := replies[index + 4]:
                self._link.run(
                    [
                        ("HDEL", self._keys.told(each.stream_id), *surplus),
                        ("ZREM", self._keys.findings(each.stream_id), *surplus),
                    ]
                )
        # An end is told each time: a repeat after a restart tells what is known already.
        self._link.run(
            [
                ("PUBLISH", self._keys.findings_channel(each.stream_id), each.model_dump_json(exclude_none=True))
                for each, index in zip(findings, noted, strict=True)
                if each.over_at is not None or replies[index + 1]
            ]
        )
        return sum(replies[index] for index in noted)

    def _write(self, points: Sequence[QualityPoint]) -> Written:
        by_stream: dict[str, list[QualityPoint]] = {}
        for point in points:
            by_stream.setdefault(point.stream_id, []).append(point)
        calls = [
            self._call(stream_id, own[first : first + POINTS_A_CALL])
            for stream_id, own in by_stream.items()
            for first in range(0, len(own), POINTS_A_CALL)
        ]
        total = Written()
        for counts in self._link.call(_WRITE, calls):
            total += Written(*counts)
        # After the points: whoever finds a stream here finds something in it.
        self._link.run(self._index(by_stream) + self._ads(points))
        return total

    def _call(self, stream_id: str, points: Sequence[QualityPoint]) -> ScriptCall:
        by_minute: dict[tuple[str, int], list[str | int]] = {}
        for point in points:
            series = series_name(
                point.rendition_id, point.model_name, point.display_height_px, point.sampler_name, point.sampler_frames
            )
            start_ms = in_ms(point.start_seconds)
            group = by_minute.setdefault((series, start_ms // MINUTE_MS), [])
            group += (start_ms, point_text(point), point.model_dump_json())
        name = self._keys
        keys = [name.series(stream_id)]
        arguments: list[str | int] = [
            self._raw_seconds,
            self._minute_seconds,
            self._hour_seconds,
            name.channel(stream_id),
            int(time.time() * 1000),
        ]
        for (series, minute), group in by_minute.items():
            start_ms = minute * MINUTE_MS
            hour, month = start_ms // HOUR_MS, start_ms // MONTH_MS
            keys += (
                name.raw(stream_id, series, minute),
                name.minutes(stream_id, series, hour),
                name.hours(stream_id, series, month),
                name.months(stream_id, series),
            )
            arguments += (series, f"{start_ms} {hour * HOUR_MS} {month} {len(group) // 3}", *group)
        return ScriptCall(keys, arguments)

    def _ads(self, points: Sequence[QualityPoint]) -> list[Command]:
        # Roll-ups do not know what was an ad, and rungs share their breaks: one mark for the segments of all rungs.
        marks: dict[str, set[tuple[int, int]]] = {}
        for point in points:
            if point.label is ContentLabel.AD:
                mark = in_ms(point.duration_seconds), in_ms(point.start_seconds)
                marks.setdefault(point.stream_id, set()).add(mark)
        commands: list[Command] = []
        for stream_id, found in marks.items():
            key = self._keys.ads(stream_id)
            scored = [part for lasts, start in sorted(found) for part in (start, f"{lasts}|{start}")]
            commands += [
                ("ZADD", key, *scored),
                ("ZREMRANGEBYRANK", key, 0, -AD_SEGMENTS_KEPT - 1),
                ("EXPIRE", key, self._hour_seconds),
            ]
        return commands

    def _index(self, stream_ids: Sequence[str] | set[str] | dict[str, list[QualityPoint]]) -> list[Command]:
        if not stream_ids:
            return []
        now = int(time.time())
        scored = [part for stream_id in stream_ids for part in (now, stream_id)]
        return [
            ("ZADD", self._keys.streams, *scored),
            ("ZREMRANGEBYSCORE", self._keys.streams, "-inf", now - self._hour_seconds),
        ]
