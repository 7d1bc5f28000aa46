"""What the routes of this interface have in common: the service, numbers as they are given, failures by its places."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from probes.service.errors import Invalid, NotFound
from probes.service.run import Service
from probes.trunks.model import Number, Trunk
from probes.trunks.problem import Gravity, Problem
from probes.web.auth import Caller
from probes.web.bland.envelope import Failed, refused
from probes.web.bland.trunk_map import id_given
from probes.web.errors import Failure, RequestFailure
from probes.web.flaws import Flaw
from sipcore.errors import LocalError

NO_NUMBER = "NUMBER_NOT_FOUND"
NO_TRUNK = "TRUNK_NOT_FOUND"
Data = dict[str, Any]

RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": Failed, "description": "What was sent is wrong: `field` says where, `message` what to change"},
    401: {"model": Failed, "description": "No key, or one that is not known"},
    403: {"model": Failed, "description": "The key only reads"},
    404: {"model": Failed, "description": "There is none"},
    409: {"model": Failed, "description": "Something is in the way"},
    413: {"model": Failed, "description": "The body is too large"},
    429: {"model": Failed, "description": "Too many of late: `Retry-After` says when to come back"},
    503: {"model": Failed, "description": "Nothing is begun at the moment"},
    "4XX": {"model": Failed, "description": "Other failures, in the same form"},  # in place of 422 as FastAPI has it
}
"""What may be answered besides success."""


PLACES = {
    "identity": "phone_number",
    "inbound.headers": "headers",
    "inbound.forward_to": "sip_endpoint",
    "inbound.credentials": "register_auth",
    "inbound.codecs": "codec_config.codecs",
    "inbound.alerts": "alert_config",
    "outbound.headers": "headers",
    "outbound.gateways": "sip_endpoint",
    "outbound.credentials.username": "options.sip_username",
    "outbound.credentials.password": "options.sip_password",
    "outbound.credentials.realm": "options.sip_realm",
    "outbound.encryption": "options.secure_media",
    "outbound.codecs": "codec_config.codecs",
    "outbound.alerts": "alert_config",
    "outbound.failover": "failover_config",
}
"""Where in a direction a field of the model comes from."""
OF_TRUNKS = {key: "register_auth" if key.startswith("outbound.credentials") else place for key, place in PLACES.items()}
"""Likewise in a trunk, which has one account for both directions."""


def place_of(field: str, places: Mapping[str, str] = PLACES) -> str:
    """The place of a field of the model in what a client writes; empty for the whole."""
    known = max((each for each in places if field == each or field.startswith(f"{each}.")), key=len, default="")
    return places[known] if known else field


def error_text(error: LocalError) -> str:
    """All that is wrong with one number, in the words of this interface."""
    if not isinstance(error, Invalid):
        return error.message
    return "; ".join(f"{place_of(each.field)}: {each.text}".removeprefix(": ") for each in grave(error))


def grave(error: Invalid) -> list[Problem]:
    """What keeps something from being saved."""
    return [each for each in error.problems if each.gravity is Gravity.ERROR]


@contextmanager
def telling(places: Mapping[str, str] = PLACES) -> Iterator[None]:
    """Have what the directory refuses told by the codes and places of this interface."""
    try:
        yield
    except NotFound as error:
        raise _no_trunk() if error.field == "trunk_id" else _no_number() from None
    except Invalid as error:
        flaws = [Flaw(("body", *filter(None, [place_of(each.field, places)])), each.text) for each in grave(error)]
        raise RequestFailure(Failure(400, "invalid", error.message, tuple(flaws))) from None


def _no_number() -> RequestFailure:
    return refused(404, NO_NUMBER, "there is no such number: attach it first")


def _no_trunk() -> RequestFailure:
    return refused(404, NO_TRUNK, "there is no such trunk: GET /v1/sip/trunks lists all")


async def _service_of(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


Serving = Annotated[Service, Depends(_service_of)]
NumberQuery = Annotated[str, Query(alias="phone_number", min_length=1, max_length=160, examples=["+15550100001"])]
"""A number in a query; see `spelled`."""


def spelled(text: str) -> str:
    """A number out of a query: a `+` that was not written as %2B comes as a space."""
    return f"+{text[1:]}" if text[:1] == " " and text[1:2].isdecimal() else text


def enveloped(data: Data) -> Data:
    """In the envelope of what succeeds."""
    return {"data": data, "errors": None}


async def find_number(service: Service, caller: Caller, text: str) -> Number | None:
    """A number by any of its spellings; None where the caller has none."""
    try:
        return await service.directory.number_named(caller.tenant, text)
    except NotFound:
        return None


async def require_number(service: Service, caller: Caller, text: str) -> Number:
    """Likewise. Raises RequestFailure."""
    found = await find_number(service, caller, text)
    if found is None:
        raise _no_number()
    return found


async def trunk_of(service: Service, number: Number) -> Trunk | None:
    """The trunk that a number belongs to."""
    if number.trunk_id is None:
        return None
    return await service.directory.trunk(number.tenant, number.trunk_id)


async def require_trunk(service: Service, caller: Caller, text: str) -> Trunk:
    """A trunk by its id. Raises RequestFailure."""
    try:
        return await service.directory.trunk(caller.tenant, id_given(text))
    except NotFound:
        raise _no_trunk() from None
