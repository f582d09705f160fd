"""Writes the report: one HTML file that works offline, with charts, worst frames, and how it was measured."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.charts import inline
from pipeline.report.chart_data import chart_data, coloured
from pipeline.report.of_scores import WorstFrames, page_of_scores
from pipeline.report.shift import WORDS
from pipeline.report.shown import ShownPage, ShownStream
from pipeline.report.summary import StreamSummary
from pipeline.words import WALL_CLOCK, as_bitrate, as_codec, as_duration, as_rate, as_time, printable
from schemas import DeadLetter, Incident, quality_word

TEMPLATES = Path(__file__).parent / "templates"

STATED = frozenset({"model", "sampler", "display height"})
"""Settings that the page states by itself, as the scores have them."""


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
    library, script = inline.library(), inline.script(TEMPLATES / "report.js")
    rungs = [coloured(stream.rungs) for stream in page.streams]
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
            for stream, own in zip(page.streams, rungs, strict=True)
        ],
        words=WORDS,
        rejected=rejected,
        settings={name: value for name, value in settings.items() if name not in STATED},
        identities=page.identities,
        generated_at=generated_at.astimezone(UTC),
        data={"streams": [chart_data(stream, own) for stream, own in zip(page.streams, rungs, strict=True)]},
        style=Markup(inline.style() + (TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        library=Markup(library),
        script_hashes=[_csp_hash(library), _csp_hash(script)],
    )


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


def _csp_hash(script: str) -> str:
    """Return the source expression that lets a browser run this script and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
