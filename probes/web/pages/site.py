"""What all pages are served by: who looks at them, what their forms send, and what is answered."""

import time
from collections.abc import Callable, Set
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import trio
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from probes.health.alerts import Alert
from probes.health.recent import SLOT_SECONDS, SLOTS, Recent
from probes.health.terms import Check
from probes.health.trunk import Trunk as WatchedTrunk
from probes.health.uptime import longest_gap
from probes.service.run import Service
from probes.trunks.model import Trunk
from probes.web.auth import Caller
from probes.web.errors import Failure, RequestFailure, refused
from probes.web.pages import tones
from probes.web.pages.form import Fields
from probes.web.pages.past import DayBook, PastUptimes
from probes.web.pages.render import POLICY, render
from probes.web.pages.view import View
from probes.web.sessions import COOKIE, LIFETIME, Session, Sessions
from sipcore.value import value

PATIENCE = 1.5
"""Seconds that a page waits for what is read of the history."""
MAX_FIELDS = 500
"""Of one form."""
NOTICES = {
    "saved": "Saved.",
    "added": "The trunk is there, and its first checks are on their way.",
    "deleted": "The trunk is deleted.",
    "switched": "Calls take that route from now on.",
    "revoked": "The key holds no longer.",
    "numbers": "The numbers are there.",
    "removed": "The number is removed.",
}
"""What a page says that another one has led to, by the word in its address: never a text out of an address."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
T = TypeVar("T")


@value
class Visit:
    """Somebody who is logged in, at one request."""

    caller: Caller
    session: Session


class Site:
    """The pages of one service."""

    def __init__(self, service: Service, sessions: Sessions, clock: Callable[[], float] = time.time) -> None:
        """It listens to what the watch tells from now on."""
        self.service, self.sessions, self.clock = service, sessions, clock
        self._recent = Recent()
        self._begun = clock()
        self._earlier: Recent | None = None
        """What was known before that, once it is read."""
        self._reading: set[object] = set()
        """What is being read at the moment, or is not read again."""
        self._book = DayBook(service.store)
        service.watching.listeners.add(self._hear)

    def _hear(self, _: str, what: object) -> None:
        if isinstance(what, Check):
            self._recent.take(what)

    async def visit(self, request: Request) -> Visit:
        """Who asks. Raises RequestFailure, which leads to the login, for nobody whose key holds."""
        session = self.sessions.session(request.cookies.get(COOKIE, ""))
        if session is None:
            raise unauthorized(request)
        for key in await self.service.keys.known(session.tenant):
            if key.id == session.key_id and key.revoked_at is None:
                return Visit(Caller(session.tenant, key.id, key.may_write), session)
        raise unauthorized(request)

    async def form(self, request: Request) -> tuple[Visit, Fields]:
        """Who sends a form that changes something, and what is in it. Raises RequestFailure for one that was not made
        here, and for somebody who only reads.
        """
        visit = await self.visit(request)
        require_own(request)
        fields = await fields_of(request)
        if not self.sessions.is_token(visit.session, first(fields, "csrf")):
            raise refused(403, "this form is of an earlier session: load its page again, and send it anew")
        if not visit.caller.may_write:
            raise refused(403, "your key only reads: log in with one that may change things")
        return visit, fields

    def alerts(self, tenant: str) -> tuple[Alert, ...]:
        """The open ones of what is watched, newest first."""
        watched = {each.name for each in self.service.watching.watched(tenant)}
        return tuple(
            alert for alert in tones.open_alerts(self.service.watching.alerts(tenant)) if alert.trunk in watched
        )

    def watched(self, tenant: str, name: str) -> WatchedTrunk | None:
        """What is watched under a name; None for nothing of this tenant."""
        return next((each for each in self.service.watching.watched(tenant) if each.name == name), None)

    async def only_watched(self, tenant: str, names: Set[str]) -> list[Trunk]:
        """What is watched under some names and is no trunk of the directory, as one: numbers that have gateways of
        their own, and trunks of the service's file. What was just deleted is watched for a moment, and left out.
        """
        if not names:
            return []
        file = self.service.config.file
        known = {each.name: each.name for each in file.trunks} if file is not None and file.tenant == tenant else {}
        known |= {each.id: each.identity for each in await self.service.directory.numbers(tenant)}
        return [Trunk(id=name, name=title) for name, title in known.items() if name in names]

    async def recent(self) -> Recent:
        """The round trips of the last hours, as far as they are read by now."""
        if "recent" not in self._reading:
            self._reading.add("recent")
            await _in_thread(self._read_recent)
        if self._earlier is not None:
            self._recent.absorb(self._earlier)
            self._earlier = None
        return self._recent

    def _read_recent(self) -> None:
        begin = self._begun - SLOTS * SLOT_SECONDS
        self._earlier = Recent(self.service.store.checks(begin, self._begun))

    async def past(self, trunk: WatchedTrunk) -> PastUptimes | None:
        """What is known of the past of a trunk; None where it takes longer than a page can wait."""
        key = (trunk.name, tuple(route.name for route in trunk.routes))
        if key not in self._reading:
            self._reading.add(key)
            await _in_thread(partial(self._read_past, trunk, key))
        return self._book.known(*key)

    def _read_past(self, trunk: WatchedTrunk, key: tuple[str, tuple[str, ...]]) -> None:
        try:
            self._book.look_up(*key, longest_gap(trunk.rules), self.clock())
        finally:
            self._reading.discard(key)

    def forget(self, trunk: str) -> None:
        """A trunk is no more."""
        self._recent.forget(trunk)
        self._book.forget(trunk)

    def view(self, request: Request, visit: Visit, title: str, here: str = "") -> View:
        """The frame of a page."""
        return View(
            title=title,
            here=here,
            tenant=visit.caller.tenant,
            csrf=self.sessions.token(visit.session),
            may_write=visit.caller.may_write,
            alerts=len(self.alerts(visit.caller.tenant)),
            notice=NOTICES.get(request.query_params.get("done", ""), ""),
        )

    def page(
        self, visit: Visit, template: str, view: View, *, status: int = 200, every: float = 0, **values: object
    ) -> Response:
        """A page; its live parts are asked for again `every` so many seconds, 0 for never."""
        text = render(template, view=view, every=round(every * 1000), **values)
        answer = HTMLResponse(text, status, HEADERS)
        renewed = self.sessions.renewed(visit.session)
        if renewed is not None:
            self.keep(answer, renewed)
        return answer

    def keep(self, answer: Response, session: Session) -> None:
        """Have the browser keep a session."""
        answer.set_cookie(
            COOKIE,
            self.sessions.cookie(session),
            max_age=round(LIFETIME),
            path="/",
            secure=self.service.config.is_secure,
            httponly=True,
            samesite="strict",
        )


async def aside(work: Callable[[], T]) -> T:
    """Make something that takes long, so that meanwhile others are served, and no timer of a call is late."""
    return await trio.to_thread.run_sync(work)


async def _in_thread(work: Callable[[], None]) -> None:
    """Read something, which goes on by itself where it takes longer than a page can wait."""
    with trio.move_on_after(PATIENCE):
        await trio.to_thread.run_sync(work, abandon_on_cancel=True)


async def fields_of(request: Request) -> Fields:
    """What a form sends."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise refused(400, "a form is sent as application/x-www-form-urlencoded")
    try:
        body = (await request.body()).decode()
        return parse_qs(body, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise refused(400, "the form cannot be read: send fewer fields, in UTF-8") from None


def require_own(request: Request) -> None:
    """Raise RequestFailure for a form of another site, by what browsers tell of where it comes from (Fetch Metadata;
    RFC 6454 §7).
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    is_own = site in ("same-origin", "none") if site is not None else _host(origin) == request.headers.get("host")
    if not is_own:
        raise refused(403, "this form comes from another site: open these pages yourself")


def _host(origin: str | None) -> str | None:
    return urlsplit(origin).netloc if origin else None


def unauthorized(request: Request) -> RequestFailure:
    """Somebody has to log in, and comes back to where this was."""
    path = request.url.path if request.method == "GET" else "/"
    login = "/login" if path == "/" else f"/login?next={quote(path)}"
    return RequestFailure(Failure(401, "unauthorized", "log in first", headers={"Location": login}))


def to(path: str) -> Response:
    """Lead to another page."""
    return RedirectResponse(path, 303, HEADERS)


def first(fields: Fields, name: str) -> str:
    """The first value of a field, without white space around it; empty where there is none."""
    return "".join(fields.get(name, ())[:1]).strip()


def download(name: str, content: bytes, kind: str) -> Response:
    """A file to be kept."""
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=headers)


def local_path(text: str) -> str:
    """A path of these pages; the overview for anything else, so that nobody is led away."""
    is_local = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and "\\" not in text
    return text if is_local else "/"
