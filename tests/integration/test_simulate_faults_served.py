"""Every fault of the live origin, seen in what is served over real HTTP, and gone again."""

import time
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from urllib.error import URLError

import m3u8
import numpy as np
import pytest
from simulate_factory import DASH, EDGE, RUNGS, Viewer, luma

from pipeline.errors import UsageError
from workers.simulate import KINDS, Origin, fmp4, scripted


def _bytes_of(viewer, number, rung="72p") -> int:
    return len(viewer.segment(rung, number))


def _starved(viewer) -> bool:
    number = viewer.numbers("72p")[-1]
    main = viewer.origin.encodes.rung("72p").takes["main"]
    return len(viewer.get(f"72p/{number}.m4s")) < main.fragments[number % 4].size / 2


def _frozen(viewer) -> bool:
    number = viewer.numbers("96p")[-1]
    return all(np.abs(np.diff(luma(viewer.segment(rung, number)), axis=0)).mean() < 0.5 for rung in RUNGS)


def _black(viewer) -> bool:
    return luma(viewer.segment("48p", viewer.numbers("48p")[-1])).max() <= 17


def _stale(viewer) -> bool:
    edge = int((viewer.clock.now - 1_704_067_200) // 2) - 1
    newest = {viewer.numbers("96p")[-1], viewer.numbers("48p")[-1], viewer.dash_numbers("72p")[-1]}
    return newest == {EDGE} and edge > EDGE


def _missing_segment(viewer) -> bool:
    listed = viewer.numbers("72p")
    assert viewer.dash_numbers("72p") == listed
    assert viewer.status(f"96p/{listed[-1]}.m4s") == 200
    return [viewer.status(f"72p/{number}.m4s") for number in listed[-2:]] == [200, 404]


def _errors(viewer) -> bool:
    return {viewer.status(path) for path in ("master.m3u8", "manifest.mpd", "96p/cmaf.m3u8", "96p/init.mp4")} == {503}


def _slow(viewer) -> bool:
    # One quick answer is proof enough that nothing is held back: a busy machine takes long over any of them.
    return all(_seconds_for_an_answer(viewer) >= 0.2 for _ in range(5))


def _seconds_for_an_answer(viewer) -> float:
    started = time.monotonic()
    viewer.get("96p/init.mp4")
    return time.monotonic() - started


def _time_jump(viewer) -> bool:
    segments = viewer.playlist("96p").segments[-3:]
    begins = viewer.manifest().get("availabilityStartTime")
    steps = [
        (after.program_date_time - before.program_date_time).total_seconds() for before, after in pairwise(segments)
    ]
    return -34.0 in steps and begins == "2023-12-31T23:59:24.000Z"


def _ad_break(viewer) -> bool:
    segments = viewer.playlist("96p").segments
    if not any(segment.cue_out_start for segment in segments):
        return False
    start = next(index for index, segment in enumerate(segments) if segment.cue_out_start)
    assert segments[start].discontinuity and segments[start].init_section.uri == "init-ad.mp4"
    assert segments[start].dateranges[0].planned_duration == 10
    period = viewer.manifest().findall(f"{DASH}Period")[-1]
    assert period.find(f"{DASH}EventStream").get("schemeIdUri") == "urn:scte:scte35:2014:xml+bin"
    ad = viewer.get("96p/init-ad.mp4") + viewer.get(f"96p/{segments[start].uri}")
    assert fmp4.decode_time(ad) == 0 and len(luma(ad)) == 20
    return True


def _discontinuity(viewer) -> bool:
    marked = [segment for segment in viewer.playlist("72p").segments[-2:] if segment.discontinuity]
    if not marked:
        return False
    assert fmp4.decode_time(viewer.segment("72p", int(marked[0].uri[:-4]))) == 0
    assert len(viewer.manifest().findall(f"{DASH}Period")) == 2
    return True


def _sequence_back(viewer) -> bool:
    edge = int((viewer.clock.now - 1_704_067_200) // 2) - 1
    return viewer.numbers("96p")[-1] == viewer.dash_numbers("96p")[-1] == edge - 3


def _rung_gone(viewer) -> bool:
    listed = b"72p" in viewer.get("master.m3u8"), viewer.representation("72p") is not None
    assert viewer.representation("96p") is not None
    return (*listed, viewer.status("72p/cmaf.m3u8")) == (False, False, 404)


def _target_duration(viewer) -> bool:
    return viewer.playlist("96p").target_duration == 1 and viewer.manifest().get("maxSegmentDuration") == "PT1.000000S"


def _wrong_bandwidth(viewer) -> bool:
    rung = viewer.origin.encodes.rung("72p")
    wrong = round(rung.bandwidth_bps["cmaf"][0] * 0.4)
    told = m3u8.loads(viewer.get("master.m3u8").decode()).playlists[1].stream_info.bandwidth
    return told == wrong and viewer.representation("72p").get("bandwidth") == str(wrong)


def _wrong_codec(viewer) -> bool:
    told = m3u8.loads(viewer.get("master.m3u8").decode()).playlists[1].stream_info.codecs
    return told.startswith("hvc1") and viewer.representation("72p").get("codecs") == told


def _changed_segment(viewer) -> bool:
    segment = viewer.playlist("72p").segments[0]
    assert viewer.status(f"72p/{segment.uri}") == 200
    return segment.uri.endswith("-b.m4s") and segment.duration == pytest.approx(1.8)


def _short_window(viewer) -> bool:
    return len(viewer.numbers("96p")) == len(viewer.dash_numbers("72p")) == 2


def _garbage(viewer) -> bool:
    return all(b"<html>" in viewer.get(path) for path in ("master.m3u8", "manifest.mpd", "96p/ts.m3u8"))


SEEN: dict[str, Callable[[Viewer], bool]] = {
    "starved": _starved,
    "frozen": _frozen,
    "black": _black,
    "stale": _stale,
    "missing_segment": _missing_segment,
    "errors": _errors,
    "slow": _slow,
    "time_jump": _time_jump,
    "ad_break": _ad_break,
    "discontinuity": _discontinuity,
    "sequence_back": _sequence_back,
    "rung_gone": _rung_gone,
    "target_duration": _target_duration,
    "wrong_bandwidth": _wrong_bandwidth,
    "wrong_codec": _wrong_codec,
    "changed_segment": _changed_segment,
    "short_window": _short_window,
    "garbage": _garbage,
}


def test_every_fault_is_looked_for() -> None:
    assert set(SEEN) | {"cdn_down"} == set(KINDS)


@pytest.mark.parametrize("name", SEEN)
def test_a_fault_is_seen_in_what_is_served_and_goes_away_again(viewer, clock, name) -> None:
    seen = SEEN[name]
    assert not seen(viewer)
    fault = viewer.origin.fault(name, value=0.1 if name == "slow" else None)  # 0.1 x 2 s, of the real clock
    clock.pass_segments(1)
    assert seen(viewer)
    clock.now = fault.until_seconds
    clock.pass_segments(12)
    assert not seen(viewer)
    assert viewer.numbers("96p")[-1] == viewer.dash_numbers("96p")[-1] == int((clock.now - 1_704_067_200) // 2) - 1


@pytest.mark.parametrize("name", ["stale", "errors", "garbage", "changed_segment", "short_window", "target_duration"])
def test_a_fault_of_one_rung_leaves_the_playlists_of_the_others_alone(viewer, clock, name) -> None:
    before = viewer.origin.fault(name, rung="48p")
    clock.pass_segments(1)
    others = [viewer.get(f"{rung}/cmaf.m3u8") for rung in ("96p", "72p")]
    viewer.origin.clear(before.fault_id)
    clock.now += 0.01
    assert [viewer.get(f"{rung}/cmaf.m3u8") for rung in ("96p", "72p")] == others


def test_a_rung_alone_can_tell_another_wall_clock_or_claim_a_discontinuity(viewer, clock) -> None:
    viewer.origin.fault("time_jump", rung="72p", value=5)
    viewer.origin.fault("discontinuity", rung="48p")
    clock.pass_segments(1)
    last = {rung: viewer.playlist(rung).segments[-1] for rung in RUNGS}
    assert (last["72p"].program_date_time - last["96p"].program_date_time).total_seconds() == 5
    assert [last[rung].discontinuity for rung in RUNGS] == [False, False, True]
    clock.pass_segments(8)
    playlists = [viewer.playlist(rung) for rung in RUNGS]
    assert [playlist.discontinuity_sequence for playlist in playlists] == [None, None, 1] or [
        playlist.discontinuity_sequence for playlist in playlists
    ] == [0, 0, 1]


def test_a_window_that_was_short_grows_without_going_back(viewer, clock) -> None:
    viewer.origin.fault("short_window", seconds=4)
    firsts, counts = [], []
    for _ in range(10):
        numbers = viewer.numbers("96p")
        assert numbers == viewer.dash_numbers("96p")
        firsts.append(numbers[0])
        counts.append(len(numbers))
        clock.pass_segments(1)
    assert firsts == sorted(firsts)
    assert counts == [6, 2, 2, 3, 4, 5, 6, 6, 6, 6]


def test_an_ad_break_ends_with_a_word_and_the_programme_goes_on_in_time(viewer, clock) -> None:
    viewer.origin.fault("ad_break", seconds=4)
    clock.pass_segments(4)
    segments = viewer.playlist("96p").segments
    back = segments[-2]
    assert back.cue_in and back.discontinuity and back.init_section.uri == "init.mp4"
    number = int(back.uri[:-4])
    assert fmp4.decode_time(viewer.segment("96p", number)) == 2 * number * fmp4.timescale(viewer.get("96p/init.mp4"))
    walls = [segment.program_date_time for segment in segments]
    assert {(after - before).total_seconds() for before, after in pairwise(walls)} == {2}
    assert viewer.dash_numbers("96p") == viewer.numbers("96p")


def test_a_ladder_on_two_cdns_goes_on_when_one_dies(encodes, clock) -> None:
    with Origin(encodes, cdns=2, clock=clock) as origin:
        viewer = Viewer(origin, clock)
        master = m3u8.loads(viewer.get("master.m3u8").decode())
        addresses = [playlist.uri for playlist in master.playlists]
        first, second = addresses[0], addresses[3]
        assert len(addresses) == 6 and first != second and first.endswith("/live/96p/cmaf.m3u8")
        assert first.rpartition(":")[2].partition("/")[2] == second.rpartition(":")[2].partition("/")[2]
        assert [base.get("serviceLocation") for base in viewer.manifest().findall(f"{DASH}BaseURL")] == [
            "cdn-1",
            "cdn-2",
        ]
        urllib.request.urlopen(first).close()
        origin.fault("cdn_down")
        clock.now += 0.1
        with pytest.raises((URLError, ConnectionError)):
            urllib.request.urlopen(first)
        urllib.request.urlopen(second).close()
        origin.clear()
        clock.now += 0.1
        urllib.request.urlopen(first).close()


def test_a_cdn_that_is_not_there_cannot_die(origin) -> None:
    with pytest.raises(UsageError, match="--cdns"):
        origin.fault("cdn_down")


def test_a_scripted_fault_comes_and_goes_by_itself(encodes, clock) -> None:
    with Origin(encodes, clock=clock, script=[scripted("rung_gone@10+4:48p")]) as origin:
        viewer = Viewer(origin, clock)
        statuses = []
        for _ in range(5):
            statuses.append(viewer.status("48p/cmaf.m3u8"))
            clock.now += 4
        assert statuses == [200, 200, 200, 404, 200]
