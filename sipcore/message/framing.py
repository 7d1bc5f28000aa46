"""Framing on streams: where one message ends and the next begins. RFC 3261 §7.5 and §18.3, RFC 5626 §4.4.1.

Bytes go in as they come, in any chunks; frames come out, the same ones whatever the chunks are. The cost is linear in
the bytes: nothing is searched more than twice but the two bytes in which a separator may have begun.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from sipcore.deviation import Deviation
from sipcore.errors import LimitExceeded, ParseError, quoted
from sipcore.message.plain import MAX_ON_STREAM, TOKEN_BYTES, MessageFrame, PlainReader
from sipcore.value import value

MAX_HEAD = 64 * 1024
"""Bytes of start line and header fields: what a UDP datagram can carry at most, and the parser's own limit."""
MAX_BODY = 1024 * 1024
"""Bytes of body: presence lists and pictures in MESSAGE stay below; it bounds what a peer can make us hold."""
WINDOW = 20 * 1024
"""Bytes that are looked at as text at once: what a connection takes in a turn, and what was left of the turn before."""
MAX_LENGTH_DIGITS = 10
"""Digits of a Content-Length after leading zeros, so that a number is never made of a megabyte of digits."""

_HEAD_END = re.compile(rb"\n\r?\n").search
"""The end of CRLFCRLF; bare line feeds end a head as well, since the parser reads such messages."""
MAX_UNFINISHED = 1024
"""Bytes of an unfinished message that are kept to be shown: its start line, and its first header fields."""
_SHOWN = 16
"""Bytes of a protocol that is not known that are quoted."""
_FOREIGN = (
    (b"\x16\x03", "a TLS handshake: the peer speaks TLS on this port"),
    (b"\x15\x03", "a TLS alert: the peer speaks TLS on this port"),
    (b"HTTP/", "an HTTP response: the peer is a web server"),
    (b"RTSP/", "an RTSP response: the peer is a media server"),
    (b"SSH-", "an SSH greeting"),
    (b"220", "an FTP or SMTP greeting"),
    (b"+OK", "a POP3 greeting"),
    (b"* OK", "an IMAP greeting"),
    (b"PROXY ", "a PROXY protocol header"),
)


@value
class Ping:
    """CRLFCRLF between messages: the peer asks whether the flow is alive, and a CRLF says so (RFC 5626 §4.4.1)."""


@value
class Pong:
    """The CRLF that answers a ping sent from here (RFC 5626 §4.4.1)."""


@value
class Unfinished:
    """A message that has begun and is not complete: its first bytes, how many came, and how many there are to be, 0
    where that is not known, since its head has no end yet.
    """

    start: bytes
    came: int
    whole: int = 0


Frame = MessageFrame | Ping | Pong


def foreign_protocol(data: bytes) -> str | None:
    """What bytes that are not SIP are instead, in words, where they can be told by their beginning."""
    for signature, text in _FOREIGN:
        if data.startswith(signature):
            return text
    first_line = data.partition(b"\n")[0].upper()
    for name in (b"HTTP", b"RTSP"):
        if b" " + name + b"/" in first_line:
            return f"an {name.decode()} request"
    return None


def what_speaks(data: bytes, without: str) -> str:
    """What bytes are that came in the place of another protocol, in words: SIP `without` it, or something else."""
    told = data.lstrip(b"\r\n")  # RFC 3261 §7.5: a message may have empty lines before it
    if told[:4].upper() == b"SIP/" or b" SIP/2.0" in told.partition(b"\n")[0].upper():
        return f"it speaks SIP without {without}"
    return foreign_protocol(data) or f"it says {quoted(data[:_SHOWN].decode('utf-8', 'surrogateescape'))}"


