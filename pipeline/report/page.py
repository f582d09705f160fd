"""Writes the report: one HTML file that works offline, with charts, worst frames, and how it was measured."""

import base64
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pipeline.report.findings import merged_spans
from pipeline.report.rendition import Note, RenditionSummary, Severity, moment_on_axis
from pipeline.report.summary import StreamSummary, headline, overview
from pipeline.report.words import (
    WALL_CLOCK,
    as_bitrate,
    as_codec,
    as_rate,
    as_size,
    as_time,
    printable,
)
from schemas import DeadLetter, SegmentScored, quality_word

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
class _Rung:
    """What the template shows of a rendition, besides its summary."""

    summary: RenditionSummary
    light: str
    dark: str
    troubled: bool
    worst_frame_uri: str | None
    worst_when: str | None
    """None: a still has no time."""


def render(
    streams: Sequence[StreamSummary],
    *,
    settings: Mapping[str, str],
    rejected: Sequence[DeadLetter] = (),
    worst_frames: Mapping[tuple[str, str], bytes] | None = None,
    generated_at: datetime,
) -> str:
    """Return the whole page.

    Args:
        streams: As `summarise` gives them.
        settings: What the run was made with, as label -> value, shown as they are (version, inputs, basis, ...);
            those in `STATED` are left out.
        rejected: What could not be scored.
        worst_frames: JPEG of the worst frame by (stream_id, rendition_id); those that are absent are left out.
        generated_at: With a time zone.
    """
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
        "printable": printable,
        "rate": as_rate,
        "word": quality_word,
    }
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    library = get_plotlyjs()
    rungs = [_rungs(stream, worst_frames or {}) for stream in streams]
    return environment.get_template("report.html.j2").render(
        headline=headline(streams, rejected),
        sections=[
            {
                "stream": stream,
                "overview": overview(stream),
                "rungs": own,
                "size": as_size,
                "notes": {severity.value: _of(stream.notes, severity) for severity in Severity},
            }
            for stream, own in zip(streams, rungs, strict=True)
        ],
        rejected=rejected,
        settings={name: value for name, value in settings.items() if name not in STATED},
        identities=_identities(streams),
        generated_at=generated_at.astimezone(UTC),
        data={"streams": [_chart(stream, own) for stream, own in zip(streams, rungs, strict=True)]},
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        library=Markup(library),
        script_hashes=[_csp_hash(library), _csp_hash(script)],
    )


def _rungs(stream: StreamSummary, worst_frames: Mapping[tuple[str, str], bytes]) -> list[_Rung]:
    lights, darks = (_ramp(RAMP[theme], len(stream.renditions)) for theme in ("light", "dark"))
    rungs = []
    for index, summary in enumerate(stream.renditions):
        jpeg = worst_frames.get((summary.stream_id, summary.rendition_id))
        rungs.append(
            _Rung(
                summary=summary,
                light=lights[index],
                dark=darks[index],
                troubled=summary.rendition_id in stream.troubled_ids,
                worst_frame_uri=f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else None,
                worst_when=as_time(summary.worst.time_seconds, summary.time_basis)
                if summary.duration_seconds
                else None,
            )
        )
    return rungs


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


def _chart(stream: StreamSummary, rungs: Sequence[_Rung]) -> dict[str, Any]:
    """Return what the script draws of one stream."""
    inverted = {note.rendition_ids[0] for note in stream.notes if note.kind == "inverted"}
    spoiled: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for note in stream.problems:
        for each_id in note.rendition_ids[:1]:
            spoiled[each_id].extend(note.spans_seconds)
    places = {each.summary.rendition_id: index for index, each in enumerate(rungs)}
    return {
        "live": stream.renditions[0].time_basis in WALL_CLOCK,
        "rungs": [
            {
                "label": each.summary.label,
                "light": each.light,
                "dark": each.dark,
                "codec": each.summary.media.codec,
                "inverted": each.summary.rendition_id in inverted,
                "bitrate_bps": each.summary.bitrate_bps,
                "mean": each.summary.mean,
                "low": each.summary.low,
                "high": each.summary.high,
                "told": f"{each.summary.mean:.0f} ({each.summary.word}) at {as_bitrate(each.summary.bitrate_bps)}",
                "steps": _steps(each.summary),
            }
            for each in rungs
        ],
        "shaded": [
            {"rung": places[each], "spans": merged_spans(spans)} for each, spans in spoiled.items() if each in places
        ],
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


def _steps(summary: RenditionSummary) -> list[dict[str, Any]]:
    """Return the segments as steps [start, end); many of them as the means of neighbours."""
    segments = summary.segments
    size = -(-len(segments) // MOST_STEPS)
    return [_step(segments[index : index + size]) for index in range(0, len(segments), size)]


def _step(segments: Sequence[SegmentScored]) -> dict[str, Any]:
    first, last = segments[0], segments[-1]
    score = fmean(each.score for each in segments)
    worst = min(segments, key=lambda each: each.worst_frame.score)
    when = as_time(moment_on_axis(worst, worst.worst_frame.time_seconds), first.time_basis)
    known = [each.media.bitrate_bps for each in segments if each.media.bitrate_bps is not None]
    return {
        "start": first.start_seconds,
        "end": last.start_seconds + last.duration_seconds,
        "score": round(score, 2),
        "low": round(fmean(each.low for each in segments), 2),
        "high": round(fmean(each.high for each in segments), 2),
        "told": f"{score:.0f} {quality_word(score)}",
        "more": f"{as_bitrate(fmean(known) if known else None)}, worst frame {worst.worst_frame.score:.0f} at {when}",
    }


def _of(notes: Sequence[Note], severity: Severity) -> list[Note]:
    return [note for note in notes if note.severity is severity]


def _identities(streams: Sequence[StreamSummary]) -> list[dict[str, str]]:
    """Return every model and sampler once."""
    found = {}
    for stream in streams:
        model, sampler = stream.model, stream.sampler
        found[model.name, model.weights_hash, sampler.name, sampler.frames] = {
            "model": printable(model.name),
            "weights": model.weights_hash,
            "accuracy": printable(model.accuracy),
            "sampler": f"{printable(sampler.name)}, {sampler.frames} frames a segment",
        }
    return list(found.values())


def _csp_hash(script: str) -> str:
    """Return the source expression that lets a browser run this script and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
