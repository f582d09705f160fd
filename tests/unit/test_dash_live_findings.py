"""What is wrong with a live DASH manifest is told once when it begins, and once when it is over."""

import time
from collections.abc import Callable, Iterator

import pytest
from dash_live_scene import START, Scene, Stage, by_number, listing, moment, mpd, period, rungs, timeline, video
from origin import Page

from pipeline.errors import Transient
from schemas import ManifestFindingKind, Severity

Kind = ManifestFindingKind


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as found:
        yield found


def listed(step: int = 0, *names: str, count: int = 30, **changes: object) -> str:
    """Return a manifest whose window moved on by `step` segments."""
    content = video(timeline(listing(20 + step, count)), rungs(*(names or ("a", "b"))))
    return mpd(period(content), **changes)


def run(live: Scene, steps: range, *names: str) -> None:
    for step in steps:
        live.look(1, listed(step, *names))
        live.look(1)


def test_a_stream_without_faults_brings_no_finding(stage: Stage) -> None:
    live = stage.open(listed())
    live.look()
    run(live, range(1, 60))
    assert live.findings == []
    assert len(live.segments) == 2 * (5 + 59)


def test_a_manifest_that_stands_still_is_stale_within_two_segments_and_once(stage: Stage) -> None:
    live = stage.open(listed())
    live.look()
    while not live.findings:
        live.look(live.updates[-1].wait_seconds)
    assert live.clock.now - (START + 100.5) <= 4
    (finding,) = live.findings
    assert (finding.kind, finding.rendition_id, finding.severity) == (Kind.STALE, None, Severity.CRITICAL)
    for _ in range(10):
        live.look(1)
    assert len(live.findings) == 1
    live.look(1, listed(8))
    began, over = live.findings
    assert over.finding_id == began.finding_id and over.over_at is not None


def test_a_pause_of_ours_is_not_a_stale_manifest(stage: Stage) -> None:
    live = stage.open(listed())
    live.look()
    live.look(20)
    assert live.findings == []


def test_one_rung_that_stands_still_is_told_of_that_rung(stage: Stage) -> None:
    def page(step: int) -> str:
        moving = video(timeline(listing(20 + step, 30)), rungs("a"))
        return mpd(period(moving + video(timeline(listing(20, 30)), rungs("b", first=1))))

    live = stage.open(page(0))
    live.look()
    for step in range(1, 5):
        live.look(2, page(step))
    assert [(f.kind, f.rendition_id) for f in live.findings] == [(Kind.STALE, "b")]


def test_a_rung_that_leaves_and_comes_back_is_told_twice(stage: Stage) -> None:
    live = stage.open(listed())
    live.look()
    run(live, range(1, 3), "a")
    run(live, range(3, 6), "a", "b")
    assert [(f.kind, f.rendition_id, f.over_at is not None) for f in live.findings] == [
        (Kind.RUNG_GONE, "b", False),
        (Kind.RUNG_GONE, "b", True),
    ]
    assert [r.rendition_id for r in live.updates[3].ladder.renditions] == ["a"]
    assert [r.rendition_id for r in live.updates[-1].ladder.renditions] == ["a", "b"]


def test_a_rung_that_is_new_is_told(stage: Stage) -> None:
    live = stage.open(listed(0, "a"))
    live.look()
    run(live, range(1, 3), "a", "b")
    assert [(f.kind, f.rendition_id) for f in live.findings] == [(Kind.RUNG_NEW, "b")]
    assert "b" in {segment.rendition_id for segment in live.segments}


def test_a_hole_in_the_timeline_is_a_missing_segment(stage: Stage) -> None:
    live = stage.open(listed())
    live.look()
    page = mpd(period(video(timeline(listing(20, 30) + '<S t="102000" d="2000"/>'), rungs("a", "b"))))
    live.look(4, page)
    assert [(f.kind, f.rendition_id) for f in live.findings] == [
        (Kind.MISSING_SEGMENT, "a"),
        (Kind.MISSING_SEGMENT, "b"),
    ]
    assert live.segments[-1].start_seconds == START + 102


def test_a_published_segment_that_is_another_one_now_is_told(stage: Stage) -> None:
    live = stage.open(mpd(period(video(timeline(listing(20, 30), media="$Number$.m4s"), rungs("a")))))
    live.look()
    entries = listing(20, 28) + '<S d="1000"/><S d="2000" r="1"/>'
    live.look(2, mpd(period(video(timeline(entries, media="$Number$.m4s"), rungs("a")))))
    assert [f.kind for f in live.findings] == [Kind.CHANGED_SEGMENT] * 2
    assert [f.segment_number for f in live.findings] == [29, 30]


