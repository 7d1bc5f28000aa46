"""What the responder decides to do, as plans."""

import math
from typing import Any

import pytest

from probes.calls.script import Reliable
from probes.responder.personas import (
    MANNERS,
    Accept,
    Guard,
    HangUp,
    Manner,
    Persona,
    Provisional,
    Reply,
    Step,
    Wait,
    accepts_sdp,
    answer_options,
    plan_call,
    refuse_method,
)
from sipcore.auth.server import ServerPolicy, UserTable
from sipcore.errors import LocalError, UnsafeValue
from sipcore.message.uri import parse_uri
from sipcore.sdp.attributes import G722, G729, PCMA, PCMU
from sipcore.stack_config import StackConfig
from tests.probes.responder.requests import invite, offer, request

ALLOW = "INVITE, ACK"
ANSWERED: tuple[Step, ...] = (Accept(), Wait(None))


@pytest.mark.parametrize(
    ("user", "steps"),
    [
        ("echo", ANSWERED),
        ("anybody", ANSWERED),
        ("ECHO", ANSWERED),
        ("299", ANSWERED),
        ("700", ANSWERED),
        ("ringecho", (Provisional(180), Wait(1.0), *ANSWERED)),
        ("ring", (Provisional(180), Wait(None))),
        ("early", (Provisional(183, describes=True), Wait(3.0), *ANSWERED)),
        ("hangup", (Accept(), Wait(2.0), HangUp())),
        ("busy", (Reply(486),)),
        ("%62usy", (Reply(486),)),
        ("reject", (Reply(403),)),
        ("unknown", (Reply(404),)),
        ("congestion", (Reply(503),)),
        ("603", (Reply(603),)),
    ],
)
def test_the_called_user_selects_a_manner(user: str, steps: tuple[Step, ...]) -> None:
    assert plan_call(Persona(), invite(user)).steps == steps


def test_every_manner_has_a_plan() -> None:
    assert all(plan_call(Persona(), invite(user)).steps for user in MANNERS)


def test_a_uri_without_a_user_is_answered() -> None:
    assert plan_call(Persona(), request("INVITE", "tel:+12025550143", body=offer())).steps == ANSWERED


@pytest.mark.parametrize(
    ("manner", "steps"),
    [
        (Manner(), ANSWERED),
        (Manner(ring=2.5), (Provisional(180), Wait(2.5), *ANSWERED)),
        (Manner(ring=0.0), (Provisional(180), *ANSWERED)),
        (Manner(delay=1.0, ring=2.0), (Wait(1.0), Provisional(180), Wait(2.0), *ANSWERED)),
        (Manner(early_media=True), (Provisional(183, describes=True), *ANSWERED)),
        (Manner(status=None), (Wait(None),)),
        (Manner(status=603, ring=1.0), (Provisional(180), Wait(1.0), Reply(603))),
        (Manner(hang_up_after=0.0), (Accept(), Wait(0.0), HangUp())),
        (
            Manner(status=302, contact=parse_uri("sip:bob@example.com;lr")),
            (Reply(302, (("Contact", "<sip:bob@example.com;lr>"),)),),
        ),
    ],
)
def test_a_manner_of_its_own_comes_before_the_called_user(manner: Manner, steps: tuple[Step, ...]) -> None:
    assert plan_call(Persona(manner), invite("busy")).steps == steps


@pytest.mark.parametrize("status", [0, 100, 199, 201, 299, 700, -486])
def test_no_call_is_refused_with_what_is_no_refusal(status: int) -> None:
    with pytest.raises(LocalError, match="300 to 699"):
        Manner(status=status)


@pytest.mark.parametrize("times", [{"ring": -1.0}, {"delay": -0.1}, {"hang_up_after": -1.0}, {"ring": float("nan")}])
def test_no_time_is_negative(times: dict[str, float]) -> None:
    with pytest.raises(LocalError, match="0 or more"):
        Manner(**times)  # type: ignore[arg-type]


def test_a_persona_is_fit_to_be_sent() -> None:
    with pytest.raises(UnsafeValue):
        Persona(server="a\r\nEvil: 1")
    with pytest.raises(UnsafeValue):
        Persona(guard=Guard(ServerPolicy("a\nb"), UserTable({})))
    with pytest.raises(LocalError, match="codec"):
        Persona(codecs=())
    for seconds in (math.nan, math.inf, -1.0, 0.0):
        with pytest.raises(LocalError, match="no call can be hung up after"):
            Persona(longest=seconds)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ptime": 0.0}, "a packet cannot bring 0 ms; 10 to 100 can be"),
        ({"ptime": math.nan}, "a packet cannot bring nan ms"),
        ({"digits": "12x"}, "digits are up to 64 of"),
        ({"digits": "1" * 65}, "digits are up to 64 of"),
        ({"headers": (("Via", "x"),)}, "Via is written by the call itself"),
        ({"headers": (("Server", "x"),)}, "Server is written by the responder itself"),
        ({"headers": (("X-A", "a\r\nb"),)}, "is not printable ASCII"),
    ],
)
def test_what_a_call_cannot_have(given: dict[str, Any], said: str) -> None:
    with pytest.raises(LocalError, match=said):
        Persona(**given)


