"""What networks of the 3GPP tell each other: RFC 7315."""

import re

from sipcore.deviation import Notes
from sipcore.errors import ParseError
from sipcore.grammar import QUOTED, TOKEN, is_token, unquote
from sipcore.message.fields.parameterized import cut_quoted, scan
from sipcore.message.params import NO_PARAMS, Params
from sipcore.pattern import Pattern
from sipcore.value import value

# Other than a generic-param, an access-info may be a value without a name: RFC 7315 §5.4 extension-access-info.
_ACCESS_INFO = Pattern(
    rf"[ \t]*+;[ \t]*+({TOKEN}++|{QUOTED}|\[[0-9A-Fa-f:.]++\])"
    rf"(?>(?:[ \t]*+=[ \t]*+({QUOTED}|(?>(?:{TOKEN}|[\[\]:/])+)))?)[ \t]*+",
    re.DOTALL,
)


@value
class AccessNetworkInfo:
    """How a user is connected (RFC 7315 §5.4): the access type, and where, as parameters with or without a name."""

    access: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "AccessNetworkInfo":
        """Read one value of P-Access-Network-Info; raises ParseError."""
        access = text.partition(";")[0]
        if not is_token(access.strip(" \t")):
            raise ParseError("the access type is not a token", section="RFC 7315 §5.4", text=text)
        return cls(access.strip(" \t"), scan(text, len(access), _ACCESS_INFO.match, "RFC 7315 §5.4"))

    @property
    def is_network_provided(self) -> bool:
        """Whether a proxy says so and not the user agent (RFC 7315 §5.4 np)."""
        return "network-provided" in self.params

    def __str__(self) -> str:
        return f"{self.access}{self.params}"


@value
class ChargingVector:
    """What correlates the charging records of one call (RFC 7315 §5.6); `params` begin with icid-value."""

    params: Params

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "ChargingVector":
        """Read a P-Charging-Vector; raises ParseError."""
        params = Params.parse(f";{text}", notes)
        if not params.get("icid-value"):
            raise ParseError("no icid-value", section="RFC 7315 §5.6", text=text)
        return cls(params)

    @property
    def icid(self) -> str:
        """The charging identifier of the call."""
        return self.params.text("icid-value") or ""

    def __str__(self) -> str:
        return str(self.params)[1:]


@value
class ChargingFunctions:
    """Where charging records go (RFC 7315 §5.5)."""

    params: Params

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "ChargingFunctions":
        """Read one value of P-Charging-Function-Addresses; raises ParseError."""
        params = Params.parse(f";{text}", notes)
        if not params:
            raise ParseError("no address", section="RFC 7315 §5.5", text=text)
        return cls(params)

    def addresses(self, function: str) -> tuple[str, ...]:
        """The addresses of one function, "ccf" or "ecf", the first being the first to use."""
        return tuple(unquote(content) for name, content in self.params if content and name.lower() == function)

    def __str__(self) -> str:
        return str(self.params)[1:]


@value
class VisitedNetwork:
    """The name of a network that a user is in (RFC 7315 §5.3), as written."""

    name: str
    params: Params = NO_PARAMS

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "VisitedNetwork":
        """Read one value of P-Visited-Network-ID; raises ParseError."""
        return cls(*cut_quoted(text, notes, "the network", "RFC 7315 §5.3"))

    def __str__(self) -> str:
        return f"{self.name}{self.params}"
