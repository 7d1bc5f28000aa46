"""Where sockets and timers go on working while the block that needs them is cancelled, until it has ended.

Whoever is cancelled still hangs up and takes registrations back. That takes answers, and repeating what is lost.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


@asynccontextmanager
async def open_shelter() -> AsyncIterator[trio.Nursery]:
    """A nursery whose tasks are cancelled when the block ends, and not before, whatever is cancelled around it."""
    async with trio.open_nursery() as outside:
        scope = trio.CancelScope()
        nursery: trio.Nursery = await outside.start(_shelter, scope)
        scope.shield = True  # not earlier: a start that is cancelled waits for the task
        try:
            yield nursery
        finally:
            scope.cancel()


async def _shelter(scope: trio.CancelScope, task_status: trio.TaskStatus[trio.Nursery]) -> None:
    with scope:
        async with trio.open_nursery() as nursery:
            task_status.started(nursery)
            await trio.sleep_forever()
