"""An INVITE that a proxy forks: early dialogs side by side, and 2xx of more than one (RFC 3261 §13.2.2.4)."""

from collections.abc import Callable

import pytest

from sipcore.dialogs.caller import MAX_FORKS
from sipcore.dialogs.early import MAX_PRACKS
from sipcore.dialogs.effects import EndReason
from sipcore.errors import LocalError
from sipcore.events import (
    CallAnswered,
    CallChanged,
    CallEnded,
    CallOffered,
    CallProgress,
    CallReceived,
    CallUnchanged,
    RequestFailed,
    ResponseReceived,
)
from sipcore.message.address import Address
from sipcore.message.build import Identity
from sipcore.message.build import request as build_request
from sipcore.message.build import response as build_response
from sipcore.message.fields.via import via_for
from sipcore.message.message import Request
from sipcore.message.uri import SipUri, parse_uri
from sipcore.stack_config import StackConfig
from sipcore.trace import TransitionTrace
from tests.sipcore.wire import ALICE, BOB, SDP, Wire, description

RELIABLE = ("Require", "100rel")
PLAIN = StackConfig()


def calling(*, offer: bytes | None = None, config: StackConfig = PLAIN) -> tuple[Wire, int]:
    wire = Wire(lose=lambda _, data: True, config=config)  # there is no Bob: the tests write what several callees say
    call = wire.call() if offer is None else wire.call(offer=offer)
    wire.run(0.1)
    return wire, call


def says(wire: Wire, status: int, tag: str, *fields: tuple[str, object], body: bytes = b"", cseq: str = "") -> None:
    """A response of the callee with this tag."""
    invite = wire.alice.messages()[0]
    assert isinstance(invite, Request)
    told = [("Contact", f"<sip:{tag}@{BOB}>"), *fields]
    built = build_response(invite, status, tag=tag, fields=told, body=body, content_type=SDP if body else "")
    wire.deliver(wire.alice, bytes(built))


def answered(wire: Wire, status: int, body: bytes = b"") -> None:
    """The response to the last request that was sent."""
    last = wire.alice.messages()[-1]
    assert isinstance(last, Request)
    wire.deliver(wire.alice, bytes(build_response(last, status, body=body, content_type=SDP if body else "")))


def sent_to(wire: Wire, tag: str) -> list[str]:
    """The methods of what was sent to one callee."""
    return [
        message.method for message in wire.alice.messages() if isinstance(message, Request) and message.to_tag == tag
    ]


def test_several_early_dialogs_one_answers() -> None:
    wire, call = calling()
    for tag in ("b", "c", "d"):
        says(wire, 180, tag)
    says(wire, 200, "c", body=description(BOB))
    assert [event.response.to_tag for event in wire.alice.told(CallProgress)] == ["b", "c", "d"]
    (answered,) = wire.alice.told(CallAnswered)
    assert answered.response.to_tag == "c"
    assert sent_to(wire, "c") == ["ACK"]
    assert wire.alice.stack.session(call).remote == description(BOB)
    wire.alice.stack.hang_up(call, wire.now)
    wire.pump()
    assert sent_to(wire, "c") == ["ACK", "BYE"]


def test_every_further_2xx_is_acknowledged_and_ended() -> None:
    wire, _ = calling()
    says(wire, 200, "b", body=description(BOB))
    for _ in range(2):
        says(wire, 200, "c", body=description(BOB))
    assert sent_to(wire, "b") == ["ACK"]
    assert sent_to(wire, "c") == ["ACK", "BYE", "ACK"]
    assert len(wire.alice.told(CallAnswered)) == 1
    acks = [
        data for (_, data), message in zip(wire.alice.sent, wire.alice.messages(), strict=True) if message.to_tag == "c"
    ]
    assert acks[0] == acks[2]


@pytest.mark.parametrize("status", [200, 481, 0])
def test_how_the_bye_to_a_further_callee_ends_is_nobodys_business(status: int) -> None:
    """Its answer, or that none comes, is no response to a request that the owner knows of."""
    wire, _ = calling()
    says(wire, 200, "b", body=description(BOB))
    says(wire, 200, "c", body=description(BOB))
    if status:
        answered(wire, status)
    wire.run(100)
    assert not [*wire.alice.told(ResponseReceived), *wire.alice.told(RequestFailed), *wire.alice.told(CallEnded)]


