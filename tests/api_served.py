"""The API on a real uvicorn and a real Redis, in this process: what tests ask, and what they fill it with."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx
from pydantic import SecretStr
from series_factory import point
from services.redis_fixtures import Series

from pipeline.series import Link
from pipeline.settings import ApiSettings, RedisSettings, Settings
from schemas import ManifestFinding, ManifestFindingKind, QualityPoint, TimeBasis
from workers.service.process import Process
from workers.service.serve import listen, loops_of

TOKEN = "a token of the tests, long enough"
RUNGS = {"1080p": 6_000_000, "720p": 3_000_000, "360p": 800_000}
WAIT_SECONDS = 60.0


class Served:
    """The address of a server, and a client of it."""

    def __init__(self, url: str, process: Process) -> None:
        self.url = url
        self.process = process
        self.client = httpx.Client(base_url=url, timeout=WAIT_SECONDS)

    def get(self, path: str, /, **query: Any) -> httpx.Response:
        """Ask /api/v1/..., with `since` for `from`."""
        asked = {("from" if name == "since" else name): value for name, value in query.items()}
        return self.client.get(f"/api/v1/{path}", params=asked)

    def json(self, path: str, /, **query: Any) -> Any:
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def listen(self, *streams: str, after: str | None = None) -> "Listener":
        return Listener(self.url, streams, after)


class Listener:
    """Server-sent events, one at a time."""

    def __init__(self, url: str, streams: tuple[str, ...], after: str | None) -> None:
        self._client = httpx.Client(base_url=url, timeout=WAIT_SECONDS)
        headers = {"Last-Event-ID": after} if after else {}
        self._sent = self._client.stream(
            "GET", "/api/v1/events", params=[("stream", each) for each in streams], headers=headers
        )

    def __enter__(self) -> Self:
        self.answer = self._sent.__enter__()
        self._lines = self.answer.iter_lines()
        return self

    def __exit__(self, *_: object) -> None:
        self._sent.__exit__(None, None, None)
        self._client.close()

    def next(self) -> dict[str, Any]:
        """Return the next event: its kind, data and id; comments and `retry` are passed over."""
        found: dict[str, Any] = {}
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name in {"event", "id"}:
                found[name] = value
            elif name == "data":
                found["data"] = json.loads(value)
            elif not line and "event" in found:
                return found
        raise EOFError("the server ended the stream")

    def until(self, kind: str) -> dict[str, Any]:
        while (event := self.next())["event"] != kind:
            pass
        return event


@contextmanager
def served(redis: RedisSettings, **api: Any) -> Iterator[Served]:
    """Serve on a free port; many requests a second are allowed unless `api` says otherwise."""
    said = {"requests_per_second": 1000.0, "requests_at_once": 5000, **api}
    if "token" in said:
        said["token"] = SecretStr(said["token"])
    settings = Settings(redis=redis, api=ApiSettings(port=0, **said))
    process = Process(settings.service)
    with closing(Link(redis)) as link, closing(listen(settings.api)) as listener:
        failed: list[BaseException] = []

        def run() -> None:
            try:
                process.run(**loops_of(settings, process, link, listener))
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        host, port = listener.getsockname()[:2]
        made = Served(f"http://{host}:{port}", process)
        try:
            wait(lambda: made.client.get("/healthz").status_code == 200, "the server is up")
            yield made
        finally:
            process.stop.set()
            thread.join(WAIT_SECONDS)
            made.client.close()
        assert not thread.is_alive(), "the server did not stop"
        assert not failed, failed


def wait(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < until, f"waited in vain: {what}"
        time.sleep(0.02)


def now_seconds() -> float:
    """Return a whole even second of now: where a segment of 2 s starts."""
    return time.time() // 2 * 2


def live_point(start: float, score: float = 80.0, **fixed: Any) -> QualityPoint:
    return point(start, score, time_basis=TimeBasis.PROGRAM_DATE_TIME, **fixed)


def fill_live(series: Series, stream: str = "news", seconds: float = 120.0, end: float | None = None) -> float:
    """Write a live ladder whose last segment ends now (or at `end`), scores falling with the rung; return its start."""
    until = now_seconds() if end is None else end
    start = until - seconds
    series.store.write(
        [
            live_point(start + 2 * index, 90 - 10 * rung, stream=stream, rendition=name, bitrate_bps=bitrate)
            for rung, (name, bitrate) in enumerate(RUNGS.items())
            for index in range(int(seconds / 2))
        ]
    )
    return start


def fill_film(series: Series, stream: str = "film", seconds: float = 120.0) -> None:
    """Write a ladder on media time, from 0 on."""
    series.store.write(
        [
            point(2.0 * index, 90 - 10 * rung, stream=stream, rendition=name, bitrate_bps=bitrate)
            for rung, (name, bitrate) in enumerate(RUNGS.items())
            for index in range(int(seconds / 2))
        ]
    )


def finding(
    name: str = "stale",
    *,
    stream: str = "news",
    ago_seconds: float = 0.0,
    over: bool = False,
    kind: ManifestFindingKind = ManifestFindingKind.STALE,
) -> ManifestFinding:
    at = datetime.now(UTC) - timedelta(seconds=ago_seconds)
    return ManifestFinding(
        finding_id=f"{stream}/720p/{name}",
        stream_id=stream,
        rendition_id="720p",
        kind=kind,
        text="nothing new for 9 s, 1.5 x the target duration",
        found_at=at,
        over_at=at + timedelta(seconds=1) if over else None,
    )
