"""A discovery as data: it is what the schema says, whatever was found."""

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from probes.destination import Destination
from probes.discovery.capabilities import Authentication
from probes.discovery.findings import Seen
from probes.discovery.habits.judge import SIZES, Habits
from probes.discovery.outcome import Asked, Discovery
from probes.discovery.recommend import conclude
from probes.report.json import discovery_data
from probes.report.text import discovery_lines
from probes.result import Attempt, LookupStep, Reach
from sipcore.resolve.records import Address, Srv
from sipcore.trace import MessageTrace
from tests.probes.checks.dns_values import Zone, report
from tests.probes.checks.tls_values import Table
from tests.probes.discovery.attempts import EXAMPLE, answered, failed
from tests.probes.discovery.exchanges import exchanged
from tests.probes.report.schemas import load, violations

SCHEMA = load("discovery")


def concluded(*attempts: Attempt, destination: Destination = EXAMPLE) -> Discovery:
    steps = [LookupStep("A example.com", ("192.0.2.1 (60 s)",)), LookupStep("AAAA example.com", error="no such record")]
    return conclude(destination, steps, [], attempts, duration=0.25, seen=Seen(omitted=1))


def data_of(discovery: Discovery) -> dict[str, object]:
    made = discovery_data(discovery)
    read: dict[str, object] = json.loads(json.dumps(made, allow_nan=False))
    assert violations(read, SCHEMA) == []
    read_again = json.loads(json.dumps(made, ensure_ascii=False).encode())  # nothing in it that is not Unicode
    assert read_again == read
    return read


def test_what_was_found() -> None:
    banner = ("Server", "FPBX-16.0.40(18.9)")
    attempt = answered(
        "tls 192.0.2.1:5061", 200, banner, ("Allow", "INVITE, ACK"), tls_problems=("expired",), published=True
    )
    data = data_of(concluded(attempt))
    system = data["system"]
    assert isinstance(system, dict)
    confidence = system["confidence"]
    assert 0.8 < confidence < 1
    assert data == {
        "target": "sip:example.com",
        "host": "example.com",
        "port": None,
        "transport": None,
        "private": False,
        "outcome": "answered",
        "failure": "",
        "advice": "",
        "system": {
            "banner": "FPBX-16.0.40(18.9)",
            "product": "FreePBX",
            "version": "16.0.40",
            "platform": "Asterisk 18.9",
            "vendor": "Sangoma",
            "kind": "PBX",
            "model": None,
            "confidence": confidence,
            "candidates": [
                {
                    "product": "FreePBX",
                    "vendor": "Sangoma",
                    "kind": "PBX",
                    "variant": None,
                    "confidence": confidence,
                    "evidence": ["banner 'FPBX-16.0.40(18.9)'"],
                }
            ],
            "disagreement": None,
        },
        "methods": ["INVITE", "ACK"],
        "codecs": [],
        "recommendation": {
            "transport": "tls",
            "address": "192.0.2.1",
            "port": 5061,
            "why": "only TLS answers, but expired",
            "uri": "sip:example.com",
            "secure": True,
            "by_dns": True,
            "system": "FreePBX",
            "methods": ["INVITE", "ACK"],
            "codecs": [],
        },
        "attempts": [
            {
                "transport": "tls",
                "address": "192.0.2.1",
                "port": 5061,
                "why": "",
                "uri": "sip:example.com",
                "published": True,
                "result": "answered",
                "detail": "",
                "advice": "",
                "response_time_ms": 1.2,
                "kernel_stamped": False,
                "retransmissions": 0,
                "tls": "TLSv1.3",
                "tls_problems": ["expired"],
                "response": {
                    "status": 200,
                    "reason": "OK",
                    "raw": "SIP/2.0 200 OK\r\nServer: FPBX-16.0.40(18.9)\r\nAllow: INVITE, ACK\r\n\r\n",
                },
                "banner": "FPBX-16.0.40(18.9)",
                "instead": None,
                "answered_without": None,
            }
        ],
        "lookups": [
            {"question": "A example.com", "answers": ["192.0.2.1 (60 s)"], "error": ""},
            {"question": "AAAA example.com", "answers": [], "error": "no such record"},
        ],
        "omitted": 1,
        "duration_ms": 250.0,
        "findings": [
            {
                "code": "telling-banner",
                "severity": "notice",
                "side": "peer",
                "what": "the banner tells the version: FPBX-16.0.40(18.9)",
                "evidence": ["FPBX-16.0.40(18.9)"],
                "cure": "set user_agent in the global section of pjsip.conf",
                "rule": "RFC 3261 §20.35",
                "messages": [],
                "flows": [],
            }
        ],
        "capabilities": {
            "methods": ["INVITE", "ACK"],
            **{name: [] for name in ("extensions", "required", "events", "codecs", "authentication")},
            **dict.fromkeys(("received", "rport", "largest_datagram", "keep_alive_udp", "keep_alive_stream")),
        },
        "dns": None,
        "tls": [],
        "exchanges": [],
    }


@pytest.mark.parametrize("reach", [reach for reach in Reach if reach is not Reach.ANSWERED])
def test_each_failure(reach: Reach) -> None:
    data = data_of(
        concluded(failed("udp 192.0.2.1:5060", reach), destination=Destination.parse("udp://192.0.2.1:5060"))
    )
    assert data["outcome"] == reach.name.lower()
    assert data["advice"] == "what to try"
    assert (data["transport"], data["port"], data["private"]) == ("udp", 5060, False)


