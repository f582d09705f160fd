"""No partition is left alone: not by a crash in the middle of a rebalance, and not by the backlog of another one."""

import subprocess
import sys
from pathlib import Path

import pytest
from bus_factory import PARTITIONS, KafkaBus, Reader, fresh_name, numbered, poll_until, scene_on, share
from services.kafka import Broker

from pipeline.settings import KafkaSettings

MEMBER = Path(__file__).parents[1] / "kafka_member.py"


def a_bus(broker: Broker, instance: str | None = None) -> KafkaBus:
    return KafkaBus(KafkaSettings(bootstrap=broker.bootstrap, instance_id=instance))


def test_partitions_of_a_member_that_died_between_two_rounds_and_came_back_are_dealt_out_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.stream.kafka.orphans.FIRST_SECONDS", 1.0)
    topic, group = fresh_name(), fresh_name()
    a_bus(broker).create([topic])
    command = [sys.executable, str(MEMBER), broker.bootstrap, group, topic, "a"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as dying:
        assert dying.stdout is not None
        assert dying.stdout.readline() == b"has all\n"
        other = Reader(a_bus(broker, "b"), group, topic)
        poll_until(lambda: dying.poll() is not None, other)
    again = Reader(a_bus(broker, "a"), group, topic)
    poll_until(lambda: len(share(other) | share(again)) == PARTITIONS, other, again)
    again.close()
    other.close()


def test_a_long_backlog_of_one_partition_keeps_no_other_waiting(broker: Broker) -> None:
    with scene_on(a_bus(broker)) as scene:
        scene.publish(*((key, value.ljust(2000)) for key, value in numbered(2000)))
        reader = scene.reader()
        poll_until(lambda: len(share(reader)) == PARTITIONS, reader)
        reader.read.clear()
        poll_until(lambda: len(reader.read) >= 400, reader)
    assert len({message.partition for message in reader.read[:400]}) == PARTITIONS
