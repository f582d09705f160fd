"""Segments of a live DASH stream are labelled by the SCTE-35 in its manifest and in its segments."""

import base64
import struct
from collections.abc import Iterator

import pytest
from dash_live_scene import START, Scene, Stage, by_number, mpd, period, rungs, video
from threefive import Cue

from schemas import ContentLabel

XML = "urn:scte:scte35:2013:xml"
BINARY = "urn:scte:scte35:2014:xml+bin"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as found:
        yield found


def section(*, out: bool, seconds: float | None = None, event_id: int = 7) -> bytes:
    """Return a splice_insert as bytes."""
    cue = Cue()
    command = {
        "command_type": 5,
        "splice_event_id": event_id,
        "splice_event_cancel_indicator": False,
        "out_of_network_indicator": out,
        "program_splice_flag": True,
        "duration_flag": seconds is not None,
        "splice_immediate_flag": True,
        "event_id_compliance_flag": True,
        "unique_program_id": 1,
        "avail_num": 0,
        "avails_expected": 0,
    }
    if seconds is not None:
        command |= {"break_auto_return": True, "break_duration": seconds, "break_duration_ticks": int(seconds * 90_000)}
    cue.load({"info_section": {"table_id": "0xfc", "tier": "0xfff", "cw_index": "0x0"}, "command": command})
    return base64.b64decode(cue.encode())


def events(scheme: str, *entries: str, scale: int = 1000, offset: int = 0) -> str:
    attributes = f'schemeIdUri="{scheme}" timescale="{scale}" presentationTimeOffset="{offset}"'
    return f"<EventStream {attributes}>{''.join(entries)}</EventStream>"


def event(at: int, content: str, duration: int | None = None) -> str:
    length = f'duration="{duration}"' if duration is not None else ""
    return f'<Event presentationTime="{at}" {length} id="{at}">{content}</Event>'


def signal(data: bytes) -> str:
    binary = base64.b64encode(data).decode()
    return f'<Signal xmlns="http://www.scte.org/schemas/35/2016"><Binary>{binary}</Binary></Signal>'


def insert(out: bool, ticks: int | None = None) -> str:
    length = "" if ticks is None else f'<BreakDuration autoReturn="true" duration="{ticks}"/>'
    return (
        '<scte35:SpliceInfoSection xmlns:scte35="urn:scte:scte35:2013:xml"><scte35:SpliceInsert spliceEventId="1" '
        f'outOfNetworkIndicator="{str(out).lower()}">{length.replace("<Break", "<scte35:Break")}</scte35:SpliceInsert>'
        "</scte35:SpliceInfoSection>"
    )


def descriptor(kind: int, ticks: int | None = None) -> str:
    length = "" if ticks is None else f'segmentationDuration="{ticks}"'
    return (
        f'<SpliceInfoSection xmlns="{XML}"><TimeSignal/>'
        f'<SegmentationDescriptor segmentationTypeId="{kind}" segmentationEventId="3" {length}/></SpliceInfoSection>'
    )


def ads(stage: Stage, stream: str, *, back: float = 30.0) -> list[float]:
    """Return where ads start, in seconds of the period, of the segments from 70 s to 100 s."""
    live = stage.open(mpd(period(video(by_number(), rungs("a")), before=stream)), start_back_seconds=back)
    return labelled(live, len(live.look().segments))


def labelled(live: Scene, count: int) -> list[float]:
    assert len(live.segments) == count
    return [s.start_seconds - START for s in live.segments if s.label is ContentLabel.AD]


@pytest.mark.parametrize(
    "entry",
    [
        event(80_000, signal(section(out=True, seconds=8.0))),
        event(80_000, signal(section(out=True)), duration=8000),
        event(80_000, insert(True, 720_000)),
        event(80_000, insert(True), duration=8000),
        event(80_000, descriptor(0x34, 720_000)),
        event(80_000, descriptor(0x30), duration=8000),
        event(80_000, insert(True)) + event(88_000, insert(False)),
        event(80_000, insert(True, 7_200_000)) + event(88_000, insert(False)),
        event(80_000, descriptor(0x22)) + event(88_000, descriptor(0x23)),
    ],
)
def test_a_break_of_the_manifest_labels_its_segments(stage: Stage, entry: str) -> None:
    scheme = BINARY if "Binary" in entry else XML
    assert ads(stage, events(scheme, entry)) == [80, 82, 84, 86]


def test_time_scale_and_offset_of_the_events_count(stage: Stage) -> None:
    stream = events(XML, event(900_000 + 80 * 90_000, insert(True, 720_000)), scale=90_000, offset=900_000)
    assert ads(stage, stream) == [80, 82, 84, 86]


