"""TLS and SASL against a real broker: what connects, what is refused, and that no secret is told."""

import base64
import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest
from bus_factory import KafkaBus, poll_until, scene_on
from pydantic import SecretStr
from services.kafka import Broker
from services.kafka_security import PASSWORD, USER

from pipeline.errors import Unavailable, UsageError
from pipeline.settings import KafkaSettings
from pipeline.stream.kafka import check, describe
from pipeline.stream.kafka.token import ClientCredentials

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
WRONG = "not-the-password-8822"


class TokenServer(BaseHTTPRequestHandler):
    """Gives tokens as the broker's own validator for tests takes them: claims without a signature."""

    asked: ClassVar[list[dict[str, list[str]]]] = []
    life_seconds: ClassVar[float] = 300.0
    status: ClassVar[int] = 200

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.asked.append(form)
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        status = 401 if self.headers["Authorization"] != wanted else self.status
        body = {"access_token": self._token(), "expires_in": self.life_seconds} if status == 200 else {"error": "no"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
        """Say nothing."""

    def _token(self) -> str:
        now = time.time()
        claims = {"sub": USER, "iat": now, "exp": now + 300, "jti": len(self.asked)}
        parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def token_url() -> Iterator[str]:
    TokenServer.asked, TokenServer.life_seconds, TokenServer.status = [], 300.0, 200
    with ThreadingHTTPServer(("127.0.0.1", 0), TokenServer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/token"
        server.shutdown()
        thread.join()


def with_sasl(broker: Broker, mechanism: str, token_url: str, password: str = PASSWORD) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=broker.sasl_bootstrap,
        security="SASL_PLAINTEXT",
        sasl=mechanism,  # type: ignore[arg-type]
        username=USER,
        password=SecretStr(password),
        oauth_token_url=token_url,
        oauth_scope="kafka",
    )


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_messages_pass_with_sasl(broker: Broker, token_url: str, mechanism: str) -> None:
    with scene_on(KafkaBus(with_sasl(broker, mechanism, token_url))) as scene:
        scene.publish(("key", b"value"))
        reader = scene.reader()
        poll_until(lambda: len(reader.read) == 1, reader)
        reader.commit()

        assert reader.values() == [b"value"]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_refused_and_not_told(
    broker: Broker, token_url: str, mechanism: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = with_sasl(broker, mechanism, token_url, WRONG)

    with pytest.raises(UsageError, match="RUNGWATCH_KAFKA_PASSWORD") as refused:
        check(settings, [])

    assert WRONG not in f"{refused.value!r} {refused.value.__cause__!r} {settings!r} {caplog.text}"


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_no_secret_is_logged_even_when_the_client_logs_all_it_can(
    broker: Broker, token_url: str, mechanism: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "kafka")

    describe(with_sasl(broker, mechanism, token_url), [])

    assert len(caplog.records) > 10
    token = base64.urlsafe_b64encode(b'{"alg": "none"}').rstrip(b"=").decode()
    as_sasl_has_it = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert not [word for word in (PASSWORD, token, as_sasl_has_it) if word in caplog.text]


def test_tls_with_the_right_authority_connects(broker: Broker) -> None:
    settings = KafkaSettings(bootstrap=broker.tls_bootstrap, security="SSL", ca_file=broker.ca_file)

    assert describe(settings, ["no-such-topic"]) == {}


def test_tls_and_a_password_together_connect(broker: Broker, token_url: str) -> None:
    settings = with_sasl(broker, "SCRAM-SHA-512", token_url).model_copy(
        update={"bootstrap": broker.sasl_tls_bootstrap, "security": "SASL_SSL", "ca_file": broker.ca_file}
    )

    assert describe(settings, ["no-such-topic"]) == {}


def test_a_certificate_of_a_stranger_is_refused_with_what_to_do(broker: Broker) -> None:
    settings = KafkaSettings(bootstrap=broker.tls_bootstrap, security="SSL")

    with pytest.raises(UsageError, match="RUNGWATCH_KAFKA_CA_FILE"):
        check(settings, [])


def test_a_port_that_speaks_no_tls_is_said_so(broker: Broker) -> None:
    settings = KafkaSettings(bootstrap=broker.bootstrap, security="SSL", ca_file=broker.ca_file)

    with pytest.raises(Unavailable, match="RUNGWATCH_KAFKA_SECURITY=SSL"):
        check(settings, [])


def test_a_mechanism_that_is_not_offered_is_said_so(broker: Broker) -> None:
    settings = KafkaSettings(
        bootstrap=broker.bootstrap,
        security="SASL_PLAINTEXT",
        username=USER,
        password=SecretStr(PASSWORD),
        request_seconds=2,
    )

    with pytest.raises((UsageError, Unavailable), match="RUNGWATCH_KAFKA_"):
        check(settings, [])


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (KafkaSettings(security="SASL_SSL"), "RUNGWATCH_KAFKA_USERNAME"),
        (KafkaSettings(security="SASL_SSL", sasl="OAUTHBEARER", username=USER), "RUNGWATCH_KAFKA_OAUTH_TOKEN_URL"),
        (KafkaSettings(security="SSL", ca_file=Path("no-such.pem")), "RUNGWATCH_KAFKA_CA_FILE=no-such.pem"),
        (KafkaSettings(security="SSL", certificate_file=Path(__file__)), "RUNGWATCH_KAFKA_CERTIFICATE_FILE"),
        (KafkaSettings(bootstrap="localhost:http"), "host:port,host:port"),
    ],
)
def test_settings_that_cannot_work_are_named(settings: KafkaSettings, names: str) -> None:
    with pytest.raises(UsageError, match=names):
        check(settings, [])


def test_a_token_is_kept_while_it_is_fresh_and_replaced_before_it_expires(broker: Broker, token_url: str) -> None:
    TokenServer.life_seconds = 100.0
    clock = Clock()
    provider = ClientCredentials(with_sasl(broker, "OAUTHBEARER", token_url), clock)

    first = provider.token()
    clock.seconds += 70
    same = provider.token()
    clock.seconds += 10
    second = provider.token()

    assert first == same
    assert second != first
    assert TokenServer.asked == [{"grant_type": ["client_credentials"], "scope": ["kafka"]}] * 2


def test_a_token_server_that_is_away_does_not_matter_until_the_token_expires(broker: Broker, token_url: str) -> None:
    TokenServer.life_seconds = 100.0
    clock = Clock()
    provider = ClientCredentials(with_sasl(broker, "OAUTHBEARER", token_url), clock)
    first = provider.token()
    TokenServer.status = 503
    clock.seconds += 90  # it asks for another after three quarters
    kept = provider.token()
    clock.seconds += 11

    assert kept == first
    with pytest.raises(Unavailable, match="503"):
        provider.token()
