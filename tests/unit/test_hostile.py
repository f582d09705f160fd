"""Playlists and manifests made to do harm are refused in one clear line, soon, in little memory; they reach nothing."""

import gzip
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from ingest_playlists import limits
from origin import Origin, Page

from pipeline.errors import Rejected, Transient
from pipeline.ingest import Fetcher
from pipeline.ingest.open import open_presentation

MIB = 1 << 20
MOST_SECONDS = 20.0
"""Of this process: what others compute on the machine does not count."""
MOST_WAIT_SECONDS = 180.0
MOST_BYTES = 192 * MIB
LOOKS = 3


@dataclass
class Site:
    """The origin that was named, and one inside that nobody named."""

    named: Origin
    inside: Origin


Build = Callable[[Site], None]


@dataclass(frozen=True)
class Case:
    name: str
    build: Build
    """Lays out the pages; the entry is ``/x``."""
    words: str = ""
    """Part of what is said."""
    goes_on: bool = False
    """It does no harm where what makes no sense is passed over: only time, memory and reach count."""
    settings: tuple[tuple[str, object], ...] = ()


def page(text: str | bytes) -> Build:
    def build(site: Site) -> None:
        site.named.pages["/x"] = text

    return build


def answer(found: Page | int) -> Build:
    def build(site: Site) -> None:
        site.named.pages["/x"] = found

    return build


def redirect(target: str) -> Build:
    def build(site: Site) -> None:
        location = target.format(port=site.inside.port)
        site.named.pages["/x"] = Page(status=302, headers={"Location": location})

    return build


def hls(body: str, *, seconds: str = "2") -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:{seconds}\n{body}"


def one(uri: str) -> str:
    return hls(f"#EXTINF:2,\n{uri}\n#EXT-X-ENDLIST\n")


def variant(uri: str) -> str:
    return f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360\n{uri}\n"


def to(make: Callable[[str], str], target: str) -> Build:
    """Point from a playlist to an address inside."""

    def build(site: Site) -> None:
        site.named.pages["/x"] = make(target.format(port=site.inside.port))

    return build


def dash(content: str, *, kind: str = 'type="static" mediaPresentationDuration="PT6S"', head: str = "") -> str:
    return (
        f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" {kind}>{head}<Period id="p" start="PT0S">{content}</Period></MPD>'
    )


def rung(template: str = "", inner: str = "", attributes: str = 'bandwidth="800000"') -> str:
    representation = f'<Representation id="a" {attributes} width="640" height="360" codecs="avc1.64001e">{inner}'
    return f'<AdaptationSet mimeType="video/mp4">{template}{representation}</Representation></AdaptationSet>'


def template(attributes: str, inner: str = "", media: str = "$Number$.m4s") -> str:
    return f'<SegmentTemplate media="{media}" initialization="i.mp4" {attributes}>{inner}</SegmentTemplate>'


def timeline(entries: str, attributes: str = 'timescale="1"') -> str:
    return template(attributes, f"<SegmentTimeline>{entries}</SegmentTimeline>")


def numbered(number: int) -> str:
    """Return a rung that is like no other."""
    made = rung(template('duration="2"', media="$RepresentationID$/$Number$.m4s"))
    return made.replace('"640"', f'"{number}"').replace('id="a"', f'id="r{number}"')


LIVE = 'type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z" minimumUpdatePeriod="PT1S"'
PLAIN = template('duration="2"')
ENTITIES = "".join(
    f'<!ENTITY l{n} "{"&l" + str(n - 1) + ";" if n else "lol"}{"&l" + str(max(0, n - 1)) + ";" * 9}">'
    for n in range(12)
)
HUGE = "9" * 5000


def base(target: str) -> Build:
    return to(lambda uri: dash(rung(PLAIN, inner=f"<BaseURL>{uri}</BaseURL>")), target)


def chain(site: Site) -> None:
    for number in range(50):
        site.named.pages[f"/r{number}"] = Page(status=302, headers={"Location": f"/r{number + 1}"})
    site.named.pages["/x"] = Page(status=302, headers={"Location": "/r0"})


