"""The application: all interfaces and the pages, with what they have in common.

app = make_app(service)
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from fastapi import FastAPI

import probes.web.routes
from probes.service.run import Service
from probes.web.mount import Mount

PAGES = "probes.web.pages.routes"


def make_app(service: Service) -> FastAPI:
    """The application of a service."""
    app = FastAPI(title="sipprobe", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.service = service
    for mount in _mounts():
        router = mount.router(service)
        for prefix in mount.prefixes:
            app.include_router(router, prefix=prefix)
    return app


def _mounts() -> Iterator[Mount]:
    """All interfaces, and the pages behind them."""
    names = [f"probes.web.routes.{found.name}" for found in pkgutil.iter_modules(probes.web.routes.__path__)]
    for name in (*names, PAGES):
        if find_spec(name) is not None:
            yield import_module(name).MOUNT
