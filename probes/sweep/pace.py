"""When a sweep sends what: open-loop, under a hard cap of datagrams a second, with the retransmissions of RFC 3261.

Places are numbers from 0 on. All of them wait equally long at each stage (after the first request, the second, …), so
those at one stage leave it in the order in which they came: a stage is one cursor over the numbers, and a timer heap is
not needed. What is known of a place is ten bytes in a ring. As no more than the rate allows can be waited for at once,
the ring is as large as rate times deadline from the beginning, however large the range is.
"""

import math
from array import array
from enum import Enum

from sipcore.errors import LocalError
from sipcore.transactions.timers import DEFAULT_TIMERS, NEVER, Timers
from sipcore.value import value

MAX_RATE = 50_000.0
"""Datagrams a second: some 180 Mbit/s of requests, as much as one process comes near to."""
MIN_DEADLINE, MAX_DEADLINE = 0.1, 32.0
"""Seconds. Timer F gives up after 32 s (RFC 3261 §17.1.2.2)."""
BURST = 0.01
"""Seconds of the rate that may be sent at once, after a pause: an operating system's timers are no finer."""

_SENT, _CAME = 0x0F, 0xF0
"""How many requests were sent, how many answers came; both count up to 15, and no more than 11 are sent in 32 s."""
_ONE_CAME = 0x10
_REFUSED, _PROVISIONAL = 0x100, 0x200
_PROCEEDING = 0x400
"""Asked again since a provisional answer came."""
_BEFORE = 0x800
"""Done with by the run that is resumed."""
_SETTLED = _CAME | _REFUSED | _BEFORE


@value
class Waits:
    """Seconds to wait after each request to a place: a next one follows all but the last of them.

    Once a provisional answer has come, the next but one follows no sooner than after `proceeding` seconds.
    """

    seconds: tuple[float, ...]
    proceeding: float = DEFAULT_TIMERS.t2

    @classmethod
    def within(cls, deadline: float, timers: Timers = DEFAULT_TIMERS) -> "Waits":
        """Timer E's: T1, doubled up to T2, as many as begin before `deadline` (RFC 3261 §17.1.2.2).

        Raises LocalError for a deadline that is none.
        """
        if not MIN_DEADLINE <= deadline <= MAX_DEADLINE:
            message = f"a deadline is from {MIN_DEADLINE:g} to {MAX_DEADLINE:g} s, not {deadline:g}"
            raise LocalError(message, section="RFC 3261 §17.1.2.2")
        waits: list[float] = []
        wait, left = timers.t1, deadline
        while left > wait:
            waits.append(wait)
            left -= wait
            wait = min(2 * wait, timers.t2)
        return cls((*waits, left), timers.t2)

    @property
    def total(self) -> float:
        """Seconds until a place that stays silent is given up, where nothing delays its requests."""
        return math.fsum(self.seconds)


