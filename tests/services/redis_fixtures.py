"""Redis for tests: each kind is started when a test first asks for it, once per session."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property

import pytest
from pydantic import SecretStr
from redis import Redis
from redis.cluster import RedisCluster as ClusterClient
from services.redis_server import RedisServer, embedded_binary, needed_system_binary
from services.redis_topologies import RedisCluster

from pipeline.series import Link, SeriesQueries, SeriesStore, connect
from pipeline.settings import RedisSettings

KINDS = ("redis 7", "redis 6.2", "cluster")


class Series:
    """A store and its queries under a prefix of their own."""

    def __init__(self, url: str, **settings: int) -> None:
        self.settings = RedisSettings(
            url=SecretStr(url), prefix=f"test-{uuid.uuid4().hex[:12]}", **settings  # type: ignore[arg-type]
        )  # fmt: skip
        self.link: Link = connect(self.settings)
        self.store = SeriesStore(self.link, self.settings)
        self.queries = SeriesQueries(self.link, self.settings)

    @cached_property
    def client(self) -> Redis | ClusterClient:
        """A plain client, to look behind the store."""
        kind, _, rest = self.settings.url.get_secret_value().partition("://")
        host, _, port = rest.split(",")[0].split("/")[0].partition(":")
        return ClusterClient(host=host, port=int(port)) if "cluster" in kind else Redis(host=host, port=int(port))

    def close(self) -> None:
        self.link.close()
        if "client" in self.__dict__:
            self.client.close()


@pytest.fixture(scope="session")
def redis_urls() -> Iterator[Callable[[str], str]]:
    """Of every kind of `KINDS`, started on demand."""
    started: dict[str, str] = {}
    with ExitStack() as stack:

        def url(kind: str) -> str:
            if kind not in started:
                if kind == "cluster":
                    started[kind] = stack.enter_context(RedisCluster(binary=needed_system_binary())).url
                else:
                    binary = embedded_binary() if kind == "redis 6.2" else needed_system_binary()
                    started[kind] = stack.enter_context(RedisServer(binary=binary)).url
            return started[kind]

        yield url


@pytest.fixture(params=KINDS)
def series(request: pytest.FixtureRequest, redis_urls: Callable[[str], str]) -> Iterator[Series]:
    """Over every kind of Redis, under a fresh prefix."""
    made = Series(redis_urls(request.param))
    yield made
    made.close()


@pytest.fixture
def series7(redis_urls: Callable[[str], str]) -> Iterator[Series]:
    """Over one plain Redis 7, under a fresh prefix."""
    made = Series(redis_urls("redis 7"))
    yield made
    made.close()
