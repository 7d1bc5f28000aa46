"""The whole of SIP above the sockets, as one object: bytes and times go in, outputs come out.

    socket  -> receive(data, flow, stamp, now)         drain() -> Transmit(ticket, hop or flow, data)
    DNS     -> resolved(ticket, result, now)                      Resolve(ticket, question), StopResolving(ticket)
    clock   -> handle_timeout(now)                                Event: what the owner of the stack learns
    failure -> transport_failed, unreachable                      TraceRecord: what happened inside
    owner   -> request, respond, call, ring, accept, reject, change, answer, request_within, hang_up, ...

`next_timeout()` tells when to come back. Time and chance are arguments: the same calls with the same seed give the same
bytes.
"""

from collections import deque

from sipcore.calls import Calls
from sipcore.dialogs.effects import Effect
from sipcore.dialogs.manner import METHODS, Manner
from sipcore.dialogs.refer import TOLD_IN
from sipcore.dialogs.replaces import replaces_for
from sipcore.dialogs.session import Session
from sipcore.errors import FailureReason, LocalError, ParseError, TransportFailure
from sipcore.events import GarbageReceived, Output, RequestFailed, ResponseReceived
from sipcore.malformed import refusal_of_malformed
from sipcore.message.build import Fields
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK, CANCEL, INVITE, NOTIFY, OPTIONS, REFER
from sipcore.message.parser import parse_message, salvage_request
from sipcore.message.plain import MAX_OF_DATAGRAMS, PlainReader
from sipcore.message.require import require
from sipcore.message.uri import Uri
from sipcore.outgoing import CHALLENGES, Order
from sipcore.recovery import Recovery, Work
from sipcore.resolve.records import Result
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.stack_config import StackConfig
from sipcore.tickets import Tickets
from sipcore.tokens import Tokens
from sipcore.trace import DiscardTrace, Stamp, TraceSwitch, TransitionTrace
from sipcore.transactions import effects
from sipcore.transactions.effects import Transmit
from sipcore.transactions.key import AnyServerKey, ClientKey, Key, LegacyKey, ServerKey, client_key
from sipcore.transactions.layer import TransactionLayer
from sipcore.uas_core import UasCore
from sipcore.value import maker

_make_received = maker(ResponseReceived)
_OF_CALLS = (INVITE, ACK, CANCEL)


