"""A phone is a number of its own, with its own trunk in it: how one is read into the other, and shown.

A number that goes by a trunk of another contract shows what holds for it, and has settings of its own from the first
change on. What other contracts have set, and this one cannot say, is left as it is.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from probes.trunks.model import Credentials, Encryption, Gateway, Inbound, Json, Number, Outbound, Secret, Trunk
from probes.web.detail import Place
from probes.web.diga.bodies import (
    ImportPhone,
    InboundConfig,
    MediaEncryption,
    OutboundConfig,
    Phone,
    Provider,
    ShownSipConfig,
    Status,
    Termination,
    UpdatePhone,
    UpdateSipConfig,
)
from probes.web.errors import flawed
from probes.web.ids import Id
from probes.web.words import host_and_port, moment

KEY = "diga"
"""Of this contract's part of `extras`."""
DIRECTIONS = ("inbound", "outbound")


def own(extras: Mapping[str, Json]) -> dict[str, Json]:
    """What this contract has kept with a number."""
    found = extras.get(KEY)
    return dict(found) if isinstance(found, Mapping) else {}


def imported(body: ImportPhone) -> Number:
    """A new number. Raises RequestFailure."""
    number = Number(identity=body.phone_number, label=body.nickname or "", inbound=Inbound())
    if body.inbound_config is not None:
        number = replace(number, inbound=_inbound(Inbound(), body.inbound_config))
    name = "sip_config" if body.sip_config is not None else "outbound_config"
    config = body.sip_config or body.outbound_config
    return number if config is None else replace(number, outbound=_outbound(None, config, ("body", name)))


def changed(number: Number, body: UpdatePhone) -> Number:
    """A number as a body changes it: what is absent stays, and null takes away."""
    part = own(number.extras)
    for direction in DIRECTIONS:
        version, agent = f"{direction}_version_id", f"{direction}_agent_id"
        given = {key: getattr(body, key) for key in (version, agent) if key in body.model_fields_set}
        if version in given:
            part.pop(agent, None)  # it was the one of the version before
        part |= {key: str(found) if found else None for key, found in given.items()}
    kept: dict[str, Json] = {key: found for key, found in part.items() if found is not None}
    extras = {key: found for key, found in number.extras.items() if key != KEY} | ({KEY: kept} if kept else {})
    label = (body.nickname or "") if "nickname" in body.model_fields_set else number.label
    return replace(number, label=label, extras=extras)


def published(number: Number) -> dict[str, str]:
    """Which version of each agent a number has published."""
    part: dict[str, Any] = own(number.extras)
    pairs = ((part.get(f"{each}_agent_id"), part.get(f"{each}_version_id")) for each in DIRECTIONS)
    return {agent: version for agent, version in pairs if agent and version}


def configured(number: Number, trunk: Trunk | None, body: UpdateSipConfig) -> Number:
    """A number as a body changes its trunk; `trunk` is the one that it goes by. Raises RequestFailure."""
    if body.inbound_config is not None and body.inbound_config.model_dump(exclude_none=True):
        known = number.inbound_by(trunk) or Inbound()
        number = replace(number, inbound=_inbound(known, body.inbound_config))
    if body.outbound_config is not None and body.outbound_config.model_dump(exclude_none=True):
        outbound = _outbound(number.outbound_by(trunk), body.outbound_config, ("body", "outbound_config"))
        number = replace(number, outbound=outbound)
    return number


def _inbound(known: Inbound, config: InboundConfig) -> Inbound:
    encryption = known.encryption if config.media_encryption is None else Encryption(config.media_encryption.value)
    addresses = known.allowed_addresses
    if config.allowed_addresses is not None:
        addresses = tuple(dict.fromkeys(config.allowed_addresses))
    return replace(known, encryption=encryption, allowed_addresses=addresses)


def _outbound(known: Outbound | None, config: Termination, place: Place) -> Outbound:
    found = known or Outbound()
    if config.termination_uri is not None:
        found = replace(found, gateways=_gateways(found, config.termination_uri))
    elif not found.gateways and (config.username or config.password):
        raise flawed((*place, "termination_uri"), "give the host that the username and password are for", "missing")
    if isinstance(config, OutboundConfig) and config.media_encryption is not None:
        found = replace(found, encryption=Encryption(config.media_encryption.value))
    return replace(found, credentials=_credentials(found.credentials, config, place))


def _gateways(known: Outbound, text: str) -> tuple[Gateway, ...]:
    """Gateways with the first one changed. One that stays keeps its transport, which this contract cannot say."""
    given = Gateway.parse(text)
    if not known.gateways:
        return (given,)
    first, *others = known.ordered
    if host_and_port(first) == text:
        return known.gateways
    return (replace(given, priority=first.priority), *others)


def _credentials(known: Credentials | None, config: Termination, place: Place) -> Credentials | None:
    if config.username is None and config.password is None:
        return known
    found = known or Credentials("")
    username = config.username or found.username
    password = Secret(config.password.get_secret_value()) if config.password else found.password
    for key, given in (("username", username), ("password", password)):
        if not given:
            raise flawed((*place, key), "give username and password together", "missing")
    return replace(found, username=username, password=password)


def shown(number: Number, trunk: Trunk | None) -> Phone:
    """A phone as it is told; `trunk` is the one that it goes by."""
    part: dict[str, Any] = own(number.extras)
    agents = {}
    for direction in DIRECTIONS:
        agents[f"{direction}_version_id"] = part.get(f"{direction}_version_id")
        agents[f"{direction}_agent_id"] = part.get(f"{direction}_agent_id") or part.get(f"{direction}_version_id")
    return Phone(
        id=Id(number.id),
        number=number.identity,
        telephony_provider=Provider.CUSTOM,
        status=Status.ASSIGNED,
        nickname=number.label or None,
        released_at=None,
        scheduled_release_at=None,
        assigned_at=moment(number.created_at),
        sip_config=_sip_config(number.inbound_by(trunk) or Inbound(), number.outbound_by(trunk) or Outbound()),
        **agents,
    )


def _sip_config(inbound: Inbound, outbound: Outbound) -> ShownSipConfig:
    return ShownSipConfig(
        termination_uri=host_and_port(outbound.ordered[0]) if outbound.gateways else None,
        username=outbound.credentials.username or None if outbound.credentials else None,
        inbound_media_encryption=MediaEncryption(inbound.encryption.value),
        outbound_media_encryption=MediaEncryption(outbound.encryption.value),
        allowed_addresses=list(inbound.allowed_addresses) or None,
    )
