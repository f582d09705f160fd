"""Low-latency HLS: reloads that the server holds back, delta updates, and parts that never become segments."""

from collections.abc import Callable

import pytest
from hls_stage import NOW, Stage, date_time, playlist
from origin import Page

from pipeline.ingest.hls_delta import merged
from pipeline.ingest.hls_playlist import Media, parse
from schemas import ManifestFindingKind

CONTROL = (
    "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,PART-HOLD-BACK=1.5\n"
    "#EXT-X-PART-INF:PART-TARGET=0.5\n"
)


def parts(number: int, count: int) -> str:
    return "".join(f'#EXT-X-PART:DURATION=0.5,URI="seg{number}.{part}.mp4"\n' for part in range(count))


def media(text: str) -> Media:
    found = parse(text.encode(), "http://x/index.m3u8", max_segments=1000, may_be_empty=True)
    assert isinstance(found, Media)
    return found


def delta(first: int, skipped: int, numbers: range, before: str = "") -> str:
    listed = "".join(f"#EXTINF:2,\nseg{number}.ts\n" for number in numbers)
    return (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n{CONTROL}"
        f"#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n{before}{listed}"
    )


def test_parts_never_become_segments() -> None:
    with Stage() as stage:
        stage.show(playlist(range(0, 6), head=CONTROL, before={5: parts(5, 4)}, tail=parts(6, 3)))
        stage.look()
        assert stage.numbers() == [3, 4, 5]


def test_a_reload_asks_for_the_next_segment_where_the_server_holds_it_back() -> None:
    with Stage() as stage:
        last = 5

        def answer(query: dict[str, str]) -> str:
            nonlocal last
            last = max(last, int(query.get("_HLS_msn", last)))
            return playlist(range(last - 5, last + 1), head=CONTROL.replace("CAN-SKIP-UNTIL=12.0,", ""))

        stage.origin.pages["/index.m3u8"] = answer
        update = stage.look()
        # Asked for half a second before it is due, so that no thread waits for all of it.
        assert update.wait_seconds == pytest.approx(1.5)
        stage.look(2)
        stage.look(2)
        assert stage.origin.asked[2:] == ["/index.m3u8?_HLS_msn=6", "/index.m3u8?_HLS_msn=7"]
        assert stage.numbers() == [3, 4, 5, 6, 7]


def test_parts_are_asked_for_from_zero_where_they_are_followed() -> None:
    with Stage(follow_parts=True) as stage:
        out = [(5, 4)]

        def answer(query: dict[str, str]) -> str:
            if "_HLS_msn" in query:
                msn, part = int(query["_HLS_msn"]), int(query["_HLS_part"])
                # A part beyond the last one is the first of the next segment.
                out[0] = (msn - 1, part + 1) if part < 4 else (msn, 1)
            last, count = out[0]
            head = CONTROL.replace("CAN-SKIP-UNTIL=12.0,", "")
            return playlist(range(last - 5, last + 1), head=head, tail=parts(last + 1, count))

        stage.origin.pages["/index.m3u8"] = answer
        for _ in range(4):
            assert stage.look(0.5).wait_seconds == 0
        assert [asked.partition("?")[2] for asked in stage.origin.asked[2:]] == [
            "_HLS_msn=6&_HLS_part=4", "_HLS_msn=7&_HLS_part=1", "_HLS_msn=7&_HLS_part=2",
        ]  # fmt: skip
        assert stage.numbers() == [3, 4, 5, 6]


def test_a_server_that_fails_on_its_own_directives_is_asked_plainly() -> None:
    with Stage() as stage:
        numbers = range(0, 6)

        def answer(query: dict[str, str]) -> str | int:
            return 400 if query else playlist(numbers, head=CONTROL)

        stage.origin.pages["/index.m3u8"] = answer
        stage.look()
        numbers = range(1, 7)
        stage.look(2)
        assert stage.numbers() == [3, 4, 5, 6]
        stage.look(2)
        assert stage.origin.asked[-1] == "/index.m3u8"
        assert stage.findings == []


