"""What becomes of a number by a request: attached, updated, detached, configured; pure, so that it can be carried out
between reading and writing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from probes.trunks.model import HIDDEN, Inbound, Number, Outbound, Trunk
from probes.web.bland.bodies import Config, InboundDirection, OutboundDirection
from probes.web.bland.config_map import (
    NO_FAILOVER,
    alerts_shown,
    codecs_shown,
    failover_shown,
    merged,
    with_alerts,
    with_codecs,
    with_failover,
)
from probes.web.bland.configs import (
    DIRECTIONS,
    EXTRAS,
    bland_extras,
    credentials_of,
    directions_of,
    effective,
    inbound_of,
    outbound_of,
)
from probes.web.bland.envelope import invalid, refused, within

AnyDirection = InboundDirection | OutboundDirection
NO_CONFIG = "SIP_CONFIG_NOT_FOUND"


def attached(number: Number, trunk: Trunk | None, directions: Iterable[AnyDirection]) -> Number:
    """With these directions as they are given, in place of what there was of them; bound to `trunk`, which is the one
    that it has already or another one, of which it gets these directions alone.
    """
    if trunk is not None and number.trunk_id != trunk.id:
        number = _with_directions(replace(number, trunk_id=trunk.id), trunk, directions_of(number, None))
    for index, given in enumerate(directions):
        with within("directions", index):
            number = _attached(number, trunk, given)
    return number


def _attached(number: Number, trunk: Trunk | None, given: AnyDirection) -> Number:
    there = directions_of(number, trunk)
    if isinstance(given, OutboundDirection):
        number = replace(number, outbound=_attached_outbound(number, trunk, given))
    elif _is_plain(given) and trunk is not None and trunk.inbound is not None:
        number = replace(number, inbound=None)
    else:
        old = number.inbound or _new_inbound(trunk)
        number = replace(number, inbound=inbound_of(given, _beyond_inbound(old, trunk), old.credentials))
    return _with_directions(_placed(number, given), trunk, {*there, given.type})


def _attached_outbound(number: Number, trunk: Trunk | None, given: OutboundDirection) -> Outbound | None:
    shared = trunk.outbound if trunk is not None else None
    if given.sip_endpoint is None and shared is None:
        message = "give the gateway, as sip:gw.example.net, or a trunk_id whose trunk has one"
        raise invalid(message, "sip_endpoint")
    if _is_plain(given):
        return None
    old = number.outbound or _new_outbound(trunk)
    return outbound_of(given, _own_place(_beyond_outbound(old, trunk, given), shared, given), old.credentials)


def _new_inbound(trunk: Trunk | None) -> Inbound:
    """A direction of which nothing is said: media is encrypted as the trunk has it, which is never left open."""
    shared = trunk.inbound if trunk is not None else None
    return Inbound() if shared is None else Inbound(encryption=shared.encryption)


def _new_outbound(trunk: Trunk | None) -> Outbound:
    """Likewise."""
    shared = trunk.outbound if trunk is not None else None
    return Outbound() if shared is None else Outbound(encryption=shared.encryption)


def _beyond_inbound(old: Inbound, trunk: Trunk | None) -> Inbound:
    """What of a direction no attachment says, and which therefore stays."""
    kept = replace(_new_inbound(trunk), codecs=old.codecs, transcodes=old.transcodes, alerts=old.alerts)
    return replace(kept, allowed_addresses=old.allowed_addresses)


def _beyond_outbound(old: Outbound, trunk: Trunk | None, given: OutboundDirection) -> Outbound:
    """Likewise: the gateways behind the first one, too, where there is a first one still."""
    kept = replace(_new_outbound(trunk), codecs=old.codecs, transcodes=old.transcodes, alerts=old.alerts)
    kept = replace(kept, failover=old.failover)
    if given.sip_endpoint is None or not old.gateways:
        return kept
    first, *others = old.ordered
    return replace(kept, gateways=(replace(first, transport=None), *others))


def _is_plain(given: AnyDirection) -> bool:
    """Whether nothing but its type is said, so that all of it is the trunk's."""
    return not given.model_dump(exclude={"type"}, exclude_none=True)


def _own_place(base: Outbound, shared: Outbound | None, given: OutboundDirection) -> Outbound:
    """A direction that takes its gateways from its trunk gets them as its own where port or transport is to differ."""
    options = given.options
    differs = options is not None and (options.port is not None or options.transport is not None)
    if base.gateways or shared is None or given.sip_endpoint is not None or not differs:
        return base
    return replace(
        base,
        gateways=shared.gateways,
        credentials=base.credentials or shared.credentials,
        failover=shared.failover,
    )


def updated(number: Number, trunk: Trunk | None, given: AnyDirection) -> Number:
    """With one direction changed where something is said about it. Raises RequestFailure where there is none."""
    if given.type not in directions_of(number, trunk):
        raise missing(number, given.type)
    if isinstance(given, InboundDirection):
        base = number.inbound or _new_inbound(trunk)
        inherited = number.inbound_by(trunk)
        if number.inbound is None and inherited is not None and _says_auth(given):
            base = replace(base, authentication=inherited.authentication, credentials=inherited.credentials)
        return _placed(replace(number, inbound=inbound_of(given, base, base.credentials)), given)
    shared = trunk.outbound if trunk is not None else None
    own = _own_place(number.outbound or _new_outbound(trunk), shared, given)
    return replace(number, outbound=outbound_of(given, own, own.credentials))


def _says_auth(given: InboundDirection) -> bool:
    return given.auth_mode is not None or given.register_auth is not None or given.options is not None


