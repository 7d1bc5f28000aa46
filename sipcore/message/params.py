"""Parameters: `;name=value` after a URI, an address or a header value. RFC 3261 §7.3.1, §19.1.1, §25.1.

Names and values stay as they were written, quotes and escapes included. Names compare without case.
"""

import re
from collections.abc import Callable, Iterator

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import LimitExceeded, ParseError
from sipcore.grammar import QUOTED, TOKEN, is_quoted, quote, require_safe, require_token, unquote

MAX_PARAMETERS = 64
"""Parameters after one value. Contacts of mobile handsets with all their feature tags have about forty."""

_VALUE = rf"(?:{TOKEN}++(?!:)|\[[0-9A-Fa-f:.]++\]|[0-9A-Fa-f:.]++|{QUOTED})"
# token, IPv6 reference, IPv6 address as Via's received has it, or quoted-string
GENERIC_PARAMS = rf"(?:;{TOKEN}++(?:={_VALUE})?+){{0,{MAX_PARAMETERS}}}+"
"""Parameters by generic-param of RFC 3261 §25.1, as a pattern: without white space, without a fault, not too many."""

_PCHAR = r"(?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]++|%[0-9A-Fa-f]{2})++"
URI_PARAMS = rf"(?:;{_PCHAR}(?:={_PCHAR})?+){{0,{MAX_PARAMETERS}}}+"
"""Parameters by uri-parameter of RFC 3261 §25.1, as a pattern: without a fault, not too many."""

_generic = re.compile(GENERIC_PARAMS, re.DOTALL).fullmatch
_of_uri = re.compile(URI_PARAMS).fullmatch
_is_value = re.compile(_VALUE, re.DOTALL).fullmatch
_PIECE = re.compile(rf'(?:[^";]++|{QUOTED})*+', re.DOTALL)

Item = tuple[str, str | None]
Matcher = Callable[[str], re.Match[str] | None]


class Params:
    """Parameters in their order: (name, value as written, None for a bare name). An immutable value.

    One that was parsed keeps its text, and is taken apart when somebody asks for a part of it: the grammar has been
    checked by then, and most parameters of a message are never asked for.
    """

    __slots__ = ("_items", "_text")

    def __init__(self, items: tuple[Item, ...] = ()) -> None:
        self._items: tuple[Item, ...] | None = items
        self._text: str | None = None

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Params":
        """Read `;a=b;c` by generic-param of RFC 3261 §25.1; an empty text gives no parameters."""
        return _parse(text, notes, _generic)

    @classmethod
    def parse_uri(cls, text: str, notes: Notes | None = None) -> "Params":
        """Read `;a=b;c` by uri-parameter of RFC 3261 §25.1."""
        return _parse(text, notes, _of_uri)

    @property
    def items(self) -> tuple[Item, ...]:
        """All of them as (name, value), the value None for a bare name."""
        items = self._items
        if items is None:
            items = self._items = tuple(_cut(self._text or ""))
        return items

    def get(self, name: str) -> str | None:
        """The first value of `name` (in lower case) as written; None when it is absent, and "" for a bare name."""
        for key, content in self.items:
            if key == name or key.lower() == name:
                return content if content is not None else ""
        return None

    def text(self, name: str) -> str | None:
        """The first value of `name` without its quotes; None when it is absent."""
        content = self.get(name)
        return content if content is None else unquote(content)

    def replace(self, name: str, content: str | None) -> "Params":
        """The same parameters with `name` set to `content` in its place, or at the end (None: a bare name)."""
        item = (name, content)
        items = self.items
        for index, (key, _) in enumerate(items):
            if key.lower() == name.lower():
                return Params((*items[:index], item, *items[index + 1 :]))
        return Params((*items, item))

    def without(self, name: str) -> "Params":
        """The same parameters less every `name`."""
        return Params(tuple(item for item in self.items if item[0].lower() != name.lower()))

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __eq__(self, other: object) -> bool:
        return self.items == other.items if isinstance(other, Params) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.items)

    def __repr__(self) -> str:
        return f"Params({self.items!r})"

    def __str__(self) -> str:
        if self._text is not None:
            return self._text
        return "".join([f";{name}" if content is None else f";{name}={content}" for name, content in self.items])


