"""A running transaction: where it stands in its machine's table, and what it needs to go on from there.

It knows neither the layer nor the world. An input comes in, effects are appended to a list, and its timers are two
times that the layer reads: when something is to be sent again, and when the present wait ends.
"""

from collections.abc import Callable
from enum import Enum, IntEnum

from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.build import ack_for_failure, response
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, Hop
from sipcore.transactions.effects import Effect, ResponseReceived, TransactionFailed, Transmit
from sipcore.transactions.key import Key, LegacyKey, MergeKey
from sipcore.transactions.machine import Action, Machine, Transition
from sipcore.transactions.timers import NEVER, RETRANSMISSION, Timer, Timers

TIMEOUTS = {
    Timer.B: ("no response to the INVITE", "RFC 3261 §17.1.1.2"),
    Timer.F: ("no final response", "RFC 3261 §17.1.2.2"),
    Timer.H: ("the final response was not acknowledged", "RFC 3261 §17.2.1"),
    Timer.CANCEL: ("no final response to the INVITE after its CANCEL", "RFC 3261 §9.1"),
}
"""What it means that a timer fired which ends a transaction by failure, and the section that says so."""

UNSCHEDULED = 1 << 62
"""The `wake` of a transaction that does not wait in the heap: later than any."""


class Cancel(Enum):
    """How far the CANCEL of an INVITE has got (RFC 3261 §9.1)."""

    NONE = "not asked for"
    REMEMBERED = "waits for a provisional response"
    DUE = "to be sent now"
    SENT = "sent"


class Program:
    """A machine made ready to run over one kind of transport: its timers in seconds, its actions as functions.

    `rows[state][input]` is the state that follows and what to perform, or None where the input is ignored.
    """

    __slots__ = ("durations", "final", "machine", "responses", "rows", "start", "t2", "timers", "transport_error")

    def __init__(self, machine: Machine, timers: Timers, *, reliable: bool) -> None:
        self.machine = machine
        self.durations = timers.durations(reliable=reliable)
        self.t2 = timers.t2
        self.final = machine.states["TERMINATED"]
        self.responses = machine.responses
        self.timers = machine.timers
        self.transport_error = machine.inputs["TRANSPORT_ERROR"]
        self.start = _performed(machine.start)
        self.rows = [[self._cell((state, input_)) for input_ in machine.inputs] for state in machine.states]

    def _cell(self, cell: tuple[IntEnum, IntEnum]) -> "Performed | None":
        if cell in self.machine.ignored:
            return None
        if cell in self.machine.impossible:
            return (cell[0], (_refuse,))
        return _performed(self.machine.table[cell])


class Transaction:
    """One transaction. Mutable and small, since a probe has ten thousand of them outstanding.

    `to` is where its messages go, and `data` what was sent last. `request` is there for what is built from it: the ACK
    and CANCEL of an INVITE that was sent, the 100 to a request that was received. `merge` is what it is filed under for
    RFC 3261 §8.2.2.2, and `wake` its place in the heap of timers.
    """

    __slots__ = (
        "attempt",
        "cancel",
        "data",
        "expire_at",
        "expiry",
        "interval",
        "key",
        "merge",
        "program",
        "repetition",
        "request",
        "resend_at",
        "state",
        "to",
        "wake",
    )

    expiry: Timer
    """Which timer `expire_at` is of; unset until the first one starts, as is `repetition`, that of `resend_at`."""
    repetition: Timer
    interval: float

    def __init__(self, key: Key, program: Program, to: Hop | Flow, request: Request | None) -> None:
        self.key = key
        self.program = program
        self.to = to
        self.request = request
        self.state = program.start[0]
        self.data = b""
        self.attempt = 0
        self.resend_at = self.expire_at = NEVER
        self.wake = UNSCHEDULED
        self.cancel = Cancel.NONE
        self.merge: MergeKey | None = None

    def step(self, input_: IntEnum, at: "Moment") -> None:
        """Take an input as the machine's table says."""
        transition = self.program.rows[self.state][input_]
        if transition is not None:
            self.state, actions = transition
            for perform in actions:
                perform(self, at)

    def after(self, input_: IntEnum) -> IntEnum:
        """The state that an input would lead to."""
        transition = self.program.rows[self.state][input_]
        return self.state if transition is None else transition[0]

    def send_again(self, at: "Moment") -> None:
        """Send the last message once more, if there was one that is still kept."""
        _resend(self, at)

    def is_other_tag(self, ack: Request) -> bool:
        """Whether an ACK is for a response that was not sent here: clients of RFC 2543 tell by the To tag (§17.2.3)."""
        return isinstance(self.key, LegacyKey) and self.data != b"" and parse_message(self.data).to_tag != ack.to_tag

    def take_due(self, now: float) -> IntEnum:
        """The input of the timer that has fired: of two, the one that ends the wait, so nothing is sent in vain."""
        if self.expire_at <= now:
            self.expire_at = NEVER
            return self.program.timers[self.expiry]
        self.resend_at = NEVER
        return self.program.timers[self.repetition]


