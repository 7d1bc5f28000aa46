"""One request on its way out: what is to be sent where to, which hops are left for it, and what it says by now.

Whatever it takes, to its owner it is one request: several lookups, several hops (each a new transaction with a new
branch, RFC 3263 §4.3), several rounds of authentication (RFC 3261 §22.2). `sipcore.tickets` sends it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sipcore.dialogs.dialog import Numbers
from sipcore.errors import EXCERPT_CHARACTERS, FailureReason, LocalError, TransportFailure, quoted, require_kind
from sipcore.grammar import require_safe
from sipcore.message.address import Address
from sipcore.message.fields.simple import CSeq
from sipcore.message.given import uri_given
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK
from sipcore.message.params import Params
from sipcore.message.uri import MAX_PORT, SipUri, Uri
from sipcore.resolve.plan import DEFAULT_SUPPORTED, Plan
from sipcore.resolve.target import (
    Flow,
    Hop,
    SocketAddress,
    Target,
    Transport,
    has_zone,
    is_host_address,
    is_numeric,
    is_transport,
    without_zone,
)
from sipcore.tokens import Tokens
from sipcore.transactions.key import ClientKey
from sipcore.value import value

if TYPE_CHECKING:
    from sipcore.auth.session import AuthError, AuthSession, Rounds

SERVICE_UNAVAILABLE = 503
"""RFC 3263 §4.3: the one final response that sends a client on to the next hop."""
CHALLENGES = (401, 407)
"""RFC 3261 §22.2, §22.3: the final responses that ask for credentials."""
MAX_DATAGRAM = 1300
"""Bytes of a request that may go over UDP where the path's MTU is unknown (RFC 3261 §18.1.1)."""


@value
class Order:
    """What is to be sent: a request without Via, and where to.

    A `target` that is a Hop skips the lookup. With `contact`, the user part of a Contact is given, which is filled in
    once the local address is known; an INVITE that has none gets the stack's. `auth` answers challenges. A request
    beyond MAX_DATAGRAM goes over TCP first, unless `any_size` has it sent over the hop's own transport, as a probe of
    that transport wants.
    """

    request: Request
    """Without Via, which is put on for each hop."""
    target: Uri | str | Hop
    """A text is read as a URI."""
    contact: str | None = None
    auth: "AuthSession | None" = None
    any_size: bool = False
    branch: str = ""
    """The branch of its Via, for an ACK that is sent again; a fresh one if empty, as for everything else."""
    numbers: Numbers | None = None
    """What numbers the request anew when it is sent again with credentials; None where nobody else counts."""
    located: str = ""
    """Of a target that is a hop: the host whose hop it is, for whom credentials have to be; empty leaves it to what the
    request names (RFC 3261 §8.1.2)."""
    fallback: Hop | None = None
    """Where it goes where none of the hops that the target leads to can be reached."""
    prepared: Hop | None = None
    """Where the target leads first, ready for use, so that nobody has to be asked for its local address. That the owner
    wants it to leave from there, by whatever transport, only the target can say."""


