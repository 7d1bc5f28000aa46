"""What an INVITE dialog does besides beginning and ending (its usage, RFC 5057 §3): the session in it changes.

`InviteUsage` holds the state of one dialog, early or confirmed, at either side: the dialog itself, its offers and
answers, its session timer, and the two tables of `reinvite_client` and `reinvite_server`. Every method gives the
effects that the owner carries out, in order.
"""

from functools import partial

from sipcore.dialogs import reinvite_client
from sipcore.dialogs.dialog import Dialog, Numbers
from sipcore.dialogs.effects import (
    AckSuccess,
    CancelChange,
    Changed,
    Effect,
    EndReason,
    Finish,
    Purpose,
    SendInDialog,
    Unchanged,
)
from sipcore.dialogs.expiry import Due
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.reinvited import CARRIERS, Act, ReinvitedUsage
from sipcore.dialogs.session import Session, description_of
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.message.message import Request, Response
from sipcore.message.method import INVITE, PRACK, UPDATE
from sipcore.sdp.offer_answer import Carrier, Inner, Meaning
from sipcore.sdp.terms import SDP
from sipcore.tokens import Tokens
from sipcore.transactions.timers import NEVER

_IDLE, _OVER = reinvite_client.State.IDLE, reinvite_client.Input.OVER
"""Under names of their own, since reading a member from its Enum takes CPython 3.11 0.2 µs."""