def rebinding(site: Site) -> None:
    site.named.pages["/x"] = one(f"http://rebind.example:{site.inside.port}/x.ts")


def master_of_masters(site: Site) -> None:
    site.named.pages["/x"] = variant("/y")
    site.named.pages["/y"] = variant("/x")


def sidx_loop(site: Site) -> None:
    # An index whose only entry is an index, at the same place, and so on.
    box = b"\0\0\0\x2csidx\0\0\0\0\0\0\0\1\0\0\3\xe8" + bytes(8) + b"\0\0\0\1\x80\0\0\x2c\0\0\x0f\xa0\x90\0\0\0"
    site.named.pages["/v.mp4"] = box * 64
    inner = '<BaseURL>v.mp4</BaseURL><SegmentBase indexRange="0-43"/>'
    site.named.pages["/x"] = dash(rung(inner=inner), kind=LIVE)


def bomb(site: Site) -> None:
    packer = zlib.compressobj(9, wbits=31)
    body = b"".join(packer.compress(b"#EXTM3U\n" * (MIB // 8)) for _ in range(64)) + packer.flush()
    site.named.pages["/x"] = Page(body, headers={"Content-Encoding": "gzip"})


def deep(site: Site) -> None:
    site.named.pages["/x"] = "<MPD>" + "<a>" * 200_000 + "</a>" * 200_000 + "</MPD>"


CASES = [
    # Where an address leads.
    Case("redirect to itself", redirect("/x"), "redirects"),
    Case("redirects without end", chain, "redirects"),
    Case("redirect inside by number", redirect("http://127.0.0.2:{port}/x"), "not read"),
    Case("redirect to another port", redirect("http://127.0.0.1:{port}/x"), "loopback"),
    Case("redirect to metadata", redirect("http://169.254.169.254/latest/meta-data/"), "not read"),
    Case("redirect to metadata in IPv6", redirect("http://[fd00:ec2::254]/"), "not read"),
    Case("redirect to mapped IPv4", redirect("http://[::ffff:127.0.0.1]:{port}/"), "not read"),
    Case("redirect in decimal", redirect("http://2130706433:{port}/"), "not read"),
    Case("redirect in octal", redirect("http://0177.0.0.1:{port}/"), "not read"),
    Case("redirect in hexadecimal", redirect("http://0x7f.1:{port}/"), "not read"),
    Case("redirect to a name that leads inside", redirect("http://rebind.example:{port}/"), "loopback"),
    Case("redirect to a file", redirect("file:///etc/passwd"), "not http"),
    Case("redirect to gopher", redirect("gopher://127.0.0.1:{port}/"), "not http"),
    Case("redirect to a bucket", redirect("s3://media/x"), "not http"),
    Case("redirect to nowhere", redirect("http://["), "redirected"),
    Case("segment inside by number", to(one, "http://10.0.0.1/x.ts"), "not read"),
    Case("segment at another port", to(one, "http://127.0.0.1:{port}/x.ts"), "loopback"),
    Case("segment with a user name as host", to(one, "http://cdn.example@127.0.0.1:{port}/x.ts"), "loopback"),
    Case("segment with a backslash", to(one, "http://cdn.example\\@127.0.0.1:{port}/x.ts"), "host"),
    Case("segment of a file", to(one, "file:///etc/passwd"), "only point to http"),
    Case("segment of a device", to(one, "file:///dev/zero"), "only point to http"),
    Case("segment of another scheme", to(one, "jar:http://127.0.0.1!/x"), "only point to http"),
    Case("variant inside by number", to(variant, "http://169.254.169.254/x.m3u8"), "not read"),
    Case("variant inside by name", to(variant, "http://rebind.example:{port}/x.m3u8"), "loopback"),
    Case(
        "key inside",
        to(
            lambda uri: hls(f'#EXT-X-KEY:METHOD=AES-128,URI="{uri}"\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n'),
            "http://10.0.0.1/k",
        ),
        "not read",
    ),
    Case(
        "map inside",
        to(lambda uri: hls(f'#EXT-X-MAP:URI="{uri}"\n#EXTINF:2,\na.m4s\n#EXT-X-ENDLIST\n'), "http://10.0.0.1/i"),
        "not read",
    ),
    Case("base URL inside", base("http://10.0.0.1/"), "not read"),
    Case("base URL at another port", base("http://127.0.0.1:{port}/"), "loopback"),
    Case("base URL of files", base("file:///etc/"), "only point to http"),
    Case("base URL in decimal", base("http://2130706433:{port}/"), "not read"),
    Case("address of 10 kB", to(one, "a" * 10_000), "no usable address"),
    Case("address with a zero", to(one, "a\0b.ts"), ""),
    # How much there is.
    Case("10 GB declared", answer(Page(b"#EXTM3U\n", headers={"Content-Length": str(10 << 30)})), "bytes"),
    Case("64 megabytes in 70 kilobytes", bomb, "bytes"),
    Case(
        "bytes that are not what they are said to be",
        answer(Page(gzip.compress(b"#EXTM3U")[:9], headers={"Content-Encoding": "gzip"})),
        "",
    ),
    Case("entities by the billion", page(f"<!DOCTYPE x [{ENTITIES}]><MPD>&l11;</MPD>"), "entities"),
    Case(
        "an entity that is a file",
        page('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><MPD>&e;</MPD>'),
        "entities",
    ),
    Case(
        "a document type elsewhere",
        to(lambda uri: f'<!DOCTYPE x SYSTEM "{uri}"><MPD/>', "http://127.0.0.1:{port}/x.dtd"),
        "document type",
    ),
    Case("parameter entities", page('<!DOCTYPE x [<!ENTITY % e SYSTEM "http://127.0.0.1/x"> %e;]><MPD/>'), "entities"),
    Case("elements nested without end", deep, ""),
    Case("20 MB of spaces", page("#EXTM3U\n" + " " * (20 * MIB)), "bytes"),
    Case(
        "1e9 segments by number",
        page(
            dash(
                rung(template('duration="1" timescale="1000"')),
                kind='type="static" mediaPresentationDuration="PT1000000S"',
            )
        ),
        "more than",
    ),
    Case(
        "1e9 segments in one entry",
        page(
            dash(
                rung(timeline('<S t="0" d="1" r="1000000000"/>')),
                kind='type="static" mediaPresentationDuration="P100Y"',
            )
        ),
        "more than",
    ),
    Case(
        "1e18 segments before the period",
        page(
            dash(
                rung(
                    timeline(
                        '<S t="0" d="1" r="999999999999999999"/>',
                        'timescale="1" presentationTimeOffset="999999999999999999"',
                    )
                )
            )
        ),
        "",
        goes_on=True,
    ),
    Case(
        "live segments of a nanosecond",
        page(dash(rung(template('duration="1" timescale="1000000000"')), kind=LIVE)),
        "more than",
        settings=(("max_segments", 1000),),
    ),
    Case(
        "a live entry that repeats without end",
        page(dash(rung(timeline('<S t="0" d="1" r="-1"/>', 'timescale="1000000"')), kind=LIVE)),
        "more than",
        settings=(("max_segments", 1000),),
    ),
    Case("a thousand renditions", page(dash("".join(map(numbered, range(1, 1000))))), "renditions"),
    Case("300 000 HLS segments", page(hls("#EXTINF:1,\na.ts\n" * 300_000 + "#EXT-X-ENDLIST\n")), "more than"),
    Case(
        "a thousand variants",
        page(
            "#EXTM3U\n"
            + "".join(f"#EXT-X-STREAM-INF:BANDWIDTH={n},RESOLUTION=16x{n}\nv{n}.m3u8\n" for n in range(1, 1001))
        ),
        "renditions",
    ),
    # What leads back to itself.
    Case("a master that lists itself", page(variant("/x")), "master"),
    Case("masters that list each other", master_of_masters, "master"),
    Case("an index that is its own entry", sidx_loop, ""),
    Case(
        "variables that are made of each other",
        page(
            '#EXTM3U\n#EXT-X-DEFINE:NAME="a",VALUE="{$b}"\n#EXT-X-DEFINE:NAME="b",VALUE="{$a}"\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{$c}.ts\n#EXT-X-ENDLIST\n'
        ),
        "",
    ),
    # Broken numbers.
    Case("a duration of 5000 digits", page(dash(rung(template(f'duration="{HUGE}"')))), "whole number"),
    Case("a timescale of 0", page(dash(rung(timeline('<S d="0"/>', 'timescale="0"')))), "without duration"),
    Case("a number that is NaN", page(dash(rung(template('duration="NaN"')))), "whole number"),
    Case(
        "a number 999999999 wide", page(dash(rung(template('duration="2"', media="$Number%0999999999d$.m4s")))), "wide"
    ),
    Case(
        "a byte range that ends before it starts",
        page(dash(rung(inner='<SegmentList duration="2"><SegmentURL media="a" mediaRange="9-1"/></SegmentList>'))),
        "byte range",
    ),
    Case(
        "a byte range beyond all files", page(hls(f"#EXTINF:2,\n#EXT-X-BYTERANGE:{HUGE}@0\na.ts\n#EXT-X-ENDLIST\n")), ""
    ),
    Case("a segment of 1e300 seconds", page(hls("#EXTINF:1e300,\na.ts\n#EXT-X-ENDLIST\n")), "", goes_on=True),
    Case(
        "a media sequence of 5000 digits",
        page(hls(f"#EXT-X-MEDIA-SEQUENCE:{HUGE}\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n")),
        "",
        goes_on=True,
    ),
    Case("a target duration below 0", page(hls("#EXTINF:-5,\na.ts\n#EXT-X-ENDLIST\n", seconds="-1")), "", goes_on=True),
    Case(
        "a period of 1e10 seconds in whole files",
        page(dash(rung(inner="<BaseURL>v.mp4</BaseURL>"), kind=LIVE)),
        "publish it in segments",
    ),
    # What is no playlist.
    Case("an answer that is a web page", page("<html>sign in</html>"), "not a DASH manifest"),
    Case("bytes at random", page(bytes(range(256)) * 64), "neither"),
    Case("nothing", page(b""), ""),
    Case("UTF-16 with half a character", page("<MPD>".encode("utf-16") + b"\xd8"), ""),
]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    real = socket.getaddrinfo

    def resolve(host, *args, **kwargs):
        return real("127.0.0.1" if host == "rebind.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with Origin() as named, Origin() as inside:
        yield Site(named, inside)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


# Names of hosts are all allowed, so that nothing but the guard of addresses stands in the way.
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_harm_is_refused(case: Case, site: Site) -> None:
    case.build(site)
    settings = limits(**{"hosts": ("*",), "max_redirects": 5, **dict(case.settings)})
    said: list[str] = []
    published = 0
    tracemalloc.start()
    started, worked = time.monotonic(), time.process_time()
    try:
        with Fetcher(settings, sleep=lambda _: None) as fetcher:
            presentation = open_presentation(site.named.url("/x"), "hostile", fetcher, settings)
            for _ in range(LOOKS):
                update = presentation.look()
                said += [finding.text for finding in update.findings]
                published += len(update.segments)
            presentation.close()
    except (Rejected, Transient) as error:
        said.append(str(error))
    finally:
        took, (_, most) = time.process_time() - worked, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert site.inside.asked == []
    assert took < MOST_SECONDS and most < MOST_BYTES, (took, most)
    assert time.monotonic() - started < MOST_WAIT_SECONDS
    if case.goes_on and not said:
        return
    assert said, f"nothing was said; {published} segments"
    assert any(case.words in text for text in said), said
    assert all("\n" not in text and len(text) < 600 for text in said), said
    assert published == 0
