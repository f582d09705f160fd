"""Reads series: which there are, their latest points, and ranges that join points with roll-ups where those expired."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.history import Resolution, SeriesEntry, SeriesId, SeriesPoint, StreamEntry, Wanted, auto
from pipeline.series.connection import Command, Link
from pipeline.series.keys import HOUR_MS, MINUTE_MS, MONTH_MS, Keys, in_ms
from pipeline.series.values import MS, of_raw, of_rollup, point_of, skipped_of
from pipeline.settings import RedisSettings
from schemas import ManifestFinding, QualityPoint, SegmentSkipped

COMMANDS_A_PIPELINE = 1000


class SeriesQueries:
    """Questions about series. All raise Unavailable where Redis is away, and return nothing where nothing is."""

    def __init__(self, link: Link, settings: RedisSettings) -> None:
        self._link = link
        self._keys = Keys(settings.prefix)
        self._kept_seconds = max(settings.hour_seconds, settings.minute_seconds, settings.raw_seconds)

    def streams(self) -> list[StreamEntry]:
        """Return all streams, the one that was written to last first."""
        least = time.time() - self._kept_seconds
        [found] = self._link.run([("ZREVRANGEBYSCORE", self._keys.streams, "+inf", least, "WITHSCORES")])
        return [StreamEntry(found[at].decode(), float(found[at + 1])) for at in range(0, len(found), 2)]

    def series(self, stream_id: str) -> list[SeriesEntry]:
        """Return all series of a stream: best bitrate first, and of one rendition the newest first."""
        [found] = self._link.run([("HGETALL", self._keys.series(stream_id))])
        least = time.time() - self._kept_seconds
        entries = [_entry(stream_id, name.decode(), value) for name, value in found.items()]
        # The hash lives as long as its newest series; what a retired model left behind has expired before.
        entries = [entry for entry in entries if entry.written_seconds >= least]
        best: dict[str, int] = {}
        for entry in entries:
            rendition = entry.series.rendition_id
            best[rendition] = max(best.get(rendition, 0), entry.latest.bitrate_bps or 0)
        entries.sort(key=_age, reverse=True)
        return sorted(entries, key=lambda entry: (-best[entry.series.rendition_id], entry.series.rendition_id))

    def renditions(self, stream_id: str) -> list[str]:
        """Return the renditions of a stream, best bitrate first."""
        return list(dict.fromkeys(entry.series.rendition_id for entry in self.series(stream_id)))

    def select(
        self,
        stream_id: str,
        rendition_id: str | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        model: str | None = None,
    ) -> list[SeriesEntry]:
        """Return one series of every rendition: of those with something in [start, end) the one of the newest weights.

        None: every rendition, from the first, to the last, whichever model. Where two series are of weights of one
        age (two samplers, two displays), the one that reaches further is taken, then the one written last.
        """
        chosen: dict[str, SeriesEntry] = {}
        for entry in self.series(stream_id):
            if rendition_id not in (None, entry.series.rendition_id) or model not in (None, entry.series.model_name):
                continue
            if end_seconds is not None and entry.first_seconds >= end_seconds:
                continue
            if start_seconds is not None and entry.latest.start_seconds < start_seconds:
                continue
            chosen.setdefault(entry.series.rendition_id, entry)
        return list(chosen.values())

    def latest(self, stream_id: str, model: str | None = None) -> dict[str, QualityPoint]:
        """Return the latest point of every rendition, best bitrate first."""
        return {entry.series.rendition_id: entry.latest for entry in self.select(stream_id, model=model)}

    def points(
        self,
        stream_id: str,
        rendition_id: str,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        resolution: Wanted = "auto",
        model: str | None = None,
    ) -> list[SeriesPoint]:
        """Return what starts in [start, end), in order of time, of the series that `select` takes; see `read`."""
        entries = self.select(stream_id, rendition_id, start_seconds, end_seconds, model)
        return [point for entry in entries for point in self.read(entry, start_seconds, end_seconds, resolution)]

    def read(
        self,
        entry: SeriesEntry,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        resolution: Wanted = "auto",
    ) -> list[SeriesPoint]:
        """Return what starts in [start, end), in order of time: as fine as asked, coarser where that has expired.

        A minute or an hour is there as a whole when a part of it lies in the range. Where nothing was scored there is
        nothing.
        """
        first_ms = in_ms(entry.first_seconds)
        start_ms = first_ms if start_seconds is None else max(first_ms, in_ms(start_seconds))
        past_ms = in_ms(entry.latest.start_seconds) + 1  # points start at whole milliseconds
        end_ms = past_ms if end_seconds is None else min(past_ms, in_ms(end_seconds))
        if start_ms >= end_ms:
            return []
        wanted = auto((end_ms - start_ms) / MS) if resolution == "auto" else Resolution(resolution)
        stream_id, name = entry.stream_id, entry.series.name
        keys = self._keys
        [months] = self._link.run(
            [("ZRANGEBYSCORE", keys.months(stream_id, name), start_ms // MONTH_MS, (end_ms - 1) // MONTH_MS)]
        )
        hours = self._rollups(
            _numbers(months), lambda month: keys.hours(stream_id, name, month), start_ms, end_ms, HOUR_MS
        )
        if wanted is Resolution.HOUR:
            return _as_points(hours, Resolution.HOUR)
        in_hours = [time_ms // HOUR_MS for time_ms in hours]
        minutes = self._rollups(in_hours, lambda hour: keys.minutes(stream_id, name, hour), start_ms, end_ms, MINUTE_MS)
        kept = {time_ms // HOUR_MS for time_ms in minutes}
        # An hour at the edge may have all its minutes outside of the range: then it has none, but they are there.
        gone = [hour for hour in in_hours if hour not in kept]
        there = dict(
            zip(gone, self._run([("EXISTS", keys.minutes(stream_id, name, hour)) for hour in gone]), strict=True)
        )
        points = _as_points(
            {time_ms: text for time_ms, text in hours.items() if there.get(time_ms // HOUR_MS) == 0}, Resolution.HOUR
        )
        if wanted is Resolution.MINUTE:
            points += _as_points(minutes, Resolution.MINUTE)
        else:
            in_order = list(minutes)
            raw = self._run([("HGETALL", keys.raw(stream_id, name, time_ms // MINUTE_MS)) for time_ms in in_order])
            for time_ms, fields in zip(in_order, raw, strict=True):
                points += [
                    of_raw(point_of(json.loads(value), stream_id, entry.series))
                    for field, value in fields.items()
                    if start_ms <= int(field) < end_ms
                ]
                if not fields:
                    points += _as_points({time_ms: minutes[time_ms]}, Resolution.MINUTE)
        return sorted(points, key=lambda point: point.start_seconds)

    def skipped(
        self,
        stream_id: str,
        rendition_id: str | None = None,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
    ) -> list[SegmentSkipped]:
        """Return the live segments that start in [start, end) and were not scored, in order of time.

        One that another worker scored all the same is among them.
        """
        least = "-inf" if start_seconds is None else in_ms(start_seconds) // HOUR_MS
        most = "+inf" if end_seconds is None else in_ms(end_seconds) // HOUR_MS
        [hours] = self._link.run([("ZRANGEBYSCORE", self._keys.skipped_hours(stream_id), least, most)])
        replies = self._run([("HVALS", self._keys.skipped(stream_id, hour)) for hour in _numbers(hours)])
        found = [skipped_of(text, stream_id) for texts in replies for text in texts]
        return sorted(
            (
                each
                for each in found
                if rendition_id in (None, each.rendition_id)
                and (start_seconds is None or each.start_seconds >= start_seconds)
                and (end_seconds is None or each.start_seconds < end_seconds)
            ),
            key=lambda each: (each.start_seconds, each.rendition_id),
        )

    def findings(
        self, stream_id: str, start_seconds: float | None = None, end_seconds: float | None = None, most: int = 1000
    ) -> list[ManifestFinding]:
        """Return what was found in [start, end), seconds since the epoch: the `most` newest, in order of time."""
        least = "-inf" if start_seconds is None else in_ms(start_seconds)
        past = "+inf" if end_seconds is None else f"({in_ms(end_seconds)}"
        command = ("ZREVRANGEBYSCORE", self._keys.findings(stream_id), past, least, "LIMIT", 0, most)
        [members] = self._link.run([command])
        texts = self._run([("HGET", self._keys.told(stream_id), member) for member in reversed(members)])
        return [ManifestFinding.model_validate_json(text) for text in texts if text is not None]

    def _rollups(
        self, buckets: Sequence[int], key: Callable[[int], str], start_ms: int, end_ms: int, length_ms: int
    ) -> dict[int, bytes]:
        replies = self._run([("HGETALL", key(bucket)) for bucket in buckets])
        found = {int(field): text for fields in replies for field, text in fields.items()}
        return {
            time_ms: found[time_ms] for time_ms in sorted(found) if time_ms < end_ms and time_ms + length_ms > start_ms
        }

    def _run(self, commands: Sequence[Command]) -> list[Any]:
        replies: list[Any] = []
        for first in range(0, len(commands), COMMANDS_A_PIPELINE):
            replies += self._link.run(commands[first : first + COMMANDS_A_PIPELINE])
        return replies


def _numbers(members: Sequence[bytes]) -> list[int]:
    return sorted(int(member) for member in members)


def _age(entry: SeriesEntry) -> tuple[int, float, float, SeriesId]:
    return entry.revision, entry.latest.start_seconds, entry.written_seconds, entry.series


def _entry(stream_id: str, name: str, value: bytes) -> SeriesEntry:
    first_ms, written_ms, revision, _, latest = json.loads(value)
    series = SeriesId.parsed(name)
    return SeriesEntry(stream_id, series, first_ms / MS, written_ms / MS, revision, point_of(latest, stream_id, series))


def _as_points(rollups: dict[int, bytes], resolution: Resolution) -> list[SeriesPoint]:
    return [of_rollup(text, time_ms, resolution) for time_ms, text in rollups.items()]
