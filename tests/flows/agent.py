"""A user agent on the network: a stack, a keeper for its registration, its session descriptions, its subscriptions."""

import random
from typing import TypeVar

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.dialogs.dialog import Dialog, DialogId, dialog_of_callee, dialog_of_caller
from sipcore.events import (
    CallReceived,
    CallRequested,
    Output,
    Prepare,
    RequestReceived,
    RequestSent,
    Resolve,
    ResponseReceived,
)
from sipcore.message.address import Address
from sipcore.message.build import Fields, Identity
from sipcore.message.build import request as build_request
from sipcore.message.build import response as build_response
from sipcore.message.fields.dialog_reference import Replaces
from sipcore.message.message import Request
from sipcore.message.method import NOTIFY, REFER, SUBSCRIBE
from sipcore.message.params import Params
from sipcore.message.registry import REFER_SUB
from sipcore.message.uri import Place as UriPlace
from sipcore.message.uri import SipUri, Uri
from sipcore.outgoing import Order, contact_for
from sipcore.registration.binding import Registration
from sipcore.registration.keeper import Effect, Keeper, Send
from sipcore.resolve.records import Question
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.build import audio_description, origin_of
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.negotiation import Capability, Place, answer_to, choose
from sipcore.sdp.terms import SDP, Direction
from sipcore.stack import Stack
from sipcore.stack_config import StackConfig
from sipcore.tokens import Tokens
from sipcore.trace import Stamp
from sipcore.transactions.effects import Transmit
from tests.flows.network import Network

T = TypeVar("T")
MEDIA_PORT = 49172
LOOSE = Params((("lr", None),))
SUBSCRIBING = (SUBSCRIBE, REFER)
"""Methods that make a subscription (RFC 6665 §4.1.2, RFC 3515 §2.4.4)."""


def hop_to(host: str) -> Hop:
    return Hop(Transport.UDP, SocketAddress(host, 5060))


