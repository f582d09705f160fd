"""HLS playlists become ladders and segments."""

from fractions import Fraction
from pathlib import Path

import pytest
from ingest_playlists import find, find_error, find_one, limits, media_playlist, write, write_hls_ladder

from pipeline.errors import AudioOnly, BadPlaylist, EmptyInput, Encrypted, LimitExceeded, NotAllowed, NotFound
from pipeline.ingest import Fetcher, Stream
from schemas import ByteRange, TimeBasis


def one_rendition(stream: Stream):
    (segments,) = stream.segments.values()
    return segments


def test_a_master_playlist_is_a_ladder_with_what_it_declares(tmp_path: Path) -> None:
    stream = find_one(write_hls_ladder(tmp_path / "show", [(360, 800), (720, 2400)]))
    assert stream.ladder.stream_id == "show"
    assert [item.rendition_id for item in stream.ladder.renditions] == ["360p-800k", "720p-2400k"]
    rung = stream.ladder.rendition("720p-2400k").rung
    assert (rung.codec, rung.width_px, rung.height_px, rung.bitrate_bps) == ("h264", 1280, 720, 2_400_000)
    assert rung.frame_rate == 25
    assert stream.ladder.rendition("720p-2400k").codecs == "avc1.640028,mp4a.40.2"
    assert stream.aligned_by is TimeBasis.MEDIA_TIME
    assert not stream.plain_files


def test_vod_segments_lie_on_media_time_from_zero(tmp_path: Path) -> None:
    playlist = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2.5,\na.ts\n#EXTINF:4,\nb.ts\n#EXT-X-ENDLIST\n"
    first, second = one_rendition(find_one(write(tmp_path / "x.m3u8", playlist)))
    assert (first.number, first.start_seconds, first.duration_seconds) == (7, 0.0, 2.5)
    assert (second.number, second.start_seconds, second.duration_seconds) == (8, 2.5, 4.0)
    assert first.time_basis is TimeBasis.MEDIA_TIME


def test_the_bytes_of_a_segment_are_init_and_media_as_one(tmp_path: Path) -> None:
    write(tmp_path / "all.mp4", b"INITxxAAAABBB")
    playlist = (
        '#EXTM3U\n#EXT-X-MAP:URI="all.mp4",BYTERANGE="4@0"\n'
        "#EXTINF:2,\n#EXT-X-BYTERANGE:4@6\nall.mp4\n"
        "#EXTINF:2,\n#EXT-X-BYTERANGE:3\nall.mp4\n#EXT-X-ENDLIST\n"
    )
    with Fetcher(limits()) as fetcher:
        first, second = one_rendition(find_one(write(tmp_path / "x.m3u8", playlist), fetcher=fetcher))
        assert second.media.byte_range == ByteRange(offset=10, length=3)
        assert fetcher.segment_bytes(first) == b"INITAAAA"
        assert fetcher.segment_bytes(second) == b"INITBBB"


def test_a_missing_rendition_is_a_problem_and_the_others_go_through(tmp_path: Path) -> None:
    master = write_hls_ladder(tmp_path, [(360, 800), (720, 2400)])
    (tmp_path / "v720" / "index.m3u8").unlink()
    stream = find_one(master)
    assert list(stream.segments) == ["360p-800k"]
    ((origin, error),) = stream.problems
    assert isinstance(error, NotFound)
    assert "v720/index.m3u8" in origin


def test_a_missing_segment_is_found_when_it_is_read(tmp_path: Path) -> None:
    master = write_hls_ladder(tmp_path, [(360, 800)])
    (tmp_path / "v360" / "seg1.ts").unlink()
    with Fetcher(limits()) as fetcher:
        segments = one_rendition(find_one(master, fetcher=fetcher))
        assert fetcher.segment_bytes(segments[0]) == b"v360/seg0.ts"
        with pytest.raises(NotFound, match=r"seg1\.ts"):
            fetcher.segment_bytes(segments[1])
        assert fetcher.segment_bytes(segments[2]) == b"v360/seg2.ts"


