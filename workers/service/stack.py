"""Builds an engine from settings: decoders, model, batcher. What `worker`, `watch` and `rescore` share."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.clips import SamplerChoice, work
from pipeline.decode.isolate import IsolatedPool
from pipeline.ingest import Fetcher
from pipeline.observe.scoring import ScoringMetrics
from pipeline.settings import Settings
from pipeline.stream.protocol import Producer
from pipeline.stream.topics import Topics
from schemas import ModelIdentity, SamplerIdentity
from workers.ahead import Pool
from workers.models import Model
from workers.models.choice import ModelChoice
from workers.scoring import Scorer
from workers.service.batcher import Batcher
from workers.service.engine import Engine
from workers.service.observer import WorkObserver
from workers.service.outbox import Patient
from workers.service.pictures import PictureSink
from workers.service.scoring_processor import ScoringProcessor
from workers.service.tracing import Work

_BATCH_ON_A_GPU = 16
_MOST_DECODERS = 8


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """What decides scores, and how many decoders make them."""

    model: ModelChoice = ModelChoice()
    sampler: SamplerChoice = SamplerChoice()
    decoders: int = 0
    """0: one a usable core, at most 8."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """Everything that scores, running."""

    engine: Engine
    pool: Pool
    fetcher: Fetcher
    model: ModelIdentity
    threads: int
    """Segments that are worth having at work at the same time."""


@contextmanager
def scoring(
    settings: Settings,
    options: ScoringOptions,
    fetcher: Fetcher,
    observer: WorkObserver,
    model: Model | None = None,
    pictures: PictureSink | None = None,
) -> Iterator[Scoring]:
    """Start decoders and model, and end them.

    Args:
        settings: Of the process.
        options: What decides scores.
        fetcher: Reads segments.
        observer: Is told how it goes.
        model: Takes the place of what the options name.
        pictures: Takes the pictures of worst frames; None: none is made.
    """
    decoders = options.decoders or settings.decoders or min(_MOST_DECODERS, len(os.sched_getaffinity(0)))
    # The decoders start first: they import while the model loads.
    with IsolatedPool(work, decoders, settings.decode, lambda job: job.source.name) as pool:
        choice = options.model
        model = model or _loaded(choice)
        sampler = SamplerIdentity(name=options.sampler.name, frames=options.sampler.frames)
        scorer = Scorer(model, sampler, hide_stream=choice.hide_stream)
        most = settings.service.batch or (1 if choice.device == "cpu" else _BATCH_ON_A_GPU)
        with Batcher(scorer, most, observer) as batcher:
            engine = Engine(
                scorer,
                batcher,
                pool,
                fetcher,
                limits=settings.decode,
                sampler=options.sampler,
                grid=model.grid,
                sheets=settings.service.sheets,
                observer=observer,
                pictures=pictures,
            )
            # A clip for every decoder, a batch at the model, and the next one waiting: with half a batch less to wait,
            # every other batch is a small one, and a device of fixed latency does a quarter less.
            yield Scoring(engine, pool, fetcher, model.identity, threads=decoders + 2 * most)


def _loaded(choice: ModelChoice) -> Model:
    from workers.models import load_model  # noqa: PLC0415 - imports torch, which takes seconds

    return load_model(choice.name, device=choice.device, allow_untrained=choice.allow_untrained)


def processor_of(
    made: Scoring, topics: Topics, producer: Producer, role: str, metrics: ScoringMetrics, work: Work | None = None
) -> ScoringProcessor:
    """Return what deals with segment events.

    Args:
        made: What scores.
        topics: Where to.
        producer: Takes what goes with no score.
        role: Who says so in the headers of what is published.
        metrics: Count it.
        work: Traces it; None: nobody does.
    """
    return ScoringProcessor(
        made.engine,
        threads=made.threads,
        topics=topics,
        beside=Patient(producer),
        source=f"rungwatch/{role}/{socket.gethostname()}/{os.getpid()}",
        observer=metrics,
        work=work,
    )
