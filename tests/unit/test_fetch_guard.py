"""Only addresses that somebody meant are connected to: checked as numbers, after DNS, and on every redirect."""

import ipaddress
import socket
from collections.abc import Iterator

import pytest
from ingest_playlists import limits
from origin import Origin, Page

from pipeline.errors import NotAllowed, Rejected, Transient
from pipeline.ingest import Fetcher
from pipeline.ingest.access import Access
from pipeline.ingest.addresses import Reach, literal, reach
from schemas import Resource


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as found:
        found.pages["/x"] = b"secret"
        yield found


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Return a table of names that this machine resolves; a test fills it."""
    table: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def resolve(host, port, *args, **kwargs):
        if host not in table:
            return real(host, port, *args, **kwargs)
        return [entry for address in table[host] for entry in real(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return table


@pytest.mark.parametrize(
    ("address", "kind", "word"),
    [
        ("93.184.216.34", Reach.PUBLIC, "public"),
        ("2606:2800:220:1::1", Reach.PUBLIC, "public"),
        ("127.0.0.1", Reach.PRIVATE, "loopback"),
        ("127.8.9.10", Reach.PRIVATE, "loopback"),
        ("::1", Reach.PRIVATE, "loopback"),
        ("10.1.2.3", Reach.PRIVATE, "private network"),
        ("172.16.0.1", Reach.PRIVATE, "private network"),
        ("192.168.1.1", Reach.PRIVATE, "private network"),
        ("100.64.0.1", Reach.PRIVATE, "private network"),
        ("fd12::1", Reach.PRIVATE, "private network"),
        ("169.254.169.254", Reach.FORBIDDEN, "cloud metadata"),
        ("168.63.129.16", Reach.FORBIDDEN, "cloud metadata"),
        ("100.100.100.200", Reach.FORBIDDEN, "cloud metadata"),
        ("fd00:ec2::254", Reach.FORBIDDEN, "cloud metadata"),
        ("169.254.1.1", Reach.FORBIDDEN, "link-local"),
        ("fe80::1", Reach.FORBIDDEN, "link-local"),
        ("224.0.0.1", Reach.FORBIDDEN, "multicast"),
        ("ff02::1", Reach.FORBIDDEN, "multicast"),
        ("0.0.0.0", Reach.FORBIDDEN, "unspecified"),
        ("0.1.2.3", Reach.FORBIDDEN, "unspecified"),
        ("::", Reach.FORBIDDEN, "unspecified"),
        ("255.255.255.255", Reach.FORBIDDEN, "reserved"),
        ("::ffff:127.0.0.1", Reach.PRIVATE, "loopback"),
        ("::ffff:169.254.169.254", Reach.FORBIDDEN, "cloud metadata"),
        ("64:ff9b::7f00:1", Reach.PRIVATE, "loopback"),
        ("2002:7f00:1::", Reach.PRIVATE, "loopback"),
        ("2002:a9fe:a9fe::", Reach.FORBIDDEN, "cloud metadata"),
    ],
)
def test_every_address_is_of_one_kind(address: str, kind: Reach, word: str) -> None:
    assert reach(ipaddress.ip_address(address)) == (kind, word)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.1", "127.0.0.1."]
)
def test_a_number_in_another_form_is_seen_through(host: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1"):
        literal(host)


@pytest.mark.parametrize("host", ["cdn.example", "1.2.3.4.example", "0x7f.example", "deadbeef"])
def test_a_name_is_no_number(host: str) -> None:
    assert literal(host) is None


HIDDEN = ["http://2130706433/", "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://127.1/"]
PRIVATE = [
    "http://127.0.0.1/", "http://127.0.0.1./", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://10.0.0.1/", "http://192.168.0.1:8080/",
    "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://0.0.0.0/", "http://224.0.0.1/",
    "http://[fe80::1]/", "http://user:pass@127.0.0.1/", "http://cdn.example@10.0.0.1/", "http://100.100.100.200/",
]  # fmt: skip


@pytest.mark.parametrize("target", HIDDEN + PRIVATE)
def test_a_playlist_cannot_point_to_a_private_number_even_where_all_hosts_are_allowed(target: str) -> None:
    access = Access(limits(hosts=("*",)))
    scope = access.admit_url("http://cdn.example/x.m3u8")
    with pytest.raises(NotAllowed, match="not read"):
        access.follow(target, "http://cdn.example/x.m3u8", scope)
    with pytest.raises(NotAllowed, match="not read"):
        access.redirect(target, "http://cdn.example/x.m3u8")


@pytest.mark.parametrize("url", PRIVATE)
def test_a_number_that_the_user_names_is_meant(url: str) -> None:
    access = Access(limits())
    access.admit_url(url)
    access.check_remote(url)


@pytest.mark.parametrize("url", HIDDEN)
def test_a_number_in_another_form_is_refused_whoever_names_it(url: str) -> None:
    with pytest.raises(NotAllowed, match="another way of writing"):
        Access(limits()).admit_url(url)


@pytest.mark.parametrize(
    "url",
    ["http://good.example\\@127.0.0.1/", "http://127.0.0.1\\.good.example/", "http://a b.example/", "http://[::1"],
)
def test_a_host_that_can_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(NotAllowed):
        Access(limits()).admit_url(url)


def read(origin: Origin, url: str, named: str, **changes: object) -> bytes:
    with Fetcher(limits(**changes), sleep=lambda _: None) as fetcher:
        fetcher.access.admit_url(named)
        return fetcher.read(Resource(uri=url), max_bytes=1000)


def test_a_name_that_leads_inside_is_refused_where_a_playlist_points_to_it(
    origin: Origin, names: dict[str, list[str]]
) -> None:
    names["inside.example"] = ["127.0.0.1"]
    with pytest.raises(NotAllowed, match=r"leads to 127\.0\.0\.1 \(loopback\)"):
        read(origin, origin.url("/x", "inside.example"), origin.url("/"), hosts=("*",))
    assert origin.asked == []


def test_a_name_that_the_settings_list_is_refused_where_it_leads_inside_unless_that_is_meant(
    origin: Origin, names: dict[str, list[str]]
) -> None:
    names["inside.example"] = ["127.0.0.1"]
    url = origin.url("/x", "inside.example")
    listed = ("127.0.0.1", "inside.example")
    with pytest.raises(NotAllowed, match="PRIVATE_HOSTS"):
        read(origin, url, origin.url("/"), hosts=listed)
    assert read(origin, url, origin.url("/"), hosts=listed, private_hosts=("inside.example",)) == b"secret"
    assert read(origin, url, origin.url("/"), hosts=listed, private_hosts=("*",)) == b"secret"


def test_a_name_that_the_user_names_may_be_of_a_private_network(origin: Origin, names: dict[str, list[str]]) -> None:
    names["origin.corp"] = ["127.0.0.1"]
    url = origin.url("/x", "origin.corp")
    assert read(origin, url, url) == b"secret"


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "0.0.0.0", "::ffff:169.254.169.254"])
def test_a_name_that_leads_to_metadata_is_refused_whoever_names_it(
    origin: Origin, names: dict[str, list[str]], address: str
) -> None:
    names["metadata.example"] = [address]
    url = "http://metadata.example/x"
    with pytest.raises(NotAllowed, match="leads to"):
        read(origin, url, url)
    with pytest.raises(NotAllowed, match="leads to"):
        read(origin, url, url, private_hosts=("*",))


def test_a_name_that_was_public_may_not_lead_inside_later(names: dict[str, list[str]]) -> None:
    access = Access(limits())
    access.admit_url("http://cdn.example/")
    assert access.connectable("cdn.example", 80, ["93.184.216.34"]) == ["93.184.216.34"]
    with pytest.raises(NotAllowed, match="loopback"):
        access.connectable("cdn.example", 80, ["127.0.0.1"])


def test_of_several_addresses_the_public_ones_are_connected_to() -> None:
    access = Access(limits())
    access.admit_url("http://cdn.example/")
    assert access.connectable("cdn.example", 80, ["127.0.0.1", "93.184.216.34"]) == ["93.184.216.34"]


def test_the_checked_address_is_the_one_that_is_connected_to(origin: Origin, names: dict[str, list[str]]) -> None:
    # Resolved once: the second answer, which a rebinding server would give, is never asked for.
    asked = []
    names["origin.corp"] = ["127.0.0.1"]
    resolve = socket.getaddrinfo

    def count(host, *args, **kwargs):
        asked.append(host)
        return resolve(host, *args, **kwargs)

    socket.getaddrinfo = count
    try:
        url = origin.url("/x", "origin.corp")
        assert read(origin, url, url) == b"secret"
    finally:
        socket.getaddrinfo = resolve
    assert asked.count("origin.corp") == 1
    assert origin.headers[0]["host"] == f"origin.corp:{origin.port}"


def test_another_port_of_a_private_host_is_not_what_was_named(origin: Origin) -> None:
    with Origin() as other:
        other.pages["/x"] = b"database"
        with pytest.raises(NotAllowed, match="loopback"):
            read(origin, other.url("/x"), origin.url("/"))
        assert other.asked == []
        assert read(origin, other.url("/x"), origin.url("/"), hosts=("127.0.0.1",)) == b"database"


@pytest.mark.parametrize("target", [*HIDDEN, *PRIVATE, "http://metadata.example/", "file:///etc/passwd", "gopher://x/"])
def test_no_redirect_leads_inside(origin: Origin, names: dict[str, list[str]], target: str) -> None:
    names["metadata.example"] = ["169.254.169.254"]
    origin.pages["/to"] = Page(status=302, headers={"Location": target})
    with pytest.raises(Rejected):
        read(origin, origin.url("/to"), origin.url("/"), hosts=("*",))
    assert origin.asked == ["/to"]


def test_redirects_within_what_is_allowed_are_followed(origin: Origin) -> None:
    origin.pages["/to"] = Page(status=302, headers={"Location": origin.url("/x", "localhost")})
    assert read(origin, origin.url("/to"), origin.url("/"), hosts=("127.0.0.1", "localhost")) == b"secret"


def test_a_name_that_is_not_there_is_transient(origin: Origin) -> None:
    url = "http://no-such-name.invalid/x"
    with pytest.raises(Transient, match="cannot be resolved"):
        read(origin, url, url)


def test_a_bucket_is_not_the_host_of_the_same_name() -> None:
    access = Access(limits())
    scope = access.admit_url("s3://media/x.m3u8")
    assert access.follow("a/b.ts", "s3://media/live/x.m3u8", scope) == "s3://media/live/a/b.ts"
    assert access.follow("/b.ts", "s3://media/live/x.m3u8", scope) == "s3://media/b.ts"
    for target in ("http://media/x", "s3://other/x", "gs://media/x", "file:///etc/passwd"):
        with pytest.raises(NotAllowed):
            access.follow(target, "s3://media/live/x.m3u8", scope)


def test_a_web_page_cannot_point_to_a_bucket() -> None:
    access = Access(limits(hosts=("*",)))
    scope = access.admit_url("http://cdn.example/x.m3u8")
    with pytest.raises(NotAllowed, match="only point to http"):
        access.follow("s3://media/x", "http://cdn.example/x.m3u8", scope)
