"""What may lie between a socket and the messages: TLS, an opening handshake, and how messages lie in plain bytes.

    socket ── bytes of the wire ── Engine (TLS), or nothing ── plain bytes ── Framing (CRLF, WebSocket) ── messages

Nothing here waits: bytes go in and come out. `handshake` drives what has to be agreed on before the first message,
`tcp.Connection` everything from then on.
"""

from collections.abc import Iterator
from typing import Protocol

from sipcore.errors import TransportFailure
from sipcore.message.framing import Frame, StreamFramer, Unfinished

PING = b"\r\n\r\n"
"""RFC 5626 §4.4.1: asks whether the peer is there."""
PONG = b"\r\n"
"""The answer."""
STREAM_TURN = 24 * 1024
"""Bytes taken at once from a stream: some 60 messages, or 6,000 pings, which take less than 10 ms."""


class Handshake(Protocol):
    """Two sides that agree on something: bytes of the wire in and out, until it is established."""

    @property
    def established(self) -> bool:
        """Whether the handshake is complete."""

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the wire, return plain bytes that came after the end. Raises TransportFailure."""

    def outgoing(self) -> bytes:
        """Take the bytes that are to go out on the wire."""

    def explain(self, failure: TransportFailure) -> TransportFailure:
        """What it really means that the connection below ended with `failure`."""


class Engine(Handshake, Protocol):
    """What stays between socket and framing after its handshake: wire bytes in and out, plain bytes out and in."""

    @property
    def closed(self) -> bool:
        """Whether the peer has said that it sends no more."""

    def send(self, data: bytes) -> None:
        """Take plain bytes, for `outgoing`. Raises TransportFailure."""

    def close(self) -> None:
        """Say that nothing more will be sent, in `outgoing`."""


class Framing(Protocol):
    """Where one message ends in plain bytes and the next begins, and how the connection is kept alive among them."""

    @property
    def turn(self) -> int:
        """Plain bytes that may be taken at once, whatever is in them, without keeping other tasks waiting for long."""

    @property
    def partial(self) -> bool:
        """Whether a message has begun that is not complete."""

    @property
    def unfinished(self) -> Unfinished | None:
        """The message that has begun and is not complete, whether it can be or not; None between two of them."""

    @property
    def ending(self) -> str:
        """How the peer said that it closes the connection; empty as long as it has not."""

    def receive(self, data: bytes) -> None:
        """Take plain bytes from the peer."""

    def frames(self) -> Iterator[Frame]:
        """The complete frames that were not taken yet. Raises ParseError, again and again once it has."""

    def message(self, data: bytes) -> bytes:
        """The plain bytes that carry a message."""

    def ping(self) -> bytes:
        """The plain bytes that ask whether the peer is there; the answer to them will be a Pong."""

    def pong(self) -> bytes:
        """The plain bytes that answer the Ping which `frames` gave last."""

    def close(self) -> bytes:
        """The plain bytes that say goodbye."""


class StreamFraming(StreamFramer):
    """Messages one after the other, with CRLFs between them that keep the connection alive (RFC 5626 §4.4.1)."""

    __slots__ = ()
    turn = STREAM_TURN
    ending = ""

    def message(self, data: bytes) -> bytes:
        """The message itself."""
        return data

    def ping(self) -> bytes:
        """CRLFCRLF."""
        self.expect_pong()
        return PING

    def pong(self) -> bytes:
        """CRLF."""
        return PONG

    def close(self) -> bytes:
        """Nothing: the end of the stream says it."""
        return b""
