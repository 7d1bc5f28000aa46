"""What a sweep finds, as values; and which answers look alike, so that each kind is identified once."""

from collections.abc import Sequence

from probes.fingerprint.identify import system_of
from probes.result import Reach, System
from probes.sweep.answers import Answer
from sipcore.resolve.target import SocketAddress
from sipcore.value import value

MAX_KINDS = 256
"""Kinds of answers that are told apart: carriers have a few dozen. A peer that makes them up fills no more memory."""
MAX_SAMPLE = 8192
"""Bytes of an answer that is kept for its kind; larger ones are of no kind."""


@value
class Found:
    """Something came back from a place, or the network told that it cannot be reached: told once for each place.

    `requests` were sent to it by then. `rtt` is in seconds, and None where it is not known which of several requests
    was answered. `kind` is the number of the `Kind` of its answer.
    """

    remote: SocketAddress
    reach: Reach
    requests: int
    rtt: float | None = None
    kernel_stamped: bool = False
    status: int | None = None
    reason: str = ""
    banner: str = ""
    kind: int | None = None
    detail: str = ""
    """What it is where it is no SIP response; what is odd about it where it is one."""
    elsewhere: SocketAddress | None = None
    """Where the answer came from, when that is another place than the one that was asked."""
    is_late: bool = False
    """Whether the place had been given up by then."""


@value
class Kind:
    """Answers that look alike: how many places gave one, and what product that shows."""

    number: int
    places: int
    banner: str = ""
    system: System | None = None


@value
class Tally:
    """What became of everything that was sent and received.

    `asked` = `answered` + `not_sip` + `refused` + `silent`, once a sweep is over; until then the rest is waited for.
    """

    places: int
    """That the sweep has to ask, in this run."""
    asked: int = 0
    retransmitted: int = 0
    answered: int = 0
    not_sip: int = 0
    refused: int = 0
    """By ICMP, or by the kernel of this machine: nothing listens there, or there is no way."""
    silent: int = 0
    late: int = 0
    """Of those answered: after the deadline."""
    elsewhere: int = 0
    """Of those answered: from another address than the one that was asked."""
    repeated: int = 0
    """Answers to requests that were repeated, beyond the first."""
    duplicated: int = 0
    """Answers beyond one for each request."""
    provisional: int = 0
    """Responses that announced another one."""
    forgotten: int = 0
    """Answers so late that it is not known any more whether they were the first."""
    strangers: int = 0
    """Datagrams from where nothing had been sent to."""
    lost: int = 0
    """Datagrams that the kernel had no room for: the rate was too high for this machine."""
    unsent: int = 0
    """Requests that did not leave, since the kernel's buffer stayed full."""
    short_of_buffer: str = ""
    """What to change where the kernel grants less than was asked for, so that datagrams are `lost` sooner."""

    @property
    def done(self) -> int:
        """How many places nothing is waited for any more."""
        return self.answered + self.not_sip + self.refused + self.silent


class Kinds:
    """The kinds of answers met so far, with a sample of each."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self._samples: list[tuple[Answer, SocketAddress]] = []
        self._places: list[int] = []

    def add(self, answer: Answer, remote: SocketAddress) -> int | None:
        """The number of the kind that an answer is of; None where there are too many."""
        number = self._numbers.get(answer.looks)
        if number is None:
            if len(self._samples) >= MAX_KINDS or len(bytes(answer.sample)) > MAX_SAMPLE:
                return None
            number = self._numbers[answer.looks] = len(self._samples)
            self._samples.append((answer, remote))
            self._places.append(0)
        self._places[number] += 1
        return number

    def identified(self) -> Sequence[Kind]:
        """All kinds, with the product that the sample of each shows: a third of a millisecond for each."""
        pairs = enumerate(zip(self._samples, self._places, strict=True))
        return [
            Kind(number, places, answer.banner, system_of(answer.sample, remote))
            for number, ((answer, remote), places) in pairs
        ]
