"""A registration kept alive, as a table: RFC 3261 §10.2, RFC 5626 §4.2 and §4.5.

The machine says when to send a REGISTER and what came of it; it sends nothing and looks at no clock. One request is
under way at a time (§10.2: no new registration before the final response to the last). Challenges are answered below
it, by the AuthSession that goes with each request.
"""

import math
from enum import Enum

from sipcore.auth.session import AuthError
from sipcore.dialogs.dialog import Cell, DialogId, Numbers
from sipcore.dialogs.route_set import routing_for
from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.address import Address
from sipcore.message.build import Fields, Identity
from sipcore.message.build import request as build_request
from sipcore.message.equivalence import equivalent
from sipcore.message.fields.contact import WILDCARD, contact_expires
from sipcore.message.message import Request, Response
from sipcore.message.method import REGISTER
from sipcore.message.registry import CONTACT, MIN_EXPIRES, RETRY_AFTER
from sipcore.message.uri import SipUri, Uri
from sipcore.registration.binding import (
    OUTBOUND,
    PATH_OPTION,
    Binding,
    Registration,
    read_binding,
    read_or_none,
    without_expires,
)
from sipcore.registration.waits import refresh_after, retry_after
from sipcore.resolve.target import is_transport
from sipcore.tokens import Tokens
from sipcore.trace import TraceSwitch, TransitionTrace
from sipcore.value import value

NAME = "registration"
"""What the machine is called in traces."""
MAX_ADJUSTMENTS = 4
"""Times in a row that a request is changed as the response to it wants: a redirection or two, and a longer interval."""
INTERVAL_TOO_BRIEF, FIRST_HOP_LACKS_OUTBOUND = 423, 439
PASSING = frozenset({408, 480, 486, 491, 500, 502, 503, 504, 580, 600})
"""Refusals that say nothing against the registration itself: it is worth another try, later. Others with a Retry-After
are, too (RFC 3261 §20.33); 403 and 404 are not, and wrong credentials only lock an account."""


NOT_SENT = frozenset({FailureReason.UNRESOLVABLE, FailureReason.REFUSED, FailureReason.TLS, FailureReason.NOT_ALLOWED})
"""Failures after which a registrar cannot have bound anything; after all others its answer may have been lost."""


class State(Enum):
    """Where the registration stands."""

    IDLE = "not begun"
    REGISTERING = "registering"
    REGISTERED = "registered"
    REFRESHING = "refreshing"
    WAITING = "waiting to try again"
    STOPPING = "stopping when it is answered"
    """The owner has enough, but a request is under way: removing comes after its answer (§10.2)."""
    REMOVING = "removing"
    ENDED = "ended"


class Input(Enum):
    """What may happen to it."""

    START = "start"
    ACCEPTED = "2xx"
    ADJUSTED = "asks for something else"
    """423 or 439: the request is sent again, changed as the response wants."""
    MOVED = "3xx that leads on"
    FAILED = "failed for now"
    REFUSED = "refused for good"
    REMOVED_OWN = "answered, and more is to be removed"
    """The owner wants all bindings removed by now, and the request that was under way removed its own only."""
    DUE = "due"
    FLOW_FAILED = "flow failed"
    STOP = "stop"
    STOP_UNBOUND = "stop without a binding"


class Step(Enum):
    """What to do on the way to the next state."""

    SEND = "REGISTER"
    SEND_ANEW = "REGISTER over a new flow"
    REMOVE = "REGISTER that removes"
    REFRESH_LATER = "set the refresh"
    RETRY_LATER = "set the next try"
    REPORT_BINDING = "report binding"
    REPORT_FAILURE = "report failure"
    REPORT_END = "report end"


