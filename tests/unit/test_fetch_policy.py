"""How things are asked for: again only where changed, compressed within bounds, with headers of one's own."""

import gzip
import zlib
from collections.abc import Iterator

import pytest
from ingest_playlists import limits
from origin import Origin, Page

from pipeline.errors import LimitExceeded, NotMedia, Transient
from pipeline.ingest import Fetcher
from pipeline.settings import FetchLimits
from schemas import Resource


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as found:
        yield found


@pytest.fixture
def fetcher(origin: Origin) -> Iterator[Fetcher]:
    with Fetcher(limits(), sleep=lambda _: None) as found:
        found.access.admit_url(origin.url("/"))
        yield found


def test_a_playlist_that_did_not_change_is_not_sent_again(origin: Origin, fetcher: Fetcher) -> None:
    origin.pages["/x.m3u8"] = b"one"
    resource = Resource(uri=origin.url("/x.m3u8"))
    first = fetcher.fetch_if_changed(resource)
    assert first is not None and first.data == b"one" and first.etag
    assert fetcher.fetch_if_changed(resource, first) is None
    assert origin.not_modified["/x.m3u8"] == 1
    origin.pages["/x.m3u8"] = b"two"
    second = fetcher.fetch_if_changed(resource, first)
    assert second is not None and second.data == b"two"


def test_a_server_without_tags_is_compared_by_bytes(origin: Origin, fetcher: Fetcher) -> None:
    origin.pages["/x.m3u8"] = Page(b"one", headers={"ETag": ""})
    resource = Resource(uri=origin.url("/x.m3u8"))
    first = fetcher.fetch_if_changed(resource)
    assert fetcher.fetch_if_changed(resource, first) is None


def test_the_time_of_the_last_change_is_sent_back(origin: Origin, fetcher: Fetcher) -> None:
    changed = "Tue, 14 Nov 2023 22:13:20 GMT"
    origin.pages["/x.m3u8"] = Page(b"one", headers={"Last-Modified": changed})
    resource = Resource(uri=origin.url("/x.m3u8"))
    first = fetcher.fetch_if_changed(resource)
    fetcher.fetch_if_changed(resource, first)
    assert "if-modified-since" not in origin.headers[0]
    assert origin.headers[1]["if-modified-since"] == changed


def test_a_time_of_change_is_not_sent_back_where_another_change_may_have_the_same(
    origin: Origin, fetcher: Fetcher
) -> None:
    origin.clock = lambda: 1_700_000_001.0
    origin.pages["/x.m3u8"] = Page(b"one", headers={"ETag": "", "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT"})
    resource = Resource(uri=origin.url("/x.m3u8"))
    fetcher.fetch_if_changed(resource, fetcher.fetch_if_changed(resource))
    assert "if-modified-since" not in origin.headers[1]


def test_local_playlists_are_compared_by_bytes(tmp_path) -> None:
    path = tmp_path / "x.m3u8"
    path.write_bytes(b"one")
    with Fetcher(limits(), folders=[tmp_path]) as fetcher:
        first = fetcher.fetch_if_changed(Resource(uri=path.as_uri()))
        assert first is not None
        assert fetcher.fetch_if_changed(Resource(uri=path.as_uri()), first) is None


def test_the_clock_of_the_server_comes_with_the_answer(origin: Origin, fetcher: Fetcher) -> None:
    origin.clock = lambda: 1_700_000_000.0
    origin.pages["/x"] = Page(b"x", headers={"Age": "7"})
    found = fetcher.fetch_if_changed(Resource(uri=origin.url("/x")))
    assert found is not None and found.server_seconds == 1_700_000_007
    assert fetcher.server_seconds(origin.url("/x")) == 1_700_000_007


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-gzip"])
def test_playlists_may_come_compressed(origin: Origin, fetcher: Fetcher, encoding: str) -> None:
    text = b"#EXTM3U\n" * 50_000
    body = zlib.compress(text) if encoding == "deflate" else gzip.compress(text)
    origin.pages["/x.m3u8"] = Page(body, headers={"Content-Encoding": encoding})
    found = fetcher.fetch_if_changed(Resource(uri=origin.url("/x.m3u8")))
    assert found is not None and found.data == text
    assert origin.headers[0]["accept-encoding"] == "gzip"


def test_segments_are_asked_for_as_they_are(origin: Origin, fetcher: Fetcher) -> None:
    origin.pages["/x.ts"] = b"media"
    fetcher.read(Resource(uri=origin.url("/x.ts")), max_bytes=10)
    assert origin.headers[0]["accept-encoding"] == "identity"


def test_a_compressed_gigabyte_is_cut_at_the_limit(origin: Origin, fetcher: Fetcher) -> None:
    packer = zlib.compressobj(9, wbits=31)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    assert len(body) < 1 << 20
    origin.pages["/x.m3u8"] = Page(body, headers={"Content-Encoding": "gzip"})
    with pytest.raises(LimitExceeded):
        fetcher.fetch_if_changed(Resource(uri=origin.url("/x.m3u8")), max_bytes=100_000)


