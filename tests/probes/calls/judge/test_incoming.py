"""The verdict on calls that came in: seen from the callee, what the caller and the network do wrong."""

from dataclasses import replace

import pytest

from probes.calls.judge.facts import CallFacts
from probes.calls.judge.find import find, status_of
from probes.calls.judge.media_facts import MediaFacts
from probes.findings.finding import Severity
from probes.result import CallRole, CallStatus
from sipcore.resolve.target import SocketAddress
from tests.probes.calls.judge.said import (
    ACK,
    ANSWER,
    BYE,
    BYE_OK,
    CONTACT,
    FLOW,
    OFFER,
    facts,
    request,
    response,
)

INVITE = request("INVITE", "Contact: <sip:alice@203.0.113.1>", body=OFFER)
OK = response("200 OK", CONTACT, body=ANSWER)
WELL = (INVITE, response("180 Ringing", CONTACT), OK, ACK, BYE, BYE_OK)
HELD = OFFER + "a=inactive\n"


def came_in(*said: tuple[bool, str], media: MediaFacts | None = None, pace: float = 2.0, **told: object) -> CallFacts:
    """A call, told as the caller saw it, seen from the callee."""
    return facts(*((not sent, text) for sent, text in said), media=media, pace=pace, role=CallRole.CALLEE, **told)


def codes(call: CallFacts) -> list[str]:
    return [finding.code for finding in find(call)]


def test_a_call_that_is_well() -> None:
    call = came_in(*WELL, media=FLOW)
    assert codes(call) == []
    assert status_of(call) is CallStatus.CONNECTED
    assert call.due == 4.0


def with_offer(body: str, *fields: str) -> tuple[tuple[bool, str], ...]:
    return (request("INVITE", *(fields or ("Contact: <sip:alice@203.0.113.1>",)), body=body), *WELL[1:])


MUTE = replace(FLOW, received=0, sent=0)
_SWAPPED = response("481 No", method="BYE", cseq=2, host="198.51.100.1")[1]
_SWAPPED = _SWAPPED.replace("sip:alice@192.0.2.1", "sip:bob@192.0.2.1").replace("To: <sip:bob@", "To: <sip:alice@")
REFUSAL = True, _SWAPPED
"""What the caller answers to the BYE of the callee."""
CALLS = {
    "nobody called": ((), None, {"why": "no call came within 1 s"}, "no-call-came"),
    "nothing in common": ((INVITE, response("488 No")), None, {"media_problem": "no codec"}, "offer-not-accepted"),
    "gave up": ((INVITE, request("CANCEL"), response("487 No")), None, {}, "caller-gave-up"),
    "no ACK": ((INVITE, OK, OK, OK), None, {"ended_by": "the ACK never came"}, "ack-not-received"),
    "no ACK before the BYE": ((INVITE, OK, OK, BYE, BYE_OK), None, {}, "ack-not-received"),
    "nothing described": ((*with_offer("")[:2], OK, ACK, BYE, BYE_OK), None, {}, "caller-describes-nothing"),
    "private Contact": (with_offer(OFFER, "Contact: <sip:alice@10.0.0.1>"), FLOW, {}, "contact-narrow"),
    "no Contact": (with_offer(OFFER, "X: 1"), FLOW, {}, "contact-missing"),
    "private media": (with_offer(OFFER.replace("IP4 192.0.2.1", "IP4 10.0.0.1")), MUTE, {}, "sdp-private-address"),
    "holds at once": (with_offer(HELD), MUTE, {}, "media-held"),
    "sends nothing": (WELL, MUTE, {}, "no-rtp-in"),
    "stops": (WELL, replace(FLOW, stalled=True), {}, "rtp-stops"),
    "loss": (WELL, replace(FLOW, loss=0.1), {}, "rtp-loss"),
    "BYE refused": (
        (INVITE, OK, ACK, request("BYE", cseq=2, sent=False), REFUSAL),
        None,
        {},
        "bye-refused",
    ),
    "BYE lost": ((INVITE, OK, ACK, request("BYE", cseq=2, sent=False)), None, {}, "bye-lost"),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_wrong_comes_first(name: str) -> None:
    said, media, told, code = CALLS[name]
    found = find(came_in(*said, media=media, **told))  # type: ignore[arg-type]  # what a call knows of itself
    assert [finding.code for finding in found][:1] == [code]
    assert found[0].cure


def test_what_was_refused_on_purpose_is_no_fault() -> None:
    assert codes(came_in(INVITE, response("486 Busy Here"), ACK)) == []
    assert codes(came_in(INVITE, response("403 Forbidden"), ACK)) == []


def test_a_caller_that_offers_in_its_ack() -> None:
    ack = request("ACK", body=OFFER)
    call = came_in(*with_offer("")[:2], OK, ack, BYE, BYE_OK, media=FLOW)
    assert codes(call) == []
    assert call.remote_description is not None


def test_an_ack_whose_description_cannot_be_read_has_one() -> None:
    call = came_in(
        *(*with_offer("")[:2], OK, request("ACK", body="v=garbage\n"), BYE, BYE_OK), media_problem="no number"
    )
    (finding,) = find(call)
    assert (finding.code, finding.what) == (
        "caller-describes-nothing",
        "the session description in its ACK cannot be read: no number",
    )


def test_a_caller_that_is_nowhere_may_send_from_anywhere() -> None:
    nowhere = with_offer(OFFER.replace("IP4 192.0.2.1", "IP4 0.0.0.0"))
    announced = SocketAddress("0.0.0.0", 4000)  # nothing is bound to it
    assert codes(came_in(*nowhere, media=replace(FLOW, announced=announced))) == ["media-held"]


def test_an_ack_that_came_late_is_a_warning() -> None:
    (finding,) = find(came_in(INVITE, OK, OK, OK, ACK, BYE, BYE_OK))
    assert (finding.code, finding.severity) == ("ack-not-received", Severity.WARNING)


def test_too_short_to_miss_anything() -> None:
    assert codes(came_in(*WELL, media=MUTE, pace=0.3)) == ["hung-up-at-once"]
