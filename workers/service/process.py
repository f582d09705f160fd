"""What every long-running process shares: it stops on a signal, answers for its health, and counts."""

import logging
import signal
import threading
from collections.abc import Callable
from importlib.metadata import version
from types import FrameType, TracebackType
from typing import Self

from pipeline.observe.bus import BusMetrics, BusObserver
from pipeline.observe.endpoint import Endpoint, serve
from pipeline.observe.health import Health
from pipeline.observe.metrics import Metrics
from pipeline.settings import ServiceSettings

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

Loop = Callable[[threading.Event], None]
"""Works until the event is set."""


class Process:
    """Metrics, health, endpoint and the stop event of one process; a context manager, for the main thread."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.metrics = Metrics(version("rungwatch"))
        self.health = Health()
        self.stop = threading.Event()
        self._bus = BusMetrics(self.metrics)
        self._settings = settings
        self._endpoint: Endpoint | None = None
        self._before: dict[signal.Signals, object] = {}

    def observer(self, role: str) -> BusObserver:
        """Return the observer of one runner: its silence makes the process unhealthy, a bus that is away not ready."""
        bus = self.health.flag(f"bus of {role}", "the bus was not reached yet")
        return self._bus.observer(role, self.health.heart(role), bus.is_because)

    def __enter__(self) -> Self:
        self._endpoint = serve(self._settings, self.metrics, self.health)
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._stopped)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        if self._endpoint is not None:
            self._endpoint.close()

    def run(self, **loops: Loop) -> None:
        """Run loops side by side until all have ended. One that fails stops the others, and its error is raised."""
        failed: list[BaseException] = []

        def guarded(name: str, loop: Loop) -> None:
            try:
                loop(self.stop)
            except BaseException as error:
                failed.append(error)
                self.stop.set()
            finally:
                self.health.stopped(name)

        threads = [threading.Thread(target=guarded, args=pair, name=pair[0]) for pair in loops.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # with a time-out, because a join without one keeps signals waiting
                thread.join(0.5)
        if failed:
            raise failed[0]

    def _stopped(self, number: int, frame: FrameType | None) -> None:
        if self.stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: at once
        log.info("Stopping on %s; what is at work is finished first.", signal.Signals(number).name)
        self.stop.set()
