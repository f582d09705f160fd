"""A model that costs nothing and always says the same of the same pixels, for tests of everything around the model."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.cells import CellGrid
from pipeline.clip import Clip
from schemas import ModelIdentity
from workers.measured import Measured
from workers.models.protocol import Prediction


class CheapModel:
    """Detail scores alone, likeness to the reference scores in a ladder. Implements `Model` without torch."""

    identity = ModelIdentity(name="cheap", weights_hash="c0ffee000000", accuracy="none: it is for tests")
    grid = CellGrid(2, 2, 32)

    def measure(self, clip: Clip, *, hide_stream: bool) -> Measured:
        cells = clip.shown.astype(np.float32)
        return Measured(
            frame=np.abs(np.diff(cells, axis=-1)).mean(axis=(1, 2, 3))[:, None],
            first=np.zeros(0, np.float32),
            facts=np.zeros(0, np.float32),
            times=np.array([frame.time_seconds for frame in clip.frames], np.float32),
        )

    def compare(
        self, measured: Measured, shown: NDArray[np.uint8], best: Measured, sheet: NDArray[np.uint8]
    ) -> Measured:
        differs = np.abs(shown.astype(np.float32) - sheet.astype(np.float32)).mean(axis=(1, 2, 3))[:, None]
        return Measured(
            frame=measured.frame,
            first=measured.first,
            facts=measured.facts,
            times=measured.times,
            against=differs,
            best=best,
        )

    def predict(self, clips: Sequence[Measured]) -> list[Prediction]:
        return [self._of(clip) for clip in clips]

    def _of(self, clip: Measured) -> Prediction:
        raw = 100 - 4 * clip.against[:, 0] if clip.against is not None else 40 + 5 * clip.frame[:, 0]
        frames = np.clip(raw, 0, 100).astype(np.float64)
        score = float(frames.mean())
        return Prediction(score, max(0.0, score - 5), min(100.0, score + 5), frames)
