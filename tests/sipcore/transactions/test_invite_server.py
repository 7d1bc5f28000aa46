"""The INVITE server transaction on a clock: RFC 3261 §17.2.1, RFC 6026 §7.1."""

import pytest

from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.target import Transport
from sipcore.transactions.effects import AckReceived, RequestReceived, TransactionFailed, Transmit
from sipcore.transactions.key import AnyServerKey
from sipcore.transactions.timers import Timers
from tests.sipcore.transactions.rig import Rig, answer, flow, names, request

INVITE = request("INVITE")
ERROR = TransportFailure(FailureReason.UNREACHABLE, "no route")


def proceeding(transport: Transport = Transport.UDP, timers: Timers | None = None) -> tuple[Rig, AnyServerKey]:
    rig = Rig(timers or Timers(), transport)
    (received,) = rig.receive(INVITE)
    assert isinstance(received, RequestReceived)
    return rig, received.key


def test_a_100_goes_out_when_the_transaction_user_says_nothing_for_200_ms() -> None:
    rig, _ = proceeding()
    rig.advance(100)
    assert rig.sent() == [(0.2, "100", 0)]
    transmit = rig.log[-1][1]
    assert isinstance(transmit, Transmit)
    assert transmit.to == flow()
    assert b"tag=t" not in transmit.data, "§17.2.1: no tag in a 100"
    assert b"received=192.0.2.2;" in transmit.data or b"received=192.0.2.2\r\n" in transmit.data


@pytest.mark.parametrize("status", [100, 180, 200, 486])
def test_no_100_goes_out_when_it_says_something_in_time(status: int) -> None:
    rig, key = proceeding()
    rig.advance(0.1)
    rig.respond(key, answer(INVITE, status))
    rig.advance(0.4)
    assert rig.sent() == [(0.1, str(status), 0)]


def test_a_retransmitted_invite_gets_the_last_provisional_response() -> None:
    rig, key = proceeding(timers=Timers(trying=10))
    assert rig.receive(INVITE) == [], "there is none yet"
    for status in (180, 183):
        rig.respond(key, answer(INVITE, status))
    assert names(rig.receive(INVITE)) == ["Transmit"]
    rig.receive(INVITE)
    assert [(word, attempt) for _, word, attempt in rig.sent()] == [("180", 0), ("183", 0), ("183", 1), ("183", 2)]


@pytest.mark.parametrize(
    ("timers", "times"),
    [
        (Timers(), [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),
        (Timers(t1=1, t2=3), [0, 1, 3, *range(6, 64, 3)]),
    ],
)
def test_timer_g_doubles_up_to_t2_and_timer_h_gives_up(timers: Timers, times: list[float]) -> None:
    rig, key = proceeding(timers=timers)
    rig.respond(key, answer(INVITE, 486))
    rig.advance(1000)
    assert rig.sent() == [(at, "486", attempt) for attempt, at in enumerate(times)]
    (failed,) = [effect for _, effect in rig.log if isinstance(effect, TransactionFailed)]
    assert (failed.failure.reason, failed.failure.section) == (FailureReason.TIMED_OUT, "RFC 3261 §17.2.1")
    assert rig.ended_at(key) == 64 * timers.t1
    rig.assert_empty()


def test_over_a_reliable_transport_a_failure_is_sent_once() -> None:
    rig, key = proceeding(Transport.TCP)
    rig.respond(key, answer(INVITE, 486))
    rig.advance(1000)
    assert rig.sent_at() == [0]
    assert rig.ended_at(key) == 32


def test_a_retransmitted_invite_gets_the_failure_again_without_disturbing_timer_g() -> None:
    rig, key = proceeding()
    rig.respond(key, answer(INVITE, 486))
    rig.advance(0.6)
    rig.receive(INVITE)
    rig.advance(2)
    assert rig.sent() == [(0, "486", 0), (0.5, "486", 1), (0.6, "486", 2), (1.5, "486", 3)]


def test_the_ack_of_a_failure_is_absorbed() -> None:
    rig, key = proceeding()
    rig.respond(key, answer(INVITE, 486))
    rig.advance(1)
    ack = request("ACK", to_tag="t")
    assert rig.receive(ack) == rig.receive(ack) == rig.receive(INVITE) == []
    rig.layer.transport_failed(key, ERROR, rig.now)
    assert rig.take() == []
    rig.advance(1000)
    assert rig.sent_at() == [0, 0.5]
    assert rig.ended_at(key) == 1 + 5, "Timer I"
    rig.assert_empty()


def test_timer_i_is_zero_over_a_reliable_transport() -> None:
    rig, key = proceeding(Transport.TCP)
    rig.respond(key, answer(INVITE, 486))
    assert rig.receive(request("ACK", to_tag="t")) == [key]
    rig.assert_empty()


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_an_accepted_invite_is_absorbed_and_its_2xx_is_the_transaction_users(transport: Transport) -> None:
    rig, key = proceeding(transport)
    rig.respond(key, answer(INVITE, 200))
    rig.advance(0.5)
    assert rig.receive(INVITE) == []
    rig.respond(key, answer(INVITE, 200))
    rig.advance(2)
    rig.respond(key, answer(INVITE, 200, "another"))
    assert rig.respond(key, answer(INVITE, 486)) == rig.respond(key, answer(INVITE, 180)) == []
    ack = request("ACK", to_tag="t")  # with the branch of the INVITE, as clients of RFC 2543 have it
    assert rig.receive(ack) == [AckReceived(ack, flow(transport))]
    rig.advance(1000)
    assert rig.sent() == [(0, "200", 0), (0.5, "200", 1), (2, "200", 0)]
    assert rig.ended_at(key) == 32, "Timer L"
    rig.assert_empty()


def test_an_ack_before_the_final_response_is_ignored() -> None:
    rig, _ = proceeding()
    assert rig.receive(request("ACK")) == []


@pytest.mark.parametrize("status", [180, 200, 503])
def test_what_comes_after_a_failure_is_discarded(status: int) -> None:
    rig, key = proceeding()
    rig.respond(key, answer(INVITE, 486))
    assert rig.respond(key, answer(INVITE, status)) == []
    rig.receive(request("ACK", to_tag="t"))
    assert rig.respond(key, answer(INVITE, status)) == []
    rig.advance(1000)
    assert rig.respond(key, answer(INVITE, status)) == []


@pytest.mark.parametrize("status", [180, 200, 486])
def test_a_transport_error_is_reported_and_changes_nothing_else(status: int) -> None:
    """RFC 6026 §7.1: the transaction must go on, so that retransmissions of the INVITE are recognised."""
    rig, key = proceeding()
    rig.respond(key, answer(INVITE, status))
    rig.layer.transport_failed(key, ERROR, rig.now)
    assert rig.take() == [TransactionFailed(key, ERROR)]
    assert "RequestReceived" not in names(rig.receive(INVITE))
    assert key in rig.layer
