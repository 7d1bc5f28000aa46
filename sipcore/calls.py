"""The calls of one stack: their machines, their dialogs, their timers, and the carrying out of what they ask for."""

import heapq
from dataclasses import dataclass, field

from sipcore.auth.session import AuthError
from sipcore.dialogs.callee import Callee
from sipcore.dialogs.caller import Caller
from sipcore.dialogs.dialog import DialogId
from sipcore.dialogs.session import (
    AckSuccess,
    Answered,
    CancelInvite,
    Confirmed,
    Effect,
    Ended,
    Failed,
    Progress,
    Reply,
    SendAndForget,
    SendInDialog,
    StartTimer,
)
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import (
    CallAnswered,
    CallConfirmed,
    CallEnded,
    CallFailed,
    CallProgress,
    CallReceived,
    Output,
)
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK
from sipcore.message.uri import SipUri, Uri
from sipcore.outgoing import Order, Outgoing
from sipcore.resolve.target import Flow, Hop
from sipcore.tokens import Tokens
from sipcore.trace import Stamp
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.layer import TransactionLayer
from sipcore.transactions.timers import Timers


@dataclass(slots=True)
class _Call:
    """One call. `hop` is where its dialog goes, `invite_ticket` lives as long as the INVITE's transaction."""

    number: int
    machine: Caller | Callee
    order: Order | None = None
    invite_ticket: int | None = None
    bye_ticket: int | None = None
    hop: Hop | Flow | None = None
    key: AnyServerKey | None = None
    dialog_id: DialogId | None = None
    ack_branches: dict[str, str] = field(default_factory=dict)
    """The branch of each ACK by the To tag: a repeated ACK is the same ACK (RFC 3261 §13.2.2.4)."""
    auth_error: AuthError | None = None
    over: bool = False


