"""The non-INVITE server transaction on a clock: RFC 3261 §17.2.2, RFC 4320 §4, RFC 6026 §8.8."""

import pytest

from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.resolve.target import Transport
from sipcore.transactions.effects import RequestReceived, TransactionFailed
from sipcore.transactions.key import AnyServerKey
from tests.sipcore.transactions.rig import Rig, answer, names, request

OPTIONS = request("OPTIONS")
ERROR = TransportFailure(FailureReason.UNREACHABLE, "no route")


def trying(transport: Transport = Transport.UDP) -> tuple[Rig, AnyServerKey]:
    rig = Rig(transport=transport)
    (received,) = rig.receive(OPTIONS)
    assert isinstance(received, RequestReceived)
    return rig, received.key


def test_retransmissions_are_discarded_until_there_is_an_answer_and_get_it_then() -> None:
    rig, key = trying()
    rig.advance(0.5)
    assert rig.receive(OPTIONS) == []
    rig.respond(key, answer(OPTIONS, 200))
    rig.advance(1.5)
    rig.receive(OPTIONS)
    rig.receive(OPTIONS)
    assert rig.sent() == [(0.5, "200", 0), (1.5, "200", 1), (1.5, "200", 2)]


def test_timer_j_absorbs_for_64_t1() -> None:
    rig, key = trying()
    rig.advance(1)
    rig.respond(key, answer(OPTIONS, 200))
    rig.advance(1000)
    assert rig.ended_at(key) == 1 + 32
    rig.assert_empty()


def test_timer_j_is_zero_over_a_reliable_transport() -> None:
    rig, key = trying(Transport.TCP)
    assert names(rig.respond(key, answer(OPTIONS, 404))) == ["Transmit", "Terminated"]
    rig.assert_empty()


def test_further_final_responses_are_discarded() -> None:
    rig, key = trying()
    rig.respond(key, answer(OPTIONS, 200))
    assert rig.respond(key, answer(OPTIONS, 500)) == rig.respond(key, answer(OPTIONS, 100)) == []
    assert [word for _, word, _ in rig.sent()] == ["200"]


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_a_slow_transaction_user_is_covered_by_a_100_when_timer_e_has_reached_t2(transport: Transport) -> None:
    rig, key = trying(transport)
    rig.advance(7.5)
    rig.receive(OPTIONS)
    rig.respond(key, answer(OPTIONS, 100))
    rig.respond(key, answer(OPTIONS, 200))
    assert rig.sent() == [(3.5, "100", 0), (7.5, "100", 1), (7.5, "100", 0), (7.5, "200", 0)]
    rig.advance(1000)
    assert rig.ended_at(key) == (7.5 + 32 if transport is Transport.UDP else 7.5)


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_what_the_transaction_user_has_forgotten_ends_when_nobody_waits_for_it(transport: Transport) -> None:
    """Else it would be there for ever, and keep its connection; some 65,000 of them, and no request is taken."""
    rig, key = trying(transport)
    rig.advance(1000)
    assert rig.sent() == [(3.5, "100", 0)]
    assert rig.ended_at(key) == 3.5 + 64
    rig.assert_empty()
    assert rig.respond(key, answer(OPTIONS, 200)) == []


def test_a_100_may_come_at_once_over_a_reliable_transport() -> None:
    rig, key = trying(Transport.TCP)
    assert names(rig.respond(key, answer(OPTIONS, 100))) == ["Transmit"]
    rig.advance(10)
    assert rig.sent_at() == [0]


@pytest.mark.parametrize(
    ("status", "section"), [(100, "RFC 4320 §4.1"), (180, "RFC 4320 §4.1"), (408, "RFC 4320 §4.2")]
)
def test_what_must_not_be_sent_is_refused(status: int, section: str) -> None:
    rig, key = trying()
    with pytest.raises(LocalError) as caught:
        rig.respond(key, answer(OPTIONS, status))
    assert caught.value.section == section
    assert rig.take() == []


def test_nothing_but_100_is_provisional_over_a_reliable_transport_either() -> None:
    rig, key = trying(Transport.TCP)
    with pytest.raises(LocalError, match=r"RFC 4320 §4\.1"):
        rig.respond(key, answer(OPTIONS, 183))


@pytest.mark.parametrize("status", [100, 200])
def test_a_transport_error_is_reported_and_changes_nothing_else(status: int) -> None:
    rig, key = trying()
    rig.layer.transport_failed(key, ERROR, rig.now)
    assert rig.take() == [], "nothing was sent yet"
    rig.advance(3.5)
    rig.respond(key, answer(OPTIONS, status))
    rig.layer.transport_failed(key, ERROR, rig.now)
    assert rig.take() == [TransactionFailed(key, ERROR)]
    assert key in rig.layer
    assert names(rig.receive(OPTIONS)) == ["Transmit"]
