"""A small HTTP/1.1 server over asyncio: kept connections, one answer after the other, late or never where asked for.

The standard library's own costs a thread and half a millisecond a request; a bench polls this one 500 times a second.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote

_log = logging.getLogger(__name__)

MOST_HEAD_BYTES = 16 * 1024
MOST_BODY_BYTES = 64 * 1024
REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    """Decoded, without the query."""
    query: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    arrived_seconds: float = 0.0
    """On the clock of the server."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    delay_seconds: float = 0.0
    """Of the wall clock; after that it is sent."""
    drop: bool = False
    """Close the connection instead of answering."""
    work: "Callable[[], Response] | None" = field(default=None, repr=False)
    """Takes long: asked in a thread, and what it returns is sent instead."""
    again_seconds: float = 0.0
    """Not to be answered yet: the handler is asked again after so long."""


Handler = Callable[[Request], Response]


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, handler: Handler, now: Callable[[], float], open_connections: "set[Connection]") -> None:
        self._handler = handler
        self._now = now
        self._open = open_connections
        self._buffer = b""
        self._busy = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._open.discard(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._serve()

    def _serve(self) -> None:
        """Answer what has come whole, one at a time."""
        while not self._busy and self._transport is not None:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                if len(self._buffer) > MOST_HEAD_BYTES:
                    self._refuse(431)
                return
            request = _parsed(head)
            if request is None:
                self._refuse(400)
                return
            length = request.headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > MOST_BODY_BYTES or "transfer-encoding" in request.headers:
                self._refuse(413)
                return
            if len(rest) < int(length):
                return
            body, self._buffer = rest[: int(length)], rest[int(length) :]
            self._answer(replace(request, body=body, arrived_seconds=self._now()))

    def _answer(self, request: Request) -> None:
        self._deliver(request, self._handled(request, lambda: self._handler(request)))

    def _handled(self, request: Request, answer: Callable[[], Response]) -> Response:
        try:
            return answer()
        except Exception:
            _log.exception("The origin failed to answer %s %s.", request.method, request.path)
            return Response(500)

    def _deliver(self, request: Request, response: Response) -> None:
        loop = asyncio.get_running_loop()
        if response.work is not None:
            self._busy = True
            work = response.work
            future = loop.run_in_executor(None, self._handled, request, work)
            future.add_done_callback(lambda done: self._late(request, done.result()))
        elif response.again_seconds > 0:
            self._busy = True
            loop.call_later(response.again_seconds, self._again, request)
        elif response.delay_seconds > 0:
            self._busy = True
            loop.call_later(response.delay_seconds, self._late, request, response)
        else:
            self._send(request, response)

    def _again(self, request: Request) -> None:
        self._busy = False
        if self._transport is not None:
            self._answer(request)
            self._serve()

    def _late(self, request: Request, response: Response) -> None:
        self._busy = False
        self._send(request, response)
        self._serve()

    def _send(self, request: Request, response: Response) -> None:
        if self._transport is None:
            return
        if response.drop:
            self._transport.abort()
            return
        status, body, headers = response.status, response.body, response.headers
        if status == 200 and "range" in request.headers and request.method == "GET":
            status, body, headers = _ranged(request.headers["range"], body, headers)
        tag = request.headers.get("if-none-match")
        if tag is not None and ("ETag", tag) in headers:
            status, body = 304, b""
        last = request.headers.get("connection", "").lower() == "close"
        lines = [
            f"HTTP/1.1 {status} {REASONS.get(status, '')}",
            f"Date: {formatdate(self._now(), usegmt=True)}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(body)}",
            "Access-Control-Allow-Origin: *",
            *(f"{name}: {value}" for name, value in headers),
            *(["Connection: close"] if last else []),
            "\r\n",
        ]
        self._transport.write("\r\n".join(lines).encode("latin-1") + (b"" if request.method == "HEAD" else body))
        if last:
            self._transport.close()

    def _refuse(self, status: int) -> None:
        assert self._transport is not None
        self._send(Request("GET", "", "", {"connection": "close"}), Response(status))


def _parsed(head: bytes) -> Request | None:
    """Return the request without its body, None: it is none."""
    first, *rest = head.decode("latin-1").lstrip("\r\n").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[1].startswith("/"):
        return None
    headers = {}
    for line in rest:
        name, found, value = line.partition(":")
        if not found:
            return None
        headers[name.lower()] = value.strip()
    path, _, query = parts[1].partition("?")
    return Request(parts[0], unquote(path) if "%" in path else path, query, headers)


def _ranged(
    asked: str, body: bytes, headers: tuple[tuple[str, str], ...]
) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
    """Return status, body and headers of one range of bytes; what is no such range is answered in whole."""
    unit, _, span = asked.partition("=")
    first, dash, last = span.partition("-")
    if unit != "bytes" or not dash or not (first.isdecimal() or last.isdecimal()):
        return 200, body, headers
    if not first:
        start, end = max(0, len(body) - int(last)), len(body)
    else:
        start, end = int(first), min(len(body), int(last) + 1) if last.isdecimal() else len(body)
    if start >= end:
        return 416, b"", (*headers, ("Content-Range", f"bytes */{len(body)}"))
    return 206, body[start:end], (*headers, ("Content-Range", f"bytes {start}-{end - 1}/{len(body)}"))
