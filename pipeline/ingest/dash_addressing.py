"""From what a DASH representation says of its segments to the list of them: addresses and spans."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urljoin

from pipeline.errors import BadPlaylist, LimitExceeded, NotAllowed
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


@dataclass(frozen=True, slots=True)
class _Span:
    number: int
    time: int
    """Media time in ticks, presentation time offset included."""
    ticks: int | None


def whole_reference(representation: Representation, where: str) -> str:
    """Return the reference of the representation itself: its base URLs, joined."""
    return _joined(representation, "", where)


def list_segments(
    representation: Representation, period: Period, *, dynamic: bool, max_segments: int, where: str
) -> list[Address] | None:
    """Return the segments of one period; None where it is one resource (an index in it may tell more).

    Raises BadPlaylist, LimitExceeded.
    """
    addressing = representation.addressing
    if addressing is None or addressing.kind == "SegmentBase":
        return None
    if addressing.kind == "SegmentTemplate" and addressing.media is None:
        raise BadPlaylist(f"{where}: a segment template without media address; correct the manifest")
    if dynamic and addressing.timeline is None and addressing.kind == "SegmentTemplate":
        raise BadPlaylist(
            f"{where}: live by number; following live streams is not in this version: "
            "score a manifest that lists its segments (SegmentTimeline), or the recording"
        )
    scale = addressing.timescale
    offset = addressing.presentation_time_offset
    init_reference, init_range = _init(representation, addressing, where)
    found: list[Address] = []
    for index, span in enumerate(_spans(addressing, period, where)):
        if index >= max_segments:
            raise LimitExceeded(
                f"{where}: more than {max_segments} segments in a period; "
                "raise RUNGWATCH_FETCH_MAX_SEGMENTS or cut the manifest"
            )
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
        if addressing.kind == "SegmentList":
            url = addressing.urls[index]
            reference, byte_range = _joined(representation, url.reference or "", where), url.byte_range
        else:
            text = _filled(addressing.media or "", representation, where, span)
            reference, byte_range = _joined(representation, text, where), None
        found.append(Address(index, reference, byte_range, init_reference, init_range, start, duration))
    timeline = addressing.timeline
    if not found and offset and timeline and timeline[0].time is None:
        # Without S@t a timeline starts at 0. Where all of it then lies before the period, the start was forgotten.
        shifted = replace(addressing, timeline=(replace(timeline[0], time=offset), *timeline[1:]))
        return list_segments(
            replace(representation, addressing=shifted),
            period,
            dynamic=dynamic,
            max_segments=max_segments,
            where=where,
        )
    return found


def _spans(addressing: Addressing, period: Period, where: str) -> Iterator[_Span]:
    """Yield the segments in order; lazily, because a manifest can claim any number of them."""
    first = 1 if addressing.start_number is None else addressing.start_number
    listed = len(addressing.urls) if addressing.kind == "SegmentList" else None
    last = math.inf if addressing.end_number is None else addressing.end_number
    if addressing.timeline is not None:
        spans = _timeline_spans(addressing.timeline, addressing, period, first, where)
    elif addressing.duration:
        spans = _equal_spans(addressing, period, first, listed is not None or last < math.inf, where)
    else:
        spans = iter((_Span(first, addressing.presentation_time_offset, None),))
    for index, span in enumerate(spans):
        if span.number > last or (listed is not None and index >= listed):
            return
        yield span


def _equal_spans(addressing: Addressing, period: Period, first: int, bounded: bool, where: str) -> Iterator[_Span]:
    duration = addressing.duration or 1
    if period.duration_seconds is not None:
        count: float = math.ceil((period.duration_seconds - SHORTEST_SECONDS) * addressing.timescale / duration)
    elif bounded:
        count = math.inf
    else:
        raise BadPlaylist(f"{where}: neither the period nor the manifest has a duration; correct the manifest")
    index = 0
    while index < count:
        yield _Span(first + index, addressing.presentation_time_offset + index * duration, duration)
        index += 1


def _timeline_spans(
    timeline: tuple[TimelineEntry, ...], addressing: Addressing, period: Period, first: int, where: str
) -> Iterator[_Span]:
    time, number = 0, first
    for position, entry in enumerate(timeline):
        time = time if entry.time is None else entry.time
        number = number if entry.number is None else entry.number
        repeat = entry.repeat
        if repeat < 0:
            following = timeline[position + 1].time if position + 1 < len(timeline) else None
            if following is None and period.duration_seconds is not None:
                ticks = (period.duration_seconds - SHORTEST_SECONDS) * addressing.timescale
                following = addressing.presentation_time_offset + math.ceil(ticks)
            if following is None:
                raise BadPlaylist(
                    f"{where}: a segment timeline repeats without end (S@r=-1); give the period a duration"
                )
            repeat = max(0, math.ceil((following - time) / entry.duration) - 1)
        # A loop of its own, not a list: repeat may be any number.
        done = 0
        while done <= repeat:
            yield _Span(number, time, entry.duration)
            time += entry.duration
            number += 1
            done += 1


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
    joined = ""
    try:
        for part in (*representation.base_urls, reference):
            joined = urljoin(joined, part)
    except ValueError as exc:
        raise NotAllowed(f"{where}: an address that cannot be read ({exc}); correct the manifest") from exc
    if joined == representation.base_urls[0]:
        raise BadPlaylist(f"{where}: a representation without address; correct the manifest")
    return joined
