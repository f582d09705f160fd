"""Writes the report: one HTML file that works offline, with charts, worst frames, and how it was measured."""

import base64
import gzip
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pipeline.history import SeriesPoint
from pipeline.report.findings import merged_spans
from pipeline.report.of_scores import WorstFrames, page_of_scores
from pipeline.report.shift import WORDS
from pipeline.report.shown import ShownPage, ShownRung, ShownStream
from pipeline.report.summary import StreamSummary
from pipeline.troubles import end_of
from pipeline.words import WALL_CLOCK, as_bitrate, as_codec, as_duration, as_rate, as_time, printable
from schemas import DeadLetter, Incident, quality_word

TEMPLATES = Path(__file__).parent / "templates"

RAMP = {
    "light": ((58, 36, 130), (38, 99, 178), (16, 140, 140), (108, 152, 32), (196, 148, 0)),
    "dark": ((168, 152, 255), (96, 170, 245), (52, 200, 186), (168, 212, 84), (244, 208, 84)),
}
"""Colours of the rungs from best to worst, as RGB: one order of hue and lightness, which the colour-blind see too,
and no red in it, which is kept for what is wrong."""
STATED = frozenset({"model", "sampler", "display height"})
"""Settings that the page states by itself, as the scores have them."""
MOST_STEPS = 1500
"""Steps of one line; beyond that neighbouring segments are drawn as their mean."""

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Coloured:
    """A rendition with its colours."""

    rung: ShownRung
    light: str
    dark: str


def render(
    streams: Sequence[StreamSummary],
    *,
    settings: Mapping[str, str],
    rejected: Sequence[DeadLetter] = (),
    worst_frames: WorstFrames | None = None,
    generated_at: datetime,
) -> str:
    """Return the whole page of a run.

    Args:
        streams: As `summarise` gives them.
        settings: What the run was made with, as label -> value, shown as they are (version, inputs, basis, ...);
            those in `STATED` are left out.
        rejected: What could not be scored.
        worst_frames: Those that are absent are left out.
        generated_at: With a time zone.
    """
    shown = page_of_scores(streams, rejected, worst_frames or {})
    return written(shown, settings=settings, rejected=rejected, generated_at=generated_at)


