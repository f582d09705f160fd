"""The endpoints that are asked: everything that reads."""

import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from pipeline.api import asked, shapes
from pipeline.api.answers import as_json, tagged
from pipeline.api.findings import findings_page
from pipeline.api.fleet import Fleet
from pipeline.api.ladder import ladder
from pipeline.api.problems import Refused
from pipeline.api.series import as_csv, columns, in_rows, read
from pipeline.api.sources import Sources
from pipeline.api.times import Span, as_time, entries_of, span_of
from pipeline.api.worst import segments
from pipeline.history import History, SeriesEntry, selected
from pipeline.incident_reader import read_incidents
from pipeline.words import WALL_CLOCK
from schemas import Incident

PREFIX = "/api/v1"


def questions(sources: Sources) -> APIRouter:
    """Return the routes. Their functions run in threads, as the history waits for Redis."""
    history, pictures = sources.history, sources.pictures
    router = APIRouter(prefix=PREFIX)
    fleet = Fleet(history)

    @router.get("/streams", response_model=shapes.Streams, tags=["fleet"])
    def streams(request: Request, query: asked.StreamsQuery) -> Response:
        """List all streams as they stand, the worst first."""
        page = fleet.page(query.search, query.sort, query.limit, query.cursor)
        return tagged(request, page.body, "application/json")

    @router.get("/renditions", response_model=shapes.Renditions, tags=["stream"])
    def renditions(request: Request, query: asked.RenditionsQuery) -> Response:
        """List the renditions of a stream, and which series there are of each."""
        found: dict[str, list[dict[str, Any]]] = {}
        for entry in entries_of(history, query.stream):
            found.setdefault(entry.series.rendition_id, []).append(_series(entry))
        listed = [{"rendition_id": name, "series": series} for name, series in found.items()]
        return as_json(request, {"stream_id": query.stream, "renditions": listed})

    @router.get("/ladder", response_model=shapes.Ladder, tags=["stream"])
    def ladder_(request: Request, query: asked.LadderQuery) -> Response:
        """Show the latest point of every rendition, best bitrate first."""
        entries = selected(entries_of(history, query.stream, (), query.model, query.display_height))
        return as_json(request, ladder(query.stream, entries, time.time()))

    @router.get(
        "/series",
        response_model=shapes.SeriesInColumns | shapes.SeriesInRows,
        responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
        tags=["stream"],
    )
    def series(request: Request, query: asked.SeriesQuery) -> Response:
        """Show quality over time of every rendition."""
        span = _span_of_series(history, query)
        found = read(history, span, query.resolution, query.points)
        if query.format == "csv":
            return tagged(request, as_csv(found), "text/csv; charset=utf-8")
        return as_json(request, in_rows(found) if query.shape == "rows" else columns(found))

    @router.get("/findings", response_model=shapes.Findings, tags=["trouble"])
    def findings(request: Request, query: asked.FindingsQuery) -> Response:
        """List what playlists, manifests and origins did that they should not, the newest first."""
        return as_json(request, findings_page(history, query, time.time()))

    @router.get("/incidents", response_model=shapes.Incidents, tags=["trouble"])
    def incidents(request: Request, query: asked.IncidentsQuery) -> Response:
        """List what went wrong: one cause is one incident, told in a sentence, with where to look."""
        span = span_of(history, query.stream, query.start, query.to, query.last, (), query.model)
        found = read_incidents(history, query.stream, span.start_seconds, span.end_seconds, model=query.model)
        shown = [each.model_dump(mode="json", exclude={"schema_version"}) | _lasting(each) for each in found]
        return as_json(request, {"incidents": shown})

    @router.get("/worst", response_model=shapes.Worst, tags=["trouble"])
    def worst(request: Request, query: asked.WorstQuery) -> Response:
        """List the worst segments of a range, with the addresses of their pictures."""
        span = _span_of_series(history, query)
        found = segments(history, pictures, span, query.limit, lambda asks: f"{PREFIX}/picture?{asks}")
        return as_json(request, {"segments": found})

    @router.get(
        "/picture",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}},
        tags=["trouble"],
    )
    def picture(request: Request, query: asked.PictureQuery) -> Response:
        """Show the worst frame of a segment, small."""
        jpeg = pictures.jpeg(query.stream, query.rendition, query.start)
        if jpeg is None:
            raise Refused(
                404,
                "no-picture",
                f"no picture is kept of {query.stream} {query.rendition} at {query.start:g} s: "
                f"{PREFIX}/worst names those that are",
            )
        return tagged(request, jpeg, "image/jpeg")

    @router.get("/skipped", response_model=shapes.Skipped, tags=["trouble"])
    def skipped(request: Request, query: asked.SkippedQuery) -> Response:
        """List the live segments that were not scored, as their turn came too late."""
        span = _span(query)
        found = history.skipped(query.stream, None, span.start_seconds, span.end_seconds)
        shown = [
            each.model_dump(mode="json")
            for each in found
            if not query.rendition or each.rendition_id in query.rendition
        ]
        return as_json(request, {"skipped": shown})

    def _span(query: asked.AskedSkipped) -> Span:
        return span_of(history, query.stream, query.start, query.to, query.last, query.rendition)

    return router


def health(ready: Callable[[], dict[str, str | None]]) -> APIRouter:
    """Return the route that says how this process is."""
    router = APIRouter(prefix=PREFIX)

    @router.get("/health", response_model=shapes.Health, tags=["process"])
    def health_() -> dict[str, Any]:
        """Say whether this process can do its work, and if not, why."""
        verdicts = ready()
        return {
            "ready": all(reason is None for reason in verdicts.values()),
            "checks": {name: reason or "ok" for name, reason in sorted(verdicts.items())},
        }

    return router


def _lasting(incident: Incident) -> dict[str, Any]:
    return {"open": incident.is_open, "duration_seconds": incident.duration_seconds}


def _series(entry: SeriesEntry) -> dict[str, Any]:
    series = entry.series
    is_clock = entry.latest.time_basis in WALL_CLOCK
    return {
        "model": series.model_name,
        "weights_hash": entry.latest.weights_hash,
        "revision": entry.revision,
        "display_height_px": series.display_height_px,
        "sampler": series.sampler_name,
        "first_seconds": round(entry.first_seconds, 3),
        "end_seconds": round(entry.end_seconds, 3),
        "first": as_time(entry.first_seconds) if is_clock else None,
        "end": as_time(entry.end_seconds) if is_clock else None,
    }


def _span_of_series(history: History, query: asked.AskedSeries | asked.AskedWorst) -> Span:
    return span_of(
        history,
        query.stream,
        query.start,
        query.to,
        query.last,
        query.renditions,
        query.model,
        query.display_height,
    )