class Rate:
    """A token bucket: in no `t` seconds are more than `per_second` · (t + BURST) datagrams sent, or one."""

    __slots__ = ("_at", "_depth", "_tokens", "per_second")

    def __init__(self, per_second: float, now: float) -> None:
        """Raises LocalError for a rate above MAX_RATE or not above 0."""
        if not 0 < per_second <= MAX_RATE:
            raise LocalError(f"a rate is above 0, and at most {MAX_RATE:,.0f} a second", section="RFC 8085 §3.1")
        self.per_second = per_second
        self._depth = max(1.0, per_second * BURST)
        self._tokens, self._at = 1.0, now

    def room(self, now: float) -> int:
        """How many datagrams may be sent now."""
        self._tokens = min(self._depth, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        return int(self._tokens)

    def take(self, count: int, now: float) -> None:
        """That many were sent, the last of them now. What was allowed and left late is not allowed again meanwhile: a
        process that is kept waiting with its datagrams in hand would send twice as many at once.
        """
        self.room(now)
        self._tokens -= count

    def next_at(self) -> float:
        """When there is room for one."""
        return self._at + max(0.0, 1.0 - self._tokens) / self.per_second


class Receipt(Enum):
    """What an answer is to what was sent to its place."""

    FIRST = "first"
    """The first one, in time."""
    LATE = "late"
    """The first one, of a place that was given up already."""
    REPEATED = "repeated"
    """One more, to a request that was repeated."""
    DUPLICATED = "duplicated"
    """One more than there were requests: something on the way, or the peer, doubles datagrams."""
    PROVISIONAL = "provisional"
    """The final one is still waited for (RFC 3261 §17.1.2.2)."""
    FORGOTTEN = "forgotten"
    """So late that nothing is known of its place any more."""
    UNASKED = "unasked"
    """Nothing was sent there yet."""


class Window:
    """The places that are being asked: which to ask now, and what an answer means.

    `begin` is where to begin; those after it that need not be asked are the bits of `done`, the lowest first. `asked`,
    `retransmitted` and `silent` count places, further requests, and places that were given up.
    """

    def __init__(self, count: int, waits: Waits, rate: float, begin: int = 0, done: bytes = b"") -> None:
        self._count = count
        self._begin = begin
        self._before = done
        self._waits, self._proceeding = waits.seconds, waits.proceeding
        self._flight = math.ceil(rate * waits.total) + 1
        # As many again are remembered after they were given up, so that a late answer is known as one.
        self._size = min(2 * self._flight, max(1, count - begin))
        self._marks = array("H", bytes(2 * self._size))
        self._sent_at = array("d", bytes(8 * self._size))
        self._cursors = [begin] * (len(waits.seconds) + 1)
        self.asked = self.retransmitted = self.silent = 0
        self._waiting = 0

    @property
    def is_over(self) -> bool:
        """Whether every place has answered or was given up."""
        return not self._waiting and self._cursors[0] >= self._count

    @property
    def index(self) -> int:
        """All places before this one are done with."""
        return self._cursors[-1]

    @property
    def done(self) -> bytes:
        """Which of the places from `index` on are done with, too: a bit for each, the lowest first."""
        marks, size, index, new = self._marks, self._size, self._cursors[-1], self._cursors[0]
        last = max(new, self._begin + 8 * len(self._before))
        bits = bytearray((last - index + 7) // 8)
        for bit in range(last - index):
            place = index + bit
            if marks[place % size] & _SETTLED if place < new else self._was_done(place):
                bits[bit >> 3] |= 1 << (bit & 7)
        return bytes(bits.rstrip(b"\0"))

    def next_requests(self, now: float, room: int) -> list[int]:
        """The places to send to now, at most `room`: those that are due again come first, and first those due last."""
        found: list[int] = []
        for stage in range(len(self._waits) - 1, 0, -1):
            self._advance(stage, now, room, found)
        self.retransmitted += len(found)
        index, most = self._cursors[0], min(self._count, self._cursors[-1] + self._flight)
        room -= len(found)
        while room > 0 and index < most:
            slot = index % self._size
            if self._before and self._was_done(index):
                self._marks[slot] = _BEFORE
            else:
                self._marks[slot] = 1
                self._sent_at[slot] = now
                found.append(index)
                self.asked += 1
                self._waiting += 1
                room -= 1
            index += 1
        self._cursors[0] = index
        return found

    def sent(self, index: int, at: float) -> None:
        """When the request that `next_requests` asked for really left."""
        self._sent_at[index % self._size] = at

    def given_up(self, now: float) -> list[int]:
        """Give up the places whose time is over; returns those of which at least a provisional answer came."""
        stage, marks, provisional = len(self._waits), self._marks, []
        index, end, wait = self._cursors[stage], self._cursors[stage - 1], self._waits[-1]
        while index < end:
            slot = index % self._size
            mark = marks[slot]
            if not mark & _SETTLED:
                if self._sent_at[slot] + wait > now:
                    break
                self._waiting -= 1
                if mark & _PROVISIONAL:
                    provisional.append(index)
                    marks[slot] = mark | _ONE_CAME
                else:
                    self.silent += 1
            index += 1
        self._cursors[stage] = index
        return provisional

    def next_timeout(self, room_at: float) -> float:
        """When there is something to do: to send, for which there is room from `room_at` on, or to give a place up."""
        earliest = room_at if self.has_new else NEVER
        for stage, wait in enumerate(self._waits, 1):
            index = self._cursors[stage]
            if index < self._cursors[stage - 1]:
                slot = index % self._size
                due = 0.0 if self._marks[slot] & _SETTLED else self._sent_at[slot] + wait
                earliest = min(earliest, due if stage == len(self._waits) else max(due, room_at))
        return earliest

    @property
    def has_new(self) -> bool:
        """Whether a place that was not asked yet may be, as far as the rate allows."""
        return self._cursors[0] < min(self._count, self._cursors[-1] + self._flight)

    def receive(self, index: int, *, provisional: bool = False) -> Receipt:
        """An answer came from a place."""
        known = self._known(index)
        if known is not None:
            return known
        slot = index % self._size
        mark = self._marks[slot]
        came = (mark & _CAME) // _ONE_CAME
        if provisional and not came:
            self._marks[slot] = mark | _PROVISIONAL
            return Receipt.PROVISIONAL
        if mark & _CAME != _CAME:
            self._marks[slot] = mark + _ONE_CAME
        if came:
            return Receipt.REPEATED if came < mark & _SENT else Receipt.DUPLICATED
        if mark & _REFUSED:
            return Receipt.FIRST
        return self._settled(index)

    def refuse(self, index: int) -> Receipt:
        """The network told that a place cannot be reached, which ends waiting for it unless it has answered."""
        known = self._known(index)
        if known is not None:
            return known
        slot = index % self._size
        mark = self._marks[slot]
        self._marks[slot] = mark | _REFUSED
        return Receipt.REPEATED if mark & _SETTLED else self._settled(index)

    def requests(self, index: int) -> int:
        """How many requests were sent to a place that an answer is known of."""
        return self._marks[index % self._size] & _SENT

    def sent_at(self, index: int) -> float:
        """When the last of them was sent."""
        return self._sent_at[index % self._size]

    def was_refused(self, index: int) -> bool:
        """Whether the network had told that the place cannot be reached."""
        return bool(self._marks[index % self._size] & _REFUSED)

    def _settled(self, index: int) -> Receipt:
        """The first that is heard of a place: before, or after, it was given up."""
        if index >= self._cursors[-1]:
            self._waiting -= 1
            return Receipt.FIRST
        self.silent -= 1
        return Receipt.LATE

    def _known(self, index: int) -> Receipt | None:
        """What an answer of this place is where its mark has nothing to say."""
        if not self._begin <= index < self._cursors[0]:
            return Receipt.UNASKED
        if index < self._cursors[0] - self._size:
            return Receipt.FORGOTTEN
        return Receipt.UNASKED if self._marks[index % self._size] & _BEFORE else None

    def _was_done(self, index: int) -> bool:
        """Whether the run that is resumed was done with this place, which is not before `begin`."""
        byte, bit = divmod(index - self._begin, 8)
        return byte < len(self._before) and bool(self._before[byte] >> bit & 1)

    def _advance(self, stage: int, now: float, room: int, found: list[int]) -> None:
        """Move those at a stage on that are due again; those that have answered leave it without being asked."""
        marks, sent_at, size = self._marks, self._sent_at, self._size
        index, end, wait = self._cursors[stage], self._cursors[stage - 1], self._waits[stage - 1]
        while index < end:
            slot = index % size
            mark = marks[slot]
            if not mark & _SETTLED:
                if sent_at[slot] + wait > now or len(found) >= room:
                    break
                sent_at[slot] = now
                # Timer E, as it was set when a provisional answer came, fires once, and is T2 from then on (§17.1.2.2).
                if not mark & _PROCEEDING or wait >= self._proceeding:
                    marks[slot] = (mark | _PROCEEDING if mark & _PROVISIONAL else mark) + 1
                    found.append(index)
            index += 1
        self._cursors[stage] = index
