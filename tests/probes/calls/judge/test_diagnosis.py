"""The same rules on calls that are over: stored results, and captures of calls that others made."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.calls.judge.captured import by_place, media_of_capture
from probes.calls.judge.conclude import concluded
from probes.calls.judge.diagnosis import Diagnosis, calls_of_capture, diagnoses_of_capture, diagnosis_of
from probes.calls.judge.facts import facts_of
from probes.calls.judge.find import find
from probes.calls.judge.stored import facts_of_data
from probes.capture.files import read_packets
from probes.capture.network import Datagram, read_payloads
from probes.destination import Destination
from probes.report.call_json import call_data
from probes.result import CallKind, CallMedia, CallResult, CallStatus, TimelineEntry
from probes.timeline import entry_of
from sipcore.media.srtp import SrtpFailures
from tests.probes.calls.judge.captures import MEDIA, goodbye, keys, packet, pcap, report, rtp, signalling
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


def test_media_that_stops_one_way_is_told_of_a_capture_too() -> None:
    long = signalling(*LONG), rtp(sent=True, count=150)
    late = [type(one)(one.at_ns + 4 * 10**9, one.link, one.data) for one in END]
    assert codes(diagnose(*long, rtp(sent=False, count=40), late)) == ["rtp-stops"]
    assert codes(diagnose(*long, rtp(sent=False, count=150), late)) == []
    both = signalling(*LONG), rtp(sent=True, count=40), rtp(sent=False, count=40)
    assert codes(diagnose(*both, late)) == [], "whoever captured may have stopped to"


def sources(*ssrcs: int) -> list[Any]:
    """The same stream, with these source numbers in turn."""
    return [
        type(one)(one.at_ns, one.link, one.data[:36] + ssrcs[number % len(ssrcs)].to_bytes(4, "big") + one.data[40:])
        for number, one in enumerate(rtp(sent=False))
    ]


def test_what_is_no_stream_is_told_of_a_capture_too() -> None:
    here = signalling(*LONG), rtp(sent=True)
    assert codes(diagnose(*here, sources(7), ending())) == []
    assert codes(diagnose(*here, sources(7, 8), ending())) == ["rtp-sources"]
    noise = [packet(0.3 + 0.02 * number, *MEDIA[::-1], b"\xff" * 40) for number in range(60)]
    assert codes(diagnose(*here, rtp(sent=False), noise, ending())) == ["rtp-malformed"]
    assert codes(diagnose(*here, noise, ending())) == ["rtp-malformed"]


def test_a_codec_that_was_changed_later_was_agreed_on() -> None:
    other = ANSWER.replace("RTP/AVP 0", "RTP/AVP 8")
    change = request("INVITE", body=other, cseq=7, sent=False), response("200 OK", body=other, cseq=7)
    said = signalling(*LONG), [type(one)(one.at_ns + 10**9, one.link, one.data) for one in signalling(*change)]
    flow = rtp(sent=True, count=100), rtp(sent=False, count=40), rtp(sent=False, count=60, begin=1.1, kind=8)
    assert "codec-not-agreed" in codes(diagnose(signalling(*LONG), *flow, ending()))
    assert "codec-not-agreed" not in codes(diagnose(*said, *flow, ending()))


def test_comfort_noise_needs_no_agreement() -> None:
    noise = rtp(sent=False, count=3, kind=13)
    assert "codec-not-agreed" not in codes(diagnose(signalling(*LONG), rtp(sent=True), noise, ending()))


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


@pytest.mark.parametrize("rate", ["0", "-1", "9" * 30])
def test_a_clock_that_nothing_can_be_measured_by(rate: str) -> None:
    answer = response("200 OK", CONTACT, body=f"{ANSWER}a=rtpmap:0 PCMU/{rate}\n")
    found = diagnose(signalling(INVITE, answer, ACK), rtp(sent=True), rtp(sent=False), [report(1.0, 0)], ending())
    assert found.status is CallStatus.CONNECTED


@pytest.mark.parametrize("seconds", [4, 60])
def test_calls_that_have_the_same_ports_one_after_the_other_are_told_apart(seconds: int) -> None:
    """As those of a server whose range of ports has been gone through, or of a program that has one port."""

    def moved(packets: list[Any], name: str, ssrc: bytes) -> list[Any]:
        changed = [each.data.replace(b"made-up", name.encode()).replace(b"\0\0\0\x01\xff", ssrc) for each in packets]
        return [
            type(one)(one.at_ns + seconds * 10**9, one.link, data) for one, data in zip(packets, changed, strict=True)
        ]

    first = [*signalling(*LONG), *rtp(sent=True, count=80), *rtp(sent=False, count=80), *ending()]
    second = moved(first, "another", b"\0\0\0\x63\xff")
    calls = calls_of_capture(pcap([*first, *second]))
    assert [codes(one) for one in diagnoses_of_capture(pcap([*first, *second]))] == [[], []]
    for call in calls:
        assert call.media is not None
        assert call.media.measured.received is not None
        assert (call.media.measured.received.packets, call.media.measured.sent.packets, call.media.late) == (80, 80, 0)


def test_a_call_that_was_captured_twice_over_is_well() -> None:
    """As on all interfaces of a host with bridges, or at a mirror port that has both ways."""
    once = [*signalling(*LONG), *rtp(sent=True), *rtp(sent=False), report(1.0, 0), *ending()]
    again = [type(one)(one.at_ns + 30_000, one.link, one.data) for one in once]
    twice = pcap([*once, *again])
    assert [codes(one) for one in diagnoses_of_capture(twice)] == [[]]
    (call,) = calls_of_capture(twice)
    assert (len(call.records), call.copies, [record.attempt for record in call.records]) == (5, 5, [0] * 5)
    assert call.media is not None
    assert call.media.measured.received is not None
    assert (call.media.measured.received.packets, call.media.measured.received.duplicates) == (60, 0)
    media_twice = pcap([*once, *[type(one)(one.at_ns + 30_000, one.link, one.data) for one in rtp(sent=False)]])
    assert [codes(one) for one in diagnoses_of_capture(media_twice)] == [["rtp-duplicated"]]


def test_rtcp_without_reports_says_nothing_of_what_arrives() -> None:
    flowing = [*rtp(sent=True, count=150), *rtp(sent=False, count=100)]
    end = [type(one)(one.at_ns + 4 * 10**9, one.link, one.data) for one in END]
    silent = [report(at, None) for at in (1.0, 2.0)]
    assert "no-rtp-out" in codes(diagnose(signalling(*LONG), flowing, silent, end))
    assert "no-rtp-out" not in codes(diagnose(signalling(*LONG), flowing, [goodbye(0.3), goodbye(2.0)], end))


def test_keys_do_not_count_as_jitter() -> None:
    """Their packets have one timestamp for as long as they last, also where the stream begins with them."""
    said = [(sent, text.replace("RTP/AVP 0", "RTP/AVP 101 0").replace("a=ptime", PHONE)) for sent, text in LONG]
    later = [type(one)(one.at_ns, one.link, one.data) for one in rtp(sent=False, begin=0.3)[8:]]
    packets = [*signalling(*_measured_anew(said)), *rtp(sent=True), *keys(sent=False), *later, *ending()]
    (call,) = calls_of_capture(pcap(packets))
    assert call.media is not None
    assert call.media.measured.received is not None
    assert call.media.measured.received.peak_jitter < 0.001


PHONE = "a=rtpmap:101 telephone-event/8000\r\na=ptime"


def _measured_anew(said: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    """Messages whose bodies are as long as they say."""
    found = []
    for sent, text in said:
        head, _, body = text.partition("\r\n\r\n")
        lines = [line for line in head.split("\r\n") if not line.startswith("Content-Length")]
        found.append((sent, "\r\n".join([*lines, f"Content-Length: {len(body)}"]) + f"\r\n\r\n{body}"))
    return found


def test_a_stream_whose_keys_are_shaken_hands_on_is_told_as_encrypted() -> None:
    said = [(sent, text.replace("RTP/AVP", "UDP/TLS/RTP/SAVP")) for sent, text in LONG]
    packets = [*signalling(*_measured_anew(said)), *rtp(sent=True), *rtp(sent=False), *ending()]
    (call,) = calls_of_capture(pcap(packets))
    assert call.media is not None
    assert (call.media.keying, call.media.encryption) == ("DTLS", "SRTP by DTLS")
    only_sent = [*signalling(*_measured_anew(said)), *rtp(sent=True), *ending()]
    assert "srtp-handshake" not in codes(diagnose(only_sent))


def test_keys_in_the_clear_are_no_fault_of_a_capture_in_the_clear() -> None:
    """As this program writes one of a call over TLS: its Via says how it was."""
    crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40
    said = _measured_anew(
        [(sent, text.replace("RTP/AVP 0", "RTP/SAVP 0") + _if_body(text, crypto)) for sent, text in LONG]
    )
    assert codes(diagnose(signalling(*said))) == ["srtp-keys-exposed"]
    over_tls = [(sent, text.replace("SIP/2.0/UDP", "SIP/2.0/TLS")) for sent, text in said]
    assert codes(diagnose(signalling(*over_tls))) == []


def _if_body(text: str, line: str) -> str:
    return f"{line}\r\n" if "m=audio" in text else ""


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


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (CallKind.NO_MEDIA, CallStatus.CONNECTED),
        (CallKind.REFUSED, CallStatus.FAILED),
        (CallKind.NOT_ANSWERED, CallStatus.NO_ANSWER),
        (CallKind.BUSY, CallStatus.BUSY),
    ],
)
def test_what_a_test_call_knows_of_its_end_is_not_asked_of_its_messages(kind: CallKind, status: CallStatus) -> None:
    data = json.loads(json.dumps(call_data(stored(INVITE, kind=kind))))
    assert diagnosis_of(facts_of_data(data)).status is status


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


def test_what_srtp_refuses_since_it_came_before_is_a_duplicate() -> None:
    media = secured()
    media = replace(media, measured=replace(media.measured, srtp=SrtpFailures(replayed=100)))
    result = replace(stored(*WHOLE, kind=CallKind.CONNECTED), media=media)
    assert "rtp-duplicated" in codes(diagnosis_of(facts_of(result)))
    assert "rtp-duplicated" in codes(diagnosis_of(facts_of_data(json.loads(json.dumps(call_data(result))))))


def test_messages_from_and_to_names_are_none() -> None:
    """Packets have addresses: what says otherwise is not of this program."""
    answer = response("200 OK", CONTACT.replace("198.51.100.1", "10.0.0.1"), body=ANSWER)
    data = json.dumps(call_data(stored(INVITE, answer, ACK, BYE, BYE_OK, kind=CallKind.CONNECTED)))
    assert codes(diagnosis_of(facts_of_data(json.loads(data)))) == ["contact-narrow"]
    named = json.loads(data.replace("198.51.100.1:5060", "example.com:5060"))
    assert codes(diagnosis_of(facts_of_data(named))) == []


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


SECRET = "6629fae4"[::-1]


@pytest.mark.parametrize(
    "said",
    [
        (INVITE, response("302 Moved", f"Contact: <sip:bob:{SECRET}@198.51.100.7>")),
        (INVITE, response("200 OK", f"Contact: <sip:bob:{SECRET}@10.0.0.1>", body=ANSWER)),
        (INVITE, OK, ACK, (BYE[0], BYE[1].replace("sip:bob@198", f"sip:bob:{SECRET}@198", 1))),
    ],
    ids=["in a fact", "in a header field", "in a start line"],
)
def test_no_password_of_a_uri_is_in_what_is_found(said: tuple[tuple[bool, str], ...]) -> None:
    invite = (INVITE[0], INVITE[1].replace("sip:bob@198", f"sip:bob:{SECRET}@198", 1))
    result = concluded(stored(invite, *said[1:], kind=CallKind.CONNECTED))
    assert result.findings
    assert all(SECRET not in part for each in result.findings for part in (each.what, *each.evidence))
    assert SECRET not in json.dumps(call_data(result))


class Looked(list[Datagram]):
    """Tells how many of it were looked at."""

    looked = 0

    def __iter__(self) -> Iterator[Datagram]:
        raise AssertionError("all of it was looked at")

    def __getitem__(self, which: Any) -> Any:  # noqa: ANN401  # as a list has it
        found = super().__getitem__(which)
        if isinstance(which, slice):
            Looked.looked += len(found)
        return found


def test_a_call_is_not_searched_for_in_all_that_had_its_ports_before_and_after() -> None:
    """Or a large capture would take the square of its size, since ports are used again."""
    before, now = (signalling(*LONG) + rtp(sent=False) + ending() for _ in range(2))
    later = [type(one)(one.at_ns + 3600 * 10**9, one.link, one.data) for one in now]
    (call,) = calls_of_capture(pcap(before))
    places = by_place(read_payloads(read_packets(pcap([*later, *before]))))
    assert all(list(there) == sorted(there, key=lambda each: each.at_ns) for there in places.values())
    media = media_of_capture(call, {place: Looked(there) for place, there in places.items()})
    assert media is not None
    assert media.measured.received is not None
    assert media.measured.received.packets <= Looked.looked <= 2 * len(before)
