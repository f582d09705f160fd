"""The measured features answer known pictures as they must."""

import numpy as np
import pytest
import torch

from workers.models import filters


def _texture(seed: int = 0, frames: int = 1, cells: int = 4, size: int = 64) -> torch.Tensor:
    """Natural-looking noise: every octave as strong as the next."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((frames, cells, size, size))
    for octave in range(5):
        small = rng.normal(size=(frames, cells, size >> octave, size >> octave))
        picture += np.kron(small, np.ones((1, 1, 1 << octave, 1 << octave))) * 8
    return torch.from_numpy(picture + 110).float().clamp(16, 235)


def _blurred(cells: torch.Tensor) -> torch.Tensor:
    window = torch.ones(1, 1, 3, 3) / 9
    flat = cells.reshape(-1, 1, *cells.shape[-2:])
    return torch.nn.functional.conv2d(torch.nn.functional.pad(flat, (1, 1, 1, 1), "reflect"), window).reshape(
        cells.shape
    )


def _column(name: str, names: tuple[str, ...], values: torch.Tensor) -> float:
    return float(values[0, names.index(name)])


def test_a_pyramid_adds_up_to_its_picture() -> None:
    cells = _texture()
    levels = filters.pyramid(cells)
    rest = cells
    for level in levels:
        down = filters._matrix("down", rest.shape[-1])
        coarse = down @ rest @ down.T
        assert torch.allclose(level + (2 * down.T) @ coarse @ (2 * down), rest, atol=1e-3)
        rest = coarse


def test_blur_takes_fine_detail_and_leaves_coarse() -> None:
    sharp, soft = filters.spatial(_texture()), filters.spatial(_blurred(_texture()))
    assert _column("detail0", filters.SPATIAL, soft) < _column("detail0", filters.SPATIAL, sharp) - 0.5
    assert abs(_column("detail3", filters.SPATIAL, soft) - _column("detail3", filters.SPATIAL, sharp)) < 0.2
    assert _column("dct4_zeros", filters.SPATIAL, soft) > _column("dct4_zeros", filters.SPATIAL, sharp)


def test_blocks_of_eight_are_seen_as_blocking() -> None:
    smooth = _blurred(_texture())
    means = torch.nn.functional.avg_pool2d(smooth.reshape(-1, 1, 64, 64), 8)
    blocky = torch.nn.functional.interpolate(means, scale_factor=8).reshape(smooth.shape)
    assert _column("blocking8", filters.SPATIAL, filters.spatial(blocky)) > 2
    assert abs(_column("blocking8", filters.SPATIAL, filters.spatial(smooth))) < 0.3


@pytest.mark.parametrize(("down", "across"), [(0, 0), (5, -7), (-16, 16)])
def test_a_shift_is_found_and_leaves_nothing(down: int, across: int) -> None:
    wide = _texture(size=128)
    before = wide[..., 32:96, 32:96]
    now = wide[..., 32 + down : 96 + down, 32 + across : 96 + across]
    found = filters.motion(now, before)
    assert _column("motion_residual", filters.MOTION, found) < np.log(0.05 + 0.1)
    assert _column("motion_px", filters.MOTION, found) == pytest.approx(np.log(np.hypot(down, across) + 0.1), abs=1e-4)


def test_the_same_cells_are_as_like_as_can_be() -> None:
    cells = _texture()
    same = filters.against(cells, cells)
    assert _column("ssim", filters.AGAINST, same) == pytest.approx(-np.log(1e-4), abs=0.01)
    assert _column("squared_error", filters.AGAINST, same) == pytest.approx(np.log(0.05))
    assert _column("energy0", filters.AGAINST, same) == pytest.approx(0, abs=1e-5)
    assert _column("kept0", filters.AGAINST, same) == pytest.approx(1, abs=1e-2)


def test_blur_loses_and_noise_adds() -> None:
    cells = _texture()
    noisy = cells + torch.from_numpy(np.random.default_rng(5).normal(size=cells.shape)).float() * 12
    lost, added = filters.against(_blurred(cells), cells), filters.against(noisy, cells)
    assert _column("kept0", filters.AGAINST, lost) < 0.8
    assert _column("kept0", filters.AGAINST, added) == pytest.approx(1, abs=0.1)
    assert _column("added0", filters.AGAINST, added) > _column("added0", filters.AGAINST, lost) + 0.5


def test_ssim_is_that_of_its_definition() -> None:
    a, b = _texture(1), _texture(2)
    rows = torch.arange(-5, 6).float()
    window = torch.exp(-(rows**2) / 4.5)
    kernel = (window[:, None] * window)[None, None] / window.sum() ** 2

    def mean(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.conv2d(x.reshape(-1, 1, 64, 64), kernel)

    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    expected = ((2 * ma * mb + 6.5025) * (2 * cov + 58.5225) / ((ma**2 + mb**2 + 6.5025) * (va + vb + 58.5225))).mean()
    ours, _ = filters._ssim(a, b)
    assert float(ours.mean()) == pytest.approx(
        float(expected), abs=0.02
    )  # ours mirrors the edges, this leaves them out


def test_fidelity_and_detail_are_whole_for_the_same_cells_and_fall_with_blur() -> None:
    cells = _texture()
    same, lost = filters.against(cells, cells), filters.against(_blurred(cells), cells)
    for scale in range(4):
        for name in (f"fidelity{scale}", f"detail_loss{scale}"):
            assert _column(name, filters.AGAINST, same) == pytest.approx(1, abs=0.01)
    assert _column("fidelity0", filters.AGAINST, lost) < 0.6
    assert _column("detail_loss0", filters.AGAINST, lost) < 0.6
    assert _column("fidelity3", filters.AGAINST, lost) > _column("fidelity0", filters.AGAINST, lost)
