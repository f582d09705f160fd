"""DASH manifests become ladders and segments."""

import time
from fractions import Fraction
from pathlib import Path

import pytest
from ingest_playlists import find_error, find_one, limits, manifest, representation, sidx, write

from pipeline.errors import (
    AudioOnly,
    BadPlaylist,
    EmptyInput,
    Encrypted,
    LimitExceeded,
    NotAllowed,
    NotFound,
    Rejected,
)
from pipeline.ingest import Fetcher, Stream
from pipeline.ingest.dash_manifest import seconds
from pipeline.ingest.sidx import parse_sidx
from schemas import ByteRange, Segment, TimeBasis

INIT = 'initialization="$RepresentationID$.mp4"'
TEMPLATE = f'<SegmentTemplate media="$RepresentationID$-$Number$.m4s" {INIT} {{}}</SegmentTemplate>'


def by_number(attributes: str) -> str:
    return TEMPLATE.format(attributes + ">")


def video(*inner: str, attributes: str = "") -> str:
    return f'<AdaptationSet mimeType="video/mp4" {attributes}>{"".join(inner)}</AdaptationSet>'


def period(*inner: str, attributes: str = "") -> str:
    return f"<Period {attributes}>{''.join(inner)}</Period>"


def stream_of(folder: Path, text: str, **changes: object) -> Stream:
    return find_one(write(folder / "show.mpd", text), **changes)


def only(stream: Stream) -> tuple[Segment, ...]:
    (segments,) = stream.segments.values()
    return segments


def names(segments: tuple[Segment, ...]) -> list[str]:
    return [segment.media.uri.rpartition("/")[2] for segment in segments]


def test_a_template_by_number_fills_the_duration_of_the_period(tmp_path: Path) -> None:
    text = manifest(period(video(by_number('duration="2500" timescale="1000"'), representation())))
    stream = stream_of(tmp_path, text)
    segments = only(stream)
    assert names(segments) == ["v1-1.m4s", "v1-2.m4s", "v1-3.m4s"]
    assert [s.start_seconds for s in segments] == [0.0, 2.5, 5.0]
    assert segments[-1].duration_seconds == 1.0
    assert [s.number for s in segments] == [1, 2, 3]
    assert all(s.init is not None and s.init.uri.endswith("/v1.mp4") for s in segments)
    assert stream.aligned_by is TimeBasis.MEDIA_TIME
    assert stream.ladder.stream_id == "show"


def test_what_a_representation_declares_is_its_rung(tmp_path: Path) -> None:
    text = manifest(
        period(
            video(
                by_number('duration="2"'),
                representation(name="lo", height=360, codecs="avc1.64001e"),
                representation(name="hi", height=720, bandwidth=2_000_000, codecs="av01.0.05M.08"),
            )
        )
    )
    ladder = stream_of(tmp_path, text).ladder
    assert [item.rendition_id for item in ladder.renditions] == ["lo", "hi"]
    rung = ladder.rendition("hi").rung
    assert (rung.codec, rung.height_px, rung.bitrate_bps) == ("av1", 720, 2_000_000)
    assert rung.frame_rate == Fraction(30000, 1001)


def test_segments_are_read_from_the_files_that_the_template_names(tmp_path: Path) -> None:
    write(tmp_path / "media/v1.mp4", b"INIT")
    write(tmp_path / "media/v1-00007.m4s", b"SEVEN")
    text = manifest(
        period(
            "<BaseURL>media/</BaseURL>",
            video(
                representation(
                    f'<SegmentTemplate media="$RepresentationID$-$Number%05d$.m4s" {INIT}'
                    ' startNumber="7" endNumber="8" duration="2"/>'
                )
            ),
        )
    )
    with Fetcher(limits()) as fetcher:
        segments = only(stream_of(tmp_path, text, fetcher=fetcher))
        assert [segment.number for segment in segments] == [7, 8]
        assert fetcher.segment_bytes(segments[0]) == b"INITSEVEN"
        with pytest.raises(NotFound, match=r"v1-00008\.m4s"):
            fetcher.segment_bytes(segments[1])


