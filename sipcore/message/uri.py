"""URIs: sip and sips taken apart, tel with its parameters, anything else kept verbatim. RFC 3261 §19.1, RFC 3966.

Parts stay as they were written, escapes included; `SipUri.decoded_user` resolves them. Comparing values with `==` asks
whether they are written alike; `equivalence.equivalent` asks whether RFC 3261 §19.1.4 calls them equal.
"""

import ipaddress
from dataclasses import field
from enum import Enum
from functools import lru_cache
from typing import Any

from sipcore.deviation import Deviation, Notes, tolerate
from sipcore.errors import LimitExceeded, ParseError
from sipcore.grammar import require_safe
from sipcore.message.params import NO_PARAMS, URI_PARAMS, Params, checked, matched_params
from sipcore.pattern import Pattern
from sipcore.value import maker, value

MAX_URI = 4096
"""Characters in one URI. The longest in use carry a GRUU or a whole Replaces header field and stay below 1,000."""
MAX_KNOWN = 256
"""URIs that are remembered: requests in dialogs are for where this side can be reached, which is always the same."""
MAX_PORT = 65535

ESCAPED = "%[0-9A-Fa-f]{2}"
"""A character that is written as its number (RFC 3261 §25.1)."""
_LABEL = "[A-Za-z0-9]++(?>(?:-++[A-Za-z0-9]++)*)"
_TOP_LABEL = "[A-Za-z][A-Za-z0-9]*+(?>(?:-++[A-Za-z0-9]++)*)"
_OCTET = "(?:[1-9]?[0-9](?![0-9])|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
_NAME = rf"(?>(?:{_LABEL}\.)*){_TOP_LABEL}"
_NAME_WITHOUT_HYPHEN = r"(?>(?:[A-Za-z0-9]++\.)*)[A-Za-z][A-Za-z0-9]*+"
_END_OF_HOST = r"(?![A-Za-z0-9.\-])"
PLAIN_HOST = rf"(?:{_OCTET}(?:\.{_OCTET}){{3}}{_END_OF_HOST}|{_NAME_WITHOUT_HYPHEN}{_END_OF_HOST}|{_NAME})"
"""A host by RFC 3261 §25.1 without a fault, as a pattern; IPv6 references, which have to be read, are left out."""
HOST = rf"(?:{PLAIN_HOST}|\[[0-9A-Fa-f:.]++\])"
"""A host by RFC 3261 §25.1, as a pattern. What is in brackets is only looked at roughly, and a name that ends in a dot,
which the grammar allows, is left out: `check_host` does both."""

_USER_RUN = r"[A-Za-z0-9\-_.!~*'()&=+$,;?/]++"
_USER = rf"(?>(?:{_USER_RUN}|{ESCAPED})+)"
_PASSWORD = rf"(?>(?:[A-Za-z0-9\-_.!~*'()&=+$,]++|{ESCAPED})*)"
_USERINFO = rf"(?:{_USER_RUN}(?:(?=@)|(?=[%:]){_USER}?(?::{_PASSWORD})?)|{_USER}(?::{_PASSWORD})?)"
"""User and password. Most have neither an escape nor a password; and where there is no user, its first run is the host,
which is then not looked at twice."""
PORT = "(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4})"
"""A port up to 65535, as a pattern."""
_HEADER_PART = rf"(?:[A-Za-z0-9\-_.!~*'()\[\]/?:+$]++|{ESCAPED})"
_HEADER = f"(?>{_HEADER_PART}+)=(?>{_HEADER_PART}*)"
_HEADERS = f"{_HEADER}(?>(?:&{_HEADER})*)"
PLAIN_SIP_PLACE = rf"[sS][iI][pP][sS]?:(?>(?:{_USERINFO}@)?){PLAIN_HOST}(?>(?::{PORT})?)"
"""A sip or sips URI up to its parameters, without a fault, as a pattern; those with an IPv6 reference are left out."""
PLAIN_SIP_URI = rf"{PLAIN_SIP_PLACE}{URI_PARAMS}(?>(?:\?{_HEADERS})?)"
"""A whole one."""
_sip_uri = Pattern(
    rf"([sS][iI][pP][sS]?):(?>(?:({_USER})(?::({_PASSWORD}))?@)?)({HOST})(?>(?::({PORT}))?)({URI_PARAMS})"
    rf"(?>(?:\?({_HEADERS}))?)"
)
_scheme = Pattern(r"([A-Za-z][A-Za-z0-9+\-.]*+):")
_is_user = Pattern(_USER)
_is_password = Pattern(_PASSWORD)
_are_headers = Pattern(_HEADERS)
_is_host = Pattern(HOST)
_is_name = Pattern(_NAME)
_is_port = Pattern("[0-9]{1,5}")
_is_absolute = Pattern(rf"(?>(?:[A-Za-z0-9\-_.!~*'();/?:@&=+$,\[\]]++|{ESCAPED})+)")
_is_global_number = Pattern(r"\+[\-.()]*+[0-9][0-9\-.()]*+")
_is_local_number = Pattern(r"[\-.()]*+[0-9A-Fa-f*#][0-9A-Fa-f*#\-.()]*+")

