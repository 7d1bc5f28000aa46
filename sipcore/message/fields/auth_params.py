"""The comma-separated parameters of authentication header fields: RFC 3261 §25.1 auth-param, RFC 7235 §2.1.

They differ from the parameters after a semicolon: commas part them, and which of them are quoted is a rule of its own
(RFC 7616 §3.3 to §3.5) that peers break often. Spelling, order and quotes are kept: they tell implementations apart.
"""

import re
from collections.abc import Iterator

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import LimitExceeded, ParseError
from sipcore.grammar import QUOTED, TOKEN, is_token, quote, require_safe, require_token, unquote
from sipcore.pattern import Pattern
from sipcore.value import value

MAX_AUTH_PARAMETERS = 32
"""Parameters of one challenge or of one's credentials. IMS credentials with all extensions have about sixteen."""

_VALUE = rf"(?:{QUOTED}|{TOKEN}++)"
_PLAIN = Pattern(rf"{TOKEN}++={_VALUE}(?>(?:,[ \t]*+{TOKEN}++={_VALUE})*)\Z", re.DOTALL)
_PAIR = Pattern(rf"({TOKEN}++)=({_VALUE})", re.DOTALL)
_PARAMETER = Pattern(rf'([^ \t\r\n=,"]++)[ \t]*+=[ \t]*+({QUOTED}|[^ \t\r\n,"]*+)[ \t]*+', re.DOTALL)
_GAP = Pattern(r"[ \t,]*+")

Item = tuple[str, str]


@value
class QuoteRule:
    """Which parameters must be in quotes and which must not; any other may be either."""

    needed: frozenset[str]
    refused: frozenset[str]


ANY_QUOTES = QuoteRule(frozenset(), frozenset())
"""The rule of schemes other than Digest: RFC 3261 §25.1 auth-param."""


@value
class AuthParams:
    """Authentication parameters in their order: (name, value as written)."""

    items: tuple[Item, ...] = ()

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None, rule: QuoteRule = ANY_QUOTES) -> "AuthParams":
        """Read `a=b, c="d"`; raises ParseError where the text is anything else, or has other parameters after these."""
        params, end = parse_prefix(text, 0, notes, rule)
        if end < len(text):
            raise ParseError("not an authentication parameter", section="RFC 3261 §25.1", text=text, offset=end)
        return params

    def get(self, name: str) -> str | None:
        """The first value of `name` (lower case) as written; None when it is absent."""
        for key, content in self.items:
            if key == name or key.lower() == name:
                return content
        return None

    def text(self, name: str) -> str | None:
        """The first value of `name` without its quotes (the `unq()` of RFC 7616 §3.3); None when it is absent."""
        content = self.get(name)
        return None if content is None else unquote(content)

    def replace(self, name: str, content: str) -> "AuthParams":
        """The same parameters with `name` set to `content`, as written, in its place or at the end."""
        item = (name, content)
        for index, (key, _) in enumerate(self.items):
            if key.lower() == name.lower():
                return AuthParams((*self.items[:index], item, *self.items[index + 1 :]))
        return AuthParams((*self.items, item))

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __str__(self) -> str:
        return ", ".join([f"{name}={content}" for name, content in self.items])


NO_AUTH_PARAMS = AuthParams()


def quoted_as_needed(rule: QuoteRule, *items: tuple[str, str | None]) -> AuthParams:
    """Parameters out of plain texts: quoted where `rule` says so or no token would do; None leaves one out.

    Raises UnsafeValue on CR, LF or NUL, and on a text that is no token where quotes are not allowed.
    """
    written: list[Item] = []
    for name, text in items:
        if text is None:
            continue
        if name in rule.refused:
            written.append((name, require_token(text, f"the parameter {name}")))
        else:
            plain = name not in rule.needed and is_token(text)
            written.append((name, require_safe(text, name) if plain else quote(text)))
    return AuthParams(tuple(written))


def parse_prefix(text: str, position: int, notes: Notes | None, rule: QuoteRule) -> tuple[AuthParams, int]:
    """Read parameters from `position` on as far as they go: the parameters, and where something else begins."""
    if _PLAIN.match(text, position):
        plain = _PAIR.findall(text, position)
        if _is_faultless(plain, rule):
            return AuthParams(tuple(plain)), len(text)
    return _parse_odd(text, position, notes, rule)


def _is_faultless(items: list[Item], rule: QuoteRule) -> bool:
    keys = {name.lower() for name, _ in items}
    quoted = {name.lower() for name, content in items if content[0] == '"'}
    few = len(keys) == len(items) <= MAX_AUTH_PARAMETERS
    return few and quoted.isdisjoint(rule.refused) and not (keys - quoted) & rule.needed


def _parse_odd(text: str, position: int, notes: Notes | None, rule: QuoteRule) -> tuple[AuthParams, int]:
    """Read parameters with legal white space, with faults that are tolerated by name, or with others after them."""
    items: list[Item] = []
    comma = True
    for _ in range(MAX_AUTH_PARAMETERS + 1):
        match = _PARAMETER.match(text, position)
        if match is None:
            return AuthParams(tuple(items)), position
        if not comma:
            tolerate(notes, Deviation.AUTH_NO_COMMA, text, position)
        _add(items, match, text, notes, rule)
        position = _GAP.match(text, match.end()).end()  # type: ignore[union-attr]  # the pattern also matches nothing
        commas = text.count(",", match.end(), position)
        comma = commas > 0
        if commas > 1 or (comma and position == len(text)):
            tolerate(notes, Deviation.EMPTY_LIST_VALUE, text, match.end())
    message = f"more than {MAX_AUTH_PARAMETERS} authentication parameters"
    raise LimitExceeded(message, section="RFC 3261 §25.1", text=text, offset=position)


def _add(items: list[Item], match: re.Match[str], text: str, notes: Notes | None, rule: QuoteRule) -> None:
    name, content = match.groups()
    offset = match.start()
    if not is_token(name):
        name = name.strip()  # wide and unbreakable spaces come with text that was copied into a configuration
        _require_printable(name, text, offset)
        tolerate(notes, Deviation.ODD_PARAMETER, text, offset)
    key = name.lower()
    earlier = next((other for known, other in items if known.lower() == key), None)
    if earlier is not None:
        if earlier != content:
            message = f"{key} stands twice, with different values"
            raise ParseError(message, section="RFC 7235 §2.1", text=text, offset=offset)
        tolerate(notes, Deviation.AUTH_PARAMETER_TWICE, text, offset)
        return
    _check_quotes(key, content, text, match.start(2), notes, rule)
    items.append((name, content))


def _check_quotes(key: str, content: str, text: str, offset: int, notes: Notes | None, rule: QuoteRule) -> None:
    if content[:1] == '"':
        if key in rule.refused:
            tolerate(notes, Deviation.AUTH_NEEDS_NO_QUOTES, text, offset)
    elif not content:
        tolerate(notes, Deviation.EMPTY_PARAMETER_VALUE, text, offset)
    elif key in rule.needed:
        _require_printable(content, text, offset)
        tolerate(notes, Deviation.AUTH_NEEDS_QUOTES, text, offset)
    elif not is_token(content):
        _require_printable(content, text, offset)
        tolerate(notes, Deviation.ODD_PARAMETER, text, offset)


def _require_printable(part: str, text: str, offset: int) -> None:
    if not part.isprintable():
        raise ParseError("a control character", section="RFC 3261 §25.1", text=text, offset=offset)
