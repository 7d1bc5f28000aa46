"""A TLS report as data: it is what the schema says, whatever was found."""

import json
from dataclasses import replace

import pytest

from probes.checks.tls import Purpose, Shown
from probes.checks.tls_certificate import StapleVerdict
from probes.checks.tls_judge import TlsReport, Validity
from probes.report.tls_json import tls_data
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.tls_failure import CertificateFault, TlsProblem
from tests.probes.checks.tls_servers import INTERMEDIATE, LEAF, NAME, ocsp_response
from tests.probes.checks.tls_values import GOOD, MODERN, REFUSED, Table, failing
from tests.probes.report.schemas import load, violations

SCHEMA = load("tls")
WANTED = failing(TlsProblem.CLIENT_CERTIFICATE_REQUIRED, "x", "certificate required")


def data_of(report: TlsReport) -> dict[str, object]:
    made = tls_data(report)
    read: dict[str, object] = json.loads(json.dumps(made, allow_nan=False))
    assert violations(read, SCHEMA) == []
    assert json.loads(json.dumps(made, ensure_ascii=False).encode()) == read  # nothing in it that is not Unicode
    return read


def test_what_was_found() -> None:
    staple = ocsp_response(LEAF.certificate, INTERMEDIATE)
    data = data_of(Table(shown=replace(GOOD, staple=staple)).report())
    assert (data["transport"], data["address"], data["port"], data["name"]) == ("tls", "192.0.2.1", 5061, NAME)
    assert (data["works"], data["validity"], data["failure"], data["days_left"]) == (True, "valid", None, 89.5)
    assert data["agreed"] == {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "group": "x25519"}
    assert data["identity"] == {"sip_names": [NAME], "web_names": [NAME], "for_sip": True, "for_web": True}
    assert [each["subject"] for each in data["chain_verified"]] == ["CN=leaf", "CN=intermediate", "CN=root"]  # type: ignore[attr-defined]
    assert data["ocsp_staple"]["verdict"] == "good"  # type: ignore[index]
    assert [len(each["ciphers"]) for each in data["versions"]] == [2, 1, 0, 0]  # type: ignore[attr-defined]
    assert len(data["handshakes"]) == 9  # type: ignore[arg-type]
    assert data["handshakes"][2]["left_out"] == [MODERN_FIRST]  # type: ignore[index]


MODERN_FIRST = next(iter(MODERN.values()))[0]


@pytest.mark.parametrize(
    "server",
    [
        Table({}),
        Table({}, rejects=REFUSED),
        Table(ends=WANTED, shown=replace(GOOD, certificate_requested=True, authorities=("CN=a\udcff",))),
        Table(shown=Shown()),
        Table(shown=replace(GOOD, staple=b"junk", faults=(CertificateFault(TlsProblem.SELF_SIGNED, 0, 18, "\udcff"),))),
        Table(small_only=True, resumes=False),
    ],
)
def test_whatever_was_found(server: Table) -> None:
    data_of(server.report())


def test_why_there_is_no_connection() -> None:
    assert data_of(Table(ends=WANTED).report())["failure"] == {
        "reason": "tls",
        "tls_problem": "client_certificate_required",
        "alert": "certificate required",
        "text": WANTED.message,
        "section": "RFC 5922 §7.3",
    }


def test_a_websocket() -> None:
    hop = Hop(Transport.WSS, SocketAddress("2001:db8::1", 443), tls_name=NAME)
    data = data_of(Table().report(hop=hop))
    assert (data["transport"], data["address"]) == ("wss", "2001:db8::1")


def test_every_code_is_in_the_schema() -> None:
    definitions = SCHEMA["$defs"]
    assert set(SCHEMA["properties"]["validity"]["enum"]) == {each.name.lower() for each in Validity} | {None}
    assert set(definitions["staple"]["properties"]["verdict"]["enum"]) == {each.name.lower() for each in StapleVerdict}
    assert set(definitions["handshake"]["properties"]["purpose"]["enum"]) == {each.name.lower() for each in Purpose}


def test_a_certificate_that_cannot_be_read() -> None:
    unread = CertificateFault(TlsProblem.INVALID, 0, 0, "it cannot be read: error parsing asn1 value")
    data = data_of(Table(shown=Shown((), faults=(unread,))).report())
    assert (data["validity"], data["chain_sent"], data["days_left"]) == ("invalid", [], None)
