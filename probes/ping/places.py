"""Which of the places that DNS names for a destination are asked next.

One place is asked as long as it answers; when it does not, the next one has its turn, as a user agent would have it
(RFC 3263 §4.3). DNS orders places of one priority anew each time (RFC 2782), which is no reason to change.
"""

from collections.abc import Iterable

from sipcore.resolve.target import Hop, SocketAddress, Transport

MAX_PLACES = 16
"""Places of one destination that are asked, the first ones: a dozen have both families of four servers, and more."""
Key = tuple[Transport, SocketAddress]


def key_of(hop: Hop) -> Key:
    """What makes a place one."""
    return hop.transport, hop.remote


class Places:
    """The places by now, in the order of DNS. With `every` all of them are asked each time."""

    def __init__(self, hops: Iterable[Hop], *, every: bool = False) -> None:
        self._every = every
        self._hops: dict[Key, Hop] = {}
        self._turn: Key | None = None
        self.name(hops)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._hops)

    def name(self, hops: Iterable[Hop]) -> tuple[tuple[Hop, ...], tuple[Hop, ...]]:
        """DNS names these now; gives those that are new, and those that it names no more."""
        before = self._hops
        named: dict[Key, Hop] = {}
        for hop in hops:
            named.setdefault(key_of(hop), hop)
        # Of more than are asked, those that are asked already go on being asked, wherever they stand now.
        asked = set(sorted(named, key=lambda key: key not in before)[:MAX_PLACES])
        self._hops = {key: hop for key, hop in named.items() if key in asked}
        if self._turn not in self._hops:
            self._turn = next(iter(self._hops), None)
        came = tuple(hop for key, hop in self._hops.items() if key not in before)
        return came, tuple(hop for key, hop in before.items() if key not in self._hops)

    def next_hops(self) -> tuple[Hop, ...]:
        """Whom to ask now."""
        if self._every or self._turn is None:
            return tuple(self._hops.values())
        return (self._hops[self._turn],)

    def fail(self, hop: Hop) -> None:
        """A place did not answer: if it is its turn, it is that of the next one."""
        if key_of(hop) == self._turn:
            keys = list(self._hops)
            self._turn = keys[(keys.index(self._turn) + 1) % len(keys)]
