"""Finds where the source stands still: nothing moves on any rung, for longer than a title card usually stands."""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.spans import Span, merged, without
from pipeline.troubles import HOLD_SECONDS, Known, Part, Trouble, end_of
from schemas import FindingKind, Severity

TOUCH_SECONDS = 0.5
"""Segments that are less than this apart follow each other: their times are rounded."""


def resting(parts: Mapping[str, Sequence[Part]], until_seconds: float) -> list[Span]:
    """Return where some renditions stand still and none moves, in order of time; ads count as moving.

    Args:
        parts: Of every rendition, in order of time.
        until_seconds: Up to where all of them are known: beyond, one that moves may still come.
    """
    many = sum(bool(own) for own in parts.values()) > 1
    known = [part for own in parts.values() for part in own if part.point.start_seconds < until_seconds]
    still = [_span(part) for part in known if _stands(part, many)]
    if not still:  # as on nearly every day: nothing needs to be laid side by side
        return []
    moving = [_span(part) for part in known if not _stands(part, many)]
    return without(merged(still, TOUCH_SECONDS), merged(moving))


def standstills(spans: Sequence[Span], least_seconds: float, known: Known) -> Iterator[Trouble]:
    """Yield what is worth telling of the spans in which nothing moves.

    Slides that follow each other are one standstill, where each of them is long enough; between shorter ones there is
    none.
    """
    joined: list[Span] = []
    for start, end in spans:
        if end - start < least_seconds - TOUCH_SECONDS:
            continue
        if joined and start - joined[-1][1] < HOLD_SECONDS:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    for start, end in joined:
        yield Trouble(
            family=FindingKind.STILL.value,
            rendition_id=None,
            start_seconds=start,
            end_seconds=end,
            # The next slide shows only after some time that it belongs to this.
            lasts=not known.is_over(end, HOLD_SECONDS + least_seconds),
            together_seconds=0.0,
            severity=Severity.WARNING,
        )


def _stands(part: Part, many: bool) -> bool:
    """Say whether nothing moves in it. `many`: there are other renditions, without which FROZEN is not told."""
    if not part.point.findings:
        return False
    found = dict(part.point.findings)
    still = found.get(FindingKind.STILL, 0) + (found.get(FindingKind.FROZEN, 0) if many else 0)
    return still >= part.point.count and not part.is_ad and FindingKind.BLACK not in found


def _span(part: Part) -> Span:
    return part.point.start_seconds, end_of(part.point)
