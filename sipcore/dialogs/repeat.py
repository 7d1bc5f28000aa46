"""A response that is sent again and again until the peer confirms it: RFC 3261 §13.3.1.4, RFC 3262 §3."""

from sipcore.dialogs.effects import Reply
from sipcore.message.message import Response
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.timers import NEVER, Timers

PATIENCE = 64
"""Times T1 after which a response is given up that nobody confirms."""


class Repeat:
    """A 2xx that waits for its ACK, or a reliable 1xx for its PRACK. `due` is when `wake` is to be called."""

    __slots__ = ("_deadline", "_interval", "_longest", "due", "key", "response")

    def __init__(
        self, key: AnyServerKey, response: Response, now: float, timers: Timers, *, longest: float = NEVER
    ) -> None:
        """Take what was sent at `now`: it is repeated after T1, and after twice as long each time, up to `longest`."""
        self.key = key
        self.response = response
        self.due = now + timers.t1
        self._interval = timers.t1
        self._longest = longest
        self._deadline = now + PATIENCE * timers.t1

    def wake(self, now: float) -> Reply | None:
        """Send it again, or None when it is time to give up."""
        if now >= self._deadline:
            return None
        self._interval = min(2 * self._interval, self._longest)
        self.due = min(now + self._interval, self._deadline)
        return Reply(self.key, self.response)
