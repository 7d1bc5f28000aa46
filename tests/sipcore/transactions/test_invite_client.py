"""The INVITE client transaction on a clock: RFC 3261 §17.1.1 and §9.1, RFC 6026 §7.2."""

import pytest

from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.resolve.target import Transport
from sipcore.transactions.effects import ResponseReceived, TransactionFailed, Transmit
from sipcore.transactions.key import ClientKey
from sipcore.transactions.timers import Timers
from tests.sipcore.transactions.rig import BRANCH, Rig, answer, flow, hop, names, request

INVITE = request("INVITE")
KEY = ClientKey(BRANCH.lower(), "INVITE")
CANCEL_KEY = ClientKey(BRANCH.lower(), "CANCEL")


def calling(transport: Transport = Transport.UDP, timers: Timers | None = None) -> Rig:
    rig = Rig(timers or Timers(), transport)
    effects = rig.send(INVITE)
    assert effects == [Transmit(KEY, hop(transport), bytes(INVITE), 0)]
    return rig


def failure(rig: Rig) -> TransportFailure:
    found = [effect.failure for _, effect in rig.log if isinstance(effect, TransactionFailed)]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(("t1", "times"), [(0.5, [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]), (1.0, [0, 1, 3, 7, 15, 31, 63])])
def test_timer_a_doubles_without_end_and_timer_b_ends_it(t1: float, times: list[float]) -> None:
    rig = calling(timers=Timers(t1=t1))
    rig.advance(1000)
    assert rig.sent() == [(at, "INVITE", attempt) for attempt, at in enumerate(times)]
    assert {effect.data for _, effect in rig.log if isinstance(effect, Transmit)} == {bytes(INVITE)}
    assert failure(rig).reason is FailureReason.TIMED_OUT
    assert failure(rig).section == "RFC 3261 §17.1.1.2"
    assert str(hop()) in failure(rig).message
    assert rig.ended_at(KEY) == 64 * t1
    rig.assert_empty()


def test_over_a_reliable_transport_it_is_sent_once() -> None:
    rig = calling(Transport.TCP)
    rig.advance(1000)
    assert rig.sent_at() == [0]
    assert rig.ended_at(KEY) == 32


def test_a_provisional_response_ends_the_retransmissions_and_the_wait() -> None:
    rig = calling()
    rig.advance(0.6)
    for status in (100, 180, 180):
        response = answer(INVITE, status)
        assert rig.receive(response) == [ResponseReceived(KEY, response, flow())]
    rig.advance(1000)
    assert rig.sent_at() == [0, 0.5]
    assert KEY in rig.layer
    assert rig.layer.next_timeout() is None


@pytest.mark.parametrize("before", [None, 180])
def test_a_2xx_is_delivered_each_time_it_comes_and_never_acknowledged_here(before: int | None) -> None:
    rig = calling()
    if before:
        rig.receive(answer(INVITE, before))
    rig.advance(1)
    sent = len(rig.sent())
    for tag in ("a", "a", "other branch of a fork"):
        assert names(rig.receive(answer(INVITE, 200, tag.replace(" ", "-")))) == ["ResponseReceived"]
    assert rig.receive(answer(INVITE, 180)) == rig.receive(answer(INVITE, 486)) == []
    rig.advance(1000)
    assert len(rig.sent()) == sent
    assert rig.ended_at(KEY) == 1 + 32, "Timer M"
    rig.assert_empty()


@pytest.mark.parametrize("status", [300, 404, 486, 503, 603])
def test_a_failure_is_delivered_once_and_acknowledged_each_time(status: int) -> None:
    rig = calling()
    rig.receive(answer(INVITE, 100))
    rig.advance(2)
    rig.log.clear()
    assert names(rig.receive(answer(INVITE, status))) == ["Transmit", "ResponseReceived"]
    rig.advance(3)
    assert names(rig.receive(answer(INVITE, status))) == ["Transmit"]
    assert rig.receive(answer(INVITE, 180)) == rig.receive(answer(INVITE, 200)) == []
    assert rig.sent() == [(2, "ACK", 0), (3, "ACK", 1)]
    rig.advance(1000)
    assert rig.ended_at(KEY) == 2 + 32, "Timer D"
    rig.assert_empty()


def test_the_ack_of_a_failure_is_built_by_the_book_and_goes_to_the_same_hop() -> None:
    rig = calling()
    transmit, _ = rig.receive(answer(INVITE, 486, "remote"))
    assert isinstance(transmit, Transmit)
    assert (transmit.key, transmit.to) == (KEY, hop())
    ack = parse_message(transmit.data)
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri_text, str(ack.cseq)) == ("ACK", INVITE.uri_text, "1 ACK")
    assert (ack.via, ack.from_, ack.call_id) == (INVITE.via, INVITE.from_, INVITE.call_id)
    assert ack.to_tag == "remote"


