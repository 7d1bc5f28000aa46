"""What stands between an awaited request and the loop that hears of it."""

from collections.abc import Awaitable, Callable

import trio

from sipcore.errors import blamed
from sipcore.events import Exchange, RequestFailed, ResponseReceived
from sipcore.message.message import Request, Response
from sipcore.resolve.target import Hop
from sipcore.value import maker

MAX_PROVISIONAL = 64
"""1xx that are kept for one request: a peer may send them for as long as it likes, and the first tell the story."""

_make_exchange = maker(Exchange)


class Waiter:
    """One awaited request: what came for it so far, and the task that sleeps until the last of it.

    The task is parked by hand. Nothing else needs to be set up for a request: its timeout is its transaction's.
    """

    __slots__ = ("_task", "final", "hop", "provisional", "request", "sent_at")

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None
        self.final: ResponseReceived | RequestFailed | None = None
        self.provisional: list[Response] = []
        self.request: Request | None = None
        self.hop: Hop | None = None
        self.sent_at = 0.0

    def wait(self) -> Awaitable[object]:
        """What to await until `finish` is called."""
        if self.final is not None:
            return trio.lowlevel.checkpoint()  # noqa: ASYNC105  # whoever asks awaits it, with one coroutine less between
        self._task = trio.lowlevel.current_task()
        return trio.lowlevel.wait_task_rescheduled(self._give_up)  # noqa: ASYNC105

    def sent(self, at: float) -> None:
        """The request left at this time."""
        self.sent_at = at

    def progress(self, response: Response) -> None:
        """A 1xx came; past MAX_PROVISIONAL it is not kept."""
        if len(self.provisional) < MAX_PROVISIONAL:
            self.provisional.append(response)

    def finish(self, final: ResponseReceived | RequestFailed) -> None:
        """Wake the task with what its request came to."""
        self.final = final
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None

    def exchange(self) -> Exchange:
        """What the request came to. Raises TransportFailure when that is no response, LocalError when the settings of
        this side keep it from being sent.
        """
        final = self.final
        if isinstance(final, RequestFailed):
            try:
                raise blamed(final.failure).kept()  # it may be told to thousands, and grows wherever it is raised
            finally:
                del self.final, final  # which its new traceback leads to
        assert final is not None and self.request is not None and self.hop is not None  # noqa: S101, PT018  # a final response comes after all of them
        return _make_exchange(
            self.request,
            final.response,
            tuple(self.provisional),
            self.hop,
            final.flow,
            self.sent_at,
            final.stamp,
            final.auth,
        )

    def _give_up(self, _: Callable[[], None]) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
