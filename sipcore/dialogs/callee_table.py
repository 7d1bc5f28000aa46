"""The callee's side of a call as a table: RFC 3261 §13.3, §9.2 (CANCEL), §15.1.2 (BYE), RFC 3262 §3 (reliable 1xx).

`callee` carries out what it says.
"""

from enum import Enum

from sipcore.value import Member


class State(Member):
    """Where the call stands, seen from the callee."""

    INVITED = "invited"
    RINGING = "ringing"
    ACCEPTING = "accepting"
    """Accepted here while a reliable 1xx with a session description waits for its PRACK (RFC 3262 §3)."""
    ANSWERED = "answered"
    LEAVING = "leaving"
    """Answered and hung up here before the ACK: the BYE must wait for it (§15)."""
    CONFIRMED = "confirmed"
    ENDING = "ending"
    TERMINATED = "terminated"


class Input(Member):
    """What may happen to a callee."""

    RING = "ring"
    ACCEPT = "accept"
    ACCEPT_LATER = "accept after the PRACK"
    REJECT = "reject"
    HANG_UP = "hang up"
    CANCEL = "CANCEL"
    EXPIRED = "invitation expired"
    PRACKED = "PRACK of what waited"
    NO_PRACK = "no PRACK"
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
    TIMED_OUT = "504"
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
        )
    },
    **{
        cell: target
        for state in (_S.INVITED, _S.RINGING, _S.ACCEPTING)
        for cell, target in (
            ((state, _I.REJECT), (_S.TERMINATED, (_DO.FAILURE, _DO.REPORT_END))),  # 13.3.1.3
            ((state, _I.CANCEL), (_S.TERMINATED, (_DO.TERMINATED, _DO.REPORT_END))),  # 9.2
            ((state, _I.EXPIRED), (_S.TERMINATED, (_DO.TERMINATED, _DO.REPORT_END))),  # 13.3.1
            ((state, _I.REMOTE_BYE), (_S.TERMINATED, (_DO.ACCEPT_BYE, _DO.TERMINATED, _DO.REPORT_END))),  # 15.1.2
        )
    },
    (_S.RINGING, _I.ACCEPT_LATER): (_S.ACCEPTING, ()),
    (_S.ACCEPTING, _I.PRACKED): (_S.ANSWERED, (_DO.SUCCESS,)),
    (_S.RINGING, _I.NO_PRACK): (_S.TERMINATED, (_DO.TIMED_OUT, _DO.REPORT_END)),
    (_S.ACCEPTING, _I.NO_PRACK): (_S.TERMINATED, (_DO.TIMED_OUT, _DO.REPORT_END)),
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
    (_S.TERMINATED, _I.REMOTE_BYE): (_S.TERMINATED, (_DO.ACCEPT_BYE,)),  # both hung up, and its own BYE was lost
}
EARLY = (_S.INVITED, _S.RINGING, _S.ACCEPTING)
"""Before the final response."""
_UP = (_S.ANSWERED, _S.LEAVING, _S.CONFIRMED, _S.ENDING)
IGNORED = {
    *((state, _I.CANCEL) for state in _UP),  # 9.2: it has no effect after a final response
    *((state, _I.ACK) for state in (_S.CONFIRMED, _S.ENDING)),  # the ACK of a repeated 2xx
    *((state, _I.ACK) for state in EARLY),  # of a 2xx that somebody else has sent in the name of this side
    *((state, _I.HANG_UP) for state in (_S.LEAVING, _S.ENDING)),
    *((state, _I.REPEAT) for state in (_S.CONFIRMED, _S.ENDING)),  # a timer that was set before
    *((state, _I.NO_ACK) for state in (_S.CONFIRMED, _S.ENDING)),
    *((state, _I.PRACKED) for state in (_S.RINGING, *_UP)),  # nothing waits for it
    *((_S.TERMINATED, happening) for happening in Input if happening is not _I.REMOTE_BYE),
}
IMPOSSIBLE = {
    *((state, happening) for state in EARLY for happening in (_I.REPEAT, _I.NO_ACK, _I.BYE_DONE)),
    # `Callee.hang_up` rejects a call that is not answered yet.
    *((state, _I.HANG_UP) for state in EARLY),
    # `Callee` refuses these as the caller's mistake.
    *((state, happening) for state in (_S.ACCEPTING, *_UP) for happening in (_I.RING, _I.ACCEPT, _I.ACCEPT_LATER)),
    *((state, _I.REJECT) for state in _UP),
    *((state, _I.EXPIRED) for state in _UP),  # its time is watched no longer
    # Nothing reliable was sent yet, or `ReliableProvisionals` has stopped with the final response.
    (_S.INVITED, _I.PRACKED),
    *((state, _I.NO_PRACK) for state in (_S.INVITED, *_UP)),
    (_S.INVITED, _I.ACCEPT_LATER),
    *((state, _I.BYE_DONE) for state in (_S.ANSWERED, _S.LEAVING, _S.CONFIRMED)),
}
