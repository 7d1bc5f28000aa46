"""The callee's side of a call as a table: RFC 3261 §13.3, §9.2 (CANCEL), §15.1.2 (BYE).

The 2xx is repeated here until the ACK comes, since the transaction is over with it (§13.3.1.4, RFC 6026 §7.1).
"""

from dataclasses import replace
from enum import Enum

from sipcore.dialogs.dialog import Dialog, dialog_of_callee
from sipcore.dialogs.session import (
    Confirmed,
    Effect,
    Ended,
    EndReason,
    Reply,
    SendInDialog,
    StartTimer,
)
from sipcore.errors import LocalError, TransportFailure
from sipcore.message.build import Fields
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.method import BYE
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.timers import Timers


class State(Enum):
    """Where the call stands, seen from the callee."""

    INVITED = "invited"
    RINGING = "ringing"
    ANSWERED = "answered"
    LEAVING = "leaving"
    """Answered and hung up here before the ACK: the BYE must wait for it (§15)."""
    CONFIRMED = "confirmed"
    ENDING = "ending"
    TERMINATED = "terminated"


class Input(Enum):
    """What may happen to a callee."""

    RING = "ring"
    ACCEPT = "accept"
    REJECT = "reject"
    HANG_UP = "hang up"
    CANCEL = "CANCEL"
    ACK = "ACK"
    REMOTE_BYE = "remote BYE"
    REPEAT = "repeat the 2xx"
    NO_ACK = "no ACK"
    BYE_DONE = "BYE done"


