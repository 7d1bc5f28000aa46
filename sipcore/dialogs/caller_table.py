"""The caller's side of a call as a table: RFC 3261 §13.2, §9.1 (CANCEL and its races), §15.1 (BYE).

`caller` carries out what it says.
"""

from enum import Enum

from sipcore.value import Member


class State(Member):
    """Where the call stands, seen from the caller."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    CANCELLING = "cancelling"
    OFFERED = "offered"
    """Answered with an offer, which the owner has to answer in the ACK (RFC 3261 §13.2.2.4)."""
    CONFIRMED = "confirmed"
    ENDING = "ending"
    TERMINATED = "terminated"


class Input(Member):
    """What may happen to a caller."""

    R1XX = "1xx"
    R2XX = "2xx"
    R2XX_OFFER = "2xx with an offer"
    R3XX_6XX = "3xx-6xx"
    MOVED = "3xx that leads on"
    ADJUSTED = "refusal that another INVITE avoids"
    FAILED = "failed"
    ANSWER = "answer"
    HANG_UP = "hang up"
    EXPIRED = "invitation expired"
    REMOTE_BYE = "remote BYE"
    BYE_DONE = "BYE done"


class Step(Enum):
    """What to do on the way to the next state."""

    REPORT_PROGRESS = "report progress"
    REPORT_REDIRECTION = "report redirection"
    REPORT_ANSWER = "report answer"
    REPORT_OFFER = "report offer"
    REPORT_FAILURE = "report failure"
    REPORT_END = "report end"
    INVITE = "INVITE"
    ACK = "ACK"
    REFUSING_ACK = "ACK that refuses the offer"
    CANCEL = "CANCEL"
    BYE = "BYE"
    ACCEPT_BYE = "200 to BYE"


_S, _I, _DO = State, Input, Step
TABLE: dict[tuple[State, Input], tuple[State, tuple[Step, ...]]] = {
    **{
        cell: target
        for state in (_S.CALLING, _S.PROCEEDING)
        for cell, target in (
            ((state, _I.R1XX), (_S.PROCEEDING, (_DO.REPORT_PROGRESS,))),  # 13.2.2.1
            ((state, _I.R2XX), (_S.CONFIRMED, (_DO.ACK, _DO.REPORT_ANSWER))),  # 13.2.2.4
            ((state, _I.R2XX_OFFER), (_S.OFFERED, (_DO.REPORT_ANSWER, _DO.REPORT_OFFER))),  # 13.2.2.4
            ((state, _I.R3XX_6XX), (_S.TERMINATED, (_DO.REPORT_FAILURE,))),  # 13.2.2.2, 13.2.2.3
            ((state, _I.MOVED), (_S.CALLING, (_DO.REPORT_REDIRECTION, _DO.INVITE))),  # 8.1.3.4
            ((state, _I.ADJUSTED), (_S.CALLING, (_DO.INVITE,))),  # 8.1.3.5, RFC 4028 7.3
            ((state, _I.FAILED), (_S.TERMINATED, (_DO.REPORT_FAILURE,))),  # 8.1.3.1
            ((state, _I.HANG_UP), (_S.CANCELLING, (_DO.CANCEL,))),  # 9.1: it waits for the first 1xx
            ((state, _I.EXPIRED), (_S.CANCELLING, (_DO.CANCEL,))),  # 13.2.1
        )
    },
    (_S.CANCELLING, _I.R2XX): (_S.ENDING, (_DO.ACK, _DO.BYE)),  # 9.1: the 2xx won the race
    (_S.CANCELLING, _I.R2XX_OFFER): (_S.ENDING, (_DO.REFUSING_ACK, _DO.BYE)),  # 13.2.2.4
    (_S.CANCELLING, _I.R3XX_6XX): (_S.TERMINATED, (_DO.REPORT_END,)),  # 487, as a rule
    (_S.CANCELLING, _I.FAILED): (_S.TERMINATED, (_DO.REPORT_END,)),
    (_S.OFFERED, _I.ANSWER): (_S.CONFIRMED, (_DO.ACK,)),  # 13.2.2.4
    (_S.OFFERED, _I.HANG_UP): (_S.ENDING, (_DO.REFUSING_ACK, _DO.BYE)),  # 13.2.2.4
    (_S.OFFERED, _I.REMOTE_BYE): (_S.TERMINATED, (_DO.ACCEPT_BYE, _DO.REPORT_END)),
    (_S.CONFIRMED, _I.R2XX): (_S.CONFIRMED, (_DO.ACK,)),  # 13.2.2.4: an ACK for each retransmission
    (_S.CONFIRMED, _I.HANG_UP): (_S.ENDING, (_DO.BYE,)),  # 15.1.1
    (_S.CONFIRMED, _I.REMOTE_BYE): (_S.TERMINATED, (_DO.ACCEPT_BYE, _DO.REPORT_END)),  # 15.1.2
    (_S.ENDING, _I.R2XX): (_S.ENDING, (_DO.ACK,)),
    (_S.ENDING, _I.REMOTE_BYE): (_S.ENDING, (_DO.ACCEPT_BYE,)),  # both hang up at once
    (_S.ENDING, _I.BYE_DONE): (_S.TERMINATED, (_DO.REPORT_END,)),  # 15.1.1: whatever the answer
    (_S.TERMINATED, _I.R2XX): (_S.TERMINATED, (_DO.ACK,)),  # its ACK was lost
    (_S.TERMINATED, _I.REMOTE_BYE): (_S.TERMINATED, (_DO.ACCEPT_BYE,)),  # both hung up, and its own BYE was lost
    **{
        # 15: a callee must not send one in an early dialog. It gets an answer; the INVITE's is still to come.
        (state, _I.REMOTE_BYE): (state, (_DO.ACCEPT_BYE,))
        for state in (_S.CALLING, _S.PROCEEDING, _S.CANCELLING)
    },
}
_ANSWERED = (_S.OFFERED, _S.CONFIRMED, _S.ENDING)
IGNORED = {
    (_S.CANCELLING, _I.R1XX),
    (_S.CANCELLING, _I.HANG_UP),
    *((state, _I.R1XX) for state in _ANSWERED),  # overtaken by the 2xx
    (_S.OFFERED, _I.R2XX),  # a retransmission, while the owner still thinks
    (_S.ENDING, _I.HANG_UP),
    *((_S.TERMINATED, happening) for happening in Input if happening not in (_I.R2XX, _I.REMOTE_BYE)),
}
IMPOSSIBLE = {
    *((state, _I.BYE_DONE) for state in (_S.CALLING, _S.PROCEEDING, _S.CANCELLING, _S.OFFERED, _S.CONFIRMED)),
    # The INVITE transaction delivers nothing else once it has delivered a 2xx (RFC 6026 §7.2), and that the same
    # once more is a retransmission, `Caller` knows.
    *((state, _I.R3XX_6XX) for state in _ANSWERED),
    *((state, _I.FAILED) for state in _ANSWERED),
    *((state, _I.R2XX_OFFER) for state in _ANSWERED),
    # A call that is given up, or answered, is not tried elsewhere.
    *((state, happening) for state in (_S.CANCELLING, *_ANSWERED) for happening in (_I.MOVED, _I.ADJUSTED)),
    # Its time is watched no longer.
    *((state, _I.EXPIRED) for state in (_S.CANCELLING, *_ANSWERED)),
    # `Caller` refuses it as the owner's mistake.
    *((state, _I.ANSWER) for state in (_S.CALLING, _S.PROCEEDING, _S.CANCELLING, _S.CONFIRMED, _S.ENDING)),
}
