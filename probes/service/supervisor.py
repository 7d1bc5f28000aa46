"""What goes on in the background, each part by itself: one that fails is told, and begun again."""

import logging
from collections.abc import Awaitable, Callable

import trio

from sipcore.endpoint.faults import traceback_of as traceback_of  # noqa: PLC0414  # for the web too
from sipcore.value import value

FIRST_PAUSE = 1.0
"""Seconds until a part that failed is begun again, doubled with each failure that follows soon, up to LONGEST_PAUSE."""
LONGEST_PAUSE = 60.0
STEADY = 300.0
"""Seconds after which a failure is the first one again."""
_log = logging.getLogger(__name__)


@value
class Part:
    """How a part is."""

    name: str
    is_running: bool
    failures: int = 0
    """Since the service was started."""
    last: str = ""
    """What it failed of last, the kind of error only: what errors quote may be secret."""


class Supervisor:
    """Keeps parts going."""

    def __init__(self, stopping: trio.Event) -> None:
        """Once `stopping` is set, nothing is begun again."""
        self._parts: dict[str, Part] = {}
        self._stopping = stopping

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of them, by name."""
        return tuple(self._parts[name] for name in sorted(self._parts))

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work`, which has no end, until cancelled, or until it ends because everything does."""
        failures, pause = 0, FIRST_PAUSE
        while True:
            begun = trio.current_time()
            last = self._parts[name].last if failures else ""
            self._parts[name] = Part(name, True, failures, last)
            try:
                await work()
                problem: Exception = RuntimeError("it came to an end")
            except Exception as error:  # noqa: BLE001  # one part fails, and not all others with it
                problem = error
            if self._stopping.is_set():
                return
            failures += 1
            if trio.current_time() - begun >= STEADY:
                pause = FIRST_PAUSE
            self._parts[name] = Part(name, False, failures, type(problem).__name__)
            _log.error("%s has failed, and is begun again in %g s\n%s", name, pause, traceback_of(problem))
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
