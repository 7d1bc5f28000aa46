"""Requests and responses as immutable values. RFC 3261 §7.

A message that was parsed and not changed serialises to the very bytes it came from. A changed one differs only where it
was changed, but for what it had wrong around its header fields: line ends, empty lines, bytes behind the body.
`message[ROW]` reads a header field by its row of the registry.
"""

from collections.abc import Callable
from typing import Any, Final, Self, TypeVar, overload

from sipcore.covering import cover_uris
from sipcore.errors import LocalError, ParseError
from sipcore.grammar import require_bytes, require_safe, require_token, split_list
from sipcore.message.address import Address
from sipcore.message.envelope import Cut, Ids, Top, read_envelope, texts_of
from sipcore.message.fields.simple import CSeq
from sipcore.message.fields.via import Via
from sipcore.message.headers import Headers, Noted
from sipcore.message.method import KNOWN
from sipcore.message.position import message_start
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
from sipcore.message.uri import Uri, known_uri
from sipcore.message.written import plain_headers, written_headers

T = TypeVar("T")
VERSION = "SIP/2.0"


class Message:
    """What requests and responses share: header fields and a body (RFC 3261 §7.1 ff.). Values never change."""

    __slots__ = ("_headers", "_ids", "_raw", "_structural", "_via", "body", "known_top", "start_line")

    start_line: Final[str]
    """The request line or status line, without its line end."""
    body: Final[bytes]
    """The body, as long as Content-Length says (RFC 3261 §18.3)."""
    known_top: Top | None
    """What finds its transaction if it was read, and its dialog with it: always that of a plain head. None where nobody
    has asked for it yet, or where it cannot be read in one go."""
    _ids: Ids | Cut | None
    _headers: Headers | None
    """None for a head that is plain or was sent, whose lines are cut out of `_raw` when somebody asks."""
    _raw: bytes | None
    _structural: tuple[Noted, ...]
    _via: Via | None

    def __init__(self, start_line: str, headers: Headers, body: bytes, structural: tuple[Noted, ...] = ()) -> None:
        """A message that is built."""
        self.start_line = start_line
        self.body = body
        self.known_top = self._ids = None
        self._headers = headers
        self._raw = None
        self._structural = structural
        self._via = None

    @property
    def headers(self) -> Headers:
        """The header fields, verbatim and in order."""
        if self._headers is None:
            raw, top = self._raw, self.known_top
            assert raw is not None  # noqa: S101  # a head without header fields is one that is there as bytes
            written = raw[raw.index(b"\r\n") + 2 : len(raw) - len(self.body) - 2].decode("utf-8", "surrogateescape")
            ids = self._known_ids() if top is not None else None
            if top is None or ids is None:
                self._headers = written_headers(written)
            else:
                alike = self.alike.headers if isinstance(self, Response) and self.alike is not None else None
                self._headers = plain_headers(written[:-2], raw, {CALL_ID: ids[2], CSEQ: top[1]}, alike)
        return self._headers

    @overload
    def __getitem__(self, row: Single[T]) -> T | None: ...
    @overload
    def __getitem__(self, row: Listed[T] | Repeated[T]) -> tuple[T, ...]: ...
    @overload
    def __getitem__(self, row: Row[object]) -> object: ...
    def __getitem__(self, row: Row[object]) -> object:
        """The typed value of a header field, as `Headers.__getitem__` gives it; raises ParseError."""
        return self.headers[row]

    @property
    def via(self) -> Via:
        """The topmost Via (RFC 3261 §8.1.1.7); those below it are not looked at where it has a line of its own.

        Raises ParseError when there is none, or it cannot be read, as all below do with their header fields.
        """
        if self._via is None:
            self._via = self.headers.first(VIA) or self._missing(VIA)
        return self._via

    @property
    def has_several_vias(self) -> bool:
        """Whether a Via stands below the topmost one, readable or not (RFC 3261 §8.1.3.3). False where nothing can be
        told, and beside a comma too many.
        """
        top = self.known_top or self._open()
        if top:
            return top[3]
        texts = self.headers.get_all(VIA.name)
        try:
            return len(texts) > 1 or any("," in text and len([*filter(None, split_list(text))]) > 1 for text in texts)
        except ParseError:  # a quote that is not closed
            return False

    @property
    def top(self) -> Top:
        """What finds the transaction of a message: the properties of the same names."""
        return self.known_top or self._open() or (self.branch, self.cseq, self.sent_by, self.has_several_vias)

    @property
    def plain_top(self) -> Top | None:
        """The same where it could be read in one go, and the dialog with it: the branch is one of RFC 3261."""
        return self.known_top or self._open()

    @property
    def branch(self) -> str:
        """The branch of the topmost Via, "" where it has none (RFC 3261 §8.1.1.7)."""
        top = self.known_top or self._open()
        return top[0] if top else self.via.branch

    @property
    def sent_by(self) -> str:
        """The sent-by of the topmost Via as written (RFC 3261 §18.1.1)."""
        top = self.known_top or self._open()
        return top[2] if top else self.via.sent_by

    @property
    def from_(self) -> Address:
        """From (RFC 3261 §8.1.1.3)."""
        return self.headers[FROM] or self._missing(FROM)

    @property
    def from_tag(self) -> str | None:
        """The tag of From (RFC 3261 §19.3), None where it has none; a plain one is taken without reading the rest."""
        ids = self._ids
        if ids is None or len(ids) == 4:
            ids = self._known_ids()
        return ids[0] if ids else self.from_.tag

    @property
    def to(self) -> Address:
        """To (RFC 3261 §8.1.1.2)."""
        return self.headers[TO] or self._missing(TO)

    @property
    def to_tag(self) -> str | None:
        """The tag of To (RFC 3261 §19.3), None where it has none; a plain one is taken without reading the rest."""
        ids = self._ids
        if ids is None or len(ids) == 4:
            ids = self._known_ids()
        return ids[1] if ids else self.to.tag

    @property
    def call_id(self) -> str:
        """Call-ID (RFC 3261 §8.1.1.4)."""
        ids = self._ids
        if ids is None or len(ids) == 4:
            ids = self._known_ids()
        return ids[2] if ids else self.headers[CALL_ID] or self._missing(CALL_ID)

    @property
    def cseq(self) -> CSeq:
        """CSeq (RFC 3261 §8.1.1.5)."""
        top = self.known_top or self._open()
        return top[1] if top else self.headers[CSEQ] or self._missing(CSEQ)

    def _known_ids(self) -> Ids | None:
        """What finds the dialog, where it could be read in one go."""
        ids = self._ids if self.known_top or self._open() else None
        if ids is None or len(ids) == 3:
            return ids
        self._ids = texts = texts_of(ids)
        return texts

    def _open(self) -> Top | None:
        """Read what finds the transaction and the dialog of a message, where all of it is plain, in one go."""
        written = self.headers.envelope()
        if written is not None:
            fields, several_vias = written
            found = read_envelope(fields, has_several_vias=several_vias)
            if found is not None:
                self.known_top, self._ids = found
        return self.known_top

    def _missing(self, row: Row[T]) -> T:
        raise ParseError("missing", section="RFC 3261 §8.1.1", header=row.name)

    @property
    def noted(self) -> tuple[Noted, ...]:
        """The deviations met so far: in the message's structure, and in each header field that was read."""
        return self._structural + (self._headers.noted() if self._headers is not None else ())

    def with_header(self, name: str, *values: object) -> Self:
        """The same message with `name` having just `values`, in its place or at the end.

        Raises UnsafeValue on a name that is not a token, or a value with CR, LF or NUL.
        """
        return self._changed(self.headers.replaced(name, *values), self.body)

    def without(self, name: str) -> Self:
        """The same message without any `name`."""
        return self._changed(self.headers.replaced(name), self.body)

    def with_first(self, name: str, content: object) -> Self:
        """The same message with one more `name` above the others of that name (Via, Record-Route), or on top."""
        return self._changed(self.headers.with_first(name, content), self.body)

    def with_last(self, name: str, content: object) -> Self:
        """The same message with one more `name` at the end."""
        return self._changed(self.headers.with_last(name, content), self.body)

    def with_headers(self, headers: Headers) -> Self:
        """The same message with these header fields."""
        return self._changed(headers, self.body)

    def with_stamped(self, via: Via) -> Self:
        """The same message with its topmost Via as whoever received it has stamped it (RFC 3261 §18.2.1).

        Branch and sent-by are the same as before, and with them all that was read to find the transaction.
        """
        top = ", ".join([str(via), *split_list(self.headers.get(VIA.name) or "")[1:]])
        changed = self._changed(self.headers.with_first(VIA.name, top, instead=True), self.body)
        changed._via = via
        changed.known_top, changed._ids = self.known_top, self._ids
        return changed

    def with_body(self, body: bytes, content_type: str = "") -> Self:
        """The same message with another body, its Content-Length, and its Content-Type (kept when none is given).

        What else describes the old body goes where there is no new one, or one of another type. Raises LocalError for
        a body without any Content-Type (RFC 3261 §20.15), and for one that is not bytes.
        """
        require_bytes(body)
        headers = self.headers
        if not body or content_type:
            for row in (CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE):
                headers = headers.replaced(row.name)
            headers = headers.replaced(CONTENT_TYPE.name, *[content_type] if body else [])
        if body and CONTENT_TYPE.name not in headers:
            raise LocalError("a body needs a Content-Type", section="RFC 3261 §20.15")
        return self._changed(headers.replaced(CONTENT_LENGTH.name, len(body)), body)

    def _changed(self, headers: Headers, body: bytes) -> Self:
        raise NotImplementedError  # pragma: no cover  # each kind of message has its own

    def __bytes__(self) -> bytes:
        """The message as it goes on the wire."""
        if self._raw is None:
            head = f"{self.start_line}\r\n{self.headers!s}\r\n"
            self._raw = head.encode("utf-8", "surrogateescape") + self.body
        return self._raw

    def __eq__(self, other: object) -> bool:
        return bytes(self) == bytes(other) if isinstance(other, Message) else NotImplemented

    def __hash__(self) -> int:
        return hash(bytes(self))

    def __repr__(self) -> str:
        line = cover_uris(self.start_line)  # a URI may have a password (RFC 3261 §19.1.1)
        return f"<{type(self).__name__} {line!r}, {len(self.headers)} header fields, {len(self.body)} bytes>"


