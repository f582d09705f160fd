"""The way in for browsers: a plain form, a cookie that scripts cannot read, and out again."""

from pathlib import Path
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from pipeline.api.problems import Refused
from pipeline.api.rates import Rates
from pipeline.api.tokens import COOKIE, Tokens

MOST_FIELDS = 10
_UNSTORED = {"Cache-Control": "no-store"}


def login(tokens: Tokens | None, logins_per_minute: int, body_bytes: int, folder: Path) -> APIRouter:
    """Return the routes; `tokens` None: nobody needs to log in. `folder`: has the form."""
    router = APIRouter(include_in_schema=False)
    rates = Rates(logins_per_minute / 60, logins_per_minute)

    @router.get("/login")
    async def form(request: Request) -> Response:
        if tokens is None:
            return RedirectResponse(local(request.query_params.get("next", "")), 303, _UNSTORED)
        return FileResponse(folder / "login.html", media_type="text/html", headers={"Cache-Control": "no-cache"})

    @router.post("/session")
    async def enter(request: Request) -> Response:
        fields = await _fields(request, body_bytes)
        after = local(fields.get("next", ""))
        if tokens is None:
            return RedirectResponse(after, 303, _UNSTORED)
        if wait := rates.wait_seconds(request.scope["client_key"]):
            raise Refused(
                429,
                "too-many-logins",
                f"too many tries of a token (RUNGWATCH_API_LOGINS_PER_MINUTE): wait {wait} s and go back",
                headers={"Retry-After": str(wait)},
            )
        if not tokens.is_token(fields.get("token", "")):
            return RedirectResponse(f"/login?{urlencode({'wrong': '1', 'next': after})}", 303, _UNSTORED)
        answer = RedirectResponse(after, 303, _UNSTORED)
        answer.set_cookie(
            COOKIE,
            tokens.session(),
            max_age=tokens.session_seconds,
            path="/",
            secure=request.scope["scheme"] == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    @router.post("/logout")
    async def leave() -> Response:
        answer = RedirectResponse("/login", 303, _UNSTORED)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    return router


def local(path: str) -> str:
    """Return a path of this server; whatever leads elsewhere becomes ``/``."""
    is_local = path.startswith("/") and path.isprintable() and not path.startswith("//") and "\\" not in path
    return path if is_local else "/"


async def _fields(request: Request, most_bytes: int) -> dict[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most_bytes:
            raise Refused(413, "body-too-large", f"a body may have {most_bytes} bytes (RUNGWATCH_API_BODY_BYTES)")
    try:
        found = parse_qs(body.decode("utf-8", "replace"), max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}
