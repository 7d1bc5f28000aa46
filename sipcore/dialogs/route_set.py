"""Where a request inside a dialog goes: RFC 3261 §12.2.1.1, loose and strict routers (§16.12.1.2)."""

from collections.abc import Callable

from sipcore.message.address import Address
from sipcore.message.build import Letterhead
from sipcore.message.uri import Place, SipUri, Uri
from sipcore.value import value

Ends = tuple[Uri, tuple[Address, ...]]
"""A remote target and a route set (RFC 3261 §12)."""


@value
class Routing:
    """What a remote target and a route set make of a request: its Request-URI, its Routes, and whose hop is next."""

    request_uri: Uri
    routes: tuple[Address, ...]
    next_hop: Uri


def routing_for(target: Uri, route_set: tuple[Address, ...]) -> Routing:
    """Route a request for `target` through `route_set` (RFC 3261 §12.2.1.1).

    A loose router (lr) leaves the target in the Request-URI. A strict one takes the Request-URI's place, and the
    target goes to the end of Route.
    """
    shown = _fitted(target)
    if not route_set:
        return Routing(shown, (), shown)
    first = route_set[0].uri
    if not isinstance(first, SipUri) or first.is_loose_router:
        return Routing(shown, route_set, first)
    router = _fitted(first)
    return Routing(router, (*route_set[1:], Address(target)), router)


class Way:
    """Where the requests of one dialog go. What tells it is read with the first of them, and most early dialogs never
    send one; it is kept as what it makes of each.
    """

    __slots__ = ("_ends", "_letterhead", "_routing")

    def __init__(self, ends: Ends | Callable[[], Ends]) -> None:
        """Take the remote target and the route set, or what finds them; it is asked once, and then let go."""
        self._ends = ends
        self._routing: Routing | None = None
        self._letterhead: Letterhead | None = None

    @property
    def ends(self) -> Ends:
        """The remote target and the route set."""
        if not isinstance(self._ends, tuple):
            self._ends = self._ends()
        return self._ends

    @property
    def routing(self) -> Routing:
        """What they make of each request."""
        if self._routing is None:
            self._routing = routing_for(*self.ends)
        return self._routing

    def letterhead(self, local: Address, remote: Address, call_id: str) -> Letterhead:
        """What all requests of the dialog have in common while they go this way; its own part is always the same."""
        if self._letterhead is None:
            routing = self.routing
            self._letterhead = Letterhead(routing.request_uri, local, remote, call_id, route=routing.routes)
        return self._letterhead


def _fitted(uri: Uri) -> Uri:
    """The URI without what a Request-URI must not have (RFC 3261 §12.2.1.1, §19.1.1)."""
    return uri.fitted_to(Place.REQUEST_URI) if isinstance(uri, SipUri) else uri
