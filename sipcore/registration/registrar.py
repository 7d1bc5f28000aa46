"""A small registrar: RFC 3261 §10.3, with Path (RFC 3327), Service-Route (RFC 3608) and outbound (RFC 5626 §6).

`Registrar.process` takes a REGISTER that has been authenticated, if it is to be, and gives the status and header fields
of its response. A request changes all of its bindings or none. Bindings that have run out are not there any more,
whether or not `expire` has been called.
"""

import math
from collections.abc import Sequence
from enum import Enum

from sipcore.errors import LocalError, ParseError
from sipcore.message.address import Address
from sipcore.message.equivalence import equivalent
from sipcore.message.fields.contact import (
    WILDCARD,
    contact_expires,
    contact_instance,
    contact_q,
    contact_reg_id,
)
from sipcore.message.message import Request
from sipcore.message.registry import CONTACT, EXPIRES, PATH, SUPPORTED, VIA
from sipcore.message.uri import SipUri, Uri
from sipcore.registration.binding import OUTBOUND, PATH_OPTION
from sipcore.value import value

BRIEF = 3600
"""RFC 3261 §10.3 step 7: only what is shorter than an hour may be too brief."""
MAX_BINDINGS = 32
"""Bindings of one address of record: more telephones than ring at once anywhere, and a bound on what a peer costs."""
MAX_RECORDS = 100_000
"""Addresses of record with bindings, some 2 kB each: this is the small registrar."""
CLOCK_GRAIN = 1e-6
"""Seconds by which two times that were added up may miss each other: what is left is no second more for that."""
SWEEP = 60.0
"""Seconds between two looks at what has run out: nobody is late for more than what is told of it."""

Fields = list[tuple[str, object]]


class Change(Enum):
    """What became of a binding."""

    ADDED = "added"
    UPDATED = "updated"
    REMOVED = "removed"


@value
class Record:
    """A binding as the registrar keeps it. `until` is when it runs out, `call_id` and `sequence` say who set it."""

    contact: Address
    until: float
    call_id: str
    sequence: int
    path: tuple[Address, ...] = ()

    @property
    def flow(self) -> tuple[str, int] | None:
        """Instance and reg-id, which identify a binding that is made over a flow (RFC 5626 §6)."""
        instance, reg_id = contact_instance(self.contact), contact_reg_id(self.contact)
        return None if instance is None or reg_id is None else (instance, reg_id)


Changes = tuple[tuple[Change, Record], ...]


@value
class RegistrarPolicy:
    """What a registrar grants, in seconds, and for whom: `domains` in lower case, none of them for any."""

    domains: tuple[str, ...] = ()
    minimum: int = 60
    maximum: int = 3600
    default: int = 3600
    service_route: tuple[Address, ...] = ()
    outbound: bool = True
    """Whether flows are registered as such (RFC 5626 §6)."""
    flow_timer: int | None = None
    """How often a client that comes directly should send a keep-alive, at least."""

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= self.maximum or not 1 <= self.default <= self.maximum or self.minimum > BRIEF:
            text = f"minimum and default are at most the maximum, and the minimum at most {BRIEF} s"
            raise LocalError(text, section="RFC 3261 §10.3")


@value
class Answer:
    """The response to a REGISTER, but for what every response has, and what it changed."""

    status: int
    fields: tuple[tuple[str, object], ...] = ()
    changes: Changes = ()
    reason: str = ""


class _RefusedError(Exception):
    """Ends the processing of a request, with nothing changed."""

    def __init__(self, status: int, reason: str = "", *fields: tuple[str, object]) -> None:
        self.answer = Answer(status, fields, reason=reason)


