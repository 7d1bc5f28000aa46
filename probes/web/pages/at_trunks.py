"""The overview, and the pages of one trunk."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request, Response

from probes.destination import Destination
from probes.health.trunk import WatchError
from probes.service.errors import DirectoryError, Invalid, NotFound
from probes.service.job import DiscoveryJob
from probes.trunks.model import CODECS, Gateway, Outbound, Trunk
from probes.trunks.problem import Gravity
from probes.web.errors import refused
from probes.web.pages.facts import ENCRYPTIONS
from probes.web.pages.form import FormError, TrunkForm, form_in, form_of, trunk_of, with_rows
from probes.web.pages.overview import overview
from probes.web.pages.past import ROUTE_DAYS
from probes.web.pages.site import Site, Visit, aside, first, to
from probes.web.pages.trunk import past_of, problem_lines, trunk_view
from probes.web.pages.view import call_line

EVERY = 5.0
"""Seconds after which pages that are live ask again."""
TRUNKS_PER_SECOND = 50
"""Of which the overview tells at most, to each who looks at it."""
MOST_CALLS = 5
"""Test calls that are shown with their trunk."""
CHOICES: dict[str, object] = {
    "codecs": CODECS,
    "encryptions": [(each.value, word) for each, word in ENCRYPTIONS.items()],
    "authentications": [("ip", "its address"), ("digest", "a password"), ("register", "its registration")],
    "triggers": [("unreachable", "no way there"), ("timeout", "no answer"), ("auth_failure", "a refusal of us")],
}
"""What the form offers to choose from, in words."""


def router(site: Site) -> APIRouter:
    """Its routes."""
    routes = APIRouter()
    for part in (_list, _add, _show, _edit, _delete, _change_parts):
        part(site, routes)
    return routes


def _list(site: Site, routes: APIRouter) -> None:
    service = site.service

    @routes.get("/")
    async def index(request: Request, q: str = "", state: str = "") -> Response:
        visit = await site.visit(request)
        tenant = visit.caller.tenant
        states = {each.trunk: each for each in service.health(tenant)}
        trunks = [(trunk, states.pop(trunk.id, None)) for trunk in await service.directory.trunks(tenant)]
        trunks += [(trunk, states[trunk.id]) for trunk in await site.only_watched(tenant, set(states))]
        recent = await site.recent()
        view, alerts, now = site.view(request, visit, "Trunks", "/"), site.alerts(tenant), site.clock()
        every = max(EVERY, len(trunks) / TRUNKS_PER_SECOND)

        def make() -> Response:
            found = overview(trunks, alerts, recent, now, q[:200], state)
            return site.page(visit, "overview.html", view, every=every, found=found)

        return await aside(make)


def _add(site: Site, routes: APIRouter) -> None:
    service = site.service

    @routes.get("/trunks/new")
    async def new(request: Request, discovery: str = "") -> Response:
        visit = await site.visit(request)
        trunk = Trunk(outbound=Outbound())
        if discovery:
            trunk = trunk_found(await service.discoveries.get(visit.caller.tenant, discovery))
        return _sheet(site, request, visit, trunk, form_of(trunk))

    @routes.post("/trunks/new")
    async def add(request: Request) -> Response:
        visit, fields = await site.form(request)
        trunk = Trunk(outbound=Outbound())
        form = form_in(fields, form_of(trunk))
        changed = with_rows(form, first(fields, "action"))
        if changed is not None:
            return _sheet(site, request, visit, trunk, changed)
        try:
            made = await service.directory.add_trunk(visit.caller.tenant, trunk_of(form, fields, trunk))
        except (FormError, DirectoryError) as error:
            return _sheet(site, request, visit, trunk, form, errors_of(error, form))
        return to(f"/trunks/{made.id}?done=added")


def _show(site: Site, routes: APIRouter) -> None:
    @routes.get("/trunks/{trunk_id}")
    async def show(request: Request, trunk_id: str) -> Response:
        return await trunk_page(site, request, await site.visit(request), trunk_id)


async def trunk_page(
    site: Site, request: Request, visit: Visit, trunk_id: str, typed: str = "", wrong: Sequence[str] = ()
) -> Response:
    """The page of a trunk; where numbers were refused, with what was `typed`, and what is `wrong` with it."""
    service, tenant = site.service, visit.caller.tenant
    watched = site.watched(tenant, trunk_id)
    try:
        trunk, is_own = await service.directory.trunk(tenant, trunk_id), True
    except NotFound:
        others = await site.only_watched(tenant, {trunk_id})
        if not others:
            raise
        trunk, is_own = others[0], False
    state = service.health_of(tenant, trunk_id)
    alerts = [alert for alert in site.alerts(tenant) if alert.trunk == trunk_id]
    now = site.clock()
    found = await site.past(watched) if watched is not None else None
    jobs = await service.calls.recent(tenant, trunk_id=trunk_id, limit=MOST_CALLS)
    view = site.view(request, visit, trunk.name or trunk.id, "/")
    return site.page(
        visit,
        "trunk.html",
        view,
        status=422 if wrong else 200,
        every=EVERY,
        one=trunk_view(trunk, state, alerts, await site.recent(), now),
        past=past_of(found) if found is not None else None,
        route_days=ROUTE_DAYS,
        limits=service.config.calls,
        calls=[call_line(job) for job in jobs],
        numbers=await service.directory.numbers(tenant, trunk_id),
        typed=typed,
        wrong=wrong,
        findings=problem_lines(await service.directory.problems(tenant, trunk)) if is_own else (),
        is_own=is_own,
    )


def _edit(site: Site, routes: APIRouter) -> None:
    service = site.service

    @routes.get("/trunks/{trunk_id}/edit")
    async def edit(request: Request, trunk_id: str) -> Response:
        visit = await site.visit(request)
        trunk = await service.directory.trunk(visit.caller.tenant, trunk_id)
        return _sheet(site, request, visit, trunk, form_of(trunk))

    @routes.post("/trunks/{trunk_id}/edit")
    async def save(request: Request, trunk_id: str) -> Response:
        visit, fields = await site.form(request)
        trunk = await service.directory.trunk(visit.caller.tenant, trunk_id)
        form = form_in(fields, form_of(trunk))
        changed = with_rows(form, first(fields, "action"))
        if changed is not None:
            return _sheet(site, request, visit, trunk, changed)

        def change(before: Trunk) -> Trunk:
            if str(before.revision) != first(fields, "revision"):
                raise FormError({"": "somebody else has changed it since: load this page again, and make your change"})
            return trunk_of(form, fields, before)

        try:
            await service.directory.change_trunk(visit.caller.tenant, trunk_id, change)
        except (FormError, DirectoryError) as error:
            return _sheet(site, request, visit, trunk, form, errors_of(error, form))
        return to(f"/trunks/{trunk_id}?done=saved")


def _delete(site: Site, routes: APIRouter) -> None:
    service = site.service

    @routes.get("/trunks/{trunk_id}/delete")
    async def ask(request: Request, trunk_id: str) -> Response:
        visit = await site.visit(request)
        tenant = visit.caller.tenant
        trunk = await service.directory.trunk(tenant, trunk_id)
        bound = len(await service.directory.numbers(tenant, trunk_id))
        told = ["It is watched no longer then, and its configuration is gone for good."]
        if bound:
            told.append(f"The numbers that belong to it, {bound}, stay without a trunk.")
        view = site.view(request, visit, f"Delete the trunk “{trunk.name or trunk.id}”?", "/")
        return site.page(visit, "confirm.html", view, told=told, action="Delete it", back=f"/trunks/{trunk_id}")

    @routes.post("/trunks/{trunk_id}/delete")
    async def delete(request: Request, trunk_id: str) -> Response:
        visit, _ = await site.form(request)
        await service.directory.remove_trunk(visit.caller.tenant, trunk_id)
        site.forget(trunk_id)
        return to("/?done=deleted")


def _change_parts(site: Site, routes: APIRouter) -> None:
    """What is changed of a trunk by a button on its page."""
    service = site.service

    @routes.post("/trunks/{trunk_id}/switch")
    async def switch(request: Request, trunk_id: str) -> Response:
        visit, fields = await site.form(request)
        trunk = await service.directory.trunk(visit.caller.tenant, trunk_id)
        try:
            service.watching.switch(visit.caller.tenant, trunk.id, first(fields, "route"))
        except WatchError as error:
            raise refused(409, error.message) from None
        return to(f"/trunks/{trunk_id}?done=switched")


def _sheet(
    site: Site,
    request: Request,
    visit: Visit,
    trunk: Trunk,
    form: TrunkForm,
    errors: Mapping[str, str] | None = None,
) -> Response:
    """The form."""
    title = f"Edit {trunk.name or trunk.id}" if trunk.id else "Add a trunk"
    view = site.view(request, visit, title, "/")
    return site.page(
        visit,
        "edit.html",
        view,
        status=422 if errors else 200,
        id=trunk.id,
        revision=trunk.revision,
        form=form,
        errors=errors or {},
        choices=CHOICES,
    )


def errors_of(error: FormError | DirectoryError, form: TrunkForm) -> dict[str, str]:
    """What to say at which field of the form."""
    if isinstance(error, FormError):
        return error.errors
    if not isinstance(error, Invalid):
        return {field_of(error.field, form): error.message}
    found: dict[str, str] = {}
    for problem in error.problems:
        if problem.gravity is Gravity.ERROR:
            found.setdefault(field_of(problem.field, form), problem.text)
    return found


def field_of(place: str, form: TrunkForm) -> str:
    """The field of the form for a place such as `outbound.gateways.0.host`; empty for what it does not show."""
    path = place.split(".")
    if "gateways" in path:
        number = next((int(part) for part in path if part.isdecimal()), 0)
        return f"gateway-{form.filled[number]}"
    if path[-1] == "credentials":
        return f"{path[0]}_username"
    words = [part for part in path if not part.isdecimal()]
    known = TrunkForm.__dataclass_fields__
    for name in (f"{words[0]}_{words[-1]}", words[-1]):
        if name in known or name.endswith("_password") or name == "webhook":
            return name
    return ""


def trunk_found(job: DiscoveryJob) -> Trunk:
    """The trunk that a discovery recommends; where it went, where nothing answered or DNS leads there by itself."""
    way = (job.data or {}).get("recommendation")
    found = Destination.parse(job.target if way is None or way["by_dns"] else str(way["uri"]))
    return Trunk(name=found.host, outbound=Outbound((Gateway(found.host, found.port, found.transport),)))