def test_a_timeline_gives_times_repeats_and_gaps(tmp_path: Path) -> None:
    timeline = '<SegmentTimeline><S t="900" d="200" r="1"/><S d="100"/><S t="1450" d="50" r="-1"/></SegmentTimeline>'
    template = (
        '<SegmentTemplate media="$Time$-$Bandwidth$-$$.m4s" timescale="100" presentationTimeOffset="900">'
        f"{timeline}</SegmentTemplate>"
    )
    segments = only(stream_of(tmp_path, manifest(period(video(template, representation(bandwidth=7))))))
    assert names(segments) == [f"{time}-7-%24.m4s" for time in (900, 1100, 1300, 1450)]
    assert [s.start_seconds for s in segments] == [0.0, 2.0, 4.0, 5.5]
    assert [s.duration_seconds for s in segments] == [2.0, 2.0, 1.0, 0.5]


def test_a_timeline_before_its_own_period_is_taken_to_start_with_it(tmp_path: Path) -> None:
    template = (
        '<SegmentTemplate media="$Number$.m4s" presentationTimeOffset="500">'
        '<SegmentTimeline><S d="2" r="2"/></SegmentTimeline></SegmentTemplate>'
    )
    segments = only(stream_of(tmp_path, manifest(period(video(template, representation())))))
    assert [s.start_seconds for s in segments] == [0.0, 2.0, 4.0]


def test_values_are_inherited_from_period_and_adaptation_set(tmp_path: Path) -> None:
    text = manifest(
        period(
            '<SegmentTemplate timescale="10" duration="30" startNumber="4"/>',
            video(
                '<SegmentTemplate media="$RepresentationID$_$Number$" initialization="init"/>',
                representation('<SegmentTemplate startNumber="5"/>'),
            ),
        )
    )
    segments = only(stream_of(tmp_path, text))
    assert names(segments) == ["v1_5", "v1_6"]
    assert segments[0].duration_seconds == 3.0


def test_a_segment_list_names_files_and_ranges(tmp_path: Path) -> None:
    write(tmp_path / "all.mp4", b"INITaaabb")
    text = manifest(
        period(
            video(
                representation(
                    '<BaseURL>all.mp4</BaseURL><SegmentList duration="3"><Initialization range="0-3"/>'
                    '<SegmentURL mediaRange="4-6"/><SegmentURL mediaRange="7-8"/></SegmentList>'
                )
            )
        )
    )
    with Fetcher(limits()) as fetcher:
        segments = only(stream_of(tmp_path, text, fetcher=fetcher))
        assert [fetcher.segment_bytes(segment) for segment in segments] == [b"INITaaa", b"INITbb"]


def on_demand(index: bytes, media: bytes, name: str = "v1", mime: str = "") -> tuple[str, bytes]:
    start = 4
    inner = (
        f'<BaseURL>{name}.mp4</BaseURL><SegmentBase indexRange="{start}-{start + len(index) - 1}">'
        '<Initialization range="0-3"/></SegmentBase>'
    )
    text = representation(inner, name=name)
    return (text.replace("<Representation ", f'<Representation mimeType="{mime}" ') if mime else text), (
        b"INIT" + index + media
    )


@pytest.mark.parametrize("version", [0, 1])
def test_an_indexed_file_is_cut_at_its_subsegments(tmp_path: Path, version: int) -> None:
    text, data = on_demand(sidx([(3, 2000), (2, 1500)], version=version), b"aaabb")
    write(tmp_path / "v1.mp4", data)
    with Fetcher(limits()) as fetcher:
        stream = stream_of(tmp_path, manifest(period(video(text))), fetcher=fetcher)
        segments = only(stream)
        assert not stream.plain_files
        assert [fetcher.segment_bytes(segment) for segment in segments] == [b"INITaaa", b"INITbb"]
        assert [(s.start_seconds, s.duration_seconds) for s in segments] == [(0.0, 2.0), (2.0, 1.5)]


