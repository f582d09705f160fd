"""What is available is judged by the packager's clock: UTCTiming, then the HTTP Date, then the local clock."""

from collections.abc import Iterator
from email.utils import formatdate

import pytest
from dash_live_scene import START, Scene, Stage, by_number, moment, mpd, period, rungs, video
from origin import Page


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as found:
        yield found


def timing(kind: str, value: str) -> str:
    return f'<UTCTiming schemeIdUri="urn:mpeg:dash:utc:{kind}:2014" value="{value}"/>'


def page(head: str = "") -> str:
    return mpd(period(video(by_number(), rungs("a"))), head=head)


def newest(live: Scene) -> float:
    """Return the end of the newest segment, from the start of the stream on."""
    return max(s.start_seconds + 2 for s in live.look().segments) - START


def slow_clock(stage: Stage, seconds: float) -> None:
    """Let the local clock go behind the origin's by hours, as some do."""
    truth = stage.clock
    stage.origin.clock = lambda: truth() + seconds


@pytest.mark.parametrize("behind", [7200.0, -60.0])
def test_a_local_clock_that_is_off_is_set_right_by_the_http_date(stage: Stage, behind: float) -> None:
    slow_clock(stage, behind)
    live = stage.open(page())
    assert abs(newest(live) - (100.5 + behind)) <= 2
    assert "HTTP Date" in live.presentation.clock_source


def test_a_clock_that_agrees_with_the_date_is_kept_because_it_is_finer(stage: Stage) -> None:
    stage.clock.now = START + 101.99
    live = stage.open(page())
    assert newest(live) == 100
    assert live.presentation.clock_source.startswith("the local clock, which agrees with the HTTP Date")


def test_without_a_date_the_local_clock_is_taken(stage: Stage) -> None:
    live = stage.open(Page(page().encode(), headers={"Date": "nonsense"}))
    assert newest(live) == 100
    assert live.presentation.clock_source == "the local clock"


def test_time_in_caches_is_added_to_the_date(stage: Stage) -> None:
    stage.origin.clock = lambda: START + 4000
    assert abs(newest(stage.open(Page(page().encode(), headers={"Age": "600"}))) - 4600) <= 2


def test_direct_timing_goes_before_the_date(stage: Stage) -> None:
    live = stage.open(page(timing("direct", moment(START + 9000))))
    assert newest(live) == 9000
    assert live.presentation.clock_source == "UTCTiming direct"


def test_direct_timing_that_comes_late_from_a_cache_does_not_move_the_clock_back(stage: Stage) -> None:
    live = stage.open(page(timing("direct", moment(START + 9000))))
    live.look()
    update = live.look(4, page(timing("direct", moment(START + 9001))))
    assert update.segments[-1].start_seconds == START + 9002


def test_direct_timing_written_once_and_for_all_does_not_stop_the_clock(stage: Stage) -> None:
    live = stage.open(page(timing("direct", moment(START + 9000))))
    live.look()
    assert live.look(1000).segments[-1].start_seconds == START + 9998


@pytest.mark.parametrize("kind", ["http-iso", "http-xsdate"])
@pytest.mark.parametrize("text", [moment(START + 500.25), "2023-11-14T22:21:40.250+00:00"])
def test_the_time_is_asked_for_over_http(stage: Stage, kind: str, text: str) -> None:
    stage.origin.pages["/time"] = text
    live = stage.open(page(timing(kind, "/time?ms=true")))
    assert newest(live) == 500
    assert kind in live.presentation.clock_source


def test_the_time_is_taken_from_the_head_of_an_answer(stage: Stage) -> None:
    stage.origin.clock = lambda: START + 700
    stage.origin.pages["/time"] = b"body that is not asked for"
    live = stage.open(page(timing("http-head", "/time")))
    assert abs(newest(live) - 700) <= 2


def test_a_clock_that_fails_leaves_the_turn_to_the_next(stage: Stage) -> None:
    stage.origin.pages["/words"] = "half past nine"
    head = timing("ntp", "pool.example") + timing("http-iso", "/gone /words") + timing("http-iso", "http://10.0.0.1/t")
    live = stage.open(page(head + timing("direct", moment(START + 800))))
    assert newest(live) == 800
    notes = " | ".join(live.updates[0].notes)
    assert "UTCTiming ntp" in notes and "404" in notes and "tells no time" in notes and "10.0.0.1" in notes


def test_the_clock_is_compared_again_after_a_while(stage: Stage) -> None:
    stage.origin.pages["/time"] = moment(START + 500.25)
    live = stage.open(page(timing("http-iso", "/time")))
    live.look()
    for _ in range(50):
        live.look(15)
    assert stage.origin.counts["/time"] == 2


def test_a_clock_that_answers_without_end_is_given_up(stage: Stage) -> None:
    stage.origin.pages["/time"] = b"9" * 100_000
    live = stage.open(page(timing("http-iso", "/time")))
    assert newest(live) == 100


def test_a_date_long_ago_waits_for_the_stream_to_begin(stage: Stage) -> None:
    stage.origin.clock = lambda: START - 50
    live = stage.open(Page(page().encode(), headers={"X-Told": formatdate(0)}))
    assert live.look().segments == ()
    assert live.updates[-1].wait_seconds <= 30
