"""Paths with a slash at their end, which mean the same as without: clients differ, and a redirect would have some of
them lose their key or their body on the way.
"""

from starlette.types import ASGIApp, Receive, Scope, Send


class Slashes:
    """An application that takes one slash off the end of each path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        path = scope.get("path", "")
        if len(path) > 1 and path.endswith("/"):
            scope = {**scope, "path": path[:-1]}
        await self._app(scope, receive, send)
