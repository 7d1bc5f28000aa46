"""Messages whose head is written as most are: read by one linear pattern, and found in a stream by it. RFC 3261 §7.

It finds what tells a message's transaction, and how long the message is; its header fields are cut apart when somebody
asks. What comes out is what `parser` and `framing` would make of it, in a fifth of their time; whatever does not match
is left to them.

One peer's heads are mostly the same text, but for the values that tell one transaction from another. A `PlainReader`
expects what it has seen before, as TCPs that predict headers do, and compares in a fifth of the pattern's time.
"""

import re
from itertools import pairwise
from operator import add
from struct import Struct

from sipcore.deviation import Deviation
from sipcore.grammar import TOKEN
from sipcore.message.address import PLAIN_NAME_ADDR
from sipcore.message.envelope import PLAIN_ENVELOPE, known_cseq
from sipcore.message.fields.via import PLAIN_VIA
from sipcore.message.message import VERSION, Request, Response, received_request, received_response
from sipcore.message.method import KNOWN
from sipcore.pattern import Pattern
from sipcore.tokens import MAGIC_COOKIE

MAX_LINES = 256
"""Lines from the start line to the empty one. Messages that crossed many proxies have about a hundred, and folds are
rare; each costs a string and a look-up, however short it is."""
MAX_PLAIN = 4096
"""Bytes of a head that is tried as a plain one: few are longer, and no line or URI in it is too long."""
MAX_OTHERS = MAX_LINES // 9
"""Lines between any two of those that a plain head has: there are eight such places, and a few lines more."""

TOKEN_BYTES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~"
"""What tokens are made of (RFC 3261 §25.1)."""

MAX_ON_STREAM = 4
"""Shapes that are expected on one connection. An INVITE has three: 100, 180 and 200."""
MAX_OF_DATAGRAMS = 64
"""Shapes of datagrams that are expected of all peers together, each found by its size."""
SEEN_BEFORE = 4
"""Responses of one size that the pattern has read before the next of that size is expected: what to expect of it takes
as long to find out as two of them."""
MAX_SIZES = 64
"""Sizes that are counted; beyond, they are counted anew."""


def _plain_pattern() -> str:
    """A head as most are: Via, From, To, Call-ID, CSeq and Content-Length in this order, others anywhere between them.

    Call-ID may also come between Via and From, where pjproject has it. Each line has a token, a colon and nothing odd;
    none is gone through more than three times. The others are those whose names begin with none of the letters that the
    six and their compact forms begin with, but for the others with a C.

    In front of Via, From and To of a request stands a group that takes part where the field is yet to be looked at.
    """
    other = rf"(?![VFTILvftil]|[Cc](?i:all-id|seq|ontent-length)){TOKEN}++:[ -~]*+\r\n"
    others = rf"(?>(?:{other}){{0,{MAX_OTHERS}}})"
    names = ("Via", "From", "To", "Call-ID", "CSeq", "Content-Length")
    faultless = (rf"{PLAIN_VIA}\r", rf"{PLAIN_NAME_ADDR};", rf"{PLAIN_NAME_ADDR}[;\r]")
    looked_at = [rf"(?(2)|(?>(?= {value})|()))" for value in faultless]
    values = (*map(add, looked_at, PLAIN_ENVELOPE), *PLAIN_ENVELOPE[3:], "[ \t]*+([0-9]{1,7})")
    via, from_, to, call_id, *rest = (
        rf"(?>{name}:|{others}{name}:){value}\r\n" for name, value in zip(names, values, strict=True)
    )
    vias = rf"{via}(?>((?:Via:[ -~]*+\r\n){{0,{MAX_OTHERS}}}))"
    early = rf"(?>(?:Call-ID:{PLAIN_ENVELOPE[3]}\r\n)?)"
    late = rf"(?>(?:{call_id})?)"
    status_line = rf"{re.escape(VERSION)} ([1-6][0-9]{{2}}) ([ -~]*+)"
    request_line = rf"({'|'.join(KNOWN)}) ((?!<)[!-~]++) {re.escape(VERSION)}"
    return rf"({status_line}|{request_line})\r\n{vias}{early}{from_}{to}{late}{''.join(rest)}{others}\r\n"


