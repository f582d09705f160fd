"""Whether the loops of a process go round, and whether it can do its work now."""

import time
from collections.abc import Callable
from threading import Lock

from pipeline.errors import RungwatchError

Check = Callable[[], str | None]
"""Returns None where all is well, else the reason; from any thread, within a second or two."""
Verdicts = dict[str, str | None]
"""By name: None where all is well, else the reason."""

BEAT_SECONDS = 60.0
"""Far over the slowest turn of a healthy loop, which waits for nothing longer than a few seconds."""


class Health:
    """Heartbeats (is the process alive: restart it if not) and checks (is it ready: wait if not).

    A loop that waits for Kafka or Redis still beats; only readiness says that it waits. To restart a process
    because a service is away helps nobody.
    """

    def __init__(self, clock_seconds: Callable[[], float] = time.monotonic) -> None:
        self._clock_seconds = clock_seconds
        self._lock = Lock()
        self._beats: dict[str, tuple[float, float]] = {}
        self._checks: dict[str, Check] = {}

    def heart(self, name: str, limit_seconds: float = BEAT_SECONDS) -> Callable[[], None]:
        """Return what the loop calls at every turn. From now on a silence of more than `limit_seconds` is death."""

        def beat() -> None:
            with self._lock:
                self._beats[name] = (self._clock_seconds(), limit_seconds)

        beat()
        return beat

    def stopped(self, name: str) -> None:
        """Say that a loop has ended as it should, so that its silence means nothing."""
        with self._lock:
            self._beats.pop(name, None)

    def check(self, name: str, check: Check) -> None:
        """Have `check` asked whenever somebody wants to know whether the process is ready."""
        with self._lock:
            self._checks[name] = check

    def flag(self, name: str, reason: str) -> "Flag":
        """Return a check that is told instead of asked, not ready for `reason` until `Flag.good`."""
        flag = Flag(reason)
        self.check(name, flag.reason)
        return flag

    def alive(self) -> Verdicts:
        with self._lock:
            beats = dict(self._beats)
        now = self._clock_seconds()
        return {name: _silence(name, now - beat, limit) for name, (beat, limit) in beats.items()}

    def ready(self) -> Verdicts:
        """Return what every check says, and every heart that is silent."""
        with self._lock:
            checks = dict(self._checks)
        silent = {name: reason for name, reason in self.alive().items() if reason is not None}
        return {name: _ask(check) for name, check in checks.items()} | silent


class Flag:
    """One thing that is well or not, set by whoever knows."""

    def __init__(self, reason: str) -> None:
        self._reason: str | None = reason

    def good(self) -> None:
        self._reason = None

    def is_because(self, reason: str | None) -> None:
        """None: it is well."""
        self._reason = reason

    def reason(self) -> str | None:
        return self._reason


def _silence(name: str, seconds: float, limit_seconds: float) -> str | None:
    if seconds <= limit_seconds:
        return None
    return (
        f"the loop {name!r} has not gone round for {seconds:.0f} s, and {limit_seconds:.0f} s is its limit: it hangs; "
        "restart this process"
    )


def _ask(check: Check) -> str | None:
    try:
        return check()
    except RungwatchError as error:  # its message is written for people and carries no secrets
        return str(error)
    except Exception as error:
        # Whatever is wrong with a check, the answer is "not ready". Only the kind of the error is told: the text of a
        # stranger's error may carry an address with a password in it.
        return f"the check itself failed with {type(error).__name__}"