# What is met although the grammar does not allow it, and can still be read in one way only.
_is_odd_host = Pattern(r"[A-Za-z0-9_]++(?>(?:[.\-]++[A-Za-z0-9_]++)*)\.?")
_ODD_HEADER = r"""[^\x00-\x20\x7f"<>&=]++=[^\x00-\x20\x7f"<>&]*+"""
_are_odd_headers = Pattern(f"{_ODD_HEADER}(?>(?:&{_ODD_HEADER})*)")
_NOT_IN_USER = Pattern(r"""[\x00-\x20\x7f"<>]""")
_BAD_ESCAPE = Pattern("%(?![0-9A-Fa-f]{2})")
_ESCAPE_BYTES = Pattern(ESCAPED.encode())
VISUAL_SEPARATORS = Pattern(r"[\-.()]")
"""What makes telephone numbers readable, and means nothing (RFC 3966 §5.1.1)."""
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
_USER_OCTETS = frozenset(_UNRESERVED + b"&=+$,;?/")
_PARAMETER_OCTETS = frozenset(_UNRESERVED + b"[]/:&+$")
_HEADER_OCTETS = frozenset(_UNRESERVED + b"[]/?:+$")


class Place(Enum):
    """Where a URI stands; RFC 3261 §19.1.1 Table 1 says which parts are legal there."""

    REQUEST_URI = "Request-URI"
    TO = "To"
    FROM = "From"
    CONTACT_IN_REGISTRATION = "Contact in REGISTER"
    DIALOG_CONTACT = "Contact, Record-Route or Route in a dialog"
    EXTERNAL = "outside of messages"


_ILLEGAL: dict[Place, frozenset[str]] = {
    # RFC 3261 §19.1.1 Table 1, column by column: the cells with a dash.
    Place.REQUEST_URI: frozenset({"method", "headers"}),
    Place.TO: frozenset({"port", "method", "maddr", "ttl", "transport", "lr", "headers"}),
    Place.FROM: frozenset({"port", "method", "maddr", "ttl", "transport", "lr", "headers"}),
    Place.CONTACT_IN_REGISTRATION: frozenset({"method", "lr"}),
    Place.DIALOG_CONTACT: frozenset({"method", "ttl", "headers"}),
    Place.EXTERNAL: frozenset(),
}
_NEEDS_VALUE = ("transport", "user", "method", "ttl", "maddr")
"""Parameters whose own grammar has a value (RFC 3261 §25.1); others may stand without, or with an empty one."""


