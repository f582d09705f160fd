"""Reads series: which there are, their latest points, and ranges that join points with roll-ups where those expired."""

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pipeline.history import (
    SeriesEntry,
    SeriesId,
    SeriesPoint,
    StreamEntry,
    StreamStanding,
    Wanted,
    selected,
)
from pipeline.series.connection import Command, Link
from pipeline.series.keys import HOUR_MS, Keys, in_ms
from pipeline.series.ranges import bounds_ms, read_ranges, read_segments
from pipeline.series.standings import read_standings
from pipeline.series.values import MS, loads_all, point_of, segment_of, skipped_of
from pipeline.settings import RedisSettings
from schemas import ManifestFinding, QualityPoint, SegmentSkipped

COMMANDS_A_PIPELINE = 1000
AD_GAP_MS = 1000
"""Segments of one break that lie so near to each other are one: rungs are not cut at the same millisecond."""


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
        return self.series_of([stream_id])[stream_id]

    def series_of(self, stream_ids: Sequence[str]) -> dict[str, list[SeriesEntry]]:
        """Return what `series` does, of many streams at once."""
        replies = self._run([("HGETALL", self._keys.series(stream_id)) for stream_id in stream_ids])
        # The hash lives as long as its newest series; what a retired model left behind has expired before.
        least = time.time() - self._kept_seconds
        found: dict[str, list[SeriesEntry]] = {}
        for stream_id, fields in zip(stream_ids, replies, strict=True):
            known = loads_all(fields.values())
            entries = [_entry(stream_id, name.decode(), each) for name, each in zip(fields, known, strict=True)]
            found[stream_id] = _in_order([entry for entry in entries if entry.written_seconds >= least])
        return found

    def standings(self, now_seconds: float, most_findings: int) -> list[StreamStanding]:
        """Return how all streams with points stand, the one that was written to last first."""
        least = time.time() - self._kept_seconds
        return read_standings(self._link, self._keys, self.streams(), least, now_seconds, most_findings)

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
        renditions = () if rendition_id is None else (rendition_id,)
        return selected(self.series(stream_id), renditions, start_seconds, end_seconds, model)

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
        return self.read_all([entry], start_seconds, end_seconds, resolution)[0]

    def read_all(
        self,
        entries: Sequence[SeriesEntry],
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        resolution: Wanted = "auto",
    ) -> list[list[SeriesPoint]]:
        """Return what `read` does of several series, at once."""
        return read_ranges(self._run, self._keys, entries, start_seconds, end_seconds, resolution)

    def segments(self, wanted: Sequence[tuple[SeriesEntry, Sequence[SeriesPoint]]]) -> list[list[SeriesPoint]]:
        """Return of every series the segments of these minutes, in no order; a minute as it is where they expired.

        Their values only, without `raw`: in half the time.
        """
        asked = [
            (entry, [in_ms(minute.start_seconds) for minute in minutes], *bounds_ms(entry)) for entry, minutes in wanted
        ]
        found = []
        for (_, minutes), (texts, expired) in zip(wanted, read_segments(self._run, self._keys, asked), strict=True):
            gone = set(expired)
            kept = [each for each in minutes if in_ms(each.start_seconds) in gone]
            found.append([segment_of(text) for text in texts] + kept)
        return found

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
        return self.findings_of([stream_id], start_seconds, end_seconds, most)[stream_id]

    def findings_of(
        self,
        stream_ids: Sequence[str],
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        most: int = 1000,
    ) -> dict[str, list[ManifestFinding]]:
        """Return what `findings` does, of many streams at once; `most` of each."""
        least = "-inf" if start_seconds is None else in_ms(start_seconds)
        past = "+inf" if end_seconds is None else f"({in_ms(end_seconds)}"
        names = [self._keys.findings(stream_id) for stream_id in stream_ids]
        replies = self._run([("ZREVRANGEBYSCORE", name, past, least, "LIMIT", 0, most) for name in names])
        with_some = [stream_id for stream_id, members in zip(stream_ids, replies, strict=True) if members]
        texts = self._run(
            [
                ("HMGET", self._keys.told(stream_id), *reversed(members))
                for stream_id, members in zip(stream_ids, replies, strict=True)
                if members
            ]
        )
        found: dict[str, list[ManifestFinding]] = {stream_id: [] for stream_id in stream_ids}
        for stream_id, told in zip(with_some, texts, strict=True):
            found[stream_id] = [ManifestFinding.model_validate_json(text) for text in told if text is not None]
        return found

    def ads(
        self, stream_id: str, start_seconds: float | None = None, end_seconds: float | None = None
    ) -> list[tuple[float, float]]:
        """Return [start, end) of the ad breaks that have segments starting in the range, in order of time."""
        least = "-inf" if start_seconds is None else in_ms(start_seconds)
        past = "+inf" if end_seconds is None else f"({in_ms(end_seconds)}"
        [marks] = self._link.run([("ZRANGEBYSCORE", self._keys.ads(stream_id), least, past)])
        breaks: list[tuple[int, int]] = []
        for mark in marks:
            lasts_ms, start_ms = map(int, mark.split(b"|"))
            if breaks and start_ms <= breaks[-1][1] + AD_GAP_MS:
                breaks[-1] = breaks[-1][0], max(breaks[-1][1], start_ms + lasts_ms)
            else:
                breaks.append((start_ms, start_ms + lasts_ms))
        return [(start / MS, end / MS) for start, end in breaks]

    def _run(self, commands: Sequence[Command]) -> list[Any]:
        replies: list[Any] = []
        for first in range(0, len(commands), COMMANDS_A_PIPELINE):
            replies += self._link.run(commands[first : first + COMMANDS_A_PIPELINE])
        return replies


def _numbers(members: Sequence[bytes]) -> list[int]:
    return sorted(int(member) for member in members)


def _in_order(entries: list[SeriesEntry]) -> list[SeriesEntry]:
    best: dict[str, int] = {}
    for entry in entries:
        rendition = entry.series.rendition_id
        best[rendition] = max(best.get(rendition, 0), entry.latest.bitrate_bps or 0)
    entries.sort(key=_age, reverse=True)
    return sorted(entries, key=lambda entry: (-best[entry.series.rendition_id], entry.series.rendition_id))


def _age(entry: SeriesEntry) -> tuple[int, float, float, SeriesId]:
    return entry.revision, entry.latest.start_seconds, entry.written_seconds, entry.series


_series = lru_cache(maxsize=65_536)(SeriesId.parsed)


def _entry(stream_id: str, name: str, known: list[Any]) -> SeriesEntry:
    first_ms, written_ms, revision, _, latest = known
    series = _series(name)
    return SeriesEntry(stream_id, series, first_ms / MS, written_ms / MS, revision, point_of(latest, stream_id, series))