def test_an_index_of_indexes_is_followed(tmp_path: Path) -> None:
    inner = sidx([(3, 2000), (2, 1500)])
    text, data = on_demand(sidx([(len(inner), 3500)], indexes=True), inner + b"aaabb")
    write(tmp_path / "v1.mp4", data)
    with Fetcher(limits()) as fetcher:
        segments = only(stream_of(tmp_path, manifest(period(video(text))), fetcher=fetcher))
        assert [fetcher.segment_bytes(segment) for segment in segments] == [b"INITaaa", b"INITbb"]


def test_an_index_that_forgets_the_last_bytes_is_read_to_the_end(tmp_path: Path) -> None:
    text, data = on_demand(sidx([(3, 2000), (2, 1500)]), b"aaabbTAIL")
    write(tmp_path / "v1.mp4", data)
    with Fetcher(limits()) as fetcher:
        segments = only(stream_of(tmp_path, manifest(period(video(text))), fetcher=fetcher))
        assert fetcher.segment_bytes(segments[-1]) == b"INITbbTAIL"


def test_a_broken_index_makes_the_file_one_piece_with_a_note(tmp_path: Path) -> None:
    text, data = on_demand(b"\0\0\0\x20junk" + bytes(24), b"aaabb")
    write(tmp_path / "v1.mp4", data)
    stream = stream_of(tmp_path, manifest(period(video(text))))
    assert stream.plain_files
    assert only(stream)[0].media.byte_range is None
    assert any("read as one file" in note for note in stream.notes)


def test_a_webm_file_is_cut_like_the_indexed_renditions_beside_it(tmp_path: Path) -> None:
    indexed, data = on_demand(sidx([(3, 2000), (2, 1500)]), b"aaabb")
    write(tmp_path / "v1.mp4", data)
    webm, _ = on_demand(sidx([(1, 1)]), b"", name="w1", mime="video/webm")
    write(tmp_path / "w1.mp4", b"matroska")
    with Fetcher(limits()) as fetcher:
        stream = stream_of(tmp_path, manifest(period(video(indexed), video(webm))), fetcher=fetcher)
        assert not stream.plain_files
        cut = stream.segments["w1"]
        assert [segment.window_seconds for segment in cut] == [(0.0, 2.0), (2.0, 3.5)]
        assert [s.number for s in cut] == [s.number for s in stream.segments["v1"]]
        assert fetcher.local_path(cut[0].media) == (tmp_path / "w1.mp4").resolve()


def test_representations_without_segments_are_plain_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.mp4", b"whole")
    reps = [representation(f"<BaseURL>{name}.mp4</BaseURL>", name=name) for name in ("a", "b")]
    stream = stream_of(tmp_path, manifest(period(video(*reps))))
    assert stream.plain_files
    assert [len(segments) for segments in stream.segments.values()] == [1, 1]
    assert stream.segments["a"][0].window_seconds is None
    assert stream.ladder.rendition("a").uri == (tmp_path / "a.mp4").as_uri()


