"""A scoring worker: segment events from Kafka, scores to Kafka; one process per device."""

import logging
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from pipeline.ingest import Fetcher
from pipeline.observe.scoring import ScoringMetrics
from pipeline.observe.traces import tracing
from pipeline.series import Link
from pipeline.settings import Settings
from pipeline.stream.kafka import KafkaBusConsumer, KafkaBusProducer
from pipeline.stream.protocol import Consumer, Rebalance
from pipeline.stream.runner import Runner
from pipeline.stream.topics import Topics
from workers.models import Model
from workers.service.pictures import keeping
from workers.service.process import Process
from workers.service.stack import ScoringOptions, processor_of, scoring
from workers.service.tracing import Work, traced_observer, traced_producer

log = logging.getLogger(__name__)


def run_worker(settings: Settings, options: ScoringOptions, *, group: str, model: Model | None = None) -> None:
    """Score until SIGTERM. `model`: takes the place of what the options name.

    Raises:
        UsageError: Kafka, topics, model, port or the address of Redis are not as the settings say.
        TooManyRejected: Most of what comes cannot be scored.
    """
    topics = Topics(settings.kafka.prefix)
    roots = settings.fetch.roots or (Path.cwd(),)
    with (
        Process(settings.service) as process,
        Fetcher(settings.fetch, folders=roots) as fetcher,
        tracing(settings.traces, "rungwatch-worker", version("rungwatch")) as traces,
        closing(traced_producer(KafkaBusProducer(settings.kafka), traces)) as producer,
        closing(Link(settings.redis)) as link,
    ):
        metrics = ScoringMetrics(process.metrics)
        work = Work(traces)
        loaded = process.health.flag("model", "the model is being loaded")
        with (
            keeping(link, settings.redis, settings.pictures, metrics) as pictures,
            scoring(settings, options, fetcher, traced_observer(metrics, work), model, pictures) as made,
        ):
            loaded.good()
            identity = f"{made.model.name}@{made.model.weights_hash}"
            process.metrics.model(identity)
            processor = processor_of(made, topics, producer, "worker", metrics, work)
            metrics.watch_decoding(processor.waiting)
            runner = Runner(
                consumers(settings, group, topics.segments),
                producer,
                processor,
                settings.bus,
                topics.dead_letters,
                process.observer("worker"),
            )
            log.info("Scoring %s with %s; local files below %s.", topics.segments, identity, _listed(roots))
            process.run(worker=runner.run)


def consumers(settings: Settings, group: str, *topics: str) -> Callable[[Rebalance], Consumer]:
    """Return what makes the members of a group."""
    name = Topics(settings.kafka.prefix).group(group)
    return lambda listener: KafkaBusConsumer(settings.kafka, name, topics, listener)


def _listed(roots: tuple[Path, ...]) -> str:
    return ", ".join(str(root) for root in roots)
