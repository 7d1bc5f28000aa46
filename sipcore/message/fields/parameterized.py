"""What values with parameters share: cutting them in two, and reading a parameter as a number or a q. RFC 3261 §25.1.

A parameter that is not of its kind is noted when the value is parsed and reads as absent afterwards, so that one bad
`q` does not cost a whole Contact.
"""

import re
from collections.abc import Callable, Mapping

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import LimitExceeded, ParseError
from sipcore.grammar import is_token, match_quoted
from sipcore.message.params import MAX_PARAMETERS, NO_PARAMS, Item, Params
from sipcore.pattern import Pattern
from sipcore.value import value

MAX_SECONDS = 2**32 - 1
"""RFC 3261 §20.19: an expiry is a number of seconds from 0 to 2**32 - 1; others follow it."""

Kind = tuple[Callable[[str], object], Deviation]
"""What a parameter's value must be, as a test for it, and the name of the fault when it is not."""

_NUMBER = Pattern(r"[0-9]{1,10}")  # 2**32 has ten digits
_Q = Pattern(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def _is_q(text: str) -> bool:
    return _Q.fullmatch(text) is not None


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _is_seconds(text: str) -> bool:
    return _is_number(text) and int(text) <= MAX_SECONDS


Q: Kind = (_is_q, Deviation.ODD_Q)
SECONDS: Kind = (_is_seconds, Deviation.ODD_SECONDS)
NUMBER: Kind = (_is_number, Deviation.ODD_PARAMETER_VALUE)


def one_of(*words: str) -> Kind:
    """The kind of a parameter whose value is one of `words`, in any case."""
    return (lambda text: text.lower() in words), Deviation.ODD_PARAMETER_VALUE


def cut(text: str, notes: Notes | None) -> tuple[str, Params]:
    """What stands before the first semicolon, white space around it left out, and the parameters that follow."""
    head, semicolon, _ = text.partition(";")
    if not semicolon:
        return text.strip(" \t"), NO_PARAMS
    return head.strip(" \t"), Params.parse(text[len(head) :], notes)


def cut_token(text: str, notes: Notes | None, what: str, section: str) -> tuple[str, Params]:
    """A token and its parameters; raises ParseError, which calls the token `what`."""
    head, params = cut(text, notes)
    if not is_token(head):
        raise ParseError(f"{what} is not a token", section=section, text=text)
    return head, params


def cut_quoted(text: str, notes: Notes | None, what: str, section: str) -> tuple[str, Params]:
    """A token or a quoted string, and its parameters; raises ParseError, which calls the former `what`."""
    stripped = text.strip(" \t")
    match = match_quoted(stripped)
    if match:
        return match[0], Params.parse(stripped[match.end() :].lstrip(" \t"), notes)
    head, params = cut(stripped, notes)
    if not is_token(head):
        raise ParseError(f"{what} is neither a token nor in quotes", section=section, text=text)
    return head, params


def check(params: Params, kinds: Mapping[str, Kind], notes: Notes | None) -> None:
    """Note each parameter named in `kinds`, in lower case, whose value is not of its kind."""
    for name, content in params.items:
        kind = kinds.get(name.lower())
        if kind is not None and (content is None or not kind[0](content)):
            tolerate(notes, kind[1], str(params))


def number_of(params: Params, name: str) -> int | None:
    """The value of a parameter that counts, in its own unit; None when it is absent or not a number to 2**32 - 1."""
    content = params.get(name)
    return int(content) if content and _is_seconds(content) else None


def q_of(params: Params) -> float:
    """The q parameter (RFC 3261 §25.1 qvalue), 1.0 when it is absent or odd, as RFC 2616 §14.1 has it."""
    content = params.get("q")
    return float(content) if content and _is_q(content) else 1.0


def scan(text: str, start: int, piece: Callable[[str, int], re.Match[str] | None], section: str) -> Params:
    """Parameters of a grammar of their own, from `start` to the end: `piece` matches one, name and value its groups.

    Raises ParseError where it does not match, LimitExceeded past MAX_PARAMETERS.
    """
    items: list[Item] = []
    while start < len(text):
        match = piece(text, start)
        if not match:
            raise ParseError("not a parameter", section=section, text=text, offset=start)
        if len(items) == MAX_PARAMETERS:
            raise LimitExceeded(f"more than {MAX_PARAMETERS} parameters", section=section, text=text, offset=start)
        items.append((match[1], match[2]))
        start = match.end()
    return Params(tuple(items))


@value
class Keyword:
    """A token with parameters that need no reading of their own, as in Info-Package (RFC 6086 §7.2)."""

    name: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Keyword":
        """Read one; raises ParseError."""
        return cls(*cut_token(text, notes, "the value", "RFC 3261 §25.1"))

    def __str__(self) -> str:
        return f"{self.name}{self.params}"