def test_a_break_without_end_lasts_until_it_is_said_to_be_over(stage: Stage) -> None:
    out = event(96_000, insert(True))
    content = video(by_number(), rungs("a"))
    live = stage.open(mpd(period(content, before=events(XML, out))))
    live.look()
    live.look(4)
    live.look(4, mpd(period(content, before=events(XML, out, event(106_000, insert(False))))))
    assert labelled(live, 9) == [96, 98, 100, 102, 104]


def test_a_break_goes_on_where_its_message_has_left_the_manifest(stage: Stage) -> None:
    content = video(by_number(), rungs("a"))
    live = stage.open(mpd(period(content, before=events(XML, event(98_000, insert(True, 900_000))))))
    live.look()
    live.look(8, mpd(period(content)))
    live.look(6, mpd(period(content)))
    assert labelled(live, 12) == [98, 100, 102, 104, 106]


@pytest.mark.parametrize(
    "stream",
    [
        events("urn:example:other", event(80_000, insert(True, 720_000))),
        events(XML, event(80_000, "<x/>")),
        events(BINARY, event(80_000, "<Signal><Binary>not base64!</Binary></Signal>")),
        events(BINARY, event(80_000, signal(section(out=True, seconds=8.0)[:-3]))),
        events(XML, event(80_000, descriptor(0x10))),
        events(XML, '<Event presentationTime="soon">' + insert(True, 1) + "</Event>"),
    ],
)
def test_what_is_no_break_labels_nothing(stage: Stage, stream: str) -> None:
    assert ads(stage, stream) == []


def emsg(payload: bytes, *, version: int, delta: int = 0, time: int = 0, ticks: int = 0) -> bytes:
    scheme = b"urn:scte:scte35:2013:bin\0\0"
    if version == 0:
        body = b"\0\0\0\0" + scheme + struct.pack(">IIII", 1000, delta, ticks, 9)
    else:
        body = b"\1\0\0\0" + struct.pack(">IQII", 1000, time, ticks, 9) + scheme
    body += payload
    return struct.pack(">I4s", 8 + len(body), b"emsg") + body


@pytest.mark.parametrize("version", [0, 1])
def test_a_message_in_the_segments_labels_all_rungs(stage: Stage, version: int) -> None:
    inband = '<InbandEventStream schemeIdUri="urn:scte:scte35:2013:bin"/>'
    message = emsg(section(out=True, seconds=4.0), version=version, delta=1000, time=97_000)
    for number in range(40, 60):
        head = struct.pack(">I4s", 8, b"styp") + (message if number == 49 else b"")
        stage.origin.pages[f"/a/{number}.m4s"] = head + struct.pack(">I4s", 60_000, b"moof") + bytes(60_000)
    live = stage.open(mpd(period(video(inband + by_number(), rungs("a", "b")))))
    live.look()
    live.look(4)
    assert labelled(live, 14) == [96, 96, 98, 98]
    assert not any(path.startswith("/b/") for path in stage.origin.asked)
    assert all(
        "range" in asked for path, asked in zip(stage.origin.asked, stage.origin.headers, strict=True) if "m4s" in path
    )


def test_segments_that_are_not_there_for_their_messages_do_not_stop_the_stream(stage: Stage) -> None:
    inband = '<InbandEventStream schemeIdUri="urn:scte:scte35:2013:bin"/>'
    live = stage.open(mpd(period(video(inband + by_number(), rungs("a")))))
    assert len(live.look().segments) == 5
    assert live.findings == []


def test_a_static_manifest_is_labelled_too(stage: Stage) -> None:
    content = video(by_number(), rungs("a"))
    stream = events(XML, event(4000, insert(True, 360_000)))
    page = mpd(
        period(content, before=stream), kind="static", ast=None, update=None, more='mediaPresentationDuration="PT12S"'
    )
    update = stage.open(page).look()
    assert [s.start_seconds for s in update.segments if s.label is ContentLabel.AD] == [4, 6]


def test_an_ad_period_with_a_ladder_of_its_own_is_no_rung_gone(stage: Stage) -> None:
    program = period(video(by_number(), rungs("a", "b")), name="one", more='duration="PT100S"')
    ad = period(
        video(by_number(), rungs("a")), name="ad", start=100, before=events(XML, event(0, insert(True, 9_000_000)))
    )
    live = stage.open(mpd(program))
    live.look()
    live.look(4, mpd(program + ad))
    assert live.findings == []
    assert live.segments[-1].label is ContentLabel.AD
