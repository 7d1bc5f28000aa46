"""Bodies of one part or of several: RFC 2046 §5.1, as SIP uses them (RFC 5621)."""

from collections.abc import Iterator

from sipcore.errors import LimitExceeded, ParseError
from sipcore.grammar import is_token
from sipcore.message.fields.media_type import Disposition, MediaType
from sipcore.message.headers import Headers, headers_of
from sipcore.message.message import Request, Response
from sipcore.message.registry import CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE
from sipcore.value import value

MAX_PARTS = 32
"""Parts of a body. What is seen has two or three: a session description, and what a gateway or a location adds."""
MAX_NESTING = 3
"""Multiparts within each other: RFC 5621 §4.3 asks for none at all."""
MAX_BOUNDARY = 70
"""Characters of a boundary (RFC 2046 §5.1.1)."""
MAX_PART_FIELDS = 16
"""Header fields of a part; five are defined (RFC 2045 §3, RFC 2183 §2)."""

_SECTION = "RFC 2046 §5.1.1"
_TRANSFER_ENCODING = "Content-Transfer-Encoding"
_PLAIN_ENCODINGS = ("7bit", "8bit", "binary")


@value
class BodyPart:
    """A body, or a part of one that is no multipart itself. `media_type` is None where nothing tells it."""

    media_type: MediaType | None
    disposition: Disposition | None
    is_encoded: bool
    """Whether its bytes are compressed, or in base64 or the like, so that they are not what `media_type` says."""
    content: bytes


def parts_of(message: Request | Response) -> tuple[BodyPart, ...]:
    """The parts of a message's body in their order, those of nested multiparts too; empty without a body.

    Unknown kinds of multipart are taken as mixed (RFC 5621 §4.2). Raises ParseError, or LimitExceeded.
    """
    if not message.body:
        return ()
    parts: list[BodyPart] = []
    for part in _leaves(message.headers, message.body, 0):
        if len(parts) == MAX_PARTS:
            raise LimitExceeded(f"more than {MAX_PARTS} body parts", section=_SECTION, status=413)
        parts.append(part)
    return tuple(parts)


def _leaves(headers: Headers, content: bytes, depth: int) -> Iterator[BodyPart]:
    media_type = headers[CONTENT_TYPE]
    transfer = (headers.get(_TRANSFER_ENCODING) or "binary").strip().lower()
    compressed = [coding for coding in headers[CONTENT_ENCODING] if coding.lower() != "identity"]
    encoded = bool(compressed) or transfer not in _PLAIN_ENCODINGS
    if media_type is None or media_type.type.lower() != "multipart" or encoded:
        yield BodyPart(media_type, headers[CONTENT_DISPOSITION], encoded, content)
        return
    if depth == MAX_NESTING:
        raise LimitExceeded(f"body parts nested more than {MAX_NESTING} deep", section="RFC 5621 §4.3", status=413)
    for piece in _split(content, _boundary(media_type)):
        head, empty_line, inside = piece.partition(b"\r\n\r\n")
        if not empty_line:
            raise ParseError("a body part without an empty line before its content", section=_SECTION)
        yield from _leaves(_read_fields(head), inside, depth + 1)


def _boundary(media_type: MediaType) -> bytes:
    boundary = media_type.params.text("boundary") or ""
    if not 0 < len(boundary) <= MAX_BOUNDARY or not boundary.isascii():
        raise ParseError(f"a multipart needs a boundary of 1 to {MAX_BOUNDARY} characters", section=_SECTION)
    return boundary.encode()


def _split(content: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between the delimiters, each beginning with the line end of the one before it."""
    _, *pieces = (b"\r\n" + content).split(b"\r\n--" + boundary, MAX_PARTS + 2)
    for piece in pieces:
        if piece.startswith(b"--"):
            return
        part = piece.lstrip(b" \t")  # transport padding
        if not part.startswith(b"\r\n"):
            raise ParseError("a boundary that its line goes on behind", section=_SECTION)
        yield part
    raise ParseError("a multipart without its closing boundary", section=_SECTION)


def _read_fields(head: bytes) -> Headers:
    """The header fields of a part."""
    lines: list[str] = []
    for line in head.decode("utf-8", "surrogateescape").split("\r\n")[1:]:
        if lines and line[:1] in (" ", "\t"):  # RFC 5322 §2.2.3
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    if len(lines) > MAX_PART_FIELDS:
        raise LimitExceeded(f"more than {MAX_PART_FIELDS} header fields in a body part", section=_SECTION, status=413)
    fields = []
    for line in lines:
        name, colon, text = line.partition(":")
        name, text = name.rstrip(" \t"), text.replace("\t", " ").strip(" ")
        if not colon or not is_token(name) or not text.isprintable():
            raise ParseError("not a header field of a body part", section=_SECTION, text=line)
        fields.append((name, text))
    return headers_of(*fields)