class InviteUsage(ReinvitedUsage):
    """One dialog of a call. `owner` tells whether this side made the Call-ID."""

    __slots__ = ("_acked", "_change", "_client", "_owner", "_reinvited")

    def __init__(
        self, dialog: Dialog, session: Session, numbers: Numbers, manner: Manner, tokens: Tokens, *, owner: bool
    ) -> None:
        super().__init__(dialog, session, numbers, manner, tokens)
        self._owner = owner
        self._client = _IDLE
        self._change: reinvite_client.Change | None = None
        self._acked: tuple[AckSuccess, ...] = ()
        """The ACKs of re-INVITEs whose 2xx may come again: each is due once more then, and it is that one's."""
        self._reinvited: int | None = None
        """The number that the last re-INVITE was sent with first, until its transaction is over."""

    @property
    def awaits_success(self) -> bool:
        """Whether a 2xx to a re-INVITE may still come, whose ACK is due even after the call's end."""
        return self._reinvited is not None

    @property
    def is_changing(self) -> bool:
        """Whether a change from here is on its way: one that the owner has asked for, a refresh of the session, or what
        brings back the session that a refused re-INVITE had changed.
        """
        return self._change is not None

    # What the owner asks for

    def change(self, method: str, body: bytes, now: float) -> list[Effect]:
        """Send a re-INVITE or UPDATE with an offer, or without one, or a PRACK with one. Raises LocalError.

        No method stands for the one that may be sent now.
        """
        if not method:
            method = INVITE if self.dialog.confirmed else PRACK if body and self.awaits_prack else UPDATE
        if method not in CARRIERS:
            raise LocalError(f"a session is changed by {', '.join(CARRIERS)}, not by {method}", section="RFC 3264 §8")
        if self._client is not reinvite_client.State.IDLE:
            raise LocalError("a change of this call is on its way already", section="RFC 3261 §14.1")
        if method == INVITE and not self.dialog.confirmed:
            raise LocalError("a call that is not answered yet is changed by UPDATE", section="RFC 3311 §5.1")
        if method == PRACK and not (body and self.awaits_prack):
            raise LocalError("a PRACK brings an offer only while a reliable 1xx waits for it", section="RFC 3262 §5")
        self.session.would_send(CARRIERS[method][0], body)
        self._change = reinvite_client.Change(method, body)
        return self._move_client(reinvite_client.Input.CHANGE, now, self._unchanged(now))

    def withdraw(self, now: float) -> list[Effect]:
        """Take a change back that was asked for here: a re-INVITE is cancelled, and no request is sent again.

        What the peer has agreed to by then counts for all that.
        """
        if self._change is not None:
            self._change.withdrawn = True
        return self._move_client(reinvite_client.Input.WITHDRAW, now, self._unchanged(now))

    # What comes

    def receive_response(self, sent: Request, response: Response, now: float) -> list[Effect]:
        """The final response to a re-INVITE, UPDATE or PRACK, or a 2xx to a re-INVITE once more."""
        self._count_off(sent)
        if self._is_no_change(sent):
            return []
        acked = self._ack_of(sent)
        if response.is_success and acked is not None:
            return [acked]
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

    def changed_again(self, sent: Request) -> None:
        """What was refused has gone out again. The offer of a re-INVITE waits once more, and what a reliable 1xx had
        agreed to is undone (RFC 6141 §3.3), unless a request inside it is still about the session.
        """
        change = self._change
        if change is not None and sent.method == INVITE and self.session.exchange.inner is Inner.FREE:
            change.heard = False
            self.session.received(Carrier.FAILURE, b"")
            self.session.sent(Carrier.INVITE, change.body)

    def fail(self, sent: Request, failure: TransportFailure, now: float) -> list[Effect]:
        """A re-INVITE, UPDATE or PRACK got no final response: a 408, or, not even sent, a 503 (RFC 3261 §8.1.3.1).

        One that was taken back, or had to give way, is cancelled then, and no more: its peer had been heard of (§9.1).
        That it is there still, the refresh shows which follows.
        """
        self._count_off(sent)
        if self._is_no_change(sent):
            return []
        change = self._change
        cancelled = change is not None and change.heard and (change.withdrawn or change.gives_way)
        status = 408 if failure.reason is FailureReason.TIMED_OUT and not cancelled else 503
        happening = reinvite_client.input_of(sent.method, status)
        return self._move_client(self._undoing(happening), now, self._unchanged(now, failure=failure))

    def break_off(self, sent: Request) -> AckSuccess:
        """The ACK of the 2xx to a re-INVITE, of which nothing else is made; an offer in it, once taken, is refused."""
        return self._ack_of(sent) or self._acknowledge_change(sent, b"" if sent.body else self.session.refusal())

    def refreshed(self, response: Response, now: float) -> list[Effect]:
        """The final response to an UPDATE that went out beside a re-INVITE, which ends where that is refused."""
        effects = self._take_refresh(response, now)
        return self._make_way(now) if effects is None else effects

    def over(self, now: float) -> list[Effect]:
        """The call ends: what is going on in it ends first."""
        effects = self._server_over(now)
        if self._change is not None or self.session.trace_switch.on:
            effects += self._move_client(_OVER, now, self._unchanged(now))
        self.expiry.stop()
        if self.session.trace_switch.on:
            effects += self.negotiated(now)  # of a dialog that nobody may know by the time that all others are asked
        return effects

    # Time

    def next_timeout(self) -> float:
        """When `wake` is due; NEVER while nothing waits."""
        due = min(self.expiry.due, self._server_due())
        return due if self._change is None else min(due, self._change.due)

    def wake(self, now: float) -> list[Effect]:
        """Do what is due by now."""
        effects = self._wake_server(now)
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
        ack = self.acknowledge(sent, body)
        self._acked += (ack,)
        return ack

    def _ack_of(self, sent: Request) -> AckSuccess | None:
        """The ACK that the 2xx to a re-INVITE got, None before it came: others may have been sent since."""
        number = sent.cseq.number
        return next((ack for ack in self._acked if ack.request.cseq.number == number), None)

    def settled(self, sent: Request) -> None:
        """Nobody can ask for the ACK of a re-INVITE any more: its transaction is over."""
        number = sent.cseq.number
        self._acked = tuple(ack for ack in self._acked if ack.request.cseq.number != number)
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
        """Cancel a re-INVITE that nothing may refresh the session beside; the refresh follows.

        One that waits after a 491 is the refresh itself, soon, and no earlier than it may be (RFC 3261 §14.1).
        """
        if self._change is None or self._change.method != INVITE:
            return []
        if self._client is reinvite_client.State.WAITING:
            self.expiry.put_off(now)
            return []
        self._change.gives_way = True
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

    def _move_client(self, happening: reinvite_client.Input, now: float, outcome: Act) -> list[Effect]:
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
                    self.session.received(CARRIERS[change.method][2], b"")
                case steps.WAIT:
                    change.due = now + reinvite_client.glare_wait(self._tokens, owner=self._owner)
                case steps.CANCEL:
                    change.due = NEVER
                    effects.append(CancelChange(self.dialog.id.remote_tag))
                case steps.FINISH:
                    effects.append(Finish(EndReason.GONE))
        return effects

    def _unchanged(self, now: float, response: Response | None = None, failure: TransportFailure | None = None) -> Act:
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
            self.session.sent(CARRIERS[change.method][0], change.body)
        except LocalError:  # the peer's own change is still going on: it goes first
            glare = reinvite_client.Input.GLARE, self._client, (reinvite_client.State.WAITING, ())
            effects = self._traced(reinvite_client.NAME, *glare, now) if self.session.trace_switch.on else []
            self._client = reinvite_client.State.WAITING
            change.due = now + reinvite_client.glare_wait(self._tokens, owner=self._owner)
            return effects
        change.attempts += 1
        change.heard = False
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
        meaning = self.session.received(CARRIERS[sent.method][1], body).meaning
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
