"""What one stack has on its way out, by ticket: requests, and responses whose connection is gone.

Requests are located (RFC 3263), given Via and Contact, sent, failed over, and answered to challenges; see
`OutgoingRequest`. Nothing here sends; what is to be done comes back as outputs.
"""

from collections import deque
from typing import TYPE_CHECKING

from sipcore.errors import LocalError, TransportFailure
from sipcore.events import Output, Prepare, RequestSent, Resolve, StopResolving
from sipcore.local_ends import LocalEnds
from sipcore.message.build import Fields
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK
from sipcore.message.parser import parse_message
from sipcore.outgoing import CHALLENGES, MAX_DATAGRAM, SERVICE_UNAVAILABLE, Order, OutgoingRequest, is_secured
from sipcore.resolve.records import Result
from sipcore.resolve.target import Flow, Hop, goes_over
from sipcore.tokens import Tokens
from sipcore.transactions.effects import Transmit
from sipcore.transactions.key import ClientKey
from sipcore.transactions.layer import TransactionLayer
from sipcore.transactions.reply import reply_anew
from sipcore.value import maker

if TYPE_CHECKING:
    from sipcore.auth.session import AuthError

MAX_CARRIED_BACK = 64
"""Responses that wait for a new connection: whoever asks and leaves, again and again, gets no more than so many."""

_make_resolve, _make_prepare, _make_sent = maker(Resolve), maker(Prepare), maker(RequestSent)


