"""Processes in the background, known by what is noted of them: started once, found again, ended."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.kafka_jars import ServiceError

HOST = "127.0.0.1"
STOP_SECONDS = 40.0
"""Longer than a worker may take to finish what is at work (`RUNGWATCH_BUS_DRAIN_SECONDS`, 25)."""


@dataclass(frozen=True)
class Background:
    """One process. What was started is known by its id and the moment that it began: ids are used again."""

    name: str
    port: int
    folder: Path
    """Where its data, its log and the note lie."""
    start_it: "Callable[[Background], int]" = field(repr=False)
    """Starts it, and returns its id; it need not answer yet."""
    answer: "Callable[[Background], str | None]" = field(repr=False)
    """Returns None where it does its work, else why not."""
    needs_seconds: float = 120.0
    """From start to work, on a busy machine."""
    address: str = ""
    """For people."""

    @property
    def log_file(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def note(self) -> Path:
        return self.folder.parent / f"{self.name}.pid"

    @property
    def where(self) -> str:
        return self.address or f"localhost:{self.port}"

    def pid(self) -> int | None:
        """Return the process that was started here, while it lives."""
        try:
            number, began = self.note.read_text().split()
        except (OSError, ValueError):
            return None
        return int(number) if _began(int(number)) == began else None

    def is_taken(self) -> bool:
        """Whether something that was not started here holds its port."""
        if self.pid() is not None:
            return False
        try:
            socket.create_server((HOST, self.port)).close()
        except OSError:
            return True
        return False

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        pid = self.start_it(self)
        self.note.write_text(f"{pid} {_began(pid)}\n")

    def ask_to_end(self) -> int | None:
        """Return the process that was asked; None: there is none."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
        return pid

    def wait_for_end(self) -> None:
        until = time.monotonic() + STOP_SECONDS
        while (pid := self.pid()) is not None:
            if time.monotonic() > until:
                # All began a session of their own: what they started in turn goes with them.
                os.killpg(pid, signal.SIGKILL)
            time.sleep(0.05)
        self.note.unlink(missing_ok=True)

    def end_of_log(self) -> str:
        try:
            return self.log_file.read_text(errors="replace")[-2000:]
        except OSError:
            return "(nothing)"


def wait(processes: Sequence[Background]) -> None:
    """Return when all do their work. Raises ServiceError as soon as one ends, and where one does not in time."""
    began = time.monotonic()
    while waiting := [(each, reason) for each in processes if (reason := each.answer(each)) is not None]:
        for each, reason in waiting:
            if each.pid() is None:
                raise ServiceError(f"{each.name} ended; the end of {each.log_file}:\n{each.end_of_log()}")
            if time.monotonic() - began > each.needs_seconds:
                raise ServiceError(
                    f"{each.name} is not ready after {each.needs_seconds:.0f} s ({reason}); see {each.log_file}"
                )
        time.sleep(0.2)


def spawned(of: Background, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> int:
    """Start a command with its output in the log, in a session of its own: closing a terminal does not end it."""
    with of.log_file.open("ab") as log:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **environment},
            cwd=folder,
            start_new_session=True,
        ).pid


def http_answer(url: str) -> str | None:
    """Return None where a GET is answered with 200; else why not, as /readyz puts it."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return None if answer.status == 200 else f"it answers {answer.status}"
    except urllib.error.HTTPError as error:
        try:
            checks = json.load(error)["checks"]
        except (ValueError, KeyError, TypeError):
            return f"it answers {error.code}"
        return "; ".join(f"{name}: {said}" for name, said in checks.items() if said != "ok")
    except OSError as error:
        return f"no answer ({getattr(error, 'reason', error)})"


def _began(pid: int) -> str | None:
    """Return the moment that a process began, in ticks since the machine did; None: there is no such process."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] == "Z" else after_name[19]
