"""Streams in object stores are read through fsspec, here with its own store in memory."""

from collections.abc import Iterator

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry, known_implementations
from ingest_playlists import find_one, limits, media_playlist

from pipeline.errors import LimitExceeded, NotAllowed, NotFound, Transient
from pipeline.ingest import Fetcher, objects
from schemas import ByteRange, Resource


class Broken(MemoryFileSystem):
    """A store that fails in a way of its own."""

    def info(self, path: str, **_: object) -> dict[str, object]:
        if "denied" in path:
            raise PermissionError("key AKIA... may not")
        raise RuntimeError("the secret key of the store")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryFileSystem]:
    monkeypatch.setattr(objects, "_systems", {})
    monkeypatch.setitem(_registry, "s3", MemoryFileSystem)
    monkeypatch.setitem(_registry, "az", Broken)
    found = fsspec.filesystem("s3")
    yield found
    found.store.clear()


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(limits(), sleep=lambda _: None) as found:
        for url in ("s3://media/", "gs://media/", "az://media/"):
            found.access.admit_url(url)
        yield found


def test_an_object_is_read_whole_and_in_ranges(store: MemoryFileSystem, fetcher: Fetcher) -> None:
    body = bytes(range(256)) * 20_000
    store.pipe("s3://media/live/x.ts", body)
    uri = "s3://media/live/x.ts"
    assert fetcher.read(Resource(uri=uri), max_bytes=len(body)) == body
    at = ByteRange(offset=4_194_300, length=20)
    assert fetcher.read(Resource(uri=uri, byte_range=at), max_bytes=20) == body[4_194_300:4_194_320]
    end = ByteRange(offset=len(body) - 2, length=20)
    assert fetcher.read(Resource(uri=uri, byte_range=end), max_bytes=20) == body[-2:]


def test_an_object_over_the_limit_is_not_read(store: MemoryFileSystem, fetcher: Fetcher) -> None:
    store.pipe("s3://media/x.ts", bytes(100))
    with pytest.raises(LimitExceeded):
        fetcher.read(Resource(uri="s3://media/x.ts"), max_bytes=99)


def test_an_object_that_is_not_there_is_not_found(store: MemoryFileSystem, fetcher: Fetcher) -> None:
    store.pipe("s3://media/x.ts", bytes(100))
    with pytest.raises(NotFound):
        fetcher.read(Resource(uri="s3://media/y.ts"), max_bytes=99)
    with pytest.raises(NotFound):
        fetcher.read(Resource(uri="s3://media/x.ts", byte_range=ByteRange(offset=100, length=1)), max_bytes=99)


def test_another_bucket_is_not_read(store: MemoryFileSystem, fetcher: Fetcher) -> None:
    with pytest.raises(NotAllowed):
        fetcher.read(Resource(uri="s3://other/x.ts"), max_bytes=99)


def test_a_store_that_fails_is_transient_and_what_it_says_is_not_repeated(
    store: MemoryFileSystem, fetcher: Fetcher
) -> None:
    with pytest.raises(Transient) as failed:
        fetcher.read(Resource(uri="az://media/x"), max_bytes=99)
    assert "secret" not in str(failed.value)
    with pytest.raises(NotAllowed) as refused:
        fetcher.read(Resource(uri="az://media/denied"), max_bytes=99)
    assert "AKIA" not in str(refused.value)


def test_a_store_whose_package_is_missing_names_the_command_that_brings_it(
    store: MemoryFileSystem, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(known_implementations, "gs", {"class": "no_such_package.Store"})
    with pytest.raises(NotAllowed, match=r"pip install 'rungwatch\[objects\]'"):
        fetcher.read(Resource(uri="gs://media/x"), max_bytes=99)


def test_a_stream_in_a_bucket_is_found_and_its_segments_are_read(store: MemoryFileSystem) -> None:
    master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360\nv/index.m3u8\n"
    store.pipe("s3://media/show/master.m3u8", master.encode())
    store.pipe("s3://media/show/v/index.m3u8", media_playlist(["a.ts", "/b.ts"]).encode())
    store.pipe("s3://media/show/v/a.ts", b"one")
    store.pipe("s3://media/b.ts", b"two")
    with Fetcher(limits()) as fetcher:
        stream = find_one("s3://media/show/master.m3u8", fetcher=fetcher)
        assert stream.ladder.stream_id == "show"
        (segments,) = stream.segments.values()
        assert [fetcher.segment_bytes(segment) for segment in segments] == [b"one", b"two"]


def test_a_playlist_that_did_not_change_is_known_by_its_bytes(store: MemoryFileSystem, fetcher: Fetcher) -> None:
    store.pipe("s3://media/x.m3u8", b"one")
    first = fetcher.fetch_if_changed(Resource(uri="s3://media/x.m3u8"))
    assert first is not None
    assert fetcher.fetch_if_changed(Resource(uri="s3://media/x.m3u8"), first) is None
