"""All sockets of one endpoint behind one object: RFC 3261 §18.

`open_transports` is the only way in, and leaving it closes every socket. Sending is immediate, receiving is a call of
the sink; what has to wait is `prepare`, which finds out, or makes, what a hop needs before something can be sent to it.
"""

import functools
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from sipcore.errors import FailureReason, LocalError, NotAllowed, SipError, TransportFailure, own_fault
from sipcore.message.framing import Unfinished
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport, has_zone
from sipcore.trace import FlowTrace
from sipcore.transports import tcp
from sipcore.transports.base import (
    EXHAUSTED,
    REFUSALS,
    Sink,
    TransportConfig,
    closed,
    failure_of,
    numbered,
    route_host,
    socket_address,
    was_closed,
    with_local,
)
from sipcore.transports.gate import Gate, gate_of
from sipcore.transports.handshake import Handshakes, Layers
from sipcore.transports.shelter import open_shelter
from sipcore.transports.tapped import TappedSocket
from sipcore.transports.udp_sockets import UdpSockets
from sipcore.value import value

if TYPE_CHECKING:
    from sipcore.transports.tls_engine import TlsSession

ACCEPT_PAUSE = 0.1
"""Seconds before accepting again when the process has no descriptor left: one may be free then."""
MAX_ENDED = 256
"""Connections that have ended and of which it is remembered what their TLS agreed on and showed, some 10 kB each, and
what came of a message that had no end."""
TOO_MANY_CONNECTIONS = "closed here: peers hold as many as max_connections allows"
FEW_DESCRIPTORS = "closed here: most descriptors of this process are in use, raise its limit of open files"
UDP = Transport.UDP
"""Under a name of its own, since reading a member from its Enum takes CPython 3.11 0.2 µs."""
_PeerKey = tuple[Transport, SocketAddress, str | None, str]
_TargetKey = tuple[_PeerKey, str | None]
_AddressKey = tuple[Transport, SocketAddress, SocketAddress]


@asynccontextmanager
async def open_transports(config: TransportConfig, sink: Sink) -> AsyncIterator["Transports"]:
    """Open the transports that `config` names and work them until the block ends; then close all of them.

    They go on working while the block is cancelled. Raises LocalError when an address cannot be bound.
    """
    failure: Exception | None = None
    with ExitStack() as sockets:  # closed when no task waits on them any more
        async with open_shelter() as nursery:
            transports = Transports(config, sink, nursery, sockets)
            try:
                for transport, address in config.bind:
                    transports.bind(transport, address)
                yield transports
            except Exception as error:  # noqa: BLE001  # carried past the nursery, which would wrap it in a group
                failure = error
            finally:
                transports.close_all()
    if failure is not None:
        raise failure


