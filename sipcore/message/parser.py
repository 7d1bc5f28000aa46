"""Bytes to messages: RFC 3261 §7, by the robustness that RFC 4475 asks for.

The common message is decoded once and cut with `split` and `partition`; folds, bare line feeds and other faults take a
slower path. Header fields are only named here; their values are read when somebody asks (`message.headers`).
"""

import re

from sipcore.deviation import Deviation
from sipcore.errors import LimitExceeded, ParseError
from sipcore.grammar import is_token
from sipcore.message.framing import MAX_BODY, MAX_HEAD
from sipcore.message.headers import Headers, Noted, Part, field_position, message_start
from sipcore.message.message import VERSION, Request, Response
from sipcore.message.registry import CONTENT_LENGTH, KNOWN_NAMES, key_of

MAX_MESSAGE = MAX_HEAD + MAX_BODY
"""Bytes of a message: what a stream may carry, which is more than a datagram can."""
MAX_LINES = 256
"""Lines from the start line to the empty one. Messages that crossed many proxies have about a hundred, and folds are
rare; each costs a string and a look-up, however short it is."""
MAX_LINE = 16384
"""Characters in one header field with its folds: a Kerberos ticket of 12,000 bytes in Authorization, in base64."""
MAX_START_LINE = 8192
"""Characters in the start line; a URI has its own limit, MAX_URI."""

_PRINTABLE = bytes(range(0x20, 0x7F))
_status_line = re.compile(r"(SIP/[0-9]+\.[0-9]+)([ \t]+)([0-9]++)(?:[ \t](.*))?", re.IGNORECASE | re.DOTALL).fullmatch
_is_version = re.compile(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE).fullmatch
# Behind a backslash a control character is the second half of a quoted-pair, unless the backslash is one itself.
_LONELY_NUL = re.compile(r"(?<!\\)(?:\\\\)*+(\0)").search
_CONTROL = re.compile(r"(?<!\\)(?:\\\\)*+[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]").search
_NOT_UTF8 = re.compile("[\udc80-\udcff]").search
_odd_empty_line = re.compile(rb"\n\r?\n").search


def parse_message(data: bytes) -> Request | Response:
    """Read one datagram, or one message that was framed on a stream.

    Raises ParseError with the status the RFC suggests, or LimitExceeded. Everything tolerated is in `message.noted`,
    that of a header field once the field was read.
    """
    noted: list[Noted] = []
    start = message_start(data)
    end = data.find(b"\r\n\r\n", start, start + MAX_HEAD + 4)
    after = end + 4
    if end < 0 or len(data) > MAX_MESSAGE:
        end, after = _find_end(data, start, noted)
    octets = data[start:end]
    head = octets.decode("utf-8", "surrogateescape")
    lines = head.split("\r\n", MAX_LINES)
    # What is not printable ASCII should be the line ends, and nothing else: one pass in C finds every other octet.
    if len(octets.translate(None, _PRINTABLE)) != 2 * (len(lines) - 1) or "\r\n " in head:
        lines = _mend_lines(head, start, noted)
    if len(lines) > MAX_LINES:
        raise LimitExceeded(f"more than {MAX_LINES} lines", section="RFC 3261 §7.3", status=513, position=start)
    if len(head) > MAX_START_LINE:
        _check_lengths(data, lines)
    rest = iter(lines)
    first = next(rest)
    parts = [line.partition(":") for line in rest]
    try:
        keys = [KNOWN_NAMES[name] for name, colon, _ in parts if colon]
    except KeyError:
        keys = []
    if len(keys) != len(parts):
        keys = _read_names(data, parts)
    headers = Headers(parts, keys, data)
    body = _cut_body(data, after, headers, parts, keys, noted)
    try:
        return _read_start_line(first, headers, body, data, noted)
    except ParseError as error:
        before = first[: error.offset].encode("utf-8", "surrogateescape")
        raise error.within(position=start + len(before)) from None


def _find_end(data: bytes, start: int, noted: list[Noted]) -> tuple[int, int]:
    """The end of the header fields and the start of the body, for lines that end in LF or an empty line left out."""
    if start == len(data):
        raise ParseError("empty", section="RFC 3261 §7")
    if len(data) > MAX_MESSAGE:
        raise LimitExceeded(f"message beyond {MAX_MESSAGE} bytes", section="RFC 3261 §21.5.7", status=513)
    match = _odd_empty_line(data, start, start + MAX_HEAD + 4)
    if match:
        return match.start() - (data[match.start() - 1] == 13), match.end()
    if len(data) - start > MAX_HEAD:
        raise LimitExceeded(f"header fields beyond {MAX_HEAD} bytes", section="RFC 3261 §7.3", status=513)
    noted.append(Noted(Deviation.NO_BLANK_LINE, "message"))
    return start + len(data[start:].rstrip(b"\r\n")), len(data)


