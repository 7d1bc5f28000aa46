"""The pages as a part of the application, and how failures look there."""

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from probes.report.times import span
from probes.service.run import Service
from probes.web.errors import Failure, refused
from probes.web.mount import Mount
from probes.web.pages import at_calls, at_discoveries, at_keys, at_login, at_numbers, at_reference, at_trunks
from probes.web.pages.render import STATIC, render, sentence, static
from probes.web.pages.site import HEADERS, Site
from probes.web.pages.view import View
from probes.web.sessions import Sessions

KEPT = "public, max-age=31536000, immutable"
"""Of static files, whose addresses change with what is in them."""
HEADINGS = {
    400: "This cannot be read",
    403: "This is not allowed",
    404: "There is nothing here",
    405: "This is not done here",
    409: "This cannot be done at the moment",
    413: "This is too large",
    422: "Something has to be changed",
    429: "Too much at once",
    503: "The service is about to end or to begin",
}
"""What failures are called; all others are the service's own."""


def router(service: Service) -> APIRouter:
    """Its routes."""
    site = Site(service, Sessions(service.directory.derived("sessions of pages"), service.store))
    routes = APIRouter(include_in_schema=False)

    @routes.get("/static/{name}")
    async def file(name: str) -> Response:
        if name not in STATIC:
            raise refused(404, "there is no such file")
        headers = {"Cache-Control": KEPT, "X-Content-Type-Options": "nosniff"}
        return Response(static(name), media_type=STATIC[name], headers=headers)

    for part in (at_login, at_trunks, at_numbers, at_discoveries, at_calls, at_keys, at_reference):
        routes.include_router(part.router(site))
    return routes


def shown(failure: Failure) -> Response:
    """A failure as a page; whoever has to log in is led there."""
    if failure.status == 401:
        return RedirectResponse(failure.headers.get("Location", "/login"), 303, HEADERS)
    after = failure.headers.get("Retry-After", "")
    text = render(
        "error.html",
        view=View(HEADINGS.get(failure.status, "Something went wrong here")),
        every=0,
        status=failure.status,
        heading=HEADINGS.get(failure.status, "Something went wrong here"),
        told=sentence(failure.message),
        flaws=[sentence(flaw.message) for flaw in failure.flaws if flaw.message != failure.message],
        again=span(float(after)) if after.isdecimal() else "",
        back="/",
        back_to="To the overview",
    )
    return HTMLResponse(text, failure.status, {**HEADERS, **failure.headers})


MOUNT = Mount(("",), router, shown)