def test_a_segment_of_zero_bytes_is_empty_input(tmp_path: Path) -> None:
    write(tmp_path / "a.ts", b"")
    with Fetcher(limits()) as fetcher:
        (segment,) = one_rendition(find_one(write(tmp_path / "x.m3u8", media_playlist(["a.ts"])), fetcher=fetcher))
        with pytest.raises(EmptyInput):
            fetcher.segment_bytes(segment)


@pytest.mark.parametrize("method", ["SAMPLE-AES", "SAMPLE-AES-CTR"])
def test_an_encrypted_segment_is_not_scored(tmp_path: Path, method: str) -> None:
    write(tmp_path / "a.ts", b"cipher")
    write(tmp_path / "b.ts", b"clear")
    playlist = (
        f'#EXTM3U\n#EXT-X-KEY:METHOD={method},URI="k.bin",IV=0x1F\n#EXTINF:2,\na.ts\n'
        "#EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\nb.ts\n#EXT-X-ENDLIST\n"
    )
    with Fetcher(limits()) as fetcher:
        hidden, clear = one_rendition(find_one(write(tmp_path / "x.m3u8", playlist), fetcher=fetcher))
        with pytest.raises(Encrypted, match=f"encrypted .{method}.: not scored"):
            fetcher.segment_bytes(hidden)
        assert fetcher.segment_bytes(clear) == b"clear"


def test_average_bandwidth_is_preferred_and_rates_are_exact(tmp_path: Path) -> None:
    write(tmp_path / "a.m3u8", media_playlist(["a.ts"]))
    master = write(
        tmp_path / "m.m3u8",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=3000000,AVERAGE-BANDWIDTH=2000000,FRAME-RATE=29.970,"
        'CODECS="hvc1.2.4.L123.B0"\na.m3u8\n',
    )
    rung = find_one(master).ladder.renditions[0].rung
    assert rung.bitrate_bps == 2_000_000
    assert rung.frame_rate == Fraction(30000, 1001)
    assert rung.codec == "hevc"


def test_audio_only_variants_and_i_frame_playlists_are_left_out_with_a_word(tmp_path: Path) -> None:
    write(tmp_path / "a.m3u8", media_playlist(["a.ts"]))
    master = write(
        tmp_path / "m.m3u8",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=3000000\na.m3u8\n"
        '#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="mp4a.40.2"\naudio.m3u8\n'
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,URI="iframes.m3u8"\n',
    )
    stream = find_one(master)
    assert len(stream.segments) == 1
    assert stream.problems == ()
    assert stream.notes == ("left out: 1 variants with audio only", "left out: 1 I-frame playlists")


def test_a_master_of_audio_only_is_audio_only(tmp_path: Path) -> None:
    text = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="mp4a.40.2"\naudio.m3u8\n'
    assert isinstance(find_error(write(tmp_path / "m.m3u8", text)), AudioOnly)


def test_a_redundant_variant_stands_in_for_one_that_fails(tmp_path: Path) -> None:
    write(tmp_path / "backup.m3u8", media_playlist(["a.ts"]))
    variant = "#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720\n"
    master = write(tmp_path / "m.m3u8", f"#EXTM3U\n{variant}gone.m3u8\n{variant}backup.m3u8\n")
    stream = find_one(master)
    assert list(stream.segments) == ["720p-3000k"]
    assert stream.ladder.renditions[0].uri == (tmp_path / "backup.m3u8").as_uri()


def test_one_video_listed_for_two_audio_groups_is_one_rendition(tmp_path: Path) -> None:
    write(tmp_path / "a.m3u8", media_playlist(["a.ts"]))
    master = write(
        tmp_path / "m.m3u8",
        '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=3000000,AUDIO="lo"\na.m3u8\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=3100000,AUDIO="hi"\na.m3u8\n',
    )
    assert list(find_one(master).segments) == ["3000k"]


