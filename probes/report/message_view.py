"""One SIP message as people and programs look at it: what it says, what is unusual about it, what is wrong with it.

A message that cannot be parsed is shown as far as it goes. Nothing here holds a credential: see `safe_text`.
"""

import re
from dataclasses import field as part
from dataclasses import replace

from probes.report.reading import Tree, tree_of
from probes.report.safe_text import cover_lines, printable
from sipcore.covering import cover, cover_uris
from sipcore.deviation import Deviation, Notes
from sipcore.errors import ParseError
from sipcore.grammar import unfold
from sipcore.message.headers import Headers, Noted
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.message.plain import MAX_LINES
from sipcore.message.registry import CONTENT_TYPE, ROWS, Single, key_of
from sipcore.message.require import inspect
from sipcore.sdp.description import SessionDescription
from sipcore.value import value

SDP = "application/sdp"
REQUEST, RESPONSE = "request", "response"
BODY = "body"
"""Where a fault in a session description is said to be."""
MAX_BODY_LINES = 1000
"""Lines of a body that are shown; no session description of a call comes near."""

_empty_line = re.compile(rb"\r?\n\r?\n")


@value
class FieldView:
    """One header field line. `header` is its full name and `section` its RFC, both "" for one that is not known.

    `text` is its value without folds, `raw` as it was written; `values` has one tree for each value in it; `problem`
    tells why they could not be read. `mark` differs where values differ, also in what is covered.
    """

    name: str
    text: str
    raw: str
    header: str = ""
    section: str = ""
    values: tuple[Tree, ...] = ()
    problem: str = ""
    mark: int = part(default=0, repr=False, compare=False)

    @property
    def key(self) -> str:
        """What tells this kind of header field from others, however it is spelled."""
        return key_of(self.name) or self.name.lower()


@value
class BodyView:
    """A body. `lines` is None for one that is not text, `description` for one that is no session description.

    `marks` differ where the lines do, also in what is hidden; one that is not text has one for all of it.
    """

    size: int
    media_type: str
    lines: tuple[str, ...] | None
    description: SessionDescription | None = part(default=None, repr=False)
    marks: tuple[int, ...] = part(default=(), repr=False, compare=False)


@value
class Fault:
    """An error: what is wrong, the rule, and where. `text` is what was being read, `offset` the character in it.

    `where` is the header field's name or what else of the message; `position` the byte of the message, if known;
    `status` the response code for a request with this fault.
    """

    message: str
    section: str
    where: str
    text: str
    offset: int
    position: int | None
    status: int


@value
class MessageView:
    """A message and all that was found out about it. `kind` is REQUEST, RESPONSE, or "" when it is neither."""

    kind: str
    size: int
    start_line: str
    start: Tree
    fields: tuple[FieldView, ...]
    body: BodyView | None
    noted: tuple[Noted, ...]
    faults: tuple[Fault, ...]

    @property
    def is_message(self) -> bool:
        """Whether the bytes could be taken apart at all."""
        return self.kind != ""


def view_of(data: bytes) -> MessageView:
    """Look at the bytes of one message, whatever they are."""
    try:
        return _view_of_message(*_parse(data), len(data))
    except ParseError as error:
        return _view_of_lines(data, error)


def _parse(data: bytes) -> tuple[Request | Response, list[Noted]]:
    """Parse the message; gives also what the parser could not note itself.

    Editors and mail turn CRLF into LF, in the body too, whose Content-Length then seems too large: what is not a
    message with the line ends it has may be one with those of RFC 3261 §7.
    """
    try:
        return parse_message(data), []
    except ParseError:
        if b"\r" in data or b"\n" not in data:
            raise
        try:
            return parse_message(data.replace(b"\n", b"\r\n")), [Noted(Deviation.BARE_LF, "message")]
        except ParseError:
            pass
        raise


def _view_of_message(message: Request | Response, extra: list[Noted], size: int) -> MessageView:
    notes: Notes = []
    fields = tuple(_field(name, raw) for name, raw in message.headers.raw_items())
    body, body_fault = _body_of(message.body, _media_type(fields), notes)
    inspection = inspect(message)
    errors = list(inspection.errors)
    if isinstance(message, Request):
        start, error = _request_line(message)
        errors = [error, *errors] if error and str(error) not in map(str, errors) else errors
    else:
        start = {"status": message.status, "reason": printable(message.reason)}
    noted = [*extra, *inspection.noted, *(Noted(note, BODY) for note in notes)]
    return MessageView(
        REQUEST if isinstance(message, Request) else RESPONSE,
        size,
        cover_uris(message.start_line),
        start,
        fields,
        body,
        tuple(dict.fromkeys(noted)),
        (*map(_fault, errors), *([body_fault] if body_fault else [])),
    )


