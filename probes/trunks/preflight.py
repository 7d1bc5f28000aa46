"""All that is odd about a trunk or a number before it is saved: what refuses it, and what is told. Each problem has its
place, its cause and its cure.

Nothing is looked up and nobody is asked: what DNS and the trunk itself say is for discovery to find. An address is
judged again when it is connected to, since a name may lead anywhere by then.
"""

import ipaddress
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from probes.destination import Destination
from probes.entries import near
from probes.health.alerts import MAX_WINDOW_MINUTES
from probes.trunks.admission import admission_problems, networks
from probes.trunks.headers import header_problems
from probes.trunks.model import (
    CODECS,
    AlertTerms,
    Authentication,
    Credentials,
    Encryption,
    Gateway,
    Inbound,
    Number,
    Outbound,
    Trunk,
)
from probes.trunks.number import NumberError, identity_of, is_assigned, is_e164, spellings
from probes.trunks.passwords import LEAST as LEAST_PASSWORD
from probes.trunks.passwords import MOST as MOST_PASSWORD
from probes.trunks.problem import Problem, error, warning
from sipcore.errors import SipError, quoted
from sipcore.resolve.target import DEFAULT_PORT, DEFAULT_TLS_PORT, SocketAddress, Transport, is_numeric

Refusal = Callable[[SocketAddress], str]
"""Why an address may not be reached, as in `it is private`; empty for one that may."""
MAX_NAME, MAX_TEXT = 255, 4096
"""Characters of a name or label, and of a description."""
MAX_GATEWAYS, MAX_ADDRESSES = 16, 256
MAX_MINUTES = 7 * 24 * 60.0
"""Of a threshold in minutes: a week."""
MAX_RESPONSE_MS = 60_000.0
LACKS = ("allowed-none", "failover-alone", "no-gateway", "alerts-untold")
"""What is no problem of a number whose trunk has it."""
_LOCAL = (".local", ".localhost", ".internal", ".lan", ".home", ".home.arpa", ".intranet", ".corp")
"""Ends of names that public DNS has not (RFC 6761, RFC 6762, RFC 8375, and common usage)."""


def anywhere(_: SocketAddress) -> str:
    """Refuses no address."""
    return ""


def trunk_problems(trunk: Trunk, refusal: Refusal = anywhere, others: Sequence[Trunk] = ()) -> tuple[Problem, ...]:
    """All that is odd about a trunk, the errors first; `others` are the tenant's."""
    found = [
        *_text_problems(trunk.name, "name", MAX_NAME, is_wanted=True),
        *_text_problems(trunk.description, "description", MAX_TEXT),
        *_text_problems(trunk.provider, "provider", MAX_NAME),
        *_direction_problems(trunk, refusal),
        *(_between([trunk, *(each for each in others if each.id != trunk.id)]) if others else ()),
    ]
    if trunk.inbound is None and trunk.outbound is None:
        cure = "say how calls come in, or where they go out to"
        found.append(warning("no-direction", "", "no call can take this trunk", cure))
    return _sorted(found)


def number_problems(
    number: Number, trunk: Trunk | None = None, refusal: Refusal = anywhere, others: Sequence[Number] = ()
) -> tuple[Problem, ...]:
    """All that is odd about a number, whose trunk is `trunk`, likewise; `others` are those that it may be taken for."""
    whole = replace(number, inbound=number.inbound_by(trunk), outbound=number.outbound_by(trunk))
    own = list(_direction_problems(number, refusal))
    if any(each.code in LACKS for each in own):
        lacking = {each.code for each in _direction_problems(whole, refusal)}
        own = [each for each in own if each.code not in LACKS or each.code in lacking]
    found = [*_identity_problems(number, others), *_text_problems(number.label, "label", MAX_TEXT), *own]
    if whole.inbound is None and whole.outbound is None:
        cure = "bind it to a trunk, or give it a direction of its own"
        found.append(warning("no-direction", "", "no call can be made from this number, or to it", cure))
    return _sorted(found)


