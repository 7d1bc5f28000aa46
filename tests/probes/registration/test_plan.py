"""What is asked next, by what has come back: values and tables, no network."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.destination import Destination
from probes.registration.plan import (
    CANNOT_TELL,
    MAX_LEAST,
    Question,
    RegistrationProbe,
    Reply,
    Step,
    contacts_in,
    least_of,
    next_question,
    own_in,
)
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.message.address import Address
from sipcore.message.message import Response
from sipcore.message.parser import parse_message

PROBE = RegistrationProbe(Destination.parse("sip:alice@192.0.2.1:5070;transport=tcp"))
OWN = Address.parse("<sip:alice@192.0.2.9:5060>")
OTHER = "Contact: <sip:alice@198.51.100.7>;expires=300"
SILENCE = TransportFailure(FailureReason.TIMED_OUT, "no answer", section="RFC 3261 §17.1.2")


def response(status: int, *fields: str) -> Response:
    lines = [
        f"SIP/2.0 {status} Told",
        "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1",
        "From: <sip:alice@192.0.2.1>;tag=a",
        "To: <sip:alice@192.0.2.1>;tag=b",
        "Call-ID: 1@192.0.2.9",
        "CSeq: 1 REGISTER",
        *fields,
        "Content-Length: 0",
    ]
    told = parse_message(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape"))
    assert isinstance(told, Response)
    return told


def asked(status: int, *fields: str) -> Reply:
    return Reply(Question(Step.ASK), 0.1, response(status, *fields))


def bound(status: int, *fields: str, expires: int = 60) -> Reply:
    return Reply(Question(Step.BIND, expires), 0.1, response(status, *fields), contact=OWN, authenticated=True)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"destination": Destination.parse("example.com")}, "whom to register"),
        ({"expires": 0}, "for a second at least"),
        ({"timeout": 0.0}, "above 0 s"),
        ({"timeout": float("nan")}, "above 0 s"),
        ({"timeout": float("inf")}, "above 0 s"),
    ],
)
def test_what_cannot_be_asked(changed: dict[str, object], told: str) -> None:
    with pytest.raises(LocalError, match=told):
        replace(PROBE, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("probe", "replies", "question"),
    [
        (PROBE, [], Question(Step.ASK)),
        (PROBE, [asked(200)], Question(Step.BIND, 60)),
        (replace(PROBE, asks_only=True), [asked(200)], None),
        (replace(PROBE, asks_only=True, beside=True), [asked(200, OTHER)], None),
        (PROBE, [asked(200, OTHER)], None),
        (replace(PROBE, beside=True, expires=9), [asked(200, OTHER)], Question(Step.BIND, 9)),
        (PROBE, [asked(403)], None),
        (replace(PROBE, beside=True), [asked(403)], None),
        (PROBE, [asked(400)], None),
        *((replace(PROBE, beside=True), [asked(status)], Question(Step.BIND, 60)) for status in CANNOT_TELL),
        (replace(PROBE, beside=True), [Reply(Question(Step.ASK), 8.0)], None),
        (PROBE, [Reply(Question(Step.ASK), 1.0, failure=SILENCE)], None),
        (PROBE, [asked(200), bound(200)], Question(Step.REMOVE)),
        (PROBE, [asked(200), bound(403)], None),
        (PROBE, [asked(200), Reply(Question(Step.BIND, 60), 8.0)], Question(Step.REMOVE)),
        (PROBE, [asked(200), Reply(Question(Step.BIND, 60), 8.0, failure=SILENCE)], Question(Step.REMOVE)),
        (PROBE, [asked(200), bound(423, "Min-Expires: 600")], Question(Step.BIND, 600)),
        (PROBE, [asked(200), bound(423, "Min-Expires: 600", expires=600)], None),
        (PROBE, [asked(200), bound(423, f"Min-Expires: {MAX_LEAST + 1}")], None),
        (PROBE, [asked(200), bound(423)], None),
        (PROBE, [asked(200), bound(200), Reply(Question(Step.REMOVE), 0.1, response(200))], None),
    ],
)
def test_what_comes_next(probe: RegistrationProbe, replies: list[Reply], question: Question | None) -> None:
    assert next_question(probe, replies) == question


REPLIES = st.sampled_from([(200, ()), (200, (OTHER,)), (400, ()), (403, ()), (423, ("Min-Expires: 90",)), (423, ())])


@given(st.booleans(), st.booleans(), st.lists(REPLIES | st.none(), min_size=9, max_size=9))
def test_it_comes_to_an_end_and_leaves_nothing(
    asks_only: bool, beside: bool, told: list[tuple[int, tuple[str, ...]] | None]
) -> None:
    probe = replace(PROBE, asks_only=asks_only, beside=beside)
    replies: list[Reply] = []
    for each in told:
        question = next_question(probe, replies)
        if question is None:
            break
        said = response(each[0], *each[1]) if each is not None else None
        replies.append(Reply(question, 0.1, said, contact=OWN))
    steps = [reply.question.step for reply in replies]
    assert len(steps) <= 4
    assert steps[0] is Step.ASK
    assert not asks_only or steps == [Step.ASK]
    may_be_bound = [
        number
        for number, reply in enumerate(replies)
        if reply.question.step is Step.BIND and (reply.response is None or reply.is_success)
    ]
    assert all(steps[number + 1 :] == [Step.REMOVE] for number in may_be_bound)
    others = replies[0].is_success and contacts_in(replies[0])
    assert Step.BIND not in steps or beside or not others


def test_what_is_listed() -> None:
    reply = bound(200, OTHER, "Contact: <sip:alice@192.0.2.9>;expires=60")
    assert [str(each.uri) for each in contacts_in(reply)] == ["sip:alice@198.51.100.7", "sip:alice@192.0.2.9"]
    assert own_in(reply, Address.parse("<sip:alice@192.0.2.9>")) == contacts_in(reply)[1]
    assert own_in(reply, OWN) is None  # another port is another place (RFC 3261 §19.1.4)
    assert contacts_in(bound(403, OTHER)) == ()
    assert contacts_in(bound(200, "Contact: <")) == ()
    assert contacts_in(bound(200, "Contact: *")) == ()
    assert contacts_in(Reply(Question(Step.ASK), 1.0)) == ()
    assert own_in(reply, None) is None


def test_the_shortest_interval() -> None:
    assert least_of(bound(423, "Min-Expires: 90")) == 90
    assert least_of(bound(423, "Min-Expires: soon")) == 0
    assert least_of(bound(400, "Min-Expires: 90")) == 0
    assert least_of(Reply(Question(Step.BIND, 60), 1.0)) == 0


def test_who_expects_somebody_only_asks() -> None:
    probe = RegistrationProbe(PROBE.destination, expects_contact=True)
    assert next_question(probe, []) == Question(Step.ASK)
    assert next_question(probe, [asked(200)]) is None
    with pytest.raises(LocalError, match="leave one out"):
        RegistrationProbe(PROBE.destination, expects_contact=True, beside=True)
