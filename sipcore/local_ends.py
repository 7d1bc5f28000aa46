"""How the local ends of hops and flows are named in requests: in Via and Contact."""

from dataclasses import replace

from sipcore.message.address import Address
from sipcore.message.build import Ends
from sipcore.message.message import Request
from sipcore.outgoing import contact_for, is_secured
from sipcore.resolve.target import NOBODYS, Flow, Hop, SocketAddress, Transport, without_zone
from sipcore.tokens import Tokens

MAX_ENDS = 256
"""Local addresses whose Via and Contact are remembered; each connection has one of its own. Forgotten all at once."""


class LocalEnds:
    """The names of one stack's local ends: made once for each address, and then remembered."""

    def __init__(self, tokens: Tokens) -> None:
        """Take where the name of a WebSocket's local end comes from."""
        self._tokens = tokens
        self._alias = ""
        self._known: dict[tuple[Transport, str, int, bool, str | None, bool], Ends] = {}
        self._listening: dict[tuple[Transport, str], int] = {}
        self._last: tuple[Hop | Flow | None, str | None, bool, Ends | None] = (None, None, False, None)
        """What was asked for last: whoever asks one peer again and again has one hop for all of it."""

    def listen(self, transport: Transport, at: SocketAddress) -> None:
        """Peers can connect to `at`; of several ports at one host the first is told."""
        self._listening.setdefault((transport, at.host), at.port)
        self._last = (None, None, False, None)

    def told(self, end: Hop | Flow) -> SocketAddress:
        """The local address of a flow, or prepared hop, that peers are told: where they can connect to.

        A connection that was opened here leaves by a port where nobody listens. Its peer has to find this side once
        it is gone, or where it uses no connections that others have opened (RFC 3261 §18.1.1, §18.2.2).
        """
        local = end.local
        assert local is not None  # noqa: S101  # it is prepared
        if not self._listening or end.accepted or not end.transport.reliable:
            return local
        places = ((end.transport, host) for host in (local.host, NOBODYS[local.is_ipv6]))
        port = next((self._listening[place] for place in places if place in self._listening), local.port)
        return SocketAddress(local.host, port)

    def of(self, hop: Hop | Flow, user: str | None, *, secure: bool) -> Ends:
        """How to name the local end of `hop`, which is there: with a Contact if there is a `user` to be reached there.

        `secure` is whether the request is to a sips URI.
        """
        last_hop, last_user, last_secure, last = self._last
        if last is not None and hop is last_hop and user == last_user and secure is last_secure:
            return last
        local = self.told(hop)
        place = (hop.transport, local.host, local.port, hop.accepted, user, secure)
        ends = self._known.get(place)
        if ends is None:
            alias = self._alias_for(hop)
            contact = None if user is None else contact_for(user, replace(hop, local=local), alias, secure=secure)
            host, port = (alias, None) if alias else (without_zone(local.host), local.port)
            if len(self._known) >= MAX_ENDS:
                self._known.clear()
            ends = self._known[place] = Ends(hop.transport.value, host, port, contact)
        self._last = (hop, user, secure, ends)
        return ends

    def contact(self, user: str, flow: Flow, request: Request) -> Address:
        """The Contact of whoever can be reached at the local end of `flow`, as `request` has it over that."""
        contact = self.of(flow, user, secure=is_secured(request)).contact
        assert contact is not None  # noqa: S101  # since there is a user
        return contact

    def _alias_for(self, hop: Hop | Flow) -> str:
        """The name of the local end of a WebSocket that was opened here, always the same; empty for everything else.

        Nobody can connect to a client of WebSockets, so its name is one that leads nowhere, and what is for it comes
        along its connection (RFC 7118 §8.1 and appendix B.1). A server has an address.
        """
        if not hop.transport.websocket or hop.accepted:
            return ""
        self._alias = self._alias or f"{self._tokens.tag()}.invalid"
        return self._alias
