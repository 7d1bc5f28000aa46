"""What a dialog's usage does when the peer asks for a change of the session, or of the dialog: RFC 3261 §14.2.

Every method gives the effects that the owner carries out, in order.
"""

from collections.abc import Callable
from enum import Enum
from functools import partial

from sipcore.dialogs import reinvite_server
from sipcore.dialogs.dialog import Cell, Dialog, Numbers
from sipcore.dialogs.effects import Changed, Effect, EndReason, Finish, Offered, Reply
from sipcore.dialogs.expiry import TOO_SMALL
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.provisional import EXTENSION, RELIABLE
from sipcore.dialogs.repeat import Repeat
from sipcore.dialogs.session import Session, description_of
from sipcore.dialogs.timed import TimedUsage
from sipcore.dialogs.validity import valid_until
from sipcore.errors import LocalError
from sipcore.message.address import Address
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.method import INVITE, PRACK, UPDATE
from sipcore.message.registry import REQUIRE
from sipcore.sdp.offer_answer import NOT_ACCEPTABLE, SERVER_BUSY, Carrier, Meaning
from sipcore.sdp.terms import SDP
from sipcore.tokens import Tokens
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.timers import NEVER

MAX_RETRY_AFTER = 10
"""Seconds, at most, in the Retry-After of a request that comes before the last one is answered (RFC 3261 §14.2)."""

SESSION_PROGRESS = 183
REQUEST_TERMINATED = 487

CARRIERS = {
    INVITE: (Carrier.INVITE, Carrier.SUCCESS, Carrier.FAILURE),
    UPDATE: (Carrier.UPDATE, Carrier.UPDATE_SUCCESS, Carrier.UPDATE_FAILURE),
    PRACK: (Carrier.PRACK, Carrier.PRACK_SUCCESS, Carrier.PRACK_FAILURE),
}
"""What a request that may change a session carries, and what its 2xx and its refusal do."""
_IDLE, _OVER = reinvite_server.State.IDLE, reinvite_server.Input.OVER
"""Under names of their own, since reading a member from its Enum takes CPython 3.11 0.2 µs."""

Act = Callable[[], list[Effect]]
"""A step of a table with all that it needs: what it comes to when the table has it carried out."""


