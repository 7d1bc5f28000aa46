"""What a person points the prober at, read into one value: `host`, `host:port`, `[v6]:port`, URIs, `tls://host`.

Whatever is given by it is kept as a wish (port, transport, user); whatever is left out is discovery's to find. A name
in letters beyond ASCII becomes the one that DNS has for it (RFC 5890); a telephone number needs the domain it is at.
"""

import ipaddress
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from probes.destination_text import FOREIGN_SCHEMES, fault_in, find, find_last, foreign_scheme, without_password
from sipcore.deviation import Deviation, Notes
from sipcore.errors import EXCERPT_CHARACTERS, LocalError, ParseError, quoted
from sipcore.message.params import NO_PARAMS, Params
from sipcore.message.uri import SipUri, TelUri, check_host, escape_user, parse_uri
from sipcore.resolve.target import SocketAddress, Target, Transport, is_numeric
from sipcore.value import value

if TYPE_CHECKING:
    from probes.providers import Provider

_TRANSPORT_SCHEMES = {
    "udp": Transport.UDP,
    "tcp": Transport.TCP,
    "tls": Transport.TLS,
    "ws": Transport.WS,
    "wss": Transport.WSS,
}
_SOCKET_SCHEMES = {"http": "ws", "https": "wss"}
"""What goes over the server of a web page, where that is one of SIP, too (RFC 7118)."""
_NAMES = ", ".join(_TRANSPORT_SCHEMES)
_SCHEMES = ", ".join(f"{name}://" for name in _TRANSPORT_SCHEMES)
_SECURED = {Transport.TCP: Transport.TLS, Transport.WS: Transport.WSS}
"""What a transport means in a sips URI (RFC 3261 §26.2.2)."""
_is_path = re.compile(r"(?:/[!\"$-~]*+)?").fullmatch
_scheme = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*+)://").match
_zoned = re.compile(r"\[([0-9A-Fa-f:.]++)%(?:25)?([A-Za-z0-9_.\-]++)\]").search
"""An IPv6 reference with a zone (RFC 4007 §11), the percent sign escaped (RFC 6874 §2) or, as people paste it, not."""
_bare_ipv6 = re.compile(r"(sips?:(?:[^@]*@)?)([0-9A-Fa-f:.]++)([;?].*)?", re.IGNORECASE | re.DOTALL).fullmatch
"""A URI whose host may be an IPv6 address without the brackets that belong around it."""
_authority = re.compile(r"[^/?#;\s]*+").match
_port_zero = re.compile(r":0++(?![0-9])").search
_slashless = re.compile(rf"({'|'.join(_TRANSPORT_SCHEMES)}):(?!//)(?!\d++(?:;|$))", re.IGNORECASE).match
"""A transport that wants its slashes, but for a host of that name with a port."""
_is_number = re.compile(r"\+[0-9][0-9\-.() ]*+").fullmatch
_before_host = re.compile(r"(?:sips?:|[a-z][a-z0-9+\-.]*+:(?=//))?(?://)?", re.IGNORECASE).match
_host = re.compile(r"[^:;?/\s]*+").match
_label_end = re.compile("[.\u3002\uff0e\uff61]")
"""The dots of names beyond ASCII (RFC 3490 §3.1)."""
_SECTION = "RFC 3261 §19.1"
_FORMS = "give host, host:port, [IPv6]:port, sip:user@host or tls://host"
_BLANK = "\u200b\u2060\ufeff"
"""What has no width, and comes along from web pages and documents: no white space to Python."""
_MAX_MESSAGE = 4 * EXCERPT_CHARACTERS
MAX_NAME = 255
"""Characters of a name in letters beyond ASCII that are read, which takes time: DNS holds no more (RFC 1035 §2.3.4)."""

DOCUMENTATION = tuple(
    ipaddress.ip_network(block)
    for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
)
"""The addresses of examples (RFC 5737, RFC 3849, RFC 9637), which stand for public ones wherever they are seen."""


