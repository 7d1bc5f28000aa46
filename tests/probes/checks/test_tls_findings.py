"""A TLS report as findings."""

from dataclasses import replace

import pytest

from probes.checks.tls_certificate import CertificateFacts
from probes.checks.tls_findings import BY_ADDRESS, code_of, findings
from probes.checks.tls_judge import Remark, TlsReport, VersionFacts
from probes.findings.catalogue import catalogue
from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TlsVersion
from sipcore.transports.tls_failure import CERTIFICATE_PROBLEMS, CertificateFault, TlsFailure, TlsProblem

HOP = Hop(Transport.TLS, SocketAddress("192.0.2.1", 5061), tls_name="sip.example.com")
REPORT = TlsReport(HOP, "sip.example.com", 0.0, (), ())


@pytest.mark.parametrize("problem", [problem for problem in TlsProblem if problem in CERTIFICATE_PROBLEMS])
def test_each_fault_of_a_certificate(problem: TlsProblem) -> None:
    (finding,) = findings(replace(REPORT, faults=(CertificateFault(problem, 0, 0, "CN=x"),)))
    assert finding.code == code_of(problem)
    assert finding.what == f"{problem.text} (CN=x)"
    assert finding.evidence == (str(HOP),)
    assert finding.cure == catalogue()[finding.code].cure


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (TlsProblem.VERSION, True),
        (TlsProblem.CLIENT_CERTIFICATE_REQUIRED, True),
        (TlsProblem.HANDSHAKE, True),
        (TlsProblem.NOT_TLS, False),
        (TlsProblem.SILENT, False),
        (TlsProblem.EXPIRED, False),
    ],
)
def test_why_there_is_no_connection(problem: TlsProblem, told: bool) -> None:
    found = findings(replace(REPORT, failure=TlsFailure(problem, HOP, "closed", alert="internal error")))
    assert [finding.code for finding in found] == ([code_of(problem)] if told else [])
    assert all(finding.evidence == (str(HOP), "alert: internal error") for finding in found)


def test_what_is_no_fault_of_tls_is_told_elsewhere() -> None:
    assert findings(replace(REPORT, failure=TransportFailure(FailureReason.REFUSED, "nothing listens there"))) == ()


@pytest.mark.parametrize("remark", Remark)
def test_each_remark(remark: Remark) -> None:
    versions = (VersionFacts(TlsVersion.TLS_1_0, True), VersionFacts(TlsVersion.TLS_1_2, False))
    if remark is Remark.EXPIRES_SOON:
        return  # it has a certificate to show: see below
    (finding,) = findings(replace(REPORT, remarks=(remark,), versions=versions))
    assert finding.code == remark.value
    assert remark.entry.title in finding.what


def test_of_many_names_the_first_are_evidence() -> None:
    many = CertificateFacts("CN=x", "CN=x", "1", 0.0, 1.0, names=tuple(f"DNS h{number}" for number in range(100)))
    (finding,) = findings(replace(REPORT, sent=(many,), faults=(CertificateFault(TlsProblem.SELF_SIGNED, 0, 0),)))
    assert "for DNS h0, DNS h1, DNS h2, DNS h3, DNS h4, DNS h5, DNS h6, DNS h7 and 92 more, " in finding.evidence[1]


def test_an_address_is_no_name_that_a_certificate_must_have() -> None:
    fault = CertificateFault(TlsProblem.NAME_MISMATCH, 0, 0, "it is for sip.example.com")
    asked = replace(REPORT, name="192.0.2.1", faults=(fault,), remarks=(Remark.WEB_NAME_ONLY,))
    assert [finding.code for finding in findings(asked)] == [BY_ADDRESS]


def test_the_worst_comes_first() -> None:
    fault = CertificateFault(TlsProblem.EXPIRED, 0, 0)
    found = findings(replace(REPORT, remarks=(Remark.OLD_VERSION,), faults=(fault,)))
    assert [finding.code for finding in found] == ["tls-expired", "tls-old-version"]