def test_rungs_of_equal_height_and_bitrate_are_told_apart_by_codec(tmp_path: Path) -> None:
    text = "#EXTM3U\n"
    for codecs, name in (("avc1.64001f", "a"), ("hvc1.1.6.L93.B0", "b")):
        write(tmp_path / f"{name}.m3u8", media_playlist(["a.ts"]))
        text += f'#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,CODECS="{codecs}"\n{name}.m3u8\n'
    assert list(find_one(write(tmp_path / "m.m3u8", text)).segments) == ["720p-3000k-h264", "720p-3000k-hevc"]


def test_gaps_are_passed_over_and_take_their_time(tmp_path: Path) -> None:
    playlist = "#EXTM3U\n#EXTINF:2,\na.ts\n#EXT-X-GAP\n#EXTINF:3,\nb.ts\n#EXTINF:2,\nc.ts\n#EXT-X-ENDLIST\n"
    stream = find_one(write(tmp_path / "x.m3u8", playlist))
    assert [(s.number, s.start_seconds) for s in one_rendition(stream)] == [(0, 0.0), (2, 5.0)]
    assert stream.notes == ("passed over: 1 segments marked as gaps (EXT-X-GAP)",)


def test_discontinuities_are_counted_from_the_declared_sequence(tmp_path: Path) -> None:
    playlist = (
        "#EXTM3U\n#EXT-X-DISCONTINUITY-SEQUENCE:4\n#EXTINF:2,\na.ts\n#EXT-X-DISCONTINUITY\n"
        "#EXTINF:2,\nb.ts\n#EXTINF:2,\nc.ts\n#EXT-X-ENDLIST\n"
    )
    segments = one_rendition(find_one(write(tmp_path / "x.m3u8", playlist)))
    assert [segment.discontinuity_sequence for segment in segments] == [4, 5, 5]


def test_variables_are_put_in_and_imported_from_the_master(tmp_path: Path) -> None:
    write(tmp_path / "v/a-1.ts", b"one")
    write(
        tmp_path / "v/index.m3u8",
        '#EXTM3U\n#EXT-X-DEFINE:IMPORT="show"\n#EXT-X-DEFINE:NAME="n",VALUE="1"\n'
        "#EXTINF:2,\n{$show}-{$n}.ts\n#EXT-X-ENDLIST\n",
    )
    master = write(
        tmp_path / "m.m3u8",
        '#EXTM3U\n#EXT-X-DEFINE:NAME="show",VALUE="a"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/index.m3u8\n',
    )
    with Fetcher(limits()) as fetcher:
        assert fetcher.segment_bytes(one_rendition(find_one(master, fetcher=fetcher))[0]) == b"one"


def test_an_undefined_variable_is_named_with_its_line(tmp_path: Path) -> None:
    error = find_error(write(tmp_path / "x.m3u8", "#EXTM3U\n#EXTINF:2,\n{$cdn}/a.ts\n#EXT-X-ENDLIST\n"))
    assert isinstance(error, BadPlaylist)
    assert "line 3" in str(error) and "cdn" in str(error)


@pytest.mark.parametrize(
    ("reference", "on_disk"),
    [
        ("a%20b.ts", "a b.ts"),
        ("a%20b.ts", "a%20b.ts"),
        ("a.ts?token=1", "a.ts"),
        ("take#2.ts", "take#2.ts"),
        ("ü.ts", "ü.ts"),
    ],
)
def test_references_are_resolved_to_files_as_they_are_named(tmp_path: Path, reference: str, on_disk: str) -> None:
    write(tmp_path / on_disk, b"here")
    with Fetcher(limits()) as fetcher:
        stream = find_one(write(tmp_path / "x.m3u8", media_playlist([reference])), fetcher=fetcher)
        assert fetcher.segment_bytes(one_rendition(stream)[0]) == b"here"