def test_a_body_that_is_not_what_its_header_says_is_refused(origin: Origin, fetcher: Fetcher) -> None:
    origin.pages["/x.m3u8"] = Page(b"plain", headers={"Content-Encoding": "gzip"})
    with pytest.raises(NotMedia, match="not"):
        fetcher.fetch_if_changed(Resource(uri=origin.url("/x.m3u8")))


def test_an_encoding_that_nobody_asked_for_is_refused(origin: Origin, fetcher: Fetcher) -> None:
    origin.pages["/x.m3u8"] = Page(b"?", headers={"Content-Encoding": "br"})
    with pytest.raises(NotMedia, match="br"):
        fetcher.fetch_if_changed(Resource(uri=origin.url("/x.m3u8")))


def test_a_compressed_body_that_breaks_off_is_transient(origin: Origin, fetcher: Fetcher) -> None:
    body = gzip.compress(bytes(range(256)) * 100)
    origin.pages["/x.m3u8"] = Page(body[:-20], headers={"Content-Encoding": "gzip"})
    with pytest.raises(Transient, match="breaks off"):
        fetcher.fetch_if_changed(Resource(uri=origin.url("/x.m3u8")))


def test_several_compressed_pieces_are_one_body(origin: Origin, fetcher: Fetcher) -> None:
    origin.pages["/x"] = Page(gzip.compress(b"one ") + gzip.compress(b"two"), headers={"Content-Encoding": "gzip"})
    found = fetcher.fetch_if_changed(Resource(uri=origin.url("/x")))
    assert found is not None and found.data == b"one two"


def test_connections_are_used_again(origin: Origin, fetcher: Fetcher) -> None:
    origin.pages["/x"] = b"x"
    opened = []
    handler = origin._server.RequestHandlerClass
    real = origin._server.process_request

    def count(request, address):
        opened.append(address)
        return real(request, address)

    origin._server.process_request = count
    for _ in range(10):
        fetcher.read(Resource(uri=origin.url("/x")), max_bytes=10)
    assert handler is not None
    assert len(opened) == 1


def test_headers_go_to_their_host_and_to_no_other(origin: Origin) -> None:
    settings = limits(
        hosts=("127.0.0.1", "localhost"), headers={"localhost": {"Authorization": "Bearer hush", "X-Token": "t"}}
    )
    origin.pages["/x"] = b"x"
    origin.pages["/to"] = Page(status=302, headers={"Location": origin.url("/x")})
    with Fetcher(settings) as fetcher:
        fetcher.read(Resource(uri=origin.url("/to", "localhost")), max_bytes=10)
    assert origin.headers[0]["authorization"] == "Bearer hush"
    assert origin.headers[0]["x-token"] == "t"
    assert "authorization" not in origin.headers[1] and "x-token" not in origin.headers[1]


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNGWATCH_FETCH_HEADERS", '{"cdn.example": {"Authorization": "Bearer hush"}}')
    monkeypatch.setenv("HTTPS_PROXY", "http://user:whisper@proxy.example:3128")
    settings = FetchLimits()
    assert settings.headers["cdn.example"]["Authorization"].get_secret_value() == "Bearer hush"
    assert "hush" not in repr(settings) and "whisper" not in repr(settings)
    assert "hush" not in settings.model_dump_json()


def test_the_proxy_of_the_environment_is_used_but_not_for_its_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "inside.example,.corp")
    settings = FetchLimits()
    assert settings.proxy_for("https", "cdn.example") == "http://proxy.example:3128"
    assert settings.proxy_for("http", "cdn.example") is None
    assert settings.proxy_for("https", "inside.example") is None
    assert settings.proxy_for("https", "a.corp") is None


def test_a_proxy_is_asked_with_its_password(origin: Origin) -> None:
    origin.pages["http://cdn.example/x"] = b"through"
    proxy = origin.url("").replace("http://", "http://user:word@")
    with Fetcher(limits(proxies={"http": proxy})) as fetcher:
        fetcher.access.admit_url("http://cdn.example/")
        assert fetcher.read(Resource(uri="http://cdn.example/x"), max_bytes=10) == b"through"
    assert origin.headers[0]["proxy-authorization"] == "Basic dXNlcjp3b3Jk"


def test_pauses_have_jitter_and_heed_what_the_server_asks_for(origin: Origin) -> None:
    pauses: list[float] = []
    origin.pages["/busy"] = Page(status=503, headers={"Retry-After": "4"})
    origin.pages["/down"] = 500
    with Fetcher(limits(attempts=3), sleep=pauses.append, chance=lambda: 0.5) as fetcher:
        fetcher.access.admit_url(origin.url("/"))
        for path in ("/down", "/busy"):
            with pytest.raises(Transient):
                fetcher.read(Resource(uri=origin.url(path)), max_bytes=10)
    assert pauses == [0.375, 0.75, 4, 4]


def test_a_body_that_says_it_is_too_big_is_not_read(origin: Origin, fetcher: Fetcher) -> None:
    origin.pages["/x"] = Page(b"", headers={"Content-Length": str(10 << 30)})
    with pytest.raises(LimitExceeded):
        fetcher.read(Resource(uri=origin.url("/x")), max_bytes=1 << 20)
