"""Files and folders become streams."""

import os
from pathlib import Path

import pytest
from ingest_playlists import (
    find,
    find_error,
    find_one,
    limits,
    manifest,
    media_playlist,
    representation,
    write,
    write_hls_ladder,
)

from pipeline.errors import NotAllowed, NotFound
from pipeline.ingest import Fetcher, Stream, find_streams
from schemas import Resource, TimeBasis


def streams(found: list) -> list[Stream]:
    assert all(isinstance(item, Stream) for item in found), found
    return found


def ids(found: list) -> list[str]:
    return [stream.ladder.stream_id for stream in streams(found)]


def test_a_file_is_a_stream_of_one_rendition_of_one_whole_segment(tmp_path: Path) -> None:
    path = write(tmp_path / "clip 1.mp4", b"x")
    stream = find_one(path)
    assert stream.ladder.stream_id == "clip 1.mp4"
    assert stream.plain_files
    (segment,) = stream.segments["clip 1"]
    assert segment.media == Resource(uri=path.as_uri())
    assert (segment.start_seconds, segment.duration_seconds, segment.window_seconds) == (0.0, None, None)


def test_a_file_is_handed_on_as_a_path(tmp_path: Path) -> None:
    path = write(tmp_path / "a%20b #1?.mp4", b"x")
    with Fetcher(limits()) as fetcher:
        (segment,) = find_one(path, fetcher=fetcher).segments["a%20b #1?"]
        assert fetcher.local_path(segment.media) == path.resolve()


def test_a_file_uri_is_a_path(tmp_path: Path) -> None:
    path = write(tmp_path / "a b.mp4", b"x")
    assert find_one(path.as_uri()).ladder.stream_id == "a b.mp4"


def test_files_of_equal_names_are_streams_of_their_own(tmp_path: Path) -> None:
    paths = [write(tmp_path / folder / "clip.mp4", b"x") for folder in ("a", "b")]
    assert ids(find(*paths)) == ["clip.mp4", "clip.mp4-2"]


def test_a_file_name_that_is_not_unicode_is_found(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    Path(os.fsdecode(name)).write_bytes(b"x")
    with Fetcher(limits()) as fetcher:
        stream = find_one(tmp_path, fetcher=fetcher)
        (segments,) = stream.segments.values()
        assert os.fsencode(fetcher.local_path(segments[0].media) or "").endswith(b"caf\xe9.mp4")
        assert stream.ladder.model_dump_json()


@pytest.mark.parametrize("name", ["gone.mp4", "sub/gone.mp4", "", "x" * 300, "a\0b"])
def test_a_path_that_is_not_there_is_not_found_and_others_go_on(tmp_path: Path, name: str) -> None:
    here = write(tmp_path / "here.mp4", b"x")
    missing, stream = find(tmp_path / name if name and "\0" not in name else name, here)
    assert isinstance(missing, tuple) and isinstance(missing[1], NotFound)
    assert isinstance(stream, Stream)


def test_a_dangling_link_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    assert "link" in str(find_error(tmp_path / "link.mp4"))


@pytest.mark.parametrize(
    "given", ["data:video/mp4;base64,AAAA", "concat:a.ts|b.ts", "pipe:0", "rtmp://host/x", "s3://b/k"]
)
def test_other_schemes_are_not_allowed(given: str) -> None:
    assert isinstance(find_error(given), NotAllowed)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "live.ts")
    error = find_error(tmp_path / "live.ts")
    assert isinstance(error, NotAllowed)
    assert "not a regular file" in str(error)


def test_a_device_is_refused() -> None:
    assert isinstance(find_error("/dev/zero"), NotAllowed)


def test_a_named_file_is_always_tried_whatever_its_extension(tmp_path: Path) -> None:
    assert find_one(write(tmp_path / "notes.txt", "hello")).plain_files


def test_a_playlist_is_known_by_its_first_bytes_too(tmp_path: Path) -> None:
    assert not find_one(write(tmp_path / "list.txt", media_playlist(["a.ts"]))).plain_files


def test_a_folder_is_its_media_files_in_natural_order(tmp_path: Path) -> None:
    for name in ("clip10.mp4", "clip2.mkv", "clip1.mp4", "still.PNG", "raw.265"):
        write(tmp_path / name, b"x")
    assert ids(find(tmp_path)) == ["clip1.mp4", "clip2.mkv", "clip10.mp4", "raw.265", "still.PNG"]


def test_what_a_folder_holds_besides_media_is_counted(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "readme.txt", "a.srt", ".hidden.mp4", "sub/c.mp4"):
        write(tmp_path / name, b"x")
    first, second = streams(find(tmp_path))
    assert first.notes == ("passed over: 3 files that are not media, 1 folder (name them to score them)",)
    assert second.notes == ()


def test_a_folder_without_media_is_not_found(tmp_path: Path) -> None:
    write(tmp_path / "readme.txt", b"x")
    error = find_error(tmp_path)
    assert isinstance(error, NotFound)
    assert "1 file that is not media" in str(error)


def test_a_folder_with_a_master_playlist_is_its_ladder_once(tmp_path: Path) -> None:
    write_hls_ladder(tmp_path, [(360, 800), (720, 2400)])
    stream = find_one(tmp_path)
    assert len(stream.segments) == 2
    assert stream.ladder.stream_id == tmp_path.name