class OutgoingRequest:
    """One order that is being carried out: where the request may go still, where it is, and what came of it.

    `request` is as it went out last, save for Via: its credentials and CSeq may not be the first. Either `plan` still
    looks for hops, or `hops` are those that are left; `key` is the client transaction while there is one.
    """

    __slots__ = (
        *("_has_credentials", "_may_be_stale", "_renewed", "_rounds", "_too_large_for"),
        *("answered", "auth_error", "blamed", "cancelled"),
        *("heard", "hop", "hops", "key", "order", "plan", "request"),
    )

    def __init__(self, order: Order, chance: Callable[[], float]) -> None:
        """Take the order, and what `Plan` chooses by. Raises LocalError for a target that nothing here can reach, and
        for what could not be sent once it is reached.
        """
        request, target = order.request, order.target
        if order.branch and request.method != ACK:
            raise LocalError("a transaction chooses its branch itself", section="RFC 3261 §8.1.1.7")
        if order.prepared is not None and (not isinstance(target, Hop) or order.prepared.local is None):
            raise LocalError("what is prepared is a hop with its local address", section="RFC 3261 §18.1.1")
        if order.contact:
            require_safe(order.contact, "the user of a Contact")
        if order.auth is not None:
            require_session(order.auth)
        self.order = order
        self.request = request if request.tail or "Via" not in request.headers else request.without("Via")
        self.hops: list[Hop] = []
        self.plan: Plan | None = None
        if isinstance(target, Hop):
            require_address(target.remote, "to")
            if target.local is not None:
                require_address(target.local, "from")
            if order.prepared is None:
                self.hops.append(target)
        else:
            self.plan = Plan(target_of(target), chance=chance, supported=DEFAULT_SUPPORTED)
        self.hop: Hop | None = None
        self.key: ClientKey | None = None
        self.cancelled = False
        self.heard = False
        """Whether a response has come."""
        self.answered = False
        """Whether the owner has had the final response: what fails from then on is not the request."""
        self.auth_error: AuthError | None = None
        """Why its last challenge was not answered."""
        self.blamed: TransportFailure | None = None
        """Why it fell back: whatever comes of that, this is what was wrong."""
        self._has_credentials = False
        """Whether `request` has the credentials that it needs, and was not sent with them yet."""
        self._may_be_stale = False
        """Whether it is on a connection that had served others before, and nothing has come of it yet."""
        self._rounds: Rounds | None = None
        """What counts its challenges; None before the first."""
        self._renewed = False
        """Whether a new connection was tried for it since the last response."""
        self._too_large_for: SocketAddress | None = None
        """Where TCP was tried since the request is large; if that fails, UDP must do (RFC 3261 §18.1.1)."""

    def for_hop(self, hop: Hop, tokens: Tokens) -> Request:
        """The request as it goes to `hop`, save for Via: with credentials that are known to be wanted there."""
        self.hop = hop
        auth = self.order.auth
        if auth is None or self._has_credentials:
            return self.request
        return auth.prepare(self.request, tokens, located=self._located, address=str(hop.remote))

    @property
    def _located(self) -> str:
        """The host that was looked up for the order; of a hop, the name that was asked for, or what the order says.
        Empty where none is told: whoever chose the hop looked up what the request names.
        """
        target, fallback = self.order.target, self.order.fallback
        if self.blamed is not None and fallback is not None:
            return without_zone(fallback.remote.host)
        if not isinstance(target, Hop):
            return target_of(target).host
        if target.tls_name or self.order.located:
            return target.tls_name or self.order.located
        # Inside a dialog its URI and Routes are what the peer wrote, who may name whom it likes.
        return without_zone(target.remote.host) if self.request.to_tag is not None else ""

    def sent(self, request: Request, key: ClientKey, *, reused: bool) -> None:
        """It went out so, in this client transaction, maybe over a connection that was open before. Credentials count
        their nonce up, so they are made once only.
        """
        self.request, self.key, self._has_credentials = request, key, False
        self._may_be_stale = reused and not self._renewed

    def hear(self) -> None:
        """A response has come: the connection was alive, and the peer has the request."""
        self.heard = True
        self._may_be_stale = self._renewed = False

    def renew(self, failure: TransportFailure) -> None:
        """Have it sent over a new connection, if the peer may have closed the old one before it read the request.

        Servers close connections when they like, many after each answer, and what is sent at that moment is lost. It
        is tried once, over a connection opened for it. That is safe for any method: to a peer that did read it, it is
        the same request again, by Call-ID, CSeq and From tag (RFC 3261 §8.2.2.2), as after a failover (RFC 3263 §4.3).
        """
        hop = self.hop
        ended = failure.reason in (FailureReason.CLOSED, FailureReason.RESET)
        if hop is not None and ended and self._may_be_stale and hop.transport.reliable and not hop.accepted:
            self._renewed = True
            self.hops.insert(0, replace(hop, local=self._chosen_local()))

    def fall_back(self, failure: TransportFailure) -> None:
        """None of its hops has a way that leads there: it goes where it does for want of any, once."""
        fallback = self.order.fallback
        if fallback is not None and self.blamed is None and not self.hops:
            self.blamed = failure
            self.hops.append(fallback)

    def is_too_large(self, hop: Hop) -> bool:
        """Whether what exceeds MAX_DATAGRAM cannot go there: RFC 3261 §18.1.1 wants a congestion-controlled transport
        for it, and UDP if that fails.
        """
        return hop.transport is Transport.UDP and not self.order.any_size and self._too_large_for != hop.remote

    def put_off(self, request: Request, hop: Hop) -> None:
        """Try TCP first with a request that is too large for `hop`."""
        self.request, self._has_credentials = request, True
        self._too_large_for = hop.remote
        why = f"more than {MAX_DATAGRAM} bytes; {hop.why}"
        self.hops[:0] = [Hop(Transport.TCP, hop.remote, self._chosen_local(), tls_name=hop.tls_name, why=why), hop]

    def answer(self, challenge: Response, hop: Hop, tokens: Tokens) -> bool:
        """Take what a 401 or 407 from `hop` asks for into the request; if False, `auth_error` may tell why not."""
        auth, numbers = self.order.auth, self.order.numbers
        if auth is None or self.cancelled:
            return False
        from sipcore.auth.session import AuthError, Rounds  # here, since who has no accounts needs none of it

        rounds = self._rounds = self._rounds or Rounds()
        located, address = self._located, str(hop.remote)
        try:
            request = auth.answer(self.request, challenge, tokens, located=located, address=address, rounds=rounds)
        except AuthError as error:
            self.auth_error = error.kept()
            return False
        if numbers is not None:
            request = request.with_header("CSeq", CSeq(numbers.next(), request.method))
        self.request, self._has_credentials = request, True
        return True

    def _chosen_local(self) -> SocketAddress | None:
        """Where the owner has it leave from, by whatever transport."""
        target = self.order.target
        return SocketAddress(target.local.host, 0) if isinstance(target, Hop) and target.local is not None else None

    def avoid(self, busy: Hop) -> bool:
        """Leave out what is at the address that sent a 503 (RFC 3263 §4.3); whether another hop is left."""
        self.hops = [hop for hop in self.hops if hop.remote != busy.remote]  # nor by another transport
        return bool(self.hops) and not self.cancelled