class Tickets:
    """Carries out orders over a transaction layer. `outputs` collects what the owner of the stack has to do."""

    def __init__(self, transactions: TransactionLayer, tokens: Tokens, outputs: deque[Output]) -> None:
        self.ends = LocalEnds(tokens)
        """How the local ends of hops are named."""
        self._transactions = transactions
        self._tokens = tokens
        self._outputs = outputs
        self._requests: dict[int, OutgoingRequest] = {}
        self._tickets: dict[ClientKey, int] = {}
        self.ticket_of = self._tickets.get
        """The ticket that a client transaction belongs to, by its key; None for one that belongs to none."""
        self._carried_back: dict[int, Transmit] = {}
        self._last_ticket = 0

    def __len__(self) -> int:
        return len(self._requests) + len(self._carried_back)

    def send(self, order: Order, now: float) -> int:
        """Start on an order; gives its ticket. Raises LocalError for a target that no transport here can reach."""
        self._last_ticket += 1
        ticket = self._last_ticket
        request = self._requests[ticket] = OutgoingRequest(order, self._tokens.chance)
        if order.prepared is not None:
            self._transmit(ticket, request, order.prepared, now, reused=True)
        else:
            self._advance(ticket, request)
        return ticket

    def resolved(
        self, ticket: int, result: Result | Hop | TransportFailure, now: float, *, reused: bool = False
    ) -> TransportFailure | None:
        """Take the answer to a Resolve. Gives the failure when there is nowhere left to go.

        `reused` is whether the hop's connection was open before anybody asked for this one.
        """
        outgoing = self._requests.get(ticket)
        if outgoing is None:  # a response, or abandoned meanwhile
            self._send_back(self._carried_back.pop(ticket, None), result)
            return None
        if isinstance(result, Hop):
            self._transmit(ticket, outgoing, result, now, reused=reused)
            return None
        if isinstance(result, TransportFailure):
            outgoing.fall_back(result)
            return self._next_hop(ticket, outgoing, result)
        if outgoing.plan is not None:
            outgoing.plan.answer(result)
        return self._advance(ticket, outgoing)

    def key_of(self, ticket: int) -> ClientKey | None:
        """The client transaction that a ticket has at the moment."""
        outgoing = self._requests.get(ticket)
        return outgoing.key if outgoing else None

    def request_of(self, ticket: int) -> Request:
        """The request of a ticket as it went out last, save for Via: its credentials and CSeq may not be the first."""
        return self._requests[ticket].request

    def number_of(self, ticket: int) -> int | None:
        """The CSeq number with which a ticket's request went out last; None once its owner is done with it."""
        outgoing = self._requests.get(ticket)
        return outgoing.request.cseq.number if outgoing is not None else None

    def auth_error_of(self, ticket: int) -> "AuthError | None":
        """Why the last challenge to a ticket's request was not answered, if it had one."""
        outgoing = self._requests.get(ticket)
        return outgoing.auth_error if outgoing is not None else None

    def take(self, ticket: int, response: Response, now: float) -> bool:
        """Look at a response: True when it was answered here with credentials or by going to the next hop.

        Otherwise the owner must have it.
        """
        outgoing, status = self._requests.get(ticket), response.status
        if outgoing is None:  # released: it had this answer before
            return False
        outgoing.hear()
        if outgoing.order.auth is not None and response.is_success:
            outgoing.order.auth.confirm(outgoing.request, response)
        hop = outgoing.hop
        if hop is not None and status in CHALLENGES and outgoing.answer(response, hop, self._tokens):
            self._forget_key(outgoing)
            self._transmit(ticket, outgoing, hop, now, reused=True)
            return True
        if hop is not None and status == SERVICE_UNAVAILABLE and outgoing.avoid(hop):
            self._forget_key(outgoing)
            self._prepare(ticket, outgoing)
            return True
        if status > 100:
            # Somebody is dealing with the request: trying another hop as well would be a second request.
            outgoing.hops.clear()
        outgoing.answered = status >= 200
        return False

    def failed(self, ticket: int, failure: TransportFailure) -> TransportFailure | None:
        """A transaction failed; gives the failure when there is no other hop (RFC 3263 §4.3), and no new connection.

        What fails of an INVITE that was refused is the ACK (RFC 3261 §17.1.1.2): it is answered for all that.
        """
        outgoing = self._requests.get(ticket)
        if outgoing is None or outgoing.answered:
            return None
        outgoing.renew(failure)
        return self._next_hop(ticket, outgoing, failure)

    def carry_back(self, lost: Transmit) -> None:
        """Send a response over a new connection whose own is gone (RFC 3261 §18.2.2), where one can be made."""
        if not isinstance(lost.to, Flow) or len(self._carried_back) >= MAX_CARRIED_BACK:
            return
        response = parse_message(lost.data)
        hop = reply_anew(response, lost.to) if isinstance(response, Response) else None
        if hop is not None:
            self._last_ticket += 1
            self._carried_back[self._last_ticket] = lost
            self._outputs.append(_make_resolve(self._last_ticket, _make_prepare(hop)))

    def answered_by(self, garbage: bytes, flow: Flow) -> list[ClientKey]:
        """The transactions to which what came over `flow`, and is no SIP message, may be the first answer.

        That is the one whose branch it has, or else the only one that waits there: of several it says nothing.
        """
        waiting = [
            outgoing.key
            for outgoing in self._requests.values()
            if outgoing.key and outgoing.hop and not outgoing.heard
            if goes_over(outgoing.hop, flow)
        ]
        text = garbage.lower()
        named = [key for key in waiting if key.branch.encode() in text]
        return named or (waiting if len(waiting) == 1 else [])

    def cancel(self, ticket: int, now: float, fields: Fields = ()) -> bool:
        """Cancel a pending INVITE (RFC 3261 §9.1), with `fields` in the CANCEL.

        False when it was not sent yet: nothing is there to cancel.
        """
        outgoing = self._requests.get(ticket)
        if outgoing is None or outgoing.key is None:
            return False
        outgoing.cancelled = True
        self._transactions.cancel(outgoing.key, now, fields)
        return True

    def give_up(self, ticket: int) -> bool:
        """Nobody waits for its answer any more: it goes nowhere else, and not with credentials; False if not sent yet.

        What its transaction repeats is repeated for all that.
        """
        outgoing = self._requests[ticket]
        outgoing.cancelled = True
        return outgoing.key is not None

    def release(self, ticket: int) -> None:
        """A ticket's request has its answer and goes out no more, but that may come again: only its ticket is kept."""
        self._requests.pop(ticket, None)

    def over(self, key: ClientKey) -> int | None:
        """A client transaction is gone; gives the ticket that it belonged to."""
        return self._tickets.pop(key, None)

    def forget(self, ticket: int) -> None:
        """The owner is done with a ticket; what still comes for it is ignored."""
        outgoing = self._requests.pop(ticket, None)
        if outgoing is not None:
            if outgoing.plan is not None:
                self._outputs.append(StopResolving(ticket))
            if outgoing.key is not None:  # as nearly always, and nobody has the rest any more
                self._tickets.pop(outgoing.key, None)

    def _send_back(self, lost: Transmit | None, way: Result | Hop | TransportFailure) -> None:
        """Send what `carry_back` took, and, while its transaction lasts, all that follows it."""
        if lost is None or not isinstance(way, Hop):
            return
        key = lost.key
        if key is None or isinstance(key, ClientKey) or key not in self._transactions:
            self._outputs.append(Transmit(key, way, lost.data, lost.attempt))
        else:
            self._transactions.reroute(key, way)

    def _forget_key(self, outgoing: OutgoingRequest) -> None:
        if outgoing.key is not None:
            self._tickets.pop(outgoing.key, None)
            outgoing.key = None

    def _advance(self, ticket: int, outgoing: OutgoingRequest) -> TransportFailure | None:
        plan = outgoing.plan
        if plan is not None:
            self._outputs += [Resolve(ticket, question) for question in plan.next_questions()]
            if not plan.done:
                return None
            outgoing.plan, outgoing.hops = None, plan.hops()
            if not outgoing.hops:
                failure = plan.failure()
                outgoing.fall_back(failure)
                return self._next_hop(ticket, outgoing, failure)
        self._prepare(ticket, outgoing)
        return None

    def _prepare(self, ticket: int, outgoing: OutgoingRequest) -> None:
        outgoing.hop = None
        self._outputs.append(_make_resolve(ticket, _make_prepare(outgoing.hops.pop(0))))

    def _next_hop(self, ticket: int, outgoing: OutgoingRequest, failure: TransportFailure) -> TransportFailure | None:
        self._forget_key(outgoing)
        if not outgoing.hops or outgoing.cancelled:
            return outgoing.blamed or failure
        self._prepare(ticket, outgoing)
        return None

    def _transmit(self, ticket: int, outgoing: OutgoingRequest, hop: Hop, now: float, *, reused: bool) -> None:
        """Put Via and Contact on, now that the local address is known, and begin the transaction."""
        if hop.local is None:
            raise LocalError("a prepared hop must tell its local address", section="RFC 3261 §18.1.1")
        order = outgoing.order
        request = outgoing.for_hop(hop, self._tokens)
        secure = order.contact is not None and is_secured(order.request)
        ends = self.ends.of(hop, order.contact, secure=secure)
        branch = order.branch or self._tokens.branch()
        complete = ends.around(request, branch)
        data = bytes(complete)
        if len(data) > MAX_DATAGRAM and outgoing.is_too_large(hop):
            outgoing.put_off(request, hop)
            self._prepare(ticket, outgoing)
        elif complete.method == ACK:
            # RFC 3261 §13.2.2.4: the ACK of a 2xx is no transaction, and nothing is heard of it any more.
            self._outputs += [RequestSent(ticket, complete, hop), Transmit(None, hop, data)]
            self.forget(ticket)
        else:
            key = ClientKey(branch.lower(), complete.method)
            outgoing.sent(request, key, reused=reused)
            self._transactions.send_rendered(key, data, hop, now, ends.sent_by, complete)
            self._tickets[key] = ticket
            self._outputs.append(_make_sent(ticket, complete, hop))
