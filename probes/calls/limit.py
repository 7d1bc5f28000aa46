"""How many calls may be placed: so many at once, and so many in any period. Off where nobody makes one."""

from collections import deque

from sipcore.value import value


@value
class Limits:
    """`at_once` calls, and `per_period` in any `period` seconds; None for any number."""

    at_once: int | None = None
    per_period: int | None = None
    period: float = 900.0


SERVICE = Limits(at_once=4, per_period=10, period=900.0)
"""What a service allows each of its users: ten test calls in a quarter of an hour."""


class Limiter:
    """Counts the calls of one user. Who was admitted has to `release` when the call is over."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._placed: deque[float] = deque()
        self._going = 0

    def admit(self, now: float) -> float | None:
        """Count a call that begins now, and give None; or else in how many seconds it is worth asking again.

        That is 0 where it depends on when another call ends.
        """
        limits = self._limits
        while self._placed and self._placed[0] <= now - limits.period:
            self._placed.popleft()
        if limits.per_period is not None and len(self._placed) >= limits.per_period:
            return self._placed[0] + limits.period - now if self._placed else limits.period
        if limits.at_once is not None and self._going >= limits.at_once:
            return 0.0
        if limits.per_period is not None:
            self._placed.append(now)
        self._going += 1
        return None

    def release(self) -> None:
        """A call that was admitted is over."""
        self._going -= 1
