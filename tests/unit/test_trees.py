"""The stored trees say what LightGBM says, also of unknown values."""

import lightgbm
import numpy as np
import pytest

from workers.models.trees import Trees


@pytest.fixture(scope="module")
def grown() -> tuple[lightgbm.Booster, np.ndarray]:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(600, 7)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[:, 6] = rng.normal(size=600)  # a column that is always known in training
    target = np.nan_to_num(rows[:, 0]) * 10 + np.where(np.isnan(rows[:, 1]), 5, rows[:, 1]) + rows[:, 6] ** 2
    settings = {"objective": "regression", "num_leaves": 12, "verbose": -1, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(rows, target), num_boost_round=40), rows


def test_trees_agree_with_lightgbm(grown: tuple[lightgbm.Booster, np.ndarray]) -> None:
    booster, rows = grown
    ours = Trees.from_lightgbm(booster.dump_model()).predict(rows)
    assert np.allclose(ours, booster.predict(rows), atol=1e-4)


def test_a_value_unknown_for_the_first_time_goes_where_lightgbm_sends_it(
    grown: tuple[lightgbm.Booster, np.ndarray],
) -> None:
    booster, rows = grown
    unknown = rows.copy()
    unknown[:, 6] = np.nan
    ours = Trees.from_lightgbm(booster.dump_model()).predict(unknown)
    assert np.allclose(ours, booster.predict(unknown), atol=1e-4)


def test_trees_survive_being_stored(grown: tuple[lightgbm.Booster, np.ndarray]) -> None:
    booster, rows = grown
    trees = Trees.from_lightgbm(booster.dump_model())
    assert np.array_equal(Trees.from_arrays(trees.arrays()).predict(rows), trees.predict(rows))


def test_a_row_does_not_depend_on_the_rows_beside_it(grown: tuple[lightgbm.Booster, np.ndarray]) -> None:
    booster, rows = grown
    trees = Trees.from_lightgbm(booster.dump_model())
    together = trees.predict(rows[:200])
    assert np.array_equal(together[150:151], trees.predict(rows[150:151]))


def test_the_mean_of_two_forests_says_the_mean(grown: tuple[lightgbm.Booster, np.ndarray]) -> None:
    booster, rows = grown
    whole = Trees.from_lightgbm(booster.dump_model())
    short = Trees.from_lightgbm(booster.dump_model(num_iteration=3))
    said = Trees.mean([whole, short]).predict(rows)
    assert np.allclose(said, (whole.predict(rows) + short.predict(rows)) / 2, atol=1e-4)


def test_rows_of_another_width_are_refused(grown: tuple[lightgbm.Booster, np.ndarray]) -> None:
    booster, _ = grown
    with pytest.raises(ValueError, match=r"expected rows \[R, 7\]"):
        Trees.from_lightgbm(booster.dump_model()).predict(np.zeros((2, 3), np.float32))
