"""A playlist or manifest as read, and what its reader needs to follow it."""

from dataclasses import dataclass

from pipeline.errors import NotAllowed
from pipeline.ingest.access import Scope, shown
from pipeline.ingest.fetch import Fetcher
from pipeline.ingest.stream import Failure, Problem
from pipeline.settings import FetchLimits


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a playlist, where they came from in the end, and what they may point to."""

    data: bytes
    uri: str
    scope: Scope
    fetcher: Fetcher
    limits: FetchLimits

    def follow(self, reference: str, base: str | None = None) -> str:
        """Return the absolute URI of what this playlist points to. Raises NotAllowed."""
        return self.fetcher.access.follow(reference, base or self.uri, self.scope)


class Refusals:
    """Collects what a playlist may not point to, so that a thousand segments of one host are one problem."""

    def __init__(self, origin: str) -> None:
        self._origin = shown(origin)
        self._first: NotAllowed | None = None
        self._count = 0

    def add(self, error: NotAllowed) -> None:
        self._first = self._first or error
        self._count += 1

    def problems(self) -> tuple[Problem, ...]:
        if self._first is None:
            return ()
        more = f" (and {self._count - 1} more segments)" if self._count > 1 else ""
        return ((self._origin, NotAllowed(f"{self._first}{more}")),)


def one_of(problems: tuple[Problem, ...], what: str) -> Failure:
    """Return the error of a playlist of which nothing could be read: the first, with the number of the others."""
    _, first = problems[0]
    more = f" (none of the {len(problems)} {what} can be read)" if len(problems) > 1 else ""
    return type(first)(f"{first}{more}")
