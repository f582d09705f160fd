"""The figures by which models are compared: correlation, error, order of pairs, coverage of intervals."""

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import OptimizeWarning, curve_fit

CERTAIN_PAIR = 6.0  # points: one just-noticeable difference


@dataclass(frozen=True, slots=True)
class Figures:
    """Agreement of predicted with true scores. NaN where there is too little to tell."""

    clips: int
    srocc: float
    plcc: float
    """After a four-parameter logistic, as ITU-T P.1401 asks."""
    krocc: float
    rmse: float
    """Without any fitting: scores must be right as they stand."""
    within: float
    """Mean SROCC within a content of five clips or more."""
    pairs: float
    """Share of pairs of one content, more than 6 points apart, in the right order."""
    coverage: float
    """Share of true scores inside the 90 % interval."""

    def to_dict(self) -> dict[str, float]:
        return {key: round(float(value), 4) for key, value in asdict(self).items()}


def figures(
    predicted: NDArray[np.float64],
    truth: NDArray[np.float64],
    contents: Sequence[str],
    intervals: NDArray[np.float64] | None = None,
) -> Figures:
    """Compare predicted [M] with truth [M]; intervals are [M, 2] or None."""
    by_content: dict[str, list[int]] = defaultdict(list)
    for index, content in enumerate(contents):
        by_content[content].append(index)
    within, right, pairs = [], 0, 0
    for members in by_content.values():
        p, t = predicted[members], truth[members]
        if len(members) >= 5 and np.ptp(t) > 0 and np.ptp(p) > 0:
            within.append(float(stats.spearmanr(p, t).statistic))
        certain = (t[:, None] - t[None, :]) > CERTAIN_PAIR
        pairs += int(certain.sum())
        right += int((certain & (p[:, None] > p[None, :])).sum())
    inside = np.nan
    if intervals is not None:
        inside = float(np.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])))
    varied = len(truth) > 2 and np.ptp(truth) > 0 and np.ptp(predicted) > 0
    return Figures(
        clips=len(truth),
        srocc=float(stats.spearmanr(predicted, truth).statistic) if varied else np.nan,
        plcc=_plcc(predicted, truth) if varied else np.nan,
        krocc=float(stats.kendalltau(predicted, truth).statistic) if varied else np.nan,
        rmse=float(np.sqrt(np.mean((predicted - truth) ** 2))),
        within=float(np.mean(within)) if within else np.nan,
        pairs=right / pairs if pairs else np.nan,
        coverage=inside,
    )


def _plcc(predicted: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    def logistic(x: NDArray[np.float64], top: float, low: float, middle: float, slope: float) -> NDArray[np.float64]:
        return np.asarray(low + (top - low) / (1 + np.exp(-np.clip((x - middle) / abs(slope), -60, 60))))

    if len(truth) < 5:  # too few for four parameters: the plain correlation
        return float(np.corrcoef(predicted, truth)[0, 1])
    start = [truth.max(), truth.min(), float(np.mean(predicted)), float(np.std(predicted)) + 1e-6]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)  # how sure the parameters are is not asked
            fitted = logistic(predicted, *curve_fit(logistic, predicted, truth, p0=start, maxfev=4000)[0])
    except RuntimeError:  # no fit: the plain correlation
        fitted = predicted
    return float(np.corrcoef(fitted, truth)[0, 1])
