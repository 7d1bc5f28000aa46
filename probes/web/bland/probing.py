"""The routes that ask the network: destinations, discoveries, test calls and their log; and what a PBX is told."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from probes.destination import Destination, DestinationError
from probes.service.call_log import Whose, page_of
from probes.service.job import CallJob, CallRefused, CallRequest, DiscoveryJob, DiscoveryRequest, UnknownJob
from probes.service.passwords import new_password
from probes.service.run import Service
from probes.trunks.model import Authentication
from probes.trunks.passwords import LONG, STANDARD
from probes.web.auth import Authenticated, Writing
from probes.web.bland import answers, bodies
from probes.web.bland.called import call_shown, log_entry
from probes.web.bland.common import (
    RESPONSES,
    Data,
    NumberQuery,
    Serving,
    enveloped,
    find_number,
    require_number,
    spelled,
    trunk_of,
)
from probes.web.bland.configs import effective, register_shown
from probes.web.bland.discovered import discovery_shown
from probes.web.bland.envelope import Succeeded, invalid, refused
from probes.web.bland.words import is_private, transport_named

routes = APIRouter(responses=RESPONSES)
PATIENCE = 10.0
"""Seconds for which a discovery is waited for: most are over by then, also those of a place that keeps silent."""
MAX_CALLS = 200
"""Of one page of the log."""
PAGE = 50
STRENGTHS = {"standard": STANDARD, "long": LONG}
"""Characters of a password."""
CallLimit = Annotated[int, Query(ge=1, le=MAX_CALLS)]
Before = Annotated[str, Query(max_length=512, description="call_id of the last row of the page before")]


@routes.post(
    "/parse-destination", response_model=Succeeded[answers.ParsedDestination], response_model_exclude_unset=True
)
async def parse_destination(body: bodies.ParseDestination, _: Authenticated) -> Data:
    """Read a destination in any of its forms. For what is none, `error` says what to change."""
    try:
        found = Destination.parse(body.input)
    except DestinationError as error:
        return enveloped({"valid": False, "parsed": None, "error": error.message})
    if found.transport is not None and found.transport.websocket:
        return enveloped({"valid": False, "parsed": None, "error": "trunks go by udp, tcp or tls"})
    parts = {
        "host": found.host,
        "port": found.port,
        "user": found.user,
        "transport": found.transport.value.lower() if found.transport else "tls" if found.secure else None,
        "is_private_ip": is_private(found),
        "normalized": str(found),
    }
    return enveloped({"valid": True, "parsed": {key: part for key, part in parts.items() if part is not None}})


@routes.post("/discover", response_model=Succeeded[answers.DiscoveryResult], response_model_exclude_unset=True)
async def discover(body: bodies.Discover, caller: Writing, service: Serving) -> Data:
    """Find out what answers there. Most are over within some seconds; others are asked for at `discover/status`."""
    try:
        destination = Destination.parse(body.host)
    except DestinationError as error:
        raise invalid(error.message, "host") from None
    ports = () if body.port is None else (body.port,)
    transports = () if body.transport is None else (transport_named(body.transport),)
    job = await service.discoveries.start(caller.tenant, DiscoveryRequest(destination, ports, transports))
    job = await service.discoveries.wait(job, PATIENCE)
    return enveloped(discovery_shown(job, destination.host))


@routes.get("/discover/status", response_model=Succeeded[answers.DiscoveryResult], response_model_exclude_unset=True)
async def discovery(
    discovery_id: Annotated[str, Query(max_length=64)], caller: Authenticated, service: Serving
) -> Data:
    """How far a discovery is, and what came of it."""
    try:
        job = await service.discoveries.get(caller.tenant, discovery_id)
    except UnknownJob:
        text = "there is no such discovery, or it is over for too long: start another one"
        raise refused(404, "DISCOVERY_NOT_FOUND", text) from None
    return enveloped(discovery_shown(job, _host_of(job)))


def _host_of(job: DiscoveryJob) -> str:
    try:
        return Destination.parse(job.target).host
    except DestinationError:
        return job.target


@routes.post("/test-call", response_model=Succeeded[answers.Placed])
async def test_call(body: bodies.TestCall, caller: Writing, service: Serving) -> Data:
    """Call over the trunk of a number: the number itself, or whom `to` names. A phone may ring."""
    number = await find_number(service, caller, body.phone_number)
    outbound = effective(number, await trunk_of(service, number))[1] if number is not None else None
    if number is None or outbound is None or not outbound.gateways:
        text = "the number has no outbound gateway to call by: attach one first"
        raise refused(400, "NO_OUTBOUND_CONFIG", text)
    to = body.to or number.identity
    request = CallRequest(outbound, to, number.identity, number.trunk_id, number.id)
    try:
        job = await service.calls.start(caller.tenant, request)
    except CallRefused as error:
        place = "to" if body.to and error.field == "to" else "phone_number"
        raise invalid(error.message, place) from None
    text = f"calling {to} over {outbound.ordered[0]}: ask for it at /v1/sip/test-call/status"
    return enveloped({"call_id": job.id, "message": text})


@routes.get("/test-call/status", response_model=Succeeded[answers.TestCallStatus], response_model_exclude_unset=True)
async def test_call_status(
    call_id: Annotated[str, Query(max_length=64)], caller: Authenticated, service: Serving
) -> Data:
    """How far a test call is, and how it ended."""
    try:
        return enveloped(call_shown(await service.calls.get(caller.tenant, call_id)))
    except UnknownJob:
        raise refused(404, "CALL_NOT_FOUND", "there is no such test call: place another one") from None


@routes.get("/calls", response_model=Succeeded[answers.LoggedCalls], response_model_exclude_unset=True)
async def calls(
    phone_number: NumberQuery, caller: Authenticated, service: Serving, limit: CallLimit = PAGE, before: Before = ""
) -> Data:
    """The calls of a number, newest first."""
    number = await find_number(service, caller, spelled(phone_number))
    if number is None:
        return enveloped({"calls": []})
    found = await page_of_calls(service, Whose(caller.tenant, number_id=number.id), limit, before)
    return enveloped({"calls": [log_entry(job) for job in found]})


async def page_of_calls(service: Service, whose: Whose, limit: int, before: str) -> list[CallJob]:
    """A page of the log. Raises RequestFailure for a cursor that is none."""
    try:
        return await page_of(service.calls, whose, limit, before)
    except UnknownJob as error:
        raise invalid(error.message, "before") from None


@routes.get("/firewall-ips", response_model=Succeeded[answers.FirewallIps])
async def firewall_ips(_: Authenticated, service: Serving) -> Data:
    """From where calls and checks come, signalling and media."""
    own = service.config.own
    ports = {"sip": f"{own.sip_port} {own.sip_transport}", "rtp": f"{own.rtp_low}-{own.rtp_high} UDP"}
    return enveloped({"ip_addresses": list(own.addresses), "ports": ports})


@routes.get("/outbound-setup", response_model=Succeeded[answers.OutboundSetup], response_model_exclude_unset=True)
async def outbound_setup(
    caller: Authenticated,
    service: Serving,
    phone_number: Annotated[str | None, Query(min_length=1, max_length=160)] = None,
) -> Data:
    """What a PBX is to be told that sends its calls here."""
    own = service.config.own
    if not own.sip_server:
        text = "the operator has not said where this service takes calls: [addresses] sip_server in service.toml"
        raise refused(503, "NOT_CONFIGURED", text)
    place = f"{own.sip_server}, port {own.sip_port}, over {own.sip_transport}"
    setup: Data = {
        "sip_server": own.sip_server,
        "port": own.sip_port,
        "instructions": f"Send calls to {place}. Let in what GET /v1/sip/firewall-ips lists.",
    }
    if phone_number is None:
        return enveloped(setup)
    number = await require_number(service, caller, spelled(phone_number))
    inbound, _ = effective(number, await trunk_of(service, number))
    if inbound is not None and inbound.authentication is Authentication.REGISTER and inbound.credentials is not None:
        setup["credentials"] = register_shown(inbound.credentials)
        setup["instructions"] = f"Register at {place}, with the credentials of the number; then send calls there."
    return enveloped(setup)


@routes.get("/generate-password", response_model=Succeeded[answers.Generated])
async def generated(
    _: Authenticated, length: int | None = None, strength: Literal["standard", "long"] = "standard"
) -> Data:
    """A password that PBXs take as it is. The length is kept within its bounds, and counts more than the strength."""
    text = new_password(STRENGTHS[strength] if length is None else length)
    return enveloped({"password": text, "length": len(text)})
