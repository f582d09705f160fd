"""Live ingest alone: ``make bench-live``. 100 ladders of 5 rungs, segments of 2 s, one process that follows them.

    missed     segments that were published and never announced; doubled: announced twice
    delay      from the publication of a segment, by the origin's clock, until its event is in the sink
    CPU        of the process, as a share of the one core that it may use
    memory     resident minute by minute, and its growth from the first to the last

Run: PYTHONPATH=tests:tests/benchmarks python tests/benchmarks/live.py [--minutes 10] [--ladders 100] [--format hls]

The origin is a process of its own on another core; the sink drops what it is given. Wall time: say what else ran.
Writes bench-out/live.json.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from simulate_factory import make_encodes

from pipeline.errors import Rejected, Transient
from pipeline.ingest import Fetcher
from pipeline.ingest.presentation import Update
from pipeline.settings import FetchLimits, Settings
from schemas import ManifestFinding, SegmentReady
from schemas.record import Record
from workers.service.live import follower
from workers.service.sources import SourceSpec
from workers.simulate import Origin

if TYPE_CHECKING:
    from service import Figure

RUNGS, SEGMENT_SECONDS = 5, 2.0
MASTERS = {"hls": "master.m3u8", "ts": "ts.m3u8", "dash": "manifest.mpd"}
WARM_SECONDS = 20.0
"""All sources are opened by then; delays count from there on."""
SLACK_SECONDS = 2 * SEGMENT_SECONDS
"""What was published less than this before the end need not be known by then."""
FLAT_BYTES = 15_000_000
"""What the allocator moves about."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the following process says of itself."""

    announced: int
    missed: int
    doubled: int
    renditions: int
    delays_seconds: tuple[float, float, float]
    """Median, 99th percentile, most."""
    cpu_share: float
    resident_bytes: list[int]
    """After every minute, and at the end."""
    findings: dict[str, int]
    failures: list[str]


