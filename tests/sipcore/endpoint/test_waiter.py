"""A task that waits for what its request comes to: woken once, early or late, or cancelled."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from sipcore.endpoint.waiter import MAX_PROVISIONAL, Waiter
from sipcore.errors import FailureReason, TransportFailure
from sipcore.events import RequestFailed, ResponseReceived
from sipcore.message.build import response
from sipcore.resolve.target import Flow, Hop, Transport
from sipcore.trace import Stamp
from tests.sipcore.wire import ALICE, BOB, Wire

FAILED = RequestFailed(1, TransportFailure(FailureReason.REFUSED, "refused"))


async def _asked(waiter: Waiter) -> None:
    await waiter.wait()


async def test_who_sleeps_is_woken() -> None:
    waiter = Waiter()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_asked, waiter)
        await wait_all_tasks_blocked()
        waiter.finish(FAILED)
    with pytest.raises(TransportFailure, match="refused"):
        waiter.exchange()


async def test_what_came_before_is_not_waited_for() -> None:
    waiter = Waiter()
    waiter.finish(FAILED)
    await waiter.wait()


async def test_who_was_cancelled_is_not_woken() -> None:
    waiter = Waiter()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_asked, waiter)
            await wait_all_tasks_blocked()
            scope.cancel()
    waiter.finish(FAILED)
    assert waiter.final is FAILED


def test_an_exchange_is_all_that_came_for_a_request() -> None:
    waiter = Waiter()
    waiter.request, waiter.hop, waiter.sent_at = Wire().request("OPTIONS"), Hop(Transport.UDP, BOB, ALICE), 1.0
    early, late = (response(waiter.request, status, tag="t") for status in (180, 200))
    waiter.progress(early)
    flow = Flow(Transport.UDP, ALICE, BOB)
    waiter.finish(ResponseReceived(1, late, flow, Stamp(1.25)))
    exchange = waiter.exchange()
    assert (exchange.request, exchange.response, exchange.provisional) == (waiter.request, late, (early,))
    assert (exchange.hop, exchange.flow, exchange.rtt, exchange.auth_error) == (waiter.hop, flow, 0.25, None)


def test_a_peer_that_never_stops_ringing_costs_no_more_than_so_much() -> None:
    waiter, request = Waiter(), Wire().request("OPTIONS")
    first = response(request, 100)
    waiter.progress(first)
    for _ in range(2 * MAX_PROVISIONAL):
        waiter.progress(response(request, 180, tag="t"))
    assert len(waiter.provisional) == MAX_PROVISIONAL
    assert waiter.provisional[0] is first
