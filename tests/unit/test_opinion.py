"""Calibration to human scores: the map rises, helps on files that it was not fitted to, and stays in the checkpoint."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import media_factory
import numpy as np
import pytest

from pipeline.clip import Clip
from pipeline.clips import ClipJob, clips
from pipeline.decode import MediaSource
from pipeline.errors import UsageError
from pipeline.settings import DecodeLimits
from workers.models import DEFAULT_MODEL, WEIGHTS
from workers.models.checkpoint import load, save
from workers.models.ladder_model import LadderModel
from workers.models.opinion import OpinionMap
from workers.training import opinion


def _viewers(count: int = 60) -> tuple[list[float], list[float]]:
    """Scores, and opinions that saturate above 80 and fall fast below 40, with the viewers' noise."""
    random = np.random.default_rng(4)
    scores = random.uniform(10, 98, count)
    opinions = np.clip(100 / (1 + np.exp(-(scores - 55) / 9)) + random.normal(0, 4, count), 0, 100)
    return list(scores), list(opinions)


def test_the_map_never_falls() -> None:
    found = opinion.fit(*_viewers()).map
    mapped = found(np.linspace(0, 100, 1001))
    assert (np.diff(mapped) >= 0).all()
    assert mapped.min() >= 0
    assert mapped.max() <= 100


def test_the_map_brings_files_closer_that_it_was_not_fitted_to() -> None:
    found = opinion.fit(*_viewers())
    assert found.after.rmse < 0.7 * found.before.rmse
    assert found.after.srocc > found.before.srocc - 0.02


def test_opinions_against_the_scores_are_refused() -> None:
    scores, opinions = _viewers()
    with pytest.raises(UsageError, match="do not rise"):
        opinion.fit(scores, [100 - each for each in opinions])


def test_files_of_one_quality_are_refused() -> None:
    scores, opinions = _viewers()
    with pytest.raises(UsageError, match="one quality"):
        opinion.fit([70 + score / 100 for score in scores], opinions)


def _csv(folder: Path, lines: list[str]) -> Path:
    (folder / "a.mp4").touch()
    path = folder / "mos.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_ratings_are_brought_to_the_whole_scale(tmp_path: Path) -> None:
    path = _csv(tmp_path, ["file,mos", *["a.mp4,1", "a.mp4,3", "a.mp4,5"] * 7])
    ratings = opinion.read_ratings(path, 1, 5)
    assert [rating.opinion for rating in ratings[:3]] == [0, 50, 100]
    assert ratings[0].file == tmp_path / "a.mp4"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["file,score", "a.mp4,3"], "no column mos"),
        (["file,mos", "a.mp4,good"], "line 2: mos 'good' is not a number"),
        (["file,mos", "a.mp4,7"], "not between 1 and 5"),
        (["file,mos", "b.mp4,3"], "b.mp4 is not a file"),
        (["file,mos", "a.mp4,3"], "too few"),
    ],
)
def test_a_csv_that_cannot_be_used_is_refused_in_words(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        opinion.read_ratings(_csv(tmp_path, lines), 1, 5)


def test_a_calibrated_checkpoint_scores_on_the_viewers_scale(tmp_path: Path) -> None:
    video = media_factory.write_video(tmp_path / "clip.mp4", frames=30, size=(256, 160), fps=Fraction(25))
    (clip,) = clips(ClipJob(MediaSource(name=video.name, path=video), DecodeLimits(), thumbnails=False))
    assert isinstance(clip, Clip)
    plain = load(WEIGHTS[DEFAULT_MODEL])
    halved = OpinionMap(tuple(float(value) for value in np.linspace(0, 50, 101)))
    fit = replace(opinion.fit(*_viewers()), map=halved)
    save(opinion.with_map(plain, fit, 60), tmp_path / "mine.safetensors")
    before, after = LadderModel(plain), LadderModel(load(tmp_path / "mine.safetensors"))
    (was,), (now,) = (model.predict([model.measure(clip, hide_stream=False)]) for model in (before, after))
    assert now.score == pytest.approx(was.score / 2, abs=0.01)
    assert (now.low, now.high) == pytest.approx((was.low / 2, was.high / 2), abs=0.01)
    assert now.frames == pytest.approx(was.frames / 2, abs=0.01)
    assert before.identity.weights_hash != after.identity.weights_hash
    assert "calibrated to 60 opinions" in after.identity.accuracy
