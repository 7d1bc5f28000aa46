"""Requests on their way out: located (RFC 3263), given Via and Contact, sent, failed over, answered to challenges.

One ticket stands for one request as its owner sees it, whatever it takes: several lookups, several hops (each a new
transaction with a new branch, RFC 3263 §4.3), several rounds of authentication (RFC 3261 §22.2). Nothing here sends;
what is to be done comes back as outputs. A response needs a way to be found only where its connection is gone.
"""

from dataclasses import dataclass, field

from sipcore.auth.session import AuthError, AuthSession
from sipcore.dialogs.dialog import Numbers
from sipcore.errors import LocalError, TransportFailure
from sipcore.events import Output, Prepare, RequestSent, Resolve
from sipcore.message.address import Address
from sipcore.message.build import Ends, Fields
from sipcore.message.fields.simple import CSeq
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK
from sipcore.message.params import Params
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri, Uri
from sipcore.resolve.plan import DEFAULT_SUPPORTED, Plan, Result
from sipcore.resolve.target import Flow, Hop, SocketAddress, Target, Transport, is_transport
from sipcore.tokens import Tokens
from sipcore.transactions.effects import Transmit
from sipcore.transactions.key import ClientKey
from sipcore.transactions.layer import TransactionLayer
from sipcore.transactions.reply import reply_anew
from sipcore.value import maker, value

SERVICE_UNAVAILABLE = 503
"""RFC 3263 §4.3: the one final response that sends a client on to the next hop."""

MAX_DATAGRAM = 1300
"""Bytes of a request that may go over UDP where the path's MTU is unknown (RFC 3261 §18.1.1)."""
MAX_ENDS = 256
"""Local addresses whose Via and Contact are remembered; each connection has one of its own. Forgotten all at once."""

MAX_CARRIED_BACK = 64
"""Responses that wait for a new connection: whoever asks and leaves, again and again, gets no more than so many."""

_make_resolve, _make_prepare, _make_sent = maker(Resolve), maker(Prepare), maker(RequestSent)


@value
class Order:
    """What is to be sent: a request without Via, and where to.

    A `target` that is a Hop skips the lookup. With `contact`, the user part of a Contact is given, which is filled in
    once the local address is known. `auth` answers challenges. A request beyond MAX_DATAGRAM goes over TCP first,
    unless `any_size` has it sent over the hop's own transport, as a probe of that transport wants.
    """

    request: Request
    target: Uri | Hop
    contact: str | None = None
    auth: AuthSession | None = None
    any_size: bool = False
    branch: str = ""
    """The branch of its Via, for an ACK that is sent again; a fresh one if empty."""
    numbers: Numbers | None = None
    """What numbers the request anew when it is sent again with credentials; None where nobody else counts."""


@dataclass(slots=True)
class _Pending:
    """One ticket's state. The only mutable thing here; it never leaves this module."""

    order: Order
    request: Request
    plan: Plan | None = None
    hops: list[Hop] = field(default_factory=list)
    hop: Hop | None = None
    key: ClientKey | None = None
    cancelled: bool = False
    heard: bool = False
    """Whether a response has come."""
    has_credentials: bool = False
    """Whether `request` has the credentials that it needs, and was not sent with them yet."""
    too_large_for: SocketAddress | None = None
    """Where TCP was tried since the request is large; if that fails, UDP must do (RFC 3261 §18.1.1)."""


