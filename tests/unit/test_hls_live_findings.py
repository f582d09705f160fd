"""What a live HLS presentation does that it should not is told once when it begins, and once when it is over."""

import pytest
from hls_stage import NOW, Stage, master, playlist, rung

from pipeline.errors import Transient
from pipeline.ingest import hls_checks
from schemas import ManifestFindingKind, Severity

Kind = ManifestFindingKind


def test_a_playlist_that_stands_still_is_stale_once_until_it_moves() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        for _ in range(3):
            stage.look(1)
        assert stage.findings == []
        for _ in range(12):
            stage.look(1)
        (finding,) = stage.told(Kind.STALE)
        assert finding.severity is Severity.CRITICAL and finding.segment_number == 5
        assert finding.found_at.timestamp() - NOW <= 3 * 2
        stage.show(playlist(range(1, 7)))
        stage.look(1)
        assert [f.over_at is None for f in stage.told(Kind.STALE)] == [True, False]


def test_a_ladder_that_stands_still_as_a_whole_is_one_finding() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        for _ in range(8):
            stage.look(1)
        (finding,) = stage.told()
        assert finding.rendition_id is None and finding.text.startswith("every rendition: ")
        stage.show(playlist(range(1, 7)), 360)
        stage.look(1)
        assert len(stage.told()) == 1
        stage.show(playlist(range(1, 7)), 720)
        stage.look(1)
        assert [f.finding_id for f in stage.told()] == [finding.finding_id] * 2


def test_one_stale_rung_is_told_of_that_rung() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        for step in range(1, 5):
            stage.show(playlist(range(step, step + 6)), 360)
            stage.look(1)
            stage.look(1)
        assert [(f.kind, f.rendition_id) for f in stage.told()] == [(Kind.STALE, rung(720))]


def test_a_rung_is_not_stale_for_the_time_that_the_answer_of_another_takes() -> None:
    with Stage(heights=(720, 360)) as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        for number in range(1, 4):
            stage.show(playlist(range(number, number + 6)))
            stage.look(2)
        stage.look(1.5)

        def late(_: dict[str, str]) -> str:
            stage.clock.now += 5
            return playlist(range(4, 10))

        stage.origin.pages["/360/index.m3u8"] = late
        stage.look(1.5)
        assert stage.numbers(360)[-1] == 9 and stage.numbers(720)[-1] == 8
        assert stage.told() == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(404, Kind.RUNG_GONE), (500, Kind.FAILING_ORIGIN), (403, Kind.FAILING_ORIGIN),
     (b"garbage", Kind.BAD_PLAYLIST), (b"", Kind.BAD_PLAYLIST), (b"\x00\x01", Kind.BAD_PLAYLIST)],
)  # fmt: skip
def test_one_rung_that_fails_is_a_finding_and_the_others_go_on(answer: int | bytes, kind: Kind) -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        stage.show(playlist(range(1, 7)), 360)
        stage.show(answer, 720)
        stage.look(2)
        stage.look(2)
        ((finding),) = stage.told()
        assert (finding.kind, finding.rendition_id) == (kind, rung(720))
        assert stage.numbers(360)[-1] == 6
        stage.show(playlist(range(2, 8)))
        stage.look(8)
        assert stage.numbers(720) == stage.numbers(360) == [3, 4, 5, 6, 7]
        assert [f.over_at is None for f in stage.told()] == [True, False]


def test_a_rung_that_fails_at_first_is_followed_when_it_comes() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)), 360)
        update = stage.look()
        assert len(update.ladder.renditions) == 2
        stage.show(playlist(range(0, 6)), 720)
        stage.look(2)
        assert stage.numbers(720) == [3, 4, 5]
        assert stage.starts(720) == stage.starts(360)


def test_an_origin_that_is_away_altogether_is_told_and_then_raised() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        stage.show(503)
        stage.look(2)
        (finding,) = stage.told()
        assert finding.kind is Kind.FAILING_ORIGIN and finding.rendition_id is None and finding.cdn == "127.0.0.1"
        with pytest.raises(Transient, match="503"):
            stage.look(4)
        stage.show(playlist(range(3, 9)))
        stage.look(4)
        assert stage.numbers(360) == [3, 4, 5, 6, 7, 8]
        assert stage.told()[-1].over_at is not None


