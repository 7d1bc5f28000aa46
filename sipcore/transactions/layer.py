"""The transaction layer: RFC 3261 §17, with RFC 6026, RFC 4320 and §8.2.2.2, §9, §18.2 as far as they concern it.

It finds the transaction that a message, a timer or a failure is for, lets it take one step in its machine's table, and
keeps the effects for `drain`. Nothing is called upward, and nothing is known of sockets or clocks: times are seconds on
the clock of whoever passes `now`, who calls `handle_timeout` when `next_timeout` has come.
"""

from enum import IntEnum
from functools import lru_cache
from itertools import islice

from sipcore.errors import LocalError, ParseError, TransportFailure, own_fault
from sipcore.message.build import Fields, cancel_for
from sipcore.message.headers import Headers, headers_of
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK, CANCEL, INVITE
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport, goes_over
from sipcore.trace import TransitionTrace
from sipcore.transactions import client, invite_client, invite_server, server
from sipcore.transactions.alarms import LEEWAY, Alarms
from sipcore.transactions.effects import (
    AckReceived,
    CancelReceived,
    Effect,
    MergedRequest,
    Overloaded,
    RequestReceived,
    ResponseReceived,
    StrayResponse,
    TransactionFailed,
    new_effect,
)
from sipcore.transactions.key import (
    AnyServerKey,
    ClientKey,
    Key,
    MergeKey,
    cancelled_keys,
    client_key,
    is_sent_by,
    merge_key,
    server_key,
)
from sipcore.transactions.reply import reply_to, stamped
from sipcore.transactions.timers import DEFAULT_TIMERS, NEVER, Soonest, Timers
from sipcore.transactions.transaction import CANCEL_DUE, Cancel, Cell, Moment, Program, Transaction

MAX_SERVER_TRANSACTIONS = 65_536
"""Server transactions at once: each lives for 32 s after its answer, so these are 2,000 requests a second."""
MAX_REFUSED = 64
"""Responses that fail by one ICMP error, which does not say whose: a peer that sends requests and refuses the responses
costs no more than that."""
MAX_TIMERS = 16
"""Configurations whose machines are kept ready to run: to make them so takes a millisecond."""

NOT_AWAITED = "no request that waits for a response has its branch and method"
SENT_BY_ANOTHER = "the sent-by of its Via is not that of the request"
SEVERAL_VIAS = "it has more than one Via, and was meant for somebody else or damaged on the way"
"""Why a response is discarded: RFC 3261 §17.1.3, §18.1.2 and §8.1.3.3."""


