"""Requests and responses as immutable values. RFC 3261 §7.

A message that was parsed and not changed serialises to the very bytes it came from. A changed one differs only where it
was changed, but for what it had wrong around its header fields: line ends, empty lines, bytes behind the body.
`message[ROW]` reads a header field by its row of the registry.
"""

import re
from typing import Self, TypeVar, overload

from sipcore.deviation import Notes
from sipcore.errors import LocalError, ParseError
from sipcore.grammar import QUOTED, TOKEN, require_safe, require_token
from sipcore.message.address import Address
from sipcore.message.fields.simple import CSeq
from sipcore.message.fields.via import Via
from sipcore.message.headers import Headers, Noted, message_start
from sipcore.message.params import GENERIC_PARAMS
from sipcore.message.registry import (
    CALL_ID,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CSEQ,
    FROM,
    TO,
    VIA,
    Listed,
    Repeated,
    Row,
    Single,
)
from sipcore.message.uri import Uri, parse_uri

T = TypeVar("T")
VERSION = "SIP/2.0"

# The parameter that is asked for of nearly every message, found in one step where the field has no list, no white space
# and no fault in its parameters. Where these patterns do not match, the typed value tells.
_NOT_BRANCH = f"(?:;(?!(?i:branch)[;=]){TOKEN}++(?:={TOKEN}++(?!:)|={QUOTED})?+)*+"
_plain_branch = re.compile(
    rf'[^;,"<]++{_NOT_BRANCH};(?i:branch)=({TOKEN}++)(?!:)(?:{GENERIC_PARAMS})', re.DOTALL
).fullmatch
_NOT_TAG = f"(?:;(?!(?i:tag)[;=]){TOKEN}++(?:={TOKEN}++(?!:)|={QUOTED})?+)*+"
_plain_tag = re.compile(
    rf'(?:{QUOTED}|[^"<,;]*+)[ \t]*+<[^<>"]++>{_NOT_TAG}(?:;(?i:tag)=({TOKEN}++)(?!:)(?:{GENERIC_PARAMS}))?+', re.DOTALL
).fullmatch


class Message:
    """What requests and responses share: header fields and a body (RFC 3261 §7.1 ff.). Values never change."""

    __slots__ = ("_body", "_headers", "_raw", "_start_line", "_structural", "_via")

    def __init__(
        self, start_line: str, headers: Headers, body: bytes, raw: bytes | None, structural: tuple[Noted, ...]
    ) -> None:
        self._start_line = start_line
        self._headers = headers
        self._body = body
        self._raw = raw
        self._structural = structural
        self._via: Via | None = None

    @property
    def start_line(self) -> str:
        """The request line or status line, without its line end."""
        return self._start_line

    @property
    def headers(self) -> Headers:
        """The header fields, verbatim and in order."""
        return self._headers

    @property
    def body(self) -> bytes:
        """The body, as long as Content-Length says (RFC 3261 §18.3)."""
        return self._body

    @overload
    def __getitem__(self, row: Single[T]) -> T | None: ...
    @overload
    def __getitem__(self, row: Listed[T] | Repeated[T]) -> tuple[T, ...]: ...
    @overload
    def __getitem__(self, row: Row[object]) -> object: ...
    def __getitem__(self, row: Row[object]) -> object:
        """The typed value of a header field, as `Headers.__getitem__` gives it; raises ParseError."""
        return self._headers[row]

    @property
    def via(self) -> Via:
        """The topmost Via (RFC 3261 §8.1.1.7); those below it are not looked at where it has a line of its own.

        Raises ParseError when there is none, or it cannot be read, as all below do with their header fields.
        """
        if self._via is None:
            self._via = self._headers.first(VIA) or self._missing(VIA)
        return self._via

    @property
    def branch(self) -> str:
        """The branch of the topmost Via, "" where it has none (RFC 3261 §8.1.1.7)."""
        match = _plain_branch(self._headers.get(VIA.name) or "")
        return match[1] if match else self.via.branch

    @property
    def from_(self) -> Address:
        """From (RFC 3261 §8.1.1.3)."""
        return self._headers[FROM] or self._missing(FROM)

    @property
    def from_tag(self) -> str | None:
        """The tag of From (RFC 3261 §19.3), None where it has none; its URI is not looked at."""
        match = _plain_tag(self._headers.get(FROM.name) or "")
        return match[1] if match else self.from_.tag

    @property
    def to(self) -> Address:
        """To (RFC 3261 §8.1.1.2)."""
        return self._headers[TO] or self._missing(TO)

    @property
    def to_tag(self) -> str | None:
        """The tag of To (RFC 3261 §19.3), None where it has none; its URI is not looked at."""
        match = _plain_tag(self._headers.get(TO.name) or "")
        return match[1] if match else self.to.tag

    @property
    def call_id(self) -> str:
        """Call-ID (RFC 3261 §8.1.1.4)."""
        return self._headers[CALL_ID] or self._missing(CALL_ID)

    @property
    def cseq(self) -> CSeq:
        """CSeq (RFC 3261 §8.1.1.5)."""
        return self._headers[CSEQ] or self._missing(CSEQ)

    def _missing(self, row: Row[T]) -> T:
        raise ParseError("missing", section="RFC 3261 §8.1.1", header=row.name)

    @property
    def noted(self) -> tuple[Noted, ...]:
        """The deviations met so far: in the message's structure, and in each header field that was read."""
        return self._structural + self._headers.noted()

    def with_header(self, name: str, *values: object) -> Self:
        """The same message with `name` having just `values`, in its place or at the end.

        Raises UnsafeValue on a name that is not a token, or a value with CR, LF or NUL.
        """
        return self._changed(self._headers.replaced(name, *values), self._body)

    def without(self, name: str) -> Self:
        """The same message without any `name`."""
        return self._changed(self._headers.replaced(name), self._body)

    def with_first(self, name: str, content: object) -> Self:
        """The same message with one more `name` above the others of that name (Via, Record-Route), or on top."""
        return self._changed(self._headers.with_first(name, content), self._body)

    def with_last(self, name: str, content: object) -> Self:
        """The same message with one more `name` at the end."""
        return self._changed(self._headers.with_last(name, content), self._body)

    def with_body(self, body: bytes, content_type: str = "") -> Self:
        """The same message with another body, its Content-Length, and its Content-Type (kept when none is given).

        What else describes the old body goes where there is no new one, or one of another type. Raises LocalError for
        a body without any Content-Type (RFC 3261 §20.15).
        """
        headers = self._headers
        if not body or content_type:
            for row in (CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE):
                headers = headers.replaced(row.name)
            headers = headers.replaced(CONTENT_TYPE.name, *[content_type] if body else [])
        if body and CONTENT_TYPE.name not in headers:
            raise LocalError("a body needs a Content-Type", section="RFC 3261 §20.15")
        return self._changed(headers.replaced(CONTENT_LENGTH.name, len(body)), body)

    def _changed(self, headers: Headers, body: bytes) -> Self:
        raise NotImplementedError

    def __bytes__(self) -> bytes:
        """The message as it goes on the wire."""
        if self._raw is not None:
            return self._raw
        head = f"{self._start_line}\r\n{self._headers}\r\n"
        return head.encode("utf-8", "surrogateescape") + self._body

    def __eq__(self, other: object) -> bool:
        return bytes(self) == bytes(other) if isinstance(other, Message) else NotImplemented

    def __hash__(self) -> int:
        return hash(bytes(self))

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self._start_line!r}, {len(self._headers)} header fields, {len(self._body)} bytes>"
        )


