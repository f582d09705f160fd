"""The service without decoder and model: ``make bench-service``. Prints value, goal, and whether it is met.

    events    segment events a second through one worker process with an engine that answers at once
    points    points a second into Redis, client and server on one core (series.py measures it)
    overhead  from the end of scoring to the point being there in Redis, one event at a time
    memory    of that worker over 200,000 events
    batching  share of the time that a device of fixed latency is busy while work waits; what is added when none does

Run: PYTHONPATH=tests:tests/benchmarks python tests/benchmarks/service.py [--only events,overhead] [--events 30000]

Real Kafka and Redis, wall time on the whole machine: say what else ran. Writes bench-out/service.json.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaos.offsets import Offsets
from pydantic import SecretStr
from redis import Redis
from services.kafka import Broker
from services.redis_server import RedisServer

from pipeline.series import Keys
from pipeline.settings import KafkaSettings, RedisSettings
from pipeline.stream.kafka import KafkaBusProducer, create, read_range
from pipeline.stream.topics import Topics, plans
from schemas import (
    QualityPoint,
    Reference,
    ReferencePart,
    Rendition,
    Resource,
    Rung,
    Segment,
    SegmentReady,
    SegmentScored,
    StandIn,
)
from workers.service.batcher import Batcher
from workers.service.events import publication
from workers.service.outbox import publish_all

HERE = Path(__file__).parent
PARTITIONS = 4
STREAMS = 50
THREADS = 40
"""As a worker on a GPU has them: eight decoders, a batch of sixteen at work and one that waits."""
PATIENCE_SECONDS = 600.0
FLAT_BYTES = 15_000_000
"""What the allocator moves about."""
MEMORY_EVENTS, MEMORY_FROM = 200_000, 20_000
OVERHEAD_EVENTS, OVERHEAD_PAUSE_SECONDS, WARM_EVENTS = 600, 0.02, 50
DEVICE_SECONDS, BATCH = 0.020, 16


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float
    unit: str
    goal: str = ""
    """Such as ``>= 1000``; empty: there is none."""

    @property
    def is_met(self) -> bool | None:
        if not self.goal:
            return None
        sign, bound = self.goal.split()
        return self.value >= float(bound) if sign == ">=" else self.value <= float(bound)

    def line(self) -> str:
        verdict = {True: "met", False: "MISSED", None: ""}[self.is_met]
        return f"{self.name:52} {self.value:10.1f} {self.unit:9} {self.goal:9} {verdict}".rstrip()


class Bench:
    """A broker, a Redis, and processes on them; every measurement has topics of its own."""

    def __init__(self, broker: Broker, redis: RedisServer) -> None:
        self._broker, self._redis = broker, redis

    def kafka(self, name: str) -> KafkaSettings:
        settings = KafkaSettings(bootstrap=self._broker.bootstrap, prefix=f"bench-{name}.", partitions=PARTITIONS)
        create(settings, plans(settings.prefix, PARTITIONS))
        return settings

    def redis(self, name: str) -> RedisSettings:
        return RedisSettings(url=SecretStr(self._redis.url), prefix=f"bench-{name}")

    @contextmanager
    def process(self, kafka: KafkaSettings, *command: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        environment: Mapping[str, str] = {
            **{key: value for key, value in os.environ.items() if not key.startswith("RUNGWATCH_")},
            "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}",
            "RUNGWATCH_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "RUNGWATCH_KAFKA_PREFIX": kafka.prefix,
            **settings,
        }
        with subprocess.Popen([sys.executable, *command], env=environment) as process:
            try:
                yield process
                process.send_signal(signal.SIGTERM)
                if process.wait(60) != 0:
                    raise RuntimeError(f"{command} ended with {process.returncode}")
            finally:
                process.kill()

    def null_worker(self, kafka: KafkaSettings) -> Any:
        return self.process(kafka, str(HERE / "null_worker.py"), "--threads", str(THREADS))


def event(index: int) -> SegmentReady:
    """Return an event as an HLS ladder of three gives it: with its reference, and what may stand in."""
    stream, number = index % STREAMS, index // STREAMS
    low, best, following = (_rendition(*rung) for rung in ((360, 800_000), (1080, 6_000_000), (720, 3_000_000)))
    return SegmentReady(
        stream_id=f"channel-{stream}",
        rendition=low,
        segment=_segment(low, stream, number),
        reference=Reference(
            rendition=best,
            parts=(
                ReferencePart(
                    segment=_segment(best, stream, number),
                    stand_in=StandIn(rendition=following, segment=_segment(following, stream, number)),
                ),
            ),
        ),
        display_height_px=1080,
    )


def _rendition(height_px: int, bitrate_bps: int) -> Rendition:
    return Rendition(
        rendition_id=f"{height_px}p",
        rung=Rung(codec="h264", width_px=height_px * 16 // 9, height_px=height_px, bitrate_bps=bitrate_bps),
        codecs="avc1.640028",
        uri=f"https://origin.example.com/live/{height_px}p/index.m3u8",
    )


def _segment(rendition: Rendition, stream: int, number: int) -> Segment:
    base = f"https://origin.example.com/live/channel-{stream}/{rendition.rendition_id}"
    return Segment(
        rendition_id=rendition.rendition_id,
        number=number,
        media=Resource(uri=f"{base}/segment-{number:09d}.m4s"),
        init=Resource(uri=f"{base}/init.mp4"),
        start_seconds=2.0 * number,
        duration_seconds=2.0,
    )


def publish(kafka: KafkaSettings, first: int, past: int) -> None:
    topic = Topics(kafka.prefix).segments
    with closing(KafkaBusProducer(kafka)) as producer:
        publish_all(producer, (publication(topic, event(index), "rungwatch/bench") for index in range(first, past)))


def committed(kafka: KafkaSettings) -> Callable[[], int]:
    topics = Topics(kafka.prefix)
    offsets = Offsets(kafka, topics.group("workers"), (topics.segments,), PARTITIONS)
    return lambda: offsets.now().committed


def wait_for(count: int, done: Callable[[], int], process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while done() < count:
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{done()} of {count} events are done, and it goes no further")
        time.sleep(0.5)


def measure_events(bench: Bench, count: int) -> list[Figure]:
    kafka = bench.kafka("events")
    publish(kafka, 0, count)
    with bench.null_worker(kafka) as worker:
        wait_for(count, committed(kafka), worker)
        cpu_seconds = process_seconds(worker.pid)
    times = sorted(message.timestamp_ms for message in read_range(kafka, Topics(kafka.prefix).scores))
    if len(times) != count:
        raise RuntimeError(f"{len(times)} scores came of {count} events")
    # Without the first tenth, in which it connects.
    skipped = count // 10
    return [
        Figure(
            "events/s through one worker",
            (count - skipped) / (times[-1] - times[skipped]) * 1000,
            "events/s",
            ">= 1000",
        ),
        Figure("its CPU time, start included", cpu_seconds / count * 1000, "ms/event"),
    ]


def process_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_points(count: int) -> list[Figure]:
    command = [sys.executable, str(HERE / "series.py"), "--points", str(count)]
    environment = {**os.environ, "PYTHONPATH": f"{HERE.parent}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = dict(re.findall(r"^(\w+) +(\d+) points/s", done.stdout, re.MULTILINE))
    names = {
        "live": "points/s, one core, live",
        "behind": "points/s, one core, behind",
        "repeated": "points/s, repeated",
    }
    return [Figure(text, float(found[name]), "points/s", ">= 3000") for name, text in names.items()]


def measure_overhead(bench: Bench, count: int) -> list[Figure]:
    kafka, redis = bench.kafka("overhead"), bench.redis("overhead")
    series = ("-m", "workers.cli.main", "series", "run")
    there: dict[tuple[str, int], float] = {}
    with (
        bench.null_worker(kafka),
        bench.process(
            kafka, *series, RUNGWATCH_REDIS_URL=redis.url.get_secret_value(), RUNGWATCH_REDIS_PREFIX=redis.prefix
        ),
        closing(KafkaBusProducer(kafka)) as producer,
    ):
        watching = threading.Thread(target=_watch, args=(redis, there, count + WARM_EVENTS))
        watching.start()
        topic = Topics(kafka.prefix).segments
        for index in range(count + WARM_EVENTS):
            if index == WARM_EVENTS:
                _wait(lambda: len(there) >= WARM_EVENTS)
            publish_all(producer, [publication(topic, event(index), "rungwatch/bench")])
            time.sleep(OVERHEAD_PAUSE_SECONDS)
        watching.join()
    taken = []
    for message in read_range(kafka, Topics(kafka.prefix).scores):
        record = SegmentScored.model_validate_json(message.value)
        place = record.stream_id, record.segment_number
        if record.segment_number * STREAMS + int(record.stream_id.removeprefix("channel-")) >= WARM_EVENTS:
            assert record.scored_at is not None
            taken.append((there[place] - record.scored_at.timestamp()) * 1000)
    taken.sort()
    return [
        Figure("from scored to readable in Redis, median", statistics.median(taken), "ms"),
        Figure(f"from scored to readable, p99 of {len(taken)}", taken[int(len(taken) * 0.99)], "ms", "<= 50"),
        Figure("from scored to readable, most", taken[-1], "ms"),
    ]


def _watch(redis: RedisSettings, there: dict[tuple[str, int], float], count: int) -> None:
    """Note when each point is told; that is done by the script that writes it, so it can be read by then."""
    client = Redis.from_url(redis.url.get_secret_value())
    with closing(client.pubsub(ignore_subscribe_messages=True)) as channel:
        channel.psubscribe(Keys(redis.prefix).channel("*").replace("%2A", "*"))
        until = time.monotonic() + PATIENCE_SECONDS
        while len(there) < count and time.monotonic() < until:
            told = channel.get_message(timeout=1.0)
            if told is not None:
                now = time.time()
                point = QualityPoint.model_validate_json(told["data"])
                there.setdefault((point.stream_id, point.segment_number), now)


def _wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError("what is measured did not happen")
        time.sleep(0.05)


def measure_memory(bench: Bench, count: int, first: int) -> list[Figure]:
    kafka = bench.kafka("memory")
    publishing = threading.Thread(target=publish, args=(kafka, 0, count), daemon=True)
    with bench.null_worker(kafka) as worker:
        publishing.start()
        done = committed(kafka)
        wait_for(first, done, worker)
        begin_count, begin = done(), resident_bytes(worker.pid)
        wait_for(count, done, worker)
        end = resident_bytes(worker.pid)
    publishing.join()
    return [
        Figure(f"worker's memory after {begin_count} events", begin / 1e6, "MB"),
        Figure(f"growth to {count} events", (end - begin) / 1e6, "MB", f"<= {FLAT_BYTES / 1e6:.0f}"),
    ]


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Device:
    """Takes the same time for every batch, stands where the scorer is."""

    def __init__(self) -> None:
        self.batches: list[tuple[float, float, int]] = []

    def predict(self, batch: list[int]) -> list[int]:
        begin = time.perf_counter()
        time.sleep(DEVICE_SECONDS)
        self.batches.append((begin, time.perf_counter(), len(batch)))
        return batch


def measure_batching(seconds: float = 5.0, alone: int = 200) -> list[Figure]:
    device: Any = Device()
    asker: Any
    until = time.monotonic() + seconds
    with Batcher(device, BATCH) as asker, ThreadPoolExecutor(THREADS) as threads:

        def work(number: int) -> None:
            while time.monotonic() < until:
                asker.score(number)

        list(threads.map(work, range(THREADS)))
        batches, device.batches = device.batches, []
        taken = []
        for number in range(alone):
            begin = time.perf_counter()
            asker.score(number)
            taken.append((time.perf_counter() - begin) * 1000)
            time.sleep(0.005)
        own = [(end - begin) * 1000 for begin, end, _ in device.batches]
    added = sorted(total - device_ms for total, device_ms in zip(taken, own, strict=True))
    busy = sum(end - begin for begin, end, _ in batches) / (batches[-1][1] - batches[0][0])
    return [
        Figure("device busy while work waits", busy * 100, "%", ">= 85"),
        Figure(f"clips in a batch of at most {BATCH}, mean", statistics.mean(size for _, _, size in batches), "clips"),
        Figure("added to a clip alone, median", statistics.median(added), "ms"),
        Figure(f"added to a clip alone, p99 of {alone}", added[int(alone * 0.99)], "ms", "<= 10"),
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", help="some of events, points, overhead, memory, batching, with commas")
    options.add_argument("--events", type=int, default=30_000)
    options.add_argument("--memory-events", type=int, default=MEMORY_EVENTS)
    options.add_argument("--out", type=Path, default=Path("bench-out"))
    given = options.parse_args()
    figures: list[Figure] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rungwatch-bench-")))
        broker = stack.enter_context(Broker(folder / "kafka"))
        redis = stack.enter_context(RedisServer(folder=folder / "redis", options=("--appendfsync", "everysec")))
        bench = Bench(broker, redis)
        measurements: dict[str, Callable[[], list[Figure]]] = {
            "events": lambda: measure_events(bench, given.events),
            "points": lambda: measure_points(20_000),
            "overhead": lambda: measure_overhead(bench, OVERHEAD_EVENTS),
            "memory": lambda: measure_memory(bench, given.memory_events, MEMORY_FROM),
            "batching": measure_batching,
        }
        for name in given.only.split(",") if given.only else measurements:
            for figure in measurements[name]():
                print(figure.line(), flush=True)
                figures.append(figure)
    load = os.getloadavg()
    print(f"load of the machine: {load[0]:.1f} of {os.cpu_count()} cores over the last minute, {load[2]:.1f} over 15")
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average": load,
        "figures": [
            {"name": each.name, "value": each.value, "unit": each.unit, "goal": each.goal or None, "met": each.is_met}
            for each in figures
        ],
    }
    given.out.mkdir(exist_ok=True)
    (given.out / "service.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all(figure.is_met is not False for figure in figures) else 1)


if __name__ == "__main__":
    main()
