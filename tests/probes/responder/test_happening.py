"""What is told of requests and calls."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from probes.destination import Destination
from probes.report.call_json import call_data
from probes.responder.happening import (
    Happening,
    bindings_data,
    bindings_line,
    happening_data,
    happening_line,
    happening_lines,
    parties,
)
from probes.result import CallKind, CallResult, CallRole, CallStatus
from sipcore.resolve.target import Flow, SocketAddress, Transport
from tests.probes.report import schemas
from tests.probes.responder.requests import request

SCHEMA = schemas.load("respond")
FLOW = Flow(Transport.TCP, SocketAddress("192.0.2.4", 5060), SocketAddress("2001:db8::1", 40000), 1)
WHEN = datetime(2024, 11, 21, 13, 2, 3, 456000, tzinfo=UTC)
BUSY = Happening(WHEN, "INVITE", "sip:alice@192.0.2.1", "sip:busy@192.0.2.4", FLOW, 486, "")
CALL = CallResult(
    *(
        Destination("192.0.2.1", user="alice"),
        None,
        CallStatus.CONNECTED,
        CallKind.CONNECTED,
        "answered, held for 2.0 s",
    ),
    final_status=200,
    answer_time=0.25,
    codec="PCMU",
    ended_by="hung up there",
    role=CallRole.CALLEE,
    caller="sip:alice:secret@192.0.2.1",
    called="sip:busy@192.0.2.4",
)
HELD = replace(BUSY, status=200, outcome=CALL.why, seconds=2.0004, result=CALL)
BINDINGS = ((Transport.UDP, SocketAddress("127.0.0.1", 5060)), (Transport.TLS, SocketAddress("::1", 5061)))


def test_bindings() -> None:
    assert bindings_line(BINDINGS) == "listening on udp 127.0.0.1:5060, tls [::1]:5061"
    assert bindings_data(BINDINGS) == {
        "event": "listening",
        "addresses": [
            {"transport": "udp", "host": "127.0.0.1", "port": 5060},
            {"transport": "tls", "host": "::1", "port": 5061},
        ],
    }


@pytest.mark.parametrize(
    ("happening", "line"),
    [
        (BUSY, "INVITE sip:busy@192.0.2.4 from sip:alice@192.0.2.1 over tcp [2001:db8::1]:40000: 486 Busy Here"),
        (
            HELD,
            "INVITE sip:busy@192.0.2.4 from sip:alice@192.0.2.1 over tcp [2001:db8::1]:40000: 200 OK, "
            "answered, held for 2.0 s",
        ),
        (
            replace(BUSY, method="\x1b[31m", status=None),
            r"\x1b[31m sip:busy@192.0.2.4 from sip:alice@192.0.2.1 over tcp [2001:db8::1]:40000: no answer",
        ),
    ],
)
def test_line(happening: Happening, line: str) -> None:
    time, _, rest = happening_line(happening).partition(" ")
    assert time == WHEN.astimezone().strftime("%H:%M:%S")
    assert rest == line


def test_data() -> None:
    assert happening_data(HELD) == {
        "event": "call",
        "at": "2024-11-21T13:02:03.456+00:00",
        "method": "INVITE",
        "called": "sip:busy@192.0.2.4",
        "caller": "sip:alice@192.0.2.1",
        "transport": "tcp",
        "remote": "[2001:db8::1]:40000",
        "status": 200,
        "outcome": "answered, held for 2.0 s",
        "codec": "PCMU",
        "duration_ms": 2000,
        "answer_time_ms": 250.0,
        "ended_by": "hung up there",
        "media": None,
        "result": call_data(CALL),
    }
    assert call_data(CALL)["caller"] == "sip:alice:******@192.0.2.1"


def test_a_call_is_told_as_a_test_call_is() -> None:
    head, caller, *rest = map(str, happening_lines(HELD))
    assert head.endswith("INVITE sip:busy@192.0.2.4 over tcp [2001:db8::1]:40000")
    assert caller.strip() == "from sip:alice@192.0.2.1"
    assert rest == ["connected: answered, held for 2.0 s", "answered after 250 ms"]
    lines = list(map(str, happening_lines(BUSY, 60)))
    assert " ".join(line.strip() for line in lines) == happening_line(BUSY)
    assert max(map(len, lines)) <= 60


def test_data_keeps_to_the_schema() -> None:
    assert schemas.violations(call_data(CALL), schemas.load("call")) == []
    options = replace(BUSY, method="OPTIONS", status=None)
    for data in (bindings_data(BINDINGS), happening_data(HELD), happening_data(BUSY), happening_data(options)):
        assert schemas.violations(data, SCHEMA) == []


def test_parties_without_passwords() -> None:
    assert parties(request("OPTIONS", "sip:bob:secret@192.0.2.4")) == (
        "sip:alice@192.0.2.1",
        "sip:bob:******@192.0.2.4",
    )