class Agent:
    """A user agent. Its events are kept; `told` gives those of one kind."""

    def __init__(
        self,
        network: Network,
        name: str,
        domain: str,
        host: str,
        seed: int,
        accounts: tuple[Account, ...] = (),
        methods: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.address = SocketAddress(host, 5060)
        self.aor = Address(SipUri(domain, name))
        config = StackConfig(user=name, product="", tracing=False, methods=methods)
        self.stack = Stack(config, Tokens(random.Random(seed).randbytes))
        self.events: list[Output] = []
        self.keeper: Keeper | None = None
        self.reports: list[Effect] = []
        self.subscriptions: dict[DialogId, Dialog] = {}
        """The dialogs that a SUBSCRIBE or a REFER has made, at either side: the stack keeps those of calls only, with
        what a REFER subscribes to in them."""
        self._network = network
        self._tokens = Tokens(random.Random(seed + 1000).randbytes)
        self._auth = AuthSession(*accounts)
        self._hop: Hop | None = None
        self._register_ticket: int | None = None
        network.join(self)

    def told(self, kind: type[T]) -> list[T]:
        """The events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def incoming(self) -> CallReceived:
        """The last call that came in."""
        return self.told(CallReceived)[-1]

    @property
    def contact(self) -> Address:
        """Where this agent is reached."""
        return contact_for(self.name, Hop(Transport.UDP, self.address, self.address))

    def move(self, host: str) -> None:
        """Get another address."""
        self._network.leave(self.address)
        self.address = SocketAddress(host, 5060)
        self._network.join(self)

    # Calls

    def call(
        self,
        uri: Uri,
        *,
        via: str = "",
        preloads: bool = True,
        fields: Fields = (),
        offers: bool = True,
        redirects: int = 0,
        direction: Direction = Direction.SENDRECV,
    ) -> int:
        """Call `uri`, by way of the server at `via` if one is given, which a Route `preloads` or not.

        What the URI says of header fields goes along (RFC 3261 §19.1.5).
        """
        assert isinstance(uri, SipUri)
        route = [Address(SipUri(via, None, None, LOOSE))] if via and preloads else []
        target = uri.fitted_to(UriPlace.REQUEST_URI)
        invite = build_request(
            "INVITE",
            target,
            Identity(self.aor.with_tag(self._tokens.tag()), Address(target), self._tokens.call_id()),
            route=route,
            fields=[*uri.header_items(), *fields],
            body=bytes(self.description(direction)) if offers else b"",
            content_type=SDP if offers else "",
        )
        order = Order(invite, hop_to(via) if via else target, self.name, self._auth)
        number = self.stack.call(order, self._network.now, redirects=redirects)
        self._pump()
        return number

    def ring(self, status: int = 180) -> None:
        """Tell the last caller that it rings."""
        self.stack.ring(self.incoming.call, status, self._network.now)
        self._pump()

    def accept(self) -> int:
        """Answer the last caller, or make an offer to one that has made none; gives the call."""
        if self.incoming.invite.body:
            offer = SessionDescription.parse(self.incoming.invite.body)
            (choice,) = choose(offer, [Capability((PCMU,))])
            body = answer_to(offer, [(choice, Place(self.address.host, MEDIA_PORT))], origin_of(self.address.host, 2))
        else:
            body = self.description()
        self.stack.accept(self.incoming.call, self._network.now, body=bytes(body), content_type=SDP)
        self._pump()
        return self.incoming.call

    def reject(self, status: int, reason: str = "", fields: Fields = ()) -> None:
        """Turn the last caller away."""
        self.stack.reject(self.incoming.call, status, self._network.now, reason=reason, fields=fields)
        self._pump()

    def answer(self, call: int) -> None:
        """Answer the offer of a 2xx."""
        offer = SessionDescription.parse(self.stack.session(call).offer)
        (choice,) = choose(offer, [Capability((PCMU,))])
        body = answer_to(offer, [(choice, Place(self.address.host, MEDIA_PORT))], origin_of(self.address.host, 1))
        self.stack.answer(call, bytes(body), self._network.now)
        self._pump()

    def change(self, call: int, direction: Direction | None = None) -> None:
        """Offer the session, in another direction where one is given."""
        session = self.stack.session(call)
        body = session.next_offer(self.description(direction or session.wanted))
        self.stack.change(call, body, self._network.now)
        self._pump()

    def hold(self, call: int) -> None:
        """Put a call on hold (RFC 3264 §8.4)."""
        self.change(call, Direction.SENDONLY)

    def resume(self, call: int) -> None:
        """Take a call off hold."""
        self.change(call, Direction.SENDRECV)

    def hang_up(self, call: int) -> None:
        """End a call."""
        self.stack.hang_up(call, self._network.now)
        self._pump()

    def named_by(self, reference: Replaces) -> int:
        """The call that a Join or Replaces names whose sender sees it from the other side (RFC 3911 §4)."""
        for call in {event.call for event in self.told(CallReceived)}:
            own = Replaces.parse(self.stack.replaces(call))
            if (own.call_id, own.from_tag, own.to_tag) == (reference.call_id, reference.to_tag, reference.from_tag):
                return call
        raise LookupError(str(reference))

    def direction(self, call: int) -> Direction:
        """Which way media flows in a call, seen from here."""
        return direction_of(self.stack.session(call).local)

    # Requests of other kinds

    def request_within(self, call: int, method: str, fields: Fields, body: bytes = b"", content_type: str = "") -> int:
        """Send a request inside a call."""
        ticket = self.stack.request_within(
            call, method, self._network.now, fields=fields, body=body, content_type=content_type
        )
        self._pump()
        return ticket

    def request(self, method: str, uri: Uri, fields: Fields = (), body: bytes = b"", content_type: str = "") -> int:
        """Send a request outside of any dialog."""
        identity = Identity(self.aor.with_tag(self._tokens.tag()), Address(uri), self._tokens.call_id())
        request = build_request(method, uri, identity, fields=fields, body=body, content_type=content_type)
        contact = self.name if method in SUBSCRIBING else None
        ticket = self.stack.request(Order(request, uri, contact, self._auth), self._network.now)
        self._pump()
        return ticket

    def request_in(
        self, subscription: Dialog, method: str, fields: Fields, body: bytes = b"", content_type: str = ""
    ) -> None:
        """Send a request inside a subscription."""
        number = self._last_number(subscription.call_id) + 1
        request, next_hop = subscription.request(method, number, fields=fields, body=body, content_type=content_type)
        self.stack.request(Order(request, next_hop, self.name, self._auth), self._network.now)
        self._pump()

    def respond(self, status: int, fields: Fields = ()) -> None:
        """Answer the last request that came for the owner."""
        self._respond(status, fields, self._tokens.tag())

    def subscribed(self, status: int, fields: Fields = ()) -> Dialog:
        """Agree to the last SUBSCRIBE or REFER; gives the subscription that this makes, or that it was in."""
        tag = self._tokens.tag()
        request = self._respond(status, [("Contact", self.contact), *fields], tag)
        dialog = dialog_of_callee(request, request.to_tag or tag)
        return self.subscriptions.setdefault(dialog.id, dialog)

    def _respond(self, status: int, fields: Fields, tag: str) -> Request:
        received = [event for event in self.events if isinstance(event, (RequestReceived, CallRequested))][-1]
        response = build_response(received.request, status, tag=tag, fields=fields)
        self.stack.respond(received.key, response, self._network.now)
        self._pump()
        return received.request

    # Registration

    def register(self, registration: Registration, hop: Hop) -> None:
        """Register, and stay registered."""
        self.keeper, self._hop = Keeper(registration, self._tokens), hop
        self._carry_out(self.keeper.start(self._network.now))

    def unregister(self, *, everything: bool = False) -> None:
        """Take the registration back."""
        assert self.keeper is not None
        self._carry_out(self.keeper.stop(self._network.now, everything=everything))

    def ask_registrar(self, domain: Uri, hop: Hop, fields: Fields = ()) -> None:
        """Send one REGISTER: without a Contact among `fields` it only asks (RFC 3261 §10.2.3)."""
        identity = Identity(self.aor.with_tag(self._tokens.tag()), self.aor, self._tokens.call_id())
        request = build_request("REGISTER", domain, identity, fields=fields)
        self.stack.request(Order(request, hop, auth=self._auth), self._network.now)
        self._pump()

    # What the network does

    def receive(self, data: bytes, flow: Flow) -> None:
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

    def description(self, direction: Direction = Direction.SENDRECV) -> SessionDescription:
        """What this agent offers."""
        return audio_description(
            address=self.address.host,
            port=MEDIA_PORT,
            session_id=1,
            session_version=1,
            codecs=[PCMU],
            ptime=None,
            direction=direction,
        )

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
            case Transmit(_, to, data):
                self._network.send(data, self.address, to.remote, to.transport)
            case ResponseReceived(ticket, response) if ticket == self._register_ticket:
                assert self.keeper is not None
                self._carry_out(self.keeper.receive(response, now, output.auth))
            case RequestReceived(key, request) if request.method == NOTIFY:
                known = DialogId.named_by(request) in self.subscriptions
                self.stack.respond(key, build_response(request, 200 if known else 481), now)
                self.events.append(output)
            case ResponseReceived():
                self._subscribe(output)
                self.events.append(output)
            case _:
                self.events.append(output)

    def _subscribe(self, answer: ResponseReceived) -> None:
        """Keep the subscription that a request sent from here has made."""
        sent = [event.request for event in self.told(RequestSent) if event.ticket == answer.ticket][-1]
        wanted = sent[REFER_SUB]
        if (
            sent.to_tag is None
            and sent.method in SUBSCRIBING
            and answer.response.is_success
            and (wanted is None or wanted.wanted)
        ):
            dialog = dialog_of_caller(sent, answer.response)
            self.subscriptions.setdefault(dialog.id, dialog)

    def _last_number(self, call_id: str) -> int:
        """The number of the last request sent with a Call-ID; a call's dialog and its subscriptions share them."""
        sent = [event.request for event in self.told(RequestSent)]
        return max((request.cseq.number for request in sent if request.call_id == call_id), default=0)

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
        order = Order(request, self._hop, auth=self._auth, numbers=self.keeper.numbers)
        self._register_ticket = self.stack.request(order, self._network.now)
        self._pump()


def direction_of(body: bytes) -> Direction:
    """Which way the one stream of a session description flows."""
    (media,) = SessionDescription.parse(body).media
    return media.direction or Direction.SENDRECV
