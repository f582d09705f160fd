"""A live HLS playlist is followed: every segment once, whatever the playlist does."""

import pytest
from hls_stage import NOW, Stage, master, playlist, rung

from pipeline.errors import BadPlaylist, NotFound, Transient
from schemas import ManifestFindingKind, TimeBasis

Kind = ManifestFindingKind


def test_a_live_playlist_begins_three_target_durations_back_and_gives_each_segment_once() -> None:
    with Stage() as stage:
        stage.show(playlist(range(100, 110)))
        first = stage.look()
        assert first.is_live and not first.is_over
        assert stage.numbers() == [107, 108, 109]
        stage.show(playlist(range(101, 111)))
        stage.look(2)
        stage.look(1)
        stage.show(playlist(range(103, 113)))
        stage.look(2)
        assert stage.numbers() == [107, 108, 109, 110, 111, 112]
        assert stage.findings == []


def test_how_far_back_to_begin_is_a_setting() -> None:
    with Stage(back_seconds=10) as stage:
        stage.show(playlist(range(100, 110)))
        stage.look()
        assert stage.numbers() == [105, 106, 107, 108, 109]


def test_an_event_playlist_begins_with_all_that_is_listed() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 20), head="#EXT-X-PLAYLIST-TYPE:EVENT\n"))
        assert stage.look().is_live
        assert stage.numbers() == list(range(20))
        stage.show(playlist(range(0, 21), head="#EXT-X-PLAYLIST-TYPE:EVENT\n", end=True))
        assert stage.look(2).is_over
        assert stage.numbers() == list(range(21))
        assert all(segment.expires_at is None for segment in stage.segments)


def test_vod_is_given_once_on_media_time_and_is_over() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 5), end=True))
        update = stage.look()
        assert update.is_over and not update.is_live
        assert update.aligned_by is TimeBasis.MEDIA_TIME
        assert stage.numbers(360) == stage.numbers(720) == [0, 1, 2, 3, 4]
        assert stage.starts(720) == [0, 2, 4, 6, 8]
        again = stage.look(10)
        assert again.segments == () and again.is_over


def test_a_live_stream_that_ends_gives_its_last_segments_and_is_over() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(10, 16)))
        stage.look()
        stage.show(playlist(range(11, 17), end=True), 360)
        assert not stage.look(2).is_over
        stage.show(playlist(range(11, 17), end=True), 720)
        assert stage.look(2).is_over
        assert stage.numbers(360)[-1] == stage.numbers(720)[-1] == 16


def test_all_renditions_begin_at_one_place() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(100, 110), zero=NOW - 220), 360)
        stage.show(playlist(range(100, 109), zero=NOW - 220), 720)
        stage.look()
        assert stage.numbers(360)[0] == stage.numbers(720)[0] == 106


def test_reloads_come_a_little_earlier_each_time_and_soon_again_where_one_came_too_early() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6)))
        assert stage.look().wait_seconds == pytest.approx(1.9)
        assert stage.look(1.9).wait_seconds == pytest.approx(0.5)
        assert stage.look(0.5).wait_seconds == pytest.approx(0.5)
        assert stage.look(0.5).wait_seconds == pytest.approx(1)
        stage.show(playlist(range(1, 7)))
        assert stage.look(1).wait_seconds == pytest.approx(1.9)
        assert stage.origin.counts["/index.m3u8"] == 6  # one more than looks: what it is shows first
        assert stage.origin.not_modified["/index.m3u8"] == 3


def test_segments_shorter_than_the_target_duration_are_asked_for_at_their_own_pace() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), target=4))
        assert stage.look().wait_seconds == pytest.approx(1.9)


def test_a_look_before_its_time_reads_nothing() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        asked = stage.origin.counts["/index.m3u8"]
        assert stage.look(0.5).wait_seconds == pytest.approx(1.4)
        assert stage.origin.counts["/index.m3u8"] == asked


def test_a_playlist_without_segments_waits_for_them() -> None:
    with Stage() as stage:
        stage.show("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n")
        assert stage.look().segments == ()
        stage.show(playlist([0]))
        stage.look(2)
        assert stage.numbers() == [0]


def test_segments_that_were_skipped_are_a_finding() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        stage.show(playlist(range(9, 15)))
        stage.look(18)
        (finding,) = stage.told(Kind.MISSING_SEGMENT)
        assert "skips 3 segments, from 6 to 8 (18 s after the reload before)" in finding.text
        assert finding.segment_number == 6
        assert stage.numbers() == [3, 4, 5, *range(9, 15)]
        # The time of those that were missed is left free.
        assert stage.starts()[3] - stage.starts()[2] == pytest.approx(8)


