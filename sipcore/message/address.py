"""Addresses: an optional display name, a URI, and the header field's parameters. RFC 3261 §20.10, §25.1.

From, To, Contact, Route, Record-Route, Refer-To and many more share this form: name-addr, or addr-spec without
brackets.
"""

import re
from dataclasses import field
from typing import TYPE_CHECKING, Any

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.grammar import QUOTED, TOKEN, match_quoted, quote, require_safe, require_token, unquote
from sipcore.message.params import GENERIC_PARAMS, NO_PARAMS, Params, checked, matched_params
from sipcore.message.uri import MAX_URI, PLAIN_SIP_PLACE, PLAIN_SIP_URI, Uri, parse_uri
from sipcore.pattern import Pattern
from sipcore.value import lazy_maker, value

PLAIN_NAME_ADDR = rf'(?>(?:"[^"\\<>\r\n\0]*+"|{TOKEN}++(?>(?: {TOKEN}++)*))?) ?+<{PLAIN_SIP_URI}>'
"""A name-addr on one line as most are written, as a pattern: without a fault."""
# Between display name and bracket RFC 3261 §25.1 wants white space after a token, but RFC 4475 §3.1.1.6 has it accepted
# without.
_plain = Pattern(
    rf"(?>({QUOTED}|{TOKEN}++(?>(?:[ \t]++{TOKEN}++)*))?)[ \t]*+<({PLAIN_SIP_URI})>({GENERIC_PARAMS})", re.DOTALL
)
# Its URI ends with the first semicolon, and what follows are parameters of the header field (RFC 3261 §20).
_bare = Pattern(rf"(?![^,;?]*+(?:[,?]|;[^@]*+@))({PLAIN_SIP_PLACE})({GENERIC_PARAMS})", re.DOTALL)
_is_token_display = Pattern(rf"{TOKEN}++(?>(?:[ \t]++{TOKEN}++)*)")


@value
class Address:
    """A name-addr or addr-spec with the parameters that follow it (RFC 3261 §25.1).

    `display` is the display name as written, quotes included, "" when there is none. `bracketed` tells whether the URI
    stood in angle brackets. Parameters of the URI are `uri.params`, those of the header field are `params`.
    """

    uri: Uri
    display: str = ""
    params: Params = NO_PARAMS
    bracketed: bool = True
    spec: str = field(default="", compare=False, repr=False)
    """How the URI is written, where that is known: it was parsed, or has been written before."""

    if not TYPE_CHECKING:  # pragma: no branch  # a type checker would take it for leave to ask for anything

        def __getattr__(self, name: str) -> Uri:
            """Fill the empty slot of `uri`: one that has been checked is taken apart when somebody asks for it."""
            if name != "uri":
                raise AttributeError(name)
            uri = parse_uri(self.spec)
            object.__setattr__(self, "uri", uri)
            return uri

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Address":
        """Read one address; raises ParseError."""
        match = _plain.fullmatch(text) or _bare.fullmatch(text)
        if not match or len(text) > MAX_URI:
            return _read_slowly(text, notes)
        *display, spec, params = match.groups("")
        return _make_lazy("".join(display), matched_params(params), bool(display), spec)

    @property
    def display_name(self) -> str:
        """The display name without quotes and escapes."""
        return unquote(self.display)

    @property
    def tag(self) -> str | None:
        """The tag parameter (RFC 3261 §19.3); None when it is absent."""
        return self.params.get("tag") or None

    def replace(self, **changes: object) -> "Address":
        """The same address with some parts changed."""
        parts: dict[str, Any] = {"uri": self.uri, "display": self.display, "params": self.params}
        parts |= {"bracketed": self.bracketed}
        return Address(**(parts | changes))  # a wrong name is refused by the call itself

    def with_tag(self, tag: str) -> "Address":
        """The same address with its tag set. Raises UnsafeValue when that is no token."""
        params = self.params.replace("tag", require_token(tag, "a tag"))
        return Address(self.uri, self.display, params, self.bracketed, self.spec or str(self.uri))

    def __str__(self) -> str:
        spec = self.spec or self.uri
        if not self.bracketed:
            return f"{spec!s}{self.params!s}"
        return f"{self.display} <{spec!s}>{self.params!s}" if self.display else f"<{spec!s}>{self.params!s}"


_make_lazy = lazy_maker(Address, "uri")


def address_of(uri: Uri | str, name: str = "", params: Params = NO_PARAMS) -> Address:
    """An address of `uri` with `name` quoted as its display name. Raises ParseError or UnsafeValue."""
    read = parse_uri(uri) if isinstance(uri, str) else uri
    require_safe(str(read), "a URI")
    return Address(read, quote(name) if name else "", checked(params))


def _read_slowly(text: str, notes: Notes | None) -> Address:
    """Addresses without brackets, with white space around their parts, and with faults."""
    left = text.find("<")
    if left < 0:
        return _read_bare(text, notes)
    display, left = _read_display(text, left, notes)
    right = text.find(">", left)
    if right < 0:
        raise ParseError("an angle bracket is not closed", section="RFC 3261 §25.1", text=text, offset=left)
    try:
        uri = parse_uri(text[left + 1 : right], notes)
    except ParseError as error:
        raise error.within(text=text, offset=left + 1) from None
    return Address(uri, display, _read_params(text, right + 1, notes))


def _read_display(text: str, left: int, notes: Notes | None) -> tuple[str, int]:
    """The display name, and where the angle bracket after it stands; `left` is where the first one does."""
    start = len(text) - len(text.lstrip(" \t"))
    if text[start] != '"':
        display = text[start:left].rstrip(" \t")
        if '"' in display:
            offset = text.index('"')
            raise ParseError("a quote within a display name", section="RFC 3261 §25.1", text=text, offset=offset)
        if display and not _is_token_display.fullmatch(display):
            tolerate(notes, Deviation.DISPLAY_NAME_NEEDS_QUOTES, text, start)
        return display, left
    match = match_quoted(text, start)
    if not match:
        raise ParseError("a quoted string is not closed", section="RFC 3261 §25.1", text=text, offset=start)
    end = match.end()
    left = text.find("<", end)
    if left < 0 or text[end:left].strip(" \t"):
        message = "a display name is not followed by an angle bracket"
        raise ParseError(message, section="RFC 3261 §25.1", text=text, offset=end)
    return match.group(), left


def _read_params(text: str, begin: int, notes: Notes | None) -> Params:
    """The header field's parameters, from `begin` to the end of `text`."""
    rest = text[begin:].strip(" \t")
    if not rest:
        return NO_PARAMS
    begin = text.index(rest, begin)
    if rest[0] != ";":
        message = "something other than a parameter follows"
        raise ParseError(message, section="RFC 3261 §25.1", text=text, offset=begin)
    try:
        return Params.parse(rest, notes)
    except ParseError as error:
        raise error.within(text=text, offset=begin) from None


def _read_bare(text: str, notes: Notes | None) -> Address:
    """An addr-spec without brackets: its parameters belong to the header field (RFC 3261 §20, below the table)."""
    spec = text.partition(";")[0]
    begin = len(spec)
    spec = spec.strip(" \t")
    if spec[:1] == '"':
        raise ParseError("a display name without a URI", section="RFC 3261 §25.1", text=text)
    if "?" in spec or "," in spec:
        tolerate(notes, Deviation.URI_WITHOUT_BRACKETS, text)
    try:
        uri = parse_uri(spec, notes)
    except ParseError as error:
        raise error.within(text=text, offset=text.index(spec)) from None
    return Address(uri, "", _read_params(text, begin, notes), bracketed=False)
