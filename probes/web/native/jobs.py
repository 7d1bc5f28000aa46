"""Discoveries and test calls: begun, watched, waited for, found again."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from probes.destination import Destination
from probes.report.units import timestamp
from probes.service.job import CallJob, CallRequest, DiscoveryJob, DiscoveryRequest, JobState
from probes.service.run import Service
from probes.trunks.model import Number, Trunk
from probes.web.auth import Authenticated, Writing
from probes.web.errors import flawed
from probes.web.native.bodies import CallBody, DiscoveryBody
from probes.web.native.pages import Call, Calls, Discoveries, Discovery
from probes.web.native.shown import Cursor, Data, Limit, listed
from probes.web.stream import EventStream
from sipcore.resolve.target import Transport

MAX_WAIT = 30.0
"""Seconds for which a request waits for a job."""
Wait = Annotated[float, Query(ge=0, le=MAX_WAIT, description="seconds to wait for its end before it is told how it is")]
Token = Annotated[
    str,
    Header(
        max_length=255,
        alias="Idempotency-Key",
        description="who asks again under the same key gets the same call, and places no other",
    ),
]


def add(routes: APIRouter, service: Service) -> None:
    """The routes."""
    _add_discoveries(routes, service)
    _add_calls(routes, service)


def _add_discoveries(routes: APIRouter, service: Service) -> None:
    discoveries = service.discoveries

    @routes.post("/discoveries", tags=["discoveries"], status_code=202, response_model=Discovery)
    async def discover(caller: Writing, body: DiscoveryBody, request: Request, wait: Wait = 0.0) -> Response:
        """Find out whether and how SIP is spoken somewhere. A tenant has one discovery at a time."""
        transports = tuple(Transport(each.upper()) for each in body.transports)
        asked = DiscoveryRequest(Destination.parse(body.target), tuple(body.ports), transports)
        job = await discoveries.start(caller.tenant, asked)
        return _begun(request, discovery_data(await discoveries.wait(job, wait) if wait else job))

    @routes.get("/discoveries", tags=["discoveries"], response_model=Discoveries)
    async def list_discoveries(caller: Authenticated, limit: Limit = 50, cursor: Cursor = "") -> Data:
        """The last discoveries, newest first."""
        found = await discoveries.recent(caller.tenant, limit + 1, cursor)
        return listed(map(_job_data, found[:limit]), found[limit - 1].id if len(found) > limit else None)

    @routes.get("/discoveries/{job_id}", tags=["discoveries"], response_model=Discovery)
    async def read_discovery(caller: Authenticated, job_id: str, wait: Wait = 0.0) -> Data:
        """How a discovery is, and what it has found."""
        job = await discoveries.get(caller.tenant, job_id)
        return discovery_data(await discoveries.wait(job, wait) if wait else job)

    @routes.get("/discoveries/{job_id}/events", tags=["discoveries"], response_class=EventStream, status_code=200)
    async def watch_discovery(caller: Authenticated, job_id: str) -> EventStream:
        """What happens in it, from the beginning, as it does; last `end`, with the state."""
        return EventStream(caller.tenant, discoveries.events(await discoveries.get(caller.tenant, job_id)))


def _add_calls(routes: APIRouter, service: Service) -> None:
    calls = service.calls

    @routes.post("/calls", tags=["calls"], status_code=202, response_model=Call)
    async def place_call(
        caller: Writing, body: CallBody, request: Request, token: Token = "", wait: Wait = 0.0
    ) -> Response:
        """Place a test call: a phone rings, and somebody may pay for it. So many are allowed in a while."""
        job = await calls.start(caller.tenant, await _asked(service, caller.tenant, body), token)
        return _begun(request, call_data(await calls.wait(job, wait) if wait else job))

    @routes.get("/calls", tags=["calls"], response_model=Calls)
    async def list_calls(
        caller: Authenticated,
        trunk_id: str | None = None,
        number_id: str | None = None,
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> Data:
        """The last test calls, newest first: of a trunk, of a number, or all."""
        found = await calls.recent(caller.tenant, number_id, trunk_id, limit + 1, cursor)
        return listed(map(_call_in_list, found[:limit]), found[limit - 1].id if len(found) > limit else None)

    @routes.get("/calls/{job_id}", tags=["calls"], response_model=Call)
    async def read_call(caller: Authenticated, job_id: str, wait: Wait = 0.0) -> Data:
        """How a test call is, and what came of it: verdict, timeline with each message, media."""
        job = await calls.get(caller.tenant, job_id)
        return call_data(await calls.wait(job, wait) if wait else job)

    @routes.get("/calls/{job_id}/events", tags=["calls"], response_class=EventStream, status_code=200)
    async def watch_call(caller: Authenticated, job_id: str) -> EventStream:
        """Each line of its story, from the beginning, as it happens; last `end`, with the state."""
        return EventStream(caller.tenant, calls.events(await calls.get(caller.tenant, job_id)))


async def _asked(service: Service, tenant: str, body: CallBody) -> CallRequest:
    """The call that is meant. Raises RequestFailure for what says too little, and NotFound."""
    if (body.trunk_id is None) == (body.number_id is None):
        raise flawed(("body", "trunk_id"), "over what? give one of trunk_id and number_id")
    number: Number | None = None
    trunk: Trunk | None = None
    if body.number_id is not None:
        number = await service.directory.number(tenant, body.number_id)
    trunk_id = body.trunk_id or (number.trunk_id if number is not None else None)
    if trunk_id is not None:
        trunk = await service.directory.trunk(tenant, trunk_id)
    outbound = number.outbound_by(trunk) if number is not None else trunk.outbound if trunk is not None else None
    if outbound is None or not outbound.gateways:
        place = "number_id" if number is not None else "trunk_id"
        raise flawed(("body", place), "it has no gateway to call: give it an outbound with one")
    identity = number.identity if number is not None else ""
    return CallRequest(
        outbound,
        body.to or identity,
        body.caller or identity,
        trunk.id if trunk is not None else None,
        number.id if number is not None else None,
        body.hold_seconds,
        body.digits,
    )


def _begun(request: Request, data: Data) -> JSONResponse:
    """A job that was begun, and where it is found; 200 once it is over."""
    status = 202 if data["state"] == JobState.RUNNING.value else 200
    return JSONResponse(data, status, {"Location": f"{request.url.path}/{data['id']}"})


def _job_data(job: DiscoveryJob | CallJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "target": job.target,
        "state": job.state.value,
        "started_at": timestamp(job.started_at),
        "completed_at": timestamp(job.completed_at) if job.completed_at is not None else None,
        "error": job.error or None,
    }


def _call_in_list(job: CallJob) -> Data:
    return {**_job_data(job), "trunk_id": job.trunk_id, "number_id": job.number_id, "progress": job.progress}


def discovery_data(job: DiscoveryJob) -> Data:
    """A discovery."""
    return {**_job_data(job), "result": job.data}


def call_data(job: CallJob) -> Data:
    """A test call."""
    return {**_call_in_list(job), "timeline": list(job.timeline), "result": job.data}
