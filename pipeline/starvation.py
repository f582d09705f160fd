"""Tells a picture that stands still for want of bits from one of which the input stands still."""

from collections import deque
from collections.abc import Sequence

from pipeline.drops import LEAST_FALL, WATCHED_SEGMENTS
from pipeline.history import SeriesPoint
from pipeline.troubles import Part, tells_level
from schemas import FindingKind

STARVING_RATIO = 0.2
"""Bitrate of a rung that stands still over its usual one, under which it is not its input that does: a picture that is
repeated took 0.35 to 0.8 of it, one that moved and had no bits left 0.04 to 0.16. (A long GOP brings the former under
it: so the score must be low as well.)"""
KNOWN_SEGMENTS = 3
"""Of which bitrate and score are known before that is told."""


def starving(parts: Sequence[Part]) -> list[bool]:
    """Return of every part whether it stands still for want of bits: few of them, and a score that shows it."""
    found = [False] * len(parts)
    before: deque[SeriesPoint] = deque(maxlen=WATCHED_SEGMENTS)
    for index, part in enumerate(parts):
        kinds = dict(part.point.findings) if part.point.findings else {}
        if FindingKind.FROZEN in kinds and FindingKind.BLACK not in kinds and not part.is_ad:
            found[index] = _is_starving(part.point, before)
        elif tells_level(part.point) and not part.is_ad:
            before.append(part.point)
    return found


def _is_starving(point: SeriesPoint, before: Sequence[SeriesPoint]) -> bool:
    rates = sorted(each.bitrate_bps for each in before if each.bitrate_bps is not None)
    if point.bitrate_bps is None or len(rates) < KNOWN_SEGMENTS:
        return False
    # Three quarters up: segments that starved and moved are among those before.
    usual_bps = rates[3 * len(rates) // 4]
    usual = sorted(each.score for each in before)[3 * len(before) // 4]
    falls = point.score < usual - LEAST_FALL or 2 * point.score < usual
    return falls and point.bitrate_bps < STARVING_RATIO * usual_bps
