"""What caller and callee have in common once there is a dialog: how it is changed, and how it comes to its end."""

from abc import ABC, abstractmethod
from enum import Enum
from typing import ClassVar

from sipcore.dialogs.dialog import Cell, Dialog, DialogId, Numbers
from sipcore.dialogs.effects import Effect, EndReason, Finish, Purpose, Reply, SendInDialog
from sipcore.dialogs.manner import Manner
from sipcore.dialogs.refer import TOLD_IN, Referrals
from sipcore.dialogs.session import Session
from sipcore.dialogs.usage import InviteUsage
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.message.address import Address
from sipcore.message.build import Fields
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.method import BYE, NOTIFY, REFER, SUBSCRIBE
from sipcore.message.uri import Uri
from sipcore.tokens import Tokens
from sipcore.trace import TraceSwitch, TransitionTrace
from sipcore.transactions.key import AnyServerKey

_LOST = (481, 408)
"""RFC 3261 §12.2.1.2: the answers that say that the dialog is gone."""
_OWNERS = (Purpose.OTHER, Purpose.GIVEN_UP)
"""What the dialog is to learn of whether anybody waits for the answer or not."""
_CHANGING = (Purpose.CHANGE, Purpose.PRACK)
"""What may bring an offer, so that the session depends on how it ends."""


_OF_SUBSCRIPTIONS = (NOTIFY, SUBSCRIBE, REFER)
"""Methods of requests that belong to a usage of their own, or ask for one: if that is gone, or is not made, the call
goes on (RFC 5057 §5.1)."""
_OWN_DOING = (EndReason.LOCAL_HANG_UP, EndReason.REMOTE_HANG_UP)


