"""What is wrong with an answer: compared with its request, with the path, and with this host's clock."""

from dataclasses import replace
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.checks.options import UNREADABLE
from probes.discovery.answers import PACKET, findings, missing_bytes, reaches_less, scope_of
from probes.findings.finding import Severity
from probes.result import System
from sipcore.resolve.target import SocketAddress
from sipcore.trace import Direction, MessageTrace
from tests.probes.discovery.exchanges import ANSWER, codes, exchanged

NOW = 1_700_000_000.0
UDP, TLS = "udp 198.51.100.1:5060", "tls 198.51.100.1:5061"
PRIVATE = "udp 10.0.0.9:5060"


def found(where: str = UDP, *changes: tuple[str, str], **parts: object) -> list[str]:
    return codes(findings(exchanged(where, *changes, **parts), None, NOW))  # type: ignore[arg-type]


@pytest.mark.parametrize("more", ["Contact: <sip:10.0.0.1>", "Date: Sat, 01 Jan 2000 00:00:00 GMT"])
def test_the_messages_that_show_it_come_along(more: str) -> None:
    (finding,) = findings(exchanged(more=f"{more}\r\n"), None, NOW)
    shown = [record for record in finding.records if isinstance(record, MessageTrace)]
    assert more.encode() in shown[-1].data


@pytest.mark.parametrize("where", [UDP, TLS, "tcp 198.51.100.1:5060"])
def test_nothing_is_wrong_with_a_right_answer(where: str) -> None:
    assert found(where) == []


@pytest.mark.parametrize(
    ("change", "where", "code"),
    [
        (("192.0.2.1:40000", "203.0.113.7:1025"), UDP, "sip-alg"),
        (("<sip:198.51.100.1>;tag=to", "<sip:203.0.113.9>;tag=to"), UDP, "sip-alg"),
        (("anonymous.invalid", "203.0.113.7"), UDP, "sip-alg"),
        (("192.0.2.1:40000", "203.0.113.7:1025"), TLS, "answer-does-not-fit"),
        ((";tag=from", ";tag=other"), UDP, "answer-does-not-fit"),
        (("z9hG4bKone", "z9hG4bKtwo"), UDP, "answer-does-not-fit"),
        (("CSeq: 1 ", "CSeq: 2 "), UDP, "answer-does-not-fit"),
        (("Call-ID: call", "Call-ID: other"), UDP, "answer-does-not-fit"),
        (("From: <sip:anonymous@anonymous.invalid>;tag=from\r\n", ""), UDP, "answer-does-not-fit"),
    ],
)
def test_what_does_not_come_back_as_it_was_sent(change: tuple[str, str], where: str, code: str) -> None:
    assert code in found(where, change)


def test_a_second_via_was_put_in_on_the_way() -> None:
    assert found(UDP, more="Via: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bKalg\r\n") == ["sip-alg"]


@pytest.mark.parametrize(
    ("where", "field", "expected"),
    [
        (UDP, "Contact: <sip:10.0.0.1>", ["contact-narrow"]),
        (UDP, "Contact: <sip:127.0.0.1>", ["contact-narrow"]),
        (UDP, "Contact: <sip:localhost>", ["contact-narrow"]),
        (UDP, "Contact: <sip:169.254.1.1>", ["contact-narrow"]),
        (UDP, "Contact: <sip:[fd00::1]>", ["contact-narrow"]),
        (UDP, "Contact: <sip:203.0.113.1>", []),
        (UDP, "Contact: <sip:pbx.example.com>", []),
        (UDP, "Contact: *", []),
        (UDP, "Contact: <nonsense", []),
        (PRIVATE, "Contact: <sip:10.9.9.9>", []),
        (PRIVATE, "Contact: <sip:127.0.0.1>", ["contact-narrow"]),
        (UDP, "Record-Route: <sip:192.168.1.1;lr>", ["record-route-narrow"]),
        (UDP, "Record-Route: <sip:203.0.113.9;lr>", []),
    ],
)
def test_addresses_that_reach_less_far_than_the_path(where: str, field: str, expected: list[str]) -> None:
    assert found(where, more=f"{field}\r\n") == expected


