import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from bus_scene import GROUP, TOPIC, Listening, bus_with, read, send, until

from pipeline.errors import Unavailable, UsageError
from pipeline.stream import LocalBus, Partition, Publication, local


def polled(consumer, count, seconds=10.0):
    """Poll until so many messages have come."""
    messages = []
    end = time.monotonic() + seconds
    while len(messages) < count and time.monotonic() < end:
        messages += consumer.poll(0.05, count - len(messages))
    return messages


def settled(*consumers):
    """Poll all of a group until every partition has an owner, and return who has what."""
    for _ in range(6):
        for consumer in consumers:
            consumer.poll(0.0, 0)
    return [{partition.number for partition in consumer.assignment()} for consumer in consumers]


def test_a_message_arrives_as_it_was_sent():
    bus = bus_with()
    bus.producer().send(
        Publication(TOPIC, "channel", b"\x00\xff", (("ce_id", b"\xfe1"), ("ce_id", b""))), lambda _: None
    )
    (message,) = read(bus, TOPIC)
    assert (message.key, message.value, message.headers) == (
        "channel",
        b"\x00\xff",
        (("ce_id", b"\xfe1"), ("ce_id", b"")),
    )
    assert abs(message.timestamp_ms / 1000 - time.time()) < 60


def test_messages_of_one_key_keep_their_order_on_one_partition():
    bus = bus_with(partitions=4)
    for number in range(100):
        bus.producer().send(Publication(TOPIC, f"stream-{number % 7}", str(number).encode()), lambda _: None)
    for key in range(7):
        mine = [message for message in read(bus, TOPIC, f"reader-{key}") if message.key == f"stream-{key}"]
        assert [int(message.value) for message in mine] == list(range(key, 100, 7))
        assert len({message.partition for message in mine}) == 1


def test_messages_without_a_key_go_to_all_partitions():
    bus = bus_with(partitions=4)
    for _ in range(8):
        bus.producer().send(Publication(TOPIC, None, b""), lambda _: None)
    assert len({message.partition for message in read(bus, TOPIC)}) == 4


def test_a_poll_wakes_when_a_message_arrives():
    bus = bus_with()
    consumer = bus.consumer(GROUP, [TOPIC], Listening())
    consumer.poll(0.0, 1)
    threading.Timer(0.1, send, (bus, ["late"])).start()
    started = time.monotonic()
    assert [message.value for message in consumer.poll(30.0, 10)] == [b"late"]
    assert time.monotonic() - started < 10


def test_no_poll_returns_more_than_was_asked_for():
    consumer = bus_with(map(str, range(20)), partitions=4).consumer(GROUP, [TOPIC], Listening())
    assert len(consumer.poll(1.0, 7)) == 7


def test_a_full_partition_does_not_hide_the_others():
    bus = bus_with(partitions=2)
    keys = {}
    for number in range(20):
        bus.producer().send(Publication(TOPIC, f"key-{number}", b""), lambda _: None)
    for message in read(bus, TOPIC):
        keys.setdefault(message.partition.number, message.key)
    for _ in range(100):
        bus.producer().send(Publication(TOPIC, keys[0], b""), lambda _: None)
    consumer = bus.consumer(GROUP, [TOPIC], Listening())
    first = [consumer.poll(1.0, 5) for _ in range(2)]
    assert {message.partition.number for messages in first for message in messages} == {0, 1}


def test_members_of_a_group_share_the_partitions():
    bus = bus_with(partitions=4)
    members = [bus.consumer(GROUP, [TOPIC], Listening()) for _ in range(3)]
    shares = settled(*members)
    assert sorted(map(len, shares)) == [1, 1, 2]
    assert set().union(*shares) == {0, 1, 2, 3}


def test_a_member_that_joins_takes_only_what_it_is_due():
    bus = bus_with(partitions=4)
    listener = Listening()
    first = bus.consumer(GROUP, [TOPIC], listener)
    settled(first)
    second = bus.consumer(GROUP, [TOPIC], Listening())
    kept, given = settled(first, second)
    assert (len(kept), len(given)) == (2, 2)
    assert listener.events[0] == ("assigned", frozenset({0, 1, 2, 3}))
    assert ("revoked", frozenset(given)) in listener.events