def test_whole_files_of_several_periods_are_cut_evenly(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", b"one")
    write(tmp_path / "b.mp4", b"two")
    text = manifest(
        period(video(representation("<BaseURL>a.mp4</BaseURL>")), attributes='duration="PT14S"')
        + period(video(representation("<BaseURL>b.mp4</BaseURL>")), attributes='duration="PT6S"')
    )
    segments = only(stream_of(tmp_path, text))
    assert [s.window_seconds for s in segments] == [(0.0, 6.0), (6.0, 14.0), (0.0, 6.0)]
    assert [s.start_seconds for s in segments] == [0.0, 6.0, 14.0]
    assert len({s.number for s in segments}) == 3


def test_numbers_go_on_over_periods_and_a_period_is_a_discontinuity(tmp_path: Path) -> None:
    one = period(video(by_number('duration="2" startNumber="10"'), representation()), attributes='duration="PT4S"')
    two = period(video(by_number('duration="3" startNumber="1"'), representation()), attributes='duration="PT6S"')
    segments = only(stream_of(tmp_path, manifest(one + two, 'type="static"')))
    assert [s.number for s in segments] == [10, 11, 12, 13]
    assert [s.discontinuity_sequence for s in segments] == [0, 0, 1, 1]
    assert [s.start_seconds for s in segments] == [0.0, 2.0, 4.0, 7.0]
    assert names(segments) == ["v1-10.m4s", "v1-11.m4s", "v1-1.m4s", "v1-2.m4s"]


def test_representations_with_other_ids_go_on_where_they_are_alike(tmp_path: Path) -> None:
    template = by_number('duration="2"')
    one = period(video(template, representation(name="a", height=360), representation(name="b", height=720)))
    two = period(video(template, representation(name="x", height=720), representation(name="y", height=180)))
    text = manifest(
        one.replace("<Period ", '<Period duration="PT2S" ') + two, 'type="static" mediaPresentationDuration="PT4S"'
    )
    stream = stream_of(tmp_path, text)
    assert {name: names(segments) for name, segments in stream.segments.items()} == {
        "a": ["a-1.m4s"],
        "b": ["b-1.m4s", "x-1.m4s"],
        "y": ["y-1.m4s"],
    }


def test_codecs_in_several_adaptation_sets_are_one_ladder(tmp_path: Path) -> None:
    template = by_number('duration="2"')
    text = manifest(
        period(
            video(template, representation(name="avc")),
            video(template, representation(name="vp9", codecs="vp09.00.31.08")),
        )
    )
    ladder = stream_of(tmp_path, text).ladder
    assert [item.rung.codec for item in ladder.renditions] == ["h264", "vp9"]


def test_equal_ids_are_made_unique(tmp_path: Path) -> None:
    sets = [
        video(f'<SegmentTemplate media="{name}-$Number$.m4s" duration="2"/>', representation(height=height))
        for name, height in (("a", 360), ("b", 720))
    ]
    assert list(stream_of(tmp_path, manifest(period(*sets))).segments) == ["v1", "v1-2"]


def test_what_is_not_video_is_left_out_with_a_word(tmp_path: Path) -> None:
    template = by_number('duration="2"')
    trick = '<EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="1"/>'
    text = manifest(
        period(
            video(template, representation()),
            video(trick, template, representation(name="fast")),
            '<AdaptationSet mimeType="audio/mp4"><Representation id="a" codecs="mp4a.40.2"/></AdaptationSet>',
            '<AdaptationSet mimeType="application/mp4"><Representation id="t" codecs="stpp"/></AdaptationSet>',
            '<AdaptationSet contentType="image"><Representation id="i" mimeType="image/jpeg"/></AdaptationSet>',
        )
    )
    stream = stream_of(tmp_path, text)
    assert list(stream.segments) == ["v1"]
    assert set(stream.notes) == {
        "left out: trick play representations",
        "left out: audio representations",
        "left out: text representations",
        "left out: image representations",
    }


def test_a_manifest_of_audio_only_is_audio_only(tmp_path: Path) -> None:
    text = manifest(period('<AdaptationSet mimeType="audio/mp4"><Representation id="a"/></AdaptationSet>'))
    assert isinstance(find_error(write(tmp_path / "x.mpd", text)), AudioOnly)


def test_content_protection_makes_segments_encrypted(tmp_path: Path) -> None:
    write(tmp_path / "v1.mp4", b"INIT")
    write(tmp_path / "v1-1.m4s", b"cipher")
    protection = '<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cbcs"/>'
    text = manifest(period(video(protection, by_number('duration="6"'), representation())))
    with Fetcher(limits()) as fetcher:
        (segment,) = only(stream_of(tmp_path, text, fetcher=fetcher))
        with pytest.raises(Encrypted, match="cbcs"):
            fetcher.segment_bytes(segment)


def test_live_by_number_is_a_snapshot_of_the_last_minute(tmp_path: Path) -> None:
    text = manifest(
        period(video(by_number('duration="2"'), representation()), attributes='start="PT0S"'),
        'type="dynamic" availabilityStartTime="2024-01-01T00:00:00Z"',
    )
    segments = only(stream_of(tmp_path, text))
    assert 29 <= len(segments) <= 30
    assert all(segment.start_seconds == 1704067200 + 2 * (segment.number - 1) for segment in segments)
    assert 0 <= time.time() - segments[-1].start_seconds - 2 < 30


def test_live_by_number_without_a_start_is_refused_in_words(tmp_path: Path) -> None:
    text = manifest(period(video(by_number('duration="2"'), representation())), 'type="dynamic"')
    assert "duration" in str(find_error(write(tmp_path / "x.mpd", text)))


def test_live_with_a_timeline_is_a_snapshot_from_availability(tmp_path: Path) -> None:
    template = TEMPLATE.format('timescale="10"><SegmentTimeline><S t="50" d="20" r="1"/></SegmentTimeline>')
    text = manifest(
        period(video(template, representation()), attributes='start="PT100S"'),
        'type="dynamic" availabilityStartTime="2024-01-01T00:00:00Z"',
    )
    stream = stream_of(tmp_path, text)
    assert stream.aligned_by is TimeBasis.AVAILABILITY
    assert [s.start_seconds for s in only(stream)] == [1704067200 + 105.0, 1704067200 + 107.0]
    assert "live manifest: only the segments listed now" in stream.notes


def test_a_period_that_another_document_holds_is_left_out(tmp_path: Path) -> None:
    remote = '<Period xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="http://ads.example/p.xml"/>'
    here = period(video(by_number('duration="6"'), representation()))
    assert stream_of(tmp_path, manifest(remote + here)).notes == (
        "left out: a period that another document holds (xlink)",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not xml", "line 1: not XML"),
        ("<MPD><Period></MPD>", "not XML"),
        ("<html/>", "not a DASH manifest but <html>"),
        ("<MPD/>", "no period"),
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><MPD>&a;</MPD>', "entities"),
        (manifest(period(video(by_number('duration="two"'), representation()))), "duration is 'two'"),
        (manifest(period(video(by_number('duration="2"'), representation())), ""), "neither the period"),
        (manifest(period(video('<SegmentTemplate duration="2"/>', representation()))), "without media address"),
        (manifest(period(video('<SegmentTemplate media="$Number%099d$" duration="2"/>', representation()))), "99 dig"),
        (manifest(period(video(TEMPLATE.format("><SegmentTimeline><S/></SegmentTimeline>"), representation()))), "S@d"),
        (manifest(period(video(representation('<BaseURL>a</BaseURL><SegmentBase indexRange="9-1"/>')))), "byte range"),
        (manifest(period(video(representation()))), "without address"),
        (manifest(period() + period(), 'type="static"'), "period 2 has no start"),
    ],
)  # fmt: skip
def test_nonsense_is_a_bad_playlist_in_words(tmp_path: Path, text: str, words: str) -> None:
    error = find_error(write(tmp_path / "x.mpd", text))
    assert isinstance(error, BadPlaylist)
    assert words in str(error)