class Moment:
    """What an input brings along, and where its effects go. A layer has one, and fills it in before each step.

    `offered` is what DELIVER delivers and `data` what SEND sends, if the table has it so. `now` is in seconds.
    """

    __slots__ = ("data", "now", "offered", "out")

    def __init__(self) -> None:
        self.now = 0.0
        self.offered: Effect | None = None
        self.data = b""
        self.out: list[Effect] = []


Perform = Callable[[Transaction, Moment], None]
Performed = tuple[IntEnum, tuple[Perform, ...]]


def _transmit(t: Transaction, at: Moment, data: bytes) -> None:
    t.attempt = t.attempt + 1 if data == t.data else 0
    t.data = data
    at.out.append(Transmit(t.key, t.to, data, t.attempt))


def _send(t: Transaction, at: Moment) -> None:
    _transmit(t, at, at.data)


def _resend(t: Transaction, at: Moment) -> None:
    if t.data:
        _transmit(t, at, t.data)


def _send_ack(t: Transaction, at: Moment) -> None:
    if t.request is not None and isinstance(at.offered, ResponseReceived):
        _transmit(t, at, bytes(ack_for_failure(t.request, at.offered.response)))


def _send_trying(t: Transaction, at: Moment) -> None:
    if t.request is not None:
        _transmit(t, at, bytes(response(t.request, 100)))


def _deliver(_: Transaction, at: Moment) -> None:
    if at.offered is not None:
        at.out.append(at.offered)


def _report_timeout(t: Transaction, at: Moment) -> None:
    text, section = TIMEOUTS[t.expiry]
    where = f"{t.to.transport.value.lower()} {t.to.remote}"
    message = f"{where}: {text} within {t.program.durations[t.expiry]:g} s"
    at.out.append(TransactionFailed(t.key, TransportFailure(FailureReason.TIMED_OUT, message, section=section)))


def _forget(t: Transaction, _: Moment) -> None:
    t.data = b""


def _remember_cancel(t: Transaction, _: Moment) -> None:
    t.cancel = Cancel.REMEMBERED


def _recall_cancel(t: Transaction, at: Moment) -> None:
    if t.cancel is Cancel.REMEMBERED:
        t.step(t.program.machine.inputs["CANCEL"], at)


def _send_cancel(t: Transaction, _: Moment) -> None:
    t.cancel = Cancel.DUE


def _stop_timers(t: Transaction, _: Moment) -> None:
    t.resend_at = t.expire_at = NEVER


def _refuse(t: Transaction, _: Moment) -> None:
    raise AssertionError(f"{t.program.machine.name} in {t.state.name} met an input that its table calls impossible")


def _start(timer: Timer) -> Perform:
    """The function that starts `timer` with its duration."""

    def repeat(t: Transaction, at: Moment) -> None:
        t.repetition = timer
        t.interval = t.program.durations[timer]
        t.resend_at = at.now + t.interval

    def expire(t: Transaction, at: Moment) -> None:
        t.expiry = timer
        t.expire_at = at.now + t.program.durations[timer]

    return repeat if timer in RETRANSMISSION else expire


def _double(t: Transaction, at: Moment) -> None:
    t.interval *= 2
    t.resend_at = at.now + t.interval


def _double_to_t2(t: Transaction, at: Moment) -> None:
    t.interval = min(2 * t.interval, t.program.t2)
    t.resend_at = at.now + t.interval


def _restart_at_t2(t: Transaction, at: Moment) -> None:
    t.interval = t.program.t2
    t.resend_at = at.now + t.interval


_PERFORM: dict[Action, Perform] = {
    Action.SEND: _send,
    Action.RESEND: _resend,
    Action.SEND_ACK: _send_ack,
    Action.SEND_TRYING: _send_trying,
    Action.DELIVER: _deliver,
    Action.REPORT_TIMEOUT: _report_timeout,
    Action.REPORT_FAILURE: _deliver,  # what is offered then is the failure
    Action.FORGET: _forget,
    Action.REMEMBER_CANCEL: _remember_cancel,
    Action.RECALL_CANCEL: _recall_cancel,
    Action.SEND_CANCEL: _send_cancel,
    Action.STOP_TIMERS: _stop_timers,
    Action.DOUBLE_A: _double,
    Action.DOUBLE_E: _double_to_t2,
    Action.DOUBLE_G: _double_to_t2,
    Action.RESTART_E: _restart_at_t2,
    **{Action[f"START_{timer.name}"]: _start(timer) for timer in Timer},
}


def _performed(transition: Transition) -> Performed:
    state, actions = transition
    return state, tuple(_PERFORM[action] for action in actions)
