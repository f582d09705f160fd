"""The page and its files, and what every process of ours serves: /metrics, /healthz, /readyz."""

from importlib import resources
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pipeline.api.sources import Sources, Verdicts

STATIC = Path(str(resources.files("pipeline.api").joinpath("static")))
_CHECKED = {"Cache-Control": "no-cache"}
_UNSTORED = {"Cache-Control": "no-store"}


class _Files(StaticFiles):
    """Asked for anew each time, with a tag: an upgrade shows at once, and nothing is sent twice."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        answer = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        answer.headers.update(_CHECKED)
        return answer


def add_page(app: FastAPI, folder: Path = STATIC) -> None:
    # The charts' modules lie elsewhere, as the report has them too; for the page all lie beside each other.
    app.mount("/static", _Files(directory=folder, packages=[("pipeline.charts", "static")]), name="static")

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> Response:
        return FileResponse(folder / "index.html", media_type="text/html", headers=_CHECKED)

    @app.api_route("/favicon.ico", methods=["GET", "HEAD"], include_in_schema=False)
    async def icon() -> Response:
        return FileResponse(folder / "icon.svg", media_type="image/svg+xml", headers=_CHECKED)


def process_routes(sources: Sources) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/metrics")
    def metrics(request: Request) -> Response:
        body, media_type = sources.metrics(request.headers.get("accept", ""))
        return Response(body, media_type=None, headers={**_UNSTORED, "Content-Type": media_type})

    @router.get("/healthz")
    async def healthz(request: Request) -> Response:
        return _verdict(request.scope, "alive", sources.alive())

    @router.get("/readyz")
    def readyz(request: Request) -> Response:
        return _verdict(request.scope, "ready", sources.ready())

    return router


def _verdict(scope: Scope, what: str, verdicts: Verdicts) -> Response:
    well = all(reason is None for reason in verdicts.values())
    body: dict[str, object] = {what: well}
    if scope["is_authorized"]:  # the reasons name addresses
        body["checks"] = {name: reason or "ok" for name, reason in sorted(verdicts.items())}
    return JSONResponse(body, 200 if well else 503, _UNSTORED)
