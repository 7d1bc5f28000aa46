"""Bytes to messages: RFC 3261 §7, by the robustness that RFC 4475 asks for.

Most messages match one pattern for a whole head (`message.plain`). The others are decoded once and cut with `split` and
`partition`, and where there are folds, bare line feeds and other faults they take a slower path still. What comes out
is the same whichever way it took. Header fields are only named here; their values are read when somebody asks
(`message.headers`).
"""

import re

from sipcore.deviation import Deviation
from sipcore.errors import LimitExceeded, ParseError
from sipcore.grammar import is_token, lonely_nul
from sipcore.message.framing import MAX_BODY, MAX_HEAD
from sipcore.message.headers import Headers, Noted
from sipcore.message.message import (
    VERSION,
    Request,
    Response,
    received_request,
    received_response,
)
from sipcore.message.method import KNOWN
from sipcore.message.plain import MAX_LINES, MAX_PLAIN, PlainReader, read_plain
from sipcore.message.position import field_position, message_start
from sipcore.message.registry import CONTENT_LENGTH, KNOWN_NAMES, key_of
from sipcore.pattern import Pattern

MAX_MESSAGE = MAX_HEAD + MAX_BODY
"""Bytes of a message: what a stream may carry, which is more than a datagram can."""
MAX_LINE = 16384
"""Characters in one header field with its folds: a Kerberos ticket of 12,000 bytes in Authorization, in base64."""
MAX_START_LINE = 8192
"""Characters in the start line; a URI has its own limit, MAX_URI."""

_LENGTH = CONTENT_LENGTH.key
_METHODS = frozenset(KNOWN)
_plain_status_line = re.compile(rf"{re.escape(VERSION)} ([1-6][0-9]{{2}}) (.*+)", re.DOTALL).fullmatch
_status_line = Pattern(r"(SIP/[0-9]+\.[0-9]+)([ \t]+)([0-9]++)(?:[ \t](.*))?", re.IGNORECASE | re.DOTALL)
_is_version = Pattern(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE)
_NOT_UTF8 = Pattern("[\udc80-\udcff]")


def parse_message(data: bytes, reader: PlainReader | None = None) -> Request | Response:
    """Read one datagram, or one message that was framed on a stream; a `reader` is quicker with those it expects.

    Raises ParseError with the status the RFC suggests, or LimitExceeded. Everything tolerated is in `message.noted`,
    that of a header field once the field was read.
    """
    size = len(data)
    if size <= MAX_PLAIN and reader is not None:
        message = reader.read_datagram(data)
        if message is not None:
            return message
    elif size <= MAX_PLAIN:
        plain = read_plain(data, data.decode("latin-1"), 0)
        if plain is not None and len(plain[1]) == size:
            return plain[0]
    noted: list[Noted] = []
    lines, keys, start, after = _read_head(data, noted)
    fields = lines[1:]
    headers = Headers(fields, keys, data)
    # A body announced as most are, in the last field and nowhere else, is worth a comparison of its own.
    if (
        keys
        and keys.index(keys[-1]) == len(keys) - 1
        and keys[-1] == _LENGTH
        and fields[-1].partition(":")[2].lstrip(" ") == str(len(data) - after)
    ):
        body = data[after:]
    else:
        body = _cut_body(data, after, headers, keys, noted)
    words = lines[0].split(" ")
    if len(words) == 3 and words[2] == VERSION and words[0] in _METHODS and words[1] and words[1][0] != "<":
        return received_request(words[0], words[1], headers, body, lines[0], data, tuple(noted) if noted else ())
    try:
        return _read_start_line(lines[0], headers, body, data, noted)
    except ParseError as error:
        before = lines[0][: error.offset].encode("utf-8", "surrogateescape")
        raise error.within(position=start + len(before)) from None


def salvage_request(data: bytes) -> Request | None:
    """What can be read of a request that `parse_message` does not take, without its body, so that it can be refused:
    one that was cut off (RFC 3261 §18.3), or of another version (§21.5.6). None for anything else.
    """
    try:
        lines, keys, _, _ = _read_head(data, [])
    except ParseError:
        return None
    method, _, others = lines[0].partition(" ")
    uri, _, version = others.rpartition(" ")
    if not is_token(method) or not uri or not _is_version.fullmatch(version):
        return None
    return received_request(method, uri, Headers(lines[1:], keys, data), b"", lines[0], data, ())


