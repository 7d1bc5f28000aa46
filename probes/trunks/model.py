"""Trunks and numbers as their owner configures them: what the service stores, and what each of its REST contracts is a
view of.

A value is whole: what only one contract knows is in `extras`, under that contract's name. Whether a value makes sense
is `preflight`'s to say; a value itself takes what it is given.
"""

import hmac
from collections.abc import Mapping
from dataclasses import field, replace
from typing import NoReturn, Union

from probes.destination import Destination, DestinationError
from sipcore.errors import quoted
from sipcore.message.params import NO_PARAMS
from sipcore.resolve.target import Transport
from sipcore.value import Member, value

HIDDEN = "********"
"""What is shown of a secret, whatever its length."""


class Secret:
    """A text that nobody is shown: a password, a key. Only `reveal` gives it away, so that each use can be found.

    It compares in constant time, and is neither pickled nor made JSON.
    """

    __slots__ = ("_text", "is_stored")

    def __init__(self, text: str, *, is_stored: bool = False) -> None:
        self._text, self.is_stored = text, is_stored
        """Whether it was read out of a store. Any other was given by whoever asks, who therefore knows it."""

    def reveal(self) -> str:
        """The text itself, for whoever has to prove by it who they are."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._text), _bytes(other._text))

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return HIDDEN

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, _: object) -> "Secret":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


Json = Union[None, bool, int, float, str, Secret, "list[Json]", "Mapping[str, Json]"]  # it names itself
"""What JSON has, and secrets among it. A value that was stored comes back equal: lists as lists, objects as dicts."""


@value
class Credentials:
    """By what somebody proves who they are (digest authentication, RFC 8760)."""

    username: str
    password: Secret = field(default_factory=lambda: Secret(""))
    """False in a truth test where none is set."""
    realm: str = ""
    """The one realm that they are for; empty for the challenge's."""


class Authentication(Member):
    """By what a call that comes in is told to be its trunk's."""

    IP = "ip"
    """By the address that it comes from."""
    REGISTER = "register"
    """Their PBX registers here, and calls come over that binding."""
    DIGEST = "digest"
    """Each request is challenged."""


class Encryption(Member):
    """Of media: SRTP (RFC 3711), with keys in the description (RFC 4568)."""

    DISABLE = "disable"
    ALLOW = "allow"
    REQUIRE = "require"


@value
class Gateway:
    """One way to a trunk. `host` is a name in lower case, or an address without brackets; port and transport are None
    where RFC 3263 is to find them.
    """

    host: str
    port: int | None = None
    transport: Transport | None = None
    priority: int = 0
    """Lowest first."""

    @classmethod
    def parse(cls, text: str, priority: int = 0) -> "Gateway":
        """Read a host, `host:port`, a URI or `tls://host`. Raises DestinationError, which says what to change and
        where, also for what a gateway has not: a user, and parameters but for `transport` and `lr`.
        """
        found = Destination.parse(text)
        if found.user is not None:
            message = f"a gateway is a host, and has no user: leave out {found.user}@"
            raise DestinationError(message, text=text, offset=max(text.find(found.user), 0))
        if found.params.without("lr") != NO_PARAMS or found.path not in ("", "/"):
            raise DestinationError("a gateway has host, port and transport: leave out what else is said", text=text)
        transport = Transport.TLS if found.secure and found.transport is None else found.transport
        return cls(found.host, found.port, transport, priority)

    def destination(self) -> Destination:
        """Where it is, to be probed. Raises DestinationError for what cannot be: a port of 0, or a host that says more
        than which one it is.
        """
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        text = f"sip:{host}{port}"
        found = Destination.parse(text)
        if found != Destination(found.host, self.port):
            raise DestinationError(f"{quoted(self.host[:64])} is no host: give its name or address alone", text=text)
        return found if self.transport is None else found.over(self.transport)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"sip:{host}{port}" + (f";transport={self.transport.value.lower()}" if self.transport else "")


class Trigger(Member):
    """What has calls take the next gateway."""

    UNREACHABLE = "unreachable"
    AUTH_FAILURE = "auth_failure"
    """It refuses us: 401, 403 or 407."""
    TIMEOUT = "timeout"


@value
class Failover:
    """When calls take another gateway than the first."""

    is_enabled: bool = False
    triggers: frozenset[Trigger] = frozenset()
    """Empty for all of them."""
    fails_back: bool = True
    """Whether calls return by themselves to a better gateway that is up again."""


class HeaderKind(Member):
    """What a rule for header fields is about."""

    CUSTOM = "custom"
    """Any header field."""
    UUI = "uui"
    """User-to-User (RFC 7433)."""


class UuiEncoding(Member):
    """How the content of User-to-User is written (RFC 7433 §4.1)."""

    HEX = "hex"
    ASCII = "ascii"


@value
class HeaderRule:
    """How one header field becomes a variable of a call that comes in, or is made from one in a call that goes out.

    CUSTOM, coming in: the field named `key` is read into the variable `value`. Going out: the variable `key` is sent in
    the field named `value`. With `passthrough` both are literal: coming in, variable `key` is set to `value`; going
    out, the field `key: value` is sent, in which `{call_id}` and its like stand for variables. UUI: the variable
    `target` goes by User-to-User with `purpose`, `content` and `encoding`.
    """

    kind: HeaderKind = HeaderKind.CUSTOM
    key: str = ""
    value: str = ""
    passthrough: bool = False
    target: str = ""
    purpose: str = ""
    content: str = ""
    encoding: UuiEncoding = UuiEncoding.HEX


