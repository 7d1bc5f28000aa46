"""The routes for trunks."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path

from probes.service.batch import Batch
from probes.service.call_log import Whose, of_days
from probes.service.job import DiscoveryRequest
from probes.trunks.model import HIDDEN, Trunk
from probes.web.auth import Authenticated, Writing
from probes.web.bland import answers, bodies, changes
from probes.web.bland.called import DAYS, log_entry, metrics_of
from probes.web.bland.common import OF_TRUNKS, RESPONSES, Data, Serving, enveloped, require_trunk, telling
from probes.web.bland.discovered import connection_shown
from probes.web.bland.envelope import Succeeded, refused
from probes.web.bland.probing import PAGE, Before, CallLimit, page_of_calls
from probes.web.bland.trunk_map import changed_trunk, id_given, id_shown, new_trunk, trunk_details, trunk_shown
from sipcore.resolve.target import DEFAULT_TLS_PORT, Transport

routes = APIRouter(prefix="/trunks", responses=RESPONSES)
TrunkId = Annotated[str, Path(max_length=64, examples=["trk_6f0c1a5200004000800000000000a001"])]


@routes.post("", response_model=Succeeded[answers.TrunkDetails], response_model_exclude_unset=True)
async def create(body: bodies.NewTrunk, caller: Writing, service: Serving) -> Data:
    """Create a trunk."""
    with telling(OF_TRUNKS):
        trunk = await service.directory.add_trunk(caller.tenant, new_trunk(body))
    return enveloped(trunk_details(trunk, ()) | _password(body))


def _password(body: bodies.NewTrunk | bodies.TrunkChange) -> dict[str, str]:
    """The password that a PBX registers with, once, in the answer to the request that sets it."""
    text = body.register_auth.password.get_secret_value() if body.register_auth is not None else HIDDEN
    return {} if text == HIDDEN else {"register_password_for_pbx": text}


@routes.get("", response_model=Succeeded[answers.Trunks])
async def listed(caller: Authenticated, service: Serving) -> Data:
    """All trunks."""
    numbers = await service.directory.numbers(caller.tenant)
    bound = [each.trunk_id for each in numbers]
    trunks = await service.directory.trunks(caller.tenant)
    return enveloped({"trunks": [trunk_shown(each) | {"bound_number_count": bound.count(each.id)} for each in trunks]})


@routes.get("/{trunk_id}", response_model=Succeeded[answers.TrunkDetails], response_model_exclude_unset=True)
async def read(trunk_id: TrunkId, caller: Authenticated, service: Serving) -> Data:
    """A trunk, with the numbers that are bound to it."""
    trunk = await require_trunk(service, caller, trunk_id)
    return enveloped(trunk_details(trunk, await service.directory.numbers(caller.tenant, trunk.id)))


@routes.patch("/{trunk_id}", response_model=Succeeded[answers.TrunkDetails], response_model_exclude_unset=True)
async def change(trunk_id: TrunkId, body: bodies.TrunkChange, caller: Writing, service: Serving) -> Data:
    """Change a trunk. Header fields that are given hold for all of its numbers from then on."""

    def work(batch: Batch) -> Data:
        trunk = batch.change_trunk(id_given(trunk_id), lambda found: changed_trunk(found, body))
        if "headers" in body.model_fields_set:
            for number in batch.numbers(trunk.id):
                if changes.has_headers(number):
                    batch.change_number(number.id, changes.without_headers)
        return trunk_details(trunk, batch.numbers(trunk.id))

    with telling(OF_TRUNKS):
        return enveloped(await service.directory.together(caller.tenant, work) | _password(body))


@routes.delete("/{trunk_id}", response_model=Succeeded[answers.RemovedTrunk])
async def remove(trunk_id: TrunkId, caller: Writing, service: Serving) -> Data:
    """Forget a trunk. Its numbers stay as they are, with what they had of it."""

    def work(batch: Batch) -> Data:
        trunk = batch.trunk(id_given(trunk_id))
        for number in batch.numbers(trunk.id):
            batch.change_number(number.id, lambda found: changes.unbound(found, trunk))
        return {"trunk_id": id_shown(trunk.id), "unbound_number_count": len(batch.remove_trunk(trunk.id))}

    with telling(OF_TRUNKS):
        return enveloped(await service.directory.together(caller.tenant, work))


@routes.post(
    "/{trunk_id}/test-connection", response_model=Succeeded[answers.Connection], response_model_exclude_unset=True
)
async def test_connection(trunk_id: TrunkId, caller: Writing, service: Serving) -> Data:
    """Send OPTIONS to the gateway of a trunk, over TLS to port 5061 unless it names others. Nobody is called."""
    trunk = await require_trunk(service, caller, trunk_id)
    request = _connection_to(trunk)
    return enveloped(connection_shown(await service.discoveries.check(caller.tenant, request)))


def _connection_to(trunk: Trunk) -> DiscoveryRequest:
    gateways = trunk.outbound.ordered if trunk.outbound is not None else ()
    if not gateways:
        text = "the trunk has no gateway for outbound calls, which is what is tested: give it a sip_endpoint"
        raise refused(400, "NO_OUTBOUND_CONFIG", text)
    first = gateways[0]
    transport = first.transport or Transport.TLS
    port = first.port or (DEFAULT_TLS_PORT if transport is Transport.TLS else transport.default_port)
    return DiscoveryRequest(replace(first, transport=None, port=None).destination(), (port,), (transport,))


@routes.get("/{trunk_id}/metrics", response_model=Succeeded[answers.Metrics])
async def metrics(trunk_id: TrunkId, caller: Authenticated, service: Serving) -> Data:
    """The test calls of thirty days in figures."""
    trunk = await require_trunk(service, caller, trunk_id)
    jobs = await of_days(service.calls, Whose(caller.tenant, trunk_id=trunk.id), DAYS)
    return enveloped(metrics_of(jobs))


@routes.get("/{trunk_id}/calls", response_model=Succeeded[answers.LoggedCalls], response_model_exclude_unset=True)
async def calls(
    trunk_id: TrunkId, caller: Authenticated, service: Serving, limit: CallLimit = PAGE, before: Before = ""
) -> Data:
    """The calls of a trunk, newest first."""
    trunk = await require_trunk(service, caller, trunk_id)
    identities = {each.id: each.identity for each in await service.directory.numbers(caller.tenant)}
    shown = []
    for job in await page_of_calls(service, Whose(caller.tenant, trunk_id=trunk.id), limit, before):
        entry = {key: found for key, found in log_entry(job).items() if key != "source_ip"}
        shown.append(entry | {"phone_number": identities.get(job.number_id or "")})
    return enveloped({"calls": shown})
