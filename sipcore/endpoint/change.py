"""A change of a call's session, to be awaited."""

import trio

from sipcore.errors import TransportFailure
from sipcore.events import CallChanged, CallUnchanged


class Change:
    """A change on its way, which the next one waits for where nobody else does: since it was taken back, or since the
    call makes it by itself, to refresh the session or to bring back what was in force.
    """

    def __init__(self, remote_tag: str, *, is_awaited: bool) -> None:
        """Take the remote tag of the dialog in which it is sent."""
        self._over = trio.Event()
        self._outcome: CallChanged | CallUnchanged | None = None
        self.remote_tag = remote_tag
        self.is_awaited = is_awaited
        """Whether somebody waits for what comes of it."""

    @property
    def is_under_way(self) -> bool:
        """Whether something is still to come of it."""
        return self._outcome is None

    def take(self, event: CallChanged | CallUnchanged) -> None:
        """Learn what came of a change of the call: of this one, if it was sent from here in the same dialog."""
        if event.remote_tag == self.remote_tag and (isinstance(event, CallUnchanged) or event.local):
            self._outcome = event
            self._over.set()

    def close(self, number: int, failure: TransportFailure | None) -> None:
        """The call of this number is over, because of `failure` if there was one: nothing more is told of it."""
        self.take(CallUnchanged(number, None, failure, self.remote_tag))

    async def over(self) -> None:
        """Wait until nothing more is to come of it."""
        await self._over.wait()

    async def outcome(self) -> CallChanged | CallUnchanged:
        """Wait for what comes of it."""
        await self.over()
        assert self._outcome is not None  # noqa: S101  # set together with the event
        return self._outcome
