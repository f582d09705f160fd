"""The processes of a chaos run under supervision: killed on purpose and restarted at once; none may end by itself."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

STARTED = "--- started"
READY = ("INFO Scoring ", "INFO Writing ")
READY_SECONDS = 180.0
STOP_SECONDS = 120.0
"""After SIGTERM, on a busy machine; a process drains for 25 s at most."""


class Member:
    """One process that is started again and again, with one log."""

    def __init__(self, name: str, module: str, environment: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self._module = module
        self._environment = dict(environment)
        self._log = logs / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            log.write(f"{STARTED}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C is for the run, which ends its processes itself
            )  # fmt: skip

    def is_ready(self) -> bool:
        """Whether it has said, since it was started, that it works; before that a SIGTERM just ends it."""
        since = self._log.read_text(errors="replace").rpartition(STARTED)[2]
        return any(word in since for word in READY)

    def ended(self) -> int | None:
        """Return the exit status of a process that ended without being told to."""
        return None if self._process is None else self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> int | None:
        """Return the exit status after it was told to end. None: it did not, and was killed now."""
        process, self._process = self._process, None
        if process is None:
            return 0
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-1500:]


class Flock:
    """All members; methods may be called by several threads."""

    def __init__(self, logs: Path, settings: Mapping[str, str]) -> None:
        self._logs = logs
        self._settings = dict(settings)
        self._members: dict[str, Member] = {}
        self._lock = threading.RLock()
        self.problems: list[str] = []
        self.kills = 0

    def add(self, name: str, module: str, **settings: str) -> None:
        """Start a member; `settings` are for it alone."""
        paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("RUNGWATCH_")},
            **self._settings,
            **settings,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        }
        with self._lock:
            self._members[name] = Member(name, module, environment, self._logs)
            self._members[name].start()

    def names(self, start: str = "") -> list[str]:
        with self._lock:
            return sorted(name for name in self._members if name.startswith(start))

    def kill(self, name: str) -> None:
        """End a member as a crash would, and start it again."""
        with self._lock:
            self.look()
            if (member := self._members.get(name)) is None:
                return  # it ended by itself, which is noted
            member.signal(signal.SIGKILL)
            member.wait(STOP_SECONDS)
            member.start()
            self.kills += 1

    def lose(self, name: str) -> None:
        """End a member as a crash would, for ever."""
        with self._lock:
            self.look()
            member = self._members.pop(name, None)
        if member is not None:
            member.signal(signal.SIGKILL)
            member.wait(STOP_SECONDS)

    def leave(self, name: str) -> None:
        """Let a member go in good order, for ever."""
        with self._lock:
            self.look()
            member = self._members.pop(name, None)
        if member is not None:
            self._wait_until_ready(member)
            member.signal(signal.SIGTERM)
            self._left(member)

    def look(self) -> bool:
        """Note processes that ended by themselves; return whether there is such a one."""
        with self._lock:
            for name, member in list(self._members.items()):
                if (status := member.ended()) is not None:
                    del self._members[name]
                    self.problems.append(f"{name} ended by itself with {status}:\n{member.last_words()}")
            return bool(self.problems)

    def stop(self) -> float:
        """End all in good order, at once; return the seconds that it took."""
        with self._lock:
            self.look()
            members, self._members = list(self._members.values()), {}
        for member in members:
            self._wait_until_ready(member)
        begin = time.monotonic()
        for member in members:
            member.signal(signal.SIGTERM)
        for member in members:
            self._left(member)
        return time.monotonic() - begin

    def close(self) -> None:
        """End whatever is left, at once."""
        with self._lock:
            members, self._members = list(self._members.values()), {}
        for member in members:
            member.signal(signal.SIGKILL)
            member.wait(STOP_SECONDS)

    def is_ready(self, name: str) -> bool:
        with self._lock:
            member = self._members.get(name)
        return member is not None and member.is_ready()

    def wait_until_ready(self, names: Iterable[str]) -> None:
        with self._lock:
            members = [self._members[name] for name in names if name in self._members]
        for member in members:
            self._wait_until_ready(member)

    def _wait_until_ready(self, member: Member) -> None:
        until = time.monotonic() + READY_SECONDS
        while not member.is_ready() and member.ended() is None and time.monotonic() < until:
            time.sleep(0.1)

    def _left(self, member: Member) -> None:
        status = member.wait(STOP_SECONDS)
        if status != 0:
            how = f"did not end within {STOP_SECONDS:g} s of" if status is None else f"ended with {status} on"
            self.problems.append(f"{member.name} {how} SIGTERM:\n{member.last_words()}")
