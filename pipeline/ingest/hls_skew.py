"""Whether the renditions of an HLS presentation number their segments alike, and whether their clocks agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.ingest.hls_playlist import Entry

Place = tuple[int, int]
"""(discontinuity sequence, media sequence number)."""

# Encoders of one ladder that are set by one clock differ by less.
AGREEMENT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Clocks:
    """What a comparison brought, by rendition."""

    skews_seconds: Mapping[str, float]
    """Clocks that are off from those of the others."""
    numbered_otherwise: frozenset[str]


def place_of(entry: Entry) -> Place:
    return entry.discontinuity_sequence, entry.number


def declared_starts(entries: Sequence[Entry]) -> list[float] | None:
    """Return the start of every segment by the wall clock of its playlist; None: it states none.

    Stated for some segments only: the durations carry it on, and back to the first.
    """
    first = next((index for index, entry in enumerate(entries) if entry.date_time_seconds is not None), None)
    if first is None:
        return None
    anchor = entries[first]
    starts: list[float] = []
    for index, entry in enumerate(entries):
        if index >= first and entry.date_time_seconds is not None:
            anchor = entry
        starts.append((anchor.date_time_seconds or 0.0) + entry.offset_seconds - anchor.offset_seconds)
    return starts


def newest_end(entries: Sequence[Entry]) -> float | None:
    """Return the end of the last segment by the wall clock of its playlist; None: it states none."""
    starts = declared_starts(entries)
    return starts[-1] + (entries[-1].duration_seconds or 0.0) if starts else None


def compare(listings: Mapping[str, Sequence[Entry]]) -> Clocks:
    """Compare what is listed at one time. The clock of the majority is taken for right, of two that of the first."""
    known = {
        rendition_id: dict(zip(map(place_of, entries), starts, strict=True))
        for rendition_id, entries in listings.items()
        if (starts := declared_starts(entries)) is not None
    }
    otherwise = set(_numbered_otherwise(listings))
    if len(known) < 2:
        return Clocks({}, frozenset(otherwise))
    first = next(iter(known.values()))
    offsets: dict[str, tuple[float, float]] = {}
    for rendition_id, places in known.items():
        both = sorted(start - first[place] for place, start in places.items() if place in first)
        if both:
            offsets[rendition_id] = both[len(both) // 2], max(places.values()) - max(first.values())
    ordered = sorted(offset for offset, _ in offsets.values())
    usual = ordered[(len(ordered) - 1) // 2] if len(ordered) > 2 else 0.0
    usual_end = next((end for offset, end in offsets.values() if offset == usual), 0.0)
    skews: dict[str, float] = {}
    for rendition_id, (offset, end) in offsets.items():
        skew = offset - usual
        if abs(skew) <= AGREEMENT_SECONDS:
            continue
        if abs(end - usual_end - skew) <= AGREEMENT_SECONDS:
            skews[rendition_id] = skew
        else:
            # The newest segments are of one time: the clocks agree, and the numbers do not.
            otherwise.add(rendition_id)
    return Clocks(skews, frozenset(otherwise))


def _numbered_otherwise(listings: Mapping[str, Sequence[Entry]]) -> list[str]:
    every = {rendition_id: {place_of(entry) for entry in entries} for rendition_id, entries in listings.items()}
    if len(every) < 2:
        return []
    return [
        rendition_id
        for rendition_id, places in every.items()
        if places and not any(places & others for other, others in every.items() if other != rendition_id)
    ]
