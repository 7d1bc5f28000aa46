"""Handshakes as values: a server that is a table, and the reports that come of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from probes.checks.tls import Handshake, Plan, Purpose, Shown, TlsQuestion, Trial, plan
from probes.checks.tls_judge import DAY, TlsReport, judge
from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TlsVersion
from sipcore.transports.tls_failure import TlsFailure, TlsProblem
from tests.probes.checks.tls_servers import INTERMEDIATE, LEAF, NAME, ROOT
from tests.sipcore.transports.authority import Identity

HOP = Hop(Transport.TLS, SocketAddress("192.0.2.1", 5061), tls_name=NAME, why="port 5061 given")
NOW = LEAF.certificate.not_valid_before_utc.timestamp() + 1.5 * DAY
GOOD = Shown(
    (LEAF.certificate, INTERMEDIATE.certificate), (LEAF.certificate, INTERMEDIATE.certificate, ROOT.certificate)
)
MODERN = {
    TlsVersion.TLS_1_3: ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"),
    TlsVersion.TLS_1_2: ("ECDHE-ECDSA-AES256-GCM-SHA384",),
}


def failing(problem: TlsProblem, detail: str = "", alert: str = "") -> TlsFailure:
    return TlsFailure(problem, HOP, detail, alert=alert)


REJECTED = failing(TlsProblem.HANDSHAKE, "tls alert handshake failure", "handshake failure")
SILENT = failing(TlsProblem.SILENT, FailureReason.TIMED_OUT.value)
HUNG_UP = failing(TlsProblem.SILENT, FailureReason.CLOSED.value)
REFUSED = TransportFailure(FailureReason.REFUSED, f"{HOP}: nothing listens there")


@dataclass
class Table:
    """A server: its ciphers by version, and how it meets what it does not take."""

    ciphers: Mapping[TlsVersion, Sequence[str]] = field(default_factory=lambda: MODERN)
    shown: Shown = GOOD
    rejects: TransportFailure = REJECTED
    ends: TransportFailure | None = None
    small_only: bool = False
    tolerant: bool = True
    resumes: bool = True
    tickets: bool = True
    took: float = 0.01
    asked: list[Trial] = field(default_factory=list)

    def meet(self, trial: Trial) -> Handshake:
        """The handshake that comes of a trial."""
        self.asked.append(trial)
        offered = [trial.version] if trial.version else list(reversed(TlsVersion))
        if self.small_only and not trial.small:
            return Handshake(trial, 4.0, failure=SILENT)
        if len(offered) > 1 and not self.tolerant:
            return Handshake(trial, 0.01, failure=self.rejects)
        for version in offered:
            for cipher in self.ciphers.get(version, ()):
                if cipher not in trial.without:
                    return self._agree(trial, version, cipher)
        return Handshake(trial, 0.01, failure=self.rejects)

    def _agree(self, trial: Trial, version: TlsVersion, cipher: str) -> Handshake:
        made = Handshake(trial, self.took, version.value, cipher, "x25519", established=True, failure=self.ends)
        if trial.purpose is Purpose.CIPHERS:
            return made
        resumable = self.tickets and self.ends is None
        return replace(
            made, shown=self.shown, resumable=resumable, resumed=trial.purpose is Purpose.RESUME and self.resumes
        )

    async def carry_out(self, question: TlsQuestion, plan: Plan) -> tuple[Handshake, ...]:
        return self.met(plan)

    def met(self, plan: Plan = plan) -> tuple[Handshake, ...]:
        """All handshakes, one after the other."""
        seen: dict[Trial, Handshake] = {}
        while new := [trial for trial in plan(list(seen.values())) if trial not in seen]:
            seen[new[0]] = self.meet(new[0])
        return tuple(seen.values())

    def report(self, now: float = NOW, hop: Hop = HOP) -> TlsReport:
        return judge(hop, self.met(), now)


def shown_by(identity: Identity) -> Shown:
    """What a server with this identity shows, the chain verified up to the root."""
    chain = (identity.certificate, *identity.above)
    return Shown(chain, (*chain, ROOT.certificate))
