"""Server-sent events: live points and findings to many clients, each at its own pace, none at the cost of memory."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipeline.api import asked
from pipeline.api.hub import Client, Hub
from pipeline.api.problems import Refused
from pipeline.api.sources import Requests
from pipeline.settings import ApiSettings

HEARTBEAT_SECONDS = 15.0
GATHER_SECONDS = 0.05
"""What comes within so long is sent at once: of a ladder all rungs, and no more than 20 writes a second of a client."""
SLOW_SECONDS = 30.0
"""A client that takes nothing for so long is hung up on."""
ABORT = "rungwatch.abort"
"""Extension of ASGI that the server must have: hangs up at once."""
_RETRY = b"retry: 1000\n\n"
_HEARTBEAT = b": still here\n\n"
_EXAMPLE = (
    'event: state\ndata: {"redis":"ok"}\n\nid: 1f2e3d4c-17\nevent: point\n'
    'data: {"stream_id":"news","rendition_id":"720p","start_seconds":1772395200.0,"score":81.3}\n\n'
)


def events(hub: Hub, settings: ApiSettings, requests: Requests) -> APIRouter:
    router = APIRouter(prefix="/api/v1")
    listening: Counter[str] = Counter()

    @router.get(
        "/events",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}}}},
        tags=["stream"],
    )
    async def events_(request: Request, query: asked.EventsQuery) -> Response:
        """Listen: `point` (as a rung of /api/v1/ladder, with `stream_id`), `finding`, `state`, `gap`.

        `state` comes first and says whether Redis is there. `gap` says that events were lost: load anew. A client that
        comes back with Last-Event-ID hears what it missed, or a `gap`.
        """
        client = request.scope["client_key"]
        if sum(listening.values()) >= settings.live_clients:
            raise Refused(
                503,
                "too-many-listeners",
                f"{settings.live_clients} clients listen already (RUNGWATCH_API_LIVE_CLIENTS): come back later",
                headers={"Retry-After": "30"},
            )
        if listening[client] >= settings.live_clients_each:
            raise Refused(
                429,
                "too-many-listeners",
                f"{settings.live_clients_each} clients of this address listen already "
                "(RUNGWATCH_API_LIVE_CLIENTS_EACH): close some",
                headers={"Retry-After": "30"},
            )

        def count(by: int) -> None:
            listening[client] += by
            if not listening[client]:
                del listening[client]
            requests.listening(sum(listening.values()))

        return EventStream(hub, query.stream, request.headers.get("last-event-id"), count, requests)

    return router


class EventStream(Response):
    """Sends until the client goes, reads too slowly, or the hub closes."""

    media_type = "text/event-stream"

    def __init__(
        self, hub: Hub, stream_ids: list[str], after: str | None, count: Callable[[int], None], requests: Requests
    ) -> None:
        # `X-Accel-Buffering`: nginx would hold events back.
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._hub, self._stream_ids, self._after = hub, stream_ids, after
        self._count, self._requests = count, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count(1)
        try:
            with self._hub.listen(self._stream_ids, self._after) as client:
                gone = asyncio.create_task(_gone(receive, client))
                try:
                    await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                    await self._send_all(client, send)
                except TimeoutError:
                    self._requests.cut_off("slow")
                    # What waits for it would be sent first otherwise, and it takes nothing.
                    scope["extensions"][ABORT]()
                    await gone
                finally:
                    gone.cancel()
                    with suppress(asyncio.CancelledError):
                        await gone
        finally:
            self._count(-1)

    async def _send_all(self, client: Client, send: Send) -> None:
        """Raise TimeoutError where the client takes nothing."""
        text = _RETRY + client.take()
        while True:
            async with asyncio.timeout(SLOW_SECONDS):
                await send({"type": "http.response.body", "body": text, "more_body": True})
            if client.is_closed:
                break
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await client.wake.wait()
            except TimeoutError:
                text = _HEARTBEAT
            else:
                await asyncio.sleep(GATHER_SECONDS)
                text = client.take()
        async with asyncio.timeout(SLOW_SECONDS):
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive, client: Client) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    client.close()