@pytest.mark.parametrize(
    "reference",
    ["../secret.ts", "/etc/hostname", "file:///etc/hostname", "%2e%2e/secret.ts", "concat:a.ts|b.ts", "data:,x",
     "pipe:0", "//server/a.ts", "file://server/a.ts", "http://127.0.0.1/a.ts", "http://[", "a\tb%00.ts"],
)  # fmt: skip
def test_a_local_playlist_cannot_point_out_of_its_folder(tmp_path: Path, reference: str) -> None:
    write(tmp_path / "secret.ts", b"secret")
    error = find_error(write(tmp_path / "sub" / "x.m3u8", media_playlist([reference])))
    assert isinstance(error, NotAllowed)


def test_a_link_out_of_the_playlists_folder_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "secret.ts", b"secret")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.ts").symlink_to(tmp_path / "secret.ts")
    assert isinstance(find_error(write(tmp_path / "sub" / "x.m3u8", media_playlist(["a.ts"]))), NotAllowed)


def test_segments_that_are_not_allowed_are_one_problem_beside_the_others(tmp_path: Path) -> None:
    names = ["a.ts", "https://ads.example/1.ts", "https://ads.example/2.ts", "b.ts"]
    stream = find_one(write(tmp_path / "x.m3u8", media_playlist(names)))
    assert [segment.number for segment in one_rendition(stream)] == [0, 3]
    ((_, error),) = stream.problems
    assert isinstance(error, NotAllowed)
    assert "1 more segments" in str(error) and "RUNGWATCH_FETCH_HOSTS" in str(error)


def test_a_live_playlist_is_a_snapshot_on_the_wall_clock(tmp_path: Path) -> None:
    head = "#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00:{:02}Z\n"
    text = "#EXTM3U\n"
    for name, number, second in (("a", 5, 10), ("b", 6, 12)):
        playlist = media_playlist(["1.ts", "2.ts"], head=head.format(number, second), end=False)
        write(tmp_path / f"{name}.m3u8", playlist)
        text += f"#EXT-X-STREAM-INF:BANDWIDTH={number}00000\n{name}.m3u8\n"
    stream = find_one(write(tmp_path / "m.m3u8", text))
    assert stream.aligned_by is TimeBasis.PROGRAM_DATE_TIME
    assert "live playlist: only the segments listed now" in stream.notes
    first, second = stream.segments.values()
    assert first[1].start_seconds == second[0].start_seconds == 1704067212.0


def test_live_renditions_without_wall_clock_are_aligned_by_sequence(tmp_path: Path) -> None:
    text = "#EXTM3U\n"
    for name, number in (("a", 5), ("b", 6)):
        head = f"#EXT-X-MEDIA-SEQUENCE:{number}\n"
        write(tmp_path / f"{name}.m3u8", media_playlist(["1.ts", "2.ts"], head=head, end=False))
        text += f"#EXT-X-STREAM-INF:BANDWIDTH={number}00000\n{name}.m3u8\n"
    stream = find_one(write(tmp_path / "m.m3u8", text))
    assert stream.aligned_by is TimeBasis.SEQUENCE
    first, second = stream.segments.values()
    assert (first[1].number, first[1].start_seconds) == (second[0].number, second[0].start_seconds) == (6, 0.0)


def test_live_renditions_with_nothing_in_common_are_not_aligned(tmp_path: Path) -> None:
    text = "#EXTM3U\n"
    for name, number in (("a", 5), ("b", 90)):
        head = f"#EXT-X-MEDIA-SEQUENCE:{number}\n"
        write(tmp_path / f"{name}.m3u8", media_playlist(["1.ts"], head=head, end=False))
        text += f"#EXT-X-STREAM-INF:BANDWIDTH={number}00000\n{name}.m3u8\n"
    assert find_one(write(tmp_path / "m.m3u8", text)).aligned_by is None


