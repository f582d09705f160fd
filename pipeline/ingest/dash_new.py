"""What of a live DASH rendition is new: past what was published, and available by the clock; each segment once."""

import math
from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace

from pipeline.errors import LimitExceeded
from pipeline.ingest.access import shown
from pipeline.ingest.dash import indexed
from pipeline.ingest.dash_addressing import (
    SHORTEST_SECONDS,
    Address,
    Window,
    is_by_number,
    list_segments,
    listed_span,
    whole_reference,
)
from pipeline.ingest.dash_rungs import Listed, Rung
from pipeline.ingest.source import Source
from pipeline.ingest.told import Told
from schemas import ManifestFindingKind

# Published segments of a rung that are compared with what the manifest says of them now.
REMEMBERED = 8
# A hole, or another length, for which rounding is no excuse: share of the segment, and seconds at least.
DEVIATION = 0.25
LEAST_DEVIATION_SECONDS = 0.1
# A template states no end: a segment that is said to be there long before its end is not believed.
MOST_EARLY_SECONDS = 60.0


@dataclass(slots=True)
class Edge:
    """How far one rendition was published in one period, in seconds of the period."""

    last_start_seconds: float
    last_end_seconds: float
    recent: OrderedDict[int, Address] = field(default_factory=OrderedDict)
    by_number: bool = False


@dataclass(frozen=True, slots=True)
class New:
    """A segment that is new, in its period."""

    rung: Rung
    listed: Listed
    address: Address
    number: int


