"""The calls of one stack: what their owner asks for, and what comes, is given to their machines.

What the machines ask for then, `CallActions` carries out.
"""

from collections import deque

from sipcore.call_actions import TARGET_REFRESHES, CallActions
from sipcore.callbook import Call, CallBook, PlacedCall, ReceivedCall
from sipcore.dialogs.callee import Callee
from sipcore.dialogs.caller import Caller
from sipcore.dialogs.dialog import DialogId
from sipcore.dialogs.effects import Effect, Purpose, Reply
from sipcore.dialogs.expiry import TOO_SMALL, Expiry
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.refer import notification
from sipcore.dialogs.replaces import dialog_ids_of, refusal_of
from sipcore.dialogs.side import Side
from sipcore.errors import LocalError, TransportFailure
from sipcore.events import CallNotified, CallReceived, CallRequested, Output
from sipcore.invite import OutgoingInvite
from sipcore.message.build import Fields, require_further, require_sendable
from sipcore.message.build import response as build_response
from sipcore.message.fields.dialog_reference import Replaces
from sipcore.message.headers import headers_of
from sipcore.message.message import Request, Response
from sipcore.message.method import BYE, INVITE, NOTIFY, PRACK, REFER
from sipcore.message.registry import REPLACES
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow
from sipcore.tickets import Tickets
from sipcore.tokens import Tokens
from sipcore.trace import Stamp, TraceSwitch, TransitionTrace
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.layer import TransactionLayer