class DestinationError(LocalError):
    """A text that names no destination. `text` is what was given, `offset` the character where it goes wrong."""

    def __init__(self, message: str, *, text: str, offset: int = 0) -> None:
        super().__init__(message, section=_SECTION)
        self.text = text
        self.offset = offset

    @property
    def pointed(self) -> str:
        """The text that was given, and below it a caret at the place; without passwords, and fit for a terminal."""
        shown = "".join(c if c.isprintable() else "?" for c in without_password(self.text))
        return f"{shown}\n{' ' * self.offset}^"

    def __str__(self) -> str:
        return self.message


@value
class Destination:
    """Where to probe. `host` is a name in lower case or an address without brackets; `user` is for test calls.

    `port` and `transport` are None when they are to be found out; `secure` is True for a sips URI. `params` are the
    URI's parameters, but for its transport. `path` is the one that a WebSocket is opened at, "" for the usual one; no
    URI can hold it.
    """

    host: str
    port: int | None = None
    transport: Transport | None = None
    user: str | None = None
    secure: bool = False
    params: Params = NO_PARAMS
    path: str = ""

    @classmethod
    def of(cls, target: "Destination | str") -> "Destination":
        """A destination as it is, or what a text names. Raises DestinationError as `parse` does."""
        return cls.parse(target) if isinstance(target, str) else target

    @classmethod
    def parse(cls, text: str) -> "Destination":
        """Read a destination in any of its forms. Raises DestinationError, which says what to change and where."""
        trimmed = _without_brackets(text.strip().strip(_BLANK).strip())
        if not trimmed:
            raise DestinationError("nothing given; name a host, an address or a SIP URI", text=text)
        try:
            return _parse(trimmed, text)
        except ParseError as error:
            raise _provider_error(trimmed, text) or _explained(error, trimmed, text) from None

    @property
    def server(self) -> str:
        """The host to look up and to connect to: `maddr` where the URI has it (RFC 3261 §19.1.1)."""
        return (self.params.get("maddr") or self.host).strip("[]")

    @property
    def hosts(self) -> tuple[str, str]:
        """Whom credentials for it are for: the host that it names, and the one that requests for it go to."""
        return self.host, self.server

    @property
    def is_numeric(self) -> bool:
        """Whether the server is an IP address, so that DNS has nothing to say."""
        return is_numeric(self.server)

    @property
    def is_private(self) -> bool:
        """Whether the server is an address that the public Internet does not route: see `is_private_address`."""
        return self.is_numeric and is_private_address(self.server)

    @property
    def provider(self) -> "Provider | None":
        """Who is known to have such a host, or such a name without a domain; None for anybody else."""
        from probes.providers import providers  # out of a file, which hardly any destination needs

        host = self.host.lower()
        return providers().serving(host) if "." in host else providers().named(host)

    @property
    def target(self) -> Target:
        """What RFC 3263 locates for it."""
        return Target(self.server, self.port, self.transport, self.secure)

    def uri(self, hop_transport: Transport | None = None, remote: SocketAddress | None = None) -> SipUri:
        """The Request-URI to send there: with the user given, and with port and transport where they are not implied.

        Without a hop the wishes stand in it, so that whoever locates it obeys them.
        """
        host = self.host.partition("%")[0]  # a zone means something on this machine only (RFC 4007 §6): see `target`
        port = self.port
        if port is None and remote is not None and hop_transport and remote.port != hop_transport.default_port:
            port = remote.port
        params = self.params
        transport = hop_transport or self.transport
        # A URI knows ws only; with sips it means WSS (RFC 7118 §5.2, RFC 3261 §26.2.2).
        secure = self.secure or (transport is Transport.WSS and hop_transport is None)
        # UDP is what no transport means to a peer (RFC 3261 §19.1.2), and what sips means is not to be said again.
        implied = secure or (transport is Transport.UDP and hop_transport is not None)
        if transport is not None and transport.websocket:
            params = params.replace("transport", Transport.WS.value.lower())
        elif transport is not None and not implied:
            params = params.replace("transport", transport.value.lower())
        return SipUri(f"[{host}]" if ":" in host else host, self.user, port, params, "sips" if secure else "sip")

    @property
    def aor(self) -> SipUri:
        """The address of record that it names (RFC 3261 §6): its URI, with nothing in it of the way there (§10.2)."""
        uri = self.uri()
        return SipUri(uri.host, uri.user, uri.port, NO_PARAMS, uri.scheme)

    def over(self, transport: Transport) -> "Destination":
        """The same by a transport that is asked for beside it. Raises DestinationError where it wants another one."""
        text = str(self)
        found = _checked(replace(self, transport=transport), text)
        if self.transport not in (None, found.transport):
            given, asked = self.transport.value.lower(), transport.value.lower()
            raise DestinationError(f"{text} is for {given}, and {asked} is asked for; leave one of them out", text=text)
        return found

    def __str__(self) -> str:
        """Its canonical form: a SIP URI."""
        return str(self.uri())