def test_a_further_2xx_with_an_offer_gets_a_refusing_answer() -> None:
    wire, call = calling(offer=b"")
    says(wire, 200, "b", body=description(BOB))
    wire.alice.stack.answer(call, description(BOB), wire.now)
    says(wire, 200, "c", body=description(BOB))
    ack = next(message for message in wire.alice.messages() if message.to_tag == "c")
    assert b"m=audio 0 RTP/AVP 0" in ack.body


def test_reliable_responses_are_counted_in_each_early_dialog() -> None:
    wire, _ = calling()
    for tag, number in (("b", 7), ("c", 900), ("b", 8), ("c", 900), ("c", 901)):
        says(wire, 180, tag, ("Require", "100rel"), ("RSeq", number))
    assert sent_to(wire, "b") == ["PRACK", "PRACK"]
    assert sent_to(wire, "c") == ["PRACK", "PRACK"]
    racks = [message.headers.get("RAck") for message in wire.alice.messages()[1:]]
    assert racks == ["7 1 INVITE", "900 1 INVITE", "8 1 INVITE", "901 1 INVITE"]


def test_a_callee_who_answers_no_prack_gets_a_few_only() -> None:
    """RFC 3262 §3: it has to wait for each. They are repeated to wherever its Contact says, whoever is there."""
    wire, _ = calling()
    for number in range(1, 2 * MAX_PRACKS):
        says(wire, 183, "b", RELIABLE, ("RSeq", number))
    assert sent_to(wire, "b") == ["PRACK"] * MAX_PRACKS
    says(wire, 183, "c", RELIABLE, ("RSeq", 1))
    assert sent_to(wire, "c") == ["PRACK"]
    answered(wire, 481)  # the one of another callee
    for number in (MAX_PRACKS + 1, MAX_PRACKS + 2):
        says(wire, 183, "b", RELIABLE, ("RSeq", number))
    assert sent_to(wire, "b") == ["PRACK"] * MAX_PRACKS
    first = next(message for message in wire.alice.messages() if message.to_tag == "b")
    assert isinstance(first, Request)
    wire.deliver(wire.alice, bytes(build_response(first, 200)))
    for number in (MAX_PRACKS + 1, MAX_PRACKS + 2):
        says(wire, 183, "b", RELIABLE, ("RSeq", number))
    assert sent_to(wire, "b") == ["PRACK"] * (MAX_PRACKS + 1)
    wire.run(33)  # nobody is going to answer the others
    says(wire, 183, "b", RELIABLE, ("RSeq", MAX_PRACKS + 2))
    assert sent_to(wire, "b")[-1] == "PRACK"
    assert wire.alice.messages()[-1].headers.get("RAck") == f"{MAX_PRACKS + 2} 1 INVITE"


def test_each_early_dialog_has_its_own_session() -> None:
    wire, call = calling()
    says(wire, 183, "b", body=description(BOB))
    second = description(BOB).replace(b"40000", b"50000")
    says(wire, 183, "c", body=second)
    assert wire.alice.stack.session(call).remote == second
    says(wire, 200, "b", body=description(BOB))
    assert wire.alice.stack.session(call).remote == description(BOB)


def test_there_is_a_bound_on_forks() -> None:
    wire, call = calling()
    for status in (180, 200):
        for number in range(3 * MAX_FORKS):
            says(wire, status, f"e{number}", body=description(BOB) if status == 200 else b"")
    assert len(wire.alice.sent) < 5 * MAX_FORKS
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(200)
    assert len(wire.alice.stack) == 0


@pytest.mark.parametrize("first", [180, 200])
def test_a_cancelled_call_that_others_answer(first: int) -> None:
    wire, call = calling()
    says(wire, 180, "b")
    wire.alice.stack.hang_up(call, wire.now)
    wire.pump()
    if first == 180:
        says(wire, 180, "c")
    says(wire, 200, "c", body=description(BOB))
    says(wire, 200, "d", body=description(BOB))
    assert sent_to(wire, "c") == ["ACK", "BYE"]
    assert sent_to(wire, "d") == ["ACK", "BYE"]
    wire.run(200)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.BYE_UNANSWERED]
    assert len(wire.alice.stack) == 0


def body_of(tag: str) -> bytes:
    """The session description of one callee, or what this side says to it: each has another port."""
    return description(BOB).replace(b"40000", str(50000 + ord(tag)).encode())


def offering(*tags: str) -> tuple[Wire, int]:
    """A call without offer, to which these callees have made one each in a reliable 183, in this order."""
    wire, call = calling(offer=b"", config=StackConfig(methods=("INFO",)))
    for tag in tags:
        says(wire, 183, tag, RELIABLE, ("RSeq", 1), body=body_of(tag))
    return wire, call


