"""How all streams stand is told in a few trips, and as it is told one by one: over Redis 7, Redis 6.2 and a cluster."""

import random
import time
from datetime import UTC, datetime

import pytest
from series_factory import point
from services.redis_fixtures import Series

from pipeline.errors import UsageError
from pipeline.history import is_open, selected
from pipeline.series import Keys, standings
from schemas import ManifestFinding, ManifestFindingKind, QualityPoint, TimeBasis

NOW = time.time() // 2 * 2
MOST_FINDINGS = 5


def _points(chance: random.Random, stream: str) -> list[QualityPoint]:
    """Make a few renditions, some scored by two models, at two displays, or by weights of two ages."""
    return [
        point(
            NOW - 2 * chance.randrange(5),
            round(chance.random() * 100, 4),
            stream=stream,
            rendition=f"rung {rung}/%",
            model=chance.choice(["nano", "large"]),
            height_px=chance.choice([1080, 2160]),
            revision=chance.randrange(3),
            bitrate_bps=chance.choice([None, 800_000, 800_000, 3_000_000]),
            time_basis=TimeBasis.PROGRAM_DATE_TIME,
        )
        for rung in range(chance.randrange(1, 4))
        for _ in range(chance.randrange(1, 4))
    ]


def _finding(chance: random.Random, stream: str, number: int) -> ManifestFinding:
    found = NOW - chance.choice([5, 700, 80_000, 90_000])
    return ManifestFinding(
        finding_id=f"{stream}|{number}",
        stream_id=stream,
        kind=chance.choice(list(ManifestFindingKind)),
        text='not what was promised: "over_at"',
        found_at=datetime.fromtimestamp(found, UTC),
        over_at=chance.choice([None, None, datetime.fromtimestamp(found + 1, UTC)]),
    )


def _one_by_one(series: Series) -> list[tuple[object, ...]]:
    told: list[tuple[object, ...]] = []
    for entry in series.queries.streams():
        rungs = [
            (each.series, each.latest.start_seconds, each.latest.score, each.latest.bitrate_bps, each.latest.time_basis)
            for each in selected(series.queries.series(entry.stream_id))
        ]
        newest = series.queries.findings(entry.stream_id, NOW - 86_400, None, MOST_FINDINGS)
        if rungs:
            told.append((entry.stream_id, entry.written_seconds, rungs, sum(is_open(each, NOW) for each in newest)))
    return told


def _at_once(series: Series) -> list[tuple[object, ...]]:
    return [
        (
            each.stream_id,
            each.written_seconds,
            [(rung.series, rung.start_seconds, rung.score, rung.bitrate_bps, rung.time_basis) for rung in each.rungs],
            each.open_findings,
        )
        for each in series.queries.standings(NOW, MOST_FINDINGS)
    ]


def test_at_once_streams_stand_as_they_do_one_by_one(series: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standings, "STREAMS_A_PIPELINE", 7)
    chance = random.Random(3)
    names = [f"channel {number} {{x}}/%" for number in range(20)]
    series.store.write([each for name in names for each in _points(chance, name)])
    series.store.find([_finding(chance, name, number) for name in names for number in range(chance.randrange(9))])
    # Known by its findings only: nothing of it can be listed.
    series.store.find([_finding(chance, "no points", 0)])
    found = _at_once(series)
    assert found == _one_by_one(series)
    assert len(found) == len(names)
    assert {count for *_, count in found} > {0, 1, 2}


def test_a_question_that_is_refused_leaves_no_answer_to_the_next(series: Series) -> None:
    series.store.write([point(0)])
    key = Keys(series.settings.prefix).series("demo")
    with pytest.raises(UsageError):
        series.link.run([("GET", key), ("HLEN", key), ("HLEN", key)])
    assert series.link.run([("EXISTS", key), ("TYPE", key)]) == [1, b"hash"]