def _placed(number: Number, given: AnyDirection) -> Number:
    """With port and transport of calls that come in and are not forwarded, which stand nowhere else."""
    if not isinstance(given, InboundDirection) or given.options is None:
        return number
    if number.inbound is not None and number.inbound.forward_to:
        return number
    options = given.options.model_dump(include={"port", "transport"}, exclude_unset=True)
    kept = bland_extras(number.extras).get("inbound") or {}
    place = {key: text for key, text in {**kept, **options}.items() if text is not None}
    return _with_extras(number, inbound=place or None)


def _with_extras(number: Number, **changed: Any) -> Number:  # noqa: ANN401  # JSON
    """With other values of what only this interface knows; None takes one away."""
    kept = {**bland_extras(number.extras), **changed}
    own = {key: found for key, found in kept.items() if found is not None}
    extras = {name: found for name, found in number.extras.items() if name != EXTRAS}
    return replace(number, extras=extras | ({EXTRAS: own} if own else {}))


def _with_directions(number: Number, trunk: Trunk | None, wanted: Iterable[str]) -> Number:
    """With these directions alone, where a trunk could have more."""
    listed = [each for each in DIRECTIONS if each in wanted]
    return _with_extras(number, directions=listed if trunk is not None and len(listed) < len(DIRECTIONS) else None)


def detached(number: Number, trunk: Trunk | None, types: Sequence[str]) -> Number:
    """Without these directions. Raises RequestFailure where none of them is there."""
    there = directions_of(number, trunk)
    if not set(there) & set(types):
        raise missing(number, types[0])
    inbound = None if "inbound" in types else number.inbound
    outbound = None if "outbound" in types else number.outbound
    left = [each for each in there if each not in types]
    return _with_directions(replace(number, inbound=inbound, outbound=outbound), trunk, left)


def is_forgotten(number: Number, trunk: Trunk | None) -> bool:
    """Whether nothing is left of a number: no direction, and nothing that another interface keeps with it."""
    others = [name for name in number.extras if name != EXTRAS]
    return not directions_of(number, trunk) and not others


def has_headers(number: Number) -> bool:
    """Whether it has header fields of its own."""
    return any(own is not None and own.headers for own in (number.inbound, number.outbound))


def without_headers(number: Number) -> Number:
    """With those of its trunk."""
    inbound = replace(number.inbound, headers=()) if number.inbound is not None else None
    outbound = replace(number.outbound, headers=()) if number.outbound is not None else None
    return replace(number, inbound=inbound, outbound=outbound)


def unbound(number: Number, trunk: Trunk) -> Number:
    """With what it took from its trunk as its own, so that it goes on without it."""
    inbound, outbound = effective(number, trunk)
    return _with_extras(replace(number, inbound=inbound, outbound=outbound), directions=None)


def configured(number: Number, trunk: Trunk | None, given: Config) -> Number:
    """With failover, codecs and alerts as they are given. Raises RequestFailure."""
    if given.direction not in directions_of(number, trunk):
        raise missing(number, given.direction)
    if given.direction == "inbound":
        if given.options is not None:
            raise invalid("they are for calls that go out: leave them out", "options")
        if given.failover_config is not None:
            kept = bland_extras(number.extras).get("failover") or {}
            number = _with_extras(number, failover=merged(kept, given.failover_config))
        return replace(
            number, inbound=_configured(number.inbound or _new_inbound(trunk), number.inbound_by(trunk), given)
        )
    own = number.outbound or _new_outbound(trunk)
    if given.failover_config is not None:
        shared = number.outbound_by(trunk) or own
        places = own if own.gateways else replace(own, gateways=shared.gateways, credentials=shared.credentials)
        own = with_failover(
            places if own.gateways else replace(places, failover=shared.failover), given.failover_config
        )
    own = replace(own, credentials=credentials_of(given.options, own.credentials, own.credentials))
    return replace(number, outbound=_configured(own, number.outbound_by(trunk), given))


def _configured(own: Any, shared: Any, given: Config) -> Any:  # noqa: ANN401  # either direction, as it came
    if given.codec_config is not None:
        own = replace(own, **with_codecs(shared or own, given.codec_config))
    if given.alert_config is not None:
        own = replace(own, alerts=with_alerts((shared or own).alerts, given.alert_config))
    return own


def config_shown(number: Number, trunk: Trunk | None, direction: str) -> dict[str, Any]:
    """Failover, codecs and alerts of a direction."""
    inbound, outbound = effective(number, trunk)
    found: Inbound | Outbound = inbound or Inbound()
    if direction == "outbound" and outbound is not None:
        failover, found = failover_shown(outbound), outbound
    else:
        failover = {**NO_FAILOVER, **(bland_extras(number.extras).get("failover") or {})}
    told = {
        "failover_config": failover,
        "codec_config": codecs_shown(found),
        "alert_config": alerts_shown(found.alerts),
    }
    return {"phone_number": number.identity, "direction": direction} | told


def missing(number: Number, direction: str) -> Exception:
    """To be raised for a direction that a number has not."""
    return refused(404, NO_CONFIG, f"{number.identity} has no {direction} configuration: attach one first")


def password_shown(directions: Iterable[AnyDirection]) -> dict[str, str]:
    """The password that a PBX registers with, once, in the answer to the request that sets it."""
    for given in directions:
        if isinstance(given, InboundDirection) and given.register_auth is not None:
            text = given.register_auth.password.get_secret_value()
            return {} if text == HIDDEN else {"register_password_for_pbx": text}
    return {}
