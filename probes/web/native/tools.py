"""What needs no network: whose key it is, how destinations are read, what is odd, which way a call would take; keys."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from probes.destination import Destination, DestinationError
from probes.report.units import timestamp
from probes.service.keys import ApiKey
from probes.service.run import Service
from probes.web.auth import Authenticated, Writing
from probes.web.errors import flawed
from probes.web.native import pages
from probes.web.native.bodies import KeyBody, ParseBody, PreflightBody, RouteBody
from probes.web.native.mapping import number_of, problem_data, trunk_of
from probes.web.native.shown import Data


def add(routes: APIRouter, service: Service) -> None:
    """The routes."""
    _add_tools(routes, service)
    _add_keys(routes, service)


def _add_tools(routes: APIRouter, service: Service) -> None:
    directory = service.directory

    @routes.get("/whoami", tags=["keys"], response_model=pages.Whoami)
    async def whoami(caller: Authenticated) -> Data:
        """Whose key this is."""
        return {"tenant": caller.tenant, "key_id": caller.key_id, "may_write": caller.may_write}

    @routes.post("/parse", tags=["tools"], response_model=pages.Parsed)
    async def parse(_: Authenticated, body: ParseBody) -> Data:
        """How a destination is understood. Nothing is looked up."""
        return parsed_data(body.input)

    @routes.post("/preflight", tags=["tools"], response_model=pages.Problems)
    async def preflight(caller: Authenticated, body: PreflightBody) -> Data:
        """What is odd about a trunk or a number, before it is kept. Nothing is kept, sent or called."""
        if body.trunk is not None and body.number is None:
            found = await directory.problems(caller.tenant, trunk_of(body.trunk))
        elif body.number is not None and body.trunk is None:
            found = await directory.problems(caller.tenant, number_of(body.number))
        else:
            raise flawed(("body",), "give one of trunk and number")
        return {"problems": [problem_data(each) for each in found]}

    @routes.post("/route", tags=["tools"], response_model=pages.Way)
    async def route(caller: Authenticated, body: RouteBody) -> Data:
        """Which way a call would take, and why. None is placed."""
        plan = await directory.dry_run(caller.tenant, body.caller, body.callee)
        return {
            "direction": plan.direction.value,
            "steps": list(plan.steps),
            "number_id": plan.number.id if plan.number is not None else None,
            "trunk_id": plan.trunk.id if plan.trunk is not None else None,
            "gateways": [str(each) for each in plan.gateways],
            "forward_to": plan.forward_to or None,
            "refusal": plan.refusal or None,
        }


def _add_keys(routes: APIRouter, service: Service) -> None:
    keys = service.keys

    @routes.get("/keys", tags=["keys"], response_model=pages.Keys)
    async def list_keys(caller: Authenticated) -> Data:
        """The keys of the tenant, the last revoked ones among them; not what they are."""
        return {"items": [key_data(each) for each in await keys.known(caller.tenant)]}

    @routes.post("/keys", tags=["keys"], status_code=201, response_model=pages.NewKey)
    async def add_key(caller: Writing, body: KeyBody, request: Request) -> Response:
        """Make a key. It is told this once."""
        made = await keys.add(caller.tenant, body.name, may_write=body.may_write)
        told = {**key_data(made.key), "key": made.text.reveal()}
        return JSONResponse(told, 201, {"Location": f"{request.url.path}/{made.key.id}"})

    @routes.delete("/keys/{key_id}", tags=["keys"], status_code=204)
    async def revoke_key(caller: Writing, key_id: str) -> None:
        """Have a key hold no longer. The last one that may write is revoked by `sipprobe keys` alone."""
        await keys.revoke(caller.tenant, key_id)


def parsed_data(text: str) -> Data:
    """How a destination is understood."""
    names = ("host", "port", "user", "transport", "private", "uri")
    try:
        found = Destination.parse(text)
    except DestinationError as error:
        return {"valid": False, "problem": error.message, **dict.fromkeys(names)}
    told: Sequence[object] = (
        found.host,
        found.port,
        found.user,
        found.transport.value.lower() if found.transport is not None else None,
        found.is_private,
        str(found),
    )
    return {"valid": True, "problem": None, **dict(zip(names, told, strict=True))}


def key_data(key: ApiKey) -> Data:
    """What is known of a key."""
    return {
        "id": key.id,
        "name": key.name,
        "may_write": key.may_write,
        "created_at": timestamp(key.created_at),
        "last_used_at": timestamp(key.last_used_at) if key.last_used_at is not None else None,
        "revoked_at": timestamp(key.revoked_at) if key.revoked_at is not None else None,
    }
