"""What ingest hands on: a stream with its ladder, the segments of every rendition, and what could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import Rejected, Transient
from schemas import Ladder, Rendition, Segment, TimeBasis

Failure = Rejected | Transient
"""Why something could not be read: for good, or after all attempts."""

Problem = tuple[str, Failure]
"""Where (path, URI), and why."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One live channel or VOD title, ready to be scored."""

    ladder: Ladder
    segments: Mapping[str, tuple[Segment, ...]]
    """`rendition_id` -> its segments by time.

    A segment with `window_seconds` is a part of a file that holds more: read it with `Fetcher.local_path`.
    """
    plain_files: bool
    """True: every rendition is one file with one entry, `window_seconds` None, for the caller to cut."""
    aligned_by: TimeBasis | None
    """How segments of different renditions find each other; None: they cannot, and are not compared."""
    problems: tuple[Problem, ...] = ()
    """What could not be read beside what could."""
    notes: tuple[str, ...] = ()
    """What was left out on purpose, in sentences."""
    live: "LiveSource | None" = None
    """Where to go on reading what is published from now on; None: this is all."""


@dataclass(frozen=True, slots=True)
class LiveSource:
    """A playlist or manifest that is still written."""

    uri: str
    kind: Literal["hls", "dash"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A stream that has no id yet."""

    name: str
    renditions: tuple[tuple[Rendition, tuple[Segment, ...]], ...]
    plain_files: bool
    aligned_by: TimeBasis | None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    live: LiveSource | None = None

    def stream(self, stream_id: str, notes: tuple[str, ...] = ()) -> Stream:
        return Stream(
            ladder=Ladder(stream_id=stream_id, renditions=tuple(rendition for rendition, _ in self.renditions)),
            segments={rendition.rendition_id: segments for rendition, segments in self.renditions},
            plain_files=self.plain_files,
            aligned_by=self.aligned_by,
            problems=self.problems,
            notes=self.notes + notes,
            live=self.live,
        )