class Registrar:
    """The bindings of some domains, in memory."""

    def __init__(self, policy: RegistrarPolicy | None = None) -> None:
        self.policy = policy or RegistrarPolicy()
        self._records: dict[str, tuple[Record, ...]] = {}
        self._swept = -math.inf

    def __len__(self) -> int:
        """How many addresses of record there are bindings for, those included that have run out unnoticed."""
        return len(self._records)

    def bindings(self, aor: Uri, now: float) -> tuple[Record, ...]:
        """The bindings of an address of record, the most preferred first, then the newest (RFC 3261 §16.6)."""
        newest_first = self._alive(canonical(aor), now)[::-1]
        return tuple(sorted(newest_first, key=lambda record: -contact_q(record.contact)))

    def next_timeout(self) -> float | None:
        """When `expire` is due; None while there is nothing that could run out."""
        return self._swept + SWEEP if self._records else None

    def expire(self, now: float) -> tuple[Record, ...]:
        """Forget the bindings that have run out by now, and give them."""
        self._swept = now
        gone = [record for records in self._records.values() for record in records if record.until <= now]
        for name in list(self._records) if gone else ():
            self._keep(name, self._alive(name, now))
        return tuple(gone)

    def process(self, request: Request, now: float, *, username: str | None = None) -> Answer:
        """Carry out a REGISTER, step by step of RFC 3261 §10.3; the Require of step 2 is the stack's.

        `username` is who has proven to send it, None where nobody had to: it may change its own bindings only.
        """
        try:
            return self._process(request, now, username)
        except _RefusedError as refusal:
            return refusal.answer
        except ParseError as error:
            return Answer(error.status, reason=f"{error.header}: {error.message}" if error.header else "")

    def _process(self, request: Request, now: float, username: str | None) -> Answer:
        aor = request.to.uri
        if not self._serves(request.uri) or not isinstance(aor, SipUri) or not self._serves(aor):
            raise _RefusedError(404)  # steps 1 and 5
        if username is not None and aor.decoded_user != username:
            raise _RefusedError(403)  # step 4
        name = canonical(aor)
        before = self._alive(name, now)
        contacts = request[CONTACT]
        flows = self._uses_flows(request)
        after: tuple[Record, ...] = ()
        if WILDCARD in contacts:
            changes = _without_any(request, before)  # step 6
        else:
            given = [contact for contact in contacts if isinstance(contact, Address)]
            after, changes = self._updated(request, before, given, now, flows)  # step 7
        if len(after) > MAX_BINDINGS:
            raise _RefusedError(403, "too many bindings")
        if name not in self._records and after and len(self._records) >= MAX_RECORDS:
            raise _RefusedError(503)
        told = self._told(request, after, now, flows)  # may find a field that is no good: then nothing is kept
        if not self._records:
            self._swept = now
        self._keep(name, after)
        return Answer(200, tuple(told), changes)  # step 8

    def _serves(self, uri: Uri) -> bool:
        if not isinstance(uri, SipUri):
            return False
        return not self.policy.domains or uri.address.lower().rstrip(".") in self.policy.domains

    def _uses_flows(self, request: Request) -> bool:
        """Whether reg-id counts (RFC 5626 §6): where the client comes directly, or by an edge that keeps its flow."""
        contacts = [contact for contact in request[CONTACT] if isinstance(contact, Address)]
        if not self.policy.outbound or all(contact_reg_id(contact) is None for contact in contacts):
            return False
        path = request[PATH]
        first = path[0].uri if path else None
        if len(request[VIA]) > 1 and not (isinstance(first, SipUri) and "ob" in first.params):
            if OUTBOUND in request[SUPPORTED]:
                raise _RefusedError(439)
            return False
        return any(contact_instance(contact) is not None for contact in contacts)

    def _updated(
        self, request: Request, before: tuple[Record, ...], contacts: Sequence[Address], now: float, flows: bool
    ) -> tuple[tuple[Record, ...], Changes]:
        """The bindings after each contact was added, updated or removed (step 7), all of them or none."""
        if len(contacts) > MAX_BINDINGS:
            raise _RefusedError(403, "too many bindings")
        header = request[EXPIRES]
        granted = [self._granted(contact, header) for contact in contacts]
        if flows and sum(seconds > 0 for seconds in granted) > 1:
            raise _RefusedError(400, "a reg-id goes with one contact")  # RFC 5626 §6
        after = {record.contact: record for record in before}
        changes: list[tuple[Change, Record]] = []
        for contact, seconds in zip(contacts, granted, strict=True):
            bare = contact.replace(params=contact.params.without("expires"))
            bare = bare if flows else bare.replace(params=bare.params.without("reg-id"))
            record = Record(bare, now + seconds, request.call_id, request.cseq.number, request[PATH])
            known = [old for old in before if _is_one(old, record)]
            for old in known:
                _require_newer(old, request)
                after.pop(old.contact, None)
            after.pop(bare, None)
            if seconds > 0:
                after[bare] = record
                changes.append((Change.UPDATED if known else Change.ADDED, record))
            else:
                changes += [(Change.REMOVED, old) for old in known]
        return tuple(after.values()), tuple(changes)

    def _granted(self, contact: Address, header: int | None) -> int:
        """The seconds that a contact is bound for (step 7)."""
        asked = contact_expires(contact)
        if asked is None:
            asked = self.policy.default if header is None else header
        if 0 < asked < self.policy.minimum:
            raise _RefusedError(423, "", ("Min-Expires", self.policy.minimum))
        return min(asked, self.policy.maximum)

    def _told(self, request: Request, after: tuple[Record, ...], now: float, flows: bool) -> Fields:
        """What the 200 says: every binding with the time that it has left, rounded up, so that none is refreshed late.

        Rounding up by less than a second is what whole seconds leave: a refresh comes long before.
        """
        fields: Fields = []
        for record in after:
            left = math.ceil(record.until - now - CLOCK_GRAIN)
            fields.append(
                ("Contact", record.contact.replace(params=record.contact.params.replace("expires", str(left))))
            )
        fields += [("Path", address) for address in request[PATH] if PATH_OPTION in request[SUPPORTED]]
        fields += [("Service-Route", address) for address in self.policy.service_route]
        if flows and OUTBOUND in request[SUPPORTED]:
            fields.append(("Require", OUTBOUND))
            if self.policy.flow_timer is not None:
                fields.append(("Flow-Timer", self.policy.flow_timer))
        return fields

    def _alive(self, name: str, now: float) -> tuple[Record, ...]:
        return tuple(record for record in self._records.get(name, ()) if record.until > now)

    def _keep(self, name: str, records: tuple[Record, ...]) -> None:
        if records:
            self._records[name] = records
        else:
            self._records.pop(name, None)


