"""REFERs in the early dialogs of a forked INVITE: each dialog numbers its own, and is told of its own."""

import pytest

from sipcore.dialogs.refer import SIPFRAG, notification, told_status
from sipcore.errors import LocalError
from sipcore.events import CallNotified, CallRequested, ReferLapsed
from sipcore.message.build import Fields, Identity
from sipcore.message.build import request as build_request
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.uri import parse_uri
from sipcore.stack_config import StackConfig
from tests.sipcore.dialogs.test_forking import answered, calling, says, sent_to
from tests.sipcore.wire import ALICE, BOB, Wire, description

TALKATIVE = StackConfig(methods=("REFER",))
TARGET = ("Refer-To", "<sip:dave@192.0.2.9>")


def ringing() -> tuple[Wire, int]:
    """A call that two callees ring for."""
    wire, call = calling(config=TALKATIVE)
    for tag in "bc":
        says(wire, 180, tag)
    return wire, call


def asks(wire: Wire, tag: str, method: str, number: int, fields: Fields, body: bytes = b"") -> None:
    """A request of the callee with this tag."""
    invite = wire.alice.messages()[0]
    assert isinstance(invite, Request)
    identity = Identity(invite.to.with_tag(tag), invite.from_, invite.call_id, number)
    via = ("Via", f"SIP/2.0/UDP {BOB};branch=z9hG4bK{tag}{number}")
    told = [("Contact", f"<sip:{tag}@{BOB}>"), via, *fields]
    content_type = SIPFRAG if body else ""
    built = build_request(
        method, parse_uri(f"sip:{ALICE}"), identity, fields=told, body=body, content_type=content_type
    )
    wire.deliver(wire.alice, bytes(built))


def refers(wire: Wire, tag: str, number: int) -> None:
    """A REFER of one callee, which Alice agrees to."""
    asks(wire, tag, "REFER", number, [TARGET])
    asked = wire.alice.told(CallRequested)[-1]
    wire.alice.stack.respond(asked.key, build_response(asked.request, 202), wire.now)
    wire.pump()


def refer(wire: Wire, call: int, tag: str) -> int:
    """A REFER to one callee, who agrees to it; gives its ticket."""
    ticket = wire.alice.stack.request_within(call, "REFER", wire.now, fields=[TARGET], remote_tag=tag)
    wire.pump()
    answered(wire, 202)
    return ticket


def tells(wire: Wire, tag: str, number: int, status: int, event: str = "refer") -> str:
    """A callee tells of a REFER; gives how that is answered."""
    asks(wire, tag, "NOTIFY", number, *notification(status, event))
    return wire.alice.starts()[-1]


def notifications(wire: Wire) -> list[tuple[str | None, str | None, int | None]]:
    """To whom Alice told what: of which REFER, and which status."""
    sent = [message for message in wire.alice.messages() if isinstance(message, Request) and message.method == "NOTIFY"]
    return [(message.to_tag, message.headers.get("Event"), told_status(message)) for message in sent]


def test_each_callee_is_told_of_its_own_refer() -> None:
    """RFC 3515 §2.4.6: both are the first of their dialog, and have the same number there."""
    wire, call = ringing()
    for tag in "bc":
        refers(wire, tag, 5)
    refers(wire, "b", 6)
    for tag, number, status in (("b", 6, 486), ("c", 5, 180), ("b", 5, 200), ("c", 5, 603)):
        wire.alice.stack.notify_refer(call, status, wire.now, refer=number, remote_tag=tag)
    wire.pump()
    assert notifications(wire) == [
        ("b", "refer;id=6", 486),
        ("c", "refer", 180),
        ("b", "refer", 200),
        ("c", "refer", 603),
    ]
    with pytest.raises(LocalError, match="no REFER with CSeq 6"):
        wire.alice.stack.notify_refer(call, 200, wire.now, refer=6, remote_tag="c")


def test_whose_refer_is_meant_has_to_be_said_where_several_have_its_number() -> None:
    wire, call = ringing()
    for tag in "bc":
        refers(wire, tag, 5)
    with pytest.raises(LocalError, match="remote_tag: 'b', 'c'"):
        wire.alice.stack.notify_refer(call, 200, wire.now, refer=5)
    wire.alice.stack.notify_refer(call, 200, wire.now, remote_tag="c")
    wire.alice.stack.notify_refer(call, 486, wire.now, refer=5)  # only one is left
    wire.pump()
    assert notifications(wire) == [("c", "refer", 200), ("b", "refer", 486)]


def test_the_oldest_refer_is_told_of_to_whom_it_came_from() -> None:
    wire, call = ringing()
    refers(wire, "b", 5)
    refers(wire, "c", 5)
    for status in (200, 486):
        wire.alice.stack.notify_refer(call, status, wire.now)
    wire.pump()
    assert notifications(wire) == [("b", "refer", 200), ("c", "refer", 486)]


def test_a_refusal_of_one_refer_leaves_that_of_the_other_callee() -> None:
    wire, call = ringing()
    refers(wire, "b", 5)
    asks(wire, "c", "REFER", 5, [TARGET])
    asked = wire.alice.told(CallRequested)[-1]
    wire.alice.stack.respond(asked.key, build_response(asked.request, 603), wire.now)
    wire.alice.stack.notify_refer(call, 200, wire.now, refer=5)
    wire.pump()
    assert notifications(wire) == [("b", "refer", 200)]


def test_what_a_callee_tells_is_of_a_refer_to_itself() -> None:
    wire, call = ringing()
    tickets = {tag: refer(wire, call, tag) for tag in "bc"}
    sent = {message.to_tag: message.cseq.number for message in wire.alice.messages() if message.cseq.method == "REFER"}
    assert tells(wire, "c", 5, 180) == "200 NOTIFY"
    assert tells(wire, "c", 6, 200, f"refer;id={sent['b']}") == "481 NOTIFY"
    assert tells(wire, "b", 5, 486) == "200 NOTIFY"
    told = [(event.refer, told_status(event.request)) for event in wire.alice.told(CallNotified)]
    assert told == [(tickets["c"], 180), (tickets["b"], 486)]


def test_nothing_is_told_of_the_refers_of_a_callee_that_has_lost() -> None:
    """Nor does one that it has sent stand before that of the callee that has picked up."""
    wire, call = ringing()
    lost, _ = (refer(wire, call, tag) for tag in "bc")
    for tag in "bc":
        refers(wire, tag, 5)
    says(wire, 200, "c", body=description(BOB))
    assert [event.refer for event in wire.alice.told(ReferLapsed)] == [lost]
    wire.alice.stack.notify_refer(call, 200, wire.now)
    wire.pump()
    assert notifications(wire) == [("c", "refer", 200)]
    assert sent_to(wire, "b") == ["REFER"]
    with pytest.raises(LocalError, match="to be told of"):
        wire.alice.stack.notify_refer(call, 200, wire.now)