def test_media_beside_a_master_that_it_does_not_mention_is_a_stream_of_its_own(tmp_path: Path) -> None:
    variant = '#EXT-X-STREAM-INF:BANDWIDTH=1000,AUDIO="a"\nv.m3u8\n'
    sound = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="a.m3u8"\n'
    write(tmp_path / "master.m3u8", f"#EXTM3U\n{sound}{variant}")
    write(tmp_path / "v.m3u8", '#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:2,\nv1.m4s\n#EXT-X-ENDLIST\n')
    write(tmp_path / "a.m3u8", media_playlist(["a1.m4s"]))
    for name in ("init.mp4", "v1.m4s", "a1.m4s", "trailer.mp4"):
        write(tmp_path / name, b"x")
    ladder, trailer = streams(find(tmp_path))
    assert list(ladder.segments) == ["1k"]
    assert trailer.ladder.stream_id == "trailer.mp4"


def test_a_folder_with_one_media_playlist_is_one_rendition(tmp_path: Path) -> None:
    write(tmp_path / "index.m3u8", media_playlist(["a.ts", "b.ts"]))
    for name in ("a.ts", "b.ts"):
        write(tmp_path / name, b"x")
    stream = find_one(tmp_path)
    assert [len(segments) for segments in stream.segments.values()] == [2]


def test_a_folder_with_a_manifest_is_its_ladder_with_all_its_files(tmp_path: Path) -> None:
    sound = '<Representation id="a"><BaseURL>a.mp4</BaseURL></Representation>'
    audio = f'<AdaptationSet mimeType="audio/mp4">{sound}</AdaptationSet>'
    video = f'<AdaptationSet mimeType="video/mp4">{representation("<BaseURL>v.mp4</BaseURL>")}</AdaptationSet>'
    write(tmp_path / "show.mpd", manifest(f"<Period>{audio}{video}</Period>"))
    for name in ("a.mp4", "v.mp4"):
        write(tmp_path / name, b"x")
    assert ids(find(tmp_path)) == ["show"]


def test_a_manifest_of_the_same_media_as_a_master_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nv.m3u8\n")
    write(tmp_path / "v.m3u8", media_playlist(["v1.m4s"]))
    write(tmp_path / "v1.m4s", b"x")
    template = '<SegmentTemplate media="v$Number$.m4s" duration="6"/>'
    video = f'<AdaptationSet mimeType="video/mp4">{template}{representation()}</AdaptationSet>'
    write(tmp_path / "manifest.mpd", manifest(f"<Period>{video}</Period>"))
    stream = find_one(tmp_path)
    assert stream.notes == ("passed over: manifest.mpd, which lists the same media as a playlist before it",)


def test_a_broken_playlist_in_a_folder_does_not_hide_the_rest(tmp_path: Path) -> None:
    write(tmp_path / "broken.m3u8", "nonsense")
    write(tmp_path / "a.mp4", b"x")
    broken, stream = find(tmp_path)
    assert isinstance(broken, tuple) and broken[0].endswith("broken.m3u8")
    assert isinstance(stream, Stream)


def test_files_given_as_a_ladder_are_renditions_of_one_stream(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"show_{rung}.mp4", b"x") for rung in ("1080p", "720p")]
    stream = find_one(*paths, as_ladder=True)
    assert stream.ladder.stream_id == "show"
    assert list(stream.segments) == ["show_1080p", "show_720p"]
    assert stream.plain_files
    assert stream.aligned_by is TimeBasis.MEDIA_TIME
    assert all(item.rung.height_px is None for item in stream.ladder.renditions)


@pytest.mark.parametrize(
    ("files", "name", "renditions"),
    [
        (["x/1080p.mp4", "x/720p.mp4"], "x", ["1080p", "720p"]),
        (["x/a.mp4", "x/a.mkv"], "x", ["a.mp4", "a.mkv"]),
        (["x/a.mp4", "y/a.mp4"], "ladder", ["a.mp4", "a.mp4-2"]),
    ],
)
def test_ids_of_a_ladder_of_files_are_unique(
    tmp_path: Path, files: list[str], name: str, renditions: list[str]
) -> None:
    stream = find_one(*(write(tmp_path / file, b"x") for file in files), as_ladder=True)
    assert (stream.ladder.stream_id, list(stream.segments)) == (name, renditions)


def test_a_file_named_twice_is_one_rung(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", b"x")
    stream = find_one(path, path, as_ladder=True)
    assert list(stream.segments) == ["a"]
    assert stream.notes == ("passed over: 1 file(s) named twice",)


def test_a_playlist_stays_a_ladder_of_its_own_beside_a_ladder_of_files(tmp_path: Path) -> None:
    master = write_hls_ladder(tmp_path / "hls", [(360, 800)])
    files = [write(tmp_path / f"{n}.mp4", b"x") for n in (1, 2)]
    first, second = streams(find(files[0], master, files[1], as_ladder=True))
    assert not first.plain_files
    assert list(second.segments) == ["1", "2"]


def test_streams_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.mp4", b"x"), tmp_path / "b.mp4"
    settings = limits()
    with Fetcher(settings) as fetcher:
        found = find_streams([str(first), str(second)], as_ladder=False, limits=settings, fetcher=fetcher)
        assert isinstance(next(found), Stream)
        write(second, b"x")
        assert isinstance(next(found), Stream)


def test_only_what_was_named_can_be_read(tmp_path: Path) -> None:
    named, other = write(tmp_path / "a.mp4", b"x"), write(tmp_path / "b.mp4", b"x")
    with Fetcher(limits()) as fetcher:
        find_one(named, fetcher=fetcher)
        assert fetcher.read(Resource(uri=named.as_uri()), max_bytes=10) == b"x"
        with pytest.raises(NotAllowed):
            fetcher.read(Resource(uri=other.as_uri()), max_bytes=10)
        with pytest.raises(NotAllowed):
            fetcher.local_path(Resource(uri=str(other)))


def test_local_files_can_be_forbidden(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", b"x")
    assert isinstance(find_error(path, schemes=("https",)), NotAllowed)