class ReinvitedUsage(TimedUsage):
    """The part of a dialog's usage that answers re-INVITEs and UPDATEs, and the PRACKs of reliable 1xx."""

    __slots__ = ("_decide_at", "_deciding", "_repeat", "_server", "_valid_until", "contact")

    def __init__(self, dialog: Dialog, session: Session, numbers: Numbers, manner: Manner, tokens: Tokens) -> None:
        super().__init__(dialog, session, numbers, manner, tokens)
        self.contact: Address | None = None
        """Where this side can be reached, as responses in the dialog tell."""
        self._server = _IDLE
        self._deciding: tuple[AnyServerKey, Request] | None = None
        self._decide_at = NEVER
        """When the peer is to be told that the owner still decides, or that it takes too long."""
        self._valid_until = NEVER
        """When the re-INVITE that is being decided on expires (RFC 3261 §13.3.1)."""
        self._repeat: Repeat | None = None

    @property
    def is_offered(self) -> bool:
        """Whether an offer of the peer waits for the owner's answer."""
        return self._deciding is not None or self._awaits_answer

    def answer(self, body: bytes, now: float) -> list[Effect]:
        """Answer the peer's offer: in the 2xx of its request, or in the PRACK of its 1xx. Raises LocalError."""
        if self._awaits_answer:
            return self._confirm(body)
        if self._deciding is None:
            raise LocalError("there is no offer to answer", section="RFC 3264 §6")
        key, request = self._deciding
        happening = reinvite_server.Input.ANSWER if request.method == INVITE else reinvite_server.Input.ANSWER_UPDATE
        return self._move_server(happening, now, partial(self._succeed, key, request, body, now))

    def decline(self, status: int, now: float) -> list[Effect]:
        """Refuse the peer's offer; the session goes on as it was. Raises LocalError.

        That of a 1xx is refused by an answer that takes nothing of it (RFC 6337 §2.3).
        """
        if self._awaits_answer:
            return self._refused()
        if self._deciding is None:
            raise LocalError("there is no offer to decline", section="RFC 3261 §14.2")
        if not 300 <= status <= 699 or (status == 408 and self._deciding[1].method != INVITE):
            text = f"to decline takes a status from 300 to 699, and 408 for an INVITE only, not {status}"
            raise LocalError(text, section="RFC 4320 §4.2" if status == 408 else "RFC 3261 §14.2")
        return self._move_server(reinvite_server.Input.DECLINE, now, partial(self._refuse, *self._deciding, status))

    def receive(self, key: AnyServerKey, request: Request, now: float) -> list[Effect]:
        """A re-INVITE or an UPDATE of the peer, or the PRACK of a 1xx. Raises ParseError for an unreadable field."""
        self.hear(request)
        inputs = reinvite_server.Input
        carrier, body = CARRIERS[request.method][0], description_of(request)
        shortest = self.expiry.refusal(request, self._manner) if request.method != PRACK else None
        status = TOO_SMALL if shortest is not None else self.session.would_refuse(carrier, body)
        if status is not None:
            return self._move_server(inputs.REFUSED, now, partial(self._refuse, key, request, status))
        meaning = self.session.received(carrier, body).meaning
        needs_answer = meaning is Meaning.OFFER
        answer = b""
        if needs_answer and self._manner.answers_offers:
            answer = self.session.answer_to(body)
        elif request.method == INVITE and not body:
            answer, needs_answer = self.session.offer_anew(self._manner.codecs), True
        if needs_answer and not answer and body and not self._manner.answers_offers:
            return self._move_server(inputs.ASKED, now, partial(self._ask, key, request, now))
        if needs_answer and not answer:
            self.session.sent(CARRIERS[request.method][2], b"")
            return self._move_server(inputs.REFUSED, now, partial(self._refuse, key, request, NOT_ACCEPTABLE))
        happening = inputs.AGREED if request.method == INVITE else inputs.UPDATED
        return self._move_server(happening, now, partial(self._succeed, key, request, answer, now))

    def receive_ack(self, ack: Request, now: float) -> list[Effect]:
        """The ACK of the 2xx to a re-INVITE."""
        if self._repeat is None or ack.cseq.number != self._repeat.response.cseq.number:
            return []
        return self._move_server(reinvite_server.Input.ACK, now, partial(self._take_ack, ack))

    def receive_cancel(self, key: AnyServerKey, now: float) -> list[Effect]:
        """A CANCEL of the re-INVITE that is being decided on."""
        if self._deciding is None or self._deciding[0] != key:
            return []
        terminated = partial(self._refuse, *self._deciding, REQUEST_TERMINATED)
        return self._move_server(reinvite_server.Input.CANCEL, now, terminated)

    # Inside

    def _server_over(self, now: float) -> list[Effect]:
        """The call ends: what is still being decided on is refused."""
        terminated = partial(self._refuse, *self._deciding, REQUEST_TERMINATED) if self._deciding else list
        return self._move_server(_OVER, now, terminated)

    def _server_due(self) -> float:
        """When `_wake_server` is due; NEVER while nothing waits."""
        due = NEVER if self._repeat is None else self._repeat.due
        return due if self._deciding is None else min(due, self._decide_at)

    def _wake_server(self, now: float) -> list[Effect]:
        """Repeat a 2xx that got no ACK, and tell whoever waits for a decision that it takes its time."""
        effects: list[Effect] = []
        if self._repeat is not None and now >= self._repeat.due:
            reply = self._repeat.wake(now)
            if reply is not None:
                effects += self._move_server(reinvite_server.Input.REPEAT, now, lambda: [reply])
            else:
                effects += self._move_server(reinvite_server.Input.NO_ACK, now, lambda: [Finish(EndReason.NO_ACK)])
        if self._deciding is not None and now >= self._decide_at:
            effects += self._put_off(*self._deciding, now)
        return effects

    def _move_server(self, happening: reinvite_server.Input, now: float, step: Act) -> list[Effect]:
        """Go on in the table of `reinvite_server`; `step` is the one that it has for this, if it has one there."""
        cell = reinvite_server.TABLE.get((self._server, happening))
        tracing = self.session.trace_switch.on
        effects = self._traced(reinvite_server.NAME, happening, self._server, cell, now) if tracing else []
        if cell is None:
            return effects
        effects += step() if cell[1] else ()  # may raise, before anything is changed by it
        self._server = cell[0]
        if self._server is not reinvite_server.State.UNACKNOWLEDGED:
            self._repeat = None
        return effects

    def _traced(self, machine: str, happening: Enum, before: Enum, cell: Cell | None, now: float) -> list[Effect]:
        """What is told of an input to one of the two tables while somebody wants to know."""
        return [self.dialog.id.transition(now, machine, happening, before, cell)]

    def _ask(self, key: AnyServerKey, request: Request, now: float) -> list[Effect]:
        self._deciding = (key, request)
        patience = EXTENSION if request.method == INVITE else reinvite_server.UPDATE_PATIENCE * self._manner.timers.t1
        self._valid_until = valid_until(request, now) if request.method == INVITE else NEVER
        self._decide_at = min(now + patience, self._valid_until)
        return [Offered(request)]

    def _put_off(self, key: AnyServerKey, request: Request, now: float) -> list[Effect]:
        """The owner takes its time: a re-INVITE may last, so the peer is told (RFC 3261 §13.3.1.1), and no other.

        Nor may one that has each 1xx sent reliably, which is not done inside a dialog here; nor one that has expired.
        """
        if now >= self._valid_until:
            expired = partial(self._refuse, key, request, REQUEST_TERMINATED)
            return self._move_server(reinvite_server.Input.TOO_LATE, now, expired)
        if request.method != INVITE or RELIABLE in request[REQUIRE]:
            too_late = partial(self._refuse, key, request, reinvite_server.NOT_DECIDED)
            return self._move_server(reinvite_server.Input.TOO_LATE, now, too_late)
        self._decide_at = min(now + EXTENSION, self._valid_until)
        progress = build_response(request, SESSION_PROGRESS, fields=self._manner.dialog_fields(self.contact, ()))
        return self._move_server(reinvite_server.Input.EXTEND, now, lambda: [Reply(key, progress)])

    def _take_ack(self, ack: Request) -> list[Effect]:
        delayed = self.session.received(Carrier.ACK, description_of(ack)).meaning is Meaning.ANSWER
        return [Changed(ack, False, self.dialog.id.remote_tag)] if delayed else []

    def _succeed(self, key: AnyServerKey, request: Request, body: bytes, now: float) -> list[Effect]:
        offers_nothing = request.method != INVITE and not description_of(request)
        meaning = Meaning.NOTHING if offers_nothing else self.session.sent(CARRIERS[request.method][1], body)
        if self._deciding is not None and self._deciding[0] == key:
            self._deciding = None
        if request.method == PRACK:
            fields = self._manner.signed(())
        else:
            self.dialog = self.dialog.towards(request)
            fields = self._manner.dialog_fields(self.contact, self.expiry.accept(request, self._manner, now), able=True)
        response = build_response(request, 200, fields=fields, body=body, content_type=SDP if body else "")
        if request.method == INVITE:
            self._repeat = Repeat(key, response, now, self._manner.timers, longest=self._manner.timers.t2)
        effects: list[Effect] = [Reply(key, response)]
        is_done = meaning is Meaning.ANSWER if request.method == PRACK else meaning is not Meaning.OFFER
        if is_done:  # an offer in the 2xx is complete with the ACK only
            effects.append(Changed(request, False, self.dialog.id.remote_tag))
        return effects

    def _refuse(self, key: AnyServerKey, request: Request, status: int) -> list[Effect]:
        fields: list[tuple[str, object]] = []
        if self._deciding is not None and self._deciding[0] == key:
            self._deciding = None
            self.session.sent(CARRIERS[request.method][2], b"")
        if status == TOO_SMALL:
            fields.append(("Min-SE", self._manner.min_interval))
        elif status == SERVER_BUSY:
            fields.append(("Retry-After", self._tokens.number(MAX_RETRY_AFTER + 1)))
        return [Reply(key, build_response(request, status, fields=self._manner.signed(fields)))]