def test_a_single_playlist_that_was_away_is_followed_at_its_usual_pace_again() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        stage.show(503)
        stage.look(2)
        stage.show(playlist(range(1, 7)))
        stage.look(2)
        assert stage.look(0.1).wait_seconds > 1
        assert [f.over_at is None for f in stage.told(Kind.FAILING_ORIGIN)] == [True, False]


def test_a_master_that_names_new_addresses_is_asked_when_the_old_ones_are_gone() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        for height in (360, 720):
            stage.origin.pages[f"/{height}/index.m3u8"] = 404
            stage.origin.pages[f"/new/{height}/index.m3u8"] = playlist(range(2, 8))
        stage.origin.pages["/master.m3u8"] = master((360, 720), path="new/{}/index.m3u8")
        stage.look(2)
        stage.look(2)
        assert stage.numbers(720) == [3, 4, 5, 6, 7]


def test_rungs_that_come_and_go_are_told_and_followed() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)))
        first = stage.look()
        stage.origin.pages["/master.m3u8"] = master((360, 1080))
        stage.origin.pages["/1080/index.m3u8"] = playlist(range(30, 36))
        stage.show(playlist(range(30, 36)))
        update = stage.look(61)
        assert [r.rendition_id for r in update.ladder.renditions] == [rung(360), rung(1080)]
        assert update.ladder is not first.ladder
        assert {(f.kind, f.rendition_id) for f in stage.told()} >= {
            (Kind.RUNG_NEW, rung(1080)),
            (Kind.RUNG_GONE, rung(720)),
        }
        assert stage.numbers(1080) == [33, 34, 35]
        assert stage.starts(1080) == stage.starts(360)[-3:]
        stage.origin.pages["/master.m3u8"] = master((360, 720, 1080))
        stage.show(playlist(range(60, 66)))
        stage.look(61)
        (gone, back) = stage.told(Kind.RUNG_GONE)
        assert gone.finding_id == back.finding_id and back.over_at is not None
        assert stage.numbers(720) == [3, 4, 5, *range(60, 66)]


def test_a_rung_that_is_declared_otherwise_is_the_same_rung() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        declared = master((360, 720)).replace("BANDWIDTH=2880000", "BANDWIDTH=900000")
        stage.origin.pages["/master.m3u8"] = declared.replace("avc1.64001f", "hvc1.1.6.L93.90")
        stage.show(playlist(range(30, 36)))
        update = stage.look(61)
        now = {each.rendition_id: each.rung for each in update.ladder.renditions}
        assert now.keys() == {rung(360), rung(720)} and now[rung(720)].codec == "hevc"
        assert not stage.told(Kind.RUNG_GONE) and not stage.told(Kind.RUNG_NEW)
        assert stage.numbers(720) == [3, 4, 5, *range(30, 36)]


def test_segments_longer_than_the_target_duration_are_told_while_they_are_listed() -> None:
    with Stage() as stage:
        long = playlist(range(0, 6)).replace("#EXTINF:2,\nseg5", "#EXTINF:3.4,\nseg5")
        stage.show(long.replace("3.4", "2.4"))
        stage.look()
        assert stage.findings == []
        stage.show(long.replace("seg5", "seg6").replace("SEQUENCE:0", "SEQUENCE:1"))
        stage.look(2)
        (finding,) = stage.told(Kind.TARGET_DURATION)
        assert "lasts 3.4 s" in finding.text
        stage.show(playlist(range(7, 13)))
        stage.look(2)
        assert stage.told(Kind.TARGET_DURATION)[-1].over_at is not None


def test_a_target_duration_that_changes_is_told() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), target=2))
        stage.look()
        stage.show(playlist(range(1, 7), target=3))
        stage.look(2)
        assert "changes from 2 to 3 s" in stage.told(Kind.TARGET_DURATION)[0].text


