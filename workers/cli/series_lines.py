"""Turns a question about a stream into lines: which range is meant, what lies in it, what to say of nothing."""

import difflib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import NotFound, UsageError
from pipeline.history import SeriesEntry, SeriesPoint, Wanted
from pipeline.series import SeriesQueries
from pipeline.words import WALL_CLOCK, as_time, printable
from schemas import SegmentSkipped, TimeBasis
from workers.cli.axis_time import AxisTime

MOST_NAMES = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """The options as given."""

    stream_id: str
    rendition_id: str | None = None
    start: AxisTime | None = None
    end: AxisTime | None = None
    last_seconds: float | None = None
    resolution: Wanted = "auto"
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One rendition over the range."""

    entry: SeriesEntry
    points: tuple[SeriesPoint, ...]
    skipped: tuple[SegmentSkipped, ...]

    @property
    def name(self) -> str:
        return printable(self.entry.series.rendition_id)

    @property
    def model(self) -> str:
        """Which scores they are; lines of two models are never compared without a word."""
        series = self.entry.series
        return (
            f"{printable(series.model_name)} @ {self.entry.latest.weights_hash[:12]}, {series.sampler_frames} frames a "
            f"segment by {printable(series.sampler_name)}, shown at {series.display_height_px} lines"
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found."""

    stream_id: str
    time_basis: TimeBasis
    lines: tuple[Line, ...]
    """Best bitrate first; only renditions with something in the range."""
    start_seconds: float
    end_seconds: float
    first_seconds: float
    last_seconds: float
    """Of all that is known of the stream."""

    @property
    def is_clock(self) -> bool:
        """Whether seconds are those since the epoch."""
        return self.time_basis in WALL_CLOCK

    def nothing(self) -> str:
        """Return a sentence for an empty range."""
        first, last = self.first_seconds, self.last_seconds
        spans = [as_time(each, self.time_basis) for each in (self.start_seconds, self.end_seconds, first, last)]
        if self.is_clock:
            spans = [
                time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(each))
                for each in (self.start_seconds, self.end_seconds, first, last)
            ]
        return (
            f"{printable(self.stream_id)} has nothing from {spans[0]} to {spans[1]}; its points lie from {spans[2]} to "
            f"{spans[3]}: change --from, --to or --last"
        )


def answer(queries: SeriesQueries, asked: Asked, *, raw_until_seconds: float = 0.0) -> Answer:
    """Return what the options ask for. `raw_until_seconds`: up to this length `auto` is single points in any case.

    Raises:
        NotFound: There is no such stream, rendition or model; the message names those that are near.
        UsageError: The range cannot be meant.
    """
    entries = entries_of(queries, asked.stream_id, asked.rendition_id, asked.model)
    basis = entries[0].latest.time_basis
    first = min(entry.first_seconds for entry in entries)
    past = max(entry.end_seconds for entry in entries)
    is_clock = basis in WALL_CLOCK
    for given in (asked.start, asked.end):
        if given is not None and given.is_date and not is_clock:
            raise UsageError(
                f"{printable(asked.stream_id)} is on media time, not on the clock: give seconds or h:mm:ss, "
                f"not {given.text}"
            )
    # A point lies where it starts: one that starts at the very end of the last, of no duration, is in.
    end = asked.end.seconds if asked.end else max(past, entries[0].latest.start_seconds + 0.001)
    start = asked.start.seconds if asked.start else first
    if asked.last_seconds is not None:
        if is_clock and asked.end is None:
            end = max(end, time.time())
        start = end - asked.last_seconds
    if start >= end:
        raise UsageError(f"the range is empty: it ends ({end:g} s) before it starts ({start:g} s)")
    resolution = "raw" if asked.resolution == "auto" and end - start <= raw_until_seconds else asked.resolution
    found = []
    for entry in queries.select(asked.stream_id, asked.rendition_id, start, end, asked.model):
        points = queries.read(entry, start, end, resolution)
        if points:
            skipped = queries.skipped(asked.stream_id, entry.series.rendition_id, start, end)
            found.append(Line(entry, tuple(points), tuple(skipped)))
    return Answer(asked.stream_id, basis, tuple(found), start, end, first, past)


def entries_of(
    queries: SeriesQueries, stream_id: str, rendition_id: str | None, model: str | None
) -> Sequence[SeriesEntry]:
    """Return the series of a stream that are asked for; raises NotFound with the names that are near."""
    entries = queries.series(stream_id)
    if not entries:
        known = [entry.stream_id for entry in queries.streams()]
        raise NotFound(f"no points of a stream {printable(stream_id)!r}{_near(stream_id, known, 'streams')}")
    renditions = list(dict.fromkeys(entry.series.rendition_id for entry in entries))
    if rendition_id is not None and rendition_id not in renditions:
        raise NotFound(
            f"{printable(stream_id)} has no rendition {printable(rendition_id)!r}"
            f"{_near(rendition_id, renditions, 'renditions')}"
        )
    models = list(dict.fromkeys(entry.series.model_name for entry in entries))
    if model is not None and model not in models:
        raise NotFound(
            f"{printable(stream_id)} has no scores of a model {printable(model)!r}{_near(model, models, 'models')}"
        )
    return [
        entry
        for entry in entries
        if rendition_id in (None, entry.series.rendition_id) and model in (None, entry.series.model_name)
    ]


def _near(name: str, known: Sequence[str], what: str) -> str:
    if not known:
        return f": there are no {what} at all in this Redis"
    near = difflib.get_close_matches(name, known, MOST_NAMES, 0.5)
    if near:
        return f": did you mean {' or '.join(printable(each) for each in near)}?"
    few = ", ".join(printable(each) for each in known[:MOST_NAMES])
    rest = f" and {len(known) - MOST_NAMES} more (rungwatch series streams)" if len(known) > MOST_NAMES else ""
    return f": there are the {what} {few}{rest}"
