"""Who asks: by `Authorization: Bearer KEY`, the bare key, or the cookie of a session of the pages."""

from typing import Annotated

from fastapi import Depends, Request

from sipcore.value import value


@value
class Caller:
    """Who asks."""

    tenant: str
    key_id: str
    may_write: bool
    """Whether the key changes anything, places calls among it; others only read."""


async def require_caller(request: Request) -> Caller:
    """Who asks. Raises Unauthorized, or TooMany after several wrong keys from the same address."""
    raise NotImplementedError


async def require_writer(request: Request) -> Caller:
    """Who asks, and may change something. Raises Forbidden too."""
    raise NotImplementedError


Authenticated = Annotated[Caller, Depends(require_caller)]
"""The parameter of a route that reads: `async def route(caller: Authenticated) -> ...`."""
Writing = Annotated[Caller, Depends(require_writer)]
"""The parameter of a route that changes something."""
