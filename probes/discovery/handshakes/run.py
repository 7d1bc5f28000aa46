"""What the TLS servers that a discovery meets accept and show, found out by a few more handshakes with each."""

import math
import time

from probes.checks.run import TlsSockets
from probes.checks.tls import TlsQuestion, act
from probes.checks.tls_judge import TlsReport, judge
from probes.discovery.candidates import Key
from sipcore.resolve.target import Hop
from sipcore.transports.base import Refusal, TlsConfig

TLS_PATIENCE = 1.5
"""Seconds for a handshake with a server that has just made one."""
CIPHER_SECONDS = 0.3
"""Seconds in which the ciphers of a version are asked for: enough for all of a host nearby, and for a few of one that
is far away or slow. Deep mode asks for all of them."""
MAX_TLS_REPORTS = 8
"""TLS servers that one run looks at more closely, as many as SRV targets; more are looked at by the TLS report itself.
What is wrong with the certificates of those is told all the same, by their attempts."""


class TlsReports:
    """Looks at TLS servers, each once, and keeps the reports."""

    def __init__(self, config: TlsConfig, *, deep: bool, refusal: Refusal | None = None) -> None:
        self._config = config
        self._refusal = refusal
        self._deep = deep
        self._reports: dict[Key, TlsReport | None] = {}

    @property
    def found(self) -> tuple[TlsReport, ...]:
        """The reports that are made, in the order in which they were begun."""
        return tuple(report for report in self._reports.values() if report is not None)

    def begin(self, hop: Hop) -> bool:
        """Whether to look at a server: nobody has yet, and one run may. It is being looked at then."""
        key = hop.transport, hop.remote
        if key in self._reports or len(self._reports) >= MAX_TLS_REPORTS:
            return False
        self._reports[key] = None
        return True

    async def carry_out(self, hop: Hop, seconds: float) -> TlsReport:
        """Make the report of a server that was begun, in `seconds` at most. Whatever happens is in it."""
        of_ciphers = math.inf if self._deep else CIPHER_SECONDS
        question = TlsQuestion(hop, min(seconds, TLS_PATIENCE), seconds, of_ciphers)
        handshakes = await act(TlsSockets(self._config, self._refusal), question)
        report = judge(hop, handshakes, time.time(), every_cipher=self._deep)
        self._reports[hop.transport, hop.remote] = report
        return report