def updates(wire: Wire, tag: str, number: int) -> None:
    """An UPDATE with an offer from the callee with this tag, to whom the INVITE was forked."""
    invite = wire.alice.messages()[0]
    assert isinstance(invite, Request)
    identity = Identity(invite.to.with_tag(tag), invite.from_, invite.call_id, number)
    fields = [("Contact", f"<sip:{tag}@{BOB}>"), ("Via", f"SIP/2.0/UDP {BOB};branch=z9hG4bK{tag}{number}")]
    update = build_request(
        "UPDATE", parse_uri(f"sip:{ALICE}"), identity, fields=fields, body=body_of(tag), content_type=SDP
    )
    wire.deliver(wire.alice, bytes(update))


@pytest.mark.parametrize("order", ["bc", "cb"])
def test_each_offer_gets_its_own_answer(order: str) -> None:
    """RFC 3262 §5: the PRACK goes to whom the reliable 1xx came from, and says what is the answer to its offer."""
    wire, call = offering("b", "c")
    assert [event.remote_tag for event in wire.alice.told(CallOffered)] == ["b", "c"]
    for tag in order:
        wire.alice.stack.answer(call, body_of(tag), wire.now, remote_tag=tag)
        wire.pump()
    pracks = [message for message in wire.alice.messages() if message.cseq.method == "PRACK"]
    assert [(prack.to_tag, prack.body) for prack in pracks] == [(tag, body_of(tag)) for tag in order]
    for tag in order:
        session = wire.alice.stack.session(call, remote_tag=tag)
        assert (session.local, session.remote) == (body_of(tag), body_of(tag))
    says(wire, 200, "b")
    assert wire.alice.stack.session(call).remote == body_of("b")


def test_which_offer_is_meant_has_to_be_said_where_several_wait() -> None:
    wire, call = offering("b", "c")
    with pytest.raises(LocalError, match="remote_tag: 'b', 'c'"):
        wire.alice.stack.answer(call, body_of("b"), wire.now)
    with pytest.raises(LocalError, match="remote_tag"):
        wire.alice.stack.decline(call, wire.now)
    wire.alice.stack.answer(call, body_of("c"), wire.now, remote_tag="c")
    wire.alice.stack.answer(call, body_of("b"), wire.now)  # only one is left
    wire.pump()
    assert (sent_to(wire, "c"), sent_to(wire, "b")) == (["PRACK"], ["PRACK"])
    for tag in (None, "b"):
        with pytest.raises(LocalError, match="no offer"):
            wire.alice.stack.answer(call, body_of("b"), wire.now, remote_tag=tag)


def test_the_only_offer_is_meant_whoever_was_heard_of_last() -> None:
    wire, call = offering("b")
    says(wire, 180, "c")
    wire.alice.stack.answer(call, body_of("b"), wire.now)
    wire.pump()
    assert (sent_to(wire, "b"), sent_to(wire, "c")) == (["PRACK"], [])


@pytest.mark.parametrize("how", ["answer", "decline"])
def test_an_update_of_one_of_several_callees_is_answered_to_it(how: str) -> None:
    wire, call = calling(config=StackConfig(answers_offers=False))
    for tag in ("b", "c"):
        says(wire, 183, tag, RELIABLE, ("RSeq", 1), body=body_of(tag))
        answered(wire, 200)
    updates(wire, "b", 5)
    if how == "answer":
        wire.alice.stack.answer(call, body_of("x"), wire.now)
    else:
        wire.alice.stack.decline(call, wire.now)
    wire.pump()
    last = wire.alice.messages()[-1]
    assert (wire.alice.starts()[-1], last.from_tag) == (f"{200 if how == 'answer' else 488} UPDATE", "b")
    assert len(wire.alice.told(CallChanged)) == (how == "answer")
    updates(wire, "b", 6)
    updates(wire, "c", 7)
    with pytest.raises(LocalError, match="remote_tag: 'b', 'c'"):
        wire.alice.stack.answer(call, body_of("x"), wire.now)
    for tag in ("c", "b"):
        wire.alice.stack.answer(call, body_of("x"), wire.now, remote_tag=tag)
        wire.pump()
        assert wire.alice.messages()[-1].from_tag == tag