class NewSegments:
    """Remembers what was published of every rendition in every period."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._edges: dict[tuple[str, str, int], Edge] = {}
        self._indexes: dict[tuple[str, str, str], list[Address] | None] = {}

    def ends(self) -> dict[str, tuple[float, bool]]:
        """Return, by period key, the end of what was published in it, and whether it is found by number alone."""
        found: dict[str, tuple[float, bool]] = {}
        for (_, key, _), edge in self._edges.items():
            if key not in found or found[key][0] < edge.last_end_seconds:
                found[key] = edge.last_end_seconds, edge.by_number
        return found

    def keep(self, keys: set[str]) -> None:
        """Forget the periods that are long gone: not those that just left, which a lagging cache may list again."""
        gone = sorted({(key, zero) for _, key, zero in self._edges if key not in keys}, key=lambda each: each[1])
        for key, zero in gone[:-16]:
            self._edges = {at: edge for at, edge in self._edges.items() if at[1:] != (key, zero)}

    def clear(self) -> None:
        self._edges.clear()

    def of(self, rung: Rung, listed: Listed, source: Source, since_seconds: float, until_seconds: float) -> list[New]:
        """Return the segments of one rendition in one period that start at or after `since_seconds`, are new, and end
        by `until_seconds`, both in seconds of the period. Raises Rejected, Transient."""
        representation, period = listed.representation, listed.placed.period
        by_number = is_by_number(representation)
        at = (rung.rendition_id, listed.placed.key, listed.placed.discontinuity)
        edge = self._edges.get(at)
        since = since_seconds if edge is None else edge.last_start_seconds + 2 * SHORTEST_SECONDS
        if edge is not None and not by_number:
            # From the last ones on, to see whether they are still what they were.
            first = next(iter(edge.recent.values()), None)
            since = min(since, first.start_seconds) if first else since
        if until_seconds <= since:
            return []
        found = self._addresses(listed, source, Window(since, until_seconds), f"{shown(source.uri)}, {at[0]}")
        is_numbered = "$Number" in ((representation.addressing and representation.addressing.media) or "")
        new = []
        span = listed_span(representation, period)
        now_listed: dict[int, Address] = {}
        for address in found:
            number = address.number if is_numbered else max(0, round(address.start_seconds * 1000))
            now_listed[number] = address
            if edge is None or address.start_seconds > edge.last_start_seconds + SHORTEST_SECONDS:
                new.append(New(rung, listed, address, number))
        if edge is not None and not by_number:
            self._compare(rung, listed, edge, now_listed, span[0] if span else -math.inf)
        if new:
            if edge is None:
                edge = self._edges[at] = Edge(new[0].address.start_seconds, new[0].address.start_seconds)
                edge.by_number = by_number
            self._advance(edge, new)
        return new

    def _advance(self, edge: Edge, new: list[New]) -> None:
        for each in new:
            start, duration = each.address.start_seconds, each.address.duration_seconds or 0.0
            hole = start - edge.last_end_seconds
            if not edge.by_number and hole > max(LEAST_DEVIATION_SECONDS, DEVIATION * duration):
                self._told.once(
                    each.rung.rendition_id,
                    ManifestFindingKind.MISSING_SEGMENT,
                    f"no segments are listed for the {hole:.1f} s before segment {each.number}",
                    about=f"{each.listed.placed.discontinuity}/before {each.number}",
                    number=each.number,
                )
            edge.last_start_seconds, edge.last_end_seconds = start, start + duration
            edge.recent[each.number] = each.address
            while len(edge.recent) > REMEMBERED:
                edge.recent.popitem(last=False)

    def _compare(self, rung: Rung, listed: Listed, edge: Edge, now: dict[int, Address], window_start: float) -> None:
        """Tell what was published and is listed as something else now, or not at all."""
        newest = max((address.start_seconds for address in now.values()), default=-math.inf)
        for number, before in edge.recent.items():
            about = f"{listed.placed.discontinuity}/{number}"
            after = now.get(number)
            if after is None:
                # Left the window, or the manifest is one of before.
                if window_start + SHORTEST_SECONDS < before.start_seconds < newest:
                    self._told.once(
                        rung.rendition_id,
                        ManifestFindingKind.MISSING_SEGMENT,
                        f"segment {number} is not listed any more, while older ones are",
                        about=about,
                        number=number,
                    )
            elif _differ(before, after):
                self._told.once(
                    rung.rendition_id,
                    ManifestFindingKind.CHANGED_SEGMENT,
                    f"segment {number} is listed as something else than before: {_words(before)}, now {_words(after)}",
                    about=about,
                    number=number,
                )
                edge.recent[number] = after

    def _addresses(self, listed: Listed, source: Source, window: Window, where: str) -> list[Address]:
        representation, period = listed.representation, listed.placed.period
        addresses = list_segments(
            representation, period, max_segments=source.limits.max_segments, where=where, window=window
        )
        if addresses is not None:
            return addresses
        key = (listed.placed.key, representation.representation_id, whole_reference(representation, where))
        if key not in self._indexes:
            while len(self._indexes) >= 64:
                del self._indexes[next(iter(self._indexes))]
            self._indexes[key] = _index_of(listed, source, where)
        whole = self._indexes[key]
        if whole is None:
            raise LimitExceeded(f"{where}: one file without an index in a live manifest; publish it in segments")
        return [
            address
            for address in whole
            if window.since_seconds - SHORTEST_SECONDS <= address.start_seconds
            and address.start_seconds + (address.duration_seconds or 0.0) <= window.until_seconds + SHORTEST_SECONDS
        ]


def until_seconds(listed: Listed, now: float | None) -> float:
    """Return up to where segments are available, in seconds of the period; infinite: all that is listed is."""
    zero = listed.placed.available_seconds
    if now is None or zero is None:
        return math.inf
    early = listed.representation.early_seconds
    return now - zero + (min(early, MOST_EARLY_SECONDS) if is_by_number(listed.representation) else early)


def _index_of(listed: Listed, source: Source, where: str) -> list[Address] | None:
    representation = listed.representation
    addressing = representation.addressing
    if addressing is None or addressing.index_range is None:
        return None
    found = indexed(whole_reference(representation, where), representation, source, where, Counter())
    return None if found is None else [replace(each, number=each.index) for each in found]


def _differ(before: Address, after: Address) -> bool:
    if before.byte_range != after.byte_range or _path(before.reference) != _path(after.reference):
        return True
    length = before.duration_seconds or 0.0
    slack = max(LEAST_DEVIATION_SECONDS, DEVIATION * length)
    return (
        abs(before.start_seconds - after.start_seconds) > slack or abs(length - (after.duration_seconds or 0.0)) > slack
    )


def _path(reference: str) -> str:
    """Return what names a segment: not its host, which fails over, nor its token, which is renewed."""
    return reference.partition("?")[0].rpartition("/")[2]


def _words(address: Address) -> str:
    length = "" if address.duration_seconds is None else f" for {address.duration_seconds:.3f} s"
    return f"{_path(address.reference)[:80]} at {address.start_seconds:.3f} s{length}"
