"""The phones of Diga: numbers of one's own, each with its trunk."""

from typing import Annotated

from fastapi import APIRouter, Query

from probes.service.batch import Batch
from probes.service.errors import Conflict, DirectoryError, NotFound
from probes.service.run import Service
from probes.trunks.model import Number, Trunk
from probes.web.auth import Authenticated, Writing
from probes.web.detail import RESPONSES, Place, shown, telling
from probes.web.diga import mapping
from probes.web.diga.bodies import ImportPhone, ListQuery, Phone, PhonePage, UpdatePhone, UpdateSipConfig
from probes.web.diga.pages import page_of
from probes.web.ids import Id
from probes.web.mount import Mount

PLACES: dict[str, Place] = {
    "identity": ("body", "phone_number"),
    "label": ("body", "nickname"),
    "inbound": ("body", "inbound_config"),
    "inbound.encryption": ("body", "inbound_config", "media_encryption"),
    "inbound.allowed_addresses": ("body", "inbound_config", "allowed_addresses"),
    "outbound": ("body", "outbound_config"),
    "outbound.gateways": ("body", "outbound_config", "termination_uri"),
    "outbound.credentials.username": ("body", "outbound_config", "username"),
    "outbound.credentials.password": ("body", "outbound_config", "password"),
    "outbound.encryption": ("body", "outbound_config", "media_encryption"),
}
"""Where in a body a field of the model comes from."""
NO_PHONE = "there is no such phone"


def router(service: Service) -> APIRouter:
    """Its routes."""
    routes = APIRouter(tags=["diga"])
    _add_reading(routes, service)
    _add_writing(routes, service)
    return routes


def _add_reading(routes: APIRouter, service: Service) -> None:
    @routes.get("/", responses=RESPONSES, summary="Phones, page by page")  # as Diga describes it
    @routes.get("", include_in_schema=False)  # as it comes in, without its slash
    async def listed(query: Annotated[ListQuery, Query()], caller: Authenticated) -> PhonePage:
        trunks = {trunk.id: trunk for trunk in await service.directory.trunks(caller.tenant)}
        numbers = await service.directory.numbers(caller.tenant)
        return page_of([mapping.shown(each, trunks.get(each.trunk_id or "")) for each in numbers], query)

    @routes.get("/{phone_id}", responses=RESPONSES, summary="A phone")
    async def get(phone_id: Id, caller: Authenticated) -> Phone:
        with telling(PLACES, NO_PHONE):
            number = await service.directory.number(caller.tenant, str(phone_id))
        return mapping.shown(number, await _trunk_of(service, number))


def _add_writing(routes: APIRouter, service: Service) -> None:
    @routes.post("/import", status_code=201, responses=RESPONSES, summary="Import a number of your own")
    async def take(body: ImportPhone, caller: Writing) -> Phone:
        with telling(_places(body), NO_PHONE):
            (made,) = await service.directory.add_numbers(caller.tenant, (mapping.imported(body),))
            if isinstance(made, DirectoryError):
                raise made
        return mapping.shown(made, None)

    @routes.patch("/{phone_id}", responses=RESPONSES, summary="Name a phone, and give it agents")
    async def update(phone_id: Id, body: UpdatePhone, caller: Writing) -> Phone:
        with telling(PLACES, NO_PHONE):
            number = await service.directory.together(caller.tenant, lambda batch: _update(batch, str(phone_id), body))
        return mapping.shown(number, await _trunk_of(service, number))

    @routes.patch("/{phone_id}/sip-config", responses=RESPONSES, summary="Change the trunk of a phone")
    async def configure(phone_id: Id, body: UpdateSipConfig, caller: Writing) -> Phone:
        with telling(PLACES, NO_PHONE):
            number, trunk = await service.directory.together(
                caller.tenant, lambda batch: _configure(batch, str(phone_id), body)
            )
        return mapping.shown(number, trunk)

    @routes.delete("/{phone_id}", status_code=204, responses=RESPONSES, summary="Give a phone back")
    async def delete(phone_id: Id, caller: Writing) -> None:
        with telling(PLACES, NO_PHONE):
            await service.directory.remove_number(caller.tenant, str(phone_id))


def _places(body: ImportPhone) -> dict[str, Place]:
    """Where the trunk of an imported number comes from: clients of one time or another say it under another name."""
    if body.sip_config is None:
        return PLACES
    return {
        key: tuple("sip_config" if part == "outbound_config" else part for part in place)
        for key, place in PLACES.items()
    }


def _update(batch: Batch, phone_id: str, body: UpdatePhone) -> Number:
    number = batch.change_number(phone_id, lambda found: mapping.changed(found, body))
    versions = mapping.published(number)
    if versions:
        for other in batch.numbers():
            if other.id != phone_id:
                _require_same(versions, other)
    return number


def _require_same(versions: dict[str, str], other: Number) -> None:
    """An agent has one published version, whichever phones it is on."""
    for agent, version in mapping.published(other).items():
        if versions.get(agent, version) != version:
            text = (
                f"agent {agent} has version {version} published on {other.identity}: assign that one, or free it there"
            )
            raise Conflict(text)


def _configure(batch: Batch, phone_id: str, body: UpdateSipConfig) -> tuple[Number, Trunk | None]:
    found = batch.number(phone_id)
    trunk = batch.trunk(found.trunk_id) if found.trunk_id else None
    return batch.change_number(phone_id, lambda number: mapping.configured(number, trunk, body)), trunk


async def _trunk_of(service: Service, number: Number) -> Trunk | None:
    """The trunk that a number goes by, if there still is one."""
    if number.trunk_id is None:
        return None
    try:
        return await service.directory.trunk(number.tenant, number.trunk_id)
    except NotFound:
        return None


MOUNT = Mount(("/v1/phone",), router, shown)
