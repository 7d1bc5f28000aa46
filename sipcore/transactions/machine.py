"""What a state machine is made of: a table of data in which every cell is decided.

`table` holds the transitions, `ignored` the inputs that a state takes without doing anything, and `impossible` those
that cannot reach it: a timer that does not run there. Together they are states × inputs, and no cell stands twice.
The tables themselves are one module each; `transaction` carries out what they say.
"""

from collections.abc import Mapping, Set
from enum import Enum, IntEnum

from sipcore.transactions.timers import Timer
from sipcore.value import value


class Action(Enum):
    """What a transition does, in the order in which its row lists it."""

    SEND = "send"
    """Send what the transaction user handed over, and keep its bytes."""
    RESEND = "send again"
    """Send the bytes that were sent last once more; nothing when there are none."""
    SEND_ACK = "send ACK"
    """Acknowledge a 3xx to 6xx (RFC 3261 §17.1.1.3), and keep the ACK's bytes."""
    SEND_TRYING = "send 100"
    """Send a 100 that is made here, and keep its bytes."""
    DELIVER = "deliver"
    """Hand what came to the transaction user."""
    REPORT_TIMEOUT = "report timeout"
    """Tell the transaction user that the timer which fired ends the wait."""
    REPORT_FAILURE = "report failure"
    """Tell the transaction user that the transport failed."""
    FORGET = "forget bytes"
    """Let go of the bytes, and of the request: nothing will be sent again, nor built from it."""
    FORGET_REQUEST = "forget request"
    """Let go of the request, which has had its answer, or whose ACK is built: most of what a transaction keeps."""
    REMEMBER_CANCEL = "remember CANCEL"
    """Keep in mind that a CANCEL is wanted, but not yet allowed (RFC 3261 §9.1)."""
    RECALL_CANCEL = "recall CANCEL"
    """Take the input CANCEL if one was remembered."""
    SEND_CANCEL = "send CANCEL"
    """Begin the transaction of the CANCEL."""
    STOP_TIMERS = "stop timers"
    """Stop every timer."""
    START_A = "start A"
    START_B = "start B"
    START_D = "start D"
    START_E = "start E"
    START_F = "start F"
    START_G = "start G"
    START_H = "start H"
    START_I = "start I"
    START_J = "start J"
    START_K = "start K"
    START_L = "start L"
    START_M = "start M"
    START_CANCEL = "start CANCEL"
    START_TRYING = "start TRYING"
    START_LATE_TRYING = "start LATE_TRYING"
    START_UNANSWERED = "start UNANSWERED"
    DOUBLE_A = "double A"
    """Start A again with twice its last interval (RFC 3261 §17.1.1.2)."""
    DOUBLE_E = "double E"
    """Start E again with twice its last interval, T2 at most (§17.1.2.2)."""
    DOUBLE_G = "double G"
    """Start G again with twice its last interval, T2 at most (§17.2.1)."""
    RESTART_E = "E at T2"
    """Start E again with T2 (§17.1.2.2)."""


Cell = tuple[IntEnum, IntEnum]
"""A state and an input. They are numbers, so that the tables can be turned into lists."""
Transition = tuple[IntEnum, tuple[Action, ...]]
"""The state that follows, and what is done on the way."""
Table = Mapping[Cell, Transition]


@value
class Machine:
    """One of the four machines: its table, and how messages, timers and failures become its inputs.

    Inputs are found by their names: TIMER_X is the timer X, TRANSPORT_ERROR a failure to send. `responses` are the
    inputs for the six classes of responses, which a client receives and a server is handed.
    """

    name: str
    figure: str
    start: Transition
    table: Table
    ignored: Set[Cell]
    impossible: Set[Cell]
    responses: tuple[IntEnum, ...]

    @property
    def states(self) -> type[IntEnum]:
        """All states; the last is TERMINATED."""
        return type(self.start[0])

    @property
    def inputs(self) -> type[IntEnum]:
        """All inputs."""
        return type(self.responses[0])

    @property
    def timers(self) -> dict[Timer, IntEnum]:
        """The input that each timer of this machine is, when it fires."""
        prefix = "TIMER_"
        return {Timer[one.name.removeprefix(prefix)]: one for one in self.inputs if one.name.startswith(prefix)}

    def __repr__(self) -> str:
        return f"<Machine {self.name}, {self.figure}>"
