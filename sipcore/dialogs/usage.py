"""What an INVITE dialog does besides beginning and ending (its usage, RFC 5057 §3): the session in it changes.

`InviteUsage` holds the state of one dialog, early or confirmed, at either side: the dialog itself, its offers and
answers, its session timer, and the two tables of `reinvite_client` and `reinvite_server`. Every method gives the
effects that the owner carries out, in order.
"""

from collections.abc import Callable
from enum import Enum
from functools import partial

from sipcore.dialogs import reinvite_client, reinvite_server
from sipcore.dialogs.dialog import Cell, Dialog, Numbers
from sipcore.dialogs.effects import (
    AckSuccess,
    CancelChange,
    Changed,
    Effect,
    EndReason,
    Finish,
    Offered,
    Purpose,
    Reply,
    SendInDialog,
    Unchanged,
)
from sipcore.dialogs.expiry import TOO_SMALL, Due
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.provisional import EXTENSION, RELIABLE
from sipcore.dialogs.repeat import Repeat
from sipcore.dialogs.session import Session, description_of
from sipcore.dialogs.timed import TimedUsage
from sipcore.dialogs.validity import valid_until
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.message.address import Address
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
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

_IDLE = (reinvite_client.State.IDLE, reinvite_server.State.IDLE)
_CLIENT_OVER, _SERVER_OVER = reinvite_client.Input.OVER, reinvite_server.Input.OVER
"""Under names of their own, since reading a member from its Enum takes CPython 3.11 0.2 µs."""

_Act = Callable[[], list[Effect]]
"""A step of a table with all that it needs: what it comes to when the table has it carried out."""

_CARRIERS = {
    INVITE: (Carrier.INVITE, Carrier.SUCCESS, Carrier.FAILURE),
    UPDATE: (Carrier.UPDATE, Carrier.UPDATE_SUCCESS, Carrier.UPDATE_FAILURE),
    PRACK: (Carrier.PRACK, Carrier.PRACK_SUCCESS, Carrier.PRACK_FAILURE),
}


