"""The servers of the flows, scripted: proxies that forward, fork, screen and challenge, a redirector, a registrar.

They do what the flows need of them and no more: nothing is lost on this network, so nothing is sent twice but to
somebody who is not there.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sipcore.auth.digest import Algorithm
from sipcore.auth.server import Authenticator, Refused, ServerPolicy, UserTable
from sipcore.message.address import Address
from sipcore.message.build import Fields, ack_for_failure, cancel_for
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.params import Params
from sipcore.message.parser import parse_message
from sipcore.message.registry import MAX_FORWARDS, ROUTE
from sipcore.message.uri import SipUri, Uri
from sipcore.registration.registrar import Registrar, RegistrarPolicy
from sipcore.resolve.target import Flow, SocketAddress, Transport, is_numeric
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.fields import Connection
from sipcore.transactions.reply import reply_to, stamped
from sipcore.transactions.timers import Timers
from tests.flows.network import Network

Place = tuple[Uri, SocketAddress]
"""A Request-URI, and the next hop."""
Locate = Callable[[Uri], Sequence[Place]]
"""Where a request goes that has no Route left: each place is tried after the one before it."""
T1 = Timers().t1
GIVING_UP = 64 * T1
"""Seconds after which a proxy does not wait any more for somebody who never answers."""


M = TypeVar("M", Request, Response)


class Server:
    """What servers share: an address, and answering."""

    def __init__(self, network: Network, name: str, host: str) -> None:
        self.name = name
        self.address = SocketAddress(host, 5060)
        self.network = network
        self.tag = f"tag-{name}"
        network.join(self)

    def receive(self, data: bytes, flow: Flow) -> None:
        message = parse_message(data)
        if isinstance(message, Request):
            self.take_request(stamped(message, flow), flow)
        else:
            self.take_response(message)

    def take_request(self, request: Request, flow: Flow) -> None:
        raise NotImplementedError

    def take_response(self, response: Response) -> None:
        """There are none for a server that sends no requests."""

    def next_timeout(self) -> float | None:
        return None

    def handle_timeout(self) -> None:
        """Nothing is due."""

    def answer(self, request: Request, status: int, flow: Flow, reason: str = "", fields: Fields = ()) -> None:
        tag = "" if status == 100 else self.tag
        self.reply(build_response(request, status, reason, tag=tag, fields=fields), flow)

    def reply(self, response: Response, flow: Flow) -> None:
        self.send(bytes(response), reply_to(response.via, flow).remote, flow.transport)

    def send(self, data: bytes, target: SocketAddress, transport: Transport) -> None:
        self.network.send(data, self.address, target, transport)


def guard(realm: str, users: dict[str, str], *, proxy: bool = False) -> Authenticator:
    """Digest whose nonces come out of a seed."""
    policy = ServerPolicy(realm, (Algorithm.MD5,), proxy=proxy)
    return Authenticator(policy, UserTable(users), b"secret of the server", random.Random(realm).randbytes)


class RegistrarServer(Server):
    """A registrar that wants to know who comes."""

    def __init__(self, network: Network, name: str, host: str, authenticator: Authenticator) -> None:
        super().__init__(network, name, host)
        self.registrar = Registrar(RegistrarPolicy())
        self._authenticator = authenticator

    def take_request(self, request: Request, flow: Flow) -> None:
        now = self.network.now
        outcome = self._authenticator.verify(request, now)
        if isinstance(outcome, Refused):
            self.reply(self._authenticator.refusal(request, outcome, now, tag=self.tag), flow)
            return
        answer = self.registrar.process(request, now)
        self.answer(request, answer.status, flow, fields=answer.fields)


class Redirector(Server):
    """Sends every call elsewhere."""

    def __init__(self, network: Network, name: str, host: str, contact: str) -> None:
        super().__init__(network, name, host)
        self._contact = contact

    def take_request(self, request: Request, flow: Flow) -> None:
        if request.method == "INVITE":
            self.answer(request, 302, flow, fields=[("Contact", self._contact)])


@dataclass(slots=True)
class _Leg:
    """A request on its way through a proxy, and the places it goes to if this one does not want it."""

    request: Request
    flow: Flow
    forwarded: Request
    target: SocketAddress
    transport: Transport
    others: list[Place]
    sent_at: float
    due: float | None = None
    """When it is sent again, given up, or, once it rings, cancelled."""
    interval: float = T1
    heard: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """What a proxy does besides forwarding."""

    authenticator: Authenticator | None = None
    records_route: bool = True
    ringing_seconds: float = 60.0
    """How long somebody may ring before the next place is tried."""
    announces_first: bool = False
    """Whether the caller is told that the call goes to another place from the start (2.7 of RFC 5359).

    A proxy may not make a 181, which the RFC says itself; this one is a user agent as far as that goes.
    """
    announces_others: bool = False
    """Whether the caller is told when the call goes on to the next place."""
    screening: tuple[int, str, Fields] | None = None
    """Status, reason and header fields of what every call is refused with."""


class Proxy(Server):
    """A proxy, at its transaction's business only: RFC 3261 §16."""

    def __init__(self, network: Network, name: str, host: str, locate: Locate, script: Script | None = None) -> None:
        super().__init__(network, name, host)
        self._locate = locate
        self._script = script or Script()
        self._count = 0
        self._legs: dict[str, _Leg] = {}
        """By the branch that was put on."""
        self._refused: set[str] = set()
        """Branches of INVITEs whose ACK ends here (RFC 3261 §17.1.1.3)."""

    def take_request(self, request: Request, flow: Flow) -> None:
        if request.method == "ACK" and request.branch in self._refused:
            return
        if request.method == "CANCEL":
            self._cancel(request, flow)
            return
        if request.method == "INVITE" and request.to_tag is None and not self._lets_in(request, flow):
            self._refused.add(request.branch)
            return
        if request.method == "INVITE":
            self.answer(request, 100, flow)
        if request.method == "INVITE" and request.to_tag is None and self._script.announces_first:
            self.answer(request, 181, flow)
        self._forward(request, flow)

    def take_response(self, response: Response) -> None:
        leg = self._legs[response.branch]
        if response.cseq.method == "INVITE":
            self._note_answer(leg, response)
        if response.status == 100 or response.cseq.method == "CANCEL":
            return
        if response.cseq.method == "INVITE" and response.status >= 300:
            self.send(bytes(ack_for_failure(leg.forwarded, response)), leg.target, leg.transport)
            if leg.others:
                self._go_on(leg)
                return
            self._refused.add(leg.request.branch)
        vias = response.headers.get_all("Via")[1:]
        self.reply(self.passed_on(response.with_header("Via", *vias)), leg.flow)

    def next_timeout(self) -> float | None:
        return min((leg.due for leg in self._legs.values() if leg.due is not None), default=None)

    def handle_timeout(self) -> None:
        for leg in list(self._legs.values()):
            if leg.due is None or leg.due > self.network.now:
                continue
            leg.due = None
            if leg.heard:
                self._send_cancel(leg)
            elif self.network.now < leg.sent_at + GIVING_UP:
                self._send_again(leg)
            else:
                self._refused.add(leg.request.branch)
                self.answer(leg.request, 480, leg.flow)

    def passed_on(self, message: M) -> M:
        """What becomes of a message on its way, besides what every proxy does."""
        return message

    def _lets_in(self, request: Request, flow: Flow) -> bool:
        script, now = self._script, self.network.now
        outcome = script.authenticator.verify(request, now) if script.authenticator else None
        if isinstance(outcome, Refused) and script.authenticator is not None:
            self.reply(script.authenticator.refusal(request, outcome, now, tag=self.tag), flow)
            return False
        if script.screening is not None:
            status, reason, fields = script.screening
            self.answer(request, status, flow, reason, fields)
            return False
        return True

    def _note_answer(self, leg: _Leg, response: Response) -> None:
        if not response.is_provisional:
            leg.due = None
        elif not leg.heard:
            leg.heard, leg.due = True, self.network.now + self._script.ringing_seconds

    def _cancel(self, request: Request, flow: Flow) -> None:
        self.answer(request, 200, flow)
        for leg in list(self._legs.values()):
            if leg.request.branch == request.branch and leg.due is not None:
                leg.others.clear()
                self._send_cancel(leg)

    def _send_cancel(self, leg: _Leg) -> None:
        self.send(bytes(cancel_for(leg.forwarded)), leg.target, leg.transport)

    def _send_again(self, leg: _Leg) -> None:
        """Timer A, until it is time for timer B (RFC 3261 §17.1.1.2)."""
        self.send(bytes(leg.forwarded), leg.target, leg.transport)
        leg.interval *= 2
        leg.due = min(self.network.now + leg.interval, leg.sent_at + GIVING_UP)

    def _forward(self, request: Request, flow: Flow) -> None:
        """RFC 3261 §16.4 to §16.6."""
        routes = list(request[ROUTE])
        if routes and self._is_here(routes[0]):
            routes.pop(0)
        places = [(request.uri, _next_hop(routes[0].uri))] if routes else list(self._locate(request.uri))
        self._send_on(request.with_header("Route", *routes), flow, places)

    def _go_on(self, leg: _Leg) -> None:
        if self._script.announces_others:
            self.answer(leg.request, 181, leg.flow)
        self._send_on(leg.request, leg.flow, leg.others)

    def _send_on(self, request: Request, flow: Flow, places: list[Place]) -> None:
        (uri, target), *others = places
        self._count += 1
        branch = f"z9hG4bK{self.name}{self._count}"
        forwarded = (
            request.with_uri(uri)
            .with_header("Max-Forwards", (request[MAX_FORWARDS] or 70) - 1)
            .with_first("Via", f"SIP/2.0/{flow.transport.value} {self.address};branch={branch}")
        )
        if request.method == "INVITE" and self._script.records_route:
            forwarded = forwarded.with_first("Record-Route", Address(self._uri(flow.transport)))
        forwarded = self.passed_on(forwarded)
        leg = _Leg(request, flow, forwarded, target, flow.transport, others, self.network.now)
        if request.method == "INVITE":
            leg.due = leg.sent_at + leg.interval
        self._legs[branch] = leg
        self.send(bytes(forwarded), target, flow.transport)

    def _uri(self, transport: Transport) -> SipUri:
        named = () if transport is Transport.UDP else (("transport", transport.value.lower()),)
        return SipUri(self.address.host, None, None, Params((*named, ("lr", None))))

    def _is_here(self, route: Address) -> bool:
        return isinstance(route.uri, SipUri) and route.uri.host == self.address.host


