"""The native interface for people who begin with it: how to ask, and all that can be asked."""

from functools import cache
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from probes.web.errors import RequestFailure
from probes.web.native.openapi import described
from probes.web.pages.render import render
from probes.web.pages.site import HEADERS, Site, aside
from probes.web.pages.view import View
from probes.web.routes import v1
from sipcore.value import value

TITLE = "API reference"


@value
class Operation:
    """One thing that can be asked."""

    method: str
    path: str
    told: str


@value
class Chapter:
    """What is asked about one thing."""

    name: str
    operations: tuple[Operation, ...]


def router(site: Site) -> APIRouter:
    """Its route. Nobody has to be logged in: the description is for everybody, too."""
    routes = APIRouter()
    known = cache(lambda: chapters_of(described(v1.router(site.service), v1.PREFIX)))

    @routes.get("/reference")
    async def reference(request: Request) -> Response:
        try:
            view = site.view(request, await site.visit(request), TITLE)
        except RequestFailure:
            view = View(TITLE)
        scheme = "https" if site.service.config.is_secure else "http"
        base = f"{scheme}://{request.url.netloc}{v1.PREFIX}"

        def make() -> Response:
            text = render("reference.html", view=view, every=0, base=base, chapters=known())
            return HTMLResponse(text, headers=HEADERS)

        return await aside(make)

    return routes


def chapters_of(description: dict[str, Any]) -> tuple[Chapter, ...]:
    """What an OpenAPI description has, by its tags, in the order in which they come."""
    found: dict[str, list[Operation]] = {}
    for path, operations in description["paths"].items():
        for method, told in operations.items():
            name = str((told.get("tags") or ["other"])[0])
            found.setdefault(name, []).append(Operation(method.upper(), path, str(told.get("description", ""))))
    return tuple(Chapter(name, tuple(each)) for name, each in found.items())
