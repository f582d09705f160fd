"""Stretches of time: what meets is one, what is covered is taken away, whatever the order they come in."""

import random

import pytest

from pipeline.spans import Span, merged, without


def seconds(spans: list[Span]) -> set[int]:
    return {second for start, end in spans for second in range(int(start), int(end))}


def drawn(rng: random.Random) -> list[Span]:
    starts = [rng.randrange(40) for _ in range(rng.randrange(8))]
    return [(float(start), float(start + rng.randrange(1, 8))) for start in starts]


def test_what_is_half_a_second_apart_is_one_where_that_is_allowed() -> None:
    assert merged([(4.5, 6.0), (0.0, 4.0)], 0.5) == [(0.0, 6.0)]
    assert merged([(4.5, 6.0), (0.0, 4.0)]) == [(0.0, 4.0), (4.5, 6.0)]


@pytest.mark.parametrize("seed", range(50))
def test_every_second_is_kept_or_taken_away_as_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    spans, covered = drawn(rng), drawn(rng)
    left = without(merged(spans), merged(covered))
    assert seconds(merged(spans)) == seconds(spans)
    assert seconds(left) == seconds(spans) - seconds(covered)
    assert left == merged(left)
