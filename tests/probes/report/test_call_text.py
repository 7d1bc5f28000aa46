"""A test call in words, and as data."""

import json
from dataclasses import replace
from unittest.mock import ANY

import pytest
from rich.console import Console

from probes.destination import Destination
from probes.report.call_json import call_data
from probes.report.call_text import failure_line, result_lines
from probes.report.ladder import ladder_of
from probes.report.ladder_text import ladder_rows
from probes.result import CallEvent, CallKind, CallResult, CallStatus, TimelineEntry
from sipcore.media.listen import Heard
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.trace import TransitionTrace
from tests.probes.report import schemas
from tests.probes.report.audio import audio, secured

TIMELINE = (
    TimelineEntry(0.0, "initiated", "sip:bob@biloxi.example"),
    TimelineEntry(1.2345, "INVITE", "sip:bob@biloxi.example", "→"),
    TimelineEntry(20.0, "486 Busy Here", "to 1 INVITE", "←", kernel_stamped=True),
)
HOP = Hop(Transport.TCP, SocketAddress("192.0.2.2", 5060), SocketAddress("192.0.2.1", 40000), why="SRV 10 60")
RESULT = CallResult(
    Destination("biloxi.example", user="bob"),
    HOP,
    CallStatus.BUSY,
    CallKind.BUSY,
    "486 Busy Here",
    "the called party is busy",
    final_status=486,
    reason="Busy Here",
    timeline=TIMELINE,
    post_dial_delay=0.5,
)


EVIL = "\x1b[2J\x9b31m\u202e\udcff"
"""What a peer may write: escape sequences of terminals, text turned around, a byte that is not UTF-8."""
HOSTILE = replace(
    RESULT,
    hop=replace(HOP, why=EVIL),
    why=EVIL,
    advice=EVIL,
    reason=EVIL,
    codec=EVIL,
    timeline=(TimelineEntry(0.0, EVIL, EVIL, "←"),),
)


def shown(*renderables: object, width: int = 80) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        for renderable in renderables:
            console.print(renderable)
    return capture.get()


def test_a_peer_cannot_drive_the_terminal() -> None:
    lines = result_lines(CallResult(RESULT.destination, None, CallStatus.FAILED, CallKind.REJECTED, "603 \x1b]0;x\x07"))
    assert shown(*lines).replace("\n", "").isprintable()


def test_the_result_says_how_why_and_what_to_try() -> None:
    text = shown(*result_lines(RESULT))
    assert "busy: 486 Busy Here" in text
    assert "try: the called party is busy" in text
    assert "tcp 192.0.2.2:5060" in text
    assert "post-dial delay 500 ms" in text


@pytest.mark.parametrize("width", [80, 60, 40])
def test_no_line_is_longer_than_the_terminal_and_nothing_is_lost(width: int) -> None:
    """A terminal cuts longer ones off."""
    why = "tls 192.0.2.1:5061: TCP connects, but the TLS handshake gets no answer (timed out): " + "it goes on " * 9
    result = replace(RESULT, why=why, advice=why, media=audio(), findings=(), unmet=why)
    lines = [str(line) for line in result_lines(result, width)]
    assert max(map(len, lines)) <= width
    text = " ".join("".join(f"{line}\n" for line in lines).split())
    assert text.count(" ".join(why.split())) == 3
    assert "jitter" in text


@pytest.mark.parametrize("status", list(CallStatus))
def test_a_failure_in_one_line(status: CallStatus) -> None:
    connected = status is CallStatus.CONNECTED
    kind = CallKind.CONNECTED if connected else CallKind.BUSY
    line = failure_line(replace(RESULT, status=status, kind=kind, advice="try\nlater"))
    assert line == ("" if connected else "sip:bob@biloxi.example: 486 Busy Here; try\\x0alater")


def test_nothing_that_a_peer_says_reaches_the_terminal_raw() -> None:
    text = shown(*ladder_rows(ladder_of(HOSTILE.timeline)), *result_lines(HOSTILE), failure_line(HOSTILE))
    assert text.replace("\n", "").isprintable()
    assert text.count("\\u202e") >= 7


def test_everything_that_a_peer_says_can_be_encoded() -> None:
    data = call_data(HOSTILE)
    assert "\\xff" in str(data["reason"])
    json.dumps(data, ensure_ascii=False).encode()  # a lone surrogate would raise


def test_as_data() -> None:
    data = json.loads(json.dumps(call_data(RESULT)))
    assert (data["status"], data["kind"], data["final_status"]) == ("busy", "busy", 486)
    assert data["hop"] == {
        "transport": "tcp",
        "address": "192.0.2.2",
        "port": 5060,
        "path": None,
        "local": "192.0.2.1:40000",
        "why": "SRV 10 60",
    }
    assert data["timeline"][2] == {
        "offset_ms": 20.0,
        "direction": "received",
        "label": "486 Busy Here",
        "detail": "to 1 INVITE",
        "kernel_stamped": True,
        "message": None,
        "event": None,
        "authentication": None,
    }
    assert data["progress"] == "busy"
    assert data["answer_time_ms"] is None
    assert data["post_dial_delay_ms"] == 500.0


