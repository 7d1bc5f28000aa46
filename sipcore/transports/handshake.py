"""What comes before the first message of a connection: the TLS handshake, then that of a WebSocket on top of it.

Both libraries are loaded with the first connection that needs them: OpenSSL takes a tenth of a second.
"""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TlsConfig, TransportConfig, failure_of
from sipcore.transports.layers import Engine, Framing, Handshake, StreamFraming

if TYPE_CHECKING:
    from sipcore.transports.tls import TlsContexts
    from sipcore.transports.tls_engine import TlsEngine
    from sipcore.transports.ws_upgrade import Upgrade

RECEIVE_SIZE = 64 * 1024
"""Bytes read at once: more than any handshake sends."""

Trace = Callable[[str, str], None]
"""Is told an event, `secured` or `upgraded`, and what was agreed on."""


class Layers:
    """The layers of one connection. Once established, `engine`, `framing` and `early` are what it goes on with.

    `early` are plain bytes that came together with the end of the handshakes.
    """

    def __init__(self, engine: "TlsEngine | None", upgrade: "Upgrade | None") -> None:
        self.engine = engine
        self.framing: Framing = StreamFraming()
        self.early = b""
        self._upgrade = upgrade
        self._current: Handshake | None = None

    async def establish(self, sock: socket.socket, hop: Hop, trace: Trace) -> None:
        """Go through the handshakes over a socket. Raises TransportFailure; the caller closes the socket."""
        if self.engine is not None:
            self._current = self.engine
            self.early = await drive(sock, self.engine, hop)
            trace("secured", str(self.engine.session))
        if self._upgrade is not None:
            self._current = self._upgrade
            self._upgrade.begin(self.early)
            self.early = await drive(sock, self._upgrade, hop)
            self.framing = self._upgrade.framing
            trace("upgraded", "")
        self._current = None

    def failed_to_resume(self, failure: TransportFailure) -> bool:
        """Whether it was TLS that failed, begun with the session of an earlier connection: in full it may succeed."""
        if self.engine is None or not self.engine.resuming:
            return False
        from sipcore.transports.tls_failure import TlsFailure  # here, since most connections need none of it

        return isinstance(failure, TlsFailure)

    @property
    def missing(self) -> str:
        """What the handshake that is under way is for."""
        return "TLS" if self._current is self.engine else "WebSocket"

    def explain(self, failure: TransportFailure) -> TransportFailure:
        """What it means that the connection ended with `failure`, by how far its handshakes came."""
        return failure if self._current is None else self._current.explain(failure)


class Handshakes:
    """Makes the layers of connections, as a configuration wants them."""

    def __init__(self, config: TransportConfig) -> None:
        self._config = config
        self._contexts: TlsContexts | None = None

    def check_server(self, transport: Transport) -> None:
        """Raise LocalError when the configuration is not one that the transport can be served with."""
        if transport.secure:
            self._tls().check_server()
        if transport.websocket:
            import sipcore.transports.ws_upgrade  # noqa: F401  # now: a peer's connection may take the last descriptor

    def client(self, hop: Hop) -> Layers:
        """The layers of a connection to `hop`. Raises LocalError for a configuration or a hop that cannot be used."""
        engine = self._tls().client(hop) if hop.transport.secure else None
        if not hop.transport.websocket:
            return Layers(engine, None)
        from sipcore.transports.ws_upgrade import ClientUpgrade

        return Layers(engine, ClientUpgrade(hop, engine, self._config.ws))

    def server(self, hop: Hop) -> Layers:
        """The layers of a connection that a peer opened. Raises LocalError."""
        engine = self._tls().server(hop) if hop.transport.secure else None
        if not hop.transport.websocket:
            return Layers(engine, None)
        from sipcore.transports.ws_upgrade import ServerUpgrade

        return Layers(engine, ServerUpgrade(hop, engine))

    def keep(self, engine: Engine | None) -> None:
        """Remember the TLS session of a connection that has ended, for the next one to the same peer."""
        if self._contexts is not None:
            self._contexts.keep(engine)

    def _tls(self) -> "TlsContexts":
        if self._contexts is None:
            from sipcore.transports.tls import TlsContexts

            self._contexts = TlsContexts(self._config.tls)
        return self._contexts


def check_tls(config: TlsConfig) -> None:
    """Raise LocalError for TLS settings that no connection can be opened with, which each would meet for itself
    otherwise.

    OpenSSL takes a tenth of a second to load, and is loaded here: later it would add to the answers' times.
    """
    anywhere = SocketAddress("192.0.2.1", Transport.TLS.default_port)
    Handshakes(TransportConfig(tls=config)).client(Hop(Transport.TLS, anywhere))


async def drive(sock: socket.socket, handshake: Handshake, hop: Hop) -> bytes:
    """Carry bytes between a handshake and a socket; returns the plain bytes that came with its end.

    Raises TransportFailure. The caller sets the deadline, and closes the socket.
    """
    try:
        early = handshake.receive(b"")
        while True:
            await _send_all(sock, handshake.outgoing())
            if handshake.established:
                return early
            await trio.lowlevel.wait_readable(sock)
            try:
                data = sock.recv(RECEIVE_SIZE)
            except BlockingIOError:
                continue
            if not data:
                text = f"{hop}: the peer closed the connection in the middle of the handshake"
                raise handshake.explain(TransportFailure(FailureReason.CLOSED, text))
            early += handshake.receive(data)
    except OSError as error:
        raise handshake.explain(failure_of(error, hop)) from error
    except TransportFailure:
        await _send_farewell(sock, handshake)
        raise


async def _send_all(sock: socket.socket, data: bytes) -> None:
    while data:
        try:
            data = data[sock.send(data) :]
        except BlockingIOError:
            await trio.lowlevel.wait_writable(sock)


async def _send_farewell(sock: socket.socket, handshake: Handshake) -> None:
    """Send what tells the peer why, if it still listens: an alert, or an HTTP answer."""
    try:
        await _send_all(sock, handshake.outgoing())
    except (OSError, TransportFailure):
        return