def test_an_empty_manifest_is_empty_input(tmp_path: Path) -> None:
    assert isinstance(find_error(write(tmp_path / "x.mpd", "")), EmptyInput)


@pytest.mark.parametrize("repeat", ["99999999999", "-1"])
def test_a_manifest_cannot_claim_any_number_of_segments(tmp_path: Path, repeat: str) -> None:
    template = TEMPLATE.format(f'timescale="1000000"><SegmentTimeline><S d="1" r="{repeat}"/></SegmentTimeline>')
    text = manifest(period(video(template, representation())))
    assert isinstance(find_error(write(tmp_path / "x.mpd", text), max_segments=100), LimitExceeded)


def test_many_representations_cannot_multiply_the_segments(tmp_path: Path) -> None:
    template = by_number('duration="1" timescale="10"')
    reps = [representation(name=f"r{index}", height=100 + index) for index in range(20)]
    text = manifest(period(video(template, *reps)))
    error = find_error(write(tmp_path / "x.mpd", text), max_segments=60)
    assert isinstance(error, LimitExceeded)
    assert "in all" in str(error)


def test_a_base_url_may_go_up_below_the_folder_of_the_manifest_only(tmp_path: Path) -> None:
    write(tmp_path / "b/a.m4s", b"here")
    template = '<SegmentTemplate media="a.m4s" duration="6"/>'
    text = manifest(
        f"<BaseURL>x/y/</BaseURL>{period('<BaseURL>../../b/</BaseURL>', video(template, representation()))}"
    )
    with Fetcher(limits()) as fetcher:
        (segment,) = only(stream_of(tmp_path, text, fetcher=fetcher))
        assert fetcher.segment_bytes(segment) == b"here"


