"""What a runner tells whoever counts. Plain words and numbers, so that a counter need not know the bus."""

from typing import Protocol


class Observer(Protocol):
    """All methods are called by the runner's thread, and must be quick."""

    def received(self, topic: str) -> None: ...

    def finished(self, topic: str, seconds: float) -> None:
        """A message is dealt with and what came of it is stored, so long after it was polled."""

    def retried(self, topic: str, error: str) -> None:
        """An attempt failed and another one will be made; `error` is the name of its class."""

    def rejected(self, topic: str, reason: str) -> None:
        """A message goes to the dead letters; `reason` as in `pipeline.errors`."""

    def discarded(self, topic: str) -> None:
        """An answer came when its partition was no longer ours."""

    def standing(self, in_flight: int, paused: bool, away: str | None) -> None:
        """How things stand; about once a second: a sign of life.

        `away`: why the bus does not answer, or has not answered yet; None: it does.
        """

    def lag(self, topic: str, partition: int, messages: int) -> None:
        """How many messages lie after those received; about once a second."""

    def gone(self, topic: str, partition: int) -> None:
        """A partition is no longer ours: its lag is another's to tell."""


class Unobserved:
    """Counts nothing."""

    def received(self, topic: str) -> None: ...

    def finished(self, topic: str, seconds: float) -> None: ...

    def retried(self, topic: str, error: str) -> None: ...

    def rejected(self, topic: str, reason: str) -> None: ...

    def discarded(self, topic: str) -> None: ...

    def standing(self, in_flight: int, paused: bool, away: str | None) -> None: ...

    def lag(self, topic: str, partition: int, messages: int) -> None: ...

    def gone(self, topic: str, partition: int) -> None: ...