_plain_head = Pattern(_plain_pattern())
_HEAD_END = b"\r\n\r\n"
_BRANCH, _EARLY, _FROM_TAG, _TO_TAG, _LATE = 8, 10, 12, 14, 15
"""Groups of it; the Call-ID is in one of two."""


def read_plain(data: bytes, text: str, at: int) -> tuple[Request | Response, bytes] | None:
    """The message that begins at byte `at` of `data`, and its bytes; `text` is `data` in Latin-1.

    None where its head is not plain, where it is not all there yet, and where a byte is not of ASCII.
    """
    head = _plain_head.match(text, at, at + MAX_PLAIN)
    return None if head is None else _message(head, data, at)


def _message(head: re.Match[str], data: bytes, at: int) -> tuple[Request | Response, bytes] | None:
    """The message with this head, as `read_plain` gives it."""
    line, status, reason, method, uri, *of_via, early, odd_from, from_tag, odd_to, to_tag, late, number, of, length = (
        head.groups()
    )
    odd_via, sent_by, branch, vias = of_via
    begin = end = head.end()
    body = b""
    if length != "0":
        end += int(length)
        body = data[begin:end]
    raw = data[at:end]
    call_id = early or late
    if call_id is None or (early and late) or len(raw) != end - at or not raw.isascii():
        return None
    top, ids = (branch, known_cseq(number, of), sent_by, vias != ""), (from_tag, to_tag, call_id)
    if status is None:
        sound = odd_via is odd_from is odd_to is None and not vias
        return received_request(method, uri, None, body, line, raw, (), top, ids, sound=sound), raw
    return received_response(int(status), reason, None, body, line, raw, (), top, ids), raw


MessageFrame = tuple[bytes, tuple[Deviation, ...], Request | Response | None]
"""One message: its exact bytes from the start line to the end of the body, what was tolerated to find their end, and
what they say, where finding their end has told it.
"""


class PlainReader:
    """Reads messages as `read_plain` does, and gives the same, sooner where they are like those before them."""

    __slots__ = ("_latest", "_most", "_seen", "_shapes")

    def __init__(self, most: int) -> None:
        """Expect so many shapes at most."""
        self._most = most
        self._shapes: dict[int, _Shape] = {}
        """By the size of the whole message; the one that was met last comes last."""
        self._latest = 0
        """The size of the shape that comes last."""
        self._seen: dict[int, int] = {}
        """How many responses the pattern has read, by their size."""

    def read_stream(self, data: bytes) -> tuple[list[MessageFrame], int]:
        """The messages at the front of `data`, one after the other, up to the first that `read_plain` does not take;
        and how many bytes they are.
        """
        frames: list[MessageFrame] = []
        shapes = self._shapes
        text, taken, at = "", 0, 0
        while True:
            for shape in reversed(shapes.values()):
                end = shape.read(data, at, frames)
                if end > at:
                    shapes[shape.whole] = shapes.pop(shape.whole)
                    break
            else:
                if data.find(_HEAD_END, at) < 0:  # as at the end of nearly every turn
                    return frames, taken + at
                if not text:  # what is expected is found without
                    data, taken, at = data[at:], at, 0
                    text = data.decode("latin-1")
                frame = self._read(data, text, at)
                if frame is None:
                    return frames, taken + at
                frames.append(frame)
                end = at + len(frame[0])
            at = end

    def read_datagram(self, data: bytes) -> Request | Response | None:
        """The message that `data` is, all of it; None where `read_plain` does not take it."""
        shapes, size = self._shapes, len(data)
        shape = shapes.get(size)
        if shape is not None:
            frames: list[MessageFrame] = []
            if shape.read(data, 0, frames):
                if size != self._latest:
                    self._latest = size
                    shapes[size] = shapes.pop(size)  # so that who sends much of all sizes displaces none that is in use
                return frames[0][2]
        frame = self._read(data, data.decode("latin-1"), 0)
        return frame[2] if frame is not None and len(frame[0]) == size else None

    def _read(self, data: bytes, text: str, at: int) -> MessageFrame | None:
        """A message that is not expected. What was met several times is expected from then on."""
        head = _plain_head.match(text, at, at + MAX_PLAIN)
        plain = None if head is None else _message(head, data, at)
        if head is None or plain is None:
            return None
        message, raw = plain
        if isinstance(message, Response):
            size = len(raw)
            count = self._seen.pop(size, 0)
            if count < SEEN_BEFORE:
                if len(self._seen) >= MAX_SIZES:
                    self._seen.clear()
                self._seen[size] = count + 1
            else:
                self._shapes.pop(size, None)
                if len(self._shapes) >= self._most:
                    del self._shapes[next(iter(self._shapes))]
                self._shapes[size] = _Shape(head[0], message)
                self._latest = size
        return raw, (), message


