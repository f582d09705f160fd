"""Reads ranges of several series at once: as fine as asked, and coarser where that has expired."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from pipeline.history import Resolution, SeriesEntry, SeriesPoint, Wanted, auto
from pipeline.series.connection import Command
from pipeline.series.keys import HOUR_MS, MINUTE_MS, MONTH_MS, Keys, in_ms
from pipeline.series.values import MS, loads_all, of_rollup, point_of

Ask = Callable[[Sequence[Command]], list[Any]]
"""Runs any number of commands and returns their replies."""
Rollups = dict[int, bytes]
"""By start in ms."""


@dataclass(slots=True)
class _Range:
    """[start_ms, end_ms) of one series, and what was found in it so far."""

    entry: SeriesEntry
    start_ms: int
    end_ms: int
    hours: Rollups = field(default_factory=dict)
    minutes: Rollups = field(default_factory=dict)
    points: list[SeriesPoint] = field(default_factory=list)

    @classmethod
    def of(cls, entry: SeriesEntry, start_seconds: float | None, end_seconds: float | None) -> "_Range":
        first_ms, past_ms = bounds_ms(entry)
        start_ms = first_ms if start_seconds is None else max(first_ms, in_ms(start_seconds))
        return cls(entry, start_ms, past_ms if end_seconds is None else min(past_ms, in_ms(end_seconds)))

    def resolution(self, wanted: Wanted) -> Resolution:
        return auto((self.end_ms - self.start_ms) / MS) if wanted == "auto" else Resolution(wanted)


def bounds_ms(entry: SeriesEntry) -> tuple[int, int]:
    """Return [start, end) of the starts of its points, which are whole milliseconds."""
    return in_ms(entry.first_seconds), in_ms(entry.latest.start_seconds) + 1


def read_ranges(
    ask: Ask,
    keys: Keys,
    entries: Sequence[SeriesEntry],
    start_seconds: float | None,
    end_seconds: float | None,
    wanted: Wanted,
) -> list[list[SeriesPoint]]:
    """Return what starts in [start, end) of every series, in order of time; see `History.read_all`."""
    ranges = [_Range.of(entry, start_seconds, end_seconds) for entry in entries]
    there = [each for each in ranges if each.start_ms < each.end_ms]
    _read_hours(ask, keys, there)
    finer = [each for each in there if each.resolution(wanted) is not Resolution.HOUR]
    _read_minutes(ask, keys, finer)
    for each, gone in zip(finer, _hours_of_which_minutes_are_gone(ask, keys, finer), strict=True):
        each.hours = {time_ms: each.hours[time_ms] for time_ms in gone}
    raw = [each for each in finer if each.resolution(wanted) is Resolution.RAW]
    asked = [(each.entry, list(each.minutes), each.start_ms, each.end_ms) for each in raw]
    for each, (texts, expired) in zip(raw, read_segments(ask, keys, asked), strict=True):
        stream_id, series = each.entry.stream_id, each.entry.series
        each.points = [SeriesPoint.of(point_of(values, stream_id, series)) for values in loads_all(texts)]
        each.minutes = {time_ms: each.minutes[time_ms] for time_ms in expired}
    return [
        sorted(
            [*each.points, *_as_points(each.minutes, Resolution.MINUTE), *_as_points(each.hours, Resolution.HOUR)],
            key=attrgetter("start_seconds"),
        )
        for each in ranges
    ]


def read_segments(
    ask: Ask, keys: Keys, wanted: Sequence[tuple[SeriesEntry, Sequence[int], int, int]]
) -> list[tuple[list[bytes], list[int]]]:
    """Return of every series the segments of some minutes, and which of these have none any more.

    `wanted`: series; starts of minutes in ms; [start, end) in ms of the segments.
    """
    replies = iter(
        ask(
            [
                ("HGETALL", keys.raw(entry.stream_id, entry.series.name, time_ms // MINUTE_MS))
                for entry, minutes, _, _ in wanted
                for time_ms in minutes
            ]
        )
    )
    found = []
    for _, minutes, start_ms, end_ms in wanted:
        texts: list[bytes] = []
        expired: list[int] = []
        for time_ms in minutes:
            fields = next(replies)
            texts += [text for start, text in fields.items() if start_ms <= int(start) < end_ms]
            if not fields:
                expired.append(time_ms)
        found.append((texts, expired))
    return found


def _read_hours(ask: Ask, keys: Keys, ranges: Sequence[_Range]) -> None:
    replies = ask(
        [
            (
                "ZRANGEBYSCORE",
                keys.months(each.entry.stream_id, each.entry.series.name),
                each.start_ms // MONTH_MS,
                (each.end_ms - 1) // MONTH_MS,
            )
            for each in ranges
        ]
    )
    wanted = [
        [keys.hours(each.entry.stream_id, each.entry.series.name, int(month)) for month in months]
        for each, months in zip(ranges, replies, strict=True)
    ]
    for each, found in zip(ranges, _rollups(ask, ranges, wanted, HOUR_MS), strict=True):
        each.hours = found


def _read_minutes(ask: Ask, keys: Keys, ranges: Sequence[_Range]) -> None:
    wanted = [[_minutes_of(keys, each, hour_ms) for hour_ms in each.hours] for each in ranges]
    for each, found in zip(ranges, _rollups(ask, ranges, wanted, MINUTE_MS), strict=True):
        each.minutes = found


def _hours_of_which_minutes_are_gone(ask: Ask, keys: Keys, ranges: Sequence[_Range]) -> list[list[int]]:
    # An hour at the edge may have all its minutes outside of the range: then it has none, but they are there.
    without = []
    for each in ranges:
        with_some = {time_ms // HOUR_MS for time_ms in each.minutes}
        without.append([hour_ms for hour_ms in each.hours if hour_ms // HOUR_MS not in with_some])
    there = iter(
        ask(
            [
                ("EXISTS", _minutes_of(keys, each, hour_ms))
                for each, hours in zip(ranges, without, strict=True)
                for hour_ms in hours
            ]
        )
    )
    return [[hour_ms for hour_ms in hours if next(there) == 0] for hours in without]


def _minutes_of(keys: Keys, of: _Range, hour_ms: int) -> str:
    return keys.minutes(of.entry.stream_id, of.entry.series.name, hour_ms // HOUR_MS)


def _rollups(ask: Ask, ranges: Sequence[_Range], wanted: Sequence[Sequence[str]], length_ms: int) -> list[Rollups]:
    """Return what lies in each range, of the hashes that are wanted for it, in order of time."""
    replies = iter(ask([("HGETALL", key) for own in wanted for key in own]))
    rollups = []
    for each, own in zip(ranges, wanted, strict=True):
        found = {int(start): text for _ in own for start, text in next(replies).items()}
        least_ms = each.start_ms - length_ms
        rollups.append({time_ms: found[time_ms] for time_ms in sorted(found) if least_ms < time_ms < each.end_ms})
    return rollups


def _as_points(rollups: Rollups, resolution: Resolution) -> list[SeriesPoint]:
    return [of_rollup(text, time_ms, resolution) for time_ms, text in rollups.items()]