def test_a_window_that_shrinks_is_told_until_it_is_back() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 10)))
        stage.look()
        stage.show(playlist(range(7, 11)))
        stage.look(2)
        assert stage.told(Kind.WINDOW_SHRINKING)[0].over_at is None
        stage.show(playlist(range(2, 12)))
        stage.look(2)
        assert stage.told(Kind.WINDOW_SHRINKING)[-1].over_at is not None
        assert stage.numbers() == [7, 8, 9, 10, 11]


def test_an_event_playlist_that_loses_segments_shrinks() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), head="#EXT-X-PLAYLIST-TYPE:EVENT\n"))
        stage.look()
        stage.show(playlist(range(1, 7), head="#EXT-X-PLAYLIST-TYPE:EVENT\n"))
        stage.look(2)
        assert [f.kind for f in stage.told()] == [Kind.WINDOW_SHRINKING]


def test_renditions_that_disagree_on_a_discontinuity_are_told() -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6), zero=NOW - 12))
        stage.look()
        split = {6: "#EXT-X-DISCONTINUITY\n"}
        stage.show(playlist(range(1, 7), zero=NOW - 12, before=split), 360)
        stage.show(playlist(range(1, 7), zero=NOW - 12), 720)
        stage.look(2)
        (finding,) = stage.told(Kind.DISCONTINUITY_MISMATCH)
        assert finding.rendition_id == rung(720) and finding.segment_number == 6


def test_drm_is_told_once_and_its_segments_are_not_given_out() -> None:
    with Stage() as stage:
        hidden = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://key",KEYFORMAT="com.apple.streamingkeydelivery"\n'
        stage.show(playlist(range(0, 6), before={4: hidden}))
        stage.look()
        stage.show(playlist(range(1, 7), before={4: hidden}))
        stage.look(2)
        assert stage.numbers() == [3]
        (finding,) = stage.told()
        assert finding.kind is Kind.ENCRYPTED and finding.segment_number == 4
        assert "not scored" in finding.text and "skd" not in finding.text
        stage.show(playlist(range(5, 10), before={5: hidden, 8: "#EXT-X-KEY:METHOD=NONE\n"}))
        stage.look(2)
        assert stage.numbers() == [3, 8, 9]
        assert stage.told()[-1].over_at is not None


def test_a_slow_origin_is_told_after_three_slow_reloads() -> None:
    with Stage(slow_least_seconds=hls_checks.SLOW_LEAST_SECONDS) as stage:
        stage.show(playlist(range(0, 6)))
        stage.look()
        (followed,) = stage.presentation._rungs.rungs.values()
        for number in range(1, 5):
            stage.show(playlist(range(number, number + 6)))
            followed.seconds = 0.0
            stage.clock.now += 2
            loaded = stage.presentation._load()
            followed.seconds = 1.4
            stage.presentation._checks.slow(followed)
            stage.presentation._placed(loaded)
        findings = stage.presentation._told.take()
        assert [f.kind for f in findings] == [Kind.SLOW_ORIGIN]
        assert findings[0].cdn == "127.0.0.1"


def test_another_host_stands_in_and_is_told_and_the_first_comes_back() -> None:
    with Stage(heights=(360,)) as stage:
        stream = '#EXT-X-STREAM-INF:BANDWIDTH=1440000,RESOLUTION=640x360,CODECS="avc1.64001f,mp4a.40.2"\n'
        other = stage.origin.url("/360/index.m3u8", host="localhost").replace("/360/", "/b/360/")
        stage.origin.pages["/master.m3u8"] = f"#EXTM3U\n{stream}360/index.m3u8\n{stream}{other}\n"
        stage.show(playlist(range(0, 6), zero=NOW - 12))
        assert len(stage.look().ladder.renditions) == 1
        assert {s.cdn for s in stage.segments} == {"127.0.0.1"}
        stage.show(503)
        stage.origin.pages["/b/360/index.m3u8"] = playlist(range(1, 7), zero=NOW - 12)
        stage.look(2)
        assert stage.numbers() == [3, 4, 5, 6]
        assert stage.segments[-1].cdn == "localhost"
        (finding,) = stage.told()
        assert (finding.kind, finding.cdn) == (Kind.FAILING_ORIGIN, "127.0.0.1")
        for step in range(2, 31):
            stage.origin.pages["/b/360/index.m3u8"] = playlist(range(step, step + 6), zero=NOW - 12)
            stage.look(2)
        stage.show(playlist(range(31, 37), zero=NOW - 12))
        stage.look(2)
        assert stage.segments[-1].cdn == "127.0.0.1"
        assert stage.numbers() == list(range(3, 37))
        assert [f.over_at is None for f in stage.told()] == [True, False]


