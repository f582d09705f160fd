"""Errors in one shape: `application/problem+json` (RFC 9457), for whatever goes wrong at whichever depth."""

import difflib
import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pipeline.errors import NotFound, RungwatchError, Unavailable

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
MOST_NAMES = 5
MOST_ERRORS = 20
_TYPE = "urn:rungwatch:problem:"


class Invalid(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(examples=["query: points"])
    what: str = Field(examples=["Input should be less than or equal to 10000"])


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:rungwatch:problem:unknown-stream"])
    """For programs: it stays the same when the words change."""
    title: str = Field(examples=["Not Found"])
    status: int = Field(ge=400, le=599, examples=[404])
    detail: str = Field(examples=["no points of a stream 'nws': did you mean news?"])
    """For people: what, where, and what to do next."""
    near: list[str] | None = Field(default=None, examples=[["news"]])
    """Names that may have been meant."""
    errors: list[Invalid] | None = None
    """Everything that is wrong with a request."""


class Refused(Exception):
    """An answer that is a problem, raised anywhere below an endpoint."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        near: Sequence[str] = (),
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.headers, self.near = headers, near


def unknown(what: str, name: str, known: Sequence[str], where: str) -> Refused:
    """Return the 404 of a name that is not there, with those that may have been meant.

    Args:
        what: As in the kind of problem: ``stream``, ``rendition``, ``model``.
        known: Every name there is; empty: there are none at all.
        where: The beginning of the sentence: ``no points of a stream``, ``news has no rendition``.
    """
    near = difflib.get_close_matches(name, known, MOST_NAMES, 0.5)
    if not known:
        rest = f": there are no {what}s at all"
    elif near:
        rest = f": did you mean {' or '.join(near)}?"
    else:
        more = f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else ""
        rest = f": there are the {what}s {', '.join(known[:MOST_NAMES])}{more}"
    return Refused(404, f"unknown-{what}", f"{where} {name!r}{rest}", near=near)


def wrong(where: str, detail: str) -> Refused:
    """Return the 422 of a parameter that cannot be meant."""
    return Refused(422, "invalid", f"{where}: {detail}")


def problem(status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """Return the response; `more`: members besides those of the RFC."""
    body = {"type": _TYPE + kind, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    text = json.dumps(body | {name: value for name, value in more.items() if value}, ensure_ascii=False)
    return Response(
        text.encode("utf-8", "replace"), status, {"Cache-Control": "no-store", **(headers or {})}, MEDIA_TYPE
    )


def handle(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RungwatchError, _ours)
    app.add_exception_handler(Exception, _bug)  # and is raised once more, for whoever logs it


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return problem(error.status, error.kind, error.detail, error.headers, near=list(error.near))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    # Without the values: what was sent may be a secret that was put in the wrong place.
    errors = [
        {"where": ": ".join(str(part) for part in each["loc"]), "what": str(each["msg"])}
        for each in found[:MOST_ERRORS]
    ]
    first = f"{errors[0]['where']}: {errors[0]['what']}" if errors else "the request cannot be read"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return problem(422, "invalid", f"{first}{more}; /openapi.json says what is accepted", errors=errors)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem(
            404, "no-such-path", f"nothing is at {request.scope['path']!r}: /openapi.json lists what there is"
        )
    if error.status_code == 405:
        allowed = _allowed(request, error)
        return problem(
            405, "method", f"{request.method} is not for {request.scope['path']}, only {allowed}", {"Allow": allowed}
        )
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return problem(error.status_code, kind, str(error.detail), error.headers)


def _allowed(request: Request, error: HTTPException) -> str:
    # Of all endpoints of the path; the error knows the first one's only.
    described = request.app.openapi()["paths"].get(request.scope["path"], {})
    return ", ".join(sorted(method.upper() for method in described)) or str((error.headers or {}).get("Allow", "GET"))


async def _ours(request: Request, error: Exception) -> Response:
    # The messages of our errors are written for people and carry no secrets.
    if isinstance(error, NotFound):
        return problem(404, "not-found", str(error))
    if not isinstance(error, Unavailable):
        log.warning("A request to %s cannot be answered: %s.", request.scope["path"], error)
    return problem(503, "unavailable", str(error), {"Retry-After": str(RETRY_SECONDS)})


async def _bug(request: Request, error: Exception) -> Response:
    return problem(500, "bug", "a bug of Rungwatch: the log of `rungwatch serve` has its stack; please report it")
