"""What holds on Kafka alone: brokers that restart, static members, spans of time, topics that are not as planned."""

import gc
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from bus_factory import (
    PATIENCE_SECONDS,
    KafkaBus,
    Reader,
    Scene,
    fresh_name,
    numbered,
    poll_until,
    scene_on,
    share,
    share_evenly,
)
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import MemberToRemove
from services.kafka import READY_SECONDS, Broker

from pipeline.errors import LimitExceeded, Unavailable, UsageError
from pipeline.settings import KafkaSettings
from pipeline.stream.kafka import KafkaBusProducer, check, create, describe, message_counts, read_range
from pipeline.stream.kafka.connection import connected
from pipeline.stream.kafka.span import partitions_of
from pipeline.stream.protocol import Message, Publication
from pipeline.stream.topics import TopicPlan, Topics, plans

# kafka-python leaves sockets that could not connect to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
PLAN = TopicPlan("", partitions=4, retention_seconds=3600)


@pytest.fixture(autouse=True)
def no_sockets_are_left_for_other_tests() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def settings(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """Nobody is put out though the machine stands still for a while, and rebalances are heard of soon."""
    monkeypatch.setattr("pipeline.stream.kafka.consumer._HEARTBEAT_SECONDS", 0.3)
    return KafkaSettings(bootstrap=broker.bootstrap, session_seconds=60)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address that refuses everybody, and that nobody else is given meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def scene(settings: KafkaSettings) -> Iterator[Scene]:
    with scene_on(KafkaBus(settings)) as made:
        yield made


def outcome_of(producer: KafkaBusProducer, publication: Publication) -> Exception | None:
    outcomes: list[Exception | None] = []
    producer.send(publication, outcomes.append)
    producer.flush(PATIENCE_SECONDS)
    (outcome,) = outcomes
    return outcome


def put_out(settings: KafkaSettings, group: str) -> None:
    """Take all members out of a group, as the broker does with those that it does not hear of."""
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap)
    members = admin.describe_groups([group])[group]["members"]
    admin.remove_group_members(group, [MemberToRemove(member_id=member["member_id"]) for member in members])
    admin.close()


def patient_poll(reader: Reader) -> bool:
    """Poll as a process does that waits for the bus; returns whether the bus was away."""
    try:
        reader.poll(0.2)
    except Unavailable:
        return True
    return False


def test_reader_and_publisher_go_on_by_themselves_when_the_broker_comes_back() -> None:
    with Broker() as broker:
        # What is sent is kept for longer than a broker may take to come back.
        settings = KafkaSettings(bootstrap=broker.bootstrap, session_seconds=60, request_seconds=READY_SECONDS)
        with scene_on(KafkaBus(settings)) as scene:
            reader = scene.reader()
            share_evenly(reader)
            outcomes: list[Exception | None] = []
            for key, value in numbered(300):
                scene.producer.send(Publication(scene.topic, key, value), outcomes.append)
            poll_until(lambda: len(reader.read) >= 300, reader)

            broker.kill()
            for key, value in numbered(600)[300:]:
                scene.producer.send(Publication(scene.topic, key, value), outcomes.append)
            until = time.monotonic() + PATIENCE_SECONDS
            while not patient_poll(reader):
                assert time.monotonic() < until, "nobody said that the broker is away"
            back = threading.Thread(target=broker.start)
            back.start()
            until = time.monotonic() + READY_SECONDS + PATIENCE_SECONDS
            while len({message.value for message in reader.read}) < 600:
                assert time.monotonic() < until, len(reader.read)
                patient_poll(reader)
            back.join()
            scene.producer.flush(PATIENCE_SECONDS)
            reader.commit()

            assert outcomes == [None] * 600
            assert {int(message.value) for message in reader.read} == set(range(600))
            assert sum(reader.consumer.lag().values()) == 0


def test_a_span_waits_for_a_cluster_that_has_no_broker_for_a_moment() -> None:
    with Broker(heartbeat_seconds=5) as broker:
        settings = KafkaSettings(bootstrap=broker.bootstrap)
        client, _ = connected(KafkaConsumer, settings)
        try:
            until = time.monotonic() + 6
            while time.monotonic() < until:
                with pytest.raises(UsageError, match="rungwatch topics create"):
                    partitions_of(client, settings, "no-such-topic")
        finally:
            client.close()


