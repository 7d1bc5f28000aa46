"""A TLS report in words: what it says, at 80 columns, whatever a peer has written."""

from dataclasses import replace

import pytest

from probes.checks.tls import Shown
from probes.checks.tls_findings import code_of
from probes.checks.tls_judge import DAY, TlsReport, Validity, judge
from probes.report.lines import WIDTH
from probes.report.tls_text import tls_blocks, tls_failure_line, tls_lines
from sipcore.errors import TransportFailure
from sipcore.resolve.target import Hop, SocketAddress
from sipcore.transports.base import TlsVersion
from sipcore.transports.tls_failure import CertificateFault, TlsProblem
from tests.probes.checks.tls_servers import INTERMEDIATE, LEAF, NAME, ROOT, ocsp_response
from tests.probes.checks.tls_values import GOOD, HOP, MODERN, NOW, REFUSED, SILENT, Table, failing, shown_by
from tests.sipcore.transports.authority import issue

WANTED = failing(TlsProblem.CLIENT_CERTIFICATE_REQUIRED, "no certificate")


def shown(report: TlsReport) -> list[str]:
    lines = [line.plain for line in tls_lines(report)]
    assert max(map(len, lines)) <= WIDTH
    assert all(line.isprintable() for line in lines)
    return lines


def headline(report: TlsReport) -> str:
    return " ".join([*shown(report), ""][: [*shown(report), ""].index("")])


def fact(report: TlsReport, name: str) -> str:
    """What stands beside a name, in one line."""
    lines = shown(report)
    at = next(number for number, line in enumerate(lines) if line.startswith(f"  {name}  "))
    told = [lines[at][len(name) + 2 :]]
    for line in lines[at + 1 :]:
        if not line.startswith(" " * 15):
            break
        told.append(line)
    return " ".join(" ".join(told).split())


def test_a_server_as_it_should_be() -> None:
    report = Table(shown=replace(GOOD, staple=ocsp_response(LEAF.certificate, INTERMEDIATE))).report()
    assert headline(report) == f"192.0.2.1:5061 as {NAME} speaks TLS 1.3 and 1.2, and its certificate is valid"
    assert fact(report, "place") == "tls 192.0.2.1:5061 (port 5061 given)"
    assert fact(report, "agreed on") == "TLSv1.3 TLS_AES_256_GCM_SHA384, group x25519"
    assert fact(report, "certificate") == "CN=leaf"
    assert fact(report, "names") == f"DNS {NAME}"
    assert fact(report, "valid").endswith(", 89 days left")
    assert fact(report, "key") == "EC on secp256r1, signed by ECDSA with SHA256"
    assert fact(report, "SIP domain") == f"for {NAME}"
    assert fact(report, "OCSP staple").startswith("good, until 2")
    assert fact(report, "client") == "no certificate is asked for"
    assert fact(report, "resumption") == "the session was resumed"
    assert fact(report, "handshakes") == "9 were made to find this out, the one that tells most in 10.0 ms"
    assert fact(report, "TLS 1.3") == "TLS_AES_256_GCM_SHA384 TLS_AES_128_GCM_SHA256"
    assert fact(report, "TLS 1.1") == "not accepted (handshake failure)"
    assert [line for line in shown(report) if "chain" in line] == ["  chain as sent", "  chain as verified"]
    assert tls_failure_line(report) == ""


@pytest.mark.parametrize(
    ("left", "told"),
    [(40, "40 days left"), (1.5, "1 day left"), (0.5, "less than a day left"), (-3.2, "expired 3 days ago")],
)
def test_how_long_it_is_valid(left: float, told: str) -> None:
    now = LEAF.certificate.not_valid_after_utc.timestamp() - left * DAY
    assert fact(Table().report(now), "valid").endswith(told)


@pytest.mark.parametrize("problem", [problem for problem in TlsProblem if problem.name in Validity.__members__])
def test_each_state_is_told_with_its_cure(problem: TlsProblem) -> None:
    shown_ = replace(GOOD, faults=(CertificateFault(problem, 0, 18, "CN=x"),))
    report = Table(shown=shown_).report()
    if problem in (TlsProblem.EXPIRED, TlsProblem.NOT_YET_VALID, TlsProblem.WEAK):  # not the library's to say
        report = replace(report, validity=Validity[problem.name], faults=shown_.faults)
    told = " ".join(" ".join(shown(report)).split())
    assert f"{problem.text} (CN=x): {problem.advice} [{code_of(problem)}, RFC" in told
    assert tls_failure_line(report) == f"{HOP}: {problem.text} (CN=x): {problem.advice}"


def test_a_certificate_for_others() -> None:
    names = [f"{n}.example.com" for n in range(10)]
    report = Table(shown=shown_by(issue("x", ROOT, names=names))).report()
    assert fact(report, "SIP domain").startswith(f"not for {NAME}, but for 0.example.com, ")
    assert fact(report, "SIP domain").endswith("7.example.com and 2 more")


