"""Measures a checkpoint on contents that it has not seen, beside the baselines that it has to beat.

True is what is taught: VMAF, but for stills and very small clips; see `workers.training.target`.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import lightgbm
import numpy as np
from numpy.typing import NDArray

from workers.models.checkpoint import load, save
from workers.models.facts import FACTS
from workers.models.ladder_model import LadderModel
from workers.models.measure import SUMMARY, summary
from workers.models.pixels import PIXELS
from workers.training import pixels
from workers.training.boost import Case, cases_of, folds_of, hidden
from workers.training.extract import Sample
from workers.training.figures import Figures, figures

_BATCH = 16


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures by question (``ladder``, ``alone``, ...), and the same by codec and size, or by fault, for some."""

    model: str
    questions: dict[str, Figures]
    groups: dict[str, dict[str, Figures]]
    baselines: dict[str, Figures]
    answers: dict[str, tuple[tuple[float, float, str], ...]]
    """By question: (predicted, true, file) of every clip."""
    severity: dict[str, float]
    """By fault that VMAF does not see: share of pairs of one content, against the reference, whose severer clip got the
    lower score. Empty without such clips."""

    def to_dict(self) -> dict[str, object]:
        return {
            "model": self.model,
            "questions": {name: found.to_dict() for name, found in self.questions.items()},
            "groups": {
                name: {key: found.to_dict() for key, found in group.items()} for name, group in self.groups.items()
            },
            "severity": {name: round(share, 4) for name, share in self.severity.items()},
            "baselines": {name: found.to_dict() for name, found in self.baselines.items()},
        }


@dataclass(frozen=True, slots=True)
class _Answers:
    cases: list[Case]
    scores: NDArray[np.float64]  # [M]
    intervals: NDArray[np.float64]  # [M, 2]

    def figures(self, keep: Callable[[Case], bool] | None = None) -> Figures:
        chosen = [index for index, case in enumerate(self.cases) if keep is None or keep(case)]
        truth = np.array([self.cases[index].sample.target for index in chosen])
        contents = [self.cases[index].sample.content for index in chosen]
        return figures(self.scores[chosen], truth, contents, self.intervals[chosen])


def evaluate(path: Path, samples: Sequence[Sample], faulty: Sequence[Sample] = ()) -> Evaluation:
    """Measure a checkpoint on the samples of split ``validation``; `faulty` are contents whose rungs have faults."""
    checkpoint = load(path)
    model = LadderModel(checkpoint)
    questions = _questions(_unseen(model, samples))
    broken = _unseen(model, faulty)
    questions |= _fault_questions(broken)
    answers = {name: _answer(model, chosen) for name, chosen in questions.items() if chosen}
    groups: dict[str, dict[str, Figures]] = defaultdict(dict)
    for name in ("ladder", "alone", "fault", "fault_alone"):
        for case in answers[name].cases if name in answers else ():
            for key in _groups(case.sample):
                if key not in groups[name]:
                    groups[name][key] = answers[name].figures(partial(_is_of, key))
    return Evaluation(
        model=f"{checkpoint.name} @ {checkpoint.weights_hash}",
        severity=_severity_order(model, broken),
        questions={name: answer.figures() for name, answer in answers.items()},
        groups=dict(groups),
        baselines=_baselines(samples, questions["alone"]),
        answers={
            name: tuple(
                (round(float(score), 2), round(case.sample.target, 3), case.sample.file)
                for score, case in zip(answer.scores, answer.cases, strict=True)
            )
            for name, answer in answers.items()
        },
    )


def _unseen(model: LadderModel, samples: Sequence[Sample]) -> list[Case]:
    """Return the cases of split ``validation``, with what the model's pixel network says of them."""
    seen = pixels.read(model.say, [sample for sample in samples if sample.split == "validation"])
    return cases_of(seen, folds_of(seen, 1))


def _is_of(key: str, case: Case) -> bool:
    return key in _groups(case.sample)


