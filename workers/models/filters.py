"""Measured features: fixed filter banks over the cells of a clip, in one torch pass, no weights.

Which numbers are worth measuring was found by boosting on encodes with known VMAF: detail by scale, share of DCT
coefficients that quantisation removed, blocking, what motion compensation leaves, and how much detail later pictures
lost against the first. Every filter works inside one 64 px cell.
"""

import math
from functools import cache

import torch
from torch import Tensor

LEVELS = 4
_BANDS = ((1, 2), (3, 4), (5, 7), (8, 10), (11, 14))  # u + v of an 8 x 8 DCT, low to high
_SEARCH_PX = 16

SPATIAL = (
    *(f"detail{level}" for level in range(LEVELS)),
    *(f"detail{level}_q98" for level in range(LEVELS)),
    *(f"dct{band}" for band in range(len(_BANDS))),
    *(f"dct{band}_zeros" for band in range(len(_BANDS))),
    *(f"dct{band}_q90" for band in range(len(_BANDS))),
    "blocking8",
    "blocking16",
    "flat",
    "gradient_q90",
    "gradient_q99",
    "mean",
    "deviation",
    "detail_spread",
)
"""Names of the columns of `spatial`."""

SHOWN = (
    *(f"shown_detail{level}" for level in range(LEVELS)),
    *(f"shown_detail{level}_q98" for level in range(LEVELS)),
)
"""Names of the columns of `shown_detail`."""

MOTION = ("still_residual", "motion_residual", "motion_residual_max", "motion_px", "motion_gain")
"""Names of the columns of `motion`."""

AGAINST = (
    "ssim",
    "ssim_worst",
    "structure",
    "structure_half",
    "squared_error",
    *(f"energy{level}" for level in range(LEVELS)),
    *(f"kept{level}" for level in range(LEVELS)),
    *(f"added{level}" for level in range(LEVELS)),
    *(f"fidelity{scale}" for scale in range(LEVELS)),
    *(f"detail_loss{scale}" for scale in range(LEVELS)),
)
"""Names of the columns of `against`."""

_FIDELITY_TAPS = (17, 9, 5, 3)  # windows of VIF's four scales, deviation a fifth of each
_EYE_NOISE = 2.0  # variance of the visual noise of VIF, in squared 8-bit steps
_DB2 = (0.482962913144690, 0.836516303737469, 0.224143868041857, -0.129409522550921)


