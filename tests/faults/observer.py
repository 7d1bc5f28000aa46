"""What an endpoint under test is watched by: when its messages left, what is left over, what memory it holds."""

import gc
import itertools
import statistics
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import trio

from sipcore.endpoint.endpoint import Endpoint
from sipcore.message.message import Request, Response
from sipcore.message.method import ACK, INVITE
from sipcore.message.parser import parse_message
from sipcore.trace import Direction, MessageTrace, TraceRecord
from sipcore.transactions.timers import Timers

TIMER_A, TIMER_E, TIMER_G = "A", "E", "G"
SUCCESS = "2xx"
"""The repetition of a 2xx by the transaction user (RFC 3261 §13.3.1.4), which has no letter."""
Series = tuple[str, str, str]
"""Messages that are the same one, sent again: by which timer, the method, and the branch."""
POLL = 0.02
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Lateness:
    """How much later than the RFC says retransmissions left after what they repeat; in seconds."""

    count: int = 0
    least: float = 0.0
    median: float = 0.0
    high: float = 0.0
    """95 % are no later."""
    most: float = 0.0

    @classmethod
    def of(cls, values: list[float]) -> "Lateness":
        if not values:
            return cls()
        values = sorted(values)
        high = values[95 * (len(values) - 1) // 100]
        return cls(len(values), values[0], statistics.median(values), high, values[-1])

    def __str__(self) -> str:
        numbers = (self.least, self.median, self.high, self.most)
        return f"{self.count} late by " + " / ".join(f"{1000 * number:.1f}" for number in numbers) + " ms"


@dataclass(slots=True)
class Report:
    """What one endpoint did.

    `attempts` is, by method, how many requests were sent so often, and `needless` how many messages were repeated
    although the answer that ends that had come. When nothing was going on any more, `blocks` of memory were allocated
    by Python, and `resident` bytes by the kernel's count; `left` is what still went on when the wait for that was
    given up. The process stood still for `stalled` seconds at most.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    lateness: dict[str, Lateness] = field(default_factory=dict)
    attempts: dict[str, Counter[int]] = field(default_factory=dict)
    needless: int = 0
    sent: int = 0
    received: int = 0
    dropped: int = 0
    left: int = 0
    blocks: int = 0
    resident: int = 0
    stalled: float = 0.0

    def __str__(self) -> str:
        rows = [f"{self.sent} messages sent, {self.received} received, {self.dropped} dropped by the kernel"]
        rows += [f"  {count} x {outcome}" for outcome, count in sorted(self.outcomes.items())]
        rows += [f"  {method} sent so often: {dict(sorted(often.items()))}" for method, often in self.attempts.items()]
        rows += [f"  Timer {timer}: {lateness}" for timer, lateness in self.lateness.items() if lateness.count]
        rows += [f"  {self.left} left, {self.needless} needless, {self.blocks} blocks, {self.resident / 1e6:.1f} MB, "]
        rows[-1] += f"still for {1000 * self.stalled:.1f} ms"
        return "\n".join(rows)


class Observer:
    """Subscribes to an endpoint's trace, and makes a report of it. `outcomes` are counted by who uses the endpoint."""

    def __init__(self, endpoint: Endpoint, timers: Timers) -> None:
        self.outcomes: Counter[str] = Counter()
        self._endpoint = endpoint
        self._timers = timers
        self._messages: list[MessageTrace] = []
        self._dropped = 0
        endpoint.subscribe(self._take)

    def _take(self, record: TraceRecord) -> None:
        """Keep what is needed, and look at it later: the machine is busy now."""
        if isinstance(record, MessageTrace):
            self._messages.append(record)

    async def report(self) -> Report:
        """Wait until nothing goes on any more, twice as long as the longest timers run at most, and tell what was."""
        with trio.move_on_after(2 * 64 * self._timers.t1 + self._timers.t4):
            while left(self._endpoint):  # noqa: ASYNC110  # nothing tells when the last timer has fired
                await trio.sleep(POLL)
        report = summary(self._messages, self._timers)
        report.outcomes, report.left = self.outcomes, left(self._endpoint)
        dropped = self._endpoint.transports.dropped
        report.dropped, self._dropped = dropped - self._dropped, dropped
        self.outcomes, self._messages = Counter(), []
        report.blocks, report.resident = memory()
        return report


def summary(messages: list[MessageTrace], timers: Timers) -> Report:
    """What the messages of an endpoint tell, in the order in which it dealt with them."""
    times: dict[Series, list[float]] = {}
    ended: set[Series] = set()
    report = Report()
    for trace in messages:
        message = parse_message(trace.data)
        if trace.direction is Direction.RECEIVED:
            report.received += 1
            ended |= series_ended_by(message)
            continue
        report.sent += 1
        series = series_of(message)
        if series is not None:
            times.setdefault(series, []).append(trace.at)
            report.needless += series in ended
    late: dict[str, list[float]] = {TIMER_A: [], TIMER_E: [], TIMER_G: [], SUCCESS: []}
    for (timer, method, _), ats in times.items():
        late[timer] += lateness(ats, uncapped(timers) if timer == TIMER_A else capped(timers))
        if timer in (TIMER_A, TIMER_E):
            report.attempts.setdefault(method, Counter())[len(ats)] += 1
    report.lateness = {timer: Lateness.of(values) for timer, values in late.items()}
    return report


def series_of(message: Request | Response) -> Series | None:
    """What a message that was sent is one of, if it is of the kind that is sent again."""
    if isinstance(message, Request):
        if message.method == ACK:
            return None
        return (TIMER_A if message.method == INVITE else TIMER_E, message.method, message.branch)
    if message.cseq.method != INVITE or message.is_provisional:
        return None
    return (SUCCESS if message.is_success else TIMER_G, INVITE, message.branch)


def series_ended_by(message: Request | Response) -> set[Series]:
    """What must not be sent again once a message has come: an INVITE after any response (RFC 3261 §17.1.1.2), another
    request after a final one (§17.1.2.2), and the refusal of an INVITE after its ACK (§17.2.1).
    """
    if isinstance(message, Request):
        return {(TIMER_G, INVITE, message.branch)} if message.method == ACK else set()
    method = message.cseq.method
    if method == INVITE:
        return {(TIMER_A, method, message.branch)}
    return set() if message.is_provisional else {(TIMER_E, method, message.branch)}


def uncapped(timers: Timers) -> Callable[[int], float]:
    """Seconds between one sending of an INVITE and the next, counted from 0 (RFC 3261 §17.1.1.2)."""
    return lambda number: timers.t1 * 2.0**number


def capped(timers: Timers) -> Callable[[int], float]:
    """The same for everything else (RFC 3261 §17.1.2.2, §17.2.1, §13.3.1.4)."""
    return lambda number: min(timers.t1 * 2.0**number, timers.t2)


def lateness(times: list[float], interval: Callable[[int], float]) -> list[float]:
    """How much later than `interval` says each comes after the one before."""
    return [after - before - interval(number) for number, (before, after) in enumerate(itertools.pairwise(times))]


def left(endpoint: Endpoint) -> int:
    """What an endpoint still has going on: in its stack, and of those who wait for it."""
    return len(endpoint.loop.stack) + len(endpoint._waiters) + len(endpoint._calls)


def memory() -> tuple[int, int]:
    """Blocks that Python has allocated, and bytes that the kernel counts as resident."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
    return sys.getallocatedblocks(), resident
