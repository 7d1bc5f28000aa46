"""A TLS report in words: the verdict, what was agreed on, the certificate and its chain, versions with their ciphers.

Readable at 80 columns and without colour. Everything that a peer may have written is made printable.
"""

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from probes.checks.tls_certificate import CertificateFacts, StapleFacts
from probes.checks.tls_findings import code_of
from probes.checks.tls_judge import TlsReport, Validity, VersionFacts, day
from probes.findings.catalogue import catalogue
from probes.report.lines import WIDTH, fact, listed, wrapped
from probes.report.safe_text import printable
from probes.report.times import duration
from sipcore.errors import FailureReason
from sipcore.transports.base import TlsVersion
from sipcore.transports.tls_failure import CertificateFault, TlsProblem, first_of

_LABEL = 13
"""Columns of a fact's name."""
_NAMES = {
    TlsVersion.TLS_1_0: "TLS 1.0",
    TlsVersion.TLS_1_1: "TLS 1.1",
    TlsVersion.TLS_1_2: "TLS 1.2",
    TlsVersion.TLS_1_3: "TLS 1.3",
}
_VERDICTS = {
    Validity.VALID: "its certificate is valid",
    Validity.EXPIRED: "its certificate has expired",
    Validity.NOT_YET_VALID: "its certificate is not valid yet",
    Validity.SELF_SIGNED: "its certificate is self-signed",
    Validity.INCOMPLETE_CHAIN: "its certificate comes without its issuer's",
    Validity.UNTRUSTED_ROOT: "its certificate comes from a CA that is not trusted",
    Validity.WEAK: "its certificate is too weak",
    Validity.INVALID: "its certificate is not valid",
    Validity.NAME_MISMATCH: "its certificate is for another name",
}

_OF_ONE_PLACE = frozenset({"place", "handshakes"})
"""Facts that tell how one server was asked."""
_UNTRUSTED = frozenset({TlsProblem.SELF_SIGNED, TlsProblem.INCOMPLETE_CHAIN, TlsProblem.UNTRUSTED_ROOT})
"""Faults of a chain that ends in nobody who is trusted."""


def tls_lines(report: TlsReport, width: int = WIDTH) -> list[Text]:
    """The whole report, in lines of at most `width` columns."""
    style = "bold green" if report.works else "bold red"
    lines = wrapped(_verdict(report), width, style=style)
    remarks = [line for text in _remarks(report) for line in wrapped(text, width, "  ", " " * 6)]
    for block in (*(_fact_lines(facts, width) for facts in tls_facts(report)), remarks):
        lines += [Text(), *block] if block else []
    return lines


def tls_blocks(reports: Iterable[TlsReport], width: int = WIDTH) -> list[Text]:
    """What was found out about some servers, without the verdicts. Servers that are alike are told once."""
    known: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for report in reports:
        facts = [each for block in tls_facts(report) for each in block if each[0] not in _OF_ONE_PLACE]
        if report.agreed is not None:
            known.setdefault(tuple(facts), []).append(str(report.hop.remote))
    lines: list[Text] = []
    for alike, places in known.items():
        lines += [Text(), *wrapped(f"TLS at {listed(places)}", width, "  ", " " * 6, style="bold")]
        lines += _fact_lines(alike, width)
    return lines


def tls_facts(report: TlsReport) -> tuple[Iterator[tuple[str, str]], ...]:
    """What was found out, each fact with its name: the server and its certificate, the chain, versions and ciphers."""
    return _facts(report), _chains(report), _ciphers(report.versions)


def tls_summary(report: TlsReport) -> str:
    """What the report comes to, in a sentence or two."""
    days = f"; {_left(report.days_left)}" if report.days_left is not None and report.days_left >= 0 else ""
    return f"{_verdict(report)}{days}"


def tls_failure_line(report: TlsReport) -> str:
    """Why a client that verifies gets no connection and what to try, in one line; "" when it gets one."""
    if report.failure is not None:
        return printable(report.failure.message)
    if report.works:
        return ""
    # The first fault of the kind that names the state, since it has the names and dates.
    told = [fault for fault in report.faults if fault.problem.name == (report.validity or Validity.VALID).name]
    why = "; ".join(f"{fault}: {_cure(fault)}" for fault in told[:1])
    return printable(f"{report.hop}: {why or 'the server shows no certificate'}")


def _verdict(report: TlsReport) -> str:
    where = f"{report.hop.remote} as {report.name}" if report.name != report.hop.remote.host else str(report.hop.remote)
    spoken = [_NAMES[facts.version] for facts in report.versions if facts.accepted]
    if report.agreed is None:
        return printable(report.failure.message) if report.failure else f"{where}: nothing was found out in time"
    told = [f"speaks {_joined(spoken)}" if spoken else "speaks TLS"]
    if report.certificate_required:
        told.append("wants a client certificate")
    elif report.failure is not None:
        told.append("fails then")
    told.append(_VERDICTS[report.validity] if report.validity is not None else "shows no certificate")
    return printable(f"{where} {', '.join(told[:-1])}, and {told[-1]}")


def _joined(names: Sequence[str]) -> str:
    """`TLS 1.3 and 1.2`."""
    return listed([names[0], *(name.removeprefix("TLS ") for name in names[1:])])


