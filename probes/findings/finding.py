"""A finding: one thing that is wrong, or worth knowing, whose fault it is, what shows it and what to do about it."""

from collections.abc import Iterable
from enum import Enum

from sipcore.trace import TraceRecord
from sipcore.value import value


class Severity(Enum):
    """How bad it is: calls fail by it, calls may fail by it, or it is worth knowing. The worst comes first."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Side(Enum):
    """Who is at fault, and so who can put it right."""

    PEER = "peer"
    """The endpoint that was asked, by its configuration mostly."""
    NETWORK = "network"
    """Something between it and here: a router, a firewall, a translator of addresses."""
    DNS = "DNS"
    """The zone, its name servers, or the resolver."""
    US = "us"
    """This host, or this program."""
    USAGE = "usage"
    """How this program was called."""


@value
class Finding:
    """One finding. Made by `catalogue.Catalogue.finding`, which knows severity, side, cure and rule by the code.

    `what` is a sentence with the facts of this case, `evidence` are the facts that show it, for people, and `records`
    the messages among them, and what became of connections; none where DNS or TLS alone show it. `cure` is what to do,
    in the words of the detected product where it is known. `rule` is the section of the RFC that it goes by.
    """

    code: str
    severity: Severity
    side: Side
    what: str
    evidence: tuple[str, ...]
    cure: str
    rule: str
    records: tuple[TraceRecord, ...] = ()

    def __str__(self) -> str:
        return f"{self.severity.value} {self.code}: {self.what}"


_SEVERITIES = list(Severity)


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The worst severity among some findings; None where there are none."""
    return min((finding.severity for finding in findings), key=_SEVERITIES.index, default=None)
