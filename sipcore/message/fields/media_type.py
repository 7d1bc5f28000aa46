"""What a body is and what to do with it: media types and dispositions. RFC 3261 §20.1, §20.11, §20.15."""

import re

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.grammar import TOKEN
from sipcore.message.fields.parameterized import Kind, Q, check, cut_token, q_of
from sipcore.message.params import NO_PARAMS, Params
from sipcore.pattern import Pattern
from sipcore.value import maker, value

_TYPE = Pattern(rf"[ \t]*+({TOKEN}++)[ \t]*+/[ \t]*+({TOKEN}++)[ \t]*+(;.*+)?", re.DOTALL)
_WEIGHT: dict[str, Kind] = {"q": Q}


@value
class MediaType:
    """A media type, or in Accept a range of them (RFC 3261 §20.1, §20.15), in the case it was written in."""

    type: str
    subtype: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "MediaType":
        """Read a Content-Type; raises ParseError."""
        media_type = _read_type(text, notes)
        # RFC 3261 §25.1 m-parameter: other than a generic-param, it must have a value.
        params = media_type.params
        if params is not NO_PARAMS and any(content is None for _, content in params):
            tolerate(notes, Deviation.MEDIA_PARAMETER_WITHOUT_VALUE, text)
        return media_type

    @property
    def essence(self) -> str:
        """Type and subtype in lower case, as in `application/sdp`."""
        return f"{self.type}/{self.subtype}".lower()

    @property
    def q(self) -> float:
        """How welcome it is, 0.0 to 1.0, when it stands in Accept (RFC 3261 §20.1)."""
        return q_of(self.params)

    def covers(self, other: "MediaType") -> bool:
        """Whether this range holds that type, parameters aside (RFC 3261 §20.1)."""
        first, second = self.essence.split("/")
        return first in ("*", other.type.lower()) and second in ("*", other.subtype.lower())

    def __str__(self) -> str:
        return f"{self.type}/{self.subtype}{self.params}"


_make = maker(MediaType)


def parse_media_range(text: str, notes: Notes | None = None) -> MediaType:
    """One value of Accept (RFC 3261 §20.1); raises ParseError."""
    media_type = _read_type(text, notes)
    check(media_type.params, _WEIGHT, notes)
    return media_type


def _read_type(text: str, notes: Notes | None) -> MediaType:
    match = _TYPE.fullmatch(text)
    if not match:
        raise ParseError("not a media type", section="RFC 3261 §25.1", text=text)
    first, second, params = match.groups()
    return _make(first, second, Params.parse(params, notes) if params else NO_PARAMS)


@value
class Disposition:
    """What to do with a body (RFC 3261 §20.11): `kind` is session, render, icon, alert, early-session, …"""

    kind: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "Disposition":
        """Read a Content-Disposition; raises ParseError."""
        return cls(*cut_token(text, notes, "the disposition", "RFC 3261 §20.11"))

    @property
    def is_required(self) -> bool:
        """Whether a body that is not understood makes the message fail (RFC 3261 §20.11: unless it says optional)."""
        return (self.params.get("handling") or "required").lower() != "optional"

    def __str__(self) -> str:
        return f"{self.kind}{self.params}"
