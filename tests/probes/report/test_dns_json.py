"""The DNS ladder as data: it is what the schema says, whatever was found."""

import json

import pytest
from hypothesis import given, settings

from probes.checks.dns.judge import DnsReport
from probes.report.dns_json import dns_data
from sipcore.resolve.records import Address, LookupFault, Naptr, Srv
from tests.probes.checks.dns_values import FIRST, GOOD, V4, Zone, reply, report
from tests.probes.checks.test_dns_judge import zones
from tests.probes.report.schemas import load, violations

SCHEMA = load("dns")


def data_of(found: DnsReport) -> dict[str, object]:
    made = dns_data(found)
    read: dict[str, object] = json.loads(json.dumps(made, allow_nan=False))
    assert violations(read, SCHEMA) == []
    assert json.loads(json.dumps(made, ensure_ascii=False).encode()) == read  # nothing in it that is not Unicode
    return read


def test_what_was_found() -> None:
    data = data_of(report(GOOD, pause=1.0))
    assert (data["destination"], data["host"], data["works"], data["failure"]) == (
        "sip:example.com",
        "example.com",
        True,
        None,
    )
    assert (data["resolvers"], data["provider"], data["private"], data["numeric"]) == ([str(FIRST)], None, False, False)
    assert data["places"] == [
        {"transport": "tls", "address": "2001:db8::1", "port": 5061},
        {"transport": "tls", "address": "192.0.2.1", "port": 5061},
        {"transport": "tls", "address": "192.0.2.2", "port": 5061},
    ]
    naptr = data["ladder"][0]  # type: ignore[index]
    assert (naptr["type"], naptr["ttl"], naptr["fault"], naptr["source"]) == ("NAPTR", 300.0, None, "DNS")
    assert naptr["records"][0]["naptr"]["service"] == "SIPS+D2T"
    (srv,) = naptr["records"][0]["leads_to"]
    assert srv["records"][1]["srv"] == {"priority": 20, "weight": 0, "port": 5061, "target": "h2.example.com"}
    assert (srv["records"][0]["order"], srv["records"][0]["share"]) == ([1, 2], 1.0)
    assert srv["records"][0]["leads_to"][0]["records"][0]["address"] == "2001:db8::1"
    assert naptr["records"][1]["note"] == "not considered: order 10 leads to servers"
    assert data["faults"] == []
    assert {each["again"] for each in data["replies"]} == {False, True}  # type: ignore[attr-defined]


def test_what_is_broken() -> None:
    zone: Zone = V4 | {"SRV _sip._udp.example.com": (Srv(0, 0, 0, "h1.example.com"),)}
    data = data_of(report(zone))
    assert data["works"] is False
    assert data["faults"] == [EXPECTED]


EXPECTED = {
    "code": "dns-srv-port-zero",
    "severity": "error",
    "type": "SRV",
    "name": "_sip._udp.example.com",
    "record": "0 0 0 h1.example.com.",
    "text": "port 0 leads nowhere",
    "detail": None,
    "advice": "state the port that the server listens on",
    "section": "RFC 2782",
}


@pytest.mark.parametrize(
    "found",
    [
        report({}, "192.0.2.1"),
        report({}, "10.0.0.1"),
        report({}, "acme.pstn.twilio.com"),
        report({"A example.com": reply(Address("127.0.0.1"), source="hosts", aliases=("example.com", "b"))}),
        report({"A example.com": reply(fault=LookupFault.SERVFAIL, truncated=True, detail="\udcff")}),
        report({"NAPTR example.com": (Naptr(1, 1, "\udcff", "SIP+\udcff", "\udcff", "\udcff"),)}),
    ],
)
def test_whatever_was_found(found: DnsReport) -> None:
    data_of(found)


@settings(max_examples=30)
@given(zones, zones)
def test_any_report_fits_the_schema(zone: Zone, second: Zone) -> None:
    data_of(report(zone, pause=1.0, second=second))
