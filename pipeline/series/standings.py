"""Reads how all streams stand: in two pipelines for every five hundred, and nothing decoded that is not shown."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from pipeline.history import LONGEST_OPEN_SECONDS, RungStanding, SeriesId, StreamEntry, StreamStanding, open_for_seconds
from pipeline.series.connection import Command, Link
from pipeline.series.keys import Keys, in_ms
from pipeline.series.values import MS, loads_all, standing_of

STREAMS_A_PIPELINE = 500

_series = lru_cache(maxsize=65_536)(lambda name: SeriesId.parsed(name.decode()))


def read_standings(
    link: Link,
    keys: Keys,
    streams: Sequence[StreamEntry],
    least_written_seconds: float,
    now_seconds: float,
    most_findings: int,
) -> list[StreamStanding]:
    """Return how the streams stand that have points, in their order. Raises Unavailable as `Link.run`.

    Args:
        link: To Redis.
        keys: Of this installation.
        streams: Which.
        least_written_seconds: A series that was last written to before that has expired.
        now_seconds: Since the epoch: at which findings are open or not.
        most_findings: Of one stream, the newest, to count what is open.
    """
    found: list[StreamStanding] = []
    newest = ("+inf", in_ms(now_seconds - LONGEST_OPEN_SECONDS), "LIMIT", 0, most_findings)
    for first in range(0, len(streams), STREAMS_A_PIPELINE):
        some = streams[first : first + STREAMS_A_PIPELINE]
        commands: list[Command] = [("HGETALL", keys.series(each.stream_id)) for each in some]
        commands += [("ZREVRANGEBYSCORE", keys.findings(each.stream_id), *newest) for each in some]
        replies = link.run(commands)
        members = dict(zip((each.stream_id for each in some), replies[len(some) :], strict=True))
        still_open = _open_findings(link, keys, members, now_seconds)
        for entry, fields in zip(some, replies[: len(some)], strict=True):
            if rungs := _rungs(fields, least_written_seconds):
                count = still_open.get(entry.stream_id, 0)
                found.append(StreamStanding(entry.stream_id, entry.written_seconds, rungs, count))
    return found


def _rungs(fields: Mapping[bytes, bytes], least_written_seconds: float) -> list[RungStanding]:
    newest: dict[str, RungStanding] = {}
    best: dict[str, int] = {}
    for name, text in fields.items():
        series = _series(name)
        rung = standing_of(text, series)
        if rung.written_seconds < least_written_seconds:
            continue
        rendition = series.rendition_id
        other = newest.get(rendition)
        if other is None or _age(rung) > _age(other):
            newest[rendition] = rung
        best[rendition] = max(best.get(rendition, 0), rung.bitrate_bps or 0)
    return [newest[rendition] for _, rendition in sorted([(-bitrate, name) for name, bitrate in best.items()])]


def _age(rung: RungStanding) -> tuple[int, float, float, SeriesId]:
    return rung.revision, rung.start_seconds, rung.written_seconds, rung.series


def _open_findings(
    link: Link, keys: Keys, members: Mapping[str, Sequence[bytes]], now_seconds: float
) -> dict[str, int]:
    """Return how many findings are open, of the streams that have some, given their members in the sorted sets."""
    names = [stream_id for stream_id, own in members.items() if own]
    replies = link.run([("HMGET", keys.told(stream_id), *members[stream_id]) for stream_id in names])
    owners: list[str] = []
    texts: list[bytes] = []
    ages: list[float] = []
    for stream_id, told in zip(names, replies, strict=True):
        for member, text in zip(members[stream_id], told, strict=True):
            if text is not None:
                owners.append(stream_id)
                texts.append(text)
                ages.append(now_seconds - int(member.rpartition(b"|")[2]) / MS)
    count = dict.fromkeys(names, 0)
    for stream_id, finding, age_seconds in zip(owners, loads_all(texts), ages, strict=True):
        if finding.get("over_at") is None and age_seconds < open_for_seconds(finding["kind"]):
            count[stream_id] += 1
    return count