@value
class AlertTerms:
    """When somebody is told of a trunk's troubles, and how; None for a threshold that is not set."""

    is_enabled: bool = False
    unreachable_minutes: float | None = None
    failure_rate_percent: float | None = None
    failure_rate_window_minutes: float | None = None
    response_time_ms: float | None = None
    email: bool = False
    sms: bool = False
    webhook: str = field(default="", repr=False)
    """A URL, which is often a secret itself: it is encrypted on the disk."""


@value
class Inbound:
    """Calls that come in from a trunk."""

    authentication: Authentication = Authentication.IP
    credentials: Credentials | None = None
    allowed_addresses: tuple[str, ...] = ()
    """Addresses, and blocks as `192.0.2.0/28`. Empty lets nobody in by address."""
    encryption: Encryption = Encryption.ALLOW
    forward_to: str = ""
    """The URI that they are forwarded to; empty for none."""
    headers: tuple[HeaderRule, ...] = ()
    codecs: tuple[str, ...] = ()
    """By preference, each as in `CODECS`; empty for any."""
    transcodes: bool = False
    alerts: AlertTerms | None = None

    def filled(self, other: "Inbound") -> "Inbound":
        """The same, with whatever it leaves open as another one has it: by what calls are known, together, and each
        thing besides. Encryption is never open.
        """
        is_open = self.authentication is Authentication.IP and not (self.credentials or self.allowed_addresses)
        known = other if is_open else self
        return replace(
            self,
            authentication=known.authentication,
            credentials=known.credentials,
            allowed_addresses=known.allowed_addresses,
            forward_to=self.forward_to or other.forward_to,
            headers=self.headers or other.headers,
            codecs=self.codecs or other.codecs,
            transcodes=self.transcodes if self.codecs else self.transcodes or other.transcodes,
            alerts=self.alerts or other.alerts,
        )


@value
class Outbound:
    """Calls that go out to a trunk."""

    gateways: tuple[Gateway, ...] = ()
    """Empty where only the rest of it is known yet: nothing can be called then."""
    credentials: Credentials | None = None
    encryption: Encryption = Encryption.ALLOW
    headers: tuple[HeaderRule, ...] = ()
    failover: Failover = Failover()
    codecs: tuple[str, ...] = ()
    transcodes: bool = False
    alerts: AlertTerms | None = None

    @property
    def ordered(self) -> tuple[Gateway, ...]:
        """The gateways in the order in which calls take them; those of one priority as they were given."""
        return tuple(sorted(self.gateways, key=lambda each: each.priority))

    def filled(self, other: "Outbound") -> "Outbound":
        """The same, with whatever it leaves open as another one has it. Credentials are for certain gateways, so those
        of the other one come with its gateways only. Encryption is never open.
        """
        places = self if self.gateways else other
        return replace(
            self,
            gateways=places.gateways,
            credentials=self.credentials or places.credentials,
            headers=self.headers or other.headers,
            failover=places.failover,
            codecs=self.codecs or other.codecs,
            transcodes=self.transcodes if self.codecs else self.transcodes or other.transcodes,
            alerts=self.alerts or other.alerts,
        )


CODECS = ("PCMU", "PCMA", "G.722", "G.729", "Opus")
"""The codecs that a trunk may name, as the contracts spell them."""


@value
class Trunk:
    """A trunk: an account at somebody's, over which calls come in, go out, or both. Id, tenant, times (seconds since
    1970) and revision are the directory's to give; `name` need not be unique.
    """

    id: str = ""
    tenant: str = ""
    name: str = ""
    description: str = ""
    provider: str = ""
    """A label, as `twilio`."""
    inbound: Inbound | None = None
    outbound: Outbound | None = None
    extras: Mapping[str, Json] = field(default_factory=dict)
    """What only one contract knows, by its name: `bland`, `watsonx`, `diga`."""
    created_at: float = 0.0
    updated_at: float = 0.0
    revision: int = 0
    """How often it was written: 1 for one that is new."""


@value
class Number:
    """A telephone number, or another name by which calls are taken: an extension, a DID that is no number."""

    id: str = ""
    tenant: str = ""
    identity: str = ""
    """`+15550100001`, or `2001`: see `probes.trunks.number`."""
    label: str = ""
    trunk_id: str | None = None
    """The trunk that it belongs to, which is of the same tenant."""
    inbound: Inbound | None = None
    """None for the trunk's, as is whatever it leaves open."""
    outbound: Outbound | None = None
    """Likewise."""
    extras: Mapping[str, Json] = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float = 0.0
    revision: int = 0

    def inbound_by(self, trunk: Trunk | None) -> Inbound | None:
        """What holds for calls to it, `trunk` being its own: what it leaves open is the trunk's."""
        own, shared = self.inbound, trunk.inbound if trunk is not None else None
        return own.filled(shared) if own is not None and shared is not None else own or shared

    def outbound_by(self, trunk: Trunk | None) -> Outbound | None:
        """Likewise, for calls from it."""
        own, shared = self.outbound, trunk.outbound if trunk is not None else None
        return own.filled(shared) if own is not None and shared is not None else own or shared
