"""Non-INVITE client transaction: RFC 3261 §17.1.2 and Figure 6."""

from enum import IntEnum
from itertools import product

from sipcore.transactions.machine import Action, Machine, Table


class State(IntEnum):
    """The states of Figure 6."""

    TRYING = 0
    PROCEEDING = 1
    COMPLETED = 2
    TERMINATED = 3


class Input(IntEnum):
    """What can happen: responses by class, timers, and a failure to send."""

    R1XX = 0
    R2XX_6XX = 1
    TIMER_E = 2
    TIMER_F = 3
    TIMER_K = 4
    TRANSPORT_ERROR = 5


TRYING, PROCEEDING, COMPLETED, TERMINATED = State
R1XX, R2XX_6XX, TIMER_E, TIMER_F, TIMER_K, TRANSPORT_ERROR = Input
FINAL = (COMPLETED, (Action.STOP_TIMERS, Action.FORGET, Action.DELIVER, Action.START_K))

START = (TRYING, (Action.SEND, Action.START_E, Action.START_F))
TABLE: Table = {
    (TRYING, R1XX): (PROCEEDING, (Action.DELIVER,)),
    (TRYING, R2XX_6XX): FINAL,
    (TRYING, TIMER_E): (TRYING, (Action.RESEND, Action.DOUBLE_E)),
    (TRYING, TIMER_F): (TERMINATED, (Action.REPORT_TIMEOUT,)),
    (TRYING, TRANSPORT_ERROR): (TERMINATED, (Action.REPORT_FAILURE,)),
    (PROCEEDING, R1XX): (PROCEEDING, (Action.DELIVER,)),
    (PROCEEDING, R2XX_6XX): FINAL,
    (PROCEEDING, TIMER_E): (PROCEEDING, (Action.RESEND, Action.RESTART_E)),
    (PROCEEDING, TIMER_F): (TERMINATED, (Action.REPORT_TIMEOUT,)),
    (PROCEEDING, TRANSPORT_ERROR): (TERMINATED, (Action.REPORT_FAILURE,)),
    (COMPLETED, TIMER_K): (TERMINATED, ()),
}
IGNORED = {
    (COMPLETED, R1XX),
    (COMPLETED, R2XX_6XX),  # a retransmission, or another server's answer to a multicast (RFC 3261 §17.1.3)
    (COMPLETED, TRANSPORT_ERROR),  # the report of an earlier transmission; the answer has been given
    *product((TERMINATED,), Input),
}
IMPOSSIBLE = {
    (TRYING, TIMER_K),
    (PROCEEDING, TIMER_K),
    (COMPLETED, TIMER_E),
    (COMPLETED, TIMER_F),
}
MACHINE = Machine(
    "non-INVITE client",
    "RFC 3261 Figure 6",
    START,
    TABLE,
    IGNORED,
    IMPOSSIBLE,
    responses=(R1XX, *(R2XX_6XX,) * 5),
)
