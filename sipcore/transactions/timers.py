"""Timers: which there are, and how long each runs. RFC 3261 Table 4, RFC 6026 §8.11, RFC 4320 §4.1.

There is no Timer C: it belongs to proxies (RFC 3261 §16.6 step 11). A time that never comes is `NEVER`, so that a timer
which is off needs no special case anywhere.
"""

from enum import IntEnum

from sipcore.errors import LocalError
from sipcore.value import value

NEVER = float("inf")
"""The time at which a timer fires that is off."""


class Soonest:
    """The earliest time that was put down in any heap of timers since its reader set it back to NEVER.

    Whoever sleeps until the first of all is to be woken only if something came before that: to ask each heap for its
    first after each message would take longer than to keep the heaps.
    """

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = NEVER


class Timer(IntEnum):
    """A timer by its letter in the RFC, and two that have none. A number, so that it can index a tuple."""

    A = 0
    """INVITE client: the next retransmission (RFC 3261 §17.1.1.2)."""
    B = 1
    """INVITE client: no answer at all (§17.1.1.2)."""
    D = 2
    """INVITE client: how long retransmitted failures are acknowledged (§17.1.1.2)."""
    E = 3
    """Non-INVITE client: the next retransmission (§17.1.2.2)."""
    F = 4
    """Non-INVITE client: no final answer (§17.1.2.2)."""
    G = 5
    """INVITE server: the next retransmission of a failure (§17.2.1)."""
    H = 6
    """INVITE server: no ACK (§17.2.1)."""
    I = 7  # noqa: E741  # the RFC's letter
    """INVITE server: how long retransmitted ACKs are absorbed (§17.2.1)."""
    J = 8
    """Non-INVITE server: how long retransmitted requests are answered (§17.2.2)."""
    K = 9
    """Non-INVITE client: how long retransmitted responses are absorbed (§17.1.2.2)."""
    L = 10
    """INVITE server: how long retransmissions of an accepted INVITE are absorbed (RFC 6026 §7.1)."""
    M = 11
    """INVITE client: how long further 2xx are waited for (RFC 6026 §7.2)."""
    CANCEL = 12
    """INVITE client: no final response although a CANCEL was sent (RFC 3261 §9.1)."""
    TRYING = 13
    """INVITE server: the transaction user has said nothing, so a 100 goes out (RFC 3261 §17.2.1)."""
    LATE_TRYING = 14
    """Non-INVITE server: the same, when Timer E at the client has reached T2 (RFC 4320 §4.1)."""
    UNANSWERED = 15
    """Non-INVITE server: the transaction user has not answered while anybody waited for it (RFC 3261 §17.1.2.2)."""


RETRANSMISSION = frozenset({Timer.A, Timer.E, Timer.G})
"""The timers that send something again. A transaction runs at most one of them and one of the others at a time."""

Durations = tuple[float, ...]
"""Seconds by Timer."""


@value
class Timers:
    """The times that all timers come from, in seconds (RFC 3261 Table 4). Raises LocalError for nonsense."""

    t1: float = 0.5
    """Estimate of the round-trip time. Larger for slow links; smaller only in closed networks (RFC 3261 §17.1.1.1)."""
    t2: float = 4.0
    """Longest interval between retransmissions of what is not an INVITE."""
    t4: float = 5.0
    """How long a message stays in the network."""
    d: float = 32.0
    """The least that Timer D may be over UDP, whatever T1 is here: the server's T1 is not known (RFC 6026 §8.4)."""
    trying: float = 0.2
    """How long the transaction user may think about an INVITE before a 100 goes out (RFC 3261 §17.2.1)."""

    def __post_init__(self) -> None:
        if not (0 < self.t1 <= self.t2 < NEVER and 0 < self.t4 < NEVER and 0 < self.d < NEVER and self.trying >= 0):
            raise LocalError("timers need 0 < T1 <= T2, T4 > 0 and D > 0", section="RFC 3261 §17.1.1.2")

    def durations(self, *, reliable: bool) -> Durations:
        """What each timer is first set to. Over a reliable transport nothing is retransmitted, nor waited out."""
        long, off, zero = 64 * self.t1, NEVER if reliable else self.t1, 0.0
        seconds = {
            Timer.A: off,
            Timer.B: long,
            Timer.D: zero if reliable else max(self.d, long),
            Timer.E: off,
            Timer.F: long,
            Timer.G: off,
            Timer.H: long,
            Timer.I: zero if reliable else self.t4,
            Timer.J: zero if reliable else long,
            Timer.K: zero if reliable else self.t4,
            Timer.L: long,
            Timer.M: long,
            Timer.CANCEL: long,
            Timer.TRYING: self.trying,
            Timer.LATE_TRYING: self._when_e_reaches_t2(),
            Timer.UNANSWERED: 2 * long,  # the client's T1 is not known, which may be larger
        }
        return tuple(seconds[timer] for timer in Timer)

    def _when_e_reaches_t2(self) -> float:
        """How long after the request Timer E is first reset to T2: 3.5 s by default (RFC 4320 §4.1)."""
        elapsed, interval = self.t1, 2 * self.t1
        while interval < self.t2:
            elapsed += interval
            interval *= 2
        return elapsed


DEFAULT_TIMERS = Timers()
"""The values that RFC 3261 Table 4 gives."""
