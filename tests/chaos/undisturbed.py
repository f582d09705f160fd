"""What nobody disturbs: the points that a chaos run must end in, scored in this process, once for every content."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chaos.contents import Content
from chaos.feed import Announced
from cheap_model import CheapModel

from pipeline.clips import SamplerChoice, work
from pipeline.decode.isolate import IsolatedPool
from pipeline.ingest import Fetcher
from pipeline.settings import DecodeLimits, FetchLimits
from schemas import QualityPoint, SamplerIdentity
from workers.scoring import Scorer
from workers.service.batcher import Batcher
from workers.service.engine import Engine

Place = tuple[str, str, int]
"""Stream, rendition, segment number."""
WORST_WITHIN_SECONDS = 1e-6


def expected_points(contents: Sequence[Content], good: Sequence[Announced], root: Path) -> dict[Place, QualityPoint]:
    """Return the point of every good event, by its place."""
    with _engine(root) as engine:
        scored = {
            (content.name, event.rendition.rendition_id, event.segment.number): QualityPoint.of(engine.score(event))
            for content in contents
            for event in content.events
        }
    return {place_of(point): point for point in (_moved(scored, each) for each in good)}


def place_of(point: QualityPoint) -> Place:
    return point.stream_id, point.rendition_id, point.segment_number


def is_same(found: QualityPoint, wanted: QualityPoint | None) -> bool:
    """Whether two points are equal; where the worst frame is may differ by a rounding, as one was moved in time."""
    if wanted is None or abs(found.worst_seconds - wanted.worst_seconds) > WORST_WITHIN_SECONDS:
        return False
    return found.model_copy(update={"worst_seconds": wanted.worst_seconds}) == wanted


def _moved(scored: dict[Place, QualityPoint], announced: Announced) -> QualityPoint:
    segment = announced.event.segment
    point = scored[announced.content, announced.rendition_id, announced.number]
    return point.model_copy(
        update={
            "stream_id": announced.event.stream_id,
            "segment_number": segment.number,
            "start_seconds": segment.start_seconds,
            "worst_seconds": point.worst_seconds + segment.start_seconds - point.start_seconds,
        }
    )


@contextmanager
def _engine(root: Path) -> Iterator[Engine]:
    limits, choice = DecodeLimits(), SamplerChoice()
    scorer = Scorer(CheapModel(), SamplerIdentity(name=choice.name, frames=choice.frames))
    with (
        IsolatedPool(work, 1, limits, lambda job: job.source.name) as pool,
        Fetcher(FetchLimits(attempts=1), folders=[root]) as fetcher,
        Batcher(scorer, 4) as batcher,
    ):
        yield Engine(scorer, batcher, pool, fetcher, limits=limits, sampler=choice, grid=CheapModel.grid, sheets=64)
