"""INVITE client transaction: RFC 3261 §17.1.1 and Figure 5, as RFC 6026 §8.4 replaces it, with the CANCEL of §9.1.

Once a CANCEL is sent, the wait for a final response ends after 64*T1 (§9.1): that is the timer CANCEL. A failed
connection ends the wait for it too: Figure 5 has no arrow for that, since nothing is sent in Proceeding (§17.1.4).
"""

from enum import IntEnum
from itertools import product

from sipcore.transactions.machine import Action, Machine, Table


class State(IntEnum):
    """The states of Figure 5."""

    CALLING = 0
    PROCEEDING = 1
    COMPLETED = 2
    ACCEPTED = 3
    TERMINATED = 4


class Input(IntEnum):
    """What can happen: responses by class, a wish to cancel, timers, and a failure to send."""

    R1XX = 0
    R2XX = 1
    R3XX_6XX = 2
    CANCEL = 3
    TIMER_A = 4
    TIMER_B = 5
    TIMER_D = 6
    TIMER_M = 7
    TIMER_CANCEL = 8
    TRANSPORT_ERROR = 9


CALLING, PROCEEDING, COMPLETED, ACCEPTED, TERMINATED = State
R1XX, R2XX, R3XX_6XX, CANCEL, TIMER_A, TIMER_B, TIMER_D, TIMER_M, TIMER_CANCEL, TRANSPORT_ERROR = Input
DELIVER, STOP_TIMERS = Action.DELIVER, Action.STOP_TIMERS
FORGET, FORGET_REQUEST = Action.FORGET, Action.FORGET_REQUEST

START = (CALLING, (Action.SEND, Action.START_A, Action.START_B))
TABLE: Table = {
    (CALLING, R1XX): (PROCEEDING, (STOP_TIMERS, DELIVER, Action.RECALL_CANCEL)),
    (CALLING, R2XX): (ACCEPTED, (STOP_TIMERS, FORGET, DELIVER, Action.START_M)),
    (CALLING, R3XX_6XX): (COMPLETED, (STOP_TIMERS, Action.SEND_ACK, FORGET_REQUEST, DELIVER, Action.START_D)),
    (CALLING, CANCEL): (CALLING, (Action.REMEMBER_CANCEL,)),
    (CALLING, TIMER_A): (CALLING, (Action.RESEND, Action.DOUBLE_A)),
    (CALLING, TIMER_B): (TERMINATED, (Action.REPORT_TIMEOUT,)),
    (CALLING, TRANSPORT_ERROR): (TERMINATED, (Action.REPORT_FAILURE,)),
    (PROCEEDING, R1XX): (PROCEEDING, (DELIVER,)),
    (PROCEEDING, R2XX): (ACCEPTED, (STOP_TIMERS, FORGET, DELIVER, Action.START_M)),
    (PROCEEDING, R3XX_6XX): (COMPLETED, (STOP_TIMERS, Action.SEND_ACK, FORGET_REQUEST, DELIVER, Action.START_D)),
    (PROCEEDING, CANCEL): (PROCEEDING, (Action.SEND_CANCEL, Action.START_CANCEL)),
    (PROCEEDING, TIMER_CANCEL): (TERMINATED, (Action.REPORT_TIMEOUT,)),
    (PROCEEDING, TRANSPORT_ERROR): (TERMINATED, (Action.REPORT_FAILURE,)),
    (COMPLETED, R3XX_6XX): (COMPLETED, (Action.RESEND,)),
    (COMPLETED, TIMER_D): (TERMINATED, ()),
    (COMPLETED, TRANSPORT_ERROR): (TERMINATED, (Action.REPORT_FAILURE,)),
    (ACCEPTED, R2XX): (ACCEPTED, (DELIVER,)),
    (ACCEPTED, TIMER_M): (TERMINATED, ()),
}
IGNORED = {
    (COMPLETED, R1XX),  # late: the answer has been given
    (COMPLETED, R2XX),  # RFC 3261 §13.2.2.4 has no answer to a 2xx after a failure
    (COMPLETED, CANCEL),  # §9.1: no effect after a final response
    (ACCEPTED, R1XX),
    (ACCEPTED, R3XX_6XX),
    (ACCEPTED, CANCEL),
    (ACCEPTED, TRANSPORT_ERROR),  # nothing is sent from here; the ACK of a 2xx belongs to the dialog
    *product((TERMINATED,), Input),
}
IMPOSSIBLE = {
    *product((CALLING,), (TIMER_D, TIMER_M, TIMER_CANCEL)),
    *product((PROCEEDING,), (TIMER_A, TIMER_B, TIMER_D, TIMER_M)),
    *product((COMPLETED,), (TIMER_A, TIMER_B, TIMER_M, TIMER_CANCEL)),
    *product((ACCEPTED,), (TIMER_A, TIMER_B, TIMER_D, TIMER_CANCEL)),
}
MACHINE = Machine(
    "INVITE client",
    "RFC 6026 Figure 5",
    START,
    TABLE,
    IGNORED,
    IMPOSSIBLE,
    responses=(R1XX, R2XX, R3XX_6XX, R3XX_6XX, R3XX_6XX, R3XX_6XX),
)
