"""What a discovery tells of itself while it runs: an event for each step, in the order in which they happen.

`at` is in seconds since it began. `FindingMade` comes near the end, since what is seen later may explain what looked
wrong; `Concluded` is always the last.
"""

from probes.checks.tls_judge import TlsReport
from probes.discovery.candidates import Candidate
from probes.discovery.outcome import Discovery
from probes.findings.finding import Finding
from probes.result import Attempt, LookupStep
from sipcore.resolve.target import Hop
from sipcore.value import value


@value
class LookupEnded:
    """DNS answered a question, or did not."""

    at: float
    step: LookupStep


@value
class AttemptBegun:
    """A place is being tried."""

    at: float
    candidate: Candidate


@value
class AttemptEnded:
    """A place was tried."""

    at: float
    attempt: Attempt


@value
class HabitsBegun:
    """A place that answered is being asked more: large requests, keep-alives, and odd ones in deep mode."""

    at: float
    hop: Hop


@value
class HabitsEnded:
    """Whatever that place was asked is answered, or will not be."""

    at: float
    hop: Hop


@value
class TlsBegun:
    """Handshakes are being made with a TLS server, to see what it accepts and shows."""

    at: float
    hop: Hop


@value
class TlsEnded:
    """They are made."""

    at: float
    report: TlsReport


@value
class CallBegun:
    """A place is being called, which somebody allowed."""

    at: float
    hop: Hop


@value
class CallEnded:
    """That call is over; `heard` is whether anything came back."""

    at: float
    hop: Hop
    heard: bool


@value
class FindingMade:
    """Something is wrong, or worth knowing. The worst comes first."""

    at: float
    finding: Finding


@value
class Concluded:
    """All that was found out."""

    at: float
    discovery: Discovery


Event = (
    LookupEnded
    | AttemptBegun
    | AttemptEnded
    | HabitsBegun
    | HabitsEnded
    | TlsBegun
    | TlsEnded
    | CallBegun
    | CallEnded
    | FindingMade
    | Concluded
)
