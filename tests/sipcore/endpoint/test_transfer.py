"""Transfers to await: several at once, given up, told of after the call's end, or not at all."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from sipcore.dialogs.refer import ACTIVE_SECONDS, SIPFRAG
from sipcore.endpoint.call import Call, CallFailure, IncomingCall
from sipcore.errors import LocalError
from sipcore.events import CallRequested
from sipcore.message.uri import SipUri
from sipcore.sdp.terms import SDP
from tests.sipcore.endpoint.test_call import CALLEE, answer_all, endpoint, invite

Asked = Callable[[IncomingCall, CallRequested], Awaitable[None]]


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


def whom(name: str) -> SipUri:
    return SipUri("192.0.2.9", name)


@asynccontextmanager
async def call_to(asked: Asked) -> AsyncIterator[Call]:
    """A call to somebody who does `asked` with each REFER."""
    async with endpoint() as (alice, _), endpoint(methods=("REFER",)) as (bob, hop), trio.open_nursery() as nursery:

        async def follow(call: IncomingCall) -> None:
            call.accept(body=bytes(CALLEE), content_type=SDP)
            async for event in call:
                if isinstance(event, CallRequested):
                    nursery.start_soon(asked, call, event)

        nursery.start_soon(answer_all, bob, follow)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            yield call
        await trio.sleep(2 * ACTIVE_SECONDS)
        assert not alice.transfers
        assert (len(alice.loop.stack), len(bob.loop.stack)) == (0, 0)
        nursery.cancel_scope.cancel()


def target_of(event: CallRequested) -> str:
    return (event.request.headers.get("Refer-To") or "").partition(":")[2].partition("@")[0]


async def test_the_peer_takes_over_a_call_of_another_endpoint(clock: MockClock) -> None:
    """Each endpoint counts its calls by itself: both of these are the first."""
    places = []

    async def asked(call: IncomingCall, event: CallRequested) -> None:
        places.append(event.request.headers.get("Refer-To") or "")
        call.respond(event, 202)
        await call.notify_refer(200, event)

    async def pick_up(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        await call.over()

    async with endpoint() as (dave, _), endpoint() as (carol, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, carol, pick_up)
        async with call_to(asked) as call, dave.call(invite(dave, hop)) as other:
            await other.answered()
            assert call.number == other.number
            call_id = dave.act(lambda stack, _: stack.replaces(other.number)).partition(";")[0]
            assert await call.transfer(other) == 200
            with pytest.raises(LocalError, match="the other call is this one"):
                await call.transfer(call)
        nursery.cancel_scope.cancel()
    (place,) = places
    assert f"@{hop.remote}?Replaces={call_id}%3B" in place


async def test_two_transfers_at_once_are_told_apart(clock: MockClock) -> None:
    statuses = {"carol": 486, "dave": 200}

    async def asked(call: IncomingCall, event: CallRequested) -> None:
        call.respond(event, 202)
        await call.notify_refer(100, event)
        await trio.sleep(5 if target_of(event) == "carol" else 1)
        await call.notify_refer(statuses[target_of(event)], event)

    async with call_to(asked) as call:
        outcomes = {}

        async def transfer(name: str) -> None:
            outcomes[name] = await call.transfer(whom(name))

        async with trio.open_nursery() as nursery:
            for name in statuses:
                nursery.start_soon(transfer, name)
        assert outcomes == statuses


async def test_what_is_told_of_a_transfer_that_was_given_up_is_not_that_of_the_next(clock: MockClock) -> None:
    async def asked(call: IncomingCall, event: CallRequested) -> None:
        call.respond(event, 202)
        await trio.sleep(2)
        await call.notify_refer(486 if target_of(event) == "carol" else 200)

    async with call_to(asked) as call:
        with trio.move_on_after(1):
            await call.transfer(whom("carol"))
        assert await call.transfer(whom("dave")) == 200


async def test_whoever_hangs_up_at_once_hears_the_outcome(clock: MockClock) -> None:
    """RFC 5359 §2.4."""

    async def asked(call: IncomingCall, event: CallRequested) -> None:
        call.respond(event, 202)
        await call.notify_refer(100)
        await call.over()
        await trio.sleep(30)
        await call.notify_refer(180)
        await trio.sleep(50)
        await call.notify_refer(200, event)
        with pytest.raises(LocalError, match="over"):
            await call.notify_refer(200, event)

    outcomes = []
    async with trio.open_nursery() as nursery, call_to(asked) as call:

        async def transfer() -> None:
            outcomes.append(await call.transfer(whom("carol")))

        nursery.start_soon(transfer)
        await trio.sleep(1)
    assert outcomes == [200]


@pytest.mark.parametrize(("told", "outcome"), [([], None), ([100], None), ([100, 180], None), ([200], 200)])
async def test_a_call_that_ends_before_the_outcome_is_told(
    clock: MockClock, told: list[int], outcome: int | None
) -> None:
    async def asked(call: IncomingCall, event: CallRequested) -> None:
        call.respond(event, 202)
        for status in told:
            await call.notify_refer(status)
        await call.hang_up()

    async with call_to(asked) as call:
        before = trio.current_time()
        if outcome is not None:
            assert await call.transfer(whom("carol")) == outcome
            return
        with pytest.raises(CallFailure, match="has not told how that went"):
            await call.transfer(whom("carol"))
        assert trio.current_time() - before == pytest.approx(ACTIVE_SECONDS, abs=5)


@pytest.mark.parametrize(("status", "outcome"), [("180 Ringing", None), ("200 OK", 200)])
async def test_a_transfer_whose_peer_ends_telling_since_its_time_has_run_out(
    clock: MockClock, status: str, outcome: int | None
) -> None:
    """RFC 6665 §4.1.3: as if nothing more had come, for how the call went is as open as before."""

    async def asked(call: IncomingCall, event: CallRequested) -> None:
        call.respond(event, 202)
        fields = [("Event", "refer"), ("Subscription-State", "terminated;reason=Timeout")]
        body = f"SIP/2.0 {status}\r\n".encode()
        await call.request("NOTIFY", fields=fields, body=body, content_type=SIPFRAG)

    async with call_to(asked) as call:
        if outcome is not None:
            assert await call.transfer(whom("carol")) == outcome
            return
        with pytest.raises(CallFailure, match="has not told how that went"):
            await call.transfer(whom("carol"))


async def test_a_transfer_of_which_nothing_is_to_be_told(clock: MockClock) -> None:
    """RFC 4488. A peer that does not know it tells all the same, and is answered."""
    asked_for = []

    async def asked(call: IncomingCall, event: CallRequested) -> None:
        asked_for.append(event.request.headers.get("Refer-Sub"))
        call.respond(event, 202)
        assert (await call.notify_refer(200)).response.status == 200

    async with call_to(asked) as call:
        assert await call.transfer(whom("carol"), subscribe=False) == 202
        await trio.sleep(1)
    assert asked_for == ["false"]


async def test_a_transfer_is_given_up_when_its_endpoint_is_closed(clock: MockClock) -> None:
    async def asked(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        async for event in call:
            if isinstance(event, CallRequested):
                call.respond(event, 202)

    async def transfer(call: Call) -> None:
        with pytest.raises(CallFailure, match="closed"):
            await call.transfer(whom("carol"))

    async with endpoint(methods=("REFER",)) as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, asked)
        async with trio.open_nursery() as transferring:
            async with endpoint() as (alice, _), alice.call(invite(alice, hop)) as call:
                await call.answered()
                transferring.start_soon(transfer, call)
                await trio.sleep(1)
            before = trio.current_time()
        assert trio.current_time() - before < 1
        nursery.cancel_scope.cancel()