def test_a_backup_that_numbers_otherwise_repeats_nothing() -> None:
    with Stage(heights=(360,)) as stage:
        stream = "#EXT-X-STREAM-INF:BANDWIDTH=1440000,RESOLUTION=640x360\n"
        stage.origin.pages["/master.m3u8"] = f"#EXTM3U\n{stream}360/index.m3u8\n{stream}b/index.m3u8\n"
        stage.show(playlist(range(100, 106), zero=NOW - 212))
        stage.look()
        stage.show(503)
        # The same content, numbered from 0 at the time of 96.
        stage.origin.pages["/b/index.m3u8"] = playlist(range(5, 11), zero=NOW - 20, name="b{}.ts")
        stage.look(2)
        assert stage.numbers() == [103, 104, 105, 10]
        assert stage.starts()[-1] - stage.starts()[-2] == pytest.approx(2)


def test_hosts_that_are_not_allowed_are_one_finding() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), name="http://elsewhere.example/seg{}.ts"))
        update = stage.look()
        assert update.segments == ()
        (finding,) = stage.told()
        assert finding.kind is Kind.BAD_PLAYLIST and "RUNGWATCH_FETCH_HOSTS" in finding.text


@pytest.mark.parametrize(
    "hostile",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-SKIP:SKIPPED-SEGMENTS=1000000000\n#EXTINF:2,\na.ts\n",
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:999999999999999999999999\n#EXTINF:2,\na.ts\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1e300\n#EXT-X-PROGRAM-DATE-TIME:9999-12-31T23:59:59-23:59\n#EXTINF:2,\na.ts\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:-1\n#EXTINF:nan,\na.ts\n#EXTINF:inf,\nb.ts\n#EXTINF:-5,\nc.ts\n",
        "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128\n#EXTINF:2,\na.ts\n",
        '#EXTM3U\n#EXT-X-DATERANGE:ID="x",SCTE35-OUT=0xZZ\n#EXT-X-CUE-OUT:nan\n#EXTINF:2,\na.ts\n',
        '#EXTM3U\n#EXT-X-DATERANGE:ID="x",START-DATE="junk",DURATION=1e308,SCTE35-OUT=0xFC\n#EXTINF:2,\na.ts\n',
        "#EXTM3U\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=nan\n#EXTINF:2,\na.ts\n",
        "#EXTM3U\n#EXT-X-PART-INF:PART-TARGET=inf\n#EXT-X-PART:DURATION=-3,URI=x\n#EXTINF:2,\na.ts\n",
        "#EXTM3U\n#EXTINF:2,\nhttp://[::1/a.ts\n",
        "#EXTM3U\n#EXTINF:2,\n/etc/../../passwd\n",
        "#EXTM3U\n#EXT-X-BYTERANGE:0@0\n#EXTINF:2,\na.ts\n",
    ],
)
def test_a_hostile_rung_costs_no_other(hostile: str) -> None:
    with Stage(heights=(360, 720)) as stage:
        stage.show(playlist(range(0, 6)), 360)
        stage.show(hostile, 720)
        stage.look()
        stage.show(playlist(range(1, 7)), 360)
        update = stage.look(2)
        assert stage.numbers(360)[-4:] == [3, 4, 5, 6]
        assert 0 <= update.wait_seconds <= 30
        for finding in stage.told():
            assert "\n" not in finding.text