def _request_line(request: Request) -> tuple[Tree, ParseError | None]:
    start: dict[str, Tree] = {"method": request.method}
    try:
        return start | {"uri": tree_of(request.uri)}, None
    except ParseError as error:
        return start, error


def _field(name: str, raw: str) -> FieldView:
    """The view of one header field line; its values are read by themselves, apart from other lines of that name."""
    key = key_of(name)
    text = unfold(raw).strip(" \t")
    before = len(name) + 1
    covered, covered_raw = cover_lines(f"{name}:{text}")[before:], cover_lines(f"{name}:{raw}")[before:]
    view = FieldView(name.rstrip(" \t"), covered, covered_raw, mark=hash(text))
    row = ROWS.get(key)
    if row is None:
        return view
    view = replace(view, header=row.name, section=row.section)
    try:
        typed = Headers([f"{name}:{raw}"], [key])[row]
    except ParseError as error:
        return replace(view, problem=error.message)
    values = typed if isinstance(typed, tuple) and not isinstance(row, Single) else (typed,)
    return replace(view, values=tuple(map(tree_of, values)))


def _body_of(body: bytes, media_type: str, notes: Notes) -> tuple[BodyView | None, Fault | None]:
    """The view of a body, and what is wrong with it if it is a session description."""
    if not body:
        return None, None
    lines = _lines_of(body)
    shown = None if lines is None else tuple(cover_lines("\n".join(lines)).split("\n"))
    view = BodyView(len(body), media_type, shown, marks=(hash(body),) if lines is None else tuple(map(hash, lines)))
    if media_type != SDP:
        return view, None
    try:
        description = SessionDescription.parse(body, notes)
        description.check_attributes(notes)
    except ParseError as error:
        return view, _fault(error, BODY)
    return replace(view, description=description), None


def _lines_of(body: bytes) -> list[str] | None:
    """The lines of a body that is text: what is UTF-8 and has no NUL."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    lines = text.removesuffix("\n").split("\n", MAX_BODY_LINES)
    return [line.removesuffix("\r") for line in lines[:MAX_BODY_LINES]]


def _media_type(fields: tuple[FieldView, ...]) -> str:
    for field in fields:
        if field.header == CONTENT_TYPE.name and field.values and isinstance(field.values[0], dict):
            return str(field.values[0]["type"])
    return ""


def _view_of_lines(data: bytes, error: ParseError) -> MessageView:
    """What can be shown of bytes that are no message: their first line, and below it what looks like header fields."""
    head, *body = _empty_line.split(data.lstrip(b"\r\n"), 1)
    first, *lines = head.decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n", MAX_LINES)[:MAX_LINES]
    fields = tuple(map(_line, _unfolded(lines)))
    notes: Notes = []
    view, fault = _body_of(b"".join(body), _media_type(fields), notes)
    faults = (_fault(error), fault) if fault else (_fault(error),)
    noted = tuple(dict.fromkeys(Noted(note, BODY) for note in notes))
    return MessageView("", len(data), cover_uris(first), None, fields, view, noted, faults)


def _line(text: str) -> FieldView:
    name, colon, content = text.partition(":")
    if colon and key_of(name):
        return _field(name, content)
    covered = cover_lines(text)
    return FieldView("", covered, covered, problem="not a header field", mark=hash(text))


def _unfolded(lines: list[str]) -> list[str]:
    unfolded: list[str] = []
    for line in lines:
        if unfolded and line[:1] in (" ", "\t"):
            unfolded[-1] += f"\r\n{line}"
        else:
            unfolded.append(line)
    return unfolded


def _fault(error: ParseError, where: str = "") -> Fault:
    header = error.header or where
    key = key_of(header) if header else ""
    text = cover(key, error.text) if key else cover_lines(error.text)
    return Fault(error.message, error.section, header or "message", text, error.offset, error.position, error.status)
