"""What the live origin has published at a moment: numbers on the wall clock, loops, runs, ads."""

from fractions import Fraction

import pytest

from workers.simulate.encodes import Encodes
from workers.simulate.faults import KINDS, Faults
from workers.simulate.timeline import EPOCH_SECONDS, Stream

SECONDS = Fraction(2)
START = EPOCH_SECONDS + 2001.0
"""The edge is 999 then: it was published a second ago."""


@pytest.fixture
def faults() -> Faults:
    return Faults()


def _stream(faults, at_loop="continue", ahead=0, phase=0) -> Stream:
    encodes = Encodes(Fraction(10), 20, segments=7, ad_segments=3, rungs=())
    return Stream("live", encodes, faults, window=6, phase=Fraction(phase), ahead=ahead, at_loop=at_loop)


def _on(faults, name, since, seconds, rung=None, value=0.0) -> None:
    faults.add({"kind": KINDS[name], "rung": rung, "since_seconds": since, "until_seconds": since + seconds,
                "value": value})  # fmt: skip


def _after(stream, seconds) -> list:
    """Return the last six entries so many seconds after the start."""
    stream.advance(START)
    stream.advance(START + seconds)
    return stream.listed(stream.edge, 6)


def test_a_segment_is_published_when_its_last_picture_is_over(faults) -> None:
    stream = _stream(faults)
    stream.advance(START)
    assert stream.edge == 999 and stream.published_seconds(999) == EPOCH_SECONDS + 2000
    stream.advance(START + 0.99)
    assert stream.edge == 999
    stream.advance(START + 1.0)
    assert stream.edge == 1000


def test_the_window_is_full_from_the_start(faults) -> None:
    assert [entry.number for entry in _after(_stream(faults), 0)] == [994, 995, 996, 997, 998, 999]


def test_another_origin_at_another_moment_publishes_the_same(faults) -> None:
    early, late = _stream(faults), _stream(faults)
    early.advance(START - 4000)
    early.advance(START)
    late.advance(START)
    assert early.listed(999, 6) == late.listed(999, 6)


def test_a_segment_can_be_had_for_three_windows(faults) -> None:
    stream = _stream(faults)
    stream.advance(START)
    assert stream.available(1000) is None
    assert stream.available(999 - 17).number == 982
    assert stream.available(999 - 18) is None


def test_the_loop_is_repeated_in_order(faults) -> None:
    entries = [_after(stream := _stream(faults), step)[-1] for step in range(0, 32, 2)]
    assert stream is not None
    assert [entry.index for entry in entries] == [entry.number % 7 for entry in entries]
    assert all(entry.run.index == 0 for entry in entries)


def test_a_stream_that_is_shifted_publishes_later_and_shows_other_content(faults) -> None:
    stream = _stream(faults, ahead=3, phase=Fraction(1, 2))
    stream.advance(START)
    assert stream.published_seconds(999) == EPOCH_SECONDS + 2000.5
    assert stream.listed(999, 1)[0].index == (999 + 3) % 7


def test_time_stamps_begin_again_with_the_loop_where_that_is_asked_for(faults) -> None:
    entries = _after(_stream(faults, at_loop="discontinuity"), 14)
    assert [(e.number, e.index, e.number - e.run.zero) for e in entries] == [
        (1001, 0, 0), (1002, 1, 1), (1003, 2, 2), (1004, 3, 3), (1005, 4, 4), (1006, 5, 5),
    ]  # fmt: skip
    assert {entry.run.index for entry in entries} == {1001 // 7}


def test_a_fault_is_in_the_segments_that_are_published_meanwhile(faults) -> None:
    _on(faults, "black", START + 1.5, 4.0)  # 1001 comes at +3, 1002 at +5
    stream = _stream(faults)
    taken = [(entry.number, entry.take("96p")) for entry in _after(stream, 8)]
    assert [number for number, take in taken if take == ("black", 0)] == [1001, 1002]


def test_a_fault_of_one_rung_leaves_the_others_alone(faults) -> None:
    _on(faults, "starved", START, 10.0, rung="72p")
    last = _after(_stream(faults), 2)[-1]
    assert last.take("72p") == ("starved", last.index)
    assert last.take("96p") == ("main", last.index)


def test_what_was_not_asked_for_meanwhile_was_published_under_its_faults(faults) -> None:
    _on(faults, "missing_segment", START + 0.5, 2.0, rung="72p")
    entries = _after(_stream(faults), 9)
    assert [entry.number for entry in entries if entry.missing("72p")] == [1000]
    assert not any(entry.missing("96p") for entry in entries)


def test_an_ad_break_is_a_run_of_its_own_and_the_programme_goes_on_after_it(faults) -> None:
    _on(faults, "ad_break", START + 0.5, 6.0)
    stream = _stream(faults)
    entries = [entry for entry in [*_after(stream, 4), *_after(stream, 12)] if entry.number >= 999]
    seen = {e.number: (e.run.take, e.run.index, e.index, e.number - e.run.zero) for e in entries}
    assert [seen[number] for number in (999, 1000, 1001, 1002, 1003)] == [
        ("main", 0, 999 % 7, 999), ("ad", 1, 0, 0), ("ad", 1, 1, 1), ("ad", 1, 2, 2), ("main", 2, 1003 % 7, 1003),
    ]  # fmt: skip
    by_number = {entry.number: entry for entry in entries}
    assert by_number[1000].run.planned_segments == 3
    assert by_number[1003].after == by_number[1002].run and by_number[1004].after is None


def test_an_ad_break_that_is_cut_short_ends_before_its_plan(faults) -> None:
    _on(faults, "ad_break", START + 0.5, 10.0)
    stream = _stream(faults)
    stream.advance(START + 2)
    faults.clear("ad_break", START + 2)
    entries = _after(stream, 8)
    assert [entry.run.take for entry in entries if entry.number >= 1000][:2] == ["ad", "main"]
    assert next(entry for entry in entries if entry.number == 1000).run.planned_segments == 5


def test_a_discontinuity_begins_the_time_stamps_again_once(faults) -> None:
    _on(faults, "discontinuity", START + 0.5, 2.0)
    entries = _after(_stream(faults), 8)
    runs = {entry.number: (entry.run.index, entry.number - entry.run.zero) for entry in entries}
    assert runs[999] == (0, 999) and runs[1000] == (1, 0) and runs[1003] == (1, 3)


def test_a_discontinuity_of_one_rung_is_only_claimed(faults) -> None:
    _on(faults, "discontinuity", START + 0.5, 2.0, rung="72p")
    stream = _stream(faults)
    entries = _after(stream, 8)
    assert {entry.run.index for entry in entries} == {0}
    assert [entry.number for entry in entries if entry.marked("72p")] == [1000]
    assert (stream.marks_before("72p", 1000), stream.marks_before("72p", 1001)) == (0, 1)


def test_a_stale_playlist_keeps_its_entries_however_long_it_lasts(faults) -> None:
    _on(faults, "stale", START, 3600.0)
    stream = _stream(faults)
    _after(stream, 3000)
    assert [entry.number for entry in stream.listed(999, 6)] == [994, 995, 996, 997, 998, 999]


def test_entries_are_forgotten(faults) -> None:
    stream = _stream(faults)
    _after(stream, 100_000)
    assert len(stream.listed(stream.edge, 10**6)) <= 20