def test_a_certificate_for_nobody() -> None:
    report = Table(shown=shown_by(issue("x", ROOT, names=["https://example.com"]))).report()
    assert fact(report, "web server") == f"not for {NAME}, nor for any other"


@pytest.mark.parametrize(
    ("faults", "verified", "titles"),
    [
        ((), 1, ["chain as sent and verified"]),
        ((), 2, ["chain as sent", "chain as verified"]),
        ((TlsProblem.INCOMPLETE_CHAIN,), 1, ["chain as sent, which leads to nothing trusted"]),
        ((TlsProblem.UNTRUSTED_ROOT,), 2, ["chain as sent", "chain as far as it leads"]),
    ],
)
def test_chains(faults: tuple[TlsProblem, ...], verified: int, titles: list[str]) -> None:
    chain = (LEAF.certificate, INTERMEDIATE.certificate)
    found = tuple(CertificateFault(problem, 0, 20) for problem in faults)
    report = Table(shown=Shown(chain[:1], chain[:verified], found)).report()
    assert [line.strip() for line in shown(report) if line.startswith("  chain")] == titles
    assert fact(report, "  0").startswith("CN=leaf, by CN=intermediate, until 2")


@pytest.mark.parametrize(
    ("asked", "ends", "told"),
    [
        (("CN=root",), WANTED, "needs a certificate that the server accepts; CAs accepted: CN=root"),
        ((), None, "may show a certificate; CAs accepted: not told"),
    ],
)
def test_a_client_certificate(asked: tuple[str, ...], ends: TransportFailure | None, told: str) -> None:
    shown_ = replace(GOOD, certificate_requested=True, authorities=asked)
    report = Table(shown=shown_, ends=ends).report()
    assert fact(report, "client") == told


def test_a_client_certificate_is_missing() -> None:
    report = Table(shown=replace(GOOD, certificate_requested=True), ends=WANTED).report()
    assert headline(report).endswith("1.2, wants a client certificate, and its certificate is valid")
    assert f"  {WANTED.tls.text} (no certificate): give" in " ".join(shown(report))
    assert tls_failure_line(report) == WANTED.message


def test_a_connection_that_is_broken_off() -> None:
    report = Table(ends=failing(TlsProblem.HANDSHAKE)).report()
    assert headline(report).endswith("1.2, fails then, and its certificate is valid")


@pytest.mark.parametrize("failure", [REFUSED, SILENT])
def test_no_tls(failure: TransportFailure) -> None:
    report = Table({}, rejects=failure).report()
    assert headline(report) == tls_failure_line(report) == failure.message


def test_nothing_in_time() -> None:
    report = judge(Hop(HOP.transport, HOP.remote), [], NOW)
    assert shown(report) == ["192.0.2.1:5061: nothing was found out in time"]
    assert tls_failure_line(report) == f"{HOP}: the server shows no certificate"


def test_nothing_to_resume_with() -> None:
    assert fact(Table(tickets=False).report(), "resumption") == "the server sent nothing to resume the session with"
    assert fact(Table(resumes=False).report(), "resumption") == "the session was not resumed"


def test_servers_that_are_alike_are_told_once() -> None:
    other = Hop(HOP.transport, SocketAddress("192.0.2.2", 5061), tls_name=NAME, why="another")
    hops = (HOP, other, replace(other, tls_name="other.example"))
    lines = [line.plain for line in tls_blocks([Table().report(hop=hop) for hop in hops])]
    assert [line for line in lines if line.startswith("  TLS at")] == [
        "  TLS at 192.0.2.1:5061 and 192.0.2.2:5061",
        "  TLS at 192.0.2.2:5061",
    ]
    assert sum(line.startswith("  agreed on") for line in lines) == 2
    assert max(map(len, lines)) <= WIDTH


def test_of_a_server_without_tls_there_are_no_facts() -> None:
    assert tls_blocks([Table({}, rejects=REFUSED).report()]) == []


def test_no_certificate() -> None:
    assert headline(Table(shown=Shown()).report()).endswith("speaks TLS 1.3 and 1.2, and shows no certificate")


def test_versions_that_did_not_come_out() -> None:
    report = Table(rejects=SILENT).report()
    assert fact(report, "TLS 1.1") == "no answer (timed out)"
    assert fact(report, "TLS 1.3").endswith("and maybe more")


def test_one_version() -> None:
    report = Table({TlsVersion.TLS_1_2: MODERN[TlsVersion.TLS_1_2]}).report()
    assert "speaks TLS 1.2, and" in headline(report)


def test_what_would_drive_a_terminal_is_escaped() -> None:
    identity = issue("\x1b[31mred", ROOT, names=[NAME])
    report = Table(shown=replace(shown_by(identity), certificate_requested=True, authorities=("\x1b[0m",))).report()
    assert "\\x1b[31mred" in fact(report, "certificate")