def is_secured(request: Request) -> bool:
    """Whether a request is to a sips URI, so that its Contact and that of its answer are such, too (RFC 3261 §8.1.1.8,
    §12.1.1).
    """
    uri = request.uri
    return isinstance(uri, SipUri) and uri.is_secure


def contact_for(user: str, hop: Hop | Flow, alias: str = "", *, secure: bool = False) -> Address:
    """The Contact that leads back to the local end of `hop` (RFC 3261 §8.1.1.8), under the name `alias` if it has one;
    a sips URI where it is to be `secure`, and the hop is.

    transport=tls is deprecated (RFC 3261 §26.2.2), but tcp would send the peer to a plain port, and leaving it out to
    UDP; what peers understand is tls. WebSockets, secure or not, are ws (RFC 7118 §5.2).
    """
    if hop.local is None:
        raise LocalError("a hop without a local address", section="RFC 3261 §8.1.1.8")
    host, port = (alias, None) if alias else (without_zone(hop.local.host), hop.local.port)
    name = Transport.WS if hop.transport.websocket else hop.transport
    transport = () if name is Transport.UDP else (("transport", name.value.lower()),)
    scheme = "sips" if secure and hop.transport.secure else "sip"
    return Address(SipUri(f"[{host}]" if ":" in host else host, user or None, port, Params(transport), scheme))


