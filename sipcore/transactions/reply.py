"""Where responses go: RFC 3261 §18.2.1 and §18.2.2, with RFC 3581 §4.

They go to where the request came from, whatever its Via claims: a `received` that the client wrote itself, or an
`rport` with a value, is replaced, so nobody is made to send responses to a third party. The exception is `maddr`,
which RFC 3261 §18.2.2 wants obeyed, and which is not by who may not be made to.
"""

from ipaddress import ip_address

from sipcore.message.fields.via import Via
from sipcore.message.message import Request, Response
from sipcore.resolve.target import DEFAULT_PORT, Flow, Hop, SocketAddress, is_host_address, is_numeric, without_zone


def stamped(request: Request, flow: Flow) -> Request:
    """The request with `received` and `rport` in its topmost Via, where they are called for.

    That is `received` when sent-by is not the address it came from (RFC 3261 §18.2.1), and both when the client asked
    for `rport` (RFC 3581 §4). Raises ParseError where the topmost Via cannot be read.
    """
    via = request.via
    source = without_zone(flow.remote.host)
    asked = via.wants_rport
    if not asked and via.received is None and _same_address(via.host, source):
        return request
    params = via.params.replace("received", source)
    params = params.replace("rport", str(flow.remote.port)) if asked else params
    return request.with_stamped(Via(via.transport, via.host, via.port, params, via.name, via.version))


def reply_to(via: Via, flow: Flow, *, obeys_maddr: bool = True) -> Flow | Hop:
    """Where the responses to a request go that has `via` on top and came over `flow` (RFC 3261 §18.2.2).

    A `maddr` that is a name, or an address that the flow's socket cannot send to, is treated as absent. So is one that
    is no host's: it would have this machine answer itself, or a group, where it has joined none to be asked as one.
    """
    if flow.transport.reliable:
        return flow
    maddr = (via.params.get("maddr") or "").strip("[]")
    port = DEFAULT_PORT if via.port is None else via.port
    if obeys_maddr and maddr and "%" not in maddr and is_numeric(maddr):
        place = SocketAddress(maddr, port)
        if place.is_ipv6 == flow.remote.is_ipv6 and is_host_address(place.host):
            return Hop(flow.transport, place, flow.local, why="maddr of the request's Via")
    if via.wants_rport or port == flow.remote.port:
        return flow  # RFC 3581 §4: to the source port, from the address and port that the request was received on
    why = "the request's source, and the port of its Via"
    return Hop(flow.transport, SocketAddress(flow.remote.host, port), flow.local, why=why)


def reply_anew(response: Response, gone: Flow) -> Hop | None:
    """Where a response goes whose connection is gone: by a new one, to the port of its Via (RFC 3261 §18.2.2).

    None for datagrams, which have no connection, and for WebSockets, whose clients nobody can connect to (RFC 7118
    §5). Raises ParseError where the topmost Via cannot be read.
    """
    if not gone.transport.reliable or gone.transport.websocket:
        return None
    via = response.via
    port = gone.transport.default_port if via.port is None else via.port
    name = via.host.strip("[]") if gone.transport.secure else None
    why = "the request's source, and the port of its Via, since its connection is gone"
    return Hop(gone.transport, SocketAddress(gone.remote.host, port), gone.local, name, why)


def _same_address(host: str, source: str) -> bool:
    """Whether a Via's host is the address `source`: a name never is, and IPv6 has several spellings."""
    bare = host.strip("[]")
    if ":" not in bare or bare == source:
        return bare == source
    return is_numeric(bare) and ip_address(bare) == ip_address(source)
