"""What is registered, and what a registrar made of it: RFC 3261 §10.2, RFC 3327, RFC 3608, RFC 5626 §4.2."""

from collections.abc import Iterable

from sipcore.errors import LocalError, ParseError, require_kind
from sipcore.grammar import quote, require_safe, split_list
from sipcore.message.address import Address
from sipcore.message.equivalence import equivalent
from sipcore.message.fields.contact import (
    DEFAULT_EXPIRES,
    WILDCARD,
    contact_expires,
    contact_instance,
    contact_reg_id,
    parse_contact,
)
from sipcore.message.fields.parameterized import MAX_SECONDS
from sipcore.message.message import Response
from sipcore.message.params import NO_PARAMS
from sipcore.message.registry import CONTACT, EXPIRES, FLOW_TIMER, PATH, REQUIRE, SERVICE_ROUTE, Row
from sipcore.message.uri import SipUri, Uri
from sipcore.value import value

OUTBOUND = "outbound"
"""The option tag of RFC 5626 §11.4."""
PATH_OPTION = "path"
"""The option tag of RFC 3327 §5.1, which RFC 5626 §4.2.1 wants as well."""


@value
class Registration:
    """What is to be registered: the address of record, at which registrar, and for how long, in seconds.

    The contact is where this side is reached, which is known once the way to the registrar is; `contacts` are more of
    them, each with parameters of its own (§10.2.1). `q` is the preference of the first one (§10.2.1.2). `route` goes by
    way of other servers. With an `instance`, a URN, and a `reg_id`, the flow is registered and kept (RFC 5626).
    """

    aor: Address
    """Whom calls are for (RFC 3261 §6)."""
    registrar: SipUri | None = None
    """Without one, the domain of the address of record (§10.2.6)."""
    expires: int = DEFAULT_EXPIRES
    """Seconds that are asked for; the registrar may grant others."""
    q: float | None = None
    contacts: tuple[Address, ...] = ()
    from_: Address | None = None
    """Who registers, where that is somebody else (§10.2)."""
    route: tuple[Address, ...] = ()
    instance: str | None = None
    reg_id: int | None = None

    def __post_init__(self) -> None:
        """Raises LocalError for what cannot be registered, UnsafeValue for an instance with CR, LF or NUL."""
        require_kind(self.aor, Address, 'Address.parse("sip:user@host")', section="RFC 3261 §10.2")
        if self.registrar is not None:
            require_kind(self.registrar, SipUri, 'parse_uri("sip:host")', section="RFC 3261 §10.2")
        if self.registrar is None and not isinstance(self.aor.uri, SipUri):
            raise LocalError("an address of record without a domain needs a registrar", section="RFC 3261 §10.2.6")
        for address in (*self.contacts, *self.route, *filter(None, [self.from_])):
            require_kind(address, Address, 'Address.parse("sip:user@host")', section="RFC 3261 §10.2")
        if not 1 <= self.expires <= MAX_SECONDS or (self.q is not None and not 0 <= self.q <= 1):
            raise LocalError(f"a binding lasts 1 to {MAX_SECONDS} s, and its q is 0 to 1", section="RFC 3261 §10.2.1")
        if self.reg_id is not None and (self.instance is None or self.reg_id < 1 or self.contacts):
            # RFC 5626 §6: a registrar refuses more contacts beside one with a reg-id.
            text = "a reg-id is a number from 1 on, goes with an instance, and with no other contact"
            raise LocalError(text, section="RFC 5626 §4.2.1")
        require_safe(self.instance or "", "an instance")

    @property
    def domain(self) -> SipUri:
        """The Request-URI: a domain, without user (§10.2)."""
        if self.registrar is not None:
            return self.registrar.replace(user=None, password=None)
        uri = self.aor.uri
        assert isinstance(uri, SipUri)  # checked when it was made  # noqa: S101
        return SipUri(uri.host, None, uri.port, NO_PARAMS, uri.scheme)

    def contact(self, uri: Uri, *, outbound: bool) -> Address:
        """The contact at `uri`, with q, and what tells the instance and its flow (RFC 5626 §4.2.1)."""
        params = NO_PARAMS
        if self.q is not None:
            params = params.replace("q", f"{self.q:.3g}")
        if self.instance is not None:
            params = params.replace("+sip.instance", quote(f"<{self.instance}>"))
            if outbound and self.reg_id is not None:
                params = params.replace("reg-id", str(self.reg_id))
        return Address(uri, params=params)


