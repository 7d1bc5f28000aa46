"""A connected socket that tells of all bytes that pass through it, for captures of what really was on the wire."""

import socket
from collections.abc import Callable
from typing import Any

import trio

from sipcore.resolve.target import Flow
from sipcore.trace import Direction, WireTrace

OnWire = Callable[[WireTrace], None]


class TappedSocket(socket.socket):
    """Takes the place of `sock`, which is of no use afterwards; `on_wire` is told of what is sent and received.

    Only what connections use of a socket is told of: `send` and `recv`.
    """

    def __init__(self, sock: socket.socket, flow: Flow, on_wire: OnWire) -> None:
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.setblocking(False)
        self._flow = flow
        self._on_wire = on_wire

    def send(self, data: Any, flags: int = 0, /) -> int:  # noqa: ANN401  # whatever has bytes
        """Send, as far as the kernel has room."""
        at = trio.current_time()
        sent = super().send(data, flags)
        self._on_wire(WireTrace(at, Direction.SENT, self._flow, bytes(data[:sent])))
        return sent

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Receive what is there."""
        data = super().recv(size, flags)
        if data:
            self._on_wire(WireTrace(trio.current_time(), Direction.RECEIVED, self._flow, data))
        return data