def _sorted(found: list[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(found, key=lambda each: not each.is_error))


def _text_problems(text: str, field: str, limit: int, *, is_wanted: bool = False) -> Iterator[Problem]:
    if is_wanted and not text.strip():
        yield error("text", field, f"the {field} is empty", "give it one by which people know it")
    elif len(text) > limit:
        yield error("text", field, f"the {field} has {len(text)} characters", f"give {limit} at most")
    elif not text.replace("\n", "").replace("\t", "").isprintable():
        yield error("text", field, f"the {field} has characters that cannot be printed", "leave them out")


def _identity_problems(number: Number, others: Sequence[Number]) -> Iterator[Problem]:
    try:
        identity = identity_of(number.identity)
    except NumberError as problem:
        cause, _, cure = problem.message.partition(": ")
        yield error("identity", "identity", cause, cure or "give +15550100001, or an extension such as 2001")
        return
    if not is_assigned(identity):
        cause = f"{identity} is in no range that is in use, as far as is known"
        yield warning("identity-range", "identity", cause, "see whether a digit is wrong")
    if not is_e164(identity) and identity.isdecimal() and len(identity) > 9:
        cause = f"{identity} looks like a telephone number, and is kept as it is"
        yield warning("identity-plus", "identity", cause, f"write +{identity.removeprefix('00')} if it is one")
    alike = {each.identity for each in others if each.id != number.id} & set(spellings(identity)[1:])
    for other in sorted(alike):
        yield warning("identity-twice", "identity", f"there is {other} as well", "keep the one that calls arrive for")


def _direction_problems(told: Trunk | Number, refusal: Refusal) -> Iterator[Problem]:
    """What both directions have in common, and each for itself."""
    for direction, name in ((told.inbound, "inbound"), (told.outbound, "outbound")):
        if direction is not None:
            yield from header_problems(direction.headers, f"{name}.headers", is_inbound=name == "inbound")
            yield from _codec_problems(direction.codecs, f"{name}.codecs")
            if direction.alerts is not None:
                yield from _alert_problems(direction.alerts, f"{name}.alerts", refusal)
            if direction.credentials is not None:
                yield from _credential_problems(direction.credentials, f"{name}.credentials")
    if told.inbound is not None:
        yield from _inbound_problems(told.inbound, refusal)
    if told.outbound is not None:
        yield from _outbound_problems(told.outbound, refusal)


def _inbound_problems(inbound: Inbound, refusal: Refusal) -> Iterator[Problem]:
    field = "inbound.allowed_addresses"
    if len(inbound.allowed_addresses) > MAX_ADDRESSES:
        cause = f"{len(inbound.allowed_addresses)} addresses"
        yield error("allowed-address", field, cause, f"give blocks, {MAX_ADDRESSES} at most")
    else:
        yield from admission_problems(inbound.allowed_addresses, field)
    by_address = inbound.authentication is Authentication.IP
    if by_address and not inbound.allowed_addresses:
        cure = "give the addresses that they come from, or choose register or digest"
        yield warning("allowed-none", field, "no call is let in: none comes from an address that is allowed", cure)
    if not by_address and inbound.credentials is None:
        way = inbound.authentication.value
        yield error("credentials", "inbound.credentials", f"{way} needs credentials", "give username and password")
    elif not by_address and inbound.credentials is not None and not inbound.credentials.password:
        cause = "anybody who knows the name would be let in"
        yield error("password", "inbound.credentials.password", cause, f"give a password of {LEAST_PASSWORD} or more")
    if inbound.authentication is Authentication.DIGEST and inbound.encryption is not Encryption.REQUIRE:
        cause = "over UDP and TCP, who listens can guess the password from a challenge and its answer"
        yield warning(
            "digest-clear", "inbound.authentication", cause, "have them call over TLS, and require encryption"
        )
    if inbound.forward_to:
        yield from _destination_problems(inbound.forward_to, "inbound.forward_to", refusal)


def _outbound_problems(outbound: Outbound, refusal: Refusal) -> Iterator[Problem]:
    field = "outbound.gateways"
    gateways = outbound.gateways
    if len(gateways) > MAX_GATEWAYS:
        yield error("gateways", field, f"{len(gateways)} gateways", f"give {MAX_GATEWAYS} at most")
        return
    for number, gateway in enumerate(gateways):
        yield from _gateway_problems(gateway, f"{field}.{number}", refusal)
        if outbound.encryption is Encryption.REQUIRE and gateway.transport not in (Transport.TLS, Transport.WSS):
            over = "UDP or TCP, unless DNS names TLS," if gateway.transport is None else gateway.transport.value
            cause = f"the keys of SRTP stand in the session description, which goes over {over} in the clear"
            yield warning("srtp-clear", f"{field}.{number}.transport", cause, "reach it over tls")
        same = [each for each in gateways[:number] if _reached(each) == _reached(gateway)]
        if same:
            yield warning("gateway-twice", f"{field}.{number}", f"{gateway} is there already", "leave one of them out")
    if outbound.failover.is_enabled and len({_reached(each) for each in gateways}) < 2:
        cause = "there is no second gateway that calls could take"
        yield warning("failover-alone", "outbound.failover", cause, "add one, or switch failover off")
    if not gateways:
        yield warning("no-gateway", field, "no call can go out", "give the host that calls go to")
    if outbound.credentials is not None and not outbound.credentials.password:
        cause = "no password is set, so that the first challenge ends each call"
        yield warning("password", "outbound.credentials.password", cause, "give the one that they have given you")


def _reached(gateway: Gateway) -> tuple[object, ...]:
    """By what two gateways are the same place."""
    return gateway.host.lower().rstrip("."), gateway.port, gateway.transport


def _gateway_problems(gateway: Gateway, field: str, refusal: Refusal) -> Iterator[Problem]:
    try:
        found = gateway.destination()
    except SipError as problem:
        yield error("gateway", f"{field}.host", problem.message, "give a host name or an address")
        return
    if gateway.port is not None and not 0 < gateway.port < 1 << 16:
        yield error("port", f"{field}.port", f"{gateway.port} is no port", "give 1 to 65535")
        return
    yield from _host_problems(found.server, found.port, f"{field}.host", refusal)
    if gateway.transport is Transport.TLS and gateway.port == DEFAULT_PORT:
        cause = f"{DEFAULT_PORT} is the usual port for UDP and TCP, and the transport is tls"
        yield warning("port-transport", f"{field}.port", cause, f"give {DEFAULT_TLS_PORT}, or leave the port out")
    elif gateway.transport is not Transport.TLS and gateway.port == DEFAULT_TLS_PORT:
        over = "none" if gateway.transport is None else gateway.transport.value.lower()
        cause = f"{DEFAULT_TLS_PORT} is the usual port for TLS, and the transport is {over}"
        yield warning("port-transport", f"{field}.port", cause, "set the transport to tls, or change the port")


def _destination_problems(text: str, field: str, refusal: Refusal) -> Iterator[Problem]:
    try:
        found = Destination.parse(text)
    except SipError as problem:
        yield error("destination", field, problem.message, "give sip:user@host, or a host")
        return
    yield from _host_problems(found.server, found.port, field, refusal)


def _host_problems(host: str, port: int | None, field: str, refusal: Refusal) -> Iterator[Problem]:
    """A host that cannot be reached, or hardly."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        host = "127.0.0.1"  # RFC 6761 §6.3
    if is_numeric(host):
        why = refusal(SocketAddress(host, port or DEFAULT_PORT))
        if why:
            cure = "give a public address, or have it allowed by [reach] allow in the settings of this service"
            yield error("reach", field, f"{name} is not reached: {why}", cure)
    elif _is_odd_address(name):
        cause = f"{quoted(name)} is an address in a form that programs read differently"
        yield error("reach", field, cause, "give four numbers from 0 to 255")
    elif name.endswith(_LOCAL) or "." not in name:
        cause = f"{quoted(name)} is a name that public DNS has not"
        yield warning("local-name", field, cause, "give the whole name, as others have it")


def _is_odd_address(name: str) -> bool:
    """Whether a name ends in a number, which no name of a host does: old libraries take it for an address."""
    last = name.rpartition(".")[2]
    return last.isdecimal() or last.startswith("0x")


def _credential_problems(credentials: Credentials, field: str) -> Iterator[Problem]:
    texts = (("username", credentials.username), ("realm", credentials.realm))
    for name, text in texts:
        if len(text) > MAX_NAME or not text.isprintable():
            yield error("credentials", f"{field}.{name}", f"the {name} cannot be sent", "give printable characters")
    if not credentials.username:
        yield error("credentials", f"{field}.username", "the username is empty", "give the one of the account")
    password = credentials.password.reveal()
    if len(password) > MOST_PASSWORD or not password.isprintable():
        cause = f"the password is longer than {MOST_PASSWORD} characters, or has some that cannot be printed"
        yield error("password", f"{field}.password", cause, "give one of printable characters")
    elif 0 < len(password) < LEAST_PASSWORD:
        cause = f"the password has {len(password)} characters, and is guessed soon"
        yield warning("password-short", f"{field}.password", cause, "give 16 or more")


def _codec_problems(codecs: tuple[str, ...], field: str) -> Iterator[Problem]:
    for number, codec in enumerate(codecs):
        if codec not in CODECS:
            cause = f"{quoted(codec[:32])} is no codec that is known here"
            yield error("codec", f"{field}.{number}", cause, f"give {', '.join(CODECS)}{near(codec, CODECS)}")
        elif codec in codecs[:number]:
            yield warning("codec-twice", f"{field}.{number}", f"{codec} is there already", "leave one of them out")


def _alert_problems(terms: AlertTerms, field: str, refusal: Refusal) -> Iterator[Problem]:
    ranges = (
        ("unreachable_minutes", terms.unreachable_minutes, 0.0, MAX_MINUTES),
        ("failure_rate_percent", terms.failure_rate_percent, 0.0, 100.0),
        ("failure_rate_window_minutes", terms.failure_rate_window_minutes, 1.0, MAX_WINDOW_MINUTES),
        ("response_time_ms", terms.response_time_ms, 0.0, MAX_RESPONSE_MS),
    )
    for name, number, least, most in ranges:
        if number is not None and not (math.isfinite(number) and least <= number <= most):
            yield error("threshold", f"{field}.{name}", f"{name} is {number:g}", f"give {least:g} to {most:g}")
    if terms.webhook:
        yield from _webhook_problems(terms.webhook, f"{field}.webhook", refusal)
    if terms.is_enabled and not (terms.webhook or terms.email or terms.sms):
        yield warning("alerts-untold", field, "alerts are on, and nobody is told", "choose a webhook, email or sms")


def _webhook_problems(webhook: str, field: str, refusal: Refusal) -> Iterator[Problem]:
    """A receiver of alerts, whose URL may be a secret, so it is not quoted."""
    try:
        parts = urlsplit(webhook)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", 0
    if not host or port == 0 or parts.scheme not in ("http", "https") or not _is_url(webhook):
        yield error("webhook", field, "the webhook is no http or https URL with a host", "give https://host/path")
        return
    if parts.scheme == "http":
        yield warning("webhook-clear", field, "alerts go to the webhook in the clear", "give an https URL")
    yield from _host_problems(host, port, field, refusal)


def _is_url(text: str) -> bool:
    return text.isprintable() and not any(each.isspace() for each in text)


def _between(trunks: Sequence[Trunk]) -> Iterator[Problem]:
    """What the first trunk shares with the others."""
    trunk, *others = trunks
    for other in others:
        name = quoted(other.name[:64])
        if other.name.casefold() == trunk.name.casefold():
            yield warning("name-twice", "name", f"there is a trunk {name} already", "tell them apart by name")
        if trunk.outbound is not None and other.outbound is not None:
            theirs = set(map(_reached, other.outbound.gateways))
            for number, gateway in enumerate(trunk.outbound.gateways):
                if _reached(gateway) in theirs:
                    cure = "use that one, or leave one of them out, unless their accounts differ"
                    place = f"outbound.gateways.{number}"
                    yield warning("gateway-shared", place, f"trunk {name} has {gateway} as well", cure)
        if trunk.inbound is not None and other.inbound is not None:
            theirs_too = networks(other.inbound.allowed_addresses)
            for number, each in enumerate(trunk.inbound.allowed_addresses):
                if any(_overlap(one, two) for one in networks([each]) for two in theirs_too):
                    cause = f"trunk {name} has callers at {each} as well, who are told apart by the number they call"
                    place = f"inbound.allowed_addresses.{number}"
                    yield warning("allowed-shared", place, cause, "give each trunk addresses of its own")


def _overlap(
    one: ipaddress.IPv4Network | ipaddress.IPv6Network, two: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    return one.version == two.version and one.overlaps(two)
