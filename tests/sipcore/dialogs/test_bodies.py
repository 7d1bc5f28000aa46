"""Session descriptions among other parts of a body, and bodies that a call is refused for."""

import pytest

from sipcore.events import CallAnswered, CallFailed, CallReceived
from sipcore.message.message import Response
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, Transport
from sipcore.sdp.terms import SDP
from tests.sipcore.wire import ALICE, BOB, Wire, description

MIXED = "multipart/mixed;boundary=b"


def part(content: bytes, *fields: str) -> bytes:
    return "\r\n".join(["--b", *fields, "", ""]).encode() + content + b"\r\n"


DESCRIBED = part(description(ALICE), f"Content-Type: {SDP}", "Content-Disposition: session;handling=required")


def with_body(body: bytes, content_type: str, *fields: tuple[str, str]) -> Wire:
    wire = Wire()
    invite = wire.request("INVITE", body, content_type)
    for name, text in fields:
        invite = invite.with_header(name, text)
    wire.alice.stack.call(Order(invite, Hop(Transport.UDP, BOB), "alice"), wire.now)
    wire.run(0.1)
    return wire


@pytest.mark.parametrize(
    "other",
    [
        b"",
        part(b"\x01\x02", "Content-Type: application/isup", "Content-Disposition: signal;handling=optional"),
        part(b"<presence/>", "Content-Type: application/pidf+xml"),
    ],
)
def test_an_offer_in_a_multipart_is_answered(other: bytes) -> None:
    wire = with_body(other + DESCRIBED + b"--b--\r\n", MIXED)
    (received,) = wire.bob.told(CallReceived)
    wire.accept(received.call)
    wire.run(0.1)
    assert [event.response.status for event in wire.alice.told(CallAnswered)] == [200]
    assert wire.bob.stack.session(received.call).remote == description(ALICE)


def test_an_answer_in_a_multipart_is_understood() -> None:
    def wrapped(data: bytes) -> bytes:
        if not data.startswith(b"SIP/2.0 200 OK") or b"INVITE" not in data:
            return data
        head, _, body = data.partition(b"\r\n\r\n")
        inside = part(body, f"Content-Type: {SDP}") + b"--b--\r\n"
        head = head.replace(SDP.encode(), MIXED.encode()).replace(b"%d" % len(body), b"%d" % len(inside))
        return head + b"\r\n\r\n" + inside

    wire = Wire(alter=wrapped)
    call, _ = wire.up()
    assert wire.alice.stack.session(call).remote == description(BOB)


@pytest.mark.parametrize(
    ("body", "content_type", "fields", "status", "told"),
    [
        (b"x", "text/plain", (), 415, ("Accept", f"{SDP}, multipart/mixed, multipart/alternative")),
        (description(ALICE), SDP, (("Content-Encoding", "gzip"),), 415, ("Accept-Encoding", "identity")),
        (description(ALICE), SDP, (("Content-Disposition", "early-session"),), 415, None),
        (DESCRIBED + part(b"x", "Content-Disposition: x") + b"--b--", MIXED, (), 415, None),
        (DESCRIBED, MIXED, (), 400, None),
        (b"x", "nonsense", (), 400, None),
    ],
)
def test_a_body_that_cannot_be_dealt_with(
    body: bytes, content_type: str, fields: tuple[tuple[str, str], ...], status: int, told: tuple[str, str] | None
) -> None:
    wire = with_body(body, content_type, *fields)
    assert not wire.bob.told(CallReceived)
    (failed,) = wire.alice.told(CallFailed)
    assert isinstance(failed.response, Response)
    assert failed.response.status == status
    if told is not None:
        assert failed.response.headers.get(told[0]) == told[1]


def test_a_body_that_may_be_passed_over() -> None:
    wire = with_body(b"x", "text/plain", ("Content-Disposition", "render;handling=optional"))
    assert wire.bob.told(CallReceived)
