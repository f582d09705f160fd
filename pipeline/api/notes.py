"""The endpoints that write: notes on streams, and nothing else."""

import secrets
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from pipeline.api import asked, shapes
from pipeline.api.answers import as_json
from pipeline.api.problems import Refused, wrong
from pipeline.api.sources import Annotations
from pipeline.api.times import clock_bounds
from schemas import Annotation


def notes(annotations: Annotations) -> APIRouter:
    router = APIRouter(prefix="/api/v1/annotations", tags=["notes"])

    @router.get("", response_model=shapes.Annotations)
    def annotations_(request: Request, query: asked.AnnotationsQuery) -> Response:
        """List the notes on a stream that lie in a range of the wall clock."""
        found = annotations.read(query.stream, *clock_bounds(query.start, query.to, query.last))
        return as_json(request, {"annotations": [each.model_dump(mode="json") for each in found]})

    @router.post("", response_model=Annotation, status_code=201)
    def annotate(note: shapes.NewAnnotation) -> Annotation:
        """Note something of a stream: an encoder that was changed, a test that runs."""
        if note.end_at is not None and note.end_at < note.start_at:
            raise wrong("body: end_at", "a note cannot end before it starts")
        made = Annotation(
            annotation_id=secrets.token_urlsafe(9),
            stream_id=note.stream_id,
            text=note.text,
            tags=note.tags,
            start_at=note.start_at,
            end_at=note.end_at,
            created_at=datetime.now(UTC),
        )
        annotations.add(made)
        return made

    @router.delete("", status_code=204, response_class=Response)
    def forget(query: asked.AnnotationQuery) -> Response:
        """Remove a note."""
        if not annotations.remove(query.stream, query.id):
            raise Refused(404, "unknown-annotation", f"{query.stream} has no annotation {query.id!r}")
        return Response(status_code=204)

    return router