@pytest.mark.parametrize(
    "extinf", ["", "#EXTINF:\n", "#EXTINF:abc,\n", "#EXTINF:0,\n", "#EXTINF:nan,\n", "#EXTINF:-4,\n"]
)
def test_a_segment_without_usable_duration_is_kept_and_told(tmp_path: Path, extinf: str) -> None:
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n{extinf}b.ts\n#EXT-X-ENDLIST\n"
    stream = find_one(write(tmp_path / "x.m3u8", playlist))
    assert [segment.duration_seconds for segment in one_rendition(stream)] == [2.0, None]
    assert stream.aligned_by is TimeBasis.SEQUENCE
    assert stream.notes == ("some segments have no usable duration (EXTINF)",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello\nworld\n", "not an HLS playlist"),
        ("#EXTM3U\n", "lists no segments"),
        ("#EXTM3U\n#EXT-X-I-FRAMES-ONLY\n#EXTINF:2,\na.ts\n", "I-frame playlist"),
        ("#EXTM3U\n#EXTINF:2,\n#EXT-X-BYTERANGE:ten@0\na.ts\n", "line 2: 'ten@0' is not a byte range"),
        ("#EXTM3U\n#EXT-X-KEY:nonsense\n#EXTINF:2,\na.ts\n", "line 2: cannot be read"),
        ("#EXTM3U\n\n#EXT-X-STREAM-INF:BANDWIDTH=many\na.m3u8\n", "line 3: cannot be read"),
        ("#EXTM3U\n#EXT-X-GAP\n#EXTINF:2,\na.ts\n", "every segment is marked as a gap"),
        ("#EXTM3U\n\0\0\0", "binary"),
    ],
)
def test_nonsense_is_a_bad_playlist_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    error = find_error(write(tmp_path / "x.m3u8", text))
    assert isinstance(error, BadPlaylist)
    assert words in str(error)


def test_an_empty_playlist_is_empty_input(tmp_path: Path) -> None:
    assert isinstance(find_error(write(tmp_path / "x.m3u8", "")), EmptyInput)


def test_a_playlist_over_the_limit_of_segments_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.m3u8", media_playlist([f"{n}.ts" for n in range(11)]))
    error = find_error(path, max_segments=10)
    assert isinstance(error, LimitExceeded)
    assert "RUNGWATCH_FETCH_MAX_SEGMENTS" in str(error)


def test_a_playlist_over_the_limit_of_bytes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.m3u8", media_playlist(["a.ts"] * 100))
    assert isinstance(find_error(path, max_playlist_bytes=100), LimitExceeded)


def test_variables_cannot_make_a_playlist_grow_without_end(tmp_path: Path) -> None:
    line = "#EXTINF:2,\n" + "{$a}" * 33 + "\n"
    text = f'#EXTM3U\n#EXT-X-DEFINE:NAME="a",VALUE="{"x" * 4000}"\n{line}#EXT-X-ENDLIST\n'
    assert isinstance(find_error(write(tmp_path / "x.m3u8", text)), LimitExceeded)


def test_tags_that_do_not_matter_cannot_break_a_playlist(tmp_path: Path) -> None:
    head = "#EXT-X-DATERANGE:nonsense\n#EXT-X-CUE-OUT-CONT:\n#EXT-X-VERSION:x\n#EXT-X-PART:DURATION=x\n"
    assert len(one_rendition(find_one(write(tmp_path / "x.m3u8", media_playlist(["a.ts"], head=head))))) == 1


def test_a_master_inside_a_master_is_a_problem(tmp_path: Path) -> None:
    inner = write_hls_ladder(tmp_path / "inner", [(360, 800)])
    outer = write(tmp_path / "m.m3u8", f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\ninner/{inner.name}\n")
    assert "master playlist where a media playlist" in str(find_error(outer))


def test_two_streams_never_share_an_id(tmp_path: Path) -> None:
    paths = [write_hls_ladder(tmp_path / place / "show", [(360, 800)]) for place in ("a", "b")]
    found = find(*paths)
    assert [item.ladder.stream_id for item in found if isinstance(item, Stream)] == ["show", "show-2"]