def spelled_address(address: str) -> str:
    """An IP address in its one spelling: IPv6 as RFC 5952 has it, and an IPv4 address as such, also where a server or a
    log that has one socket for both families shows it as one of IPv6 (RFC 4291 §2.5.5.2).
    """
    return SocketAddress(address, 0).host


def is_private_address(host: str) -> bool:
    """Whether an IP address is one that the public Internet does not route (RFC 6890): private, shared, loopback,
    link-local, unspecified … but not those of documentation, which stand for public ones.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return not address.is_global and not any(address in block for block in DOCUMENTATION)


def _without_brackets(text: str) -> str:
    """What stands in angle brackets, as people paste it out of a header field: maybe with a name before it, maybe with
    the field's parameters behind it.
    """
    begin, end = text.rfind("<"), text.rfind(">")
    is_field = 0 <= begin < end and text[end + 1 :].lstrip()[:1] in ("", ";")
    return text[begin + 1 : end].strip() if is_field else text


def _parse(trimmed: str, text: str) -> Destination:
    trimmed = _in_ascii(_bracketed(trimmed), text)
    lowered = trimmed.lower()
    if lowered.startswith("tel:"):
        return _from_tel(trimmed, text)
    foreign = foreign_scheme(trimmed)
    if foreign:
        raise _foreign_error(foreign[1].lower(), trimmed[foreign.end() :], text)
    if lowered.startswith(("sip:", "sips:")) and not lowered.startswith(("sip://", "sips://")):
        return _from_uri(trimmed, text)
    scheme = _scheme(trimmed)
    if scheme:
        return _from_transport(scheme[1].lower(), trimmed[scheme.end() :], text)
    bare = _slashless(trimmed)
    if bare and "@" not in trimmed:
        message = f"{bare[0]} wants two slashes; write {bare[1].lower()}://{trimmed[bare.end() :]}"
        raise DestinationError(message[:_MAX_MESSAGE], text=text, offset=find(text, bare[0]) + len(bare[0]))
    if _is_number(trimmed):
        raise _without_host(trimmed, text)
    return _from_uri(f"sip:{trimmed}", text)


def _in_ascii(trimmed: str, text: str) -> str:
    """The same with the host's name as DNS has it: an A-label for each label beyond ASCII (RFC 5891 §4.4, UTS #46)."""
    if trimmed.isascii():
        return trimmed
    begin = trimmed.rfind("@") + 1
    if not begin:
        before = _before_host(trimmed)
        begin = before.end() if before else 0
    found = _host(trimmed, begin)
    name = found[0] if found else ""
    if name.isascii():
        return trimmed
    if len(name) > MAX_NAME:
        raise DestinationError(
            f"a name of {len(name)} characters is longer than any", text=text, offset=find(text, name)
        )
    import idna  # loads tables that hardly anybody needs

    try:
        encoded = idna.encode(name, uts46=True).decode("ascii")
    except UnicodeError as error:
        message = f"{quoted(name)} is no name that DNS can hold: {error}"
        offset = max(text.rfind(name), 0) + _begin_of_wrong_label(name)
        raise DestinationError(message, text=text, offset=offset) from None
    return trimmed[:begin] + encoded + trimmed[begin + len(name) :]