def test_an_older_copy_of_a_playlist_gives_nothing_twice() -> None:
    with Stage() as stage:
        stage.show(playlist(range(10, 16)))
        stage.look()
        stage.show(playlist(range(9, 15)))
        stage.look(2)
        stage.show(playlist(range(11, 17)))
        stage.look(2)
        assert stage.numbers() == [13, 14, 15, 16]
        begun, ended = stage.told(Kind.SEQUENCE_WENT_BACK)
        assert begun.finding_id == ended.finding_id
        assert begun.over_at is None and ended.over_at is not None


def test_a_packager_that_begins_anew_is_followed_under_a_new_discontinuity_sequence() -> None:
    with Stage() as stage:
        stage.show(playlist(range(100, 106), name="a{}.ts"))
        stage.look()
        stage.show(playlist(range(0, 2), name="b{}.ts"))
        stage.look(2)
        stage.show(playlist(range(0, 3), name="b{}.ts"))
        stage.look(2)
        assert stage.numbers() == [103, 104, 105, 0, 1, 2]
        assert [s.discontinuity_sequence for s in stage.segments] == [0, 0, 0, 1, 1, 1]
        assert stage.starts() == sorted(stage.starts())
        (finding,) = stage.told(Kind.SEQUENCE_WENT_BACK)
        assert "from 105 to 1" in finding.text


def test_a_packager_that_begins_anew_with_the_same_names_is_told_from_an_older_copy_by_its_age() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 4)))
        stage.look()
        for number in range(4, 40, 2):
            stage.show(playlist(range(max(0, number - 4), number + 2)))
            stage.look(4)
        stage.segments.clear()
        stage.show(playlist(range(0, 2)))
        stage.look(4)
        assert stage.numbers() == [0, 1]
        assert {s.discontinuity_sequence for s in stage.segments} == {1}


def test_a_restart_that_lists_what_was_there_repeats_nothing_where_a_clock_is_stated() -> None:
    with Stage() as stage:
        stage.show(playlist(range(100, 106), zero=NOW - 212, name="a{}.ts"))
        stage.look()
        # Numbers begin at 0 again, the wall clock goes on: 0 and 1 are 104 and 105 under other names.
        stage.show(playlist(range(0, 4), zero=NOW - 4, name="b{}.ts"))
        stage.look(4)
        assert stage.numbers() == [103, 104, 105, 2, 3]
        assert stage.starts()[-2] - stage.starts()[-3] == pytest.approx(2)


def test_a_changed_segment_is_told_and_not_given_again() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        stage.show(playlist(range(1, 7)).replace("seg4.ts", "other.ts"))
        stage.look(2)
        stage.show(playlist(range(2, 8)).replace("seg4.ts", "other.ts"))
        stage.look(2)
        (finding,) = stage.told(Kind.CHANGED_SEGMENT)
        assert "segment 4" in finding.text and "seg4.ts became other.ts" in finding.text
        assert stage.numbers() == [3, 4, 5, 6, 7]


def test_a_changed_duration_is_told() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        stage.show(playlist(range(1, 7)).replace("#EXTINF:2,\nseg5", "#EXTINF:1.5,\nseg5"))
        stage.look(2)
        assert "its duration went from 2 to 1.5 s" in stage.told(Kind.CHANGED_SEGMENT)[0].text


@pytest.mark.parametrize("name", ["seg{}.ts?token=abc", "session-2/seg{}.ts"])
def test_new_tokens_in_addresses_change_no_segment(name: str) -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), name="seg{}.ts?token=xyz"))
        stage.look()
        stage.show(playlist(range(1, 7), name=name))
        stage.look(2)
        assert stage.findings == []
        assert stage.numbers() == [3, 4, 5, 6]


def test_a_gap_is_passed_over_and_told_once() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        gaps = {6: "#EXT-X-GAP\n", 7: "#EXT-X-GAP\n"}
        stage.show(playlist(range(1, 8), before=gaps))
        stage.look(2)
        stage.show(playlist(range(3, 10), before=gaps))
        stage.look(2)
        assert stage.numbers() == [3, 4, 5, 8, 9]
        assert stage.starts()[3] - stage.starts()[2] == pytest.approx(6)
        begun, ended = stage.told(Kind.MISSING_SEGMENT)
        assert begun.segment_number == 6 and ended.over_at is not None


def test_a_byte_range_playlist_is_followed() -> None:
    with Stage() as stage:
        head = '#EXT-X-MAP:URI="all.mp4",BYTERANGE="4@0"\n'
        ranges = {number: f"#EXT-X-BYTERANGE:100@{number * 100}\n" for number in range(10)}
        stage.show(playlist(range(0, 4), head=head, before=ranges, name="all.mp4"))
        stage.look()
        stage.show(playlist(range(1, 5), head=head, before=ranges, name="all.mp4"))
        stage.look(2)
        assert stage.numbers() == [1, 2, 3, 4]
        last = stage.segments[-1]
        assert last.media.byte_range is not None and last.media.byte_range.offset == 400
        assert last.init is not None and last.init.byte_range is not None
        assert stage.findings == []


