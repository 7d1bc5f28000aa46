"""What becomes of pings, as values: each of them, what happens to connections and names meanwhile, the sum of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from probes.ping.places import Key, key_of
from probes.ping.round_trips import RoundTrips, Spread
from probes.result import Attempt, Reach
from sipcore.resolve.target import Hop, SocketAddress
from sipcore.value import value

MAX_COUNTED = 64
"""Places that are counted apart: DNS may name others each minute for days. The one that was asked longest ago goes."""
TOO_SHORT = "wait longer for each answer: they come, too late"
"""The advice where answers came, and none of them in time."""
OUTAGE = 2
"""Pings in a row without an answer from which on it is told that a place answers again: for one, its line is enough."""


@value
class Ping:
    """One OPTIONS and what came of it. `at` is when it was begun, in seconds since 1970."""

    number: int
    """Counted from 1; those to several places at once have the same."""
    at: float
    attempt: Attempt
    source: SocketAddress | None = None
    """Where the answer came from; None where none came."""

    @property
    def is_answered(self) -> bool:
        """Whether a SIP response came, whatever it says."""
        return self.attempt.reach is Reach.ANSWERED

    @property
    def took(self) -> float | None:
        """Seconds from the first request to the answer; None without one that fits."""
        return self.attempt.rtt

    @property
    def needed_repetition(self) -> bool:
        """Whether its answer, one that fits, came after its request had been repeated."""
        return self.took is not None and self.attempt.retransmissions > 0

    @property
    def rtt(self) -> float | None:
        """The round trip in seconds; None where the request was repeated: nobody knows which one was answered, since
        all of them are the same (RFC 3261 §17.1.2.2).
        """
        return None if self.attempt.retransmissions else self.attempt.rtt


@value
class Connected:
    """A connection is there, handshakes included, `seconds` after a ping wanted one; None where another had begun."""

    at: float
    hop: Hop
    seconds: float | None
    agreed: str = ""
    """What TLS agreed on; empty without TLS."""
    again: bool = False
    """Whether there was one to this place before."""


@value
class Disconnected:
    """A connection ended, by the peer or the network, or because nothing came over it."""

    at: float
    hop: Hop
    why: str


@value
class Renamed:
    """DNS names other places than before."""

    at: float
    came: tuple[Hop, ...]
    went: tuple[Hop, ...]


@value
class Unnamed:
    """DNS does not tell the places any more, in these words, or does again, which is empty. Those known stay."""

    at: float
    why: str


@value
class Returned:
    """A place answers again, `seconds` after the first of the `lost` pings in a row that it did not answer."""

    at: float
    hop: Hop
    seconds: float
    lost: int


@value
class Late:
    """An answer came to a ping that had been given up, so many seconds after its first request."""

    at: float
    number: int
    seconds: float


Happening = Ping | Connected | Disconnected | Renamed | Unnamed | Returned | Late


@value
class PlaceTally:
    """What became of the pings to one place."""

    hop: Hop
    answered: int
    lost: int
    round_trips: Spread | None


@value
class Tally:
    """What became of everything so far. `duration` is in seconds."""

    duration: float
    answered: int
    lost: int
    awaited: int
    """Pings under way, or broken off at the end, which count as neither."""
    repeated: int
    """Answered ones whose request was sent more than once over UDP."""
    retransmissions: int
    """Requests that were sent again (RFC 3261 §17.1.2.2, Timer E), for pings that were lost as well."""
    late: int
    """Answers that came after their ping was given up."""
    connections: int
    """That were set up."""
    disconnections: int
    """That ended before the pings did."""
    statuses: tuple[tuple[int, str, int], ...]
    """The status codes of the answers, the first reason phrase of each, and how many; the most frequent first."""
    reaches: tuple[tuple[Reach, int], ...]
    """Why pings were lost, most frequent first."""
    round_trips: Spread | None
    """Of answers to requests that were sent once; None for none."""
    places: tuple[PlaceTally, ...]
    advice: str = ""
    """What to try, by the ping that was lost last, or since answers came, all of them too late."""

    @property
    def over(self) -> int:
        """Pings of which it is known what became of them."""
        return self.answered + self.lost

    @property
    def loss(self) -> float:
        """The part of those that got no answer."""
        return self.lost / self.over if self.over else 0.0


@dataclass(slots=True)
class _Place:
    """What is counted of one place, and since when it has not answered."""

    hop: Hop
    answered: int = 0
    lost: int = 0
    round_trips: RoundTrips = field(default_factory=RoundTrips)
    last_answered: int = 0
    """The number of the latest ping that was answered."""
    lost_in_a_row: int = 0
    down_since: float = 0.0


class Counts:
    """Counts what happens. What it keeps does not grow with time."""

    def __init__(self) -> None:
        self._places: dict[Key, _Place] = {}
        self._statuses: Counter[int] = Counter()
        self._reasons: dict[int, str] = {}
        self._reaches: Counter[Reach] = Counter()
        self._round_trips = RoundTrips()
        self._answered = self._lost = self._repeated = self._retransmissions = 0
        self._late = self._connections = self._disconnections = 0
        self._advice = ""

    def take(self, happening: Happening) -> Returned | None:
        """Count it; gives what is to be told before it."""
        match happening:
            case Ping():
                return self._take_ping(happening)
            case Connected():
                self._connections += 1
            case Disconnected():
                self._disconnections += 1
            case Late():
                self._late += 1
        return None

    def tally(self, duration: float, sent: int) -> Tally:
        """The sum, after so many seconds and pings."""
        return Tally(
            duration,
            self._answered,
            self._lost,
            sent - self._answered - self._lost,
            self._repeated,
            self._retransmissions,
            self._late,
            self._connections,
            self._disconnections,
            tuple((status, self._reasons[status], count) for status, count in self._statuses.most_common()),
            tuple(self._reaches.most_common()),
            self._round_trips.spread,
            tuple(_tally_of(self._places.values())),
            TOO_SHORT if self._late and not self._answered else self._advice,
        )

    def _take_ping(self, ping: Ping) -> Returned | None:
        attempt, place = ping.attempt, self._place(ping.attempt.hop)
        self._retransmissions += attempt.retransmissions
        response = attempt.response
        if not ping.is_answered or response is None:
            self._lost += 1
            self._advice = attempt.advice
            place.lost += 1
            self._reaches[attempt.reach] += 1
            if ping.number > place.last_answered:  # else it only took longer to be given up
                place.down_since = place.down_since if place.lost_in_a_row else ping.at
                place.lost_in_a_row += 1
            return None
        self._answered += 1
        place.answered += 1
        self._repeated += ping.needed_repetition
        self._statuses[response.status] += 1
        self._reasons.setdefault(response.status, response.reason)
        if ping.rtt is not None:
            self._round_trips.add(ping.rtt)
            place.round_trips.add(ping.rtt)
        place.last_answered = max(place.last_answered, ping.number)
        lost, place.lost_in_a_row = place.lost_in_a_row, 0
        return Returned(ping.at, attempt.hop, max(ping.at - place.down_since, 0.0), lost) if lost >= OUTAGE else None

    def _place(self, hop: Hop) -> _Place:
        """What is counted of a place; it is the one that was asked last then."""
        place = self._places.pop(key_of(hop), None) or _Place(hop)
        if len(self._places) >= MAX_COUNTED:
            del self._places[next(iter(self._places))]
        self._places[key_of(hop)] = place
        return place


def _tally_of(places: Iterable[_Place]) -> Iterable[PlaceTally]:
    ordered = sorted(places, key=lambda place: (place.hop.transport.value, str(place.hop.remote)))
    return [PlaceTally(each.hop, each.answered, each.lost, each.round_trips.spread) for each in ordered]
