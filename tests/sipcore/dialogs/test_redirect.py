"""Calls that are sent on (RFC 3261 §8.1.3.4): in the order of q, each place once, and never further than allowed."""

import pytest

from sipcore.dialogs.redirect import Redirects
from sipcore.errors import FailureReason, TransportFailure
from sipcore.events import (
    CallAnswered,
    CallEnded,
    CallFailed,
    CallOffered,
    CallReceived,
    CallRedirected,
    CallUnchanged,
    ReferLapsed,
)
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Flow, Hop, Transport
from sipcore.stack_config import StackConfig
from tests.sipcore.wire import ALICE, BOB, SDP, Wire, description


def targets(first: str, limit: int, *contacts: str) -> list[str]:
    redirects = Redirects(parse_uri(first), limit)
    redirects.take(build_response(Wire().request("INVITE"), 302, fields=[("Contact", text) for text in contacts]))
    found = []
    while (onward := redirects.next()) is not None:
        found.append(str(onward.uri))
    return found


@pytest.mark.parametrize(
    ("first", "limit", "contacts", "expected"),
    [
        ("sip:a@x", 5, ("<sip:b@y>",), ["sip:b@y"]),
        ("sip:a@x", 0, ("<sip:b@y>",), []),
        ("sip:a@x", 5, ("<sip:b@y>;q=0.2", "<sip:c@y>;q=0.9", "<sip:d@y>"), ["sip:d@y", "sip:c@y", "sip:b@y"]),
        ("sip:a@x", 2, ("<sip:b@y>", "<sip:c@y>", "<sip:d@y>"), ["sip:b@y", "sip:c@y"]),
        ("sip:a@x", 5, ("<sip:a@x>", "<sip:b@y>", "<sip:b@y>"), ["sip:b@y"]),
        ("sip:a@x", 5, ("<tel:+123>", "<mailto:b@y>", "<http://y/>", "<sip:b@y>"), ["sip:b@y"]),
        ("sips:a@x", 5, ("<sip:b@y>", "<sips:c@y>"), ["sips:c@y"]),
        ("sip:a@x", 5, ("<sip:b@y;method=REFER?Route=%3Csip:z%3E>",), ["sip:b@y"]),
        ("sip:a@x", 5, ("<sip:b@y>;q=nonsense",), ["sip:b@y"]),
        ("sip:a@x", 5, ("<sip:b@y>;q=0.1", "<sip:c@y>;q=nan", "<sip:d@y>;q=0.9"), ["sip:c@y", "sip:d@y", "sip:b@y"]),
        ("sip:a@x", 5, ("<sip:b@y>;q=0.1", "<sip:c@y>;q=1e9"), ["sip:c@y", "sip:b@y"]),
        ("sip:a@x", 5, ("*",), []),
        ("sip:a@x", 5, ("<<<",), []),
        ("sip:a@x", 5, (), []),
    ],
)
def test_where_it_goes(first: str, limit: int, contacts: tuple[str, ...], expected: list[str]) -> None:
    assert targets(first, limit, *contacts) == expected


def redirected(wire: Wire, *contacts: str, status: int = 302) -> None:
    wire.run(0.1)
    call = wire.bob.told(CallReceived)[-1].call
    wire.bob.stack.reject(call, status, wire.now, fields=[("Contact", text) for text in contacts])
    wire.run(0.1)


def test_a_call_goes_on_where_it_is_sent() -> None:
    wire = Wire()
    wire.call(redirects=3)
    redirected(wire, f"<sip:carol@{BOB}>")
    (moved,) = wire.alice.told(CallRedirected)
    assert str(moved.target) == f"sip:carol@{BOB}"
    invites = [
        message for message in wire.alice.messages() if isinstance(message, Request) and message.method == "INVITE"
    ]
    assert [str(message.uri) for message in invites] == [f"sip:bob@{BOB}", f"sip:carol@{BOB}"]
    assert [message.cseq.number for message in invites] == [1, 2]
    assert len({(message.call_id, str(message.from_), str(message.to)) for message in invites}) == 1
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(0.1)
    assert wire.alice.told(CallAnswered)


def test_a_call_goes_to_the_same_place_by_the_proxy_that_it_names() -> None:
    """RFC 3261 §21.3.4: a 305 gives the proxy, not another place."""
    wire = Wire()
    wire.call(redirects=1)
    redirected(wire, f"<sip:{BOB};lr>", status=305)
    first, second = (message for message in wire.alice.messages() if message.cseq.method == "INVITE")
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert first.uri_text == second.uri_text
    assert wire.bob.told(CallReceived)[-1].invite.cseq.number == 2


def test_a_route_that_was_set_beforehand_stays() -> None:
    """RFC 3261 §8.1.2: the proxy that a Route names comes first, wherever the call is sent on to."""
    wire = Wire()
    invite = wire.request("INVITE").with_header("Route", f"<sip:{BOB};lr>")
    wire.alice.stack.call(Order(invite, Hop(Transport.UDP, BOB), "alice"), wire.now, redirects=1)
    redirected(wire, "<sip:carol@chicago.example>")
    again = wire.bob.told(CallReceived)[-1].invite
    assert str(again.uri) == "sip:carol@chicago.example"
    assert again.headers.get_all("Route") == [f"<sip:{BOB};lr>"]


