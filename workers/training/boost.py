"""Grows the boosted trees of the default model: forests that score alone and against the ladder, with and without the
facts of the stream, and one that finds bad sources behind good encodes.

For whatever learns from a forest, each training clip gets the guess of trees that have not seen its content.
"""

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import lightgbm
import numpy as np
from numpy.typing import NDArray

from workers.measured import Measured
from workers.models.facts import FACTS, STREAM
from workers.models.ladder_model import (
    GUESS,
    Guesser,
    both_say,
    ladder_tree_row,
    ruined_row,
    tree_row,
)
from workers.models.trees import Trees
from workers.training.extract import Sample, against
from workers.training.sources import WHOLE_LADDER_SUFFIX, source_id

_SETTINGS = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 24,
    "min_data_in_leaf": 12,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 2.0,
    "verbose": -1,
    "deterministic": True,
    "force_row_wise": True,
}


# Each forest is the mean of two: thresholds searched among half of the columns, and thresholds drawn at random. Out of
# fold on the training contents the mean is better than either: ladders alone .946 and .947, together .949.
_KINDS: tuple[tuple[float, Mapping[str, object]], ...] = (
    (1.0, {"feature_fraction": 0.5}),
    (1.6, {"extra_trees": True}),
)
"""How many trees of each kind, as a factor, and its settings."""
_FINDING = {"objective": "binary", "num_leaves": 8, "min_data_in_leaf": 20}
_RUINED_TREES = 200


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to be scored: a clip alone, or against one reference."""

    sample: Sample
    measured: Measured
    fold: int


def cases_of(samples: Sequence[Sample], fold_of: Mapping[str, int]) -> list[Case]:
    """Return every clip alone and against each of its references, with the fold of its content."""
    by_content: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_content[sample.content].append(sample)
    cases = []
    for content, members in sorted(by_content.items()):
        fold = fold_of[content]
        for sample in members:
            cases.append(Case(sample, sample.measured, fold))
            for reference in range(len(sample.references)):
                cases.append(Case(sample, against(sample, reference, members), fold))
    return cases


def taught(cases: Sequence[Case]) -> list[Case]:
    """Return the cases from which something is learned: faults only beside the reference.

    Alone, 198 clips with faults that a picture shows by itself taught nothing that held on others, and made lone clean
    clips 0.1 to 0.3 points worse.
    """
    return [case for case in cases if case.measured.best is not None or case.sample.fault is None]


def folds_of(samples: Sequence[Sample], folds: int, further: Sequence[Sample] = ()) -> dict[str, int]:
    """Return the fold of every content: dealt in the order of their names, those of `samples` first.

    A content among `further` goes to the fold of the content of `samples` that was made of the same source, else to one
    that hangs on its source's name alone: it keeps it when more are added.
    """
    fold_of = {content: number % folds for number, content in enumerate(sorted({s.content for s in samples}))}
    for content in sorted({sample.content for sample in further}):
        source = source_id(content)
        by_name = zlib.crc32((source + WHOLE_LADDER_SUFFIX).encode()) % folds
        fold_of.setdefault(content, fold_of.get(source, by_name))
    return fold_of


@dataclass(frozen=True, slots=True)
class Grown:
    guesser: Guesser
    guesses: NDArray[np.float32]  # [cases, len(GUESS)]
    """Out of fold."""
    hidden: NDArray[np.float32]  # [cases, len(GUESS)]
    """The same with the facts of the stream hidden."""


def grow(cases: Sequence[Case], *, folds: int, trees: int, seed: int, threads: int) -> Grown:
    """Grow the forests on all cases, and return them with the out-of-fold guess of every case."""

    def alone(chosen: Sequence[Case], *, hide_stream: bool) -> Trees:
        # Facts cannot tell a cascade from a good encode: with cascades among them, they are trusted nowhere.
        apart = [c for c in chosen if c.measured.best is None and (hide_stream or c.sample.kind != "cascade")]
        rows = [tree_row(case.measured, hide_stream=hide_stream) for case in apart]
        return _train(rows, [case.sample.target for case in apart], trees, seed, threads)

    def both_alone(chosen: Sequence[Case]) -> dict[str, Trees]:
        return {"alone": alone(chosen, hide_stream=False), "alone_pixels": alone(chosen, hide_stream=True)}

    scored_alone = [case for case in cases if case.measured.best is None]
    alone_of_fold = [both_alone([case for case in cases if case.fold != fold]) for fold in range(folds)]
    both: dict[int, tuple[float, float]] = {}
    for fold, forests in enumerate(alone_of_fold):
        apart = [case.measured for case in scored_alone if case.fold == fold]
        for measured, *said in zip(apart, *both_say(forests, apart), strict=True):
            both[id(measured)] = (float(said[0]), float(said[1]))

    def ruined(chosen: Sequence[Case]) -> dict[str, Trees]:
        rows = [ruined_row(case.measured, *both[id(case.measured)]) for case in chosen]
        hides = [float(case.sample.kind == "cascade") for case in chosen]
        return {"ruined": _train(rows, hides, _RUINED_TREES, seed, threads, _FINDING)}

    for fold in range(folds):
        alone_of_fold[fold] |= ruined([case for case in scored_alone if case.fold != fold])
    # What is said of each reference by trees that have not seen it: the forests of the ladder must learn from
    # references as uncertain as those that they will meet.
    best_guess: dict[int, tuple[float, float]] = {}
    for fold, forests in enumerate(alone_of_fold):
        apart = [case.measured for case in scored_alone if case.fold == fold]
        heads = [replace(measured, heads_ladder=True) for measured in apart]
        with_facts, without, _ = Guesser(forests).of_alone(heads)
        for index, measured in enumerate(apart):
            best_guess[id(measured)] = (float(with_facts[index]), float(without[index]))

    def ladder(chosen: Sequence[Case]) -> dict[str, Trees]:
        beside = [case for case in chosen if case.measured.best is not None and case.sample.kind != "order"]
        scores = [case.sample.target for case in beside]
        forests = {}
        for name, hide in (("ladder", False), ("ladder_pixels", True)):
            rows = [
                ladder_tree_row(c.measured, best_guess[id(c.measured.best)][hide], hide_stream=hide) for c in beside
            ]
            forests[name] = _train(rows, scores, trees, seed, threads)
        return forests

    held_out = [
        Guesser(alone_of_fold[fold] | ladder([case for case in cases if case.fold != fold])) for fold in range(folds)
    ]
    return Grown(
        guesser=Guesser(both_alone(cases) | ruined(scored_alone) | ladder(cases)),
        guesses=_out_of_fold(held_out, cases, [case.measured for case in cases]),
        hidden=_out_of_fold(held_out, cases, [hidden(case.measured) for case in cases]),
    )


def _out_of_fold(held_out: Sequence[Guesser], cases: Sequence[Case], clips: Sequence[Measured]) -> NDArray[np.float32]:
    guesses = np.zeros((len(cases), len(GUESS)), np.float32)
    for fold, guesser in enumerate(held_out):
        members = [index for index, case in enumerate(cases) if case.fold == fold]
        guesses[members] = guesser.guess([clips[index] for index in members])
    return guesses


def hidden(measured: Measured) -> Measured:
    """Return the clip as `--facts none` shows it: without the facts of its stream and of its reference's."""
    facts = measured.facts.copy()
    facts[[FACTS.index(name) for name in STREAM]] = np.nan
    return replace(measured, facts=facts, best=hidden(measured.best) if measured.best else None)


def _train(
    rows: list[NDArray[np.float32]],
    scores: list[float],
    trees: int,
    seed: int,
    threads: int,
    others: Mapping[str, object] | None = None,
) -> Trees:
    data = lightgbm.Dataset(np.stack(rows), np.array(scores))
    grown = []
    for factor, kind in _KINDS:
        settings = {**_SETTINGS, **kind, **(others or {}), "seed": seed, "num_threads": threads}
        booster = lightgbm.train(settings, data, num_boost_round=round(factor * trees))
        grown.append(Trees.from_lightgbm(booster.dump_model()))
    return Trees.mean(grown)
