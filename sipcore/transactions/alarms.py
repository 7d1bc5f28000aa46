"""The one heap in which all transactions wait for their timers.

Transactions that want to be woken within the same millisecond share one entry, so at thousands of transactions a second
the heap stays small, and waiting costs a place in a list. A transaction waits in one place that counts: `wake`, its
millisecond, no later than its next timer. A timer that is stopped or put off leaves it there; it is looked at then and
sent to its new place. Places that do not count any more are swept out when they are the greater part.
"""

from heapq import heapify, heappop, heappush
from math import ceil

from sipcore.transactions.timers import NEVER, Soonest
from sipcore.transactions.transaction import Transaction

PER_SECOND = 1000
"""Ticks of the heap in a second. Timers are late by one at most, and the shortest that the RFC has is 200 ms."""
LEEWAY = 1e-6
"""Seconds by which a timer may be early, so that no rounding makes it a whole tick late."""
_ROUNDING = LEEWAY / 2 * PER_SECOND
MIN_STALE = 1024
"""Below this many places that do not count, sweeping them out would cost more than it saves."""


class Alarms:
    """Transactions by the time of their next timer."""

    __slots__ = ("_buckets", "_places", "_soonest", "_stale", "_ticks")

    def __init__(self, soonest: Soonest | None = None) -> None:
        """Tell `soonest` of each time that is put down."""
        self._soonest = soonest or Soonest()
        self._ticks: list[float] = []  # a heap of times, each a whole number of ticks
        self._buckets: dict[float, list[Transaction]] = {}
        self._places = 0
        self._stale = 0

    def __len__(self) -> int:
        """How many places are taken, those that do not count any more included."""
        return self._places

    def schedule(self, transaction: Transaction) -> None:
        """See to it that the transaction is woken in time, after its timers were changed."""
        due = transaction.resend_at
        if transaction.expire_at < due:
            due = transaction.expire_at
        if due >= transaction.wake:  # it is looked at early enough; also when neither of the two ever is
            return
        tick = ceil(due * PER_SECOND - _ROUNDING) / PER_SECOND
        if transaction.wake != NEVER:
            if tick >= transaction.wake:
                return
            self._stale += 1
        transaction.wake = tick
        self._places += 1
        try:
            self._buckets[tick].append(transaction)
        except KeyError:
            self._buckets[tick] = [transaction]
            heappush(self._ticks, tick)
            if tick < self._soonest.at:
                self._soonest.at = tick

    def forget(self, transaction: Transaction) -> None:
        """Wake the transaction no more."""
        if transaction.wake != NEVER:
            transaction.wake = NEVER
            self._stale += 1
            if self._stale == self._places or (self._stale > MIN_STALE and 2 * self._stale > self._places):
                self._sweep()

    def next_timeout(self) -> float | None:
        """When to look again, or None when nobody waits. It may turn out that no timer fires then."""
        return self._ticks[0] if self._ticks else None

    def pop(self, now: float) -> list[Transaction]:
        """The transactions that wanted to be woken first of all, if that is at `now` or earlier; else none.

        Each must be given to `schedule` or `forget` afterwards.
        """
        while self._ticks and self._ticks[0] <= now:
            tick = heappop(self._ticks)
            bucket = self._buckets.pop(tick)
            woken = []
            for transaction in bucket:
                if transaction.wake == tick:
                    transaction.wake = NEVER  # so that a second place of its in this bucket does not count
                    woken.append(transaction)
            self._places -= len(bucket)
            self._stale -= len(bucket) - len(woken)
            if woken:
                return woken
        return []

    def _sweep(self) -> None:
        kept = {tick: [one for one in bucket if one.wake == tick] for tick, bucket in self._buckets.items()}
        self._buckets = {tick: list(dict.fromkeys(bucket)) for tick, bucket in kept.items() if bucket}
        self._ticks = list(self._buckets)
        heapify(self._ticks)
        self._places -= self._stale
        self._stale = 0