def test_a_broker_that_is_away_is_said_and_waited_for(nowhere: str) -> None:
    settings = KafkaSettings(bootstrap=nowhere, request_seconds=1)
    reader = Reader(KafkaBus(settings), "group", "topic")
    producer = KafkaBusProducer(settings)
    try:
        with pytest.raises(Unavailable, match=f"{re.escape(nowhere)} is away"):
            poll_until(lambda: False, reader)
        failed = outcome_of(producer, Publication("topic", "key", b"value"))
        assert isinstance(failed, Unavailable)
        with pytest.raises(Unavailable, match="RUNGWATCH_KAFKA_BOOTSTRAP"):
            check(settings, [PLAN])
    finally:
        reader.close()
        producer.close()


def test_flush_says_when_time_is_over(nowhere: str) -> None:
    producer = KafkaBusProducer(KafkaSettings(bootstrap=nowhere))
    outcomes: list[Exception | None] = []
    producer.send(Publication("topic", "key", b"value"), outcomes.append)

    with pytest.raises(Unavailable, match="1 messages are not stored"):
        producer.flush(0.2)
    producer.close()

    (failed,) = outcomes
    assert isinstance(failed, Unavailable)


def test_a_topic_that_is_not_there_is_an_error_that_says_how_to_make_it(settings: KafkaSettings) -> None:
    topic = fresh_name()
    reader = Reader(KafkaBus(settings), fresh_name(), topic)
    producer = KafkaBusProducer(settings)
    try:
        with pytest.raises(UsageError, match=f"{topic}.*rungwatch topics create"):
            poll_until(lambda: False, reader)
        failed = outcome_of(producer, Publication(topic, "key", b"value"))
        assert isinstance(failed, UsageError)
        assert "rungwatch topics create" in str(failed)
        with pytest.raises(UsageError, match="rungwatch topics create"):
            list(read_range(settings, topic))
    finally:
        reader.close()
        producer.close()


def test_a_message_that_is_too_big_is_rejected_and_others_pass(settings: KafkaSettings) -> None:
    topic = fresh_name()
    create(settings, [replace(PLAN, name=topic, message_bytes=10_000)])
    producer = KafkaBusProducer(settings)
    try:
        too_big = outcome_of(producer, Publication(topic, "key", b"x" * 20_000))
        far_too_big = outcome_of(producer, Publication(topic, "key", b"x" * 5_000_000))
        fits = outcome_of(producer, Publication(topic, "key", b"x" * 5_000))
    finally:
        producer.close()

    assert isinstance(too_big, LimitExceeded)
    assert isinstance(far_too_big, LimitExceeded)
    assert fits is None


def test_messages_beside_one_that_is_too_big_are_stored(settings: KafkaSettings) -> None:
    topic = fresh_name()
    create(settings, [replace(PLAN, name=topic, message_bytes=10_000)])
    producer = KafkaBusProducer(settings)
    outcomes: dict[int, list[Exception | None]] = {number: [] for number in range(40)}
    for number, outcome in outcomes.items():
        value = b"x" * 20_000 if number in (7, 20) else str(number).encode()
        producer.send(Publication(topic, f"stream-{number % 3}", value), outcome.append)
    producer.flush(PATIENCE_SECONDS)
    producer.close()

    stored = [int(message.value) for message in read_range(settings, topic)]

    assert all(len(outcome) == 1 for outcome in outcomes.values())
    assert {number for number, (outcome,) in outcomes.items() if outcome is not None} == {7, 20}
    assert set(stored) == set(range(40)) - {7, 20}


def test_a_static_member_comes_back_to_its_partitions_and_nobody_else_notices(
    settings: KafkaSettings, scene: Scene
) -> None:
    def member(name: str) -> Reader:
        static = settings.model_copy(update={"instance_id": f"{scene.group}-{name}"})
        return Reader(KafkaBus(static), scene.group, scene.topic)

    first, second = member("first"), member("second")
    share_evenly(first, second)
    had, told = share(first), list(second.listener.told)
    first.close()
    silent_until = time.monotonic() + 1.0
    while time.monotonic() < silent_until:
        second.poll()
    again = member("first")
    poll_until(lambda: len(share(again)) == 2, again, second)
    again.close()
    second_told = list(second.listener.told)
    second.close()

    assert [partitions for verb, partitions in again.listener.told if verb == "assigned"] == [had]
    assert second_told == told