@pytest.mark.parametrize("base", ["../", "/etc/", "file:///etc/", "http://127.0.0.1/", "rtmp://x/"])
def test_a_local_manifest_cannot_point_out_of_its_folder(tmp_path: Path, base: str) -> None:
    media = f"{base}hostname" if base == "rtmp://x/" else "hostname"
    template = f'<SegmentTemplate media="{media}" duration="6"/>'
    text = manifest(period(f"<BaseURL>{base}</BaseURL>", video(template, representation())))
    assert isinstance(find_error(write(tmp_path / "sub" / "x.mpd", text)), NotAllowed)


def test_one_bad_representation_is_a_problem_beside_the_others(tmp_path: Path) -> None:
    good = representation(by_number('duration="6"'), name="good")
    bad = representation("<BaseURL>gone.mp4</BaseURL>", name="bad")
    stream = stream_of(tmp_path, manifest(period(video(good, bad))))
    assert list(stream.segments) == ["good"]
    ((_, error),) = stream.problems
    assert isinstance(error, NotFound)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PT1M41.5S", 101.5), ("P1DT1S", 86401.0), ("P0Y0M0DT0H0M16S", 16.0), ("PT", None), ("", None), ("12", None),
     ("-PT5S", None), ("PT" + "9" * 400 + "S", None)],
)  # fmt: skip
def test_durations_of_iso_8601_are_read(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("length", range(0, 44))
def test_a_cut_index_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="index"):
        parse_sidx(sidx([(3, 2000)])[:length], 0)


def test_an_index_behind_another_box_is_found() -> None:
    found = parse_sidx(b"\0\0\0\x0cfreeabcd" + sidx([(3, 2000)], timescale=500, first_time=10), 100)
    assert found.timescale == 500
    assert (found.entries[0].offset, found.entries[0].time) == (100 + 12 + 44, 10)


def test_ranges_count_from_the_index(tmp_path: Path) -> None:
    text, data = on_demand(sidx([(3, 2000)]), b"aaa")
    write(tmp_path / "v1.mp4", data)
    (segment,) = only(stream_of(tmp_path, manifest(period(video(text)))))
    assert segment.media.byte_range == ByteRange(offset=48, length=3)
    assert segment.init is not None and segment.init.byte_range == ByteRange(offset=0, length=4)


def test_a_number_outside_of_all_bounds_is_rejected(tmp_path: Path) -> None:
    template = TEMPLATE.format('><SegmentTimeline><S t="900000000000000000" d="2"/></SegmentTimeline>')
    text = manifest(period(video(template, representation())), 'type="static"')
    assert isinstance(find_error(write(tmp_path / "x.mpd", text)), Rejected)
