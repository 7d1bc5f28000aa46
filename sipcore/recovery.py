"""What a mistake of this program costs: the one message, request or call that it was made over, and nothing else.

Whoever drives a stack catches what should never have been raised, tells of it, and has the stack give up what it was
at (`Stack.recover`). That fails closed: a request that came is refused with 500, one from here has failed, a call that
came in is turned away, and one that is up without its owner's knowing is hung up. Nobody waits for what will not come
any more.
"""

from sipcore.calls import Calls
from sipcore.dialogs.manner import Manner
from sipcore.errors import own_fault
from sipcore.events import (
    CallAnswered,
    CallConfirmed,
    CallOffered,
    CallReceived,
    CallRequested,
    Output,
    RequestFailed,
    RequestReceived,
    Resolve,
)
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK, INVITE
from sipcore.tickets import Tickets
from sipcore.tokens import Tokens
from sipcore.transactions import effects
from sipcore.transactions.effects import Transmit
from sipcore.transactions.key import AnyServerKey, ClientKey, client_key, server_key
from sipcore.transactions.layer import TransactionLayer

INTERNAL_ERROR = 500
"""RFC 3261 §21.5.1: an unexpected condition prevents the server from fulfilling the request."""

Ticket = int
Work = Request | Response | Ticket | effects.Effect | Output
"""What a stack, or who drives it, can be at: a message, a request's next step, or something to be done or told."""


def described(work: Work | None) -> str:
    """What was being done, in a few words: the start line of the message that it was for, where there is one."""
    message = (
        work if isinstance(work, Request | Response) else getattr(work, "request", getattr(work, "response", None))
    )
    if isinstance(message, Request | Response):
        return message.start_line
    if work is None:  # bytes that could not be read, a timer, or the end of a flow
        return "something that came in, or was due"
    if isinstance(work, effects.Terminated):
        return "the end of a transaction"
    return "a request on its way out" if isinstance(work, Ticket) else type(work).__name__


class Recovery:
    """Gives up pieces of work of one stack."""

    def __init__(self, transactions: TransactionLayer, tickets: Tickets, calls: Calls, tokens: Tokens) -> None:
        self._transactions = transactions
        self._tickets = tickets
        self._calls = calls
        self._tokens = tokens

    def give_up(self, work: Work | None, manner: Manner, now: float) -> RequestFailed | None:
        """Give up what was being done, as far as somebody waits for it; gives what the owner of a request is told then.

        May fail for the same reason. It leaves nothing behind for all that, and need not be tried again.
        """
        if isinstance(work, Response | effects.ResponseReceived) and self._broke_off(work, now):
            return None
        ticket = self._refused_or_failed(work, manner, now)
        if ticket is None:
            return None
        try:
            if self._calls.owns(ticket) and self._calls.lose(ticket, own_fault(), now):
                return None
        finally:
            self._tickets.forget(ticket)
        return RequestFailed(ticket, own_fault())

    def _refused_or_failed(self, work: Work | None, manner: Manner, now: float) -> Ticket | None:
        """Refuse a request that came; of one that was sent, give its ticket."""
        match work:
            case Request():
                self._refuse(server_key(work), work, manner, now)
            case effects.RequestReceived() | effects.CancelReceived() | effects.MergedRequest():
                self._refuse(work.key, work.request, manner, now)
            case RequestReceived() | CallRequested():
                self._refuse(work.key, work.request, manner, now)
            case CallReceived(call=call) | CallAnswered(call=call) | CallConfirmed(call=call) | CallOffered(call=call):
                self._calls.hang_up(call, now)
            case Response() if not work.is_provisional:
                return self._ticket(client_key(work), now)
            case effects.ResponseReceived(key, response) if not response.is_provisional:
                return self._ticket(key, now)
            case effects.TransactionFailed(key) | Transmit(key):
                return self._ticket(key, now) if isinstance(key, ClientKey) else None
            case Resolve(ticket=ticket):
                return ticket
            case int():
                return work
        return None

    def _broke_off(self, work: Response | effects.ResponseReceived, now: float) -> bool:
        """End the call whose INVITE, or re-INVITE, got this 2xx: its sender repeats that until it has an ACK, and takes
        the call for one that is up. False where it is anything else.
        """
        success = work if isinstance(work, Response) else work.response
        ticket = self._tickets.ticket_of(client_key(success))
        if not (success.is_success and success.cseq.method == INVITE and ticket is not None):
            return False
        try:
            self._calls.break_off(ticket, success, own_fault(), now)
        except Exception:
            self._transactions.abandon(client_key(success), now)
            self._calls.lose(ticket, own_fault(), now)
            self._tickets.forget(ticket)
            raise
        return True

    def _refuse(self, key: AnyServerKey, request: Request, manner: Manner, now: float) -> None:
        """Answer a request that was given up: a call that came of an INVITE is turned away with it."""
        if request.method == ACK or key not in self._transactions:
            return
        try:
            if not self._calls.turn_away(key, now):
                refusal = build_response(request, INTERNAL_ERROR, tag=self._tokens.tag(), fields=manner.signed(()))
                self._transactions.respond(key, refusal, now)
        except Exception:
            self._transactions.abandon(key, now)
            raise

    def _ticket(self, key: ClientKey, now: float) -> Ticket | None:
        """The ticket of a request whose transaction is of no use any more."""
        ticket = self._tickets.ticket_of(key)
        self._transactions.abandon(key, now)
        return ticket
