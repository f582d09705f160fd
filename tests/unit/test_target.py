"""What is taught of a clip: VMAF of ladders and cascades, half the size of stills and of what is very small."""

import numpy as np
import pytest

from workers.training.target import size_alone, target_of

VMAF = np.array([0.0, 40.0, 97.0], np.float32)


@pytest.mark.parametrize("kind", ["ladder", "cascade"])
def test_a_ladder_is_taught_vmaf_as_it_is(kind: str) -> None:
    assert target_of(VMAF, kind, 0.25).tolist() == VMAF.tolist()


@pytest.mark.parametrize("kind", ["still", "small"])
def test_where_vmaf_is_blind_the_larger_picture_is_taught_as_better(kind: str) -> None:
    blind = np.zeros(1, np.float32)
    taught = [float(target_of(blind, kind, 1 / lines)[0]) for lines in (16, 12, 8, 6, 4)]
    assert taught == sorted(taught)
    assert taught[0] > 0
    assert taught[-1] > 4 * taught[0]


def test_a_still_keeps_the_order_of_vmaf_at_one_size() -> None:
    taught = target_of(VMAF, "still", 0.5)
    assert taught.dtype == np.float32
    assert np.diff(taught) == pytest.approx(np.diff(VMAF) / 2)


def test_the_prior_stays_on_the_scale_of_scores() -> None:
    assert 0 < size_alone(1 / 64) < size_alone(1.0) < 100
