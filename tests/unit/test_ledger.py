import random

import pytest

from pipeline.stream.ledger import Ledger
from pipeline.stream.protocol import Message, Partition

A, B = Partition("segments", 0), Partition("segments", 1)


def message(offset, partition=A):
    return Message(partition, offset, None, b"")


def ledger_of(*partitions):
    ledger = Ledger()
    ledger.assign(partitions)
    return ledger


def test_only_the_finished_prefix_is_ready():
    ledger = ledger_of(A)
    places = [ledger.start(message(offset)) for offset in range(10, 14)]
    ledger.finish(places[1])
    ledger.finish(places[3])
    assert ledger.ready() == {}
    ledger.finish(places[0])
    assert ledger.ready() == {A: 12}
    ledger.finish(places[2])
    assert ledger.ready() == {A: 14}


def test_nothing_is_ready_twice():
    ledger = ledger_of(A)
    ledger.finish(ledger.start(message(0)))
    ledger.committed({A: 1})
    assert ledger.ready() == {}


def test_partitions_do_not_wait_for_each_other():
    ledger = ledger_of(A, B)
    ledger.start(message(5, A))
    ledger.finish(ledger.start(message(7, B)))
    assert ledger.ready() == {B: 8}


def test_gaps_between_offsets_are_no_hindrance():
    ledger = ledger_of(A)
    places = [ledger.start(message(offset)) for offset in (3, 9, 20)]
    ledger.finish(places[0])
    assert ledger.ready() == {A: 9}
    ledger.finish(places[1])
    ledger.finish(places[2])
    assert ledger.ready() == {A: 21}


def test_an_answer_of_a_lost_assignment_counts_for_nothing():
    ledger = ledger_of(A)
    old = ledger.start(message(0))
    assert ledger.forget([A]) == 1
    assert not ledger.finish(old)
    ledger.assign([A])
    new = ledger.start(message(0))
    assert not ledger.finish(old)
    assert ledger.ready() == {}
    assert ledger.finish(new)
    assert ledger.ready() == {A: 1}


def test_a_partition_that_is_named_again_while_it_is_ours_keeps_its_open_messages():
    ledger = ledger_of(A)
    place = ledger.start(message(0))
    ledger.assign([A])
    ledger.finish(ledger.start(message(1)))
    assert ledger.ready() == {}
    assert ledger.finish(place)
    assert ledger.ready() == {A: 2}


def test_a_message_of_a_partition_that_is_not_ours_is_not_started():
    assert ledger_of(A).start(message(0, B)) is None


def test_a_topic_that_was_made_anew_begins_a_new_assignment():
    ledger = ledger_of(A)
    old = ledger.start(message(100))
    new = ledger.start(message(0))
    assert not ledger.finish(old)
    ledger.finish(new)
    assert ledger.ready() == {A: 1}


def test_finishing_twice_is_a_bug():
    ledger = ledger_of(A)
    place = ledger.start(message(0))
    ledger.finish(place)
    with pytest.raises(ValueError, match="segments/0/0 was finished twice"):
        ledger.finish(place)


def test_messages_at_work_are_counted_per_partition():
    ledger = ledger_of(A, B)
    places = [ledger.start(message(offset)) for offset in range(3)]
    ledger.finish(places[1])
    assert (ledger.at_work(A), ledger.at_work(B)) == (2, 0)


def next_there(offset):
    """Of a topic in which every third offset is missing, as after a transaction."""
    return offset + 1 if offset % 3 == 2 else offset


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_nothing_is_ready_beyond_what_is_unfinished(seed):
    chance = random.Random(seed)
    ledger, stored, finished = Ledger(), {A: 0, B: 0}, {A: set(), B: set()}
    position: dict[Partition, int] = {}
    open_places = []
    for _ in range(1000):
        partition = chance.choice((A, B))
        match chance.choice(("start", "start", "finish", "finish", "commit", "move")):
            case "start" if partition in position:
                place = ledger.start(message(next_there(position[partition]), partition))
                position[partition] = place.offset + 1
                open_places.append(place)
            case "finish" if open_places:
                place = open_places.pop(chance.randrange(len(open_places)))
                if ledger.finish(place):
                    finished[place.partition].add(place.offset)
            case "commit":
                ready = ledger.ready()
                ledger.committed(ready)
                stored |= ready
            case "move" if partition in position and chance.random() < 0.1:
                ledger.forget([partition])
                del position[partition]
            case "move" if partition not in position:
                ledger.assign([partition])
                position[partition] = stored[partition]
        for where, offset in stored.items():
            assert all(
                offset <= place.offset for place in open_places if place.partition == where and ledger.is_ours(place)
            )
            assert finished[where] >= {there for there in range(offset) if there == next_there(there)}
    assert min(stored.values()) > 20