class _Shape:
    """The head of a response that was read, but for its branch, tags and Call-ID: those of the next may be others, as
    long as each is a token of the same size.

    Of a Call-ID, what begins with its `@` is to be the same. A head that has other tokens in those places, and is the
    same in all else, matches the pattern as the one before did: no part of it tells tokens apart. `whole` is the size
    with the body.
    """

    __slots__ = (
        *("_alike", "_call_id_ends", "_call_id_is_early", "_cseq", "_cut", "_fixed", "_line", "_reason", "_sent_by"),
        *("_several_vias", "_size", "_status", "whole"),
    )

    def __init__(self, text: str, response: Response) -> None:
        """Take a head, and what it was read as."""
        self._alike = response if len(response.body) <= MAX_PLAIN else None
        """What is read of its header fields, those of its shape need not read again; a large one is not kept for it."""
        head = _plain_head.match(text)
        assert head is not None  # noqa: S101  # it has been read
        self._call_id_is_early = head[_EARLY] is not None
        local, _, _ = response.call_id.partition("@")
        self._call_id_ends = response.call_id[len(local) :].encode()
        branch = (head.start(_BRANCH) + len(MAGIC_COOKIE), head.end(_BRANCH))
        from_tag, to_tag = head.span(_FROM_TAG), head.span(_TO_TAG)
        call_id = head.start(_EARLY if self._call_id_is_early else _LATE)
        places = [branch, from_tag, to_tag if head[_TO_TAG] else (from_tag[1], from_tag[1])]
        places.insert(1 if self._call_id_is_early else 3, (call_id, call_id + len(local)))
        edges = [0, *(edge for place in places for edge in place), len(text)]
        self._cut = Struct("".join(f"{end - begin}s" for begin, end in pairwise(edges))).unpack_from
        """What stands before the values that may differ, between and behind them, and these, in the order of the text;
        of a To tag that is not there, nothing."""
        self._fixed = self._cut(text.encode())[::2]
        self._size, self.whole = len(text), len(bytes(response))
        self._status, self._reason, self._line = response.status, response.reason, response.start_line
        self._sent_by, self._several_vias, self._cseq = response.sent_by, response.has_several_vias, response.cseq

    def read(self, data: bytes, at: int, frames: list[MessageFrame]) -> int:
        """Add the responses of this shape that begin at byte `at` of `data`, one after the other, as `read_plain` gives
        them; gives where the next message begins.
        """
        size, whole, cut, fixed, call_id_ends = self._size, self.whole, self._cut, self._fixed, self._call_id_ends
        status, reason, line, cseq = self._status, self._reason, self._line, self._cseq
        sent_by, several_vias, call_id_is_early = self._sent_by, self._several_vias, self._call_id_is_early
        alike = self._alike
        last = len(data) - whole
        body = b""
        while at <= last:
            a, branch, b, from_tag, c, to_tag, d, call_id, e = cut(data, at)
            if (a, b, c, d, e) != fixed:
                return at
            values = b"".join((branch, from_tag, to_tag, call_id))
            if not values.isalnum() and values.translate(None, TOKEN_BYTES):
                return at
            raw = data[at : at + whole]
            if whole != size:
                body = raw[size:]
                if not body.isascii():
                    return at
            if call_id_is_early:
                call_id, from_tag, to_tag = from_tag, to_tag, call_id
            top = (MAGIC_COOKIE + branch.decode(), cseq, sent_by, several_vias)
            ids = (from_tag, to_tag, call_id, call_id_ends)
            response = received_response(status, reason, None, body, line, raw, (), top, ids, alike)
            frames.append((raw, (), response))
            at += whole
        return at
