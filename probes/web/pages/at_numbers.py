"""The numbers of a trunk: added, several at once, and removed."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from probes.service.batch import Batch
from probes.service.errors import DirectoryError, NotFound
from probes.service.run import Service
from probes.trunks.model import Number
from probes.trunks.number import NumberError, identity_of
from probes.web.pages.at_trunks import trunk_page
from probes.web.pages.form import FormError
from probes.web.pages.site import Site, first, to
from sipcore.errors import quoted

MAX_NUMBERS = 1000
"""That are added by one form."""
MAX_TOLD = 20
"""Of those that are wrong."""
MAX_NAME = 40
"""Characters of one that is too long to be a number."""


def router(site: Site) -> APIRouter:
    """Its routes."""
    routes = APIRouter()
    _add(site, routes)
    _remove(site, routes)
    return routes


def _add(site: Site, routes: APIRouter) -> None:
    directory = site.service.directory

    @routes.get("/trunks/{trunk_id}/numbers")
    async def show(trunk_id: str) -> Response:
        """Whoever loads the address of a refused form again sees the list."""
        return to(f"/trunks/{trunk_id}#numbers")

    @routes.post("/trunks/{trunk_id}/numbers")
    async def add(request: Request, trunk_id: str) -> Response:
        visit, fields = await site.form(request)
        await directory.trunk(visit.caller.tenant, trunk_id)  # and none of the file, which has no form for them
        typed = first(fields, "numbers")
        names = identities_in(typed)
        wrong: tuple[str, ...] = ()
        if not names:
            wrong = ("Give one number at least.",)
        elif len(names) > MAX_NUMBERS:
            wrong = (f"These are {len(names)} numbers: add {MAX_NUMBERS} at once, at most.",)
        else:
            try:
                await directory.together(visit.caller.tenant, lambda batch: _all_of(batch, trunk_id, names))
            except FormError as error:
                wrong = lines_of(error.errors)
        if wrong:
            return await trunk_page(site, request, visit, trunk_id, typed, wrong)
        return to(f"/trunks/{trunk_id}?done=numbers#numbers")


def _remove(site: Site, routes: APIRouter) -> None:
    service = site.service

    @routes.get("/trunks/{trunk_id}/numbers/{number_id}/remove")
    async def ask_to_remove(request: Request, trunk_id: str, number_id: str) -> Response:
        visit = await site.visit(request)
        number = await _number(service, visit.caller.tenant, trunk_id, number_id)
        told = ["Its configuration is gone for good then. To keep that, bind the number to another trunk by the API."]
        view = site.view(request, visit, f"Remove the number {number.identity}?", "/")
        back = f"/trunks/{trunk_id}#numbers"
        return site.page(visit, "confirm.html", view, told=told, action="Remove it", back=back)

    @routes.post("/trunks/{trunk_id}/numbers/{number_id}/remove")
    async def remove_number(request: Request, trunk_id: str, number_id: str) -> Response:
        visit, _ = await site.form(request)
        number = await _number(service, visit.caller.tenant, trunk_id, number_id)
        await service.directory.remove_number(visit.caller.tenant, number.id)
        return to(f"/trunks/{trunk_id}?done=removed#numbers")


async def _number(service: Service, tenant: str, trunk_id: str, number_id: str) -> Number:
    """A number of a trunk. Raises NotFound for one that is bound to another, or to none."""
    number = await service.directory.number(tenant, number_id)
    if number.trunk_id != trunk_id:
        raise NotFound("there is no such number at this trunk", "number_id")
    return number


def identities_in(typed: str) -> list[str]:
    """What somebody has typed, each once."""
    return list(dict.fromkeys(typed.replace(",", " ").replace(";", " ").split()))


def _all_of(batch: Batch, trunk_id: str, names: list[str]) -> None:
    """Have a trunk get all of them, or none. What it has already stays as it is, since a form may come twice; of two
    spellings of a number the first one counts. Raises FormError with what is wrong with each.
    """
    there = {each.identity for each in batch.numbers(trunk_id)}
    spelled: dict[str, str] = {}
    for name in names:
        spelled.setdefault(_stored(name), name)
    new = [name for identity, name in spelled.items() if identity not in there]
    told = batch.add_numbers([Number(identity=name, trunk_id=trunk_id) for name in new])
    wrong = {name: each.message for name, each in zip(new, told, strict=True) if isinstance(each, DirectoryError)}
    if wrong:
        raise FormError(wrong)


def _stored(name: str) -> str:
    """As a number is stored; what is none stays as it is, until somebody tells what is wrong with it."""
    try:
        return identity_of(name)
    except NumberError:
        return name


def lines_of(errors: Mapping[str, str]) -> tuple[str, ...]:
    """What is wrong with each, with its name, or how that begins."""
    named = [(name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…", text) for name, text in errors.items()]
    lines = [text if name in text or quoted(name) in text else f"{name}: {text}" for name, text in named]
    more = len(lines) - MAX_TOLD
    return (*lines[:MAX_TOLD], *([f"and {more} more"] if more > 0 else []))