def canonical(aor: Uri) -> str:
    """An address of record as an index (RFC 3261 §10.3 step 5): no parameters, no escapes, the host in lower case."""
    if not isinstance(aor, SipUri):
        return str(aor)
    user = "" if aor.user is None else f"{aor.decoded_user}@"
    port = "" if aor.port is None else f":{aor.port}"
    return f"{aor.scheme}:{user}{aor.address.lower()}{port}"


def _without_any(request: Request, before: tuple[Record, ...]) -> Changes:
    """What is removed where the asterisk stands alone with Expires: 0 (step 6)."""
    if len(request[CONTACT]) > 1 or request[EXPIRES] != 0:
        raise _RefusedError(400, "an asterisk stands alone, with Expires: 0")
    for record in before:
        _require_newer(record, request)
    return tuple((Change.REMOVED, record) for record in before)


def _require_newer(old: Record, request: Request) -> None:
    """An update of the same client must come after the last one (step 7): one that was overtaken changes nothing."""
    if old.call_id == request.call_id and request.cseq.number <= old.sequence:
        raise _RefusedError(500, "CSeq out of order")


def _is_one(old: Record, new: Record) -> bool:
    """Whether two bindings are one: over the same flow (RFC 5626 §6), or else to the same URI (§19.1.4)."""
    if old.flow is not None and new.flow is not None:
        return old.flow == new.flow
    return equivalent(old.contact.uri, new.contact.uri)