def test_the_cure_is_in_the_words_of_the_product() -> None:
    attempt = exchanged(more="Contact: <sip:10.0.0.1>\r\n")
    (finding,) = findings(attempt, System("x", "Asterisk"), NOW)
    assert "external_signaling_address" in finding.cure
    assert finding.evidence == (f"{UDP}: Contact: sip:10.0.0.1",)
    assert finding.records


@pytest.mark.parametrize(
    ("via", "where", "expected"),
    [
        (";rport;received=192.0.2.1", UDP, ["rport-ignored"]),
        ("", UDP, ["rport-ignored"]),
        ("", "tcp 198.51.100.1:5060", []),
        (";rport=40000", UDP, []),
        (";rport=40000;received=10.0.0.1", UDP, ["wrong-received"]),
        (";rport=40000;received=10.0.0.1", PRIVATE, ["nat-on-path"]),
        (";rport=40000;received=127.0.0.1", PRIVATE, ["wrong-received"]),
        (";rport=40000;received=balancer", UDP, ["wrong-received"]),
        (";rport=1025;received=192.0.2.1", UDP, ["wrong-received"]),
        (";rport=1025;received=192.0.2.1", TLS, []),
        (";rport=1025;received=203.0.113.254", UDP, ["nat-on-path"]),
        (";rport=40000;received=::ffff:192.0.2.1", UDP, []),
        (";rport=1025;received=[::ffff:192.0.2.1]", UDP, ["wrong-received"]),
        (";rport=40000;received=::ffff:203.0.113.254", UDP, ["nat-on-path"]),
        (";rport=40000;received=::ffff:10.0.0.1", UDP, ["wrong-received"]),
    ],
)
def test_what_the_peer_says_of_where_the_request_came_from(via: str, where: str, expected: list[str]) -> None:
    assert found(where, (";rport=40000;received=192.0.2.1", via)) == expected


@pytest.mark.parametrize(
    ("status", "more", "expected"),
    [
        ("503 Service Unavailable", "Retry-After: 120\r\n", ["server-error"]),
        ("500 Oops", "", ["server-error"]),
        ("501 Not Implemented", "", []),
        ("600 Busy Everywhere", "", []),
        ("404 Not Found", "", []),
        ("100 Trying", "", ["only-provisional"]),
    ],
)
def test_what_a_status_says(status: str, more: str, expected: list[str]) -> None:
    assert found(UDP, ("200 OK", status), more=more) == expected


def test_a_server_error_is_milder_where_another_place_serves() -> None:
    attempt = exchanged(UDP, ("200 OK", "503 Busy"), more="Retry-After: 120 (lunch)\r\n")
    (alone,) = findings(attempt, None, NOW)
    (beside,) = findings(attempt, None, NOW, others_serve=True)
    assert (alone.severity, beside.severity) == (Severity.ERROR, Severity.WARNING)
    assert "come back in 120 s" in alone.what


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, ""), (59, ""), (-59, ""), (90, "90 seconds ahead"), (-7200, "2 hours behind"), (864000, "10 days ahead")],
)
def test_a_clock_that_is_wrong(seconds: int, told: str) -> None:
    date = formatdate(NOW + seconds, usegmt=True)
    skewed = findings(exchanged(more=f"Date: {date}\r\n"), None, NOW)
    assert [finding.code for finding in skewed] == (["clock-skew"] if told else [])
    assert all(told in finding.what for finding in skewed)


def test_a_date_that_cannot_be_read_says_nothing() -> None:
    assert found(more="Date: yesterday\r\n") == []


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"source": SocketAddress("198.51.100.1", 5062)}, ["answers-from-elsewhere"]),
        ({"received": 2}, ["duplicated-answers"]),
        ({"sent": 2, "received": 2}, []),
        ({"sent": 3, "received": 1}, ["packets-lost"]),
        ({"more": f"Subject: {'x' * PACKET[False]}\r\n"}, ["udp-fragmented"]),
    ],
)
def test_what_datagrams_tell(parts: dict[str, object], expected: list[str]) -> None:
    assert found(UDP, **parts) == expected
    assert "tcp" not in found("tcp 198.51.100.1:5060", **parts)


