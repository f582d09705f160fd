"""Boosted regression trees as plain arrays: evaluated with numpy, stored in the checkpoint beside the network.

LightGBM grows them in training; at run time neither it nor its text format is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 128  # rows at a time: 900 trees then step down in arrays of some 100,000


@dataclass(frozen=True, slots=True)
class Trees:
    """A sum of trees. Node 0 of each is its root; a child below zero is the leaf ``-child - 1``."""

    column: NDArray[np.int16]  # [trees, nodes] column that is compared
    threshold: NDArray[np.float32]  # [trees, nodes] left where value <= threshold
    left: NDArray[np.int16]  # [trees, nodes]
    right: NDArray[np.int16]  # [trees, nodes]
    unknown_left: NDArray[np.bool_]  # [trees, nodes] where NaN goes
    leaf: NDArray[np.float32]  # [trees, leaves]
    columns: int
    """Width of a row."""

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return [R] sums over all trees for rows [R, columns]; NaN means unknown."""
        if rows.ndim != 2 or rows.shape[1] != self.columns:
            raise ValueError(f"expected rows [R, {self.columns}], got {rows.shape}")
        chunks = [self._sums(rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK)]
        return np.concatenate(chunks) if chunks else np.zeros(0)

    def _sums(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        count = len(self.column)
        row = np.repeat(np.arange(len(rows)), count)  # [R * trees]; all rows step down all trees together
        tree = np.tile(np.arange(count), len(rows))
        node = np.zeros(len(row), np.int64)
        open_ = np.arange(len(row))
        while len(open_):
            at = (tree[open_], node[open_])
            value = rows[row[open_], self.column[at]]
            goes_left = np.where(np.isnan(value), self.unknown_left[at], value <= self.threshold[at])
            node[open_] = np.where(goes_left, self.left[at], self.right[at])
            open_ = open_[node[open_] >= 0]
        leaves = self.leaf[tree, -node - 1].reshape(len(rows), count)
        sums: NDArray[np.float64] = leaves.sum(axis=1, dtype=np.float64)
        return sums

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a checkpoint stores."""
        return {
            "column": self.column,
            "threshold": self.threshold,
            "left": self.left,
            "right": self.right,
            "unknown_left": self.unknown_left.astype(np.uint8),
            "leaf": self.leaf,
            "columns": np.array([self.columns], np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Trees":
        return cls(
            column=arrays["column"].astype(np.int16),
            threshold=arrays["threshold"].astype(np.float32),
            left=arrays["left"].astype(np.int16),
            right=arrays["right"].astype(np.int16),
            unknown_left=arrays["unknown_left"].astype(bool),
            leaf=arrays["leaf"].astype(np.float32),
            columns=int(arrays["columns"][0]),
        )

    @classmethod
    def mean(cls, forests: Sequence["Trees"]) -> "Trees":
        """Return the forest that says the mean of what several say of the same columns."""
        nodes = max(forest.column.shape[1] for forest in forests)
        leaves = max(forest.leaf.shape[1] for forest in forests)

        def joined(name: str, width: int) -> NDArray[Any]:
            arrays = [getattr(forest, name) for forest in forests]
            return np.concatenate([np.pad(array, ((0, 0), (0, width - array.shape[1]))) for array in arrays])

        return cls(
            **{name: joined(name, nodes) for name in ("column", "threshold", "left", "right", "unknown_left")},
            leaf=(joined("leaf", leaves) / len(forests)).astype(np.float32),
            columns=forests[0].columns,
        )

    @classmethod
    def from_lightgbm(cls, dump: dict[str, Any]) -> "Trees":
        """Build from ``Booster.dump_model()`` of a model with numeric columns only."""
        flat = [_flatten(info["tree_structure"]) for info in dump["tree_info"]]
        nodes = max(1, *(len(inner) for inner, _ in flat))
        leaves = max(len(leaf) for _, leaf in flat)
        trees = cls(
            column=np.zeros((len(flat), nodes), np.int16),
            threshold=np.zeros((len(flat), nodes), np.float32),
            left=np.full((len(flat), nodes), -1, np.int16),
            right=np.full((len(flat), nodes), -1, np.int16),
            unknown_left=np.zeros((len(flat), nodes), bool),
            leaf=np.zeros((len(flat), leaves), np.float32),
            columns=int(dump["max_feature_idx"]) + 1,
        )
        for index, (inner, leaf) in enumerate(flat):
            trees.leaf[index, : len(leaf)] = leaf
            for place, (column, threshold, left, right, unknown_left) in enumerate(inner):
                trees.column[index, place] = column
                # Rounded down, so that a float32 row compares as the float64 threshold would.
                with np.errstate(over="ignore"):  # "everything to the left" is the largest double
                    single = np.float32(threshold)
                    below = np.nextafter(single, np.float32(-np.inf))
                trees.threshold[index, place] = below if threshold < float(single) else single
                trees.left[index, place], trees.right[index, place] = left, right
                trees.unknown_left[index, place] = unknown_left
        return trees


_Inner = tuple[int, float, int, int, bool]


def _flatten(root: dict[str, Any]) -> tuple[list[_Inner], list[float]]:
    """Return inner nodes (column, threshold, left, right, unknown goes left) and leaves of one dumped tree."""
    inner: list[_Inner] = []
    leaves: list[float] = []

    def walk(node: dict[str, Any]) -> int:
        if "leaf_value" in node:
            leaves.append(float(node["leaf_value"]))
            return -len(leaves)
        if node["decision_type"] != "<=":
            raise ValueError(f"only numeric splits can be stored, got {node['decision_type']!r}")
        place = len(inner)
        inner.append((0, 0.0, 0, 0, False))
        # Without missing values in training LightGBM reads NaN as zero.
        unknown_left = bool(node["default_left"]) if node["missing_type"] == "NaN" else node["threshold"] >= 0.0
        left, right = walk(node["left_child"]), walk(node["right_child"])
        inner[place] = (int(node["split_feature"]), float(node["threshold"]), left, right, unknown_left)
        return place

    walk(root)
    if not inner:  # a tree that is one leaf: both ways lead to it
        inner.append((0, 0.0, -1, -1, False))
    return inner, leaves
