"""The media of the live origin: real encodes that stand on their own, and move in time to the tick."""

import io
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import av
import media_factory
import numpy as np
import pytest
from simulate_factory import RUNGS, SEGMENTS, make_encodes

from pipeline.errors import UsageError
from workers.simulate import Encodes, Plan, fmp4, prepare, transport
from workers.simulate.scte35 import splice_insert

FRAMES = 20
"""Of a segment."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.getbasetemp()


@pytest.fixture(scope="module")
def encodes(folder) -> Encodes:
    return make_encodes(folder)


def _pictures(data: bytes) -> list[tuple[int, np.ndarray]]:
    with av.open(io.BytesIO(data)) as container:
        return [(frame.pts, frame.to_ndarray()[: frame.height].copy()) for frame in container.decode(video=0)]


def _take(encodes, rung, take, index) -> list[tuple[int, np.ndarray]]:
    made = encodes.rung(rung).takes[take]
    return _pictures(made.init + made.fragments[index].data)


def test_the_ladder_has_the_rungs_that_were_planned(encodes) -> None:
    assert [(r.name, r.plan.codec, r.plan.width_px) for r in encodes.rungs] == [
        ("96p", "h264", 170), ("72p", "h264", 128), ("48p", "hevc", 86),
    ]  # fmt: skip
    assert encodes.segments == SEGMENTS and encodes.segment_seconds == 2


def test_encodes_are_made_once(folder, encodes) -> None:
    told = []
    again = prepare(
        Plan(folder / "simulate/camera.mp4", 3, 96, 2.0, 8.0),
        folder / "simulate/cache",
        lambda share, text: told.append(share),
    )
    assert told == [1.0]
    assert [rung.takes["main"].fragments for rung in again.rungs] == [r.takes["main"].fragments for r in encodes.rungs]
    made = {entry.name for entry in (folder / "simulate/cache").iterdir()}
    assert Plan(folder / "simulate/camera.mp4", 3, 96, 2.0, 8.0).key() in made
    assert not any(name.startswith("encoding-") for name in made)


def test_a_ladder_of_one_rung_is_refused(folder) -> None:
    with pytest.raises(UsageError, match="ask for 3 to 5"):
        prepare(Plan(rungs=1), folder)


@pytest.mark.parametrize("rung", RUNGS)
def test_every_segment_decodes_on_its_own(encodes, rung) -> None:
    for index in range(SEGMENTS):
        assert len(_take(encodes, rung, "main", index)) == FRAMES


def test_a_moved_fragment_begins_at_its_time_to_the_tick(encodes) -> None:
    rung = encodes.rung("96p")
    moved = rung.takes["main"].fragments[1].at(7, 123_456_789_000)
    assert fmp4.decode_time(moved) == 123_456_789_000
    assert _pictures(rung.takes["main"].init + moved)[0][0] == 123_456_789_000
    assert len(moved) == rung.takes["main"].fragments[1].size


def test_a_moved_transport_segment_begins_at_its_time_to_the_tick(encodes) -> None:
    first = encodes.rung("96p").takes["main"].transports[1]
    assert transport.first_time_stamp(first) == 2 * 90_000
    moved = transport.moved(first, 5_000_000, Counter())
    assert transport.first_time_stamp(moved) == 2 * 90_000 + 5_000_000
    assert [pts for pts, _ in _pictures(moved)] == [pts + 5_000_000 for pts, _ in _pictures(first)]


def test_time_stamps_of_transport_segments_wrap_at_33_bits(encodes) -> None:
    segment = encodes.rung("96p").takes["main"].transports[0]
    assert transport.first_time_stamp(transport.moved(segment, transport.WRAP - 900, Counter())) == transport.WRAP - 900
    assert transport.first_time_stamp(transport.moved(segment, transport.WRAP + 900, Counter())) == 900


def test_continuity_counters_go_on_over_the_end_of_the_loop(encodes) -> None:
    take = encodes.rung("96p").takes["main"]
    row = [(loops, index) for loops in (3, 4) for index in range(SEGMENTS)]
    data = b"".join(transport.moved(take.transports[i], 0, take.continuity(i, loops)) for loops, i in row)
    seen: dict[int, list[int]] = {}
    for start in range(0, len(data), transport.PACKET):
        if data[start + 3] & 16:
            seen.setdefault((data[start + 1] & 31) << 8 | data[start + 2], []).append(data[start + 3] & 15)
    assert len(seen) >= 3
    assert all((after - before) % 16 == 1 for counters in seen.values() for before, after in pairwise(counters))


def test_the_starved_take_is_small_and_shows_the_same_scene(encodes) -> None:
    for rung in encodes.rungs[:2]:
        main, starved = (sum(rung.takes[name].sizes("cmaf")) for name in ("main", "starved"))
        assert starved < main / 2
    good, poor = (_take(encodes, "96p", name, 1)[10][1].astype(float) for name in ("main", "starved"))
    assert 1 < np.abs(good - poor).mean() < 30


def test_the_black_take_is_black(encodes) -> None:
    for rung in RUNGS:
        pictures = _take(encodes, rung, "black", 0)
        assert len(pictures) == FRAMES and max(luma.max() for _, luma in pictures) <= 17


def test_the_ad_is_other_content_with_an_init_segment_that_fits(encodes) -> None:
    good, ad = (_take(encodes, "96p", name, 0)[0][1].astype(float) for name in ("main", "ad"))
    assert np.abs(good - ad).mean() > 10
    assert np.abs(good - ad[:, ::-1]).mean() < 6


def test_a_frozen_take_stands_on_the_last_picture_of_a_segment(encodes) -> None:
    name = encodes.freeze(2)
    last = _take(encodes, "96p", "main", 2)[-1][1].astype(float)
    pictures = _take(encodes, "96p", name, 0)
    assert len(pictures) == FRAMES
    assert np.abs(pictures[0][1] - last).mean() < 6
    assert max(np.abs(a.astype(float) - b).mean() for (_, a), (_, b) in pairwise(pictures)) < 1


def test_takes_of_a_rung_share_its_init_segment(encodes) -> None:
    for rung in encodes.rungs:
        init = rung.takes["main"].init
        for name, index in (("starved", 1), ("black", 0)):
            assert len(_pictures(init + rung.takes[name].fragments[index].data)) == FRAMES


def test_the_declared_bandwidth_holds_for_every_segment(encodes) -> None:
    for rung in encodes.rungs:
        for container, (peak, mean) in rung.bandwidth_bps.items():
            sizes = rung.takes["main"].sizes(container)
            assert max(sizes) * 8 / 2 <= peak
            assert sum(sizes) / len(sizes) * 8 / 2 <= mean <= peak


def test_rates_of_television_give_whole_ticks(tmp_path) -> None:
    video = media_factory.write_video(tmp_path / "ntsc.mp4", frames=60, size=(160, 96), fps=Fraction(30_000, 1001))
    encodes = prepare(Plan(video, 3, 96, 1.0, 2.0), tmp_path)
    assert encodes.segment_seconds == Fraction(1001, 1000)
    assert all((encodes.segment_seconds * rung.timescale).denominator == 1 for rung in encodes.rungs)


def test_the_splice_messages_are_those_of_the_standard() -> None:
    # Decoded with threefive: splice_insert, event 7, out, PTS 41730.492322, break of 10.0 s with return; CRC right.
    out = splice_insert(7, out=True, pts=12_345_678_901, duration_seconds=10.0)
    assert out.hex() == "fc302500000000000000fff01405000000077feffedfdc1c35fe000dbba0000101010000c53cab0f"
    back = splice_insert(7, out=False, pts=12_345_678_901, duration_seconds=0)
    assert back.hex() == "fc302000000000000000fff00f05000000077f4ffedfdc1c35000101010000c0ef5301"
