"""A direction of a number, as clients write it and as it is stored; pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from probes.destination import Destination, DestinationError
from probes.trunks.model import (
    HIDDEN,
    Authentication,
    Credentials,
    Encryption,
    Gateway,
    Inbound,
    Json,
    Number,
    Outbound,
    Secret,
    Trunk,
)
from probes.web.bland.bodies import Account, InboundDirection, Options, OutboundDirection, RegisterAuth
from probes.web.bland.envelope import invalid
from probes.web.bland.header_map import map_of, rules_of
from probes.web.bland.words import endpoint_text, stamp, transport_named
from sipcore.errors import LocalError

EXTRAS = "bland"
"""The name under which is stored what only this interface knows."""
DIRECTIONS = ("inbound", "outbound")
_ENCRYPTION = {True: Encryption.REQUIRE, False: Encryption.DISABLE, None: Encryption.ALLOW}
_SECURE_MEDIA = {Encryption.REQUIRE: True, Encryption.DISABLE: False}
Extras = Mapping[str, Json]


# What is stored, of what clients write


def inbound_of(given: InboundDirection, base: Inbound, known: Credentials | None) -> Inbound:
    """A direction as it is after what was given: on `base` where it says nothing. `known` has the password that is
    meant where the one that reads show is sent back.
    """
    options = given.options
    inbound = _authenticated(given, base, known)
    if options is not None and "secure_media" in options.model_fields_set:
        inbound = replace(inbound, encryption=_ENCRYPTION[options.secure_media])
    if "headers" in given.model_fields_set:
        inbound = replace(inbound, headers=rules_of(given.headers))
    if "sip_endpoint" in given.model_fields_set:
        inbound = replace(inbound, forward_to=given.sip_endpoint or "")
    return replace(inbound, forward_to=_forwarded(inbound.forward_to, options))


def _authenticated(given: InboundDirection, base: Inbound, known: Credentials | None) -> Inbound:
    options = given.options
    mode = given.auth_mode or (options.auth_mode if options is not None else None)
    if mode is None:
        mode = "register" if base.authentication is Authentication.REGISTER else "ip"
    if mode == "register":
        return replace(base, authentication=Authentication.REGISTER, credentials=_registered(given, base, known))
    if given.register_auth is not None:
        raise invalid("it is for auth_mode register: set that, or leave it out", "register_auth")
    digest = base.credentials if base.authentication is Authentication.DIGEST else None
    digest = credentials_of(options, digest, known)
    kind = Authentication.IP if digest is None else Authentication.DIGEST
    return replace(base, authentication=kind, credentials=digest)


def _registered(given: InboundDirection, base: Inbound, known: Credentials | None) -> Credentials:
    options = given.options
    if options is not None and (options.sip_username or options.sip_password):
        raise invalid("with auth_mode register it is register_auth that has user and password", "options")
    if given.register_auth is not None:
        return registering(given.register_auth, known)
    if base.authentication is not Authentication.REGISTER or base.credentials is None:
        raise invalid("auth_mode register needs a username and a password of 8 characters at least", "register_auth")
    return base.credentials


def registering(given: RegisterAuth, known: Credentials | None) -> Credentials:
    """What a PBX registers with."""
    same = known is not None and known.username == given.username
    password = _password(given.password, known if same else None, "register_auth", "password")
    return Credentials(given.username, password)


def _password(given: SecretStr, known: Credentials | None, *place: str) -> Secret:
    text = given.get_secret_value()
    if text != HIDDEN:
        return Secret(text)
    if known is None or not known.password:
        raise invalid(f"{HIDDEN} stands for a password that is stored, and none is: give the password", *place)
    return known.password


def credentials_of(options: Account | None, base: Credentials | None, known: Credentials | None) -> Credentials | None:
    """What the peer's challenges are answered with; None for nothing. A name of null takes them back."""
    if options is None or not options.model_fields_set & {"sip_username", "sip_password", "sip_realm"}:
        return base
    said = options.model_fields_set
    username = options.sip_username if "sip_username" in said else base.username if base else None
    if username is None:
        if options.sip_password is not None or options.sip_realm:
            raise invalid("a password and a realm need a name beside them", "options", "sip_username")
        return None
    kept = base if base is not None and base.username == username else None
    password = kept.password if kept is not None else Secret("")
    if options.sip_password is not None:
        same = known is not None and known.username == username
        password = _password(options.sip_password, known if same else None, "options", "sip_password")
    if not password:
        raise invalid("a name needs a password beside it", "options", "sip_password")
    realm = options.sip_realm if "sip_realm" in said else kept.realm if kept else ""
    return Credentials(username, password, realm or "")


