"""The OpenAPI document: what FastAPI makes of the routes, with every problem that can be answered."""

from typing import Any

from fastapi import FastAPI

from pipeline.api.examples import EXAMPLES
from pipeline.api.problems import MEDIA_TYPE, Problem

DESCRIPTION = """\
Perceived quality of every rung of a bitrate ladder over time, 0-100 on the scale of VMAF.

Ids of streams and renditions may hold any character: they are query parameters, never parts of a path. Times are asked
for in RFC 3339 or as seconds on the stream's axis (since the epoch for live, media time for VOD). Errors are
`application/problem+json` (RFC 9457). Answers have an ETag: send `If-None-Match`.
"""
TAGS = [
    {"name": "fleet", "description": "All streams."},
    {"name": "stream", "description": "One stream over time, and as it happens."},
    {"name": "trouble", "description": "What went wrong, and how it looked."},
    {"name": "notes", "description": "What people noted. The only writes."},
    {"name": "process", "description": "This process."},
]
ALWAYS = {
    "413": "A body that is too large.",
    "421": "The Host is not one that this service is for.",
    "422": "Parameters or a body that cannot be meant; `errors` lists all.",
    "429": "Too many requests; Retry-After says when to come back.",
    "500": "A bug.",
    "503": "Redis is away; Retry-After says when to come back.",
}
NOT_FOUND = "No such stream, rendition, model or picture; `near` has names that may have been meant."


def describe(app: FastAPI, *, needs_token: bool) -> None:
    """Make `app.openapi` return the document."""
    made = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_tags = TAGS
            app.description = DESCRIPTION
            app.openapi_schema = _completed(made(), needs_token=needs_token)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _completed(document: dict[str, Any], *, needs_token: bool) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {}) | {"Problem": problem}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    if needs_token:
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "RUNGWATCH_API_TOKEN of the service."},
            "session": {"type": "apiKey", "in": "cookie", "name": "rungwatch_session"},
        }
        document["security"] = [{"token": []}, {"session": []}]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(method, operation, needs_token=needs_token)
            if (method, path) in EXAMPLES:
                good = operation["responses"].get("200") or operation["responses"]["201"]
                good["content"]["application/json"]["example"] = EXAMPLES[(method, path)]
    return document


def _complete(method: str, operation: dict[str, Any], *, needs_token: bool) -> None:
    texts = dict(ALWAYS)
    if any(each["name"] == "stream" for each in operation.get("parameters", ())):
        texts["404"] = NOT_FOUND
    if needs_token:
        texts["401"] = "Neither the token nor a session."
    if method == "get":
        operation["responses"]["304"] = {"description": "As the ETag in If-None-Match says: nothing changed."}
    else:
        texts["400"] = "A body that cannot be read."
        texts["403"] = "Asked by a page of another site."
    for status, text in texts.items():
        operation["responses"][status] = {
            "description": text,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    operation["responses"] = dict(sorted(operation["responses"].items()))
