"""The API over a real Redis: ``make bench-api``. Prints value, goal, and whether it is met.

    series   24 hours of 2 s points of 6 rungs, as the page asks for them (minutes), and point by point
    fleet    1,000 streams of 6 rungs, with findings, listed when nothing is kept from an earlier question
    live     200 clients of one process, each on all of 25 live ladders: from a point on its way to Redis to the event

Run: PYTHONPATH=tests:tests/benchmarks python tests/benchmarks/api.py [--only series,live] [--seconds 120]

One `rungwatch serve`, one redis-server and the clients share this machine: say what else ran. Writes
bench-out/api.json.
"""

import argparse
import asyncio
import gzip
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from pydantic import SecretStr
from series_factory import point
from service import Figure
from services.redis_server import RedisServer

from pipeline.series import SeriesStore, connect
from pipeline.settings import RedisSettings
from schemas import ManifestFinding, ManifestFindingKind, QualityPoint, TimeBasis

HERE = Path(__file__).parent
RUNGS = {"1080p": 6e6, "900p": 4.5e6, "720p": 3e6, "540p": 1.6e6, "360p": 8e5, "240p": 4e5}
SEGMENT_SECONDS = 2.0
DAY_SECONDS = 86_400
STREAMS, FINDINGS_OF_A_STREAM = 1000, 2
CLIENTS, LADDERS = 200, 25
WARM_SECONDS = 10.0
REPEATS = 20
FLAT_BYTES = 10_000_000
"""What the allocator moves about."""