def _read_head(data: bytes, noted: list[Noted]) -> tuple[list[str], list[str], int, int]:
    """The start line and the header fields, the keys of these, where they begin, and where the body does."""
    start = 0 if data[:1] > b"\r" else message_start(data)
    end = data.find(b"\r\n\r\n", start, start + MAX_HEAD + 4)
    after = end + 4
    if end < 0 or len(data) > MAX_MESSAGE:
        end, after = _find_end(data, start, noted)
    head = data[start:end].decode("utf-8", "surrogateescape")
    lines = head.split("\r\n", MAX_LINES - 1)  # more lines than that leave their ends in the last piece
    text = "".join(lines)
    if "\n" in text or "\r" in text or "\0" in text or not text.isascii():
        end, after = _find_end(data, start, noted)  # an empty line between bare line feeds may have come earlier
        head = data[start:end].decode("utf-8", "surrogateescape")
        lines = _mend_lines(head, start, noted)
        if data[end : end + 1] == b"\n" and not any(note.deviation is Deviation.BARE_LF for note in noted):
            noted.append(Noted(Deviation.BARE_LF, "message"))
    if len(head) > MAX_START_LINE:
        _check_lengths(data, lines)
    fields = lines[1:]
    try:
        keys = [KNOWN_NAMES[name] for name, colon, _ in [line.partition(":") for line in fields] if colon]
    except KeyError:
        keys = []
    if len(keys) != len(fields):  # unknown or oddly spelled names, no colon, or lines that continue the one before
        if any(line[:1] in (" ", "\t") for line in lines):
            lines = _mend_lines(head, start, noted)
            fields = lines[1:]
        keys = _read_names(data, fields)
    return lines, keys, start, after


def _find_end(data: bytes, start: int, noted: list[Noted]) -> tuple[int, int]:
    """The end of the header fields and the start of the body, for lines that end in LF or an empty line left out."""
    if start == len(data):
        raise ParseError("empty", section="RFC 3261 §7")
    if len(data) > MAX_MESSAGE:
        raise LimitExceeded(f"message beyond {MAX_MESSAGE} bytes", section="RFC 3261 §21.5.7", status=513)
    # "\n\r\n" is the end of CRLFCRLF too, and of a line that ends in LF before an empty one that does not.
    ends = [end for end in (data.find(mark, start, start + MAX_HEAD + 4) for mark in (b"\n\r\n", b"\n\n")) if end >= 0]
    if ends:
        end = min(ends)
        return end - (data[end - 1] == 13), end + (2 if data[end + 1] == 10 else 3)
    if len(data) - start > MAX_HEAD:
        raise LimitExceeded(f"header fields beyond {MAX_HEAD} bytes", section="RFC 3261 §7.3", status=513)
    if not noted:
        noted.append(Noted(Deviation.NO_BLANK_LINE, "message"))
    return start + len(data[start:].rstrip(b"\r\n")), len(data)


def _mend_lines(head: str, start: int, noted: list[Noted]) -> list[str]:
    """Split at bare line feeds as well, put folded fields back together (RFC 3261 §7.3.1), look at odd octets."""
    lines = head.split("\n", MAX_LINES)
    if len(lines) > MAX_LINES:
        raise LimitExceeded(f"more than {MAX_LINES} lines", section="RFC 3261 §7.3", status=513, position=start)
    if any(line[-1:] != "\r" for line in lines[:-1]):
        noted.append(Noted(Deviation.BARE_LF, "message"))
    if not head.isascii() and _NOT_UTF8.search(head):
        noted.append(Noted(Deviation.NOT_UTF8, "message"))
    lonely = lonely_nul.search(head) if "\0" in head else None
    if lonely:
        raise _odd_octet("a NUL", head, lonely.start(1), start)
    mended: list[list[str]] = []
    for text in [*(line.removesuffix("\r") for line in lines[:-1]), lines[-1]]:
        if "\r" in text:
            offset = head.replace("\r\n", "\n\n").index("\r")
            raise _odd_octet("a carriage return within a line", head, offset, start)
        if text[:1] not in (" ", "\t") or not mended:
            mended.append([text])
        elif len(mended) > 1:
            mended[-1].append(text)
        else:
            message = "the start line is folded, or white space stands before the first header field"
            raise _odd_octet(message, head, head.index("\n") + 1, start, "RFC 3261 §7.1")
    return ["\r\n".join(pieces) for pieces in mended]


def _odd_octet(message: str, head: str, offset: int, start: int, section: str = "RFC 3261 §25.1") -> ParseError:
    """What is wrong with the character at `offset` of the start line and header fields, which begin at `start`."""
    position = start + len(head[:offset].encode("utf-8", "surrogateescape"))
    return ParseError(message, section=section, text=head, offset=offset, position=position)


def _check_lengths(data: bytes, lines: list[str]) -> None:
    if len(lines[0]) > MAX_START_LINE:
        message = f"start line beyond {MAX_START_LINE} characters"
        raise LimitExceeded(message, section="RFC 3261 §7.1", text=lines[0], position=message_start(data), status=414)
    for index, line in enumerate(lines[1:]):
        if len(line) > MAX_LINE:
            raise LimitExceeded(
                f"header field beyond {MAX_LINE} characters",
                section="RFC 3261 §7.3",
                text=line,
                header=line.partition(":")[0].rstrip(" \t"),
                position=field_position(data, index),
                status=513,
            )


