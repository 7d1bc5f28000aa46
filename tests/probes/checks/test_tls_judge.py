"""What handshakes mean, by values: no network, and the time is an argument."""

from dataclasses import replace
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import ocsp

from probes.checks.tls import SHOW, Handshake, Shown, plan
from probes.checks.tls_certificate import StapleVerdict
from probes.checks.tls_judge import DAY, OLD, Remark, TlsReport, Validity, day, judge
from sipcore.errors import TransportFailure
from sipcore.resolve.target import Hop, Transport
from sipcore.transports.base import TlsVersion
from sipcore.transports.tls_failure import CERTIFICATE_PROBLEMS, CertificateFault, TlsProblem
from tests.probes.checks.test_tls_certificate import CURVE, certificate_of
from tests.probes.checks.tls_servers import INTERMEDIATE, LEAF, NAME, ROOT, ocsp_response
from tests.probes.checks.tls_values import (
    GOOD,
    HOP,
    HUNG_UP,
    MODERN,
    NOW,
    REFUSED,
    REJECTED,
    SILENT,
    Table,
    failing,
    shown_by,
)
from tests.sipcore.transports.authority import issue

V10, V11, V12, V13 = TlsVersion
FORWARD = "ECDHE-RSA-AES128-SHA"


def report_on(shown: Shown, now: float = NOW) -> TlsReport:
    return Table(shown=shown).report(now)


def test_each_problem_of_a_certificate_has_a_state() -> None:
    assert set(Validity.__members__) == {problem.name for problem in CERTIFICATE_PROBLEMS} | {"VALID"}


def test_a_server_as_it_should_be() -> None:
    report = Table().report()
    assert report.works
    assert (report.validity, report.faults, report.remarks, report.failure) == (Validity.VALID, (), (), None)
    assert report.agreed is not None
    assert report.agreed.cipher == MODERN[V13][0]
    assert [facts.subject for facts in report.sent] == ["CN=leaf", "CN=intermediate"]
    assert [facts.subject for facts in report.verified] == ["CN=leaf", "CN=intermediate", "CN=root"]
    assert report.days_left == pytest.approx(89.5)
    assert (report.certificate_requested, report.certificate_required) == (False, False)
    assert report.resumed is True
    assert [(facts.version, facts.accepted, facts.complete) for facts in report.versions] == [
        (V13, True, True),
        (V12, True, True),
        (V11, False, True),
        (V10, False, True),
    ]
    assert report.versions[0].ciphers == MODERN[V13]
    assert report.versions[2].why == "handshake failure"
    assert len(report.handshakes) == 9


# The certificate

WEAK = issue("weak", ROOT, names=[NAME], key=rsa.generate_private_key(65537, 1024))


@pytest.mark.parametrize(
    ("days", "validity", "detail"),
    [
        (-3, Validity.NOT_YET_VALID, f"before {day(NOW - 1.5 * DAY)}"),
        (0, Validity.VALID, ""),
        (100, Validity.EXPIRED, f"on {day(NOW + 89.5 * DAY)}"),
    ],
)
def test_dates_count_at_the_time_given(days: float, validity: Validity, detail: str) -> None:
    """The library's own finding, by the clock of the machine, does not."""
    library = [CertificateFault(TlsProblem.EXPIRED, 0, 10), CertificateFault(TlsProblem.WEAK, 0, 66)]
    report = report_on(replace(GOOD, faults=tuple(library)), NOW + days * DAY)
    assert report.validity is validity
    own = [fault.detail for fault in report.faults if fault.depth == 0]
    assert own == ([f"CN=leaf, {detail}"] if detail else [])
    assert report.works is (validity is Validity.VALID)


def test_a_chain_is_as_good_as_its_weakest_part() -> None:
    issuer = issue("issuer", ROOT, ca=True, days=(-30, -2))
    report = report_on(shown_by(issue("leaf", issuer, names=[NAME])))
    assert [(fault.problem, fault.depth) for fault in report.faults] == [(TlsProblem.EXPIRED, 1)]


def test_what_is_sent_beside_the_chain_does_not_count() -> None:
    beside = issue("old", ROOT, days=(-30, -2)).certificate
    assert report_on(replace(GOOD, chain=(*GOOD.chain, beside))).validity is Validity.VALID


def test_a_weak_key() -> None:
    report = report_on(shown_by(WEAK))
    assert report.validity is Validity.WEAK
    assert [fault.detail for fault in report.faults] == ["CN=weak, RSA of 1024 bits"]


@pytest.mark.parametrize(
    "problem",
    [TlsProblem.SELF_SIGNED, TlsProblem.UNTRUSTED_ROOT, TlsProblem.INCOMPLETE_CHAIN, TlsProblem.NAME_MISMATCH],
)
def test_what_the_library_found_out_about_trust(problem: TlsProblem) -> None:
    fault = CertificateFault(problem, 0, 18, "CN=x")
    report = report_on(replace(GOOD, verified=(), faults=(fault,)))
    assert report.validity is Validity[problem.name]
    assert report.faults == (fault,)


