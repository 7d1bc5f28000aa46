"""Having a session changed by the peer, by re-INVITE, UPDATE or PRACK, as a table.

RFC 3261 §14.2, RFC 3311 §5.2, RFC 3262 §5.
"""

from enum import Enum

from sipcore.value import Member

NAME = "re-INVITE server"
"""What the machine is called in traces."""
UPDATE_PATIENCE = 48
"""Times T1 within which an UPDATE is answered that the owner decides on: its sender gives up after 64, and the call
with it (RFC 3261 §17.1.2.2, §12.2.1.2), and repeats it once or twice until then, so that the answer arrives."""
NOT_DECIDED = 504
"""To a request that the owner has not decided on in time: for an UPDATE, RFC 3311 §5.2 has it so."""


class State(Member):
    """How far a change is that the peer asks for."""

    IDLE = "idle"
    DECIDING = "the owner decides"
    UNACKNOWLEDGED = "2xx without its ACK"


class Input(Member):
    """What may happen to it. What crosses another change never gets here: the rules of offer and answer refuse it."""

    AGREED = "re-INVITE with an answer to it at hand"
    UPDATED = "UPDATE or PRACK with an answer to it at hand"
    ASKED = "request that the owner must answer"
    REFUSED = "request that must be refused"
    ANSWER = "answer of the owner to a re-INVITE"
    ANSWER_UPDATE = "answer of the owner to an UPDATE or a PRACK"
    DECLINE = "refusal of the owner"
    EXTEND = "re-INVITE that the owner still decides on"
    TOO_LATE = "request that nobody has decided on in time"
    CANCEL = "CANCEL"
    ACK = "ACK"
    REPEAT = "repeat the 2xx"
    NO_ACK = "no ACK"
    OVER = "call over"


class Step(Enum):
    """What to do on the way to the next state."""

    REPORT_OFFER = "report offer"
    SUCCESS = "2xx"
    REFUSE = "3xx-6xx"
    PROVISIONAL = "183"
    TERMINATED = "487"
    REPEAT = "2xx again"
    TAKE_ACK = "take the ACK"
    FINISH = "end the call"


_S, _I, _DO = State, Input, Step
TABLE: dict[tuple[State, Input], tuple[State, tuple[Step, ...]]] = {
    **{
        cell: target
        for state in (_S.IDLE, _S.UNACKNOWLEDGED)  # whoever asks for the next change has seen the last 2xx
        for cell, target in (
            ((state, _I.AGREED), (_S.UNACKNOWLEDGED, (_DO.SUCCESS,))),
            ((state, _I.UPDATED), (state, (_DO.SUCCESS,))),
            ((state, _I.ASKED), (_S.DECIDING, (_DO.REPORT_OFFER,))),
            ((state, _I.REFUSED), (state, (_DO.REFUSE,))),
        )
    },
    (_S.DECIDING, _I.UPDATED): (_S.DECIDING, (_DO.SUCCESS,)),  # one that offers nothing
    (_S.DECIDING, _I.REFUSED): (_S.DECIDING, (_DO.REFUSE,)),
    (_S.DECIDING, _I.ANSWER): (_S.UNACKNOWLEDGED, (_DO.SUCCESS,)),
    (_S.DECIDING, _I.ANSWER_UPDATE): (_S.IDLE, (_DO.SUCCESS,)),
    (_S.DECIDING, _I.DECLINE): (_S.IDLE, (_DO.REFUSE,)),
    (_S.DECIDING, _I.EXTEND): (_S.DECIDING, (_DO.PROVISIONAL,)),  # 13.3.1.1
    (_S.DECIDING, _I.TOO_LATE): (_S.IDLE, (_DO.REFUSE,)),  # RFC 3311 5.2
    (_S.DECIDING, _I.CANCEL): (_S.IDLE, (_DO.TERMINATED,)),  # 9.2
    (_S.DECIDING, _I.OVER): (_S.IDLE, (_DO.TERMINATED,)),  # 15.1.2
    (_S.UNACKNOWLEDGED, _I.ACK): (_S.IDLE, (_DO.TAKE_ACK,)),
    (_S.UNACKNOWLEDGED, _I.REPEAT): (_S.UNACKNOWLEDGED, (_DO.REPEAT,)),  # 13.3.1.4
    (_S.UNACKNOWLEDGED, _I.NO_ACK): (_S.IDLE, (_DO.FINISH,)),  # 13.3.1.4
    (_S.UNACKNOWLEDGED, _I.OVER): (_S.IDLE, ()),
}
IGNORED = {
    *((state, _I.CANCEL) for state in (_S.IDLE, _S.UNACKNOWLEDGED)),  # 9.2: after the final response
    *((state, _I.ACK) for state in (_S.IDLE, _S.DECIDING)),  # of a 2xx that was sent again
    (_S.IDLE, _I.OVER),
}
IMPOSSIBLE = {
    *((_S.DECIDING, happening) for happening in (_I.AGREED, _I.ASKED)),  # it crosses the one that is being decided
    *(  # refused as the caller's mistake
        (state, happening)
        for state in (_S.IDLE, _S.UNACKNOWLEDGED)
        for happening in (_I.ANSWER, _I.ANSWER_UPDATE, _I.DECLINE)
    ),
    *(  # nothing waits for a decision
        (state, happening) for state in (_S.IDLE, _S.UNACKNOWLEDGED) for happening in (_I.EXTEND, _I.TOO_LATE)
    ),
    *((state, happening) for state in (_S.IDLE, _S.DECIDING) for happening in (_I.REPEAT, _I.NO_ACK)),
}
