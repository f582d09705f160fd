"""Whatever the scores do: an incident that was told keeps its id while the series grows, and closes once."""

import random

import pytest
import series_factory

from pipeline.history import SeriesPoint
from pipeline.incidents import incidents
from schemas import FindingKind, Incident, QualityPoint, TimeBasis

NOON = 1_795_000_000.0
SEGMENTS = 90


def _ladder(seed: int) -> dict[str, list[QualityPoint]]:
    """Return a ladder with random drops, freezes and starvation of one rung or of all, and a source that rests."""
    chance = random.Random(seed)
    ladder: dict[str, list[QualityPoint]] = {}
    shared = [(chance.randrange(SEGMENTS), chance.randrange(1, 20), chance.uniform(5, 60)) for _ in range(2)]
    rests = {n for at in (chance.randrange(SEGMENTS),) for n in range(at, at + chance.randrange(20))}
    for rendition, level in (("1080p", 93.0), ("720p", 84.0), ("360p", 63.0)):
        own = [(chance.randrange(SEGMENTS), chance.randrange(1, 20), chance.uniform(5, 60)) for _ in range(3)]
        frozen = {n for at in (chance.randrange(SEGMENTS),) for n in range(at, at + chance.randrange(4))}
        begin = chance.randrange(SEGMENTS)
        starved = range(begin, begin + chance.randrange(20))
        # Some of what starves stands still, too.
        frozen |= {number for number in starved if chance.random() < 0.4}
        points = []
        for number in range(SEGMENTS):
            score = level + chance.uniform(-5, 5)
            score -= 60 if number in starved else 0
            score -= max((fall for at, many, fall in [*shared, *own] if at <= number < at + many), default=0.0)
            points.append(
                series_factory.point(
                    NOON + 2 * number,
                    min(100.0, max(0.0, score)),
                    rendition=rendition,
                    bitrate_bps=100_000 if number in starved else 2_500_000,
                    findings=(FindingKind.STILL,)
                    if number in rests
                    else (FindingKind.FROZEN,)
                    if number in frozen
                    else (),
                    time_basis=TimeBasis.PROGRAM_DATE_TIME,
                )
            )
        ladder[rendition] = points
    return ladder


def _told(ladder: dict[str, list[QualityPoint]], segments: dict[str, int]) -> dict[str, Incident]:
    points: dict[str, list[SeriesPoint]] = {
        rendition: [SeriesPoint.of(each) for each in own[: segments[rendition]]] for rendition, own in ladder.items()
    }
    found = incidents("demo", points, live=True)
    assert len({each.incident_id for each in found}) == len(found)
    return {each.incident_id: each for each in found}


@pytest.mark.parametrize("seed", range(8))
def test_an_incident_keeps_its_id_and_closes_once_while_points_come_in(seed: int) -> None:
    ladder = _ladder(seed)
    chance = random.Random(-seed)
    counts = dict.fromkeys(ladder, 1)
    before: dict[str, Incident] = {}
    while min(counts.values()) < SEGMENTS:
        # Renditions are scored at their own pace, a few segments apart at most.
        rendition = chance.choice([each for each in counts if counts[each] - min(counts.values()) < 4])
        counts[rendition] = min(SEGMENTS, counts[rendition] + 1)
        now = _told(ladder, counts)
        assert before.keys() <= now.keys()
        for name, was in before.items():
            assert now[name].start_seconds == was.start_seconds
            assert set(was.rendition_ids) <= set(now[name].rendition_ids)
            if not was.is_open:
                assert now[name].end_seconds == was.end_seconds
        before = now


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_points_does_not_matter(seed: int) -> None:
    ladder = _ladder(seed)
    counts = dict.fromkeys(ladder, SEGMENTS)
    expected = _told(ladder, counts)
    for own in ladder.values():
        random.Random(seed).shuffle(own)
    assert _told(ladder, counts) == expected