class Outgoing:
    """Carries out orders over a transaction layer. `outputs` collects what the owner of the stack has to do."""

    def __init__(self, transactions: TransactionLayer, tokens: Tokens, outputs: list[Output]) -> None:
        self._transactions = transactions
        self._tokens = tokens
        self._outputs = outputs
        self._pending: dict[int, _Pending] = {}
        self._tickets: dict[ClientKey, int] = {}
        self._carried_back: dict[int, Transmit] = {}
        self._last_ticket = 0
        self._alias = ""
        self._known_ends: dict[tuple[Transport, str, int, str | None, bool], Ends] = {}

    def __len__(self) -> int:
        return len(self._pending) + len(self._carried_back)

    def send(self, order: Order) -> int:
        """Start on an order; gives its ticket. Raises LocalError for a target that no transport here can reach."""
        self._last_ticket += 1
        ticket = self._last_ticket
        request = order.request
        pending = _Pending(order, request.without("Via") if "Via" in request.headers else request)
        if isinstance(order.target, Hop):
            pending.hops = [order.target]
        else:
            pending.plan = Plan(target_of(order.target), chance=self._chance, supported=DEFAULT_SUPPORTED)
        self._pending[ticket] = pending
        self._advance(ticket, pending)
        return ticket

    def resolved(self, ticket: int, result: Result | Hop | TransportFailure, now: float) -> TransportFailure | None:
        """Take the answer to a Resolve. Gives the failure when there is nowhere left to go."""
        pending = self._pending.get(ticket)
        if pending is None:  # a response, or abandoned meanwhile
            self._send_back(self._carried_back.pop(ticket, None), result)
            return None
        if isinstance(result, Hop):
            return self._transmit(ticket, pending, result, now)
        if isinstance(result, TransportFailure):
            return self._next_hop(ticket, pending, result)
        if pending.plan is not None:
            pending.plan.answer(result)
        return self._advance(ticket, pending)

    def contact(self, user: str, hop: Hop, *, secure: bool = False) -> Address:
        """The Contact of whoever can be reached at the local end of `hop`, as requests over it have it, too; `secure`
        is whether they are to a sips URI.
        """
        known = self._ends(hop, hop.local, user, secure=secure).contact if hop.local is not None else None
        return known or contact_for(user, hop, self._alias_for(hop), secure=secure)

    def ticket_of(self, key: ClientKey) -> int | None:
        """The ticket that a client transaction belongs to."""
        return self._tickets.get(key)

    def key_of(self, ticket: int) -> ClientKey | None:
        """The client transaction that a ticket has at the moment."""
        pending = self._pending.get(ticket)
        return pending.key if pending else None

    def request_of(self, ticket: int) -> Request:
        """The request of a ticket as it went out last, save for Via: its credentials and CSeq may not be the first."""
        return self._pending[ticket].request

    def take(self, ticket: int, response: Response, now: float) -> tuple[bool, AuthError | None]:
        """Look at a response: (True, None) when it was answered here with credentials or by going to the next hop.

        Otherwise the owner must have it, with the reason why its challenge was not answered, if it is one.
        """
        pending = self._pending[ticket]
        pending.heard = True
        if response.is_success and pending.order.auth is not None:
            pending.order.auth.confirm(pending.request, response)
        if response.status in (401, 407) and pending.order.auth is not None and not pending.cancelled:
            try:
                request = pending.order.auth.answer(
                    pending.request, response, self._tokens, address=_where(pending.hop)
                )
            except AuthError as error:
                return False, error
            self._forget_key(pending)
            numbers = pending.order.numbers
            if numbers is not None:
                request = request.with_header("CSeq", CSeq(numbers.next(), request.method))
            pending.request, pending.has_credentials = request, True
            hop = pending.hop
            if hop is not None:
                self._transmit(ticket, pending, hop, now)
            return True, None
        if response.status == SERVICE_UNAVAILABLE and not pending.cancelled:
            busy = pending.hop.remote if pending.hop is not None else None
            pending.hops = [hop for hop in pending.hops if hop.remote != busy]  # nor by another transport
            if pending.hops:
                self._forget_key(pending)
                self._prepare(ticket, pending)
                return True, None
        if response.status > 100:
            # Somebody is dealing with the request: trying another hop as well would be a second request.
            pending.hops.clear()
        return False, None

    def failed(self, ticket: int, failure: TransportFailure) -> TransportFailure | None:
        """A transaction failed; gives the failure when there is no other hop (RFC 3263 §4.3)."""
        pending = self._pending.get(ticket)
        return self._next_hop(ticket, pending, failure) if pending else None

    def carry_back(self, lost: Transmit) -> None:
        """Send a response over a new connection whose own is gone (RFC 3261 §18.2.2), where one can be made."""
        if not isinstance(lost.to, Flow) or len(self._carried_back) >= MAX_CARRIED_BACK:
            return
        response = parse_message(lost.data)
        hop = reply_anew(response, lost.to) if isinstance(response, Response) else None
        if hop is not None:
            self._last_ticket += 1
            self._carried_back[self._last_ticket] = lost
            self._outputs.append(_make_resolve(self._last_ticket, _make_prepare(hop)))

    def answered_by(self, garbage: bytes, flow: Flow) -> list[ClientKey]:
        """The transactions to which what came over `flow`, and is no SIP message, may be the first answer.

        That is the one whose branch it has, or else the only one that waits there: of several it says nothing.
        """
        place = (flow.transport, flow.remote)
        waiting = [
            pending.key
            for pending in self._pending.values()
            if pending.key and pending.hop and not pending.heard
            if (pending.hop.transport, pending.hop.remote) == place
        ]
        text = garbage.lower()
        named = [key for key in waiting if key.branch.encode() in text]
        return named or (waiting if len(waiting) == 1 else [])

    def cancel(self, ticket: int, now: float, fields: Fields = ()) -> bool:
        """Cancel a pending INVITE (RFC 3261 §9.1), with `fields` in the CANCEL.

        False when it was not sent yet: nothing is there to cancel.
        """
        pending = self._pending.get(ticket)
        if pending is None or pending.key is None:
            return False
        pending.cancelled = True
        self._transactions.cancel(pending.key, now, fields)
        return True

    def forget(self, ticket: int) -> None:
        """The owner is done with a ticket; what still comes for it is ignored."""
        pending = self._pending.pop(ticket, None)
        if pending is not None:
            self._forget_key(pending)

    def _send_back(self, lost: Transmit | None, way: Result | Hop | TransportFailure) -> None:
        """Send what `carry_back` took, and, while its transaction lasts, all that follows it."""
        if lost is None or not isinstance(way, Hop):
            return
        key = lost.key
        if key is None or isinstance(key, ClientKey) or key not in self._transactions:
            self._outputs.append(Transmit(key, way, lost.data, lost.attempt))
        else:
            self._transactions.reroute(key, way)

    def _forget_key(self, pending: _Pending) -> None:
        if pending.key is not None:
            self._tickets.pop(pending.key, None)
            pending.key = None

    def _chance(self) -> float:
        return self._tokens.number(2**32) / 2**32

    def _advance(self, ticket: int, pending: _Pending) -> TransportFailure | None:
        plan = pending.plan
        if plan is not None:
            self._outputs += [Resolve(ticket, question) for question in plan.next_questions()]
            if not plan.done:
                return None
            pending.plan, pending.hops = None, plan.hops()
            if not pending.hops:
                return plan.failure()
        self._prepare(ticket, pending)
        return None

    def _prepare(self, ticket: int, pending: _Pending) -> None:
        pending.hop = None
        self._outputs.append(_make_resolve(ticket, _make_prepare(pending.hops.pop(0))))

    def _next_hop(self, ticket: int, pending: _Pending, failure: TransportFailure) -> TransportFailure | None:
        self._forget_key(pending)
        if not pending.hops or pending.cancelled:
            return failure
        self._prepare(ticket, pending)
        return None

    def _transmit(self, ticket: int, pending: _Pending, hop: Hop, now: float) -> TransportFailure | None:
        """Put Via and Contact on, now that the local address is known, and begin the transaction."""
        if hop.local is None:
            raise LocalError("a prepared hop must tell its local address", section="RFC 3261 §18.1.1")
        pending.hop = hop
        request = pending.request
        if pending.order.auth is not None and not pending.has_credentials:
            request = pending.order.auth.prepare(request, self._tokens, address=_where(hop))
        ends = self._ends(hop, hop.local, pending.order.contact, secure=is_secured(pending.order.request))
        branch = pending.order.branch or self._tokens.branch()
        complete = ends.around(request, branch)
        if self._is_too_large(pending, complete, hop):
            pending.request, pending.has_credentials = request, True
            pending.too_large_for = hop.remote
            why = f"more than {MAX_DATAGRAM} bytes; {hop.why}"
            pending.hops[:0] = [Hop(Transport.TCP, hop.remote, tls_name=hop.tls_name, why=why), hop]
            self._prepare(ticket, pending)
            return None
        pending.has_credentials = False  # each sending counts the nonce up, so another hop needs them made anew
        if complete.method == ACK:
            # RFC 3261 §13.2.2.4: the ACK of a 2xx is no transaction, and nothing is heard of it any more.
            self._outputs += [RequestSent(ticket, complete, hop), Transmit(None, hop, bytes(complete))]
            self.forget(ticket)
            return None
        pending.request = request
        pending.key = ClientKey(branch.lower(), complete.method)
        self._transactions.send_rendered(pending.key, bytes(complete), hop, now, ends.sent_by, complete)
        self._tickets[pending.key] = ticket
        self._outputs.append(_make_sent(ticket, complete, hop))
        return None

    def _ends(self, hop: Hop, local: SocketAddress, contact: str | None, *, secure: bool) -> Ends:
        """How to name the local end of a hop: made once for an address, and then remembered."""
        place = (hop.transport, local.host, local.port, contact, secure)
        ends = self._known_ends.get(place)
        if ends is None:
            alias = self._alias_for(hop)
            address = None if contact is None else contact_for(contact, hop, alias, secure=secure)
            host, port = (alias, None) if alias else (local.host, local.port)
            if len(self._known_ends) >= MAX_ENDS:
                self._known_ends.clear()
            ends = self._known_ends[place] = Ends(hop.transport.value, host, port, address)
        return ends

    def _alias_for(self, hop: Hop) -> str:
        """The name of the local end of a WebSocket, always the same; empty for other transports.

        Nobody can connect to a client of WebSockets, so its name is one that leads nowhere, and what is for it comes
        along its connection (RFC 7118 §8.1 and appendix B.1).
        """
        if hop.transport.websocket and not self._alias:
            self._alias = f"{self._tokens.tag()}.invalid"
        return self._alias if hop.transport.websocket else ""

    @staticmethod
    def _is_too_large(pending: _Pending, complete: Request, hop: Hop) -> bool:
        """RFC 3261 §18.1.1: beyond MAX_DATAGRAM a congestion-controlled transport is used, and UDP if that fails."""
        if len(bytes(complete)) <= MAX_DATAGRAM:
            return False
        return hop.transport is Transport.UDP and not pending.order.any_size and pending.too_large_for != hop.remote