def test_the_prack_of_each_answer_may_bring_an_offer() -> None:
    wire, call = calling(config=StackConfig(acknowledges=False))
    for tag in "bc":
        says(wire, 183, tag, RELIABLE, ("RSeq", 1), body=body_of(tag))
    with pytest.raises(LocalError, match="remote_tag: 'b', 'c'"):
        wire.alice.stack.acknowledge(call, wire.now)
    wire.alice.stack.change(call, body_of("x"), wire.now, remote_tag="b")
    wire.alice.stack.acknowledge(call, wire.now)
    wire.pump()
    pracks = [message for message in wire.alice.messages() if message.cseq.method == "PRACK"]
    assert [(prack.to_tag, prack.body) for prack in pracks] == [("b", body_of("x")), ("c", b"")]
    says(wire, 200, "c")
    assert wire.alice.told(CallAnswered)
    assert len(wire.alice.told(CallUnchanged)) == 1


def test_what_is_asked_for_in_one_early_dialog_goes_into_that_one() -> None:
    wire, call = offering("b", "c")
    stack = wire.alice.stack
    for tag in "bc":
        stack.answer(call, body_of(tag), wire.now, remote_tag=tag)
    stack.request_within(call, "INFO", wire.now, remote_tag="b")
    stack.request_within(call, "INFO", wire.now)
    stack.change(call, body_of("x"), wire.now, remote_tag="b")
    wire.pump()
    assert sent_to(wire, "b") == ["PRACK", "INFO", "UPDATE"]
    assert sent_to(wire, "c") == ["PRACK", "INFO"]
    answered(wire, 200, body_of("y"))
    assert [(event.local, event.remote_tag) for event in wire.alice.told(CallChanged)] == [(True, "b")]
    assert stack.session(call, remote_tag="b").remote == body_of("y")
    assert stack.session(call, remote_tag="c").remote == body_of("c")


NAMED: dict[str, Callable[[Wire, int], object]] = {
    "session": lambda wire, call: wire.alice.stack.session(call, remote_tag="b"),
    "change": lambda wire, call: wire.alice.stack.change(call, b"", wire.now, remote_tag="b"),
    "answer": lambda wire, call: wire.alice.stack.answer(call, body_of("b"), wire.now, remote_tag="b"),
    "decline": lambda wire, call: wire.alice.stack.decline(call, wire.now, remote_tag="b"),
    "request": lambda wire, call: wire.alice.stack.request_within(call, "INFO", wire.now, remote_tag="b"),
}


@pytest.mark.parametrize("what", NAMED)
def test_an_early_dialog_that_has_lost_is_none_any_more(what: str) -> None:
    """Its answer must not go to the one that has won, whose 2xx makes an offer, too. Its own offer is refused."""
    wire, call = offering("b")
    says(wire, 200, "c", body=body_of("c"))
    with pytest.raises(LocalError, match="remote tag 'b'"):
        NAMED[what](wire, call)
    wire.alice.stack.answer(call, body_of("c"), wire.now, remote_tag="c")
    wire.pump()
    assert (sent_to(wire, "b"), sent_to(wire, "c")) == (["PRACK"], ["ACK"])


@pytest.mark.parametrize(("named", "status"), [("b", 481), ("c", None)])
def test_who_has_lost_cannot_have_the_call_of_another_replaced(named: str, status: int | None) -> None:
    """RFC 3891 §3: a dialog that is no more matches nothing, whoever is in the call by now."""
    wire, call = calling()
    says(wire, 180, "b")
    says(wire, 200, "c", body=description(BOB))
    replaces = f"call-1;to-tag=a1;from-tag={named}"
    callee = Address(SipUri("biloxi.example", "bob")).with_tag("d")
    identity = Identity(callee, Address(SipUri("atlanta.example", "alice")), "call-2")
    fields = [("Contact", f"<sip:bob@{BOB}>"), ("Replaces", replaces)]
    via = via_for("UDP", BOB.host, BOB.port, "z9hG4bK-replacing")
    uri = parse_uri(f"sip:alice@{ALICE}")
    invite = build_request("INVITE", uri, identity, via=via, fields=fields)
    wire.deliver(wire.alice, bytes(invite))
    assert [event.replaces for event in wire.alice.told(CallReceived)] == ([] if status else [call])
    assert wire.alice.starts()[2:] == ([f"{status} INVITE"] if status else [])


def test_a_change_in_an_early_dialog_that_has_lost_came_to_nothing() -> None:
    wire, call = offering("b", "c")
    wire.alice.stack.answer(call, body_of("b"), wire.now, remote_tag="b")
    wire.alice.stack.change(call, body_of("x"), wire.now, remote_tag="b")
    wire.pump()
    wire.alice.stack.answer(call, body_of("c"), wire.now)
    says(wire, 200, "c")
    assert [event.remote_tag for event in wire.alice.told(CallUnchanged)] == ["b"]
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(200)
    assert len(wire.alice.stack) == 0