def test_a_partition_has_one_owner_until_revoking_has_returned():
    bus = bus_with(["a", "b"])
    seen = []

    class Committing(Listening):
        def revoked(self, partitions):
            super().revoked(partitions)
            newcomer.poll(0.0, 0)
            seen.append(newcomer.assignment())
            first.commit({Partition(TOPIC, 0): 1})

    first = bus.consumer(GROUP, [TOPIC], Committing())
    assert polled(first, 2)
    newcomer = bus.consumer(GROUP, [TOPIC], Listening())
    first.close()
    assert seen == [frozenset()]
    assert [message.value for message in polled(newcomer, 1)] == [b"b"]


def test_groups_do_not_know_of_each_other():
    bus = bus_with(["a"])
    assert [len(polled(bus.consumer(group, [TOPIC], Listening()), 1)) for group in ("one", "two")] == [1, 1]


def test_what_was_not_committed_comes_again():
    bus = bus_with(["a", "b", "c"])
    consumer = bus.consumer(GROUP, [TOPIC], Listening())
    polled(consumer, 3)
    consumer.commit({Partition(TOPIC, 0): 1})
    consumer.close()
    again = polled(bus.consumer(GROUP, [TOPIC], Listening()), 2)
    assert [message.value for message in again] == [b"b", b"c"]


def test_of_a_partition_that_is_not_ours_nothing_is_committed(monkeypatch):
    moments = [0.0]
    monkeypatch.setattr(local, "time", SimpleNamespace(monotonic=lambda: moments[-1]))
    bus = bus_with(["a"], session_seconds=10.0)
    listener = Listening()
    silent = bus.consumer(GROUP, [TOPIC], listener)
    assert len(silent.poll(0.0, 1)) == 1
    heir = bus.consumer(GROUP, [TOPIC], Listening())
    moments.append(11.0)
    assert [message.value for message in heir.poll(0.0, 1)] == [b"a"]
    silent.commit({Partition(TOPIC, 0): 1})
    assert bus.committed(GROUP, TOPIC) == {Partition(TOPIC, 0): 0}
    silent.poll(0.0, 1)
    assert listener.events == [("assigned", {0}), ("lost", {0}), ("assigned", frozenset())]


def test_a_member_commits_nothing_for_another():
    bus = bus_with(["a", "b"], partitions=2)
    members = [bus.consumer(GROUP, [TOPIC], Listening()) for _ in range(2)]
    mine, others = settled(*members)
    members[0].commit({Partition(TOPIC, number): 1 for number in mine | others})
    assert {partition.number for partition, offset in bus.committed(GROUP, TOPIC).items() if offset} == mine


def test_paused_partitions_give_nothing_and_lose_nothing():
    bus = bus_with(map(str, range(8)), partitions=2)
    consumer = bus.consumer(GROUP, [TOPIC], Listening())
    consumer.poll(0.0, 0)
    consumer.pause([Partition(TOPIC, 0)])
    assert {message.partition.number for message in consumer.poll(0.05, 100)} == {1}
    assert consumer.poll(0.05, 100) == []
    assert consumer.lag()[Partition(TOPIC, 0)] > 0
    consumer.resume([Partition(TOPIC, 0)])
    assert {message.partition.number for message in consumer.poll(1.0, 100)} == {0}


def test_a_rebalance_forgets_pauses():
    bus = bus_with(partitions=2)
    consumer = bus.consumer(GROUP, [TOPIC], Listening())
    consumer.poll(0.0, 0)
    consumer.pause(consumer.assignment())
    other = bus.consumer(GROUP, [TOPIC], Listening())
    settled(consumer, other)
    other.close()
    send(bus, map(str, range(10)))
    assert len(polled(consumer, 10)) == 10


def test_lag_counts_what_was_not_returned_yet():
    bus = bus_with(["a", "b", "c"])
    consumer = bus.consumer(GROUP, [TOPIC], Listening())
    consumer.poll(1.0, 1)
    assert consumer.lag() == {Partition(TOPIC, 0): 2}


def test_unread_counts_what_was_not_committed():
    bus = bus_with(["a", "b", "c"])
    consumer = bus.consumer(GROUP, [TOPIC], Listening())
    polled(consumer, 3)
    assert bus.unread(GROUP, TOPIC) == 3
    consumer.commit({Partition(TOPIC, 0): 3})
    assert bus.unread(GROUP, TOPIC) == 0


def test_a_topic_that_is_not_there_is_named():
    bus = bus_with()
    with pytest.raises(UsageError, match="there is no topic 'nowhere'"):
        bus.consumer(GROUP, ["nowhere"], Listening())
    errors = []
    bus.producer().send(Publication("nowhere", None, b""), errors.append)
    assert isinstance(errors[0], UsageError)


