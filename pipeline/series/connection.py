"""The one way to Redis: connects, runs commands and scripts in pipelines, follows a cluster, names what went wrong."""

import hashlib
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis import exceptions as said
from redis.backoff import ConstantBackoff, NoBackoff
from redis.client import PubSub
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from pipeline.errors import Transient
from pipeline.series import address, faults
from pipeline.settings import RedisSettings

LOGGER = logging.getLogger(__name__)
HEALTH_CHECK_SECONDS = 30
"""A connection that was silent for so long is tried before it is used."""
CLUSTER_RETRIES = 2
CLUSTER_RETRY_SECONDS = 0.1

Command = tuple[str | bytes | int | float, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, known to the server by its hash."""

    text: str

    @property
    def sha(self) -> str:
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """One call; all keys are in one slot."""

    keys: Sequence[str]
    arguments: Sequence[str | bytes | int]


class Link:
    """A Redis, wherever and however it runs. May be used by many threads; connects when it is first used."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._address = address.parsed(settings.url.get_secret_value())
        self._lock = threading.Lock()
        self._client: Redis | RedisCluster | None = None

    def __repr__(self) -> str:
        return f"Link({self.where!r})"

    @property
    def where(self) -> str:
        """The address, without user and password."""
        return str(self._address)

    def ping(self) -> None:
        """Return when Redis can be used; raises Unavailable or UsageError."""
        with self._named():
            self._connected().ping()

    def version(self) -> str:
        """Return the version of the server, as it says."""
        with self._named():
            found = self._connected().info("server")
        first = found if "redis_version" in found else next(iter(found.values()))
        return str(first["redis_version"])

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands in one pipeline and return their replies; not all at one moment, and in a cluster in no order.

        Raises:
            Unavailable: Redis is away; some may have been done.
            UsageError: Redis is there and refuses.
        """
        if not commands:
            return []
        with self._named():
            pipeline = self._connected().pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return list(pipeline.execute())

    def call(self, script: Script, calls: Sequence[ScriptCall]) -> list[Any]:
        """Call a script several times and return the replies; every call is done as a whole or not at all.

        Raises:
            Unavailable: Redis is away; some calls may have been done.
            UsageError: Redis is there and refuses.
        """
        with self._named():
            client = self._connected()
            if isinstance(client, RedisCluster):
                return self._call_cluster(client, script, calls)
            replies = _evaluate(client, script, calls)
            if any(isinstance(reply, said.NoScriptError) for reply in replies):
                client.script_load(script.text)
                # All of them again: a repeat changes nothing, and the calls keep their order.
                replies = _evaluate(client, script, calls)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return replies

    @contextmanager
    def subscribed(self, *patterns: str) -> Iterator[PubSub]:
        """Yield a subscription to all channels that fit; in a cluster every node hears what is published on any.

        Raises, in the block as well:
            Unavailable: Redis is away; subscribe again.
            UsageError: Redis is there and refuses.
        """
        with self._named():
            subscription: PubSub = self._connected().pubsub()  # type: ignore[no-untyped-call]
            try:
                subscription.psubscribe(*patterns)
                yield subscription
            finally:
                with suppress(said.RedisError, OSError):
                    subscription.close()

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            with suppress(said.RedisError, OSError):
                client.close()

    def _call_cluster(self, client: RedisCluster, script: Script, calls: Sequence[ScriptCall]) -> list[Any]:
        # The client's own pipeline refuses EVALSHA: one pipeline for every node, and what a node does not serve any
        # more goes through the client, which follows it.
        by_node: dict[str, tuple[ClusterNode, list[int]]] = {}
        for index, call in enumerate(calls):
            node = client.get_node_from_key(call.keys[0])  # type: ignore[no-untyped-call]
            if node is None:
                raise said.ClusterDownError("CLUSTERDOWN a slot has no node")
            by_node.setdefault(node.name, (node, []))[1].append(index)
        replies: list[Any] = [None] * len(calls)
        for node, indices in by_node.values():
            try:
                found = _evaluate(client.get_redis_connection(node), script, [calls[index] for index in indices])
            except (said.ConnectionError, said.TimeoutError) as error:
                found = [error] * len(indices)
            for index, reply in zip(indices, found, strict=True):
                replies[index] = reply
        for index, reply in enumerate(replies):
            if isinstance(reply, Exception):
                replies[index] = _follow(client, script, calls[index])
        return replies

    def _connected(self) -> Redis | RedisCluster:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Redis | RedisCluster:
        where = self._address
        own: dict[str, Any] = {
            "username": where.username,
            "password": where.password,
            "socket_timeout": self._settings.timeout_seconds,
            "socket_connect_timeout": self._settings.timeout_seconds,
            "health_check_interval": HEALTH_CHECK_SECONDS,
            "protocol": 2,  # some managed services and proxies know no other
        }
        # Once more at once: after a restart of the server the pool holds connections that are dead.
        retry = Retry(NoBackoff(), 1)
        if where.kind == "socket":
            return Redis(unix_socket_path=where.path, db=where.db, retry=retry, **own)
        tls: dict[str, Any] = {}
        if where.tls:
            tls = {
                "ssl": True,
                "ssl_ca_certs": _text(self._settings.ca_file),
                "ssl_certfile": _text(self._settings.certificate_file),
                "ssl_keyfile": _text(self._settings.key_file),
            }
        if where.kind == "server":
            host, port = where.hosts[0]
            return Redis(host=host, port=port, db=where.db, retry=retry, **tls, **own)
        if where.kind == "sentinel":
            asked = {
                **own,
                **tls,
                "username": where.sentinel_username,
                "password": where.sentinel_password,
            }
            sentinel = Sentinel(list(where.hosts), sentinel_kwargs=asked, db=where.db, retry=retry, **tls, **own)  # type: ignore[no-untyped-call]
            primary: Redis = sentinel.master_for(where.service)  # type: ignore[no-untyped-call]
            return primary
        # Connects at once, and fails where no node answers.
        return RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in where.hosts],  # type: ignore[no-untyped-call]
            retry=Retry(ConstantBackoff(CLUSTER_RETRY_SECONDS), CLUSTER_RETRIES),
            **tls,
            **own,
        )

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (said.RedisError, said.RedisClusterException, OSError) as error:
            cluster = self._address.kind == "cluster"
            meant = faults.meaning(error, self.where, cluster=cluster)
            if cluster and isinstance(meant, Transient):
                self.close()  # its nodes may have come back with other addresses
            raise meant from error


def connect(settings: RedisSettings) -> Link:
    """Return the way to the Redis of the settings; nothing is sent yet. Raises UsageError for an unreadable address."""
    return Link(settings)


def _evaluate(client: Redis, script: Script, calls: Sequence[ScriptCall]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for call in calls:
        pipeline.execute_command(  # type: ignore[no-untyped-call]
            "EVALSHA", script.sha, len(call.keys), *call.keys, *call.arguments
        )
    return list(pipeline.execute(raise_on_error=False))


def _follow(client: RedisCluster, script: Script, call: ScriptCall) -> Any:
    try:
        return client.evalsha(script.sha, len(call.keys), *call.keys, *call.arguments)
    except said.NoScriptError:
        # By its text, which loads it on the one node that has the slot.
        return client.eval(script.text, len(call.keys), *call.keys, *call.arguments)


def _text(path: object) -> str | None:
    return None if path is None else str(path)