def _begin_of_wrong_label(name: str) -> int:
    """Where the label begins that is wrong by itself; 0 where none is, so that all of the name is too long."""
    import idna

    begin = 0
    for label in _label_end.split(name):
        try:
            idna.encode(label, uts46=True)
        except UnicodeError:
            return begin
        begin += len(label) + 1
    return 0


def _from_tel(trimmed: str, text: str) -> Destination:
    """A telephone number with its domain: that of its context (RFC 3966 §5.1.5), or what people put behind an `@`.

    RFC 3261 §19.1.6 says how the number becomes the user of a SIP URI.
    """
    given, at, where = trimmed.partition("@")
    number = parse_uri(given, [])
    assert isinstance(number, TelUri)  # noqa: S101  # the scheme says so
    where = where if at else number.params.get("phone-context") or ""
    if not where or where.startswith("+"):
        raise _without_host(given, text)
    user = escape_user(f"{number.digits}{number.params.without('phone-context')}")
    found = _from_uri(f"sip:{user}@{where}", text)
    return replace(found, params=found.params.replace("user", "phone"))


def _without_host(number: str, text: str) -> DestinationError:
    message = "a telephone number names no host; give sip:number@host, or tel:number@host"
    return DestinationError(message, text=text, offset=find(text, number) + len(number))


def _from_uri(uri_text: str, text: str) -> Destination:
    bare = _bare_ipv6(uri_text)
    if bare:
        uri_text = f"{bare[1]}{_bracketed(bare[2])}{bare[3] or ''}"
    zoned = _zoned(uri_text)
    if zoned:
        found = _from_uri(uri_text[: zoned.start()] + f"[{zoned[1]}]" + uri_text[zoned.end() :], text)
        return replace(found, host=f"{found.host}%{zoned[2]}")
    uri = _read_uri(uri_text)
    named = (uri.transport or "").upper()
    if named and named not in Transport.__members__:
        raise DestinationError(
            f"unknown transport {named.lower()}; use {_NAMES}", text=text, offset=find_last(text, named)
        )
    transport = Transport[named] if named else None
    params = uri.params.without("transport")
    found = Destination(_spelled(uri.address), uri.port, transport, uri.user, uri.is_secure, params)
    return _checked(found, text)


def _spelled(host: str) -> str:
    """A host in its one spelling: names in lower case, as DNS compares them (RFC 4343 §2)."""
    name = host.rstrip(".").lower()
    return spelled_address(name) if ":" in name else name


def _read_uri(text: str) -> SipUri:
    """A URI whose scheme is sip or sips: strictly, but for the underscores that host names of containers have."""
    notes: Notes = []
    uri = parse_uri(text, notes)
    assert isinstance(uri, SipUri)  # noqa: S101  # the scheme says so
    if notes and not (set(notes) == {Deviation.ODD_HOST} and "_" in uri.host):
        parse_uri(text)  # which raises, and says what is wrong
    return uri


def _from_transport(scheme: str, rest: str, text: str) -> Destination:
    if scheme in ("sip", "sips"):
        return _from_uri(f"{scheme}:{_bracketed(rest.rstrip('/'))}", text)
    if scheme not in _TRANSPORT_SCHEMES:
        raise DestinationError(f"{scheme}:// is not a SIP transport; use {_SCHEMES} or a sip: URI", text=text)
    transport = _TRANSPORT_SCHEMES[scheme]
    path = ""
    if transport.websocket:
        rest, slash, path = rest.partition("/")
        path = _checked_path(slash + path, text)
    found = _from_uri(f"sip:{_bracketed(rest.rstrip('/'))}", text)
    named = found.transport
    if named is not None and transport not in (named, _SECURED.get(named)):
        message = f"{scheme}:// and transport={named.value.lower()} contradict each other; leave one of them out"
        raise DestinationError(message, text=text, offset=find_last(text, named.value))
    return _checked(replace(found, transport=transport, path=path), text)


