"""Events as they happen, over HTTP: `text/event-stream` (HTML §9.2)."""

import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import trio
from fastapi import Response
from starlette.types import Receive, Scope, Send

from probes.web.errors import TRY_SOON, refused

PING = 15.0
"""Seconds after which something is sent in any case, so that nobody in between takes the connection for dead."""
MAX_STREAMS = 32
"""Of one tenant at once, an eighth of all connections: behind a proxy all of them may come from one address."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(Response):
    """Tells events, each an object with its kind as `event`, until there are no more, or the client is gone.

    The events have to end when the service stops.
    """

    media_type = "text/event-stream"

    def __init__(self, tenant: str, events: AsyncGenerator[dict[str, Any], None]) -> None:
        """One of those of a tenant."""
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._tenant, self._events = tenant, events
        self._turn = trio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it. Raises RequestFailure where the tenant has too many of them."""
        streams: Counter[str] = scope["app"].state.streams
        if streams[self._tenant] >= MAX_STREAMS:
            text = f"{MAX_STREAMS} streams of events are open: close one, or ask for less with each"
            raise refused(429, text, headers={"Retry-After": str(TRY_SOON)})
        streams[self._tenant] += 1
        try:
            await self._tell(receive, send)
        finally:
            streams[self._tenant] -= 1
            if not streams[self._tenant]:
                del streams[self._tenant]

    async def _tell(self, receive: Receive, send: Send) -> None:
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
