"""`make up`: everything starts, the simulated ladder can be seen, a fault shows, and `make down` leaves nothing."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from services.background import HOST
from services.stack import PORTS, Stack

TESTS = Path(__file__).parents[1]


class Local:
    """The command behind the targets of the Makefile, on ports and in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.stack = Stack(folder, free_ports(len(PORTS)))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        where = ["--state", str(self.stack.folder), "--first-port", str(self.stack.first_port)]
        return subprocess.run(
            [sys.executable, "-m", "services", *words, *where],
            env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"},
            cwd=TESTS.parent,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def pids(self) -> dict[str, int | None]:
        return {each.name: each.pid() for each in self.stack.processes()}

    def ladder(self) -> dict[str, dict[str, Any]]:
        url = f"{self.stack.page}api/v1/ladder?stream=live"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return {rung["rendition_id"].partition("-")[0]: rung for rung in json.load(answer)["rungs"]}
        except OSError:
            return {}

    def rung(self, name: str) -> dict[str, Any]:
        """Return a rung of the ladder, as soon as that is answered."""
        found: dict[str, dict[str, Any]] = {}
        until(lambda: name in found or found.update(self.ladder()))
        return found[name]


def free_ports(count: int) -> int:
    """Return the first of so many free ports in a row."""
    for _ in range(100):
        first = random.randrange(20_000, 32_000)
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server((HOST, port)))
            except OSError:
                continue
            return first
    raise AssertionError("no ports in a row are free")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    made = Local(tmp_path_factory.mktemp("stack"))
    yield made
    made.run("down")


def until(is_so: Any, seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)


def test_everything_starts_shows_the_ladder_and_a_fault_and_ends(local: Local) -> None:
    up = local.run("up")
    assert up.returncode == 0, up.stdout + up.stderr
    assert local.stack.page in up.stdout
    assert "simulate fault" in up.stdout
    first = local.pids()
    assert None not in first.values()
    until(lambda: len(local.ladder()) == 4)

    again = local.run("up")
    assert (again.returncode, local.pids()) == (0, first)
    assert again.stdout.count("runs already") == len(first)
    until(lambda: local.run("status").returncode == 0)

    usual = local.rung("270p")["score"]
    body = json.dumps({"fault": "starved", "rung": "270p", "seconds": 120}).encode()
    asked = urllib.request.Request(f"{local.stack.control}/control/faults", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        since = json.load(answer)["since"]
    while (shown := local.rung("270p"))["score"] >= usual - 10:
        assert shown["start_seconds"] - since < 120, "it did not come"
        time.sleep(0.2)
    assert shown["start_seconds"] - since < 120

    worker = first["worker"]
    assert worker is not None
    os.killpg(worker, signal.SIGKILL)
    until(lambda: local.pids()["worker"] is None)
    status = local.run("status")
    assert status.returncode == 1
    assert "worker: does not run; start it with `make up`" in status.stdout
    assert local.run("up").returncode == 0
    assert {name for name, pid in local.pids().items() if pid != first[name]} == {"worker"}

    down = local.run("down")
    assert (down.returncode, set(local.pids().values())) == (0, {None})
    assert down.stdout.count("ended (process") == len(first)
    assert all(not each.is_taken() for each in local.stack.processes())


def test_kafka_and_redis_alone_can_be_had(tmp_path: Path) -> None:
    local = Local(tmp_path)
    try:
        up = local.run("up", "--only", "services")
        assert up.returncode == 0, up.stdout + up.stderr
        assert {name for name, pid in local.pids().items() if pid} == {"kafka", "redis"}
        assert f"localhost:{local.stack.port('kafka')}" in up.stdout
    finally:
        local.run("down")


def test_a_port_that_is_taken_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    local = Local(tmp_path)
    with socket.create_server((HOST, local.stack.port("prometheus"))):
        up = local.run("up")
    assert up.returncode == 1
    assert f"port {local.stack.port('prometheus')} is taken" in up.stderr
    assert set(local.pids().values()) == {None}


def test_what_does_not_start_is_named_with_its_log(tmp_path: Path) -> None:
    local = Local(tmp_path)
    local.stack.folder.mkdir(exist_ok=True)
    local.stack.sources.write_text("sources: []\n")
    try:
        up = local.run("up")
        assert up.returncode == 1
        assert "ingest ended; the end of" in up.stderr
        assert "sources.yaml" in up.stderr
    finally:
        local.run("down")
