"""The level of good segments, kept up to date, is the median of those that are remembered."""

import random
from statistics import median

import pytest

from pipeline.drops import Sample, _Good


@pytest.mark.parametrize("most", [1, 8, 60])
def test_the_level_is_the_median_of_the_last_good_samples(most: int) -> None:
    chance = random.Random(most)
    good = _Good(most)
    scores: list[float] = []
    for index in range(400):
        # Many of one value: which of them goes makes no difference.
        scores.append(chance.choice([50.0, 60.5, chance.random() * 100]))
        good.add(Sample(2.0 * index, 2.0 * index + 2, scores[-1], 3.0, None, False))
        assert good.level == median(scores[-most:])
        assert [each.score for each in good.samples] == scores[-most:]
