"""What a message must have beyond good syntax, before anything is done with it. RFC 3261 §8.1.1, §8.2, §20 Table 2.

`require` is what the stack asks of every message it receives; `inspect` reads every known header field and gives all
that is wrong or unusual at once, for people and for the fingerprint.
"""

from collections.abc import Iterator

from sipcore.deviation import Deviation, Notes
from sipcore.errors import ParseError
from sipcore.message.address import Address
from sipcore.message.fields.via import tolerate_missing_branch
from sipcore.message.headers import Noted
from sipcore.message.message import Request, Response
from sipcore.message.method import INVITE, KNOWN, REGISTER
from sipcore.message.params import Params
from sipcore.message.registry import (
    CALL_ID,
    CONTACT,
    CSEQ,
    FROM,
    MAX_FORWARDS,
    RECORD_ROUTE,
    ROUTE,
    TO,
    VIA,
    Row,
)
from sipcore.message.status import TRYING
from sipcore.message.uri import Place, SipUri
from sipcore.pattern import Pattern
from sipcore.value import value

# Behind a backslash a control character is the second half of a quoted-pair, unless the backslash is one itself.
_CONTROL = Pattern(r"(?<!\\)(?>(?:\\\\)*)[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MANDATORY: tuple[Row[object], ...] = (VIA, FROM, TO, CALL_ID, CSEQ)


@value
class Inspection:
    """All that is wrong with a message (`errors`), and all that is merely unusual (`noted`)."""

    errors: tuple[ParseError, ...]
    noted: tuple[Noted, ...]


def require(message: Request | Response) -> None:
    """Check what every message needs, each well formed.

    Raises ParseError for a header field that is missing (RFC 3261 §8.1.1) or malformed, for a Request-URI that cannot
    be read, and for a CSeq whose method is not the request's (§8.1.1.5). Other fields may be malformed: a UAS should
    ignore those that it does not need (§8.2.2).

    Of a response that has all of them plainly, no more is asked: a client goes by what finds its transaction, and has
    written the rest itself (§8.2.6.2). One to an INVITE, save a 100, makes a dialog out of the whole of To (§12.1.2).
    """
    if isinstance(message, Response) and (top := message.known_top or message.plain_top):
        if top[1].method == INVITE and message.status > TRYING and not _has_known_to(message):
            message.to  # noqa: B018  # reading it is the check
        return
    for error in _faults(message):
        raise error


def _has_known_to(response: Response) -> bool:
    """Whether To was read in a response that has the same, but for another token as its tag."""
    return response.alike is not None and response.alike.headers.has_read(TO)


def inspect(message: Request | Response) -> Inspection:
    """Read the whole message: what `require` demands, and every known header field."""
    errors = {error.header: error for error in _faults(message)}
    for row in message.headers.known_rows():
        try:
            message.headers[row]
        except ParseError as error:
            errors.setdefault(error.header, error)
    noted = (
        *message.noted,
        *_controls(message),
        *_unusual(message),
        *_misplaced(message),
        *_repeated_parameters(message),
    )
    return Inspection(tuple(errors.values()), noted)


def _controls(message: Request | Response) -> Iterator[Noted]:
    """RFC 3261 §25.1 has no control characters in text but behind the backslash of a quoted-pair."""
    for name, content in message.headers.raw_items():
        if not content.isprintable() and _CONTROL.search(content):  # the former is quick to say that there is none
            yield Noted(Deviation.CONTROL_CHARACTER, name.rstrip(" \t"))


def _faults(message: Request | Response) -> Iterator[ParseError]:
    """What keeps a message from being processed, one error for each header field."""
    is_sound = isinstance(message, Request) and message.is_sound
    for row in () if is_sound else _MANDATORY:
        try:
            if not message.headers[row]:
                yield ParseError("missing", section="RFC 3261 §8.1.1", header=row.name)
        except ParseError as error:
            yield error
    if isinstance(message, Request):
        try:
            message.uri  # noqa: B018  # reading it is the check
        except ParseError as error:
            yield error
        yield from _mismatch(message)


def _mismatch(request: Request) -> Iterator[ParseError]:
    """RFC 3261 §8.1.1.5: CSeq names the request's method; for an unknown one RFC 4475 §3.1.2.18 prefers a 501."""
    try:
        named = request.cseq.method
    except ParseError:
        return
    if named != request.method:
        status = 400 if request.method in KNOWN else 501
        message = f"names another method than {request.method}"
        yield ParseError(message, section="RFC 3261 §8.1.1.5", text=named, header=CSEQ.name, status=status)


def _unusual(message: Request | Response) -> Iterator[Noted]:
    """What is unusual about the header fields that every message needs, as far as they can be read."""
    if message.plain_top is None:
        yield from _unusual_in_envelope(message)
    if isinstance(message, Request):
        yield from _unusual_in_request(message)


def _unusual_in_envelope(message: Request | Response) -> Iterator[Noted]:
    via = _readable(message, VIA)
    if isinstance(via, tuple) and via:
        notes: Notes = []
        tolerate_missing_branch(via[0], notes)
        yield from (Noted(note, VIA.name) for note in notes)
    sender = _readable(message, FROM)
    if isinstance(sender, Address) and sender.tag is None:
        yield Noted(Deviation.NO_TAG, FROM.name)


def _unusual_in_request(request: Request) -> Iterator[Noted]:
    if MAX_FORWARDS.name not in request.headers:
        yield Noted(Deviation.NO_MAX_FORWARDS, MAX_FORWARDS.name)
    try:
        uri = request.uri
    except ParseError:
        return
    if isinstance(uri, SipUri):
        illegal = uri.illegal_parts(Place.REQUEST_URI)
        if "headers" in illegal:
            yield Noted(Deviation.HEADERS_IN_REQUEST_URI, "Request-URI")
        if "method" in illegal:
            yield Noted(Deviation.PARAMETER_NOT_LEGAL_HERE, "Request-URI")


def _misplaced(message: Request | Response) -> Iterator[Noted]:
    """RFC 3261 §19.1.1 Table 1: the parts of a URI that are not allowed in the header field that it stands in."""
    registers = isinstance(message, Request) and message.method == REGISTER
    redirects = isinstance(message, Response) and 300 <= message.status < 400
    answers_register = isinstance(message, Response) and getattr(_readable(message, CSEQ), "method", "") == REGISTER
    of_contact = Place.DIALOG_CONTACT
    if registers or redirects or answers_register:
        of_contact = Place.CONTACT_IN_REGISTRATION
    places: tuple[tuple[Row[object], Place], ...] = (
        (TO, Place.TO),
        (FROM, Place.FROM),
        (CONTACT, of_contact),
        (ROUTE, Place.DIALOG_CONTACT),
        (RECORD_ROUTE, Place.DIALOG_CONTACT),
    )
    for row, place in places:
        typed = _readable(message, row)
        for address in typed if isinstance(typed, tuple) else (typed,):
            uri = getattr(address, "uri", None)
            if isinstance(uri, SipUri) and uri.illegal_parts(place):
                yield Noted(Deviation.PARAMETER_NOT_LEGAL_HERE, row.name)
                break


def _repeated_parameters(message: Request | Response) -> Iterator[Noted]:
    """RFC 3261 §7.3.1: a parameter name must not appear more than once in one header field value."""
    for row in message.headers.known_rows():
        typed = _readable(message, row)
        for each in typed if isinstance(typed, tuple) else (typed,):
            params = getattr(each, "params", None)
            if isinstance(params, Params) and _has_twice(params):
                yield Noted(Deviation.DUPLICATE_PARAMETER, row.name)
                break


def _has_twice(params: Params) -> bool:
    return len({name.lower() for name, _ in params}) < len(params)


def _readable(message: Request | Response, row: Row[object]) -> object:
    try:
        return message.headers[row]
    except ParseError:
        return None
