"""A live DASH manifest brings every segment once, when it is available by the clock."""

from collections.abc import Iterator

import pytest
from dash_live_scene import START, Stage, by_number, listing, mpd, names, period, rungs, timeline, video
from origin import Page

from pipeline.errors import AudioOnly, BadPlaylist, NotFound, Transient
from schemas import ManifestFindingKind, TimeBasis


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as found:
        yield found


def test_by_number_the_first_look_goes_back_from_the_live_edge(stage: Stage) -> None:
    live = stage.open(mpd(period(video(by_number(), rungs("a")))), start_back_seconds=6)
    assert names(live.look().segments) == ["48.m4s", "49.m4s", "50.m4s"]


def test_by_number_a_segment_is_new_when_it_has_ended(stage: Stage) -> None:
    live = stage.open(mpd(period(video(by_number(), rungs("a", "b")))))
    live.look()
    assert live.look(1.4).segments == ()
    assert names(live.look(0.2).segments) == ["51.m4s", "51.m4s"]
    assert live.look(0.2).segments == ()


def test_by_number_the_wait_ends_when_the_next_segment_does(stage: Stage) -> None:
    live = stage.open(mpd(period(video(by_number(), rungs("a")))))
    for _ in range(20):
        before = stage.clock.now
        brought = len(live.look().segments)
        assert brought <= 1 or before == START + 100.5
        stage.clock.now += live.updates[-1].wait_seconds
    assert names(live.segments) == [f"{number}.m4s" for number in range(46, 46 + len(live.segments))]
    assert len(live.segments) > 15


def test_the_time_axis_is_the_wall_clock(stage: Stage) -> None:
    page = mpd(period(video(by_number(more='presentationTimeOffset="7000"'), rungs("a")), start=10.0))
    segment = stage.open(page).look().segments[0]
    assert segment.time_basis is TimeBasis.AVAILABILITY
    assert segment.start_seconds == START + 10 + 2 * (segment.number - 1)
    assert segment.duration_seconds == 2.0


def test_a_segment_expires_when_it_leaves_the_window(stage: Stage) -> None:
    segment = stage.open(mpd(period(video(by_number(), rungs("a"))))).look().segments[0]
    assert segment.expires_at is not None
    # Its end, the segment after it, and the window of a minute.
    assert segment.expires_at.timestamp() == pytest.approx(segment.start_seconds + 4 + 60)


@pytest.mark.parametrize(("early", "newest"), [("1.5", 51), ("0.4", 50), ("INF", 80)])
def test_an_availability_time_offset_makes_segments_available_early(stage: Stage, early: str, newest: int) -> None:
    page = mpd(period(video(by_number(more=f'availabilityTimeOffset="{early}"'), rungs("a"))))
    assert stage.open(page).look().segments[-1].number == newest


def test_chunks_of_a_segment_that_is_being_made_are_not_the_segment(stage: Stage) -> None:
    more = 'availabilityTimeOffset="1.9" availabilityTimeComplete="false"'
    page = mpd(period(video(by_number(more=more), rungs("a"))))
    assert stage.open(page).look().segments[-1].number == 50


@pytest.mark.parametrize(
    ("media", "name"),
    [
        ("$RepresentationID$-$Number%05d$.m4s", "a-00050.m4s"),
        ("$Bandwidth$/$Number$$$.m4s", "50$.m4s"),
        ("x-$Number%02x$.m4s", "x-50.m4s"),
    ],
)
def test_templates_are_filled(stage: Stage, media: str, name: str) -> None:
    page = mpd(period(video(by_number(media=media), rungs("a"))))
    assert names(stage.open(page).look().segments)[-1] == name


def test_a_timeline_brings_what_it_lists_anew(stage: Stage) -> None:
    live = stage.open(mpd(period(video(timeline(listing(20, 30)), rungs("a")))), start_back_seconds=4)
    assert names(live.look().segments) == ["96000.m4s", "98000.m4s"]
    assert live.look(1).segments == ()
    live.look(1, mpd(period(video(timeline(listing(21, 30)), rungs("a")))))
    assert names(live.updates[-1].segments) == ["100000.m4s"]


