"""The one trace vocabulary: what happened, when, where. Log, timeline, ladder, JSON and captures are drawn from it.

Times are seconds on the monotonic clock that the owner of the stack passes in as `now`.
"""

from enum import Enum

from sipcore.deviation import Deviation
from sipcore.resolve.target import Flow, Hop
from sipcore.value import value


class Direction(Enum):
    """Which way a message went, seen from here."""

    SENT = "sent"
    RECEIVED = "received"


@value
class Stamp:
    """When bytes arrived, in seconds on the monotonic clock; `kernel` tells whether the kernel took the time."""

    at: float
    kernel: bool = False


@value
class MessageTrace:
    """One SIP message crossed the wire. `data` are its exact bytes; `attempt` is above 0 for a retransmission.

    `notes` are what the framing of a stream tolerated.
    """

    at: float
    direction: Direction
    flow: Flow
    data: bytes
    kernel: bool = False
    attempt: int = 0
    notes: tuple[Deviation, ...] = ()


@value
class WireTrace:
    """Bytes crossed the wire below or beside SIP: a datagram of media, or those of a connection, encrypted if it is.

    There are so many of them that they are told only to who asks for them, and are no part of `TraceRecord`.
    """

    at: float
    direction: Direction
    flow: Flow
    data: bytes


@value
class TransitionTrace:
    """A state machine took an input: which machine, from which state to which; the same one where it ignored that.

    A timer that fires is such an input, and so is START, by which a machine begins. `key` is that of a transaction. The
    machines above those have none: a call, a session that is changed in a dialog, and a registration are known by
    Call-ID and tags, of which `remote_tag` is empty while there is no dialog.
    """

    at: float
    machine: str
    key: str
    input: str
    before: str
    after: str
    call_id: str = ""
    local_tag: str = ""
    remote_tag: str = ""


class TraceSwitch:
    """Whether machines tell their transitions: one for all that a stack has, which may be turned at any time."""

    __slots__ = ("on",)

    def __init__(self, *, on: bool = False) -> None:
        """Begin as told: nobody should pay for traces who does not look at them."""
        self.on = on


@value
class ResolveTrace:
    """A question was asked of DNS, and what came back: answer texts with their TTL, or an error."""

    at: float
    question: str
    answers: tuple[str, ...] = ()
    error: str = ""


@value
class FlowTrace:
    """A connection was opened, secured, closed or failed; `detail` says with what, or why."""

    at: float
    hop: Hop
    event: str
    detail: str = ""


@value
class DiscardTrace:
    """A response was discarded that belongs to no request sent here (RFC 3261 §18.1.2, §17.1.3): it is late or forged.
    So was one with Vias of others (§8.1.3.3).

    `key` is that of the transaction which it would belong to, and `why` tells what is wrong.
    """

    at: float
    flow: Flow
    start_line: str
    key: str
    why: str


@value
class FaultTrace:
    """This program made a mistake of its own over something, and gave that up alone.

    `what` is that something, the start line of a message as a rule; `error` is what was raised, and `place` where.
    """

    at: float
    what: str
    error: str
    place: str


TraceRecord = MessageTrace | TransitionTrace | ResolveTrace | FlowTrace | DiscardTrace | FaultTrace
