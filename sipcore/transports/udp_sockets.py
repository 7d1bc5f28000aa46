"""The UDP sockets of one endpoint: which of them a datagram leaves by, and from which local address. RFC 3261 §18.1."""

import math
from contextlib import ExitStack

import trio

from sipcore.resolve.target import Flow, Hop, SocketAddress
from sipcore.transports.ancillary import short_of_buffer
from sipcore.transports.base import (
    WILDCARD_IPV4,
    WILDCARD_IPV6,
    Sink,
    closed,
    failure_of,
    route_host,
    with_local,
)
from sipcore.transports.gate import Gate
from sipcore.transports.udp import UdpSocket

ROUTE_LIFETIME = 1.0
"""Seconds for which the kernel is not asked again which local address leads to a host: asking costs as much as a
whole transaction, and a route that has changed is noticed soon enough."""
MAX_ROUTES = 4096
"""Hosts whose local address is remembered; forgotten all at once beyond that."""


class UdpSockets:
    """Those that are bound from the start, and those that hops and flows ask for."""

    def __init__(
        self, sink: Sink, nursery: trio.Nursery, sockets: ExitStack, receive_buffer: int, gate: Gate | None = None
    ) -> None:
        """Work them in `nursery`, and leave it to `sockets` to close them once that has ended."""
        self._gate = gate
        self._sink = sink
        self._nursery = nursery
        self._sockets = sockets
        self._receive_buffer = receive_buffer
        self._by_local: dict[tuple[str, int], UdpSocket] = {}
        """By host and port, whose hash is there in a fifth of the time that an address's takes."""
        self._routes: dict[str, tuple[SocketAddress, float]] = {}
        self._clock = trio.lowlevel.current_clock().current_time  # without looking up whose clock it is each time
        self._last: tuple[Hop, float, Hop] | None = None
        """The hop that was prepared last, until when it is so, and how it is then."""
        self._closed = False
        self.opened: list[UdpSocket] = []
        """All of them, in the order in which they were bound."""

    @property
    def dropped(self) -> int:
        """Datagrams that were lost because the kernel's receive buffers were full (Linux only)."""
        return sum(sock.dropped for sock in self.opened)

    @property
    def short_of_buffer(self) -> str:
        """What to change where the kernel grants a socket less than was asked for; "" where none has less."""
        granted = min((sock.receive_buffer for sock in self.opened), default=math.inf)
        return short_of_buffer(self._receive_buffer, granted)

    def close(self) -> None:
        """Bind nothing more."""
        self._closed = True

    def bind(self, address: SocketAddress) -> UdpSocket:
        """One more. Raises OSError as the kernel does, LocalError once they are closed."""
        if self._closed:
            raise closed()
        sock = UdpSocket(address, self._receive_buffer, self._sink, keep_alives=True)
        self._sockets.callback(sock.close)
        self.opened.append(sock)
        self._by_local[sock.local.host, sock.local.port] = sock
        self._last = None
        self._routes.clear()  # the new one may be better than what was chosen
        self._nursery.start_soon(sock.run)
        return sock

    def send(self, where: Hop | Flow, data: bytes) -> float:
        """Send one datagram; returns when it left. Raises TransportFailure when the kernel refuses.

        A flow is where something came from, which may be answered; a hop passes the gate.
        """
        if self._gate is not None and isinstance(where, Hop):
            self._gate.require_datagram(where.remote)
        local = where.local
        sock = self._by_local.get((local.host, local.port)) if local is not None else None
        if sock is None:
            local = self.local_of(where)
            sock = self._by_local[local.host, local.port]
        return sock.send(data, where.remote, local)

    def ping(self, flow: Flow) -> None:
        """Ask the other end of a flow whether it is alive; see `UdpSocket.ping`."""
        local = self.local_of(flow)
        self._by_local[local.host, local.port].ping(flow)

    def known(self, hop: Hop) -> Hop | None:
        """The hop as it was prepared last, and is still: who asks one peer again and again has the same one each time.

        None for any other.
        """
        last = self._last
        return last[2] if last is not None and hop is last[0] and self._clock() < last[1] else None

    def prepared(self, hop: Hop) -> Hop:
        """The hop with its local end as `local_of` has it."""
        local = self.local_of(hop)
        if local is hop.local:
            return hop
        ready = with_local(hop, local)
        if hop.local is None:
            self._last = (hop, self._routes[hop.remote.host][1], ready)
        return ready

    def local_of(self, where: Hop | Flow) -> SocketAddress:
        """The local address to send a datagram from: the one that it names, or the one that the kernel routes from.

        A socket is bound where there is none yet. Raises TransportFailure when there is no route, or no socket.
        """
        local = where.local
        if local is not None:
            return local if (local.host, local.port) in self._by_local else self._from(local.host, local.port)
        now, remote = self._clock(), where.remote.host
        known = self._routes.get(remote)
        if known is None or now >= known[1]:
            route = self._from(route_host(where), 0)
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            known = self._routes[remote] = (route, now + ROUTE_LIFETIME)
        return known[0]

    def _from(self, host: str, port: int) -> SocketAddress:
        """The address, with the port of its socket, that datagrams are sent from when they are to leave from `host`."""
        sock = self._socket_for(host, port)
        if not sock.wildcard:
            return sock.local
        local = SocketAddress(host, sock.local.port)
        self._by_local[local.host, local.port] = sock
        return local

    def _socket_for(self, host: str, port: int) -> UdpSocket:
        """The socket that sends from `host`: one bound to it, to no address, to another one, or a new one."""
        wanted = SocketAddress(host, port)
        family = [sock for sock in self.opened if sock.local.is_ipv6 == wanted.is_ipv6]
        candidates = [sock for sock in family if port in (0, sock.local.port)] or family
        for sock in candidates:
            if sock.local.host == host:
                return sock
        for sock in candidates:
            if sock.wildcard:
                return sock
        for sock in candidates:
            # A socket of the user's choice, even if the kernel would have chosen otherwise: but one of the loopback
            # reaches nothing outside of this machine, and one of outside nothing on it.
            if sock.local.is_loopback == wanted.is_loopback:
                return sock
        try:
            return self.bind(SocketAddress(WILDCARD_IPV6 if wanted.is_ipv6 else WILDCARD_IPV4, 0))
        except OSError as error:  # no descriptor is left, or there is no IPv6
            raise failure_of(error, f"udp from {host}") from error