def test_no_address() -> None:
    data = data_of(concluded())
    assert data["outcome"] == "unresolvable"
    assert str(data["failure"]).startswith("no address for example.com")


def test_what_is_not_unicode_is_written_in_escapes() -> None:
    attempt = answered("udp 192.0.2.1:5060", 200, ("Server", "x\udcff/1.2"))
    data = data_of(concluded(attempt))
    system = data["system"]
    assert isinstance(system, dict)
    assert (system["banner"], system["product"], system["version"]) == (r"x\xff/1.2", r"x\xff", "1.2")
    assert system["candidates"][0]["evidence"] == [r"banner 'x\xff/1.2'"]


def test_a_system_without_a_banner() -> None:
    tag = ("To", "<sip:192.0.2.1>;tag=4242SIPpTag011")
    data = data_of(concluded(answered("udp 192.0.2.1:5060", 200, tag)))
    system = data["system"]
    assert isinstance(system, dict)
    assert (system["banner"], system["product"], system["version"]) == ("", "SIPp", None)
    assert system["confidence"] > 0.99
    assert system["candidates"][0]["evidence"] == ["to-tag '4242SIPpTag011'"]


def test_every_outcome_is_in_the_schema() -> None:
    named = {reach.name.lower() for reach in Reach}
    assert set(SCHEMA["properties"]["outcome"]["enum"]) == named | {"unresolvable"}
    assert set(SCHEMA["$defs"]["attempt"]["properties"]["result"]["enum"]) == named


def everything() -> Discovery:
    """A discovery with something of all that one may hold."""
    zone: Zone = {"SRV _sip._udp.example.com": (Srv(0, 0, 0, "192.0.2.9"),), "A example.com": (Address("192.0.2.1"),)}
    asked = Authentication("REGISTER", 401, "Digest", "caf\udce9", "SHA-256", "auth")
    habits = Habits(SIZES, SIZES[:1], stun=True, crlf=False, authentication=(asked,))
    seen = Seen(dns=report(zone), tls=(Table().report(),), habits=habits)
    other = replace(failed("tcp 192.0.2.1:5061", Reach.NOT_SIP), instead="TLS")
    filtered = answered("ws 192.0.2.1:80", 200, ("Supported", "timer"), only="User-Agent")
    return conclude(EXAMPLE, [], [], [answered("udp 192.0.2.1:5060"), other, filtered], duration=0.5, seen=seen)


def test_everything_there_is() -> None:
    data = data_of(everything())
    assert violations(data["dns"], load("dns")) == []
    assert [violations(one, load("tls")) for one in data["tls"]] == [[]]  # type: ignore[attr-defined]
    found = data["capabilities"]
    assert isinstance(found, dict)
    assert (found["extensions"], found["largest_datagram"]) == (["timer"], SIZES[0])
    assert (found["keep_alive_udp"], found["keep_alive_stream"], found["rport"]) == (True, False, None)
    assert found["authentication"][0]["realm"] == r"caf\xe9"
    codes = [one["code"] for one in data["findings"]]  # type: ignore[attr-defined]
    assert codes[0] == "dns-srv-port-zero"
    assert {"user-agent-filtered", "udp-size-limited"} <= set(codes)
    attempts = data["attempts"]
    assert [one["instead"] for one in attempts] == [None, "TLS", None]  # type: ignore[attr-defined]
    assert [one["answered_without"] for one in attempts] == [None, None, "User-Agent"]  # type: ignore[attr-defined]


def test_everything_in_words() -> None:
    lines = discovery_lines(everything())
    assert max(line.cell_len for line in lines) <= 80
    text = "\n".join(line.plain for line in lines)
    for part in (
        *("extensions timer", "wants      REGISTER 401: Digest SHA-256", "keep-alive STUN over UDP", "speaks TLS 1.3"),
        *("over UDP   requests of 1300 bytes", "[dns-srv-port-zero, DNS, RFC 2782]", "SRV _sip._udp.example.com"),
    ):
        assert part in text, text


def test_every_message_is_told_and_no_secret() -> None:
    attempt = exchanged(more='WWW-Authenticate: Digest realm="r", nonce="n"\r\n')
    messages = tuple(record for record in attempt.records if isinstance(record, MessageTrace))
    secret = replace(messages[0], data=messages[0].data.replace(b"Max-", b"Authorization: Basic c2VjcmV0\r\nMax-"))
    discovery = replace(concluded(attempt), asked=(Asked("registrations", attempt.hop, (secret, messages[1])),))
    (exchange,) = cast(list[dict[str, Any]], data_of(discovery)["exchanges"])
    assert (exchange["purpose"], exchange["transport"], exchange["port"]) == ("registrations", "udp", 5060)
    sent, received = exchange["messages"]
    assert (sent["direction"], sent["offset_ms"], received["direction"], received["offset_ms"]) == (
        *("sent", 0.0),
        *("received", 100.0),
    )
    assert sent["text"].startswith("OPTIONS sip:198.51.100.1 SIP/2.0\r\n")
    assert "Basic" in sent["text"]
    assert "c2VjcmV0" not in sent["text"]
