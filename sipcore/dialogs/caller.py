"""The caller's side of a call as a table: RFC 3261 §13.2, §9.1 (CANCEL and its races), §15.1 (BYE).

The machine says what to do next; it sends nothing. `Caller` keeps the state and the dialog, and turns each step into
the effects of `dialogs.session`.
"""

from enum import Enum

from sipcore.dialogs.dialog import Dialog, dialog_of_caller
from sipcore.dialogs.session import (
    AckSuccess,
    Answered,
    CancelInvite,
    Effect,
    Ended,
    EndReason,
    Failed,
    Progress,
    Reply,
    SendAndForget,
    SendInDialog,
)
from sipcore.errors import TransportFailure
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK, BYE
from sipcore.transactions.key import AnyServerKey

MAX_FORKS = 16
"""Callees whose 2xx are acknowledged for one INVITE: more phones than anybody has, and a bound on what a peer costs."""


class State(Enum):
    """Where the call stands, seen from the caller."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    CANCELLING = "cancelling"
    CONFIRMED = "confirmed"
    ENDING = "ending"
    TERMINATED = "terminated"


class Input(Enum):
    """What may happen to a caller."""

    R1XX = "1xx"
    R2XX = "2xx"
    R3XX_6XX = "3xx-6xx"
    FAILED = "failed"
    HANG_UP = "hang up"
    REMOTE_BYE = "remote BYE"
    BYE_DONE = "BYE done"


class Step(Enum):
    """What to do on the way to the next state."""

    REPORT_PROGRESS = "report progress"
    REPORT_ANSWER = "report answer"
    REPORT_FAILURE = "report failure"
    REPORT_END = "report end"
    ACK = "ACK"
    CANCEL = "CANCEL"
    BYE = "BYE"
    ACCEPT_BYE = "200 to BYE"


_S, _I, _DO = State, Input, Step
TABLE: dict[tuple[State, Input], tuple[State, tuple[Step, ...]]] = {
    (_S.CALLING, _I.R1XX): (_S.PROCEEDING, (_DO.REPORT_PROGRESS,)),  # 13.2.2.1
    (_S.CALLING, _I.R2XX): (_S.CONFIRMED, (_DO.ACK, _DO.REPORT_ANSWER)),  # 13.2.2.4
    (_S.CALLING, _I.R3XX_6XX): (_S.TERMINATED, (_DO.REPORT_FAILURE,)),  # 13.2.2.2, 13.2.2.3
    (_S.CALLING, _I.FAILED): (_S.TERMINATED, (_DO.REPORT_FAILURE,)),  # 8.1.3.1
    (_S.CALLING, _I.HANG_UP): (_S.CANCELLING, (_DO.CANCEL,)),  # 9.1: it waits for the first 1xx
    (_S.PROCEEDING, _I.R1XX): (_S.PROCEEDING, (_DO.REPORT_PROGRESS,)),
    (_S.PROCEEDING, _I.R2XX): (_S.CONFIRMED, (_DO.ACK, _DO.REPORT_ANSWER)),
    (_S.PROCEEDING, _I.R3XX_6XX): (_S.TERMINATED, (_DO.REPORT_FAILURE,)),
    (_S.PROCEEDING, _I.FAILED): (_S.TERMINATED, (_DO.REPORT_FAILURE,)),
    (_S.PROCEEDING, _I.HANG_UP): (_S.CANCELLING, (_DO.CANCEL,)),
    (_S.CANCELLING, _I.R2XX): (_S.ENDING, (_DO.ACK, _DO.BYE)),  # 9.1: the 2xx won the race
    (_S.CANCELLING, _I.R3XX_6XX): (_S.TERMINATED, (_DO.REPORT_END,)),  # 487, as a rule
    (_S.CANCELLING, _I.FAILED): (_S.TERMINATED, (_DO.REPORT_END,)),
    (_S.CONFIRMED, _I.R2XX): (_S.CONFIRMED, (_DO.ACK,)),  # 13.2.2.4: an ACK for each retransmission
    (_S.CONFIRMED, _I.HANG_UP): (_S.ENDING, (_DO.BYE,)),  # 15.1.1
    (_S.CONFIRMED, _I.REMOTE_BYE): (_S.TERMINATED, (_DO.ACCEPT_BYE, _DO.REPORT_END)),  # 15.1.2
    (_S.ENDING, _I.R2XX): (_S.ENDING, (_DO.ACK,)),
    (_S.ENDING, _I.REMOTE_BYE): (_S.ENDING, (_DO.ACCEPT_BYE,)),  # both hang up at once
    (_S.ENDING, _I.BYE_DONE): (_S.TERMINATED, (_DO.REPORT_END,)),  # 15.1.1: whatever the answer
    (_S.TERMINATED, _I.R2XX): (_S.TERMINATED, (_DO.ACK,)),  # its ACK was lost
    (_S.TERMINATED, _I.REMOTE_BYE): (_S.TERMINATED, (_DO.ACCEPT_BYE,)),  # both hung up, and its own BYE was lost
}
IGNORED = {
    (_S.CANCELLING, _I.R1XX),
    (_S.CANCELLING, _I.HANG_UP),
    (_S.CONFIRMED, _I.R1XX),  # overtaken by the 2xx
    (_S.ENDING, _I.R1XX),
    (_S.ENDING, _I.HANG_UP),
    *((_S.TERMINATED, happening) for happening in Input if happening not in (_I.R2XX, _I.REMOTE_BYE)),
}
IMPOSSIBLE = {
    # There is no confirmed dialog that a BYE could belong to (15: the callee sends none before), and none was sent.
    *((state, _I.REMOTE_BYE) for state in (_S.CALLING, _S.PROCEEDING, _S.CANCELLING)),
    *((state, _I.BYE_DONE) for state in (_S.CALLING, _S.PROCEEDING, _S.CANCELLING, _S.CONFIRMED)),
    # The INVITE transaction delivers nothing else once it has delivered a 2xx (RFC 6026 §7.2).
    *((state, _I.R3XX_6XX) for state in (_S.CONFIRMED, _S.ENDING)),
    *((state, _I.FAILED) for state in (_S.CONFIRMED, _S.ENDING)),
}


class Caller:
    """One outgoing call. Every method gives the effects that the owner carries out, in order."""

    __slots__ = ("_acks", "dialog", "end_reason", "invite", "state")

    def __init__(self, invite: Request) -> None:
        """Take the INVITE that was sent, without its Via."""
        self.invite = invite
        self.state = State.CALLING
        self.dialog: Dialog | None = None
        self.end_reason = EndReason.LOCAL_HANG_UP
        self._acks: dict[str, AckSuccess] = {}

    def resent(self, invite: Request) -> None:
        """The INVITE went out again with credentials or to another hop: this one the ACK must match (§22.2)."""
        self.invite = invite

    def receive(self, response: Response) -> list[Effect]:
        """A response to the INVITE."""
        if response.is_provisional:
            return self._move(Input.R1XX, response)
        if not response.is_success:
            return self._move(Input.R3XX_6XX, response)
        if self.dialog is None:
            self.dialog = dialog_of_caller(self.invite, response)
        elif (response.to_tag or "") != self.dialog.id.remote_tag:
            return self._end_fork(response)
        return self._move(Input.R2XX, response)

    def fail(self, failure: TransportFailure) -> list[Effect]:
        """The INVITE got no final response."""
        return self._move(Input.FAILED, failure=failure)

    def hang_up(self) -> list[Effect]:
        """End the call: CANCEL while it is not answered, BYE once it is."""
        return self._move(Input.HANG_UP)

    def receive_bye(self, key: AnyServerKey, bye: Request) -> list[Effect]:
        """The peer hangs up."""
        self.end_reason = EndReason.REMOTE_HANG_UP if self.state is State.CONFIRMED else self.end_reason
        return self._move(Input.REMOTE_BYE, bye=(key, bye))

    def bye_done(self, outcome: Response | TransportFailure) -> list[Effect]:
        """The BYE was answered, or was not."""
        if isinstance(outcome, TransportFailure):
            self.end_reason = EndReason.BYE_UNANSWERED
        elif not outcome.is_success:
            self.end_reason = EndReason.BYE_REFUSED
        return self._move(Input.BYE_DONE)

    def _move(
        self,
        happening: Input,
        response: Response | None = None,
        failure: TransportFailure | None = None,
        bye: tuple[AnyServerKey, Request] | None = None,
    ) -> list[Effect]:
        cell = TABLE.get((self.state, happening))
        if cell is None:
            return []
        self.state = cell[0]
        effects: list[Effect] = []
        for step in cell[1]:
            if step is Step.REPORT_PROGRESS and response:
                effects.append(Progress(response))
            elif step is Step.REPORT_ANSWER and response:
                effects.append(Answered(response))
            elif step is Step.REPORT_FAILURE:
                effects.append(Failed(response, failure))
            elif step is Step.REPORT_END:
                effects.append(Ended(self.end_reason))
            elif step is Step.ACK and self.dialog:
                effects.append(self._acknowledge(self.dialog))
            elif step is Step.CANCEL:
                effects.append(CancelInvite())
            elif step is Step.BYE and self.dialog:
                self.dialog = self.dialog.numbered(max(self.dialog.local_sequence, self.invite.cseq.number) + 1)
                effects.append(SendInDialog(*self.dialog.request(BYE, self.dialog.local_sequence)))
            elif step is Step.ACCEPT_BYE and bye:
                effects.append(Reply(bye[0], build_response(bye[1], 200)))
        return effects

    def _acknowledge(self, dialog: Dialog) -> AckSuccess:
        """The ACK of a 2xx: made once, then repeated (RFC 3261 §13.2.2.4), with the credentials of the INVITE."""
        tag = dialog.id.remote_tag
        if tag not in self._acks:
            credentials = [
                (name, text)
                for name in ("Authorization", "Proxy-Authorization")
                for text in self.invite.headers.get_all(name)
            ]
            request, next_hop = dialog.request(ACK, self.invite.cseq.number, fields=credentials)
            self._acks[tag] = AckSuccess(request, next_hop)
        return self._acks[tag]

    def _end_fork(self, response: Response) -> list[Effect]:
        """A 2xx of another callee, whom a proxy had forked to: acknowledged and ended (RFC 3261 §13.2.2.4)."""
        known = self._acks.get(response.to_tag or "")
        if known is not None:
            return [known]
        if len(self._acks) >= MAX_FORKS:
            return []
        fork = dialog_of_caller(self.invite, response)
        bye = fork.request(BYE, self.invite.cseq.number + 1)
        return [self._acknowledge(fork), SendAndForget(*bye)]