_S, _I, _DO = State, Input, Step
TABLE: dict[tuple[State, Input], tuple[State, tuple[Step, ...]]] = {
    (_S.IDLE, _I.START): (_S.REGISTERING, (_DO.SEND_ANEW,)),
    (_S.IDLE, _I.STOP): (_S.REMOVING, (_DO.REMOVE,)),  # everything, whoever bound it
    (_S.IDLE, _I.STOP_UNBOUND): (_S.ENDED, (_DO.REPORT_END,)),
    **{
        cell: target
        for state in (_S.REGISTERING, _S.REFRESHING)
        for cell, target in (
            ((state, _I.ACCEPTED), (_S.REGISTERED, (_DO.REFRESH_LATER, _DO.REPORT_BINDING))),  # 10.2.4
            ((state, _I.ADJUSTED), (state, (_DO.SEND,))),  # 10.2.8; RFC 5626 §4.2.1
            ((state, _I.MOVED), (state, (_DO.SEND_ANEW,))),  # 8.1.3.4: to the other registrar, not to this one again
            ((state, _I.FAILED), (_S.WAITING, (_DO.RETRY_LATER, _DO.REPORT_FAILURE))),  # 10.2.7; RFC 5626 §4.5
            ((state, _I.REFUSED), (_S.ENDED, (_DO.REPORT_FAILURE, _DO.REPORT_END))),
            ((state, _I.STOP), (_S.STOPPING, ())),
            ((state, _I.STOP_UNBOUND), (_S.STOPPING, ())),
        )
    },
    (_S.REGISTERED, _I.DUE): (_S.REFRESHING, (_DO.SEND,)),  # 10.2.4
    (_S.REGISTERED, _I.FLOW_FAILED): (_S.REFRESHING, (_DO.SEND_ANEW,)),  # RFC 5626 §4.5
    (_S.REGISTERED, _I.STOP): (_S.REMOVING, (_DO.REMOVE,)),  # 10.2.2
    (_S.REGISTERED, _I.STOP_UNBOUND): (_S.ENDED, (_DO.REPORT_END,)),  # it ran out, unnoticed
    (_S.WAITING, _I.DUE): (_S.REGISTERING, (_DO.SEND_ANEW,)),
    (_S.WAITING, _I.STOP): (_S.REMOVING, (_DO.REMOVE,)),
    (_S.WAITING, _I.STOP_UNBOUND): (_S.ENDED, (_DO.REPORT_END,)),
    (_S.STOPPING, _I.ACCEPTED): (_S.REMOVING, (_DO.REMOVE,)),
    (_S.STOPPING, _I.ADJUSTED): (_S.REMOVING, (_DO.REMOVE,)),
    (_S.STOPPING, _I.MOVED): (_S.REMOVING, (_DO.REMOVE,)),
    (_S.STOPPING, _I.FAILED): (_S.REMOVING, (_DO.REMOVE,)),  # it may have been bound all the same
    (_S.STOPPING, _I.REFUSED): (_S.ENDED, (_DO.REPORT_END,)),
    **{
        (_S.REMOVING, happening): (_S.ENDED, (_DO.REPORT_END,))
        for happening in (_I.ACCEPTED, _I.ADJUSTED, _I.MOVED, _I.FAILED, _I.REFUSED)
    },
    (_S.REMOVING, _I.REMOVED_OWN): (_S.REMOVING, (_DO.REMOVE,)),  # 10.2.2, after the answer to the last (10.2)
}
_UNDER_WAY = (_S.REGISTERING, _S.REFRESHING, _S.STOPPING, _S.REMOVING)
_ANSWERS = (_I.ACCEPTED, _I.ADJUSTED, _I.MOVED, _I.FAILED, _I.REFUSED)
IGNORED = {
    *((state, _I.FLOW_FAILED) for state in State if state is not _S.REGISTERED),  # a request on it fails by itself
    *((state, _I.DUE) for state in (*_UNDER_WAY, _S.IDLE)),  # a timer that was set before
    *((state, stop) for state in (_S.STOPPING, _S.REMOVING) for stop in (_I.STOP, _I.STOP_UNBOUND)),
    *((_S.ENDED, happening) for happening in Input),
}
IMPOSSIBLE = {
    *((state, _I.START) for state in State if state not in (_S.IDLE, _S.ENDED)),  # `Keeper.start` refuses it
    # No request is under way that could be answered.
    *((state, answer) for state in (_S.IDLE, _S.REGISTERED, _S.WAITING) for answer in _ANSWERS),
    *((state, _I.REMOVED_OWN) for state in State if state not in (_S.REMOVING, _S.ENDED)),  # nothing is removed yet
}


