"""The default model: a clip's score depends on that clip alone, and knows when it knows less."""

import json
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
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
from workers.models.ladder_model import ARCHITECTURES, GUESS, Architecture, LadderModel, Scaler, collate
from workers.models.measure import compare, measure
from workers.models.network import LadderNetwork
from workers.models.pixels import PixelNetwork
from workers.models.protocol import Model
from workers.models.untrained import untrained


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


def _measured(model: Model, clip: Clip) -> Measured:
    return model.measure(clip, hide_stream=False)


def _alone(model: Model, made: dict[int, Clip]) -> list[Measured]:
    return [_measured(model, clip) for clip in made.values()]


def test_scores_fall_as_compression_rises(model: Model, made: dict[int, Clip]) -> None:
    scores = [found.score for found in model.predict(_alone(model, made))]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 25


def test_scores_against_the_ladder_fall_as_compression_rises(model: Model, made: dict[int, Clip]) -> None:
    best = made[18]
    sheet = _measured(model, best)
    against = [compare(_measured(model, clip), clip.shown, sheet, best.shown) for clip in list(made.values())[1:]]
    scores = [found.score for found in model.predict(against)]
    assert scores == sorted(scores, reverse=True)


def test_a_score_does_not_depend_on_what_else_is_in_the_batch(model: Model, made: dict[int, Clip]) -> None:
    together = model.predict(_alone(model, made))
    apart = [model.predict([clip])[0] for clip in _alone(model, made)]
    assert max(abs(a.score - b.score) for a, b in zip(together, apart, strict=True)) < 0.1


def test_a_shorter_clip_in_the_batch_changes_nothing(model: Model, made: dict[int, Clip]) -> None:
    whole = _alone(model, made)[0]
    short = replace(whole, frame=whole.frame[:2], times=whole.times[:2])
    apart = model.predict([short])[0]
    together = model.predict([whole, short])[1]
    assert together.frames.shape == (2,)
    assert together.score == pytest.approx(apart.score, abs=0.1)


def test_frames_average_to_the_clip(model: Model, made: dict[int, Clip]) -> None:
    for found in model.predict(_alone(model, made)):
        if found.frames.min() > 0 and found.frames.max() < 100:  # at the ends of the scale frames are cut off
            assert float(np.mean(found.frames)) == pytest.approx(found.score, abs=0.5)
    assert any(found.frames.max() < 100 for found in model.predict(_alone(model, made)))


def test_hidden_facts_widen_the_interval(model: Model, made: dict[int, Clip]) -> None:
    clip = made[28]
    known, hidden = model.predict([model.measure(clip, hide_stream=hide) for hide in (False, True)])
    assert hidden.high - hidden.low > known.high - known.low


def test_a_bad_source_is_doubted_and_lowers_a_lone_file_more_than_the_head_of_a_ladder(
    model: Model, made: dict[int, Clip], tmp_path: Path
) -> None:
    poor = media_factory.write_video(tmp_path / "poor.mp4", frames=40, size=(256, 160), options={"crf": "42"})
    with av.open(str(poor)) as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    media_factory.write_video(
        tmp_path / "again.mp4",
        frames=40,
        size=(256, 160),
        options={"crf": "12"},
        pattern=lambda index, width, height: pictures[index],
    )
    source = MediaSource(name="again.mp4", path=tmp_path / "again.mp4")
    (clip,) = clips(ClipJob(source, DecodeLimits(), thumbnails=False))
    assert isinstance(clip, Clip)
    again = _measured(model, clip)
    hidden = model.measure(clip, hide_stream=True)
    file, head, blind = model.predict([again, replace(again, heads_ladder=True), hidden])
    assert file.score < head.score - 10
    assert file.bad_source == pytest.approx(head.bad_source, abs=0.01) and head.bad_source > 0.3
    assert blind.bad_source == 0, "without facts there is nothing to be too good for the picture"
    assert max(found.bad_source for found in model.predict(_alone(model, made))) < 0.2


def test_bf16_and_fp32_agree_within_half_a_point(made: dict[int, Clip]) -> None:
    checkpoint = load(WEIGHTS[DEFAULT_MODEL])
    exact, fast = (LadderModel(checkpoint, pixel_type=kind) for kind in (torch.float32, torch.bfloat16))
    pairs = zip(exact.predict(_alone(exact, made)), fast.predict(_alone(fast, made)), strict=True)
    assert max(abs(a.score - b.score) for a, b in pairs) < 0.5


def test_cells_of_other_places_are_not_compared(made: dict[int, Clip]) -> None:
    clip = made[28]
    with pytest.raises(ValueError, match="sheet"):
        compare(measure(clip), clip.shown, measure(clip), clip.shown[:3])


def test_gradients_reach_every_weight_of_the_temporal_network(model: Model, made: dict[int, Clip]) -> None:
    torch.manual_seed(0)
    network = LadderNetwork(ARCHITECTURES["nano"].network)
    for head in (network.score, network.frame_score):  # zero before training: the trees' guess stands
        torch.nn.init.normal_(head.weight, std=0.1)
    best, rung = made[18], made[36]
    both = [_measured(model, rung), compare(_measured(model, rung), rung.shown, _measured(model, best), best.shown)]
    batch = collate(both, np.full((2, len(GUESS)), 50, np.float32), Scaler(untrained("nano").part("scale")))
    output = network(batch, torch.tensor([0.5, 0.5]))
    loss = output.score.sum() + output.frames.square().sum() + output.spread.sum() + output.features.sum()
    loss.backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_gradients_reach_every_weight_of_the_pixel_network(made: dict[int, Clip]) -> None:
    torch.manual_seed(0)
    network = PixelNetwork(ARCHITECTURES["nano"].pixels)
    network(torch.from_numpy(made[36].shown)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_the_order_of_cells_does_not_matter_to_the_pixel_network(model: Model, made: dict[int, Clip]) -> None:
    assert isinstance(model, LadderModel)
    cells = made[36].shown
    assert np.allclose(model.say(cells), model.say(np.ascontiguousarray(cells[:, ::-1])), atol=0.02)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_sizes_survive_json(name: str) -> None:
    sizes = ARCHITECTURES[name]
    assert Architecture.from_dict(json.loads(json.dumps(sizes.to_dict()))) == sizes