def target_of(given: Uri | str) -> Target:
    """What to locate for a URI (RFC 3263 §4): maddr before host, the transport parameter, secure for sips.

    Raises LocalError for a text that is no URI, for a scheme that is neither sip nor sips, for a transport nobody here
    knows, for port 0, and for an address with a zone, which no URI has (RFC 3261 §25.1): a hop may.
    """
    uri = uri_given(given)
    if not isinstance(uri, SipUri):
        raise LocalError(
            f"a {uri.scheme} URI does not say where to send to; give a SIP server", section="RFC 3261 §8.1.2"
        )
    name = (uri.transport or "").upper()
    if name and not is_transport(name):
        raise LocalError(f"transport {name.lower()} is not supported", section="RFC 3263 §4.1")
    if uri.port == 0:
        raise LocalError("port 0 is no port; name another, or none for the usual one", section="RFC 6335 §6")
    host = (uri.params.get("maddr") or uri.host).strip("[]").replace(":::", "::")
    if has_zone(host):
        shown = quoted(host[:EXCERPT_CHARACTERS])
        raise LocalError(f"{shown}: an address in a URI has no zone; give a hop instead", section="RFC 3261 §25.1")
    return Target(host.rstrip("."), uri.port, Transport[name] if name else None, uri.is_secure)


def require_address(address: SocketAddress, way: str) -> None:
    """Raises LocalError for what an owner gave as an address, and no socket can take."""
    if not is_numeric(address.host):
        text = f"a hop leads {way} an IP address, and {quoted(address.host)} is none; have the name located"
        raise LocalError(text, section="RFC 3263 §4")
    if not 0 <= address.port <= MAX_PORT:
        raise LocalError(f"a hop leads {way} port {address.port}, and ports end at {MAX_PORT}", section="RFC 6335 §6")


def require_session(auth: object) -> None:
    """Raises LocalError for what answers no challenges, an Account as a rule: it would fail by the first hop."""
    from sipcore.auth.session import AuthSession  # here, since who has no accounts needs none of it

    require_kind(auth, AuthSession, "AuthSession(account)", section="RFC 3261 §22.2")


@value
class Course:
    """Where requests inside a dialog go that have one next hop, while the dialog was heard of over this flow."""

    flow: Flow | None
    target: Uri | Hop
    fallback: Hop | None
    prepared: Hop | None
    """The target where it needs no preparation: a flow of datagrams is always there, a connection may be gone."""


def course_along(flow: Flow | None, next_hop: Uri) -> Course:
    """Where a request inside a dialog goes: along the dialog's flow, or elsewhere, and back to the flow at worst."""
    target = target_along(flow, next_hop)
    prepared = target if isinstance(target, Hop) and not target.transport.reliable else None
    return Course(flow, target, fallback_of(flow, target), prepared)


def target_along(flow: Flow | None, next_hop: Uri) -> Uri | Hop:
    """Where a request inside a dialog goes: along the dialog's own flow when that leads to the next hop anyway.

    A WebSocket is the only way to and from its client, whatever the next hop is called (RFC 7118 appendix B). An
    address that is no host's, as 0.0.0.0 of programs that do not know their own, leads to this machine, or to a group.
    """
    if flow is None or not isinstance(next_hop, SipUri):
        return next_hop
    if flow.transport.websocket:
        return flow.hop
    host = SocketAddress(next_hop.address, 0).host  # in its one spelling
    if is_numeric(host) and not is_host_address(host):
        return fallback_of(flow, next_hop) or next_hop
    remote, port = flow.remote, next_hop.port or flow.transport.default_port
    if port != remote.port or host != without_zone(remote.host):
        return next_hop
    named = next_hop.transport
    return flow.hop if not named or named.upper() == flow.transport.value else next_hop


def fallback_of(flow: Flow | None, target: Uri | Hop) -> Hop | None:
    """Where a request inside a dialog goes if its target cannot be reached: where the dialog came from, unless it is to
    be safe on its way there, and would not be (RFC 3261 §26.2.2).

    Peers write into Contact what leads nowhere: a name of their own network, a port behind a firewall, an address for
    which they have no certificate.
    """
    if flow is None or not isinstance(target, SipUri):
        return None
    is_secure = target.is_secure or (target.transport or "").upper() == Transport.TLS.value
    return flow.hop if flow.transport.secure or not is_secure else None