def test_variables_of_the_master_hold_in_every_reload() -> None:
    with Stage(heights=(360,)) as stage:
        stage.origin.pages["/master.m3u8"] = master((360,), extra='#EXT-X-DEFINE:NAME="folder",VALUE="deep"\n')
        head = '#EXT-X-DEFINE:IMPORT="folder"\n'
        stage.show(playlist(range(0, 3), head=head, name="{{$folder}}/seg{}.ts"))
        stage.look()
        stage.show(playlist(range(1, 4), head=head, name="{{$folder}}/seg{}.ts"))
        stage.look(2)
        assert stage.segments[-1].media.uri == stage.origin.url("/360/deep/seg3.ts")


def test_a_new_process_goes_on_where_the_last_one_stopped() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        stage.show(playlist(range(0, 2), name="anew{}.ts"))
        stage.look(2)
        before = stage.starts(720)
        position = type(stage.presentation.position).model_validate_json(stage.presentation.position.model_dump_json())
        stage.begin(position=position)
        stage.show(playlist(range(0, 4), name="anew{}.ts"))
        update = stage.look(4)
        assert update.is_live
        assert stage.numbers(720) == stage.numbers(360) == [3, 4, 5, 0, 1, 2, 3]
        assert [s.discontinuity_sequence for s in stage.segments][-2:] == [1, 1]
        assert stage.starts(720)[len(before)] == pytest.approx(before[-1] + 2)


def test_what_is_given_out_again_after_a_restart_lies_where_it_lay() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        earlier = stage.presentation.position
        stage.show(playlist(range(3, 9)))
        stage.look(6.7)  # not the durations of the segments: the clock alone would place them otherwise
        given = dict(zip(stage.numbers(720), stage.starts(720), strict=True))
        stage.segments.clear()
        stage.begin(position=earlier)
        stage.show(playlist(range(4, 10)))
        stage.look(3.1)
        again = dict(zip(stage.numbers(720), stage.starts(720), strict=True))
        assert list(again) == [6, 7, 8, 9]
        assert [again[number] for number in (6, 7, 8)] == [given[number] for number in (6, 7, 8)]
        assert stage.findings == []


def test_a_new_process_finds_a_title_that_was_given_out_over() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), head="#EXT-X-PLAYLIST-TYPE:EVENT\n"))
        stage.look()
        stage.begin(position=stage.presentation.position)
        stage.show(playlist(range(0, 6), head="#EXT-X-PLAYLIST-TYPE:EVENT\n", end=True))
        assert stage.look(2).is_over
        assert stage.numbers() == list(range(6))


def test_a_master_that_is_not_there_is_an_error_and_can_be_tried_again() -> None:
    with Stage(heights=(360,)) as stage:
        stage.origin.pages["/master.m3u8"] = 503
        with pytest.raises(Transient, match="503"):
            stage.look()
        stage.origin.pages["/master.m3u8"] = master((360,))
        stage.show(playlist(range(0, 3)))
        stage.look(1)
        assert stage.numbers() == [0, 1, 2]


def test_a_ladder_without_one_readable_playlist_is_an_error() -> None:
    with Stage(heights=(360, 720)) as stage:
        with pytest.raises(NotFound, match="none of the 2 renditions can be read"):
            stage.look()
        stage.show(playlist(range(0, 3)))
        stage.look(1)
        assert stage.numbers(720) == [0, 1, 2]


def test_a_page_that_is_no_playlist_is_refused_in_words() -> None:
    with Stage() as stage:
        stage.show("<html>not here</html>")
        with pytest.raises(BadPlaylist, match="not an HLS playlist"):
            stage.look()


def test_the_ladder_is_the_same_object_while_nothing_changes() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)))
        first = stage.look()
        assert [r.rendition_id for r in first.ladder.renditions] == [rung(360), rung(720)]
        assert stage.look(2).ladder is first.ladder


def test_what_is_left_out_is_noted_on_the_first_look() -> None:
    with Stage(heights=(360,)) as stage:
        audio = '#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="mp4a.40.2"\naudio.m3u8\n'
        stage.origin.pages["/master.m3u8"] = master((360,), extra=audio)
        stage.show(playlist(range(0, 3)))
        stage.look()
        assert stage.notes == ["left out: 1 variants with audio only"]
        assert stage.look(2).notes == ()