@value
class Send:
    """Send `Keeper.request(contact)` to where `next_hop` leads, and give its outcome to `receive` or `fail`.

    What is sent again with credentials gets its number from `Keeper.numbers`, too: the registrar may have taken it,
    although no answer came.

    It goes along the flow of the last one (RFC 5626 §4.2.2), or, when `anew`, wherever `next_hop` leads now.
    """

    next_hop: Uri
    anew: bool


@value
class Registered:
    """The binding is there, or is there again, until `binding.until`."""

    binding: Binding


@value
class RegistrationFailed:
    """A REGISTER was refused, or was not answered. It is tried again at `retry_at`, or, None, never.

    `bound_until` tells how long an older binding still holds, None when there is none.
    """

    response: Response | None
    failure: TransportFailure | AuthError | None
    retry_at: float | None
    bound_until: float | None


@value
class RegistrationEnded:
    """Nothing more is going to happen. `removed` tells whether the registrar confirmed that the binding is gone."""

    removed: bool


Effect = Send | Registered | RegistrationFailed | RegistrationEnded | TransitionTrace


class Keeper:
    """One registration. Every method gives the effects that the owner carries out, in order."""

    __slots__ = (
        "_adjustments",
        "_asked_all",
        "_call_id",
        "_domain",
        "_due",
        "_expires",
        "_failures",
        "_least",
        "_local",
        "_may_hold_until",
        "_outbound",
        "_outcome",
        "_removes_all",
        "_sent",
        "_tokens",
        "_trace_switch",
        "binding",
        "numbers",
        "registration",
        "state",
    )

    def __init__(self, registration: Registration, tokens: Tokens, trace_switch: TraceSwitch | None = None) -> None:
        self._trace_switch = trace_switch or TraceSwitch()
        self.registration = registration
        self.state = State.IDLE
        self.binding: Binding | None = None
        """The last one that was granted; it may have run out."""
        self.numbers = Numbers()
        """What numbers each REGISTER, that which goes out again with credentials as well (RFC 3261 §10.2)."""
        self._tokens = tokens
        self._domain = registration.domain
        self._expires = registration.expires
        self._least = 0
        self._outbound = registration.reg_id is not None
        sender = registration.from_ or registration.aor
        self._local = sender.with_tag(tokens.tag())
        self._call_id = tokens.call_id()
        self._sent: tuple[Address, ...] = ()
        self._outcome: tuple[Response | None, TransportFailure | AuthError | None] = (None, None)
        self._failures = 0
        self._adjustments = 0
        self._may_hold_until = -math.inf
        """When what was asked for last without an answer has run out: the registrar may have granted it."""
        self._removes_all = False
        self._asked_all = False
        """Whether a request has asked for that."""
        self._due: float | None = None

    def start(self, now: float) -> list[Effect]:
        """Register for the first time."""
        return self._move(Input.START, now)

    def stop(self, now: float, *, everything: bool = False) -> list[Effect]:
        """Take the binding back, or, with `everything`, all bindings of the address of record (RFC 3261 §10.2.2).

        Stopped more than once, it does what was asked for most: the end of its endpoint stops it, too. Once it has
        ended, nothing is done any more.
        """
        self._removes_all = self._removes_all or everything
        bound = (self.binding is not None and self.binding.until > now) or self._may_hold_until > now
        return self._move(Input.STOP if bound or everything else Input.STOP_UNBOUND, now)

    def refresh(self, now: float) -> list[Effect]:
        """Refresh, or try again, before it is time."""
        return self._move(Input.DUE, now)

    def flow_failed(self, now: float) -> list[Effect]:
        """The flow that the binding was made over is gone (RFC 5626 §4.5)."""
        return self._move(Input.FLOW_FAILED, now)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due."""
        return self._due

    def handle_timeout(self, now: float) -> list[Effect]:
        """Refresh, or try again, if it is time."""
        if self._due is None or now < self._due:
            return []
        return self.refresh(now)

    def request(self, contact: Uri, *, fields: Fields = ()) -> Request:
        """The REGISTER that a `Send` asks for, from where this side is reached at `contact`; Via is put on later."""
        own = self.registration.contact(contact, outbound=self._outbound)
        if self.state is State.REMOVING:
            bound = self._sent or (own,)
            self._asked_all = self._removes_all
            contacts: tuple[object, ...] = (WILDCARD,) if self._removes_all else (*bound, *self._left_behind(bound[0]))
            expires = 0
        else:
            contacts = (own, *self._more(), *self._left_behind(own))
            expires = self._expires
            self._sent = (own, *without_expires(self.registration.contacts))
        told = [*(("Contact", each) for each in contacts), ("Expires", expires)]
        tags = f"{PATH_OPTION}, {OUTBOUND}" if self._outbound else PATH_OPTION
        routing = routing_for(self._domain, self.registration.route)
        identity = Identity(self._local, self.registration.aor, self._call_id, self.numbers.next())
        told += [("Supported", tags), *fields]
        return build_request(REGISTER, routing.request_uri, identity, route=routing.routes, fields=told)

    def receive(self, response: Response, now: float, auth: AuthError | None = None) -> list[Effect]:
        """The final response to a REGISTER; `auth` tells why a challenge was not answered."""
        self._outcome = (response, auth)
        if response.is_success:
            return self._accept(response, now)
        if auth is None and self._adjustments < MAX_ADJUSTMENTS and self._adjust(response):
            self._adjustments += 1
            return self._answered(Input.MOVED if response.status // 100 == 3 else Input.ADJUSTED, now)
        self._failures += 1
        passing = auth is None and (response.status in PASSING or RETRY_AFTER.name in response.headers)
        return self._answered(Input.FAILED if passing else Input.REFUSED, now)

    def fail(self, failure: TransportFailure, now: float) -> list[Effect]:
        """A REGISTER got no final response."""
        self._outcome = (None, failure)
        self._failures += 1
        if failure.reason not in NOT_SENT and self.state in (State.REGISTERING, State.REFRESHING):
            self._may_hold_until = now + self._expires
        return self._answered(Input.FAILED, now)

    def _accept(self, response: Response, now: float) -> list[Effect]:
        removed = self.state is State.REMOVING
        self.binding = None if removed else read_binding(response, self._sent, self._expires, now)
        if self.binding is not None and self.binding.granted == 0:
            self.binding = None  # a 2xx, and yet no binding
            self._failures += 1
            return self._move(Input.FAILED, now)
        self._failures = self._adjustments = 0
        return self._answered(Input.ACCEPTED, now)

    def _answered(self, happening: Input, now: float) -> list[Effect]:
        """A request is over, and so is what it was for, unless the owner wants more removed than it has asked for."""
        in_part = self.state is State.REMOVING and self._removes_all and not self._asked_all
        return self._move(Input.REMOVED_OWN if in_part and happening is not Input.REFUSED else happening, now)

    def _adjust(self, response: Response) -> bool:
        """Change what is asked for as a response wants; False where it does not say how, or not to be done."""
        if response.status == INTERVAL_TOO_BRIEF:
            least = read_or_none(response, MIN_EXPIRES)
            if not isinstance(least, int) or least <= self._least:
                return False
            self._least, self._expires = least, max(least, self._expires)
            return True
        if response.status == FIRST_HOP_LACKS_OUTBOUND:
            adjusted, self._outbound = self._outbound, False
            return adjusted
        if response.status // 100 == 3:
            target = _redirection(response)
            # RFC 3261 §26.2.2: what began secure is not carried on in the clear.
            if target is None or (self._domain.is_secure and not target.is_secure):
                return False
            self._domain = target
            return True
        return False

    def _more(self) -> list[Address]:
        """The other contacts, none of them for less than the registrar wants (§10.2.8: "of all contact addresses")."""
        wanted = [(each, contact_expires(each)) for each in self.registration.contacts]
        return [
            each if expires is None or expires >= self._least else _for_seconds(each, self._least)
            for each, expires in wanted
        ]

    def _left_behind(self, own: Address) -> list[Address]:
        """The contact that is bound, to be removed, where this side has moved away from it.

        A registrar that knows flows replaces it by itself (RFC 5626 §6).
        """
        if self.binding is None or self.binding.outbound:
            return []
        bound = self.binding.contacts[0]
        return [] if equivalent(bound.uri, own.uri) else [_for_seconds(bound, 0)]

    def _move(self, happening: Input, now: float) -> list[Effect]:
        cell = TABLE.get((self.state, happening))
        effects = self._traced(happening, cell, now) if self._trace_switch.on else []
        if cell is None:
            return effects
        self.state = cell[0]
        self._due = None
        for step in cell[1]:
            if step is Step.REFRESH_LATER and self.binding is not None:
                self._due = now + refresh_after(self.binding.granted, self._tokens.chance())
            elif step is Step.RETRY_LATER:
                self._due = now + retry_after(self._failures, _asked_to_wait(self._outcome[0]), self._tokens.chance())
                self._adjustments = 0  # that was its last in a row, after which it got nowhere
                if self.binding is None or self.binding.until <= now:
                    self._domain = self.registration.domain  # whither it was redirected holds no longer (§21.3.3)
            else:
                effects += self._effect(step, now)
        return effects

    def _traced(self, happening: Input, cell: Cell | None, now: float) -> list[Effect]:
        """What is told of an input while somebody wants to know: a registrar makes no dialog, but has the same ids."""
        known_by = DialogId(self._call_id, self._local.tag or "", "")
        return [known_by.transition(now, NAME, happening, self.state, cell)]

    def _effect(self, step: Step, now: float) -> list[Effect]:
        if step in (Step.SEND, Step.SEND_ANEW, Step.REMOVE):
            next_hop = routing_for(self._domain, self.registration.route).next_hop
            return [Send(next_hop, step is Step.SEND_ANEW)]
        if step is Step.REPORT_FAILURE:
            bound_until = self.binding.until if self.binding is not None and self.binding.until > now else None
            return [RegistrationFailed(*self._outcome, self._due, bound_until)]
        if step is Step.REPORT_BINDING and self.binding is not None:
            return [Registered(self.binding)]
        response = self._outcome[0]
        return [RegistrationEnded(response is not None and response.is_success and self.binding is None)]


def _for_seconds(contact: Address, seconds: int) -> Address:
    return contact.replace(params=contact.params.replace("expires", str(seconds)))


def _asked_to_wait(response: Response | None) -> int | None:
    found = None if response is None else read_or_none(response, RETRY_AFTER)
    seconds = getattr(found, "seconds", None)
    return seconds if isinstance(seconds, int) else None


def _redirection(response: Response) -> SipUri | None:
    """Where a 3xx sends the request: its first Contact that a request can be sent to (RFC 3261 §8.1.3.4)."""
    found = read_or_none(response, CONTACT)
    addresses = found if isinstance(found, tuple) else ()
    uris = (address.uri for address in addresses if isinstance(address, Address))
    return next((uri for uri in uris if isinstance(uri, SipUri) and _can_be_sent_to(uri)), None)


def _can_be_sent_to(uri: SipUri) -> bool:
    return (not uri.transport or is_transport(uri.transport)) and uri.port != 0
