"""Pings as they might have gone."""

from dataclasses import replace

from probes.ping.results import Ping
from probes.result import Attempt, Reach
from sipcore.message.message import Response
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop, SocketAddress, Transport

UDP = Hop(Transport.UDP, SocketAddress("192.0.2.1", 5060))
TLS = Hop(Transport.TLS, SocketAddress("2001:db8::7", 5061))
BEGIN = 1_767_225_600.0
"""When the first of them was sent: the first second of 2026."""


def response(status: int = 200, reason: str = "OK", *fields: str) -> Response:
    found = parse_message(
        "\r\n".join([f"SIP/2.0 {status} {reason}", *fields, "", ""]).encode("utf-8", "surrogateescape")
    )
    assert isinstance(found, Response)
    return found


def answered(number: int, rtt: float = 0.01, again: int = 0, status: int = 200, hop: Hop = UDP) -> Ping:
    """One that was answered after so many seconds, and so many repetitions."""
    attempt = Attempt(
        hop, SipUri("example.com"), Reach.ANSWERED, rtt=rtt, response=response(status), retransmissions=again
    )
    return Ping(number, BEGIN + number, attempt, hop.remote)


def lost(number: int, reach: Reach = Reach.NO_ANSWER, hop: Hop = UDP, again: int = 3) -> Ping:
    """One that was not."""
    attempt = Attempt(hop, SipUri("example.com"), reach, "no answer within 4.0 s", "try TCP", retransmissions=again)
    return Ping(number, BEGIN + number, attempt)


def told(ping: Ping, detail: str = "", source: SocketAddress | None = None) -> Ping:
    """The same with something remarkable about it."""
    return replace(ping, attempt=replace(ping.attempt, detail=detail), source=source or ping.source)
