"""What of the processors' time a hypervisor gave to others, which Linux calls steal.

CPU time leaves it out. A time on the wall has it in, and says nothing of who was measured then.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

MOST = 0.005
"""The share of the time on the wall that may have been stolen: a half of what a 99th percentile leaves out."""
TRIES = 4
"""Runs at most for one that was left alone."""
_STAT = Path("/proc/stat")
_STEAL = 8
"""Its place in a line of /proc/stat, after the processor's name."""
_TICK = 0.01
"""Seconds: what /proc/stat counts in."""


def stolen_seconds() -> float:
    """Seconds that were stolen from all processors since the machine began; 0 where the kernel does not tell."""
    try:
        return int(_STAT.read_text().split(maxsplit=_STEAL + 1)[_STEAL]) * _TICK
    except (OSError, IndexError, ValueError):
        return 0.0


class Undisturbed:
    """Runs something again while too much was stolen from it. `remark` tells how much was from the runs that count."""

    def __init__(
        self,
        tries: int = TRIES,
        stolen: Callable[[], float] = stolen_seconds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tries = tries
        self._stolen = stolen
        self._clock = clock
        self._shares: list[float] = []

    def run(self, once: Callable[[], T]) -> T:
        """What `once` gives when it is left alone, or when it was disturbed least."""
        found: list[tuple[float, T]] = []
        for _ in range(self._tries):
            before, begin = self._stolen(), self._clock()
            result = once()
            found.append(((self._stolen() - before) / (self._clock() - begin), result))
            if found[-1][0] <= MOST:
                break
        share, result = min(found, key=lambda each: each[0])
        self._shares.append(share)
        return result

    def remark(self) -> str:
        """How much was stolen at worst; empty while that was little."""
        worst = max(self._shares, default=0.0)
        return f"{100 * worst:.0f} % of the time stolen by the hypervisor" if worst > MOST else ""
