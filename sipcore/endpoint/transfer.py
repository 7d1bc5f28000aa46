"""What is told of a REFER that was sent in a call, to be awaited: it may come after the call's end."""

import trio

from sipcore.dialogs.refer import has_timed_out, is_last, told_status
from sipcore.errors import FailureReason, TransportFailure
from sipcore.events import CallNotified, ReferLapsed

_UNTOLD = "the peer agreed to call on, and has not told how that went"


class Transfer:
    """One REFER, as its NOTIFYs tell that it fares."""

    def __init__(self) -> None:
        self._over = trio.Event()
        self._status: int | None = None
        self._failure: TransportFailure | None = None

    def take(self, event: CallNotified | ReferLapsed) -> None:
        """Learn what is told of this REFER, or that nothing more is."""
        if isinstance(event, CallNotified):
            self._status = told_status(event.request) or self._status
        if isinstance(event, ReferLapsed) or has_timed_out(event.request):
            self.close(TransportFailure(FailureReason.TIMED_OUT, _UNTOLD, section="RFC 3515 §2.4.4"))
        elif is_last(event.request):
            self._over.set()

    def close(self, failure: TransportFailure) -> None:
        """Nothing more will be told, because of `failure`."""
        self._failure = failure
        self._over.set()

    async def outcome(self) -> int | TransportFailure | None:
        """Wait until nothing more is told; gives the last status.

        Where that leaves open how it went, which a last NOTIFY without a status does as well, gives why it is the last.
        """
        await self._over.wait()
        is_final = self._status is not None and self._status >= 200
        return self._status if is_final or self._failure is None else self._failure
