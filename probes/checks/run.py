"""Checks carried out that need no SIP: the network as `checks.tls` sees it, and a TLS report from a destination."""

import time
from dataclasses import field, replace
from random import SystemRandom

import trio

from probes.checks.tls import (
    DEFAULT_DEADLINE,
    DEFAULT_TIMEOUT,
    SHOW,
    Handshake,
    Plan,
    Purpose,
    Shown,
    TlsQuestion,
    Trial,
    act,
    terms,
)
from probes.checks.tls_judge import TlsReport, judge
from probes.destination import Destination
from probes.reach import ReachPolicy, refusal_of
from sipcore.errors import FailureReason, LocalError, TransportFailure, require_times
from sipcore.resolve.plan import Plan as LookupPlan
from sipcore.resolve.records import Question
from sipcore.resolve.target import Hop, Transport
from sipcore.transports.base import Refusal, TlsConfig
from sipcore.transports.gate import gate_of
from sipcore.transports.lookup import Lookup, LookupConfig
from sipcore.transports.tls import TlsContexts
from sipcore.transports.tls_engine import TlsEvidence, TlsSession
from sipcore.transports.tls_trial import try_tls
from sipcore.value import value

MAX_PLACES = 4
"""Addresses that are tried one after the other until somebody listens."""
_NOBODY = frozenset(
    {
        *(FailureReason.REFUSED, FailureReason.UNREACHABLE, FailureReason.PROHIBITED, FailureReason.TIMED_OUT),
        FailureReason.NOT_ALLOWED,
    }
)
"""How connections fail that did not come to TLS."""


@value
class TlsReportConfig:
    """How to make a TLS report. `timeout` is for one handshake, and for one answer of DNS; `deadline` is for DNS and
    all handshakes together, but the first place gets one handshake's time however long DNS took: both in seconds.

    Of `tls`, the trusted roots and the client's certificate count; what to offer is the report's to vary. `name` is
    whom the certificate must be for, empty for the host that is asked for. Raises LocalError for times that are none.
    """

    timeout: float = DEFAULT_TIMEOUT
    deadline: float = DEFAULT_DEADLINE
    name: str = ""
    tls: TlsConfig = field(default_factory=TlsConfig)
    lookup: LookupConfig = field(default_factory=LookupConfig)
    reach: ReachPolicy | None = None
    """Which addresses may be reached; all of them without one."""

    def __post_init__(self) -> None:
        require_times(self, "timeout", "deadline")


async def report_tls(target: Destination | str, config: TlsReportConfig | None = None) -> TlsReport:
    """Find out all about the TLS server of a destination, or of what a text names, at the first place that DNS leads to
    (RFC 3263) where anybody listens.

    Raises TransportFailure when there is no address, DestinationError where a text cannot be read, and LocalError when
    the destination is one without TLS, or the configuration cannot be used.
    """
    destination, config = Destination.of(target), config or TlsReportConfig()
    io = TlsSockets(config.tls, refusal_of(config.reach))
    end = trio.current_time() + config.deadline
    least = min(config.timeout, config.deadline)
    report: TlsReport | None = None
    missed: list[str] = []
    for hop in await locate(destination, config):
        left = max(end - trio.current_time(), 0.0 if report else least)
        if not left:
            break
        handshakes = await act(io, TlsQuestion(hop, config.timeout, left))
        report = judge(replace(hop, why="; ".join([hop.why, *missed])), handshakes, time.time())
        if report.failure is None or report.failure.reason not in _NOBODY:
            break
        missed.append(f"not {hop.remote} ({report.failure.reason.value})")
    assert report is not None  # noqa: S101  # there is a place, or nothing was located
    return report


