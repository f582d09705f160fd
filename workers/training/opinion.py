"""Fits the model's scores to a user's human scores: a monotone map, judged on files that it was not fitted to."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.interpolate import PchipInterpolator
from scipy.stats import spearmanr

from pipeline.clip import Clip
from pipeline.clips import ClipJob, clips
from pipeline.decode import MediaSource
from pipeline.errors import UsageError
from pipeline.settings import DecodeLimits
from workers.measured import Measured
from workers.models.checkpoint import Checkpoint
from workers.models.ladder_model import LadderModel
from workers.models.network import LadderNetwork
from workers.models.opinion import OpinionMap
from workers.models.protocol import Model
from workers.training.fine_tune import Rated, fine_tune, scores_of

FEWEST = 20
"""Rows below which a map would follow the noise of the viewers."""
_POINTS = 101
_ROWS_A_KNOT = 8
_MOST_KNOTS = 9
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Rating:
    """One file and its mean opinion, 0-100."""

    file: Path
    opinion: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """SROCC and RMSE against the opinions; RMSE in points of 0-100."""

    srocc: float
    rmse: float


@dataclass(frozen=True, slots=True)
class Fit:
    map: OpinionMap
    before: Agreement
    after: Agreement
    """Each file mapped by what the others taught (five folds)."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A fit on the scores of a fine-tuned network, and that network."""

    fit: Fit
    """`after` is of files that neither network nor map has seen."""
    network: LadderNetwork


def read_ratings(path: Path, lowest: float, highest: float) -> list[Rating]:
    """Read a CSV with the columns ``file`` (relative to it) and ``mos``, on a scale from `lowest` to `highest`.

    Raises:
        UsageError: A column is missing, a file is not there, a score is no number or off the scale, or there are
            fewer than `FEWEST` rows.
    """
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = {"file", "mos"} - set(reader.fieldnames or ())
        if missing:
            raise UsageError(
                f"{path}: no column {' or '.join(sorted(missing))}. The first line must name file and mos."
            )
        ratings = [_rating(path, row, number, lowest, highest) for number, row in enumerate(reader, start=2)]
    if len(ratings) < FEWEST:
        raise UsageError(
            f"{path}: {len(ratings)} rated files are too few to fit a map to; take {FEWEST} at least, "
            "from bad to excellent."
        )
    return ratings


def _rating(path: Path, row: dict[str, str], line: int, lowest: float, highest: float) -> Rating:
    try:
        score = float(row["mos"])
    except (TypeError, ValueError):
        raise UsageError(f"{path}, line {line}: mos {row['mos']!r} is not a number.") from None
    if not lowest <= score <= highest:
        raise UsageError(
            f"{path}, line {line}: mos {score:g} is not between {lowest:g} and {highest:g}; give the ends of your "
            "scale with --scale."
        )
    file = path.parent / (row["file"] or "")
    if not file.is_file():
        raise UsageError(f"{path}, line {line}: {row['file']} is not a file; paths are relative to the CSV.")
    return Rating(file, (score - lowest) / (highest - lowest) * 100)


def measure_file(model: Model, file: Path, display_height_px: int | None) -> list[Measured]:
    """Return a file's segments, each measured alone."""
    job = ClipJob(
        source=MediaSource(name=file.name, path=file),
        limits=DecodeLimits(),
        display_height_px=display_height_px,
        thumbnails=False,
    )
    measured = [model.measure(found, hide_stream=False) for found in clips(job) if isinstance(found, Clip)]
    if not measured:
        raise UsageError(f"{file}: nothing in it could be scored. Take it out of the list.")
    return measured


def score_of(model: Model, measured: Sequence[Measured]) -> float:
    """Return the mean score of a file's segments."""
    return float(np.mean([found.score for found in model.predict(measured)]))