def ask_within(wire: Wire, call: int, tag: str) -> None:
    wire.alice.stack.request_within(call, "INFO", wire.now, remote_tag=tag)


def change_within(wire: Wire, call: int, tag: str) -> None:
    wire.alice.stack.change(call, body_of("x"), wire.now, remote_tag=tag)


@pytest.mark.parametrize("ask", [ask_within, change_within])
@pytest.mark.parametrize("how", ["481", "408", "silence"])
def test_a_callee_who_is_gone_leaves_the_others_ringing(ask: Callable[[Wire, int, str], None], how: str) -> None:
    """RFC 3261 §12.2.1.2 ends a dialog for that, and the proxy keeps the refusal that ended it (§16.7)."""
    wire, call = offering("b", "c")
    for tag in "bc":
        wire.alice.stack.answer(call, body_of(tag), wire.now, remote_tag=tag)
    wire.pump()
    for tag in "bc":
        ask(wire, call, tag)
        wire.pump()
        if how == "silence":
            wire.run(40)
        else:
            answered(wire, int(how))
    assert "CANCEL" not in wire.alice.starts()
    assert not wire.alice.told(CallEnded)
    assert len(wire.alice.told(CallUnchanged)) == 2 * (ask is change_within)
    says(wire, 200, "c")
    assert wire.alice.told(CallAnswered)
    ask(wire, call, "c")
    wire.pump()
    answered(wire, 481)
    assert wire.alice.starts()[-1] == "BYE"  # there is nobody else any more


def test_the_only_callee_who_is_gone_ends_the_call() -> None:
    wire, call = offering("b")
    wire.alice.stack.answer(call, body_of("b"), wire.now)
    ask_within(wire, call, "b")
    wire.pump()
    answered(wire, 481)
    assert wire.alice.starts()[-1] == "CANCEL"


@pytest.mark.parametrize("status", [481, 0])
def test_a_callee_who_has_lost_and_knows_nothing_more_ends_no_call(status: int) -> None:
    """What was asked of it while it rang is answered, or is not, once another one has picked up."""
    wire, call = calling()
    for tag in ("b", "c"):
        says(wire, 180, tag)
    ticket = wire.alice.stack.request_within(call, "INFO", wire.now, remote_tag="c")
    wire.pump()
    asked = wire.alice.messages()[-1]
    assert isinstance(asked, Request)
    says(wire, 200, "b", body=description(BOB))
    if status:
        wire.deliver(wire.alice, bytes(build_response(asked, status)))
    wire.run(60)
    answers, failures = wire.alice.told(ResponseReceived), wire.alice.told(RequestFailed)
    assert [event.ticket for event in answers] + [event.ticket for event in failures] == [ticket]
    assert not wire.alice.told(CallEnded)
    assert "BYE" not in sent_to(wire, "b")


def test_the_2xx_has_the_last_word_on_the_way_of_its_dialog() -> None:
    """RFC 3261 §13.2.2.4: target and route set are made anew; and from then on a re-INVITE changes the session."""
    wire, call = calling()
    says(wire, 180, "b", ("Record-Route", "<sip:early@192.0.2.8;lr>"))
    says(wire, 200, "b", ("Record-Route", "<sip:late@192.0.2.9;lr>"), body=description(BOB))
    wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now)
    wire.pump()
    sent = [message for message in wire.alice.messages() if message.to_tag == "b"]
    assert [message.cseq.method for message in sent] == ["ACK", "INVITE"]
    assert [message.headers.get("Route") for message in sent] == ["<sip:late@192.0.2.9;lr>"] * 2


@pytest.mark.parametrize("later", [0.0, 1.0])
def test_that_the_dialog_of_a_late_callee_began_is_told_once(later: float) -> None:
    """It rings, loses to another one, and picks up all the same."""
    wire, _ = calling()
    for tag in ("b", "c"):
        says(wire, 180, tag)
    says(wire, 200, "c", body=description(BOB))
    wire.run(later)
    says(wire, 200, "b", body=description(BOB))
    says(wire, 200, "d", body=description(BOB))
    assert [sent_to(wire, tag) for tag in ("b", "c", "d")] == [["ACK", "BYE"], ["ACK"], ["ACK", "BYE"]]
    begun = [told.remote_tag for told in wire.alice.told(TransitionTrace) if told.input == "START" and told.remote_tag]
    assert begun == ["b", "c", "d"]