def outbound_of(given: OutboundDirection, base: Outbound, known: Credentials | None) -> Outbound:
    """Likewise, for calls that go out."""
    options, said = given.options, given.model_fields_set
    outbound = replace(base, credentials=credentials_of(options, base.credentials, known))
    if given.sip_endpoint is not None:
        outbound = with_endpoint(outbound, gateway_of(given.sip_endpoint))
    if options is not None:
        outbound = _with_place(outbound, options)
        if "secure_media" in options.model_fields_set:
            outbound = replace(outbound, encryption=_ENCRYPTION[options.secure_media])
    return replace(outbound, headers=rules_of(given.headers)) if "headers" in said else outbound


def gateway_of(text: str) -> Gateway:
    """An endpoint as a gateway. Raises RequestFailure."""
    try:
        gateway = Gateway.parse(text)
    except DestinationError as error:
        raise invalid(error.message, "sip_endpoint") from None
    if gateway.transport is not None and gateway.transport.websocket:
        raise invalid("trunks go by udp, tcp or tls", "sip_endpoint")
    return gateway


def with_endpoint(outbound: Outbound, gateway: Gateway) -> Outbound:
    """With another first gateway, which goes by the same transport where it names none; the port is its own."""
    first, *others = outbound.ordered or (None,)
    transport = gateway.transport or (first.transport if first is not None else None)
    return replace(outbound, gateways=(replace(gateway, transport=transport), *others))


def _with_place(outbound: Outbound, options: Options) -> Outbound:
    """With port and transport of the options, which count more than those of the endpoint."""
    wanted: dict[str, Any] = {}
    if "port" in options.model_fields_set:
        wanted["port"] = options.port
    if "transport" in options.model_fields_set:
        wanted["transport"] = transport_named(options.transport) if options.transport else None
    if not wanted or not outbound.gateways:
        return outbound
    first, *others = outbound.ordered
    return replace(outbound, gateways=(replace(first, **wanted), *others))


def _forwarded(endpoint: str, options: Options | None) -> str:
    """Where calls are forwarded to, as a URI, with port and transport of the options."""
    if not endpoint:
        return ""
    try:
        found = Destination.parse(endpoint)
        if options is not None and options.port is not None:
            found = replace(found, port=options.port)
        if options is not None and options.transport is not None:
            found = replace(found, transport=None if not found.secure else found.transport)
            found = found.over(transport_named(options.transport))
    except LocalError as error:
        raise invalid(str(error), "sip_endpoint") from None
    return str(found)


# What is shown


def bland_extras(extras: Extras) -> dict[str, Any]:
    """What only this interface knows of a number or trunk."""
    found = extras.get(EXTRAS)
    return dict(found) if isinstance(found, Mapping) else {}


def directions_of(number: Number, trunk: Trunk | None) -> list[str]:
    """Which directions are configured: its own, and those of its trunk unless fewer were asked for."""
    limited = bland_extras(number.extras).get("directions")
    wanted = DIRECTIONS if limited is None else limited
    own = {"inbound": number.inbound is not None, "outbound": number.outbound is not None}
    there = {"inbound": number.inbound_by(trunk) is not None, "outbound": number.outbound_by(trunk) is not None}
    return [each for each in DIRECTIONS if own[each] or (there[each] and each in wanted)]