def test_what_all_groups_have_committed_is_dropped():
    bus = bus_with(map(str, range(50)))
    consumers = [bus.consumer(group, [TOPIC], Listening()) for group in (GROUP, "slow")]
    for consumer in consumers:
        polled(consumer, 50)
    consumers[0].commit({Partition(TOPIC, 0): 50})
    assert len(read(bus, TOPIC, "late")) == 50
    consumers[1].commit({Partition(TOPIC, 0): 40})
    # `late` read without a commit and holds back the rest
    late = bus.consumer("late", [TOPIC], Listening())
    polled(late, 50)
    late.commit({Partition(TOPIC, 0): 45})
    assert [message.offset for message in read(bus, TOPIC, "last")] == list(range(40, 50))


def test_of_a_topic_that_nobody_reads_the_newest_are_kept():
    bus = LocalBus(partitions=1, partition_bytes=10_000)
    bus.create(["skipped"])
    send(bus, [b"x" * 100] * 1000, "skipped")
    offsets = [message.offset for message in read(bus, "skipped")]
    assert offsets == list(range(offsets[0], 1000))
    assert 80 <= len(offsets) <= 100


def test_a_sender_waits_while_a_partition_is_full():
    bus = LocalBus(partitions=1, partition_bytes=1000)
    bus.create([TOPIC])
    consumer = bus.consumer(GROUP, [TOPIC], Listening())
    sender = threading.Thread(target=send, args=(bus, [b"x" * 100] * 11))
    sender.start()
    until(lambda: bus.unread(GROUP, TOPIC) == 10)
    sender.join(0.2)
    assert sender.is_alive()
    polled(consumer, 10)
    consumer.commit({Partition(TOPIC, 0): 10})
    sender.join(10)
    assert bus.unread(GROUP, TOPIC) == 1


def test_a_partition_that_stays_full_is_unavailable():
    bus = LocalBus(partitions=1, partition_bytes=1000, full_seconds=0.05)
    bus.create([TOPIC])
    bus.consumer(GROUP, [TOPIC], Listening())
    send(bus, [b"x" * 1000])
    errors = []
    bus.producer().send(Publication(TOPIC, None, b"one more"), errors.append)
    assert isinstance(errors[0], Unavailable)
    assert "segments/0 is full" in str(errors[0])


def test_messages_that_are_too_old_are_dropped_and_the_unread_ones_counted(tmp_path, caplog):
    bus = LocalBus(tmp_path / "bus.db", partitions=1)
    bus.create([TOPIC])
    bus.consumer(GROUP, [TOPIC], Listening()).close()
    send(bus, ["a", "b", "c"])
    bus.close()
    time.sleep(0.05)
    with caplog.at_level("WARNING"):
        bus = LocalBus(tmp_path / "bus.db", partitions=1, retention_seconds=0.01)
    assert [message.value for message in read(bus, TOPIC, GROUP)] == [b"c"]
    assert "Dropped 2 messages of segments/0" in caplog.text


def test_a_file_belongs_to_one_process(tmp_path):
    bus = LocalBus(tmp_path / "bus.db")
    bus.create([TOPIC])
    with pytest.raises(UsageError, match=r"cannot be kept in .*bus\.db"):
        LocalBus(tmp_path / "bus.db")
    bus.close()
    LocalBus(tmp_path / "bus.db").close()


def test_a_file_of_another_kind_is_left_alone(tmp_path):
    path = tmp_path / "bus.db"
    path.write_text("this is a diary, " * 100)
    with pytest.raises(UsageError, match="not a database"):
        LocalBus(path)
    assert path.read_text().startswith("this is a diary")


def test_a_process_that_was_killed_goes_on_where_it_stopped(tmp_path):
    script = """
import sys
from pathlib import Path
from bus_scene import GROUP, TOPIC, Listening, send
from pipeline.stream import LocalBus, Partition
bus = LocalBus(Path(sys.argv[1]), partitions=1)
bus.create([TOPIC])
consumer = bus.consumer(GROUP, [TOPIC], Listening())
send(bus, map(str, range(10)))
assert len(consumer.poll(5.0, 10)) == 10
consumer.commit({Partition(TOPIC, 0): 4})
print("ready", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "bus.db")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
    bus = LocalBus(tmp_path / "bus.db", partitions=9)
    send(bus, ["10"])
    messages = polled(bus.consumer(GROUP, [TOPIC], Listening()), 7)
    assert [(message.offset, message.value) for message in messages] == [(n, str(n).encode()) for n in range(4, 11)]
    bus.close()
