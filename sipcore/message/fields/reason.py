"""Why: Reason (RFC 3326) for what was done, Warning (RFC 3261 §20.43) for what could not be."""

import re

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.grammar import QUOTED, is_token, quote, require_token, unquote
from sipcore.message.fields.parameterized import NUMBER, Kind, check, cut_token, number_of
from sipcore.message.params import NO_PARAMS, Params
from sipcore.message.uri import parse_hostport
from sipcore.pattern import Pattern
from sipcore.value import value

_CAUSE: dict[str, Kind] = {"cause": NUMBER}
_WARNING = Pattern(rf'([0-9]{{3}})[ \t]++([^ \t"]++)[ \t]++({QUOTED}|[^"]++)', re.DOTALL)


@value
class Reason:
    """Why a request was sent, or a response chosen (RFC 3326 §2): `protocol` is SIP, Q.850, …"""

    protocol: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Reason":
        """Read one value of Reason; raises ParseError."""
        protocol, params = cut_token(text, notes, "the protocol", "RFC 3326 §2")
        check(params, _CAUSE, notes)
        return cls(protocol, params)

    @property
    def cause(self) -> int | None:
        """The protocol's own number for it: a status code for SIP, a cause value for Q.850."""
        return number_of(self.params, "cause")

    @property
    def text(self) -> str | None:
        """The same in words."""
        return self.params.text("text")

    def __str__(self) -> str:
        return f"{self.protocol}{self.params}"


@value
class WarningValue:
    """One warning (RFC 3261 §20.43): a code from 300 to 399, who gives it, and its text as written, quotes included."""

    code: int
    agent: str
    text: str

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "WarningValue":
        """Read one value of Warning; raises ParseError."""
        match = _WARNING.fullmatch(text.strip(" \t"))
        if not match:
            raise ParseError("a warning is a code, a host and a quoted text", section="RFC 3261 §20.43", text=text)
        code, agent, words = match.groups()
        if not is_token(agent):
            parse_hostport(agent, text, notes)
        if words[0] != '"':
            tolerate(notes, Deviation.UNQUOTED_WARNING, text, match.start(3))
        return cls(int(code), agent, words)

    @property
    def message(self) -> str:
        """Its text without quotes and escapes."""
        return unquote(self.text)

    def __str__(self) -> str:
        return f"{self.code:03} {self.agent} {self.text}"


def warning_of(code: int, agent: str, message: str) -> WarningValue:
    """A warning to send, from `agent`, a host or a pseudonym. Raises UnsafeValue."""
    return WarningValue(code, require_token(agent, "a warning's agent"), quote(message))
