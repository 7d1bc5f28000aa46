"""What is said, sorted into calls."""

import pytest

from probes.responder import tapes as module
from probes.responder.tapes import Tapes
from probes.result import TimelineEntry
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.trace import Direction, FlowTrace, MessageTrace, ResolveTrace, TransitionTrace
from tests.probes.responder.requests import invite, request

FLOW = Flow(Transport.UDP, SocketAddress("192.0.2.4", 5060), SocketAddress("192.0.2.1", 5060))


def record(data: bytes, at: float = 1.0, direction: Direction = Direction.RECEIVED) -> MessageTrace:
    return MessageTrace(at, direction, FLOW, data)


def named(call_id: str) -> bytes:
    return bytes(invite()).replace(b"Call-ID: c1", f"Call-ID: {call_id}".encode())


def test_the_messages_of_a_call_are_its_story() -> None:
    told: list[TimelineEntry] = []
    tapes = Tapes(told.append)
    tapes.take(record(bytes(request("OPTIONS", "sip:a@b"))))
    tapes.take(record(b"nonsense"))
    tapes.take(FlowTrace(1.0, FLOW.hop, "opened"))
    assert told == []
    tapes.take(record(named("c1"), 5.0))
    tapes.take(record(named("c2"), 6.0))
    story = tapes.begin("c1", 7.0, FLOW)
    tapes.take(record(bytes(request("BYE", "sip:a@b")), 8.0))
    assert [(entry.label, entry.offset_ms) for entry in story.timeline] == [
        *(("initiated", 0.0), ("INVITE", 0.0), ("BYE", 3000.0)),
    ]
    assert [event.name for event in story.events] == ["initiated"]
    tapes.end("c1")
    tapes.take(record(bytes(request("BYE", "sip:a@b")), 9.0))
    assert len(story.timeline) == 3


def test_the_transitions_of_a_call_are_part_of_its_story() -> None:
    tapes, steps = Tapes(), ["RING", "ACCEPT", "ACK"]
    tapes.take(record(named("c1"), 5.0))
    tapes.take(transition("c1", "START"))
    story = tapes.begin("c1", 7.0, FLOW)
    for step in steps:
        tapes.take(transition("c1", step))
        tapes.take(transition("c2", step))
    tapes.take(TransitionTrace(8.0, "INVITE server", "z9hg4bk1 192.0.2.1 INVITE", "R2XX", "PROCEEDING", "ACCEPTED"))
    tapes.end("c1")
    tapes.take(transition("c1", "BYE_DONE"))
    assert [one.input for one in story.transitions] == ["START", *steps]
    assert [entry.label for entry in story.timeline] == ["initiated", "INVITE"]


def transition(call_id: str, happening: str) -> TransitionTrace:
    return TransitionTrace(8.0, "callee", "", happening, "INVITED", "RINGING", call_id, "b", "a")


def test_a_call_that_nothing_was_heard_of() -> None:
    story = Tapes().begin("c9", 2.0, FLOW)
    assert (story.start, [entry.label for entry in story.timeline]) == (2.0, ["initiated"])


def test_an_invite_that_is_sent_begins_no_story() -> None:
    tapes = Tapes()
    tapes.take(record(named("c1"), direction=Direction.SENT))
    assert len(tapes.begin("c1", 2.0, FLOW).timeline) == 1


def test_a_flood_of_invites_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    tapes = Tapes()
    tapes.take(record(named("mine"), 1.0))
    mine = tapes.begin("mine", 1.0, FLOW)
    for number in range(10):
        tapes.take(record(named(f"flood{number}"), 2.0))
    tapes.take(record(named("mine"), 3.0))
    assert len(mine.timeline) == 3
    assert [len(tapes.begin(f"flood{number}", 4.0, FLOW).timeline) for number in (6, 7, 9)] == [1, 2, 2]


OVER_TLS = Flow(Transport.TLS, FLOW.local, SocketAddress("192.0.2.1", 40000))


def connected(at: float) -> list[FlowTrace]:
    return [FlowTrace(at, OVER_TLS.hop, "accepted"), FlowTrace(at + 0.01, OVER_TLS.hop, "secured", "TLSv1.3")]


@pytest.mark.parametrize(
    ("records", "labels"),
    [
        (connected(4.9), ["TLS accepted", "TLS secured", "initiated"]),
        (connected(4.9 - module.FRESH), ["initiated"]),  # it was there for something else
        ([*connected(4.9), FlowTrace(4.95, OVER_TLS.hop, "closed")], ["initiated"]),  # its port is another peer's now
    ],
)
def test_the_connection_that_a_call_came_over_is_part_of_its_story(records: list[FlowTrace], labels: list[str]) -> None:
    tapes = Tapes()
    for each in records:
        tapes.take(each)
    story = tapes.begin("c1", 5.0, OVER_TLS)
    assert [entry.label for entry in story.timeline] == labels
    again = tapes.begin("c2", 6.0, OVER_TLS)
    assert [entry.label for entry in again.timeline] == ["initiated"]


def test_a_flood_of_connections_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 3)
    tapes = Tapes()
    for each in connected(4.9):
        tapes.take(each)
    for number in range(10):
        tapes.take(FlowTrace(4.9, Flow(Transport.TCP, FLOW.local, SocketAddress("192.0.2.9", number)).hop, "accepted"))
    assert len(tapes.begin("c1", 5.0, OVER_TLS).timeline) == 1


def test_what_is_tried_to_reach_a_caller_is_part_of_its_call() -> None:
    tapes = Tapes()
    for call, contact in (("c1", b"<sip:a@PBX.lan>"), ("c2", b"<sip:a@192.0.2.9:5070>"), ("c3", b"<<")):
        fields = named(call).split(b"\r\n")
        kept = [field for field in fields if not field.startswith(b"Contact")]
        tapes.take(record(b"\r\n".join([kept[0], b"Contact: " + contact, *kept[1:]]), 5.0))
    stories = [tapes.begin(call, 7.0, FLOW) for call in ("c1", "c2", "c3")]
    hop = Hop(Transport.TCP, SocketAddress("192.0.2.9", 5070))
    tapes.take(FlowTrace(8.0, hop, "failed", "closed"))
    tapes.take(ResolveTrace(8.0, "A pbx.lan", ("192.0.2.9 (60 s, DNS)",)))
    tapes.take(ResolveTrace(8.0, "A other.lan", ("192.0.2.9 (60 s, DNS)",)))
    tapes.take(FlowTrace(8.0, hop, "connected"))
    tapes.take(FlowTrace(9.0, hop, "failed", "closed"))
    tapes.take(FlowTrace(9.0, Hop(Transport.TCP, hop.remote, accepted=True), "failed", "reset"))
    tapes.end("c2")
    tapes.take(FlowTrace(9.5, hop, "failed", "closed"))
    failed = "connection failed"
    assert [[entry.label for entry in story.timeline[2:]] for story in stories] == [
        ["DNS", failed, failed],
        [failed] * 2,
        [],
    ]
