"""A member of a Kafka group in a process of its own, which dies when it is told to let partitions go.

Run: python kafka_member.py BOOTSTRAP GROUP TOPIC INSTANCE
"""

import os
import sys
from collections.abc import Iterable

from bus_factory import PARTITIONS

from pipeline.settings import KafkaSettings
from pipeline.stream.kafka import KafkaBusConsumer
from pipeline.stream.protocol import Partition

STATUS = 9


class Dying:
    def assigned(self, partitions: Iterable[Partition]) -> None: ...

    def revoked(self, partitions: Iterable[Partition]) -> None:
        os._exit(STATUS)

    def lost(self, partitions: Iterable[Partition]) -> None: ...


def main(bootstrap: str, group: str, topic: str, instance: str) -> None:
    settings = KafkaSettings(bootstrap=bootstrap, instance_id=instance)
    consumer = KafkaBusConsumer(settings, group, [topic], Dying())
    while len(consumer.assignment()) < PARTITIONS:
        consumer.poll(0.1, 1)
    print("has all", flush=True)
    while True:
        consumer.poll(0.1, 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