def _mend_lines(head: str, start: int, noted: list[Noted]) -> list[str]:
    """Split at bare line feeds as well, put folded fields back together (RFC 3261 §7.3.1), look at odd octets."""
    _look_at_octets(head, start, noted)
    lines = head.split("\n", MAX_LINES)
    if len(lines) > MAX_LINES:
        return lines
    if any(line[-1:] != "\r" for line in lines[:-1]):
        noted.append(Noted(Deviation.BARE_LF, "message"))
    position = start
    mended: list[list[str]] = []
    for line in lines:
        text = line.removesuffix("\r")
        if "\r" in text:
            where = position + len(text[: text.index("\r")].encode("utf-8", "surrogateescape"))
            message = "a carriage return within a line"
            raise ParseError(message, section="RFC 3261 §25.1", text=text, offset=text.index("\r"), position=where)
        if mended and text[:1] in (" ", "\t"):
            if len(mended) == 1:
                message = "the start line is folded, or white space stands before the first header field"
                raise ParseError(message, section="RFC 3261 §7.1", text=text, position=position)
            mended[-1].append(text)
        else:
            mended.append([text])
        position += len(line.encode("utf-8", "surrogateescape")) + 1
    return ["\r\n".join(pieces) for pieces in mended]


def _look_at_octets(head: str, start: int, noted: list[Noted]) -> None:
    """Refuse NUL outside of a quoted-pair, the only place for it; note what else is no text (RFC 3261 §25.1)."""
    lonely = _LONELY_NUL(head)
    if lonely:
        position = start + len(head[: lonely.start(1)].encode("utf-8", "surrogateescape"))
        raise ParseError("a NUL", section="RFC 3261 §25.1", text=head, offset=lonely.start(1), position=position)
    if _CONTROL(head):
        noted.append(Noted(Deviation.CONTROL_CHARACTER, "message"))
    if _NOT_UTF8(head):
        noted.append(Noted(Deviation.NOT_UTF8, "message"))


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


def _read_names(data: bytes, parts: list[Part]) -> list[str]:
    """Keys of fields of which some have an unknown name, an odd spelling, or no colon at all."""
    keys: list[str] = []
    for index, (name, colon, content) in enumerate(parts):
        key = KNOWN_NAMES.get(name) or key_of(name)
        if not key or not colon:
            position = field_position(data, index)
            raise ParseError(
                "not a header field", section="RFC 3261 §7.3.1", text=name + colon + content, position=position
            )
        keys.append(key)
    return keys


def _cut_body(
    data: bytes, after: int, headers: Headers, parts: list[Part], keys: list[str], noted: list[Noted]
) -> bytes:
    """The body by Content-Length (RFC 3261 §18.3): what follows it is ignored, what lacks is an error."""
    count = keys.count(CONTENT_LENGTH.key)
    if count == 0:
        return data[after:]
    index = keys.index(CONTENT_LENGTH.key)
    digits = parts[index][2].lstrip(" ")
    if count == 1 and digits.isdecimal() and digits.isascii() and len(digits) < 8:
        length = int(digits)
    else:
        length = headers[CONTENT_LENGTH] or 0
    present = len(data) - after
    if present == length:
        return data[after:]
    if present < length:
        error = ParseError(f"the body ends after {present} bytes of {length}", section="RFC 3261 §18.3")
        raise headers.placed(error, CONTENT_LENGTH, index)
    noted.append(Noted(Deviation.TRAILING_OCTETS, "message"))
    return data[after : after + length]


def _read_start_line(line: str, headers: Headers, body: bytes, data: bytes, noted: list[Noted]) -> Request | Response:
    """Read the start line; an error tells where in it the fault is."""
    method, _, rest = line.partition(" ")
    if method == VERSION:
        code, _, reason = rest.partition(" ")
        if len(rest) > 3 and len(code) == 3 and code.isdecimal() and code.isascii() and "100" <= code < "700":
            return Response(int(code), reason, headers, body, start_line=line, raw=data, structural=tuple(noted))
    elif line[:4].upper() != "SIP/":
        uri, _, version = rest.partition(" ")
        if version != VERSION or not uri or uri[0] == "<" or not is_token(method):
            method, uri = _read_odd_request_line(line, noted)
        return Request(method, uri, headers, body, start_line=line, raw=data, structural=tuple(noted))
    status, reason = _read_odd_status_line(line, noted)
    return Response(status, reason, headers, body, start_line=line, raw=data, structural=tuple(noted))


def _read_odd_status_line(line: str, noted: list[Noted]) -> tuple[int, str]:
    match = _status_line(line)
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


def _read_odd_request_line(line: str, noted: list[Noted]) -> tuple[str, str]:
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
    if not _is_version(version):
        raise ParseError("not a SIP version", section="RFC 3261 §7.1", text=line, offset=offset)
    if version.upper() != VERSION:
        message = f"version {version}"
        raise ParseError(message, section="RFC 3261 §21.5.6", text=line, offset=offset, status=505)
    noted.append(Noted(Deviation.VERSION_CASE, "Request-Line"))
