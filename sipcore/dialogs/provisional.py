"""The callee's 1xx: how long one lasts, RFC 3261 §13.3.1.1, and the reliable ones, RFC 3262 §3.

Those are numbered, go out one at a time, and are repeated until the PRACK.
"""

from sipcore.dialogs.effects import Reply
from sipcore.dialogs.repeat import Repeat
from sipcore.message.fields.simple import RAck
from sipcore.message.message import Response
from sipcore.message.method import INVITE
from sipcore.message.registry import RSEQ
from sipcore.sdp.terms import SDP
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.timers import NEVER, Timers

RELIABLE = "100rel"
"""The option tag of RFC 3262."""
EXTENSION = 60.0
"""Seconds after which whoever takes longer to answer an INVITE says so again (RFC 3261 §13.3.1.1): proxies give up one
that they hear nothing of for three minutes (§16.6), and any message may be lost."""
MAX_FIRST = 2**31 - 1
"""The first number is chosen between 1 and this one."""


class ReliableProvisionals:
    """Those of one INVITE. `due` is when `wake` is to be called."""

    __slots__ = ("_key", "_last", "_queue", "_repeat", "_timers", "_unanswered")

    def __init__(self, key: AnyServerKey, timers: Timers, first: int) -> None:
        """Take the INVITE's server transaction, and the number of the first one."""
        self._key = key
        self._timers = timers
        self._last = first - 1
        self._queue: list[Response] = []
        self._repeat: Repeat | None = None
        self._unanswered: set[int] = set()

    @property
    def due(self) -> float:
        """When the one that waits is repeated; NEVER when none waits."""
        return self._repeat.due if self._repeat else NEVER

    @property
    def has_session(self) -> bool:
        """Whether one that waits has a session description, which a 2xx must not overtake (RFC 3262 §3)."""
        return any(_describes_session(response) for response in (*self._waiting, *self._queue))

    @property
    def is_bare(self) -> bool:
        """Whether the one that waits has no session description, and goes before one that has."""
        return self.has_session and not any(map(_describes_session, self._waiting))

    @property
    def is_acknowledged(self) -> bool:
        """Whether every one that went out is."""
        return not self._unanswered

    def next_number(self) -> int:
        """The RSeq of the next one."""
        self._last += 1
        return self._last

    def send(self, response: Response, now: float) -> list[Reply]:
        """Send a 1xx that has its number, now or once the one before it is acknowledged."""
        if self._repeat is not None:
            self._queue.append(response)
            return []
        return [self._begin(response, now)]

    def acknowledge(self, rack: RAck, invite_sequence: int, now: float) -> list[Reply] | None:
        """Take a PRACK: what goes out next; None when it acknowledges nothing that was sent (RFC 3262 §3)."""
        if (rack.cseq, rack.method) != (invite_sequence, INVITE) or rack.rseq not in self._unanswered:
            return None
        self._unanswered.discard(rack.rseq)
        self._repeat = None
        return [self._begin(self._queue.pop(0), now)] if self._queue else []

    def wake(self, now: float) -> Reply | None:
        """Send the one that waits again, or None when it is time to give the call up."""
        return self._repeat.wake(now) if self._repeat else None

    def stop(self) -> None:
        """Repeat nothing any more: there is a final response. What went out may still be acknowledged."""
        self._queue.clear()
        self._repeat = None

    @property
    def _waiting(self) -> list[Response]:
        """The one that went out and waits for its PRACK, if there is one."""
        return [self._repeat.response] if self._repeat is not None else []

    def _begin(self, response: Response, now: float) -> Reply:
        self._repeat = Repeat(self._key, response, now, self._timers)
        self._unanswered.add(response[RSEQ] or 0)
        return Reply(self._key, response)


def _describes_session(response: Response) -> bool:
    """Whether the body is the session description that `Callee.ring` takes it for."""
    return bool(response.body) and response.headers.get("Content-Type") == SDP
