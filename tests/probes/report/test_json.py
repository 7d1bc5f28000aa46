"""A discovery as data: it is what the schema says, whatever was found."""

import json

import pytest

from probes.destination import Destination
from probes.discovery.recommend import conclude
from probes.report.json import discovery_data
from probes.result import Attempt, Discovery, LookupStep, Reach
from tests.probes.discovery.attempts import EXAMPLE, answered, failed
from tests.probes.report.schemas import load, violations

SCHEMA = load("discovery")


def concluded(*attempts: Attempt, destination: Destination = EXAMPLE) -> Discovery:
    steps = [LookupStep("A example.com", ("192.0.2.1 (60 s)",)), LookupStep("AAAA example.com", error="no such record")]
    return conclude(destination, steps, [], attempts, duration=0.25, omitted=1)


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
            }
        ],
        "lookups": [
            {"question": "A example.com", "answers": ["192.0.2.1 (60 s)"], "error": ""},
            {"question": "AAAA example.com", "answers": [], "error": "no such record"},
        ],
        "omitted": 1,
        "duration_ms": 250.0,
    }


@pytest.mark.parametrize("reach", [reach for reach in Reach if reach is not Reach.ANSWERED])
def test_each_failure(reach: Reach) -> None:
    data = data_of(
        concluded(failed("udp 192.0.2.1:5060", reach), destination=Destination.parse("udp://192.0.2.1:5060"))
    )
    assert data["outcome"] == reach.name.lower()
    assert data["advice"] == "what to try"
    assert (data["transport"], data["port"], data["private"]) == ("udp", 5060, True)


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
    assert system["candidates"][0]["evidence"] == [r"banner 'x\udcff/1.2'"]


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
