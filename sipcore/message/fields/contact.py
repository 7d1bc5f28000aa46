"""Contact: an address with what registrations say of it, or the asterisk. RFC 3261 §20.10, RFC 5626 §10."""

from enum import Enum

from sipcore.deviation import Notes
from sipcore.grammar import unquote
from sipcore.message.address import Address
from sipcore.message.fields.parameterized import NUMBER, SECONDS, Kind, Q, check, number_of, q_of
from sipcore.message.params import NO_PARAMS

DEFAULT_EXPIRES = 3600
"""Seconds. RFC 3261 §20.10: a malformed expires parameter should count as this."""

_KINDS: dict[str, Kind] = {"q": Q, "expires": SECONDS, "reg-id": NUMBER}


class Wildcard(Enum):
    """The asterisk that stands for all bindings of an address of record (RFC 3261 §10.2.2)."""

    ALL = "*"

    def __str__(self) -> str:
        return "*"


WILDCARD = Wildcard.ALL


def parse_contact(text: str, notes: Notes | None = None) -> Address | Wildcard:
    """Read one Contact value; raises ParseError."""
    if "*" in text and text.strip(" \t") == "*":
        return WILDCARD
    address = Address.parse(text, notes)
    if address.params is not NO_PARAMS:
        check(address.params, _KINDS, notes)
    return address


def contact_q(contact: Address) -> float:
    """Its preference among others, 0.0 to 1.0 (RFC 3261 §20.10)."""
    return q_of(contact.params)


def contact_expires(contact: Address) -> int | None:
    """Seconds for which the binding holds (RFC 3261 §10.2.1.1), None when the Expires header field decides."""
    if "expires" not in contact.params:
        return None
    seconds = number_of(contact.params, "expires")
    return DEFAULT_EXPIRES if seconds is None else seconds


def contact_instance(contact: Address) -> str | None:
    """The URN that tells one user agent from all others (RFC 5626 §4.1), without quotes and brackets."""
    text = contact.params.get("+sip.instance")
    return unquote(text).removeprefix("<").removesuffix(">") if text else None


def contact_reg_id(contact: Address) -> int | None:
    """Which of its flows a user agent registers (RFC 5626 §4.2)."""
    return number_of(contact.params, "reg-id")