@cache
def _matrix(kind: str, size: int) -> Tensor:
    """Return a fixed operator as a matrix, so that a separable filter is two small matrix products."""
    if kind == "dct":
        rows = [
            [math.cos(math.pi * (2 * x + 1) * u / 16) * (math.sqrt(1 / 8) if u == 0 else 0.5) for x in range(8)]
            for u in range(8)
        ]
        return torch.tensor(rows)
    taps: tuple[float, ...]
    if kind in ("wavelet_low", "wavelet_high"):
        taps = _DB2 if kind == "wavelet_low" else tuple((-1) ** n * tap for n, tap in enumerate(reversed(_DB2)))
        step, gain = 2, 1.0
    elif kind.startswith("gauss"):
        width = int(kind.removeprefix("gauss"))
        taps = tuple(math.exp(-0.5 * ((index - width // 2) / (width / 5)) ** 2) for index in range(width))
        step, gain = 1, sum(taps)
    elif kind == "down":  # binomial 1-4-6-4-1, then every second sample
        taps, step, gain = (1, 4, 6, 4, 1), 2, 16.0
    elif kind == "window":  # Gaussian of 1.5 px, 11 taps: the window of SSIM
        taps = tuple(math.exp(-(offset**2) / 4.5) for offset in range(-5, 6))
        step, gain = 1, sum(taps)
    else:
        raise KeyError(kind)
    matrix = torch.zeros(size // step, size)
    reach = len(taps) // 2
    for row in range(size // step):
        for index, tap in enumerate(taps):
            column = row * step + index - reach
            column = -column if column < 0 else 2 * (size - 1) - column if column >= size else column
            matrix[row, column] += tap / gain
    return matrix


def _both_ways(matrix: Tensor, cells: Tensor) -> Tensor:
    return matrix @ cells @ matrix.T


def pyramid(cells: Tensor) -> list[Tensor]:
    """Return `LEVELS` band-pass levels of cells [..., P, P], finest first (Burt and Adelson, 1983)."""
    levels = []
    for _ in range(LEVELS):
        down = _matrix("down", cells.shape[-1])
        coarse = _both_ways(down, cells)  # [..., P/2, P/2]
        levels.append(cells - _both_ways(2 * down.T, coarse))  # expansion: the transpose, made up for the zeros
        cells = coarse
    return levels


def _log(value: Tensor, floor: float) -> Tensor:
    return torch.log(value + floor)


def _quantile(values: Tensor, share: float) -> Tensor:
    """Return the `share` quantile of values [T, M] (nearest rank)."""
    rank = max(1, min(values.shape[1], math.ceil(share * values.shape[1])))
    return values.kthvalue(rank, dim=1).values


def _detail(cells: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
    frames = cells.shape[0]
    means, upper, spread = [], [], torch.zeros(frames)
    for index, level in enumerate(pyramid(cells)):
        strength = level.abs()  # [T, N, p, p]
        means.append(_log(strength.mean(dim=(1, 2, 3)), 0.02))
        # Every second sample of the two finest levels: the quantile moves by less than it does between pictures.
        thin = strength[..., ::2, ::2] if index < 2 else strength
        upper.append(_log(_quantile(thin.reshape(frames, -1), 0.98), 0.05))
        if index == 0:
            spread = _log(strength.mean(dim=(2, 3)), 0.02).std(dim=1, correction=0)
    return means, upper, spread


def spatial(cells: Tensor) -> Tensor:
    """Return [T, len(SPATIAL)] from coded cells [T, N, P, P] in 8-bit steps, aligned to 16 px."""
    frames, count, size, _ = cells.shape
    means, upper, spread = _detail(cells)
    columns = [*means, *upper]

    side = size // 8
    blocks = cells.reshape(frames, count, side, 8, side, 8).transpose(3, 4)  # [T, N, side, side, 8, 8]
    strength = _both_ways(_matrix("dct", 8), blocks).abs().reshape(frames, -1, 64)  # [T, blocks, 64]
    radius = (torch.arange(8)[:, None] + torch.arange(8)).reshape(-1)
    bands = [strength[:, :, (radius >= low) & (radius <= high)] for low, high in _BANDS]
    columns += [_log(band.mean(dim=(1, 2)), 0.02) for band in bands]
    columns += [(band < 0.8).float().mean(dim=(1, 2)) for band in bands]
    columns += [_log(_quantile(band.mean(dim=2), 0.9), 0.05) for band in bands]

    across = (cells[..., 1:] - cells[..., :-1]).abs()  # [T, N, P, P-1]
    down = (cells[..., 1:, :] - cells[..., :-1, :]).abs()
    for period in (8, 16):
        edge = across[..., period - 1 :: period].mean(dim=(1, 2, 3)) + down[..., period - 1 :: period, :].mean(
            dim=(1, 2, 3)
        )
        inside = across[..., period // 2 - 1 :: period].mean(dim=(1, 2, 3)) + down[
            ..., period // 2 - 1 :: period, :
        ].mean(dim=(1, 2, 3))
        columns.append(torch.log((edge + 0.05) / (inside + 0.05)))
    columns.append((across < 1).float().mean(dim=(1, 2, 3)))
    thin = across[..., ::2, ::2].reshape(frames, -1)
    columns += [_log(_quantile(thin, 0.9), 0.3), _log(_quantile(thin, 0.99), 0.3)]
    columns += [cells.mean(dim=(1, 2, 3)) / 255, cells.reshape(frames, -1).std(dim=1) / 255, spread]
    return torch.stack(columns, dim=1)


def shown_detail(cells: Tensor) -> Tensor:
    """Return [T, len(SHOWN)] from cells [T, N, P, P] of the picture as displayed."""
    means, upper, _ = _detail(cells)
    return torch.stack([*means, *upper], dim=1)


def motion(cells: Tensor, before: Tensor) -> Tensor:
    """Return [T, len(MOTION)]: what is left of the middle of each cell after the best shift of the picture before.

    Full search over +-16 px by the correlation theorem; cells and before are [T, N, P, P] at the same places.
    """
    frames, count, size, _ = cells.shape
    block = size - 2 * _SEARCH_PX
    middle = cells[..., _SEARCH_PX : _SEARCH_PX + block, _SEARCH_PX : _SEARCH_PX + block]  # [T, N, b, b]
    # Remove each cell's mean first: it keeps the transform's rounding small against the residual.
    level = before.mean(dim=(2, 3), keepdim=True)
    middle, around = middle - level, before - level
    spectrum = torch.fft.rfft2(around) * torch.fft.rfft2(middle, s=(size, size)).conj()
    reach = 2 * _SEARCH_PX + 1
    product = torch.fft.irfft2(spectrum, s=(size, size))[..., :reach, :reach]  # sum of middle * shifted around
    sums = torch.nn.functional.pad(around.square().cumsum(-1).cumsum(-2), (1, 0, 1, 0))
    energy = (
        sums[..., block : block + reach, block : block + reach]
        - sums[..., :reach, block : block + reach]
        - sums[..., block : block + reach, :reach]
        + sums[..., :reach, :reach]
    )
    error = (energy + middle.square().sum(dim=(2, 3), keepdim=True) - 2 * product).clamp_min(0) / block**2
    flat = error.reshape(frames, count, -1)
    best, place = flat.min(dim=2)
    best = best.sqrt()  # [T, N]; root mean square residual in 8-bit steps
    still = error[..., _SEARCH_PX, _SEARCH_PX].sqrt()
    shift = torch.hypot(
        (place // reach - _SEARCH_PX).float(),
        (place % reach - _SEARCH_PX).float(),
    )
    columns = [
        _log(still.mean(dim=1), 0.05),
        _log(best.mean(dim=1), 0.05),
        _log(best.amax(dim=1), 0.05),
        _log(shift.mean(dim=1), 0.1),
        torch.log((best.mean(dim=1) + 0.2) / (still.mean(dim=1) + 0.2)),
    ]
    return torch.stack(columns, dim=1)


def against(cells: Tensor, reference: Tensor) -> Tensor:
    """Return [T, len(AGAINST)]: how shown cells [T, N, P, P] differ from the reference's at the same places.

    SSIM and its contrast-structure term (Wang et al., 2004) at two scales, the squared error, and per pyramid level
    the energy against the reference's, the share of the reference's detail that is kept (projection), and the energy
    that was added to it. Signs are chosen so that more is better, except for `squared_error` and `added`.
    """
    similarity, structure = _ssim(cells, reference)  # [T, N] each
    half = _matrix("down", cells.shape[-1])
    _, structure_half = _ssim(_both_ways(half, cells), _both_ways(half, reference))
    columns = [
        -_log((1 - similarity.mean(dim=1)).clamp_min(0), 1e-4),
        -_log((1 - similarity.amin(dim=1)).clamp_min(0), 1e-4),
        -_log((1 - structure.mean(dim=1)).clamp_min(0), 1e-4),
        -_log((1 - structure_half.mean(dim=1)).clamp_min(0), 1e-4),
        _log((cells - reference).square().mean(dim=(1, 2, 3)), 0.05),
    ]
    energy, kept, added = [], [], []
    for own, best in zip(pyramid(cells), pyramid(reference), strict=True):
        own_energy, best_energy = own.square().mean(dim=(1, 2, 3)), best.square().mean(dim=(1, 2, 3))
        gain = (own * best).mean(dim=(1, 2, 3)) / (best_energy + 0.05)
        rest = (own - gain[:, None, None, None] * best).square().mean(dim=(1, 2, 3))
        energy.append(_log(own_energy, 0.02) - _log(best_energy, 0.02))
        kept.append(gain)
        added.append(_log(rest, 0.02) - _log(best_energy, 0.02))
    fidelity, loss = _fidelity(cells, reference), _detail_loss(cells, reference)
    return torch.stack([*columns, *energy, *kept, *added, *fidelity, *loss], dim=1)


def _fidelity(cells: Tensor, reference: Tensor) -> list[Tensor]:
    """Return visual information fidelity [T] at four scales, pixel domain (Sheikh and Bovik, 2006), as VMAF uses it."""
    found = []
    for scale, taps in enumerate(_FIDELITY_TAPS):
        window = _matrix(f"gauss{taps}", cells.shape[-1])
        if scale:
            half = _both_ways(window, torch.stack([cells, reference]))[..., ::2, ::2]
            cells, reference = half[0], half[1]
            window = _matrix(f"gauss{taps}", cells.shape[-1])
        mean_a, mean_b, aa, bb, ab = _both_ways(
            window, torch.stack([cells, reference, cells * cells, reference * reference, cells * reference])
        )
        own = (aa - mean_a * mean_a).clamp_min(0)
        best = (bb - mean_b * mean_b).clamp_min(0)
        gain = ((ab - mean_a * mean_b) / (best + 1e-3)).clamp_min(0)
        rest = (own - gain * (ab - mean_a * mean_b)).clamp_min(1e-3)
        kept = torch.log2(1 + gain.square() * best / (rest + _EYE_NOISE)).sum(dim=(1, 2, 3))
        all_ = torch.log2(1 + best / _EYE_NOISE).sum(dim=(1, 2, 3))
        found.append((kept + 1e-2) / (all_ + 1e-2))
    return found


def _detail_loss(cells: Tensor, reference: Tensor) -> list[Tensor]:
    """Return the share of the reference's wavelet detail [T] that is kept, at four scales.

    After the detail loss measure of Li et al. (2011) as VMAF uses it, without its masking: Daubechies-2 bands, each
    coefficient kept to at most what the reference has, pooled by a cubic mean.
    """
    found = []
    both = torch.stack([cells, reference])  # [2, T, N, P, P]
    for _ in range(LEVELS):
        low, high = (_matrix(kind, both.shape[-1]) for kind in ("wavelet_low", "wavelet_high"))
        kept, all_ = torch.zeros(cells.shape[0]), torch.zeros(cells.shape[0])
        for down, across in ((low, high), (high, low), (high, high)):
            own, best = down @ both @ across.T
            restored = torch.where(own * best > 0, torch.minimum(own.abs(), best.abs()), torch.zeros_like(own))
            kept = kept + restored.pow(3).sum(dim=(1, 2, 3))
            all_ = all_ + best.abs().pow(3).sum(dim=(1, 2, 3))
        found.append(((kept + 1.0) / (all_ + 1.0)).pow(1 / 3))
        both = low @ both @ low.T
    return found


def _ssim(cells: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    window = _matrix("window", cells.shape[-1])
    mean_a, mean_b = _both_ways(window, cells), _both_ways(window, reference)
    variance_a = _both_ways(window, cells * cells) - mean_a * mean_a
    variance_b = _both_ways(window, reference * reference) - mean_b * mean_b
    covariance = _both_ways(window, cells * reference) - mean_a * mean_b
    c1, c2 = 6.5025, 58.5225  # (0.01 * 255)^2, (0.03 * 255)^2
    structure = (2 * covariance + c2) / (variance_a + variance_b + c2)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a.square() + mean_b.square() + c1)
    return (structure * luminance).mean(dim=(2, 3)), structure.mean(dim=(2, 3))
