"""The calls of one stack: what comes is given to their machines, and what these ask for is carried out."""

from dataclasses import replace

from sipcore.auth.session import AuthError
from sipcore.callbook import CallBook, Entry, Invite
from sipcore.dialogs.callee import Callee
from sipcore.dialogs.caller import Caller
from sipcore.dialogs.dialog import DialogId
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
    Offered,
    Progress,
    Purpose,
    Redirected,
    Reply,
    SendInDialog,
    SendInvite,
    Unchanged,
)
from sipcore.dialogs.expiry import TOO_SMALL, Expiry
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.replaces import dialog_id_of, refusal_of
from sipcore.dialogs.side import Side
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import (
    CallAnswered,
    CallChanged,
    CallConfirmed,
    CallEnded,
    CallFailed,
    CallOffered,
    CallProgress,
    CallReceived,
    CallRedirected,
    CallUnchanged,
    Output,
)
from sipcore.message.build import Fields
from sipcore.message.headers import headers_of
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK, BYE, INVITE, PRACK, REFER
from sipcore.message.registry import REPLACES
from sipcore.message.uri import Uri
from sipcore.outgoing import Order, Outgoing, contact_for, is_secured, target_along
from sipcore.resolve.target import Flow
from sipcore.tokens import Tokens
from sipcore.trace import Stamp
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.layer import TransactionLayer


