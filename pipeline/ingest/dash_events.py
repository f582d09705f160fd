"""Ad breaks in DASH: SCTE-35 in the manifest's EventStreams and in the segments' own event messages."""

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from xml.etree.ElementTree import Element

from pipeline.ingest.scte35 import ENDS, LONGEST_BREAK_SECONDS, STARTS, Splice, splice_of, splice_of_text

SCHEMES = ("urn:scte:scte35:2013:xml", "urn:scte:scte35:2013:bin", "urn:scte:scte35:2014:xml+bin")
SPLICE_TICKS = 90_000
# Some packagers list hours of them; only what is near the segments listed now matters.
MOST_EVENTS = 512
UNKNOWN_DURATION = 0xFFFFFFFF
INDICATOR = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class Mark:
    """A splice at a place: seconds of the period in a manifest, of the presentation once the period is known."""

    at_seconds: float
    splice: Splice

    def moved(self, seconds: float) -> "Mark":
        return replace(self, at_seconds=self.at_seconds + seconds)


@dataclass(frozen=True, slots=True)
class EventStream:
    """The splices of one EventStream of a period."""

    marks: tuple[Mark, ...]


def event_streams(period: Element) -> tuple[EventStream, ...]:
    """Return the event streams of a period that carry SCTE-35; its namespaces were taken off."""
    return tuple(
        EventStream(tuple(_marks(stream)))
        for stream in period.findall("EventStream")
        if (stream.get("schemeIdUri") or "").strip() in SCHEMES
    )


def has_inband_splices(levels: Sequence[Element]) -> bool:
    return any(
        (stream.get("schemeIdUri") or "").strip() in SCHEMES
        for level in levels
        for stream in level.findall("InbandEventStream")
    )


def breaks(marks: Sequence[Mark]) -> list[tuple[float, float]]:
    """Return the spans of ads: from out to in, or for as long as was said, whichever is over first."""
    spans: list[tuple[float, float]] = []
    for mark in sorted(marks, key=lambda each: each.at_seconds):
        at, length = mark.at_seconds, mark.splice.duration_seconds
        is_on = bool(spans) and spans[-1][0] <= at < spans[-1][1]
        if not mark.splice.is_out:
            if is_on:
                spans[-1] = spans[-1][0], at
            continue
        end = at + (LONGEST_BREAK_SECONDS if length is None else length)
        if is_on:
            # One ad after the other, or the same message again: an open end is closed by a known one.
            spans[-1] = spans[-1][0], end if length is not None else spans[-1][1]
        else:
            spans.append((at, end))
    return spans


def inband_marks(data: bytes, segment_start_seconds: float, offset_seconds: float) -> Iterator[Mark]:
    """Yield the splices of the event messages at the head of a segment, in seconds of the period.

    `offset_seconds`: the segment's own media time at the start of the period.
    """
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        # Messages stand before the fragment; what is left of a box that was not read whole is no message.
        if length < 8 or at + length > len(data) or kind in (b"moof", b"mdat"):
            return
        if kind == b"emsg":
            mark = _message(data[at + 8 : at + length], segment_start_seconds, offset_seconds)
            if mark is not None:
                yield mark
        at += length


def _message(box: bytes, segment_start_seconds: float, offset_seconds: float) -> Mark | None:
    try:
        if box[0] == 0:
            scheme, _, rest = box[4:].split(b"\0", 2)
            scale, delta, ticks, _ = struct.unpack_from(">IIII", rest)
            payload = rest[16:]
            at = segment_start_seconds + delta / scale
        else:
            scale, time, ticks, _ = struct.unpack_from(">IQII", box, 4)
            scheme, _, payload = box[24:].split(b"\0", 2)
            at = time / scale - offset_seconds
    except (ValueError, struct.error, IndexError, ZeroDivisionError):
        return None
    splice = splice_of(payload) if scheme.decode("latin-1") in SCHEMES else None
    duration = None if ticks in (0, UNKNOWN_DURATION) else ticks / scale
    return None if splice is None else Mark(at, _lasting(splice, duration))


def _marks(stream: Element) -> Iterator[Mark]:
    scale = _whole(stream.get("timescale")) or 1
    offset = _whole(stream.get("presentationTimeOffset")) or 0
    for event in stream.findall("Event")[-MOST_EVENTS:]:
        splice = _splice(event)
        if splice is None:
            continue
        ticks = _whole(event.get("duration"))
        at = ((_whole(event.get("presentationTime")) or 0) - offset) / scale
        yield Mark(at, _lasting(splice, ticks / scale if ticks else None))


def _lasting(splice: Splice, duration_seconds: float | None) -> Splice:
    """Return the splice with the event's own duration where the message states none."""
    if splice.duration_seconds is not None or duration_seconds is None or duration_seconds > LONGEST_BREAK_SECONDS:
        return splice
    return replace(splice, duration_seconds=duration_seconds)


def _splice(event: Element) -> Splice | None:
    section = event.find(".//SpliceInfoSection")
    if section is not None:
        return _of_xml(section)
    binary = event.find(".//Binary")
    text = event.get("messageData") or (binary.text if binary is not None else event.text) or ""
    return _of_text(text.strip())


@lru_cache(maxsize=4096)
def _of_text(text: str) -> Splice | None:
    # A live manifest lists the same messages again and again.
    return splice_of_text(text) if text else None


def _of_xml(section: Element) -> Splice | None:
    insert = section.find(".//SpliceInsert")
    if insert is not None:
        is_out = INDICATOR.get((insert.get("outOfNetworkIndicator") or "").strip().lower())
        length = insert.find("BreakDuration")
        returns = length is not None and INDICATOR.get((length.get("autoReturn") or "").strip().lower()) is True
        ticks = _whole(length.get("duration")) if length is not None else None
        event_id = _whole(insert.get("spliceEventId"))
        return None if is_out is None else Splice(is_out, _seconds(ticks), returns, event_id)
    found = []
    for descriptor in section.iter("SegmentationDescriptor"):
        kind = _whole(descriptor.get("segmentationTypeId"))
        if kind in STARTS | ENDS:
            duration = _seconds(_whole(descriptor.get("segmentationDuration")))
            found.append(Splice(kind in STARTS, duration, True, _whole(descriptor.get("segmentationEventId"))))
    return next((splice for splice in found if splice.is_out), found[0] if found else None)


def _seconds(ticks: int | None) -> float | None:
    return ticks / SPLICE_TICKS if ticks and ticks / SPLICE_TICKS <= LONGEST_BREAK_SECONDS else None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"\s*\d{1,18}\s*", text) else None
