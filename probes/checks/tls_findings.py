"""What is wrong with a TLS server, as findings. RFC 5922, RFC 9325."""

from collections.abc import Iterator, Sequence

from probes.checks.tls_judge import Remark, TlsReport, day
from probes.findings.catalogue import catalogue
from probes.findings.finding import Finding
from sipcore.resolve.target import is_numeric
from sipcore.transports.tls_failure import CERTIFICATE_PROBLEMS, TlsFailure, TlsProblem, first_of

BY_ADDRESS = "tls-asked-by-address"
_OF_THE_PORT = CERTIFICATE_PROBLEMS | {TlsProblem.NOT_TLS, TlsProblem.SILENT}
"""What is told by its faults, or is no finding of a TLS server, since there may be none."""
_TELLING_NOTHING_NEW = frozenset({Remark.WEB_NAME_ONLY, Remark.UNFINISHED})
"""Remarks about a name that nobody asked for, where an address was asked for; and about this program's own patience."""


def code_of(problem: TlsProblem) -> str:
    """The finding that a problem of TLS is."""
    return f"tls-{problem.name.lower().replace('_', '-')}"


def findings(report: TlsReport, systems: Sequence[str] = ()) -> tuple[Finding, ...]:
    """All that is wrong, the worst first. `systems` are the names of the product, the most specific first."""
    return catalogue().ranked(_findings(report, systems))


def _findings(report: TlsReport, systems: Sequence[str]) -> Iterator[Finding]:
    by_address = is_numeric(report.name)

    def finding(code: str, what: str, evidence: Sequence[str]) -> Finding:
        return catalogue().finding(code, what, [str(report.hop), *evidence], systems=systems)

    failure = report.failure
    if isinstance(failure, TlsFailure) and failure.tls not in _OF_THE_PORT:
        detail = f" ({failure.detail})" if failure.detail else ""
        evidence = [f"alert: {failure.alert}"] if failure.alert else []
        yield finding(code_of(failure.tls), f"{failure.tls.text}{detail}", evidence)
    for fault in report.faults:
        evidence = _certificate(report, fault.depth)
        if fault.problem is TlsProblem.NAME_MISMATCH and by_address:
            yield finding(BY_ADDRESS, str(fault), evidence)
        else:
            yield finding(code_of(fault.problem), str(fault), evidence)
    for remark in report.remarks:
        if not (by_address and remark in _TELLING_NOTHING_NEW):
            yield finding(remark.value, remark.entry.title, _shown(report, remark))


def _certificate(report: TlsReport, depth: int) -> list[str]:
    chain = report.verified or report.sent
    if depth >= len(chain):
        return []
    facts = chain[depth]
    names = f", for {first_of(facts.names)}" if facts.names else ""
    return [f"certificate {depth}: {facts.subject}{names}, {day(facts.not_before)} to {day(facts.not_after)}"]


def _shown(report: TlsReport, remark: Remark) -> list[str]:
    """What shows a remark."""
    if remark is Remark.EXPIRES_SOON:
        soon = min(report.verified or report.sent, key=lambda facts: facts.not_after)
        return [f"{soon.subject} expires on {day(soon.not_after)}"]
    if remark in (Remark.OLD_ONLY, Remark.OLD_VERSION):
        return [f"accepted: {', '.join(facts.version.value for facts in report.versions if facts.accepted)}"]
    if remark is Remark.WEB_NAME_ONLY and report.identity is not None:
        return [f"names: {first_of(report.identity.web_names)}"]
    if remark is Remark.LARGE_HELLO:
        return ["no answer to the usual first flight, an answer to one with group P-256 alone"]
    return []
