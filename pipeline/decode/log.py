"""libav's log: kept for the error at hand, never on stderr."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import av.logging

_KEPT_LINES = 12


def keep_quiet() -> None:
    """Route libav's errors to `captured`; what is said outside of it goes nowhere."""
    if av.logging.get_level() is None:
        av.logging.set_level(av.logging.ERROR)
        logger = logging.getLogger("libav")
        logger.propagate = False
        logger.addHandler(logging.NullHandler())


@contextmanager
def captured(lines: list[str]) -> Iterator[None]:
    """Append what libav says inside to `lines`, of which the last few are kept."""
    with av.logging.Capture() as logs:
        try:
            yield
        finally:
            if logs:
                lines.extend(f"[{name}] {message.strip()}" for _, name, message in logs if message.strip())
                del lines[:-_KEPT_LINES]
