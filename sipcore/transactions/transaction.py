"""A running transaction: where it stands in its machine's table, and what it needs to go on from there.

It knows neither the layer nor the world. An input comes in, effects are appended to a list, and its timers are two
times that the layer reads: when something is to be sent again, and when the present wait ends.

Each cell of a table is compiled into one function. A transaction is little more than seven actions, and calling one
function for each of them would make it a tenth slower.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, IntEnum
from functools import cache
from types import CodeType
from typing import Any

from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.build import ack_for_failure, response
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Flow, Hop
from sipcore.transactions.effects import Effect, ResponseReceived, TransactionFailed, Transmit, new_effect
from sipcore.transactions.key import Key, LegacyKey, MergeKey
from sipcore.transactions.machine import Action, Machine
from sipcore.transactions.timers import NEVER, RETRANSMISSION, Timer, Timers

MAX_CATCH_UP = 0.04
"""The part of an interval by which a late retransmission lets the next one come early: 20 ms of T1, more than a loop
that is not overloaded is late by, and too little for a stall to be followed by a burst."""
TIMEOUTS = {
    Timer.B: ("no response to the INVITE", "RFC 3261 §17.1.1.2"),
    Timer.F: ("no final response", "RFC 3261 §17.1.2.2"),
    Timer.H: ("the final response was not acknowledged", "RFC 3261 §17.2.1"),
    Timer.CANCEL: ("no final response to the INVITE after its CANCEL", "RFC 3261 §9.1"),
}
"""What it means that a timer fired which ends a transaction by failure, and the section that says so."""


class Cancel(Enum):
    """How far the CANCEL of an INVITE has got (RFC 3261 §9.1)."""

    NONE = "not asked for"
    REMEMBERED = "waits for a provisional response"
    DUE = "to be sent now"
    SENT = "sent"


NOT_CANCELLED, CANCEL_DUE = Cancel.NONE, Cancel.DUE
"""Under names of their own, since reading a member from its Enum takes CPython 3.11 0.2 µs."""


class Program:
    """A machine made ready to run over one kind of transport: its timers in seconds, its actions as functions.

    `rows[state][input]` is the state that follows and the function that goes there, or None where the input is ignored.
    A timer of zero seconds, as there are over reliable transports, does not run: what it would lead to follows at once.
    """

    __slots__ = ("_zero", "durations", "final", "machine", "responses", "rows", "start", "t2", "transport_error")

    def __init__(self, machine: Machine, timers: Timers, *, reliable: bool) -> None:
        self.machine = machine
        self.durations = timers.durations(reliable=reliable)
        self.t2 = timers.t2
        self.final = machine.states["TERMINATED"]
        self.responses = machine.responses
        self.transport_error = machine.inputs["TRANSPORT_ERROR"]
        self._zero = {timer: input_ for timer, input_ in machine.timers.items() if not self.durations[timer]}
        names = dict(_NAMES)
        names |= {f"TO_{state.name}": state for state in machine.states}
        names |= {f"INPUT_{timer.name}": input_ for timer, input_ in machine.timers.items()}
        names |= {f"SECONDS_{timer.name}": self.durations[timer] for timer in machine.timers}
        exec(_compiled(self._source()), names)  # noqa: S102  # made of the machine's table, and of nothing else
        self.start: Cell = (machine.start[0], names["start"])
        self.rows = [[self._cell(state, input_, names) for input_ in machine.inputs] for state in machine.states]

    def _cell(self, state: IntEnum, input_: IntEnum, names: dict[str, Any]) -> "Cell | None":
        if (state, input_) in self.machine.ignored:
            return None
        if (state, input_) in self.machine.impossible:
            return (state, _refuse)
        return (self.path(state, input_)[-1][1], names[f"on_{state}_{input_}"])

    def path(self, state: IntEnum, input_: IntEnum) -> list[tuple[IntEnum, IntEnum]]:
        """The inputs that are taken when one is, and the state that each leads to: those of timers of zero seconds too.

        Empty where the input is ignored.
        """
        taken = []
        following: IntEnum | None = input_
        while following is not None and (state, following) in self.machine.table:
            input_ = following
            state, actions = self.machine.table[state, input_]
            taken.append((input_, state))
            following = next((self._zero[timer] for timer in map(_STARTED.get, actions) if timer in self._zero), None)
        return taken

    def _source(self) -> str:
        """The text of the machine's functions: `start`, and `on_<state>_<input>` for each transition of its table."""
        table = self.machine.table
        first = {**_STATEMENTS, Action.SEND: _SEND_FIRST}
        lines = _lines("start", self.machine.start[0], self.machine.start[1], first)
        for state, input_ in table:
            path = self.path(state, input_)
            befores = [state, *(after for _, after in path)]
            actions = [
                action
                for before, (taken, _) in zip(befores, path, strict=False)
                for action in table[before, taken][1]
                if _STARTED.get(action) not in self._zero
            ]
            lines += _lines(f"on_{state}_{input_}", path[-1][1], actions)
        return "\n".join(lines)