def _read_names(data: bytes, fields: list[str]) -> list[str]:
    """Keys of fields of which some have an unknown name, an odd spelling, or no colon at all."""
    keys: list[str] = []
    for index, line in enumerate(fields):
        name, colon, _ = line.partition(":")
        key = KNOWN_NAMES.get(name) or key_of(name)
        if not key or not colon:
            position = field_position(data, index)
            raise ParseError("not a header field", section="RFC 3261 §7.3.1", text=line, position=position)
        keys.append(key)
    return keys


def _cut_body(data: bytes, after: int, headers: Headers, keys: list[str], noted: list[Noted]) -> bytes:
    """The body by Content-Length (RFC 3261 §18.3): what follows it is ignored, what lacks is an error."""
    length = headers[CONTENT_LENGTH] if _LENGTH in keys else None
    present = len(data) - after
    if length is None or length == present:
        return data[after:]
    if length > present:
        error = ParseError(f"the body ends after {present} bytes of {length}", section="RFC 3261 §18.3")
        raise headers.placed(error, CONTENT_LENGTH, keys.index(_LENGTH))
    noted.append(Noted(Deviation.TRAILING_OCTETS, "message"))
    return data[after : after + length]


def _read_start_line(line: str, headers: Headers, body: bytes, data: bytes, noted: list[Noted]) -> Request | Response:
    """Read a start line that is not the request line of a known method; an error tells where in it the fault is."""
    if line[:4].upper() != "SIP/":
        method, uri = _read_request_line(line, noted)
        return received_request(method, uri, headers, body, line, data, tuple(noted))
    match = _plain_status_line(line)
    status, reason = (int(match[1]), match[2]) if match else _read_odd_status_line(line, noted)
    return received_response(status, reason, headers, body, line, data, tuple(noted))


def _read_odd_status_line(line: str, noted: list[Noted]) -> tuple[int, str]:
    match = _status_line.fullmatch(line)
    if not match:
        raise ParseError("not a status line", section="RFC 3261 §7.2", text=line)
    version, space, code, reason = match.groups()
    if version.upper() != VERSION:
        # A request of another version is answered with 505, but a response can only be read or lost.
        noted.append(Noted(Deviation.OTHER_VERSION, "Status-Line"))
    elif version != VERSION:
        noted.append(Noted(Deviation.VERSION_CASE, "Status-Line"))
    if len(code) != 3 or not "100" <= code < "700":
        raise ParseError("a status code is from 100 to 699", section="RFC 3261 §7.2", text=line, offset=match.start(3))
    if reason is None:
        noted.append(Noted(Deviation.REASON_WITHOUT_SPACE, "Status-Line"))
    if space != " ":
        noted.append(Noted(Deviation.SPACING_IN_START_LINE, "Status-Line"))
    return int(code), reason or ""


def _read_request_line(line: str, noted: list[Noted]) -> tuple[str, str]:
    pieces = line.replace("\t", " ").split(" ")
    words = [piece for piece in pieces if piece]
    if len(words) < 3:
        raise ParseError("a request line is method, URI and version", section="RFC 3261 §7.1", text=line)
    method, uri, version = words[0], words[1], words[-1]
    if not is_token(method) or not pieces[0]:
        raise ParseError("not a method", section="RFC 3261 §7.1", text=line)
    after_uri = line.index(uri, line.index(method) + len(method)) + len(uri)
    if len(words) > 3:
        raise ParseError("white space in the Request-URI", section="RFC 3261 §7.1", text=line, offset=after_uri)
    _check_version(version, line, line.rindex(version), noted)
    if len(pieces) > 3 or "\t" in line:
        noted.append(Noted(Deviation.SPACING_IN_START_LINE, "Request-Line"))
    if uri[0] == "<" and uri[-1] == ">":
        noted.append(Noted(Deviation.BRACKETED_REQUEST_URI, "Request-Line"))
        uri = uri[1:-1]
    return method, uri


def _check_version(version: str, line: str, offset: int, noted: list[Noted]) -> None:
    """RFC 3261 §7.1: the version is SIP/2.0, in any case when read; any other SIP version is answered with 505."""
    if version == VERSION:
        return
    if not _is_version.fullmatch(version):
        raise ParseError("not a SIP version", section="RFC 3261 §7.1", text=line, offset=offset)
    if version.upper() != VERSION:
        message = f"version {version}"
        raise ParseError(message, section="RFC 3261 §21.5.6", text=line, offset=offset, status=505)
    noted.append(Noted(Deviation.VERSION_CASE, "Request-Line"))
