"""Header field values of one plain shape: a number, a token, a line of text. RFC 3261 §25.1."""

import re

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.grammar import TOKEN, is_token, parse_number
from sipcore.message.fields.parameterized import MAX_SECONDS
from sipcore.message.uri import Uri, parse_uri
from sipcore.pattern import Pattern
from sipcore.value import maker, value

MAX_CSEQ = 2**31 - 1
"""RFC 3261 §8.1.1.5: a sequence number is below 2**31."""
MAX_RSEQ = 2**32 - 1
"""RFC 3262 §7.1: RSeq is a number from 1 to 2**32 - 1."""
MAX_FORWARDS_LIMIT = 255
"""RFC 3261 §20.22: Max-Forwards is an integer from 0 to 255."""

_WORD = r"[A-Za-z0-9\-.!%*_+`'~()<>:\\\"/\[\]?{}]++"
CALL_ID_WORDS = rf"{_WORD}(?>(?:@{_WORD})?)"
"""A Call-ID by RFC 3261 §25.1 callid, as a pattern."""
_is_call_id = Pattern(CALL_ID_WORDS)
_plain_cseq = re.compile(rf"([0-9]{{1,9}}) ({TOKEN}++)").fullmatch
_is_few_digits = re.compile(r"[0-9]{1,9}").fullmatch
_is_digits = Pattern(r"[0-9]++")
_is_hexadecimal = Pattern(r"[0-9A-Fa-f]++")
_is_mime_version = Pattern(r"[0-9]++\.[0-9]++")
_is_event_type = Pattern(r"[A-Za-z0-9\-!%*_+`'~]++(?>(?:\.[A-Za-z0-9\-!%*_+`'~]++)*)")
_is_message_id = Pattern(r"<[^\x00-\x20<>@\x7f]++@[^\x00-\x20<>@\x7f]++>")


@value
class CSeq:
    """A sequence number and the method it numbers (RFC 3261 §20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "CSeq":
        """Read a CSeq; raises ParseError. Leading zeros are legal and mean nothing."""
        match = _plain_cseq(text)
        if match:
            return _make_cseq(int(match[1]), match[2])
        words = _words(text)
        if len(words) != 2 or not is_token(words[1]):
            raise ParseError("CSeq is a number and a method", section="RFC 3261 §20.16", text=text)
        return cls(parse_number(words[0], MAX_CSEQ, "the sequence number", "RFC 3261 §8.1.1.5"), words[1])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


_make_cseq = maker(CSeq)


@value
class RAck:
    """Which reliable provisional response is acknowledged: its RSeq, and the CSeq it answered (RFC 3262 §7.2)."""

    rseq: int
    cseq: int
    method: str

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "RAck":
        """Read a RAck; raises ParseError."""
        words = _words(text)
        if len(words) != 3 or not is_token(words[2]):
            raise ParseError("RAck is two numbers and a method", section="RFC 3262 §7.2", text=text)
        rseq = parse_number(words[0], MAX_RSEQ, "the response number", "RFC 3262 §7.1")
        return cls(rseq, parse_number(words[1], MAX_CSEQ, "the sequence number", "RFC 3261 §8.1.1.5"), words[2])

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq} {self.method}"


def _words(text: str) -> list[str]:
    """What stands between spaces and tabs, and only those: `str.split()` would also take other control characters."""
    return [word for word in text.replace("\t", " ").split(" ") if word]


def parse_text(text: str, notes: Notes | None = None) -> str:
    """A line of text, white space around it left out (TEXT-UTF8-TRIM); it may be empty."""
    return text.strip(" \t")


def parse_token(text: str, notes: Notes | None = None) -> str:
    """One token; raises ParseError."""
    if is_token(text):
        return text
    stripped = text.strip(" \t")
    if not is_token(stripped):
        raise ParseError("not a token", section="RFC 3261 §25.1", text=text)
    return stripped


def parse_call_id(text: str, notes: Notes | None = None) -> str:
    """A Call-ID: a word, or two with an at sign between them (RFC 3261 §25.1 callid), case kept; raises ParseError."""
    if _is_call_id.fullmatch(text):
        return text
    stripped = text.strip(" \t")
    if not _is_call_id.fullmatch(stripped):
        # A semicolon would begin a parameter wherever a Call-ID is referred to, as in Replaces.
        is_odd = stripped.isprintable() and {" ", ";"}.isdisjoint(stripped) and stripped.strip("@") == stripped
        if not stripped or not is_odd:
            raise ParseError("a Call-ID is one word", section="RFC 3261 §20.8", text=text)
        tolerate(notes, Deviation.ODD_CALL_ID, text)
    return stripped


def parse_max_forwards(text: str, notes: Notes | None = None) -> int:
    """Hops left, 0 to 255 (RFC 3261 §20.22); raises ParseError."""
    if len(text) < 3 and _is_few_digits(text):
        return int(text)
    return parse_number(text, MAX_FORWARDS_LIMIT, "Max-Forwards", "RFC 3261 §20.22")


def parse_breadth(text: str, notes: Notes | None = None) -> int:
    """Parallel branches that a request may still open (RFC 5393 §5.3.3.1); raises ParseError."""
    return parse_number(text, MAX_SECONDS, "Max-Breadth", "RFC 5393 §5.3.3.1")


def parse_length(text: str, notes: Notes | None = None) -> int:
    """A body's size in bytes (RFC 3261 §20.14); raises ParseError."""
    if _is_few_digits(text):
        return int(text)
    return parse_number(text, MAX_SECONDS, "Content-Length", "RFC 3261 §20.14")