class Gateway(Proxy):
    """A proxy that media goes through as well: it puts an address of its own into every session description."""

    def __init__(self, network: Network, name: str, host: str, locate: Locate, ports: Sequence[int]) -> None:
        super().__init__(network, name, host, locate)
        self._ports = list(ports)

    def passed_on(self, message: M) -> M:
        if not message.body:
            return message
        description = SessionDescription.parse(message.body)
        (media,) = description.media
        here = (media.replace(port=self._ports.pop(0)),)
        return message.with_body(bytes(description.replace(connection=Connection.of(self.address.host), media=here)))


def _next_hop(uri: Uri) -> SocketAddress:
    assert isinstance(uri, SipUri)
    return SocketAddress(uri.host, uri.port or 5060)


def finds(**places: Sequence[str]) -> Locate:
    """A location service: by user name, the hosts to try. A URI with an address goes where it says."""

    def locate(uri: Uri) -> list[Place]:
        assert isinstance(uri, SipUri)
        if is_numeric(uri.host):
            return [(uri, _next_hop(uri))]
        return [(SipUri(host, uri.user), SocketAddress(host, 5060)) for host in places[uri.user or ""]]

    return locate


def passes_to(host: str) -> Locate:
    """Everything goes on to another proxy as it is, save for what has an address."""

    def locate(uri: Uri) -> list[Place]:
        assert isinstance(uri, SipUri)
        return [(uri, _next_hop(uri) if is_numeric(uri.host) else SocketAddress(host, 5060))]

    return locate