def test_who_asks_the_unspecified_address_asks_this_host() -> None:
    assert found("udp 0.0.0.0:5060", source=SocketAddress("127.0.0.1", 5060)) == []


def test_an_answer_that_is_cut_off() -> None:
    assert found(answer=b"SIP/2.0 200 OK\r\nContent-Length: 10\r\n\r\nabc") == ["udp-truncated"]


def test_an_answer_that_breaks_the_grammar() -> None:
    broken = replace(exchanged(answer=b"SIP/2.0 999 Odd\r\n\r\n"), detail=f"{UNREADABLE}: a status is below 700")
    (finding,) = findings(broken, None, NOW)
    assert (finding.code, finding.evidence) == ("answer-unreadable", (f"{UDP}: a status is below 700",))
    directions = [record.direction for record in finding.records if isinstance(record, MessageTrace)]
    assert directions == [Direction.SENT, Direction.RECEIVED]


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        (b"SIP/2.0 200 OK\r\nContent-Length: 10\r\n\r\nabc", 7),
        (b"SIP/2.0 200 OK\r\nl: 3\r\n\r\nabc", 0),
        (b"SIP/2.0 200 OK\r\n\r\nabc", 0),
        (b"SIP/2.0 200 OK\nl: 5\n\nabc", 2),
        (b"SIP/2.0 200 OK\nVia: x\nContent-Length: 0\n\n", 0),
        (b"SIP/2.0 200 OK\r\nVia: x\r\n", 1),
        (b"SIP/2.0 200 OK\r\nVia: x", 1),
        (b"SIP/2.0 200 OK\r\nContent-Length: 99\r\nVia: x", 99),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", 0),
        (b"", 0),
    ],
)
def test_missing_bytes(data: bytes, missing: int) -> None:
    assert missing_bytes(data) == missing


@pytest.mark.parametrize(
    ("field", "evidence"),
    [
        ("Via: SIP/2.0/UDP 192.0.2.1:40000;branch=z9hG4bKone;rport=40000;received=192.0.2.1\r\n", "Via: missing"),
        ("CSeq: 1 OPTIONS\r\n", "CSeq: missing"),
        ("To: <sip:198.51.100.1>;tag=to\r\n", "To: missing"),
    ],
)
def test_a_field_that_is_missing_is_named(field: str, evidence: str) -> None:
    (finding,) = findings(exchanged(UDP, (field, "")), None, NOW)
    assert finding.code == "answer-does-not-fit"
    assert finding.evidence[0].startswith(f"{UDP}: {evidence}")
    assert finding.what.startswith(f"{evidence.partition(':')[0]} of the answer cannot be read")


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_value(data: bytes) -> None:
    assert missing_bytes(b"SIP/2.0 " + data) >= 0


@given(st.text(max_size=40).filter(lambda text: "\0" not in text))
def test_whatever_stands_in_a_via_is_a_value(text: str) -> None:
    answer = ANSWER.format(transport="UDP", more="").replace("received=192.0.2.1", f"received={text!a}")
    findings(exchanged(answer=answer.encode("utf-8", "replace")), None, NOW)


@pytest.mark.parametrize(
    ("host", "scope"),
    [
        ("127.0.0.1", 0),
        ("::1", 0),
        ("0.0.0.0", 0),  # a value, not bound to
        ("169.254.0.1", 1),
        ("fe80::1%eth0", 1),
        ("10.0.0.1", 2),
        ("100.64.0.1", 2),
        ("fd00::1", 2),
        ("192.0.2.1", 3),
        ("8.8.8.8", 3),
        ("2001:db8::1", 3),
    ],
)
def test_how_far_an_address_reaches(host: str, scope: int) -> None:
    assert scope_of(host) == scope


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("10.0.0.1", "198.51.100.1", True),
        ("localhost", "10.0.0.1", True),
        ("198.51.100.1", "10.0.0.1", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("pbx.example.com", "198.51.100.1", False),
        ("10.0.0.1", "pbx.example.com", False),
    ],
)
def test_addresses_reach_less_far_than_paths_do(host: str, path: str, expected: bool) -> None:
    assert reaches_less(host, path) is expected
