"""A user agent on the network: a stack, a keeper for its registration, and its session descriptions."""

import random
from typing import TypeVar

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.events import CallReceived, Output, Prepare, RequestSent, Resolve, ResponseReceived
from sipcore.message.address import Address
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.message import Request
from sipcore.message.uri import SipUri, Uri
from sipcore.outgoing import Order
from sipcore.registration.binding import Registration
from sipcore.registration.keeper import Effect, Keeper, Send
from sipcore.resolve.plan import Question
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.build import SDP, audio_description, origin_of
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.negotiation import Capability, Place, answer_to, choose
from sipcore.stack import Stack, StackConfig
from sipcore.tokens import Tokens
from sipcore.trace import Stamp
from sipcore.transactions.effects import Transmit
from tests.flows.network import Network

T = TypeVar("T")
MEDIA_PORT = 49172


class Agent:
    """A user agent. Its events are kept; `told` gives those of one kind."""

    def __init__(
        self, network: Network, name: str, domain: str, host: str, seed: int, accounts: tuple[Account, ...] = ()
    ) -> None:
        self.name = name
        self.address = SocketAddress(host, 5060)
        self.aor = Address(SipUri(domain, name))
        self.stack = Stack(StackConfig(user=name, product="", tracing=False), Tokens(random.Random(seed).randbytes))
        self.events: list[Output] = []
        self.keeper: Keeper | None = None
        self.reports: list[Effect] = []
        self._network = network
        self._tokens = Tokens(random.Random(seed + 1000).randbytes)
        self._auth = AuthSession(*accounts)
        self._hop: Hop | None = None
        self._register_ticket: int | None = None
        self._registered_with: Request | None = None
        network.join(self)

    def told(self, kind: type[T]) -> list[T]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    # What a person does

    def call(self, uri: Uri, target: Uri | Hop) -> int:
        """Call `uri`, by way of `target`."""
        local = self.aor.with_tag(self._tokens.tag())
        invite = build_request(
            "INVITE",
            uri,
            Identity(local, Address(uri), self._tokens.call_id()),
            body=bytes(self._offer()),
            content_type=SDP,
        )
        number = self.stack.call(Order(invite, target, self.name, self._auth), self._network.now)
        self._pump()
        return number

    def ring(self, status: int = 180) -> None:
        """Tell the last caller that it rings."""
        self.stack.ring(self.incoming.call, status, self._network.now)
        self._pump()

    def accept(self) -> None:
        """Answer the last caller."""
        offer = SessionDescription.parse(self.incoming.invite.body)
        (choice,) = choose(offer, [Capability((PCMU,))])
        answer = answer_to(offer, [(choice, Place(self.address.host, MEDIA_PORT))], origin_of(self.address.host, 2))
        self.stack.accept(self.incoming.call, self._network.now, body=bytes(answer), content_type=SDP)
        self._pump()

    def reject(self, status: int) -> None:
        """Turn the last caller away."""
        self.stack.reject(self.incoming.call, status, self._network.now)
        self._pump()

    def hang_up(self, call: int) -> None:
        """End a call."""
        self.stack.hang_up(call, self._network.now)
        self._pump()

    @property
    def incoming(self) -> CallReceived:
        """The last call that came in."""
        return self.told(CallReceived)[-1]

    def register(self, registration: Registration, hop: Hop) -> None:
        """Register, and stay registered."""
        self.keeper, self._hop = Keeper(registration, self._tokens), hop
        self._carry_out(self.keeper.start(self._network.now))

    def unregister(self, *, everything: bool = False) -> None:
        """Take the registration back."""
        assert self.keeper is not None
        self._carry_out(self.keeper.stop(self._network.now, everything=everything))

    def fetch(self, domain: Uri, hop: Hop) -> None:
        """Ask a registrar what it knows (RFC 3261 §10.2.3)."""
        identity = Identity(self.aor.with_tag(self._tokens.tag()), self.aor, self._tokens.call_id())
        self.stack.request(Order(build_request("REGISTER", domain, identity), hop, auth=self._auth), self._network.now)
        self._pump()

    # What the network does

    def receive(self, data: bytes, source: SocketAddress) -> None:
        flow = Flow(Transport.UDP, self.address, source)
        self.stack.receive(data, flow, Stamp(self._network.now), self._network.now)
        self._pump()

    def next_timeout(self) -> float | None:
        due = [self.stack.next_timeout(), self.keeper.next_timeout() if self.keeper else None]
        return min((when for when in due if when is not None), default=None)

    def handle_timeout(self) -> None:
        self.stack.handle_timeout(self._network.now)
        if self.keeper is not None:
            self._carry_out(self.keeper.handle_timeout(self._network.now))
        self._pump()

    def _pump(self) -> None:
        while outputs := self.stack.drain():
            for output in outputs:
                self._take(output)

    def _take(self, output: Output) -> None:
        now = self._network.now
        match output:
            case Resolve(ticket, Prepare(hop)):
                prepared = Hop(hop.transport, hop.remote, self.address, hop.tls_name, hop.why)
                self.stack.resolved(ticket, prepared, now)
            case Resolve(ticket, Question() as question):
                self.stack.resolved(ticket, self._network.look_up(question), now)
            case Transmit():
                self._network.send(output.data, self.address, output.to.remote)
            case RequestSent(ticket, request) if ticket == self._register_ticket:
                self._registered_with = request
            case ResponseReceived(ticket, response) if ticket == self._register_ticket:
                assert self.keeper is not None
                assert self._registered_with is not None
                self._carry_out(self.keeper.receive(self._registered_with, response, now, output.auth))
            case _:
                self.events.append(output)

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._send_register()
            else:
                self.reports.append(effect)

    def _send_register(self) -> None:
        assert self.keeper is not None
        assert self._hop is not None
        request = self.keeper.request(SipUri(self.address.host, self.name, self.address.port))
        self._register_ticket = self.stack.request(Order(request, self._hop, auth=self._auth), self._network.now)
        self._pump()

    def _offer(self) -> SessionDescription:
        return audio_description(
            address=self.address.host, port=MEDIA_PORT, session_id=1, session_version=1, codecs=[PCMU], ptime=None
        )
