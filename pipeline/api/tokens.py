"""Who may ask: the token itself, or a session that a browser got for it. Nothing is stored."""

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable

from pydantic import SecretStr

from pipeline.errors import UsageError
from pipeline.settings import ApiSettings

COOKIE = "rungwatch_session"
LEAST_CHARACTERS = 16
_MADE = "such as `openssl rand -hex 24` prints"
_PURPOSE = b"rungwatch session v1"


class Tokens:
    """Compares in constant time. A session holds as long as it says, and no longer than the token is the same."""

    def __init__(self, token: SecretStr, session_seconds: int, now_seconds: Callable[[], float] = time.time) -> None:
        secret = token.get_secret_value().encode()
        # Of one length, so that comparing says nothing of the token's.
        self._digest = hashlib.sha256(secret).digest()
        self._key = hmac.digest(secret, _PURPOSE, "sha256")
        self.session_seconds = session_seconds
        self._now_seconds = now_seconds

    def is_token(self, said: str) -> bool:
        return hmac.compare_digest(hashlib.sha256(said.encode("utf-8", "replace")).digest(), self._digest)

    def is_authorized(self, authorization: str | None, session: str | None) -> bool:
        """`authorization`: the header; `session`: the cookie."""
        if authorization is not None:
            scheme, _, said = authorization.partition(" ")
            return scheme.lower() == "bearer" and self.is_token(said.strip())
        return session is not None and self.is_session(session)

    def session(self) -> str:
        """Return a new session."""
        expires = int(self._now_seconds()) + self.session_seconds
        body = f"{expires}.{secrets.token_urlsafe(12)}"
        return f"{body}.{self._signed(body)}"

    def is_session(self, said: str) -> bool:
        body, _, signature = said.rpartition(".")
        expires = body.partition(".")[0]
        is_ours = hmac.compare_digest(signature.encode("utf-8", "replace"), self._signed(body).encode())
        return is_ours and expires.isascii() and expires.isdigit() and int(expires) > self._now_seconds()

    def _signed(self, body: str) -> str:
        return hmac.new(self._key, body.encode("utf-8", "replace"), "sha256").hexdigest()


def tokens_of(settings: ApiSettings) -> Tokens | None:
    """Return who compares; None: nobody is asked.

    Raises:
        UsageError: Others could reach the API, and no token keeps them out.
    """
    if settings.token is not None:
        if len(settings.token.get_secret_value().strip()) < LEAST_CHARACTERS:
            raise UsageError(f"RUNGWATCH_API_TOKEN is too short: take {LEAST_CHARACTERS} characters or more, {_MADE}")
        return Tokens(settings.token, settings.session_seconds)
    if not is_loopback(settings.host):
        raise UsageError(
            f"{settings.host} can be reached from other machines: set RUNGWATCH_API_TOKEN, {_MADE}, or serve at "
            "127.0.0.1 only"
        )
    if settings.hosts:
        raise UsageError(
            "RUNGWATCH_API_HOSTS lets requests for other names in, as a proxy for other machines sends them: set "
            f"RUNGWATCH_API_TOKEN as well, {_MADE}"
        )
    return None


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
