"""What is awaited inside a call and cancelled at any moment: the call ends as ever, and no other call with it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from sipcore.dialogs.effects import EndReason, Purpose
from sipcore.endpoint.call import Call, IncomingCall
from sipcore.endpoint.endpoint import Endpoint
from sipcore.errors import LocalError
from sipcore.events import CallOffered, CallRequested
from sipcore.message.uri import SipUri
from sipcore.sdp.terms import SDP, Direction
from tests.sipcore.endpoint.test_call import CALLEE, answer_all, direction, endpoint, invite

METHODS = ("INFO", "REFER", "NOTIFY")
ASKED: dict[str, Callable[[Call], Awaitable[object]]] = {
    "request": lambda call: call.request("INFO"),
    "transfer": lambda call: call.transfer(SipUri("192.0.2.9", "carol")),
    "a notification": lambda call: call.request("NOTIFY", fields=[("Event", "refer")]),
    "hold": lambda call: call.hold(),
}


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms."""
    return MockClock(autojump_threshold=0.05)


async def answer_nothing(call: IncomingCall) -> None:
    """Pick up, and leave every request to itself."""
    call.accept(body=bytes(CALLEE), content_type=SDP)
    await call.over()


def assert_no_call(*endpoints: Endpoint) -> None:
    for each in endpoints:
        assert not each._calls
        assert not each._waiters
        awaited = [purpose for _, purpose in each.loop.stack._calls._book.by_ticket.values()]
        assert not {Purpose.OTHER, Purpose.GIVEN_UP}.intersection(awaited)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("after", [0.0, 0.001, 0.003, 0.01, 0.05, 0.3, 5.0])
async def test_what_is_cancelled_inside_a_call_ends_neither_it_nor_another(
    asked: str, after: float, clock: MockClock
) -> None:
    async with (
        endpoint(methods=METHODS, answers_offers=False) as (bob, hop),
        endpoint(methods=METHODS) as (alice, _),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(answer_all, bob, answer_nothing)
        async with alice.call(invite(alice, hop)) as other:
            await other.answered()
            async with alice.call(invite(alice, hop)) as call:
                await call.answered()
                with trio.move_on_after(after):
                    await ASKED[asked](call)
                assert not call.is_over
            assert call.end_reason is EndReason.LOCAL_HANG_UP
            assert not other.is_over
        assert other.end_reason is EndReason.LOCAL_HANG_UP
        await trio.sleep(0.1)
        assert_no_call(alice, bob)
        nursery.cancel_scope.cancel()


async def test_the_peer_hangs_up_after_a_request_was_cancelled(clock: MockClock) -> None:
    async def leave_soon(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        await trio.sleep(1)
        await call.hang_up()

    async with (
        endpoint(methods=METHODS) as (bob, hop),
        endpoint(methods=METHODS) as (alice, _),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(answer_all, bob, leave_soon)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            with trio.move_on_after(0.1):
                await call.request("INFO")
            await call.over()
        assert call.end_reason is EndReason.REMOTE_HANG_UP
        assert_no_call(alice, bob)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_request_that_its_handler_left_unanswered_is_answered_when_the_call_ends(
    cancelled: bool, clock: MockClock
) -> None:
    async def read_and_leave(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        with trio.move_on_after(1):
            async for event in call:
                if isinstance(event, CallRequested) and cancelled:
                    await trio.sleep_forever()
        await call.hang_up()

    async with (
        endpoint(methods=METHODS) as (bob, hop),
        endpoint(methods=METHODS) as (alice, _),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(answer_all, bob, read_and_leave if cancelled else answer_nothing)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            nursery.start_soon(hang_up_after, call, 2.0)
            assert (await call.request("INFO")).response.status == 487
        await trio.sleep(40)
        assert (len(alice.loop.stack), len(bob.loop.stack)) == (0, 0)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("ends", ["agreed", "declined", "hung up"])
async def test_a_change_waits_for_a_refresh_that_is_on_its_way(ends: str, clock: MockClock) -> None:
    offered = trio.Event()

    async def think(call: IncomingCall) -> None:
        call.adopt(lambda manner: replace(manner, methods=("INVITE", "ACK", "BYE", "CANCEL")))
        call.accept(body=bytes(CALLEE), content_type=SDP)
        async for event in call:
            if isinstance(event, CallOffered) and offered.is_set():
                call.answer(CALLEE)
            elif isinstance(event, CallOffered):
                offered.set()
                await trio.sleep(2)
                match ends:
                    case "agreed":
                        call.answer(CALLEE)
                    case "declined":
                        call.decline()
                    case _:
                        await call.hang_up()

    async with (
        endpoint(answers_offers=False) as (bob, hop),
        endpoint(session_interval=90) as (alice, _),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(answer_all, bob, think)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            await offered.wait()
            with trio.move_on_after(1):
                await call.hold()
            assert not call.is_over
            if ends == "hung up":
                with pytest.raises(LocalError, match="over"):
                    await call.hold()
            else:
                await call.hold()
                assert direction(call.local) is Direction.SENDONLY
        await trio.sleep(40)
        assert (len(alice.loop.stack), len(bob.loop.stack)) == (0, 0)
        nursery.cancel_scope.cancel()


async def hang_up_after(call: Call, seconds: float) -> None:
    await trio.sleep(seconds)
    await call.hang_up()
