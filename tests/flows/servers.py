"""The servers of the flows, scripted: a proxy that forwards, records its route and challenges, and a registrar.

They do what the flows need of them and no more: nothing is lost on this network, so nothing is sent twice.
"""

import random
from collections.abc import Callable

from sipcore.auth.digest import Algorithm
from sipcore.auth.server import Authenticator, Refused, ServerPolicy, UserTable
from sipcore.message.address import Address
from sipcore.message.build import ack_for_failure, cancel_for
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.params import Params
from sipcore.message.parser import parse_message
from sipcore.message.registry import MAX_FORWARDS, ROUTE
from sipcore.message.uri import SipUri, Uri
from sipcore.registration.registrar import Registrar, RegistrarPolicy
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.transactions.reply import reply_to, stamped
from tests.flows.network import Network

Locate = Callable[[Uri], tuple[Uri, SocketAddress]]
"""Where a request goes that has no Route left: its new Request-URI, and the next hop."""
NO_RESPONSE_SECONDS = 20.0
"""How long a proxy waits for somebody who never answers."""


class Server:
    """What proxies and registrars share: an address, and answering."""

    def __init__(self, network: Network, name: str, host: str) -> None:
        self.name = name
        self.address = SocketAddress(host, 5060)
        self.network = network
        self.tag = f"tag-{name}"
        network.join(self)

    def receive(self, data: bytes, source: SocketAddress) -> None:
        message = parse_message(data)
        if isinstance(message, Request):
            self.take_request(stamped(message, Flow(Transport.UDP, self.address, source)), source)
        else:
            self.take_response(message)

    def take_request(self, request: Request, source: SocketAddress) -> None:
        raise NotImplementedError

    def take_response(self, response: Response) -> None:
        """There are none for a server that sends no requests."""

    def next_timeout(self) -> float | None:
        return None

    def handle_timeout(self) -> None:
        """Nothing is due."""

    def answer(self, request: Request, status: int, source: SocketAddress, *fields: tuple[str, object]) -> None:
        tag = "" if status == 100 else self.tag
        self.reply(build_response(request, status, tag=tag, fields=fields), source)

    def reply(self, response: Response, source: SocketAddress) -> None:
        to = reply_to(response.via, Flow(Transport.UDP, self.address, source)).remote
        self.network.send(bytes(response), self.address, to)


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

    def take_request(self, request: Request, source: SocketAddress) -> None:
        now = self.network.now
        outcome = self._authenticator.verify(request, now)
        if isinstance(outcome, Refused):
            self.reply(self._authenticator.refusal(request, outcome, now, tag=self.tag), source)
            return
        answer = self.registrar.process(request, now)
        self.answer(request, answer.status, source, *answer.fields)


class Proxy(Server):
    """A proxy that stays on the route of calls."""

    def __init__(
        self, network: Network, name: str, host: str, locate: Locate, authenticator: Authenticator | None = None
    ) -> None:
        super().__init__(network, name, host)
        self.forwards = True
        """Whether anything is done at all: one that has failed is silent."""
        self._locate = locate
        self._authenticator = authenticator
        self._count = 0
        self._pending: dict[str, tuple[Request, Request, SocketAddress, SocketAddress]] = {}
        """By the branch put on: the request as it came and as it went, where from and where to."""
        self._refused: set[str] = set()
        """Branches of INVITEs whose ACK ends here (RFC 3261 §17.1.1.3)."""
        self._deadlines: dict[str, float] = {}

    def take_request(self, request: Request, source: SocketAddress) -> None:
        if not self.forwards or (request.method == "ACK" and request.branch in self._refused):
            return
        if request.method == "CANCEL":
            self._cancel(request, source)
            return
        if request.method == "INVITE":
            outcome = self._authenticator.verify(request, self.network.now) if self._authenticator else None
            if isinstance(outcome, Refused) and self._authenticator is not None:
                self._refused.add(request.branch)
                self.reply(self._authenticator.refusal(request, outcome, self.network.now, tag=self.tag), source)
                return
            self.answer(request, 100, source)
        self._forward(request, source)

    def take_response(self, response: Response) -> None:
        self._deadlines.pop(response.branch, None)
        if response.status == 100 or response.cseq.method == "CANCEL":
            return
        request, forwarded, source, target = self._pending[response.branch]
        if response.cseq.method == "INVITE" and response.status >= 300:
            self.network.send(bytes(ack_for_failure(forwarded, response)), self.address, target)
            self._refused.add(request.branch)
        vias = response.headers.get_all("Via")[1:]
        self.reply(response.with_header("Via", *vias), source)

    def next_timeout(self) -> float | None:
        return min(self._deadlines.values(), default=None)

    def handle_timeout(self) -> None:
        for branch in [branch for branch, due in self._deadlines.items() if due <= self.network.now]:
            del self._deadlines[branch]
            request, _, source, _ = self._pending[branch]
            self._refused.add(request.branch)
            self.answer(request, 480, source)

    def _cancel(self, request: Request, source: SocketAddress) -> None:
        self.answer(request, 200, source)
        for invite, forwarded, _, target in list(self._pending.values()):
            if invite.branch == request.branch:
                self.network.send(bytes(cancel_for(forwarded)), self.address, target)

    def _forward(self, request: Request, source: SocketAddress) -> None:
        """RFC 3261 §16.4 to §16.6."""
        routes = list(request[ROUTE])
        if routes and self._is_here(routes[0]):
            routes.pop(0)
        uri, target = self._next_hop(routes[0].uri) if routes else self._locate(request.uri)
        self._count += 1
        branch = f"z9hG4bK{self.name}{self._count}"
        forwarded = (
            request.with_uri(request.uri if routes else uri)
            .with_header("Max-Forwards", (request[MAX_FORWARDS] or 70) - 1)
            .with_header("Route", *routes)
            .with_first("Via", f"SIP/2.0/UDP {self.address};branch={branch}")
        )
        if request.method == "INVITE":
            forwarded = forwarded.with_first("Record-Route", Address(self._uri))
            self._deadlines[branch] = self.network.now + NO_RESPONSE_SECONDS
        self._pending[branch] = (request, forwarded, source, target)
        self.network.send(bytes(forwarded), self.address, target)

    @property
    def _uri(self) -> SipUri:
        return SipUri(self.address.host, None, None, Params((("lr", None),)))

    def _is_here(self, route: Address) -> bool:
        return isinstance(route.uri, SipUri) and route.uri.host == self.address.host

    @staticmethod
    def _next_hop(uri: Uri) -> tuple[Uri, SocketAddress]:
        assert isinstance(uri, SipUri)
        return uri, SocketAddress(uri.host, uri.port or 5060)
