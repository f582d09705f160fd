"""A page of findings: of one stream or of all, the newest first."""

from typing import Any

from pipeline.api.answers import cursor, parts_of
from pipeline.api.asked import AskedFindings
from pipeline.api.times import clock_bounds, entries_of
from pipeline.history import LONGEST_OPEN_SECONDS, History, is_open
from schemas import ManifestFinding

OPEN_LOOKED_AT = 1000
"""Of one stream, the newest, to find those that are open."""

Place = tuple[float, str, str]


def findings_page(history: History, query: AskedFindings, now_seconds: float) -> dict[str, Any]:
    """Return what is asked for, and where it goes on. Raises Unavailable and Refused."""
    start, end = clock_bounds(query.start, query.to, query.last)
    names = [query.stream] if query.stream else [stream.stream_id for stream in history.streams()]
    before = None
    if query.cursor is not None:
        seconds, stream_id, finding_id = parts_of(query.cursor, (int, float), str, str)
        before = (seconds, stream_id, finding_id)
        end = seconds + 0.001 if end is None else min(end, seconds + 0.001)
    if query.open:
        start = max(start or 0.0, now_seconds - LONGEST_OPEN_SECONDS)
    # One more than is shown: whether the list goes on. Those of the very moment of the cursor may come again.
    most = OPEN_LOOKED_AT if query.open else query.limit + 1 + OPEN_LOOKED_AT * (before is not None)
    by_stream = history.findings_of(names, start, end, most)
    found = [each for findings in by_stream.values() for each in findings]
    if query.stream is not None and not found:
        entries_of(history, query.stream)  # nothing of a stream that is not there is a mistake
    if query.open:
        found = [each for each in found if is_open(each, now_seconds)]
    if before is not None:
        found = [each for each in found if _place(each) < before]
    found.sort(key=_place, reverse=True)
    shown = found[: query.limit]
    return {
        "next": cursor(*_place(shown[-1])) if len(found) > query.limit else None,
        "findings": [each.model_dump(mode="json") | {"open": is_open(each, now_seconds)} for each in shown],
    }


def _place(finding: ManifestFinding) -> Place:
    return finding.found_at.timestamp(), finding.stream_id, finding.finding_id
