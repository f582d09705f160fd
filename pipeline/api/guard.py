"""What every request passes first and every answer last: who may ask, how often, for which host; headers; counts."""

import logging
import math
import time
from urllib.parse import urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.problems import problem
from pipeline.api.rates import Rates, client_of
from pipeline.api.sources import Requests
from pipeline.api.tokens import COOKIE, Tokens, is_loopback
from pipeline.settings import ApiSettings

log = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Nobody else is told; with no-referrer a browser would hide from ourselves where our own forms come from.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
FILES = "/static/"
"""Of the page; they say nothing of any stream."""
OPEN = ("/healthz", "/readyz", "/login", "/session", "/favicon.ico")
"""Without a token as well: whether it lives, and the way in."""
SAFE = {"GET", "HEAD", "OPTIONS"}
DISCARDED_BYTES = 1024 * 1024
"""A body that is too large, and no larger than this, is read and thrown away: who is hung up on while it still sends
may lose the answer that says why."""
_AGAIN = "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=0><title>Rungwatch</title>"


class Guard:
    """Around the whole application."""

    def __init__(self, app: ASGIApp, settings: ApiSettings, tokens: Tokens | None, requests: Requests) -> None:
        self._app = app
        self._tokens = tokens
        self._requests = requests
        self._rates = Rates(settings.requests_per_second, settings.requests_at_once)
        self._body_bytes = settings.body_bytes
        # A page of another site, whose name was made to lead here (DNS rebinding), asks for that name.
        is_any_host = tokens is not None and not settings.hosts
        self._hosts = None if is_any_host else {"localhost", *settings.hosts, settings.host.strip("[]").lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._tokens is not None:
                    headers.add_vary_header("Authorization")
                    headers.add_vary_header("Cookie")
            await send(message)

        scope["client_key"] = client_of(scope["client"][0] if scope["client"] else "")
        refusal = self._refusal(Request(scope))
        try:
            await (refusal or self._app)(scope, receive, sent)
        except ClientDisconnect:
            log.debug("A client hung up while it was read.")
        except Exception:
            # With the stack; who asked was told without.
            log.exception("A request to %s failed.", route_of(scope))
        finally:
            self._requests.answered(route_of(scope), status or 499, time.perf_counter() - begun)

    def _refusal(self, request: Request) -> Response | None:
        headers = request.headers
        if not self._is_for_us(headers):
            return problem(
                421,
                "host",
                "this is not the host that was asked for: use localhost or 127.0.0.1, or name the host in "
                "RUNGWATCH_API_HOSTS",
            )
        path: str = request.scope["path"]
        if path.startswith(FILES):  # a page has dozens, and they are cheaper than an answer that says no
            return None
        if wait := self._rates.wait_seconds(request.scope["client_key"]):
            return problem(
                429,
                "too-many-requests",
                f"too many requests (RUNGWATCH_API_REQUESTS_PER_SECOND): wait {wait} s",
                {"Retry-After": str(wait)},
            )
        length = headers.get("content-length", "0")
        size_bytes = int(length[:18]) if length.isascii() and length.isdigit() else math.inf
        if size_bytes > self._body_bytes:
            return problem(
                413,
                "body-too-large",
                f"a body may have {self._body_bytes} bytes (RUNGWATCH_API_BODY_BYTES)",
                {"Connection": "close"} if size_bytes > DISCARDED_BYTES else None,
            )
        if request.method not in SAFE and not _is_same_origin(headers):
            return problem(403, "cross-origin", "pages of other sites may not write here")
        is_authorized = self._tokens is None or self._tokens.is_authorized(
            headers.get("authorization"), request.cookies.get(COOKIE)
        )
        request.scope["is_authorized"] = is_authorized
        if is_authorized or path in OPEN:
            return None
        return _unauthorized(request)

    def _is_for_us(self, headers: Headers) -> bool:
        if self._hosts is None:
            return True
        host = host_of(headers.get("host", ""))
        return host in self._hosts or is_loopback(host)


def route_of(scope: Scope) -> str:
    """Return the path of the endpoint, never of the request: there are few of them."""
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str) and path:
        return path
    return "/static" if scope["path"].startswith(FILES) else "other"


def host_of(header: str) -> str:
    """Return the name of a Host header or an authority, without its port."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def _is_same_origin(headers: Headers) -> bool:
    """Whether no page of another origin asks; what is no browser says neither."""
    site = headers.get("sec-fetch-site")
    if site is not None:  # which browsers send to https and to this machine only
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()


def _unauthorized(request: Request) -> Response:
    headers = request.headers
    if request.method == "GET" and request.scope["path"] == "/" and "text/html" in headers.get("accept", ""):
        if headers.get("sec-fetch-site") == "cross-site":
            # A link in a chat: the browser keeps its strict cookie back, and sends it when the page asks once more.
            return HTMLResponse(_AGAIN, headers={"Cache-Control": "no-store"})
        query = request.scope["query_string"].decode("ascii", "replace")
        after = f"/?{query}" if query else "/"
        return RedirectResponse(f"/login?{urlencode({'next': after})}", 303, {"Cache-Control": "no-store"})
    return problem(
        401,
        "token",
        "a token is needed: send Authorization: Bearer with RUNGWATCH_API_TOKEN of this service; browsers: /login",
        {"WWW-Authenticate": 'Bearer realm="rungwatch"'},
    )