@value
class SipUri:
    """A sip or sips URI (RFC 3261 §19.1.1), each part as it was written.

    `scheme` is "sip" or "sips"; `user`, `password` and `headers` (the text after the question mark) are None when
    absent; `host` keeps the brackets of an IPv6 reference; `port` is None when none is written. What may be a
    credential, `password` and `headers`, stays out of the repr.
    """

    host: str
    user: str | None = None
    port: int | None = None
    params: Params = NO_PARAMS
    scheme: str = "sip"
    password: str | None = field(default=None, repr=False)
    headers: str | None = field(default=None, repr=False)
    text: str = field(default="", compare=False, repr=False)
    """How it was written, when it was parsed; empty for one that was built."""

    @classmethod
    def parse(cls, text: str, notes: Notes | None = None) -> "SipUri":
        """Read a sip or sips URI, where no other will do. Raises ParseError as `parse_uri` does, and for any other."""
        uri = parse_uri(text, notes)
        if not isinstance(uri, SipUri):
            raise ParseError(
                f"a {uri.scheme} URI in the place of a sip or sips one", section="RFC 3261 §19.1", text=text
            )
        return uri

    @property
    def is_secure(self) -> bool:
        """Whether the scheme is sips (RFC 3261 §26.2.2)."""
        return len(self.scheme) == 4

    @property
    def address(self) -> str:
        """The host without the brackets of an IPv6 reference, an extra colon of RFC 5118 §4.10 taken out."""
        return self.host.strip("[]").replace(":::", "::")

    @property
    def decoded_user(self) -> str | None:
        """The user part with its escapes resolved, bytes that are not UTF-8 as surrogates."""
        return None if self.user is None else unescape(self.user)

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case (RFC 3261 §19.1.1)."""
        content = self.params.get("transport")
        return content.lower() if content else None

    @property
    def is_loose_router(self) -> bool:
        """Whether the lr parameter is there (RFC 3261 §16.12)."""
        return "lr" in self.params

    def header_items(self) -> tuple[tuple[str, str], ...]:
        """The headers component as (name, value) with escapes resolved (RFC 3261 §19.1.1)."""
        pairs = (piece.partition("=") for piece in (self.headers or "").split("&") if piece)
        return tuple((unescape(name), unescape(content)) for name, _, content in pairs)

    def replace(self, **changes: object) -> "SipUri":
        """The same URI with some parts changed. Raises UnsafeValue on CR, LF or NUL."""
        parts: dict[str, Any] = {"host": self.host, "user": self.user, "port": self.port, "params": self.params}
        parts |= {"scheme": self.scheme, "password": self.password, "headers": self.headers}
        uri = SipUri(**(parts | changes))  # a wrong name is refused by the call itself
        require_safe(str(uri), "a URI")
        return uri

    def illegal_parts(self, place: Place) -> tuple[str, ...]:
        """Which of its parts RFC 3261 §19.1.1 Table 1 does not allow at `place`."""
        if not self.params and not self.headers:  # as in most
            return ("port",) if self.port is not None and "port" in _ILLEGAL[place] else ()
        present = {name.lower() for name, _ in self.params}
        present |= {"port"} if self.port is not None else set()
        present |= {"headers"} if self.headers else set()
        return tuple(sorted(present & _ILLEGAL[place]))

    def fitted_to(self, place: Place) -> "SipUri":
        """The same URI without the parts that are not legal at `place`."""
        illegal = self.illegal_parts(place)
        if not illegal:
            return self
        params = Params(tuple(item for item in self.params if item[0].lower() not in illegal))
        port = None if "port" in illegal else self.port
        headers = None if "headers" in illegal else self.headers
        return SipUri(self.host, self.user, port, params, self.scheme, self.password, headers)

    def __str__(self) -> str:
        if self.text:
            return self.text
        user = "" if self.user is None else self.user if self.password is None else f"{self.user}:{self.password}"
        at = "" if self.user is None else "@"
        port = "" if self.port is None else f":{self.port}"
        headers = "" if self.headers is None else f"?{self.headers}"
        return f"{self.scheme}:{user}{at}{self.host}{port}{self.params!s}{headers}"


@value
class TelUri:
    """A tel URI (RFC 3966): a number, global when it begins with a plus, and its parameters."""

    number: str
    params: Params = NO_PARAMS
    text: str = field(default="", compare=False, repr=False)

    @property
    def scheme(self) -> str:
        """Always "tel"."""
        return "tel"

    @property
    def is_global(self) -> bool:
        """Whether it is an E.164 number with a plus (RFC 3966 §5.1.4)."""
        return self.number.startswith("+")

    @property
    def digits(self) -> str:
        """The number without visual separators (RFC 3966 §5.1.1)."""
        return VISUAL_SEPARATORS.sub("", self.number)

    def __str__(self) -> str:
        return self.text or f"tel:{self.number}{self.params}"


@value
class OtherUri:
    """A URI of any other scheme: RFC 3261 §25.1 absoluteURI, kept verbatim."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


Uri = SipUri | TelUri | OtherUri
_make_sip_uri = maker(SipUri)


def parse_uri(text: str, notes: Notes | None = None) -> Uri:
    """Read any URI. Raises ParseError, or LimitExceeded (414) past MAX_URI characters."""
    if len(text) > MAX_URI:
        raise LimitExceeded(f"URI beyond {MAX_URI} characters", section="RFC 3261 §8.2.2.1", text=text, status=414)
    match = _sip_uri.fullmatch(text)
    if not match:
        return _read_slowly(text, notes)
    scheme, user, password, host, digits, parameters, headers = match.groups()
    if host[0] == "[":
        check_host(host, text, notes, match.start(4))
    port = int(digits) if digits else None
    return _make_sip_uri(host, user, port, matched_params(parameters), scheme.lower(), password, headers, text)


