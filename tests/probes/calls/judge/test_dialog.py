"""What became of a call's messages: copies, ends and waits, each with its figures and at its limit."""

import pytest

from probes.calls.judge.facts import CallFacts
from probes.calls.judge.find import find
from probes.findings.finding import Severity
from probes.result import CallRole
from tests.probes.calls.judge.said import ACK, ANSWER, BYE, BYE_OK, CONTACT, INVITE, OFFER, OK, facts, request, response

TRYING, RINGING = response("100 Trying"), response("180 Ringing", CONTACT)
CHALLENGE = response("401 Unauthorized", 'WWW-Authenticate: Digest realm="x", nonce="1"')
PROVEN = request("INVITE", 'Authorization: Digest username="a", realm="x"', body=OFFER, cseq=2)
AGAIN = request("INVITE", body=OFFER, cseq=2)
SAVP = request("INVITE", body=OFFER.replace("RTP/AVP", "RTP/SAVP"))
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\n"


def told(call: CallFacts) -> list[str]:
    return [f"{finding.code}: {finding.what}" for finding in find(call)]


def flipped(*said: tuple[bool, str]) -> tuple[tuple[bool, str], ...]:
    """The same, seen from the other side."""
    return tuple((not sent, text) for sent, text in said)


def hung_up(*reasons: str) -> list[str]:
    """What is told of a peer that hangs up four seconds after the answer."""
    call = facts(INVITE, OK, ACK, request("BYE", *reasons, sent=False), pace=2.0)
    return [each for each in told(call) if "hung-up" in each]


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ((), []),
        (("Reason: Q.850;cause=16",), []),
        (("Reason: Q.850;cause=31;text=x", "Reason: Q.850;cause=16"), []),
        (("Reason: SIP;cause=503",), []),
        (("Reason: q.850;cause=38",), ["q.850;cause=38"]),
        (("Reason: Q.850;cause=16, Q.850;cause=41",), ["Q.850;cause=16, Q.850;cause=41"]),
        (("Reason: Q.850",), ["Q.850"]),
    ],
)
def test_the_cause_of_a_hang_up_is_told_where_it_is_trouble(reasons: tuple[str, ...], expected: list[str]) -> None:
    assert hung_up(*reasons) == [f"hung-up-with-cause: the peer hung up after 4.0 s: {each}" for each in expected]


@pytest.mark.parametrize(
    ("role", "pace", "expected"),
    [
        (CallRole.CALLER, 0.4, ["hung-up-at-once: the peer hung up 0.8 s after it had answered"]),
        (CallRole.CALLEE, 0.4, ["hung-up-at-once: the peer hung up 0.8 s after the answer"]),
        (CallRole.CALLER, 0.5, []),
    ],
)
def test_who_hangs_up_within_a_second_did_not_want_to_talk(role: CallRole, pace: float, expected: list[str]) -> None:
    begun = (INVITE, OK, ACK) if role is CallRole.CALLER else flipped(INVITE, OK, ACK)
    call = facts(*begun, request("BYE", sent=False), pace=pace, role=role)
    assert [each for each in told(call) if "hung" in each] == expected


@pytest.mark.parametrize("copies", [1, 3])
def test_a_bye_that_is_lost_is_told_with_its_copies(copies: int) -> None:
    call = facts(INVITE, OK, ACK, *[BYE] * copies)
    assert told(call) == [f"bye-lost: the BYE was sent {copies} times to 198.51.100.1:5060, and never answered"]


@pytest.mark.parametrize(("copies", "severity"), [(2, Severity.NOTICE), (3, Severity.ERROR)])
def test_an_ack_that_is_lost_again_and_again_is_no_accident(copies: int, severity: Severity) -> None:
    call = facts(INVITE, OK, *[ACK, OK] * (copies - 1), ACK, BYE, BYE_OK)
    (finding,) = find(call)
    assert (finding.code, finding.severity) == ("ack-lost", severity)
    assert finding.what.startswith(f"the 200 came {copies} times, although an ACK was sent to 198.51.100.1:5060 ")


@pytest.mark.parametrize(
    ("copies", "expected"), [(3, []), (4, ["packets-lost: the INVITE was sent 4 times until something came back"])]
)
def test_a_request_that_is_sent_often_is_told(copies: int, expected: list[str]) -> None:
    assert told(facts(*[INVITE] * copies, RINGING, OK, ACK, BYE, BYE_OK)) == expected


@pytest.mark.parametrize(
    ("said", "pace", "waited"),
    [
        ((INVITE, RINGING), 5.0, None),
        ((INVITE, RINGING), 5.1, 5.1),
        ((INVITE, TRYING, RINGING), 2.6, 5.2),
        ((INVITE, CHALLENGE, PROVEN, RINGING), 3.0, None),
        ((INVITE, CHALLENGE, PROVEN, RINGING), 6.0, 6.0),
        ((INVITE, RINGING, OK, ACK, AGAIN), 6.0, 6.0),
        ((INVITE, TRYING), 6.0, None),
        ((INVITE, response("486 Busy Here")), 6.0, None),
    ],
)
def test_a_caller_who_hears_nothing_for_long_is_told_of(
    said: tuple[tuple[bool, str], ...], pace: float, waited: float | None
) -> None:
    expected = [] if waited is None else [f"slow-progress: it took {waited} s until anything but 100 came"]
    assert [each for each in told(facts(*said, pace=pace)) if each.startswith("slow")] == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("", ["srtp-keys-missing"]), (FINGERPRINT, []), ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2Vj\n", [])],
)
def test_srtp_is_taken_with_keys_or_a_fingerprint(answer: str, expected: list[str]) -> None:
    body = ANSWER.replace("RTP/AVP", "RTP/SAVP") + answer
    found = find(facts(SAVP, response("200 OK", CONTACT, body=body), ACK, BYE, BYE_OK))
    assert [each.code for each in found if each.code == "srtp-keys-missing"] == expected
    assert all("c=IN IP4 198.51.100.1" in each.evidence for each in found if each.code in expected)


@pytest.mark.parametrize(("role", "step"), [(CallRole.CALLER, "offered"), (CallRole.CALLEE, "answered")])
def test_who_does_ice_alone_is_told_of(role: CallRole, step: str) -> None:
    theirs = "a=ice-ufrag:abcd\na=ice-pwd:0123456789abcdefghijkl\n"
    answer = response("200 OK", CONTACT, body=ANSWER.replace("audio 5000", "audio 9") + theirs)
    offer = request("INVITE", body=OFFER.replace("audio 4000", "audio 9") + theirs)
    said = (INVITE, answer, ACK) if role is CallRole.CALLER else flipped(offer, OK, ACK)
    (what,) = [each for each in told(facts(*said, role=role)) if each.startswith("ice-only")]
    assert what == f"ice-only: the peer does ICE, which was not {step}, and sends nothing without it"
