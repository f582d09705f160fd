"""A training run: what its file may say, which fold a content is in, and pixel networks that go on in cycles."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import UsageError
from workers.measured import Measured
from workers.models.facts import FACTS
from workers.models.measure import AGAINST, FIRST, FRAME
from workers.models.pixels import PixelConfig
from workers.training import losses
from workers.training.boost import Case, cases_of, folds_of, taught
from workers.training.extract import Sample
from workers.training.pixels import PixelRecipe, fit
from workers.training.run_file import RunFile
from workers.training.train import Recipe, series_of, train

FRAMES = 2


def sample(content: str, number: int = 0) -> Sample:
    random = np.random.default_rng(number)
    measured = Measured(
        frame=random.normal(size=(FRAMES, len(FRAME))).astype(np.float32),
        first=np.zeros(len(FIRST), np.float32),
        facts=np.zeros(len(FACTS), np.float32),
        times=np.arange(FRAMES, dtype=np.float32),
    )
    return Sample(
        file=f"{content}/{number}",
        content=content,
        kind="ladder",
        split="train",
        codec="h264",
        share=1.0,
        vmaf=50.0 + number,
        target=50.0 + number,
        target_frames=np.full(FRAMES, 50.0 + number, np.float32),
        made=(0.0, 0.5, 0.0, 0.0),
        cells=random.integers(0, 255, (FRAMES, 8, 64, 64), dtype=np.uint8),
        measured=measured,
        references=(),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("samples", "ladders"):
        (tmp_path / name).mkdir()
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "nano.toml"
    path.write_text(text, encoding="utf-8")
    return path


def beside(best: Sample, *others: Sample) -> list[Sample]:
    """A ladder: every other clip is compared with the best."""
    against = np.zeros((FRAMES, len(AGAINST)), np.float32)
    return [best, *(replace(other, references=((0, against),)) for other in others)]


def test_a_run_file_says_what_a_run_needs(folder: Path) -> None:
    text = 'samples = "samples"\nfurther = ["ladders"]\nout = "run"\n[recipe]\nseed = 3\npixel_cycles = [5, 10]\n'
    found = RunFile.read(written(folder, text))
    assert (found.samples, found.further, found.out) == (folder / "samples", (folder / "ladders",), folder / "run")
    recipe = Recipe.from_dict(found.recipe)
    assert recipe == Recipe(seed=3, pixel_cycles=(5, 10))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('samples = "samples"\n', "does not say out"),
        ('samples = "samples"\nout = "run"\nspeed = 3\n', "has speed"),
        ('samples = "nowhere"\nout = "run"\n', "not a folder"),
        ('samples = "samples"\nout = "run"\nfurther = "ladders"\n', "list of paths"),
        ('samples = "samples"\nout = "run"\nhours = -1\n', "above 0"),
        ("samples = \n", "not a TOML file"),
    ],
)
def test_a_run_file_that_cannot_be_followed_is_refused_in_words(folder: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        RunFile.read(written(folder, text))


def test_a_file_of_imagenet_weights_is_looked_for_beside_the_run_file(folder: Path) -> None:
    text = 'samples = "samples"\nout = "run"\n[recipe]\narchitecture = "swinv2-tiny"\nimagenet = "model.safetensors"\n'
    recipe = Recipe.from_dict(RunFile.read(written(folder, text)).recipe)
    assert (recipe.architecture, Path(recipe.imagenet)) == ("swinv2-tiny", folder / "model.safetensors")


def test_an_unknown_architecture_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"no architecture 'swinv2-giant': there are nano, small, swinv2-tiny"):
        Recipe.from_dict({"architecture": "swinv2-giant"})


def test_an_unknown_field_of_a_recipe_is_refused_with_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"no pixel_steps: it has architecture"):
        Recipe.from_dict({"pixel_steps": 500})


def test_a_whole_ladder_is_in_the_fold_of_the_content_of_its_source() -> None:
    contents = [sample(name) for name in ("a", "b", "c", "d")]
    ladders = [sample(f"{name}-ladder") for name in ("b", "c", "new")]
    folds = folds_of(contents, 3, ladders)
    assert [folds[name] for name in ("a", "b", "c", "d")] == [0, 1, 2, 0]
    assert (folds["b-ladder"], folds["c-ladder"]) == (1, 2)
    assert {case.sample.content: case.fold for case in cases_of([*contents, *ladders], folds)} == folds


def test_a_pixel_network_goes_on_from_what_the_cycle_before_it_kept(tmp_path: Path) -> None:
    samples = [sample(content, number) for content in ("a", "b") for number in range(3)]
    config = PixelConfig(channels=(8, 8, 16), blocks=1, heads=2, width=16)
    torch.set_num_threads(1)

    def weights(folder: Path, cycles: tuple[int, ...]) -> dict[str, torch.Tensor]:
        folder.mkdir(exist_ok=True)
        recipe = PixelRecipe(config, 0, cycles, contents_in_batch=2, cells_seen=4)
        return fit(samples, folder / "net.pt", recipe, lambda _: None).state_dict()

    first = weights(tmp_path / "one", (2,))
    both = weights(tmp_path / "two", (2, 2))
    kept = torch.load(tmp_path / "two" / "net.cycle1.pt", weights_only=True)
    assert all(torch.equal(kept[key], first[key]) for key in first)
    assert any(not torch.equal(both[key], first[key]) for key in first)
    (tmp_path / "two" / "net.pt").unlink()
    again = weights(tmp_path / "two", (2, 2))
    assert all(torch.equal(again[key], both[key]) for key in both)


@pytest.mark.parametrize(("contents", "said"), [("", "0 contents on the train"), ("abc", "0 contents on the valid")])
def test_too_few_contents_are_told_before_anything_is_trained(contents: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        train([sample(content) for content in contents], tmp_path / "run", Recipe(), lambda _: None)
    assert not (tmp_path / "run").exists()


def test_faults_are_taught_beside_the_reference_only() -> None:
    blurred = replace(sample("a", 1), kind="fault", fault="blur", severity=0.5)
    noisy = replace(sample("a", 2), kind="fault", fault="noise", severity=0.5)
    frozen = replace(sample("a", 3), kind="order", fault="freeze", severity=0.5)
    cases = taught(cases_of(beside(sample("a"), blurred, noisy, frozen), {"a": 0}))
    alone = [case.sample.fault for case in cases if case.measured.best is None]
    assert alone == [None]
    assert [case.sample.fault for case in cases if case.measured.best is not None] == ["blur", "noise", "freeze"]


def test_contents_of_one_source_are_in_one_fold_whatever_was_made_of_them() -> None:
    further = [sample(name) for name in ("a-ladder", "a-faults", "new-ladder", "new-faults", "lone-faults")]
    folds = folds_of([sample("a"), sample("b")], 3, further)
    assert folds["a"] == folds["a-ladder"] == folds["a-faults"]
    assert folds["new-ladder"] == folds["new-faults"]
    assert folds["lone-faults"] in range(3)


def test_a_severer_clip_that_scores_no_lower_costs() -> None:
    severity, series = torch.tensor([0.1, 0.5, 0.9, 0.5]), torch.tensor([0, 0, 0, -1])

    def cost(*scores: float) -> float:
        return float(losses.severity_order(torch.tensor(scores), severity, series))

    assert cost(0.9, 0.8, 0.7, 0.0) == 0
    assert cost(0.7, 0.8, 0.9, 0.0) > cost(0.9, 0.7, 0.8, 0.0) > 0
    assert cost(0.9, 0.8, 0.7, 1.0) == 0  # in no series


def test_a_series_is_one_fault_of_one_content() -> None:
    def order(content: str, fault: str, severity: float) -> Sample:
        return replace(sample(content), kind="order", fault=fault, severity=severity)

    samples = [order("a", "freeze", 0.1), sample("a"), order("a", "banding", 0.2), order("b", "freeze", 0.3)]
    samples += [order("a", "freeze", 0.4), replace(sample("a"), kind="fault", fault="noise", severity=0.5)]
    severity, series = series_of([Case(one, one.measured, 0) for one in samples], "cpu")
    assert series.tolist() == [0, -1, 1, 2, 0, -1]
    assert severity[[0, 2, 3, 4]].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