class Calls:
    """All calls of one stack, by their number. Appends what is to be done and told to `outputs`."""

    def __init__(
        self,
        transactions: TransactionLayer,
        tickets: Tickets,
        tokens: Tokens,
        manner: Manner,
        user: str,
        outputs: deque[Output],
        trace_switch: TraceSwitch,
    ) -> None:
        """Take the layers below; `user` is the user part of Contact."""
        self._tickets = tickets
        self._tokens = tokens
        self._manner = manner
        self._abilities = headers_of(*manner.abilities())
        self._user = user
        self._outputs = outputs
        self._trace_switch = trace_switch
        self._book = CallBook(transactions.soonest)
        self.next_timeout = self._book.next_timeout
        """When `handle_timeout` is due; None where nothing waits."""
        self._actions = CallActions(self._book, transactions, tickets, outputs)

    def __len__(self) -> int:
        return len(self._book)

    # What the owner asks for

    def place(self, order: Order, now: float, redirects: int) -> int:
        """Send an INVITE; gives the call's number. Raises LocalError as `Tickets.send` does."""
        request = self._dressed(order.request)
        machine = Caller(request, self._manner, self._tokens, self._trace_switch, now, redirects)
        user, contact = order.contact or self._user, order.contact
        if contact is None and "Contact" not in request.headers:
            contact = user  # without one there is nowhere to send to in the dialog (RFC 3261 §8.1.1.8)
        invite = OutgoingInvite(
            self._tickets,
            Order(request, order.target, contact, order.auth, order.any_size, order.branch, machine.numbers),
            now,
        )
        number = self._book.next_number()
        call = PlacedCall(number, machine, user, order.auth, invite)
        self._book.add(call)
        self._book.watch_invite(call, invite.ticket)
        self._book.schedule(call)
        self._trace_start(machine, now)
        return number

    def machine(self, number: int) -> Side:
        """The machine of a call. Raises LocalError when there is no such call any more."""
        return self._call(number).machine

    def callee(self, number: int) -> Callee:
        """The machine of a call that came in. Raises LocalError for one that did not, or is over."""
        call = self._book.by_number.get(number)
        if not isinstance(call, ReceivedCall):
            raise LocalError(f"no incoming call {number}", section="RFC 3261 §13.3.1")
        return call.machine

    def carry_out(self, number: int, effects: list[Effect], now: float) -> None:
        """Do what a machine asked for."""
        call = self._book.by_number.get(number)
        if call is not None:
            self._actions.carry_out(call, effects, now)

    def request(
        self,
        number: int,
        method: str,
        fields: Fields,
        body: bytes,
        content_type: str,
        now: float,
        remote_tag: str | None,
    ) -> int:
        """Send a request inside a call; gives its ticket. Raises LocalError where there is no dialog for it."""
        call, told = self._call(number, method), tuple(fields)
        require_further(told, "a request inside a call", "leave it out")
        request, next_hop = call.machine.request(method, told, body, content_type, remote_tag)
        ticket = self._actions.send(call, Purpose.OTHER, request, next_hop, now)
        if method == REFER:
            call.referring = True
            self._actions.carry_out(call, call.machine.referring().send(ticket, request, now), now)
        elif method == NOTIFY and call.machine.referrals is not None:
            call.machine.referrals.tell(request, now)
        return ticket

    def abandon(self, ticket: int, now: float) -> bool:
        """Its owner gives up on a request; False for one outside of any call.

        One that was sent inside a dialog is still waited for here: a 481, a 408 or silence says that the dialog is gone
        (RFC 3261 §12.2.1.2), whether the owner wants to know the rest or not. Raises LocalError for what a call sends
        by itself.
        """
        if not self.owns(ticket):
            return False
        call, purpose = self._book.by_ticket.get(ticket, (None, None))
        if call is None or purpose not in (Purpose.OTHER, Purpose.GIVEN_UP):
            raise LocalError("a call gives up itself on what it sends; use hang_up()", section="RFC 3261 §9.1")
        if call.over or not self._tickets.give_up(ticket):
            self._actions.drop(ticket, now)
        else:
            self._book.give_up(call, ticket)
        return True

    def notification(
        self, number: int, status: int, refer: int | None, remote_tag: str | None
    ) -> tuple[Fields, bytes, str]:
        """The header fields and the body of the NOTIFY about a REFER that came in a call, and the remote tag of its
        dialog. Raises LocalError.

        `refer` is the number of the REFER, None stands for the oldest; `remote_tag` tells in which dialog it came.
        """
        event, tag = self._call(number, NOTIFY).machine.referring().event_of(refer, remote_tag)
        return *notification(status, event), tag

    def answer_refer(self, response: Response) -> Response:
        """The owner's answer to a REFER; one that agrees gets a Contact unless it has one (RFC 3515 §2.2)."""
        call = self._book.by_dialog.get(DialogId.answered_in(response))
        contact = call.machine.contact if call is not None else None
        if contact is None or not response.is_success or "Contact" in response.headers:
            return response
        return response.with_headers(response.headers.before_body(headers_of(("Contact", contact))))

    def hang_up(self, number: int, now: float, fields: Fields = ()) -> None:
        """End a call, whatever it takes by now: CANCEL, a refusal, or BYE. A call that is over is left alone.

        Raises UnsafeValue for `fields` that cannot be sent, before anything has come of it: a BYE may wait for its ACK.
        """
        call = self._book.by_number.get(number)
        if call is not None:
            parting = tuple(fields)
            if parting:
                require_sendable(parting)
            call.machine.parting = parting
            self._actions.carry_out(call, call.machine.hang_up(now), now)

    def withdraw(self, number: int, now: float, remote_tag: str | None) -> None:
        """Take a change back, if there is one still."""
        call = self._book.by_number.get(number)
        if call is not None:
            self._actions.carry_out(call, call.machine.withdraw(now, remote_tag), now)

    # What comes for a request that was sent

    def owns(self, ticket: int) -> bool:
        """Whether a request belongs to a call."""
        return ticket in self._book.by_ticket or ticket in self._book.by_invite

    def sent_again(self, ticket: int, now: float) -> None:
        """A request was refused, and has gone out again under its ticket: with credentials, or elsewhere."""
        placed = self._book.by_invite.get(ticket)
        if placed is not None and placed.machine.usage is not None:
            self._actions.let_go_of_early(placed)
            effects = placed.machine.challenged(now)
            self._actions.carry_out(placed, effects + _lost_with_dialogs(placed), now)
        call, purpose = self._book.by_ticket.get(ticket, (None, None))
        if call is not None and purpose is Purpose.CHANGE:
            call.machine.changed_again(self._tickets.request_of(ticket))

    def receive_response(self, ticket: int, response: Response, flow: Flow, stamp: Stamp, now: float) -> bool:
        """A response that was not dealt with on the way; False if the owner wants it, as all to requests of no call."""
        book = self._book
        placed = book.by_invite.get(ticket)
        if placed is None:
            return ticket in book.by_ticket and self._receive_within(ticket, response, flow, stamp, now)
        effects = placed.receive(response, flow, now)
        if not response.is_provisional:
            effects += _lost_with_dialogs(placed)
        usage = placed.machine.usage_of(response.to_tag)
        if usage is not None:
            self._book.know(placed, usage.dialog.id)
        if response.is_provisional:
            self._actions.carry_out(placed, effects, now, stamp)
        elif response.is_success:
            placed.invite = None
            self._tickets.release(ticket)
            self._actions.carry_out(placed, effects, now, stamp)
        else:
            self._actions.give_up_invite(placed, ticket, effects, now, stamp)
        return True

    def fail(self, ticket: int, failure: TransportFailure, now: float) -> bool:
        """A call's request got no final response; False if the owner wants to know, too."""
        placed = self._book.by_invite.get(ticket)
        if placed is not None:
            effects = placed.machine.fail(failure, now)
            self._actions.give_up_invite(placed, ticket, effects + _lost_with_dialogs(placed), now)
            return True
        call, purpose = self._book.by_ticket[ticket]
        sent = self._tickets.request_of(ticket)
        if call.machine.referrals is not None:
            call.machine.referrals.failed(ticket, sent, failure)
        self._actions.carry_out(call, call.machine.fail_within(purpose, sent, failure, now), now)
        self.transaction_over(ticket)
        return purpose is not Purpose.OTHER

    def lose(self, ticket: int, failure: TransportFailure, now: float) -> bool:
        """A call's request is given up, whatever was made of it already; as `fail`. A call that stands by its INVITE is
        hung up, since nobody knows what became of its ACK.
        """
        placed = self._book.by_invite.get(ticket)
        told = self.fail(ticket, failure, now)
        if placed is not None and not placed.over:
            self.hang_up(placed.number, now)
        return told

    def break_off(self, ticket: int, success: Response, failure: TransportFailure, now: float) -> None:
        """What was made of a 2xx to the INVITE of a call, or to a re-INVITE, was broken off by `failure`: it is
        acknowledged all the same, whenever it comes again as well, and the call ends.
        """
        placed = self._book.by_invite.get(ticket)
        if placed is None:
            call, _ = self._book.by_ticket[ticket]
            effects = call.machine.break_off_change(self._tickets.request_of(ticket), now)
            self._actions.carry_out(call, effects, now)
            return
        if placed.invite is not None:
            placed.machine.resent(placed.invite.request)
            placed.invite = None
            self._tickets.release(ticket)
        effects = placed.machine.break_off(success, failure, now)
        self._actions.carry_out(placed, effects + _lost_with_dialogs(placed), now)

    def turn_away(self, invite: AnyServerKey, now: float) -> bool:
        """Refuse or hang up the call that has come of an INVITE; False where there is none."""
        call = self._book.by_key.get(invite)
        if not isinstance(call, ReceivedCall) or call.invite_key != invite:
            return False
        self.hang_up(call.number, now)
        return True

    def transaction_over(self, ticket: int) -> None:
        """A call's transaction is gone: no 2xx can come for it any more."""
        self._actions.transaction_over(ticket)

    def invite_over(self, key: AnyServerKey) -> None:
        """A server transaction is gone; that of a call's INVITE may be all that kept it."""
        call = self._book.by_key.get(key)
        if isinstance(call, ReceivedCall) and call.invite_key == key:
            self._actions.server_transaction_over(call)

    # What the peer sends

    def refusal_of(self, invite: Request) -> tuple[int, Fields] | None:
        """What an INVITE outside of any dialog is refused with that asks for something impossible. Raises ParseError.

        That is a session too short (RFC 4028 §9), or the place of a call that cannot be taken (RFC 3891 §3).
        """
        shortest = Expiry().refusal(invite, self._manner)
        if shortest is not None:
            return TOO_SMALL, [("Min-SE", shortest)]
        replaces = self._replaces(invite)
        if replaces is None:
            return None
        replaced = self._replaced_by(replaces)
        status = refusal_of(replaces, replaced.machine if replaced is not None else None)
        return (status, ()) if status else None

    def receive_invite(self, key: AnyServerKey, invite: Request, flow: Flow, stamp: Stamp, now: float) -> None:
        """Somebody calls. Raises ParseError when the INVITE has no Contact, so that no dialog can be made of it."""
        contact = self._tickets.ends.contact(self._user, flow, invite)
        tag = self._tokens.tag()
        callee = Callee(key, invite, tag, contact, self._manner, self._tokens, self._trace_switch, now)
        replaces = self._replaces(invite)
        replaced = self._replaced_by(replaces) if replaces else None
        replaces_number = replaced.number if replaced else None
        call = ReceivedCall(self._book.next_number(), callee, self._user, flow, key, replaces=replaces_number)
        self._book.add(call)
        self._book.know(call, callee.usage.dialog.id)
        self._book.schedule(call)
        self._trace_start(callee, now)
        self._outputs.append(CallReceived(call.number, invite, flow, stamp, call.replaces))

    def of(self, request: Request) -> Call | None:
        """The call whose dialog a request belongs to; None for no dialog here."""
        call = self._known(DialogId.named_by(request))
        if call is None:
            return None
        if call.machine.is_over and request.method not in (BYE, PRACK) and self._referral_of(call, request) is None:
            # It ended with the BYE from here, which one from there may cross (RFC 3261 §15.1.1), or with a refusal,
            # which a PRACK may cross (RFC 3262 §3). What was subscribed to in it goes on (RFC 5057 §4).
            return None
        return call

    def take_sequence(self, call: Call, request: Request) -> bool:
        """Make a request's sequence number that of the last one in its dialog; False, and nothing is changed, where it
        is not above that (RFC 3261 §12.2.2). What comes after the end of its dialog is in no order.
        """
        usage = call.machine.usage_of(request.from_tag)
        if usage is None:
            return True
        if not usage.dialog.accepts(request):
            return False
        usage.dialog = usage.dialog.after(request)
        return True

    def receive_bye(self, call: Call, key: AnyServerKey, request: Request, now: float) -> None:
        """A BYE inside a call."""
        self._actions.carry_out(call, call.machine.receive_bye(key, request, now), now)

    def receive_change(self, call: Call, key: AnyServerKey, request: Request, now: float, stamp: Stamp) -> None:
        """A re-INVITE or UPDATE inside a call. Raises ParseError."""
        self._actions.carry_out(call, call.machine.receive_change(key, request, now), now, stamp)

    def receive_prack(self, call: Call, key: AnyServerKey, request: Request, now: float, stamp: Stamp) -> bool:
        """A PRACK inside a call; False for a call placed here, which has nothing to acknowledge. Raises ParseError."""
        if not isinstance(call, ReceivedCall):
            return False
        self._actions.carry_out(call, call.machine.receive_prack(key, request, now), now, stamp)
        return True

    def ask(self, call: Call, key: AnyServerKey, request: Request, now: float, stamp: Stamp) -> None:
        """A request inside a call that is for its owner, and has to be answered at the call's end at last."""
        self._book.ask(call, key, request)
        if request.method == REFER:
            call.machine.referring().receive(request, now)
        self._outputs.append(CallRequested(call.number, key, request, stamp))

    def answered(self, key: AnyServerKey, response: Response) -> None:
        """The owner has answered a request, which may be one inside a call, with this final response."""
        self._book.answered(key)
        call = self._book.by_dialog.get(DialogId.answered_in(response)) if response.cseq.method == REFER else None
        if call is not None and call.machine.referrals is not None:
            call.machine.referrals.answer(response)

    def receive_notification(self, call: Call, key: AnyServerKey, notify: Request, now: float, stamp: Stamp) -> None:
        """A NOTIFY about a REFER in a call: 481 where there is no such subscription (RFC 6665 §4.1.3).

        Raises ParseError.
        """
        known = self._referral_of(call, notify) is not None
        refer = call.machine.referring().hear(notify, now) if known else None
        answer = build_response(notify, 200 if known else 481, fields=self._manner.signed(()))
        if refer is not None:
            self._outputs.append(CallNotified(call.number, notify, stamp, refer))
        self._actions.carry_out(call, [Reply(key, answer)], now)

    def tag_of(self, invite: AnyServerKey) -> str:
        """The local tag of a call that came in, "" when it is over: the answer to its CANCEL has it, too (§9.2)."""
        call = self._book.by_key.get(invite)
        return call.dialog_ids[0].local_tag if call and call.dialog_ids else ""

    def receive_ack(self, ack: Request, now: float, stamp: Stamp) -> None:
        """The ACK of a 2xx sent here; one that belongs to nothing is dropped (RFC 3261 §17.2.1 leaves nothing else)."""
        call = self._book.by_dialog.get(DialogId.named_by(ack))
        if call is not None:
            self._actions.carry_out(call, call.machine.receive_ack(ack, now), now, stamp)

    def receive_cancel(self, invite: AnyServerKey, cancel: Request, now: float) -> None:
        """A CANCEL for a call that came in, or for a re-INVITE, whose dialog it names."""
        call = self._book.by_key.get(invite) or self._book.by_dialog.get(DialogId.named_by(cancel))
        if call is not None:
            self._actions.carry_out(call, call.machine.receive_cancel(invite, cancel, now), now)

    # Time

    def handle_timeout(self, now: float) -> None:
        """Wake the calls that something is due in."""
        while (call := self._book.pop_due(now)) is not None:
            try:
                if now >= call.part_by:
                    self._actions.part(call, now)
                self._actions.carry_out(call, call.machine.lapse(now) if call.over else call.machine.wake(now), now)
            except Exception:  # a mistake of this program, which costs this call alone: nothing wakes it any more
                self.hang_up(call.number, now)
                raise

    # Inside

    def _trace_start(self, machine: Caller | Callee, now: float) -> None:
        """A call begins: told as transactions tell it of theirs."""
        if self._trace_switch.on:
            began = TransitionTrace(now, machine.NAME, "", "START", "", machine.state.name, *machine.id)
            self._outputs += [began, *machine.negotiated(now)]

    def _dressed(self, invite: Request) -> Request:
        """The INVITE with what it should tell of this side: Allow, Supported, and how long the session is to last."""
        headers = invite.headers
        missing = self._abilities
        if headers.has_any("Allow", "Supported"):
            missing = missing.only(*(name for name in ("Allow", "Supported") if name not in headers))
        if self._manner.interval and "Session-Expires" not in headers:
            missing = missing + headers_of(*Expiry(self._manner.interval).asked())
        return invite.with_headers(headers.before_body(missing))

    def _call(self, number: int, method: str = "") -> Call:
        """The call that a request of this method is to be sent in. Raises LocalError when it is over.

        A NOTIFY may still be due to the peer that has asked for something before that (RFC 5057 §4).
        """
        call = self._book.by_number.get(number)
        if call is not None and method == NOTIFY and call.machine.referrals and call.machine.referrals.may_tell:
            return call
        if call is None or call.machine.is_over:
            raise LocalError(f"call {number} is over", section="RFC 3261 §12.3")
        return call

    def _referral_of(self, call: Call, request: Request) -> int | None:
        """The ticket of the REFER that a request in a call tells of, if it is such a NOTIFY. Raises ParseError."""
        referrals = call.machine.referrals
        if referrals is None or request.method != NOTIFY:
            return None
        referrals.renumber(self._tickets.number_of)
        return referrals.find(request)

    def _known(self, dialog_id: DialogId) -> Call | None:
        """The call that has a dialog, or had it; None for an early one that was forked, and has lost to another one."""
        call = self._book.by_dialog.get(dialog_id)
        return call if call is not None and call.machine.knows(dialog_id.remote_tag) else None

    def _replaced_by(self, replaces: Replaces) -> Call | None:
        """The call that a Replaces names; None for none here."""
        return next((call for each in dialog_ids_of(replaces) if (call := self._known(each)) is not None), None)

    def _replaces(self, invite: Request) -> Replaces | None:
        return invite[REPLACES] if self._manner.supports("replaces") else None

    def _receive_within(self, ticket: int, response: Response, flow: Flow, stamp: Stamp, now: float) -> bool:
        """A response to a request inside a dialog."""
        call, purpose = self._book.by_ticket[ticket]
        sent = self._tickets.request_of(ticket)
        if purpose in TARGET_REFRESHES and response.is_success:
            call.machine.reached_at(self._tickets.ends.contact(call.user, flow, sent))
        if call.machine.referrals is not None and not response.is_provisional:
            call.machine.referrals.answered(ticket, sent, response)
        self._actions.carry_out(call, call.machine.receive_within(purpose, sent, response, now), now, stamp)
        if not response.is_provisional and sent.method != INVITE:  # whose 2xx may come again
            self.transaction_over(ticket)
        return purpose is not Purpose.OTHER


def _lost_with_dialogs(placed: PlacedCall) -> list[Effect]:
    """What was told of REFERs in early dialogs that are gone, now that something final has come for the INVITE."""
    referrals = placed.machine.referrals
    return [] if referrals is None else referrals.keep(placed.machine.knows)
