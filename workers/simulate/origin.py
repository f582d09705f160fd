"""A live origin on this machine: HLS and DASH of real encodes on the wall clock, with faults on command."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from fractions import Fraction
from functools import partial
from types import TracebackType
from typing import Any, Self

from pipeline.errors import UsageError
from workers.simulate.dash import Addressing
from workers.simulate.encodes import Encodes
from workers.simulate.faults import KINDS, Fault, Faults, Scripted, kind_of, rung_of
from workers.simulate.http import Connection, Request, Response
from workers.simulate.site import Site
from workers.simulate.timeline import AtLoop, Stream

MOST_LADDERS = 1000
MOST_CDNS = 4
LOCAL = "127.0.0.1"
PART_SECONDS = 0.5
START_SECONDS = 10.0


class Origin:
    """Publishes while it is open; a context manager. All addresses are known once it is entered.

    with Origin(prepare(Plan(), cache)) as origin:
        follow(origin.hls_url)
        origin.fault("starved", rung="270p", seconds=20)
    """

    def __init__(
        self,
        encodes: Encodes,
        *,
        host: str = LOCAL,
        port: int = 0,
        window: int = 6,
        ladders: int = 1,
        cdns: int = 0,
        addressing: Addressing = "timeline",
        at_loop: AtLoop = "continue",
        low_latency: bool = False,
        script: Sequence[Scripted] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; nothing is served yet.

        Args:
            port: 0: any free one.
            window: Segments in a playlist.
            ladders: Streams; the same encodes under other names, shifted in time. One is called ``live``, many
                ``live-001``, ``live-002``, ...
            cdns: Further ports that stand for CDNs: redundant variants in HLS, base addresses in DASH.
            low_latency: Publish the CMAF playlists as LL-HLS: parts of half a second, blocking reload, delta updates.
            script: Faults that come on by themselves.
            clock: The wall clock, seconds since 1970.

        Raises:
            UsageError: A number is out of its range, or the script names what is not there.
        """
        if not 3 <= window <= 1000:
            raise UsageError(f"a window of {window} segments cannot be followed; take 3 to 1000")
        if not 1 <= ladders <= MOST_LADDERS:
            raise UsageError(f"{ladders} ladders are not offered; take 1 to {MOST_LADDERS}")
        if cdns not in (0, *range(2, MOST_CDNS + 1)):
            raise UsageError(f"{cdns} CDNs are not offered; take 2 to {MOST_CDNS}, or none")
        self.encodes = encodes
        self.clock = clock
        self.segment_seconds = float(encodes.segment_seconds)
        self._host, self._port, self._cdns = host, port, cdns
        self._faults = Faults()
        parts = min(encodes.segment_frames, max(2, round(self.segment_seconds / PART_SECONDS))) if low_latency else 0
        self._streams = [
            Stream(
                f"live-{index + 1:03}" if ladders > 1 else "live",
                encodes,
                self._faults,
                window=window,
                phase=Fraction(round(index * self.segment_seconds * 1000 / ladders), 1000),
                ahead=index * 7,
                at_loop=at_loop,
                parts=parts,
            )
            for index in range(ladders)
        ]
        self._site = Site(encodes, self._streams, self._faults, window=window, addressing=addressing, clock=clock)
        self._script = [replace(each, rung=self._rung(each.name, each.rung)) for each in script]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._connections: set[Connection] = set()

    def __enter__(self) -> Self:
        ready: Future[list[int]] = Future()
        self._thread = threading.Thread(target=self._serve, args=(ready,), name="origin", daemon=True)
        self._thread.start()
        self._port, *cdn_ports = ready.result(START_SECONDS)
        self._site.cdn_ports = tuple(cdn_ports)
        now = self.clock()
        for stream in self._streams:
            stream.advance(now)
        for each in self._script:
            self.fault(each.name, each.rung or "all", each.seconds, each.value, after_seconds=each.start_seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    @property
    def url(self) -> str:
        """Where the origin is, without a slash at the end."""
        shown = LOCAL if self._host in ("0.0.0.0", "::") else self._host
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self._port}"

    @property
    def hls_url(self) -> str:
        """The master playlist of the first stream, all rungs in CMAF."""
        return f"{self.url}/{self._streams[0].name}/master.m3u8"

    @property
    def hls_ts_url(self) -> str:
        """The master playlist of the first stream, H.264 in transport streams and HEVC in CMAF."""
        return f"{self.url}/{self._streams[0].name}/ts.m3u8"

    @property
    def dash_url(self) -> str:
        """The manifest of the first stream."""
        return f"{self.url}/{self._streams[0].name}/manifest.mpd"

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams; each has the addresses of the first, with its own name."""
        return tuple(stream.name for stream in self._streams)

    @property
    def rungs(self) -> tuple[str, ...]:
        """Names of the rungs, best first."""
        return tuple(rung.name for rung in self.encodes.rungs)

    def fault(
        self,
        name: str,
        rung: str | None = None,
        seconds: float | None = None,
        value: float | None = None,
        *,
        stream: str | None = None,
        after_seconds: float = 0.0,
    ) -> Fault:
        """Switch a fault on and return it; it ends by itself.

        Args:
            name: One of `KINDS`.
            rung: ``all`` or the name of one; None: as the kind has it.
            seconds: For how long; None: as the kind has it. What is in segments meets one at least.
            value: How much; None: as the kind has it.
            stream: None: every stream.
            after_seconds: Wait so long.

        Raises:
            UsageError: There is no such fault, rung or stream, or it cannot be had here.
        """
        kind = kind_of(name)
        if stream is not None and stream not in self.streams:
            raise UsageError(f"there is no stream {stream!r}; there are {', '.join(self.streams[:5])}")
        if value is not None and kind.value is None:
            raise UsageError(f"{kind.name} takes no value")
        amount = (kind.value or 0.0) if value is None else value
        if kind.name == "cdn_down" and not 1 <= round(amount) <= self._cdns:
            raise UsageError("there is no such CDN to go down; start the origin with --cdns 2")
        lasts = kind.segments * self.segment_seconds if seconds is None else seconds
        if not 0 < lasts <= 86_400 or not 0 <= after_seconds <= 86_400:
            raise UsageError(f"{lasts:g} s after {after_seconds:g} s: faults last up to a day, and begin within one")
        if kind.published:
            lasts = max(lasts, self.segment_seconds)
        since = self.clock() + after_seconds
        take = ""
        if kind.name == "frozen":
            first = self._streams[0]
            take = self.encodes.freeze(first.loop_index(first.edge_at(since)))
        return self._faults.add(
            {
                "kind": kind,
                "rung": self._rung(name, rung),
                "since_seconds": since,
                "until_seconds": since + lasts,
                "value": amount,
                "stream": stream,
                "take": take,
            }
        )

    def clear(self, which: int | str | None = None) -> tuple[Fault, ...]:
        """End faults by id or name, None: all; return what was ended. What was published under them stays."""
        return self._faults.clear(which, self.clock())

    def faults(self) -> tuple[Fault, ...]:
        """Return the faults that are on, or will come on by themselves."""
        return self._faults.to_come(self.clock())

    def told(self) -> dict[str, Any]:
        """Return what the control tells: addresses, rungs, faults that are on, and faults that there are."""
        now = self.clock()
        return {
            "hls": self.hls_url,
            "hls_ts": self.hls_ts_url,
            "dash": self.dash_url,
            "streams": list(self.streams),
            "rungs": list(self.rungs),
            "segment_seconds": self.segment_seconds,
            "now": now,
            "on": [fault.told() for fault in self._faults.on(now)],
            "to_come": [fault.told() for fault in self.faults() if not fault.on_at(now)],
            "answers": {str(status): count for status, count in sorted(self._site.asked.items())},
            "kinds": [{"fault": each.name, "help": each.help, "finding": each.finding} for each in KINDS.values()],
        }

    def _rung(self, name: str, rung: str | None) -> str | None:
        return rung_of(kind_of(name), rung, self.rungs)

    def _serve(self, ready: "Future[list[int]]") -> None:
        """Serve until the loop is stopped; runs in a thread of its own."""
        self._loop = loop = asyncio.new_event_loop()
        try:
            servers = loop.run_until_complete(self._listen())
        except OSError as exc:
            loop.close()
            ready.set_exception(
                UsageError(f"{self._host}:{self._port}: cannot listen there ({exc.strerror}); take another")
            )
            return
        ready.set_result([server.sockets[0].getsockname()[1] for server in servers])
        loop.run_forever()
        for server in servers:
            server.close()
        for connection in list(self._connections):
            connection.close()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    async def _listen(self) -> "list[asyncio.Server]":
        loop = asyncio.get_running_loop()
        servers = []
        for cdn in range(self._cdns + 1):
            connection = partial(Connection, partial(self._answer, cdn=cdn), self.clock, self._connections)
            servers.append(
                await loop.create_server(
                    connection,
                    self._host,
                    0 if cdn else self._port,
                )
            )
        return servers

    def _answer(self, request: Request, cdn: int) -> Response:
        if cdn == 0 and (request.path == "/" or request.path.startswith("/control")):
            return self._control(request)
        return self._site.answer(request, cdn)

    def _control(self, request: Request) -> Response:
        path = request.path.rstrip("/")
        if request.method in ("GET", "HEAD") and path in ("", "/control", "/control/faults"):
            return _json(self.told())
        if request.method == "DELETE" and path.startswith("/control/faults"):
            which = path.removeprefix("/control/faults").strip("/")
            ended = self.clear(int(which) if which.isdecimal() else which or None)
            return _json({"ended": [fault.told() for fault in ended]})
        if request.method == "POST" and path == "/control/faults":
            # A page in a browser cannot send this type to another host without asking first.
            if not request.headers.get("content-type", "").startswith("application/json"):
                return _json({"error": "send JSON, as application/json"}, 415)
            return Response(work=lambda: self._switch_on(request.body))
        return _json({"error": "GET /control, POST /control/faults, DELETE /control/faults/ID"}, 404)

    def _switch_on(self, body: bytes) -> Response:
        try:
            asked = json.loads(body)
            if not isinstance(asked, dict):
                raise UsageError('expected an object such as {"fault": "starved"}')
            unknown = set(asked) - {"fault", "rung", "seconds", "value", "stream", "after_seconds"}
            if unknown or not isinstance(asked.get("fault"), str):
                raise UsageError("expected `fault`, and perhaps `rung`, `seconds`, `value`, `stream`, `after_seconds`")
            numbers = {name: _number(asked.get(name), name) for name in ("seconds", "value", "after_seconds")}
            made = self.fault(
                asked["fault"],
                _text(asked.get("rung"), "rung"),
                numbers["seconds"],
                numbers["value"],
                stream=_text(asked.get("stream"), "stream"),
                after_seconds=numbers["after_seconds"] or 0.0,
            )
        except (UsageError, ValueError) as exc:
            return _json({"error": str(exc)}, 400)
        return _json(made.told(), 201)


def _number(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name} is {value!r}; expected a number")
    return float(value)


def _text(value: Any, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise UsageError(f"{name} is {value!r}; expected a text")


def _json(document: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(document, indent=1).encode() + b"\n"
    return Response(status, body, "application/json", (("Cache-Control", "no-store"),))
