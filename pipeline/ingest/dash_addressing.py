"""From what a DASH representation says of its segments to the list of them: addresses and spans."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.errors import BadPlaylist, LimitExceeded, NotAllowed
from pipeline.ingest.access import joined
from pipeline.ingest.dash_manifest import Addressing, Period, Representation, TimelineEntry
from schemas import ByteRange

# A segment that would last less lies beyond the end: durations are rounded to milliseconds.
SHORTEST_SECONDS = 0.001
WIDEST_NUMBER = 32
IDENTIFIER = re.compile(r"\$(?:(RepresentationID|Number|Bandwidth|Time)(?:%0?(\d{1,9})[dix])?)?\$")


@dataclass(frozen=True, slots=True)
class Address:
    """One segment of one period, its references absolute but not yet allowed."""

    index: int
    """Count within the period: the same in all representations that list the same segments."""
    reference: str
    byte_range: ByteRange | None
    init_reference: str | None
    init_range: ByteRange | None
    start_seconds: float
    """From the start of the period."""
    duration_seconds: float | None
    number: int = 0
    """As the manifest numbers it."""


@dataclass(frozen=True, slots=True)
class Window:
    """Segments that start at or after `since_seconds` and end by `until_seconds`, in seconds of the period."""

    since_seconds: float
    until_seconds: float


@dataclass(frozen=True, slots=True)
class _Span:
    index: int
    number: int
    time: int
    """Media time in ticks, presentation time offset included."""
    ticks: int | None


def whole_reference(representation: Representation, where: str) -> str:
    """Return the reference of the representation itself: its base URLs, joined."""
    return _joined(representation, "", where)


def is_by_number(representation: Representation) -> bool:
    """Whether segments follow from the clock alone: the manifest does not list them."""
    addressing = representation.addressing
    return (
        addressing is not None
        and addressing.kind == "SegmentTemplate"
        and addressing.timeline is None
        and addressing.duration is not None
    )


def listed_span(representation: Representation, period: Period) -> tuple[float, float, float] | None:
    """Return (start, end, longest segment) of what is listed, in seconds of the period; None: nothing is."""
    addressing = representation.addressing
    if addressing is None or not addressing.timeline:
        return None
    addressing = _from_the_start(addressing)
    timeline, scale, offset = addressing.timeline or (), addressing.timescale, addressing.presentation_time_offset
    first = time = timeline[0].time or 0
    for position, entry in enumerate(timeline):
        time = time if entry.time is None else entry.time
        following = timeline[position + 1].time if position + 1 < len(timeline) else None
        if entry.repeat >= 0:
            time += entry.duration * (entry.repeat + 1)
        elif following is not None:
            time = following
        elif period.duration_seconds is not None:
            time = offset + math.ceil(period.duration_seconds * scale)
        else:
            return None
    longest = max(entry.duration for entry in timeline)
    return (first - offset) / scale, (time - offset) / scale, longest / scale


def list_segments(
    representation: Representation, period: Period, *, max_segments: int, where: str, window: Window | None = None
) -> list[Address] | None:
    """Return the segments of one period; None where it is one resource (an index in it may tell more).

    `window`: only what lies in it, at the cost of that alone, however much the manifest claims.

    Raises BadPlaylist, LimitExceeded.
    """
    addressing = representation.addressing
    if addressing is None or addressing.kind == "SegmentBase":
        return None
    if addressing.kind == "SegmentTemplate" and addressing.media is None:
        raise BadPlaylist(f"{where}: a segment template without media address; correct the manifest")
    addressing = _from_the_start(addressing)
    scale = addressing.timescale
    offset = addressing.presentation_time_offset
    init_reference, init_range = _init(representation, addressing, where)
    # Joined once: a live manifest is expanded every few seconds.
    base = _base(representation, where)
    found: list[Address] = []
    for span in _spans(addressing, period, window, max_segments, where):
        start = (span.time - offset) / scale
        duration = None if span.ticks is None else span.ticks / scale
        if duration is None:
            duration = period.duration_seconds
        if duration is not None and start + duration <= SHORTEST_SECONDS:
            continue
        if period.duration_seconds is not None:
            left = period.duration_seconds - start
            if left <= SHORTEST_SECONDS:
                break
            # What lies beyond the end of the period is not shown; a timeline states its durations exactly.
            if addressing.timeline is None and duration is not None:
                duration = min(duration, left)
        if window is not None:
            if start < window.since_seconds - SHORTEST_SECONDS:
                continue
            if start + (duration or 0.0) > window.until_seconds + SHORTEST_SECONDS:
                break
        _check_count(len(found) + 1, max_segments, where)
        if addressing.kind == "SegmentList":
            url = addressing.urls[span.index]
            reference, byte_range = _below(base, representation, url.reference or "", where), url.byte_range
        else:
            text = _filled(addressing.media or "", representation, where, span)
            reference, byte_range = _below(base, representation, text, where), None
        found.append(
            Address(span.index, reference, byte_range, init_reference, init_range, start, duration, span.number)
        )
    return found


def _from_the_start(addressing: Addressing) -> Addressing:
    """Return the addressing with the start of its timeline where it was forgotten.

    Without S@t a timeline starts at 0. Where all of it then lies before the period, it is meant to start there.
    """
    timeline, offset = addressing.timeline, addressing.presentation_time_offset
    if not offset or not timeline or timeline[0].time is not None:
        return addressing
    if any(entry.repeat < 0 or entry.time is not None for entry in timeline):
        return addressing
    if sum(entry.duration * (entry.repeat + 1) for entry in timeline) > offset:
        return addressing
    return replace(addressing, timeline=(replace(timeline[0], time=offset), *timeline[1:]))


def _check_count(count: float, max_segments: int, where: str) -> None:
    if count > max_segments:
        raise LimitExceeded(
            f"{where}: more than {max_segments} segments in a period; "
            "raise RUNGWATCH_FETCH_MAX_SEGMENTS or cut the manifest"
        )


def _spans(
    addressing: Addressing, period: Period, window: Window | None, max_segments: int, where: str
) -> Iterator[_Span]:
    """Yield the segments in order; lazily, because a manifest can claim any number of them."""
    first = 1 if addressing.start_number is None else addressing.start_number
    listed = len(addressing.urls) if addressing.kind == "SegmentList" else None
    last = math.inf if addressing.end_number is None else addressing.end_number
    if addressing.timeline is not None:
        spans = _timeline_spans(addressing.timeline, addressing, period, first, window, max_segments, where)
    elif addressing.duration:
        bound = min(last - first + 1, math.inf if listed is None else listed)
        spans = _equal_spans(addressing, period, first, bound, window, max_segments, where)
    else:
        spans = iter((_Span(0, first, addressing.presentation_time_offset, None),))
    for span in spans:
        if span.number > last or (listed is not None and span.index >= listed):
            return
        yield span


def _equal_spans(
    addressing: Addressing,
    period: Period,
    first: int,
    bound: float,
    window: Window | None,
    max_segments: int,
    where: str,
) -> Iterator[_Span]:
    duration = addressing.duration or 1
    if period.duration_seconds is not None:
        count: float = math.ceil((period.duration_seconds - SHORTEST_SECONDS) * addressing.timescale / duration)
    elif bound < math.inf or window is not None:
        count = math.inf
    else:
        raise BadPlaylist(f"{where}: neither the period nor the manifest has a duration; correct the manifest")
    count = min(count, bound)
    index = _skipped(window.since_seconds if window else 0.0, duration / addressing.timescale)
    # Counted before they are made: a line of text can claim a thousand million of them.
    until = window.until_seconds if window else math.inf
    _check_count(min(count, until * addressing.timescale / duration) - index - 2, max_segments, where)
    while index < count:
        yield _Span(index, first + index, addressing.presentation_time_offset + index * duration, duration)
        index += 1


def _timeline_spans(
    timeline: tuple[TimelineEntry, ...],
    addressing: Addressing,
    period: Period,
    first: int,
    window: Window | None,
    max_segments: int,
    where: str,
) -> Iterator[_Span]:
    until = min(window.until_seconds if window else math.inf, period.duration_seconds or math.inf)
    scale, offset = addressing.timescale, addressing.presentation_time_offset
    time, number, index = 0, first, 0
    for position, entry in enumerate(timeline):
        time = time if entry.time is None else entry.time
        number = number if entry.number is None else entry.number
        repeat: float = entry.repeat
        if repeat < 0:
            following = timeline[position + 1].time if position + 1 < len(timeline) else None
            if following is None and period.duration_seconds is not None:
                following = offset + math.ceil((period.duration_seconds - SHORTEST_SECONDS) * scale)
            if following is None and window is None:
                raise BadPlaylist(
                    f"{where}: a segment timeline repeats without end (S@r=-1); give the period a duration"
                )
            # Without end, to be cut by the window.
            repeat = math.inf if following is None else max(0, math.ceil((following - time) / entry.duration) - 1)
        since = (window.since_seconds if window else 0.0) - (time - offset) / scale
        done = int(min(repeat, _skipped(since, entry.duration / scale)))
        shown = (until - (time - offset) / scale) * scale / entry.duration
        _check_count(min(repeat, shown) - done - 2, max_segments, where)
        # A loop of its own, not a list: repeat may be any number.
        time += done * entry.duration
        while done <= repeat:
            yield _Span(index + done, number + done, time, entry.duration)
            time += entry.duration
            done += 1
        index, number = index + done, number + done


def _skipped(since_seconds: float, duration_seconds: float) -> int:
    """Return how many segments of equal length are over before `since_seconds` for certain."""
    # Minus infinity where nothing is available yet.
    return max(0, math.floor(since_seconds / duration_seconds) - 1) if since_seconds > 0 else 0


def _init(representation: Representation, addressing: Addressing, where: str) -> tuple[str | None, ByteRange | None]:
    if addressing.init is not None:
        return _joined(representation, addressing.init.reference or "", where), addressing.init.byte_range
    if addressing.initialization:
        return _joined(representation, _filled(addressing.initialization, representation, where, None), where), None
    return None, None


def _filled(template: str, representation: Representation, where: str, span: _Span | None) -> str:
    def value(match: re.Match[str]) -> str:
        name, width = match[1], int(match[2] or 0)
        if name is None:
            return "$"
        if width > WIDEST_NUMBER:
            raise BadPlaylist(f"{where}: a number {width} digits wide in the template; correct the manifest")
        if name == "RepresentationID":
            return representation.representation_id
        if name == "Bandwidth":
            return str(representation.bandwidth or 0).zfill(width)
        if span is None:
            raise BadPlaylist(f"{where}: ${name}$ in the address of an init segment; correct the manifest")
        return str(span.number if name == "Number" else span.time).zfill(width)

    return IDENTIFIER.sub(value, template)


def _joined(representation: Representation, reference: str, where: str) -> str:
    return _below(_base(representation, where), representation, reference, where)


def _base(representation: Representation, where: str) -> str:
    base = ""
    try:
        for part in representation.base_urls:
            base = joined(base, part)
    except ValueError as exc:
        raise NotAllowed(f"{where}: an address that cannot be read ({exc}); correct the manifest") from exc
    return base


def _below(base: str, representation: Representation, reference: str, where: str) -> str:
    try:
        found = joined(base, reference)
    except ValueError as exc:
        raise NotAllowed(f"{where}: an address that cannot be read ({exc}); correct the manifest") from exc
    if found == representation.base_urls[0]:
        raise BadPlaylist(f"{where}: a representation without address; correct the manifest")
    return found
