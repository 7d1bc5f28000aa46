"""Changing a session from here, by re-INVITE, UPDATE or PRACK, as a table.

RFC 3261 §14.1, RFC 3311 §5.1, RFC 3262 §5, RFC 4028 §7.4.

There is one change at a time. A refusal leaves the session as it was; one with 491 is tried again after a random time,
since both sides have asked at once. A re-INVITE that got a 1xx and then nothing for too long is cancelled: its client
transaction waits for good. A refusal after the answer in a reliable 1xx undoes what was agreed on; so that the peer
sees it in the same way, what is in force again is offered once more (RFC 6141 §3.3, §3.4).
"""

from enum import Enum

from sipcore.message.method import PRACK
from sipcore.sdp.offer_answer import REQUEST_PENDING
from sipcore.tokens import Tokens
from sipcore.transactions.timers import NEVER
from sipcore.value import Member

NAME = "re-INVITE client"
"""What the machine is called in traces."""
MAX_ATTEMPTS = 4
"""How often one change is sent: against a peer that answers 491 for good."""
OWNER_WAIT = (2.1, 4.0)
"""Seconds after a 491 until the next attempt, for the side that made the Call-ID (RFC 3261 §14.1)."""
OTHER_WAIT = (0.0, 2.0)
"""The same for the other side: so they do not meet again."""
PATIENCE = 60.0
"""Seconds for which a re-INVITE waits after its last 1xx, on top of those in which it would have failed without any.

Whoever takes longer to answer says so once a minute (RFC 3261 §13.3.1.1)."""
WAIT_UNIT = 0.01
"""Both are chosen in units of 10 ms (RFC 3261 §14.1)."""


class State(Member):
    """How far a change is that was asked for here."""

    IDLE = "idle"
    SENT = "sent"
    WAITING = "waiting"
    """The peer had a change of its own on the way: it is tried again."""


class Input(Member):
    """What may happen to it."""

    CHANGE = "change"
    SUCCESS = "2xx"
    GLARE = "491"
    TOO_SMALL = "422"
    GONE = "481, 408 or no answer"
    REFUSED = "3xx-6xx"
    UNDONE = "3xx-6xx after the answer in a 1xx"
    WAKE = "wake"
    WITHDRAW = "withdraw"
    OVER = "call over"


class Step(Enum):
    """What to do on the way to the next state."""

    SEND = "send"
    CANCEL = "cancel"
    TAKE = "take the answer"
    ROLL_BACK = "roll back"
    WAIT = "wait"
    REPORT_UNCHANGED = "report unchanged"
    RESTORE = "go back to what was before"
    FINISH = "end the call"


_S, _I, _DO = State, Input, Step
TABLE: dict[tuple[State, Input], tuple[State, tuple[Step, ...]]] = {
    (_S.IDLE, _I.CHANGE): (_S.SENT, (_DO.SEND,)),
    (_S.SENT, _I.SUCCESS): (_S.IDLE, (_DO.TAKE,)),
    (_S.SENT, _I.GLARE): (_S.WAITING, (_DO.ROLL_BACK, _DO.WAIT)),  # 14.1
    (_S.SENT, _I.TOO_SMALL): (_S.SENT, (_DO.ROLL_BACK, _DO.SEND)),  # RFC 4028 7.3
    (_S.SENT, _I.GONE): (_S.IDLE, (_DO.ROLL_BACK, _DO.REPORT_UNCHANGED, _DO.FINISH)),  # 12.2.1.2
    (_S.SENT, _I.REFUSED): (_S.IDLE, (_DO.ROLL_BACK, _DO.REPORT_UNCHANGED)),  # 14.1
    (_S.SENT, _I.UNDONE): (_S.SENT, (_DO.ROLL_BACK, _DO.REPORT_UNCHANGED, _DO.RESTORE, _DO.SEND)),  # RFC 6141 3.4
    (_S.SENT, _I.WAKE): (_S.SENT, (_DO.CANCEL,)),  # 9.1
    (_S.SENT, _I.WITHDRAW): (_S.SENT, (_DO.CANCEL,)),  # 9.1
    (_S.SENT, _I.OVER): (_S.IDLE, (_DO.REPORT_UNCHANGED,)),
    (_S.WAITING, _I.WAKE): (_S.SENT, (_DO.SEND,)),
    (_S.WAITING, _I.WITHDRAW): (_S.IDLE, (_DO.REPORT_UNCHANGED,)),
    (_S.WAITING, _I.OVER): (_S.IDLE, (_DO.REPORT_UNCHANGED,)),
}
_ANSWERS = (_I.SUCCESS, _I.GLARE, _I.TOO_SMALL, _I.GONE, _I.REFUSED, _I.UNDONE)
IGNORED = {
    # A late answer to what the end of the call has overtaken, or a 2xx again, whose ACK `InviteUsage` repeats.
    *((_S.IDLE, answer) for answer in _ANSWERS),
    (_S.IDLE, _I.WITHDRAW),  # its end was quicker
    (_S.IDLE, _I.OVER),
}
IMPOSSIBLE = {
    *((state, _I.CHANGE) for state in (_S.SENT, _S.WAITING)),  # refused as the caller's mistake
    *((_S.WAITING, answer) for answer in _ANSWERS),  # the last one was final
    (_S.IDLE, _I.WAKE),  # no timer runs
}


class Change:
    """A change that was asked for here: how it is sent, how often it was, and when it is sent again."""

    __slots__ = ("attempts", "body", "due", "gives_way", "heard", "method", "refreshes", "restores", "withdrawn")

    def __init__(self, method: str, body: bytes, *, restores: bool = False) -> None:
        self.method = method
        self.body = body
        self.attempts = 0
        self.due = NEVER
        self.restores = restores
        """Whether it only brings back what was in force before another one."""
        self.refreshes = False
        """Whether a refresh of the session has become due meanwhile, and was left to it."""
        self.gives_way = False
        """Whether it was cancelled so that the session can be refreshed."""
        self.heard = False
        """Whether a 1xx has come since it was sent last."""
        self.withdrawn = False
        """Whether its owner has taken it back."""


def glare_wait(tokens: Tokens, *, owner: bool) -> float:
    """Seconds to wait after a 491 (RFC 3261 §14.1)."""
    lowest, highest = OWNER_WAIT if owner else OTHER_WAIT
    units = round((highest - lowest) / WAIT_UNIT)
    return lowest + tokens.number(units + 1) * WAIT_UNIT


def input_of(method: str, status: int) -> Input:
    """What a final response to a re-INVITE or UPDATE is; a 422 is judged by its Min-SE as well.

    A PRACK is not sent again, and one that acknowledges nothing says nothing of the dialog (RFC 3262 §3). Silence to
    the offer of one does: nobody here knows which session is in force there.
    """
    if status < 300:
        return Input.SUCCESS
    if method == PRACK:
        return Input.GONE if status == 408 else Input.REFUSED
    return {REQUEST_PENDING: Input.GLARE, 422: Input.TOO_SMALL, 481: Input.GONE, 408: Input.GONE}.get(
        status, Input.REFUSED
    )
