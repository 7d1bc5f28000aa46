"""The application: all interfaces and the pages, with what they have in common.

app = make_app(service)
"""

import pkgutil
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

import probes.web.routes
from probes.service.run import Service
from probes.web import metrics
from probes.web.auth import Door, Guesses
from probes.web.errors import Failure, RequestFailure, failure_of
from probes.web.guard import Guard
from probes.web.mount import Mount
from probes.web.slashes import Slashes
from sipcore.errors import SipError

PAGES = "probes.web.pages.routes"
NATIVE = "/api/v1"
"""The interface in whose form failures are told where no other one is asked."""


def make_app(service: Service) -> FastAPI:
    """The application of a service."""
    app = FastAPI(title="sipprobe", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.service, app.state.guesses = service, Guesses()
    app.state.streams = Counter[str]()  # streams of events that are open, by tenant
    mounts = sorted(_mounts(), key=lambda mount: len(mount.prefixes[0]), reverse=True)
    app.include_router(metrics.router(service))
    for mount in mounts:
        router = mount.router(service)
        for prefix in mount.prefixes:
            app.include_router(router, prefix=prefix)
    show = _shower(mounts)

    async def tell(request: Request, error: Exception) -> Response:
        asked = getattr(request.scope.get("route"), "body_field", None)
        wanted = asked.field_info.annotation if asked is not None else None
        return show(request.url.path, failure_of(error, request.headers.get("content-type"), wanted))

    for kind in (RequestFailure, SipError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, tell)
    app.add_middleware(Door, prefixes=[prefix for mount in mounts for prefix in mount.prefixes if prefix])
    app.add_middleware(Guard, limits=service.config.http, shown=show, is_secure=service.config.is_secure)
    app.add_middleware(Slashes)  # before all others, since they go by the path
    return app


def _mounts() -> Iterator[Mount]:
    """All interfaces, and the pages behind them."""
    names = [f"probes.web.routes.{found.name}" for found in pkgutil.iter_modules(probes.web.routes.__path__)]
    for name in (*names, PAGES):
        if _is_there(name):
            yield import_module(name).MOUNT


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # nor is the package that it would be in
        return False


def _shower(mounts: list[Mount]) -> Callable[[str, Failure], Response]:
    """Makes the answer of a failure, in the form of the interface that a path belongs to."""
    by_prefix = {prefix: mount.shown for mount in mounts for prefix in mount.prefixes}
    longest_first = sorted(by_prefix, key=len, reverse=True)

    def show(path: str, failure: Failure) -> Response:
        for prefix in longest_first:
            if prefix and (path == prefix or path.startswith(f"{prefix}/")):
                return by_prefix[prefix](failure)
        is_page = not path.startswith(("/api/", "/v1/", "/metrics", "/healthz"))
        return by_prefix[""](failure) if is_page and "" in by_prefix else by_prefix[NATIVE](failure)

    return show