def parse_seconds(text: str, notes: Notes | None = None) -> int:
    """A time in seconds (RFC 3261 §25.1 delta-seconds); raises ParseError.

    One above MAX_SECONDS is read as that, since a peer that asks for so long will not mind (RFC 4475 §3.1.2.4).
    """
    if _is_few_digits(text):
        return int(text)
    stripped = text.strip(" \t")
    if not _is_digits.fullmatch(stripped):
        raise ParseError("not a number of seconds", section="RFC 3261 §25.1", text=text)
    digits = stripped.lstrip("0") or "0"
    if len(digits) <= 10 and int(digits) <= MAX_SECONDS:
        return int(digits)
    tolerate(notes, Deviation.EXPIRY_TOO_LARGE, text)
    return MAX_SECONDS


def parse_rseq(text: str, notes: Notes | None = None) -> int:
    """The number of a reliable provisional response (RFC 3262 §7.1); raises ParseError."""
    number = parse_number(text, MAX_RSEQ, "RSeq", "RFC 3262 §7.1")
    if not number:
        tolerate(notes, Deviation.RSEQ_ZERO, text)
    return number


def parse_event_type(text: str, notes: Notes | None = None) -> str:
    """An event package with its templates, as in `presence.winfo` (RFC 6665 §8.4); raises ParseError."""
    stripped = text.strip(" \t")
    if not _is_event_type.fullmatch(stripped):
        raise ParseError("not an event type", section="RFC 6665 §8.4", text=text)
    return stripped


def parse_hexadecimal(text: str, notes: Notes | None = None) -> str:
    """Hexadecimal digits, as in P-Media-Authorization (RFC 3313 §6.1); raises ParseError."""
    stripped = text.strip(" \t")
    if not _is_hexadecimal.fullmatch(stripped):
        raise ParseError("not hexadecimal", section="RFC 3313 §6.1", text=text)
    return stripped


def parse_mime_version(text: str, notes: Notes | None = None) -> str:
    """Two numbers with a dot between them (RFC 3261 §20.24); raises ParseError."""
    stripped = text.strip(" \t")
    if not _is_mime_version.fullmatch(stripped):
        raise ParseError("not a MIME version", section="RFC 3261 §20.24", text=text)
    return stripped


def parse_message_id(text: str, notes: Notes | None = None) -> str:
    """A Content-ID, angle brackets included (RFC 8262 §3.2); raises ParseError."""
    stripped = text.strip(" \t")
    if not _is_message_id.fullmatch(stripped):
        raise ParseError("a Content-ID is <left@right>", section="RFC 8262 §3.2", text=text)
    return stripped


def parse_urn(text: str, notes: Notes | None = None) -> Uri:
    """A URI without brackets, as in P-Asserted-Service (RFC 6050 §4.1); raises ParseError."""
    return parse_uri(text.strip(" \t"), notes)
