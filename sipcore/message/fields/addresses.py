"""Header fields that are addresses with a rule of their own about brackets or parameters.

Contact has its own file; those that allow all that RFC 3261 §25.1 does (From, To, Reply-To, Refer-To) need none.
"""

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import ParseError
from sipcore.message.address import Address
from sipcore.message.params import NO_PARAMS
from sipcore.message.uri import parse_uri

_URI_PARAMETERS = frozenset({"lr", "maddr", "method", "transport", "ttl", "user"})
"""RFC 3261 §19.1.1: parameters that belong to a URI, whatever stands around it."""


def parse_route(text: str, notes: Notes | None = None) -> Address:
    """A value of Route, Record-Route, Path or Service-Route: a name-addr (RFC 3261 §20.34); raises ParseError.

    A bare URI is tolerated while all that follows it can only be its own parameters; it becomes a name-addr.
    """
    address = Address.parse(text, notes)
    if address.bracketed:
        return address
    if any(name.lower() not in _URI_PARAMETERS for name, _ in address.params):
        raise ParseError("a route without angle brackets", section="RFC 3261 §25.1", text=text)
    tolerate(notes, Deviation.ADDRESS_WITHOUT_BRACKETS, text)
    return Address(parse_uri(text.strip(" \t"), notes))


def parse_name_addr(text: str, notes: Notes | None = None) -> Address:
    """A name-addr (RFC 3261 §25.1), as in P-Called-Party-ID (RFC 7315 §5.2); raises ParseError."""
    address = Address.parse(text, notes)
    if not address.bracketed:
        tolerate(notes, Deviation.ADDRESS_WITHOUT_BRACKETS, text)
    return address


def parse_lone_address(text: str, notes: Notes | None = None) -> Address:
    """An address that no parameter may follow, as in P-Asserted-Identity (RFC 3325 §9.1); raises ParseError."""
    address = Address.parse(text, notes)
    if address.params is not NO_PARAMS:
        tolerate(notes, Deviation.UNEXPECTED_PARAMETER, text)
    return address
