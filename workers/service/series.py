"""The writer of the series: scores from Kafka, points to Redis; any number of processes share the work."""

import logging
from contextlib import closing
from importlib.metadata import version

from pipeline.observe.points import PointMetrics
from pipeline.observe.traces import tracing
from pipeline.series import Link, SeriesStore
from pipeline.settings import Settings
from pipeline.stream.kafka import KafkaBusProducer
from pipeline.stream.runner import Runner
from pipeline.stream.topics import Topics
from workers.service.process import Process
from workers.service.series_writer import SeriesProcessor
from workers.service.tracing import traced_processor
from workers.service.worker import consumers

log = logging.getLogger(__name__)


def run_series(settings: Settings, *, group: str) -> None:
    """Write points until SIGTERM; while Redis is away, wait for it.

    Raises:
        UsageError: Kafka, its topics, Redis or the port are not as the settings say.
    """
    topics = Topics(settings.kafka.prefix)
    with (
        Process(settings.service) as process,
        closing(Link(settings.redis)) as link,
        tracing(settings.traces, "rungwatch-series", version("rungwatch")) as traces,
        closing(KafkaBusProducer(settings.kafka)) as producer,
    ):
        process.health.check("redis", link.ping)
        processor = SeriesProcessor(
            SeriesStore(link, settings.redis), skipped_topic=topics.skipped, observer=PointMetrics(process.metrics)
        )
        runner = Runner(
            consumers(settings, group, topics.scores, topics.skipped, topics.findings),
            producer,
            traced_processor(processor, traces, "write"),
            # A point takes a millisecond: many together are written faster, and cost no memory.
            settings.bus.model_copy(update={"in_flight": max(settings.bus.in_flight, 1000)}),
            topics.dead_letters,
            process.observer("series"),
        )
        log.info("Writing %s to Redis at %s.", topics.scores, link.where)
        process.run(series=runner.run)