NO_PARAMS = Params()


def of(**named: str | int | bool | None) -> Params:
    """Parameters from Python values: True is a bare name, None and False are left out, an underscore is a hyphen.

    A text that is not a token or a host is quoted. Raises UnsafeValue on CR, LF or NUL.
    """
    items: list[Item] = []
    for key, content in named.items():
        name = require_token(key.replace("_", "-"), "a parameter name")
        if content is True:
            items.append((name, None))
        elif content is not None and content is not False:
            text = str(content)
            items.append((name, text if _is_value(text) else quote(text)))
    return Params(tuple(items))


def checked(params: Params) -> Params:
    """Give `params` back when no part of it holds CR, LF or NUL; raises UnsafeValue otherwise."""
    require_safe(str(params), "a parameter")
    return params


def matched_params(text: str) -> Params:
    """The parameters of a text that a pattern made with GENERIC_PARAMS or URI_PARAMS has matched already."""
    if not text:
        return NO_PARAMS
    params = Params()
    params._items, params._text = None, text
    return params


def _parse(text: str, notes: Notes | None, matches: Matcher) -> Params:
    if matches(text):
        return matched_params(text)
    if text[0] != ";":
        raise ParseError("a parameter must begin with a semicolon", section="RFC 3261 §25.1", text=text)
    params = Params(tuple(_read_odd(text, notes, matches)))
    params._text = text
    return params


def _read_odd(text: str, notes: Notes | None, matches: Matcher) -> Iterator[Item]:
    """Read parameters that hold white space, which SEMI and EQUAL allow, or faults that are tolerated by name."""
    for offset, piece in _pieces(text):
        name, equals, content = piece.partition("=")
        name, content = name.strip(" \t"), content.strip(" \t")
        if not name and not equals:
            tolerate(notes, Deviation.EMPTY_PARAMETER, text, offset)
            continue
        if not matches(f";{name}={content}" if content else f";{name}"):
            # A quoted string has no place in a URI, but can be read in one way only.
            _require_printable(name, "" if is_quoted(content) else content, text, offset)
            tolerate(notes, Deviation.ODD_PARAMETER, text, offset)
        elif equals and not content:
            tolerate(notes, Deviation.EMPTY_PARAMETER_VALUE, text, offset)
        yield (name, content if equals else None)


def _require_printable(name: str, content: str, text: str, offset: int) -> None:
    """Refuse what no reading can make a parameter of: no name, a half-quoted value, control characters, brackets."""
    whole = name + content
    if not name or not whole.isprintable() or not {'"', "<", ">", " "}.isdisjoint(whole):
        raise ParseError("not a parameter", section="RFC 3261 §25.1", text=text, offset=offset)


def _cut(text: str) -> Iterator[Item]:
    """The parameters of a text without white space and without a fault."""
    for piece in text[1:].split(";") if '"' not in text else [piece for _, piece in _pieces(text)]:
        name, equals, content = piece.partition("=")
        yield (name, content if equals else None)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """What stands between the semicolons outside of quotes, and where; `text` begins with a semicolon.

    Raises ParseError where a quote is not closed, LimitExceeded past MAX_PARAMETERS.
    """
    position = count = 0
    while position < len(text):
        end = _PIECE.match(text, position + 1).end()  # type: ignore[union-attr]  # the pattern also matches nothing
        if end < len(text) and text[end] != ";":
            raise ParseError("a quoted string is not closed", section="RFC 3261 §25.1", text=text, offset=end)
        if count == MAX_PARAMETERS:
            message = f"more than {MAX_PARAMETERS} parameters"
            raise LimitExceeded(message, section="RFC 3261 §25.1", text=text, offset=position)
        yield position + 1, text[position + 1 : end]
        position = end
        count += 1