def test_future_segments_of_a_timeline_wait_for_their_time(stage: Stage) -> None:
    live = stage.open(mpd(period(video(timeline(listing(40, 30)), rungs("a")))), start_back_seconds=2)
    assert names(live.look().segments) == ["98000.m4s"]
    assert names(live.look(2).segments) == ["100000.m4s"]
    assert names(live.look(2).segments) == ["102000.m4s"]


def test_a_timeline_that_repeats_without_end_follows_the_clock(stage: Stage) -> None:
    live = stage.open(mpd(period(video(timeline('<S t="0" d="2000" r="-1"/>'), rungs("a")))))
    live.look()
    assert live.segments[-1].start_seconds == START + 98
    assert names(live.look(2).segments) == ["100000.m4s"]


def test_numbers_of_a_timeline_are_taken_where_the_address_has_them(stage: Stage) -> None:
    entries = '<S t="90000" d="2000" r="1" n="700"/><S d="2000"/>'
    page = mpd(period(video(timeline(entries, media="$Number$.m4s", more='startNumber="3"'), rungs("a"))))
    assert [s.number for s in stage.open(page).look().segments] == [700, 701, 702]


def test_numbers_of_a_timeline_by_time_do_not_move_with_its_window(stage: Stage) -> None:
    live = stage.open(mpd(period(video(timeline(listing(20, 30)), rungs("a")))))
    late = stage.open(mpd(period(video(timeline(listing(25, 25)), rungs("a")))))
    numbers = {s.start_seconds: s.number for s in live.look().segments}
    assert {s.start_seconds: s.number for s in late.look().segments} == numbers


def test_rungs_of_other_time_scales_are_at_the_same_time(stage: Stage) -> None:
    sets = video(timeline(listing(20, 30)), rungs("a"))
    sets += video(timeline('<S t="3600000" d="180000" r="29"/>', scale=90_000), rungs("x", "b"))
    live = stage.open(mpd(period(sets)))
    by_rung: dict[str, list[tuple[float, int]]] = {}
    for segment in live.look().segments:
        by_rung.setdefault(segment.rendition_id, []).append((segment.start_seconds, segment.number))
    assert len(by_rung) == 3
    assert len({tuple(found) for found in by_rung.values()}) == 1


def test_a_segment_list_with_a_timeline_is_followed(stage: Stage) -> None:
    def page(first: int) -> str:
        urls = "".join(f'<SegmentURL media="s{number}.ts"/>' for number in range(first, first + 5))
        content = f'<SegmentList timescale="1000"><SegmentTimeline>{listing(first, 5)}</SegmentTimeline>{urls}'
        return mpd(period(video("", rungs("a", inner=content + "</SegmentList>"))))

    live = stage.open(page(45), start_back_seconds=4)
    assert names(live.look().segments) == ["s48.ts", "s49.ts"]
    assert names(live.look(2, page(46)).segments) == ["s50.ts"]


def test_a_new_period_goes_on_with_the_same_renditions(stage: Stage) -> None:
    first = period(video(by_number(), rungs("a", "b")), name="one")
    closed = period(video(by_number(), rungs("a", "b")), name="one", more='duration="PT102S"')
    second = period(video(by_number(start_number=900), rungs("a", "b")), name="two", start=102)
    live = stage.open(mpd(first))
    live.look()
    live.look(2, mpd(closed + second))
    live.look(4, mpd(closed + second))
    mine = [s for s in live.segments if s.rendition_id == "a"]
    assert [s.number for s in mine[-3:]] == [51, 900, 901]
    assert [s.start_seconds - START for s in mine[-3:]] == [100, 102, 104]
    assert len({s.discontinuity_sequence for s in mine[-3:]}) == 2
    assert live.findings == []


def test_a_period_that_leaves_changes_nothing(stage: Stage) -> None:
    first = period(video(by_number(), rungs("a")), name="one", more='duration="PT100S"')
    second = period(video(by_number(), rungs("a")), name="two", start=100)
    live = stage.open(mpd(first + second))
    live.look()
    live.look(2, mpd(second))
    live.look(2, mpd(second))
    assert [s.start_seconds - START for s in live.segments] == [90, 92, 94, 96, 98, 100, 102]
    assert live.findings == []


