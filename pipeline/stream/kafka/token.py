"""OAUTHBEARER: the token that a client shows, fetched with client credentials and fetched anew before it expires."""

import logging
import ssl
import threading
import time
from collections.abc import Callable

import httpx
from kafka.net.sasl.oauth import AbstractTokenProvider

from pipeline.errors import Unavailable, UsageError
from pipeline.settings import KafkaSettings

logger = logging.getLogger(__name__)

FRESH_SHARE = 0.75
"""Of its life; a token that is older is replaced when it is next shown. Brokers ask again at 85 % at the earliest."""
_TIMEOUT_SECONDS = 10.0
_LIFE_SECONDS = 300.0
"""Of a token whose server does not say."""


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python carries no types
    """Asked for a token at every connection, on the client's network thread."""

    def __init__(self, settings: KafkaSettings, now_seconds: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        if not (settings.oauth_token_url and settings.username and settings.password):
            raise UsageError(
                "OAUTHBEARER needs RUNGWATCH_KAFKA_OAUTH_TOKEN_URL, and the client's id and secret in "
                "RUNGWATCH_KAFKA_USERNAME and RUNGWATCH_KAFKA_PASSWORD."
            )
        self._settings, self._now_seconds = settings, now_seconds
        self._url = settings.oauth_token_url
        self._secret = settings.password
        self._lock = threading.Lock()
        self._token: str | None = None
        self._stale_at = 0.0
        self._expires_at = 0.0

    def token(self) -> str:
        """Return a token that is good now.

        Raises:
            UsageError: The server of the tokens refuses the credentials.
            Unavailable: It is away, and the last token has expired.
        """
        with self._lock:
            now = self._now_seconds()
            if self._token is None or now >= self._stale_at:
                try:
                    self._fetch(now)
                except (UsageError, Unavailable) as error:
                    if self._token is None or now >= self._expires_at:
                        raise
                    logger.warning("Going on with the token that is there: %s", error)
            assert self._token is not None
            return self._token

    def _fetch(self, now: float) -> None:
        form = {"grant_type": "client_credentials"}
        if self._settings.oauth_scope:
            form["scope"] = self._settings.oauth_scope
        credentials = (self._settings.username or "", self._secret.get_secret_value())
        try:
            reply = httpx.post(
                self._url, data=form, auth=credentials, timeout=_TIMEOUT_SECONDS, verify=_trust(self._settings)
            )
        except httpx.HTTPError as error:
            raise Unavailable(f"no token for Kafka from {self._url}: {str(error) or type(error).__name__}") from error
        if reply.status_code in (400, 401, 403):
            raise UsageError(
                f"{self._url} gives client {self._settings.username!r} no token for Kafka (HTTP {reply.status_code}): "
                "check RUNGWATCH_KAFKA_USERNAME, RUNGWATCH_KAFKA_PASSWORD and RUNGWATCH_KAFKA_OAUTH_SCOPE."
            )
        if reply.status_code != 200:
            raise Unavailable(f"no token for Kafka from {self._url}: HTTP {reply.status_code}")
        try:
            said = reply.json()
            token, life_seconds = str(said["access_token"]), float(said.get("expires_in", _LIFE_SECONDS))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                f"{self._url} does not answer as a token server (access_token, expires_in): check "
                "RUNGWATCH_KAFKA_OAUTH_TOKEN_URL."
            ) from error
        self._token = token
        self._stale_at, self._expires_at = now + FRESH_SHARE * life_seconds, now + life_seconds


def _trust(settings: KafkaSettings) -> ssl.SSLContext:
    """Return the certificates of the system, and the one that is given for the brokers."""
    context = ssl.create_default_context()
    if settings.ca_file:
        context.load_verify_locations(settings.ca_file)
    return context
