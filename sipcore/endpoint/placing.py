"""What places a call, and hangs it up when its block ends."""

from collections.abc import Callable
from types import TracebackType

from sipcore.endpoint.call import Call


class Placing:
    """The block of a call placed here: it is placed when that begins, and hung up when it ends."""

    __slots__ = ("_call", "_place")
    _call: Call

    def __init__(self, place: Callable[[], Call]) -> None:
        self._place = place

    async def __aenter__(self) -> Call:
        self._call = self._place()
        return self._call

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._call.hang_up()
