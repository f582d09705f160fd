"""The delivery directives of LL-HLS: what a player asks to wait for, and for how long it is held."""

from urllib.parse import parse_qsl

from workers.simulate.http import Request, Response
from workers.simulate.timeline import Stream

PARTS_KEPT = 4
"""Segments of which the parts can still be had."""
HELD_TARGETS = 3
"""Target durations after which an answer is given up (RFC 8216bis, 6.2.5.2)."""


def wants_delta(request: Request) -> bool:
    return dict(parse_qsl(request.query)).get("_HLS_skip") in ("YES", "v2")


def held(stream: Stream, request: Request, now: float) -> Response | None:
    """Return what is said instead of the playlist until what the player asks for is in it; None: it is."""
    if "_HLS_" not in request.query:
        return None
    asked = dict(parse_qsl(request.query))
    number, part = asked.get("_HLS_msn"), asked.get("_HLS_part")
    if number is None:
        return None if part is None else Response(400, b"_HLS_part without _HLS_msn\n")
    if not number.isdecimal() or not (part is None or part.isdecimal()):
        return Response(400, b"_HLS_msn and _HLS_part are whole numbers\n")
    msn = int(number)
    if msn > stream.edge + 2:
        return Response(400, b"_HLS_msn is too far ahead\n")
    if part is None:
        due = stream.published_seconds(msn)
    else:  # a part after the last one of its segment is the first of the next
        ahead, within = divmod(int(part), stream.parts)
        if ahead > 1:
            return Response(400, b"_HLS_part is too far ahead\n")
        due = stream.part_published_seconds(msn + ahead, within)
    return waiting(stream, request, due - now, now) if due > now else None


def waiting(stream: Stream, request: Request, seconds: float, now: float) -> Response:
    """Ask again when it is due; give up where the player has waited for too long."""
    if now - request.arrived_seconds > HELD_TARGETS * round(stream.encodes.segment_seconds):
        return Response(503, b"it did not come in time\n")
    return Response(again_seconds=max(0.005, min(seconds, 1.0)))
