"""Whatever a live ladder does, every segment is given out once, in order of time, and troubles end as they began."""

import random
from itertools import pairwise

import pytest
from hls_stage import NOW, Stage, playlist

from pipeline.errors import Rejected, Transient

HEIGHTS = (360, 720, 1080)


def check(stage: Stage) -> None:
    places = [(s.rendition_id, s.discontinuity_sequence, s.number) for s in stage.segments]
    assert len(set(places)) == len(places)
    for height in HEIGHTS:
        starts = stage.starts(height)
        assert all(before < after for before, after in pairwise(starts))
    lasting: set[str] = set()
    for finding in stage.findings:
        if finding.over_at is not None:
            assert finding.finding_id in lasting
            lasting.remove(finding.finding_id)
        else:
            assert finding.finding_id not in lasting
            lasting.add(finding.finding_id)


@pytest.mark.parametrize("clock", [True, False])
@pytest.mark.parametrize(("seconds", "lasts_seconds"), [(1.92, 240), (2.0, 240), (6.006, 1800)])
def test_a_time_without_faults_brings_no_finding(seconds: float, lasts_seconds: int, clock: bool) -> None:
    chance = random.Random(1)
    target = int(seconds + 0.5)
    with Stage(heights=HEIGHTS) as stage:
        wait = 0.0
        while stage.clock.now < NOW + lasts_seconds:
            # Rungs are published up to half a segment apart, in 6 segments of window.
            for index, height in enumerate(HEIGHTS):
                newest = int((stage.clock.now + wait - NOW - 0.2 * index * seconds) / seconds) + 20
                zero = NOW - 21 * seconds if clock else None
                stage.show(playlist(range(newest - 5, newest + 1), seconds=seconds, target=target, zero=zero), height)
            wait = stage.look(wait).wait_seconds + chance.random() * 0.2
        assert stage.findings == []
        for height in HEIGHTS:
            numbers = stage.numbers(height)
            assert numbers == list(range(numbers[0], numbers[-1] + 1))
            assert len(numbers) >= lasts_seconds / seconds - 3
        check(stage)


@pytest.mark.parametrize("seed", range(12))
def test_faults_at_random_are_survived(seed: int) -> None:
    chance = random.Random(seed)
    clock = chance.random() < 0.6
    with Stage(heights=HEIGHTS) as stage:
        stage.show(playlist(range(0, 6), zero=NOW - 12 if clock else None))
        stage.look()
        first = dict.fromkeys(HEIGHTS, 0)
        zero = dict.fromkeys(HEIGHTS, NOW - 12.0)
        name = dict.fromkeys(HEIGHTS, "seg{}.ts")
        discontinuity = 0
        for step in range(120):
            fault = chance.choice(
                ["", "", "", "", "stale", "back", "skip", "jump", "anew", "gone", "junk", "short", "cut"]
            )
            hit = HEIGHTS if chance.random() < 0.3 else (chance.choice(HEIGHTS),)
            discontinuity += fault == "cut"
            for height in HEIGHTS:
                window, extra = 6, ""
                if fault != "stale" or height not in hit:
                    first[height] += 1
                if height in hit:
                    first[height] += {"skip": 9, "back": -2}.get(fault, 0)
                    zero[height] += chance.choice([-36.0, 5.0, 3600.0]) if fault == "jump" else 0.0
                    window = 2 if fault == "short" else 6
                    if fault == "anew":
                        first[height], name[height] = 0, f"anew{step}-{{}}.ts"
                first[height] = max(0, first[height])
                numbers = range(first[height], first[height] + window)
                if fault == "cut":
                    extra = "#EXT-X-DISCONTINUITY\n"
                stage.show(
                    playlist(
                        numbers,
                        zero=zero[height] if clock else None,
                        name=name[height],
                        before={numbers[-1]: extra},
                        discontinuity=discontinuity,
                    ),
                    height,
                )
                if height in hit and fault in ("gone", "junk"):
                    stage.show(404 if fault == "gone" else b"\x00junk", height)
            try:
                stage.look(chance.choice([0.5, 2.0, 2.0, 2.0, 9.0]))
            except (Rejected, Transient):
                continue
        check(stage)
        assert all(len(stage.numbers(height)) > 50 for height in HEIGHTS)
