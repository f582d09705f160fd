"""Times: as they are asked for, as they are written, and which range of which series a question means."""

import math
import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema

from pipeline.api.problems import unknown, wrong
from pipeline.history import History, SeriesEntry, selected
from pipeline.words import WALL_CLOCK
from schemas import TimeBasis

LEAST_SECONDS, MOST_SECONDS = -1e10, 1e11
"""Of an axis: some three thousand years after the epoch, which the keys of Redis and clients hold well."""
MOST_LENGTH_SECONDS = 3660 * 86_400.0
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(s|m|h|d)", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:(?P<second>\d\d)(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Moment:
    seconds: float
    is_date: bool
    """Of the wall clock; False: seconds on whichever axis the stream has."""
    text: str


def moment_of(text: Any) -> Moment:
    """Read an RFC 3339 date (without a zone: UTC) or a number of seconds; raises ValueError."""
    text = str(text).strip()
    if _NUMBER.fullmatch(text):
        seconds = float(text)
        if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
            raise ValueError(f"seconds lie between {LEAST_SECONDS:g} and {MOST_SECONDS:g}")
        return Moment(seconds, False, text)
    # A + of a query that is not escaped reads as a space.
    text = re.sub(r" (?=\d\d:\d\d$)", "+", text)
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("give a date such as 2026-03-01T20:00:00Z, or seconds on the stream's axis")
    leap = match["second"] == "60"
    moment = datetime.fromisoformat((text[:17] + "59" + text[19:] if leap else text).upper())
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return Moment(moment.timestamp() + leap, True, text)
    except OverflowError:
        raise ValueError("the year is out of range") from None


def length_of(text: Any) -> float:
    """Read ``90s``, ``30m``, ``6h`` or ``7d`` as seconds; raises ValueError."""
    match = _LENGTH.fullmatch(str(text).strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not 0 < seconds <= MOST_LENGTH_SECONDS:
        raise ValueError("give a length such as 90s, 30m, 6h or 7d, of ten years at most")
    return seconds


MomentParameter = Annotated[
    Moment,
    PlainValidator(moment_of),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": LEAST_SECONDS, "maximum": MOST_SECONDS},
                {"type": "string", "format": "date-time"},
            ],
            "examples": ["2026-03-01T20:00:00Z", 90.5],
        }
    ),
]
LengthParameter = Annotated[
    float,
    PlainValidator(length_of),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})?[smhd]$", "examples": ["90s", "30m", "6h", "7d"]}
    ),
]


@dataclass(frozen=True, slots=True)
class Span:
    """A range of a stream, and the series that answer for it."""

    stream_id: str
    basis: TimeBasis
    entries: tuple[SeriesEntry, ...]
    """One of every rendition that has something in the range, best bitrate first."""
    start_seconds: float
    end_seconds: float

    @property
    def is_clock(self) -> bool:
        """Whether seconds are those since the epoch."""
        return self.basis in WALL_CLOCK

    @property
    def length_seconds(self) -> float:
        return self.end_seconds - self.start_seconds


def entries_of(
    history: History,
    stream_id: str,
    rendition_ids: Collection[str] = (),
    model: str | None = None,
    display_height_px: int | None = None,
) -> list[SeriesEntry]:
    """Return the series of a stream that are asked for, best bitrate first, of one rendition the newest first.

    Raises:
        Refused: There is no such stream, rendition, model or display; the problem names those that are near.
    """
    entries = history.series(stream_id)
    if not entries:
        raise unknown("stream", stream_id, [entry.stream_id for entry in history.streams()], "no points of a stream")
    renditions = list(dict.fromkeys(entry.series.rendition_id for entry in entries))
    for rendition_id in rendition_ids:
        if rendition_id not in renditions:
            raise unknown("rendition", rendition_id, renditions, f"{stream_id} has no rendition")
    models = list(dict.fromkeys(entry.series.model_name for entry in entries))
    if model is not None and model not in models:
        raise unknown("model", model, models, f"{stream_id} has no scores of a model")
    heights = sorted({str(entry.series.display_height_px) for entry in entries}, key=int)
    if display_height_px is not None and str(display_height_px) not in heights:
        raise unknown("display", str(display_height_px), heights, f"{stream_id} has no scores at a display height of")
    return [
        entry
        for entry in entries
        if (not rendition_ids or entry.series.rendition_id in rendition_ids)
        and model in (None, entry.series.model_name)
        and display_height_px in (None, entry.series.display_height_px)
    ]


def span_of(
    history: History,
    stream_id: str,
    start: Moment | None,
    end: Moment | None,
    last_seconds: float | None,
    rendition_ids: Collection[str] = (),
    model: str | None = None,
    display_height_px: int | None = None,
) -> Span:
    """Return what is meant; without times all that is there. Raises Refused as `entries_of`, and for an empty range."""
    entries = entries_of(history, stream_id, rendition_ids, model, display_height_px)
    basis = entries[0].latest.time_basis
    first, past = bounds(entries, start, end, last_seconds, basis in WALL_CLOCK, stream_id)
    chosen = selected(entries, (), first, past)
    return Span(stream_id, basis, tuple(chosen), first, past)


def bounds(
    entries: Sequence[SeriesEntry],
    start: Moment | None,
    end: Moment | None,
    last_seconds: float | None,
    is_clock: bool,
    stream_id: str,
) -> tuple[float, float]:
    """Return [start, end) on the axis of the stream."""
    for name, given in (("from", start), ("to", end)):
        if given is not None and given.is_date and not is_clock:
            raise wrong(name, f"{stream_id} is on media time, not on the clock: give seconds, not {given.text}")
    if start is not None and last_seconds is not None:
        raise wrong("last", "give from or last, not both")
    # A point lies where it starts: one that starts at the very end of the last, of no duration, is in.
    past = max(max(entry.end_seconds, entry.latest.start_seconds + 0.001) for entry in entries)
    until = end.seconds if end is not None else past
    since = start.seconds if start is not None else min(entry.first_seconds for entry in entries)
    if last_seconds is not None:
        if is_clock and end is None:
            until = max(until, time.time())
        since = until - last_seconds
    if since >= until:
        raise wrong("from", f"the range is empty: it ends ({until:g} s) before it starts ({since:g} s)")
    return since, until


def clock_bounds(
    start: Moment | None, end: Moment | None, last_seconds: float | None
) -> tuple[float | None, float | None]:
    """Return [start, end) of the wall clock; None: without a bound."""
    if start is not None and last_seconds is not None:
        raise wrong("last", "give from or last, not both")
    until = None if end is None else end.seconds
    since = None if start is None else start.seconds
    if last_seconds is not None:
        since = (time.time() if until is None else until) - last_seconds
    if since is not None and until is not None and since >= until:
        raise wrong("from", f"the range is empty: it ends ({until:g} s) before it starts ({since:g} s)")
    return since, until


@lru_cache(maxsize=16_384)  # the rungs of a ladder share their times
def as_time(seconds: float) -> str | None:
    """Return seconds since the epoch as RFC 3339 in UTC, to the millisecond; None: beyond the year 9999."""
    if not math.isfinite(seconds):
        return None
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