@pytest.mark.parametrize(
    "result",
    [
        RESULT,
        CallResult(RESULT.destination, None, CallStatus.FAILED, CallKind.REFUSED, "no"),
        replace(RESULT, media=audio(), unmet="", events=(CallEvent("ringing", 1.0),), ring_time=1.0),
        replace(RESULT, media=audio(deaf=True), unmet="expected was connected"),
        replace(RESULT, media=secured(), ended_by="hung up here", media_problem="none"),
        replace(RESULT, transitions=(TransitionTrace(1.0, "machine", "key", "INPUT", "BEFORE", "AFTER"),)),
        replace(RESULT, transitions=(TransitionTrace(1.0, "caller", "", "START", "", "CALLING", "call-1", "a", ""),)),
    ],
)
def test_the_data_is_what_the_schema_says(result: CallResult) -> None:
    data = json.loads(json.dumps(call_data(result)))
    assert schemas.violations(data, schemas.load("call")) == []


def test_a_transition_names_its_transaction_or_its_dialog() -> None:
    steps = (
        TransitionTrace(1.0, "INVITE client", "z9hg4bk1 INVITE", "R1XX", "CALLING", "PROCEEDING"),
        TransitionTrace(1.5, "caller", "", "R1XX", "CALLING", "PROCEEDING", "call-1", "a", "b"),
    )
    data = call_data(replace(RESULT, transitions=steps))["transitions"]
    step = {"input": "R1XX", "before": "CALLING", "after": "PROCEEDING"}
    dialog = {"call_id": "call-1", "local_tag": "a", "remote_tag": "b"}
    assert data == [
        {"offset_ms": ANY, "machine": "INVITE client", "transaction": "z9hg4bk1 INVITE"} | step | dict.fromkeys(dialog),
        {"offset_ms": ANY, "machine": "caller", "transaction": ""} | step | dialog,
    ]


@pytest.mark.parametrize("kind", list(CallKind))
def test_the_schema_knows_every_kind(kind: CallKind) -> None:
    assert kind.value in schemas.load("call")["properties"]["kind"]["enum"]


def test_the_media_in_words() -> None:
    text = shown(*result_lines(replace(RESULT, media=audio())))
    sent, received, quality, digits = text.splitlines()[-4:]
    assert sent == "media PCMU, 20 ms: sent 151 packets"
    assert received.startswith("  received ")
    assert "reordered 0, gaps" in received
    assert "MOS " in quality
    assert "(an estimate), round trip 20.0 ms, echo after " in quality
    assert digits == "  DTMF 5 sent, 5 came back"
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize(
    ("codec", "told"),
    [
        ("PCMU", "MOS 4.1 (an estimate), round trip"),
        ("opus", "MOS 4.1 (an estimate, on the wideband scale), round trip"),
        ("G729", "the sound of G729 is not judged"),
    ],
)
def test_what_the_codec_makes_of_it(codec: str, told: str) -> None:
    media = audio()
    measured = replace(
        media.measured, codec=codec, opinion=4.1, heard=media.measured.heard if codec == "PCMU" else None
    )
    result = replace(RESULT, media=replace(media, measured=measured))
    assert told in shown(*result_lines(result))
    data = call_data(result)["media"]
    assert isinstance(data, dict)
    assert data["mos_scale"] == ("wideband" if codec == "opus" else "narrowband")


def test_no_media_in_words() -> None:
    text = shown(*result_lines(replace(RESULT, media=audio(deaf=True))))
    assert "  nothing was received\n" in text
    assert "none came back" in text


def test_what_went_wrong_with_the_media_is_told() -> None:
    text = shown(*result_lines(replace(RESULT, media=secured())))
    assert "SRTP AES_CM_128_HMAC_SHA1_80 by SDES, early media" in text
    assert "  a packet was refused\n  3 packets came after the call was over\n" in text


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        (Heard(2.0, 1.0, (), None), "silence"),
        (Heard(2.0, 0.1, (((425,), 1.5), ((350, 440), 0.2)), None), "tone of 425, 350+440 Hz"),
        (Heard(2.0, 0.1, (), None), "sound, but not what was sent"),
        (Heard(0.6, 0.1, (), None), "too short to look for an echo"),
    ],
)
def test_what_was_heard(heard: Heard, told: str) -> None:
    media = audio()
    text = shown(*result_lines(replace(RESULT, media=replace(media, measured=replace(media.measured, heard=heard)))))
    assert told in text


def test_an_expectation_in_words() -> None:
    assert "as expected\n" in shown(*result_lines(replace(RESULT, unmet="")))
    assert "not as expected: it was busy\n" in shown(*result_lines(replace(RESULT, unmet="it was busy")))
    assert failure_line(replace(RESULT, unmet="")) == ""
    assert failure_line(replace(RESULT, unmet="it was busy")) == "sip:bob@biloxi.example: it was busy"


def test_the_media_as_data() -> None:
    data = call_data(replace(RESULT, media=audio()))["media"]
    assert isinstance(data, dict)
    assert data["dtmf"] == {"sent": "5", "received": "5", "echoed": True, "pressed": "5"}
    assert data["received"]["lost"] > 0
    assert data["first_received_ms"] == 120.0
    assert data["heard"]["echo"]["delay_ms"] == pytest.approx(20.0, abs=1.0)