class Step(Enum):
    """What to do on the way to the next state."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    REPEAT = "2xx again"
    FAILURE = "3xx-6xx"
    TERMINATED = "487"
    ACCEPT_BYE = "200 to BYE"
    BYE = "BYE"
    REPORT_CONFIRMED = "report confirmed"
    REPORT_END = "report end"


_S, _I, _DO = State, Input, Step
TABLE: dict[tuple[State, Input], tuple[State, tuple[Step, ...]]] = {
    **{
        cell: target
        for state in (_S.INVITED, _S.RINGING)
        for cell, target in (
            ((state, _I.RING), (_S.RINGING, (_DO.PROVISIONAL,))),  # 13.3.1.1
            ((state, _I.ACCEPT), (_S.ANSWERED, (_DO.SUCCESS,))),  # 13.3.1.4
            ((state, _I.REJECT), (_S.TERMINATED, (_DO.FAILURE, _DO.REPORT_END))),  # 13.3.1.3
            ((state, _I.CANCEL), (_S.TERMINATED, (_DO.TERMINATED, _DO.REPORT_END))),  # 9.2
            ((state, _I.REMOTE_BYE), (_S.TERMINATED, (_DO.ACCEPT_BYE, _DO.TERMINATED, _DO.REPORT_END))),  # 15.1.2
        )
    },
    (_S.ANSWERED, _I.ACK): (_S.CONFIRMED, (_DO.REPORT_CONFIRMED,)),
    (_S.ANSWERED, _I.REPEAT): (_S.ANSWERED, (_DO.REPEAT,)),
    (_S.ANSWERED, _I.NO_ACK): (_S.ENDING, (_DO.BYE,)),  # 13.3.1.4
    (_S.ANSWERED, _I.HANG_UP): (_S.LEAVING, ()),  # 15
    (_S.ANSWERED, _I.REMOTE_BYE): (_S.TERMINATED, (_DO.ACCEPT_BYE, _DO.REPORT_END)),
    (_S.LEAVING, _I.ACK): (_S.ENDING, (_DO.BYE,)),
    (_S.LEAVING, _I.REPEAT): (_S.LEAVING, (_DO.REPEAT,)),
    (_S.LEAVING, _I.NO_ACK): (_S.ENDING, (_DO.BYE,)),
    (_S.LEAVING, _I.REMOTE_BYE): (_S.TERMINATED, (_DO.ACCEPT_BYE, _DO.REPORT_END)),
    (_S.CONFIRMED, _I.HANG_UP): (_S.ENDING, (_DO.BYE,)),
    (_S.CONFIRMED, _I.REMOTE_BYE): (_S.TERMINATED, (_DO.ACCEPT_BYE, _DO.REPORT_END)),
    (_S.ENDING, _I.REMOTE_BYE): (_S.ENDING, (_DO.ACCEPT_BYE,)),
    (_S.ENDING, _I.BYE_DONE): (_S.TERMINATED, (_DO.REPORT_END,)),
}
_UP = (_S.ANSWERED, _S.LEAVING, _S.CONFIRMED, _S.ENDING)
IGNORED = {
    *((state, _I.CANCEL) for state in _UP),  # 9.2: it has no effect after a final response
    *((state, _I.ACK) for state in (_S.CONFIRMED, _S.ENDING)),  # the ACK of a repeated 2xx
    *((state, _I.HANG_UP) for state in (_S.LEAVING, _S.ENDING)),
    *((state, _I.REPEAT) for state in (_S.CONFIRMED, _S.ENDING)),  # a timer that was set before
    *((state, _I.NO_ACK) for state in (_S.CONFIRMED, _S.ENDING)),
    *((_S.TERMINATED, happening) for happening in Input),
}
IMPOSSIBLE = {
    *((state, happening) for state in (_S.INVITED, _S.RINGING) for happening in (_I.REPEAT, _I.NO_ACK, _I.BYE_DONE)),
    # An ACK of a final response that was not a 2xx ends in its transaction; without any there is none to match.
    *((state, _I.ACK) for state in (_S.INVITED, _S.RINGING)),
    # `Callee.hang_up` rejects a call that is not answered yet.
    *((state, _I.HANG_UP) for state in (_S.INVITED, _S.RINGING)),
    # `Callee` refuses these as the caller's mistake.
    *((state, happening) for state in _UP for happening in (_I.RING, _I.ACCEPT, _I.REJECT)),
    *((state, _I.BYE_DONE) for state in (_S.ANSWERED, _S.LEAVING, _S.CONFIRMED)),
}


class Callee:
    """One incoming call. Every method gives the effects that the owner carries out, in order."""

    __slots__ = ("_deadline", "_interval", "_key", "_response", "_timers", "dialog", "end_reason", "invite", "state")

    def __init__(self, key: AnyServerKey, invite: Request, local_tag: str, timers: Timers) -> None:
        """Take the INVITE and its server transaction's key. Raises ParseError when it has no Contact (§8.1.1.8)."""
        self.invite = invite
        self.state = State.INVITED
        self.dialog: Dialog = dialog_of_callee(invite, local_tag)
        self.end_reason = EndReason.REMOTE_HANG_UP
        self._key = key
        self._timers = timers
        self._response: Response | None = None
        self._interval = timers.t1
        self._deadline = 0.0

    def ring(self, status: int, *, fields: Fields = (), body: bytes = b"", content_type: str = "") -> list[Effect]:
        """Send a 1xx. Raises LocalError for another status, and when the call is answered or over."""
        self._require(Input.RING, status, 100, 199)
        self._response = self._build(status, fields, body, content_type)
        return self._move(Input.RING)

    def accept(self, now: float, *, fields: Fields = (), body: bytes = b"", content_type: str = "") -> list[Effect]:
        """Send the 200, and repeat it from T1 up to T2 apart until the ACK comes or 64·T1 have passed (§13.3.1.4)."""
        self._require(Input.ACCEPT, 200, 200, 299)
        self._response = self._build(200, fields, body, content_type)
        self._deadline = now + 64 * self._timers.t1
        effects = self._move(Input.ACCEPT)
        self.dialog = replace(self.dialog, confirmed=True)
        return [*effects, StartTimer(self._interval)]

    def reject(self, status: int, *, reason: str = "", fields: Fields = ()) -> list[Effect]:
        """Send a 3xx to 6xx. Raises LocalError for another status, and when the call is answered or over."""
        self._require(Input.REJECT, status, 300, 699)
        self.end_reason = EndReason.REJECTED
        self._response = build_response(self.invite, status, reason, tag=self.dialog.local.tag or "", fields=fields)
        return self._move(Input.REJECT)

    def hang_up(self) -> list[Effect]:
        """End the call: 480 while it is not answered, BYE once it is."""
        if self.state in (State.INVITED, State.RINGING):
            return self.reject(480)
        if self.state is not State.TERMINATED:
            self.end_reason = EndReason.LOCAL_HANG_UP
        return self._move(Input.HANG_UP)

    def receive_cancel(self) -> list[Effect]:
        """The caller gives up; the CANCEL itself is answered by the owner (§9.2)."""
        if self.state in (State.INVITED, State.RINGING):
            self.end_reason = EndReason.CANCELLED
        return self._move(Input.CANCEL)

    def receive_ack(self, ack: Request) -> list[Effect]:
        """The ACK of the 2xx."""
        return self._move(Input.ACK, ack=ack)

    def receive_bye(self, key: AnyServerKey, bye: Request) -> list[Effect]:
        """The peer hangs up."""
        if self.state is not State.ENDING:
            self.end_reason = EndReason.REMOTE_HANG_UP
        return self._move(Input.REMOTE_BYE, bye=(key, bye))

    def bye_done(self, outcome: Response | TransportFailure) -> list[Effect]:
        """The BYE was answered, or was not. That the ACK never came stays the reason if it was one."""
        if self.end_reason is not EndReason.NO_ACK:
            if isinstance(outcome, TransportFailure):
                self.end_reason = EndReason.BYE_UNANSWERED
            elif not outcome.is_success:
                self.end_reason = EndReason.BYE_REFUSED
        return self._move(Input.BYE_DONE)

    def wake(self, now: float) -> list[Effect]:
        """The timer has run out: repeat the 2xx, or give up on the ACK."""
        if self.state not in (State.ANSWERED, State.LEAVING):
            return []
        if now >= self._deadline:
            self.end_reason = EndReason.NO_ACK
            return self._move(Input.NO_ACK)
        self._interval = min(2 * self._interval, self._timers.t2)
        return [*self._move(Input.REPEAT), StartTimer(min(self._interval, self._deadline - now))]

    def _build(self, status: int, fields: Fields, body: bytes, content_type: str) -> Response:
        routes = [("Record-Route", text) for text in self.invite.headers.get_all("Record-Route")]  # §12.1.1
        tag = "" if status == 100 else self.dialog.local.tag or ""
        return build_response(
            self.invite, status, tag=tag, fields=[*routes, *fields], body=body, content_type=content_type
        )

    def _require(self, happening: Input, status: int, lowest: int, highest: int) -> None:
        """Refuse what the caller of this method must not ask for, before anything is changed by it."""
        if (self.state, happening) not in TABLE:
            raise LocalError(f"a call that is {self.state.value} cannot {happening.value}", section="RFC 3261 §13.3.1")
        if not lowest <= status <= highest:
            text = f"to {happening.value} takes a status from {lowest} to {highest}, not {status}"
            raise LocalError(text, section="RFC 3261 §13.3.1")

    def _move(
        self, happening: Input, ack: Request | None = None, bye: tuple[AnyServerKey, Request] | None = None
    ) -> list[Effect]:
        cell = TABLE.get((self.state, happening))
        if cell is None:
            return []
        self.state = cell[0]
        effects: list[Effect] = []
        for step in cell[1]:
            if step in (Step.PROVISIONAL, Step.SUCCESS, Step.REPEAT, Step.FAILURE) and self._response:
                effects.append(Reply(self._key, self._response))
            elif step is Step.TERMINATED:
                refusal = build_response(self.invite, 487, tag=self.dialog.local.tag or "")
                effects.append(Reply(self._key, refusal))
            elif step is Step.ACCEPT_BYE and bye:
                effects.append(Reply(bye[0], build_response(bye[1], 200)))
            elif step is Step.BYE:
                effects.append(self._bye())
            elif step is Step.REPORT_CONFIRMED and ack:
                effects.append(Confirmed(ack))
            elif step is Step.REPORT_END:
                effects.append(Ended(self.end_reason))
        return effects

    def _bye(self) -> SendInDialog:
        self.dialog = self.dialog.numbered(self.dialog.local_sequence + 1)
        request, next_hop = self.dialog.request(BYE, self.dialog.local_sequence)
        return SendInDialog(request, next_hop)