def test_timer_d_is_zero_over_a_reliable_transport() -> None:
    rig = calling(Transport.TLS)
    assert names(rig.receive(answer(INVITE, 486))) == ["Transmit", "ResponseReceived", "Terminated"]
    rig.assert_empty()


def test_timer_d_follows_a_larger_t1() -> None:
    rig = calling(timers=Timers(t1=1))
    rig.receive(answer(INVITE, 486))
    rig.advance(1000)
    assert rig.ended_at(KEY) == 64


@pytest.mark.parametrize("status", [None, 180, 486])
def test_a_transport_error_ends_it(status: int | None) -> None:
    rig = calling()
    if status:
        rig.receive(answer(INVITE, status))
    error = TransportFailure(FailureReason.REFUSED, "nothing listens there")
    rig.layer.transport_failed(KEY, error, rig.now)
    assert rig.take() == [TransactionFailed(KEY, error), KEY]
    assert names(rig.receive(answer(INVITE, 200))) == ["StrayResponse"]
    rig.assert_empty()


def test_a_transport_error_after_a_2xx_changes_nothing() -> None:
    rig = calling()
    rig.receive(answer(INVITE, 200))
    rig.layer.transport_failed(KEY, TransportFailure(FailureReason.REFUSED, "late"), rig.now)
    assert rig.take() == []
    assert KEY in rig.layer


def test_cancel_waits_for_a_provisional_response() -> None:
    rig = calling()
    rig.layer.cancel(KEY, rig.now)
    rig.layer.cancel(KEY, rig.now)
    assert rig.take() == []
    rig.advance(1)
    delivered, cancel = rig.receive(answer(INVITE, 100))
    assert isinstance(delivered, ResponseReceived)
    assert isinstance(cancel, Transmit)
    assert (cancel.key, cancel.to) == (CANCEL_KEY, hop())
    message = parse_message(cancel.data)
    assert isinstance(message, Request)
    assert (message.method, message.uri_text, str(message.cseq)) == ("CANCEL", INVITE.uri_text, "1 CANCEL")
    assert (message.via, message.to, message.call_id) == (INVITE.via, INVITE.to, INVITE.call_id)
    assert names(rig.receive(answer(INVITE, 180))) == ["ResponseReceived"], "a second CANCEL is not sent"


def test_cancel_goes_out_at_once_while_it_rings_and_is_a_transaction_of_its_own() -> None:
    rig = calling()
    rig.receive(answer(INVITE, 180))
    rig.layer.cancel(KEY, rig.now)
    (cancel,) = rig.take()
    assert isinstance(cancel, Transmit)
    rig.layer.cancel(KEY, rig.now)
    assert rig.take() == []
    sent = parse_message(cancel.data)
    assert isinstance(sent, Request)
    assert len(rig.layer) == 2
    assert names(rig.receive(answer(sent, 200))) == ["ResponseReceived"]
    assert names(rig.receive(answer(INVITE, 487))) == ["Transmit", "ResponseReceived"]
    rig.advance(1000)
    assert rig.ended_at(CANCEL_KEY) == 5
    assert rig.ended_at(KEY) == 32
    rig.assert_empty()


def test_a_cancelled_invite_without_an_answer_ends_after_64_t1() -> None:
    rig = calling()
    rig.receive(answer(INVITE, 180))
    rig.advance(10)
    rig.layer.cancel(KEY, rig.now)
    (cancel,) = rig.take()
    assert isinstance(cancel, Transmit)
    sent = parse_message(cancel.data)
    assert isinstance(sent, Request)
    rig.receive(answer(sent, 200))
    rig.advance(20)
    assert names(rig.receive(answer(INVITE, 180))) == ["ResponseReceived"], "which does not put it off"
    rig.advance(1000)
    assert failure(rig).section == "RFC 3261 §9.1"
    assert rig.ended_at(KEY) == 10 + 32
    rig.assert_empty()


@pytest.mark.parametrize("status", [200, 486])
def test_cancel_after_the_answer_has_no_effect(status: int) -> None:
    rig = calling()
    rig.receive(answer(INVITE, status))
    rig.layer.cancel(KEY, rig.now)
    assert rig.take() == []
    rig.advance(1000)
    rig.layer.cancel(KEY, rig.now)
    assert rig.take() == []


def test_a_remembered_cancel_is_dropped_when_the_answer_comes_first() -> None:
    rig = calling()
    rig.layer.cancel(KEY, rig.now)
    assert names(rig.receive(answer(INVITE, 200))) == ["ResponseReceived"]
    assert len(rig.layer) == 1


def test_only_an_invite_is_cancelled() -> None:
    rig = Rig()
    rig.send(request("OPTIONS"))
    with pytest.raises(LocalError, match=r"§9\.1"):
        rig.layer.cancel(ClientKey(BRANCH.lower(), "OPTIONS"), 0)
