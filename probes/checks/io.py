"""What a check may ask of the network, and what comes back: values and one protocol, so that checks import no edge.

A check is three functions: `plan` says what to send, `act` has it sent, `judge` says what the answer means. `plan` and
`judge` are pure.
"""

from typing import Protocol

from sipcore.errors import TransportFailure
from sipcore.message.build import Fields
from sipcore.message.framing import Unfinished
from sipcore.message.message import Response
from sipcore.message.uri import SipUri
from sipcore.resolve.target import Hop
from sipcore.trace import TraceRecord
from sipcore.transports.tls_failure import CertificateFault
from sipcore.value import value

PLAIN = "options"
"""The purpose of the request that everything begins with."""


@value
class Query:
    """One request to send to one place, and how many seconds to wait for its final response.

    What every request needs (From, Call-ID, Via …) is put on when it is sent.
    """

    method: str
    uri: SipUri
    hop: Hop
    timeout: float
    fields: Fields = ()
    max_forwards: int | None = None
    """How many hops the request may go; None for the usual (RFC 3261 §8.1.1.6)."""
    purpose: str = PLAIN
    """What it is to show, in a word or two."""


@value
class TlsFacts:
    """What a TLS handshake agreed on, and what is wrong with the certificate that the peer showed."""

    agreed: str
    faults: tuple[CertificateFault, ...] = ()
    certificate_requested: bool = False


@value
class Observation:
    """All that was seen of one query: the final response, or why there is none, and the trace of how it came to that.

    `waited` is how long an answer was waited for, `rtt` how long the final response took, both in seconds. With
    neither `response` nor `failure`, nothing had come when the time was up.
    """

    query: Query
    waited: float
    response: Response | None = None
    failure: TransportFailure | None = None
    rtt: float | None = None
    kernel_stamped: bool = False
    tls: TlsFacts | None = None
    records: tuple[TraceRecord, ...] = ()
    unfinished: Unfinished | None = None
    """What came of a message over the connection that had no end by then."""


class ProbeIO(Protocol):
    """The network, as checks see it."""

    async def ask(self, query: Query) -> Observation:
        """Send the query and wait for its final response, as long as it says. Whatever happens is a value."""
