"""Makes the topics of an installation, and says how those that are there differ from the plan."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import kafka.errors as theirs
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from pipeline.errors import Unavailable, UsageError
from pipeline.settings import KafkaSettings
from pipeline.stream.kafka.connection import connected, partition_numbers
from pipeline.stream.kafka.errors import in_our_words
from pipeline.stream.topics import DAY_SECONDS, TopicPlan

_RETENTION, _CLEANUP, _BYTES = "retention.ms", "cleanup.policy", "max.message.bytes"
_LEAST_IN_SYNC = "min.insync.replicas"


@dataclass(frozen=True)
class TopicState:
    """One topic as it is."""

    name: str
    partitions: int
    replication: int
    """Of the partition with the fewest replicas."""
    least_in_sync: int
    """So many replicas must have a message before it counts as stored."""
    retention_seconds: int | None
    """None: for ever."""
    cleanup: str
    message_bytes: int


def create(settings: KafkaSettings, plans: Sequence[TopicPlan]) -> list[str]:
    """Make the topics that are missing, leave the others as they are, and return the names of those made.

    Raises:
        UsageError: The cluster refuses, for example so many replicas.
        Unavailable: It is away.
    """
    with _admin(settings, "making topics") as client:
        there = set(client.list_topics())
        missing = {plan.name: plan for plan in plans if plan.name not in there}
        if not missing:
            return []
        wanted = {
            name: {
                "num_partitions": plan.partitions,
                "replication_factor": settings.replication,
                "configs": {
                    _RETENTION: str(plan.retention_seconds * 1000),
                    _CLEANUP: plan.cleanup,
                    _BYTES: str(plan.message_bytes),
                },
            }
            for name, plan in missing.items()
        }
        reply = client.create_topics(wanted, raise_errors=False)
        for topic in reply["topics"]:
            _check_made(settings, topic)
        client.wait_for_topics(list(missing), timeout_ms=30_000)
        return list(missing)


def describe(settings: KafkaSettings, names: Sequence[str]) -> dict[str, TopicState]:
    """Return those of the topics that are there. Raises as `create` does."""
    with _admin(settings, "looking at topics") as client:
        there = set(client.list_topics()) & set(names)
        if not there:
            return {}
        found = {topic["name"]: topic for topic in client.describe_topics(sorted(there))}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(there)]
        configs = client.describe_configs(resources, config_filter="all")["topic"]
        return {name: _state(name, topic, configs[name]) for name, topic in found.items()}


def check(settings: KafkaSettings, plans: Sequence[TopicPlan]) -> list[str]:
    """Return in words what differs from the plan, with what to do; empty: nothing. Raises as `create` does."""
    states = describe(settings, [plan.name for plan in plans])
    return [words for plan in plans for words in _differences(plan, states.get(plan.name), settings)]


def message_counts(settings: KafkaSettings, names: Sequence[str]) -> dict[str, int]:
    """Return how many messages the topics keep (of compacted ones, at most so many). Raises as `create` does."""
    client, _ = connected(KafkaConsumer, settings, group_id=None, enable_auto_commit=False, metrics_enabled=False)
    try:
        partitions = [
            TopicPartition(name, number)
            for name in names
            for number in sorted(partition_numbers(client, settings, name))
        ]
        first, last = client.beginning_offsets(partitions), client.end_offsets(partitions)
        counts = dict.fromkeys(names, 0)
        for key in partitions:
            counts[key.topic] += last[key] - first[key]
        return counts
    except theirs.KafkaError as error:
        raise in_our_words(error, settings, "counting messages") from error
    finally:
        client.close(autocommit=False)


def _differences(plan: TopicPlan, state: TopicState | None, settings: KafkaSettings) -> Iterator[str]:
    name = plan.name
    if state is None:
        yield f"{name} is missing: make it with `rungwatch topics create`."
        return
    alter = f"kafka-configs --alter --topic {name} --add-config"
    if state.partitions < plan.partitions:
        yield (
            f"{name} has {state.partitions} partitions, {plan.partitions} are planned: no more than {state.partitions} "
            "workers can share it. Streams move when some are added, so wait until all is read, then: "
            f"kafka-topics --alter --topic {name} --partitions {plan.partitions}"
        )
    if state.retention_seconds != plan.retention_seconds:
        yield (
            f"{name} keeps messages {_days(state.retention_seconds)}, {_days(plan.retention_seconds)} are planned: "
            f"{alter} {_RETENTION}={plan.retention_seconds * 1000}"
        )
    if set(state.cleanup.split(",")) != set(plan.cleanup.split(",")):
        yield (
            f"{name} is cleaned up by {state.cleanup}, {plan.cleanup} is planned: {alter} {_CLEANUP}=[{plan.cleanup}]"
        )
    if state.message_bytes < plan.message_bytes:
        yield (
            f"{name} takes messages of {state.message_bytes} bytes, {plan.message_bytes} are planned: "
            f"{alter} {_BYTES}={plan.message_bytes}"
        )
    if state.replication < state.least_in_sync:
        yield (
            f"{name} has {state.replication} replicas and wants {state.least_in_sync} in sync: nothing can be "
            f"published to it. Add replicas, or {alter} {_LEAST_IN_SYNC}={state.replication}"
        )
    if 0 < state.replication < settings.replication:
        yield f"{name} has {state.replication} replicas, {settings.replication} are planned: add them by reassignment."


def _days(seconds: int | None) -> str:
    return "for ever" if seconds is None else f"{seconds / DAY_SECONDS:g} days"


def _state(name: str, topic: dict[str, Any], configs: dict[str, dict[str, Any]]) -> TopicState:
    retention_ms = int(configs[_RETENTION]["value"])
    partitions = topic["partitions"]
    return TopicState(
        name=name,
        partitions=len(partitions),
        replication=min((len(each["replica_nodes"]) for each in partitions), default=0),
        least_in_sync=int(configs[_LEAST_IN_SYNC]["value"]),
        retention_seconds=None if retention_ms < 0 else retention_ms // 1000,
        cleanup=str(configs[_CLEANUP]["value"]),
        message_bytes=int(configs[_BYTES]["value"]),
    )


def _check_made(settings: KafkaSettings, topic: dict[str, Any]) -> None:
    error = theirs.for_code(topic["error_code"])
    name, said = topic["name"], topic.get("error_message") or error.__name__
    if error in (theirs.NoError, theirs.TopicAlreadyExistsError):  # somebody else made it at the same time
        return
    if error is theirs.InvalidReplicationFactorError:
        raise UsageError(
            f"{name} cannot be made with RUNGWATCH_KAFKA_REPLICATION={settings.replication}: {said}. Use as many as "
            "there are brokers, or -1 for the cluster's default."
        )
    if error.retriable:
        raise Unavailable(f"{name} cannot be made now: {said}")
    if issubclass(error, theirs.AuthorizationError):
        raise in_our_words(error(), settings, f"making {name}")
    raise UsageError(f"{name} cannot be made: {said}")


@contextlib.contextmanager
def _admin(settings: KafkaSettings, doing: str) -> Iterator[Any]:
    client, _ = connected(KafkaAdminClient, settings)
    try:
        yield client
    except theirs.KafkaError as error:
        raise in_our_words(error, settings, doing) from error
    finally:
        client.close()
