"""A worker process without decoder and model: all that is measured of it is the bus, the records and the threads.

Run by service.py; settings come from the environment, as those of every process. Ends on SIGTERM.
"""

import argparse
import os
import socket
from contextlib import closing
from datetime import UTC, datetime

from score_factory import scored

from pipeline.observe.scoring import ScoringMetrics
from pipeline.settings import load
from pipeline.stream.kafka import KafkaBusProducer
from pipeline.stream.runner import Runner
from pipeline.stream.topics import Topics
from schemas import SegmentReady, SegmentScored
from workers.service.outbox import OneShot
from workers.service.process import Process
from workers.service.scoring_processor import ScoringProcessor
from workers.service.worker import consumers

GROUP = "workers"


class NullEngine:
    """Says at once what was made beforehand, as a score of eight frames, with the time as the real one says it."""

    def __init__(self) -> None:
        self._made = scored(71.5, frame_scores=[70 + index / 7 for index in range(8)])

    def score(self, event: SegmentReady) -> SegmentScored:
        segment = event.segment
        return self._made.model_copy(
            update={
                "stream_id": event.stream_id,
                "rendition_id": event.rendition.rendition_id,
                "segment_number": segment.number,
                "start_seconds": segment.start_seconds,
                "scored_at": datetime.now(UTC),
            }
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--threads", type=int, required=True)
    given = options.parse_args()
    settings = load()
    topics = Topics(settings.kafka.prefix)
    with Process(settings.service) as process, closing(KafkaBusProducer(settings.kafka)) as producer:
        processor = ScoringProcessor(
            NullEngine(),
            threads=given.threads,
            topics=topics,
            beside=OneShot(producer),
            source=f"rungwatch/worker/{socket.gethostname()}/{os.getpid()}",
            observer=ScoringMetrics(process.metrics),
        )
        runner = Runner(
            consumers(settings, GROUP, topics.segments),
            producer,
            processor,
            settings.bus,
            topics.dead_letters,
            process.observer("worker"),
        )
        process.run(worker=runner.run)


if __name__ == "__main__":
    main()
