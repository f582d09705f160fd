"""Progress on stderr while a command works: a line that is rewritten on a terminal, nothing where it is piped away."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from workers.run import Step

_REDRAW_SECONDS = 0.1


class Progress:
    """Says what is being done, how far it is, and how fast; a context manager that leaves the line clean."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = not quiet and sys.stderr.isatty()
        self._started = time.monotonic()
        self._drawn = 0.0
        self._segments = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def say(self, text: str) -> None:
        """Show one line of what is being done."""
        if self._shown:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def step(self, step: "Step") -> None:
        """Count one more segment."""
        self._segments += 1
        now = time.monotonic()
        if not self._shown or now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        of_total = f"{step.done} of {step.total}" if step.total else f"{step.done}"
        rate = self._segments / max(1e-3, now - self._started)
        left = f", about {(step.total - step.done) / rate:.0f} s left of this rung" if step.total else ""
        name = "".join(letter if letter.isprintable() else "?" for letter in f"{step.stream_id}  {step.rendition_id}")
        self.say(f"{name[:60]}  segment {of_total}  ({rate:.1f} segments/s{left})")