def test_a_delta_update_is_asked_for_and_put_together() -> None:
    with Stage() as stage:
        control = CONTROL.replace("CAN-BLOCK-RELOAD=YES,", "")

        def publish(answer: Callable[[dict[str, str]], str]) -> None:
            stage.origin.pages["/index.m3u8"] = answer

        publish(lambda _: playlist(range(0, 20), head=control))
        stage.look()
        publish(lambda query: delta(1, 14, range(15, 21)) if "_HLS_skip" in query else "not asked")
        stage.look(2)
        assert stage.origin.asked[-1] == "/index.m3u8?_HLS_skip=YES"
        publish(lambda query: delta(2, 14, range(16, 22)) if "_HLS_skip" in query else "not asked")
        stage.look(2)
        assert stage.numbers() == [17, 18, 19, 20, 21]
        assert stage.findings == []
        # Too old for a delta: the whole playlist is asked for.
        publish(lambda query: "not expected" if query else playlist(range(10, 30), head=control))
        stage.look(16)
        assert stage.numbers()[-1] == 29


def test_a_delta_update_that_skips_what_is_not_known_is_asked_for_as_a_whole() -> None:
    with Stage() as stage:
        control = CONTROL.replace("CAN-BLOCK-RELOAD=YES,", "")
        numbers = range(0, 6)
        stage.origin.pages["/index.m3u8"] = lambda query: (
            delta(40, 14, range(54, 60)) if query else playlist(numbers, head=control)
        )
        stage.look()
        numbers = range(40, 60)
        stage.look(2)
        assert stage.numbers()[-1] == 59
        assert stage.told(ManifestFindingKind.MISSING_SEGMENT)[0].segment_number == 6


def test_a_delta_update_carries_keys_init_segments_and_discontinuities_on() -> None:
    head = '#EXT-X-MAP:URI="init.mp4"\n#EXT-X-KEY:METHOD=AES-128,URI="k1"\n'
    before = media(playlist(range(0, 6), head=head, before={2: "#EXT-X-DISCONTINUITY\n"}))
    whole = merged(media(delta(1, 4, range(5, 7), "#EXT-X-DISCONTINUITY\n")), before.listed)
    assert whole is not None
    assert [entry.number for entry in whole.listed] == [1, 2, 3, 4, 5, 6]
    assert [entry.discontinuity_sequence for entry in whole.listed] == [0, 1, 1, 1, 2, 2]
    assert {entry.init_uri for entry in whole.listed} == {"init.mp4"}
    assert {entry.key.uri for entry in whole.listed if entry.key} == {"k1"} and all(e.key for e in whole.listed)
    clear = merged(media(delta(1, 4, range(5, 7), "#EXT-X-KEY:METHOD=NONE\n")), before.listed)
    assert clear is not None and [bool(entry.key) for entry in clear.listed] == [True] * 4 + [False] * 2
    assert merged(media(delta(7, 4, range(11, 12))), before.listed) is None


def test_how_late_parts_are_is_measured() -> None:
    with Stage() as stage:
        first = f"#EXT-X-PROGRAM-DATE-TIME:{date_time(NOW - 14)}\n"

        def listing(last: int, count: int) -> Page:
            text = playlist(range(0, last + 1), head=CONTROL, before={0: first}, tail=parts(last + 1, count))
            return Page(text.encode())

        # Segment 5 ends at NOW - 2; one more part is out: everything is 1.5 s behind.
        stage.origin.pages["/index.m3u8"] = lambda _: listing(5, 1)
        stage.look()
        stage.origin.pages["/index.m3u8"] = lambda _: listing(6, 1)
        stage.look(2)
        (late,) = stage.presentation.part_late_seconds.values()
        assert late == 0
        # Four seconds later it is one segment on, not two.
        stage.origin.pages["/index.m3u8"] = lambda _: listing(7, 1)
        stage.look(4)
        (late,) = stage.presentation.part_late_seconds.values()
        assert late == pytest.approx(1.5)
