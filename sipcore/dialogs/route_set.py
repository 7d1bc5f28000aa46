"""Where a request inside a dialog goes: RFC 3261 §12.2.1.1, loose and strict routers (§16.12.1.2)."""

from sipcore.message.address import Address
from sipcore.message.uri import Place, SipUri, Uri
from sipcore.value import value


@value
class Routing:
    """The Request-URI, the Route values, and the URI whose hop is next."""

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


def _fitted(uri: Uri) -> Uri:
    """The URI without what a Request-URI must not have (RFC 3261 §12.2.1.1, §19.1.1)."""
    return uri.fitted_to(Place.REQUEST_URI) if isinstance(uri, SipUri) else uri