@lru_cache(MAX_KNOWN)
def known_uri(text: str) -> tuple[Uri, tuple[Deviation, ...]]:
    """A URI that is met again and again, as a Request-URI is, and what is unusual about it. Raises as `parse_uri`."""
    notes: Notes = []
    return parse_uri(text, notes), tuple(notes)


def uri_of(
    host: str, user: str | None = None, port: int | None = None, params: Params = NO_PARAMS, scheme: str = "sip"
) -> SipUri:
    """A sip or sips URI to send: the user escaped, an IPv6 address put in brackets.

    Raises ParseError for what is no host, UnsafeValue for CR, LF or NUL in a parameter.
    """
    literal = f"[{host}]" if ":" in host and host[0] != "[" else host
    check_host(literal, literal)
    return SipUri(literal, escape_user(user) if user else None, port, checked(params), scheme)


def _read_slowly(text: str, notes: Notes | None) -> Uri:
    """Everything but a plain, faultless sip URI: other schemes, and faults told one by one."""
    stripped = text.strip(" \t")
    if stripped != text:
        tolerate(notes, Deviation.SPACE_IN_URI, text)
    match = _scheme.match(stripped)
    if not match:
        raise ParseError("no URI scheme", section="RFC 3261 §25.1", text=text)
    scheme, begin = match.group(1), match.end()
    try:
        if scheme.lower() in ("sip", "sips"):
            return _read_sip(scheme.lower(), stripped, begin, notes)
        if scheme.lower() == "tel":
            return _read_tel(stripped, begin, notes)
        return _read_other(scheme, stripped, begin, notes)
    except ParseError as error:
        raise error.within(text=text, offset=text.index(stripped)) from None


def _read_sip(scheme: str, text: str, begin: int, notes: Notes | None) -> SipUri:
    # The last at sign ends the user part, which may hold `;` and `?`; what comes after it may hold no at sign.
    at = text.rfind("@")
    user, password = _read_userinfo(text, begin, at, notes) if at >= 0 else (None, None)
    begin = max(begin, at + 1)
    before, question, headers = text[begin:].partition("?")
    where, semicolon, parameters = before.partition(";")
    host, port = parse_hostport(where, text, notes, begin)
    params = _checked_params(semicolon + parameters, text, begin + len(where), notes)
    if question and not _are_headers.fullmatch(headers):
        offset = begin + len(before) + 1
        if not _are_odd_headers.fullmatch(headers):
            raise ParseError("URI headers are name=value", section="RFC 3261 §25.1", text=text, offset=offset)
        tolerate(notes, Deviation.UNESCAPED_CHARACTER, text, offset)
    return SipUri(host, user, port, params, scheme, password, headers if question else None, text)


def _read_userinfo(text: str, begin: int, end: int, notes: Notes | None) -> tuple[str, str | None]:
    """User and password between `begin` and `end`.

    A user is opaque to all but its own domain, so characters that should have been escaped are tolerated in it. A
    password is not: where there seems to be a wrong one, it is as likely that the URI was misread.
    """
    user, colon, password = text[begin:end].partition(":")
    if not _is_user.fullmatch(user):
        if not user and not colon:
            tolerate(notes, Deviation.EMPTY_USER, text, begin)
        elif not user or _NOT_IN_USER.search(user):
            raise ParseError("not a user part", section="RFC 3261 §25.1", text=text, offset=begin)
        else:
            escape = _BAD_ESCAPE.search(user)
            tolerate(notes, Deviation.BAD_ESCAPE if escape else Deviation.UNESCAPED_CHARACTER, text, begin)
    if not _is_password.fullmatch(password):
        offset = begin + len(user) + 1
        raise ParseError("not a password", section="RFC 3261 §25.1", text=text, offset=offset)
    return user, password if colon else None


def _checked_params(parameters: str, text: str, begin: int, notes: Notes | None) -> Params:
    try:
        params = Params.parse_uri(parameters, notes)
    except ParseError as error:
        raise error.within(text=text, offset=begin) from None
    if "=;" in parameters or parameters[-1:] == "=":
        for name in _NEEDS_VALUE:
            if params.get(name) == "":
                raise ParseError(f"{name} without a value", section="RFC 3261 §25.1", text=text, offset=begin)
    return params


