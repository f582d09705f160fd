"""Reading over http from a real server on this machine: ranges, retries, limits, redirects, the allow-list."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ingest_playlists import find_error, find_one, limits, manifest, media_playlist, representation, sidx, write

from pipeline.errors import BadPlaylist, LimitExceeded, NotAllowed, NotFound, Transient
from pipeline.ingest import Fetcher
from schemas import ByteRange, Resource

BODY = bytes(range(256)) * 40


class Site:
    """Pages by path; what was asked, in order."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.counts: Counter[str] = Counter()
        self.ranges = True
        self.is_over = threading.Event()
        """Set at the end of a test: whoever still answers stops."""

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.site.asked.append(self.path)
        self.site.counts[path] += 1
        special = getattr(self, "page_" + path.strip("/").partition("/")[0].replace("-", "_"), None)
        try:
            special() if special else self._page(path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _page(self, path: str) -> None:
        data = self.site.pages.get(path)
        if data is None:
            self._send(404, b"")
            return
        asked = self.headers.get("Range")
        if asked and self.site.ranges:
            first, last = (int(part) for part in asked.removeprefix("bytes=").split("-"))
            if first >= len(data):
                self._send(416, b"")
                return
            part = data[first : last + 1]
            self._send(206, part, **{"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(data)}"})
            return
        self._send(200, data)

    def _send(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def page_status(self) -> None:
        self._send(int(self.path.rpartition("/")[2]), b"no")

    def page_flaky(self) -> None:
        if self.site.counts[self.path] < 3:
            self._send(503, b"busy")
        else:
            self._send(200, b"at last")

    def page_loop(self) -> None:
        self._send(302, b"", Location="/loop")

    def page_hop(self) -> None:
        left = int(self.path.rpartition("/")[2])
        self._send(302, b"", Location=f"/hop/{left - 1}" if left else "/media.bin")

    def page_to(self) -> None:
        self._send(301, b"", Location=self.path.partition("?")[2])

    def page_endless(self) -> None:
        # States that it is small, then sends without end.
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            self.wfile.write(b"1000\r\n" + bytes(4096) + b"\r\n")

    def page_silent(self) -> None:
        if not self.site.is_over.wait(60):
            self._send(200, b"late")

    def page_trickle(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(1000):
            self.wfile.write(b"x")
            self.wfile.flush()
            if self.site.is_over.wait(0.05):
                break

    def page_cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"only this")
        self.close_connection = True

    def page_wrong_range(self) -> None:
        self._send(206, b"other bytes", **{"Content-Range": "bytes 0-10/100"})


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    handler = type("SiteHandler", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    handler.site = Site(server.server_address[1])
    handler.site.pages["/media.bin"] = BODY
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield handler.site
    handler.site.is_over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def read(site: Site, path: str, *, byte_range: ByteRange | None = None, max_bytes: int = 1 << 20, **changes) -> bytes:
    with Fetcher(limits(**changes), sleep=lambda _: None) as fetcher:
        fetcher.access.admit_url(site.url("/"))
        return fetcher.read(Resource(uri=site.url(path), byte_range=byte_range), max_bytes=max_bytes)


def test_a_resource_is_read_whole(site: Site) -> None:
    assert read(site, "/media.bin") == BODY


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize(("offset", "length"), [(0, 10), (300, 5000), (len(BODY) - 3, 3)])
def test_a_range_is_read_whether_the_server_knows_ranges_or_not(
    site: Site, ranges: bool, offset: int, length: int
) -> None:
    site.ranges = ranges
    found = read(site, "/media.bin", byte_range=ByteRange(offset=offset, length=length))
    assert found == BODY[offset : offset + length]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_range_behind_the_end_is_not_found(site: Site, ranges: bool) -> None:
    site.ranges = ranges
    with pytest.raises(NotFound):
        read(site, "/media.bin", byte_range=ByteRange(offset=len(BODY), length=5))


def test_a_range_that_ends_behind_the_end_is_what_is_there(site: Site) -> None:
    assert read(site, "/media.bin", byte_range=ByteRange(offset=len(BODY) - 2, length=5)) == BODY[-2:]


def test_other_bytes_than_those_asked_for_are_refused(site: Site) -> None:
    with pytest.raises(NotFound, match="other bytes"):
        read(site, "/wrong-range", byte_range=ByteRange(offset=50, length=11))


@pytest.mark.parametrize("status", [404, 410, 400])
def test_a_client_error_is_not_found_and_not_tried_again(site: Site, status: int) -> None:
    with pytest.raises(NotFound, match=str(status)):
        read(site, f"/status/{status}", attempts=3)
    assert len(site.asked) == 1


def test_a_refusal_is_not_allowed(site: Site) -> None:
    with pytest.raises(NotAllowed, match="403"):
        read(site, "/status/403")


def test_a_server_that_recovers_is_asked_again(site: Site) -> None:
    assert read(site, "/flaky", attempts=3) == b"at last"


def test_a_server_that_does_not_recover_is_transient_after_all_attempts(site: Site) -> None:
    with pytest.raises(Transient, match=r"500.*attempts: 3"):
        read(site, "/status/500", attempts=3)
    assert len(site.asked) == 3


def test_the_pauses_between_attempts_grow(site: Site) -> None:
    pauses: list[float] = []
    with Fetcher(limits(attempts=4), sleep=pauses.append, chance=lambda: 0.0) as fetcher:
        fetcher.access.admit_url(site.url("/"))
        with pytest.raises(Transient):
            fetcher.read(Resource(uri=site.url("/status/503")), max_bytes=10)
    assert pauses == [0.5, 1.0, 2.0]


def test_a_server_that_is_not_there_is_transient(site: Site) -> None:
    site.port = 9
    with pytest.raises(Transient):
        read(site, "/media.bin")


def test_a_body_that_breaks_off_is_transient(site: Site) -> None:
    with pytest.raises(Transient):
        read(site, "/cut")


def test_a_server_without_answer_is_given_up_after_the_time_out(site: Site) -> None:
    started = time.monotonic()
    with pytest.raises(Transient, match="TIMEOUT_SECONDS"):
        read(site, "/silent", timeout_seconds=0.3)
    assert time.monotonic() - started < 30, "of the 60 that the server is silent"


def test_a_server_that_only_trickles_is_given_up_after_the_total_time(site: Site) -> None:
    started = time.monotonic()
    with pytest.raises(LimitExceeded, match="TOTAL_SECONDS"):
        read(site, "/trickle", total_seconds=0.5)
    assert time.monotonic() - started < 25, "of the 50 that the server takes"


def test_a_body_without_end_is_cut_at_the_limit(site: Site) -> None:
    with pytest.raises(LimitExceeded, match="more than 10000 bytes"):
        read(site, "/endless", max_bytes=10_000)


def test_a_body_may_be_as_big_as_the_limit_and_no_bigger(site: Site) -> None:
    assert len(read(site, "/media.bin", max_bytes=len(BODY))) == len(BODY)
    with pytest.raises(LimitExceeded):
        read(site, "/media.bin", max_bytes=len(BODY) - 1)


def test_a_range_over_the_limit_is_not_even_asked_for(site: Site) -> None:
    with pytest.raises(LimitExceeded):
        read(site, "/media.bin", byte_range=ByteRange(offset=0, length=100), max_bytes=99)
    assert site.asked == []


def test_redirects_are_followed_up_to_the_limit(site: Site) -> None:
    assert read(site, "/hop/3", max_redirects=4) == BODY
    with pytest.raises(LimitExceeded, match="MAX_REDIRECTS"):
        read(site, "/hop/3", max_redirects=3)


def test_a_redirect_loop_ends(site: Site) -> None:
    with pytest.raises(LimitExceeded):
        read(site, "/loop", max_redirects=5)
    assert len(site.asked) == 6


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "http://["])
def test_a_redirect_to_another_scheme_is_refused(site: Site, target: str) -> None:
    with pytest.raises(NotAllowed):
        read(site, f"/to?{target}")


def test_a_redirect_to_another_host_is_refused_unless_the_settings_list_it(site: Site) -> None:
    path = f"/to?{site.url('/media.bin', 'localhost')}"
    with pytest.raises(NotAllowed, match="localhost"):
        read(site, path)
    assert read(site, path, hosts=("127.0.0.1", "LOCALHOST")) == BODY
    with pytest.raises(NotAllowed, match="loopback"):
        read(site, path, hosts=("*",))
    assert read(site, path, hosts=("*",), private_hosts=("localhost",)) == BODY


def test_a_host_that_nobody_named_is_refused(site: Site) -> None:
    with Fetcher(limits()) as fetcher, pytest.raises(NotAllowed):
        fetcher.read(Resource(uri=site.url("/media.bin")), max_bytes=1 << 20)
    assert site.asked == []


def test_a_named_host_that_the_settings_do_not_list_is_refused(site: Site) -> None:
    assert isinstance(find_error(site.url("/media.bin"), hosts=("cdn.example",)), NotAllowed)
    assert site.asked == []


def test_a_scheme_can_be_forbidden(site: Site) -> None:
    assert isinstance(find_error(site.url("/media.bin"), schemes=("https", "file")), NotAllowed)


def test_an_address_without_host_is_refused() -> None:
    assert isinstance(find_error("http:///x.m3u8"), NotAllowed)


def test_a_master_playlist_is_followed_from_where_redirects_lead(site: Site) -> None:
    site.pages |= {
        "/deep/master.m3u8": b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360\nv/index.m3u8?t=1\n",
        "/deep/v/index.m3u8": media_playlist(["a%20b.ts", "/top.ts"]).encode(),
        "/deep/v/a%20b.ts": b"relative",
        "/top.ts": b"absolute",
    }
    with Fetcher(limits()) as fetcher:
        stream = find_one(site.url("/to/show.m3u8?/deep/master.m3u8"), fetcher=fetcher)
        segments = stream.segments["360p-800k"]
        assert [fetcher.segment_bytes(segment) for segment in segments] == [b"relative", b"absolute"]
        assert stream.ladder.stream_id == "deep"


@pytest.mark.parametrize("target", ["file:///etc/hostname", "http://localhost:{port}/media.bin", "data:,x"])
def test_a_remote_playlist_cannot_point_to_files_or_other_hosts(site: Site, target: str) -> None:
    site.pages["/x.m3u8"] = media_playlist([target.format(port=site.port)]).encode()
    assert isinstance(find_error(site.url("/x.m3u8")), NotAllowed)
    assert site.asked == ["/x.m3u8"]


def test_a_remote_playlist_may_point_to_a_listed_host(site: Site) -> None:
    site.pages["/x.m3u8"] = media_playlist([site.url("/media.bin", "localhost")]).encode()
    settings = {"hosts": ("127.0.0.1", "localhost")}
    with Fetcher(limits(**settings)) as fetcher:
        (segments,) = find_one(site.url("/x.m3u8"), fetcher=fetcher, **settings).segments.values()
        assert fetcher.segment_bytes(segments[0]) == BODY


def test_a_local_playlist_may_point_to_a_listed_host_only(site: Site, tmp_path) -> None:
    path = write(tmp_path / "x.m3u8", media_playlist([site.url("/media.bin")]))
    assert isinstance(find_error(path), NotAllowed)
    with Fetcher(limits(hosts=("127.0.0.1",))) as fetcher:
        (segments,) = find_one(path, fetcher=fetcher, hosts=("127.0.0.1",)).segments.values()
        assert fetcher.segment_bytes(segments[0]) == BODY


def test_an_init_segment_is_fetched_once(site: Site) -> None:
    head = '#EXT-X-MAP:URI="init.mp4"\n'
    site.pages |= {
        "/x.m3u8": media_playlist(["1.m4s", "2.m4s"], head=head).encode(),
        "/init.mp4": b"INIT",
        "/1.m4s": b"one",
        "/2.m4s": b"two",
    }
    with Fetcher(limits()) as fetcher:
        (segments,) = find_one(site.url("/x.m3u8"), fetcher=fetcher).segments.values()
        assert [fetcher.segment_bytes(segment) for segment in segments] == [b"INITone", b"INITtwo"]
    assert site.counts["/init.mp4"] == 1


def test_a_missing_playlist_is_not_found(site: Site) -> None:
    assert isinstance(find_error(site.url("/gone.m3u8")), NotFound)


def test_a_page_that_is_no_playlist_is_a_bad_playlist(site: Site) -> None:
    site.pages["/x.m3u8"] = b"<html>sign in</html>"
    assert isinstance(find_error(site.url("/x.m3u8")), BadPlaylist)


def test_a_playlist_over_the_limit_is_refused(site: Site) -> None:
    site.pages["/x.m3u8"] = media_playlist(["a.ts"] * 1000).encode()
    assert isinstance(find_error(site.url("/x.m3u8"), max_playlist_bytes=500), LimitExceeded)


def test_a_media_file_is_downloaded_and_removed_at_the_end(site: Site) -> None:
    with Fetcher(limits()) as fetcher:
        stream = find_one(site.url("/media.bin?token=1"), fetcher=fetcher)
        assert stream.plain_files
        assert stream.ladder.stream_id == "media.bin"
        (segment,) = stream.segments["media"]
        path = fetcher.local_path(segment.media)
        assert path is not None and path.read_bytes() == BODY
    assert not path.exists()
    assert len(site.asked) == 1


def test_a_media_file_over_the_limit_leaves_nothing_behind(site: Site, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert isinstance(find_error(site.url("/endless"), max_segment_bytes=10_000), LimitExceeded)
    assert list(tmp_path.iterdir()) == []


def test_a_playlist_behind_an_address_without_extension_is_known(site: Site) -> None:
    site.pages["/play"] = media_playlist(["media.bin"]).encode()
    with Fetcher(limits()) as fetcher:
        (segments,) = find_one(site.url("/play"), fetcher=fetcher).segments.values()
        assert fetcher.segment_bytes(segments[0]) == BODY


def test_a_remote_segment_is_not_a_local_path(site: Site) -> None:
    site.pages["/x.m3u8"] = media_playlist(["media.bin"]).encode()
    with Fetcher(limits()) as fetcher:
        (segments,) = find_one(site.url("/x.m3u8"), fetcher=fetcher).segments.values()
        assert fetcher.local_path(segments[0].media) is None


def test_a_remote_manifest_with_an_index_is_read_by_ranges(site: Site) -> None:
    index = sidx([(3, 2000), (2, 1500)])
    inner = f'<BaseURL>v.mp4</BaseURL><SegmentBase indexRange="4-{3 + len(index)}"/>'
    video = f'<AdaptationSet mimeType="video/mp4">{representation(inner)}</AdaptationSet>'
    site.pages |= {
        "/x.mpd": manifest(f"<BaseURL>media/</BaseURL><Period>{video}</Period>").encode(),
        "/media/v.mp4": b"INIT" + index + b"aaabb",
    }
    with Fetcher(limits()) as fetcher:
        segments = find_one(site.url("/x.mpd"), fetcher=fetcher).segments["v1"]
        assert [fetcher.segment_bytes(segment) for segment in segments] == [b"INITaaa", b"INITbb"]


def test_a_remote_webm_representation_is_a_file_of_its_own(site: Site) -> None:
    video = f'<AdaptationSet mimeType="video/webm">{representation("<BaseURL>media.bin</BaseURL>")}</AdaptationSet>'
    site.pages["/x.mpd"] = manifest(f"<Period>{video}</Period>").encode()
    with Fetcher(limits()) as fetcher:
        stream = find_one(site.url("/x.mpd"), fetcher=fetcher)
        assert stream.plain_files
        path = fetcher.local_path(stream.segments["v1"][0].media)
        assert path is not None and path.read_bytes() == BODY


def test_credentials_and_tokens_are_not_shown_in_messages(site: Site) -> None:
    url = f"http://user:secret@127.0.0.1:{site.port}/gone.m3u8?token=hush"
    words = str(find_error(url))
    assert "secret" not in words and "hush" not in words
    assert "/gone.m3u8" in words


def test_several_threads_can_read_at_once(site: Site) -> None:
    with Fetcher(limits()) as fetcher:
        fetcher.access.admit_url(site.url("/"))
        found: list[bytes] = []

        def one() -> None:
            found.append(fetcher.read(Resource(uri=site.url("/media.bin")), max_bytes=1 << 20))

        threads = [threading.Thread(target=one) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [BODY] * 8