class Calls:
    """All calls of one stack, by their number. Appends what is to be done and told to `outputs`."""

    def __init__(
        self,
        transactions: TransactionLayer,
        outgoing: Outgoing,
        tokens: Tokens,
        timers: Timers,
        outputs: list[Output],
    ) -> None:
        self._transactions = transactions
        self._outgoing = outgoing
        self._tokens = tokens
        self._timers = timers
        self._outputs = outputs
        self._calls: dict[int, _Call] = {}
        self._by_ticket: dict[int, _Call] = {}
        self._by_dialog: dict[DialogId, _Call] = {}
        self._by_key: dict[AnyServerKey, _Call] = {}
        self._heap: list[tuple[float, int]] = []
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._calls)

    def place(self, order: Order) -> int:
        """Send an INVITE; gives the call's number. Raises LocalError as `Outgoing.send` does."""
        ticket = self._outgoing.send(order)
        call = self._add(Caller(order.request))
        call.order, call.invite_ticket = order, ticket
        self._by_ticket[ticket] = call
        return call.number

    def receive_invite(self, key: AnyServerKey, invite: Request, flow: Flow, stamp: Stamp) -> int:
        """Somebody calls. Raises ParseError when the INVITE has no Contact, so that no dialog can be made of it."""
        callee = Callee(key, invite, self._tokens.tag(), self._timers)
        call = self._add(callee)
        call.hop, call.key = flow, key
        self._by_key[key] = call
        self._know(call, callee.dialog.id)
        self._outputs.append(CallReceived(call.number, invite, flow, stamp))
        return call.number

    def callee(self, number: int) -> Callee:
        """The machine of a call that came in. Raises LocalError for one that did not, or is over."""
        call = self._calls.get(number)
        if call is None or not isinstance(call.machine, Callee):
            raise LocalError(f"no incoming call {number}", section="RFC 3261 §13.3.1")
        return call.machine

    def flow_of(self, number: int) -> Flow | Hop | None:
        """Where a call's dialog goes."""
        call = self._calls.get(number)
        return call.hop if call else None

    def carry_out(self, number: int, effects: list[Effect], now: float) -> None:
        """Do what a machine asked for."""
        call = self._calls.get(number)
        if call is not None:
            self._carry_out(call, effects, now)

    def hang_up(self, number: int, now: float) -> None:
        """End a call, whatever it takes by now: CANCEL, a refusal, or BYE. A call that is over is left alone."""
        call = self._calls.get(number)
        if call is not None:
            self._carry_out(call, call.machine.hang_up(), now)

    def owns(self, ticket: int) -> bool:
        """Whether a request belongs to a call."""
        return ticket in self._by_ticket

    def receive_response(
        self, ticket: int, response: Response, flow: Flow, stamp: Stamp, auth: AuthError | None, now: float
    ) -> None:
        """A response to a call's INVITE or BYE that was not dealt with on the way."""
        call = self._by_ticket[ticket]
        machine = call.machine
        if ticket == call.invite_ticket and isinstance(machine, Caller):
            call.auth_error = auth
            machine.resent(self._outgoing.request_of(ticket))
            if response.is_success:
                call.hop = flow
            effects = machine.receive(response)
            if machine.dialog is not None:
                self._know(call, machine.dialog.id)
            self._carry_out(call, effects, now, stamp)
        elif not response.is_provisional:
            self._bye_done(call, response, now)

    def fail(self, ticket: int, failure: TransportFailure, now: float) -> None:
        """A call's request got no final response."""
        call = self._by_ticket[ticket]
        if ticket == call.invite_ticket and isinstance(call.machine, Caller):
            self._carry_out(call, call.machine.fail(failure), now)
            self.transaction_over(ticket)
        else:
            self._bye_done(call, failure, now)

    def transaction_over(self, ticket: int) -> None:
        """A call's transaction is gone: no 2xx can come for it any more."""
        call = self._by_ticket.pop(ticket, None)
        self._outgoing.forget(ticket)
        if call is not None and ticket == call.invite_ticket:
            call.invite_ticket = None
            self._remove_if_over(call)

    def receive_bye(self, key: AnyServerKey, request: Request, now: float) -> bool:
        """A BYE inside a dialog; False when there is no such dialog."""
        call = self._by_dialog.get(_dialog_of(request))
        if call is None:
            return False
        self._carry_out(call, call.machine.receive_bye(key, request), now)
        return True

    def has_dialog(self, request: Request) -> bool:
        """Whether a request belongs to a dialog here."""
        return _dialog_of(request) in self._by_dialog

    def is_in_order(self, request: Request) -> bool:
        """Whether a request's sequence number is above that of the last one in its dialog (RFC 3261 §12.2.2)."""
        dialog = self._by_dialog[_dialog_of(request)].machine.dialog
        if dialog is None or not dialog.accepts(request):
            return False
        self._by_dialog[_dialog_of(request)].machine.dialog = dialog.after(request)
        return True

    def tag_of(self, invite: AnyServerKey) -> str:
        """The local tag of a call that came in, "" when it is over: the answer to its CANCEL has it, too (§9.2)."""
        call = self._by_key.get(invite)
        return call.dialog_id.local_tag if call and call.dialog_id else ""

    def receive_ack(self, ack: Request, now: float) -> None:
        """The ACK of a 2xx sent here; one that belongs to nothing is dropped (RFC 3261 §17.2.1 leaves nothing else)."""
        call = self._by_dialog.get(_dialog_of(ack))
        if call is not None and isinstance(call.machine, Callee):
            self._carry_out(call, call.machine.receive_ack(ack), now)

    def receive_cancel(self, invite: AnyServerKey, now: float) -> None:
        """A CANCEL for a call that came in."""
        call = self._by_key.get(invite)
        if call is not None and isinstance(call.machine, Callee):
            self._carry_out(call, call.machine.receive_cancel(), now)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due."""
        return self._heap[0][0] if self._heap else None

    def handle_timeout(self, now: float) -> None:
        """Wake the callees whose timers have run out."""
        while self._heap and self._heap[0][0] <= now:
            _, number = heapq.heappop(self._heap)
            call = self._calls.get(number)
            if call is not None and isinstance(call.machine, Callee):
                self._carry_out(call, call.machine.wake(now), now)

    def _know(self, call: _Call, dialog_id: DialogId) -> None:
        call.dialog_id = dialog_id
        self._by_dialog[dialog_id] = call

    def _add(self, machine: Caller | Callee) -> _Call:
        self._last_number += 1
        call = _Call(self._last_number, machine)
        self._calls[call.number] = call
        return call

    def _bye_done(self, call: _Call, outcome: Response | TransportFailure, now: float) -> None:
        if call.bye_ticket is not None:
            self._by_ticket.pop(call.bye_ticket, None)
            self._outgoing.forget(call.bye_ticket)
            call.bye_ticket = None
        self._carry_out(call, call.machine.bye_done(outcome), now)

    def _carry_out(self, call: _Call, effects: list[Effect], now: float, stamp: Stamp | None = None) -> None:
        for effect in effects:
            match effect:
                case Reply(key, response):
                    self._transactions.respond(key, response, now)
                case AckSuccess(request, next_hop):
                    branch = call.ack_branches.setdefault(request.to_tag or "", self._tokens.branch())
                    self._send(call, request, next_hop, branch)
                case SendInDialog(request, next_hop):
                    call.bye_ticket = self._send(call, request, next_hop)
                    self._by_ticket[call.bye_ticket] = call
                case SendAndForget(request, next_hop):
                    self._send(call, request, next_hop)
                case CancelInvite():
                    self._cancel(call, now)
                case StartTimer(after):
                    heapq.heappush(self._heap, (now + after, call.number))
                case _:
                    self._report(call, effect, stamp or Stamp(now))
        self._remove_if_over(call)

    def _send(self, call: _Call, request: Request, next_hop: Uri, branch: str = "") -> int:
        """Send a request inside the dialog; a next hop that leads nowhere is replaced by where the dialog came from.

        The next hop is what the peer's Contact says, and peers write tel URIs and unknown transports there, too.
        """
        auth = call.order.auth if call.order and request.method != ACK else None
        along = call.hop.hop if isinstance(call.hop, Flow) else call.hop
        try:
            return self._outgoing.send(Order(request, _target(call, next_hop), auth=auth, branch=branch))
        except LocalError:
            if along is None:
                raise
            return self._outgoing.send(Order(request, along, auth=auth, branch=branch))

    def _cancel(self, call: _Call, now: float) -> None:
        ticket = call.invite_ticket
        if ticket is not None and not self._outgoing.cancel(ticket, now) and isinstance(call.machine, Caller):
            # Nothing was sent yet: there is nothing to cancel, and nothing will ever come.
            nothing_sent = TransportFailure(FailureReason.CLOSED, "hung up before anything was sent")
            self._carry_out(call, call.machine.fail(nothing_sent), now)
            self.transaction_over(ticket)

    def _report(self, call: _Call, effect: Effect, stamp: Stamp) -> None:
        match effect:
            case Progress(response):
                self._outputs.append(CallProgress(call.number, response, stamp))
            case Answered(response):
                self._outputs.append(CallAnswered(call.number, response, stamp))
            case Confirmed(ack):
                self._outputs.append(CallConfirmed(call.number, ack))
            case Failed(response, failure):
                self._outputs.append(CallFailed(call.number, response, call.auth_error or failure))
                call.over = True
            case Ended(reason):
                self._outputs.append(CallEnded(call.number, reason))
                call.over = True

    def _remove_if_over(self, call: _Call) -> None:
        """Forget a call once it is over and no repeated 2xx can ask for its ACK any more (RFC 6026 §7.2)."""
        if not call.over or call.invite_ticket is not None or call.bye_ticket is not None:
            return
        self._calls.pop(call.number, None)
        if call.dialog_id is not None:
            self._by_dialog.pop(call.dialog_id, None)
        if call.key is not None:
            self._by_key.pop(call.key, None)


def _dialog_of(request: Request) -> DialogId:
    """The dialog that a received request names: To carries the local tag (RFC 3261 §12.2.2)."""
    return DialogId(request.call_id, request.to.tag or "", request.from_.tag or "")


def _target(call: _Call, next_hop: Uri) -> Uri | Hop:
    """Where a request inside the dialog goes: along the dialog's own flow when that leads to the next hop anyway.

    A WebSocket is the only way to and from its client, whatever the next hop is called (RFC 7118 appendix B).
    """
    along = call.hop
    if along is None or not isinstance(next_hop, SipUri):
        return next_hop
    if along.transport.websocket:
        return along if isinstance(along, Hop) else along.hop
    port = next_hop.port or along.transport.default_port
    named = (next_hop.transport or "").upper() or along.transport.value
    if next_hop.address == along.remote.host and port == along.remote.port and named == along.transport.value:
        return along if isinstance(along, Hop) else along.hop
    return next_hop
