"""The caller's side of a call: what the table of `caller_table` says, carried out.

It tells what to do next, and sends nothing. `Caller` keeps the state and the dialogs: as many early ones as a proxy has
forked the INVITE to, of which the first that answers becomes the call, and the others are ended (RFC 3261 §13.2.2.4).
"""

from sipcore.dialogs.caller_table import TABLE, Input, State, Step
from sipcore.dialogs.dialog import DialogId, Numbers, dialog_of_caller
from sipcore.dialogs.effects import (
    Answered,
    CancelChange,
    CancelInvite,
    Effect,
    Ended,
    EndReason,
    Failed,
    Offered,
    Progress,
    Purpose,
    Redirected,
    SendInDialog,
)
from sipcore.dialogs.inviting import Inviting, Packed
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.session import description_of
from sipcore.dialogs.side import Side
from sipcore.dialogs.usage import InviteUsage
from sipcore.dialogs.validity import valid_until
from sipcore.errors import LocalError, ParseError, TransportFailure
from sipcore.message.message import Request, Response
from sipcore.message.method import BYE
from sipcore.message.status import TRYING
from sipcore.sdp.offer_answer import Carrier, Meaning
from sipcore.tokens import Tokens
from sipcore.trace import TraceSwitch
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.timers import NEVER

MAX_FORKS = 16
"""Callees whose dialogs are kept for one INVITE: more phones than anybody has, and a bound on what a peer costs."""

_TRYING = (State.CALLING, State.PROCEEDING)
_UNANSWERED = (*_TRYING, State.CANCELLING)
_OVER = (State.ENDING, State.TERMINATED)
R1XX, R2XX, R2XX_OFFER, R3XX_6XX, MOVED, ADJUSTED, FAILED, ANSWER, HANG_UP, EXPIRED, REMOTE_BYE, BYE_DONE = Input
REPORT_PROGRESS, REPORT_REDIRECTION, REPORT_ANSWER, REPORT_OFFER, REPORT_FAILURE, REPORT_END = list(Step)[:6]
INVITE_AGAIN, ACKNOWLEDGE, REFUSING_ACK, CANCEL, PART, ACCEPT_BYE = list(Step)[6:]
"""Under names of their own, since reading a member from its Enum takes CPython 3.11 0.2 µs."""