def parse_hostport(where: str, text: str, notes: Notes | None = None, offset: int = 0) -> tuple[str, int | None]:
    """Read host and optional port (RFC 3261 §25.1 hostport), which begin at `offset` in `text`."""
    bracket = where.find("]") + 1 if where.startswith("[") else 0
    host, colon, digits = where[bracket:].partition(":")
    host = where[:bracket] + host
    check_host(host, text, notes, offset)
    if not colon:
        return host, None
    if not _is_port.fullmatch(digits) or int(digits) > MAX_PORT:
        where_port = offset + len(host) + 1
        message = f"a port is at most {MAX_PORT}" if digits.isdecimal() else "a port is a number"
        raise ParseError(message, section="RFC 3261 §25.1", text=text, offset=where_port)
    return host, int(digits)


def check_host(host: str, text: str, notes: Notes | None = None, offset: int = 0) -> None:
    """Check a host by RFC 3261 §25.1: a name, an IPv4 address, or an IPv6 address in brackets."""
    if host[:1] == "[":
        if ":::" in host:  # the ABNF of RFC 3261 allowed it by mistake: RFC 5118 §4.10
            tolerate(notes, Deviation.EXTRA_COLON_IN_ADDRESS, text, offset)
        if not read_ipv6(host):
            raise ParseError("not an IPv6 address", section="RFC 3261 §25.1", text=text, offset=offset)
    elif not _is_host.fullmatch(host) and not (host[-1:] == "." and _is_name.fullmatch(host[:-1])):
        if not _is_odd_host.fullmatch(host):
            raise ParseError("neither a host name nor an address", section="RFC 3261 §25.1", text=text, offset=offset)
        tolerate(notes, Deviation.ODD_HOST, text, offset)


def read_ipv6(reference: str) -> ipaddress.IPv6Address | None:
    """The address in an IPv6 reference; None where there is none, or one with a zone, which has no place in SIP."""
    if reference[-1] != "]" or "%" in reference:
        return None
    try:
        return ipaddress.IPv6Address(reference[1:-1].replace(":::", "::"))
    except ValueError:
        return None


def _read_tel(text: str, begin: int, notes: Notes | None) -> TelUri:
    number, semicolon, parameters = text[begin:].partition(";")
    if not (_is_global_number.fullmatch(number) or _is_local_number.fullmatch(number)):
        raise ParseError("not a telephone number", section="RFC 3966 §3", text=text, offset=begin)
    begin += len(number)
    params = _checked_params(semicolon + parameters, text, begin, notes)
    context = params.get("phone-context")
    if context is None and number[0] != "+":
        tolerate(notes, Deviation.NO_PHONE_CONTEXT, text, begin)
    if context is not None and not (
        _is_global_number.fullmatch(context) or (context[:1] != "[" and _is_host.fullmatch(context))
    ):
        message = "phone-context is a domain or a global number"
        raise ParseError(message, section="RFC 3966 §5.1.5", text=text, offset=begin)
    return TelUri(number, params, text)


def _read_other(scheme: str, text: str, begin: int, notes: Notes | None) -> OtherUri:
    rest = text[begin:]
    if not _is_absolute.fullmatch(rest):
        if not rest or not rest.isprintable() or _NOT_IN_USER.search(rest) or _BAD_ESCAPE.search(rest):
            raise ParseError("not a URI", section="RFC 3261 §25.1", text=text, offset=begin)
        tolerate(notes, Deviation.UNESCAPED_CHARACTER, text, begin)
    return OtherUri(scheme, rest)


def unescape(text: str) -> str:
    """Resolve percent escapes (RFC 3261 §19.1.2); a broken escape stays as it is."""
    if "%" not in text:
        return text
    data = text.encode("utf-8", "surrogateescape")
    resolved = _ESCAPE_BYTES.sub(lambda match: bytes((int(match.group()[1:], 16),)), data)
    return resolved.decode("utf-8", "surrogateescape")


def escape_user(text: str) -> str:
    """`text` as a user part: everything that RFC 3261 §25.1 does not allow there is percent-escaped."""
    return _escape(text, _USER_OCTETS)


def escape_parameter(text: str) -> str:
    """`text` as a name or value of a URI parameter, percent-escaped as RFC 3261 §25.1 demands."""
    return _escape(text, _PARAMETER_OCTETS)


def escape_header(text: str) -> str:
    """`text` as a name or value in a URI's headers component, percent-escaped as RFC 3261 §25.1 demands."""
    return _escape(text, _HEADER_OCTETS)


def _escape(text: str, allowed: frozenset[int]) -> str:
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(octet) if octet in allowed else f"%{octet:02X}" for octet in data)
