"""The look-up of watsonx Orchestrate by which its own parts find the config of a number that is called."""

from typing import Annotated

from fastapi import APIRouter, Header, Query

from probes.service.run import Service
from probes.web.auth import Authenticated
from probes.web.detail import RESPONSES, shown, telling
from probes.web.errors import refused
from probes.web.mount import Mount
from probes.web.watsonx import mapping
from probes.web.watsonx.bodies import ShownPhone

NO_CONFIG = "no phone config has this number"
Called = Annotated[str, Query(description="A number, with + or without.", examples=["+15550100001"])]
Origin = Annotated[str | None, Header(alias="x-watson-origin", description="Who asks; taken, and not used.")]


def router(service: Service) -> APIRouter:
    """Its one route."""
    routes = APIRouter(tags=["watsonx"])

    @routes.get("", responses=RESPONSES, summary="The phone config of a number")
    async def find(number: Called, caller: Authenticated, _: Origin = None) -> ShownPhone:
        # A plus that was not escaped comes as a space (the URL standard, application/x-www-form-urlencoded).
        name = f"+{number[1:]}" if number.startswith(" ") else number
        with telling({}, NO_CONFIG):
            found = await service.directory.number_named(caller.tenant, name)
            if found.trunk_id is None:
                raise refused(404, NO_CONFIG)
            trunk = await service.directory.trunk(caller.tenant, found.trunk_id)
        return mapping.shown(trunk, await service.directory.numbers(caller.tenant, trunk.id))

    return routes


MOUNT = Mount(("/api/v1/internal/channels/phone", "/v1/internal/channels/phone"), router, shown)
