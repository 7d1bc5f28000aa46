"""Trunks as clients write them and as they are stored; pure."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from probes.destination import Destination, DestinationError
from probes.trunks.model import Authentication, Credentials, Inbound, Number, Outbound, Trunk
from probes.web.bland.bodies import NewTrunk, TrunkChange
from probes.web.bland.configs import directions_of, gateway_of, register_shown, registering, with_endpoint
from probes.web.bland.envelope import invalid
from probes.web.bland.header_map import trunk_headers, trunk_rules

PREFIX = "trk_"
"""Before the ids of trunks."""
_is_id = re.compile(
    rf"(?:{PREFIX})?([0-9a-f]{{8}})-?([0-9a-f]{{4}})-?([0-9a-f]{{4}})-?([0-9a-f]{{4}})-?([0-9a-f]{{12}})"
)
Mode = Literal["ip", "register"]


def id_shown(trunk_id: str) -> str:
    """An id as it is shown."""
    return PREFIX + trunk_id.replace("-", "")


def id_given(text: str) -> str:
    """An id as the directory has it, also where it is given as other interfaces show it; "" for what is none."""
    found = _is_id.fullmatch(text.lower())
    return "-".join(found.groups()) if found else ""


def new_trunk(given: NewTrunk) -> Trunk:
    """A trunk as it is created. Raises RequestFailure."""
    if given.direction == "outbound" and given.sip_endpoint is None:
        raise invalid("a trunk for outbound calls needs an endpoint: sip:host or host", "sip_endpoint")
    inbound = Inbound() if given.direction != "outbound" else None
    outbound = Outbound() if given.direction != "inbound" else None
    trunk = Trunk(name=given.name, provider=given.provider or "", inbound=inbound, outbound=outbound)
    return _changed(trunk, given)


def changed_trunk(trunk: Trunk, given: TrunkChange) -> Trunk:
    """A trunk after a change. Raises RequestFailure."""
    if given.name is not None:
        trunk = replace(trunk, name=given.name)
    if "provider" in given.model_fields_set:
        trunk = replace(trunk, provider=given.provider or "")
    return _changed(trunk, given)


def _changed(trunk: Trunk, given: NewTrunk | TrunkChange) -> Trunk:
    trunk = _placed(trunk, given.sip_endpoint) if given.sip_endpoint is not None else trunk
    trunk = _authenticated(trunk, given)
    if "headers" not in given.model_fields_set:
        return trunk
    is_cleared = given.headers is None
    inbound, outbound = trunk.inbound, trunk.outbound
    if inbound is not None and (rules := () if is_cleared else trunk_rules(given.headers, "inbound")) is not None:
        inbound = replace(inbound, headers=rules)
    if outbound is not None and (rules := () if is_cleared else trunk_rules(given.headers, "outbound")) is not None:
        outbound = replace(outbound, headers=rules)
    return replace(trunk, inbound=inbound, outbound=outbound)


def _placed(trunk: Trunk, endpoint: str) -> Trunk:
    """With an endpoint: whom calls go out to, or where those that come in are forwarded to where none go out."""
    if trunk.outbound is not None:
        return replace(trunk, outbound=with_endpoint(trunk.outbound, gateway_of(endpoint)))
    if trunk.inbound is None:
        return trunk
    try:
        return replace(trunk, inbound=replace(trunk.inbound, forward_to=str(Destination.parse(endpoint))))
    except DestinationError as error:
        raise invalid(error.message, "sip_endpoint") from None


def _authenticated(trunk: Trunk, given: NewTrunk | TrunkChange) -> Trunk:
    known = credentials_of_trunk(trunk)
    mode = given.auth_mode or mode_of(trunk)
    if mode == "ip":
        if given.register_auth is not None:
            raise invalid("it is for auth_mode register: set that, or leave it out", "register_auth")
        return trunk if given.auth_mode is None or mode_of(trunk) == "ip" else _with_credentials(trunk, None)
    if given.register_auth is not None:
        return _with_credentials(trunk, registering(given.register_auth, known))
    if mode_of(trunk) != "register" or known is None:
        raise invalid("auth_mode register needs a username and a password of 8 characters at least", "register_auth")
    return trunk


def _with_credentials(trunk: Trunk, credentials: Credentials | None) -> Trunk:
    """One account both ways: what a PBX registers with, and what its challenges are answered with."""
    inbound, outbound = trunk.inbound, trunk.outbound
    if inbound is not None:
        kind = Authentication.IP if credentials is None else Authentication.REGISTER
        inbound = replace(inbound, authentication=kind, credentials=credentials)
    if outbound is not None:
        outbound = replace(outbound, credentials=credentials)
    return replace(trunk, inbound=inbound, outbound=outbound)


def mode_of(trunk: Trunk) -> Mode:
    """By what it is known: of one without calls that come in, register stands for an account."""
    if trunk.inbound is not None:
        return "register" if trunk.inbound.authentication is Authentication.REGISTER else "ip"
    return "register" if trunk.outbound is not None and trunk.outbound.credentials is not None else "ip"


def credentials_of_trunk(trunk: Trunk) -> Credentials | None:
    """The account of either direction."""
    inbound = trunk.inbound.credentials if trunk.inbound is not None else None
    return inbound or (trunk.outbound.credentials if trunk.outbound is not None else None)


def direction_of(trunk: Trunk) -> str | None:
    """In one word; null for one that another interface left empty."""
    if trunk.inbound is not None and trunk.outbound is not None:
        return "both"
    return "inbound" if trunk.inbound is not None else "outbound" if trunk.outbound is not None else None


def endpoint_of(trunk: Trunk) -> str | None:
    """Whom calls go out to, or where those that come in are forwarded to; with its transport, which trunks have no
    other place for.
    """
    first = next(iter(trunk.outbound.ordered), None) if trunk.outbound is not None else None
    if first is not None:
        return str(first)
    return (trunk.inbound.forward_to if trunk.inbound is not None else "") or None


def trunk_shown(trunk: Trunk) -> dict[str, Any]:
    """What every answer has of a trunk."""
    return {
        "trunk_id": id_shown(trunk.id),
        "name": trunk.name,
        "provider": trunk.provider or None,
        "direction": direction_of(trunk),
        "sip_endpoint": endpoint_of(trunk),
        "auth_mode": mode_of(trunk),
    }


def trunk_details(trunk: Trunk, numbers: Sequence[Number]) -> dict[str, Any]:
    """All of it."""
    inbound, outbound = trunk.inbound, trunk.outbound
    headers = trunk_headers(inbound.headers if inbound else None, outbound.headers if outbound else None)
    bound = [{"phone_number": each.identity, "directions": directions_of(each, trunk)} for each in numbers]
    account = register_shown(credentials_of_trunk(trunk)) if mode_of(trunk) == "register" else None
    return trunk_shown(trunk) | {"register_auth": account, "headers": headers, "bound_numbers": bound}