def test_the_next_place_is_tried_when_one_fails() -> None:
    wire = Wire()
    wire.call(redirects=3)
    redirected(wire, f"<sip:carol@{BOB}>", f"<sip:dave@{BOB}>;q=0.5")
    redirected(wire, status=404)
    (_, moved) = wire.alice.told(CallRedirected)
    assert (str(moved.target), moved.response.status if moved.response else 0) == (f"sip:dave@{BOB}", 404)
    redirected(wire, status=404)
    (failed,) = wire.alice.told(CallFailed)
    assert failed.response
    assert failed.response.status == 404
    wire.run(200)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


@pytest.mark.parametrize(("redirects", "status"), [(0, 302), (3, 603)])
def test_a_call_that_may_not_go_on_fails(redirects: int, status: int) -> None:
    wire = Wire()
    wire.call(redirects=redirects)
    redirected(wire, f"<sip:carol@{BOB}>", status=status)
    assert not wire.alice.told(CallRedirected)
    (failed,) = wire.alice.told(CallFailed)
    assert failed.response
    assert failed.response.status == status


def test_a_circle_ends() -> None:
    wire = Wire()
    wire.call(redirects=20)
    for name in ("carol", "bob", "carol"):
        redirected(wire, f"<sip:{name}@{BOB}>")
        if wire.alice.told(CallFailed):
            break
    assert len(wire.alice.told(CallFailed)) == 1
    assert len(wire.alice.told(CallRedirected)) == 1


def test_a_place_that_cannot_be_reached_is_passed_over() -> None:
    wire = Wire()
    wire.call(redirects=3)
    redirected(wire, "<sip:carol@biloxi.example;transport=carrier-pigeon>", f"<sip:dave@{BOB}>;q=0.5")
    assert [str(event.target) for event in wire.alice.told(CallRedirected)][-1] == f"sip:dave@{BOB}"
    wire.accept(wire.bob.told(CallReceived)[-1].call)
    wire.run(0.1)
    assert wire.alice.told(CallAnswered)


def rings(wire: Wire) -> int:
    """Bob rings with a session, which is agreed on before he has picked up; gives his number of the call."""
    wire.run(0.1)
    call = wire.bob.told(CallReceived)[-1].call
    wire.bob.stack.ring(call, 183, wire.now, body=description(BOB), content_type=SDP)
    wire.run(0.1)
    return call


def test_a_change_ends_with_the_dialog_that_the_call_leaves() -> None:
    """Whoever waits for it is told, and the next place can be asked for another."""
    wire = Wire()
    call = wire.call(redirects=1)
    rings(wire)
    wire.lose = lambda ordinal, data: data.startswith(b"UPDATE")
    tag = wire.alice.stack.change(call, wire.alice.stack.session(call).renewed(), wire.now)
    redirected(wire, f"<sip:carol@{BOB}>")
    (unchanged,) = wire.alice.told(CallUnchanged)
    assert unchanged.remote_tag == tag
    assert wire.alice.events.index(unchanged) < wire.alice.events.index(wire.alice.told(CallRedirected)[0])


def test_an_offer_is_refused_in_the_dialog_that_the_call_leaves() -> None:
    """A request that nobody answers keeps its transaction for good."""
    wire = Wire(config=StackConfig(answers_offers=False), bobs_config=StackConfig())
    call = wire.call(redirects=1)
    at_bob = rings(wire)
    wire.bob.stack.change(at_bob, wire.bob.stack.session(at_bob).renewed(), wire.now)
    wire.run(0.1)
    assert wire.alice.told(CallOffered)
    redirected(wire, f"<sip:carol@{BOB}>")
    assert "487 UPDATE" in wire.alice.starts()
    wire.alice.stack.hang_up(call, wire.now)
    wire.run(100)
    assert wire.alice.told(CallEnded)
    assert len(wire.alice.stack) == len(wire.bob.stack) == 0


def test_nothing_more_is_told_of_a_refer_where_the_call_is_no_more() -> None:
    wire = Wire(Transport.TCP, bobs_config=StackConfig(methods=("REFER",)))
    call = wire.call(redirects=2)
    redirected(wire, f"<sip:carol@{BOB};transport=tcp>;q=1", f"<sip:dave@{BOB};transport=tcp>;q=0.5")
    rings(wire)
    refer = wire.alice.stack.request_within(call, "REFER", wire.now, fields=[("Refer-To", "<sip:erin@x>")])
    wire.run(0.1)
    failure = TransportFailure(FailureReason.RESET, "the peer reset the connection")
    wire.alice.stack.flow_failed(Flow(Transport.TCP, ALICE, BOB), failure, wire.now)
    wire.run(0.1)
    assert [str(moved.target) for moved in wire.alice.told(CallRedirected)][-1].startswith("sip:dave@")
    assert [lapsed.refer for lapsed in wire.alice.told(ReferLapsed)] == [refer]
