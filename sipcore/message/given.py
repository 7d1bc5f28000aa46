"""URIs and addresses as the owners of an endpoint give them: read already, or as text.

A text is not quoted in an error: there may be a password in it (RFC 3261 §19.1.1).
"""

from sipcore.errors import LocalError, ParseError
from sipcore.message.address import Address
from sipcore.message.uri import OtherUri, SipUri, TelUri, Uri, parse_uri


def uri_given(given: Uri | str) -> Uri:
    """A URI. Raises LocalError for what is none, and tells what to give."""
    if not isinstance(given, str):
        _require_uri(given)
        return given
    try:
        return parse_uri(given)
    except ParseError as error:
        message = f'a text that is no URI, at character {error.offset}: {error.message}; give one as "sip:user@host"'
        raise LocalError(message, section=error.section) from None


def address_given(given: Address | Uri | str) -> Address:
    """An address, or a URI that is to be one. Raises LocalError as `uri_given` does."""
    if isinstance(given, Address):
        return given
    if not isinstance(given, str) or "<" not in given:
        return Address(uri_given(given))
    try:
        return Address.parse(given)
    except ParseError as error:
        message = f'a text that is no address: {error.message}; give one as "Name <sip:user@host>"'
        raise LocalError(message, section=error.section) from None


def _require_uri(given: object) -> None:
    if not isinstance(given, (SipUri, TelUri, OtherUri)):
        message = f'a URI is wanted here, not {type(given).__name__}: give one as "sip:user@host"'
        raise LocalError(message, section="RFC 3261 §19.1")
