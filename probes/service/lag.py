"""How late the event loop is: what has to be on time, timers of SIP and packets of sound, is as late as that."""

from collections import deque

import trio

STEP = 0.5
"""Seconds between two looks."""
WINDOW = 120
"""Looks that count: a minute."""


class Lag:
    """Measures by how much the loop oversleeps. Times are in seconds."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=WINDOW)

    @property
    def worst(self) -> float:
        """The most of the last minute."""
        return max(self._late, default=0.0)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = trio.current_time() + STEP
            await trio.sleep_until(due)
            self._late.append(max(trio.current_time() - due, 0.0))
