"""INVITE server transaction: RFC 3261 §17.2.1 and Figure 7, as RFC 6026 §8.6 replaces it.

Where Figure 7 has "send 100 if TU won't in 200 ms", the timer TRYING finds out whether it does.
"""

from enum import IntEnum
from itertools import product

from sipcore.transactions.machine import Action, Machine, Table


class State(IntEnum):
    """The states of Figure 7."""

    PROCEEDING = 0
    COMPLETED = 1
    CONFIRMED = 2
    ACCEPTED = 3
    TERMINATED = 4


class Input(IntEnum):
    """What can happen: the request again, its ACK, responses to send by class, timers, and a failure to send."""

    REQUEST = 0
    ACK = 1
    SEND_1XX = 2
    SEND_2XX = 3
    SEND_3XX_6XX = 4
    TIMER_G = 5
    TIMER_H = 6
    TIMER_I = 7
    TIMER_L = 8
    TIMER_TRYING = 9
    TRANSPORT_ERROR = 10


PROCEEDING, COMPLETED, CONFIRMED, ACCEPTED, TERMINATED = State
REQUEST, ACK, SEND_1XX, SEND_2XX, SEND_3XX_6XX = list(Input)[:5]
TIMER_G, TIMER_H, TIMER_I, TIMER_L, TIMER_TRYING, TRANSPORT_ERROR = list(Input)[5:]
SEND, RESEND, STOP_TIMERS, FORGET_REQUEST = Action.SEND, Action.RESEND, Action.STOP_TIMERS, Action.FORGET_REQUEST

START = (PROCEEDING, (Action.DELIVER, Action.START_TRYING))
TABLE: Table = {
    (PROCEEDING, REQUEST): (PROCEEDING, (RESEND,)),
    (PROCEEDING, SEND_1XX): (PROCEEDING, (STOP_TIMERS, SEND)),
    (PROCEEDING, SEND_2XX): (ACCEPTED, (STOP_TIMERS, SEND, FORGET_REQUEST, Action.START_L)),
    (PROCEEDING, SEND_3XX_6XX): (COMPLETED, (STOP_TIMERS, SEND, FORGET_REQUEST, Action.START_G, Action.START_H)),
    (PROCEEDING, TIMER_TRYING): (PROCEEDING, (Action.SEND_TRYING,)),
    (PROCEEDING, TRANSPORT_ERROR): (PROCEEDING, (Action.REPORT_FAILURE,)),
    (COMPLETED, REQUEST): (COMPLETED, (RESEND,)),
    (COMPLETED, ACK): (CONFIRMED, (STOP_TIMERS, Action.FORGET, Action.START_I)),
    (COMPLETED, TIMER_G): (COMPLETED, (RESEND, Action.DOUBLE_G)),
    (COMPLETED, TIMER_H): (TERMINATED, (Action.REPORT_TIMEOUT,)),
    (COMPLETED, TRANSPORT_ERROR): (COMPLETED, (Action.REPORT_FAILURE,)),
    (CONFIRMED, TIMER_I): (TERMINATED, ()),
    (ACCEPTED, ACK): (ACCEPTED, (Action.DELIVER,)),
    (ACCEPTED, SEND_2XX): (ACCEPTED, (SEND,)),
    (ACCEPTED, TIMER_L): (TERMINATED, ()),
    (ACCEPTED, TRANSPORT_ERROR): (ACCEPTED, (Action.REPORT_FAILURE,)),
}
IGNORED = {
    (PROCEEDING, ACK),  # of nothing: no final response was sent
    *product((COMPLETED, CONFIRMED), (SEND_1XX, SEND_2XX, SEND_3XX_6XX)),  # as RFC 3261 §17.2.2: the answer was given
    (CONFIRMED, REQUEST),
    (CONFIRMED, ACK),
    (CONFIRMED, TRANSPORT_ERROR),  # the report of an earlier transmission; the response has arrived
    (ACCEPTED, REQUEST),  # RFC 6026 §7.1: absorbed
    (ACCEPTED, SEND_1XX),
    (ACCEPTED, SEND_3XX_6XX),
    *product((TERMINATED,), Input),
}
IMPOSSIBLE = {
    *product((PROCEEDING,), (TIMER_G, TIMER_H, TIMER_I, TIMER_L)),
    *product((COMPLETED,), (TIMER_I, TIMER_L, TIMER_TRYING)),
    *product((CONFIRMED,), (TIMER_G, TIMER_H, TIMER_L, TIMER_TRYING)),
    *product((ACCEPTED,), (TIMER_G, TIMER_H, TIMER_I, TIMER_TRYING)),
}
MACHINE = Machine(
    "INVITE server",
    "RFC 6026 Figure 7",
    START,
    TABLE,
    IGNORED,
    IMPOSSIBLE,
    responses=(SEND_1XX, SEND_2XX, *(SEND_3XX_6XX,) * 4),
)
