"""How an interface becomes a part of the application."""

from collections.abc import Callable

from fastapi import APIRouter

from probes.service.run import Service
from probes.web.errors import Shown
from sipcore.value import value


@value
class Mount:
    """One interface: what it serves lies under `prefixes`, and its failures are `shown` in its own form.

    Each module in `routes` exports one as `MOUNT`, and so does `pages.routes`. The paths of the router begin behind the
    prefix.
    """

    prefixes: tuple[str, ...]
    """The first one is the usual one; the same routes are served under each."""
    router: Callable[[Service], APIRouter]
    shown: Shown