def written(
    page: ShownPage,
    *,
    settings: Mapping[str, str],
    rejected: Sequence[DeadLetter] = (),
    generated_at: datetime,
) -> str:
    """Return a page as one HTML document; see `render` for the arguments."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # names come from outside
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "bitrate": as_bitrate,
        "codec": as_codec,
        "jpeg": _data_uri,
        "lasting": _lasting,
        "printable": printable,
        "rate": as_rate,
        "word": quality_word,
    }
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    packed, library_hash = _library()
    coloured = [_coloured(stream.rungs) for stream in page.streams]
    return environment.get_template("report.html.j2").render(
        headline=page.headline,
        sections=[
            {
                "stream": stream,
                "rungs": own,
                "by_id": {each.rung.rendition_id: each for each in own},
                "incidents": _incident_rows(stream),
                "problems": len(stream.problems),
            }
            for stream, own in zip(page.streams, coloured, strict=True)
        ],
        words=WORDS,
        rejected=rejected,
        settings={name: value for name, value in settings.items() if name not in STATED},
        identities=page.identities,
        generated_at=generated_at.astimezone(UTC),
        data={"streams": [_chart(stream, own) for stream, own in zip(page.streams, coloured, strict=True)]},
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        library=packed,
        script_hashes=[library_hash, _csp_hash(script)],
    )


@cache
def _library() -> tuple[str, str]:
    """Return the library of the charts as base64 of gzip, and the hash of it unpacked."""
    text = get_plotlyjs()
    packed = gzip.compress(text.encode(), mtime=0)  # the same page of the same scores, byte for byte
    return base64.b64encode(packed).decode(), _csp_hash(text)


def _coloured(rungs: Sequence[ShownRung]) -> list[_Coloured]:
    lights, darks = (_ramp(RAMP[theme], len(rungs)) for theme in ("light", "dark"))
    return [_Coloured(*each) for each in zip(rungs, lights, darks, strict=True)]


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _lasting(seconds: float) -> str:
    """Return a length of time; a dash for none."""
    return as_duration(seconds) if seconds >= 1 else "–"


def _incident_rows(stream: ShownStream) -> list[dict[str, Any]]:
    """Return what the shift summary shows of every incident."""
    if stream.shift is None:
        return []
    shift, dated = stream.shift, _is_dated(stream)
    return [
        {
            "incident": each,
            "cause": each.cause.replace("_", " "),
            "from": _moment(each.start_seconds, stream, dated=dated),
            "to": None if each.end_seconds is None else _moment(each.end_seconds, stream, dated=dated),
            "lasting": _length_of(each, shift.end_seconds),
            "renditions": [printable(rendition) for rendition in each.rendition_ids] or ["the presentation"],
            "jpeg": shift.pictures.get(each.incident_id),
        }
        for each in shift.incidents
    ]


def _length_of(incident: Incident, end_seconds: float) -> str:
    if incident.end_seconds is None:
        return f"{as_duration(max(0.0, end_seconds - incident.start_seconds))} so far"
    return as_duration(incident.end_seconds - incident.start_seconds)


def _is_dated(stream: ShownStream) -> bool:
    """Say whether times need their date: the range lies in more than one day."""
    if stream.shift is None or stream.time_basis not in WALL_CLOCK:
        return False
    starts = [stream.shift.start_seconds, *(each.start_seconds for each in stream.shift.incidents)]
    return len({datetime.fromtimestamp(each, UTC).date() for each in (*starts, stream.shift.end_seconds)}) > 1


def _moment(seconds: float, stream: ShownStream, *, dated: bool) -> str:
    text = as_time(seconds, stream.time_basis)
    return f"{datetime.fromtimestamp(seconds, UTC):%-d %b} {text}" if dated else text


def _ramp(stops: Sequence[Colour], count: int) -> list[str]:
    """Return `count` colours spread evenly over the stops; one alone is the second stop."""
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


def _chart(stream: ShownStream, rungs: Sequence[_Coloured]) -> dict[str, Any]:
    """Return what the script draws of one stream."""
    inverted = {note.rendition_ids[0] for note in stream.notes if note.kind == "inverted"}
    spoiled: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for note in stream.problems:
        for each_id in note.rendition_ids[:1]:
            spoiled[each_id].extend(note.spans_seconds)
    places = {each.rung.rendition_id: index for index, each in enumerate(rungs)}
    return {
        "live": stream.time_basis in WALL_CLOCK,
        "span": [stream.shift.start_seconds, stream.shift.end_seconds] if stream.shift else None,
        "rungs": [
            {
                "label": each.rung.label,
                "light": each.light,
                "dark": each.dark,
                "codec": each.rung.codec,
                "inverted": each.rung.rendition_id in inverted,
                "bitrate_bps": each.rung.bitrate_bps,
                "mean": each.rung.mean,
                "low": each.rung.low,
                "high": each.rung.high,
                "told": f"{each.rung.mean:.0f} ({each.rung.word}) at {as_bitrate(each.rung.bitrate_bps)}",
                "steps": _steps(each.rung.points, stream),
            }
            for each in rungs
        ],
        "shaded": [
            {"rung": places[each], "spans": merged_spans(spans)} for each, spans in spoiled.items() if each in places
        ],
        "ads": merged_spans(stream.ads),
        "skipped": merged_spans(stream.skipped),
        "notes": [
            {
                "severity": note.severity.value,
                "text": note.text,
                "rungs": [places[each] for each in note.rendition_ids if each in places],
                "spans": note.spans_seconds,
            }
            for note in stream.notes
            if note.spans_seconds
        ],
    }


def _steps(points: Sequence[SeriesPoint], stream: ShownStream) -> list[dict[str, Any]]:
    """Return the points as steps [start, end); many of them as the means of neighbours, never over a gap."""
    size = -(-len(points) // MOST_STEPS)
    groups: list[list[SeriesPoint]] = []
    for point in points:
        last = groups[-1] if groups else []
        if last and len(last) < size and point.start_seconds - end_of(last[-1]) < _gap(last[-1]):
            last.append(point)
        else:
            groups.append([point])
    return [_step(group, stream) for group in groups]


def _gap(point: SeriesPoint) -> float:
    return max(1.0, point.duration_seconds / 4)


def _step(points: Sequence[SeriesPoint], stream: ShownStream) -> dict[str, Any]:
    first, last = points[0], points[-1]
    weights = [max(point.duration_seconds, 1e-3) for point in points]
    score = fmean([point.score for point in points], weights)
    worst = min(points, key=lambda point: point.least_score if point.raw is None else point.raw.worst_score)
    if worst.raw is None:
        bad = f"worst segment {worst.least_score:.0f} at {as_time(worst.least_seconds, stream.time_basis)}"
    else:
        bad = f"worst frame {worst.raw.worst_score:.0f} at {as_time(worst.raw.worst_seconds, stream.time_basis)}"
    known = [point.bitrate_bps for point in points if point.bitrate_bps is not None]
    return {
        "start": first.start_seconds,
        "end": end_of(last),
        "score": round(score, 2),
        "low": round(fmean([point.low for point in points], weights), 2),
        "high": round(fmean([point.high for point in points], weights), 2),
        "told": f"{score:.0f} {quality_word(score)}",
        "more": f"{as_bitrate(fmean(known) if known else None)}, {bad}",
    }


def _csp_hash(script: str) -> str:
    """Return the source expression that lets a browser run this script and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