class Transaction:
    """One transaction. Mutable and small, since a probe has ten thousand of them outstanding.

    `to` is where its messages go, and `data` what was sent last. `request` is there while something may be built from
    it: the ACK and CANCEL of an INVITE that was sent, the 100 to a request that was received. `sent_by` is the host and
    port of the Via that was sent, in lower case. `merge` is what it is filed under for RFC 3261 §8.2.2.2, and `wake`
    the time at which the heap of timers looks at it, NEVER while it does not wait there.
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
        "sent_by",
        "state",
        "to",
        "wake",
    )

    expiry: IntEnum
    """What the machine takes in at `expire_at`; unset until a timer starts, as is `repetition`, that of `resend_at`."""
    repetition: IntEnum
    interval: float
    """Seconds between the last two times that the timer which repeats was set to."""
    merge: MergeKey | None
    """Unset in client transactions."""

    def __init__(self, key: Key, program: Program, to: Hop | Flow, request: Request | None, sent_by: str = "") -> None:
        self.key = key
        self.program = program
        self.to = to
        self.request = request
        self.sent_by = sent_by
        self.state = program.start[0]
        self.data = b""
        self.attempt = 0
        self.resend_at = self.expire_at = self.wake = NEVER
        self.cancel = NOT_CANCELLED

    def step(self, input_: IntEnum, at: "Moment") -> None:
        """Take an input as the machine's table says."""
        transition = self.program.rows[self.state][input_]
        if transition is not None:
            transition[1](self, at)

    def send_again(self, at: "Moment") -> None:
        """Send the last message once more, if there was one that is still kept."""
        _resend(self, at)

    def is_other_tag(self, ack: Request) -> bool:
        """Whether an ACK is for a response that was not sent here: clients of RFC 2543 tell by the To tag (§17.2.3)."""
        return isinstance(self.key, LegacyKey) and self.data != b"" and parse_message(self.data).to_tag != ack.to_tag

    def take_due(self, now: float) -> IntEnum:
        """The input of the timer that has fired: of two, the one that ends the wait, so nothing is sent in vain.

        One that repeats stays as it was set, since it is from there that its next time counts.
        """
        if self.expire_at <= now:
            self.expire_at = NEVER
            return self.expiry
        return self.repetition


class Moment:
    """What an input brings along, and where its effects go. A layer has one, and fills it in before each step.

    `offered` is what DELIVER delivers and `data` what SEND sends, if the table has it so. `now` is in seconds.
    """

    __slots__ = ("data", "now", "offered", "out")

    def __init__(self) -> None:
        self.now = 0.0
        self.offered: Effect | None = None
        self.data = b""
        self.out: deque[Effect] = deque()


Perform = Callable[[Transaction, Moment], None]
Cell = tuple[IntEnum, Perform]


def _transmit(t: Transaction, at: Moment, data: bytes) -> None:
    t.attempt = t.attempt + 1 if data == t.data else 0
    t.data = data
    at.out.append(new_effect(Transmit, (t.key, t.to, data, t.attempt)))


def _resend(t: Transaction, at: Moment) -> None:
    if t.data:
        _transmit(t, at, t.data)


def _send_ack(t: Transaction, at: Moment) -> None:
    if t.request is not None and isinstance(at.offered, ResponseReceived):
        _transmit(t, at, bytes(ack_for_failure(t.request, at.offered.response)))


def _send_trying(t: Transaction, at: Moment) -> None:
    if t.request is not None:
        _transmit(t, at, bytes(response(t.request, 100)))


