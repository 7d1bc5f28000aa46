"""Alerts, and the keys of a tenant."""

from fastapi import APIRouter, Request, Response

from probes.health.alerts import Phase
from probes.service.errors import DirectoryError, NotFound
from probes.service.keys import ApiKey, NewKey
from probes.web.pages.site import Site, Visit, first, to
from sipcore.value import value

EVERY = 5.0
"""Seconds after which alerts are looked at again."""
MOST_PAST = 100
"""Alerts of the past that are shown."""


@value
class KeyLine:
    """A key in the list."""

    id: str
    label: str
    made_at: float
    used_at: float | None
    may_write: bool
    is_own: bool


@value
class Typed:
    """What somebody has sent to have a key made."""

    label: str = ""
    reads_only: bool = False


NOTHING = Typed()


def router(site: Site) -> APIRouter:
    """Its routes."""
    routes = APIRouter()

    @routes.get("/alerts")
    async def alerts(request: Request) -> Response:
        visit = await site.visit(request)
        tenant = visit.caller.tenant
        open_ = site.alerts(tenant)
        going = {alert.incident for alert in open_}
        past = [alert for alert in site.service.watching.alerts(tenant) if alert.incident not in going]
        told = [alert for alert in past if alert.phase in (Phase.ENDED, Phase.ONCE)][:MOST_PAST]
        view = site.view(request, visit, "Alerts", "/alerts")
        return site.page(visit, "alerts.html", view, every=EVERY, open=open_, past=told)

    @routes.get("/keys")
    async def keys(request: Request) -> Response:
        visit = await site.visit(request)
        return await _list(site, request, visit)

    @routes.post("/keys")
    async def make(request: Request) -> Response:
        visit, fields = await site.form(request)
        typed = Typed(first(fields, "label"), reads_only="reads_only" in fields)
        try:
            made = await site.service.keys.add(visit.caller.tenant, typed.label, may_write=not typed.reads_only)
        except DirectoryError as error:
            return await _list(site, request, visit, typed=typed, error=error.message)
        return await _list(site, request, visit, made)

    @routes.get("/keys/{key_id}/revoke")
    async def ask(request: Request, key_id: str) -> Response:
        visit = await site.visit(request)
        known = await site.service.keys.known(visit.caller.tenant)
        key = next((each for each in known if each.id == key_id and each.revoked_at is None), None)
        if key is None:
            raise NotFound("there is no such key", "key_id")
        told = ["Whoever uses it is refused from then on, and it cannot be given back."]
        if key.id == visit.caller.key_id:
            told.append("It is the key that you are logged in with: you are logged out.")
        view = site.view(request, visit, f"Revoke the key “{key.name or key.id}”?", "/keys")
        return site.page(visit, "confirm.html", view, told=told, action="Revoke it", back="/keys")

    @routes.post("/keys/{key_id}/revoke")
    async def revoke(request: Request, key_id: str) -> Response:
        visit, _ = await site.form(request)
        await site.service.keys.revoke(visit.caller.tenant, key_id)
        return to("/keys?done=revoked" if key_id != visit.caller.key_id else "/login")

    return routes


async def _list(
    site: Site, request: Request, visit: Visit, made: NewKey | None = None, typed: Typed = NOTHING, error: str = ""
) -> Response:
    known = await site.service.keys.known(visit.caller.tenant)
    return site.page(
        visit,
        "keys.html",
        site.view(request, visit, "API keys", "/keys"),
        status=422 if error else 200,
        keys=[_line(key, visit) for key in known if key.revoked_at is None],
        made=made.text.reveal() if made is not None else "",
        made_label=made.key.name if made is not None else "",
        typed=typed,
        errors={"label": error} if error else {},
    )


def _line(key: ApiKey, visit: Visit) -> KeyLine:
    return KeyLine(
        key.id, key.name, key.created_at, key.last_used_at, key.may_write, is_own=key.id == visit.caller.key_id
    )
