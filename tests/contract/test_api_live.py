"""Live points and findings over server-sent events: everybody hears what was asked for, and nobody holds others up."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from api_served import WAIT_SECONDS, Listener, Served, fill_live, finding, live_point, now_seconds, served, wait
from pydantic import SecretStr
from services.redis_fixtures import Series
from services.redis_server import RedisServer
from services.redis_topologies import SentinelServer, replica_of

from pipeline.api import events, hub
from pipeline.errors import Unavailable
from pipeline.series import SeriesStore, connect, live
from pipeline.settings import RedisSettings
from schemas import QualityPoint

LONG = "s" * 500
"""A name that fills the buffers between server and client soon."""


@pytest.fixture
def api(series7: Series) -> Iterator[Served]:
    with served(series7.settings) as made:
        with made.listen() as client:
            until_redis_is_heard(client)
        listening(made, 0)
        yield made


def until_redis_is_heard(client: Listener) -> None:
    """Return when the feed hears Redis, which may be later than the server answers: what is written before is lost."""
    while client.until("state")["data"]["redis"] != "ok":
        pass


def listening(api: Served, clients: int) -> None:
    wait(lambda: f"rungwatch_live_listeners {clients}.0" in api.client.get("/metrics").text, f"{clients} listen")


def test_a_listener_hears_how_things_stand_then_points_and_findings(api: Served, series7: Series) -> None:
    with api.listen() as client:
        assert client.next() == {"event": "state", "data": {"redis": "ok"}}
        start = now_seconds()
        series7.store.write([live_point(start, 71.5, stream="news")])
        point = client.next()
        assert (point["event"], point["data"]["stream_id"]) == ("point", "news")
        assert point["data"] | {"age_seconds": 0} == {
            "stream_id": "news",
            **api.json("ladder", stream="news")["rungs"][0],
            "age_seconds": 0,
        }
        series7.store.find([finding()])
        found = client.next()
        assert (found["event"], found["data"]["kind"], found["data"]["over_at"]) == ("finding", "stale", None)
        assert client.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert client.answer.headers["cache-control"] == "no-store"


def test_a_listener_to_one_stream_hears_of_no_other(api: Served, series7: Series) -> None:
    with api.listen("a/b & c", "d") as client:
        client.until("state")
        series7.store.write([live_point(now_seconds(), stream=name) for name in ("e", "d", "f", "a/b & c")])
        assert {client.next()["data"]["stream_id"] for _ in range(2)} == {"a/b & c", "d"}


def test_a_repeat_is_not_told_again(api: Served, series7: Series) -> None:
    with api.listen() as client:
        client.until("state")
        start = now_seconds()
        for score in (70, 70, 60):
            series7.store.write([live_point(start, score)])
        assert [client.next()["data"]["score"] for _ in range(2)] == [70, 60]
        series7.store.find([finding("a", ago_seconds=1)])
        assert client.next()["event"] == "finding"


def test_who_comes_back_hears_what_was_missed(api: Served, series7: Series) -> None:
    start = now_seconds()
    with api.listen("news") as client:
        client.until("state")
        series7.store.write([live_point(start, stream="news")])
        last = client.next()["id"]
        listening(api, 1)
    series7.store.write([live_point(start + 2, stream="news"), live_point(start + 2, stream="sport")])
    with api.listen() as probe:  # so that both have surely been heard
        probe.until("state")
        series7.store.write([live_point(start + 4, stream="news")])
        probe.until("point")
    with api.listen("news", after=last) as client:
        client.until("state")
        assert [client.next()["data"]["start_seconds"] for _ in range(2)] == [start + 2, start + 4]


@pytest.mark.parametrize("after", ["00000000-5", "nonsense", "-", "x" * 500])
def test_who_was_away_for_too_long_is_told_to_load_anew(api: Served, after: str) -> None:
    with api.listen(after=after) as client:
        assert [client.next()["event"] for _ in range(2)] == ["state", "gap"]


def test_a_quiet_stream_shows_that_it_is_there(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.1)
    with api.client.stream("GET", "/api/v1/events") as answer:
        lines = answer.iter_lines()
        while next(lines) != ": still here":
            pass


def test_clients_are_counted_and_limited(series7: Series) -> None:
    with served(series7.settings, live_clients=3, live_clients_each=2) as api:
        with api.listen(), api.listen():
            listening(api, 2)
            refused = api.get("events")
            assert (refused.status_code, refused.json()["type"]) == (429, "urn:rungwatch:problem:too-many-listeners")
        listening(api, 0)
        with api.listen() as client:
            client.until("state")


def test_redis_away_and_back_is_told_and_heals() -> None:
    with RedisServer() as server:
        settings = RedisSettings(url=SecretStr(server.url), prefix="live")
        link = connect(settings)
        store = SeriesStore(link, settings)
        with served(settings) as api, api.listen() as client:
            until_redis_is_heard(client)
            store.write([live_point(now_seconds())])
            client.until("point")
            server.kill()
            assert client.next()["data"]["redis"].startswith("away: Redis at 127.0.0.1")
            answer = api.get("streams")
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:rungwatch:problem:unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert api.client.get("/readyz").status_code == 503
            assert api.client.get("/healthz").status_code == 200
            assert api.json("health")["ready"] is False
            server.start()
            until_redis_is_heard(client)  # what it says meanwhile may change: refused, still reading its data
            assert client.next()["event"] == "gap"
            store.write([live_point(now_seconds() + 2)])
            client.until("point")
            assert api.json("streams")["total"] == 1
        link.close()


def test_a_redis_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SILENT_SECONDS", 0.5)
    with RedisServer() as server:
        settings = RedisSettings(url=SecretStr(server.url), prefix="live", timeout_seconds=0.5)
        with served(settings) as api, api.listen() as client:
            until_redis_is_heard(client)
            server.hang()
            try:
                while "did not answer in time" not in client.until("state")["data"]["redis"]:
                    pass
            finally:
                server.go_on()
            until_redis_is_heard(client)


@pytest.mark.parametrize("kind", ["redis 6.2", "cluster"])
def test_every_kind_of_redis_is_heard(redis_urls: Callable[[str], str], kind: str) -> None:
    series = Series(redis_urls(kind))
    with served(series.settings) as api, api.listen() as client:
        wait(lambda: api.json("health")["ready"], "Redis is there")
        until_redis_is_heard(client)
        series.store.write([live_point(now_seconds(), stream=f"channel-{number}") for number in range(20)])
        names = {client.until("point")["data"]["stream_id"] for _ in range(20)}
        assert len(names) == 20
        series.store.find([finding()])
        assert client.until("finding")["data"]["finding_id"] == "news/720p/stale"
    series.close()


def test_the_successor_of_a_primary_is_heard() -> None:
    with (
        RedisServer(options=("--repl-diskless-sync-delay", "0")) as primary,
        replica_of(primary) as replica,
        SentinelServer(primary) as sentinel,
    ):
        settings = RedisSettings(url=SecretStr(sentinel.url))
        with served(settings) as api, api.listen() as client, closing(connect(settings)) as link:
            until_redis_is_heard(client)
            store = SeriesStore(link, settings)
            start = now_seconds()
            store.write([live_point(start)])
            assert client.until("point")["data"]["start_seconds"] == start
            wait(lambda: "slaves=1" in sentinel.ask("INFO", "sentinel"), "Sentinel knows the replica")
            wait(lambda: "db0:keys" in replica.ask("INFO", "keyspace"), "the replica has all")
            primary.kill()
            assert client.until("state")["data"]["redis"] != "ok"
            until_redis_is_heard(client)

            def is_written() -> bool:
                try:
                    return bool(store.write([live_point(start + 2)]))
                except Unavailable:
                    return False

            wait(is_written, "the successor takes points")
            assert client.until("point")["data"]["start_seconds"] == start + 2


def test_who_does_not_read_loses_events_and_holds_nobody_up(
    api: Served, series7: Series, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "EVENTS_WAITING", 50)
    host, _, port = api.url.removeprefix("http://").partition(":")
    with socket.socket() as deaf, api.listen() as client:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((host, int(port)))
        deaf.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        listening(api, 2)
        client.until("state")
        start = now_seconds() - 20_000
        heard = 0
        while 'cut_off_total{reason="behind"} 0.0' in api.client.get("/metrics").text:
            written = series7.store.write(
                [live_point(start + 2 * (heard + index), stream=LONG) for index in range(40)]
            ).new
            for _ in range(written):
                client.until("point")
            heard += written
            assert heard < 20_000, "it never lost anything"
        deaf.settimeout(WAIT_SECONDS)
        text = b""
        until = time.monotonic() + WAIT_SECONDS
        while b"event: gap" not in text:
            text += deaf.recv(1 << 16)
            assert time.monotonic() < until


def test_who_takes_nothing_is_hung_up_on(api: Served, series7: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SLOW_SECONDS", 0.5)
    host, _, port = api.url.removeprefix("http://").partition(":")
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((host, int(port)))
        deaf.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        listening(api, 1)
        start = now_seconds() - 100_000
        made: list[QualityPoint] = [live_point(start + 2 * index, stream=LONG) for index in range(20_000)]
        for first in range(0, len(made), 400):
            series7.store.write(made[first : first + 400])
            if 'cut_off_total{reason="slow"} 1.0' in api.client.get("/metrics").text:
                break
        listening(api, 0)


def test_what_is_filled_before_nobody_listens_is_no_gap(api: Served, series7: Series) -> None:
    fill_live(series7)
    with api.listen() as client:
        assert client.next()["event"] == "state"
        series7.store.write([live_point(now_seconds() + 2)])
        assert client.next()["event"] == "point"
