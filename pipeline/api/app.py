"""The application: its routes, what stands around them, and how it begins and ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from pipeline.api.events import events
from pipeline.api.guard import Guard
from pipeline.api.login import login
from pipeline.api.notes import notes
from pipeline.api.openapi import describe
from pipeline.api.page import STATIC, add_page, process_routes
from pipeline.api.problems import handle
from pipeline.api.questions import health, questions
from pipeline.api.sources import Sources
from pipeline.api.tokens import tokens_of
from pipeline.settings import ApiSettings

GZIP_LEVEL = 4
"""24 hours of a ladder, 478 kB, become 137 kB in 11 ms; 5 makes 131 kB in 19 ms, 6 126 kB in 36 ms."""


def create_app(settings: ApiSettings, sources: Sources, version: str) -> ASGIApp:
    """Return the application; the hub of `sources` belongs to the loop that runs it.

    Raises:
        UsageError: The settings would let strangers in.
    """
    tokens = tokens_of(settings)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        sources.hub.open()
        try:
            yield
        finally:
            sources.hub.close()

    app = FastAPI(
        title="Rungwatch",
        version=version,
        lifespan=life,
        docs_url=None,  # both would come from somebody else's server
        redoc_url=None,
        redirect_slashes=False,
        max_body_size=settings.body_bytes,
    )
    handle(app)
    app.include_router(questions(sources))
    app.include_router(notes(sources.annotations))
    app.include_router(events(sources.hub, settings, sources.requests))
    app.include_router(health(sources.ready))
    app.include_router(process_routes(sources))
    app.include_router(login(tokens, settings.logins_per_minute, settings.body_bytes, STATIC))
    add_page(app)
    describe(app, needs_token=tokens is not None)
    return Guard(GZipMiddleware(app, 500, GZIP_LEVEL), settings, tokens, sources.requests)
