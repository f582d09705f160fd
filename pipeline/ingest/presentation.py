"""The seam of live ingest: a presentation is asked again and again for what is new, whatever it is made of."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from schemas import Ladder, ManifestFinding, Segment, TimeBasis
from schemas.record import Record


@dataclass(frozen=True, slots=True)
class Update:
    """What a look at a presentation brought."""

    ladder: Ladder
    """As declared now; the same object as before where nothing changed."""
    aligned_by: TimeBasis | None
    """How segments of different renditions find each other; None: they cannot, and are not compared."""
    segments: tuple[Segment, ...]
    """Every segment of every rendition once, when it is new: in order of time within a rendition.

    `start_seconds` lies on the time axis of `aligned_by`, and does not change from look to look.
    """
    findings: tuple[ManifestFinding, ...]
    """What began or ended since the last look."""
    is_live: bool
    is_over: bool
    """True: nothing will come any more."""
    wait_seconds: float
    """After which to ask again."""
    notes: tuple[str, ...] = ()
    """What is left out on purpose, in sentences; on the first look."""


class Presentation(Protocol):
    """One stream as it is published. Used by one thread at a time."""

    def look(self) -> Update:
        """Read what has to be read and return what is new.

        Raises:
            Transient: It cannot be had now: ask again, a little later each time.
            Rejected: It cannot be followed, however often it is tried.
        """

    def close(self) -> None: ...


@runtime_checkable
class Resumable(Protocol):
    """A presentation that has no clock of its own to find its place by after a restart."""

    @property
    def position(self) -> Record:
        """Where the next process goes on: what was given out before stays at its place on the time axis."""
