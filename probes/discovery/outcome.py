"""All that discovery found out about one destination, as one value."""

from dataclasses import field

from probes.checks.dns.judge import DnsReport
from probes.checks.tls_judge import TlsReport
from probes.destination import Destination
from probes.discovery.capabilities import Capabilities
from probes.findings.finding import Finding
from probes.result import Attempt, LookupStep, Reach, Recommendation, System
from sipcore.resolve.records import Answer, LookupFailure, Result
from sipcore.resolve.target import Hop
from sipcore.trace import MessageTrace
from sipcore.value import value


@value
class Asked:
    """One request, what it was to show, and every message that was sent and came back because of it, in order.

    `about` says why it is odd, where it is; it follows "a request that".
    """

    purpose: str
    hop: Hop
    messages: tuple[MessageTrace, ...] = field(repr=False)
    about: str = ""


@value
class Discovery:
    """All that discovery found out about one destination. `duration` is in seconds."""

    destination: Destination
    """What was asked for."""
    lookups: tuple[LookupStep, ...]
    """What was asked of DNS on the way to the places, and what it said."""
    attempts: tuple[Attempt, ...]
    """One for each address, port and transport that was tried."""
    recommendation: Recommendation | None
    """How to connect, and why; None where nothing answered."""
    system: System | None
    """Which product answers; None where nothing did."""
    findings: tuple[Finding, ...] = ()
    """What is wrong, and what is worth knowing, the worst first."""
    capabilities: Capabilities = field(default_factory=Capabilities)
    """Methods, codecs, extensions and habits, as far as it told or showed them."""
    dns: DnsReport | None = None
    """The ladder of DNS; None for an address, and where nobody could be asked."""
    tls: tuple[TlsReport, ...] = ()
    """What the TLS servers that were met accept and show; ciphers only as far as they were asked for."""
    duration: float = 0.0
    failure: str = ""
    """Why nothing could be tried at all (the name has no address), in a sentence that says what to try."""
    telling: Attempt | None = None
    """The attempt that says most about the peer when none was answered."""
    advice: str = ""
    """What to do next when nothing answered, in a sentence."""
    omitted: int = 0
    """How many places were left out, because one run tries no more than a bounded number."""
    asked: tuple[Asked, ...] = field(default=(), repr=False)
    """The whole conversation, in the order in which it began: the attempts' requests, and those beyond."""
    epoch_ns: int = 0
    """Nanoseconds from 1970, UTC, to where the times of trace records begin: what makes dates out of them."""

    @property
    def answered(self) -> tuple[Attempt, ...]:
        """The attempts that got a SIP response."""
        return tuple(attempt for attempt in self.attempts if attempt.reach is Reach.ANSWERED)

    @property
    def messages(self) -> tuple[MessageTrace, ...]:
        """Every message of the conversation, in the order in which they were seen."""
        return tuple(sorted((one for asked in self.asked for one in asked.messages), key=lambda one: one.at))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that it allows."""
        return self.capabilities.methods

    @property
    def codecs(self) -> tuple[str, ...]:
        """The codecs that it offers."""
        return self.capabilities.codecs


def step_of(result: Result) -> LookupStep:
    """A lookup's result as people read it."""
    if isinstance(result, LookupFailure):
        detail = f" ({result.detail})" if result.detail else ""
        return LookupStep(str(result.question), error=f"{result.fault.value}{detail}")
    return LookupStep(str(result.question), tuple(f"{record}{_source(result)}" for record in result.records))


def _source(answer: Answer) -> str:
    return f" ({answer.ttl:.0f} s)" if answer.source == "DNS" else f" ({answer.source})"
