"""An INVITE that a proxy forks: early dialogs side by side, and 2xx of more than one (RFC 3261 §13.2.2.4)."""

import pytest

from sipcore.dialogs.caller import MAX_FORKS
from sipcore.dialogs.effects import EndReason
from sipcore.events import CallAnswered, CallEnded, CallProgress, RequestFailed, ResponseReceived
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from tests.sipcore.wire import BOB, SDP, Wire, description


def calling(*, offer: bytes | None = None) -> tuple[Wire, int]:
    wire = Wire(lose=lambda _, data: True)  # there is no Bob: the tests write what several callees say
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
    bye = wire.alice.messages()[-1]
    assert isinstance(bye, Request)
    if status:
        wire.deliver(wire.alice, bytes(build_response(bye, status)))
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