class Request(Message):
    """A request (RFC 3261 §7.1). Build one with `message.build`; the parser makes its own."""

    __slots__ = ("_uri", "is_sound", "method", "tail", "uri_text")

    method: Final[str]
    """The method, case kept (methods compare by case: RFC 3261 §7.1)."""
    uri_text: Final[str]
    """The Request-URI as written."""
    is_sound: Final[bool]
    """Whether a received request is known to have Via, From, To, Call-ID and CSeq without a fault.

    They may be unread by then. Where it is not known, reading them tells."""
    tail: Final[int]
    """Bytes from where the fields of its body begin to its end, if it is known to have neither Via nor Contact yet; 0
    where it is not known."""
    _uri: Uri | None

    def __init__(
        self, method: str, uri: Uri | str, headers: Headers, body: bytes = b"", *, structural: tuple[Noted, ...] = ()
    ) -> None:
        """A request that is built. Raises UnsafeValue where method or URI do not fit into a start line."""
        self.method = method
        self.uri_text = uri if isinstance(uri, str) else str(uri)
        self.is_sound = False
        self.tail = 0
        self._uri = None if isinstance(uri, str) else uri
        start_line = _request_line(method, require_safe(self.uri_text, "the Request-URI"))
        super().__init__(start_line, headers, body, structural)

    @property
    def uri(self) -> Uri:
        """The Request-URI. Raises ParseError when it was received and cannot be read."""
        if self._uri is None:
            try:
                self._uri, notes = known_uri(self.uri_text)
            except ParseError as error:
                raise self._placed(error) from None
            if notes:
                self._structural += tuple(Noted(note, "Request-URI") for note in notes)
        return self._uri

    def _placed(self, error: ParseError) -> ParseError:
        """An error out of the Request-URI, told where in the start line and in the message it stands."""
        offset = max(self.start_line.find(self.uri_text), 0)
        position = None
        if self._raw is not None:
            before = self.start_line[: offset + error.offset].encode("utf-8", "surrogateescape")
            position = message_start(self._raw) + len(before)
        return error.within("Request-URI", offset, self.start_line, position)

    def with_uri(self, uri: Uri) -> "Request":
        """The same request for another Request-URI."""
        return Request(self.method, uri, self.headers, self.body, structural=self._structural)

    def around(self, above: str, other: Headers | None) -> "Request":
        """The same request as it is sent: with one more header field on top, a line that is known to be safe, and with
        those of `other`, if any, where the fields of the body begin. It is there as bytes, and cut apart when somebody
        asks.
        """
        if self.tail:  # there are bytes, and nothing in them would have to give way
            written = self._raw or bytes(self)
            begin, end = written.index(b"\r\n") + 2, len(written) - self.tail
            top = above.encode("utf-8", "surrogateescape")
            if other is None:
                raw = b"".join((written[:begin], top, b"\r\n", written[begin:]))
            else:
                more = str(other).encode("utf-8", "surrogateescape")
                raw = b"".join((written[:begin], top, b"\r\n", written[begin:end], more, written[end:]))
        else:
            head = f"{self.start_line}\r\n{self.headers.written_around(above, other)}\r\n"
            raw = head.encode("utf-8", "surrogateescape") + self.body
        sent = received_request(self.method, self.uri_text, None, self.body, self.start_line, raw, self._structural)
        sent._uri = self._uri
        return sent

    def _changed(self, headers: Headers, body: bytes) -> "Request":
        changed = received_request(self.method, self.uri_text, headers, body, self.start_line, None, self._structural)
        changed._uri = self._uri
        return changed


