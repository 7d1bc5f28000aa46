"""A call on the screen while it goes on: its ladder, line by line, in the order of time."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import trio

from probes.cli.common import Printer
from probes.report.ladder_text import LiveLadder
from probes.result import TimelineEntry

if TYPE_CHECKING:
    from probes.calls.story import OnEntry

T = TypeVar("T")
HOLD = 0.05
"""Seconds that a line waits for one that was before it: packets of media have the kernel's stamps, and are looked at
every 20 ms."""


class Live:
    """The lines of calls that are told of one after the other; whose turn it is, `begin` says."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._ladder = LiveLadder(printer.console.width)
        self._waiting: list[tuple[float, TimelineEntry]] = []
        self._wake = trio.Event()

    def begin(self) -> None:
        """The next lines are those of another call."""
        self._ladder = LiveLadder(self._printer.console.width)

    async def during(self, work: "Callable[[OnEntry], Awaitable[T]]") -> T:
        """Do something that has calls in it, to which the function is given that is told of their lines, and show
        those. Who cancels it sees how a call is hung up, too. Raises what it raises, in a group.
        """
        shown = trio.CancelScope(shield=True)
        results: list[T] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run, shown)
            try:
                results.append(await work(self._take))
            finally:
                shown.cancel()
                self.flush()
        return results[0]

    def flush(self) -> None:
        """Show what waits."""
        self._show(max((entry.offset_ms for _, entry in self._waiting), default=0.0))

    def _take(self, entry: TimelineEntry) -> None:
        self._waiting.append((trio.current_time(), entry))
        self._wake.set()

    async def _run(self, shown: trio.CancelScope) -> None:
        """Show each line in its time, until cancelled."""
        with shown:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                while self._waiting:
                    await trio.sleep_until(self._waiting[0][0] + HOLD)
                    if self._waiting:
                        self._show(self._waiting[0][1].offset_ms)

    def _show(self, until_ms: float) -> None:
        """Show the lines up to one that has waited for long enough."""
        due = [entry for _, entry in self._waiting if entry.offset_ms <= until_ms]
        self._waiting = [(since, entry) for since, entry in self._waiting if entry.offset_ms > until_ms]
        for entry in sorted(due, key=lambda entry: entry.offset_ms):
            for row in self._ladder.rows_of(entry):
                self._printer.line(row)