def test_what_explains_most_comes_first() -> None:
    faults = [CertificateFault(problem, 0, 0) for problem in (TlsProblem.NAME_MISMATCH, TlsProblem.SELF_SIGNED)]
    report = report_on(replace(GOOD, faults=tuple(faults)), NOW + 100 * DAY)
    assert [fault.problem for fault in report.faults if fault.depth == 0] == [
        TlsProblem.EXPIRED,
        TlsProblem.SELF_SIGNED,
        TlsProblem.NAME_MISMATCH,
    ]
    assert report.validity is Validity.EXPIRED


@pytest.mark.parametrize(
    ("names", "transport", "for_sip", "for_web", "remarks"),
    [
        ([NAME], Transport.TLS, True, True, ()),
        (["*.example.com"], Transport.TLS, False, True, (Remark.WEB_NAME_ONLY,)),
        (["*.example.com"], Transport.WSS, False, True, ()),
        ([f"sip:{NAME}"], Transport.TLS, True, False, ()),
        (["other.example.com"], Transport.TLS, False, False, ()),
    ],
)
def test_whom_it_is_for(
    names: list[str], transport: Transport, for_sip: bool, for_web: bool, remarks: tuple[Remark, ...]
) -> None:
    shown = shown_by(issue("leaf", INTERMEDIATE, names=names, days=(-1, 90)))
    report = Table(shown=shown).report(hop=replace(HOP, transport=transport))
    assert report.identity is not None
    assert (report.identity.for_sip, report.identity.for_web) == (for_sip, for_web)
    assert report.remarks == remarks


def test_without_a_name_the_address_counts() -> None:
    report = Table().report(hop=Hop(Transport.TLS, HOP.remote))
    assert report.name == "192.0.2.1"
    assert report.identity is not None
    assert not report.identity.for_sip


def test_names_that_cannot_be_read() -> None:
    unreadable = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x00")
    certificate = certificate_of(CURVE, hashes.SHA256(), unreadable)
    report = report_on(Shown((certificate,)))
    assert report.identity is None
    assert report.sent[0].names == ()


# OCSP


@pytest.mark.parametrize(
    ("options", "verdict", "validity", "remarks"),
    [
        ({}, StapleVerdict.GOOD, Validity.VALID, ()),
        ({"status": ocsp.OCSPCertStatus.REVOKED}, StapleVerdict.REVOKED, Validity.INVALID, ()),
        ({"signer": ROOT}, StapleVerdict.UNPROVEN, Validity.VALID, (Remark.STAPLE_UNUSABLE,)),
    ],
)
def test_a_stapled_response(
    options: dict[str, object], verdict: StapleVerdict, validity: Validity, remarks: tuple[Remark, ...]
) -> None:
    data = ocsp_response(LEAF.certificate, INTERMEDIATE, **options)  # type: ignore[arg-type]
    report = report_on(replace(GOOD, staple=data))
    assert report.staple is not None
    assert (report.staple.verdict, report.validity, report.remarks) == (verdict, validity, remarks)


def test_a_response_is_judged_by_what_was_sent_where_nothing_was_verified() -> None:
    data = ocsp_response(LEAF.certificate, INTERMEDIATE)
    report = report_on(replace(GOOD, verified=(), staple=data))
    assert report.staple is not None
    assert report.staple.verdict is StapleVerdict.GOOD


# Remarks


@pytest.mark.parametrize(
    ("ciphers", "remarks"),
    [
        (MODERN, ()),
        ({V10: [FORWARD]}, (Remark.OLD_ONLY,)),
        ({**MODERN, V11: [FORWARD]}, (Remark.OLD_VERSION,)),
        ({**MODERN, V12: ["AES128-SHA"]}, (Remark.NO_FORWARD_SECRECY,)),
        ({**MODERN, V12: [FORWARD, "AES128-SHA"]}, ()),
        ({V12: [FORWARD, "ECDHE-RSA-NULL-SHA"]}, (Remark.BROKEN_CIPHER,)),
        ({V12: [FORWARD, "ADH-AES128-SHA"]}, (Remark.BROKEN_CIPHER,)),
        ({V12: [FORWARD, "ECDHE-RSA-DES-CBC3-SHA"]}, (Remark.BROKEN_CIPHER,)),
    ],
)
def test_what_is_said_about_ciphers(ciphers: dict[TlsVersion, list[str]], remarks: tuple[Remark, ...]) -> None:
    assert Table(ciphers).report().remarks == remarks


def test_ciphers_that_there_was_no_time_for_are_not_missed() -> None:
    server = Table({**MODERN, V12: ["AES128-SHA", FORWARD]})
    report = judge(HOP, server.met(partial(plan, cipher_seconds=0.0)), NOW, every_cipher=False)
    assert report.versions[1].ciphers == ("AES128-SHA",)
    assert not report.versions[1].complete
    assert report.remarks == ()