class Response(Message):
    """A response (RFC 3261 §7.2). Build one with `message.build`; the parser makes its own."""

    __slots__ = ("alike", "reason", "status")

    status: Final[int]
    """The status code, 100 to 699."""
    reason: Final[str]
    """The reason phrase, which may be empty."""
    alike: Final["Response | None"]
    """One whose head is known to be the same, but for the branch, the tags and the Call-ID."""

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        """A response that is built. Raises UnsafeValue where the reason does not fit into a start line."""
        self.status = status
        self.reason = reason
        self.alike = None
        super().__init__(f"{VERSION} {status} {require_safe(reason, 'the reason phrase')}", headers, body)

    @property
    def is_provisional(self) -> bool:
        """Whether it is a 1xx (RFC 3261 §7.2)."""
        return self.status < 200

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300

    def _changed(self, headers: Headers, body: bytes) -> "Response":
        return received_response(self.status, self.reason, headers, body, self.start_line, None, self._structural)


def received_request(
    method: str,
    uri: str,
    headers: Headers | None,
    body: bytes,
    start_line: str,
    raw: bytes | None,
    structural: tuple[Noted, ...],
    top: Top | None = None,
    ids: Ids | Cut | None = None,
    *,
    sound: bool = False,
    tail: int = 0,
) -> Request:
    """A request as the parser makes it: nothing left to check, and half the time.

    One with a plain head has no `headers`, but what finds its transaction and dialog, and whether it `is_sound`.
    """
    request = _new_request(Request)
    request.method = method
    request.uri_text = uri
    request.start_line = start_line
    request.body = body
    request.known_top = top
    request._ids = ids
    request.is_sound = sound
    request.tail = tail
    request._headers = headers
    request._raw = raw
    request._structural = structural
    request._uri = request._via = None
    made: Request = request
    return made