async def locate(destination: Destination, config: TlsReportConfig) -> list[Hop]:
    """The places where the TLS server of a destination may be, best first. Raises TransportFailure, LocalError."""
    transport = destination.transport or Transport.TLS
    if not transport.secure:
        raise LocalError(f"there is no TLS over {transport.value.lower()}; use tls or wss", section="RFC 3261 §26.2.1")
    plan = LookupPlan(replace(destination.target, transport=transport), chance=SystemRandom().random)
    lookup = Lookup(_within(config.lookup, config.timeout))

    async def ask(question: Question) -> None:
        plan.answer(await lookup.ask(question))

    with trio.move_on_after(config.deadline):
        while not plan.done:
            async with trio.open_nursery() as nursery:
                for question in plan.next_questions():
                    nursery.start_soon(ask, question)
    if not plan.done:
        message = f"no address for {plan.target}: DNS did not tell one within {config.deadline:g} s; allow more time"
        raise TransportFailure(FailureReason.UNRESOLVABLE, message, section="RFC 3263 §4")
    if not plan.hops():
        raise plan.failure()
    return [replace(hop, tls_name=config.name or hop.tls_name) for hop in plan.hops()[:MAX_PLACES]]


def _within(lookup: LookupConfig, seconds: float) -> LookupConfig:
    """The same, with so much time for an answer that a second name server can be asked where the first is silent."""
    return replace(lookup, timeout=min(lookup.timeout, seconds / 2), lifetime=min(lookup.lifetime, seconds))


class TlsSockets:
    """`TlsIO` over sockets. Of the configuration it uses the trusted roots and the client's certificate; nothing is
    connected to where `refusal` says why not.
    """

    def __init__(self, config: TlsConfig, refusal: Refusal | None = None) -> None:
        self._config = config
        self._gate = gate_of(refusal)
        self._inspecting: dict[TlsConfig, TlsContexts] = {}

    async def carry_out(self, question: TlsQuestion, plan: Plan) -> tuple[Handshake, ...]:
        """Make each trial that `plan` names, given the handshakes so far, once; side by side, until it names no more
        or the deadline is there. Whatever happens is a value. Raises LocalError for a configuration without use.
        """
        self._contexts(SHOW).client(question.hop)  # so that the configuration is refused here, and OpenSSL is loaded
        seen: dict[Trial, Handshake | None] = {}
        end = trio.current_time() + question.deadline

        async def make(trial: Trial) -> None:
            left = max(end - trio.current_time(), 0.0)  # this process may have been stopped since it was to begin
            seen[trial] = await self._make(trial, question.hop, min(question.timeout, left))
            start()

        def start() -> None:
            known = [handshake for handshake in seen.values() if handshake is not None]
            for trial in plan(known):
                if trial not in seen and trio.current_time() < end:
                    seen[trial] = None
                    nursery.start_soon(make, trial)

        async with trio.open_nursery() as nursery:
            start()
        return tuple(handshake for handshake in seen.values() if handshake is not None)

    async def _make(self, trial: Trial, hop: Hop, seconds: float) -> Handshake:
        inspects, shows = trial.purpose is not Purpose.CIPHERS, trial.purpose is Purpose.SHOW
        contexts = self._contexts(trial) if inspects else TlsContexts(terms(trial, self._config), trust=False)
        seen = await try_tls(contexts, hop, seconds=seconds, linger=shows, gate=self._gate)
        handshake = Handshake(trial, seen.took, established=seen.established, failure=seen.failure)
        session = seen.session
        if session is None:
            return handshake
        handshake = replace(
            handshake,
            version=session.version,
            cipher=session.cipher,
            group=session.group,
            resumable=seen.resumable,
            resumed=session.resumed,
        )
        return replace(handshake, shown=_shown(session, seen.evidence)) if inspects else handshake

    def _contexts(self, trial: Trial) -> TlsContexts:
        """Those that the session to resume is kept in."""
        config = terms(trial, self._config)
        if config not in self._inspecting:
            self._inspecting[config] = TlsContexts(config, staple=True)
        return self._inspecting[config]


def _shown(session: TlsSession, evidence: TlsEvidence) -> Shown:
    return Shown(
        session.chain,
        evidence.verified,
        session.faults,
        session.certificate_requested,
        evidence.authorities,
        evidence.staple,
    )
