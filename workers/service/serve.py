"""The API and the page as a process: an HTTP server, one subscription to live points, metrics and health."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.api import Hub, Sources, create_app
from pipeline.api.events import ABORT
from pipeline.api.tokens import tokens_of
from pipeline.errors import UsageError
from pipeline.observe.api import ApiMetrics
from pipeline.observe.fleet import FleetMetrics, fleet_of
from pipeline.series import AnnotationStore, Link, LiveFeed, PictureStore, SeriesQueries
from pipeline.settings import ApiSettings, Settings
from workers.service.process import Loop, Process

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""Within which it stops when told to."""
CLOSING_SECONDS = 5
"""For answers that are on their way when the process is stopped."""
BACKLOG = 1024
SILENT_SECONDS = 15.0
"""A connection that has not asked anything for so long is hung up on."""
CONNECTIONS = 400
"""Open at one time, besides live listeners: below the 1,024 files that most systems allow a process."""


def run_serve(settings: Settings) -> None:
    """Answer until SIGTERM; while Redis is away, say so.

    Raises:
        UsageError: The settings would let strangers in, or the port cannot be had.
    """
    tokens_of(settings.api)  # before anything is opened
    with (
        Process(settings.service) as process,
        closing(Link(settings.redis)) as link,
        closing(listen(settings.api)) as listener,
    ):
        loops = loops_of(settings, process, link, listener)
        log.info("Serving %s with Redis at %s.", url_of(settings.api, listener), link.where)
        process.run(**loops)
        log.info("Stopped.")


def loops_of(settings: Settings, process: Process, link: Link, listener: socket.socket) -> dict[str, Loop]:
    """Return what the process runs: the server, and the feed of live points."""
    process.health.check("redis", link.ping)
    counts = ApiMetrics(process.metrics)
    queries = SeriesQueries(link, settings.redis)
    service = settings.service
    FleetMetrics(process.metrics, lambda: fleet_of(queries, service.fleet_streams, service.fleet_seconds))
    sources = Sources(
        history=queries,
        pictures=PictureStore(link, settings.redis),
        annotations=AnnotationStore(link, settings.redis),
        hub=Hub(lambda: counts.cut_off("behind")),
        requests=counts,
        metrics=process.metrics.text,
        alive=process.health.alive,
        ready=process.health.ready,
    )
    app = create_app(settings.api, sources, version("rungwatch"))
    feed = LiveFeed(link, settings.redis)
    beat = process.health.heart("live")
    return {
        "http": http(app, listener, settings.api, process.health.heart("http"), sources.hub.close),
        "live": lambda stop: feed.run(stop, sources.hub, beat),
    }


class _Protocol(H11Protocol):
    """Hangs up on who asks nothing, and lets the application do so with who takes nothing: ASGI has no word for it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(SILENT_SECONDS, self._end_if_silent)
        app = self.app

        async def with_abort(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), ABORT: transport.abort}
            await app(scope, receive, send)

        self.app = with_abort

    def _end_if_silent(self) -> None:
        if self.cycle is None:  # before its first request
            self.transport.abort()


def http(
    app: ASGIApp, listener: socket.socket, settings: ApiSettings, beat: Callable[[], None], hang_up: Callable[[], None]
) -> Loop:
    """Return the loop that answers requests until it is told to stop. `hang_up`: ends those that would never end."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        timeout_graceful_shutdown=CLOSING_SECONDS,
        ssl_certfile=settings.certificate_file,
        ssl_keyfile=settings.key_file,
        backlog=BACKLOG,
        limit_concurrency=settings.live_clients + CONNECTIONS,
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)

    def run(stop: threading.Event) -> None:
        server = uvicorn.Server(config)

        async def serve() -> None:
            watch = asyncio.create_task(until_stopped())
            await server.serve([listener])
            watch.cancel()

        async def until_stopped() -> None:
            while not stop.is_set():
                beat()
                await asyncio.sleep(LOOK_SECONDS)
            hang_up()
            server.should_exit = True

        asyncio.run(serve())
        stop.set()

    return run


def listen(settings: ApiSettings) -> socket.socket:
    """Return the open socket; raises UsageError where it cannot be had."""
    host, port = settings.host.strip("[]"), settings.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(BACKLOG)
        except OSError:
            opened.close()
            raise
    except OSError as error:
        raise UsageError(
            f"{host} port {port} cannot be served at ({error.strerror or error}): another process may hold it; choose "
            "another with --host and --port (RUNGWATCH_API_HOST, RUNGWATCH_API_PORT)"
        ) from error
    return opened


def url_of(settings: ApiSettings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if settings.certificate_file else "http"
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"