def built_request(method: str, uri: Uri, headers: Headers, body: bytes) -> Request:
    """A request for a URI that is known to be safe. Raises UnsafeValue for a method that is no token."""
    text = str(uri)
    request = received_request(method, text, headers, body, _request_line(method, text), None, ())
    request._uri = uri
    return request


def bare_request(method: str, uri: Uri, fields: str, tail: str) -> Request:
    """A request without a body for a URI that is known to be safe, that is there as bytes: `fields` and, from where
    those of the body begin, `tail`, all as they are written, and without Via and Contact. Raises as `built_request`.
    """
    text = str(uri)
    line = _request_line(method, text)
    raw = f"{line}\r\n{fields}{tail}".encode("utf-8", "surrogateescape")
    request = received_request(method, text, None, b"", line, raw, (), tail=len(tail))
    request._uri = uri
    return request


def drafted_request(model: Request, raw: bytes, tail: int) -> Request:
    """A request of the same method, URI and body as `model`, that is there as bytes."""
    request = received_request(
        model.method, model.uri_text, None, model.body, model.start_line, raw, model._structural, tail=tail
    )
    request._uri = model._uri
    return request


def _request_line(method: str, uri: str) -> str:
    if method not in KNOWN:
        require_token(method, "a method")
    return f"{method} {uri} {VERSION}"


def received_response(
    status: int,
    reason: str,
    headers: Headers | None,
    body: bytes,
    start_line: str,
    raw: bytes | None,
    structural: tuple[Noted, ...],
    top: Top | None = None,
    ids: Ids | Cut | None = None,
    alike: Response | None = None,
) -> Response:
    """A response as the parser makes it."""
    response = _new_response(Response)
    response.status = status
    response.reason = reason
    response.start_line = start_line
    response.body = body
    response.known_top = top
    response._ids = ids
    response._headers = headers
    response._raw = raw
    response._structural = structural
    response._via = None
    response.alike = alike
    made: Response = response
    return made


_new_request: Callable[[type[Request]], Any] = object.__new__
_new_response: Callable[[type[Response]], Any] = object.__new__
"""What they give is Any to type checkers, since it is filled from outside: nobody else sets what is Final."""
