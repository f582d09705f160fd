"""What the application is given: who answers its questions, and who counts what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline.api.hub import Hub
from pipeline.history import History, Pictures
from schemas import Annotation

Verdicts = dict[str, str | None]
"""By name: None where all is well, else the reason."""


class Annotations(Protocol):
    """What people noted of streams. All raise Unavailable where the store is away."""

    def add(self, annotation: Annotation) -> None: ...

    def read(
        self, stream_id: str, start_seconds: float | None = None, end_seconds: float | None = None
    ) -> list[Annotation]:
        """Return those that overlap [start, end), seconds since the epoch, in order of time."""
        ...

    def remove(self, stream_id: str, annotation_id: str) -> bool:
        """Return whether it was there."""
        ...


class Requests(Protocol):
    """Is told of every request, and of how many listen."""

    def answered(self, route: str, status: int, seconds: float) -> None:
        """`route`: the path of the endpoint, never of the request."""
        ...

    def listening(self, clients: int) -> None: ...

    def cut_off(self, reason: str) -> None:
        """Hear that a live client lost events, or was hung up on."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What stands behind the endpoints; all may be used by many threads."""

    history: History
    pictures: Pictures
    annotations: Annotations
    hub: Hub
    requests: Requests
    metrics: Callable[[str], tuple[bytes, str]]
    """For an Accept header: the exposition and its media type."""
    alive: Callable[[], Verdicts]
    ready: Callable[[], Verdicts]