def test_periods_without_ids_are_known_by_their_start(stage: Stage) -> None:
    first = period(video(by_number(), rungs("a")), name="", more='duration="PT100S"')
    second = period(video(by_number(), rungs("a")), name="", start=100)
    live = stage.open(mpd(first + second))
    live.look()
    live.look(2, mpd(second))
    live.look(2, mpd(second))
    assert len({(s.discontinuity_sequence, s.number) for s in live.segments}) == len(live.segments) == 7


def test_a_period_that_has_no_start_yet_is_left_for_later(stage: Stage) -> None:
    page = mpd(period(video(by_number(), rungs("a"))) + period(video(by_number(), rungs("a")), name="ad", start=None))
    update = stage.open(page).look()
    assert len(update.segments) == 5
    assert any("start is not known yet" in note for note in update.notes)


def test_a_manifest_that_becomes_static_brings_its_rest_and_is_over(stage: Stage) -> None:
    live = stage.open(mpd(period(video(timeline(listing(20, 30)), rungs("a")))))
    assert not live.look().is_over
    end = mpd(
        period(video(timeline(listing(20, 34)), rungs("a"))), kind="static", more='mediaPresentationDuration="PT108S"'
    )
    update = live.look(2, end)
    assert names(update.segments) == ["100000.m4s", "102000.m4s", "104000.m4s", "106000.m4s"]
    assert update.is_over and not update.is_live
    assert live.findings == []


def test_a_live_manifest_of_known_length_is_over_after_it(stage: Stage) -> None:
    page = mpd(period(video(by_number(), rungs("a")), more='duration="PT104S"'), update=None)
    live = stage.open(page)
    assert not live.look().is_over
    assert not live.look(4).is_over
    assert live.look(5).is_over
    assert live.segments[-1].start_seconds == START + 102


def test_a_static_manifest_is_everything_at_once(stage: Stage) -> None:
    page = mpd(
        period(video(by_number(), rungs("a", "b"))),
        kind="static",
        ast=None,
        update=None,
        more='mediaPresentationDuration="PT9S"',
    )
    update = stage.open(page).look()
    assert update.is_over and not update.is_live
    assert [s.start_seconds for s in update.segments if s.rendition_id == "a"] == [0, 2, 4, 6, 8]
    assert update.aligned_by is TimeBasis.MEDIA_TIME


def test_a_live_stream_that_has_not_begun_is_waited_for(stage: Stage) -> None:
    live = stage.open(mpd(period(video(by_number(), rungs("a"))), ast=START + 110))
    assert live.look().segments == ()
    assert 1 < live.updates[-1].wait_seconds <= 12
    assert names(live.look(12).segments) == ["1.m4s"]


def test_a_live_manifest_without_start_is_followed_as_it_is_listed(stage: Stage) -> None:
    live = stage.open(mpd(period(video(timeline(listing(20, 30)), rungs("a"))), ast=None), start_back_seconds=4)
    update = live.look()
    assert names(update.segments) == ["96000.m4s", "98000.m4s"]
    assert update.aligned_by is TimeBasis.MEDIA_TIME


@pytest.mark.parametrize("update", ["PT0S", None, "PT1795S", "P9999999Y"])
def test_any_update_period_is_lived_with(stage: Stage, update: str | None) -> None:
    live = stage.open(mpd(period(video(timeline(listing(20, 30)), rungs("a"))), update=update))
    live.look()
    for step in range(1, 5):
        page = mpd(period(video(timeline(listing(20 + step, 30)), rungs("a"))), update=update)
        live.look(2, page)
        assert 0.2 <= live.updates[-1].wait_seconds <= 2
    assert [s.start_seconds - START for s in live.segments] == list(range(90, 108, 2))


def test_a_template_manifest_is_not_read_for_every_segment(stage: Stage) -> None:
    live = stage.open(mpd(period(video(by_number(), rungs("a"))), update="PT30S"))
    for _ in range(20):
        live.look(2)
    assert stage.origin.counts["/live.mpd"] == 2


def test_an_unchanged_manifest_is_not_sent_again(stage: Stage) -> None:
    live = stage.open(mpd(period(video(timeline(listing(20, 30)), rungs("a")))))
    live.look()
    live.look(1)
    live.look(0.5)
    assert stage.origin.not_modified["/live.mpd"] == 2


