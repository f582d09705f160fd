"""What holds when Redis is away, refuses, or is reached in another way: TLS, Sentinel, a cluster that changes."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from pydantic import SecretStr
from redis.crc import key_slot
from series_factory import point, points
from services.redis_server import RedisServer, embedded_binary, needed_system_binary
from services.redis_topologies import Certificates, RedisCluster, SentinelServer, replica_of, wait

from pipeline.errors import RungwatchError, Unavailable, UsageError
from pipeline.series import Keys, SeriesQueries, SeriesStore, Written, connect
from pipeline.settings import RedisSettings
from schemas import QualityPoint

T = TypeVar("T")
PASSWORD = "hunter2-p@ss:word/%"
QUOTED = "hunter2-p%40ss%3Aword%2F%25"
PATIENCE_SECONDS = 60.0
QUICK_SYNC = ("--repl-diskless-sync-delay", "0")


class Reached:
    """A store and queries over one address."""

    def __init__(self, url: str, **settings: object) -> None:
        self.settings = RedisSettings(url=SecretStr(url), **{"timeout_seconds": 20.0, **settings})  # type: ignore[arg-type]
        self.link = connect(self.settings)
        self.store = SeriesStore(self.link, self.settings)
        self.queries = SeriesQueries(self.link, self.settings)

    def starts(self, stream: str = "demo") -> list[float]:
        return [each.start_seconds for each in self.queries.points(stream, "720p", resolution="raw")]


@pytest.fixture
def reach() -> Iterator[Callable[..., Reached]]:
    made: list[Reached] = []

    def to(url: str, **settings: object) -> Reached:
        made.append(Reached(url, **settings))
        return made[-1]

    yield to
    for each in made:
        each.link.close()


def patiently(work: Callable[[], T]) -> tuple[T, int]:
    """Do it until Redis is there; returns what came of it and how often it was away."""
    until, away = time.monotonic() + PATIENCE_SECONDS, 0
    while True:
        try:
            return work(), away
        except Unavailable:
            assert time.monotonic() < until
            away += 1
            time.sleep(0.02)


@pytest.mark.parametrize("binary", [needed_system_binary, embedded_binary], ids=["redis 7", "redis 6.2"])
def test_nothing_acknowledged_is_lost_when_redis_is_killed_again_and_again(
    binary: Callable[[], Path], reach: Callable[..., Reached]
) -> None:
    with RedisServer(binary=binary()) as server:
        to = reach(server.url)
        acknowledged: list[QualityPoint] = []
        away: list[int] = []
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                batch = points([50.5] * 7, first_seconds=14 * len(away))
                away.append(patiently(partial(to.store.write, batch))[1])
                acknowledged.extend(batch)

        writer = threading.Thread(target=work)
        writer.start()
        for kill in (True, False, True):
            before = len(away)
            wait(lambda before=before: len(away) > before + 20, server.log)  # type: ignore[misc]
            server.kill() if kill else server.stop()
            time.sleep(0.1)
            server.start()
        wait(lambda: sum(away) > 0, server.log)
        stop.set()
        writer.join()
        assert to.starts() == [each.start_seconds for each in acknowledged]
        [hour, *_] = to.queries.points("demo", "720p", resolution="hour")
        assert hour.count == min(1800, len(acknowledged))


def test_redis_away_is_unavailable_and_says_where(reach: Callable[..., Reached]) -> None:
    with RedisServer() as server:
        to = reach(server.url)
        to.store.write([point(0)])
        server.stop()
        with pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{server.port} cannot be reached.*RUNGWATCH_REDIS_URL"):
            to.store.write([point(2)])
        server.start()
        assert to.store.write([point(2)]) == Written(new=1)


def test_redis_that_hangs_is_unavailable_after_the_timeout(reach: Callable[..., Reached]) -> None:
    with RedisServer() as server:
        to = reach(server.url, timeout_seconds=0.3)
        patiently(lambda: to.store.write([point(0)]))
        server.hang()
        with pytest.raises(Unavailable, match="did not answer in time"):
            to.store.write([point(2)])
        server.go_on()
        assert patiently(lambda: to.store.write([point(2)]))[0] in (Written(new=1), Written(repeated=1))
        assert patiently(to.starts)[0] == [0, 2]


@pytest.mark.parametrize("binary", [needed_system_binary, embedded_binary], ids=["redis 7", "redis 6.2"])
def test_a_full_redis_is_waited_for_and_nothing_is_half_written(
    binary: Callable[[], Path], reach: Callable[..., Reached]
) -> None:
    with RedisServer(binary=binary()) as server:
        to = reach(server.url)
        to.store.write([point(0)])
        server.ask("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(Unavailable, match="full: raise its maxmemory"):
            to.store.write(points([80] * 50))
        assert to.starts() == [0]
        server.ask("CONFIG", "SET", "maxmemory", "0")
        assert to.store.write(points([80] * 50)) == Written(new=49, repeated=1)


@pytest.mark.parametrize("binary", [needed_system_binary, embedded_binary], ids=["redis 7", "redis 6.2"])
def test_a_key_that_holds_something_else_is_a_usage_error(
    binary: Callable[[], Path], reach: Callable[..., Reached]
) -> None:
    with RedisServer(binary=binary()) as server:
        to = reach(server.url)
        server.ask("SET", Keys("rw").series("demo"), "not ours")
        with pytest.raises(UsageError, match="RUNGWATCH_REDIS_PREFIX"):
            to.store.write([point(0)])
        with pytest.raises(UsageError, match="RUNGWATCH_REDIS_PREFIX"):
            to.queries.series("demo")


def test_a_replica_is_waited_for_until_it_is_the_primary(reach: Callable[..., Reached]) -> None:
    with RedisServer(options=QUICK_SYNC) as primary, replica_of(primary) as replica:
        wait(lambda: "master_link_status:up" in replica.ask("INFO", "replication"), replica.log)
        to = reach(replica.url)
        with pytest.raises(Unavailable, match="replica"):
            to.store.write([point(0)])
        replica.ask("REPLICAOF", "NO", "ONE")
        assert to.store.write([point(0)]) == Written(new=1)


def test_users_and_passwords_are_used_and_never_shown(reach: Callable[..., Reached]) -> None:
    with RedisServer() as server:
        server.ask("ACL", "SETUSER", "writer", "on", f">{PASSWORD}", "~rw:*", "&rw:*", "+@all", "-@dangerous", "+info")
        server.ask("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~rw:*", "+@read", "+ping", "+client", "+select")
        server.ask("CONFIG", "SET", "requirepass", "another")
        address = f"127.0.0.1:{server.port}"
        good = reach(f"redis://writer:{QUOTED}@{address}/0")
        assert good.store.write([point(0)]) == Written(new=1)
        assert PASSWORD not in repr(good.link) + repr(good.settings)
        for url, said in (
            (f"redis://{address}", "user or password"),
            (f"redis://writer:{QUOTED}x@{address}", "user or password"),
            (f"redis://reader:{QUOTED}@{address}", "EVALSHA"),
        ):
            with pytest.raises(UsageError, match=said) as caught:
                reach(url).store.write([point(0)])
            assert "hunter2" not in f"{caught.value!r}"


def test_tls_is_spoken_and_certificates_are_checked(tmp_path: Path, reach: Callable[..., Reached]) -> None:
    made = Certificates.made(tmp_path)
    (tmp_path / "other").mkdir()
    other = Certificates.made(tmp_path / "other")
    with RedisServer(binary=needed_system_binary(), tls=made.options()) as server:
        assert reach(server.url, ca_file=made.ca_file).store.write([point(0)]) == Written(new=1)
        with pytest.raises(UsageError, match="RUNGWATCH_REDIS_CA_FILE"):
            reach(server.url, ca_file=other.ca_file).store.write([point(0)])
        with pytest.raises(RungwatchError):
            reach(server.url.replace("rediss", "redis")).store.write([point(0)])
    with RedisServer(binary=needed_system_binary(), tls=made.options(clients=True)) as server:
        own = {"certificate_file": made.certificate_file, "key_file": made.key_file}
        assert reach(server.url, ca_file=made.ca_file, **own).store.write([point(0)]) == Written(new=1)
        with pytest.raises(Unavailable):
            reach(server.url, ca_file=made.ca_file).store.write([point(0)])


def test_sentinel_leads_to_the_primary_and_to_its_successor(reach: Callable[..., Reached]) -> None:
    with (
        RedisServer(options=QUICK_SYNC) as primary,
        replica_of(primary) as replica,
        SentinelServer(primary) as sentinel,
    ):
        to = reach(sentinel.url)
        assert patiently(lambda: to.store.write([point(0)]))[0] == Written(new=1)
        wait(lambda: "slaves=1" in sentinel.ask("INFO", "sentinel"), sentinel.log)
        wait(lambda: "db0:keys" in replica.ask("INFO", "keyspace"), replica.log)
        primary.kill()
        assert patiently(lambda: to.store.write([point(2)]))[0] in (Written(new=1), Written(repeated=1))
        assert to.starts() == [0, 2]


def test_a_cluster_node_that_comes_back_is_found_again(reach: Callable[..., Reached]) -> None:
    with RedisCluster(binary=needed_system_binary()) as cluster:
        to = reach(cluster.url)
        batch = [point(0, stream=f"s{number}") for number in range(12)]
        assert to.store.write(batch) == Written(new=12)
        cluster.nodes[1].kill()
        with pytest.raises(Unavailable):
            to.store.write([point(2, stream=f"s{number}") for number in range(12)])
        cluster.nodes[1].start()
        patiently(lambda: to.store.write([point(2, stream=f"s{number}") for number in range(12)]))
        assert all(to.starts(f"s{number}") == [0, 2] for number in range(12))


def test_a_slot_that_moved_to_another_node_is_followed(reach: Callable[..., Reached]) -> None:
    with RedisCluster(binary=needed_system_binary()) as cluster:
        to = reach(cluster.url)
        to.store.write([point(0, stream="settled")])
        slot = key_slot(Keys("rw").series("moving").encode())
        ids = [node.ask("CLUSTER", "MYID") for node in cluster.nodes]
        owner = slot // -(-16_384 // 3)
        target = (owner + 1) % 3
        for node in (cluster.nodes[target], cluster.nodes[owner], cluster.nodes[3 - owner - target]):
            node.ask("CLUSTER", "SETSLOT", str(slot), "NODE", ids[target])
        assert to.store.write([point(0, stream="moving")]) == Written(new=1)
        assert to.starts("moving") == [0]


def test_a_cluster_that_is_given_as_one_server_says_how_to_write_it(reach: Callable[..., Reached]) -> None:
    with RedisCluster(binary=needed_system_binary()) as cluster, pytest.raises(UsageError, match=r"redis\+cluster://"):
        to = reach(f"redis://127.0.0.1:{cluster.nodes[0].port}")
        to.store.write([point(0, stream=f"s{number}") for number in range(12)])