@value
class Binding:
    """A binding that a registrar has granted: our contact, until when it holds, and what else the 2xx told.

    `listed` tells whether the contact stood in the 2xx, as it must (§10.3 step 8). `others` are the bindings of other
    user agents. `service_route` belongs in front of requests from this address of record (RFC 3608 §6.1), `path` is the
    way that requests to it take (RFC 3327). With `outbound`, the registrar keeps to the flow (RFC 5626 §4.2.1), which
    wants keep-alives every `flow_timer` seconds.
    """

    contacts: tuple[Address, ...]
    granted: int
    until: float
    listed: bool = True
    others: tuple[Address, ...] = ()
    service_route: tuple[Address, ...] = ()
    path: tuple[Address, ...] = ()
    outbound: bool = False
    flow_timer: int | None = None


def read_binding(response: Response, contacts: tuple[Address, ...], requested: int, now: float) -> Binding:
    """What a 2xx to a REGISTER for `contacts` granted; `requested` counts where it does not say (§10.2.4).

    What cannot be read in it is taken for absent.
    """
    header = read_or_none(response, EXPIRES)
    default = header if isinstance(header, int) else requested
    others = [item for text in response.headers.get_all(CONTACT.name) for item in _readable(text)]
    granted = []
    for contact in contacts:
        match = next((item for item in others if is_same(item, contact)), None)
        if match is not None:
            others.remove(match)
            given = contact_expires(match)
            granted.append(default if given is None else given)
    lasts = min(granted, default=default)
    return Binding(
        contacts,
        lasts,
        now + lasts,
        len(granted) == len(contacts),
        tuple(others),
        _routes(response, SERVICE_ROUTE),
        _routes(response, PATH),
        OUTBOUND in _tags(response),
        timer if isinstance(timer := read_or_none(response, FLOW_TIMER), int) else None,
    )


def is_same(left: Address, right: Address) -> bool:
    """Whether two contacts are one: by instance and reg-id if both have them (RFC 5626 §6), else by URI (§19.1.4)."""
    first, second = ((contact_instance(contact), contact_reg_id(contact)) for contact in (left, right))
    if None not in first and None not in second:
        return first == second
    return equivalent(left.uri, right.uri)


def without_expires(contacts: Iterable[Address]) -> tuple[Address, ...]:
    """The same contacts without what was asked for of each."""
    return tuple(contact.replace(params=contact.params.without("expires")) for contact in contacts)


def _readable(text: str) -> Iterable[Address]:
    """The contacts of one line, without those that cannot be read: one of somebody else's must not cost the binding."""
    try:
        pieces = split_list(text)
    except ParseError:
        return
    for piece in pieces:
        try:
            contact = parse_contact(piece.strip(" \t"), [])
        except ParseError:
            continue
        if contact is not WILDCARD:
            yield contact


def read_or_none(response: Response, row: Row[object]) -> object:
    """The typed value of a header field; None where it cannot be read: the rest of a response counts all the same."""
    try:
        return response[row]
    except ParseError:
        return None


def _routes(response: Response, row: Row[object]) -> tuple[Address, ...]:
    found = read_or_none(response, row)
    return tuple(item for item in found if isinstance(item, Address)) if isinstance(found, tuple) else ()


def _tags(response: Response) -> tuple[object, ...]:
    found = read_or_none(response, REQUIRE)
    return found if isinstance(found, tuple) else ()
