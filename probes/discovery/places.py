"""The places that one discovery tries, and what came of each so far: what the next step at any of them depends on."""

from probes.discovery.candidates import Candidate, Key, has_room
from probes.result import Attempt, Reach
from sipcore.resolve.target import SocketAddress

_SILENT = (Reach.NO_ANSWER, Reach.SILENT)


def is_silent(attempt: Attempt) -> bool:
    """Whether a place let an attempt end without a word, and without any sign that nobody is there."""
    return attempt.reach in _SILENT


class Places:
    """Which places are being tried, and the attempts that are over, in the order in which they were begun."""

    def __init__(self) -> None:
        self._attempts: dict[Key, Attempt | None] = {}

    def begin(self, candidate: Candidate) -> bool:
        """Whether to try a candidate: it is new, and one run may try it beside the others. It is being tried then."""
        if candidate.key in self._attempts or not has_room(candidate, len(self._attempts)):
            return False
        self._attempts[candidate.key] = None
        return True

    def end(self, candidate: Candidate, attempt: Attempt) -> None:
        """What came of a candidate that was begun."""
        self._attempts[candidate.key] = attempt

    def is_tried(self, key: Key) -> bool:
        """Whether a place was tried, or is being tried."""
        return key in self._attempts

    def attempt(self, key: Key) -> Attempt | None:
        """What came of a place; None while it is being tried, and where it never was."""
        return self._attempts.get(key)

    @property
    def attempts(self) -> list[Attempt]:
        """The attempts that are over."""
        return [attempt for attempt in self._attempts.values() if attempt is not None]

    @property
    def is_answered(self) -> bool:
        """Whether any place answered."""
        return any(attempt.response is not None for attempt in self.attempts)

    @property
    def without_a_word(self) -> list[Key]:
        """The places that have said nothing yet, or not in time."""
        return [key for key, attempt in self._attempts.items() if attempt is None or is_silent(attempt)]

    def at(self, remote: SocketAddress) -> list[Attempt]:
        """The attempts that are over at one address and port, whatever the transport."""
        return [attempt for attempt in self.attempts if attempt.hop.remote == remote]