@pytest.mark.parametrize(
    ("server", "remark"),
    [
        (Table(small_only=True), Remark.LARGE_HELLO),
        (Table(tolerant=False), Remark.INTOLERANT),
        (Table(rejects=SILENT), Remark.UNFINISHED),
    ],
)
def test_what_is_said_about_handshakes(server: Table, remark: Remark) -> None:
    report = server.report()
    assert report.remarks == (remark,)
    assert report.works


@pytest.mark.parametrize(
    ("left", "lifetime", "soon"), [(29, 365, True), (31, 365, False), (29, 90, False), (1, 6, True)]
)
def test_when_a_certificate_expires_soon(left: float, lifetime: float, soon: bool) -> None:
    leaf = issue("leaf", INTERMEDIATE, names=[NAME], days=(left - lifetime, left))
    now = leaf.certificate.not_valid_after_utc.timestamp() - left * DAY
    shown = replace(shown_by(leaf), verified=(leaf.certificate,))
    assert (Remark.EXPIRES_SOON in report_on(shown, now).remarks) is soon


def test_a_chain_out_of_order() -> None:
    report = report_on(replace(GOOD, chain=(LEAF.certificate, ROOT.certificate, INTERMEDIATE.certificate)))
    assert report.remarks == (Remark.DISORDERED_CHAIN,)


def test_a_response_that_had_to_come() -> None:
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    certificate = certificate_of(CURVE, hashes.SHA256(), feature)
    assert Remark.STAPLE_MISSING in report_on(Shown((certificate,))).remarks


# Servers that cannot be talked to


@pytest.mark.parametrize("failure", [REFUSED, SILENT, HUNG_UP, failing(TlsProblem.NOT_TLS, "it speaks HTTP")])
def test_no_tls_at_all(failure: TransportFailure) -> None:
    report = Table({}, rejects=failure).report()
    assert report.failure is failure
    assert (report.agreed, report.validity, report.works, report.days_left) == (None, None, False, None)
    assert [facts.accepted for facts in report.versions] == [None] * 4
    assert (report.certificate_requested, report.certificate_required, report.remarks) == (False, False, ())


def test_nothing_that_is_spoken_here() -> None:
    report = Table({}).report()
    assert (report.failure, report.agreed) == (REJECTED, None)
    assert [facts.accepted for facts in report.versions] == [False] * 4


def test_a_client_certificate_is_wanted() -> None:
    wanted = failing(TlsProblem.CLIENT_CERTIFICATE_REQUIRED)
    shown = replace(GOOD, certificate_requested=True, authorities=("CN=root",))
    report = Table(shown=shown, ends=wanted).report()
    assert (report.certificate_requested, report.certificate_required) == (True, True)
    assert (report.validity, report.works, report.failure, report.resumed) == (Validity.VALID, False, wanted, None)


@pytest.mark.parametrize(
    ("server", "resumed", "resumable"),
    [
        (Table(), True, True),
        (Table(resumes=False), False, True),
        (Table(tickets=False), None, False),
        (Table(ends=REJECTED), None, None),
        (Table({}), None, None),
    ],
)
def test_whether_a_session_is_resumed(server: Table, resumed: bool | None, resumable: bool | None) -> None:
    report = server.report()
    assert (report.resumed, report.resumable) == (resumed, resumable)


def test_a_server_without_a_certificate() -> None:
    report = Table(shown=Shown()).report()
    assert (report.validity, report.works, report.sent) == (None, False, ())


def test_a_certificate_that_cannot_be_read_is_not_missing() -> None:
    unread = CertificateFault(TlsProblem.INVALID, 0, 0, "it cannot be read: error parsing asn1 value")
    found = report_on(Shown((), faults=(unread, unread)))
    assert (found.validity, found.faults, found.sent, found.works) == (Validity.INVALID, (unread,), (), False)


def test_nothing_was_done() -> None:
    report = judge(HOP, [], NOW)
    assert (report.agreed, report.failure, report.validity) == (None, None, None)


def test_a_version_whose_answer_did_not_come_out() -> None:
    trials = [handshake for handshake in Table().met() if handshake.trial.version not in OLD]
    report = judge(HOP, trials, NOW)
    assert [facts.accepted for facts in report.versions] == [True, True, None, None]
    assert report.remarks == (Remark.UNFINISHED,)


def test_a_server_that_stops_in_the_middle_refuses_no_version() -> None:
    stalled = failing(TlsProblem.HANDSHAKE, "timed out, after it had begun")
    report = judge(HOP, Table({}, rejects=stalled).met(), NOW)
    assert [facts.accepted for facts in report.versions] == [None] * 4
    assert report.failure is stalled


def test_a_handshake_that_was_lost_leaves_its_line_unfinished() -> None:
    seen = [replace(h, cipher="", failure=SILENT) if h.trial.without else h for h in Table().met()]
    report = judge(HOP, seen, NOW)
    assert [(len(facts.ciphers), facts.complete) for facts in report.versions[:2]] == [(1, False), (1, False)]


def test_the_first_handshake_is_the_one_that_tells() -> None:
    seen = [Handshake(SHOW, 0.1, failure=REJECTED)]
    assert judge(HOP, seen, NOW).failure is REJECTED
