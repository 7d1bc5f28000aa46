"""Messages out of the WebSockets of a capture: RFC 7118 over the handshake and the frames of RFC 6455 §4 and §5.

Each direction is read for itself. Nothing is checked that only an end of the connection has to check. Bytes come out as
they were, where wsproto, which the transport uses, decodes text, and stops at what is no UTF-8.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from probes.capture.network import Datagram, Segment, Way
from sipcore.message import framing
from sipcore.resolve.target import Transport

MAX_MESSAGE = framing.MAX_HEAD + framing.MAX_BODY
"""Bytes of a message: what is taken of one over other transports."""
MAX_HEAD = 16 * 1024
"""Bytes of an HTTP head: cookies of browsers stay below."""
_HEAD_BEGINS = (b"GET ", b"HTTP/1.1 101 ")
_HEAD_ENDS = b"\r\n\r\n"
_FINAL, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
"""Bits of the first two bytes of a frame (RFC 6455 §5.2)."""
_CONTROL = 0x08
"""The bit that control frames have in their opcode: they may stand between the pieces of a message (§5.4)."""
_LONGER = {126: 2, 127: 8}
"""Bytes of the length that follows where the first one is not large enough for it."""


def unwrapped(payloads: Iterable[Datagram | Segment]) -> Iterator[Datagram | Segment]:
    """What applications sent, with each message of a WebSocket as a datagram of its own."""
    sockets: dict[Way, _WebSocket] = {}
    for payload in payloads:
        if isinstance(payload, Datagram):
            yield payload
            continue
        key = (payload.source, payload.destination)
        if payload.begins or payload.gap:
            sockets.pop(key, None)
        if key not in sockets:
            if not payload.data.startswith(_HEAD_BEGINS):
                yield payload
                continue
            sockets[key] = _WebSocket()
        transport = Transport.WSS if payload.transport.secure else Transport.WS
        for message in sockets[key].receive(payload.data):
            yield Datagram(payload.at_ns, *key, message, transport)


@dataclass(slots=True)
class _WebSocket:
    """One direction: bytes that are not read yet, and the pieces of a message so far."""

    buffer: bytearray = field(default_factory=bytearray)
    message: bytearray = field(default_factory=bytearray)
    is_open: bool = False
    is_lost: bool = False
    """Whether it is no WebSocket, or nobody knows where its next frame begins."""

    def receive(self, data: bytes) -> Iterator[bytes]:
        """The messages that are whole with `data`."""
        if self.is_lost:
            return
        self.buffer += data
        if not self.is_open:
            self._read_head()
        while self.is_open and (frame := self._next_frame()) is not None:
            first, payload = frame
            if first & _OPCODE & _CONTROL:
                continue
            self.message += payload
            if first & _FINAL:
                yield bytes(self.message)
                self.message.clear()

    def _read_head(self) -> None:
        """Take the HTTP head off, once it is whole."""
        end = self.buffer.find(_HEAD_ENDS, 0, MAX_HEAD)
        if end >= 0:
            self.is_open = b"websocket" in self.buffer[:end].lower()
            del self.buffer[: end + len(_HEAD_ENDS)]
        if not self.is_open and (end >= 0 or len(self.buffer) >= MAX_HEAD):
            self._give_up()

    def _next_frame(self) -> tuple[int, bytes] | None:
        """The first byte of the next frame, and what it carries; None until it is whole, and for what is none."""
        buffer = self.buffer
        if len(buffer) < 2:
            return None
        length, at = buffer[1] & _LENGTH, 2
        if length in _LONGER:
            at += _LONGER[length]
            length = int.from_bytes(buffer[2:at])
        mask = at
        at += 4 if buffer[1] & _MASKED else 0
        if len(buffer) < at:
            return None
        if buffer[0] & _RESERVED or len(self.message) + length > MAX_MESSAGE:
            self._give_up()
            return None
        if len(buffer) < at + length:
            return None
        first, payload = buffer[0], _unmasked(bytes(buffer[at : at + length]), bytes(buffer[mask:at]))
        del buffer[: at + length]
        return first, payload

    def _give_up(self) -> None:
        self.is_open, self.is_lost = False, True
        self.buffer.clear()
        self.message.clear()


def _unmasked(data: bytes, mask: bytes) -> bytes:
    """What a client has masked (RFC 6455 §5.3); an empty mask changes nothing."""
    if not mask:
        return data
    key = (mask * (len(data) // len(mask) + 1))[: len(data)]
    return (int.from_bytes(data) ^ int.from_bytes(key)).to_bytes(len(data))