class Bench:
    """A Redis, and `rungwatch serve` on it."""

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis

    def settings(self, prefix: str) -> RedisSettings:
        return RedisSettings(url=SecretStr(self.redis.url), prefix=prefix)

    @contextmanager
    def serving(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield the address and the process id of a server of its own."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNGWATCH_")}
        environment |= {
            "RUNGWATCH_REDIS_URL": self.redis.url,
            "RUNGWATCH_REDIS_PREFIX": prefix,
            "RUNGWATCH_API_LIVE_CLIENTS_EACH": str(CLIENTS),
            "RUNGWATCH_API_REQUESTS_AT_ONCE": str(2 * CLIENTS),
        }
        command = [sys.executable, "-m", "workers.cli.main", "serve", "--port", "0"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stderr is not None
                url = next(word for line in process.stderr for word in line.split() if word.startswith("http://"))
                threading.Thread(target=process.stderr.read, daemon=True).start()
                wait_for(url)
                yield url, process.pid
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def wait_for(url: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("rungwatch serve is not ready")


def of_rung(stream: str, rendition: str, start: float, number: int) -> QualityPoint:
    bitrate = RUNGS[rendition]
    score = 60 + 5 * math.log2(bitrate / 4e5) + 6 * math.sin(start / 500 + bitrate) + math.sin(start * bitrate)
    return point(
        start,
        round(score, 4),
        stream=stream,
        rendition=rendition,
        seconds=SEGMENT_SECONDS,
        bitrate_bps=int(bitrate * (1 + 0.1 * math.sin(start))),
        time_basis=TimeBasis.PROGRAM_DATE_TIME,
    ).model_copy(update={"segment_number": number})


def measure_series(bench: Bench) -> list[Figure]:
    settings = bench.settings("bench-series")
    end = time.time() // 60 * 60
    with closing(connect(settings)) as link:
        store = SeriesStore(link, settings)
        for rendition in RUNGS:
            for hour in range(24):
                first = end - DAY_SECONDS + hour * 3600
                starts = [first + SEGMENT_SECONDS * index for index in range(1800)]
                store.write([of_rung("news", rendition, start, index) for index, start in enumerate(starts)])
    figures = []
    with bench.serving(settings.prefix) as (url, process_id), httpx.Client(base_url=url, timeout=120) as client:
        day = {"from": end - DAY_SECONDS}
        hour = {"from": end - 3600, "points": 2000, "resolution": "raw"}
        for name, more, goals in (
            ("series, 24 h", day, ("<= 150", "<= 200")),
            ("series, 24 h, raw asked for", {**day, "resolution": "raw"}, ("<= 150", "<= 200")),
            ("series, 24 h, rows", {**day, "shape": "rows"}, ("", "")),
            ("series, 1 h point by point", hour, ("", "")),
            ("series, 5.5 h point by point", {**hour, "from": end - 5.5 * 3600, "points": 10_000}, ("", "")),
        ):
            query = {"stream": "news", "to": end, **more}
            before = cpu_seconds(process_id)
            seconds, body = timed(client, "/api/v1/series", query, REPEATS)
            spent = (cpu_seconds(process_id) - before) / REPEATS
            values = sum(len(each["start"]) for each in json.loads(body).get("renditions", ()))
            if values:
                figures.append(Figure(f"{name}: values", values, ""))
            figures += [
                Figure(f"{name}: median", statistics.median(seconds) * 1000, "ms", goals[0]),
                Figure(f"{name}: slowest", max(seconds) * 1000, "ms"),
                Figure(f"{name}: CPU of the server", spent * 1000, "ms"),
                Figure(f"{name}: gzipped", size(client, "/api/v1/series", query) / 1000, "kB", goals[1]),
            ]
    return figures


def measure_fleet(bench: Bench) -> list[Figure]:
    settings = bench.settings("bench-fleet")
    now = time.time() // 2 * 2
    with closing(connect(settings)) as link:
        store = SeriesStore(link, settings)
        for index in range(STREAMS):
            # Not two streams alike: scores that repeat compress to nothing.
            start = now - 2 * index / STREAMS
            store.write([of_rung(f"channel-{index:04}", rendition, start, 0) for rendition in RUNGS])
            store.find([finding(f"channel-{index:04}", number) for number in range(FINDINGS_OF_A_STREAM)])
    with bench.serving(settings.prefix) as (url, process_id), httpx.Client(base_url=url, timeout=120) as client:
        asks = {"limit": STREAMS}
        cold: list[float] = []
        before = cpu_seconds(process_id)
        for _ in range(REPEATS):
            time.sleep(1.1)  # what was worked out for the last question is old by then
            seconds, body = timed(client, "/api/v1/streams", asks, 1)
            cold += seconds
        spent = (cpu_seconds(process_id) - before) / REPEATS
        warm, _ = timed(client, "/api/v1/streams", asks, REPEATS)
        listed = json.loads(body)
        assert listed["total"] == len(listed["streams"]) == STREAMS
        assert all(each["open_findings"] == FINDINGS_OF_A_STREAM for each in listed["streams"])
        return [
            Figure("fleet of 1,000 streams, first question: median", statistics.median(cold) * 1000, "ms", "<= 200"),
            Figure("fleet, first question: slowest", max(cold) * 1000, "ms"),
            Figure("fleet, first question: CPU of the server", spent * 1000, "ms"),
            Figure("fleet, within a second of another: median", statistics.median(warm) * 1000, "ms", "<= 200"),
            Figure("fleet: gzipped", size(client, "/api/v1/streams", asks) / 1000, "kB"),
        ]


def measure_live(bench: Bench, seconds: float) -> list[Figure]:
    settings = bench.settings("bench-live")
    sent: dict[tuple[str, int], float] = {}
    stop = threading.Event()
    with bench.serving(settings.prefix) as (url, process_id), closing(connect(settings)) as link:
        writer = threading.Thread(target=write_live, args=(SeriesStore(link, settings), sent, stop), daemon=True)
        writer.start()
        found = asyncio.run(listen(url, seconds, sent, process_id))
        stop.set()
        writer.join()
    delays, points, gaps, first, last, cpu = found
    delays.sort()
    return [
        Figure(f"live, {CLIENTS} clients: events", len(delays) / seconds, "/s"),
        Figure("live: points", points / seconds, "/s"),
        Figure("live, from point to event: median", statistics.median(delays) * 1000, "ms"),
        Figure("live, from point to event: p99", delays[int(len(delays) * 0.99)] * 1000, "ms", "<= 250"),
        Figure("live, from point to event: most", delays[-1] * 1000, "ms"),
        Figure("live: events lost", gaps, "", "<= 0"),
        Figure("live: CPU of the server, of one core", cpu / seconds * 100, "%"),
        Figure("live: resident when all listen", first / 1e6, "MB"),
        Figure("live: resident at the end", last / 1e6, "MB"),
        Figure("live: growth", (last - first) / 1e6, "MB", f"<= {FLAT_BYTES / 1e6:g}"),
    ]


def write_live(store: SeriesStore, sent: dict[tuple[str, int], float], stop: threading.Event) -> None:
    """Write every rung of a ladder as it comes from a worker, ladders spread over the length of a segment."""
    number = 0
    due = time.monotonic()
    while not stop.is_set():
        for ladder in range(LADDERS):
            stream = f"channel-{ladder}"
            start = time.time() // SEGMENT_SECONDS * SEGMENT_SECONDS
            points = [of_rung(stream, rendition, start, number) for rendition in RUNGS]
            sent[(stream, number)] = time.perf_counter()
            store.write(points)
            due += SEGMENT_SECONDS / LADDERS
            stop.wait(max(0.0, due - time.monotonic()))
        number += 1


async def listen(
    url: str, seconds: float, sent: dict[tuple[str, int], float], process_id: int
) -> tuple[list[float], int, int, int, int, float]:
    delays: list[float] = []
    counts = {"gaps": 0}
    begin = time.perf_counter() + WARM_SECONDS
    end = begin + seconds
    clients = [asyncio.create_task(client(url, sent, delays, counts, begin, end)) for _ in range(CLIENTS)]
    await asyncio.sleep(WARM_SECONDS)
    first, before = resident(process_id), cpu_seconds(process_id)
    await asyncio.gather(*clients)
    points = sum(begin <= at < end for at in list(sent.values())) * len(RUNGS)
    return delays, points, counts["gaps"], first, resident(process_id), cpu_seconds(process_id) - before


async def client(
    url: str,
    sent: dict[tuple[str, int], float],
    delays: list[float],
    counts: dict[str, int],
    begin: float,
    end: float,
) -> None:
    """Listen as a browser does, over a plain socket: what takes time here must not count as the server's."""
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
    writer.write(f"GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + end - time.perf_counter()):
            while line := await reader.readline():
                now = time.perf_counter()
                if line.startswith(b"event: gap"):
                    counts["gaps"] += 1
                if line.startswith(b'data: {"stream_id"') and now >= begin:
                    stream = line.split(b'"', 4)[3].decode()
                    number = int(line.partition(b'"segment_number":')[2].partition(b",")[0])
                    delays.append(now - sent[(stream, number)])
    except TimeoutError:
        pass
    finally:
        writer.close()


def finding(stream: str, number: int) -> ManifestFinding:
    return ManifestFinding(
        finding_id=f"{stream}/stale/{number}",
        stream_id=stream,
        rendition_id="720p",
        kind=ManifestFindingKind.STALE,
        text="nothing new for 9 s, 1.5 x the target duration",
        found_at=datetime.now(UTC),
    )


def timed(client: httpx.Client, path: str, query: dict[str, object], repeats: int) -> tuple[list[float], bytes]:
    """Return the seconds from asking to the last byte, and the last body."""
    taken = []
    body = b""
    for _ in range(repeats):
        begin = time.perf_counter()
        answer = client.get(path, params=query)  # type: ignore[arg-type]
        taken.append(time.perf_counter() - begin)
        assert answer.status_code == 200, answer.text
        body = answer.content
    return taken, body


def size(client: httpx.Client, path: str, query: dict[str, object]) -> int:
    """Return the bytes on the wire."""
    with client.stream("GET", path, params=query, headers={"Accept-Encoding": "gzip"}) as answer:  # type: ignore[arg-type]
        raw = b"".join(answer.iter_raw())
    gzip.decompress(raw)
    return len(raw)


def resident(process_id: int) -> int:
    return int(Path(f"/proc/{process_id}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(process_id: int) -> float:
    words = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="series,fleet,live")
    parser.add_argument("--seconds", type=float, default=60.0, help="of listening")
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    options = parser.parse_args()
    found: list[Figure] = []
    with ExitStack() as stack:
        bench = Bench(stack.enter_context(RedisServer(options=("--appendfsync", "everysec"))))
        measured = {
            "series": lambda: measure_series(bench),
            "fleet": lambda: measure_fleet(bench),
            "live": lambda: measure_live(bench, options.seconds),
        }
        for name in options.only.split(","):
            for figure in measured[name]():
                print(figure.line(), flush=True)
                found.append(figure)
    options.out.mkdir(exist_ok=True)
    rows = [{"name": each.name, "value": each.value, "unit": each.unit, "goal": each.goal} for each in found]
    (options.out / "api.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(each.is_met is False for each in found))


if __name__ == "__main__":
    main()