def test_a_published_segment_that_vanishes_from_the_middle_is_told(stage: Stage) -> None:
    live = stage.open(listed(0, "a"))
    live.look()
    entries = listing(20, 28) + '<S t="98000" d="2000" r="1"/>'
    live.look(2, mpd(period(video(timeline(entries), rungs("a")))))
    assert [(f.kind, f.segment_number) for f in live.findings] == [(Kind.MISSING_SEGMENT, 96000)]


def test_a_window_that_shrinks_is_told_until_it_is_as_before(stage: Stage) -> None:
    live = stage.open(listed())
    live.look()
    live.look(2, listed(26, count=5))
    assert live.kinds() == [Kind.WINDOW_SHRINKING]
    live.look(2, listed(2, count=30))
    assert live.kinds(over=True) == [Kind.WINDOW_SHRINKING]


def test_a_segment_longer_than_promised_is_told_once(stage: Stage) -> None:
    more = 'maxSegmentDuration="PT1S"'
    live = stage.open(listed(0, "a", more=more))
    live.look()
    live.look(2, listed(1, "a", more=more))
    assert live.kinds() == [Kind.TARGET_DURATION]


def test_a_start_that_jumps_while_the_content_goes_on_keeps_the_axis(stage: Stage) -> None:
    live = stage.open(listed())
    live.look()
    for step in range(1, 6):
        live.look(2, listed(step, ast=START - 36))
    assert live.kinds() == [Kind.TIME_JUMP]
    starts = [s.start_seconds - START for s in live.segments if s.rendition_id == "a"]
    assert starts == [90, 92, 94, 96, 98, 100, 102, 104, 106, 108]


def test_a_start_that_moves_with_its_periods_is_no_jump(stage: Stage) -> None:
    live = stage.open(listed())
    live.look()
    content = video(timeline(listing(21, 30)), rungs("a", "b"))
    live.look(2, mpd(period(content, start=3600.0), ast=START - 3600))
    assert live.findings == []
    assert live.segments[-1].start_seconds == START + 100


def test_a_packager_that_starts_anew_is_followed_with_other_identities(stage: Stage) -> None:
    live = stage.open(mpd(period(video(timeline(listing(0, 50), media="$Number$.m4s"), rungs("a")))))
    live.look()
    before = {(s.discontinuity_sequence, s.number) for s in live.segments}
    page = mpd(period(video(timeline(listing(0, 2), media="$Number$.m4s"), rungs("a"))), ast=START + 103)
    update = live.look(8, page)
    assert live.kinds() == [Kind.SEQUENCE_WENT_BACK]
    assert [s.start_seconds - START for s in update.segments] == [103, 105]
    assert not before & {(s.discontinuity_sequence, s.number) for s in update.segments}


def test_a_packager_that_starts_anew_with_other_periods_is_placed_anew(stage: Stage) -> None:
    live = stage.open(listed(0, "a"))
    live.look()
    update = live.look(200, mpd(period(video(timeline(listing(0, 5)), rungs("a")), name="other"), ast=START + 290))
    assert live.kinds() == [Kind.SEQUENCE_WENT_BACK]
    assert update.segments[0].start_seconds == START + 290


def test_a_cache_that_lags_is_told_and_brings_nothing_twice(stage: Stage) -> None:
    live = stage.open(listed())
    live.look()
    for step in (1, 2, 0, 3, 4):
        live.look(2, listed(step))
    assert live.kinds() == [Kind.SEQUENCE_WENT_BACK] * 2
    ids = [(s.rendition_id, s.discontinuity_sequence, s.number) for s in live.segments]
    assert len(ids) == len(set(ids)) == 2 * 9


def test_an_older_manifest_by_its_publish_time_is_told_and_passed_over(stage: Stage) -> None:
    live = stage.open(listed(2, more=f'publishTime="{moment(START + 104)}"'))
    live.look(4)
    assert live.look(1, listed(1, more=f'publishTime="{moment(START + 102)}"')).segments == ()
    assert live.kinds() == [Kind.SEQUENCE_WENT_BACK]
    live.look(1, listed(3, more=f'publishTime="{moment(START + 106)}"'))
    assert live.kinds(over=False) == live.kinds(over=True) == [Kind.SEQUENCE_WENT_BACK]


