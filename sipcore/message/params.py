"""Parameters: `;name=value` after a URI, an address or a header value. RFC 3261 §7.3.1, §19.1.1, §25.1.

Names and values stay as they were written, quotes and escapes included. Names compare without case.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import TYPE_CHECKING

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import LimitExceeded, ParseError
from sipcore.grammar import QUOTED, TOKEN, is_quoted, quote, require_safe, require_token, unquote
from sipcore.pattern import Pattern
from sipcore.value import lazy_maker, value

MAX_PARAMETERS = 64
"""Parameters after one value. Contacts of mobile handsets with all their feature tags have about forty."""

_VALUE = rf"(?:{TOKEN}++(?!:)|\[[0-9A-Fa-f:.]++\]|[0-9A-Fa-f:.]++|{QUOTED})"
# token, IPv6 reference, IPv6 address as Via's received has it, or quoted-string
GENERIC_PARAM = rf"{TOKEN}++(?>(?:={_VALUE})?)"
"""A generic-param of RFC 3261 §25.1, as a pattern: without white space and without a fault."""
GENERIC_PARAMS = rf"(?>(?:;{GENERIC_PARAM}){{0,{MAX_PARAMETERS}}})"
"""Parameters, each after its semicolon, as a pattern: not too many."""

_RUN = r"[A-Za-z0-9\-_.!~*'()\[\]/:&+$]++"
_PCHARS = rf"(?>(?:{_RUN}|%[0-9A-Fa-f]{{2}})+)"
_URI_PARAM = rf"(?:{_RUN}(?>(?:={_RUN})?)(?![%=])|{_PCHARS}(?>(?:={_PCHARS})?))"
URI_PARAMS = rf"(?>(?:;{_URI_PARAM}){{0,{MAX_PARAMETERS}}})"
"""Parameters by uri-parameter of RFC 3261 §25.1, as a pattern: without a fault, not too many."""

_generic = Pattern(GENERIC_PARAMS, re.DOTALL)
_of_uri = Pattern(URI_PARAMS)
_is_value = Pattern(_VALUE, re.DOTALL)
_PIECE = Pattern(rf'(?>(?:[^";]++|{QUOTED})*)', re.DOTALL)

Item = tuple[str, str | None]
Matcher = Callable[[str], re.Match[str] | None]


@value
class Params:
    """Parameters in their order: (name, value as written, None for a bare name).

    Those that were parsed are taken apart when somebody asks for a part of them: the grammar has been checked by then,
    and most parameters of a message are never asked for.
    """

    items: tuple[Item, ...] = ()
    written: str = field(default="", compare=False, repr=False)
    """How they were written, when they were parsed; empty for those that were built."""

    if not TYPE_CHECKING:  # pragma: no branch  # a type checker would take it for leave to ask for anything

        def __getattr__(self, name: str) -> tuple[Item, ...]:
            """Fill the empty slot of `items`."""
            if name != "items":
                raise AttributeError(name)
            items = tuple(_cut(self.written))
            object.__setattr__(self, "items", items)
            return items

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Params":
        """Read `;a=b;c` by generic-param of RFC 3261 §25.1; an empty text gives no parameters."""
        return _parse(text, notes, _generic.fullmatch)

    @classmethod
    def parse_uri(cls, text: str, notes: Notes | None = None) -> "Params":
        """Read `;a=b;c` by uri-parameter of RFC 3261 §25.1."""
        return _parse(text, notes, _of_uri.fullmatch)

    def get(self, name: str) -> str | None:
        """The first value of `name` (in lower case) as written; None when it is absent, and "" for a bare name."""
        if self.written and name not in self.written.lower():  # so that nothing is taken apart for what is not there
            return None
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

    def __bool__(self) -> bool:
        return bool(self.written or self.items)  # so that nothing is taken apart for it

    def __len__(self) -> int:
        return len(self.items)

    def __str__(self) -> str:
        if self.written or not self.items:
            return self.written
        return "".join([f";{name}" if content is None else f";{name}={content}" for name, content in self.items])


NO_PARAMS = Params()
_make_lazy = lazy_maker(Params, "items")


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
            items.append((name, text if _is_value.fullmatch(text) else quote(text)))
    return Params(tuple(items))


def checked(params: Params) -> Params:
    """Give `params` back when no part of it holds CR, LF or NUL; raises UnsafeValue otherwise."""
    require_safe(str(params), "a parameter")
    return params


def matched_params(text: str) -> Params:
    """The parameters of a text that a pattern made with GENERIC_PARAMS or URI_PARAMS has matched already."""
    return _make_lazy(text) if text else NO_PARAMS


def _parse(text: str, notes: Notes | None, matches: Matcher) -> Params:
    if matches(text):
        return matched_params(text)
    if text[0] != ";":
        raise ParseError("a parameter must begin with a semicolon", section="RFC 3261 §25.1", text=text)
    items = tuple(_read_odd(text, notes, matches))
    return Params(items, text) if items else NO_PARAMS


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