class InviteUsage(TimedUsage):
    """One dialog of a call. `owner` tells whether this side made the Call-ID."""

    __slots__ = (
        "_acked",
        "_change",
        "_client",
        "_decide_at",
        "_deciding",
        "_owner",
        "_reinvited",
        "_repeat",
        "_server",
        "_valid_until",
        "contact",
    )

    def __init__(
        self, dialog: Dialog, session: Session, numbers: Numbers, manner: Manner, tokens: Tokens, *, owner: bool
    ) -> None:
        super().__init__(dialog, session, numbers, manner, tokens)
        self.contact: Address | None = None
        """Where this side can be reached, as responses in the dialog tell."""
        self._owner = owner
        self._client, self._server = _IDLE
        self._change: reinvite_client.Change | None = None
        self._deciding: tuple[AnyServerKey, Request] | None = None
        self._decide_at = NEVER
        """When the peer is to be told that the owner still decides, or that it takes too long."""
        self._valid_until = NEVER
        """When the re-INVITE that is being decided on expires (RFC 3261 §13.3.1)."""
        self._repeat: Repeat | None = None
        self._acked: AckSuccess | None = None
        self._reinvited: int | None = None
        """The number that the last re-INVITE was sent with first, until its transaction is over."""

    @property
    def awaits_success(self) -> bool:
        """Whether a 2xx to a re-INVITE may still come, whose ACK is due even after the call's end."""
        return self._reinvited is not None

    @property
    def is_offered(self) -> bool:
        """Whether an offer of the peer waits for the owner's answer."""
        return self._deciding is not None or self._awaits_answer

    # What the owner asks for

    def change(self, method: str, body: bytes, now: float) -> list[Effect]:
        """Send a re-INVITE or UPDATE with an offer, or without one, or a PRACK with one. Raises LocalError.

        No method stands for the one that may be sent now.
        """
        if not method:
            method = INVITE if self.dialog.confirmed else PRACK if body and self.awaits_prack else UPDATE
        if method not in _CARRIERS:
            raise LocalError(f"a session is changed by {', '.join(_CARRIERS)}, not by {method}", section="RFC 3264 §8")
        if self._client is not reinvite_client.State.IDLE:
            raise LocalError("a change of this call is on its way already", section="RFC 3261 §14.1")
        if method == INVITE and not self.dialog.confirmed:
            raise LocalError("a call that is not answered yet is changed by UPDATE", section="RFC 3311 §5.1")
        if method == PRACK and not (body and self.awaits_prack):
            raise LocalError("a PRACK brings an offer only while a reliable 1xx waits for it", section="RFC 3262 §5")
        self.session.would_send(_CARRIERS[method][0], body)
        self._change = reinvite_client.Change(method, body)
        return self._move_client(reinvite_client.Input.CHANGE, now, self._unchanged(now))

    def withdraw(self, now: float) -> list[Effect]:
        """Take a change back that was asked for here: a re-INVITE is cancelled, and no request is sent again.

        What the peer has agreed to by then counts for all that.
        """
        if self._change is not None:
            self._change.withdrawn = True
        return self._move_client(reinvite_client.Input.WITHDRAW, now, self._unchanged(now))

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

    # What comes

    def receive(self, key: AnyServerKey, request: Request, now: float) -> list[Effect]:
        """A re-INVITE or an UPDATE of the peer, or the PRACK of a 1xx. Raises ParseError for an unreadable field."""
        self.hear(request)
        inputs = reinvite_server.Input
        carrier, body = _CARRIERS[request.method][0], description_of(request)
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
            answer, needs_answer = self.session.renewed(), True
        if needs_answer and not answer and body and not self._manner.answers_offers:
            return self._move_server(inputs.ASKED, now, partial(self._ask, key, request, now))
        if needs_answer and not answer:
            self.session.sent(_CARRIERS[request.method][2], b"")
            return self._move_server(inputs.REFUSED, now, partial(self._refuse, key, request, NOT_ACCEPTABLE))
        happening = inputs.AGREED if request.method == INVITE else inputs.UPDATED
        return self._move_server(happening, now, partial(self._succeed, key, request, answer, now))

    def receive_response(self, sent: Request, response: Response, now: float) -> list[Effect]:
        """The final response to a re-INVITE, UPDATE or PRACK, or a 2xx to a re-INVITE once more."""
        if self._is_no_change(sent):
            return []
        if response.is_success and self._acked is not None and self._acked.request.cseq.number == sent.cseq.number:
            return [self._acked]
        self.hear(response)
        happening = reinvite_client.input_of(sent.method, response.status)
        change = self._change
        again = change is not None and change.attempts < reinvite_client.MAX_ATTEMPTS and not change.withdrawn
        if (happening is reinvite_client.Input.TOO_SMALL and not self.expiry.too_small(response)) or (
            happening in (reinvite_client.Input.TOO_SMALL, reinvite_client.Input.GLARE) and not again
        ):
            happening = reinvite_client.Input.REFUSED
        happening = self._undoing(happening)
        taken = partial(self._take_success, sent, response, now)
        effects = self._move_client(happening, now, taken if response.is_success else self._unchanged(now, response))
        if sent.method == INVITE and response.is_success and not any(isinstance(one, AckSuccess) for one in effects):
            effects.insert(0, self._acknowledge_change(sent, b""))  # the end of the call has overtaken it
        return effects

    def receive_provisional(self, sent: Request, response: Response, now: float) -> list[Effect]:
        """A 1xx to a re-INVITE or UPDATE: whoever sends it is still about to answer. A reliable one gets its PRACK."""
        change = self._change
        if sent.method != INVITE or change is None:
            return []
        change.heard = True
        if change.due < NEVER:
            change.due = self._patience(now)
        return self.progress_of_change(response)

    def fail(self, sent: Request, failure: TransportFailure, now: float) -> list[Effect]:
        """A re-INVITE, UPDATE or PRACK got no final response: a 408, or, not even sent, a 503 (RFC 3261 §8.1.3.1).

        One that was taken back is cancelled then, and no more: its peer had been heard of (§9.1).
        """
        if self._is_no_change(sent):
            return []
        change = self._change
        cancelled = change is not None and change.withdrawn and change.heard
        status = 408 if failure.reason is FailureReason.TIMED_OUT and not cancelled else 503
        happening = reinvite_client.input_of(sent.method, status)
        return self._move_client(self._undoing(happening), now, self._unchanged(now, failure=failure))

    def refreshed(self, response: Response, now: float) -> list[Effect]:
        """The final response to an UPDATE that went out beside a re-INVITE, which ends where that is refused."""
        effects = self._take_refresh(response, now)
        return self._make_way(now) if effects is None else effects

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

    def over(self, now: float) -> list[Effect]:
        """The call ends: what is going on in it ends first."""
        terminated = partial(self._refuse, *self._deciding, REQUEST_TERMINATED) if self._deciding else list
        effects = self._move_server(_SERVER_OVER, now, terminated)
        effects += self._move_client(_CLIENT_OVER, now, self._unchanged(now))
        self.expiry.stop()
        if self.session.trace_switch.on:
            effects += self.negotiated(now)  # of a dialog that nobody may know by the time that all others are asked
        return effects

    # Time

    def next_timeout(self) -> float:
        """When `wake` is due; NEVER while nothing waits."""
        due = self.expiry.due
        if self._change is not None:
            due = min(due, self._change.due)
        if self._repeat is not None:
            due = min(due, self._repeat.due)
        return due if self._deciding is None else min(due, self._decide_at)

    def wake(self, now: float) -> list[Effect]:
        """Do what is due by now."""
        effects: list[Effect] = []
        if self._repeat is not None and now >= self._repeat.due:
            reply = self._repeat.wake(now)
            if reply is not None:
                effects += self._move_server(reinvite_server.Input.REPEAT, now, lambda: [reply])
            else:
                effects += self._move_server(reinvite_server.Input.NO_ACK, now, lambda: [Finish(EndReason.NO_ACK)])
        if self._deciding is not None and now >= self._decide_at:
            effects += self._put_off(*self._deciding, now)
        if self._change is not None and now >= self._change.due:
            effects += self._move_client(reinvite_client.Input.WAKE, now, self._unchanged(now))
        due = self.expiry.wake(now)
        if due is Due.END:
            effects.append(Finish(EndReason.EXPIRED))
        elif due is Due.REFRESH:
            effects += self._refresh(now)
        return effects

    # Inside

    def _acknowledge_change(self, sent: Request, body: bytes) -> AckSuccess:
        self._acked = self.acknowledge(sent, body)
        return self._acked

    def settled(self, sent: Request) -> None:
        """Nobody can ask for the ACK of a re-INVITE any more: its transaction is over."""
        number = sent.cseq.number
        if self._acked is not None and self._acked.request.cseq.number == number:
            self._acked = None
        if self._reinvited is not None and number >= self._reinvited:  # with credentials it has a higher one
            self._reinvited = None

    def _refresh(self, now: float) -> list[Effect]:
        """Refresh the session, by UPDATE where the peer knows it: that needs no offer (RFC 4028 §7.4).

        A change that is on its way does it as well. One that takes too long lets an UPDATE go first, or ends for it.
        """
        change = self._change
        if change is not None and change.method != INVITE:
            return []  # it is answered soon
        if change is not None and not change.refreshes:
            change.refreshes = True
            self.expiry.put_off(now)
            return []
        if change is not None:
            return self._refresh_beside() if UPDATE in self.allowed else self._make_way(now)
        if UPDATE in self.allowed:
            self._change = reinvite_client.Change(UPDATE, b"")
        else:
            self._change = reinvite_client.Change(INVITE, self.session.renewed())
        return self._move_client(reinvite_client.Input.CHANGE, now, self._unchanged(now))

    def _make_way(self, now: float) -> list[Effect]:
        """Cancel a re-INVITE that nothing may refresh the session beside; the refresh follows."""
        if self._change is None or self._change.method != INVITE:
            return []
        return self._move_client(reinvite_client.Input.WAKE, now, list)

    def _patience(self, now: float) -> float:
        return now + 64 * self._manner.timers.t1 + reinvite_client.PATIENCE

    def _is_no_change(self, sent: Request) -> bool:
        """Whether a request that was sent is a PRACK that offers nothing: of all in a dialog, one at most does."""
        change = self._change
        return sent.method == PRACK and not (sent.body and change is not None and change.method == PRACK)

    def _undoing(self, happening: reinvite_client.Input) -> reinvite_client.Input:
        """What a final response is: one that refuses what a 1xx had agreed to undoes that."""
        change = self._change
        if happening is not reinvite_client.Input.REFUSED or change is None or change.restores:
            return happening
        undoes = change.method == INVITE and self.session.is_changed
        return reinvite_client.Input.UNDONE if undoes else happening

    def _move_client(self, happening: reinvite_client.Input, now: float, outcome: _Act) -> list[Effect]:
        """Go on in the table of `reinvite_client`; `outcome` is what is told where the change is over by that."""
        cell, change = reinvite_client.TABLE.get((self._client, happening)), self._change
        tracing = self.session.trace_switch.on
        effects = self._traced(reinvite_client.NAME, happening, self._client, cell, now) if tracing else []
        if cell is None or change is None:  # all that may happen without one is ignored
            return effects
        self._client = cell[0]
        steps = reinvite_client.Step
        for step in cell[1]:
            match step:
                case steps.SEND:
                    effects += self._send_change(change, now)
                case steps.TAKE | steps.REPORT_UNCHANGED:
                    self._change = None
                    effects += outcome()
                case steps.RESTORE:
                    method = UPDATE if UPDATE in self.allowed else INVITE
                    change = self._change = reinvite_client.Change(method, self.session.renewed(), restores=True)
                case steps.ROLL_BACK:
                    self.session.received(_CARRIERS[change.method][2], b"")
                case steps.WAIT:
                    change.due = now + reinvite_client.glare_wait(self._tokens, owner=self._owner)
                case steps.CANCEL:
                    change.due = NEVER
                    effects.append(CancelChange(self.dialog.id.remote_tag))
                case steps.FINISH:
                    effects.append(Finish(EndReason.GONE))
        return effects

    def _traced(self, machine: str, happening: Enum, before: Enum, cell: Cell | None, now: float) -> list[Effect]:
        """What is told of an input to one of the two tables while somebody wants to know."""
        return [self.dialog.id.transition(now, machine, happening, before, cell)]

    def _unchanged(self, now: float, response: Response | None = None, failure: TransportFailure | None = None) -> _Act:
        def told() -> list[Effect]:
            self.expiry.unchanged(response, now)
            return [Unchanged(response, failure, self.dialog.id.remote_tag)]

        return told

    def _send_change(self, change: reinvite_client.Change, now: float) -> list[Effect]:
        if change.method == PRACK:  # it is sent once, and the peer's own change cannot be in its way
            return self._confirm(change.body)
        if change.attempts:  # the peer's own change may have come in between
            change.body = self.session.offered_again(change.body)
        try:
            self.session.sent(_CARRIERS[change.method][0], change.body)
        except LocalError:  # the peer's own change is still going on: it goes first
            glare = reinvite_client.Input.GLARE, self._client, (reinvite_client.State.WAITING, ())
            effects = self._traced(reinvite_client.NAME, *glare, now) if self.session.trace_switch.on else []
            self._client = reinvite_client.State.WAITING
            change.due = now + reinvite_client.glare_wait(self._tokens, owner=self._owner)
            return effects
        change.attempts += 1
        request, next_hop = self.request(
            change.method,
            fields=[*self._manner.abilities(), *self.expiry.asked()],
            body=change.body,
            content_type=SDP if change.body else "",
        )
        if change.method == INVITE:
            change.due, self._reinvited = self._patience(now), self.numbers.last
        else:
            change.due = NEVER
        return [SendInDialog(Purpose.CHANGE, request, next_hop)]

    def _take_success(self, sent: Request, response: Response, now: float) -> list[Effect]:
        body = description_of(response)
        meaning = self.session.received(_CARRIERS[sent.method][1], body).meaning
        if sent.method != PRACK:
            self.dialog = self.dialog.towards(response)
            self.expiry.agreed(response, now)
        remote_tag = self.dialog.id.remote_tag
        effects: list[Effect] = [Changed(response, True, remote_tag)]
        if sent.method == INVITE:
            answer = b""
            if meaning is Meaning.OFFER:
                answer = self.session.answer_to(body) or self.session.refusal()
                if not answer:  # it cannot be read: no answer is valid, and the call ends (RFC 3261 §13.2.2.4)
                    ack, unchanged = self._acknowledge_change(sent, b""), Unchanged(response, None, remote_tag)
                    return [ack, unchanged, Finish(EndReason.NO_ANSWER)]
            self.session.sent(Carrier.ACK, answer)
            effects.insert(0, self._acknowledge_change(sent, answer))
        return effects

    def _move_server(self, happening: reinvite_server.Input, now: float, step: _Act) -> list[Effect]:
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
        meaning = Meaning.NOTHING if offers_nothing else self.session.sent(_CARRIERS[request.method][1], body)
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
            self.session.sent(_CARRIERS[request.method][2], b"")
        if status == TOO_SMALL:
            fields.append(("Min-SE", self._manner.min_interval))
        elif status == SERVER_BUSY:
            fields.append(("Retry-After", self._tokens.number(MAX_RETRY_AFTER + 1)))
        return [Reply(key, build_response(request, status, fields=self._manner.signed(fields)))]