@pytest.mark.parametrize(
    ("reliable", "fields", "reply"),
    [
        (Reliable.OFF, ["Require: 100rel"], Reply(420, (("Unsupported", "100rel"),))),
        (Reliable.REQUIRED, [], Reply(421, (("Require", "100rel"),))),
        (Reliable.OFF, ["Supported: 100rel"], None),
        (Reliable.ON, ["Require: 100rel"], None),
        (Reliable.ON, [], None),
        (Reliable.REQUIRED, ["Require: 100rel"], None),
        (Reliable.REQUIRED, ["Supported: timer, 100rel"], None),
    ],
)
def test_who_cannot_acknowledge_or_must_is_refused(reliable: Reliable, fields: list[str], reply: Reply | None) -> None:
    plan = plan_call(Persona(Manner(ring=1.0), reliable=reliable), request("INVITE", "sip:a@b", *fields, body=offer()))
    if reply is not None:
        assert plan.steps == (reply,)
        assert plan.problem
    else:
        assert plan.steps[0] == Provisional(180, reliably=Persona(reliable=reliable).reliably)


def test_digits_are_not_cut_off() -> None:
    plan = plan_call(Persona(Manner(hang_up_after=1.0), digits="1234567890"), invite())
    wait = plan.steps[1]
    assert isinstance(wait, Wait)
    assert wait.seconds == pytest.approx(4.2)


def test_a_packet_time_is_asked_for() -> None:
    plan = plan_call(Persona(ptime=40), invite())
    assert plan.choice is not None
    assert plan.choice.ptime == 40


def test_offer_and_choice_go_with_the_plan() -> None:
    plan = plan_call(Persona(codecs=(PCMA,)), invite())
    assert plan.choice is not None
    assert plan.choice.codec == PCMA
    assert plan.offer is not None


def test_without_an_offer_the_responder_offers() -> None:
    plan = plan_call(Persona(Manner(early_media=True)), invite(body=b""))
    assert (plan.offer, plan.choice) == (None, None)
    # RFC 3261 §13.2.1: an offer has no place in a 1xx that can get lost.
    assert plan.steps == (Provisional(183, describes=False), *ANSWERED)


def test_no_common_codec() -> None:
    (step,) = plan_call(Persona(codecs=(G722, G729)), invite()).steps
    assert isinstance(step, Reply)
    assert step.status == 488
    assert [(name, str(text)) for name, text in step.fields] == [
        ("Warning", '305 sipprobe "none of the codecs here: G722, G729"')
    ]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"hello", "text/plain", 415),
        (b"v=0", "", 415),
        (b"v=0", "?", 400),
        (b"x=0\r\n", "application/sdp", 400),
        (b"v=1\r\n", "application/sdp", 488),
    ],
)
def test_a_body_that_cannot_be_used(body: bytes, content_type: str, status: int) -> None:
    (step,) = plan_call(Persona(), invite(body=body, content_type=content_type)).steps
    assert isinstance(step, Reply)
    assert step.status == status
    assert step.fields == ((("Accept", "application/sdp"),) if status == 415 else ())


def test_options() -> None:
    reply = answer_options(Persona(), request("OPTIONS", "sip:192.0.2.4"), ALLOW)
    assert reply == Reply(200, (("Allow", ALLOW), ("Accept", "application/sdp"), ("Supported", "")), describes=True)


@pytest.mark.parametrize(("user", "status"), [("busy", 486), ("ring", 200), ("early", 200), ("404", 404)])
def test_options_is_answered_as_a_call_would_be(user: str, status: int) -> None:
    reply = answer_options(Persona(), request("OPTIONS", f"sip:{user}@192.0.2.4"), ALLOW)
    assert (reply.status, reply.describes) == (status, status == 200)


def test_options_of_one_that_moved() -> None:
    moved = Persona(Manner(status=302, contact=parse_uri("sip:bob@example.com")))
    reply = answer_options(moved, request("OPTIONS", "sip:192.0.2.4"), ALLOW)
    assert ("Contact", "<sip:bob@example.com>") in reply.fields


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        ([], True),
        (["Accept:"], False),
        (["Accept: application/sdp"], True),
        (["Accept: application/SDP;level=1"], True),
        (["Accept: text/plain"], False),
        (["Accept: text/plain, application/*"], True),
        (["Accept: */*"], True),
        (["Accept: */*;q=0"], False),
        (["Accept: */*, application/sdp;q=0"], False),
        (["Accept: */*;q=0, application/sdp;q=0.1"], True),
        (["Accept: ???"], False),
    ],
)
def test_a_session_description_comes_where_it_is_accepted(accept: list[str], accepted: bool) -> None:
    assert accepts_sdp(request("OPTIONS", "sip:192.0.2.4", *accept)) is accepted


def test_other_methods() -> None:
    assert refuse_method(ALLOW) == Reply(405, (("Allow", ALLOW),))


def test_offers_are_chosen_from_in_the_order_of_the_offer() -> None:
    plan = plan_call(Persona(codecs=(PCMU, PCMA)), invite(body=offer(G729, PCMA, PCMU)))
    assert plan.choice is not None
    assert plan.choice.codec == PCMA


def test_a_caller_that_asks_for_an_offer_is_offered_all_codecs_of_the_persona() -> None:
    """RFC 3261 §14.2."""
    persona = Persona()
    assert persona.manner_of(StackConfig().manner).codecs == persona.codecs != ()
