"""Events as they happen, over HTTP: `text/event-stream` (HTML §9.2)."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import trio
from fastapi import Response
from starlette.types import Receive, Scope, Send

PING = 15.0
"""Seconds after which something is sent in any case, so that nobody in between takes the connection for dead."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(Response):
    """Tells events, each an object with its kind as `event`, until there are no more, or the client is gone.

    The events have to end when the service stops.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[dict[str, Any], None]) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._events = events
        self._turn = trio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as ASGI has it
        """As ASGI has it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_gone, receive, nursery.cancel_scope)
            nursery.start_soon(self._ping, send)
            number = 0
            async with aclosing(self._events) as events:
                async for event in events:
                    number += 1
                    told = f"id: {number}\nevent: {event['event']}\ndata: {json.dumps(event)}\n\n"
                    await self._send(send, told)
            nursery.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, text: str) -> None:
        async with self._turn:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def _ping(self, send: Send) -> None:
        while True:
            await trio.sleep(PING)
            await self._send(send, ": still here\n\n")

    async def _until_gone(self, receive: Receive, scope: trio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()