class Transports:
    """The sockets of one endpoint. Made by `open_transports`."""

    def __init__(self, config: TransportConfig, sink: Sink, nursery: trio.Nursery, sockets: ExitStack) -> None:
        self.config = config
        self._sink = sink
        self._nursery = nursery
        self._sockets = sockets
        self._gate = gate_of(config.refusal)
        self._udp = UdpSockets(sink, nursery, sockets, config.receive_buffer, self._gate)
        self._listeners: list[tuple[Transport, SocketAddress]] = []
        self._by_target: dict[_TargetKey, tcp.Connection] = {}
        self._by_addresses: dict[_AddressKey, tcp.Connection] = {}
        self._openings: dict[_TargetKey, _Opening] = {}
        self._ended: dict[Flow, _Ended] = {}
        self._accepted = 0
        self._closed = False
        self._serials = itertools.count(1)
        self._handshakes = Handshakes(config)

    # Where to receive

    def bind(self, transport: Transport, address: SocketAddress) -> SocketAddress:
        """Receive at `address`: bind a UDP socket, or listen. Port 0 takes a free one.

        Returns the address with its real port. Raises LocalError when the kernel does not give it (RFC 3261 §18.2.1),
        or when TLS is to be served without a certificate.
        """
        self._require_open()
        self._handshakes.check_server(transport)
        try:
            if transport is Transport.UDP:
                return self._udp.bind(address).local
            listener = self._sockets.enter_context(tcp.listen(address))
        except OSError as error:
            text = f"cannot receive at {transport.value.lower()} {address}: {error.strerror or error}"
            raise LocalError(text, section="RFC 3261 §18.2.1") from error
        local = socket_address(listener.getsockname())
        self._listeners.append((transport, local))
        self._sink.listening(transport, local)
        self._nursery.start_soon(self._accept, transport, listener)
        return local

    def local_address(self, transport: Transport, *, ipv6: bool = False) -> SocketAddress | None:
        """The first address of a family that messages are received at, a wildcard as it is; None if there is none."""
        bound = [(Transport.UDP, sock.local) for sock in self._udp.opened] + self._listeners
        return next((local for kind, local in bound if kind is transport and local.is_ipv6 == ipv6), None)

    @property
    def dropped(self) -> int:
        """Datagrams that were lost because the kernel's receive buffers were full (Linux only)."""
        return self._udp.dropped

    @property
    def short_of_buffer(self) -> str:
        """What to change where the kernel grants a UDP socket less than `TransportConfig.receive_buffer`, so that
        datagrams are `dropped` sooner; "" where none has less.
        """
        return self._udp.short_of_buffer

    def close_all(self) -> None:
        """Open nothing more: the block has ended, and every socket is about to be closed."""
        self._closed = True
        self._udp.close()

    def _require_open(self) -> None:
        if self._closed:
            raise closed()

    # What a hop needs

    def prepared(self, hop: Hop) -> Hop | None:
        """The hop with `local` filled in, if nothing has to be waited for: it is UDP, or its connection is open.

        Its zones, if it has any, are then those that flows have. Raises TransportFailure when the kernel has no route
        to it, NotAllowed for an address that must not be reached, LocalError after the block.
        """
        self._require_open()
        if self._gate is None and (ready := self._udp.known(hop)) is not None:
            return ready
        hop = _numbered(hop)
        if hop.transport is UDP:
            if self._gate is not None:
                self._admit(hop, self._gate)
            return self._udp.prepared(hop)
        connection = self._find(hop)
        return with_local(hop, connection.flow.local) if connection is not None else None

    def _admit(self, hop: Hop, gate: Gate) -> None:
        """Raises NotAllowed for a hop that the gate does not let through, and tells of it."""
        try:
            gate.require(hop)
        except NotAllowed as error:
            self._trace(hop, "failed", error.told)
            raise

    async def prepare(self, hop: Hop) -> Hop:
        """Make ready to send to `hop`; returns it with `local`, the address that the kernel sends from.

        For UDP that is the address the kernel routes from and the port of the bound socket; a socket is bound where
        there is none yet. For streams the connection is opened, or the open one to the same transport, address, name
        and path reused; when several wait for one connection, one is opened. A `local` that the hop has already is
        kept: its host is where datagrams and connections leave from. Whoever has none gets what the kernel chooses,
        and no connection from where somebody else wants it to be. Raises TransportFailure, also where the connection
        has failed again by the time that this task has its turn, NotAllowed for an address that must not be reached,
        and LocalError when the configuration of TLS or WebSocket is unusable.
        """
        ready = self.prepared(hop)
        if ready is not None:
            return ready
        hop = _numbered(hop)
        key = self._key(hop)
        opening = self._openings.get(key)
        if opening is None:
            opening = self._openings[key] = _Opening()
            self._nursery.start_soon(self._open, hop, key, opening)
        await opening.done.wait()
        connection = opening.connection
        try:
            if connection is None:
                raise opening.failure
            connection.check()
            return with_local(hop, connection.flow.local)
        finally:
            del opening, connection  # which the traceback of a failure leads to

    # Sending

    def send(self, where: Hop | Flow, data: bytes) -> float:
        """Send one message, now or as soon as the connection takes it; returns the time of a datagram, or of queueing.

        A hop is to be prepared first; a flow is sent back over. Raises TransportFailure at once when the connection
        is gone or the kernel refuses; what fails later is told to the sink. The sink's `unreachable` may be called from
        within, for what was sent before.
        """
        if where.transport is UDP:
            return self._udp.send(where, data)
        self._connection(where).send(data)
        return trio.current_time()

    def ping(self, flow: Flow) -> None:
        """Send a keep-alive. A connection fails when it is unanswered for 10 s (RFC 5626 §4.4.1), a flow of datagrams
        after 40 s, and when the peer sees this side at another address than before (§4.4.2).
        """
        if flow.transport is Transport.UDP:
            self._udp.ping(flow)
        else:
            self._connection(flow).ping()

    def close(self, where: Hop | Flow) -> None:
        """Close a connection in order; nothing for UDP, or when it is gone. The sink is not told."""
        connection = self._find(where)
        if connection is not None:
            connection.close()

    def tls_session(self, where: Hop | Flow) -> "TlsSession | None":
        """What the TLS handshake of a connection agreed on and showed; None without TLS.

        When the connection has ended it is still known, until MAX_ENDED others have: a peer that closes in place of
        answering has shown who it is all the same.
        """
        connection = self._find(where)
        if connection is not None:
            return _session_of(connection)
        ended = self._find_ended(where)
        return ended.session if ended is not None else None

    def unfinished(self, where: Hop | Flow) -> Unfinished | None:
        """The message that the peer has begun on a connection and not ended; still known for as many that have ended
        as their TLS is.
        """
        found = self._find(where) or self._find_ended(where)
        return found.unfinished if found is not None else None

    # Connections

    def _find_ended(self, where: Hop | Flow) -> "_Ended | None":
        """What is remembered of the connection that was the flow, or of the last that led to the hop."""
        if isinstance(where, Flow):
            return self._ended.get(where)
        peer, host = self._key(where)
        for flow in reversed(self._ended):
            if self._key(flow.hop)[0] == peer and host in (None, flow.local.host):
                return self._ended[flow]
        return None

    def _find(self, where: Hop | Flow) -> tcp.Connection | None:
        """The usable connection that is the flow, or that leads to the hop."""
        local = where.local
        connection = None if local is None else self._by_addresses.get((where.transport, local, where.remote))
        if isinstance(where, Flow):
            found = connection is not None and connection.flow.serial == where.serial
        else:
            found = connection is not None and self._leads_to(connection, where)
            if not found:
                connection, found = self._by_target.get(self._key(where)), True
        return connection if found and connection is not None and connection.usable else None

    def _leads_to(self, connection: tcp.Connection, hop: Hop) -> bool:
        """Whether a connection between the addresses of a hop is the one that it means."""
        opened = connection.hop
        return hop.tls_name in (None, opened.tls_name) and (not hop.path or self._key(hop) == self._key(opened))

    def _key(self, hop: Hop) -> _TargetKey:
        """What makes one connection do for two hops: the local host among it, None where nobody has chosen one."""
        path = hop.path or self.config.ws.path if hop.transport.websocket else ""
        return (hop.transport, hop.remote, hop.tls_name, path), hop.local.host if hop.local is not None else None

    def _connection(self, where: Hop | Flow) -> tcp.Connection:
        connection = self._find(where)
        if connection is None:
            text = f"{where.transport.value.lower()} {where.remote}: the connection is gone"
            raise TransportFailure(FailureReason.CLOSED, text)
        return connection

    async def _open(self, hop: Hop, key: _TargetKey, opening: "_Opening") -> None:
        """Open a connection for all who wait for it, and then work it."""
        connection = None
        try:
            connection = opening.connection = await self._connect(hop)
        except (SipError, *REFUSALS) as error:
            failure = error if isinstance(error, SipError) else failure_of(error, hop)
            self._trace(hop, "failed", error.told if isinstance(error, NotAllowed) else failure.message)
            opening.failure = failure.kept()
        except Exception as error:  # noqa: BLE001  # see Sink.fault
            self._sink.fault(error, str(hop))
            opening.failure = own_fault()
        finally:
            del self._openings[key]
            opening.done.set()
        if connection is not None:
            self._by_target[key] = connection
            peer, host = self._key(connection.hop)
            self._by_target.setdefault((peer, host), connection)  # for whoever wants what was chosen
            if hop.local is not None and _is_kernels_choice(connection.flow):
                self._by_target.setdefault((peer, None), connection)  # for whoever does not choose
            try:
                await self._work(connection)
            finally:
                if self._by_target.get(key) is connection:  # a wildcard, which is no connection's own address
                    del self._by_target[key]

    async def _connect(self, hop: Hop) -> tcp.Connection:
        """Connect, and once more in full where a peer fails a handshake that would have resumed a session."""
        deadline = trio.current_time() + self.config.connect_timeout
        layers = self._handshakes.client(hop)
        try:
            return await self._connect_with(layers, hop, deadline)
        except TransportFailure as failure:
            if not layers.failed_to_resume(failure) or trio.current_time() >= deadline:
                raise
            self._trace(hop, "failed", f"resuming the TLS session: {failure.message}")
        return await self._connect_with(self._handshakes.client(hop), hop, deadline)

    async def _connect_with(self, layers: Layers, hop: Hop, deadline: float) -> tcp.Connection:
        with trio.move_on_at(deadline):
            sock = await tcp.open_socket(hop, self._gate)
            self._trace(hop, "opened")
            return await self._established(sock, hop, layers)
        text = f"{hop}: no answer within {self.config.connect_timeout:g} s"
        raise layers.explain(TransportFailure(FailureReason.TIMED_OUT, text))

    async def _established(self, sock: socket.socket, hop: Hop, layers: Layers) -> tcp.Connection:
        """The connection over a socket, after its handshakes if it has any. Closes the socket if they fail."""
        try:
            local = socket_address(sock.getsockname())
            hop = with_local(hop, local)
            serial = next(self._serials)
            flow = Flow(hop.transport, local, hop.remote, serial, hop.tls_name, hop.path, hop.accepted)
            if self.config.on_wire is not None:
                sock = TappedSocket(sock, flow, self.config.on_wire)
            await layers.establish(sock, hop, functools.partial(self._trace, hop))
            return tcp.Connection(
                sock,
                flow,
                hop,
                self._sink,
                layers.framing,
                idle_timeout=self.config.idle_timeout,
                engine=layers.engine,
                early=layers.early,
            )
        except BaseException:
            sock.close()
            raise

    async def _work(self, connection: tcp.Connection) -> None:
        """Keep a connection where it can be found until it ends."""
        flow = connection.flow
        addresses = flow.transport, flow.local, flow.remote
        self._by_addresses[addresses] = connection
        try:
            await connection.run()
        finally:
            # A peer that resets may be back before this is known here, from the same port: some always use the same.
            if self._by_addresses.get(addresses) is connection:
                del self._by_addresses[addresses]
            peer, local = self._key(connection.hop)
            for key in ((peer, local), (peer, None)):
                if self._by_target.get(key) is connection:
                    del self._by_target[key]
            self._handshakes.keep(connection.engine)
            ended = _Ended(_session_of(connection), connection.unfinished)
            if ended != _Ended():
                if len(self._ended) >= MAX_ENDED:
                    del self._ended[next(iter(self._ended))]
                self._ended[flow] = ended

    async def _accept(self, transport: Transport, listener: socket.socket) -> None:
        while True:
            await trio.lowlevel.wait_readable(listener)
            try:
                sock, remote = tcp.accept(listener)
            except OSError as error:
                if error.errno in EXHAUSTED:
                    await trio.sleep(ACCEPT_PAUSE)
                continue
            hop = Hop(transport, remote, why="the peer connected", accepted=True)
            is_full = self._accepted >= self.config.max_connections
            if is_full or tcp.crowds_out(sock):
                sock.close()
                self._trace(hop, "failed", TOO_MANY_CONNECTIONS if is_full else FEW_DESCRIPTORS)
                continue
            self._nursery.start_soon(self._welcome, sock, hop)

    async def _welcome(self, sock: socket.socket, hop: Hop) -> None:
        """Serve one connection that a peer opened."""
        self._accepted += 1
        try:
            connection = None
            layers = self._handshakes.server(hop)
            with trio.move_on_after(self.config.connect_timeout):
                self._trace(hop, "accepted")
                connection = await self._established(sock, hop, layers)
            if connection is not None:
                self._offer(connection)
                await self._work(connection)
            else:
                self._trace(hop, "failed", f"the peer did not complete the {layers.missing} handshake")
        except TransportFailure as failure:
            self._trace(hop, "failed", failure.message)
        except Exception as error:  # noqa: BLE001  # see Sink.fault
            self._sink.fault(error, str(hop))
        finally:
            self._accepted -= 1

    def _offer(self, connection: tcp.Connection) -> None:
        """Let hops that lead to the very place that a peer's connection comes from have that: nobody listens there, but
        many peers say so in Contact. One that was opened there comes first.
        """
        peer, host = self._key(connection.hop)
        for key in ((peer, host), (peer, None)):
            known = self._by_target.get(key)
            if known is None or known.flow.accepted or not known.usable:
                self._by_target[key] = connection

    def _trace(self, hop: Hop, event: str, detail: str = "") -> None:
        self._sink.trace(FlowTrace(trio.current_time(), hop, event, detail))


@value
class _Ended:
    """What is remembered of a connection that is gone."""

    session: "TlsSession | None" = None
    unfinished: Unfinished | None = None


class _Opening:
    """A connection in the making, and who waits for it."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.connection: tcp.Connection | None = None
        self.failure: SipError = was_closed()


def _is_kernels_choice(flow: Flow) -> bool:
    """Whether a connection leaves from where the kernel would have it leave from."""
    try:
        return route_host(flow) == flow.local.host
    except TransportFailure:
        return False


def _numbered(hop: Hop) -> Hop:
    """A hop whose zones are numbers. Raises TransportFailure for a zone that there is not."""
    if not has_zone(hop.remote.host) and (hop.local is None or not has_zone(hop.local.host)):
        return hop
    try:
        return replace(hop, remote=numbered(hop.remote), local=numbered(hop.local) if hop.local is not None else None)
    except REFUSALS as error:
        raise failure_of(error, hop) from error


def _session_of(connection: tcp.Connection) -> "TlsSession | None":
    return getattr(connection.engine, "session", None)
