"""A mistake of this program anywhere while callees ring and pick up: whoever has picked up is acknowledged, and hung up
unless the call is with it, whatever the mistake was made over (RFC 3261 §13.2.2.4).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.call_actions import CallActions
from sipcore.callbook import CallBook, PlacedCall
from sipcore.dialogs.caller import Caller
from sipcore.dialogs.expiry import Expiry
from sipcore.dialogs.inviting import Inviting
from sipcore.dialogs.session import Session
from sipcore.dialogs.usage import InviteUsage
from sipcore.events import CallAnswered, CallEnded, CallFailed
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.resolve.target import Flow, Transport
from sipcore.tickets import Tickets
from sipcore.trace import Stamp
from tests.conftest import Injected
from tests.sipcore.wire import ALICE, BOB, SDP, Wire, description

FLOW = Flow(Transport.UDP, ALICE, BOB)
PLACES = [
    *((Caller, name) for name in ("_receive_answer", "_move", "_end_fork", "_branch", "_send", "_pack", "_bye")),
    *((CallActions, name) for name in ("carry_out", "send", "_send", "_tell", "_end")),
    *((CallBook, name) for name in ("know", "watch", "schedule")),
    *((InviteUsage, name) for name in ("acknowledge", "answered", "negotiated")),
    *((Session, name) for name in ("received", "refusal")),
    *((Tickets, name) for name in ("take", "send", "release")),
    (PlacedCall, "receive"),
    (Expiry, "agreed"),
    (Inviting, "packed"),
]
TAGS = ["one", "two", "three"]
responses = st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from([180, 200])), min_size=1)


def hear(wire: Wire, invite: Request, tag: str, status: int) -> None:
    """A response of a callee comes to Alice, whose stack recovers from whatever is raised, as a loop does."""
    fields = [("Contact", f"<sip:{tag}@{BOB}>")]
    body, kind = (description(BOB), SDP) if status == 200 else (b"", "")
    response = build_response(invite, status, tag=tag, fields=fields, body=body, content_type=kind)
    try:
        wire.alice.stack.receive(bytes(response), FLOW, Stamp(wire.now), wire.now)
    except Injected:
        try:
            wire.alice.stack.recover(wire.now)
        except Injected:
            pass
    wire.pump()


@given(st.sampled_from([[], TAGS]), responses, st.integers(0, 9), st.sampled_from(PLACES), st.booleans())
def test_nobody_who_picks_up_is_left_alone_with_a_call(
    ringing: list[str], heard: list[tuple[str, int]], at: int, place: tuple[type, str], has_offer: bool
) -> None:
    wire = Wire(lose=lambda ordinal, data: True)
    number = wire.call(offer=description(ALICE) if has_offer else b"")
    wire.run(0.1)
    (invite,) = wire.alice.messages()
    assert isinstance(invite, Request)
    for tag in ringing:
        hear(wire, invite, tag, 180)
    for index, (tag, status) in enumerate(heard):
        with pytest.MonkeyPatch.context() as patched:
            if index == at % len(heard):
                break_once(patched, *place)
            hear(wire, invite, tag, status)
    picked_up = {tag for tag, status in heard if status == 200}
    for tag in sorted(picked_up):  # who has heard no ACK says it again
        hear(wire, invite, tag, 200)
    answered, over = wire.alice.told(CallAnswered), ends(wire)
    own = answered[0].response.to_tag if answered and not over else None
    assert to(wire, "BYE") >= picked_up - {own}
    assert to(wire, "ACK") >= picked_up - ({own} if not has_offer else set())  # whose offer waits for the owner
    if not over:
        wire.alice.stack.hang_up(number, wire.now)
    wire.run(200)
    assert (len(ends(wire)), len(wire.alice.stack)) == (1, 0)


def break_once(patched: pytest.MonkeyPatch, owner: type, name: str) -> None:
    """Have a method raise what it should never raise, once."""
    works, left = getattr(owner, name), [Injected()]

    def broken(*args: object, **named: object) -> object:
        if left:
            raise left.pop()
        return works(*args, **named)

    patched.setattr(owner, name, broken)


def ends(wire: Wire) -> list[CallFailed | CallEnded]:
    return [event for event in wire.alice.events if isinstance(event, CallFailed | CallEnded)]


def to(wire: Wire, method: str) -> frozenset[str | None]:
    """To whom Alice has sent such a request."""
    sent = [message for message in wire.alice.messages() if isinstance(message, Request)]
    return frozenset(message.to_tag for message in sent if message.method == method)