def test_a_member_whose_instance_was_taken_over_is_told_so(settings: KafkaSettings, scene: Scene) -> None:
    static = settings.model_copy(update={"instance_id": scene.group})
    scene.publish(("one", b"1"))
    first = Reader(KafkaBus(static), scene.group, scene.topic)
    poll_until(lambda: len(first.read) == 1, first)
    second = Reader(KafkaBus(static), scene.group, scene.topic)
    poll_until(lambda: bool(share(second)), second)
    try:
        with pytest.raises(UsageError, match="RUNGWATCH_KAFKA_INSTANCE_ID"):
            first.commit()
    finally:
        first.close()
        second.close()


def test_a_member_that_was_put_out_loses_its_partitions_and_comes_back(settings: KafkaSettings, scene: Scene) -> None:
    reader = scene.reader()
    share_evenly(reader)
    scene.publish(*numbered(20))
    poll_until(lambda: len(reader.read) == 20, reader)

    put_out(settings, scene.group)
    reader.commit()
    poll_until(lambda: reader.listener.verbs() == ["assigned", "lost", "assigned"], reader)
    poll_until(lambda: len(reader.read) == 40, reader)

    assert sorted(reader.values()[:20]) == sorted(reader.values()[20:])


def test_a_span_of_time_is_read_whole_and_nothing_beside_it(settings: KafkaSettings, scene: Scene) -> None:
    moments = []
    for batch in range(3):
        moments.append(datetime.now(UTC))
        scene.publish(*[(f"stream-{n}", f"{batch}/{n}".encode()) for n in range(40)])
        time.sleep(0.05)

    def batches(messages: Iterator[Message]) -> list[str]:
        return sorted(message.value.decode() for message in messages)

    assert batches(read_range(settings, scene.topic, moments[1], moments[2])) == sorted(f"1/{n}" for n in range(40))
    assert batches(read_range(settings, scene.topic, until=moments[1])) == sorted(f"0/{n}" for n in range(40))
    assert len(batches(read_range(settings, scene.topic, since=moments[1]))) == 80
    assert len(batches(read_range(settings, scene.topic))) == 120
    assert batches(read_range(settings, scene.topic, since=datetime.now(UTC))) == []


def test_reading_a_span_leaves_the_groups_alone(settings: KafkaSettings, scene: Scene) -> None:
    scene.publish(*numbered(30))
    span = read_range(settings, scene.topic)
    next(span)
    span.close()
    reader = scene.reader()

    poll_until(lambda: len(reader.read) >= 30, reader)

    assert len(reader.read) == 30


def test_topics_are_made_as_planned_and_once(settings: KafkaSettings) -> None:
    wanted = plans(f"{fresh_name()}.", partitions=6)

    before = check(settings, wanted)
    made = create(settings, wanted)
    after = check(settings, wanted)
    again = create(settings, wanted)
    states = describe(settings, [plan.name for plan in wanted])

    assert len(before) == len(made) == len(wanted)
    assert all("is missing" in words for words in before)
    assert after == again == []
    assert states[wanted[0].name].partitions == 6
    assert states[wanted[0].name].retention_seconds == wanted[0].retention_seconds
    assert set(states[wanted[-1].name].cleanup.split(",")) == {"compact", "delete"}
    assert message_counts(settings, [wanted[0].name]) == {wanted[0].name: 0}


def test_every_difference_from_the_plan_is_said_with_what_mends_it(settings: KafkaSettings) -> None:
    there = replace(PLAN, name=fresh_name(), message_bytes=100_000)
    create(settings, [there])
    wanted = replace(there, partitions=8, retention_seconds=7200, cleanup="compact", message_bytes=200_000)

    differences = check(settings, [wanted])

    assert len(differences) == 4
    for words in ("--partitions 8", "retention.ms=7200000", "cleanup.policy=[compact]", "max.message.bytes=200000"):
        assert any(words in difference for difference in differences), differences


def test_more_copies_than_brokers_are_refused_with_what_to_do(settings: KafkaSettings) -> None:
    many = settings.model_copy(update={"replication": 3})

    with pytest.raises(UsageError, match="RUNGWATCH_KAFKA_REPLICATION=3"):
        create(many, [replace(PLAN, name=fresh_name())])


def test_topics_have_the_prefix_of_the_installation() -> None:
    topics = Topics("tv.")

    assert (topics.segments, topics.dead_letters, topics.group("scorers")) == (
        "tv.segments",
        "tv.dead-letters",
        "tv.scorers",
    )