def _where(hop: Hop | None) -> str:
    return str(hop.remote) if hop is not None else ""


def is_secured(request: Request) -> bool:
    """Whether a request is to a sips URI, so that its Contact and that of its answer are such, too (RFC 3261 §8.1.1.8,
    §12.1.1).
    """
    return isinstance(request.uri, SipUri) and request.uri.is_secure


def contact_for(user: str, hop: Hop, alias: str = "", *, secure: bool = False) -> Address:
    """The Contact that leads back to the local end of `hop` (RFC 3261 §8.1.1.8), under the name `alias` if it has one;
    a sips URI where it is to be `secure`, and the hop is.

    transport=tls is deprecated (RFC 3261 §26.2.2), but tcp would send the peer to a plain port, and leaving it out to
    UDP; what peers understand is tls. WebSockets, secure or not, are ws (RFC 7118 §5.2).
    """
    if hop.local is None:
        raise LocalError("a hop without a local address", section="RFC 3261 §8.1.1.8")
    host, port = (alias, None) if alias else (hop.local.host, hop.local.port)
    name = Transport.WS if hop.transport.websocket else hop.transport
    transport = () if name is Transport.UDP else (("transport", name.value.lower()),)
    scheme = "sips" if secure and hop.transport.secure else "sip"
    return Address(SipUri(f"[{host}]" if ":" in host else host, user or None, port, Params(transport), scheme))


