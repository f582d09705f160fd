"""Faults of a delivery chain: each does to pictures, times or packets what its name says, and more of it costs more."""

from fractions import Fraction
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from workers.training.encoders import Encode, encode
from workers.training.faults import BY_NEG, IN_STREAM, ORDER_ONLY, Fault, FaultName, break_stream, shown_with
from workers.training.pristine import Pristine
from workers.training.vmaf import Labels, measure_vmaf

SIDE_PX, FRAMES, RATE = 192, 24, Fraction(25)
MILD, SEVERE = 0.1, 0.9
LABELLED = [name for name in get_args(FaultName) if name not in ORDER_ONLY]


@pytest.fixture(scope="module")
def pan() -> Pristine:
    """A camera that pans over smooth shapes with edges and fine texture, 3 px a frame."""
    rng = np.random.default_rng(3)
    side = SIDE_PX + 3 * FRAMES
    wide = cv2.GaussianBlur(rng.normal(128, 900, (side, side)).astype(np.float32), (0, 0), 9)
    picture = np.where(wide > 128, wide, wide * 0.6) + rng.normal(0, 3, (side, side))
    gray = np.clip(picture, 16, 235).astype(np.uint8)
    views = [gray[:SIDE_PX, 3 * n : 3 * n + SIDE_PX] for n in range(FRAMES)]
    color = np.full((SIDE_PX // 2, SIDE_PX), 128, np.uint8)
    return Pristine(tuple(np.vstack([view, color]) for view in views), SIDE_PX, SIDE_PX, RATE, soft=False)


def luma(pristine: Pristine) -> NDArray[np.float32]:
    return np.stack([frame[:SIDE_PX] for frame in pristine.frames]).astype(np.float32)  # [T, H, W]


def labels_of(pan: Pristine, fault: Fault, folder: Path) -> Labels:
    reference, source = folder / "pristine.y4m", folder / "shown.y4m"
    pan.write_y4m(reference, slice(None))
    shown = pan if fault.name in IN_STREAM else shown_with(pan, fault)
    shown.write_y4m(source, slice(None))
    clip = folder / "clip.ts"
    size = (pan.width_px, pan.height_px)
    settings = Encode("x264", "veryfast", "crf", 18.0, None, *size, "bicubic", None, b_frames=False)
    encode(source, settings, clip, len(shown.frames), shown.frame_rate)
    if fault.name in IN_STREAM:
        whole, clip = clip, folder / "broken.ts"
        break_stream(whole, fault, clip)
    return measure_vmaf(clip, reference, size=size, frames=FRAMES, frame_rate=RATE, scratch=folder, by_time=True)


@pytest.mark.parametrize("name", LABELLED)
def test_a_severer_fault_has_the_lower_label(name: FaultName, pan: Pristine, tmp_path: Path) -> None:
    mild, severe = (labels_of(pan, Fault(name, severity, 5), tmp_path) for severity in (MILD, SEVERE))
    of_mild, of_severe = (said.vmaf_neg if name in BY_NEG else said.vmaf for said in (mild, severe))
    assert len(of_mild) == len(of_severe) == FRAMES
    assert np.mean(of_severe) < np.mean(of_mild) - 5


def test_vmaf_rewards_sharpening_and_neg_does_not(pan: Pristine, tmp_path: Path) -> None:
    said = labels_of(pan, Fault("sharpening", 0.5, 5), tmp_path)
    assert np.mean(said.vmaf) > np.mean(said.vmaf_neg) + 5


def test_vmaf_does_not_see_bands_on_a_smooth_ramp(tmp_path: Path) -> None:
    width, height = 640, 360
    ramp = np.broadcast_to(np.linspace(60, 90, width, dtype=np.float32), (height, width))
    gray = np.rint(ramp + np.random.default_rng(3).normal(0, 0.5, ramp.shape)).astype(np.uint8)
    picture = np.vstack([gray, np.full((height // 2, width), 128, np.uint8)])
    smooth = Pristine((picture,) * FRAMES, width, height, RATE, soft=True)
    mild, severe = (labels_of(smooth, Fault("banding", severity, 5), tmp_path) for severity in (MILD, SEVERE))
    assert np.mean(severe.vmaf) > np.mean(mild.vmaf) - 1
    assert severe.cambi is not None
    assert len(severe.cambi) == FRAMES


def test_a_display_too_small_for_cambi_has_the_other_labels(pan: Pristine, tmp_path: Path) -> None:
    said = labels_of(pan, Fault("blur", MILD, 5), tmp_path)
    assert said.cambi is None
    assert len(said.vmaf) == len(said.vmaf_neg) == FRAMES


def test_a_fault_changes_nothing_but_luma(pan: Pristine) -> None:
    for name in ("noise", "grain", "blur", "sharpening", "banding", "gamma", "interlacing"):
        shown = shown_with(pan, Fault(name, SEVERE, 5))
        assert (len(shown.frames), shown.frame_rate) == (FRAMES, RATE)
        assert all((a[SIDE_PX:] == b[SIDE_PX:]).all() for a, b in zip(shown.frames, pan.frames, strict=True))
        assert (luma(shown) != luma(pan)).any()


def test_the_same_seed_gives_the_same_pictures(pan: Pristine) -> None:
    first, again, other = (shown_with(pan, Fault("grain", 0.5, seed)) for seed in (5, 5, 6))
    assert (luma(first) == luma(again)).all()
    assert (luma(first) != luma(other)).any()


def test_grain_is_coarser_than_noise(pan: Pristine) -> None:
    def neighbours_agree(name: FaultName) -> float:
        added = (luma(shown_with(pan, Fault(name, SEVERE, 5))) - luma(pan))[0]
        return float(np.corrcoef(added[:, 1:].ravel(), added[:, :-1].ravel())[0, 1])

    assert abs(neighbours_agree("noise")) < 0.1
    assert neighbours_agree("grain") > 0.3


def test_banding_leaves_few_levels(pan: Pristine) -> None:
    counts = [len(np.unique(luma(shown_with(pan, Fault("banding", severity, 5))))) for severity in (MILD, SEVERE)]
    assert counts[1] < counts[0] < len(np.unique(luma(pan)))


def test_interlacing_takes_every_second_line_from_a_later_picture(pan: Pristine) -> None:
    shown = luma(shown_with(pan, Fault("interlacing", 0.5, 5)))
    assert (shown[0, ::2] == luma(pan)[0, ::2]).all()
    assert (shown[0, 1::2] == luma(pan)[2, 1::2]).all()


@pytest.mark.parametrize(("severity", "held"), [(0.0, 4), (1.0, 19)])
def test_a_freeze_holds_one_picture_for_its_share_of_the_clip(severity: float, held: int, pan: Pristine) -> None:
    shown = luma(shown_with(pan, Fault("freeze", severity, 5)))
    same = [bool((a == b).all()) for a, b in zip(shown[1:], shown[:-1], strict=True)]
    assert (len(shown), sum(same) + 1) == (FRAMES, held)


@pytest.mark.parametrize(("severity", "kept"), [(0.0, 2), (0.5, 3), (1.0, 4)])
def test_a_lower_frame_rate_shows_every_nth_picture_for_as_long(severity: float, kept: int, pan: Pristine) -> None:
    shown = shown_with(pan, Fault("frame_rate", severity, 5))
    assert len(shown.frames) / shown.frame_rate == FRAMES / RATE
    assert (luma(shown) == luma(pan)[::kept]).all()
