"""Stretches of time: those that meet become one, and what others cover is taken away."""

from collections.abc import Iterable, Sequence

Span = tuple[float, float]
"""[start_seconds, end_seconds)."""


def merged(spans: Iterable[Span], within_seconds: float = 0.0) -> list[Span]:
    """Return the spans in order of time, those that are at most this far apart as one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1] + within_seconds:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def without(spans: Sequence[Span], covered: Sequence[Span]) -> list[Span]:
    """Return what of the spans is not covered; both in order of time, and none over another of its own."""
    left: list[Span] = []
    index = 0
    for start, end in spans:
        at = start
        while index < len(covered) and covered[index][0] < end:
            first, last = covered[index]
            if first > at:
                left.append((at, first))
            at = max(at, last)
            if last > end:
                break  # it may cover some of the next one as well
            index += 1
        if at < end:
            left.append((at, end))
    return left
