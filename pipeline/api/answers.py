"""How an answer is sent: compact JSON with an ETag, or nothing where the client has it already."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request
from starlette.responses import Response

from pipeline.api.problems import wrong

REVALIDATED = {"Cache-Control": "private, no-cache"}
as_text: Callable[[object], str] = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode
"""Compact JSON; not to be sent as it stands, as names may hold what UTF-8 cannot say."""


def as_json(request: Request, document: object) -> Response:
    return tagged(request, as_text(document).encode("utf-8", "replace"), "application/json")


def tagged(request: Request, body: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the body with an ETag, or 304 where the client named it. Weak, as compression is chosen later."""
    tag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    shown = {**REVALIDATED, "ETag": tag, **(headers or {})}
    asked = request.headers.get("if-none-match", "")
    if asked.strip() == "*" or tag.removeprefix("W/") in {each.strip().removeprefix("W/") for each in asked.split(",")}:
        return Response(status_code=304, headers=shown)
    return Response(body, 200, shown, media_type)


def cursor(*parts: Any) -> str:
    """Return where a list goes on, for nobody but `parts_of` to read."""
    return base64.urlsafe_b64encode(as_text(parts).encode()).decode().rstrip("=")


def parts_of(text: str, *kinds: type | tuple[type, ...]) -> list[Any]:
    """Return the parts of a cursor, which have these types; raises Refused where it is none of ours."""
    try:
        parts = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        parts = None
    if (
        not isinstance(parts, list)
        or len(parts) != len(kinds)
        or not all(isinstance(part, kind) for part, kind in zip(parts, kinds, strict=True))
    ):
        raise wrong("cursor", "it is not what `next` of an earlier answer to this question said: begin without one")
    return parts
