"""What waits to be written: in what order it is, and what is given up when it is too much."""

from collections import deque
from itertools import islice

from probes.health.outbox import Delivery
from probes.health.terms import Check, Happening

MAX_CHECKS = 20_000
"""Checks that wait: three hours of a hundred routes that are checked each minute, some 10 MB. While the disk is full or
away, older ones are given up for newer ones; what else happens is kept, being few."""
BATCH = 500
"""Rows that are written at once: enough that waiting for the disk is shared, few enough that nobody waits for long."""

Item = Happening | Delivery


class Pending:
    """The rows that are not on the disk yet. It has no lock of its own."""

    def __init__(self, max_checks: int = MAX_CHECKS) -> None:
        """Nothing waits."""
        self._max_checks = max_checks
        self._number = 0
        self._checks: deque[tuple[int, Item]] = deque()
        self._others: deque[tuple[int, Item]] = deque()
        self._in_hand = 0
        """How many of the first checks are being written, which are not given up meanwhile."""
        self.given_up = 0
        """How many checks were given up so far."""

    def add(self, item: Item) -> None:
        """Have one more wait, and give up the oldest check where there are too many."""
        self._number += 1
        lane = self._checks if isinstance(item, Check) else self._others
        lane.append((self._number, item))
        if len(self._checks) - self._in_hand > self._max_checks:
            del self._checks[self._in_hand]
            self.given_up += 1

    def batch(self) -> list[Item]:
        """What is to be written next, which waits until `settle`; changes, switches and deliveries come first."""
        taken = list(islice(self._others, BATCH))
        checks = list(islice(self._checks, BATCH - len(taken)))
        self._in_hand = len(checks)
        return [item for _, item in (*taken, *checks)]

    def settle(self, batch: list[Item]) -> None:
        """The first rows that wait, as `batch` gave them, are written."""
        for _ in range(len(batch) - self._in_hand):
            self._others.popleft()
        for _ in range(self._in_hand):
            self._checks.popleft()
        self._in_hand = 0

    def give_back(self) -> None:
        """They could not be written, and wait on."""
        self._in_hand = 0

    @property
    def mark(self) -> int:
        """The number of what was added last."""
        return self._number

    def has_passed(self, mark: int) -> bool:
        """Whether nothing waits any more of what was added up to `mark`."""
        return all(not lane or lane[0][0] > mark for lane in (self._checks, self._others))

    def __len__(self) -> int:
        return len(self._checks) + len(self._others)
