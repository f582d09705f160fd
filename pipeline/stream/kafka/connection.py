"""From our settings to a client of kafka-python that is connected, or to an error that says why there is none."""

import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from kafka import KafkaConsumer
from kafka.errors import (
    AuthorizationError,
    KafkaError,
    KafkaTimeoutError,
    MetadataEmptyBrokerList,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from pipeline.errors import Unavailable, UsageError
from pipeline.settings import KafkaSettings
from pipeline.stream.kafka.errors import in_our_words
from pipeline.stream.kafka.token import ClientCredentials

logger = logging.getLogger(__name__)
Client = TypeVar("Client")

_REACH_SECONDS = 5.0
_BOOTSTRAP_SECONDS = 10.0
_NO_BROKER_PAUSE_SECONDS = 0.2
_MOST_REQUEST_SECONDS = 300.0
"""kafka-python closes connections that are idle for 540 s, and wants requests to end before."""


class _Secret(str):
    """A password that the client may use and its debug log may not show: it prints whole configurations."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class _NothingRaw(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.DEBUG


def _hush() -> None:
    """Keep the client's own log out of ours, and secrets out of both.

    It reports every lost connection as several errors, though it reconnects by itself; what matters we say in our
    words. Whoever wants its log sets a level for ``kafka``. Requests, as objects and as bytes, are never printed:
    that of SASL PLAIN is the password.
    """
    root = logging.getLogger("kafka")
    if root.level == logging.NOTSET:
        root.setLevel(logging.CRITICAL)
    for name in ("kafka.net.connection", "kafka.protocol.parser"):
        logging.getLogger(name).addFilter(_NothingRaw())


_hush()


class _Manager(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python carries no types
    """Remembers why the brokers refuse us: kafka-python 3.0 only tries again, for ever, and says nothing."""

    refusal: Exception | None = None
    """None: the last connection was let in, or failed for another reason."""

    def get_connection(self, node_id: Any, *arguments: Any, **options: Any) -> Any:
        if self.refusal is not None and not self.bootstrapped:
            raise self.refusal
        connection = super().get_connection(node_id, *arguments, **options)
        connection._init_future.add_callback(lambda _: self._note(None)).add_errback(self._note)
        return connection

    async def _build_transport(self, *arguments: Any, **options: Any) -> Any:
        return _whole(await super()._build_transport(*arguments, **options))

    def _note(self, error: Exception | None) -> None:
        refused = isinstance(error, SaslAuthenticationFailedError | UnsupportedSaslMechanismError | AuthorizationError)
        self.refusal = error if refused else None


def _whole(transport: Any) -> Any:
    """Return the transport, mended: one read that gets an answer and the end of the stream after it drops the answer.

    It is how a broker refuses a password: it answers and hangs up.
    """
    receive = transport._sock_recv
    ends: list[Exception] = []

    def data_first() -> tuple[bytes, Exception | None]:
        if ends:
            return b"", ends.pop()
        data, end = receive()
        if data and end is not None:
            ends.append(end)
            end = None
        return data, end

    transport._sock_recv = data_first
    return transport


class Link:
    """The network side of one client, which the client lets us make: to see it, wake it, and end it."""

    def __init__(self) -> None:
        self._net: Any = None
        self._client: Any = None

    def make(self, **config: Any) -> Any:
        """Be the client's `kafka_client`."""
        self._net = NetworkSelector(**config)
        self._client = KafkaNetClient(net=self._net, manager=_Manager(self._net, **config), **config)
        return self._client

    @property
    def refusal(self) -> Exception | None:
        """Why the brokers refuse us, if that is what keeps us away."""
        return cast(_Manager, self._client._manager).refusal

    @property
    def is_up(self) -> bool:
        """Whether there is a connection to any broker."""
        return any(connection.connected for connection in list(self._client._manager._conns.values()))

    def knows(self, topic: str) -> bool:
        """Whether the last metadata has that topic."""
        return bool(self.partitions(topic))

    def partitions(self, topic: str) -> frozenset[int]:
        """Return the partitions of a topic as the last metadata has them."""
        return frozenset(self._client.cluster.partitions_for_topic(topic) or ())

    def call(self, function: Callable[[], None]) -> None:
        """Run a function on the network thread soon."""
        self._net.call_soon_threadsafe(function)

    def end(self) -> None:
        """Close all connections, and end the network thread where there is one."""
        if self._client is not None:
            self._client.close()


def connected(make: Callable[..., Client], settings: KafkaSettings, **config: Any) -> tuple[Client, Link]:
    """Return a client that has found the cluster (within 15 s), and its link.

    Raises:
        Unavailable: No broker can be reached.
        UsageError: The brokers refuse us, or the settings cannot work.
    """
    link = Link()
    everything = client_config(settings) | config
    _reach(settings, everything["ssl_context"])
    if provider := everything.get("sasl_oauth_token_provider"):
        provider.token()
    try:
        return make(kafka_client=link.make, **everything), link
    except KafkaTimeoutError as error:
        link.end()
        raise Unavailable(
            f"Kafka at {settings.bootstrap} takes connections and does not answer: is RUNGWATCH_KAFKA_SECURITY="
            f"{settings.security} what that port speaks?"
        ) from error
    except KafkaError as error:
        # A client that fails to be made leaves its network thread behind.
        link.end()
        raise in_our_words(error, settings, "connecting") from error


def partition_numbers(client: KafkaConsumer, settings: KafkaSettings, topic: str) -> set[int]:
    """Return those of a topic, none where it is not there; for commands that ask once: who polls asks again anyway.

    Waits `request_seconds` for a cluster that says it has no broker: one that has just come back, or was too busy to
    say that it lives, and which is well in a moment.

    Raises:
        KafkaError: As the client raises it; MetadataEmptyBrokerList where no broker came.
    """
    until = time.monotonic() + request_ms(settings) / 1000
    while True:
        try:
            numbers: set[int] = client.partitions_for_topic(topic)
            return numbers
        except MetadataEmptyBrokerList:
            if time.monotonic() > until:
                raise
            time.sleep(_NO_BROKER_PAUSE_SECONDS)


def client_config(settings: KafkaSettings) -> dict[str, Any]:
    """Return what every kind of client is given."""
    config: dict[str, Any] = {
        "bootstrap_servers": [each.strip() for each in settings.bootstrap.split(",") if each.strip()],
        "client_id": "rungwatch",
        "request_timeout_ms": request_ms(settings),
        "bootstrap_timeout_ms": int(min(_BOOTSTRAP_SECONDS, settings.request_seconds) * 1000),
        # By default it grows to 30 s, and so long a client would be away after the broker is back.
        "reconnect_backoff_max_ms": 2000,
        "security_protocol": settings.security,
        "ssl_context": _tls(settings) if settings.security in ("SSL", "SASL_SSL") else None,
    }
    if settings.security.startswith("SASL"):
        config["sasl_mechanism"] = settings.sasl
        config |= _sasl(settings)
    return config


def request_ms(settings: KafkaSettings) -> int:
    return int(min(settings.request_seconds, _MOST_REQUEST_SECONDS) * 1000)


def _tls(settings: KafkaSettings) -> ssl.SSLContext:
    named = {
        "RUNGWATCH_KAFKA_CA_FILE": settings.ca_file,
        "RUNGWATCH_KAFKA_CERTIFICATE_FILE": settings.certificate_file,
        "RUNGWATCH_KAFKA_KEY_FILE": settings.key_file,
    }
    for variable, path in named.items():
        if path is not None and not path.is_file():
            raise UsageError(f"{variable}={path}: there is no such file.")
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        context.check_hostname = settings.check_hostname
        if settings.certificate_file:
            password = settings.key_password.get_secret_value() if settings.key_password else ""
            # Without a password here Python would ask for one on the terminal.
            context.load_cert_chain(settings.certificate_file, settings.key_file, lambda: password)
    except OSError as error:
        raise UsageError(
            f"{', '.join(v for v, p in named.items() if p)} cannot be used ({error.strerror or error}): they must be "
            "PEM files, the key must belong to the certificate, and RUNGWATCH_KAFKA_KEY_PASSWORD to the key."
        ) from error
    return context


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    if settings.sasl == "OAUTHBEARER":
        return {"sasl_oauth_token_provider": ClientCredentials(settings)}
    if not (settings.username and settings.password):
        raise UsageError(f"{settings.sasl} needs RUNGWATCH_KAFKA_USERNAME and RUNGWATCH_KAFKA_PASSWORD.")
    if settings.sasl == "PLAIN" and settings.security == "SASL_PLAINTEXT":
        logger.warning("The password goes to Kafka in clear: RUNGWATCH_KAFKA_SECURITY=SASL_SSL would encrypt it.")
    return {
        "sasl_plain_username": settings.username,
        "sasl_plain_password": _Secret(settings.password.get_secret_value()),
    }


def _reach(settings: KafkaSettings, context: ssl.SSLContext | None) -> None:
    """Connect to any of the brokers and shake hands: kafka-python tries for long and does not say what is wrong."""
    trouble = ""
    for host, port in _addresses(settings):
        try:
            connection = socket.create_connection((host, port), _REACH_SECONDS)
        except OSError as error:
            trouble = f"{host}:{port}: {error.strerror or error}"
            continue
        with connection:
            if context is not None:
                _shake_hands(connection, context, host, port, settings)
            return
    raise Unavailable(
        f"Kafka at {settings.bootstrap} is away ({trouble}): start it (`make up` starts one here), or say where it is "
        "with RUNGWATCH_KAFKA_BOOTSTRAP."
    )


def _shake_hands(
    connection: socket.socket, context: ssl.SSLContext, host: str, port: int, settings: KafkaSettings
) -> None:
    try:
        context.wrap_socket(connection, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        raise UsageError(
            f"the certificate of Kafka at {host}:{port} is not trusted ({error.verify_message}): set "
            "RUNGWATCH_KAFKA_CA_FILE to the certificate of its authority."
        ) from error
    except OSError as error:
        raise Unavailable(
            f"Kafka at {host}:{port} does not agree to TLS ({error.strerror or error}): is RUNGWATCH_KAFKA_SECURITY="
            f"{settings.security} what that port speaks?"
        ) from error


def _addresses(settings: KafkaSettings) -> Iterator[tuple[str, int]]:
    for each in settings.bootstrap.split(","):
        try:
            parts = urlsplit(f"//{each.strip()}")
            host, port = parts.hostname, parts.port or 9092
        except ValueError:
            host = None
        if not host:
            raise UsageError(
                f"RUNGWATCH_KAFKA_BOOTSTRAP={settings.bootstrap}: {each!r} is not host:port; give them as "
                "host:port,host:port."
            )
        yield host, port
