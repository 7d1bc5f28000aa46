"""What stands before all routes: how much a request may take, and what is told where a route makes a mistake."""

import logging
from collections.abc import Callable

import trio
from fastapi import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from probes.service.config import HttpLimits
from probes.service.supervisor import traceback_of
from probes.web.errors import Failure, failure_of

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Of each answer that says nothing else of them: nobody keeps, sniffs or frames what is told to somebody with a key."""
SECURE = {"Strict-Transport-Security": "max-age=31536000"}
"""Where TLS is served."""
NO_WEBSOCKET = Failure(400, "malformed", "nobody speaks WebSocket here: ask without the header field Upgrade")
_log = logging.getLogger(__name__)


class Guard:
    """An application behind limits. Bodies are read within a time, and are no longer than may be; a mistake of a route
    is told as such, and logged with nothing of the request but its method and path.
    """

    def __init__(
        self, app: ASGIApp, limits: HttpLimits, shown: Callable[[str, Failure], Response], *, is_secure: bool
    ) -> None:
        """`shown` makes the answer of a failure, for a path."""
        self._app, self._limits, self._shown = app, limits, shown
        told = {**HEADERS, **SECURE} if is_secure else HEADERS
        self._headers = [(name.lower().encode(), text.encode()) for name, text in told.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        began = False

        async def tell(message: Message) -> None:
            nonlocal began
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                began = True
                known = {name.lower() for name, _ in message["headers"]}
                added = [each for each in self._headers if each[0] not in known]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        if scope["type"] == "websocket":
            await self._shown(scope["path"], NO_WEBSOCKET)(scope, receive, tell)
            return
        try:
            body = _Body(scope, receive, self._limits)
            await self._app(scope, body.receive, tell)
        except Exception as error:  # a mistake in one request ends no other
            failure = failure_of(error)
            if failure.code == "own":
                _log.error("%s %s\n%s", scope["method"], scope["path"], traceback_of(error))
            if began:
                raise  # the connection is closed, by which the client knows that something is missing
            await self._shown(scope["path"], failure)(scope, receive, tell)


def _too_much(status: int, text: str) -> HTTPException:
    """What FastAPI passes on from within the reading of a body. The rest of it is not waited for."""
    return HTTPException(status, text, {"Connection": "close"})


class _Body:
    """A request's body as it comes in."""

    def __init__(self, scope: Scope, receive: Receive, limits: HttpLimits) -> None:
        """Raises HTTPException for one that says so of itself."""
        self._receive, self._limits = receive, limits
        self._deadline = trio.current_time() + limits.body_time
        self._read = 0
        self._is_whole = False
        for name, text in scope["headers"]:
            if name.lower() == b"content-length" and text.isdigit():
                self._count(int(text[:12]))
        self._read = 0

    def _count(self, octets: int) -> None:
        self._read += octets
        if self._read > self._limits.body:
            raise _too_much(413, f"a body has {self._limits.body} octets at most")

    async def receive(self) -> Message:
        """The next message of the client. Raises HTTPException."""
        if self._is_whole:
            return await self._receive()  # waits for the client to go
        with trio.move_on_at(self._deadline):
            message = await self._receive()
            if message["type"] == "http.request":
                self._count(len(message.get("body", b"")))
                self._is_whole = not message.get("more_body", False)
            return message
        raise _too_much(408, f"the body did not come within {self._limits.body_time:g} s")