def effective(number: Number, trunk: Trunk | None) -> tuple[Inbound | None, Outbound | None]:
    """Both directions as they hold."""
    there = directions_of(number, trunk)
    inbound = number.inbound_by(trunk) if "inbound" in there else None
    return inbound, number.outbound_by(trunk) if "outbound" in there else None


def pair(number: Number, trunk: Trunk | None) -> dict[str, Any]:
    """Both directions of a number as they are shown; null for what is not configured."""
    inbound, outbound = effective(number, trunk)
    return {
        "inbound": inbound_config(number, inbound) if inbound is not None else None,
        "outbound": outbound_config(number, outbound) if outbound is not None else None,
    }


def inbound_config(number: Number, inbound: Inbound) -> dict[str, Any]:
    """Calls that come in, as they are shown. Digest authentication is none of the modes: it shows by its options."""
    registers = inbound.authentication is Authentication.REGISTER
    options: dict[str, Any] = {"auth_mode": "register" if registers else "ip"}
    options |= _place_options(inbound.forward_to) if inbound.forward_to else _kept_options(number)
    options |= _media_options(inbound.encryption)
    options |= _credential_options(None if registers else inbound.credentials)
    shown = _config(number, "inbound", inbound.forward_to or None, map_of(inbound.headers, "inbound"), options)
    hidden = register_shown(inbound.credentials if registers else None)
    return shown | {"register_auth": hidden, "inbound_id": None}


def outbound_config(number: Number, outbound: Outbound) -> dict[str, Any]:
    """Calls that go out, as they are shown."""
    first = next(iter(outbound.ordered), None)
    options: dict[str, Any] = {}
    if first is not None and first.port is not None:
        options["port"] = first.port
    if first is not None and first.transport is not None:
        options["transport"] = first.transport.value.lower()
    options |= _media_options(outbound.encryption) | _credential_options(outbound.credentials)
    endpoint = endpoint_text(first) if first is not None else None
    return _config(number, "outbound", endpoint, map_of(outbound.headers, "outbound"), options)


def register_shown(credentials: Credentials | None) -> dict[str, str] | None:
    """What a PBX registers with, without its password."""
    return None if credentials is None else {"username": credentials.username, "password": HIDDEN}


def _config(
    number: Number, direction: str, endpoint: str | None, headers: dict[str, Any] | None, options: dict[str, Any]
) -> dict[str, Any]:
    return {
        "number": number.identity,
        "id": f"cfg_{'in' if direction == 'inbound' else 'out'}_{number.id.replace('-', '')}",
        "org_id": number.tenant,
        "direction": direction,
        "sip_endpoint": endpoint,
        "headers": headers,
        "options": options or None,
        "created_at": stamp(number.created_at),
        "updated_at": stamp(number.updated_at),
    }


def _place_options(uri: str) -> dict[str, Any]:
    try:
        found = Destination.parse(uri)
    except DestinationError:
        return {}  # another interface takes what is no SIP URI: tel: without a domain
    shown: dict[str, Any] = {} if found.port is None else {"port": found.port}
    return shown | ({} if found.transport is None else {"transport": found.transport.value.lower()})


def _kept_options(number: Number) -> dict[str, Any]:
    """Port and transport of calls that come in and are forwarded nowhere, which is all that is known of them."""
    kept = bland_extras(number.extras).get("inbound")
    return {key: kept[key] for key in ("port", "transport") if key in kept} if isinstance(kept, Mapping) else {}


def _media_options(encryption: Encryption) -> dict[str, Any]:
    return {"secure_media": _SECURE_MEDIA[encryption]} if encryption in _SECURE_MEDIA else {}


def _credential_options(credentials: Credentials | None) -> dict[str, Any]:
    if credentials is None:
        return {}
    shown = {"sip_username": credentials.username, "sip_password": HIDDEN}
    return shown | ({"sip_realm": credentials.realm} if credentials.realm else {})