class Side(ABC):
    """One call at one side. `usage` is its dialog: the confirmed one, or the early one that was heard of last."""

    NAME: ClassVar[str]
    """What the machine is called in traces."""
    __slots__ = (
        *("contact", "end_reason", "ended_by", "manner", "numbers", "parting", "referrals", "tokens", "usage"),
        "trace_switch",
    )

    def __init__(
        self, manner: Manner, tokens: Tokens, numbers: Numbers, reason: EndReason, trace_switch: TraceSwitch
    ) -> None:
        self.trace_switch = trace_switch
        self.manner = manner
        self.tokens = tokens
        self.numbers = numbers
        self.end_reason = reason
        self.ended_by: Request | None = None
        """The BYE or CANCEL of the peer that ended the call."""
        self.parting: Fields = ()
        """What the BYE or CANCEL sent here says besides, as a Reason (RFC 3326)."""
        self.contact: Address | None = None
        """Where this side can be reached in this call; None while nothing is known of the way."""
        self.usage: InviteUsage | None = None
        self.referrals: Referrals | None = None
        """What may still be told of the REFERs in this call, which may be after its end; None before there was one."""

    def settled(self, sent: Request) -> None:
        """The transaction of a re-INVITE or UPDATE is over: nothing can come for it any more."""
        usage = self.usage_of(sent.to_tag)
        if usage is not None:
            usage.settled(sent)

    def changed_again(self, sent: Request) -> None:
        """A re-INVITE or UPDATE was refused, and has gone out again: with credentials, or elsewhere."""
        usage = self.usage_of(sent.to_tag)
        if usage is not None:
            usage.changed_again(sent)

    @property
    def id(self) -> DialogId:
        """Its dialog: the confirmed one, or the early one that was heard of last."""
        return self.require_usage().dialog.id

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Whether the call is over."""

    @property
    def rings_elsewhere(self) -> bool:
        """Whether the end of one of its dialogs leaves others that may become the call's."""
        return False

    @abstractmethod
    def hang_up(self, now: float) -> list[Effect]:
        """End the call in the way its state asks for."""

    @abstractmethod
    def receive_bye(self, key: AnyServerKey, bye: Request, now: float) -> list[Effect]:
        """The peer hangs up."""

    @abstractmethod
    def receive_ack(self, ack: Request, now: float) -> list[Effect]:
        """The ACK of a 2xx that was sent in one of the call's dialogs."""

    @abstractmethod
    def receive_cancel(self, key: AnyServerKey, cancel: Request, now: float) -> list[Effect]:
        """The peer gives up an INVITE of its own; the CANCEL itself is answered by the owner (§9.2)."""

    @abstractmethod
    def bye_done(self, now: float) -> list[Effect]:
        """The BYE was answered, or was not."""

    @abstractmethod
    def next_timeout(self) -> float:
        """When `wake` is due; NEVER while nothing waits."""

    @abstractmethod
    def wake(self, now: float) -> list[Effect]:
        """Do what is due by now."""

    def lapse(self, now: float) -> list[Effect]:
        """After the call's end: forget the REFERs whose time has run out, and tell those that came of it.

        RFC 6665 §4.2.2 has that said to whoever has subscribed, who may have heard nothing else.
        """
        if self.referrals is None:
            return []
        told: list[Effect] = []
        for fields, body, remote_tag in self.referrals.last_words(now):
            if self.usage_of(remote_tag) is not None:
                notify = self.request(NOTIFY, fields, body, TOLD_IN, remote_tag)
                told.append(SendInDialog(Purpose.NOTIFY, *notify))
        return [*told, *self.referrals.lapse(now)]

    def usage_of(self, remote_tag: str | None) -> InviteUsage | None:
        """The dialog with the peer of this tag; the local one is the same in all dialogs of a call."""
        usage = self.usage
        return usage if usage is not None and usage.dialog.id.remote_tag == (remote_tag or "") else None

    def usages(self) -> list[InviteUsage]:
        """All its dialogs."""
        return [self.usage] if self.usage is not None else []

    def knows(self, remote_tag: str | None) -> bool:
        """Whether the peer of this tag has a dialog of this call, or had the one that it was in."""
        return self.usage_of(remote_tag) is not None

    def negotiated(self, now: float) -> list[TransitionTrace]:
        """What the offers and answers in its dialogs went through by now, while somebody wants to know."""
        return [step for usage in self.usages() for step in usage.negotiated(now)]

    def reached_at(self, contact: Address) -> None:
        """Take where this side can be reached in this call."""
        self.contact = contact
        for usage in self.usages():
            usage.contact = contact

    def new_usage(self, dialog: Dialog, session: Session, *, owner: bool) -> InviteUsage:
        """The usage of one more dialog."""
        usage = InviteUsage(dialog, session, self.numbers, self.manner, self.tokens, owner=owner)
        usage.contact = self.contact
        return usage

    # What the owner asks for

    def require_usage(self, remote_tag: str | None = None) -> InviteUsage:
        """The dialog with the peer of this tag, or `usage`. Raises LocalError where there is none."""
        usage = self.usage if remote_tag is None else self.usage_of(remote_tag)
        if usage is not None:
            return usage
        if self.usage is None:
            raise LocalError("there is no dialog yet", section="RFC 3261 §12.1")
        raise LocalError(f"there is no dialog with the remote tag {remote_tag!r}", section="RFC 3261 §12")

    def change(self, method: str, body: bytes, now: float, remote_tag: str | None = None) -> list[Effect]:
        """Send a re-INVITE or UPDATE, or a PRACK with an offer. Raises LocalError where none may be sent now."""
        return self._settle(self.require_usage(remote_tag).change(method, body, now), now)

    def withdraw(self, now: float, remote_tag: str | None = None) -> list[Effect]:
        """Take back the change that is on its way in a dialog, as far as that goes; none is needed."""
        usage = self.usage if remote_tag is None else self.usage_of(remote_tag)
        return self._settle(usage.withdraw(now), now) if usage is not None else []

    def answer(self, body: bytes, now: float, remote_tag: str | None = None) -> list[Effect]:
        """Answer the peer's offer. Raises LocalError where there is none, or one in several dialogs."""
        return self._settle(self._offered_usage(remote_tag).answer(body, now), now)

    def decline(self, status: int, now: float, remote_tag: str | None = None) -> list[Effect]:
        """Refuse the peer's offer. Raises LocalError where there is none, or one in several dialogs."""
        return self._settle(self._offered_usage(remote_tag).decline(status, now), now)

    def acknowledge(self, now: float, remote_tag: str | None = None) -> list[Effect]:
        """Send the PRACK of a reliable 1xx that waits for the owner. Raises LocalError as `answer` does."""
        waiting = [usage for usage in self.usages() if usage.awaits_prack]
        return self._settle(self._only_usage(waiting, remote_tag).acknowledge_progress(), now)

    def request(
        self, method: str, fields: Fields, body: bytes, content_type: str, remote_tag: str | None = None
    ) -> tuple[Request, Uri]:
        """A request inside the dialog, and the URI whose hop is next. Raises LocalError while there is no dialog."""
        usage = self.require_usage(remote_tag)
        return usage.request(method, fields=fields, body=body, content_type=content_type)

    def referring(self) -> Referrals:
        """What may be told of REFERs, as there is one now."""
        if self.referrals is None:
            self.referrals = Referrals()
        return self.referrals

    # What comes

    def receive_change(self, key: AnyServerKey, request: Request, now: float) -> list[Effect]:
        """A re-INVITE or UPDATE inside the dialog that its tags name. Raises ParseError."""
        usage = self.usage_of(request.from_tag)
        return self._settle(usage.receive(key, request, now), now) if usage else []

    def receive_within(self, purpose: Purpose, sent: Request, response: Response, now: float) -> list[Effect]:
        """The response to a request inside the dialog, as `sent` went out last."""
        if purpose is Purpose.BYE:
            if response.is_provisional:
                return []
            return self._parted(None if response.is_success else EndReason.BYE_REFUSED, now)
        usage = self.usage_of(sent.to_tag)
        if response.is_provisional:
            if purpose is not Purpose.CHANGE or usage is None:
                return []
            return self._settle(usage.receive_provisional(sent, response, now), now)
        if purpose in _CHANGING and usage is not None:
            return self._settle(usage.receive_response(sent, response, now), now)
        if purpose is Purpose.REFRESH:
            return self._settle(usage.refreshed(response, now), now) if usage and not self.is_over else []
        if self._is_of_call(purpose, sent, usage) and response.status in _LOST:
            return self._settle([Finish(EndReason.GONE)], now)
        return []

    def fail_within(self, purpose: Purpose, sent: Request, failure: TransportFailure, now: float) -> list[Effect]:
        """A request inside the dialog got no final response.

        Silence ends the call, as a 408 does; that it could not be sent counts as a 503, which does not (§8.1.3.1).
        """
        if purpose is Purpose.BYE:
            return self._parted(EndReason.BYE_UNANSWERED, now)
        usage = self.usage_of(sent.to_tag)
        if purpose in _CHANGING and usage is not None:
            return self._settle(usage.fail(sent, failure, now), now)
        if purpose is Purpose.REFRESH:
            return self._settle(usage.not_refreshed(failure, now), now) if usage and not self.is_over else []
        if self._is_of_call(purpose, sent, usage) and failure.reason is FailureReason.TIMED_OUT:
            return self._settle([Finish(EndReason.GONE)], now)
        return []

    def break_off_change(self, sent: Request, now: float) -> list[Effect]:
        """What was made of the 2xx to a re-INVITE was broken off by a mistake of this program: the call ends, since
        nobody knows what was agreed on.
        """
        usage = self.usage_of(sent.to_tag)
        acknowledged: list[Effect] = [usage.break_off(sent)] if usage is not None else []
        return [*acknowledged, *self.hang_up(now)]

    # Inside

    def _offered_usage(self, remote_tag: str | None) -> InviteUsage:
        """The dialog whose peer has made the offer that is meant: where no tag says which, the only one.

        Each branch of a forked INVITE may make an offer of its own, and has to get its own answer (RFC 3262 §5).
        """
        return self._only_usage([usage for usage in self.usages() if usage.is_offered], remote_tag)

    def _only_usage(self, waiting: list[InviteUsage], remote_tag: str | None) -> InviteUsage:
        if remote_tag is None and len(waiting) > 1:
            tags = ", ".join(repr(usage.dialog.id.remote_tag) for usage in waiting)
            text = f"several callees wait for this; say whom it is for by remote_tag: {tags}"
            raise LocalError(text, section="RFC 3261 §12.1.2")
        return waiting[0] if waiting and remote_tag is None else self.require_usage(remote_tag)

    def _is_of_call(self, purpose: Purpose, sent: Request, usage: InviteUsage | None) -> bool:
        """Whether a request of the owner belongs to the call itself, which is gone where nobody knows the request."""
        return purpose in _OWNERS and usage is self.usage and sent.method not in _OF_SUBSCRIPTIONS

    def _parted(self, problem: EndReason | None, now: float) -> list[Effect]:
        """The BYE is over; how it fared is told where nothing more telling has ended the call."""
        if problem is not None and self.end_reason in _OWN_DOING:
            self.end_reason = problem
        return self.bye_done(now)

    def _traced(self, happening: Enum, before: Enum, cell: Cell | None, now: float) -> list[Effect]:
        """What is told of an input while somebody wants to know."""
        return [self.id.transition(now, self.NAME, happening, before, cell)]

    def _settle(self, effects: list[Effect], now: float) -> list[Effect]:
        """The effects, and in the place of each Finish what ends the call."""
        told: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Finish) and self.rings_elsewhere:
                continue  # one early dialog of several is gone (RFC 3261 §12.2.1.2): the others ring on
            if isinstance(effect, Finish):
                was_over, ending = self.is_over, self.hang_up(now)
                if not was_over:  # an answer that crosses the BYE says nothing of why that was sent
                    self.end_reason = effect.reason
                told += ending
            else:
                told.append(effect)
        return told

    def _bye(self) -> SendInDialog:
        request, next_hop = self.request(BYE, self.parting, b"", "")
        return SendInDialog(Purpose.BYE, request, next_hop)

    def _accepted_bye(self, key: AnyServerKey, bye: Request) -> Reply:
        return Reply(key, build_response(bye, 200, fields=self.manner.signed(())))
