"""Labels of a session: Session-ID (RFC 7989) and User-to-User (RFC 7433)."""

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.grammar import unquote
from sipcore.message.fields.parameterized import cut, cut_quoted
from sipcore.message.params import NO_PARAMS, Params
from sipcore.pattern import Pattern
from sipcore.value import value

NIL = "0" * 32
"""Stands for a peer whose identifier is not known yet (RFC 7989 §5)."""

_is_identifier = Pattern(r"[0-9a-f]{32}")


@value
class SessionId:
    """What names a session end to end (RFC 7989 §5): each side's UUID as 32 hexadecimal digits."""

    local: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "SessionId":
        """Read a Session-ID; raises ParseError."""
        local, params = cut(text, notes)
        for identifier in (local, params.get("remote") or NIL):
            if not _is_identifier.fullmatch(identifier):
                if not _is_identifier.fullmatch(identifier.lower()):
                    raise ParseError("a session identifier is 32 hexadecimal digits", section="RFC 7989 §5", text=text)
                tolerate(notes, Deviation.UPPER_CASE_SESSION_ID, text)
        return cls(local, params)

    @property
    def remote(self) -> str | None:
        """The other side's identifier; None from a peer that knows only the older RFC 7329."""
        return self.params.get("remote")

    def __str__(self) -> str:
        return f"{self.local}{self.params}"


@value
class UserToUser:
    """Data that the users pass to each other in call control (RFC 7433 §4.1), as written."""

    data: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "UserToUser":
        """Read one value of User-to-User; raises ParseError."""
        return cls(*cut_quoted(text, notes, "the user data", "RFC 7433 §4.1"))

    @property
    def octets(self) -> bytes | None:
        """The data when it is in hexadecimal digits (RFC 7433 §4.2), which is what no encoding says; else None."""
        if (self.params.get("encoding") or "hex").lower() != "hex":
            return None
        try:
            return bytes.fromhex(unquote(self.data))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.data}{self.params}"