def target_of(uri: Uri) -> Target:
    """What to locate for a URI (RFC 3263 §4): maddr before host, the transport parameter, secure for sips.

    Raises LocalError for a scheme that is neither sip nor sips, and for a transport nobody here knows.
    """
    if not isinstance(uri, SipUri):
        raise LocalError(
            f"a {uri.scheme} URI does not say where to send to; give a SIP server", section="RFC 3261 §8.1.2"
        )
    name = (uri.transport or "").upper()
    if name and not is_transport(name):
        raise LocalError(f"transport {name.lower()} is not supported", section="RFC 3263 §4.1")
    host = (uri.params.get("maddr") or uri.host).strip("[]").replace(":::", "::")
    return Target(host.rstrip("."), uri.port, Transport[name] if name else None, uri.is_secure)


def target_along(way: Hop | Flow | None, next_hop: Uri) -> Uri | Hop:
    """Where a request inside a dialog goes: along the dialog's own way when that leads to the next hop anyway.

    A WebSocket is the only way to and from its client, whatever the next hop is called (RFC 7118 appendix B).
    """
    if way is None or not isinstance(next_hop, SipUri):
        return next_hop
    hop = way if isinstance(way, Hop) else way.hop
    if hop.transport.websocket:
        return hop
    port = next_hop.port or hop.transport.default_port
    named = (next_hop.transport or "").upper() or hop.transport.value
    is_there = next_hop.address == hop.remote.host and port == hop.remote.port and named == hop.transport.value
    return hop if is_there else next_hop
