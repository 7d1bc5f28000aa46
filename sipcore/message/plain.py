"""Messages whose head is written as most are: read by one linear pattern, and found in a stream by it. RFC 3261 §7.

It finds what tells a message's transaction, and how long the message is; its header fields are cut apart when somebody
asks. What comes out is what `parser` and `framing` would make of it, in a fifth of their time; whatever does not match
is left to them.
"""

import re

from sipcore.grammar import TOKEN
from sipcore.message.message import (
    PLAIN_ENVELOPE,
    VERSION,
    Request,
    Response,
    known_cseq,
    received_request,
    received_response,
)
from sipcore.message.method import KNOWN
from sipcore.pattern import Pattern

MAX_LINES = 256
"""Lines from the start line to the empty one. Messages that crossed many proxies have about a hundred, and folds are
rare; each costs a string and a look-up, however short it is."""
MAX_PLAIN = 4096
"""Bytes of a head that is tried as a plain one: few are longer, and no line or URI in it is too long."""
MAX_OTHERS = MAX_LINES // 9
"""Lines between any two of those that a plain head has: there are eight such places, and a few lines more."""


def _plain_pattern() -> str:
    """A head as most are: Via, From, To, Call-ID, CSeq and Content-Length in this order, others anywhere between them.

    Call-ID may also come between Via and From, where pjproject has it. Each line has a token, a colon and nothing odd;
    none is gone through more than three times. The others are those whose names begin with none of the letters that the
    six and their compact forms begin with, but for the others with a C.
    """
    other = rf"(?![VFTILvftil]|[Cc](?i:all-id|seq|ontent-length)){TOKEN}++:[ -~]*+\r\n"
    others = rf"(?>(?:{other}){{0,{MAX_OTHERS}}})"
    names = ("Via", "From", "To", "Call-ID", "CSeq", "Content-Length")
    values = (*PLAIN_ENVELOPE, "[ \t]*+([0-9]{1,7})")
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


def read_plain(data: bytes, text: str, at: int) -> tuple[Request | Response, bytes] | None:
    """The message that begins at byte `at` of `data`, and its bytes; `text` is `data` in Latin-1.

    None where its head is not plain, where it is not all there yet, and where a byte is not of ASCII.
    """
    head = _plain_head.match(text, at, at + MAX_PLAIN)
    if head is None:
        return None
    line, status, reason, method, uri, sent_by, branch, vias, early, from_tag, to_tag, late, number, of, length = (
        head.groups()
    )
    begin = end = head.end()
    body = b""
    if length != "0":
        end += int(length)
        body = data[begin:end]
    raw = data[at:end]
    call_id = early or late
    if call_id is None or (early and late) or len(raw) != end - at or not raw.isascii():
        return None
    envelope = (branch, from_tag, to_tag, call_id, known_cseq(number, of))
    if status is None:
        return received_request(method, uri, None, body, line, raw, (), envelope, sent_by, vias != ""), raw
    return received_response(int(status), reason, None, body, line, raw, (), envelope, sent_by, vias != ""), raw
