"""What is told of a source that may be bad: of what is scored alone, where it is more likely than not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import media_factory
import pytest

from pipeline.clip import Clip
from pipeline.clips import ClipJob, clips
from pipeline.decode import MediaSource
from pipeline.settings import DecodeLimits
from schemas import FindingKind, Rendition, Rung, SamplerIdentity, TimeBasis
from workers.measured import Measured
from workers.models.ladder_model import LadderModel
from workers.models.protocol import Prediction
from workers.models.untrained import untrained
from workers.scoring import Scorer, Work


class Sure(LadderModel):
    """A model that says how sure it is that a source was bad."""

    def __init__(self, bad_source: float) -> None:
        super().__init__(untrained("nano"))
        self._bad_source = bad_source

    def predict(self, clips: Sequence[Measured]) -> list[Prediction]:
        return [replace(found, bad_source=self._bad_source) for found in super().predict(clips)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    path = media_factory.write_video(tmp_path_factory.mktemp("clip") / "pan.mp4", frames=10)
    (found,) = clips(ClipJob(MediaSource(name="pan.mp4", path=Path(path)), DecodeLimits(), thumbnails=False))
    assert isinstance(found, Clip)
    return found


@pytest.mark.parametrize(("bad_source", "told"), [(0.4, False), (0.6, True)])
def test_a_source_that_is_more_likely_bad_than_not_is_told(clip: Clip, bad_source: float, told: bool) -> None:
    scorer = Scorer(Sure(bad_source), SamplerIdentity(name="frame-difference", frames=8))
    work = Work("film", Rendition(rendition_id="film", rung=Rung()), 0, 0.0, TimeBasis.MEDIA_TIME)
    found = scorer.score(work, clip).record.findings
    assert [finding.kind for finding in found] == [FindingKind.DOUBTFUL_SOURCE] * told
    assert all("look at what the encoder was given" in finding.text for finding in found)
