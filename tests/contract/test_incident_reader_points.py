"""Incidents are made of points that are read all at once: the same as those that are read one window at a time."""

import random
from bisect import bisect_right
from collections.abc import Sequence

import pytest
from series_factory import point
from services.redis_fixtures import Series

from pipeline.history import History, Resolution, SeriesEntry, SeriesPoint
from pipeline.incident_reader import _points, _Window, _windows
from pipeline.series import Keys
from schemas import ContentLabel, FindingKind, QualityPoint, TimeBasis

NOON = 1_790_000_000 // 86_400 * 86_400 + 43_200.0
HOURS = 4


def _rung(chance: random.Random, rendition: str) -> list[QualityPoint]:
    """Make hours of segments of 4 s, with falls, findings, ads and gaps."""
    made = []
    lasts, fall, is_gap, label = 0, 0.0, False, ContentLabel.PROGRAM
    findings: tuple[FindingKind, ...] = ()
    for index in range(HOURS * 900):
        if lasts == 0:
            lasts = chance.choice([3, 40, 200, 400])
            fall = chance.choice([0.0, 0.0, 0.0, 15.0, 40.0])
            findings = chance.choice([(), (), (), (FindingKind.FROZEN,), (FindingKind.FROZEN, FindingKind.BLACK)])
            label = chance.choice([ContentLabel.PROGRAM, ContentLabel.PROGRAM, ContentLabel.AD])
            is_gap = chance.random() < 0.1
        lasts -= 1
        if not is_gap:
            of = point(
                NOON + 4 * index,
                80.0 - fall + chance.gauss(0, 2),
                rendition=rendition,
                seconds=4.0,
                findings=findings,
                time_basis=TimeBasis.PROGRAM_DATE_TIME,
            )
            made.append(of.model_copy(update={"label": label}))
    return made


def _one_by_one(
    history: History, entry: SeriesEntry, first: float | None, last: float | None, asked: _Window
) -> list[SeriesPoint]:
    minutes = history.read(entry, first, last, Resolution.MINUTE)
    windows = _windows([each for each in minutes if each.resolution is Resolution.MINUTE], asked)
    fine: list[SeriesPoint] = []
    for window in windows:
        fine += history.read(entry, window.start_seconds, window.end_seconds, Resolution.RAW)
    starts = [window.start_seconds for window in windows]

    def is_fine(minute: SeriesPoint) -> bool:
        index = bisect_right(starts, minute.start_seconds) - 1
        return index >= 0 and minute.start_seconds < windows[index].end_seconds

    coarse = [each for each in minutes if each.resolution is Resolution.HOUR or not is_fine(each)]
    fine = [each for each in fine if each.resolution is not Resolution.HOUR]
    return sorted([*coarse, *fine], key=lambda each: each.start_seconds)


def _without_raw(points: Sequence[SeriesPoint]) -> list[SeriesPoint]:
    return [each._replace(raw=None) for each in points]


@pytest.mark.parametrize("seed", range(3))
def test_points_read_at_once_are_those_read_window_by_window(series7: Series, seed: int) -> None:
    chance = random.Random(seed)
    for rendition in ("1080p", "360p"):
        series7.store.write(_rung(chance, rendition))
    keys = Keys(series7.settings.prefix)
    entries = series7.queries.select("demo")
    # Segments of some minutes have expired, and the minutes of an hour.
    for entry in entries:
        name = entry.series.name
        gone = [keys.raw("demo", name, int(NOON) // 60 + minute) for minute in chance.sample(range(60 * HOURS), 60)]
        series7.link.run([("DEL", key) for key in (*gone, keys.minutes("demo", name, int(NOON) // 3600 + 1))])
    seconds = 3600 * HOURS
    seen: set[Resolution] = set()
    asked = [(None, None), (NOON, NOON + seconds), (NOON + 4000.5, NOON + 9001.25), (NOON + seconds - 60, NOON + 1e6)]
    for start, end in asked:
        for look_back in (0.0, 1800.0, 86_400.0):
            first = None if start is None else start - look_back
            window = _Window(float("-inf") if start is None else start, float("inf") if end is None else end)
            found = _points(series7.queries, entries, first, end, window)
            assert list(found) == [entry.series.rendition_id for entry in entries]
            for entry in entries:
                expected = _one_by_one(series7.queries, entry, first, end, window)
                assert found[entry.series.rendition_id] == _without_raw(expected)
                seen |= {each.resolution for each in expected}
    assert seen == set(Resolution)
