"""What must hold after a chaos run, row by row: points, roll-ups, scores, dead letters, offsets."""

import base64
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chaos.feed import Feed, by_kind
from chaos.offsets import Standing
from chaos.undisturbed import Place, is_same, place_of

from pipeline.history import Resolution, SeriesPoint
from pipeline.series import SeriesQueries
from pipeline.series.keys import HOUR_MS, MINUTE_MS
from pipeline.stream.protocol import Message
from schemas import DeadLetter, QualityPoint, SegmentScored

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One row: `wrong` names what does not hold, a few examples; empty: it does."""

    name: str
    found: str
    wrong: tuple[str, ...] = ()


def table(checks: Sequence[Check]) -> str:
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.name:{width}}  {'ok ' if not check.wrong else 'BAD'}  {check.found}")
        lines += [f"{'':{width}}       {line}" for line in check.wrong[:MOST_SHOWN]]
        if len(check.wrong) > MOST_SHOWN:
            lines.append(f"{'':{width}}       and {len(check.wrong) - MOST_SHOWN} more")
    return "\n".join(lines)


def check_points(queries: SeriesQueries, expected: Mapping[Place, QualityPoint]) -> Iterator[Check]:
    """Every good segment has one raw point, equal to the undisturbed one; roll-ups are those of the points."""
    wanted: dict[tuple[str, str], list[QualityPoint]] = defaultdict(list)
    for point in expected.values():
        wanted[point.stream_id, point.rendition_id].append(point)
    streams = {entry.stream_id for entry in queries.streams()}
    series = {
        (stream_id, entry.series.rendition_id): entry
        for stream_id in sorted(streams)
        for entry in queries.series(stream_id)
    }
    yield Check(
        "streams and series",
        f"{len(streams)} and {len(series)}",
        tuple(
            f"{'not there' if place in wanted else 'not announced'}: {place}"
            for place in sorted(set(series) ^ set(wanted))
        ),
    )
    found: list[QualityPoint] = []
    wrong_minutes: list[str] = []
    wrong_hours: list[str] = []
    wrong_latest: list[str] = []
    minutes = hours = 0
    for place, entry in series.items():
        own = sorted(wanted.get(place, ()), key=lambda point: point.start_seconds)
        found += [point.raw for point in queries.read(entry, resolution=Resolution.RAW) if point.raw is not None]
        read_minutes, read_hours = (
            queries.read(entry, resolution=length) for length in (Resolution.MINUTE, Resolution.HOUR)
        )
        wrong_minutes += _differences(place, read_minutes, rollups(own, Resolution.MINUTE, MINUTE_MS))
        wrong_hours += _differences(place, read_hours, rollups(own, Resolution.HOUR, HOUR_MS))
        minutes, hours = minutes + len(read_minutes), hours + len(read_hours)
        if own and not is_same(entry.latest, own[-1]):
            wrong_latest.append(f"{place}: {entry.latest.segment_number}, not {own[-1].segment_number}")
    yield Check("points", *_points(found, expected))
    bases = Counter(str(point.basis) for point in found)
    yield Check("points by basis", ", ".join(f"{count} {basis}" for basis, count in sorted(bases.items())))
    yield Check("minutes, recomputed", f"{minutes}", tuple(wrong_minutes))
    yield Check("hours, recomputed", f"{hours}", tuple(wrong_hours))
    yield Check("latest points", f"{len(series)}", tuple(wrong_latest))


def rollups(points: Sequence[QualityPoint], resolution: Resolution, length_ms: int) -> list[SeriesPoint]:
    """Return the roll-ups of points of one series, made here from scratch."""
    buckets: dict[int, list[QualityPoint]] = defaultdict(list)
    for point in points:
        buckets[round(point.start_seconds * 1000) // length_ms].append(point)
    return [_rollup(own, resolution, bucket * length_ms / 1000) for bucket, own in sorted(buckets.items())]


def _rollup(points: Sequence[QualityPoint], resolution: Resolution, start_seconds: float) -> SeriesPoint:
    lengths_ms = [math.floor(point.duration_seconds * 1000 + 0.5) for point in points]
    weights = [max(length, 1) for length in lengths_ms]

    def mean(values: Iterable[float]) -> float:
        # In whole millionths, as they are stored: exact, whatever the order.
        millionths = (math.floor(value * 1e6 + 0.5) for value in values)
        return sum(value * weight for value, weight in zip(millionths, weights, strict=True)) / sum(weights) / 1e6

    least = min(points, key=lambda point: (point.score, point.start_seconds))
    known = [(point.bitrate_bps, weight) for point, weight in zip(points, weights, strict=True) if point.bitrate_bps]
    return SeriesPoint(
        resolution=resolution,
        start_seconds=start_seconds,
        duration_seconds=sum(lengths_ms) / 1000,
        count=len(points),
        score=mean(point.score for point in points),
        low=mean(point.low for point in points),
        high=mean(point.high for point in points),
        least_score=least.score,
        least_seconds=round(least.start_seconds * 1000) / 1000,
        greatest_score=max(point.score for point in points),
        bitrate_bps=sum(rate * weight for rate, weight in known) / sum(weight for _, weight in known)
        if known
        else None,
        bases=tuple(sorted(Counter(point.basis for point in points).items())),
        findings=tuple(sorted(Counter(kind for point in points for kind in point.findings).items())),
    )


def check_scores(messages: Iterable[Message], expected: Mapping[Place, QualityPoint]) -> Iterator[Check]:
    """Whoever scored a segment, and however often: it was the same score each time."""
    wrong: list[str] = []
    times: Counter[Place] = Counter()
    moments: dict[int, list[int]] = defaultdict(list)
    for message in messages:
        moments[message.partition.number].append(message.timestamp_ms)
        point = QualityPoint.of(SegmentScored.model_validate_json(message.value))
        place = place_of(point)
        times[place] += 1
        if not is_same(point, expected.get(place)):
            wrong.append(f"{message.origin}: {place} is not as undisturbed")
    wrong += [f"never scored: {place}" for place in sorted(set(expected) - set(times))]
    repeats = times.total() - len(times)
    yield Check("scores on the bus", f"{times.total()}, {repeats} of them repeats", tuple(wrong))
    anywhere = _longest_pause([moment for own in moments.values() for moment in own])
    somewhere = max(map(_longest_pause, moments.values()), default=0.0)
    yield Check("longest pause between scores", f"{anywhere:.1f} s on the whole, {somewhere:.1f} s in a partition")


def _longest_pause(moments_ms: list[int]) -> float:
    in_order = sorted(moments_ms)
    return max((after - before for before, after in pairwise(in_order)), default=0) / 1000


def check_letters(messages: Iterable[Message], feed: Feed) -> Iterator[Check]:
    """Every poison is there by its bytes and for its own reason, and nothing that is good."""
    kinds = {each.value: each for each in feed.poison}
    seen: Counter[bytes] = Counter()
    strange: list[str] = []
    for message in messages:
        letter = DeadLetter.model_validate_json(message.value)
        original = base64.b64decode(letter.original_base64 or "")
        poison = kinds.get(original)
        if poison is None:
            strange.append(f"{letter.origin} is no poison ({letter.reason}: {letter.message[:200]})")
            continue
        seen[original] += 1
        if letter.reason not in poison.reasons:
            strange.append(f"{letter.origin}, {poison.kind}, is there as {letter.reason}: {letter.message[:200]}")
    missing = [poison for poison in feed.poison if poison.value not in seen]
    repeats = seen.total() - len(seen)
    yield Check(
        "poison in the dead letters",
        f"{len(seen)} of {len(feed.poison)}, {repeats} more of repeats; {json.dumps(by_kind(feed.poison))}",
        tuple(f"not there: {poison.kind}: {poison.value[:80]!r}" for poison in missing),
    )
    yield Check("nothing else in the dead letters", f"{len(strange)}", tuple(strange))


def check_offsets(name: str, standing: Standing) -> Check:
    wrong = () if standing.is_at_end and standing.end else ("it does not reach the end",)
    return Check(f"committed by {name}", f"{standing.committed} of {standing.end}", wrong)


def _points(found: Sequence[QualityPoint], expected: Mapping[Place, QualityPoint]) -> tuple[str, tuple[str, ...]]:
    times = Counter(place_of(point) for point in found)
    wrong = [f"missing: {place}" for place in sorted(set(expected) - set(times))]
    wrong += [f"{count} points: {place}" for place, count in times.items() if count > 1]
    for point in found:
        wanted = expected.get(place_of(point))
        if wanted is None:
            wrong.append(f"not announced: {place_of(point)}")
        elif not is_same(point, wanted):
            wrong.append(f"differs: {place_of(point)}: {_fields(point, wanted)}")
    return f"{len(found)} of {len(expected)}", tuple(wrong)


def _fields(found: QualityPoint, wanted: QualityPoint) -> str:
    ours, theirs = found.model_dump(), wanted.model_dump()
    return ", ".join(f"{name} {ours[name]!r} not {theirs[name]!r}" for name in ours if ours[name] != theirs[name])


def _differences(what: tuple[str, str], found: Sequence[SeriesPoint], made: Sequence[SeriesPoint]) -> list[str]:
    if len(found) != len(made):
        return [f"{what}: {len(found)}, not {len(made)}"]
    return [f"{what}: {ours} not {theirs}" for ours, theirs in zip(found, made, strict=True) if ours != theirs]
