"""What every score must have whatever the weights: mirrored pictures score alike, and ladders do not turn over."""

import itertools
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import media_factory
import numpy as np
import pytest
import sample_factory
from numpy.typing import NDArray

from pipeline.clip import Clip
from pipeline.clips import ClipJob, clips
from pipeline.decode import MediaSource
from pipeline.settings import DecodeLimits
from workers.models import load_model
from workers.models.measure import compare
from workers.models.protocol import Model

SEEDS = (1, 2, 3, 4)
SIZE = (320, 192)
CRFS = (18, 26, 34, 42)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


@pytest.fixture(scope="module")
def ladders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Clip]]:
    """Seed -> clips of one scene, encoded by x264 from good to poor."""
    folder = tmp_path_factory.mktemp("ladders")
    return {seed: [_clip(folder / f"{seed}_{crf}.mp4", seed, crf) for crf in CRFS] for seed in SEEDS}


def _clip(path: Path, seed: int, crf: int) -> Clip:
    def picture(index: int, width: int, height: int) -> NDArray[np.uint8]:
        return sample_factory.camera(index / 25, (width, height), seed=seed, speed_px=20.0 * seed)

    media_factory.write_video(path, frames=30, size=SIZE, fps=Fraction(25), options={"crf": str(crf)}, pattern=picture)
    (found,) = clips(ClipJob(MediaSource(name=path.name, path=path), DecodeLimits(), thumbnails=False))
    assert isinstance(found, Clip)
    return found


def _mirrored(clip: Clip) -> Clip:
    flipped = {name: np.ascontiguousarray(getattr(clip, name)[..., ::-1]) for name in ("shown", "coded", "before")}
    return replace(clip, first=np.ascontiguousarray(clip.first[..., ::-1]), **flipped)


def test_a_mirrored_clip_scores_the_same_within_a_point_on_average(
    model: Model, ladders: dict[int, list[Clip]]
) -> None:
    made = [clip for ladder in ladders.values() for clip in ladder]
    plain, mirrored = (
        model.predict([model.measure(clip, hide_stream=False) for clip in chosen])
        for chosen in (made, [_mirrored(clip) for clip in made])
    )
    moved = [abs(a.score - b.score) for a, b in zip(plain, mirrored, strict=True)]
    assert float(np.mean(moved)) < 1.0


def test_no_rung_of_a_ladder_scores_three_points_above_a_better_one(
    model: Model, ladders: dict[int, list[Clip]]
) -> None:
    for ladder in ladders.values():
        measured = [model.measure(clip, hide_stream=False) for clip in ladder]
        beside = [
            compare(own, clip.shown, measured[0], ladder[0].shown)
            for own, clip in zip(measured[1:], ladder[1:], strict=True)
        ]
        scores = [found.score for found in model.predict([measured[0], *beside])]
        assert max(lower - upper for upper, lower in itertools.pairwise(scores)) < 3.0


def test_a_score_of_a_real_ladder_does_not_depend_on_the_batch(model: Model, ladders: dict[int, list[Clip]]) -> None:
    measured = [model.measure(clip, hide_stream=False) for clip in ladders[SEEDS[0]]]
    together = [found.score for found in model.predict(measured)]
    apart = [model.predict([clip])[0].score for clip in measured]
    assert together == pytest.approx(apart, abs=0.05)
