"""What checks may have seen."""

from dataclasses import replace

from probes.health.observe import Subject, Tried
from probes.health.terms import Kind
from probes.health.trunk import Rules
from probes.result import Attempt, Reach
from sipcore.message.message import Response
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop, SocketAddress, Transport

BEGIN = 1_767_225_600.0
"""The first second of 2026."""
FIRST = Hop(Transport.UDP, SocketAddress("192.0.2.1", 5060))
SECOND = Hop(Transport.UDP, SocketAddress("192.0.2.2", 5060))
SIXTH = Hop(Transport.UDP, SocketAddress("2001:db8::1", 5060))
TLS = Hop(Transport.TLS, SocketAddress("192.0.2.1", 5061))


def subject(rules: Rules | None = None, kind: Kind = Kind.OPTIONS) -> Subject:
    return Subject("acme", "main", rules or Rules(), BEGIN, kind)


def response(status: int, reason: str = "", *fields: str) -> Response:
    found = parse_message("\r\n".join([f"SIP/2.0 {status} {reason}", *fields, "", ""]).encode())
    assert isinstance(found, Response)
    return found


def answered(status: int = 200, reason: str = "OK", *fields: str, hop: Hop = FIRST, rtt: float | None = 0.02) -> Tried:
    return Tried(Attempt(hop, SipUri("x"), Reach.ANSWERED, rtt=rtt, response=response(status, reason, *fields)))


def missed(reach: Reach, detail: str = "so it is", hop: Hop = FIRST, late: float = 0.0) -> Tried:
    return Tried(Attempt(hop, SipUri("x"), reach, detail, "do this"), late=late)


def but(tried: Tried, **changes: object) -> Tried:
    """The same with something else in its attempt."""
    return replace(tried, attempt=replace(tried.attempt, **changes))  # type: ignore[arg-type]
