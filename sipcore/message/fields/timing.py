"""How long: Session-Expires and Min-SE (RFC 4028), Retry-After and Timestamp (RFC 3261 §20.33, §20.38)."""

import re

from sipcore.deviation import Notes
from sipcore.errors import LimitExceeded, ParseError
from sipcore.message.fields.parameterized import SECONDS, Kind, check, cut, number_of, one_of
from sipcore.message.fields.simple import parse_seconds
from sipcore.message.params import NO_PARAMS, Params
from sipcore.pattern import Pattern
from sipcore.value import maker, value

_REFRESHER: dict[str, Kind] = {"refresher": one_of("uas", "uac")}
_PLAIN = Pattern(r"([0-9]{1,9})(?>(?:;refresher=(ua[cs]))?)")
_PLAIN_PARAMS = {None: NO_PARAMS, "uac": Params((("refresher", "uac"),)), "uas": Params((("refresher", "uas"),))}
_DURATION: dict[str, Kind] = {"duration": SECONDS}
_TIMESTAMP = Pattern(r"([0-9]++(?>(?:\.[0-9]*+)?))(?>(?:[ \t]++([0-9]*+(?>(?:\.[0-9]*+)?)))?)")
_parentheses = Pattern(r"\\.|[()]", re.DOTALL)

MAX_COMMENT_DEPTH = 16
"""Comments within comments. Nobody nests them on purpose; each level costs a step."""


@value
class SessionExpires:
    """How long a session lasts unless it is refreshed, and who refreshes it (RFC 4028 §4)."""

    seconds: int
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "SessionExpires":
        """Read a Session-Expires; raises ParseError."""
        match = _PLAIN.fullmatch(text)
        if match:
            return _make_session_expires(int(match[1]), _PLAIN_PARAMS[match[2]])
        seconds, params = cut(text, notes)
        check(params, _REFRESHER, notes)
        return cls(parse_seconds(seconds, notes), params)

    @property
    def refresher(self) -> str | None:
        """ "uac" or "uas"; None when it is left to the other side."""
        content = (self.params.get("refresher") or "").lower()
        return content if content in ("uac", "uas") else None

    def __str__(self) -> str:
        return f"{self.seconds}{self.params}"


_make_session_expires = maker(SessionExpires)


@value
class MinSE:
    """The shortest session interval that is allowed (RFC 4028 §5)."""

    seconds: int
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "MinSE":
        """Read a Min-SE; raises ParseError."""
        seconds, params = cut(text, notes)
        return _make_min_se(parse_seconds(seconds, notes), params)

    def __str__(self) -> str:
        return f"{self.seconds}{self.params}"


_make_min_se = maker(MinSE)


@value
class RetryAfter:
    """When to try again (RFC 3261 §20.33): seconds from now, a comment as written, parentheses included."""

    seconds: int
    comment: str = ""
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "RetryAfter":
        """Read a Retry-After; raises ParseError."""
        digits, parenthesis, _ = text.partition(";")[0].partition("(")
        start = len(digits)
        end = _end_of_comment(text, start) if parenthesis else start
        params = Params.parse(text[end:].strip(" \t"), notes)
        check(params, _DURATION, notes)
        return cls(parse_seconds(digits, notes), text[start:end], params)

    @property
    def duration(self) -> int | None:
        """Seconds for which the peer will then be there; None when it does not say."""
        return number_of(self.params, "duration")

    def __str__(self) -> str:
        return f"{self.seconds}{' ' if self.comment else ''}{self.comment}{self.params}"


def _end_of_comment(text: str, start: int) -> int:
    """Where the comment that begins at `start` ends; comments nest (RFC 3261 §25.1)."""
    depth = 0
    for match in _parentheses.finditer(text, start):
        if match[0] == "(":
            depth += 1
        elif match[0] == ")":
            depth -= 1
        if not depth:
            return match.end()
        if depth > MAX_COMMENT_DEPTH:
            message = f"more than {MAX_COMMENT_DEPTH} comments within each other"
            raise LimitExceeded(message, section="RFC 3261 §25.1", text=text, offset=match.start())
    raise ParseError("a comment is not closed", section="RFC 3261 §25.1", text=text, offset=start)


@value
class Timestamp:
    """When a request was sent, and how long the answer was held back (RFC 3261 §20.38): seconds, as written."""

    sent: str
    delay: str = ""

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Timestamp":
        """Read a Timestamp; raises ParseError."""
        match = _TIMESTAMP.fullmatch(text.strip(" \t"))
        if not match:
            raise ParseError("not a timestamp", section="RFC 3261 §20.38", text=text)
        return cls(match[1], match[2] or "")

    def __str__(self) -> str:
        return f"{self.sent} {self.delay}" if self.delay else self.sent