def _groups(sample: Sample) -> tuple[str, ...]:
    """Return what its figures are also told by: codec and size, or the fault."""
    return (sample.fault,) if sample.fault else (sample.codec, _size(sample))


def _size(sample: Sample) -> str:
    for least in (1.0, 0.6, 0.4, 0.2):
        if sample.share >= least - 0.01:
            return f"size >= {least:g}"
    return "size < 0.2"


def _questions(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """The ways in which the model is asked, each as the cases that it gets."""

    def of_kind(case: Case, *kinds: str) -> bool:
        return case.sample.kind in kinds

    alone = [case for case in cases if case.measured.best is None]
    ladders = [case for case in alone if of_kind(case, "ladder")]
    first_best = {id(case.sample.references[0][1]) for case in cases if case.sample.references}
    beside = [case for case in cases if case.measured.best is not None and of_kind(case, "ladder")]
    against_best = [case for case in beside if id(case.measured.against) in first_best]
    poorer = [case for case in beside if id(case.measured.against) not in first_best]
    answered = {case.sample.file for case in against_best}
    tops = [
        replace(case, measured=replace(case.measured, heads_ladder=True))
        for case in ladders
        if case.sample.file not in answered
    ]
    return {
        "ladder": [*against_best, *tops],  # as --ladder does it: the best rung alone, the others against it
        "ladder_poorer_reference": poorer,
        "alone": ladders,
        "alone_no_facts": [replace(case, measured=hidden(case.measured)) for case in ladders],
        "small": [case for case in alone if of_kind(case, "small")],
        "still": [case for case in alone if of_kind(case, "still")],
        "cascade": [case for case in alone if of_kind(case, "cascade")],
    }


def with_faults(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples of those contents whose rungs have faults."""
    contents = {sample.content for sample in samples if sample.fault}
    return [sample for sample in samples if sample.content in contents]


def _fault_questions(cases: Sequence[Case]) -> dict[str, list[Case]]:
    faults = [case for case in cases if case.sample.kind == "fault"]
    first = {id(case.sample.references[0][1]) for case in faults if case.sample.references}
    return {
        "fault": [case for case in faults if id(case.measured.against) in first],
        "fault_alone": [case for case in faults if case.measured.best is None and case.sample.tells_alone],
    }


def _severity_order(model: LadderModel, cases: Sequence[Case]) -> dict[str, float]:
    series: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        sample = case.sample
        first = sample.references[0][1] if sample.references else None
        if sample.kind == "order" and sample.fault and first is not None and case.measured.against is first:
            series[sample.fault, sample.content].append(case)
    right: dict[str, list[bool]] = defaultdict(list)
    for (fault, _), members in sorted(series.items()):
        members.sort(key=lambda case: case.sample.severity)
        scores = _answer(model, members).scores
        right[fault] += [bool(mild > severe) for mild, severe in combinations(scores, 2)]
    return {fault: sum(found) / len(found) for fault, found in right.items() if found}


def _answer(model: LadderModel, cases: Sequence[Case]) -> _Answers:
    predictions = []
    for start in range(0, len(cases), _BATCH):
        predictions += model.predict([case.measured for case in cases[start : start + _BATCH]])
    return _Answers(
        cases=list(cases),
        scores=np.array([found.score for found in predictions]),
        intervals=np.array([[found.low, found.high] for found in predictions]),
    )


def _baselines(samples: Sequence[Sample], asked: Sequence[Case]) -> dict[str, Figures]:
    """What needs no model: size, bits, and boosting on metadata and on everything measured (alone)."""
    known = [sample for sample in samples if sample.split == "train"]
    truth = np.array([case.sample.vmaf for case in asked])
    contents = [case.sample.content for case in asked]
    rows = np.stack([summary(sample.measured) for sample in known])
    tests = np.stack([summary(case.measured) for case in asked])
    scores = np.array([sample.vmaf for sample in known])
    found: dict[str, Figures] = {}
    facts = [SUMMARY.index(name) for name in FACTS]
    metadata = [SUMMARY.index(n) for n in FACTS if n in ("scale", "bits_shown", "bits_coded") or n.startswith("codec")]
    inputs = {
        "scale alone": [SUMMARY.index("scale")],
        "bits per displayed pixel alone": [SUMMARY.index("bits_shown")],
        "metadata (size, bits, codec), boosted": metadata,
        "all facts, boosted": facts,
        "hand features + facts, boosted": [index for index, name in enumerate(SUMMARY) if name not in PIXELS],
    }
    for name, columns in inputs.items():
        booster = lightgbm.train(
            {"objective": "regression", "learning_rate": 0.03, "num_leaves": 24, "verbose": -1, "seed": 0},
            lightgbm.Dataset(rows[:, columns], scores),
            num_boost_round=900 if len(columns) > 2 else 200,
        )
        found[name] = figures(np.asarray(booster.predict(tests[:, columns])), truth, contents)
    return found


def set_intervals(path: Path, samples: Sequence[Sample]) -> dict[str, float]:
    """Set how far the 90 % intervals reach, from split ``validation``, and return the coverage found across halves.

    Split conformal prediction: the reach is the 90 % quantile of |error| / spread. The coverage that is returned was
    measured on the half of the contents that the reach was not set on, both ways.
    """
    checkpoint = load(path)
    plain = replace(checkpoint, calibration={"reach": {"alone": 1.0, "ladder": 1.0}})
    model = LadderModel(plain)
    questions = _questions(_unseen(model, samples))
    reach, coverage = {}, {}
    for basis, asked in (
        (
            "alone",
            [*questions["alone"], *questions["alone_no_facts"], *questions["cascade"], *questions["still"]],
        ),
        (
            "ladder",
            [c for c in (*questions["ladder"], *questions["ladder_poorer_reference"]) if c.measured.best],
        ),
    ):
        ratios = _error_in_spreads(model, asked)
        half_of = {content: number % 2 for number, content in enumerate(sorted({c.sample.content for c in asked}))}
        halves = np.array([half_of[case.sample.content] for case in asked])
        reach[basis] = _conformal(ratios)
        coverage[basis] = float(
            np.mean([np.mean(ratios[halves == half] <= _conformal(ratios[halves != half])) for half in (0, 1)])
        )
    save(replace(checkpoint, calibration={"reach": reach, "coverage": coverage}), path)
    return coverage


def _error_in_spreads(model: LadderModel, asked: Sequence[Case]) -> NDArray[np.float64]:
    answers = _answer(model, asked)
    truth = np.array([case.sample.target for case in asked])
    # With a reach of 1 the interval is one spread to either side, unless it meets 0 or 100.
    spread = np.maximum(answers.intervals[:, 1] - answers.scores, answers.scores - answers.intervals[:, 0])
    return np.abs(truth - answers.scores) / np.maximum(spread, 1e-3)


def _conformal(ratios: NDArray[np.float64]) -> float:
    rank = math.ceil(0.9 * (len(ratios) + 1)) - 1
    return float(np.sort(ratios)[min(rank, len(ratios) - 1)])


def describe(path: Path, evaluation: Evaluation, data: str) -> Evaluation:
    """Write the one-line accuracy into the checkpoint; return the figures under the identity that it has by that."""
    ladder, alone = evaluation.questions["ladder"], evaluation.questions["alone"]
    line = (
        f"against VMAF on {ladder.clips} clips of unseen contents ({data}): in a ladder SROCC {ladder.srocc:.3f}, "
        f"RMSE {ladder.rmse:.1f}; alone SROCC {alone.srocc:.3f}, RMSE {alone.rmse:.1f}"
    )
    checkpoint = replace(load(path), accuracy=line)
    return replace(evaluation, model=f"{checkpoint.name} @ {save(checkpoint, path)}")


def write(evaluation: Evaluation, path: Path) -> None:
    path.write_text(json.dumps(evaluation.to_dict(), indent=2) + "\n", encoding="utf-8")


__all__ = ["Evaluation", "describe", "evaluate", "set_intervals", "with_faults", "write"]