class Caller(Side):
    """One outgoing call. Every method gives the effects that the owner carries out, in order."""

    NAME = "caller"
    __slots__ = ("_answered", "_early", "_pending", "_valid_until", "state")

    def __init__(
        self,
        invite: Request,
        manner: Manner,
        tokens: Tokens,
        trace_switch: TraceSwitch,
        now: float,
        redirects: int = 0,
    ) -> None:
        """Take the INVITE that is sent now, without its Via, and how often the call may be sent on to elsewhere."""
        super().__init__(manner, tokens, Numbers(invite.cseq.number), EndReason.LOCAL_HANG_UP, trace_switch)
        self.state = State.CALLING
        self._pending: Inviting | Packed | None = Inviting(invite, redirects)
        """Packed once its 2xx is acknowledged, and dropped when nothing can come for it any more: calls that are up, or
        over, are to be small."""
        self._early: dict[str, InviteUsage] | None = None
        """The early dialogs by their remote tags, while there are some."""
        self._valid_until = valid_until(invite, now)
        """When the invitation expires, wherever it was sent on to; NEVER once it is answered or given up."""
        self._answered: DialogId | None = None
        """The dialog that became the call's; None until one has."""

    @property
    def id(self) -> DialogId:
        """Its dialog, or the one that it was in; without remote tag while there is none."""
        if self.usage is not None:
            return self.usage.dialog.id
        if self._answered is not None:
            return self._answered
        invite = self._inviting.invite
        return DialogId(invite.call_id, invite.from_tag or "", "")

    @property
    def is_over(self) -> bool:
        """Whether the call is over."""
        return self.state in _OVER

    @property
    def rings_elsewhere(self) -> bool:
        """Whether several callees ring, none of whom has picked up."""
        return self._early is not None and len(self._early) > 1

    @property
    def _inviting(self) -> Inviting:
        if self._pending is None:
            raise LocalError("nothing can come for the INVITE any more", section="RFC 6026 §7.2")
        if isinstance(self._pending, Packed):
            self._pending = self._pending.unpacked()
        return self._pending

    def resent(self, invite: Request) -> None:
        """The INVITE went out again with credentials or to another hop: this one the ACK must match (§22.2)."""
        self._inviting.invite = invite

    def usage_of(self, remote_tag: str | None) -> InviteUsage | None:
        """The dialog with the peer of this tag: the call's, or one of the early ones."""
        return self._early.get(remote_tag or "") if self._early else super().usage_of(remote_tag)

    def usages(self) -> list[InviteUsage]:
        """All its dialogs: the early ones, until one becomes the call's."""
        return list(self._early.values()) if self._early else super().usages()

    def knows(self, remote_tag: str | None) -> bool:
        """Whether the peer of this tag has a dialog of this call, or had the one that it was in."""
        answered = self._answered is not None and self._answered.remote_tag == (remote_tag or "")
        return answered or super().knows(remote_tag)

    def invite_over(self) -> None:
        """The transaction of the call's INVITE is over: what was kept to answer a 2xx once more may go."""
        if self.state is not State.OFFERED and (self.usage or self._answered):
            self._pending = None  # else its ACK has not been sent, or nothing but it tells which call this was

    def change(self, method: str, body: bytes, now: float, remote_tag: str | None = None) -> list[Effect]:
        """Send a re-INVITE or UPDATE, or a PRACK with an offer. Raises LocalError where none may be sent now."""
        self.require_usage(remote_tag)
        if self.state is State.OFFERED:
            raise LocalError("the offer in the 2xx must be answered first", section="RFC 3261 §14.1")
        return super().change(method, body, now, remote_tag)

    def receive(self, response: Response, now: float) -> list[Effect]:
        """A response to the INVITE."""
        if response.is_provisional:
            return self._receive_provisional(response, now)
        if response.is_success:
            return self._receive_success(response, now)
        if self.state not in _TRYING:
            return self._move(R3XX_6XX, now, response)
        inviting = self._inviting
        if inviting.is_too_short(response):
            return self._move(ADJUSTED, now, response)
        return self._move(MOVED if inviting.moves_on(response) else R3XX_6XX, now, response)

    def challenged(self, now: float) -> list[Effect]:
        """The INVITE was refused, and has gone out again with credentials: its early dialogs are over, as after any
        refusal (RFC 3261 §13.2.2.3). Who answers the new one begins anew, even by the same tag.
        """
        return [*(effect for usage in self.usages() for effect in usage.over(now)), *self._let_go()]

    def fail(self, failure: TransportFailure, now: float) -> list[Effect]:
        """The INVITE got no final response."""
        moved = self.state in _TRYING and self._inviting.moves_on(None)
        return self._move(MOVED if moved else FAILED, now, failure=failure)

    def break_off(self, success: Response, failure: TransportFailure, now: float) -> list[Effect]:
        """What was made of a 2xx was broken off by a mistake of this program: it gets its ACK and a BYE all the same
        (RFC 3261 §13.2.2.4), and the call ends if it was that dialog's, or nobody's yet.
        """
        tag = success.to_tag or ""
        if self.state not in _UNANSWERED and self.knows(tag):
            acknowledged = self._receive_success(success, now)
            # One BYE too many does no harm, and whether any went out is not known.
            return [*acknowledged, *([self._bye()] if self.state is State.ENDING else self.hang_up(now))]
        self._inviting.acks.pop(tag, None)
        ended = self._end_fork(tag, success, now)
        if self.state in _UNANSWERED:
            ended += self._move(FAILED, now, failure=failure)
            self._inviting.lost += tuple(usage.dialog.id.remote_tag for usage in self.usages())
            self.usage = self._early = self._answered = None  # whoever of them picks up as well is too late
        return ended

    def answer(self, body: bytes, now: float, remote_tag: str | None = None) -> list[Effect]:
        """Answer the offer of the 2xx, of a reliable 1xx, or of a request. Raises LocalError where there is none."""
        if self.state is not State.OFFERED:
            return super().answer(body, now, remote_tag)
        self.require_usage(remote_tag).session.sent(Carrier.ACK, body)
        self._inviting.answer = body
        return self._move(ANSWER, now)

    def decline(self, status: int, now: float, remote_tag: str | None = None) -> list[Effect]:
        """Refuse the peer's offer; that of a 2xx ends the call (RFC 3261 §13.2.2.4). Raises LocalError."""
        if self.state is not State.OFFERED:
            return super().decline(status, now, remote_tag)
        self.require_usage(remote_tag)
        return self.hang_up(now)

    def hang_up(self, now: float) -> list[Effect]:
        """End the call: CANCEL while it is not answered, BYE once it is."""
        return self._move(HANG_UP, now)

    def receive_bye(self, key: AnyServerKey, bye: Request, now: float) -> list[Effect]:
        """The peer hangs up."""
        if self.state in (State.OFFERED, State.CONFIRMED):
            self.end_reason, self.ended_by = EndReason.REMOTE_HANG_UP, bye
        return self._move(REMOTE_BYE, now, bye=(key, bye))

    def receive_ack(self, ack: Request, now: float) -> list[Effect]:
        """The ACK of the 2xx to a re-INVITE."""
        usage = self.usage_of(ack.from_tag)
        return self._settle(usage.receive_ack(ack, now), now) if usage else []

    def receive_cancel(self, key: AnyServerKey, _cancel: Request, now: float) -> list[Effect]:
        """The peer gives up its re-INVITE."""
        return [effect for usage in self.usages() for effect in usage.receive_cancel(key, now)]

    def bye_done(self, now: float) -> list[Effect]:
        """The BYE was answered, or was not."""
        return self._move(BYE_DONE, now)

    def next_timeout(self) -> float:
        """When `wake` is due."""
        due = self._valid_until
        for usage in self.usages():
            due = min(due, usage.next_timeout())
        return due

    def wake(self, now: float) -> list[Effect]:
        """Do what is due by now."""
        effects = [effect for usage in self.usages() for effect in self._settle(usage.wake(now), now)]
        if now >= self._valid_until:
            self.end_reason = EndReason.INVITATION_EXPIRED
            effects += self._move(EXPIRED, now)
        return effects

    # Inside

    def _receive_provisional(self, response: Response, now: float) -> list[Effect]:
        tag = response.to_tag
        if self.state not in _UNANSWERED or not tag or response.status == TRYING:
            return self._move(R1XX, now, response)
        early = self._early or {}
        usage = early.get(tag)
        if usage is None and len(early) >= MAX_FORKS:
            return self._move(R1XX, now, response)
        if usage is None:
            usage = early[tag] = self._branch(response)
            self._early = early
        self.usage = usage
        usage.hear(response)
        effects = usage.progress(response)
        if effects is not None and self.state is State.CANCELLING:
            effects = usage.give_up() or [effect for effect in effects if not isinstance(effect, Offered)]
        return [] if effects is None else [*self._move(R1XX, now, response), *effects]

    def _receive_success(self, response: Response, now: float) -> list[Effect]:
        tag = response.to_tag or ""
        if self.state in _UNANSWERED:
            return self._receive_answer(tag, response, now)
        try:
            effects = self._move(R2XX, now, response) if self.knows(tag) else self._end_fork(tag, response, now)
        except ParseError:  # what was packed is larger than what can be read
            return []
        self._pack()
        return effects

    def _receive_answer(self, tag: str, response: Response, now: float) -> list[Effect]:
        """The first 2xx makes its dialog the call's, with what was said in it before (RFC 3261 §13.2.2.4).

        The others last for 64·T1, and what they have waited with is as due as before (RFC 3262 §4).
        """
        inviting = self._inviting
        early = self._early or {}
        usage = early.pop(tag, None)
        if usage is not None:
            usage.answered(inviting.invite, response)
        else:
            usage = self._branch(response)
        ended = [each for other in early.values() for each in (*other.over(now), *other.give_up(), _unsent(other))]
        inviting.lost = tuple(early)
        self.usage, self._early, self._answered = usage, None, usage.dialog.id
        usage.hear(response)
        usage.expiry.agreed(response, now)
        meaning = usage.session.received(Carrier.SUCCESS, description_of(response)).meaning
        happening = R2XX_OFFER if meaning is Meaning.OFFER else R2XX
        return [*ended, *self._move(happening, now, response)]

    def _move(
        self,
        happening: Input,
        now: float,
        response: Response | None = None,
        failure: TransportFailure | None = None,
        bye: tuple[AnyServerKey, Request] | None = None,
    ) -> list[Effect]:
        cell = TABLE.get((self.state, happening))
        effects = self._traced(happening, self.state, cell, now) if self.trace_switch.on else []
        if cell is None:
            return effects
        if (cell[0] in _OVER and self.state not in _OVER) or INVITE_AGAIN in cell[1]:
            effects += [effect for usage in self.usages() for effect in usage.over(now)]
        self.state = cell[0]
        for step in cell[1]:
            if step is REPORT_PROGRESS and response:
                effects.append(Progress(response, self.usage is not None and self.usage.has_waiting(response)))
            elif step is REPORT_ANSWER and response:
                effects.append(Answered(response))
            elif step is REPORT_OFFER and response:
                effects.append(Offered(response))
            elif step is REPORT_REDIRECTION and (onward := self._inviting.onward):
                effects.append(Redirected(response, onward.uri))
            elif step is REPORT_FAILURE:
                effects.append(Failed(response, failure))
            elif step is REPORT_END:
                effects.append(Ended(self.end_reason, self.ended_by))
            elif step is ACCEPT_BYE and bye:
                effects.append(self._accepted_bye(*bye))
            else:
                effects += self._send(step)
        if self.state not in _TRYING:
            self._valid_until = NEVER
            self._pack()
        return effects

    def _pack(self) -> None:
        """Once the call's 2xx is acknowledged: keep no more than what may still come asks for."""
        pending, usage = self._pending, self.usage
        if isinstance(pending, Inviting):
            if self._answered is None or self._answered.remote_tag not in pending.acks:
                return
            self._pending = pending.packed()
        if self.state is State.TERMINATED:
            self.ended_by = None
            if usage is not None and not usage.awaits_success and not self.referrals:
                self.usage = None

    def _send(self, step: Step) -> list[Effect]:
        if step is INVITE_AGAIN:
            return [*self._let_go(), self._inviting.again(self.numbers.next())]
        if step is CANCEL:
            due = [effect for usage in self.usages() for effect in usage.give_up()]
            return [*due, CancelInvite(self.parting)]
        if step is PART:
            return [self._bye()]
        tag = self._answered.remote_tag if self._answered is not None else ""
        if isinstance(self._pending, Packed):  # the ACK was made once, and is repeated (RFC 3261 §13.2.2.4)
            return [self._pending.ack_of(tag)]
        inviting, usage = self._inviting, self.require_usage()
        body = usage.session.refusal() if step is REFUSING_ACK else inviting.answer
        ack = inviting.acks[tag] = usage.acknowledge(inviting.invite, body)
        return [ack]

    def _let_go(self) -> list[Effect]:
        """Forget the early dialogs of an INVITE that was refused."""
        unsent: list[Effect] = [_unsent(usage) for usage in self.usages()]
        self.usage = self._early = None
        return unsent

    def _branch(self, response: Response) -> InviteUsage:
        """The usage of the dialog that a response makes (RFC 3261 §12.1.2)."""
        inviting = self._inviting
        usage = self.new_usage(
            dialog_of_caller(inviting.invite, response), inviting.new_session(self.trace_switch), owner=True
        )
        usage.expiry.minimum = inviting.min_interval
        return usage

    def _end_fork(self, tag: str, response: Response, now: float) -> list[Effect]:
        """A 2xx of another callee, whom a proxy had forked to: acknowledged and ended (RFC 3261 §13.2.2.4)."""
        inviting = self._inviting
        known = inviting.acks.get(tag)
        if known is not None:
            return [known]
        if len(inviting.acks) > MAX_FORKS:  # and the call's own
            return []
        fork = self._branch(response)
        fork.session.received(Carrier.SUCCESS, description_of(response))
        ack = inviting.acks[tag] = fork.acknowledge(inviting.invite, fork.session.refusal())
        told = [] if tag in inviting.lost else fork.negotiated(now)  # that its dialog began was told before
        return [*told, ack, SendInDialog(Purpose.FORK, *fork.request(BYE))]


def _unsent(early: InviteUsage) -> CancelChange:
    """What an early dialog wanted to change is not sent any more: the call goes on in another one, or elsewhere."""
    return CancelChange(early.dialog.id.remote_tag)
