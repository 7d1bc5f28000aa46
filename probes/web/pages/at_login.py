"""Logging in and out."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from probes.web.auth import known_key
from probes.web.errors import RequestFailure
from probes.web.pages.render import render
from probes.web.pages.site import HEADERS, Site, fields_of, first, local_path, require_own, to
from probes.web.pages.view import View
from probes.web.sessions import COOKIE


def router(site: Site) -> APIRouter:
    """Its routes."""
    routes = APIRouter()

    @routes.get("/login")
    async def login(next: str = "/") -> Response:  # noqa: A002  # what addresses call it
        return _form(local_path(next))

    @routes.post("/login")
    async def log_in(request: Request) -> Response:
        require_own(request)
        fields = await fields_of(request)
        after = local_path(first(fields, "next"))
        try:
            key = await known_key(request, first(fields, "key"))
        except RequestFailure as refusal:
            if refusal.failure.status != 401:
                raise
            return _form(after, "This is no key that holds: copy the whole of it, or ask for another one.")
        answer = to(after)
        site.keep(answer, site.sessions.begin(key.tenant, key.id))
        return answer

    @routes.post("/logout")
    async def log_out(request: Request) -> Response:
        require_own(request)
        session = site.sessions.session(request.cookies.get(COOKIE, ""))
        if session is not None:
            await site.sessions.end(session)
        answer = to("/login")
        answer.delete_cookie(COOKIE, "/", secure=site.service.config.is_secure, httponly=True, samesite="strict")
        return answer

    return routes


def _form(after: str, error: str = "") -> Response:
    errors = {"key": error} if error else {}
    text = render("login.html", view=View("Log in"), every=0, next=after, errors=errors)
    return HTMLResponse(text, 401 if error else 200, HEADERS)
