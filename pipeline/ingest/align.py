"""Which segments of the reference lie over the span of a segment of another rung."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from schemas import Segment, TimeBasis

TOLERANCE_SECONDS = 0.020
"""Half a frame at 25 frames/s: what playlists round away."""

AGREEMENT = 0.10
"""Spans agree when they start and last alike within this share of the duration."""


def overlapping(
    segment: Segment, reference: Sequence[Segment], *, tolerance_seconds: float = TOLERANCE_SECONDS
) -> tuple[Segment, ...]:
    """Return the reference's segments over the span of `segment`; empty where none lies there.

    `reference` is ordered by number and by time, as `Stream.segments` is. The segment of the same number is taken
    where the spans agree; otherwise every segment that overlaps by more than `tolerance_seconds`.
    """
    twin = _same_number(segment, reference)
    if twin is not None and _agree(segment, twin):
        return (twin,)
    if segment.time_basis is TimeBasis.SEQUENCE or not segment.duration_seconds:
        return ()
    start = segment.start_seconds
    end = start + segment.duration_seconds
    last = bisect_left(reference, end - tolerance_seconds, key=lambda other: other.start_seconds)
    found: list[Segment] = []
    for index in range(last - 1, -1, -1):
        other = reference[index]
        if other.time_basis is not segment.time_basis or not other.duration_seconds:
            continue
        if other.start_seconds + other.duration_seconds <= start + tolerance_seconds:
            break
        found.append(other)
    return tuple(reversed(found))


def _same_number(segment: Segment, reference: Sequence[Segment]) -> Segment | None:
    first = bisect_left(reference, segment.number, key=lambda other: other.number)
    last = bisect_right(reference, segment.number, key=lambda other: other.number)
    same = (other for other in reference[first:last])
    return next((o for o in same if o.discontinuity_sequence == segment.discontinuity_sequence), None)


def _agree(segment: Segment, twin: Segment) -> bool:
    if segment.time_basis is not twin.time_basis:
        return False
    ours, theirs = segment.duration_seconds, twin.duration_seconds
    if segment.time_basis is TimeBasis.SEQUENCE and not (ours and theirs):
        return True
    if not ours or not theirs:
        return segment.start_seconds == twin.start_seconds
    slack = AGREEMENT * max(ours, theirs)
    return abs(ours - theirs) <= slack and abs(segment.start_seconds - twin.start_seconds) <= slack
