"""Calls to await, over real sockets: sessions that change, transfers, redirections, and leaving at any point."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from sipcore.dialogs.effects import EndReason
from sipcore.dialogs.reinvite_client import MAX_ATTEMPTS
from sipcore.endpoint.call import Call, CallFailure, IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import LocalError
from sipcore.events import (
    CallChanged,
    CallEnded,
    CallFailed,
    CallOffered,
    CallProgress,
    CallRedirected,
    CallRequested,
    CallUnchanged,
)
from sipcore.message.address import Address
from sipcore.message.uri import SipUri, Uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.build import audio_description
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import SDP, Direction
from sipcore.stack_config import StackConfig
from sipcore.transports.base import TransportConfig

LOOPBACK = SocketAddress("127.0.0.1", 0)
CALLER = audio_description(address="127.0.0.1", port=40000, session_id=1, session_version=1, codecs=[PCMU])
CALLEE = audio_description(address="127.0.0.1", port=40002, session_id=2, session_version=1, codecs=[PCMU])


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


@asynccontextmanager
async def endpoint(**stack: object) -> AsyncIterator[tuple[Endpoint, Hop]]:
    """Somebody on the network, and the way there."""
    config = EndpointConfig(
        transports=TransportConfig(bind=((Transport.UDP, LOOPBACK),)),
        stack=StackConfig(**stack),  # type: ignore[arg-type]  # the fields of StackConfig
        takes_incoming=True,
    )
    async with Endpoint(config) as opened:
        address = opened.transports.local_address(Transport.UDP)
        assert address
        yield opened, Hop(Transport.UDP, address)


def invite(caller: Endpoint, hop: Hop, *, offer: bytes = bytes(CALLER)) -> Order:
    uri = SipUri(hop.remote.host, "bob", hop.remote.port)
    return Order(caller.new_request("INVITE", uri, body=offer, content_type=SDP if offer else ""), hop, "alice")


async def answer_all(callee: Endpoint, deal_with: Callable[[IncomingCall], Awaitable[None]]) -> None:
    async with trio.open_nursery() as nursery:
        async for incoming in callee.incoming():
            assert isinstance(incoming, IncomingCall)
            nursery.start_soon(deal_with, incoming)


async def pick_up(call: IncomingCall) -> None:
    call.ring()
    call.accept(body=bytes(CALLEE), content_type=SDP)
    await call.over()


def direction(body: bytes) -> Direction:
    read = SessionDescription.parse(body)
    return read.direction_of(read.media[0])


@pytest.mark.parametrize(
    ("wanted", "on_hold"),
    [
        (Direction.SENDRECV, Direction.SENDONLY),
        (Direction.RECVONLY, Direction.INACTIVE),  # who has sent nothing sends nothing on hold either
    ],
)
async def test_hold_and_resume(clock: MockClock, wanted: Direction, on_hold: Direction) -> None:
    offer = bytes(CALLER.with_media(0, CALLER.media[0].with_direction(wanted)))
    async with endpoint() as (alice, _), endpoint() as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, pick_up)
        async with alice.call(invite(alice, hop, offer=offer)) as call:
            await call.answered()
            await call.hold()
            assert direction(call.local) is on_hold
            assert direction(call.remote) is on_hold.reversed
            await call.resume()
            assert direction(call.local) is wanted
            assert direction(call.remote) is wanted.reversed
        nursery.cancel_scope.cancel()
    assert call.end_reason is EndReason.LOCAL_HANG_UP


async def test_one_call_is_dealt_with_in_another_manner(clock: MockClock) -> None:
    """With a session timer that other calls do not have, for as long as it is not answered."""
    refused: list[str] = []

    async def deal_with(call: IncomingCall) -> None:
        call.adopt(lambda manner: replace(manner, interval=600, extensions=("timer",)))
        call.accept(body=bytes(CALLEE), content_type=SDP)
        try:
            call.adopt(lambda manner: manner)
        except LocalError as error:
            refused.append(error.message)
        await call.over()

    async with endpoint() as (callee, hop), endpoint() as (caller, _), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, callee, deal_with)
        async with caller.call(invite(caller, hop)) as call:
            answer = await call.answered()
        nursery.cancel_scope.cancel()
    assert [answer.headers.get(name) for name in ("Supported", "Session-Expires")] == ["timer", "600;refresher=uac"]
    assert refused == ["a call that is answered is dealt with as it was: adopt a manner before it is answered"]


async def test_the_callee_holds_and_the_caller_hears_of_it(clock: MockClock) -> None:
    async def hold(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        async for _ in call:
            await call.hold()
            break
        await call.over()

    async with endpoint() as (alice, _), endpoint() as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, hold)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            changed = [event async for event in _until(call, CallChanged)][-1]
            assert isinstance(changed, CallChanged)
            assert not changed.local
            assert direction(call.local) is Direction.RECVONLY
        nursery.cancel_scope.cancel()


async def _until(call: AsyncIterable[object], kind: type) -> AsyncIterator[object]:
    async for event in call:
        yield event
        if isinstance(event, kind):
            return


@pytest.mark.parametrize("status", [488, 491, 500])
async def test_a_change_that_is_refused_raises_and_the_call_goes_on(clock: MockClock, status: int) -> None:
    offers: list[Direction] = []

    async def refuse(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        async for event in call:
            if isinstance(event, CallOffered):
                offers.append(direction(event.message.body))
                call.decline(status, remote_tag=event.remote_tag)

    async with endpoint() as (alice, _), endpoint(answers_offers=False) as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, refuse)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            with pytest.raises(CallFailure) as caught:
                await call.hold()
            assert caught.value.response
            assert caught.value.response.status == status
            assert not call.is_over
            assert direction(call.local) is Direction.SENDRECV
            with pytest.raises(CallFailure):
                await call.change()
        nursery.cancel_scope.cancel()
    attempts = MAX_ATTEMPTS if status == 491 else 1
    assert offers == [Direction.SENDONLY] * attempts + [Direction.SENDRECV] * attempts


async def test_there_is_nothing_to_hold_while_a_call_rings_without_a_session(clock: MockClock) -> None:
    async def pick_up_later(call: IncomingCall) -> None:
        call.ring()
        await trio.sleep(1)
        await pick_up(call)

    async with endpoint() as (alice, _), endpoint() as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, pick_up_later)
        async with alice.call(invite(alice, hop)) as call:
            await trio.sleep(0.5)
            with pytest.raises(LocalError, match="wait until the call is answered"):
                await call.hold()
            await call.answered()
            assert direction(call.local) is Direction.SENDRECV
            await call.hold()
            assert direction(call.local) is Direction.SENDONLY
        nursery.cancel_scope.cancel()


async def test_a_hold_that_nobody_waits_for_any_more_is_taken_back(clock: MockClock) -> None:
    """By CANCEL (RFC 3261 §9.1); what is asked for after it goes out once that is through."""
    offers: list[Direction] = []

    async def decide(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        async for event in call:
            if isinstance(event, CallOffered):
                offers.append(direction(event.message.body))
                if len(offers) > 1:
                    call.answer(CALLEE)

    async with endpoint() as (alice, _), endpoint(answers_offers=False) as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, decide)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            with trio.move_on_after(1):
                await call.hold()
            assert direction(call.local) is Direction.SENDRECV
            await call.change()
            outcomes = [await anext(call), await anext(call)]
            assert direction(call.local) is Direction.SENDRECV
        nursery.cancel_scope.cancel()
    refused, changed = outcomes
    assert isinstance(refused, CallUnchanged)
    assert refused.response is not None
    assert refused.response.status == 487
    assert isinstance(changed, CallChanged)
    assert offers == [Direction.SENDONLY, Direction.SENDRECV]
    assert call.end_reason is EndReason.LOCAL_HANG_UP


async def test_a_hold_that_the_peer_has_agreed_to_before_it_was_taken_back_counts(clock: MockClock) -> None:
    """A CANCEL waits for the first 1xx, and none comes before the 2xx: what `resume` is asked for comes after that."""
    offers: list[Direction] = []

    async def decide(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        async for event in call:
            if isinstance(event, CallOffered):
                offers.append(direction(event.message.body))
                await trio.sleep(0.1)
                call.answer(CALLEE)

    async with endpoint() as (alice, _), endpoint(answers_offers=False) as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, decide)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            with trio.move_on_after(0.05):
                await call.hold()
            changed = await anext(call)
            assert isinstance(changed, CallChanged)
            assert changed.local
            assert direction(call.local) is Direction.SENDONLY
            with trio.move_on_after(0.05):
                await call.change(CALLER)
            await call.resume()
            assert direction(call.local) is Direction.SENDRECV
        nursery.cancel_scope.cancel()
    assert offers == [Direction.SENDONLY, Direction.SENDRECV, Direction.SENDRECV]


async def test_a_hold_that_was_taken_back_is_not_tried_again_after_a_491(clock: MockClock) -> None:
    offers: list[Direction] = []

    async def refuse(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        async for event in call:
            if isinstance(event, CallOffered):
                offers.append(direction(event.message.body))
                call.decline(491)

    async with endpoint() as (alice, _), endpoint(answers_offers=False) as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, refuse)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            with trio.move_on_after(1):  # by which it waits to be tried again
                await call.hold()
            assert isinstance(await anext(call), CallUnchanged)
            await trio.sleep(30)
            assert offers == [Direction.SENDONLY]
            assert not call.is_over
        nursery.cancel_scope.cancel()


async def test_an_offer_may_be_answered_by_hand(clock: MockClock) -> None:
    async def decide(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        async for event in call:
            if isinstance(event, CallOffered):
                with pytest.raises(LocalError, match="'nobody'"):
                    call.answer(CALLEE, remote_tag="nobody")
                call.answer(CALLEE, remote_tag=event.remote_tag)

    async with endpoint() as (alice, _), endpoint(answers_offers=False) as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, decide)
        async with alice.call(invite(alice, hop)) as call:
            tag = (await call.answered()).to_tag
            await call.change(CALLER, remote_tag=tag)
            with pytest.raises(LocalError, match="'nobody'"):
                await call.change(CALLER, remote_tag="nobody")
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("status", [200, 488, 0])
async def test_another_offer_may_go_out_in_the_prack(clock: MockClock, status: int) -> None:
    """RFC 3262 §5; 0 stands for a PRACK without one."""

    async def ring(call: IncomingCall) -> None:
        call.ring(183, body=bytes(CALLEE), content_type=SDP)
        async for event in call:
            if isinstance(event, CallOffered) and status == 200:
                call.answer(CALLEE)
            elif isinstance(event, CallOffered):
                call.decline(status)

    async with (
        endpoint(acknowledges=False) as (alice, _),
        endpoint(answers_offers=False) as (bob, hop),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(answer_all, bob, ring)
        async with alice.call(invite(alice, hop)) as call:
            async for event in call:
                if isinstance(event, CallProgress) and event.waits:
                    break
            if status == 200:
                assert (await call.change(CALLER)).cseq.method == "PRACK"
            elif status:
                with pytest.raises(CallFailure, match=str(status)):
                    await call.change(CALLER)
            else:
                call.acknowledge()
                with pytest.raises(LocalError, match="no reliable 1xx"):
                    call.acknowledge()
        nursery.cancel_scope.cancel()


async def test_a_delayed_offer(clock: MockClock) -> None:
    async with endpoint() as (alice, _), endpoint() as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, pick_up)
        async with alice.call(invite(alice, hop, offer=b"")) as call:
            assert (await call.answered()).body == bytes(CALLEE)
            call.answer(CALLER)
            await call.hold()
        nursery.cancel_scope.cancel()


async def test_a_request_inside_a_call(clock: MockClock) -> None:
    async def take_info(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        async for event in call:
            if isinstance(event, CallRequested):
                call.respond(event, 200 if event.request.body == b"Signal=5\r\n" else 400)

    async with endpoint() as (alice, _), endpoint(methods=("INFO",)) as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, take_info)
        async with alice.call(invite(alice, hop)) as call:
            tag = (await call.answered()).to_tag
            exchange = await call.request(
                "INFO", body=b"Signal=5\r\n", content_type="application/dtmf-relay", remote_tag=tag
            )
            with pytest.raises(LocalError, match="'nobody'"):
                await call.request("INFO", remote_tag="nobody")
            assert exchange.response.status == 200
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("outcome", "told", "fields"),
    [
        (200, [100, 180, 200], []),
        (486, [100, 486], []),
        (202, [], [("Refer-Sub", "false")]),  # RFC 4488 §4: it agrees, and tells nothing more
        (200, [200], [("Refer-Sub", "@")]),  # which says nothing
    ],
)
async def test_a_transfer(clock: MockClock, outcome: int, told: list[int], fields: list[tuple[str, object]]) -> None:
    async def follow(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        async for event in call:
            if isinstance(event, CallRequested):
                assert event.request.headers.get("Refer-To") == "<sip:carol@192.0.2.9>"
                call.respond(event, 202, fields=fields)
                for status in told:
                    await call.notify_refer(status)

    async with endpoint() as (alice, _), endpoint(methods=("REFER",)) as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, follow)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            assert await call.transfer(SipUri("192.0.2.9", "carol")) == outcome
        nursery.cancel_scope.cancel()


async def test_a_transfer_that_is_refused(clock: MockClock) -> None:
    async with endpoint() as (alice, _), endpoint() as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, pick_up)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            with pytest.raises(CallFailure, match="405"):
                await call.transfer(SipUri("192.0.2.9", "carol"))
        nursery.cancel_scope.cancel()


async def test_a_transfer_to_another_call_makes_the_peers_talk(clock: MockClock) -> None:
    """Alice has called Bob and Carol, and has Bob take her place in the call with Carol."""
    replaced: list[int | None] = []

    async def carol_answers(call: IncomingCall) -> None:
        replaced.append(call.replaces)
        await pick_up(call)

    async with (
        endpoint() as (alice, _),
        endpoint(methods=("REFER",)) as (bob, to_bob),
        endpoint() as (carol, to_carol),
        trio.open_nursery() as nursery,
    ):

        async def bob_answers(call: IncomingCall) -> None:
            call.accept(body=bytes(CALLEE), content_type=SDP)
            async for event in call:
                if isinstance(event, CallRequested):
                    call.respond(event, 202)
                    nursery.start_soon(take_over, call, event)

        async def take_over(call: IncomingCall, event: CallRequested) -> None:
            target = Address.parse(event.request.headers.get("Refer-To") or "").uri
            async with bob.call(replacing(bob, target, to_carol)) as taken:
                await taken.answered()
                await call.notify_refer(200)
                await call.over()

        nursery.start_soon(answer_all, bob, bob_answers)
        nursery.start_soon(answer_all, carol, carol_answers)
        async with alice.call(invite(alice, to_carol)) as second, alice.call(invite(alice, to_bob)) as first:
            await second.answered()
            await first.answered()
            assert await first.transfer(second) == 200
            await second.over()
            assert second.end_reason is EndReason.REMOTE_HANG_UP
        nursery.cancel_scope.cancel()
    assert replaced == [None, 1]


def replacing(caller: Endpoint, target: Uri, hop: Hop) -> Order:
    """The INVITE that a Refer-To asks for: its headers become header fields (RFC 3261 §19.1.5)."""
    assert isinstance(target, SipUri)
    fields = target.header_items()
    request = caller.new_request(
        "INVITE", target.replace(headers=None), fields=fields, body=bytes(CALLER), content_type=SDP
    )
    return Order(request, hop, "bob")


async def test_a_call_that_is_sent_on(clock: MockClock) -> None:
    async with endpoint() as (alice, _), endpoint() as (bob, hop), trio.open_nursery() as nursery:
        contact = f"<sip:carol@{hop.remote}>"

        async def send_on(call: IncomingCall) -> None:
            if str(call.invite.uri) == contact.strip("<>"):
                await pick_up(call)
            else:
                call.reject(302, fields=[("Contact", contact)])

        nursery.start_soon(answer_all, bob, send_on)
        async with alice.call(invite(alice, hop), redirects=1) as call:
            events = [event async for event in _until(call, CallProgress)]
            assert any(isinstance(event, CallRedirected) for event in events)
            await call.answered()
        with pytest.raises(CallFailure, match="302"):
            async with alice.call(invite(alice, hop)) as call:
                await call.answered()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("answers", "ended", "status"),
    [(True, EndReason.REMOTE_HANG_UP, None), (False, None, 480)],
    ids=["answered", "ringing"],
)
async def test_a_call_that_came_in_is_ended_with_its_block(
    clock: MockClock, answers: bool, ended: EndReason | None, status: int | None
) -> None:
    """Whoever deals with it is cancelled, and the endpoint goes on: the caller is not left with a dead line."""

    async def deal_with(incoming: IncomingCall) -> None:
        with trio.move_on_after(0.5):
            async with incoming as call:
                assert call is incoming
                call.ring()
                if answers:
                    call.accept(body=bytes(CALLEE), content_type=SDP)
                await trio.sleep_forever()

    async with endpoint() as (alice, _), endpoint() as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, deal_with)
        with trio.fail_after(2):
            async with alice.call(invite(alice, hop)) as call:
                await call.over()
        last = [event async for event in call][-1]
        assert call.end_reason is ended
        assert isinstance(last, CallEnded) if answers else isinstance(last, CallFailed)
        assert not isinstance(last, CallFailed) or (last.response and last.response.status == status)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("status", [0, 486])
async def test_a_call_that_is_over_leaves_its_block_at_once(clock: MockClock, status: int) -> None:
    """It was refused in the block, or the caller gave up."""
    gone = trio.Event()

    async def deal_with(incoming: IncomingCall) -> None:
        async with incoming as call:
            call.ring()
            if status:
                call.reject(status)
            await call.over()
        gone.set()

    async with endpoint() as (alice, _), endpoint() as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, deal_with)
        with trio.fail_after(2):
            with trio.move_on_after(0.5):
                async with alice.call(invite(alice, hop)) as call:
                    await call.over()
            await gone.wait()
        nursery.cancel_scope.cancel()


async def test_hanging_up_again_waits_no_longer_and_the_end_is_told_when_it_comes(clock: MockClock) -> None:
    """The block of a call does not wait once more, and what comes after it is still told: here Timer B (§17.1.1.2)."""
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as mute:
        await mute.bind(("127.0.0.1", 0))
        hop = Hop(Transport.UDP, SocketAddress(*mute.getsockname()))
        async with endpoint() as (alice, _):
            began = trio.current_time()
            async with alice.call(invite(alice, hop)) as call:
                await call.hang_up()
            assert trio.current_time() - began == pytest.approx(8.0, abs=0.2)
            with trio.fail_after(60):
                await call.over()
            assert trio.current_time() - began == pytest.approx(32.0, abs=0.5)
            assert [event async for event in call] == [CallEnded(call.number, EndReason.LOCAL_HANG_UP)]


async def test_two_changes_at_once_are_refused_here(clock: MockClock) -> None:
    async def think(call: IncomingCall) -> None:
        call.accept(body=bytes(CALLEE), content_type=SDP)
        await call.over()

    async with endpoint() as (alice, _), endpoint(answers_offers=False) as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, think)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            async with trio.open_nursery() as holding:
                holding.start_soon(call.hold)
                await trio.sleep(0.1)
                with pytest.raises(LocalError, match="on its way"):
                    await call.resume()
                holding.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("after", [0.0, 0.001, 0.01, 0.05, 0.1, 0.3, 0.6])
async def test_leaving_at_any_point_leaves_no_dialog_on_either_side(after: float) -> None:
    """The block is cancelled while the call rings, is answered, is held, or ends; nobody is left in it."""
    ended: list[IncomingCall] = []

    async def slowly(call: IncomingCall) -> None:
        ended.append(call)
        await trio.sleep(0.05)
        if not call.is_over:
            call.ring()
        await trio.sleep(0.05)
        if not call.is_over:
            call.accept(body=bytes(CALLEE), content_type=SDP)
        await call.over()

    with trio.fail_after(20):
        async with endpoint() as (alice, _), endpoint() as (bob, hop), trio.open_nursery() as nursery:
            nursery.start_soon(answer_all, bob, slowly)
            with trio.move_on_after(after):
                async with alice.call(invite(alice, hop)) as call:
                    await call.answered()
                    while True:
                        await call.hold()
                        await call.resume()
            assert call.is_over
            for incoming in ended:
                await incoming.over()
            nursery.cancel_scope.cancel()


async def test_what_a_peer_goes_on_telling_is_kept_within_a_limit(
    clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reads the events of this call, and it is refreshed for years; how it ends is told all the same."""
    monkeypatch.setattr("sipcore.endpoint.call.MAX_UNREAD", 5)
    async with endpoint() as (alice, _), endpoint() as (bob, hop), trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob, pick_up)
        async with alice.call(invite(alice, hop)) as call:
            await call.answered()
            for _ in range(8):
                await call.change(method="UPDATE")
        events = [event async for event in call]
        assert len(events) == 6
        assert isinstance(events[-1], CallEnded)
        nursery.cancel_scope.cancel()


