"""Trunks and numbers: listed, read, added, replaced, changed, removed."""

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from probes.service.batch import Batch
from probes.service.errors import DirectoryError
from probes.service.run import Service
from probes.trunks.model import Number, Trunk
from probes.web.auth import Authenticated, Writing
from probes.web.errors import RequestFailure, failure_of
from probes.web.native.bodies import NumberBody, ShownNumber, ShownTrunk, TrunkBody
from probes.web.native.mapping import number_data, number_of, trunk_data, trunk_of
from probes.web.native.pages import Numbers, Trunks
from probes.web.native.shown import Cursor, Data, IfMatch, Limit, listed, merged, page, require_match, told

B = TypeVar("B", bound=BaseModel)
Patch = Annotated[dict[str, Any], Body(description="a merge patch (RFC 7396): what is null is removed")]
KEPT = ("id", "created_at", "updated_at", "revision", "warnings")
"""What is shown and not written."""


def add(routes: APIRouter, service: Service) -> None:
    """The routes."""
    _add_trunks(routes, service)
    _add_numbers(routes, service)


def _add_trunks(routes: APIRouter, service: Service) -> None:
    directory = service.directory

    async def shown(tenant: str, trunk: Trunk, status: int = 200, at: str = "") -> JSONResponse:
        problems = await directory.problems(tenant, trunk)
        headers = {"Location": f"{at}/{trunk.id}"} if at else None
        return told(trunk_data(trunk, problems), trunk.revision, status, headers)

    @routes.get("/trunks", tags=["trunks"], response_model=Trunks)
    async def list_trunks(caller: Authenticated, limit: Limit = 50, cursor: Cursor = "") -> Data:
        """All trunks, oldest first."""
        chosen, following = page(await directory.trunks(caller.tenant), limit, cursor)
        return listed(map(trunk_data, chosen), following)

    @routes.post("/trunks", tags=["trunks"], status_code=201, response_model=ShownTrunk)
    async def add_trunk(caller: Writing, body: TrunkBody, request: Request) -> Response:
        """Keep a new trunk; one that has a gateway is watched from now on."""
        made = await directory.add_trunk(caller.tenant, trunk_of(body))
        return await shown(caller.tenant, made, 201, request.url.path)

    @routes.get("/trunks/{trunk_id}", tags=["trunks"], response_model=ShownTrunk)
    async def read_trunk(caller: Authenticated, trunk_id: str) -> Response:
        """One trunk."""
        return await shown(caller.tenant, await directory.trunk(caller.tenant, trunk_id))

    @routes.put("/trunks/{trunk_id}", tags=["trunks"], response_model=ShownTrunk)
    async def replace_trunk(caller: Writing, trunk_id: str, body: TrunkBody, if_match: IfMatch = "") -> Response:
        """Have a trunk be as it is sent. A secret that is sent as `********` stays."""

        def change(now: Trunk) -> Trunk:
            require_match(if_match, now.revision)
            return trunk_of(body, now)

        return await shown(caller.tenant, await directory.change_trunk(caller.tenant, trunk_id, change))

    @routes.patch("/trunks/{trunk_id}", tags=["trunks"], response_model=ShownTrunk)
    async def change_trunk(caller: Writing, trunk_id: str, patch: Patch, if_match: IfMatch = "") -> Response:
        """Change what is sent of a trunk, and leave the rest."""

        def change(now: Trunk) -> Trunk:
            require_match(if_match, now.revision)
            return trunk_of(_patched(trunk_data(now), patch, TrunkBody), now)

        return await shown(caller.tenant, await directory.change_trunk(caller.tenant, trunk_id, change))

    @routes.delete("/trunks/{trunk_id}", tags=["trunks"], status_code=204)
    async def remove_trunk(caller: Writing, trunk_id: str, if_match: IfMatch = "") -> None:
        """Forget a trunk. Its numbers stay, and belong to none then."""

        def remove(batch: Batch) -> None:
            require_match(if_match, batch.trunk(trunk_id).revision)
            batch.remove_trunk(trunk_id)

        await directory.together(caller.tenant, remove)


def _add_numbers(routes: APIRouter, service: Service) -> None:
    directory = service.directory

    async def shown(tenant: str, number: Number, status: int = 200, at: str = "") -> JSONResponse:
        problems = await directory.problems(tenant, number)
        headers = {"Location": f"{at}/{number.id}"} if at else None
        return told(number_data(number, problems), number.revision, status, headers)

    @routes.get("/numbers", tags=["numbers"], response_model=Numbers)
    async def list_numbers(
        caller: Authenticated, trunk_id: str | None = None, limit: Limit = 50, cursor: Cursor = ""
    ) -> Data:
        """All numbers, or those of one trunk, oldest first."""
        chosen, following = page(await directory.numbers(caller.tenant, trunk_id), limit, cursor)
        return listed(map(number_data, chosen), following)

    @routes.post("/numbers", tags=["numbers"], status_code=201, response_model=ShownNumber)
    async def add_number(caller: Writing, body: NumberBody, request: Request) -> Response:
        """Keep a new number."""
        (made,) = await directory.add_numbers(caller.tenant, [number_of(body)])
        if isinstance(made, DirectoryError):
            raise made
        return await shown(caller.tenant, made, 201, request.url.path)

    @routes.get("/numbers/{number_id}", tags=["numbers"], response_model=ShownNumber)
    async def read_number(caller: Authenticated, number_id: str) -> Response:
        """One number."""
        return await shown(caller.tenant, await directory.number(caller.tenant, number_id))

    @routes.put("/numbers/{number_id}", tags=["numbers"], response_model=ShownNumber)
    async def replace_number(caller: Writing, number_id: str, body: NumberBody, if_match: IfMatch = "") -> Response:
        """Have a number be as it is sent. A secret that is sent as `********` stays."""

        def change(now: Number) -> Number:
            require_match(if_match, now.revision)
            return number_of(body, now)

        return await shown(caller.tenant, await directory.change_number(caller.tenant, number_id, change))

    @routes.patch("/numbers/{number_id}", tags=["numbers"], response_model=ShownNumber)
    async def change_number(caller: Writing, number_id: str, patch: Patch, if_match: IfMatch = "") -> Response:
        """Change what is sent of a number, and leave the rest."""

        def change(now: Number) -> Number:
            require_match(if_match, now.revision)
            return number_of(_patched(number_data(now), patch, NumberBody), now)

        return await shown(caller.tenant, await directory.change_number(caller.tenant, number_id, change))

    @routes.delete("/numbers/{number_id}", tags=["numbers"], status_code=204)
    async def remove_number(caller: Writing, number_id: str, if_match: IfMatch = "") -> None:
        """Forget a number."""

        def remove(batch: Batch) -> None:
            require_match(if_match, batch.number(number_id).revision)
            batch.remove_number(number_id)

        await directory.together(caller.tenant, remove)


def _patched(now: Data, patch: Data, body: type[B]) -> B:
    """What becomes of what is shown. Raises RequestFailure for what cannot be."""
    written = {name: each for name, each in now.items() if name not in KEPT}
    try:
        return body.model_validate(merged(written, patch))
    except ValidationError as error:
        found = RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()])
        raise RequestFailure(failure_of(found, body=body)) from None