class Calls:
    """All calls of one stack, by their number. Appends what is to be done and told to `outputs`."""

    def __init__(
        self,
        transactions: TransactionLayer,
        outgoing: Outgoing,
        tokens: Tokens,
        manner: Manner,
        user: str,
        outputs: list[Output],
    ) -> None:
        """Take the layers below; `user` is the user part of Contact."""
        self._transactions = transactions
        self._outgoing = outgoing
        self._tokens = tokens
        self._manner = manner
        self._abilities = headers_of(*manner.abilities())
        self._user = user
        self._outputs = outputs
        self._book = CallBook()

    def __len__(self) -> int:
        return len(self._book)

    # What the owner asks for

    def place(self, order: Order, redirects: int) -> int:
        """Send an INVITE; gives the call's number. Raises LocalError as `Outgoing.send` does."""
        invite = self._dressed(order.request)
        machine = Caller(invite, self._manner, self._tokens, redirects)
        order = Order(invite, order.target, order.contact, order.auth, order.any_size, order.branch, machine.numbers)
        ticket = self._outgoing.send(order)
        call = self._book.add(machine, order.contact or self._user)
        call.order, call.auth = order, order.auth
        self._invited(call, ticket)
        return call.number

    def machine(self, number: int) -> Caller | Callee:
        """The machine of a call. Raises LocalError when there is no such call any more."""
        return self._call(number).machine

    def callee(self, number: int) -> Callee:
        """The machine of a call that came in. Raises LocalError for one that did not, or is over."""
        call = self._book.by_number.get(number)
        if call is None or not isinstance(call.machine, Callee):
            raise LocalError(f"no incoming call {number}", section="RFC 3261 §13.3.1")
        return call.machine

    def carry_out(self, number: int, effects: list[Effect], now: float) -> None:
        """Do what a machine asked for."""
        call = self._book.by_number.get(number)
        if call is not None:
            self._carry_out(call, effects, now)

    def request(self, number: int, method: str, fields: Fields, body: bytes, content_type: str) -> int:
        """Send a request inside a call; gives its ticket. Raises LocalError where there is no dialog for it."""
        call = self._call(number)
        request, next_hop = call.machine.request(method, fields, body, content_type)
        ticket = self._send(call, request, next_hop, contact=call.user)
        self._book.watch(call, ticket, Purpose.OTHER)
        call.referring = call.referring or method == REFER
        return ticket

    def hang_up(self, number: int, now: float, fields: Fields = ()) -> None:
        """End a call, whatever it takes by now: CANCEL, a refusal, or BYE. A call that is over is left alone."""
        call = self._book.by_number.get(number)
        if call is not None:
            call.machine.parting = fields
            self._carry_out(call, call.machine.hang_up(now), now)

    # What comes for a request that was sent

    def owns(self, ticket: int) -> bool:
        """Whether a request belongs to a call."""
        return ticket in self._book.by_ticket

    def receive_response(
        self, ticket: int, response: Response, flow: Flow, stamp: Stamp, auth: AuthError | None, now: float
    ) -> bool:
        """A response to a request of a call that was not dealt with on the way; False if the owner wants it, too."""
        call, purpose = self._book.by_ticket[ticket]
        sent = self._outgoing.request_of(ticket)
        if isinstance(purpose, Invite):
            if ticket == call.invite_ticket and isinstance(call.machine, Caller):
                self._receive_answer(call, call.machine, sent, response, flow, stamp, auth, now)
            return True
        if purpose is Purpose.CHANGE and response.is_success:  # which went out with a Contact of its own (§12.2.1.1)
            call.machine.reached_at(self._outgoing.contact(call.user, flow.hop, secure=is_secured(sent)))
        self._carry_out(call, call.machine.receive_within(purpose, sent, response, now), now, stamp)
        if not response.is_provisional and sent.method != INVITE:  # whose 2xx may come again
            self.transaction_over(ticket)
        return purpose is not Purpose.OTHER

    def fail(self, ticket: int, failure: TransportFailure, now: float) -> bool:
        """A call's request got no final response; False if the owner wants to know, too."""
        call, purpose = self._book.by_ticket[ticket]
        if isinstance(purpose, Invite):
            effects = call.machine.fail(failure, now) if isinstance(call.machine, Caller) else []
        else:
            effects = call.machine.fail_within(purpose, self._outgoing.request_of(ticket), failure, now)
        if ticket == call.invite_ticket:
            call.invite_ticket = None  # before the next one is sent, if there is one
        self._carry_out(call, effects, now)
        self.transaction_over(ticket)
        return purpose is not Purpose.OTHER

    def transaction_over(self, ticket: int) -> None:
        """A call's transaction is gone: no 2xx can come for it any more."""
        found = self._book.unwatch(ticket)
        if found is not None:
            call, purpose = found
            if ticket == call.invite_ticket and isinstance(call.machine, Caller):
                call.invite_ticket = call.order = None
                call.machine.invite_over(self._outgoing.request_of(ticket))
            elif purpose is Purpose.CHANGE:
                call.machine.settled(self._outgoing.request_of(ticket))
            self._remove_if_over(call)
        self._outgoing.forget(ticket)

    def invite_over(self, key: AnyServerKey) -> None:
        """A server transaction is gone; that of a call's INVITE may be all that kept it."""
        call = self._book.by_key.get(key)
        if call is not None and isinstance(call.machine, Callee) and call.keys[0] == key:
            call.machine.invite_over()
            self._remove_if_over(call)

    # What the peer sends

    def refusal_of(self, invite: Request) -> tuple[int, Fields] | None:
        """What an INVITE outside of any dialog is refused with that asks for something impossible. Raises ParseError.

        That is a session too short (RFC 4028 §9), or the place of a call that cannot be taken (RFC 3891 §3).
        """
        shortest = Expiry().refusal(invite, self._manner)
        if shortest is not None:
            return TOO_SMALL, [("Min-SE", shortest)]
        replaces = invite[REPLACES] if self._manner.supports("replaces") else None
        status = refusal_of(replaces, self._side_of) if replaces else 0
        return (status, ()) if status else None

    def receive_invite(self, key: AnyServerKey, invite: Request, flow: Flow, stamp: Stamp) -> None:
        """Somebody calls. Raises ParseError when the INVITE has no Contact, so that no dialog can be made of it."""
        contact = contact_for(self._user, flow.hop, secure=is_secured(invite))
        callee = Callee(key, invite, self._tokens.tag(), contact, self._manner, self._tokens)
        call = self._book.add(callee, self._user)
        call.hop = flow
        self._book.receive(call, key)
        self._book.know(call, callee.usage.dialog.id)
        replaces = invite[REPLACES] if self._manner.supports("replaces") else None
        replaced = self._book.by_dialog.get(dialog_id_of(replaces)) if replaces else None
        call.replaces = replaced.number if replaced else None
        self._book.schedule(call)
        self._outputs.append(CallReceived(call.number, invite, flow, stamp, call.replaces))

    def number_of(self, request: Request) -> int | None:
        """The call whose dialog a request belongs to; None for no dialog here."""
        dialog_id = DialogId.named_by(request)
        call = self._book.by_dialog.get(dialog_id)
        if call is None or call.machine.usage_of(dialog_id.remote_tag) is None:
            return None  # or an early dialog that was forked, and has lost to another one
        if call.machine.is_over and request.method not in (BYE, PRACK):
            # It ended with the BYE from here, which one from there may cross (RFC 3261 §15.1.1), or with a refusal,
            # which a PRACK may cross (RFC 3262 §3).
            return None
        return call.number

    def is_in_order(self, number: int, request: Request) -> bool:
        """Whether a request's sequence number is above that of the last one in its dialog (RFC 3261 §12.2.2)."""
        usage = self._book.by_number[number].machine.usage_of(request.from_tag)
        if usage is None or not usage.dialog.accepts(request):
            return False
        usage.dialog = usage.dialog.after(request)
        return True

    def receive_bye(self, number: int, key: AnyServerKey, request: Request, now: float) -> None:
        """A BYE inside a call."""
        call = self._book.by_number[number]
        self._carry_out(call, call.machine.receive_bye(key, request, now), now)

    def receive_change(self, number: int, key: AnyServerKey, request: Request, now: float, stamp: Stamp) -> None:
        """A re-INVITE or UPDATE inside a call. Raises ParseError."""
        call = self._book.by_number[number]
        self._book.receive(call, key)
        self._carry_out(call, call.machine.receive_change(key, request, now), now, stamp)

    def receive_prack(self, number: int, key: AnyServerKey, request: Request, now: float) -> bool:
        """A PRACK inside a call; False for a call placed here, which has nothing to acknowledge. Raises ParseError."""
        call = self._book.by_number[number]
        if not isinstance(call.machine, Callee):
            return False
        self._carry_out(call, call.machine.receive_prack(key, request, now), now)
        return True

    def is_referring(self, number: int) -> bool:
        """Whether a REFER was sent in a call, so that it may get notifications."""
        return self._book.by_number[number].referring

    def tag_of(self, invite: AnyServerKey) -> str:
        """The local tag of a call that came in, "" when it is over: the answer to its CANCEL has it, too (§9.2)."""
        call = self._book.by_key.get(invite)
        return call.dialog_ids[0].local_tag if call and call.dialog_ids else ""

    def receive_ack(self, ack: Request, now: float, stamp: Stamp) -> None:
        """The ACK of a 2xx sent here; one that belongs to nothing is dropped (RFC 3261 §17.2.1 leaves nothing else)."""
        call = self._book.by_dialog.get(DialogId.named_by(ack))
        if call is not None:
            self._carry_out(call, call.machine.receive_ack(ack, now), now, stamp)

    def receive_cancel(self, invite: AnyServerKey, cancel: Request, now: float) -> None:
        """A CANCEL for a call that came in, or for a re-INVITE."""
        call = self._book.by_key.get(invite)
        if call is not None:
            self._carry_out(call, call.machine.receive_cancel(invite, cancel, now), now)

    # Time

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due."""
        return self._book.next_timeout()

    def handle_timeout(self, now: float) -> None:
        """Wake the calls that something is due in."""
        while (call := self._book.pop_due(now)) is not None:
            self._carry_out(call, call.machine.wake(now), now)

    # Inside

    def _dressed(self, invite: Request) -> Request:
        """The INVITE with what it should tell of this side: Allow, Supported, and how long the session is to last."""
        headers = invite.headers
        missing = self._abilities
        if headers.has_any("Allow", "Supported"):
            missing = missing.only(*(name for name in ("Allow", "Supported") if name not in headers))
        if self._manner.interval and "Session-Expires" not in headers:
            missing = missing + headers_of(*Expiry(self._manner.interval).asked())
        return invite.with_headers(headers.before_body(missing))

    def _call(self, number: int) -> Entry:
        call = self._book.by_number.get(number)
        if call is None or call.machine.is_over:
            raise LocalError(f"call {number} is over", section="RFC 3261 §12.3")
        return call

    def _side_of(self, dialog_id: DialogId) -> Side | None:
        call = self._book.by_dialog.get(dialog_id)
        return call.machine if call else None

    def _invited(self, call: Entry, ticket: int) -> None:
        call.invite_ticket = ticket
        self._book.watch(call, ticket, Invite.INVITE)

    def _receive_answer(
        self,
        call: Entry,
        machine: Caller,
        sent: Request,
        response: Response,
        flow: Flow,
        stamp: Stamp,
        auth: AuthError | None,
        now: float,
    ) -> None:
        call.auth_error = auth
        machine.resent(sent)
        if call.hop is not flow and (response.is_success or (response.to_tag and call.hop is None)):
            call.hop = flow
            machine.reached_at(self._outgoing.contact(call.user, flow.hop, secure=is_secured(sent)))
        effects = machine.receive(response, now)
        usage = machine.usage_of(response.to_tag)
        if usage is not None:
            self._book.know(call, usage.dialog.id)
        self._carry_out(call, effects, now, stamp)

    def _carry_out(self, call: Entry, effects: list[Effect], now: float, stamp: Stamp | None = None) -> None:
        for effect in effects:
            match effect:
                case Reply(key, response):
                    self._transactions.respond(key, response, now)
                case AckSuccess(request, next_hop, branch):
                    self._send(call, request, next_hop, branch)
                case SendInDialog(purpose, request, next_hop):
                    contact = call.user if purpose is Purpose.CHANGE else None
                    self._book.watch(call, self._send(call, request, next_hop, contact=contact), purpose)
                case SendInvite(invite, target):
                    self._invite_again(call, invite, target, now)
                case CancelInvite(fields):
                    self._cancel(call, fields, now)
                case CancelChange():
                    self._cancel_changes(call, now)
                case _:
                    self._report(call, effect, stamp or Stamp(now), now)
        if not call.over:
            self._book.schedule(call)
        self._remove_if_over(call)

    def _send(self, call: Entry, request: Request, next_hop: Uri, branch: str = "", contact: str | None = None) -> int:
        """Send a request inside the dialog; a next hop that leads nowhere is replaced by where the dialog came from.

        The next hop is what the peer's Contact says, and peers write tel URIs and unknown transports there, too.
        """
        auth = call.auth if request.method != ACK else None
        target, numbers = target_along(call.hop, next_hop), call.machine.numbers
        try:
            return self._outgoing.send(Order(request, target, contact, auth, False, branch, numbers))
        except LocalError:
            if call.hop is None:
                raise
            along = call.hop.hop if isinstance(call.hop, Flow) else call.hop
            return self._outgoing.send(Order(request, along, contact, auth, False, branch, numbers))

    def _invite_again(self, call: Entry, invite: Request, target: Uri | None, now: float) -> None:
        if call.order is None:
            return
        call.order = replace(call.order, request=invite, target=target or call.order.target)
        call.hop = None
        try:
            self._invited(call, self._outgoing.send(call.order))
        except LocalError as error:
            nowhere = TransportFailure(FailureReason.UNRESOLVABLE, error.message, section=error.section)
            call.invite_ticket = None
            if isinstance(call.machine, Caller):
                self._carry_out(call, call.machine.fail(nowhere, now), now)

    def _cancel(self, call: Entry, fields: Fields, now: float) -> None:
        ticket = call.invite_ticket
        if ticket is not None and not self._outgoing.cancel(ticket, now, fields):
            # Nothing was sent yet: there is nothing to cancel, and nothing will ever come.
            self.fail(ticket, TransportFailure(FailureReason.CLOSED, "hung up before anything was sent"), now)

    def _report(self, call: Entry, effect: Effect, stamp: Stamp, now: float) -> None:
        number, outputs = call.number, self._outputs
        match effect:
            case Progress(response):
                outputs.append(CallProgress(number, response, stamp))
            case Answered(response):
                outputs.append(CallAnswered(number, response, stamp))
            case Redirected(response, target):
                outputs.append(CallRedirected(number, response, target, stamp))
            case Confirmed(ack):
                outputs.append(CallConfirmed(number, ack, stamp))
                self._replace(call, now)
            case Offered(message):
                outputs.append(CallOffered(number, message, stamp))
            case Changed(message, local):
                outputs.append(CallChanged(number, message, local, stamp))
            case Unchanged(response, failure):
                outputs.append(CallUnchanged(number, response, failure))
            case Failed(response, failure):
                outputs.append(CallFailed(number, response, call.auth_error or failure))
                call.over = True
            case Ended(reason, request):
                outputs.append(CallEnded(number, reason, request))
                call.over = True
                self._cancel_changes(call, now)

    def _cancel_changes(self, call: Entry, now: float) -> None:
        """Cancel its re-INVITEs: a peer that is gone never answers, and what got a 1xx waits for good (§9.1)."""
        for ticket in call.tickets:
            if self._outgoing.request_of(ticket).method == INVITE and not self._outgoing.cancel(ticket, now):
                self.transaction_over(ticket)

    def _replace(self, call: Entry, now: float) -> None:
        """The call that this one takes the place of ends once this one is up (RFC 3891 §3)."""
        replaced = self._book.by_number.get(call.replaces) if call.replaces is not None else None
        if replaced is not None and not replaced.over:
            ending = replaced.machine.hang_up(now)
            replaced.machine.end_reason = EndReason.REPLACED
            self._carry_out(replaced, ending, now)

    def _remove_if_over(self, call: Entry) -> None:
        """Forget a call once it is over, and neither a repeated 2xx (RFC 6026 §7.2) nor a PRACK can come for it."""
        if not call.over or call.tickets or (isinstance(call.machine, Callee) and call.machine.awaits_prack):
            return
        self._book.remove(call)
