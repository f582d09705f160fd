"""What the script of the report draws of a stream: every rung as columns, what went wrong as marks, and colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pipeline.history import SeriesPoint
from pipeline.report.findings import SEVERITIES, merged_spans
from pipeline.report.rendition import Severity
from pipeline.report.shown import ShownRung, ShownStream
from pipeline.troubles import end_of
from pipeline.words import WALL_CLOCK

Colour = tuple[int, int, int]
RAMP: dict[str, Sequence[Colour]] = {
    "light": ((58, 36, 130), (38, 99, 178), (16, 140, 140), (108, 152, 32), (196, 148, 0)),
    "dark": ((168, 152, 255), (96, 170, 245), (52, 200, 186), (168, 212, 84), (244, 208, 84)),
}
"""Colours of the rungs from best to worst, as RGB: one order of hue and lightness, which the colour-blind see too,
and no red in it, which is kept for what is wrong. The same stops as on the live page (ramp.js)."""
MOST_STEPS = 1500
"""Steps of one line; beyond that neighbouring segments are drawn as their mean."""


@dataclass(frozen=True, slots=True)
class ColouredRung:
    """A rendition with its colours."""

    rung: ShownRung
    light: str
    dark: str


def coloured(rungs: Sequence[ShownRung]) -> list[ColouredRung]:
    lights, darks = (ramp(theme, len(rungs)) for theme in ("light", "dark"))
    return [ColouredRung(*each) for each in zip(rungs, lights, darks, strict=True)]


def chart_data(stream: ShownStream, rungs: Sequence[ColouredRung]) -> dict[str, Any]:
    """Return what the charts of one stream are drawn of. All times are in seconds after its `origin`."""
    live = stream.time_basis in WALL_CLOCK
    points = [point for each in rungs for point in each.rung.points]
    start = min([point.start_seconds for point in points] + ([stream.shift.start_seconds] if stream.shift else []))
    end = max([end_of(point) for point in points] + ([stream.shift.end_seconds] if stream.shift else []))
    origin = float(int(start)) if live else 0.0
    inverted = {note.rendition_ids[0] for note in stream.notes if note.kind == "inverted"}
    places = {each.rung.rendition_id: index for index, each in enumerate(rungs)}
    return {
        "live": live,
        "origin": origin,
        "from": round(start - origin, 3),
        "to": round(end - origin, 3),
        "ads": _spans(stream.ads, origin),
        "rungs": [
            {
                "rendition_id": each.rung.rendition_id,
                "label": each.rung.label,
                "light": each.light,
                "dark": each.dark,
                "codec": each.rung.codec,
                "inverted": each.rung.rendition_id in inverted,
                "mean": round(each.rung.mean, 4),
                "low": round(each.rung.low, 4),
                "high": round(each.rung.high, 4),
                "bitrate_bps": each.rung.bitrate_bps,
                "line": _line(each.rung.points, origin),
                "skipped": _spans(stream.skipped.get(each.rung.rendition_id, ()), origin),
            }
            for each in rungs
        ],
        "marks": [
            {
                "start": round(first - origin, 3),
                "end": round(last - origin, 3),
                "text": note.text,
                "rung": next((places[each] for each in note.rendition_ids if each in places), None),
            }
            for note in stream.problems
            for first, last in note.spans_seconds
        ],
    }


def ramp(theme: str, count: int) -> list[str]:
    """Return `count` colours spread evenly over the stops, the best rung's first; one alone is the second stop."""
    stops = RAMP[theme]
    if count == 1:
        return ["#{:02x}{:02x}{:02x}".format(*stops[1])]
    colours = []
    for index in range(count):
        # Few rungs take the first stops only: neighbours stay apart, and the palest are not needed.
        place = index * min(len(stops) - 1, count - 1) / (count - 1)
        low = min(int(place), len(stops) - 2)
        part = place - low
        mixed = (round(a + (b - a) * part) for a, b in zip(stops[low], stops[low + 1], strict=True))
        colours.append("#{:02x}{:02x}{:02x}".format(*mixed))
    return colours


def _spans(spans: Sequence[tuple[float, float]], origin: float) -> list[list[float]]:
    return [[round(start - origin, 3), round(end - origin, 3)] for start, end in merged_spans(spans)]


def _line(points: Sequence[SeriesPoint], origin: float) -> dict[str, Any]:
    """Return the points as columns of steps; many of them as the means of neighbours, never over a gap."""
    groups = _groups(points)
    worst = [min(group, key=_worst) for group in groups]
    return {
        "start": [round(group[0].start_seconds - origin, 3) for group in groups],
        "duration": [round(end_of(group[-1]) - group[0].start_seconds, 3) for group in groups],
        "score": [_mean([point.score for point in group], group) for group in groups],
        "low": [_mean([point.low for point in group], group) for group in groups],
        "high": [_mean([point.high for point in group], group) for group in groups],
        "bitrate_bps": [_bitrate(group) for group in groups],
        "worst": [round(_worst(point), 2) for point in worst],
        "worst_at": [round(_worst_seconds(point) - origin, 3) for point in worst],
        "findings": [[index, kinds] for index, group in enumerate(groups) if (kinds := _found(group))],
        "gaps": [index for index in range(1, len(groups)) if _is_gap(groups[index - 1][-1], groups[index][0])],
    }


def _groups(points: Sequence[SeriesPoint]) -> list[list[SeriesPoint]]:
    """Return the points of each step."""
    size = -(-len(points) // MOST_STEPS)
    groups: list[list[SeriesPoint]] = []
    for point in points:
        last = groups[-1] if groups else []
        if last and len(last) < size and point.start_seconds - end_of(last[-1]) < max(1.0, _quarter(last[-1])):
            last.append(point)
        else:
            groups.append([point])
    return groups


def _is_gap(before: SeriesPoint, after: SeriesPoint) -> bool:
    return after.start_seconds - end_of(before) > max(0.02, _quarter(before))


def _quarter(point: SeriesPoint) -> float:
    return (end_of(point) - point.start_seconds) / 4


def _mean(values: Sequence[float], group: Sequence[SeriesPoint]) -> float:
    return round(fmean(values, [max(point.duration_seconds, 1e-3) for point in group]), 2)


def _bitrate(group: Sequence[SeriesPoint]) -> int | None:
    known = [point.bitrate_bps for point in group if point.bitrate_bps is not None]
    return round(fmean(known)) if known else None


def _worst(point: SeriesPoint) -> float:
    """Of its worst frame; of a minute or an hour, whose frames are not known, of the worst segment."""
    return point.least_score if point.raw is None else point.raw.worst_score


def _worst_seconds(point: SeriesPoint) -> float:
    return point.least_seconds if point.raw is None else point.raw.worst_seconds


def _found(group: Sequence[SeriesPoint]) -> list[str]:
    """Return what is wrong with the pictures; what is only worth knowing does not make a line red."""
    kinds = {kind for point in group for kind, _ in point.findings}
    return sorted(kind.value for kind in kinds if SEVERITIES.get(kind, Severity.PROBLEM) is Severity.PROBLEM)
