"""A real HTTP origin on this machine whose pages a test changes between two looks."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Page:
    """One answer."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Answer = bytes | str | int | Page
"""A body, a status without a body, or a whole page."""


class Origin:
    """Serves `pages`; a context manager. Ranges and ETags work; what is not there is 404."""

    def __init__(self) -> None:
        self.pages: dict[str, Answer | Callable[[dict[str, str]], Answer]] = {}
        """By path without query; a callable is given the query."""
        self.counts: Counter[str] = Counter()
        """Requests by path."""
        self.asked: list[str] = []
        """Paths with queries, in order."""
        self.not_modified: Counter[str] = Counter()
        """Requests that were answered with 304."""
        self.headers: list[dict[str, str]] = []
        """Of every request, names in lower case, in order."""
        self.clock: Callable[[], float] = time.time
        """What the Date header says, in seconds since the epoch."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.origin = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the address of a path; `host`: any name of this machine, for example ``localhost``."""
        return f"http://{host}:{self.port}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    origin: Origin

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients that have read enough hang up.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        origin = self.server.origin
        path, _, query = self.path.partition("?")
        origin.counts[path] += 1
        origin.asked.append(self.path)
        origin.headers.append({name.lower(): value for name, value in self.headers.items()})
        answer = origin.pages.get(path, 404)
        if callable(answer):
            answer = answer(dict(parse_qsl(query)))
        page = _page(answer)
        try:
            self._send(page, path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.origin.clock() if timestamp is None else timestamp)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _send(self, page: Page, path: str) -> None:
        body, status, headers = page.body, page.status, dict(page.headers)
        if status == 200:
            tag = headers.setdefault("ETag", f'"{sha1(body).hexdigest()}"')
            if self.headers.get("If-None-Match") == tag:
                self.server.origin.not_modified[path] += 1
                body, status = b"", 304
            elif asked := self.headers.get("Range"):
                first, last = (int(part) for part in asked.removeprefix("bytes=").split("-"))
                size = len(body)
                status, body = (206, body[first : last + 1]) if first < size else (416, b"")
                headers["Content-Range"] = f"bytes {first}-{first + len(body) - 1}/{size}"
        headers.setdefault("Date", self.date_time_string())
        self.send_response_only(status)
        if status != 304:
            headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _page(answer: Answer) -> Page:
    if isinstance(answer, Page):
        return answer
    if isinstance(answer, int):
        return Page(status=answer)
    return Page(answer.encode() if isinstance(answer, str) else answer)
