"""How the local ends of hops and flows are named in requests: in Via and Contact."""

from sipcore.message.address import Address
from sipcore.message.build import Ends
from sipcore.message.message import Request
from sipcore.outgoing import contact_for, is_secured
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport, without_zone
from sipcore.tokens import Tokens

MAX_ENDS = 256
"""Local addresses whose Via and Contact are remembered; each connection has one of its own. Forgotten all at once."""


class LocalEnds:
    """The names of one stack's local ends: made once for each address, and then remembered."""

    def __init__(self, tokens: Tokens) -> None:
        """Take where the name of a WebSocket's local end comes from."""
        self._tokens = tokens
        self._alias = ""
        self._known: dict[tuple[Transport, str, int, str | None, bool], Ends] = {}

    def of(self, hop: Hop | Flow, local: SocketAddress, user: str | None, *, secure: bool) -> Ends:
        """How to name the end of `hop` at `local`: with a Contact if there is a `user` to be reached there.

        `secure` is whether the request is to a sips URI.
        """
        place = (hop.transport, local.host, local.port, user, secure)
        ends = self._known.get(place)
        if ends is None:
            alias = self._alias_for(hop)
            contact = None if user is None else contact_for(user, hop, alias, secure=secure)
            host, port = (alias, None) if alias else (without_zone(local.host), local.port)
            if len(self._known) >= MAX_ENDS:
                self._known.clear()
            ends = self._known[place] = Ends(hop.transport.value, host, port, contact)
        return ends

    def contact(self, user: str, flow: Flow, request: Request) -> Address:
        """The Contact of whoever can be reached at the local end of `flow`, as `request` has it over that."""
        contact = self.of(flow, flow.local, user, secure=is_secured(request)).contact
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
