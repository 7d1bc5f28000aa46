"""Non-INVITE server transaction: RFC 3261 §17.2.2 and Figure 8, with RFC 4320 §4.1 and RFC 6026 §8.8.

A transport error leaves the state as it is: the arrow of Figure 8 is taken back by RFC 6026 §8.8. The only provisional
response is the 100 that RFC 4320 §4.1 wants from a transaction user that is slow; the timer LATE_TRYING sends it.
Figure 8 waits for that user for ever. Its client does not (§17.1.2.2): UNANSWERED ends what the user has forgotten,
whose answer nobody waits for any more.
"""

from enum import IntEnum
from itertools import product

from sipcore.transactions.machine import Action, Machine, Table


class State(IntEnum):
    """The states of Figure 8."""

    TRYING = 0
    PROCEEDING = 1
    COMPLETED = 2
    TERMINATED = 3


class Input(IntEnum):
    """What can happen: the request again, responses to send by class, timers, and a failure to send."""

    REQUEST = 0
    SEND_1XX = 1
    SEND_2XX_6XX = 2
    TIMER_J = 3
    TIMER_LATE_TRYING = 4
    TIMER_UNANSWERED = 5
    TRANSPORT_ERROR = 6


TRYING, PROCEEDING, COMPLETED, TERMINATED = State
REQUEST, SEND_1XX, SEND_2XX_6XX, TIMER_J, TIMER_LATE_TRYING, TIMER_UNANSWERED, TRANSPORT_ERROR = Input
FINAL = (COMPLETED, (Action.STOP_TIMERS, Action.SEND, Action.FORGET_REQUEST, Action.START_J))

START = (TRYING, (Action.DELIVER, Action.START_LATE_TRYING))
TABLE: Table = {
    (TRYING, SEND_1XX): (PROCEEDING, (Action.STOP_TIMERS, Action.SEND, Action.START_UNANSWERED)),
    (TRYING, SEND_2XX_6XX): FINAL,
    (TRYING, TIMER_LATE_TRYING): (PROCEEDING, (Action.SEND_TRYING, Action.START_UNANSWERED)),
    (PROCEEDING, REQUEST): (PROCEEDING, (Action.RESEND,)),
    (PROCEEDING, SEND_1XX): (PROCEEDING, (Action.SEND,)),
    (PROCEEDING, SEND_2XX_6XX): FINAL,
    (PROCEEDING, TIMER_UNANSWERED): (TERMINATED, ()),
    (PROCEEDING, TRANSPORT_ERROR): (PROCEEDING, (Action.REPORT_FAILURE,)),
    (COMPLETED, REQUEST): (COMPLETED, (Action.RESEND,)),
    (COMPLETED, TIMER_J): (TERMINATED, ()),
    (COMPLETED, TRANSPORT_ERROR): (COMPLETED, (Action.REPORT_FAILURE,)),
}
IGNORED = {
    (TRYING, REQUEST),  # RFC 3261 §17.2.2: retransmissions are discarded
    (TRYING, TRANSPORT_ERROR),  # nothing was sent yet
    (COMPLETED, SEND_1XX),
    (COMPLETED, SEND_2XX_6XX),  # §17.2.2: any other final response is discarded
    *product((TERMINATED,), Input),
}
IMPOSSIBLE = {
    (TRYING, TIMER_J),
    (TRYING, TIMER_UNANSWERED),
    (PROCEEDING, TIMER_J),
    (PROCEEDING, TIMER_LATE_TRYING),
    (COMPLETED, TIMER_LATE_TRYING),
    (COMPLETED, TIMER_UNANSWERED),
}
MACHINE = Machine(
    "non-INVITE server",
    "RFC 3261 Figure 8",
    START,
    TABLE,
    IGNORED,
    IMPOSSIBLE,
    responses=(SEND_1XX, *(SEND_2XX_6XX,) * 5),
)
