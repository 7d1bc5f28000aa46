"""Tests of registrations in words: what a person reads, at any width, whatever a peer writes."""

from dataclasses import replace

import pytest

from probes.registration.judge import RegistrationReport, judge
from probes.report.registration_text import registration_failure_line, registration_lines
from probes.result import AuthenticationStep, TimelineEntry
from sipcore.resolve.target import SocketAddress
from tests.probes.registration.test_judge import HOP, LISTED, REMOVED
from tests.probes.registration.test_plan import OTHER, PROBE, asked, bound, response
from tests.probes.report.test_registration_json import REPORTS

SHA, MD5 = "Digest SHA-256 auth", "Digest MD5 auth"
ROUNDS = (
    TimelineEntry(1.0, "challenge", authentication=AuthenticationStep("pbx", False, (SHA, MD5), answers=False)),
    TimelineEntry(2.0, "credentials", authentication=AuthenticationStep("pbx", False, (SHA,), answers=True)),
)
VIA = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1;received={};rport={}"


def words(report: RegistrationReport, width: int = 80) -> list[str]:
    return [line.plain for line in registration_lines(report, width)]


def test_a_user_that_may_register() -> None:
    report = judge(PROBE, HOP, [asked(200), bound(200, LISTED), REMOVED])
    assert words(replace(report, timeline=ROUNDS)) == [
        "registered: accepted for 55 s, and removed again",
        "  user           sip:alice@192.0.2.1:5070",
        "  registrar      udp 192.0.2.1:5070",
        '  credentials    realm "pbx" wants Digest SHA-256 auth or Digest MD5 auth;',
        "                 Digest SHA-256 auth was given",
        "  registered     nobody",
        "  contact        sip:alice@192.0.2.9:5060",
        "  interval       55 s, of 60 s that were asked for",
    ]
    assert registration_failure_line(report) == ""


def test_others_are_told() -> None:
    report = judge(PROBE, HOP, [asked(200, OTHER, "Contact: <sip:alice:secret@192.0.2.77>")])
    told = "\n".join(words(report, 200))
    assert "registered     sip:alice@198.51.100.7 for 5 min and sip:alice" in told
    assert "try: --beside" in told
    assert "secret" not in told


def test_what_is_odd_stands_below() -> None:
    report = judge(PROBE, HOP, [asked(200), bound(200), REMOVED])
    assert words(report, 200)[-1] == "  odd: the answer does not list the contact that was registered [RFC 3261 §10.3]"


@pytest.mark.parametrize(
    ("host", "port", "told"),
    [
        ("192.0.2.9", 5060, "  seen as        192.0.2.9:5060"),
        (
            *("203.0.113.5", 4711),
            "  seen as        203.0.113.5:4711, and not 192.0.2.9:5060: "
            "a translator of addresses is on the way, which must let calls in",
        ),
    ],
)
def test_where_requests_come_from(host: str, port: int, told: str) -> None:
    seen = replace(asked(200, OTHER), response=response(200, OTHER).with_header("Via", VIA.format(host, port)))
    assert told in words(judge(PROBE, HOP, [seen]), 200)
    assert HOP.local == SocketAddress("192.0.2.9", 5060)


def test_a_refusal_in_one_line() -> None:
    report = judge(PROBE, HOP, [asked(404)])
    assert registration_failure_line(report).startswith("sip:alice@192.0.2.1:5070: 404 Told; the user is unknown")
    assert words(report)[0] == "rejected: 404 Told"
    assert words(report)[1].startswith("try: the user is unknown there")
    bare = replace(judge(PROBE, HOP, [asked(404)]), timeline=ROUNDS[:1])
    assert "none were given" in "\n".join(words(bare, 200))


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("report", REPORTS)
def test_everything_is_printable_and_fits(report: RegistrationReport, width: int) -> None:
    for line in words(report, width):
        assert line.isprintable()
        assert len(line) <= width or " " not in line.strip()
    assert registration_failure_line(report).isprintable()
