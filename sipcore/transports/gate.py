"""The gate before all addresses that something is about to be sent or connected to, whatever named them.

It stands where nothing can go around it: in front of the sockets, behind DNS. A name may lead elsewhere between two
lookups, and a peer may name any address in Contact, Record-Route, a redirect or a session description.
"""

import trio

from sipcore.errors import NotAllowed, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import Refusal, route_host

LIFETIME = 1.0
"""Seconds for which an address is not judged again: whether it is one of this machine may change."""
MAX_JUDGED = 4096
"""Addresses whose judgement is remembered; forgotten all at once beyond that."""


class Gate:
    """Lets through what `refusal` has nothing against."""

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal
        self._judged: dict[SocketAddress, tuple[str, float]] = {}

    def why_not(self, remote: SocketAddress) -> str:
        """Why an address must not be reached; empty where it may be. Nothing is sent to find that out."""
        now = trio.current_time()
        known = self._judged.get(remote)
        if known is None or now >= known[1]:
            if len(self._judged) >= MAX_JUDGED:
                self._judged.clear()
            known = self._judged[remote] = (self._why(remote), now + LIFETIME)
        return known[0]

    def require(self, hop: Hop) -> None:
        """Raises NotAllowed for a hop to an address that must not be reached."""
        why = self.why_not(hop.remote)
        if why:
            raise NotAllowed(str(hop), why)

    def require_datagram(self, remote: SocketAddress) -> None:
        """The same for one datagram more, whose sender expects failures alone: raises TransportFailure."""
        try:
            self.require(Hop(Transport.UDP, remote))
        except NotAllowed as error:
            raise error.as_failure() from error

    def _why(self, remote: SocketAddress) -> str:
        return self._refusal(remote, False) or self._refusal(remote, _is_own(remote))


def gate_of(refusal: Refusal | None) -> Gate | None:
    """The gate that a configuration asks for; None where every address may be reached, which costs nothing then."""
    return Gate(refusal) if refusal is not None else None


def _is_own(remote: SocketAddress) -> bool:
    """Whether an address is one of this machine: what is sent to those leaves from the very address."""
    try:
        return route_host(Hop(Transport.UDP, remote)) == remote.host or remote.is_loopback
    except TransportFailure:
        return False
