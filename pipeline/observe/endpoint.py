"""The HTTP server of a process: /metrics, /healthz and /readyz, for Prometheus and whoever runs the container."""

import errno
import json
import logging
import socket
import sys
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from threading import BoundedSemaphore, Thread
from typing import Any, Self
from urllib.parse import urlsplit

from pipeline.errors import UsageError
from pipeline.observe.health import Health, Verdicts
from pipeline.observe.metrics import Metrics
from pipeline.settings import ServiceSettings

log = logging.getLogger(__name__)

CONNECTIONS = 32
"""At one time: probes and a few scrapers. Whoever comes beyond that is hung up on."""
SILENT_SECONDS = 10.0
"""After which a connection that says nothing is closed."""
BODY_BYTES = 65_536
"""Of a request: none is of use, and up to so many are read and forgotten."""
PATHS = {
    "/metrics": "counts and times, for Prometheus",
    "/healthz": "200 while the loops of this process go round",
    "/readyz": "200 while it can do its work",
}


class Endpoint:
    """One server on one address, in a thread of its own, until `close`."""

    def __init__(self, host: str, port: int, metrics: Metrics, health: Health) -> None:
        """Bind and serve; `port` 0: any free one.

        Raises:
            UsageError: The address cannot be had.
        """
        self._server = _bind(host, port, metrics, health)
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), name="endpoint", daemon=True)
        self._thread.start()
        log.info("Metrics and health are served at %s/metrics, /healthz and /readyz.", self.url)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        host = str(self._server.server_address[0])
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def serve(settings: ServiceSettings, metrics: Metrics, health: Health) -> Endpoint | None:
    """Start the endpoint that the settings ask for; None: they ask for none (port 0).

    Raises:
        UsageError: The address cannot be had.
    """
    return Endpoint(settings.host, settings.port, metrics, health) if settings.port else None


def _bind(host: str, port: int, metrics: Metrics, health: Health) -> "_Server":
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return _Server(family, (str(address[0]), int(address[1])), metrics, health)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = (
                f"port {port} on {host} is taken by another process: choose another one with RUNGWATCH_SERVICE_PORT "
                "(0: no metrics and health endpoints)"
            )
        elif error.errno in {errno.EACCES, errno.EPERM}:
            message = (
                f"port {port} on {host} may not be opened by this user: set RUNGWATCH_SERVICE_PORT to 1024 or more"
            )
        else:
            message = (
                f"{host!r} is no address of this machine ({error.strerror}): set RUNGWATCH_SERVICE_HOST to one of its "
                "own, such as 127.0.0.1 or 0.0.0.0"
            )
        raise UsageError(message) from error


class _Server(ThreadingMixIn, TCPServer):
    # Not http.server's own class: it asks the name service for its name when it binds, which can take seconds.
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = CONNECTIONS

    def __init__(
        self, family: socket.AddressFamily, address: tuple[str, int], metrics: Metrics, health: Health
    ) -> None:
        self.address_family = family
        self.metrics = metrics
        self.health = health
        self._room = BoundedSemaphore(CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if isinstance(error, OSError):  # the other side hung up
            log.debug("A connection to the metrics endpoint broke off: %s.", error)
        else:
            log.warning("A request to the metrics endpoint failed.", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = SILENT_SECONDS

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/metrics":
            body, media_type = self.server.metrics.text(self.headers.get("Accept", ""))
            self._answer(200, body, media_type)
        elif path == "/healthz":
            self._verdict("alive", self.server.health.alive())
        elif path == "/readyz":
            self._verdict("ready", self.server.health.ready())
        else:
            self._json(404, {"error": "not here", "here": PATHS})

    def do_HEAD(self) -> None:
        self.do_GET()

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self._leave_out_body()
        if self.command in {"GET", "HEAD"}:
            return True
        self._json(405, {"error": f"{self.command} is not served, only GET and HEAD"}, {"Allow": "GET, HEAD"})
        return False

    def _leave_out_body(self) -> None:
        # A connection that is closed with bytes unread is reset, and the answer may be lost with it.
        stated = self.headers.get("Content-Length", "0")
        length = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 20 else -1
        if not 0 <= length <= BODY_BYTES or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # where the next request begins is not known
        else:
            self.rfile.read(length)

    def _verdict(self, what: str, verdicts: Verdicts) -> None:
        well = all(reason is None for reason in verdicts.values())
        checks = {name: "ok" if reason is None else reason for name, reason in sorted(verdicts.items())}
        self._json(200 if well else 503, {what: well, "checks": checks})

    def _json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._answer(status, (json.dumps(body, indent=2) + "\n").encode(), "application/json", headers)

    def _answer(self, status: int, body: bytes, media_type: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": media_type, "Cache-Control": "no-store"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "rungwatch"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        log.debug("Endpoint: " + format, *args)
