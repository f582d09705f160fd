"""Measures the writing of points: how many a second with Redis and its client on one core, and how long one takes.

Run: PYTHONPATH=tests python tests/benchmarks/series.py [--points 20000] [--binary /usr/bin/redis-server]

Three loads of streams of 8 renditions and segments of 2 s, as messages (parsed, turned into points, written, answered):
  live      every rendition of 50 streams has a new segment: each point remakes a minute and an hour of its own
  behind    a worker was away for a while: a stream's segments come in a row
  repeated  the same messages once more
"""

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import SecretStr
from score_factory import scored
from services.redis_server import RedisServer

from pipeline.series import SeriesStore, connect
from pipeline.settings import RedisSettings
from pipeline.stream.protocol import Answer, Done, Message, Partition
from schemas import QualityPoint, SegmentScored, TimeBasis
from workers.service.series_writer import SeriesProcessor

RENDITIONS = 8
SEGMENT_SECONDS = 2.0
NOW = 1_790_000_000 // 3600 * 3600


def segment(stream: int, rendition: int, number: int) -> SegmentScored:
    return scored(
        80 + (number * 7 + rendition) % 19 / 1.7,
        number,
        stream=f"channel-{stream}",
        rendition=f"{rendition}",
        seconds=SEGMENT_SECONDS,
        start=NOW + number * SEGMENT_SECONDS,
        time_basis=TimeBasis.PROGRAM_DATE_TIME,
    )


def live(points: int, first: int) -> Iterable[SegmentScored]:
    streams = 50
    for index in range(points):
        yield segment(index // RENDITIONS % streams, index % RENDITIONS, first + index // RENDITIONS // streams)


def behind(points: int) -> Iterable[SegmentScored]:
    a_stream = 200 * RENDITIONS
    for index in range(points):
        yield segment(1000 + index // a_stream, index % RENDITIONS, index % a_stream // RENDITIONS)


def messages(segments: Iterable[SegmentScored]) -> list[Message]:
    return [
        Message(Partition("scores", 0), offset, each.stream_id, each.model_dump_json(exclude_none=True).encode())
        for offset, each in enumerate(segments)
    ]


class Count:
    """Waits until all were answered."""

    def __init__(self, expected: int) -> None:
        self._left = expected
        self._done = threading.Event()

    def answer(self, answer: Answer) -> None:
        assert isinstance(answer, Done), answer
        self._left -= 1
        if not self._left:
            self._done.set()

    def wait(self) -> None:
        assert self._done.wait(600)


def rate(processor: SeriesProcessor, load: list[Message]) -> float:
    count = Count(len(load))
    begin = time.perf_counter()
    for message in load:
        while not processor.room():
            time.sleep(0.001)
        processor.start(message, count.answer)
    count.wait()
    return len(load) / (time.perf_counter() - begin)


def latencies(processor: SeriesProcessor, load: list[Message]) -> list[float]:
    taken = []
    for message in load:
        count = Count(1)
        begin = time.perf_counter()
        processor.start(message, count.answer)
        count.wait()
        taken.append(time.perf_counter() - begin)
        time.sleep(0.002)
    return sorted(taken)


def cpu_seconds(server: RedisServer) -> float:
    """Return what this process and the server have spent; unlike the rate it does not depend on what else runs."""
    said = dict(line.split(":") for line in server.ask("INFO", "cpu").split() if ":" in line)
    return time.process_time() + float(said["used_cpu_user"]) + float(said["used_cpu_sys"])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--points", type=int, default=20_000)
    options.add_argument("--binary", type=Path, help="another redis-server")
    options.add_argument("--fsync", default="everysec", choices=["always", "everysec", "no"])
    options.add_argument("--cores", type=int, default=1)
    given = options.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.cores])  # the server inherits it
    with RedisServer(binary=given.binary, options=("--appendfsync", given.fsync)) as server:
        settings = RedisSettings(url=SecretStr(server.url))
        link = connect(settings)
        store = SeriesStore(link, settings)
        print(f"Redis {link.version()} and its client on {given.cores} core(s), appendfsync {given.fsync}")
        # Half an hour is there already: hours and minutes have something to be remade of.
        store.write([QualityPoint.of(each) for each in live(50 * RENDITIONS * 900, 0)])
        processor = SeriesProcessor(store, skipped_topic="skipped")
        one_core: dict[str, Callable[[], list[Message]]] = {
            "live": lambda: messages(live(given.points, 900)),
            "behind": lambda: messages(behind(given.points)),
            "repeated": lambda: messages(behind(given.points)),
        }
        for name, make in one_core.items():
            load = make()
            before = cpu_seconds(server)
            a_second = rate(processor, load)
            spent = (cpu_seconds(server) - before) / len(load)
            print(f"{name:9s} {a_second:8.0f} points/s; {spent * 1e6:4.0f} us of CPU each: {1 / spent:6.0f} points/s")
            sys.stdout.flush()
        taken = latencies(processor, messages(live(2000, 2000)))
        print(
            f"one point alone: median {statistics.median(taken) * 1e3:.2f} ms, "
            f"p99 {taken[int(len(taken) * 0.99)] * 1e3:.2f} ms"
        )
        used = int(server.ask("INFO", "memory").split("used_memory:")[1].split()[0])
        held = 50 * RENDITIONS * 900 + 2 * given.points + 2000
        print(f"memory: {used / held:.0f} bytes a point, roll-ups included")
        processor.close()
        link.close()


if __name__ == "__main__":
    main()
