"""The non-INVITE client transaction on a clock: RFC 3261 §17.1.2."""

import pytest

from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.target import Transport
from sipcore.transactions.effects import TransactionFailed, Transmit
from sipcore.transactions.key import ClientKey
from sipcore.transactions.timers import Timers
from tests.sipcore.transactions.rig import BRANCH, Rig, answer, hop, names, request

OPTIONS = request("OPTIONS")
KEY = ClientKey(BRANCH.lower(), "OPTIONS")


def trying(transport: Transport = Transport.UDP, timers: Timers | None = None) -> Rig:
    rig = Rig(timers or Timers(), transport)
    assert rig.send(OPTIONS) == [Transmit(KEY, hop(transport), bytes(OPTIONS), 0)]
    return rig


@pytest.mark.parametrize(
    ("timers", "times"),
    [
        (Timers(), [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),
        (Timers(t1=1, t2=3), [0, 1, 3, *range(6, 64, 3)]),
    ],
)
def test_timer_e_doubles_up_to_t2_and_timer_f_ends_it(timers: Timers, times: list[float]) -> None:
    rig = trying(timers=timers)
    rig.advance(1000)
    assert rig.sent() == [(at, "OPTIONS", attempt) for attempt, at in enumerate(times)]
    (failed,) = [effect for _, effect in rig.log if isinstance(effect, TransactionFailed)]
    assert (failed.failure.reason, failed.failure.section) == (FailureReason.TIMED_OUT, "RFC 3261 §17.1.2.2")
    assert rig.ended_at(KEY) == 64 * timers.t1
    rig.assert_empty()


def test_over_a_reliable_transport_it_is_sent_once() -> None:
    rig = trying(Transport.WSS)
    rig.advance(1000)
    assert rig.sent_at() == [0]
    assert rig.ended_at(KEY) == 32


def test_after_a_provisional_response_it_is_sent_every_t2() -> None:
    rig = trying()
    rig.advance(0.7)
    assert names(rig.receive(answer(OPTIONS, 100))) == ["ResponseReceived"]
    assert names(rig.receive(answer(OPTIONS, 100))) == ["ResponseReceived"]
    rig.advance(1000)
    assert rig.sent_at() == [0, 0.5, 1.5, *(5.5 + 4 * more for more in range(7))]
    assert [(at, *names([effect])) for at, effect in rig.log[-2:]] == [(32, "TransactionFailed"), (32, "Terminated")]


@pytest.mark.parametrize("before", [None, 100])
@pytest.mark.parametrize("status", [200, 302, 401, 503, 600])
def test_one_final_response_is_delivered_and_its_retransmissions_are_absorbed(before: int | None, status: int) -> None:
    rig = trying()
    if before:
        rig.receive(answer(OPTIONS, before))
    rig.advance(1)
    assert names(rig.receive(answer(OPTIONS, status))) == ["ResponseReceived"]
    for again in (status, 100, 200, 500):
        assert rig.receive(answer(OPTIONS, again)) == []
    rig.advance(1000)
    assert rig.sent_at() == [0, 0.5]
    assert rig.ended_at(KEY) == 1 + 5, "Timer K"
    rig.assert_empty()


def test_timer_k_is_zero_over_a_reliable_transport() -> None:
    rig = trying(Transport.TCP)
    assert names(rig.receive(answer(OPTIONS, 200))) == ["ResponseReceived", "Terminated"]
    rig.assert_empty()
    assert names(rig.receive(answer(OPTIONS, 200))) == ["StrayResponse"]


@pytest.mark.parametrize("status", [None, 100])
def test_a_transport_error_ends_it(status: int | None) -> None:
    rig = trying()
    if status:
        rig.receive(answer(OPTIONS, status))
    error = TransportFailure(FailureReason.UNREACHABLE, "no route")
    rig.layer.transport_failed(KEY, error, rig.now)
    assert rig.take() == [TransactionFailed(KEY, error), KEY]
    rig.assert_empty()


def test_a_late_transport_error_changes_nothing() -> None:
    rig = trying()
    rig.receive(answer(OPTIONS, 200))
    rig.layer.transport_failed(KEY, TransportFailure(FailureReason.REFUSED, "late"), rig.now)
    assert rig.take() == []


def test_when_all_timers_are_overdue_nothing_is_sent_in_vain() -> None:
    """The machine slept: when it wakes, the transaction has failed, and a last request would be for nothing."""
    rig = trying()
    rig.now = 500.0
    rig.layer.handle_timeout(rig.now)
    assert names(rig.take()) == ["TransactionFailed", "Terminated"]


def test_a_late_wake_up_sends_once_and_counts_on_from_there() -> None:
    rig = trying()
    rig.now = 10.0
    rig.layer.handle_timeout(rig.now)
    rig.take()
    rig.advance(1000)
    assert rig.sent_at() == [0, 10, 11, 13, 17, 21, 25, 29]


def test_waking_late_now_and_then_delays_nothing_that_follows() -> None:
    rig = trying()
    while (when := rig.layer.next_timeout()) is not None and when < 20:
        rig.now = when + 0.02
        rig.layer.handle_timeout(rig.now)
        rig.take()
    assert rig.sent_at() == pytest.approx([0, 0.52, 1.52, 3.52, 7.52, 11.52, 15.52, 19.52])
