"""What is being done in the background: whoever asked for it may watch, leave, and come back."""

import math
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

import trio

from probes.service.job import STOPPED, CallJob, Data, DiscoveryJob, Unavailable

J = TypeVar("J", DiscoveryJob, CallJob)


def new_id(prefix: str) -> str:
    """An id that nobody guesses."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Runner:
    """Where jobs run, for as long as `run` does. Who cancels that ends them: calls are hung up."""

    def __init__(self) -> None:
        self.stopping = trio.Event()
        """Set when the service is about to end."""
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled, and all that was begun is over."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Begin something, which deals with its own mistakes. Raises Unavailable where nothing can be begun."""
        nursery = self._nursery
        if nursery is None or nursery.cancel_scope.cancel_called or self.stopping.is_set():
            raise Unavailable(STOPPED)
        nursery.start_soon(work)


class UnderWay(Generic[J]):
    """A job of this process, and what happens in it. What it is now is in `job`."""

    def __init__(self, job: J, stopping: trio.Event) -> None:
        self.job: J = job
        self.is_over = False
        self.recorded = trio.Event()
        """Set once its beginning is in the store, or cannot be written there."""
        self._stopping = stopping
        self._events: list[Data] = []
        self._changed = trio.Event()

    def tell(self, event: Data) -> None:
        """One more event."""
        self._events.append(event)
        self._wake()

    @property
    def told(self) -> tuple[Data, ...]:
        """All events by now."""
        return tuple(self._events)

    def end(self, job: J) -> None:
        """It is over, and has become `job`."""
        self.job, self.is_over = job, True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def wait(self, seconds: float = math.inf) -> None:
        """Until it is over, the service ends, or so many seconds."""
        with trio.move_on_after(seconds):
            while not self.is_over and not self._stopping.is_set():
                await self._changed_or_stopped()

    async def events(self) -> AsyncGenerator[Data, None]:
        """All events, from the first on, until it is over or the service ends."""
        told = 0
        while True:
            while told < len(self._events):
                told += 1
                yield self._events[told - 1]
            if self.is_over or self._stopping.is_set():
                return
            await self._changed_or_stopped()

    async def _changed_or_stopped(self) -> None:
        async with trio.open_nursery() as nursery:

            async def until(event: trio.Event) -> None:
                await event.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until, self._changed)
            nursery.start_soon(until, self._stopping)
