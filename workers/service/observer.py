"""What a scoring worker tells of itself while it works; metrics stand behind it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

from schemas import Basis

Stage = Literal["fetch", "decode", "prepare", "model"]
PictureFate = Literal["kept", "left", "dropped", "failed"]


class WorkObserver(Protocol):
    """Called from many threads."""

    def stage(self, name: Stage, seconds: float) -> None:
        """One segment took so long in ``fetch``, ``decode``, ``prepare`` or ``model`` (waiting for it included)."""

    def sheet(self, *, hit: bool) -> None:
        """A reference was wanted: it was in the cache, or had to be decoded."""

    def batch(self, clips: int, busy_seconds: float) -> None:
        """The model was asked about so many clips at once."""

    def waiting(self, clips: int) -> None:
        """So many clips wait for the model."""

    def scored(self, basis: Basis, *, delay_seconds: float | None) -> None:
        """`delay_seconds`: from the end of the live segment to now; None: not live."""

    def skipped(self) -> None:
        """Live work came too late."""

    def picture(self, fate: PictureFate) -> None:
        """The picture of a worst frame was kept; left, as worse ones are kept or it is too large; dropped, as too many
        waited; or Redis failed."""


class Silent:
    """Tells nobody."""

    def stage(self, name: Stage, seconds: float) -> None: ...

    def sheet(self, *, hit: bool) -> None: ...

    def batch(self, clips: int, busy_seconds: float) -> None: ...

    def waiting(self, clips: int) -> None: ...

    def scored(self, basis: Basis, *, delay_seconds: float | None) -> None: ...

    def skipped(self) -> None: ...

    def picture(self, fate: PictureFate) -> None: ...


@contextmanager
def timed(observer: WorkObserver, stage: Stage) -> Iterator[None]:
    """Tell how long the block took, also where it raised."""
    begin = time.perf_counter()
    try:
        yield
    finally:
        observer.stage(stage, time.perf_counter() - begin)