def test_a_timeline_ahead_of_the_clock_is_followed_as_it_is_listed(stage: Stage) -> None:
    live = stage.open(listed(0, ast=START + 7200))
    assert len(live.look().segments) == 10
    assert live.kinds() == [Kind.CLOCK_SKEW]
    assert len(live.look(2, listed(1, ast=START + 7200)).segments) == 2


def test_segments_that_are_listed_before_their_time_are_given_when_it_comes(stage: Stage) -> None:
    live = stage.open(listed(0, ast=START + 70))
    assert live.look().segments == ()
    live.look(50)
    assert len(live.segments) > 2 and live.findings == []


def test_encryption_is_told_once_and_nothing_of_it_is_published(stage: Stage) -> None:
    protection = '<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc"/>'
    live = stage.open(mpd(period(video(protection + by_number(), rungs("a", "b")))))
    live.look()
    live.look(4)
    assert live.kinds() == [Kind.ENCRYPTED]
    assert live.segments == []
    assert len(live.updates[-1].ladder.renditions) == 2


def test_audio_that_starts_late_is_told(stage: Stage) -> None:
    def page(audio_start: int) -> str:
        audio = timeline(f'<S t="{audio_start}" d="2000" r="40"/>')
        sets = video(timeline(listing(0, 50)), rungs("a"))
        sets += f'<AdaptationSet mimeType="audio/mp4">{audio}<Representation id="s"/></AdaptationSet>'
        return mpd(period(sets))

    live = stage.open(page(50))
    live.look()
    assert live.findings == []
    live.look(2, page(400))
    assert live.kinds() == [Kind.AUDIO_VIDEO_START]


def test_a_manifest_that_fails_is_told_and_the_template_goes_on(stage: Stage) -> None:
    live = stage.open(mpd(period(video(by_number(), rungs("a")))))
    live.look()
    update = live.look(2, Page(status=503))
    assert len(update.segments) == 1
    live.look(2)
    assert live.kinds() == [Kind.FAILING_ORIGIN]
    live.look(2, mpd(period(video(by_number(), rungs("a")))))
    assert live.kinds(over=True) == [Kind.FAILING_ORIGIN]


def test_a_manifest_that_fails_again_and_again_is_handed_to_the_feed(stage: Stage) -> None:
    live = stage.open(listed())
    live.look()
    with pytest.raises(Transient):
        for _ in range(10):
            live.look(2, 410)
    live.look(2, listed(5))
    assert [(f.kind, f.over_at is not None) for f in live.findings] == [
        (Kind.FAILING_ORIGIN, False),
        (Kind.FAILING_ORIGIN, True),
    ]


def test_half_a_manifest_is_told_and_the_one_before_is_followed(stage: Stage) -> None:
    live = stage.open(listed())
    live.look()
    live.look(2, listed(1)[:300])
    assert live.kinds() == [Kind.BAD_PLAYLIST]
    live.look(1, listed(1))
    assert live.kinds(over=True) == [Kind.BAD_PLAYLIST]
    assert live.segments[-1].start_seconds == START + 100


def test_a_rung_that_cannot_be_read_is_told_and_the_others_go_on(stage: Stage) -> None:
    sets = video(by_number(), rungs("a")) + video(by_number(media="$Number%099d$.m4s"), rungs("b", first=1))
    live = stage.open(mpd(period(sets)))
    live.look()
    assert [(f.kind, f.rendition_id) for f in live.findings] == [(Kind.BAD_PLAYLIST, "b")]
    assert {s.rendition_id for s in live.segments} == {"a"}


def test_a_slow_manifest_is_told_until_it_is_fast_again() -> None:
    def slow(step: int) -> Callable[[dict[str, str]], str]:
        def answer(_: dict[str, str]) -> str:
            time.sleep(0.3)
            return listed(step)

        return answer

    with Stage(slow_least_seconds=0.25) as stage:
        live = stage.open(listed())
        live.look()
        for step in range(1, 4):
            live.look(2, slow(step))
        assert live.kinds() == [Kind.SLOW_ORIGIN]
        for step in range(4, 60):
            live.look(2, listed(step))
            if live.kinds(over=True):
                break
        assert live.kinds(over=True)[:1] == [Kind.SLOW_ORIGIN]


def test_findings_have_the_same_id_after_a_restart(stage: Stage) -> None:
    ids = []
    for _ in range(2):
        stage.clock.now = START + 100.5
        live = stage.open(listed())
        live.look()
        for _ in range(6):
            live.look(1)
        ids.append([f.finding_id for f in live.findings])
    assert ids[0] == ids[1] and len(ids[0]) == 1
