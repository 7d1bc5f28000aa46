"""One request that comes by two ways: it is taken once, and each further copy is refused (RFC 3261 §8.2.2.2)."""

import pytest

from sipcore.dialogs.effects import EndReason
from sipcore.events import CallEnded, CallReceived, RequestReceived
from sipcore.message.build import ack_for_failure
from sipcore.message.build import response as build_response
from sipcore.message.message import Request, Response
from sipcore.message.parser import parse_message
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, Transport
from sipcore.stack_config import StackConfig
from tests.sipcore.wire import BOB, Wire

COPIES = 2


def sent_first(wire: Wire) -> Request:
    """What Alice sent first, which is on its way to Bob."""
    wire.pump()
    first = parse_message(wire.alice.sent[0][1])
    assert isinstance(first, Request)
    return first


def copies(first: Request) -> list[Request]:
    """What a proxy on the way makes of a request that it forks to Bob several times over."""
    branch = first.via.branch or ""
    return [first.with_header("Via", str(first.via).replace(branch, f"{branch}-{number}")) for number in range(COPIES)]


def answers(wire: Wire, request: Request) -> list[Response]:
    """Bob's answers to a request, by the branch of its Via."""
    sent = [message for message in wire.bob.messages() if isinstance(message, Response)]
    return [response for response in sent if response.via.branch == request.via.branch]


def test_a_call_that_is_forked_to_one_callee_rings_once() -> None:
    wire = Wire()
    wire.call()
    invite = sent_first(wire)
    wire.run(0.1)
    for copy in copies(invite):
        wire.deliver(wire.bob, bytes(copy))
    (received,) = wire.bob.told(CallReceived)
    wire.accept(received.call)
    wire.run(0.1)
    assert [response.status for response in answers(wire, invite)] == [200]
    for copy in copies(invite):
        (refusal,) = answers(wire, copy)
        assert refusal.status == 482
        wire.deliver(wire.bob, bytes(ack_for_failure(copy, refusal)))
    wire.run(40)
    assert [len(answers(wire, copy)) for copy in copies(invite)] == [1] * COPIES, "acknowledged, so not repeated"
    wire.bob.stack.hang_up(received.call, wire.now)
    wire.run(0.1)
    assert [event.reason for event in wire.alice.told(CallEnded)] == [EndReason.REMOTE_HANG_UP]


@pytest.mark.parametrize("answered", [False, True])
def test_of_another_request_the_owner_gets_one(answered: bool) -> None:
    """Answered or not, as long as its transaction lasts."""
    wire = Wire(config=StackConfig(passes_unknown=True))
    wire.alice.stack.request(Order(wire.request("PUBLISH"), Hop(Transport.UDP, BOB)), 0.0)
    publish = sent_first(wire)
    wire.run(0.1)
    (received,) = wire.bob.told(RequestReceived)
    if answered:
        wire.bob.stack.respond(received.key, build_response(received.request, 200), wire.now)
    for copy in copies(publish):
        wire.deliver(wire.bob, bytes(copy))
    assert len(wire.bob.told(RequestReceived)) == 1
    assert [[response.status for response in answers(wire, copy)] for copy in copies(publish)] == [[482]] * COPIES
