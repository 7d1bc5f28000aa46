"""Messages in a WebSocket: RFC 7118 §4.2 and §5 over the frames of RFC 6455 §5, by wsproto."""

from collections.abc import Iterator

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason

from sipcore.errors import LimitExceeded, ParseError
from sipcore.message import framing

MAX_MESSAGE = framing.MAX_HEAD + framing.MAX_BODY
"""Bytes of a WebSocket message: what a stream takes of a SIP message (RFC 6455 §10.4 asks for a limit)."""
MAX_FRAGMENTS = 4096
"""Pieces that a message may come in: 270 bytes each for the largest. Each costs as much as a small message."""
TURN = 2 * 1024
"""Plain bytes taken at once: five messages, or 350 frames without content, which cost some 25 µs each."""
MAX_KEEP_ALIVE = 4
"""Bytes of the keep-alives that clients send as messages: CRLFCRLF, CRLF (RFC 7118 §6), or nothing at all."""
MAX_PHRASE = 64
"""Characters shown of what a peer says of itself."""
PING_PAYLOAD = b"sip"
"""What a ping carries, so that its answer is told from a pong that nobody asked for (RFC 6455 §5.5.3)."""


class WsFraming:
    """Each WebSocket message is one SIP message, text or binary (RFC 7118 §4.2, §5). See `layers.Framing`."""

    turn = TURN

    def __init__(self, kind: ConnectionType) -> None:
        self.partial = False
        self.ending = ""
        self._connection = Connection(kind)
        self._message = bytearray()
        self._fragments = 0
        self._answer = b""
        self._code: int = CloseReason.NORMAL_CLOSURE
        self._error: ParseError | None = None

    @property
    def unfinished(self) -> framing.Unfinished | None:
        """The message of which some fragments came (RFC 6455 §5.4)."""
        message = self._message
        return framing.Unfinished(bytes(message[: framing.MAX_UNFINISHED]), len(message)) if message else None

    def receive(self, data: bytes) -> None:
        """Take plain bytes from the peer; what comes after its closing frame is nobody's (RFC 6455 §5.5.1)."""
        if self._error is None and not self.ending:
            self._connection.receive_data(data)

    def frames(self) -> Iterator[framing.Frame]:
        """The messages, pings and pongs that are complete.

        Raises ParseError for what breaks the rules of RFC 6455, and LimitExceeded for a message that is too large.
        """
        if self._error is not None:
            raise self._error
        for event in self._connection.events():
            try:
                frame = self._take_untrusted(event)
            except ParseError as error:
                self._error = error
                raise
            if frame is not None:
                yield frame

    def message(self, data: bytes) -> bytes:
        """A text message where the bytes are UTF-8, a binary one where they are not (RFC 7118 §4.2)."""
        try:
            return bytes(self._connection.send(TextMessage(data.decode())))
        except UnicodeDecodeError:
            return bytes(self._connection.send(BytesMessage(data)))

    def ping(self) -> bytes:
        """A ping (RFC 7118 §6)."""
        return bytes(self._connection.send(Ping(PING_PAYLOAD)))

    def pong(self) -> bytes:
        """What answers the last ping: a pong, or CRLF where that was CRLFCRLF in a message (RFC 7118 §6)."""
        return self._answer

    def close(self) -> bytes:
        """A closing frame, unless there was one. The answer to it is not waited for (RFC 6455 §7.1.1 allows that)."""
        if self._connection.state not in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            return b""
        return bytes(self._connection.send(CloseConnection(self._code)))

    def _take_untrusted(self, event: Event) -> framing.Frame | None:
        match event:
            case TextMessage(data=text):
                return self._collect(text.encode(), last=event.message_finished)
            case BytesMessage(data=data):
                return self._collect(data, last=event.message_finished)
            case Ping():
                self._answer = bytes(self._connection.send(event.response()))
                return framing.Ping()
            case Pong(payload=payload):
                return framing.Pong() if payload == PING_PAYLOAD else None
            case CloseConnection(code=code, reason=reason):
                self._end(code, reason or "")
        return None

    def _collect(self, data: bytes | bytearray, *, last: bool) -> framing.Frame | None:
        """Put a piece to those of the message before it."""
        self.partial = not last
        self._message += data
        self._fragments += 1
        if len(self._message) > MAX_MESSAGE or self._fragments > MAX_FRAGMENTS:
            self._code = CloseReason.MESSAGE_TOO_BIG
            text = f"a message beyond {MAX_MESSAGE} bytes, or in more than {MAX_FRAGMENTS} pieces"
            raise LimitExceeded(text, section="RFC 6455 §10.4", status=513)
        if not last:
            return None
        message = bytes(self._message)
        self._message.clear()
        self._fragments = 0
        if len(message) <= MAX_KEEP_ALIVE and not message.strip(b"\r\n\0"):
            if message != b"\r\n\r\n":
                return None
            self._answer = self.message(b"\r\n")
            return framing.Ping()
        return message, (), None

    def _end(self, code: int, reason: str) -> None:
        """A closing frame came, or, as the library tells it, frames that break the rules."""
        if self._connection.state is ConnectionState.OPEN:
            self._code = code
            section = "RFC 6455 §8.1" if code == CloseReason.INVALID_FRAME_PAYLOAD_DATA else "RFC 6455 §5"
            raise ParseError(f"not a WebSocket frame: {reason}", section=section)
        self.ending = f"{code} {printable(reason.encode())}".rstrip()
        self._code = CloseReason.NORMAL_CLOSURE if code == CloseReason.NO_STATUS_RCVD else code


def printable(data: bytes) -> str:
    """The beginning of what a peer says, fit for a message to people."""
    text = data.decode("ascii", "backslashreplace").strip()
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_PHRASE])
