"""Fine-tuning to viewers: what it may move, and that unseen files gain where there is something to learn."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from workers.models.network import Batch, LadderNetwork, NetworkConfig
from workers.training.fine_tune import Rated, fine_tune, scores_of

FILES, FRAMES, COLUMNS = 60, 3, 2


@pytest.fixture(scope="module")
def network() -> LadderNetwork:
    torch.manual_seed(1)
    return LadderNetwork(NetworkConfig(32, 1, 2, COLUMNS, COLUMNS, COLUMNS, COLUMNS, COLUMNS)).eval()


@pytest.fixture(scope="module")
def rated() -> Rated:
    """Two clips a file, of every quality; the viewers mark a third of the files down, by what the facts show."""
    generator = torch.Generator().manual_seed(2)
    clips = 2 * FILES
    file_of = torch.arange(clips) // 2
    marked_down = (torch.arange(FILES) % 3 == 0).float()
    facts = torch.zeros(clips, 2 * COLUMNS)
    facts[:, 0] = marked_down[file_of]
    of_file = torch.rand(FILES, generator=generator)
    quality = 0.35 + 0.6 * of_file
    frames = torch.randn(clips, FRAMES, 2 * COLUMNS, generator=generator)
    batch = Batch(
        present=torch.ones(clips, FRAMES, dtype=torch.bool),
        times=torch.arange(FRAMES).expand(clips, -1).float(),
        frame=frames,
        clip=facts,
        against=torch.zeros(clips, FRAMES, 2 * COLUMNS),
        best=torch.zeros(clips, 2 * COLUMNS),
        guess=quality[file_of][:, None].expand(-1, 2 * COLUMNS),
        has_best=torch.zeros(clips, dtype=torch.bool),
    )
    return Rated(batch, quality[file_of], file_of, quality - 0.3 * marked_down)


def agreement(network: LadderNetwork, rated: Rated, files: NDArray[np.bool_]) -> float:
    return float(np.corrcoef(scores_of(network, rated)[files], rated.opinions.numpy()[files])[0, 1])


def test_files_that_were_not_learned_from_are_judged_better(network: LadderNetwork, rated: Rated) -> None:
    learned = np.arange(FILES) % 4 != 0
    tuned = fine_tune(network, rated, learned)
    assert agreement(tuned, rated, learned) > agreement(network, rated, learned) + 0.05
    assert agreement(tuned, rated, ~learned) > agreement(network, rated, ~learned) + 0.05


def test_only_the_last_layers_of_a_copy_move(network: LadderNetwork, rated: Rated) -> None:
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    after = fine_tune(network, rated, np.ones(FILES, bool)).state_dict()
    assert all(torch.equal(network.state_dict()[key], tensor) for key, tensor in before.items())
    moved = {key.split(".")[0] for key, tensor in before.items() if not torch.equal(after[key], tensor)}
    assert moved == {"norm", "score"}


def test_a_file_scores_the_mean_of_its_clips(network: LadderNetwork, rated: Rated) -> None:
    assert scores_of(network, rated) == pytest.approx(rated.start.view(FILES, 2).mean(dim=1).numpy() * 100, abs=1e-3)