class StreamFramer:
    """Cuts a stream into frames: `receive` bytes, then take the `frames` that they complete.

    Once `frames` has raised, the place of the next message is lost: it raises the same error from then on.
    """

    __slots__ = (
        *("_buffer", "_error", "_half_ping", "_notes", "_plain", "_pongs", "_reader", "_scanned", "_size", "_started"),
    )

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._reader = PlainReader(MAX_ON_STREAM)
        self._plain: Iterator[MessageFrame] = iter(())
        """Plain messages that are out of the buffer already, and were not taken yet."""
        self._scanned = 0
        """Bytes of the buffer in which the end of the head was already looked for."""
        self._started = False
        """Whether the start line was seen, and found to be one."""
        self._size = 0
        """Bytes of the message at the front of the buffer; 0 until its head is complete."""
        self._notes: tuple[Deviation, ...] = ()
        self._half_ping = False
        self._pongs = 0
        self._error: ParseError | None = None

    @property
    def partial(self) -> bool:
        """Whether a message has begun that is not complete."""
        return bool(self._buffer)

    @property
    def unfinished(self) -> Unfinished | None:
        """The message that has begun; None between two of them."""
        buffer = self._buffer
        return Unfinished(bytes(buffer[:MAX_UNFINISHED]), len(buffer), self._size) if buffer.strip() else None

    def expect_pong(self) -> None:
        """A ping was sent: a CRLF between messages is its answer now, and not the first half of the peer's ping."""
        self._pongs += 1

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        self._buffer += data

    def frames(self) -> Iterator[Frame]:
        """The complete frames that were not taken yet.

        Raises ParseError for bytes that are not SIP (RFC 3261 §7) or have no clear length (§20.14), and LimitExceeded
        for a head or body too large to wait for.
        """
        return chain.from_iterable(self._batches())  # which takes each out of its batch without a line of Python

    def _batches(self) -> Iterator[Iterable[Frame]]:
        """The frames, as many at once as were found together."""
        if self._error is not None:
            raise self._error
        while True:
            yield self._plain
            if self._find_plain():
                continue
            try:
                frame = self._next_frame()
            except ParseError as error:
                self._error = error
                raise
            if frame is None:
                return
            yield (frame,)

    def _find_plain(self) -> bool:
        """Whether the next messages are plain; those that are seen at once leave the buffer.

        One whose head came in pieces is looked at once more when the rest of that is there.
        """
        buffer = self._buffer
        if self._size or not buffer or buffer[0] not in TOKEN_BYTES:  # a method is a token, and so is SIP
            return False
        if self._scanned and _HEAD_END(buffer, max(self._scanned - 2, 0)) is None:
            return False
        found, size = self._reader.read_stream(bytes(buffer[:WINDOW]))
        if found:
            self._plain = iter(found)
            self._started = self._half_ping = False
            self._scanned = 0
            del buffer[:size]
        return size > 0

    def _next_frame(self) -> Frame | None:
        buffer = self._buffer
        if not self._size:
            if not self._started and buffer[:1].isspace():
                keep_alive = self._between_messages()
                if keep_alive is not None:
                    return keep_alive
            if not buffer or not self._find_size():
                return None
        if len(buffer) < self._size:
            return None
        frame = (bytes(buffer[: self._size]), self._notes, None)
        del buffer[: self._size]
        self._size = self._scanned = 0
        self._started = self._half_ping = False
        return frame

    def _between_messages(self) -> Frame | None:
        """Take empty lines off the front (RFC 3261 §7.5) up to the first that means something (RFC 5626 §4.4.1)."""
        buffer = self._buffer
        while buffer:
            if buffer.startswith(b"\r\n"):
                del buffer[:2]
                if self._pongs:
                    self._pongs -= 1
                    return Pong()
                self._half_ping = not self._half_ping
                if not self._half_ping:
                    return Ping()
            elif buffer[0] == 10:
                del buffer[:1]
                self._half_ping = False
            else:
                break
        return None

    def _find_size(self) -> bool:
        """Look for the end of the head, and learn the size of the message from it."""
        buffer = self._buffer
        if not self._started and not self._find_start_line():
            return False
        begin = max(self._scanned - 2, 0)
        match = _HEAD_END(buffer, begin)
        if match is None:
            self._scanned = len(buffer)
            self._check_head(len(buffer))
            return False
        end, body = match.span()
        self._check_head(end)
        head = bytes(buffer[:end])
        length = _content_length(head)
        self._notes = (Deviation.WITHOUT_LENGTH,) if length is None else ()
        self._size = body + (length or 0)
        return True

    def _find_start_line(self) -> bool:
        """Whether the start line is complete; raises ParseError as soon as it cannot be one of SIP (RFC 3261 §7)."""
        buffer = self._buffer
        if buffer[0] not in TOKEN_BYTES and buffer != b"\r":
            raise _not_sip(bytes(buffer))
        end = buffer.find(b"\n", self._scanned)
        if end < 0:
            self._scanned = len(buffer)
            self._check_head(len(buffer))
            return False
        if buffer.find(b"SIP/", 0, end) < 0 and b"SIP/" not in buffer[:end].upper():
            raise _not_sip(bytes(buffer[:end]))
        self._started = True
        return True

    def _check_head(self, size: int) -> None:
        if size > MAX_HEAD:
            raise LimitExceeded(f"header fields beyond {MAX_HEAD} bytes", section="RFC 3261 §7.3", status=513)


def _not_sip(data: bytes) -> ParseError:
    foreign = foreign_protocol(data)
    message = f"not SIP but {foreign}" if foreign else "not a SIP start line"
    return ParseError(message, section="RFC 3261 §7", text=data.decode("latin-1"))


def _content_length(head: bytes) -> int | None:
    """The Content-Length that a head states (RFC 3261 §20.14), None where it states none.

    Every occurrence is looked at: two that differ would let two readers of one stream see different messages.
    """
    lines = head.split(b"\n")
    found: int | None = None
    for index, line in enumerate(lines):
        if index and line.startswith((b"C", b"c", b"L", b"l")):
            name, _, text = line.partition(b":")
            if name.rstrip(b" \t\r").lower() in (b"content-length", b"l"):
                length = _length(text + _folded(lines, index + 1))
                if found is not None and length != found:
                    text = b"%d, then %d" % (found, length)
                    raise _bad_length("two different values", text)
                found = length
    return found


def _folded(lines: list[bytes], index: int) -> bytes:
    """The lines from `index` on that continue a header field (RFC 3261 §7.3.1)."""
    end = index
    while end < len(lines) and lines[end][:1] in (b" ", b"\t"):
        end += 1
    return b"".join(lines[index:end])


def _length(text: bytes) -> int:
    digits = text.strip(b" \t\r")
    if not digits.isdigit():
        raise _bad_length("not a number of bytes", digits)
    digits = digits.lstrip(b"0") or b"0"
    if len(digits) > MAX_LENGTH_DIGITS or int(digits) > MAX_BODY:
        raise LimitExceeded(
            f"a body beyond {MAX_BODY} bytes",
            section="RFC 3261 §20.14",
            text=digits[:MAX_LENGTH_DIGITS].decode(),
            header="Content-Length",
            status=413,
        )
    return int(digits)


def _bad_length(message: str, text: bytes) -> ParseError:
    return ParseError(message, section="RFC 3261 §20.14", text=text.decode("latin-1"), header="Content-Length")
