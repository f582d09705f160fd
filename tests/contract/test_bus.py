"""What every bus promises: one suite, on Kafka and on the bus inside the process."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from bus_factory import (
    PARTITIONS,
    PATIENCE_SECONDS,
    KafkaBus,
    Listener,
    Reader,
    Scene,
    ends,
    local_bus,
    numbered,
    poll_until,
    scene_on,
    share,
    share_evenly,
)

from pipeline.settings import KafkaSettings
from pipeline.stream.protocol import Partition, Publication


@pytest.fixture(params=["local", "kafka"])
def scene(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    if request.param == "local":
        bus = local_bus()
    else:
        broker = request.getfixturevalue("broker")
        # Nobody is put out though the machine stands still for a while, and rebalances are heard of soon.
        monkeypatch.setattr("pipeline.stream.kafka.consumer._HEARTBEAT_SECONDS", 0.3)
        bus = KafkaBus(KafkaSettings(bootstrap=broker.bootstrap, session_seconds=60))
    with scene_on(bus) as made:
        yield made


def read_all(reader: Reader, count: int) -> None:
    poll_until(lambda: len(reader.read) >= count, reader)


def read_exactly(reader: Reader, count: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while len(reader.read) < count:
        assert time.monotonic() < until
        reader.poll(0.2, most=count - len(reader.read))


def test_a_message_comes_as_it_was_published(scene: Scene) -> None:
    headers = (("ce_type", b"SegmentReady"), ("ce_id", b"\xff\x00"), ("ce_id", b"second"))
    outcomes: list[Exception | None] = []
    scene.producer.send(Publication(scene.topic, None, b"", headers), outcomes.append)
    scene.producer.flush(PATIENCE_SECONDS)
    reader = scene.reader()

    read_all(reader, 1)

    (message,) = reader.read
    assert outcomes == [None]
    assert (message.key, message.value, message.headers) == (None, b"", headers)
    assert message.header("ce_id") == b"second"
    assert (message.partition.topic, message.offset) == (scene.topic, 0)
    assert message.timestamp_ms > 1_500_000_000_000


def test_a_key_of_any_script_comes_back(scene: Scene) -> None:
    scene.publish(("Kanal/①/Ü", b"v"))
    reader = scene.reader()

    read_all(reader, 1)

    assert reader.read[0].key == "Kanal/①/Ü"


def test_a_message_of_900_kb_passes(scene: Scene) -> None:
    value = bytes(range(256)) * 3516
    scene.publish(("big", value))
    reader = scene.reader()

    read_all(reader, 1)

    assert reader.values() == [value]


def test_messages_of_a_key_keep_their_order_on_one_partition(scene: Scene) -> None:
    scene.publish(*numbered(400))
    reader = scene.reader()

    read_all(reader, 400)

    by_key: dict[str | None, list[int]] = {}
    for message in reader.read:
        by_key.setdefault(message.key, []).append(int(message.value))
    assert len(reader.read) == 400
    assert all(values == sorted(values) for values in by_key.values())
    assert all(len({m.partition for m in reader.read if m.key == key}) == 1 for key in by_key)
    assert len({message.partition for message in reader.read}) > 1


def test_offsets_of_a_partition_count_up_by_one(scene: Scene) -> None:
    scene.publish(*numbered(40))
    reader = scene.reader()

    read_all(reader, 40)

    for partition in {message.partition for message in reader.read}:
        offsets = [message.offset for message in reader.read if message.partition == partition]
        assert offsets == list(range(len(offsets)))


def test_a_poll_returns_no_more_than_was_asked_for(scene: Scene) -> None:
    scene.publish(*numbered(60))
    reader = scene.reader()
    sizes = []

    while len(reader.read) < 60:
        sizes.append(len(reader.poll(1.0, most=7)))

    assert max(sizes) <= 7
    assert sorted(int(value) for value in reader.values()) == list(range(60))


def test_the_next_member_goes_on_where_was_committed(scene: Scene) -> None:
    scene.publish(*numbered(30))
    first = scene.reader()
    read_all(first, 30)
    first.commit()
    first.close()
    scene.publish(("stream-1", b"new"))
    second = scene.reader()

    read_all(second, 1)

    assert second.values() == [b"new"]


def test_what_was_not_committed_comes_again(scene: Scene) -> None:
    scene.publish(*[("one", str(number).encode()) for number in range(10)])
    first = scene.reader()
    read_all(first, 10)
    first.consumer.commit(ends(first.read[:4]))
    first.close()
    second = scene.reader()

    read_all(second, 6)

    assert second.values() == [str(number).encode() for number in range(4, 10)]


def test_groups_do_not_share(scene: Scene) -> None:
    scene.publish(*numbered(12))
    first = scene.reader()
    scene.group += "-other"
    second = scene.reader()

    poll_until(lambda: len(first.read) >= 12 and len(second.read) >= 12, first, second)

    assert sorted(first.values()) == sorted(second.values())


def test_paused_partitions_return_nothing_and_stay_assigned(scene: Scene) -> None:
    reader = scene.reader()
    scene.publish(*numbered(20))
    read_all(reader, 20)
    owned = share(reader)

    reader.consumer.pause(owned)
    scene.publish(*[("one", str(number).encode()) for number in range(20, 40)])
    while_paused = [message for _ in range(8) for message in reader.poll(0.1)]
    still = share(reader)
    reader.consumer.resume(owned)
    read_all(reader, 40)

    assert while_paused == []
    assert owned == still
    assert reader.values()[20:] == [str(number).encode() for number in range(20, 40)]


def test_a_pause_also_holds_for_what_was_fetched_before(scene: Scene) -> None:
    scene.publish(*numbered(200))
    reader = scene.reader()
    read_exactly(reader, 1)
    had = len(reader.read)

    reader.consumer.pause(share(reader))
    reader.poll(0.3)
    paused_at = len(reader.read)
    reader.consumer.resume(share(reader))
    read_all(reader, 200)

    assert paused_at == had
    assert sorted(int(value) for value in reader.values()) == list(range(200))


def test_one_paused_partition_does_not_stop_the_others(scene: Scene) -> None:
    reader = scene.reader()
    share_evenly(reader)
    paused = min(share(reader))
    reader.consumer.pause([paused])
    scene.publish(*numbered(200, keys=64))

    def partitions() -> set[Partition]:
        return {message.partition for message in reader.read}

    poll_until(lambda: partitions() >= share(reader) - {paused}, reader)
    for _ in range(3):
        reader.poll(0.1)

    assert partitions() == share(reader) - {paused}


def test_a_second_member_takes_part_and_a_leaver_gives_back(scene: Scene) -> None:
    first = scene.reader()
    share_evenly(first)
    second = scene.reader()
    share_evenly(first, second)
    shared = share(first), share(second)

    second.close()
    share_evenly(first)

    assert not shared[0] & shared[1]
    assert shared[0] | shared[1] == share(first)
    assert len(share(first)) == PARTITIONS


def test_partitions_that_stay_do_not_pass_through_the_listener(scene: Scene) -> None:
    first = scene.reader()
    share_evenly(first)
    second = scene.reader()
    share_evenly(first, second)

    (all_of_them,) = [partitions for verb, partitions in first.listener.told if verb == "assigned" and partitions]
    (gone,) = [partitions for verb, partitions in first.listener.told if verb == "revoked"]

    assert gone == share(second)
    assert all_of_them - gone == share(first)


def test_the_listener_is_called_in_order_inside_of_poll_and_by_its_thread(scene: Scene) -> None:
    first = scene.reader()
    share_evenly(first)
    second = scene.reader()
    share_evenly(first, second)
    first.close()
    share_evenly(second)

    assert first.listener.verbs() == ["assigned", "revoked", "revoked"]
    assert second.listener.verbs() == ["assigned", "assigned"]
    assert first.listener.outside == second.listener.outside == 0
    assert first.listener.threads | second.listener.threads == {threading.get_ident()}


def test_a_rebalance_that_takes_partitions_ends_with_assigned(scene: Scene) -> None:
    first = scene.reader()
    share_evenly(first)
    second = scene.reader()
    share_evenly(first, second)

    verbs = [verb for verb, _ in first.listener.told]

    assert verbs[verbs.index("revoked") + 1] == "assigned"


def test_a_rebalance_forgets_pauses(scene: Scene) -> None:
    scene.publish(*numbered(200, keys=64))
    first = scene.reader()
    read_exactly(first, 1)
    first.consumer.pause(share(first))
    before = len(first.read)
    second = scene.reader()
    share_evenly(first, second)

    poll_until(lambda: len(first.read) > before, first, second)

    assert len(first.read) > before


def test_the_listener_may_commit_while_partitions_are_revoked(scene: Scene) -> None:
    committing = Listener(lambda: first.commit())  # noqa: PLW0108 - there is no `first` yet
    first = scene.reader(committing)
    scene.publish(*numbered(100, keys=64))
    read_all(first, 100)
    second = scene.reader()
    share_evenly(first, second)
    read_before = list(second.read)
    first.close()
    second.close()
    scene.publish(*[(f"stream-{number}", b"new") for number in range(64)])
    third = scene.reader()

    read_all(third, 64)

    assert read_before == []
    assert set(third.values()) == {b"new"}


def test_nothing_is_stored_for_partitions_of_another(scene: Scene) -> None:
    first, second = scene.reader(), scene.reader()
    share_evenly(first, second)
    scene.publish(*numbered(100, keys=64))
    poll_until(lambda: len(first.read) + len(second.read) >= 100, first, second)

    first.consumer.commit(ends(second.read))
    first.close()
    second.close()
    third = scene.reader()
    read_all(third, 100)

    assert len(third.read) == 100


def test_a_closed_member_stores_nothing(scene: Scene) -> None:
    first = scene.reader()
    scene.publish(("one", b"1"))
    read_all(first, 1)
    first.close()

    first.commit()
    second = scene.reader()
    read_all(second, 1)

    assert second.values() == [b"1"]


def test_lag_counts_what_lies_after_the_messages_returned(scene: Scene) -> None:
    reader = scene.reader()
    scene.publish(*[("one", str(number).encode()) for number in range(10)])
    read_exactly(reader, 3)

    # A partition whose end is not known in time is left out; a poll would read on.
    until = time.monotonic() + PATIENCE_SECONDS
    while set(lag := reader.consumer.lag()) != share(reader):
        assert time.monotonic() < until, lag

    assert lag[reader.read[0].partition] == 7
    assert sum(lag.values()) == 7


def test_lag_grows_while_partitions_are_paused(scene: Scene) -> None:
    reader = scene.reader()
    share_evenly(reader)
    reader.consumer.pause(share(reader))
    scene.publish(*numbered(25))

    poll_until(lambda: sum(reader.consumer.lag().values()) == 25, reader)

    assert reader.read == []


def test_every_message_is_answered_exactly_once(scene: Scene) -> None:
    answers: Counter[int] = Counter()
    failures: list[Exception] = []

    def done(number: int, error: Exception | None) -> None:
        answers[number] += 1
        if error is not None:
            failures.append(error)

    def send(first: int) -> None:
        for number in range(first, first + 250):
            scene.producer.send(
                Publication(scene.topic, f"stream-{number % 9}", b"x"), lambda error, number=number: done(number, error)
            )

    threads = [threading.Thread(target=send, args=(first,)) for first in (0, 250, 500, 750)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scene.producer.flush(PATIENCE_SECONDS)

    assert failures == []
    assert answers == Counter(range(1000))
