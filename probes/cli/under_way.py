"""What is seen on a terminal while a verb works, and is gone once its result is printed."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

REFRESH = 0.1
"""Seconds between two looks at what is known by now."""

Lines = Callable[[float, int], Sequence[Text]]
"""Gives what is known by now: of the seconds that have passed, and the columns there are."""


@asynccontextmanager
async def shown_meanwhile(console: Console | None, lines: Lines, pause: float = REFRESH) -> AsyncIterator[None]:
    """Show `lines` while the block lasts, looking each `pause` seconds.

    Without a console, or where it is no terminal, nothing is shown. What the block raises comes in a group.
    """
    if console is None or not console.is_terminal:
        yield
        return
    started = trio.current_time()

    async def refresh() -> None:
        while True:
            await trio.sleep(pause)
            live.update(Group(*lines(trio.current_time() - started, console.width)), refresh=True)

    with Live(console=console, auto_refresh=False, transient=True) as live:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refresh)
            yield
            nursery.cancel_scope.cancel()
