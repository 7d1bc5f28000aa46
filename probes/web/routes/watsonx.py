"""The phone channel of watsonx Orchestrate: configs of trunks, and their numbers."""

from typing import Annotated

from fastapi import APIRouter, Query

from probes.service.run import Service
from probes.web.auth import Authenticated, Writing
from probes.web.detail import RESPONSES, Place, shown, telling
from probes.web.ids import Id
from probes.web.mount import Mount
from probes.web.watsonx import changes, mapping
from probes.web.watsonx.bodies import (
    CreateNumber,
    CreatePhone,
    NumberItem,
    ShownNumber,
    ShownNumbers,
    ShownPhone,
    ShownPhones,
    UpdateNumber,
    UpdatePhone,
)

PLACES: dict[str, Place] = {
    "name": ("body", "name"),
    "description": ("body", "description"),
    "identity": ("body", "phone_number"),
    "label": ("body", "description"),
    "inbound.authentication": ("body", "security", "authentication"),
    "inbound.encryption": ("body", "security", "secure_trunking"),
    "inbound.credentials": ("body", "security"),
    "inbound.credentials.username": ("body", "security", "username"),
    "inbound.credentials.password": ("body", "security", "password"),
    "inbound.headers": ("body", "custom_invite_headers"),
}
"""Where in a body a field of the model comes from."""
NO_CONFIG = "there is no such phone config"
NO_NUMBER = "the phone config has no such number, or there is no such config"
Append = Annotated[bool, Query(description="Add to the lists that are there, in place of taking their place.")]


def router(service: Service) -> APIRouter:
    """Its routes."""
    routes = APIRouter(tags=["watsonx"])
    _add_configs(routes, service)
    _add_numbers(routes, service)
    return routes


def _add_configs(routes: APIRouter, service: Service) -> None:
    @routes.post("", status_code=201, responses=RESPONSES, summary="Create a phone config")
    async def create(body: CreatePhone, caller: Writing) -> ShownPhone:
        with telling(PLACES, NO_CONFIG):
            trunk = await service.directory.add_trunk(caller.tenant, mapping.created(body, caller.key_id))
        return mapping.shown(trunk, ())

    @routes.get("", responses=RESPONSES, summary="All phone configs, oldest first")
    async def listed(caller: Authenticated) -> ShownPhones:
        trunks = await service.directory.trunks(caller.tenant)
        numbers = changes.by_trunk(await service.directory.numbers(caller.tenant))
        return ShownPhones(phones=[mapping.shown(trunk, numbers.get(trunk.id, ())) for trunk in trunks])

    @routes.get("/{config_id}", responses=RESPONSES, summary="A phone config")
    async def get(config_id: Id, caller: Authenticated) -> ShownPhone:
        with telling(PLACES, NO_CONFIG):
            trunk = await service.directory.trunk(caller.tenant, str(config_id))
        return mapping.shown(trunk, await service.directory.numbers(caller.tenant, trunk.id))

    @routes.patch("/{config_id}", responses=RESPONSES, summary="Change a phone config")
    async def update(config_id: Id, body: UpdatePhone, caller: Writing, append: Append = False) -> ShownPhone:
        with telling(PLACES, NO_CONFIG):
            trunk, numbers = await service.directory.together(
                caller.tenant,
                lambda batch: changes.update(batch, str(config_id), body, caller.key_id, append=append),
            )
        return mapping.shown(trunk, numbers)

    @routes.delete("/{config_id}", status_code=204, responses=RESPONSES, summary="Delete a phone config")
    async def delete(config_id: Id, caller: Writing) -> None:
        with telling(PLACES, NO_CONFIG):
            await service.directory.together(caller.tenant, lambda batch: changes.delete(batch, str(config_id)))


def _add_numbers(routes: APIRouter, service: Service) -> None:
    @routes.get("/{config_id}/numbers", responses=RESPONSES, summary="The numbers of a phone config")
    async def listed(config_id: Id, caller: Authenticated) -> ShownNumbers:
        with telling(PLACES, NO_CONFIG):
            trunk = await service.directory.trunk(caller.tenant, str(config_id))
        numbers = await service.directory.numbers(caller.tenant, trunk.id)
        return ShownNumbers(phone_numbers=[mapping.number_shown(number) for number in numbers])

    @routes.post("/{config_id}/numbers", status_code=201, responses=RESPONSES, summary="Add a number")
    async def add(config_id: Id, body: CreateNumber, caller: Writing) -> ShownNumber:
        item = NumberItem.model_construct(**dict(body))
        with telling(PLACES, NO_CONFIG):
            number = await service.directory.together(
                caller.tenant, lambda batch: changes.add(batch, str(config_id), item)
            )
        return mapping.number_shown(number)

    path = "/{config_id}/numbers/{number:path}"  # which takes a slash at its end, and those that are a number's own

    @routes.patch(path, responses=RESPONSES, summary="Change a number")
    async def change(config_id: Id, number: str, body: UpdateNumber, caller: Writing) -> ShownNumber:
        with telling(PLACES, NO_NUMBER):
            changed = await service.directory.together(
                caller.tenant, lambda batch: changes.change(batch, str(config_id), number.removesuffix("/"), body)
            )
        return mapping.number_shown(changed)

    @routes.delete(path, status_code=204, responses=RESPONSES, summary="Take a number out of a phone config")
    async def remove(config_id: Id, number: str, caller: Writing) -> None:
        with telling(PLACES, NO_NUMBER):
            await service.directory.together(
                caller.tenant, lambda batch: changes.remove(batch, str(config_id), number.removesuffix("/"))
            )


MOUNT = Mount(("/api/v1/channels/phone", "/v1/channels/phone"), router, shown)