def test_the_ladder_is_the_same_object_while_nothing_changes(stage: Stage) -> None:
    live = stage.open(mpd(period(video(timeline(listing(20, 30)), rungs("a", "b")))))
    ladder = live.look().ladder
    assert live.look(2, mpd(period(video(timeline(listing(21, 30)), rungs("a", "b"))))).ladder is ladder


def test_a_chain_of_base_urls_is_joined(stage: Stage) -> None:
    inner = "<BaseURL>rung/</BaseURL>"
    page = mpd(
        period("<BaseURL>period/</BaseURL>" + video(by_number(media="$Number$.m4s"), rungs("a", inner=inner))),
        head="<BaseURL>/base/</BaseURL>",
    )
    segment = stage.open(page).look().segments[0]
    assert segment.media.uri == stage.origin.url("/base/period/rung/46.m4s")


def test_one_of_several_base_urls_is_read_and_named(stage: Stage) -> None:
    other = stage.origin.url("/b/")
    head = f'<BaseURL serviceLocation="alpha">/a/</BaseURL><BaseURL serviceLocation="beta">{other}</BaseURL>'
    live = stage.open(mpd(period(video(by_number(), rungs("a"))), head=head))
    segment = live.look().segments[0]
    assert (segment.cdn, segment.media.uri) == ("alpha", stage.origin.url("/a/a/46.m4s"))


def test_a_base_url_that_may_not_be_read_is_passed_over(stage: Stage) -> None:
    head = "<BaseURL>http://cdn.example/a/</BaseURL><BaseURL>/b/</BaseURL>"
    live = stage.open(mpd(period(video(by_number(), rungs("a"))), head=head))
    assert live.look().segments[0].media.uri == stage.origin.url("/b/a/46.m4s")
    assert live.findings == []


def test_failing_segments_move_a_stream_to_the_other_base_url_and_back(stage: Stage) -> None:
    head = '<BaseURL serviceLocation="alpha">/a/</BaseURL><BaseURL serviceLocation="beta">/b/</BaseURL>'
    live = stage.open(mpd(period(video(by_number(), rungs("a"))), head=head))
    for segment in live.look().segments[:3]:
        live.presentation.failed(segment, Transient("down"))
    assert {s.cdn for s in live.look(4).segments} == {"beta"}
    assert live.kinds() == [ManifestFindingKind.FAILING_ORIGIN]
    assert {s.cdn for s in live.look(310).segments} == {"alpha"}
    assert live.kinds(over=True) == [ManifestFindingKind.FAILING_ORIGIN]
    numbers = [s.number for s in live.segments]
    assert len(numbers) == len(set(numbers))


def test_a_segment_that_is_not_to_be_had_is_a_finding(stage: Stage) -> None:
    live = stage.open(mpd(period(video(by_number(), rungs("a")))))
    segment = live.look().segments[0]
    live.presentation.failed(segment, NotFound("gone"))
    live.presentation.failed(segment, NotFound("gone"))
    (finding,) = live.look(2).findings
    assert (finding.kind, finding.segment_number) == (ManifestFindingKind.MISSING_SEGMENT, segment.number)


def test_audio_alone_is_refused(stage: Stage) -> None:
    audio = f'<AdaptationSet mimeType="audio/mp4">{by_number()}<Representation id="s"/></AdaptationSet>'
    with pytest.raises(AudioOnly):
        stage.open(mpd(period(audio))).look()


def test_a_first_manifest_that_is_no_manifest_is_refused(stage: Stage) -> None:
    with pytest.raises(BadPlaylist):
        stage.open("<html/>").look()


def test_one_file_without_index_cannot_be_followed_live(stage: Stage) -> None:
    page = mpd(period(video("", rungs("a", inner="<BaseURL>all.mp4</BaseURL>"))))
    with pytest.raises(Exception, match="publish it in segments"):
        stage.open(page).look()


def test_a_first_manifest_that_is_not_there_now_is_transient(stage: Stage) -> None:
    live = stage.open("")
    stage.origin.pages["/live.mpd"] = Page(status=503)
    with pytest.raises(Transient):
        live.look()
    live.look(1, mpd(period(video(by_number(), rungs("a")))))
    assert len(live.segments) == 5
