"""The same rules on calls that are over: stored results, and captures of calls that others made."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.calls.judge.diagnosis import Diagnosis, diagnoses_of_capture, diagnosis_of
from probes.calls.judge.facts import facts_of
from probes.calls.judge.find import find
from probes.calls.judge.stored import facts_of_data
from probes.destination import Destination
from probes.report.call_json import call_data
from probes.result import CallKind, CallMedia, CallResult, CallStatus, TimelineEntry
from probes.timeline import entry_of
from tests.probes.calls.judge.captures import pcap, report, rtp, signalling
from tests.probes.calls.judge.said import (
    ACK,
    ANSWER,
    BYE,
    BYE_OK,
    CONTACT,
    INVITE,
    OFFER,
    OK,
    WHOLE,
    records,
    request,
    response,
)
from tests.probes.report.audio import audio, lines, secured


def diagnose(*parts: list[Any]) -> Diagnosis:
    (found,) = diagnoses_of_capture(pcap([packet for part in parts for packet in part]))
    return found


def codes(found: Diagnosis) -> list[str]:
    return [finding.code for finding in found.findings]


LONG = (INVITE, OK, ACK)
END = signalling(BYE, BYE_OK)


def ending() -> list[Any]:
    """The end of a call two seconds later."""
    return [type(one)(one.at_ns + 2 * 10**9, one.link, one.data) for one in END]


def test_a_call_with_media_both_ways_is_well() -> None:
    found = diagnose(signalling(*LONG), rtp(sent=True), rtp(sent=False), [report(1.0, 0)], ending())
    assert (found.status, found.said, codes(found)) == (CallStatus.CONNECTED, "200 OK", [])
    assert found.title == "INVITE sip:bob@198.51.100.1"


def test_signalling_alone_says_nothing_of_media() -> None:
    assert codes(diagnose(signalling(*WHOLE))) == []


@pytest.mark.parametrize(
    ("media", "code"),
    [
        (rtp(sent=True), "no-rtp-in"),
        ([*rtp(sent=True), report(1.0, None)], "no-rtp-out"),
        ([*rtp(sent=True), *rtp(sent=False, every=3, count=200)], "rtp-loss"),
        ([*rtp(sent=True), *rtp(sent=False), report(1.0, 20)], "rtp-loss-out"),
        ([*rtp(sent=True), *rtp(sent=False, kind=18)], "codec-not-agreed"),
        ([*rtp(sent=True), *rtp(sent=False, count=150)], "rtp-after-bye"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_media_of_a_capture(media: list[Any], code: str) -> None:
    assert codes(diagnose(signalling(*LONG), media, ending()))[:1] == [code]


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ((INVITE, response("486 Busy Here")), CallStatus.BUSY, "callee-busy"),
        ((INVITE, response("403 Forbidden")), CallStatus.FAILED, "source-not-trusted"),
        ((INVITE, response("408 Request Timeout")), CallStatus.NO_ANSWER, "callee-timeout"),
        ((INVITE,), CallStatus.PENDING, "nothing-answers"),
        ((INVITE, OK, ACK, OK, OK, OK), CallStatus.CONNECTED, "ack-lost"),
    ],
)
def test_signalling_of_a_capture(said: Any, status: CallStatus, code: str) -> None:  # noqa: ANN401  # messages
    found = diagnose(signalling(*said))
    assert (found.status, codes(found)[:1]) == (status, [code])


def test_a_call_that_goes_on_is_pending_and_nothing_is_wrong_with_it() -> None:
    found = diagnose(signalling(INVITE, response("180 Ringing")))
    assert (found.status, codes(found)) == (CallStatus.PENDING, [])


def stored(*said: tuple[bool, str], media: CallMedia | None = None, kind: CallKind) -> CallResult:
    entries = [entry for entry in (entry_of(record, 0.0) for record in records(*said)) if entry is not None]
    more: tuple[TimelineEntry, ...] = lines() if media is not None else ()
    return CallResult(
        Destination.parse("sip:bob@198.51.100.1"),
        None,
        CallStatus.CONNECTED,
        kind,
        "as told",
        timeline=(*entries, *more),
        answer_time=0.1,
        media=media,
    )


@pytest.mark.parametrize(
    "result",
    [
        stored(*WHOLE, kind=CallKind.CONNECTED),
        stored(*WHOLE, media=audio(), kind=CallKind.CONNECTED),
        stored(*WHOLE, media=audio(deaf=True), kind=CallKind.NO_MEDIA),
        stored(*WHOLE, media=secured(), kind=CallKind.CONNECTED),
        stored(INVITE, response("403 Forbidden"), kind=CallKind.REJECTED),
        stored(INVITE, OK, ACK, BYE, kind=CallKind.CONNECTED),
        stored(kind=CallKind.UNRESOLVABLE),
    ],
    ids=["well", "audio", "deaf", "secured", "refused", "BYE lost", "nowhere"],
)
def test_a_stored_result_is_judged_as_the_call_was(result: CallResult) -> None:
    data = json.loads(json.dumps(call_data(result)))
    expected = find(facts_of(result))
    assert [(one.code, one.severity) for one in diagnosis_of(facts_of_data(data)).findings] == [
        (one.code, one.severity) for one in expected
    ]


def test_what_proves_an_identity_is_covered_in_what_is_stored() -> None:
    proof = f'Authorization: Digest username="a", realm="x", nonce="n", uri="sip:b", response="{"5ec2e7" * 5}"'
    said = (
        INVITE,
        response("401 No", 'WWW-Authenticate: Digest realm="x", nonce="n"'),
        request("INVITE", proof, cseq=2),
    )
    result = stored(
        *said, response("401 No", 'WWW-Authenticate: Digest realm="x", nonce="n"', cseq=2), kind=CallKind.REJECTED
    )
    data = json.dumps(call_data(result))
    assert "5ec2e7" not in data
    assert codes(diagnosis_of(facts_of_data(json.loads(data)))) == ["credentials-refused"]


def test_keys_that_are_covered_in_what_is_stored_are_there_all_the_same() -> None:
    keys = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'S' * 40}\n"
    offer, answer = (body.replace("RTP/AVP", "RTP/SAVP") + keys for body in (OFFER, ANSWER))
    said = (request("INVITE", body=offer), response("200 OK", CONTACT, body=answer), ACK, BYE, BYE_OK)
    data = json.dumps(call_data(stored(*said, kind=CallKind.CONNECTED)))
    assert "S" * 40 not in data
    assert codes(diagnosis_of(facts_of_data(json.loads(data)))) == ["srtp-keys-exposed"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["message", "direction", "offset_ms", "event", "label"]


@given(
    timeline=st.lists(st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=5) | ANYTHING, max_size=4),
    media=st.dictionaries(st.sampled_from(["sent", "received", "rtcp", "unexpected", "dtmf", "announced"]), ANYTHING),
    kind=ANYTHING,
)
def test_any_json_is_judged(timeline: object, media: object, kind: object) -> None:
    data = {"timeline": timeline, "media": media, "kind": kind, "why": kind, "answer_time_ms": kind}
    diagnosis_of(facts_of_data(data))
