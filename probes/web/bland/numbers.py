"""The routes for numbers: what is configured for them, and how they are."""

from collections.abc import Callable, Mapping, Sequence

from fastapi import APIRouter

from probes.health.board import TrunkState
from probes.service.batch import Batch
from probes.service.errors import DirectoryError, NotFound
from probes.service.run import Service
from probes.trunks.model import Number, Trunk
from probes.trunks.number import NumberError, identity_of
from probes.web.auth import Authenticated, Caller, Writing
from probes.web.bland import answers, bodies, changes
from probes.web.bland.common import (
    RESPONSES,
    Data,
    NumberQuery,
    Serving,
    enveloped,
    error_text,
    find_number,
    require_number,
    spelled,
    telling,
    trunk_of,
)
from probes.web.bland.configs import directions_of, effective, pair
from probes.web.bland.envelope import Succeeded, within
from probes.web.bland.trunk_map import id_given
from probes.web.bland.words import current_route, endpoint_text, health_word, stamp_or_none

routes = APIRouter(responses=RESPONSES)


async def read(phone_number: NumberQuery, caller: Authenticated, service: Serving) -> Data:
    """What is configured for a number; null for each direction that is not."""
    number = await find_number(service, caller, spelled(phone_number))
    if number is None:
        return enveloped({"inbound": None, "outbound": None})
    return enveloped(pair(number, await trunk_of(service, number)))


@routes.get("/numbers", response_model=Succeeded[answers.Numbers], response_model_exclude_unset=True)
async def listed(caller: Authenticated, service: Serving) -> Data:
    """All numbers that are configured."""
    trunks = {trunk.id: trunk for trunk in await service.directory.trunks(caller.tenant)}
    numbers = await service.directory.numbers(caller.tenant)
    states = {state.trunk: state for state in service.health(caller.tenant)}
    shown = [_listed(each, trunks.get(each.trunk_id or ""), states) for each in numbers]
    return enveloped({"numbers": [each for each in shown if each["directions"]]})


def _listed(number: Number, trunk: Trunk | None, states: Mapping[str, TrunkState]) -> Data:
    _, outbound = effective(number, trunk)
    first = next(iter(outbound.ordered), None) if outbound is not None else None
    state = states.get(number.id) or states.get(number.trunk_id or "") if outbound is not None else None
    return {
        "phone_number": number.identity,
        "directions": directions_of(number, trunk),
        "sip_endpoint": endpoint_text(first) if first is not None else None,
        "health_status": health_word(state),
    }


@routes.post("/attach", response_model=Succeeded[answers.Attached], response_model_exclude_unset=True)
async def attach(body: bodies.Attach, caller: Writing, service: Serving) -> Data:
    """Configure numbers. Those that were not say why; where the request itself is wrong, nothing is written."""
    with telling():
        told = await service.directory.together(caller.tenant, lambda batch: _attached(batch, body))
    return enveloped(told | (changes.password_shown(body.directions) if told["configured"] else {}))


def _attached(batch: Batch, body: bodies.Attach) -> Data:
    """What became of each number."""
    asked = batch.trunk(id_given(body.trunk_id)) if body.trunk_id is not None else None
    configured: list[str] = []
    failed: list[Data] = []
    for text in body.given_numbers:
        try:
            identity = _attached_one(batch, identity_of(text), asked, body.directions)
        except (NumberError, DirectoryError) as error:
            failed.append({"phone_number": text, "error": error_text(error)})
        else:
            configured += [] if identity in configured else [identity]
    return {"configured": configured, "failed": failed}


def _attached_one(batch: Batch, identity: str, asked: Trunk | None, directions: Sequence[bodies.AnyDirection]) -> str:
    number = _exactly(batch, identity)
    if number is None:
        made = batch.add_numbers([changes.attached(Number(identity=identity), asked, directions)])[0]
        if isinstance(made, DirectoryError):
            raise made
        return made.identity
    trunk = asked or _own_trunk(batch, number)
    return batch.change_number(number.id, lambda found: changes.attached(found, trunk, directions)).identity


def _exactly(batch: Batch, identity: str) -> Number | None:
    """The number of this very identity: what is written without a + is another one than E.164, wherever it is read."""
    try:
        found = batch.number_named(identity)
    except NotFound:
        return None
    return found if found.identity == identity else None


def _own_trunk(batch: Batch, number: Number) -> Trunk | None:
    return batch.trunk(number.trunk_id) if number.trunk_id is not None else None


async def _change(
    service: Service, caller: Caller, phone_number: str, change: Callable[[Number, Trunk | None], Number]
) -> tuple[Number, Trunk | None]:
    """A number after a change, and its trunk. Raises RequestFailure."""

    def work(batch: Batch) -> tuple[Number, Trunk | None]:
        number = batch.number_named(phone_number)
        trunk = _own_trunk(batch, number)
        return batch.change_number(number.id, lambda found: change(found, trunk)), trunk

    with telling():
        return await service.directory.together(caller.tenant, work)


@routes.post("/update", response_model=Succeeded[answers.Updated], response_model_exclude_unset=True)
async def update(body: bodies.Update, caller: Writing, service: Serving) -> Data:
    """Change one direction of a number; what is not said stays as it is."""
    with within("updates"):
        number, trunk = await _change(
            service, caller, body.phone_number, lambda found, trunk: changes.updated(found, trunk, body.updates)
        )
    return enveloped(pair(number, trunk)[body.updates.type] | changes.password_shown([body.updates]))


@routes.post("/detach", response_model=Succeeded[answers.Detached], response_model_exclude_unset=True)
async def detach(body: bodies.Detach, caller: Writing, service: Serving) -> Data:
    """Take directions from a number. One without any is forgotten, unless another interface keeps something of it."""
    types = [each.type for each in body.directions]

    def work(batch: Batch) -> Data:
        number = batch.number_named(body.phone_number)
        trunk = _own_trunk(batch, number)
        left = batch.change_number(number.id, lambda found: changes.detached(found, trunk, types))
        if changes.is_forgotten(left, trunk):
            batch.remove_number(number.id)
        gone = [each for each in directions_of(number, trunk) if each in types]
        return {"phone_number": number.identity, "detached": gone}

    with telling():
        return enveloped(await service.directory.together(caller.tenant, work))


@routes.patch("/config", response_model=Succeeded[answers.NumberConfig])
async def configure(body: bodies.Config, caller: Writing, service: Serving) -> Data:
    """Change failover, codecs and alerts of a direction; what is not said stays as it is."""
    number, trunk = await _change(
        service, caller, body.phone_number, lambda found, trunk: changes.configured(found, trunk, body)
    )
    return enveloped(changes.config_shown(number, trunk, body.direction))


@routes.get("/status", response_model=Succeeded[answers.NumberHealth])
async def status(phone_number: NumberQuery, caller: Authenticated, service: Serving) -> Data:
    """How the trunk of a number is, by the watch that goes on all the time."""
    number = await require_number(service, caller, spelled(phone_number))
    _, outbound = effective(number, await trunk_of(service, number))
    state = service.health_of(caller.tenant, number) if outbound is not None else None
    route, word = current_route(state), health_word(state)
    check = route.options or route.check if route is not None else None
    time = check.rtt if check is not None and word == "healthy" else None
    return enveloped(
        {
            "status": word,
            "response_time_ms": None if time is None else round(time * 1000.0, 3),
            "checked_at": stamp_or_none(check.at if check is not None else None),
        }
    )
