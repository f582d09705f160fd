"""The default model: a clip's score depends on that clip alone, and knows when it knows less."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import media_factory
import numpy as np
import pytest
import torch

from pipeline.clip import Clip
from pipeline.clips import ClipJob, clips
from pipeline.decode import MediaSource
from pipeline.settings import DecodeLimits
from workers.measured import Measured
from workers.models import DEFAULT_MODEL, WEIGHTS, load_model
from workers.models.checkpoint import load
from workers.models.ladder_model import LadderModel
from workers.models.measure import compare, measure
from workers.models.network import LadderNetwork, NetworkConfig
from workers.models.protocol import Model


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Clip]:
    """CRF -> clip of the same 256x160 pan."""
    folder = tmp_path_factory.mktemp("clips")

    @cache
    def clip(crf: int) -> Clip:
        path = media_factory.write_video(
            folder / f"{crf}.mp4", frames=40, size=(256, 160), fps=Fraction(25), options={"crf": str(crf)}
        )
        (found,) = clips(ClipJob(MediaSource(name=path.name, path=Path(path)), DecodeLimits(), thumbnails=False))
        assert isinstance(found, Clip)
        return found

    return {crf: clip(crf) for crf in (18, 28, 36, 44)}


def _alone(made: dict[int, Clip]) -> list[Measured]:
    return [measure(clip) for clip in made.values()]


def test_scores_fall_as_compression_rises(model: Model, made: dict[int, Clip]) -> None:
    scores = [found.score for found in model.predict(_alone(made))]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 25


def test_scores_against_the_ladder_fall_as_compression_rises(model: Model, made: dict[int, Clip]) -> None:
    best = made[18]
    against = [compare(measure(clip), clip.shown, measure(best), best.shown) for clip in list(made.values())[1:]]
    scores = [found.score for found in model.predict(against)]
    assert scores == sorted(scores, reverse=True)


def test_a_score_does_not_depend_on_what_else_is_in_the_batch(model: Model, made: dict[int, Clip]) -> None:
    together = model.predict(_alone(made))
    apart = [model.predict([clip])[0] for clip in _alone(made)]
    assert max(abs(a.score - b.score) for a, b in zip(together, apart, strict=True)) < 0.1


def test_a_shorter_clip_in_the_batch_changes_nothing(model: Model, made: dict[int, Clip]) -> None:
    whole = _alone(made)[0]
    short = replace(whole, cells=whole.cells[:2], frame=whole.frame[:2], times=whole.times[:2])
    apart = model.predict([short])[0]
    together = model.predict([whole, short])[1]
    assert together.frames.shape == (2,)
    assert together.score == pytest.approx(apart.score, abs=0.1)


def test_frames_average_to_the_clip(model: Model, made: dict[int, Clip]) -> None:
    for found in model.predict(_alone(made)):
        if found.frames.min() > 0 and found.frames.max() < 100:  # at the ends of the scale frames are cut off
            assert float(np.mean(found.frames)) == pytest.approx(found.score, abs=0.5)
    assert any(found.frames.max() < 100 for found in model.predict(_alone(made)))


def test_hidden_facts_widen_the_interval(model: Model, made: dict[int, Clip]) -> None:
    clip = made[28]
    known, hidden = model.predict([measure(clip), measure(clip, hide_stream=True)])
    assert hidden.high - hidden.low > known.high - known.low


def test_bf16_and_fp32_agree_within_half_a_point(made: dict[int, Clip]) -> None:
    checkpoint = load(WEIGHTS[DEFAULT_MODEL])
    clips_ = _alone(made)
    exact = LadderModel(checkpoint, swin_type=torch.float32).predict(clips_)
    fast = LadderModel(checkpoint, swin_type=torch.bfloat16).predict(clips_)
    assert max(abs(a.score - b.score) for a, b in zip(exact, fast, strict=True)) < 0.5


def test_cells_of_other_places_are_not_compared(made: dict[int, Clip]) -> None:
    clip = made[28]
    with pytest.raises(ValueError, match="sheet"):
        compare(measure(clip), clip.shown, measure(clip), clip.shown[:3])


def test_gradients_reach_every_weight_of_the_network(made: dict[int, Clip]) -> None:
    from workers.models.ladder_model import ARCHITECTURES, Scaler, collate  # noqa: PLC0415
    from workers.models.untrained import untrained  # noqa: PLC0415

    torch.manual_seed(0)
    network = LadderNetwork(replace(ARCHITECTURES["nano"], embed=16, heads=(1, 2, 2, 4)))
    for head in (network.score, network.frame_score):  # zero before training: the trees' guess stands
        torch.nn.init.normal_(head.weight, std=0.1)
    for name, parameter in network.spatial.swin.named_parameters():
        if name.endswith(("norm1.weight", "norm2.weight")):  # zero at first: every block of Swin V2 starts as nothing
            torch.nn.init.ones_(parameter)
    best, rung = made[18], made[36]
    both = [measure(rung), compare(measure(rung), rung.shown, measure(best), best.shown)]
    batch = collate(both, np.full((2, 5), 50, np.float32), Scaler(untrained("nano").part("scale")))
    output = network(batch, torch.tensor([0.5, 0.5]))
    loss = output.score.sum() + output.frames.square().sum() + output.spread.sum() + output.features.sum()
    loss.backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # What comes after the last stage of Swin is not used, and one key bias cannot matter to a softmax.
    assert [name for name in without if ".swin.norm" not in name and ".swin.head" not in name] == []


def test_config_survives_json() -> None:
    config = NetworkConfig(embed=32)
    assert NetworkConfig.from_dict(config.to_dict()) == config
