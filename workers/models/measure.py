"""A clip as numbers: what the filters measure on every frame, what is known of the stream, what the reference shows."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.clip import Clip
from workers.measured import Measured
from workers.models import filters
from workers.models.facts import FACTS, facts_of
from workers.models.pixels import PIXELS

_DRIFT = ("detail0", "detail1", "dct2", "dct2_zeros")
"""What is compared between the segment's first picture and later ones."""

FRAME = (*filters.SPATIAL, *filters.SHOWN, *filters.MOTION, "difference", *PIXELS)
"""Measured on every sampled frame of a rung, and what the pixel network says of it."""
FIRST = (*(f"first_{name}" for name in _DRIFT), *(f"drift_{name}" for name in _DRIFT))
"""Measured once a clip: the first picture, and what later ones lost against it."""
AGAINST = filters.AGAINST
"""Measured on every sampled frame of a rung against the reference."""

_DIFFERENCE_FLOOR = 0.05


@torch.inference_mode()
def measure(clip: Clip, said: NDArray[np.float32] | None = None, *, hide_stream: bool = False) -> Measured:
    """Measure a clip by itself; `said` [T, len(PIXELS)] is what the pixel network says, None where it was not asked."""
    coded = torch.from_numpy(clip.coded).float()  # [T, N, P, P]
    spatial = filters.spatial(coded)
    if clip.shown is clip.coded:
        columns = [filters.SPATIAL.index(name.removeprefix("shown_")) for name in filters.SHOWN]
        shown = spatial[:, columns]
    else:
        shown = filters.shown_detail(torch.from_numpy(clip.shown).float())
    motion = filters.motion(coded, torch.from_numpy(clip.before).float())
    difference = torch.tensor([[frame.difference] for frame in clip.frames])
    motion = torch.where(difference.isnan(), torch.nan, motion)  # no picture before: nothing was compared
    pixels = torch.full((len(clip.frames), len(PIXELS)), torch.nan) if said is None else torch.from_numpy(said)
    frame = torch.cat([spatial, shown, motion, torch.log(difference + _DIFFERENCE_FLOOR), pixels], dim=1).float()
    return Measured(
        frame=frame.numpy(),
        first=_first(clip, spatial),
        facts=facts_of(clip, hide_stream=hide_stream),
        times=np.array([f.time_seconds - clip.start_seconds for f in clip.frames], np.float32),
    )


def _first(clip: Clip, spatial: Tensor) -> NDArray[np.float32]:
    columns = [filters.SPATIAL.index(name) for name in _DRIFT]
    if clip.facts.still:
        return np.full(len(FIRST), np.nan, np.float32)
    first = filters.spatial(torch.from_numpy(clip.first[None]).float())[0, columns]
    return torch.cat([first, spatial[:, columns].mean(dim=0) - first]).numpy()


@torch.inference_mode()
def compare(measured: Measured, shown: NDArray[np.uint8], best: Measured, sheet: NDArray[np.uint8]) -> Measured:
    """Return `measured` with what differs from the reference; both [T, N, P, P] cut at the same places and times."""
    if shown.shape != sheet.shape:
        raise ValueError(f"expected the shape of the reference's sheet {sheet.shape}, got {shown.shape}")
    differs = filters.against(torch.from_numpy(shown).float(), torch.from_numpy(sheet).float())
    return Measured(
        frame=measured.frame,
        first=measured.first,
        facts=measured.facts,
        times=measured.times,
        against=differs.numpy(),
        best=best,
    )


def summary(measured: Measured) -> NDArray[np.float32]:
    """Return one row [len(SUMMARY)] for the boosted trees: means over the frames, and the clip's facts."""
    with np.errstate(all="ignore"):
        means = _mean(measured.frame)
        spread = np.nanstd(measured.frame[:, _SPREAD_COLUMNS], axis=0) if len(measured.frame) > 1 else _nans(_SPREAD)
    return np.concatenate([means, spread, measured.first, measured.facts]).astype(np.float32)


def summary_against(measured: Measured) -> NDArray[np.float32]:
    """Return one row [len(SUMMARY_AGAINST)]: `summary`, what differs from the reference, and the reference itself."""
    if measured.against is None or measured.best is None:
        raise ValueError("the clip was measured alone; compare() it first")
    worst = measured.against.min(axis=0)[: len(_WORST)]
    best = summary(measured.best)[_BEST_COLUMNS]
    return np.concatenate([summary(measured), measured.against.mean(axis=0), worst, best]).astype(np.float32)


def _mean(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    known = ~np.isnan(rows)
    count = known.sum(axis=0)
    total = np.where(known, rows, 0).sum(axis=0)
    mean: NDArray[np.float32] = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    return mean


def _nans(names: tuple[str, ...]) -> NDArray[np.float32]:
    return np.full(len(names), np.nan, np.float32)


_SPREAD = ("detail0", "dct2_zeros", "motion_residual", "difference")
_SPREAD_COLUMNS = [FRAME.index(name) for name in _SPREAD]
_WORST = ("ssim", "ssim_worst", "structure", "structure_half")
SUMMARY = (*FRAME, *(f"spread_{name}" for name in _SPREAD), *FIRST, *FACTS)
_BEST = (
    *("scale", "bits_coded", "bits_shown", "bits_i", "qp"),
    *("detail0", "detail1", "detail2", "dct2_zeros", "dct3_zeros", "dct4_zeros", "deviation"),
    *("motion_residual", "still_residual", "difference"),
)
_BEST_COLUMNS = [SUMMARY.index(name) for name in _BEST]
SUMMARY_AGAINST = (
    *SUMMARY,
    *(f"against_{name}" for name in AGAINST),
    *(f"against_worst_{name}" for name in _WORST),
    *(f"best_{name}" for name in _BEST),
)