async def test_two_who_read_the_events_of_a_call_share_them_and_both_learn_its_end() -> None:
    async with endpoint() as (alice, _):
        call = Call(alice, 1)
        read: list[list[object]] = []

        async def reads() -> None:
            read.append([event async for event in call])

        changes = [CallUnchanged(1, None, None, "b") for _ in range(5)]
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reads)
                nursery.start_soon(reads)
                await trio.testing.wait_all_tasks_blocked()
                for change in changes[:3]:
                    call.deliver(change)
                await trio.testing.wait_all_tasks_blocked()
                for change in changes[3:]:
                    call.deliver(change)
                call.deliver(CallEnded(1, EndReason.LOCAL_HANG_UP))
        events = [event for each in read for event in each]
        assert len(read) == 2
        assert len(events) == 6
        assert {id(event) for event in events} >= {id(change) for change in changes}
        assert [event async for event in call] == []


@pytest.mark.parametrize("after", [0.0, 0.01, 0.05, 0.1, 0.3])
async def test_an_endpoint_that_is_cancelled_hangs_up_before_it_ends(after: float) -> None:
    """All of the caller is cancelled, its endpoint included: what ends the call is sent, answered, and repeated."""
    came: list[IncomingCall] = []
    placed: list[Call] = []

    async def slowly(call: IncomingCall) -> None:
        came.append(call)
        await trio.sleep(0.05)
        if not call.is_over:
            call.accept(body=bytes(CALLEE), content_type=SDP)
        await call.over()

    with trio.fail_after(20):
        async with endpoint() as (bob, hop), trio.open_nursery() as nursery:
            nursery.start_soon(answer_all, bob, slowly)
            with trio.CancelScope() as everything:
                async with endpoint() as (alice, _), alice.call(invite(alice, hop)) as call:
                    placed.append(call)
                    everything.deadline = trio.current_time() + after
                    await trio.sleep_forever()
            assert [call.end_reason for call in placed] == [EndReason.LOCAL_HANG_UP]
            assert all(call.is_over for call in (*placed, *came))
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("patience", [0.0, 1.0, 8.0])
async def test_who_has_not_answered_is_waited_for_as_long_as_the_patience_says(
    patience: float, clock: MockClock
) -> None:
    """Nothing may be cancelled before a provisional response (RFC 3261 §9.1), so that there is nothing but waiting."""
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as mute:
        await mute.bind(("127.0.0.1", 0))
        hop = Hop(Transport.UDP, SocketAddress(*mute.getsockname()))
        async with endpoint() as (alice, _):
            async with alice.call(invite(alice, hop)) as call:
                assert call.patience == 8.0
                call.patience = patience
                await trio.sleep(1.0)
                left = trio.current_time()
            assert trio.current_time() - left == pytest.approx(patience, abs=0.2)
