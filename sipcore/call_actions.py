"""What the machines of calls ask for, carried out: what is sent, what is told, and when a call may be forgotten."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sipcore.callbook import Call, CallBook, PlacedCall, ReceivedCall
from sipcore.dialogs.effects import (
    AckSuccess,
    Answered,
    CancelChange,
    CancelInvite,
    Changed,
    Confirmed,
    Effect,
    Ended,
    EndReason,
    Failed,
    Lapsed,
    Offered,
    Progress,
    Purpose,
    Redirected,
    Reply,
    SendInDialog,
    SendInvite,
    Unchanged,
)
from sipcore.dialogs.reinvited import REQUEST_TERMINATED
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import (
    CallAnswered,
    CallChanged,
    CallConfirmed,
    CallEnded,
    CallFailed,
    CallOffered,
    CallProgress,
    CallRedirected,
    CallUnchanged,
    Output,
    ReferLapsed,
)
from sipcore.message.build import Fields
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.method import INVITE, REFER
from sipcore.message.uri import Uri
from sipcore.outgoing import Course, Order, course_along
from sipcore.resolve.target import Flow
from sipcore.tickets import Tickets
from sipcore.trace import Stamp, TransitionTrace
from sipcore.transactions.layer import TransactionLayer
from sipcore.transactions.timers import NEVER

TARGET_REFRESHES = (Purpose.CHANGE, Purpose.REFRESH)
"""What is sent with a Contact of its own, which is the one of the dialog from the answer on (RFC 3261 §12.2.1.1)."""
_OF_CALL = (Purpose.CHANGE, Purpose.REFRESH, Purpose.PRACK)
_PARTING = (Purpose.BYE, Purpose.FORK)
PARTING_PATIENCE = 128
"""Times T1 after which a BYE goes to no further hop, and is not sent at all where nobody has found a way for it: long
enough for one hop to be silent and the next one to be tried. A call that is hung up ends, whatever DNS does."""
MAX_COURSES = 256
"""Next hops of which it is remembered where they lead; forgotten all at once beyond that."""
_WITH_CONTACT = (*TARGET_REFRESHES, Purpose.NOTIFY, Purpose.OTHER)


class CallActions:
    """Does what the machine of any call of one stack asks for. Appends what is to be done and told to `outputs`."""

    def __init__(
        self, book: CallBook, transactions: TransactionLayer, tickets: Tickets, outputs: deque[Output]
    ) -> None:
        self._book = book
        self._transactions = transactions
        self._tickets = tickets
        self._outputs = outputs
        self._courses: dict[str, Course] = {}
        """By their next hops."""

    def carry_out(self, call: Call, effects: list[Effect], now: float, stamp: Stamp | None = None) -> None:
        """Do what a call's machine asked for, in order. `stamp` is that of the message that made it ask."""
        if call.machine.trace_switch.on:
            self._outputs += call.machine.negotiated(now)
        for effect in effects:
            if type(effect) in _EVENTS:
                self._tell(call, effect, stamp or Stamp(now), now)
            else:
                self._do(call, effect, now)
        if not call.over or call.machine.referrals or call.part_by < NEVER:
            self._book.schedule(call)
        self._remove_if_over(call)

    def _do(self, call: Call, effect: Effect, now: float) -> None:
        match effect:
            case Reply(key, response):
                self._transactions.respond(key, response, now)
            case AckSuccess(request, next_hop, branch):
                self._send(call, request, next_hop, now, branch=branch)
            case SendInDialog(purpose, request, next_hop):
                if purpose is Purpose.BYE:
                    self._give_up_own(call, now)
                if purpose in _PARTING:
                    call.part_by = now + PARTING_PATIENCE * call.machine.manner.timers.t1
                self.send(call, purpose, request, next_hop, now)
            case SendInvite(request, target) if isinstance(call, PlacedCall):
                self._invite_again(call, request, target, now)
            case CancelInvite(fields) if isinstance(call, PlacedCall):
                self._cancel_invite(call, fields, now)
            case CancelChange(remote_tag):
                self._cancel_changes(call, now, remote_tag)

    def send(self, call: Call, purpose: Purpose, request: Request, next_hop: Uri, now: float) -> int:
        """Send a request inside the dialog, and watch for what becomes of it; gives its ticket. Raises LocalError.

        What may refresh the target has a Contact (RFC 3261 §12.2.1.1), which the owner's own requests may need as well.
        """
        contact = call.user if purpose in _WITH_CONTACT else None
        ticket = self._send(call, request, next_hop, now, contact=contact)
        self._book.watch(call, ticket, purpose)
        return ticket

    def give_up_invite(
        self, call: PlacedCall, ticket: int, effects: list[Effect], now: float, stamp: Stamp | None = None
    ) -> None:
        """The INVITE of a call was refused, or got no final response: nothing more comes for it (RFC 6026 §7.2).

        `effects` are what the call's machine has made of that, and `stamp` is that of the refusal.
        """
        self._book.unwatch(call, ticket)
        self.carry_out(call, effects, now, stamp)
        self._tickets.forget(ticket)

    def let_go_of_early(self, call: PlacedCall) -> None:
        """The INVITE of a call was refused and goes out again: its early dialogs are gone (RFC 3261 §13.2.2.3).

        What the call has sent in them by itself is answered to nobody: a new dialog may have the tag of an old one.
        """
        call.flow = None
        for ticket in call.tickets:
            _, purpose = self._book.by_ticket.get(ticket, (None, None))
            if purpose in _OF_CALL:
                self.transaction_over(ticket)

    def transaction_over(self, ticket: int) -> None:
        """A call's transaction is gone: no 2xx can come for it any more."""
        placed, within = self._book.by_invite.get(ticket), self._book.by_ticket.get(ticket)
        if placed is not None:
            placed.machine.invite_over()
            self._unwatch(placed, ticket)
        elif within is not None:
            call, purpose = within
            if purpose is Purpose.CHANGE:
                call.machine.settled(self._tickets.request_of(ticket))
            self._unwatch(call, ticket)
        self._tickets.forget(ticket)

    def drop(self, ticket: int, now: float) -> None:
        """Neither the owner nor the dialog is to learn what becomes of a request."""
        key = self._tickets.key_of(ticket)
        if key is not None:
            self._transactions.abandon(key, now)
        call, _ = self._book.by_ticket.get(ticket, (None, None))
        if call is not None and call.machine.referrals is not None:
            call.machine.referrals.forget(ticket)
        self.transaction_over(ticket)

    def part(self, call: Call, now: float) -> None:
        """The BYE of a call has had its time: one that was sent is answered soon, or never will be."""
        call.part_by = NEVER
        for ticket in call.tickets:
            _, purpose = self._book.by_ticket.get(ticket, (None, None))
            if purpose not in _PARTING or self._tickets.give_up(ticket):
                continue
            no_way = TransportFailure(FailureReason.TIMED_OUT, "no way was found in time to send it")
            self.carry_out(call, call.machine.fail_within(purpose, self._tickets.request_of(ticket), no_way, now), now)
            self.transaction_over(ticket)

    def server_transaction_over(self, call: ReceivedCall) -> None:
        """The server transaction of a call's INVITE is gone, which may have been all that kept the call."""
        call.machine.invite_over()
        self._remove_if_over(call)

    # Inside

    def _send(
        self, call: Call, request: Request, next_hop: Uri, now: float, *, contact: str | None = None, branch: str = ""
    ) -> int:
        """Send a request inside the dialog; a next hop that leads nowhere is replaced by where the dialog came from.

        The next hop is what the peer's Contact says, and peers write tel URIs and unknown transports there, too.
        """
        course, numbers = self._course(call.flow, next_hop), call.machine.numbers
        target, fallback, prepared = course.target, course.fallback, course.prepared
        order = Order(request, target, contact, call.auth, False, branch, numbers, "", fallback, prepared)
        try:
            return self._tickets.send(order, now)
        except LocalError:
            if call.flow is None:
                raise
            return self._tickets.send(replace(order, target=call.flow.hop, fallback=None, prepared=None), now)

    def _course(self, flow: Flow | None, next_hop: Uri) -> Course:
        """Where a request inside a dialog goes. Requests of one dialog go one way, and those of many to one peer do."""
        name = str(next_hop)
        course = self._courses.get(name)
        if course is None or course.flow is not flow:
            if len(self._courses) >= MAX_COURSES:
                self._courses.clear()
            course = self._courses[name] = course_along(flow, next_hop)
        return course

    def _invite_again(self, call: PlacedCall, request: Request, target: Uri | None, now: float) -> None:
        invite = call.invite
        if invite is None:
            return
        self.let_go_of_early(call)
        try:
            invite.send_again(request, target, now)
        except LocalError as error:
            nowhere = TransportFailure(FailureReason.UNRESOLVABLE, error.message, section=error.section)
            self.carry_out(call, call.machine.fail(nowhere, now), now)
        else:
            self._book.watch_invite(call, invite.ticket)

    def _cancel_invite(self, call: PlacedCall, fields: Fields, now: float) -> None:
        invite = call.invite
        if invite is not None and not invite.cancel(now, fields):
            # Nothing was sent yet: there is nothing to cancel, and nothing will ever come.
            nothing_sent = TransportFailure(FailureReason.CLOSED, "hung up before anything was sent")
            self.give_up_invite(call, invite.ticket, call.machine.fail(nothing_sent, now), now)

    def _cancel_changes(self, call: Call, now: float, remote_tag: str | None = None) -> None:
        """Cancel its re-INVITEs: a peer that is gone never answers, and what got a 1xx waits for good (§9.1).

        An UPDATE goes on, but not with credentials, nor elsewhere. With a `remote_tag`, only that dialog's are meant.
        """
        for ticket in call.tickets:
            _, purpose = self._book.by_ticket.get(ticket, (None, None))
            request = self._tickets.request_of(ticket) if purpose is Purpose.CHANGE else None
            if request is None or remote_tag not in (None, request.to_tag or ""):
                continue
            sent = self._tickets.cancel(ticket, now) if request.method == INVITE else self._tickets.give_up(ticket)
            if sent:
                continue
            if not call.over:  # nothing was sent: there is nothing to cancel, and nothing will ever come
                not_sent = TransportFailure(FailureReason.UNREACHABLE, "given up before there was a way to send it")
                self.carry_out(call, call.machine.fail_within(Purpose.CHANGE, request, not_sent, now), now)
            self.transaction_over(ticket)

    def _tell(self, call: Call, effect: Effect, stamp: Stamp, now: float) -> None:
        self._outputs.append(_EVENTS[type(effect)](call, effect, stamp))
        if isinstance(effect, _LAST):
            self._end(call, now)
        elif isinstance(effect, Confirmed):
            self._replace(call, now)

    def _end(self, call: Call, now: float) -> None:
        """The end of a call was told: what still goes on in it comes to an end as well."""
        call.over = True
        if call.machine.referrals is not None:
            call.machine.referrals.call_over(now)
        self._cancel_changes(call, now)
        for ticket in call.tickets:
            if self._book.by_ticket.get(ticket) == (call, Purpose.GIVEN_UP):
                self.drop(ticket, now)
        self._give_up_own(call, now)
        for key, request in tuple((call.asked or {}).items()):  # §15.1.2: they must be answered all the same
            refusal = build_response(request, REQUEST_TERMINATED, fields=call.machine.manner.signed(()))
            self._transactions.respond(key, refusal, now)
            self._book.answered(key)
            if request.method == REFER and call.machine.referrals is not None:
                call.machine.referrals.answer(refusal)

    def _give_up_own(self, call: Call, now: float) -> None:
        """What a call sends by itself is not sent into a dialog that is gone: neither what has no way to yet, nor with
        credentials, nor elsewhere.
        """
        for ticket in call.tickets:
            _, purpose = self._book.by_ticket.get(ticket, (None, None))
            if purpose in _OF_CALL and not self._tickets.give_up(ticket):
                self.drop(ticket, now)

    def _replace(self, call: Call, now: float) -> None:
        """The call that this one takes the place of ends once this one is up (RFC 3891 §3)."""
        number = call.replaces if isinstance(call, ReceivedCall) else None
        replaced = self._book.by_number.get(number) if number is not None else None
        if replaced is not None and not replaced.over:
            ending = replaced.machine.hang_up(now)
            replaced.machine.end_reason = EndReason.REPLACED
            self.carry_out(replaced, ending, now)

    def _unwatch(self, call: Call, ticket: int) -> None:
        self._book.unwatch(call, ticket)
        self._remove_if_over(call)

    def _remove_if_over(self, call: Call) -> None:
        if call.over and not call.is_awaited:
            self._book.remove(call)


_LAST = (Failed, Ended)
"""What is told last of a call."""
_EVENTS: dict[type, Callable[[Call, Any, Stamp], Output]] = {
    Progress: lambda call, told, stamp: CallProgress(call.number, told.response, stamp, told.waits),
    Answered: lambda call, told, stamp: CallAnswered(call.number, told.response, stamp),
    Redirected: lambda call, told, stamp: CallRedirected(call.number, told.response, told.target, stamp),
    Confirmed: lambda call, told, stamp: CallConfirmed(call.number, told.ack, stamp),
    Offered: lambda call, told, stamp: CallOffered(call.number, told.message, stamp),
    Changed: lambda call, told, stamp: CallChanged(call.number, told.message, told.local, stamp, told.remote_tag),
    Unchanged: lambda call, told, _: CallUnchanged(call.number, told.response, told.failure, told.remote_tag),
    Lapsed: lambda call, told, _: ReferLapsed(call.number, told.ticket),
    Failed: lambda call, told, _: CallFailed(call.number, told.response, told.failure or call.auth_error),
    Ended: lambda call, told, _: CallEnded(call.number, told.reason, told.request),
    TransitionTrace: lambda _, told, __: told,
}
"""How the owner is told of what a machine reports."""