def _checked_path(path: str, text: str) -> str:
    """The resource name of a WebSocket: what may stand in a request line, without a fragment (RFC 6455 §3)."""
    if not _is_path(path):
        shown = path[:EXCERPT_CHARACTERS]
        message = f"{quoted(shown)} is no path of a WebSocket; write it as in ws://host/ws, without # or spaces"
        raise DestinationError(message, text=text, offset=find(text, path))
    return path


def _bracketed(text: str) -> str:
    """An IPv6 address as people paste it, put in the brackets that a URI wants."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return text
    return f"[{text}]"


def _checked(destination: Destination, text: str) -> Destination:
    transport = destination.transport
    if destination.port == 0:
        zero = _port_zero(text)
        offset = zero.start() + 1 if zero else 0
        raise DestinationError("port 0 is no port; give one from 1 to 65535", text=text, offset=offset)
    if not destination.is_numeric and destination.server != destination.host:
        check_host(destination.server, destination.server)
    if destination.secure and transport is Transport.UDP:
        message = "a sips URI cannot go over UDP; use tls, or a sip URI"
        raise DestinationError(message, text=text, offset=find_last(text, "udp"))
    if destination.secure and transport in _SECURED:
        return replace(destination, transport=_SECURED[transport])
    return replace(destination, secure=True) if transport is Transport.WSS else destination


def _foreign_error(scheme: str, rest: str, text: str) -> DestinationError:
    """For what names something else than SIP: what to give instead, as far as it can be told."""
    authority = _authority(rest)
    named = authority[0] if authority else ""
    user, at, place = named.rpartition("@")
    try:
        found = Destination.parse(f"sip:{user.partition(':')[0]}{at}{place}")
    except DestinationError:
        offer = _FORMS
    else:
        found = replace(found, port=None)  # it is of the other protocol
        offer = f"give {found if found.user else str(found).removeprefix('sip:')}"
        path = rest[len(named) :].rstrip("/")
        if scheme in _SOCKET_SCHEMES and path and _is_path(path):
            offer += f", or {_SOCKET_SCHEMES[scheme]}://{place}{path} for SIP over a WebSocket"
    return DestinationError(f"{scheme}: is for {FOREIGN_SCHEMES[scheme]}, not for SIP; {offer}", text=text)


def _explained(error: ParseError, trimmed: str, text: str) -> DestinationError:
    """The parser's finding as something a person can act on, pointing into the text that was given."""
    masked = without_password(text)
    given = masked.strip()[:EXCERPT_CHARACTERS]
    wrong = error.excerpt if error.offset < len(error.text) else ""  # else something is missing at the end
    skipped, reason = fault_in(wrong, error.message) if wrong else (0, "")
    wrong = wrong[skipped:]
    # The last place where it stands: what is wrong is what is left to read, up to the end mostly.
    offset = max(text.rfind(wrong), 0) if wrong else text.rfind(trimmed) + len(trimmed)
    at = masked[offset : offset + len(wrong)][:24]
    shown = f" at {quoted(at)}" if at and offset > 0 else ""
    why = error.message.removeprefix("a host is ") + (f": {reason}" if reason else "")
    return DestinationError(f"cannot read {quoted(given)}{shown}: {why}; {_FORMS}", text=text, offset=offset)


def _provider_error(trimmed: str, text: str) -> DestinationError | None:
    """For a provider's name that is none of a host: what is known of the provider."""
    from probes.providers import providers

    found = providers().named(trimmed)
    message = f"{found.name} is not a host; {'; '.join(found.guidance)}" if found is not None else ""
    return DestinationError(message, text=text) if message else None
