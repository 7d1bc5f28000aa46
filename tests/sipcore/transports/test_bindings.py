"""Keep-alives over UDP: when a request goes out again, which answers count, and what ends a flow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import TransportFailure
from sipcore.media.stun import Attr, StunMessage, StunType, read_xor_address, xor_address
from sipcore.resolve.target import Flow, SocketAddress, Transport
from sipcore.transports.bindings import MAX_FLOWS, Bindings

LOCAL, REMOTE = SocketAddress("192.0.2.1", 5060), SocketAddress("198.51.100.1", 5060)
FLOW = Flow(Transport.UDP, LOCAL, REMOTE)
SEEN, ANOTHER = SocketAddress("203.0.113.9", 1024), SocketAddress("203.0.113.9", 1025)
TRANSACTION = bytes(range(12))


def answer(mapped: SocketAddress | None, kind: int = StunType.SUCCESS, transaction: bytes = TRANSACTION) -> bytes:
    attributes = () if mapped is None else ((Attr.XOR_MAPPED_ADDRESS, xor_address(mapped, transaction)),)
    return StunMessage(kind, transaction, attributes).encode()


def test_a_request_goes_out_seven_times_and_the_flow_fails() -> None:
    """RFC 8489 §6.2.1: at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and 8 s later it is over."""
    bindings = Bindings()
    request = bindings.ask(FLOW, TRANSACTION, 0)
    assert StunMessage.parse(request).type == StunType.REQUEST
    happened: list[tuple[float, object]] = []
    while (due := bindings.next_timeout()) is not None:
        assert bindings.handle_timeout(due - 0.001) == []
        happened += [(due, what) for _, what in bindings.handle_timeout(due)]
    *again, (end, failure) = happened
    assert again == [(due, request) for due in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5)]
    assert end == 39.5
    assert isinstance(failure, TransportFailure)
    assert failure.section == "RFC 5626 §4.4.2"


def test_one_at_a_time() -> None:
    bindings = Bindings()
    assert bindings.ask(FLOW, TRANSACTION, 0)
    assert not bindings.ask(FLOW, bytes(12), 1)
    assert bindings.receive_untrusted(answer(SEEN), FLOW) is None
    assert bindings.next_timeout() is None
    assert bindings.ask(FLOW, bytes(12), 2)


@pytest.mark.parametrize(
    ("first", "second", "fails"),
    [(SEEN, SEEN, False), (SEEN, ANOTHER, True), (SEEN, None, False), (None, SEEN, False)],
)
def test_where_the_peer_sees_this_side(first: SocketAddress | None, second: SocketAddress | None, fails: bool) -> None:
    bindings = Bindings()
    outcomes = []
    for number, mapped in enumerate((first, second)):
        transaction = bytes([number]) * 12
        bindings.ask(FLOW, transaction, number)
        outcomes.append(bindings.receive_untrusted(answer(mapped, transaction=transaction), FLOW))
    assert outcomes[0] is None
    if fails:
        assert isinstance(outcomes[1], tuple)
        flow, failure = outcomes[1]
        assert flow == FLOW
        assert failure.message == f"udp {REMOTE} was reached from {SEEN}, and now is from {ANOTHER}"
    else:
        assert outcomes[1] is None


def test_a_refusal_ends_the_flow() -> None:
    bindings = Bindings()
    bindings.ask(FLOW, TRANSACTION, 0)
    outcome = bindings.receive_untrusted(answer(None, StunType.ERROR), FLOW)
    assert isinstance(outcome, tuple)
    assert "refuses" in outcome[1].message
    assert bindings.next_timeout() is None


@pytest.mark.parametrize(
    ("data", "flow"),
    [
        (answer(ANOTHER, transaction=bytes(12)), FLOW),
        (answer(ANOTHER), Flow(Transport.UDP, LOCAL, ANOTHER)),
        (answer(ANOTHER, StunType.INDICATION), FLOW),
        (b"\x01\x01", FLOW),
    ],
    ids=["another transaction", "from elsewhere", "an indication", "no message"],
)
def test_what_counts_for_nothing(data: bytes, flow: Flow) -> None:
    bindings = Bindings()
    bindings.ask(FLOW, TRANSACTION, 0)
    assert bindings.receive_untrusted(data, flow) is None
    assert bindings.next_timeout() == 0.5


def test_a_request_is_answered() -> None:
    reply = Bindings().receive_untrusted(StunMessage(StunType.REQUEST, TRANSACTION).encode(), FLOW)
    assert isinstance(reply, bytes)
    message = StunMessage.parse(reply)
    assert (message.type, message.transaction) == (StunType.SUCCESS, TRANSACTION)
    assert read_xor_address(message.get(Attr.XOR_MAPPED_ADDRESS) or b"", TRANSACTION) == REMOTE


def test_a_request_with_something_unknown_is_refused() -> None:
    """RFC 8489 §6.3.1."""
    reply = Bindings().receive_untrusted(StunMessage(StunType.REQUEST, TRANSACTION, ((0x7FFF, b""),)).encode(), FLOW)
    assert isinstance(reply, bytes)
    message = StunMessage.parse(reply)
    assert (message.type, message.get(Attr.UNKNOWN_ATTRIBUTES)) == (StunType.ERROR, b"\x7f\xff")


def test_what_is_remembered_is_bounded() -> None:
    bindings = Bindings()
    for number in range(MAX_FLOWS + 10):
        flow = Flow(Transport.UDP, LOCAL, SocketAddress("198.51.100.1", 1024 + number))
        transaction = number.to_bytes(12, "big")
        bindings.ask(flow, transaction, 0)
        assert bindings.receive_untrusted(answer(SEEN, transaction=transaction), flow) is None
    assert len(bindings._mapped) == MAX_FLOWS


@given(st.binary(max_size=64), st.booleans())
def test_any_bytes(data: bytes, asked: bool) -> None:
    bindings = Bindings()
    if asked:
        bindings.ask(FLOW, TRANSACTION, 0)
        data = answer(None)[:20] + data
    bindings.receive_untrusted(data, FLOW)