def _report_timeout(t: Transaction, at: Moment) -> None:
    timer = next(timer for timer, input_ in t.program.machine.timers.items() if input_ is t.expiry)
    text, section = TIMEOUTS[timer]
    where = f"{t.to.transport.value.lower()} {t.to.remote}"
    message = f"{where}: {text} within {t.program.durations[timer]:g} s"
    at.out.append(TransactionFailed(t.key, TransportFailure(FailureReason.TIMED_OUT, message, section=section)))


def _recall_cancel(t: Transaction, at: Moment) -> None:
    if t.cancel is Cancel.REMEMBERED:
        t.step(t.program.machine.inputs["CANCEL"], at)


def _refuse(t: Transaction, _: Moment) -> None:
    raise AssertionError(f"{t.program.machine.name} in {t.state.name} met an input that its table calls impossible")


def _repeat_after(t: Transaction, at: Moment, interval: float) -> None:
    """Count from when the timer was to fire, so that waking late delays one retransmission and not all that follow.

    One that is later than MAX_CATCH_UP counts anew, so that a stall is not made up for by a burst.
    """
    t.interval = interval
    late = at.now - t.resend_at
    t.resend_at = (t.resend_at if late <= MAX_CATCH_UP * interval else at.now) + interval


_STATEMENTS: dict[Action, str] = {
    Action.SEND: "transmit(t, at, at.data)",
    Action.RESEND: "resend(t, at)",
    Action.SEND_ACK: "send_ack(t, at)",
    Action.SEND_TRYING: "send_trying(t, at)",
    Action.DELIVER: "at.out.append(at.offered)",
    Action.REPORT_TIMEOUT: "report_timeout(t, at)",
    Action.REPORT_FAILURE: "at.out.append(at.offered)",  # what is offered then is the failure
    Action.FORGET: "t.data = b''; t.request = None",
    Action.FORGET_REQUEST: "t.request = None",
    Action.REMEMBER_CANCEL: "t.cancel = CANCEL_REMEMBERED",
    Action.RECALL_CANCEL: "recall_cancel(t, at)",
    Action.SEND_CANCEL: "t.cancel = CANCEL_DUE",
    Action.STOP_TIMERS: "t.resend_at = t.expire_at = NEVER",
    Action.DOUBLE_A: "repeat_after(t, at, 2 * t.interval)",
    Action.DOUBLE_E: "repeat_after(t, at, min(2 * t.interval, t.program.t2))",
    Action.DOUBLE_G: "repeat_after(t, at, min(2 * t.interval, t.program.t2))",
    Action.RESTART_E: "repeat_after(t, at, t.program.t2)",
}
"""What each action does to the transaction `t` at the moment `at`."""
_NAMES: dict[str, Any] = {
    "transmit": _transmit,
    "resend": _resend,
    "send_ack": _send_ack,
    "send_trying": _send_trying,
    "report_timeout": _report_timeout,
    "recall_cancel": _recall_cancel,
    "repeat_after": _repeat_after,
    "CANCEL_REMEMBERED": Cancel.REMEMBERED,
    "CANCEL_DUE": CANCEL_DUE,
    "NEVER": NEVER,
    "Transmit": Transmit,
    "new_effect": new_effect,
}
"""What the statements name, but for what differs between machines and transports."""


def _starting(timer: Timer) -> str:
    name, seconds = timer.name, f"SECONDS_{timer.name}"
    if timer in RETRANSMISSION:
        return f"t.repetition = INPUT_{name}; t.interval = {seconds}; t.resend_at = at.now + {seconds}"
    return f"t.expiry = INPUT_{name}; t.expire_at = at.now + {seconds}"


_STATEMENTS |= {Action[f"START_{timer.name}"]: _starting(timer) for timer in Timer}
_SEND_FIRST = "t.data = data = at.data; at.out.append(new_effect(Transmit, (t.key, t.to, data, 0)))"
"""What SEND does where nothing can have been sent before."""
_STARTED = {Action[f"START_{timer.name}"]: timer for timer in Timer}
"""The timer that an action starts."""


def _lines(
    name: str, state: IntEnum, actions: Iterable[Action], statements: Mapping[Action, str] = _STATEMENTS
) -> list[str]:
    """The lines of a function that goes to a state and carries out actions on the way."""
    return [f"def {name}(t, at):", f" t.state = TO_{state.name}", *(f" {statements[action]}" for action in actions)]


@cache
def _compiled(source: str) -> CodeType:
    """The code of a machine, once for all programs: compiling takes a millisecond."""
    return compile(source, "<transaction tables>", "exec")