class Null:
    """Implements `Sink`: keeps which numbers came and how late, and drops the rest."""

    def __init__(self) -> None:
        self.published: dict[tuple[str, str], list[int]] = {}
        """First number, last number, how many, and how many came twice, by stream and rendition."""
        self.ends_seconds: dict[tuple[str, str], float] = {}
        self.delays_seconds = array("f")
        self.findings: Counter[str] = Counter()
        self.failures: list[str] = []
        self.counts_from_seconds = time.time() + WARM_SECONDS
        self._lock = threading.Lock()

    def event(self, event: SegmentReady) -> bool:
        now, segment = time.time(), event.segment
        key = event.stream_id, segment.rendition_id
        # The wall clock of its first picture is on the axis, and it is published when its last one is over.
        end = segment.start_seconds + SEGMENT_SECONDS
        with self._lock:
            known = self.published.setdefault(key, [segment.number, segment.number - 1, 0, 0])
            if segment.number <= known[1]:
                known[3] += 1
                return False
            known[1], known[2] = segment.number, known[2] + 1
            self.ends_seconds[key] = end
            if end >= self.counts_from_seconds:
                self.delays_seconds.append(now - end)
        return True

    def finding(self, finding: ManifestFinding) -> None:
        with self._lock:
            self.findings[finding.kind.value] += 1

    def opened(self, source: SourceSpec, update: Update) -> None: ...

    def looked(self, source: SourceSpec, position: Record | None) -> None: ...

    def failed(self, source: SourceSpec, error: Rejected | Transient) -> None:
        with self._lock:
            self.failures.append(f"{source.id}: {error}")

    def measured(self, at: float, cpu_share: float, resident_bytes: list[int]) -> Measured:
        with self._lock:
            missed = sum(last - first + 1 - count for first, last, count, _ in self.published.values())
            late = (at - SLACK_SECONDS - end for end in self.ends_seconds.values())
            missed += sum(int(seconds // SEGMENT_SECONDS) for seconds in late if seconds >= SEGMENT_SECONDS)
            delays = sorted(self.delays_seconds)
            shares = [delays[min(int(share * len(delays)), len(delays) - 1)] for share in (0.5, 0.99, 1.0)]
            return Measured(
                announced=sum(each[2] for each in self.published.values()),
                missed=missed,
                doubled=sum(each[3] for each in self.published.values()),
                renditions=len(self.published),
                delays_seconds=(shares[0], shares[1], shares[2]),
                cpu_share=cpu_share,
                resident_bytes=resident_bytes,
                findings=dict(self.findings),
                failures=self.failures[:10],
            )


def now_resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def serve(options: argparse.Namespace) -> None:
    """Publish until the parent says so; the first line of output is the address."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with Origin(make_encodes(options.folder, rungs=RUNGS), ladders=options.ladders) as origin:
        print(json.dumps({"url": origin.url, "streams": origin.streams}), flush=True)
        stop.wait()


def follow(options: argparse.Namespace) -> None:
    """Follow for so many minutes; the only line of output is what was measured."""
    where = json.loads(options.where)
    limits = FetchLimits(hosts=("127.0.0.1",))
    sink, stop = Null(), threading.Event()
    with Fetcher(limits) as fetcher:
        following = follower(Settings(fetch=limits), fetcher, sink, ends=False)
        specs = [
            SourceSpec(id=name, url=f"{where['url']}/{name}/{MASTERS[options.format]}") for name in where["streams"]
        ]
        following.set_sources(specs)
        thread = threading.Thread(target=following.run, args=(stop,))
        thread.start()
        by_minute: list[int] = []
        time.sleep(WARM_SECONDS)
        began, used = time.monotonic(), time.process_time()
        until = began + 60 * options.minutes - WARM_SECONDS
        while (left := until - time.monotonic()) > 0 and thread.is_alive():
            time.sleep(min(left, 1.0))
            if time.monotonic() - began + WARM_SECONDS >= 60 * (len(by_minute) + 1):
                by_minute.append(now_resident_bytes())
        share = (time.process_time() - used) / (time.monotonic() - began)
        measured = sink.measured(time.time(), share, [*by_minute, now_resident_bytes()])
        stop.set()
        thread.join()
    print(json.dumps(asdict(measured)), flush=True)


def figures(found: Measured, options: argparse.Namespace) -> "list[Figure]":
    from service import Figure  # noqa: PLC0415 - what it imports is not to be in the memory of what is measured

    median, p99, most = found.delays_seconds
    first, *_, last = found.resident_bytes
    return [
        Figure("renditions followed", found.renditions, "", f">= {options.ladders * RUNGS}"),
        Figure("segments announced", found.announced, ""),
        Figure("segments missed", found.missed, "", "<= 0"),
        Figure("segments doubled", found.doubled, "", "<= 0"),
        Figure("from published to known, median", median * 1000, "ms", "<= 1000"),
        Figure("from published to known, p99", p99 * 1000, "ms", f"<= {SEGMENT_SECONDS * 1000:g}"),
        Figure("from published to known, most", most * 1000, "ms"),
        Figure("findings, of an origin without faults", sum(found.findings.values()), "", "<= 0"),
        Figure("CPU, of one core", found.cpu_share * 100, "%", "<= 100"),
        Figure("resident after a minute", first / 1e6, "MB"),
        Figure("resident at the end", last / 1e6, "MB"),
        Figure("growth", (last - first) / 1e6, "MB", f"<= {FLAT_BYTES / 1e6:g}"),
    ]


def measure(options: argparse.Namespace) -> Measured:
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="rungwatch-bench-") as folder:
        make_encodes(Path(folder), rungs=RUNGS)
        common = [sys.executable, __file__, "--ladders", str(options.ladders), "--minutes", str(options.minutes)]
        with subprocess.Popen(
            [*common, "--role", "serve", "--folder", folder], stdout=subprocess.PIPE, text=True
        ) as at:
            try:
                os.sched_setaffinity(at.pid, {cores[-1]})
                assert at.stdout is not None
                role = ["--role", "follow", "--where", at.stdout.readline(), "--format", options.format]
                with subprocess.Popen([*common, *role], stdout=subprocess.PIPE, text=True) as process:
                    try:
                        os.sched_setaffinity(process.pid, {cores[0]})
                        found, _ = process.communicate(timeout=60 * options.minutes + 120)
                    finally:
                        process.kill()
            finally:
                at.terminate()
    if process.returncode != 0:
        raise RuntimeError(f"the following process ended with {process.returncode}")
    raw = json.loads(found)
    return Measured(**{**raw, "delays_seconds": tuple(raw["delays_seconds"])})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="at least 2, so that memory can be compared")
    parser.add_argument("--ladders", type=int, default=100)
    parser.add_argument("--format", choices=sorted(MASTERS), default="hls")
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    parser.add_argument("--role", choices=("serve", "follow"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--where", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role is not None:
        (serve if options.role == "serve" else follow)(options)
        return
    if options.minutes < 2:
        parser.error("--minutes: at least 2")
    found = measure(options)
    rows = figures(found, options)
    print(f"{options.ladders} ladders of {RUNGS} rungs, {options.format}, {options.minutes:g} minutes, one core")
    for row in rows:
        print(row.line())
    print("resident by minute:", ", ".join(f"{each / 1e6:.0f} MB" for each in found.resident_bytes))
    for kind, count in found.findings.items():
        print(f"  finding {kind}: {count}")
    for failure in found.failures:
        print(f"  {failure}")
    load = os.getloadavg()
    print(f"load of the machine: {load[0]:.1f} of {os.cpu_count()} cores over the last minute, {load[2]:.1f} over 15")
    report = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average": load,
        "format": options.format,
        "ladders": options.ladders,
        "minutes": options.minutes,
        "figures": [
            {"name": each.name, "value": each.value, "unit": each.unit, "goal": each.goal or None, "met": each.is_met}
            for each in rows
        ],
        "resident_bytes": found.resident_bytes,
        "findings": found.findings,
        "failures": found.failures,
    }
    options.out.mkdir(exist_ok=True)
    (options.out / "live.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if all(row.is_met is not False for row in rows) else 1)


if __name__ == "__main__":
    main()