class TransactionLayer:
    """All client and server transactions of one endpoint."""

    def __init__(
        self,
        timers: Timers = DEFAULT_TIMERS,
        *,
        tracing: bool = False,
        max_server_transactions: int = MAX_SERVER_TRANSACTIONS,
        obeys_maddr: bool = True,
    ) -> None:
        """With `tracing`, which may be changed later, every transition is among the effects as a TransitionTrace.

        `obeys_maddr` is whether responses go to where a request's Via says by that, instead of to its source.
        """
        self._obeys_maddr = obeys_maddr
        self.tracing = tracing
        self._max_server_transactions = max_server_transactions
        self._invite_client, self._client, self._invite_server, self._server = _programs(timers)
        self._transactions: dict[Key, Transaction] = {}
        self._towards: dict[str, dict[Transaction, None]] = {}  # client transactions by the host they send to
        # Server transactions over UDP by where they answer.
        self._answering: dict[SocketAddress, dict[Transaction, None]] = {}
        self._merged: dict[MergeKey, AnyServerKey] = {}  # which server transaction has a request that may come again
        self._parting: dict[Key, Headers] = {}  # what a CANCEL says besides
        self._server_count = 0
        self.soonest = Soonest()
        """Hears of each time that a timer is set to."""
        self._alarms = Alarms(self.soonest)
        self.next_timeout = self._alarms.next_timeout
        """When to call `handle_timeout` next; None while no timer runs."""
        self._moment = Moment()
        self.effects = self._moment.out
        """What has come about, in order, for whoever takes it from the front one by one; `drain` gives all."""

    def __len__(self) -> int:
        """How many transactions there are."""
        return len(self._transactions)

    def __contains__(self, key: Key) -> bool:
        """Whether the transaction still exists."""
        return key in self._transactions

    def drain(self) -> list[Effect]:
        """What has come about since the last call, in order."""
        effects = [*self.effects]
        self.effects.clear()
        return effects

    def handle_timeout(self, now: float) -> None:
        """Let every timer fire that is due at `now`."""
        latest = now + LEEWAY
        while woken := self._alarms.pop(now):
            woken.reverse()
            while woken:
                transaction = woken.pop()
                if transaction.expire_at > latest and transaction.resend_at > latest:
                    self._alarms.schedule(transaction)
                    continue
                try:
                    self._step(transaction, transaction.take_due(latest), now)
                except Exception:  # a mistake of this program, which costs this transaction alone
                    for other in reversed(woken):
                        self._alarms.schedule(other)
                    self._lose(transaction)
                    raise

    def send_request(self, request: Request, to: Hop | Flow, now: float) -> ClientKey:
        """Begin a client transaction: `request`, whose topmost Via has a fresh branch, goes to `to` (§17.1).

        Raises LocalError for an ACK, which has no transaction, and for a branch that is in use, missing or unreadable.
        """
        try:
            key, sent_by = client_key(request), request.sent_by.lower()
        except ParseError as error:
            raise LocalError(f"{error.header}: {error.message}", section=error.section) from error
        if key.method == INVITE:
            transaction = Transaction(key, self._invite_client[to.transport.reliable], to, request, sent_by)
        else:
            transaction = Transaction(key, self._client[to.transport.reliable], to, None, sent_by)
        self._send(transaction, bytes(request), now)
        return key

    def send_rendered(
        self,
        key: ClientKey,
        data: bytes,
        to: Hop | Flow,
        now: float,
        sent_by: str = "",
        request: Request | None = None,
    ) -> None:
        """The same for a request whose bytes are there: `key` is its branch in lower case and its method.

        `sent_by` is that of its Via, in lower case; responses with another one are dropped (§18.1.2) if it is given.
        `request` is needed of an INVITE alone, whose ACK and CANCEL are built from it. Raises LocalError as
        `send_request` does, and for an INVITE without it.
        """
        if key.method != INVITE:
            transaction = Transaction(key, self._client[to.transport.reliable], to, None, sent_by)
        elif request is not None:
            transaction = Transaction(key, self._invite_client[to.transport.reliable], to, request, sent_by)
        else:
            raise LocalError("an INVITE cannot be sent by its bytes alone", section="RFC 3261 §17.1.1.3")
        self._send(transaction, data, now)

    def cancel(self, key: ClientKey, now: float, fields: Fields = ()) -> None:
        """Cancel an INVITE: at once, or when its first provisional response has come (§9.1), with `fields` in it.

        The CANCEL is a transaction of its own, its key that of the INVITE with the other method. Nothing happens when
        the INVITE was answered or cancelled before. Raises LocalError for a transaction of another method.
        """
        if key.method != INVITE:
            raise LocalError("only an INVITE is cancelled", section="RFC 3261 §9.1")
        transaction = self._transactions.get(key)
        if transaction is not None and transaction.cancel is Cancel.NONE:
            if fields:
                self._parting[key] = headers_of(*fields)
            self._step(transaction, invite_client.Input.CANCEL, now)

    def respond(self, key: AnyServerKey, response: Response, now: float) -> None:
        """Answer a request (§17.2). What comes after a final response, or after the end, is discarded.

        Raises LocalError for a response that a request other than INVITE must not get.
        """
        transaction = self._transactions.get(key)
        if transaction is None:
            return
        if key.method != INVITE:
            _require_allowed(transaction, response.status)
        self._step(transaction, transaction.program.responses[response.status // 100 - 1], now, data=bytes(response))

    def reroute(self, key: AnyServerKey, to: Hop | Flow) -> None:
        """Send the last response again, and all further ones, to another place (RFC 3263 §5)."""
        transaction = self._transactions.get(key)
        if transaction is not None:
            self._answer_no_more(transaction)
            transaction.to = to
            self._answer(transaction)
            transaction.send_again(self._moment)

    def abandon(self, key: Key, now: float) -> None:
        """Drop a transaction, whatever state it is in: the transaction user is not interested any more."""
        transaction = self._transactions.get(key)
        if transaction is not None:
            if self.tracing:
                self._moment.now = now
                self._trace(transaction, "ABANDON", transaction.state.name, transaction.program.final.name)
            self._remove(transaction)

    def transport_failed(self, key: Key, failure: TransportFailure, now: float) -> None:
        """What a `Transmit` of this key asked for could not be sent (§17.1.4, §17.2.4)."""
        transaction = self._transactions.get(key)
        if transaction is not None:
            self._step(transaction, transaction.program.transport_error, now, TransactionFailed(key, failure))

    def unreachable(self, remote: SocketAddress, failure: TransportFailure, now: float) -> None:
        """ICMP says that datagrams do not get to `remote`. Fails what is sent there (§18.4): all requests, and the
        responses to what came from there last.
        """
        for transaction in list(self._towards.get(remote.host, ())):
            if transaction.to.transport is Transport.UDP and transaction.to.remote == remote:
                self.transport_failed(transaction.key, failure, now)
        for transaction in list(islice(reversed(self._answering.get(remote, {})), MAX_REFUSED)):
            self.transport_failed(transaction.key, failure, now)

    def flow_failed(self, flow: Flow, failure: TransportFailure, now: float) -> None:
        """A connection broke. Fails what is being sent over it, and not what goes over others to the same peer."""
        for transaction in list(self._towards.get(flow.remote.host, ())):
            if goes_over(transaction.to, flow):
                self.transport_failed(transaction.key, failure, now)

    def is_awaited(self, flow: Flow) -> bool:
        """Whether a transaction, of a client or a server, goes over this connection and is not over yet."""
        return any(goes_over(transaction.to, flow) for transaction in self._transactions.values())

    def receive(self, message: Request | Response, flow: Flow, now: float) -> None:
        """A message came over `flow`. Raises ParseError when it lacks what `message.require` demands of it."""
        if isinstance(message, Request):
            self._receive_request(message, flow, now)
            return
        branch, cseq, sent_by, has_several_vias = message.known_top or message.top
        # A plain tuple equals the key and is made in a sixth of its time.
        transaction = self._transactions.get((branch.lower(), cseq.method))  # type: ignore[call-overload]
        if transaction is None:
            self._moment.out.append(StrayResponse(message, flow, NOT_AWAITED))
        elif sent_by != transaction.sent_by and not is_sent_by(message, transaction.sent_by):
            self._moment.out.append(StrayResponse(message, flow, SENT_BY_ANOTHER))
        elif has_several_vias:
            self._moment.out.append(StrayResponse(message, flow, SEVERAL_VIAS))
        else:
            input_ = transaction.program.responses[message.status // 100 - 1]
            self._step(transaction, input_, now, new_effect(ResponseReceived, (transaction.key, message, flow)))

    def _receive_request(self, request: Request, flow: Flow, now: float) -> None:
        """RFC 6026 §8.10: to its transaction, or else to the transaction user, with a new one unless it is an ACK."""
        key = server_key(request)
        transaction = self._transactions.get(key)
        if request.method == ACK:
            if transaction is None or transaction.is_other_tag(request):
                self._moment.out.append(AckReceived(request, flow))
            else:
                self._step(transaction, invite_server.Input.ACK, now, AckReceived(request, flow))
        elif transaction is not None:
            again = invite_server.Input.REQUEST if request.method == INVITE else server.Input.REQUEST
            self._step(transaction, again, now)
        elif self._server_count >= self._max_server_transactions:
            self._moment.out.append(Overloaded(request, flow))
        else:
            self._accept(key, request, flow, now)

    def _accept(self, key: AnyServerKey, request: Request, flow: Flow, now: float) -> None:
        """Begin a server transaction (§17.2)."""
        merge = merge_key(request)
        arrived = stamped(request, flow)
        programs = self._invite_server if request.method == INVITE else self._server
        back = reply_to(request.via, flow, obeys_maddr=self._obeys_maddr)
        transaction = Transaction(key, programs[flow.transport.reliable], back, arrived)
        transaction.merge = None
        offered: Effect
        if request.method == CANCEL:
            cancelled = next((other for other in cancelled_keys(key) if other in self._transactions), None)
            offered = CancelReceived(key, arrived, flow, cancelled)
        elif merge in self._merged:
            offered = MergedRequest(key, arrived, flow)
        else:
            offered = RequestReceived(key, arrived, flow)
            if merge is not None:
                self._merged[merge] = key
                transaction.merge = merge
        self._server_count += 1
        self._answer(transaction)
        self._begin(transaction, offered, b"", now)

    def _answer(self, transaction: Transaction) -> None:
        """Have a server transaction told of what happens to its datagrams."""
        if not transaction.to.transport.reliable:
            self._answering.setdefault(transaction.to.remote, {})[transaction] = None

    def _answer_no_more(self, transaction: Transaction) -> None:
        others = self._answering.get(transaction.to.remote)
        if others is not None:
            others.pop(transaction, None)
            if not others:
                del self._answering[transaction.to.remote]

    def _send(self, transaction: Transaction, data: bytes, now: float) -> None:
        key = transaction.key
        if key.method == ACK:
            raise LocalError("an ACK has no transaction of its own", section="RFC 3261 §17.1")
        if key in self._transactions or not key[0]:
            raise LocalError("each request needs a branch of its own", section="RFC 3261 §8.1.1.7")
        host = transaction.to.remote.host
        others = self._towards.get(host)
        if others is None:
            self._towards[host] = {transaction: None}
        else:
            others[transaction] = None
        self._begin(transaction, None, data, now)

    def _begin(self, transaction: Transaction, offered: Effect | None, data: bytes, now: float) -> None:
        self._transactions[transaction.key] = transaction
        moment = self._moment
        moment.now = now
        moment.offered = offered
        moment.data = data
        if self.tracing:
            self._trace(transaction, "START", "", transaction.state.name)
        transaction.program.start[1](transaction, moment)
        self._alarms.schedule(transaction)

    def _step(
        self, transaction: Transaction, input_: IntEnum, now: float, offered: Effect | None = None, data: bytes = b""
    ) -> None:
        """Let the transaction take an input, and see what has become of it."""
        moment = self._moment
        moment.now = now
        moment.offered = offered
        moment.data = data
        program = transaction.program
        cell = program.rows[transaction.state][input_]
        if self.tracing:
            self._step_traced(transaction, input_, cell)
        elif cell is not None:
            cell[1](transaction, moment)
        if transaction.cancel is CANCEL_DUE:
            transaction.cancel = Cancel.SENT
            self._send_cancel(transaction, now)
        if transaction.state is program.final:
            self._remove(transaction)
        else:
            self._alarms.schedule(transaction)

    def _step_traced(self, transaction: Transaction, input_: IntEnum, cell: Cell | None) -> None:
        """Do the same, and tell of it: before what it does, and of the timers of zero seconds behind that."""
        before = transaction.state
        (_, first), *others = transaction.program.path(before, input_) or [(input_, before)]
        self._trace_path(transaction, [(input_, first)], before)
        if cell is not None:
            cell[1](transaction, self._moment)
            self._trace_path(transaction, others, first)

    def _send_cancel(self, invite: Transaction, now: float) -> None:
        """§9.1: to where the INVITE went, with its branch."""
        if invite.request is None:
            return
        cancel = cancel_for(invite.request)
        parting = self._parting.get(invite.key)
        if parting is not None:
            cancel = cancel.with_headers(cancel.headers.before_body(parting))
        self.send_request(cancel, invite.to, now)

    def _remove(self, transaction: Transaction) -> None:
        key = transaction.key
        del self._transactions[key]
        if self._parting:
            self._parting.pop(key, None)
        if transaction.wake != NEVER:
            self._alarms.forget(transaction)
        if isinstance(key, ClientKey):
            host = transaction.to.remote.host
            others = self._towards[host]
            del others[transaction]
            if not others:
                del self._towards[host]
        else:
            self._answer_no_more(transaction)
            self._server_count -= 1
            if transaction.merge is not None:
                del self._merged[transaction.merge]
        self._moment.out.append(key)  # Terminated

    def _lose(self, transaction: Transaction) -> None:
        """Drop a transaction whose timer could not be dealt with, and tell whoever waits for it."""
        self._moment.out.append(TransactionFailed(transaction.key, own_fault()))
        self._remove(transaction)

    def _trace_path(self, transaction: Transaction, path: list[tuple[IntEnum, IntEnum]], before: IntEnum) -> None:
        for input_, after in path:
            self._trace(transaction, input_.name, before.name, after.name)
            before = after

    def _trace(self, transaction: Transaction, input_: str, before: str, after: str) -> None:
        name, moment = transaction.program.machine.name, self._moment
        moment.out.append(TransitionTrace(moment.now, name, str(transaction.key), input_, before, after))


@lru_cache(MAX_TIMERS)
def _programs(timers: Timers) -> tuple[tuple[Program, Program], ...]:
    """The four machines over unreliable and over reliable transports: each pair indexed by whether it is reliable."""
    machines = (invite_client.MACHINE, client.MACHINE, invite_server.MACHINE, server.MACHINE)
    return tuple((Program(each, timers, reliable=False), Program(each, timers, reliable=True)) for each in machines)


def _require_allowed(transaction: Transaction, status: int) -> None:
    """RFC 4320 §4: what a request other than INVITE must not be answered with."""
    if status == 408:
        raise LocalError("408 is no answer to a request other than INVITE", section="RFC 4320 §4.2")
    early = transaction.state is server.State.TRYING and not transaction.to.transport.reliable
    if status < 200 and (status > 100 or early):
        raise LocalError("100 alone, and not early, may come before a final response", section="RFC 4320 §4.1")