class Stack:
    """A user agent's SIP, without sockets, clock or chance of its own."""

    def __init__(self, config: StackConfig, tokens: Tokens) -> None:
        self.config = config
        self._tokens = tokens
        self.outputs: deque[Output] = deque()
        """What is to be done and told, in order, for whoever takes it from the front one by one; `drain` gives all."""
        self.trace_switch = TraceSwitch(on=config.tracing)
        """For machines that are driven beside the stack, as those of registrations are."""
        self._transactions = TransactionLayer(config.timers, tracing=config.tracing, obeys_maddr=config.obeys_maddr)
        self._tickets = Tickets(self._transactions, tokens, self.outputs)
        self.manner = config.manner
        self._calls = Calls(
            self._transactions, self._tickets, tokens, self.manner, config.user, self.outputs, self.trace_switch
        )
        self._uas_core = UasCore(config, self._transactions, self._calls, tokens, self.outputs)
        self._recovery = Recovery(self._transactions, self._tickets, self._calls, tokens)
        self._effects = self._transactions.effects
        self.soonest = self._transactions.soonest
        """Hears of each time that `handle_timeout` is to be called at; to be set back when `next_timeout` is asked."""
        self.doing: Work | None = None
        """What it is at, or was when a mistake of this program broke it off; None where nobody waits for that."""
        self._stamp = Stamp(0.0)
        self._reader = PlainReader(MAX_OF_DATAGRAMS)

    @property
    def tracing(self) -> bool:
        """Whether TraceRecords are made, which nobody should pay for who does not look at them."""
        return self._transactions.tracing

    @tracing.setter
    def tracing(self, on: bool) -> None:
        self._transactions.tracing = self.trace_switch.on = on

    def __len__(self) -> int:
        """How much is still going on: transactions, requests and calls; 0 when nothing is left over."""
        return len(self._transactions) + len(self._tickets) + len(self._calls)

    def listen(self, transport: Transport, at: SocketAddress) -> None:
        """Peers can connect to this address, or to any of this machine at its port if it is a wildcard: Via and Contact
        name it where a connection leaves by another port (RFC 3261 §18.1.1).
        """
        self._tickets.ends.listen(transport, at)

    def told(self, hop: Hop) -> SocketAddress:
        """The local address of a prepared hop that peers are told."""
        return self._tickets.ends.told(hop)

    # What the owner asks for

    def request(self, order: Order, now: float) -> int:
        """Send a request outside of any call; gives its ticket. Raises LocalError where it cannot be sent at all."""
        if order.request.method in _OF_CALLS:
            raise LocalError(f"{order.request.method} belongs to a call; use call()", section="RFC 3261 §17.1")
        ticket = self._tickets.send(order, now)
        self._settle(now)
        return ticket

    def abandon(self, ticket: int, now: float) -> None:
        """Give up on a request: nothing more is told about it, and nothing repeated.

        One inside a call goes on in silence, since its answer may be that the call is gone (RFC 3261 §12.2.1.2). Raises
        LocalError for an INVITE, and for whatever else a call sends by itself.
        """
        if not self._calls.abandon(ticket, now):
            key = self._tickets.key_of(ticket)
            if key is not None:
                self._transactions.abandon(key, now)
            self._tickets.forget(ticket)
        self._settle(now)

    def respond(self, key: AnyServerKey, response: Response, now: float) -> None:
        """Answer a RequestReceived or CallRequested."""
        told = self._calls.answer_refer(response) if response.cseq.method == REFER else response
        self._transactions.respond(key, told, now)
        if not response.is_provisional:
            self._calls.answered(key, response)
        self._settle(now)

    def call(self, order: Order, now: float, *, redirects: int = 0) -> int:
        """Place a call with an INVITE; gives its number. Raises LocalError where it cannot be sent at all.

        `redirects` is how many other places the call may be sent on to by a 3xx: anywhere the callee names.
        """
        if order.request.method != INVITE:
            raise LocalError(
                f"a call begins with an INVITE, not with {order.request.method}; use request()",
                section="RFC 3261 §13.2",
            )
        number = self._calls.place(order, now, redirects)
        self._settle(now)
        return number

    def adopt(self, call: int, manner: Manner) -> None:
        """Deal with a call that came in otherwise than with all others. Raises LocalError when it is answered or over.

        What was looked at before it was told of stays as it was: what its INVITE requires, and its session interval.
        """
        self._calls.callee(call).adopt(manner)

    def ring(
        self,
        call: int,
        status: int,
        now: float,
        *,
        reliably: bool | None = None,
        fields: Fields = (),
        body: bytes = b"",
        content_type: str = "",
    ) -> None:
        """Send a 1xx to a call that came in; see `Callee.ring`. Raises LocalError when it is answered or over."""
        effects = self._calls.callee(call).ring(
            status, now, reliably=reliably, fields=fields, body=body, content_type=content_type
        )
        self._carry_out(call, effects, now)

    def accept(self, call: int, now: float, *, fields: Fields = (), body: bytes = b"", content_type: str = "") -> None:
        """Answer a call that came in. Raises LocalError when it is answered or over."""
        effects = self._calls.callee(call).accept(now, fields=fields, body=body, content_type=content_type)
        self._carry_out(call, effects, now)

    def reject(self, call: int, status: int, now: float, *, reason: str = "", fields: Fields = ()) -> None:
        """Refuse a call that came in. Raises LocalError when it is answered or over."""
        self._carry_out(call, self._calls.callee(call).reject(status, now, reason=reason, fields=fields), now)

    def session(self, call: int, *, remote_tag: str | None = None) -> Session:
        """What a call has offered and agreed on. Raises LocalError when it is over, or has no dialog yet.

        Here and below, `remote_tag` tells which dialog is meant of the several early ones that a forked INVITE may have
        (RFC 3261 §12.1.2); without it, the one that was heard of last.
        """
        return self._calls.machine(call).require_usage(remote_tag).session

    def replaces(self, call: int) -> str:
        """The value of a Replaces by which another call takes the place of this one at its peer. Raises LocalError."""
        return replaces_for(self._calls.machine(call).require_usage().dialog)

    def peer(self, call: int) -> Uri:
        """Where the peer of a call can be reached: its remote target. Raises LocalError."""
        return self._calls.machine(call).require_usage().dialog.remote_target

    def change(self, call: int, body: bytes, now: float, *, method: str = "", remote_tag: str | None = None) -> str:
        """Send a re-INVITE with an offer, or without one; before the call is answered, an UPDATE, or the PRACK of a
        reliable 1xx that waits for it (RFC 3262 §5).

        Gives the remote tag of the dialog in which it is sent, which the `CallChanged` or `CallUnchanged` has that it
        comes to. Raises LocalError where none may be sent now.
        """
        machine = self._calls.machine(call)
        tag = machine.require_usage(remote_tag).dialog.id.remote_tag
        self._carry_out(call, machine.change(method, body, now, remote_tag), now)
        return tag

    def changing(self, call: int, *, remote_tag: str | None = None) -> str | None:
        """The remote tag of the dialog that is meant, while a change from here is on its way in it, asked for or not:
        a refresh of the session is one. It comes to a `CallChanged` or a `CallUnchanged`. Raises LocalError.
        """
        usage = self._calls.machine(call).require_usage(remote_tag)
        return usage.dialog.id.remote_tag if usage.is_changing else None

    def withdraw(self, call: int, now: float, *, remote_tag: str | None = None) -> None:
        """Take a change back: a re-INVITE is cancelled (RFC 3261 §9.1), and nothing is sent again for it.

        What comes of it is told as ever: the peer may have agreed by then. A call without a change is left alone.
        """
        self._calls.withdraw(call, now, remote_tag)
        self._settle(now)

    def acknowledge(self, call: int, now: float, *, remote_tag: str | None = None) -> None:
        """Send the PRACK of a `CallProgress` that waits for it, without an offer. Raises LocalError as `answer`."""
        self._carry_out(call, self._calls.machine(call).acknowledge(now, remote_tag), now)

    def answer(self, call: int, body: bytes, now: float, *, remote_tag: str | None = None) -> None:
        """Answer a `CallOffered`, the only one that waits, or the one with this `remote_tag`.

        Raises LocalError where there is no offer, or where several early dialogs have one and no tag says which.
        """
        self._carry_out(call, self._calls.machine(call).answer(body, now, remote_tag), now)

    def decline(self, call: int, now: float, *, status: int = 488, remote_tag: str | None = None) -> None:
        """Refuse a `CallOffered`; the call ends where the offer came with its 2xx. Raises LocalError as `answer`."""
        self._carry_out(call, self._calls.machine(call).decline(status, now, remote_tag), now)

    def request_within(
        self,
        call: int,
        method: str,
        now: float,
        *,
        fields: Fields = (),
        body: bytes = b"",
        content_type: str = "",
        remote_tag: str | None = None,
    ) -> int:
        """Send a request inside a call; gives its ticket, as `request` does. Raises LocalError.

        It must be none that changes the session or the call: those have methods of their own.
        """
        if method in METHODS and method != OPTIONS:
            raise LocalError(f"{method} changes the call; it has a method of its own", section="RFC 3261 §12.2")
        ticket = self._calls.request(call, method, fields, body, content_type, now, remote_tag)
        self._settle(now)
        return ticket

    def notify_refer(
        self, call: int, status: int, now: float, *, refer: int | None = None, remote_tag: str | None = None
    ) -> int:
        """Tell, by a NOTIFY, how the request fares that the peer's REFER in a call asked for; gives its ticket.

        A final status is the last. `refer` is the CSeq number of the REFER, None the oldest that is still to be told
        of, in the dialog with `remote_tag` if there is one. After the call's end that goes on for as long as the last
        NOTIFY said. Raises LocalError.
        """
        fields, body, tag = self._calls.notification(call, status, refer, remote_tag)
        return self.request_within(call, NOTIFY, now, fields=fields, body=body, content_type=TOLD_IN, remote_tag=tag)

    def hang_up(self, call: int, now: float, *, fields: Fields = ()) -> None:
        """End a call in the way its state asks for; one that is over is left alone.

        `fields` go into the BYE, CANCEL or refusal. Raises LocalError for those that cannot be sent.
        """
        self._calls.hang_up(call, now, fields)
        self._settle(now)

    # What happens to it

    def receive(
        self, data: bytes, flow: Flow, stamp: Stamp, now: float, message: Request | Response | None = None
    ) -> None:
        """Take one datagram, or one message that was framed on a stream: `message`, if that has told what it says."""
        self._stamp = stamp
        try:
            if message is None:
                message = parse_message(data, self._reader)
            require(message)
        except ParseError as error:
            found = salvage_request(data) if message is None else message
            self.outputs.append(GarbageReceived(data, flow, stamp, error.kept(), isinstance(found, Request)))
            if isinstance(found, Request):
                self.outputs += refusal_of_malformed(found, flow, error, self.manner, self._tokens)
            return
        self.doing = message
        self._transactions.receive(message, flow, now)
        self._settle(now)

    def resolved(
        self, ticket: int, result: Result | Hop | TransportFailure, now: float, *, reused: bool = False
    ) -> None:
        """Take the answer to a Resolve, unless its ticket was given up; `reused` is whether its connection was open."""
        self.doing = ticket
        failure = self._tickets.resolved(ticket, result, now, reused=reused)
        if failure is not None:
            self._request_failed(ticket, failure, now)
        self._settle(now)

    def transport_failed(self, lost: Transmit, failure: TransportFailure, now: float) -> None:
        """A Transmit could not be carried out."""
        self.doing = lost
        if lost.key is not None:
            self._transactions.transport_failed(lost.key, failure, now)
        if failure.reason is FailureReason.CLOSED:
            self._tickets.carry_back(lost)
        self._settle(now)

    def flow_failed(self, flow: Flow, failure: TransportFailure, now: float) -> None:
        """A connection ended: what waits for an answer on it will not get one."""
        self._transactions.flow_failed(flow, failure, now)
        self._settle(now)

    def is_awaited(self, flow: Flow) -> bool:
        """Whether a transaction over this connection is not over yet: it should last as long as that (RFC 3261 §18)."""
        return self._transactions.is_awaited(flow)

    def garbage(self, data: bytes, flow: Flow, failure: TransportFailure, now: float) -> None:
        """Take `data`, which is no SIP, for the answer of whoever is at the other end of `flow`, where none has come.

        It has to be clear whose answer it is.
        """
        for key in self._tickets.answered_by(data, flow):
            self._transactions.transport_failed(key, failure, now)
        self._settle(now)

    def unreachable(self, remote: SocketAddress, failure: TransportFailure, now: float) -> None:
        """ICMP told that datagrams do not reach `remote` (RFC 3261 §18.4)."""
        self._transactions.unreachable(remote, failure, now)
        self._settle(now)

    def next_timeout(self) -> float | None:
        """When `handle_timeout` is due; None when nothing waits."""
        transactions, calls = self._transactions.next_timeout(), self._calls.next_timeout()
        if transactions is None or calls is None:
            return calls if transactions is None else transactions
        return min(transactions, calls)

    def handle_timeout(self, now: float) -> None:
        """Fire what is due by now."""
        self._transactions.handle_timeout(now)
        self._calls.handle_timeout(now)
        self._settle(now)

    def recover(self, now: float, output: Output | None = None) -> None:
        """Give up `doing`, or an `output` that could not be carried out, since a mistake of this program has broken it
        off; then go on with the rest. To be called again when this breaks off as well.
        """
        work, self.doing = self.doing if output is None else output, None
        failed = self._recovery.give_up(work, self.manner, now)
        if failed is not None:
            self.outputs.append(failed)
        self._settle(now)

    def drain(self) -> list[Output]:
        """What is to be done and told since the last time, in order."""
        outputs = [*self.outputs]
        self.outputs.clear()
        return outputs

    # Inside

    def _carry_out(self, call: int, effects: list[Effect], now: float) -> None:
        self._calls.carry_out(call, effects, now)
        self._settle(now)

    def _settle(self, now: float) -> None:
        """Pass on what the transactions came up with, which may make them come up with more.

        What a mistake breaks off goes on after the effect that it was made over, when this is called again.
        """
        waiting = self._effects
        while waiting:
            effect = waiting.popleft()
            if effect.__class__ is effects.Transmit:  # half of all, and nothing can go wrong with it
                self.outputs.append(effect)
                continue
            self.doing = effect
            self._take(effect, now)
        self.doing = None

    def _take(self, effect: effects.Effect, now: float) -> None:
        match effect:  # the first two are all that a request which is answered comes to
            case effects.ResponseReceived(key, response, flow):
                self._take_response(key, response, flow, now)
            case ClientKey() | ServerKey() | LegacyKey():  # Terminated
                self._terminated(effect)
            case TransitionTrace():
                self.outputs.append(effect)
            case effects.RequestReceived(key, request, flow):
                self._uas_core.receive(key, request, flow, self._stamp, now)
            case effects.AckReceived(request):
                self._calls.receive_ack(request, now, self._stamp)
            case effects.CancelReceived(key, request, _, cancelled):
                self._uas_core.receive_cancel(key, request, cancelled, now)
            case effects.MergedRequest(key, request):
                self._uas_core.receive_merged(key, request, now)
            case effects.TransactionFailed(key, failure):
                self._transaction_failed(key, failure, now)
            case effects.StrayResponse(response, flow, why):  # RFC 3261 §18.1.2: discarded, and nobody is told
                if self.tracing:
                    self.outputs.append(DiscardTrace(now, flow, response.start_line, str(client_key(response)), why))
            # Left over is what there was no room for: RFC 3261 §21.5.4 lets a server ignore it.

    def _take_response(self, key: ClientKey, response: Response, flow: Flow, now: float) -> None:
        ticket = self._tickets.ticket_of(key)
        if ticket is None:
            return  # to a CANCEL, or to a request that was abandoned
        if self._tickets.take(ticket, response, now):
            self._calls.sent_again(ticket, now)
            return
        status = response.status
        auth_error = self._tickets.auth_error_of(ticket) if status in CHALLENGES else None
        if self._calls.receive_response(ticket, response, flow, self._stamp, now):
            return
        self.outputs.append(_make_received(ticket, response, flow, self._stamp, auth_error))
        if status >= 200:
            self._tickets.forget(ticket)

    def _transaction_failed(self, key: Key, failure: TransportFailure, now: float) -> None:
        ticket = self._tickets.ticket_of(key) if isinstance(key, ClientKey) else None
        if ticket is not None:
            last = self._tickets.failed(ticket, failure)
            if last is not None:
                self._request_failed(ticket, last, now)

    def _request_failed(self, ticket: int, failure: TransportFailure, now: float) -> None:
        if self._calls.owns(ticket) and self._calls.fail(ticket, failure, now):
            return
        self._tickets.forget(ticket)
        self.outputs.append(RequestFailed(ticket, failure))

    def _terminated(self, key: Key) -> None:
        if not isinstance(key, ClientKey):
            self._calls.invite_over(key)
            return
        ticket = self._tickets.over(key)
        if ticket is not None and self._calls.owns(ticket):
            self._calls.transaction_over(ticket)
