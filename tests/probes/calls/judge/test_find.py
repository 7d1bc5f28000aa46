"""The verdict on a call: each rule finds its fault, explains it once, and finds nothing in a call that is well."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from probes.calls.judge.facts import CallFacts
from probes.calls.judge.find import EXPLAINED, RULES, find, progress_of, status_of
from probes.calls.judge.hint import Hint
from probes.calls.judge.media_facts import media_facts, was_closed
from probes.findings.catalogue import catalogue
from probes.findings.finding import Severity
from probes.result import CallKind, CallMediaPart, CallRole, CallStatus
from probes.timeline import media_entry
from sipcore.auth.session import AuthRefusal
from sipcore.endpoint.faults import LOGGER
from sipcore.media.report import MediaEvent, MediaEventKind
from sipcore.transports.tls_failure import TlsProblem
from tests.conftest import Injected
from tests.probes.calls.judge.said import (
    ACK,
    ANSWER,
    BYE,
    BYE_OK,
    CONTACT,
    FLOW,
    INVITE,
    OFFER,
    OK,
    WHOLE,
    answered,
    facts,
    request,
    response,
)
from tests.probes.report.audio import audio

DIGEST = 'WWW-Authenticate: Digest realm="x", nonce="{}", qop="auth"'
PROOF = 'Authorization: Digest username="a", realm="x", nonce="1", uri="sip:b", response="0"'
CHALLENGED = (INVITE, response("401 Unauthorized", DIGEST.format(1)))
PROVEN = (*CHALLENGED, request("INVITE", PROOF, body=OFFER, cseq=2))
SAVP = request("INVITE", body=OFFER.replace("RTP/AVP", "RTP/SAVP"))
G729 = request("INVITE", body=OFFER.replace("RTP/AVP 0 8", "RTP/AVP 18"))
CANCEL = request("CANCEL")


def codes(call: CallFacts) -> list[str]:
    return [finding.code for finding in find(call)]


def test_nothing_is_wrong_with_a_call_that_is_well() -> None:
    call = facts(*WHOLE, media=FLOW, kind=CallKind.CONNECTED)
    assert codes(call) == []
    assert status_of(call) is CallStatus.CONNECTED


REFUSED = [
    ("403 Forbidden", (), "source-not-trusted", CallStatus.FAILED),
    ("404 Not Found", (), "number-unknown", CallStatus.FAILED),
    ("408 Request Timeout", (), "callee-timeout", CallStatus.NO_ANSWER),
    ("415 Unsupported Media Type", (), "body-refused", CallStatus.FAILED),
    ("420 Bad Extension", ("Unsupported: path",), "extension-refused", CallStatus.FAILED),
    ("420 Bad Extension", ("Unsupported: 100rel",), "prack-refused", CallStatus.FAILED),
    ("421 Extension Required", ("Require: 100rel",), "prack-required", CallStatus.FAILED),
    ("421 Extension Required", ("Require: timer",), "extension-wanted", CallStatus.FAILED),
    ("422 Session Interval Too Small", ("Min-SE: 1800",), "session-timer-too-small", CallStatus.FAILED),
    ("480 Temporarily Unavailable", (), "callee-unavailable", CallStatus.NO_ANSWER),
    ("482 Loop Detected", (), "call-loops", CallStatus.FAILED),
    ("483 Too Many Hops", (), "call-loops", CallStatus.FAILED),
    ("484 Address Incomplete", (), "number-incomplete", CallStatus.FAILED),
    ("486 Busy Here", (), "callee-busy", CallStatus.BUSY),
    ("487 Request Terminated", (), "call-cancelled", CallStatus.NO_ANSWER),
    ("488 Not Acceptable Here", (), "offer-refused", CallStatus.FAILED),
    ("488 Not Acceptable Here", ('Warning: 305 x "no codec"',), "codec-refused", CallStatus.FAILED),
    ("488 Not Acceptable Here", ('Warning: 302 x "no"',), "srtp-demanded", CallStatus.FAILED),
    ("500 Server Internal Error", (), "peer-failed", CallStatus.FAILED),
    ("503 Service Unavailable", (), "service-unavailable", CallStatus.FAILED),
    ("503 Service Unavailable", ("Retry-After: 30",), "peer-overloaded", CallStatus.FAILED),
    ("504 Server Time-out", (), "route-failed", CallStatus.FAILED),
    ("302 Moved Temporarily", (CONTACT,), "call-redirected", CallStatus.FAILED),
    ("600 Busy Everywhere", (), "callee-busy", CallStatus.BUSY),
    ("603 Decline", (), "call-declined", CallStatus.FAILED),
    ("608 Rejected", (), "call-blocked", CallStatus.FAILED),
    ("400 Bad Request", (), "request-malformed", CallStatus.FAILED),
    ("402 Payment Required", (), "call-refused", CallStatus.FAILED),
    ("405 Method Not Allowed", (), "calls-not-taken", CallStatus.FAILED),
    ("406 Not Acceptable", (), "body-refused", CallStatus.FAILED),
    ("410 Gone", (), "number-gone", CallStatus.FAILED),
    ("413 Request Entity Too Large", (), "request-too-large", CallStatus.FAILED),
    ("414 Request-URI Too Long", (), "request-too-large", CallStatus.FAILED),
    ("416 Unsupported URI Scheme", (), "scheme-refused", CallStatus.FAILED),
    ("428 Use Identity Header", (), "identity-wanted", CallStatus.FAILED),
    ("433 Anonymity Disallowed", (), "anonymity-refused", CallStatus.FAILED),
    ("436 Bad Identity Info", (), "identity-wanted", CallStatus.FAILED),
    ("437 Unsupported Credential", (), "identity-wanted", CallStatus.FAILED),
    ("438 Invalid Identity Header", (), "identity-wanted", CallStatus.FAILED),
    ("481 Call/Transaction Does Not Exist", (), "call-state-lost", CallStatus.FAILED),
    ("485 Ambiguous", (), "number-ambiguous", CallStatus.FAILED),
    ("493 Undecipherable", (), "body-refused", CallStatus.FAILED),
    ("501 Not Implemented", (), "calls-not-taken", CallStatus.FAILED),
    ("502 Bad Gateway", (), "route-failed", CallStatus.FAILED),
    ("505 Version Not Supported", (), "version-refused", CallStatus.FAILED),
    ("513 Message Too Large", (), "request-too-large", CallStatus.FAILED),
    ("580 Precondition Failure", (), "media-refused", CallStatus.FAILED),
    ("604 Does Not Exist Anywhere", (), "number-unknown", CallStatus.FAILED),
    ("606 Not Acceptable", (), "offer-refused", CallStatus.FAILED),
    ("607 Unwanted", (), "call-blocked", CallStatus.FAILED),
    ("300 Multiple Choices", (CONTACT,), "call-redirected", CallStatus.FAILED),
    ("488 Not Acceptable Here", ('Warning: 399 x "no such codec"',), "codec-refused", CallStatus.FAILED),
    ("488 Not Acceptable Here", ('Warning: 399 x "encryption is wanted"',), "srtp-demanded", CallStatus.FAILED),
    ("499 Whatever", (), "call-refused", CallStatus.FAILED),
    ("599 Whatever", (), "peer-failed", CallStatus.FAILED),
    ("699 Whatever", (), "call-refused", CallStatus.FAILED),
    ("401 Unauthorized", (DIGEST.format(1),), "credentials-wanted", CallStatus.FAILED),
    ("407 Proxy Authentication Required", (), "challenge-missing", CallStatus.FAILED),
]


@pytest.mark.parametrize(("said", "fields", "code", "status"), REFUSED, ids=lambda one: str(one)[:24])
def test_refusals(said: str, fields: tuple[str, ...], code: str, status: CallStatus) -> None:
    call = facts(INVITE, response(said, *fields))
    assert codes(call) == [code]
    assert status_of(call) is status
    (finding,) = find(call)
    assert finding.evidence[0] == f"SIP/2.0 {said}"
    assert finding.records
    assert finding.cure


CALLS = {
    "wrong password": ((*PROVEN, response("401 No", DIGEST.format(1), cseq=2)), {}, "credentials-refused"),
    "stale": ((*PROVEN, response("401 No", DIGEST.format(2) + ", stale=true", cseq=2)), {}, "auth-loop"),
    "other realm": (CHALLENGED, {"authentication": AuthRefusal.NO_ACCOUNT.value}, "realm-mismatch"),
    "other host": (CHALLENGED, {"authentication": AuthRefusal.WRONG_HOST.value}, "credentials-not-for-host"),
    "unknown algorithm": (CHALLENGED, {"authentication": AuthRefusal.UNSUPPORTED.value}, "auth-unsupported"),
    "forbidden after proof": ((*PROVEN, response("403 No", cseq=2)), {}, "caller-not-allowed"),
    "declined after ringing": ((INVITE, response("180 Ringing"), response("403 No")), {}, "call-declined"),
    "SRTP refused": ((SAVP, response("488 Not Acceptable Here")), {}, "secure-offer-refused"),
    "odd codec refused": ((G729, response("488 Not Acceptable Here")), {}, "codec-offer-refused"),
    "silence": ((INVITE,), {"kind": CallKind.NO_ANSWER}, "nothing-answers"),
    "silence behind an open port": ((INVITE,), {"kind": CallKind.NO_ANSWER, "was_open": True}, "open-but-silent"),
    "no SIP behind an open port": ((INVITE,), {"kind": CallKind.NOT_SIP, "was_open": True}, "not-sip"),
    "answer to another": (
        (INVITE, response("200 OK", "Via: SIP/2.0/UDP 203.0.113.9", body=ANSWER)),
        {"kind": CallKind.NO_ANSWER},
        "answer-does-not-fit",
    ),
    "own mistake": ((INVITE, OK), {"kind": CallKind.OWN_FAULT, "why": "a mistake"}, "own-fault"),
    "own mistake, and the call went on": (WHOLE, {"faults": ["over rtp from a peer: KeyError"]}, "own-fault"),
    "refused port": ((INVITE,), {"kind": CallKind.REFUSED, "why": "closed"}, "refused"),
    "wrong name in TLS": (
        (),
        {"kind": CallKind.TLS_FAILED, "why": "the certificate is for another name"},
        "tls-name-mismatch",
    ),
    "not allowed": ((), {"kind": CallKind.NOT_ALLOWED, "why": "it is private"}, "not-allowed"),
    "TLS that fails otherwise": ((), {"kind": CallKind.TLS_FAILED, "why": "?"}, "tls-handshake"),
    "rings": ((INVITE, response("180 Ringing"), CANCEL, response("487 No")), {}, "nobody-answers"),
    "tries": ((INVITE, response("100 Trying"), CANCEL, response("487 No")), {}, "no-progress"),
    "answered too late": ((INVITE, response("180 Ringing"), OK), {"given_up": True}, "nobody-answers"),
    "early media": ((INVITE, response("183 P", body=ANSWER), CANCEL, response("487 No")), {}, "early-media-only"),
    "no ACK": ((INVITE, OK, OK), {}, "ack-missing"),
    "lost ACK": ((INVITE, OK, ACK, OK, OK, BYE, BYE_OK), {}, "ack-lost"),
    "BYE refused": ((INVITE, OK, ACK, BYE, response("481 No", method="BYE", cseq=2)), {}, "bye-refused"),
    "BYE challenged": ((INVITE, OK, ACK, BYE, response("401 No", method="BYE", cseq=2)), {}, "bye-challenged"),
    "BYE lost": ((INVITE, OK, ACK, BYE), {}, "bye-lost"),
    "hung up for a cause": (
        (INVITE, OK, ACK, request("BYE", "Reason: Q.850;cause=38", sent=False)),
        {},
        "hung-up-with-cause",
    ),
    "hung up at once": ((INVITE, OK, ACK, request("BYE", sent=False)), {}, "hung-up-at-once"),
    "state lost": ((INVITE, OK, ACK), {"ended_by": "the peer does not know the call any more"}, "call-state-lost"),
    "not refreshed": (
        (INVITE, OK, ACK),
        {"ended_by": "the session was not refreshed in time"},
        "session-not-refreshed",
    ),
    "Via edited": ((INVITE, response("100 Trying", host="203.0.113.9"), *WHOLE[2:]), {}, "sip-alg"),
    "private Contact": (answered(contact="Contact: <sip:bob@10.0.0.1>"), {}, "contact-narrow"),
    "private Record-Route": (answered(ANSWER, "Record-Route: <sip:10.0.0.1;lr>"), {}, "record-route-narrow"),
    "no Contact": (answered(contact=""), {}, "contact-missing"),
    "no answer to the offer": (answered(""), {}, "answer-missing"),
    "audio refused": (answered(ANSWER.replace("audio 5000", "audio 0")), {}, "media-refused"),
    "other profile": (answered(ANSWER.replace("RTP/AVP", "RTP/SAVP")), {}, "profile-changed"),
    "codec that was not offered": (answered(ANSWER.replace("RTP/AVP 0", "RTP/AVP 3")), {}, "codec-not-offered"),
    "inactive": (answered(ANSWER + "a=inactive\n"), {}, "media-held"),
    "nowhere": (answered(ANSWER.replace("c=IN IP4 198.51.100.1", "c=IN IP4 0.0.0.0")), {}, "media-held"),
    "private media": (
        answered(ANSWER.replace("c=IN IP4 198.51.100.1", "c=IN IP4 10.0.0.1")),
        {},
        "sdp-private-address",
    ),
    "ICE alone": (
        answered(ANSWER.replace("audio 5000", "audio 9") + "a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\n"),
        {},
        "ice-only",
    ),
    "keys in the open": (
        (
            SAVP,
            *answered(
                ANSWER.replace("RTP/AVP", "RTP/SAVP") + f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 40}\n"
            )[1:],
        ),
        {},
        "srtp-keys-exposed",
    ),
    "keys missing": ((SAVP, *answered(ANSWER.replace("RTP/AVP", "RTP/SAVP"))[1:]), {}, "srtp-keys-missing"),
    "short session": (
        (
            *(INVITE, response("422 Too Small", "Min-SE: 90"), ACK, request("INVITE", body=OFFER, cseq=2)),
            *(response("200 OK", CONTACT, body=ANSWER, cseq=2), request("ACK", cseq=2)),
        ),
        {},
        "session-timer-too-small",
    ),
}


RINGING, CANCEL_OK = response("180 Ringing"), response("200 OK", method="CANCEL")
ENDED = response("487 Request Terminated")
AGAIN = request("INVITE", PROOF, body=OFFER, cseq=2)
CANCELLED: dict[str, tuple[tuple[tuple[bool, str], ...], list[str]]] = {
    "as it should be": ((INVITE, RINGING, CANCEL, CANCEL_OK, ENDED), ["nobody-answers"]),
    "refused meanwhile": ((INVITE, RINGING, CANCEL, CANCEL_OK, response("486 Busy")), ["nobody-answers"]),
    "the other way round": ((INVITE, RINGING, CANCEL, ENDED, CANCEL_OK), ["nobody-answers"]),
    "no 487": ((INVITE, RINGING, CANCEL, CANCEL_OK), ["cancel-ignored", "nobody-answers"]),
    "rings on": ((INVITE, RINGING, CANCEL, CANCEL_OK, RINGING), ["cancel-ignored", "nobody-answers"]),
    "refused": (
        (INVITE, RINGING, CANCEL, response("481 No", method="CANCEL")),
        ["cancel-ignored", "nobody-answers"],
    ),
    "no word": ((INVITE, RINGING, CANCEL, CANCEL), ["cancel-lost", "nobody-answers"]),
    "after a challenge": (
        (*CHALLENGED, AGAIN, response("180 Ringing", cseq=2), request("CANCEL", cseq=2)),
        ["cancel-lost", "nobody-answers"],
    ),
    "answered long after": ((INVITE, RINGING, CANCEL, CANCEL_OK, OK, ACK), ["cancel-ignored", "nobody-answers"]),
}


@pytest.mark.parametrize("name", CANCELLED)
def test_what_became_of_a_cancel(name: str) -> None:
    said, expected = CANCELLED[name]
    call = facts(*said, pace=1.5, kind=CallKind.NOT_ANSWERED, given_up=True)
    assert codes(call) == expected


@pytest.mark.parametrize(
    ("pace", "expected"),
    [(0.5, ["nobody-answers"]), (2.5, ["cancel-ignored", "nobody-answers"])],
    ids=["may have been cut off", "goes on"],
)
def test_a_capture_that_ends_behind_a_cancel_proves_nothing(pace: float, expected: list[str]) -> None:
    assert codes(facts(INVITE, RINGING, CANCEL, CANCEL_OK, RINGING, pace=pace)) == expected


def test_media_that_comes_although_none_may_be_sent_to_where_it_is_wanted() -> None:
    (finding,) = find(facts(*WHOLE, media=replace(FLOW, withheld="udp 10.0.0.1:4000: must not be reached")))
    assert (finding.code, finding.severity) == ("media-not-allowed", Severity.WARNING)


def test_an_answer_may_cross_a_cancel() -> None:
    assert "cancel-ignored" not in codes(facts(INVITE, RINGING, CANCEL, CANCEL_OK, OK, ACK, pace=0.3))


@pytest.mark.parametrize(
    ("told", "ends"), [((RINGING,), "and it goes on ringing"), ((), "and the INVITE has no final response")]
)
def test_what_goes_on_after_a_cancel_is_told(told: tuple[tuple[bool, str], ...], ends: str) -> None:
    call = facts(INVITE, RINGING, CANCEL, CANCEL_OK, *told, pace=2.5, kind=CallKind.NOT_ANSWERED, given_up=True)
    assert find(call)[0].what == f"the CANCEL was answered 200 OK, {ends}"


def test_a_refusal_says_what_is_wanted_and_how_often() -> None:
    (wanted,) = find(facts(INVITE, response("401 No", DIGEST.format(1))))
    assert wanted.what == '401 No: credentials are wanted for the realm "x", and none were given'
    stale = facts(*PROVEN, response("401 No", DIGEST.format(2) + ", stale=true", cseq=2))
    assert find(stale)[0].what == "the peer asked for credentials 2 times, and never took them"
    (silence,) = find(facts(INVITE, kind=CallKind.NO_ANSWER, why="no response within 32 s"))
    assert silence.what == "no response within 32 s"


@pytest.mark.parametrize("name", CALLS)
def test_what_was_said(name: str) -> None:
    said, told, code = CALLS[name]
    assert codes(facts(*said, **told))[:1] == [code]  # type: ignore[arg-type]  # what a call knows of itself


MEDIA = {
    "no-rtp-in": {"received": 0, "first_in": None},
    "no-rtp-out": {"received": 0, "first_in": None, "reports": 3},
    "media-port-closed": {"received": 0, "first_in": None, "unreachable": True},
    "media-not-allowed": {"received": 0, "first_in": None, "withheld": "udp 10.0.0.1:4000: must not be reached"},
    "srtp-authentication": {"received": 0, "first_in": None, "srtp_refused": 90},
    "srtp-handshake": {"received": 0, "first_in": None, "security_failure": "no handshake"},
    "dtls-demanded": {"received": 0, "first_in": None, "handshakes": 3},
    "ice-only": {"received": 0, "first_in": None, "checks": 3},
    "rtp-from-elsewhere": {"received": 0, "first_in": None, "elsewhere": 50},
    "codec-not-agreed": {"received": 0, "first_in": None, "wrong_type": 50},
    "rtp-malformed": {"received": 0, "first_in": None, "malformed": 50},
    "rtp-stops": {"stalled": True},
    "rtp-gaps": {"longest_gap": 0.9},
    "media-late": {"first_in": 3.0},
    "ptime-wrong": {"seen_ptime": 0.03},
    "rtp-loss": {"loss": 0.05},
    "rtp-loss-out": {"reported_loss": 0.05},
    "rtp-reordered": {"reordered": 0.1},
    "rtp-duplicated": {"duplicates": 0.2},
    "jitter-high": {"jitter": 0.05},
    "clock-drift": {"drift": -9000.0},
    "delay-high": {"round_trip": 0.5},
    "rtp-restarts": {"restarts": 1},
    "rtp-after-bye": {"late": 10},
    "dtmf-lost": {"digits": "12", "keys": "1"},
    "media-silent": {"echo": False, "silence": 1.0},
    "echo-missing": {"echo": False, "silence": 0.1},
    "busy-here": {"lateness": 0.05, "latest": 0.2},
}
DTMF_ANSWER = ANSWER.replace("RTP/AVP 0", "RTP/AVP 0 101") + "a=rtpmap:101 telephone-event/8000\n"


@pytest.mark.parametrize("code", MEDIA)
def test_what_was_measured(code: str) -> None:
    media = replace(FLOW, **MEDIA[code])  # type: ignore[arg-type]  # the fields of the facts
    call = facts(*answered(DTMF_ANSWER), media=media)
    assert codes(call) == [code]


REFUSED_MEDIA = {
    "plain, and says SRTP": (INVITE, ANSWER.replace("RTP/AVP", "RTP/SAVP"), "srtp-demanded"),
    "plain, and says DTLS": (INVITE, ANSWER.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF"), "srtp-demanded"),
    "SRTP, and says plain": (SAVP, ANSWER, "srtp-refused"),
    "other codecs": (
        INVITE,
        ANSWER.replace("RTP/AVP 0", "RTP/AVP 18 101") + "a=rtpmap:101 telephone-event/8000\n",
        "codec-refused",
    ),
    "a codec in common": (INVITE, ANSWER, "offer-refused"),
    "what cannot be read": (INVITE, "v=0\nthis is none", "offer-refused"),
    "video alone": (INVITE, ANSWER.replace("m=audio", "m=video"), "offer-refused"),
}


@pytest.mark.parametrize("name", REFUSED_MEDIA)
def test_what_a_refusal_describes_says_why(name: str) -> None:
    invite, body, code = REFUSED_MEDIA[name]
    assert codes(facts(invite, response("488 Not Acceptable Here", body=body))) == [code]


@pytest.mark.parametrize(
    ("invite", "first", "second"),
    [(INVITE, "--encryption require", "--codec"), (G729, "--codec", "--encryption"), (SAVP, "--encryption", "--codec")],
)
def test_without_a_word_both_cures_are_told_in_the_order_that_is_likely(
    invite: tuple[bool, str], first: str, second: str
) -> None:
    (finding,) = find(facts(invite, response("488 Not Acceptable Here")))
    assert 0 < finding.cure.index(first) < finding.cure.index(second)


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_who_says_that_it_sends_nothing_may_be_silent(direction: str) -> None:
    silent = facts(*answered(ANSWER + f"a={direction}\n"), media=replace(FLOW, received=0))
    assert [(one.code, one.severity) for one in find(silent)] == [("media-held", Severity.NOTICE)]
    assert silent.due == 0


def test_who_holds_the_call_later_may_be_silent_from_then_on() -> None:
    hold = request("INVITE", body=ANSWER + "a=inactive\n", cseq=7, sent=False)
    held = facts(INVITE, OK, hold, ACK, BYE, BYE_OK, pace=2.0, media=replace(FLOW, stalled=True, longest_gap=2.5))
    assert (held.due, held.excused) == (2.0, 4.0)
    assert codes(held) == []
    resumed = request("INVITE", body=ANSWER, cseq=8, sent=False)
    after = facts(INVITE, OK, hold, resumed, BYE, BYE_OK, pace=2.0, media=replace(FLOW, stalled=True))
    assert codes(after) == ["rtp-stops"]
    never = replace(FLOW, received=0, first_in=None)
    mute = facts(INVITE, OK, hold, resumed, BYE, BYE_OK, pace=2.0, media=never)
    assert codes(mute) == ["no-rtp-in"]


@pytest.mark.parametrize(("late", "found"), [(0.5, []), (2.0, ["no-rtp-in"])])
def test_another_stream_late_in_the_call_has_its_time_to_begin(late: float, found: list[str]) -> None:
    change = request("INVITE", body=ANSWER, cseq=7, sent=False)
    call = facts(INVITE, OK, change, BYE, BYE_OK, pace=late, media=replace(FLOW, received=0))
    assert (call.due, codes(call)) == (late, found)


def test_digits_that_could_not_be_sent() -> None:
    assert codes(facts(*WHOLE, media=replace(FLOW, digits="1"))) == ["dtmf-not-agreed"]


def test_late_packets_of_ours_are_no_fault_of_the_network() -> None:
    late = replace(FLOW, lateness=0.06, latest=0.9, jitter=0.05, longest_gap=1.2, drift=9000.0)
    assert codes(facts(*WHOLE, media=late)) == ["busy-here"]


def test_jitter_is_no_drift_of_a_clock() -> None:
    shaken = replace(FLOW, jitter=0.05, drift=9000.0, received=300)
    assert codes(facts(*WHOLE, media=shaken)) == ["jitter-high"]
    assert codes(facts(*WHOLE, media=replace(shaken, jitter=0.0))) == ["clock-drift"]


def test_what_a_call_fails_by_is_an_error_of_it() -> None:
    """Discovery has a way beside TLS that keeps silent; a call has not."""
    problem = TlsProblem.SILENT
    (found,) = find(facts(kind=CallKind.TLS_FAILED, why=f"tls 192.0.2.1:5061: {problem.text}: {problem.advice}"))
    assert (found.code, found.severity) == ("tls-silent", Severity.ERROR)


def test_what_works_all_the_same_is_a_warning() -> None:
    private = answered(ANSWER.replace("c=IN IP4 198.51.100.1", "c=IN IP4 10.0.0.1"))
    assert [one.severity for one in find(facts(*private, media=FLOW))] == [Severity.WARNING]
    assert [one.severity for one in find(facts(*private, media=replace(FLOW, received=0)))] == [Severity.ERROR]


def test_feedback_that_was_not_offered_is_a_warning_where_media_flows() -> None:
    feedback = answered(ANSWER.replace("RTP/AVP", "RTP/AVPF"))
    assert [(one.code, one.severity) for one in find(facts(*feedback, media=FLOW))] == [
        ("profile-changed", Severity.WARNING)
    ]
    assert find(facts(*feedback, media=replace(FLOW, received=0)))[0].severity is Severity.ERROR


def test_the_cure_is_in_the_words_of_the_product() -> None:
    (finding,) = find(facts(INVITE, response("403 No", "Server: Asterisk PBX 22")))
    assert "pjsip.conf" in finding.cure


def test_what_nobody_can_read_stops_one_rule_only() -> None:
    broken = response("200 OK", "Via: nonsense", "Contact: <<", "Warning: x", body="v=0\nthis is none")
    assert find(facts(INVITE, broken))


def test_a_mistake_in_a_rule_costs_that_rule_for_that_call_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(call: CallFacts) -> Iterator[Hint]:
        yield Hint("packets-lost", "found before")
        if call.rang:
            raise Injected(call.banner)

    lost = (INVITE, response("180 Ringing", "Server: of a peer"), OK, ACK, BYE)
    monkeypatch.setitem(RULES, CallRole.CALLER, (broken, *RULES[CallRole.CALLER]))
    found = find(facts(*lost))
    assert sorted(one.code for one in found) == ["bye-lost", "own-fault", "packets-lost"]
    (own,) = (one for one in found if one.code == "own-fault")
    assert (own.severity, "test_find.broken" in own.what) == (Severity.WARNING, True)
    assert "Injected (broken in " in own.evidence[0]
    assert "of a peer" not in own.evidence[0] + caplog.text
    assert [record.name for record in caplog.records] == [LOGGER]
    assert codes(facts(*answered())) == ["packets-lost"]


def test_nothing_was_said_at_all() -> None:
    assert find(facts()) == ()
    assert status_of(facts()) is CallStatus.PENDING


def test_causes_and_what_they_explain_exist() -> None:
    known = catalogue().entries
    assert set(EXPLAINED) | {code for codes in EXPLAINED.values() for code in codes} <= set(known)


@pytest.mark.parametrize(
    ("status", "told", "word"),
    [
        (CallStatus.PENDING, (False, False, False), "initiated"),
        (CallStatus.PENDING, (True, False, False), "ringing"),
        (CallStatus.PENDING, (True, True, False), "in-progress"),
        (CallStatus.CONNECTED, (True, True, True), "completed"),
        (CallStatus.BUSY, (False, False, True), "busy"),
        (CallStatus.NO_ANSWER, (True, False, True), "no-answer"),
        (CallStatus.FAILED, (False, False, True), "failed"),
    ],
)
def test_the_words_of_the_http_interface(status: CallStatus, told: tuple[bool, bool, bool], word: str) -> None:
    rang, was_answered, over = told
    assert progress_of(status, rang=rang, answered=was_answered, over=over) == word


@pytest.mark.parametrize(
    ("events", "closed"),
    [
        ([(MediaEventKind.FIRST_SENT, 1.0), (MediaEventKind.UNREACHABLE, 1.01)], True),
        ([(MediaEventKind.FIRST_SENT, 1.0), (MediaEventKind.UNREACHABLE, 1.6)], False),
        ([(MediaEventKind.UNREACHABLE, 1.6)], False),
        ([], False),
    ],
)
def test_only_the_port_of_rtp_counts(events: list[tuple[MediaEventKind, float]], closed: bool) -> None:
    assert was_closed([MediaEvent(at, kind) for kind, at in events]) is closed


OTHER_FORK = (True, request("BYE", cseq=9)[1].replace("<sip:bob@198.51.100.1>\r\n", "<sip:bob@198.51.100.1>;tag=c\r\n"))


def test_a_fork_that_is_hung_up_does_not_end_the_call() -> None:
    mute = facts(INVITE, OK, ACK, OTHER_FORK, BYE, BYE_OK, pace=1.0, media=replace(FLOW, received=0))
    assert mute.over is not None
    assert mute.due == 3.0
    assert codes(mute) == ["no-rtp-in"]


def test_a_bye_that_cannot_be_read_is_no_failure() -> None:
    broken = (False, request("BYE", cseq=9, sent=False)[1].replace("From: ", "From: <<"))
    assert facts(INVITE, OK, ACK, broken, BYE, BYE_OK, pace=1.0).due > 0


def test_both_may_hang_up_at_once() -> None:
    theirs, refused = request("BYE", cseq=7, sent=False), response("481 Gone", method="BYE", cseq=2)
    assert codes(facts(INVITE, OK, ACK, BYE, theirs, refused, pace=2.0, media=FLOW)) == []
    assert codes(facts(INVITE, OK, ACK, BYE, refused, pace=2.0, media=FLOW)) == ["bye-refused"]


def test_an_answer_to_the_invite_is_none_to_its_cancel() -> None:
    cancels = [request("CANCEL")] * 5
    ringing, ended = response("180 Ringing"), response("200 OK", method="CANCEL")
    branch = ("z9hG4bKCANCEL1", "z9hG4bKINVITE1")
    copies = [(sent, text.replace(*branch)) for sent, text in cancels]
    assert codes(facts(INVITE, ringing, *copies)) == ["nobody-answers"]
    answered_late = (False, ended[1].replace(*branch))
    assert codes(facts(INVITE, ringing, *copies, answered_late)) == ["packets-lost", "nobody-answers"]


@pytest.mark.parametrize(
    "body", ["hello\n", ANSWER.replace("RTP/AVP 0", "RTP/AVP"), ANSWER.replace("s=-", "s=\0"), "v=0\n" + "a=x\n" * 5000]
)
def test_a_description_that_cannot_be_read_is_not_said_to_be_missing(body: str) -> None:
    (found,) = find(facts(*answered(body)))
    assert found.code == "answer-unusable"
    assert "cannot be read" in found.what


@pytest.mark.parametrize(("received", "severity"), [(0, Severity.ERROR), (100, Severity.WARNING)])
def test_an_answer_with_an_address_of_the_other_family(received: int, severity: Severity) -> None:
    other = answered(ANSWER.replace("c=IN IP4 198.51.100.1", "c=IN IP6 2001:db8::1"))
    found = find(facts(*other, media=replace(FLOW, received=received, unreachable=not received)))
    assert [(one.code, one.severity) for one in found] == [("sdp-address-family", severity)]


@pytest.mark.parametrize(
    ("came", "code", "severity"),
    [
        ({"seen_codec": "", "seen_ptime": None, "echo": None, "wrong_type": 100}, "codec-not-agreed", Severity.ERROR),
        ({"wrong_type": 100}, "codec-not-agreed", Severity.WARNING),
        ({"received": 1, "seen_ptime": None, "echo": None, "stalled": True}, "rtp-stops", Severity.ERROR),
        (
            {"received": 1, "seen_ptime": None, "echo": None, "stalled": True, "duplicates": 99.0},
            "rtp-duplicated",
            Severity.WARNING,
        ),
        ({"empty": True, "echo": None}, "media-silent", Severity.WARNING),
        ({"srtp_refused": 25}, "srtp-authentication", Severity.WARNING),
        ({"malformed": 100}, "rtp-malformed", Severity.WARNING),
        ({"switches": 99}, "rtp-sources", Severity.WARNING),
        ({"switches": 99, "of_all": 1500}, "rtp-sources", Severity.WARNING),
        ({"jumps": 50}, "rtp-timestamps", Severity.WARNING),
        ({"seen_ptime": None}, "rtp-timestamps", Severity.WARNING),
    ],
)
def test_packets_that_are_no_stream(came: dict[str, object], code: str, severity: Severity) -> None:
    found = find(facts(*WHOLE, media=replace(FLOW, **came)))  # type: ignore[arg-type]  # the fields of the facts
    assert [(one.code, one.severity) for one in found] == [(code, severity)]


@pytest.mark.parametrize(
    "came",
    [
        {"malformed": 5},
        {"srtp_refused": 2},
        {"switches": 2},
        {"switches": 20, "of_all": 1500},
        {"jumps": 2},
        {"seen_codec": "telephone-event", "seen_ptime": None},
    ],
)
def test_a_little_of_that_is_no_trouble(came: dict[str, object]) -> None:
    assert codes(facts(*WHOLE, media=replace(FLOW, **came))) == []  # type: ignore[arg-type]  # as above


def test_where_ice_finds_a_way_the_address_of_the_answer_does_not_matter() -> None:
    ice = "a=ice-ufrag:abcd\na=ice-pwd:" + "p" * 22 + "\n"
    offer = request("INVITE", body=OFFER + ice)
    for address in ("IP6 2001:db8::1", "IP4 10.0.0.1"):
        said = (offer, *answered(ANSWER.replace("IP4 198.51.100.1\nt", f"{address}\nt") + ice)[1:])
        assert codes(facts(*said, media=FLOW)) == []
        assert len(codes(facts(*said, media=replace(FLOW, received=0)))) == 1


def test_packets_without_anything_in_them_are_no_media() -> None:
    kept = replace(FLOW, received=3, empty=True, seen_codec="", seen_ptime=None, echo=None)
    call = facts(INVITE, OK, ACK, BYE, BYE_OK, media=kept, pace=2.0)
    assert codes(call) == ["no-rtp-in"]


@pytest.mark.parametrize("came", [0, 60])
def test_media_that_is_not_heard_since_the_call_was_changed(came: int) -> None:
    """RFC 3264 §8.3.2: another codec is another stream, and that the first one came does not excuse it."""
    reinvite = request("INVITE", body=OFFER.replace("RTP/AVP 0 8", "RTP/AVP 8"), cseq=2)
    changed = ANSWER.replace("RTP/AVP 0", "RTP/AVP 8")
    said = (*answered()[:4], reinvite, response("200 OK", CONTACT, body=changed, cseq=2), request("ACK", cseq=2))
    ends = (request("BYE", cseq=3), response("200 OK", method="BYE", cseq=3))
    media = replace(FLOW, changed=replace(FLOW, received=came))
    found = find(facts(*said, *ends, media=media, pace=1.5))
    assert [each.code for each in found] == ([] if came else ["no-rtp-in"])
    assert all("since the call was changed" in each.what for each in found)


def test_a_stall_before_the_call_was_changed_is_over_with_the_change() -> None:
    part = CallMediaPart(5.0, "PCMA", 0.02, "none", audio().measured)
    media = replace(audio(), parts=(replace(part, began=0.1), part))
    stalled = [media_entry(MediaEvent(at, MediaEventKind.STALLED), 0.0) for at in (3.0, 7.0)]
    assert not media_facts(media, stalled[:1], 0.0).stalled
    assert media_facts(media, stalled, 0.0).stalled
    assert media_facts(replace(media, parts=()), stalled[:1], 0.0).stalled