def _facts(report: TlsReport) -> Iterator[tuple[str, str]]:
    agreed = report.agreed
    if report.hop.why:
        yield "place", f"{report.hop} ({report.hop.why})"
    if agreed is not None:
        group = f", group {agreed.group}" if agreed.group else ""
        yield "agreed on", f"{agreed.version} {agreed.cipher}{group}"
    if report.sent:
        yield from _certificate(report, report.sent[0])
    if report.staple is not None:
        yield "OCSP staple", _staple(report.staple)
    elif report.sent:
        yield "OCSP staple", "none"
    if agreed is not None:
        yield "client", _client(report)
    if report.resumed is not None:
        yield "resumption", "the session was resumed" if report.resumed else "the session was not resumed"
    elif report.resumable is False:
        yield "resumption", "the server sent nothing to resume the session with"
    if agreed is not None:
        count, took = len(report.handshakes), duration(agreed.took)
        yield "handshakes", f"{count} were made to find this out, the one that tells most in {took}"


def _certificate(report: TlsReport, leaf: CertificateFacts) -> Iterator[tuple[str, str]]:
    yield "certificate", leaf.subject or "(without a subject)"
    yield "names", first_of(leaf.names) or "none but its subject's"
    yield "valid", f"{day(leaf.not_before)} to {day(leaf.not_after)}, {_left(report.days_left or 0.0)}"
    yield "key", f"{leaf.key or 'of an unknown kind'}, signed by {leaf.signature or 'an unknown algorithm'}"
    if report.identity is not None:
        identity = report.identity
        yield "SIP domain", _for(report.name, identity.sip_names, yes=identity.for_sip)
        yield "web server", _for(report.name, identity.web_names, yes=identity.for_web)


def _for(name: str, names: Sequence[str], *, yes: bool) -> str:
    if yes:
        return f"for {name}"
    return f"not for {name}, but for {first_of(names)}" if names else f"not for {name}, nor for any other"


def _left(days: float) -> str:
    if days < 0:
        return f"expired {_days(-days)} ago"
    return f"{_days(days)} left"


def _days(days: float) -> str:
    return "1 day" if int(days) == 1 else f"{int(days)} days" if days >= 1 else "less than a day"


def _staple(staple: StapleFacts) -> str:
    revoked = f" on {day(staple.revoked)}" if staple.revoked is not None else ""
    until = f", until {day(staple.next_update)}" if staple.next_update is not None else ""
    return f"{staple.verdict.value}{revoked}{until}"


def _client(report: TlsReport) -> str:
    if report.agreed is None or not report.certificate_requested:
        return "no certificate is asked for"
    how = "needs a certificate that the server accepts" if report.certificate_required else "may show a certificate"
    authorities = report.agreed.shown.authorities
    return f"{how}; CAs accepted: {first_of(authorities) or 'not told'}"


def _chains(report: TlsReport) -> Iterator[tuple[str, str]]:
    trusted = not any(fault.problem in _UNTRUSTED for fault in report.faults)
    if report.sent == report.verified:
        ending = " and verified" if trusted else ", which leads to nothing trusted"
        yield from _chain(f"chain as sent{ending}", report.sent)
        return
    yield from _chain("chain as sent", report.sent)
    yield from _chain("chain as verified" if trusted else "chain as far as it leads", report.verified)


def _chain(title: str, chain: Iterable[CertificateFacts]) -> Iterator[tuple[str, str]]:
    for depth, facts in enumerate(chain):
        if depth == 0:
            yield title, ""
        by = "by itself" if facts.self_signed else f"by {facts.issuer}"
        weak = f" (weak: {facts.weakness})" if facts.weakness else ""
        yield f"  {depth}", f"{facts.subject}, {by}, until {day(facts.not_after)}, {facts.key}{weak}"


def _ciphers(versions: Iterable[VersionFacts]) -> Iterator[tuple[str, str]]:
    for facts in versions:
        if facts.accepted:
            more = "" if facts.complete else " and maybe more"
            yield _NAMES[facts.version], f"{' '.join(facts.ciphers)}{more}"
        elif facts.accepted is False or facts.why:
            told = "not accepted" if facts.accepted is False else "no answer"
            yield _NAMES[facts.version], f"{told} ({facts.why})" if facts.why else told


def _remarks(report: TlsReport) -> Iterator[str]:
    """What is wrong, and what to do about it."""
    if report.failure is not None and report.failure.reason is FailureReason.TLS and report.agreed is not None:
        yield report.failure.message.removeprefix(f"{report.hop}: ")
    yield from dict.fromkeys(map(_told, report.faults))
    for remark in report.remarks:
        yield f"{remark.entry.title}: {remark.entry.cure} [{remark.entry.code}, {remark.entry.rule}]"


def _told(fault: CertificateFault) -> str:
    entry = catalogue()[code_of(fault.problem)]
    return f"{fault}: {entry.cure} [{entry.code}, {entry.rule}]"


def _cure(fault: CertificateFault) -> str:
    return catalogue()[code_of(fault.problem)].cure


def _fact_lines(facts: Iterable[tuple[str, str]], width: int) -> list[Text]:
    return [line for name, text in facts for line in fact(name, text, width, _LABEL)]