class Request(Message):
    """A request (RFC 3261 §7.1). Build one with `message.build`; the parser makes its own."""

    __slots__ = ("_method", "_uri", "_uri_text")

    def __init__(
        self,
        method: str,
        uri: Uri | str,
        headers: Headers,
        body: bytes = b"",
        *,
        start_line: str = "",
        raw: bytes | None = None,
        structural: tuple[Noted, ...] = (),
    ) -> None:
        """A request that was received has a `start_line`, and the `raw` bytes unless it was changed.

        For one that is built the start line is made, and UnsafeValue raised where method or URI do not fit into one.
        """
        self._method = method
        self._uri: Uri | None = None if isinstance(uri, str) else uri
        self._uri_text = uri if isinstance(uri, str) else str(uri)
        if not start_line:
            require_token(method, "a method")
            require_safe(self._uri_text, "the Request-URI")
            start_line = f"{method} {self._uri_text} {VERSION}"
        super().__init__(start_line, headers, body, raw, structural)

    @property
    def method(self) -> str:
        """The method, case kept (methods compare by case: RFC 3261 §7.1)."""
        return self._method

    @property
    def uri(self) -> Uri:
        """The Request-URI. Raises ParseError when it was received and cannot be read."""
        if self._uri is None:
            notes: Notes = []
            try:
                self._uri = parse_uri(self._uri_text, notes)
            except ParseError as error:
                raise self._placed(error) from None
            self._structural += tuple(Noted(note, "Request-URI") for note in notes)
        return self._uri

    def _placed(self, error: ParseError) -> ParseError:
        """An error out of the Request-URI, told where in the start line and in the message it stands."""
        offset = max(self._start_line.find(self._uri_text), 0)
        position = None
        if self._raw is not None:
            before = self._start_line[: offset + error.offset].encode("utf-8", "surrogateescape")
            position = message_start(self._raw) + len(before)
        return error.within("Request-URI", offset, self._start_line, position)

    @property
    def uri_text(self) -> str:
        """The Request-URI as written."""
        return self._uri_text

    def with_uri(self, uri: Uri) -> "Request":
        """The same request for another Request-URI."""
        return Request(self._method, uri, self._headers, self._body, structural=self._structural)

    def _changed(self, headers: Headers, body: bytes) -> "Request":
        uri = self._uri or self._uri_text
        return Request(self._method, uri, headers, body, start_line=self._start_line, structural=self._structural)


class Response(Message):
    """A response (RFC 3261 §7.2). Build one with `message.build`; the parser makes its own."""

    __slots__ = ("_reason", "_status")

    def __init__(
        self,
        status: int,
        reason: str,
        headers: Headers,
        body: bytes = b"",
        *,
        start_line: str = "",
        raw: bytes | None = None,
        structural: tuple[Noted, ...] = (),
    ) -> None:
        """A response that was received has a `start_line`, and the `raw` bytes unless it was changed.

        For one that is built the start line is made, and UnsafeValue raised where the reason does not fit into one.
        """
        self._status = status
        self._reason = reason
        start_line = start_line or f"{VERSION} {status} {require_safe(reason, 'the reason phrase')}"
        super().__init__(start_line, headers, body, raw, structural)

    @property
    def status(self) -> int:
        """The status code, 100 to 699."""
        return self._status

    @property
    def reason(self) -> str:
        """The reason phrase, which may be empty."""
        return self._reason

    @property
    def is_provisional(self) -> bool:
        """Whether it is a 1xx (RFC 3261 §7.2)."""
        return self._status < 200

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self._status < 300

    def _changed(self, headers: Headers, body: bytes) -> "Response":
        return Response(
            self._status, self._reason, headers, body, start_line=self._start_line, structural=self._structural
        )