def fit(scores: Sequence[float], opinions: Sequence[float]) -> Fit:
    """Fit a map from scores to opinions, both 0-100.

    Raises:
        UsageError: The scores hardly differ, or do not rise with the opinions at all.
    """
    x, y = np.array(scores), np.array(opinions)
    if np.ptp(x) < 5 or np.ptp(y) < 5:
        raise UsageError("The rated files are all of about one quality: a map needs bad, middling and good ones.")
    before = _agreement(x, y)
    if not before.srocc > 0:
        raise UsageError(
            f"The model's scores do not rise with these opinions (SROCC {before.srocc:.2f}): check the CSV."
        )
    mapped = np.zeros(len(x))
    for apart in _held_out(x):
        mapped[apart] = _map(x[~apart], y[~apart])(x[apart])
    return Fit(_map(x, y), before, _agreement(mapped, y))


def fit_tuned(model: LadderModel, files: Sequence[Sequence[Measured]], opinions: Sequence[float]) -> Tuned:
    """Fine-tune the model's temporal network to opinions of files, 0-100, and fit a map on top.

    Call `fit` before: it refuses what cannot be fitted to.
    """
    rated, y = Rated.of(model, files, opinions), np.array(opinions)
    x = scores_of(model.network, rated)
    mapped = np.zeros(len(x))
    for apart in _held_out(x):
        said = scores_of(fine_tune(model.network, rated, ~apart), rated)
        mapped[apart] = _map(said[~apart], y[~apart])(said[apart])
    network = fine_tune(model.network, rated, np.ones(len(x), bool))
    whole = _map(scores_of(network, rated), y)
    return Tuned(Fit(whole, _agreement(x, y), _agreement(mapped, y)), network)


def _held_out(x: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    """Return the files of each fold; every fold has its share of every quality."""
    fold = np.argsort(np.argsort(x)) % _FOLDS
    return [fold == number for number in range(_FOLDS)]


def _map(x: NDArray[np.float64], y: NDArray[np.float64]) -> OpinionMap:
    """Isotonic regression, its steps smoothed by a monotone cubic through the means of equal shares of the rows."""
    order = np.argsort(x)
    rising = optimize.isotonic_regression(y[order]).x
    parts = np.array_split(np.arange(len(x)), max(2, min(_MOST_KNOTS, len(x) // _ROWS_A_KNOT)))
    knots = np.array([x[order][part].mean() for part in parts])
    values = np.array([rising[part].mean() for part in parts])
    knots, first = np.unique(knots, return_index=True)
    values = values[first]
    # Beyond the rated qualities: a straight line of the mean slope, so that scores out there keep their order.
    slope = max(0.05, float((values[-1] - values[0]) / (knots[-1] - knots[0])))
    points = np.linspace(0, 100, _POINTS)
    inside = np.clip(points, knots[0], knots[-1])
    table = PchipInterpolator(knots, values)(inside) + slope * (points - inside)
    return OpinionMap(tuple(round(float(value), 3) for value in np.maximum.accumulate(np.clip(table, 0, 100))))


def _agreement(x: NDArray[np.float64], y: NDArray[np.float64]) -> Agreement:
    return Agreement(float(spearmanr(x, y).statistic), math.sqrt(float(np.mean((x - y) ** 2))))


def plain(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint without a map of earlier."""
    calibration = {key: value for key, value in checkpoint.calibration.items() if key != "opinion"}
    return replace(checkpoint, calibration=calibration)


def with_map(checkpoint: Checkpoint, found: Fit, ratings: int) -> Checkpoint:
    """Return the checkpoint with the map in its header and its figures in its line of accuracy."""
    line = (
        f"calibrated to {ratings} opinions: SROCC {found.after.srocc:.3f}, RMSE {found.after.rmse:.1f} "
        f"(cross-validated; {found.before.rmse:.1f} before); before that {checkpoint.accuracy}"
    )
    calibration = {**checkpoint.calibration, "opinion": list(found.map.values)}
    return replace(checkpoint, calibration=calibration, accuracy=line[:512])
