"""What subscribers learn of calls and registrations, over real sockets: each by its Call-ID, beside its messages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.endpoint.registrar import answer_register
from sipcore.message.address import Address
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri
from sipcore.outgoing import Order
from sipcore.registration.binding import Registration
from sipcore.registration.registrar import Registrar
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.build import audio_description
from sipcore.sdp.terms import SDP
from sipcore.stack_config import StackConfig
from sipcore.trace import MessageTrace, TraceRecord, TransitionTrace
from sipcore.transports.base import TransportConfig

SESSION = bytes(audio_description(address="127.0.0.1", port=40000, session_id=1, session_version=1, codecs=[PCMU]))


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


@asynccontextmanager
async def opened(*, tracing: bool = True) -> AsyncIterator[tuple[Endpoint, Hop, list[TraceRecord]]]:
    """Somebody on the network, the way there, and what is told there."""
    transports = TransportConfig(bind=((Transport.UDP, SocketAddress("127.0.0.1", 0)),))
    stack, told = StackConfig(passes_unknown=True, tracing=tracing), list[TraceRecord]()
    async with Endpoint(EndpointConfig(transports, stack=stack, takes_incoming=True)) as endpoint:
        address = endpoint.transports.local_address(Transport.UDP)
        assert address is not None
        endpoint.subscribe(told.append)
        yield endpoint, Hop(Transport.UDP, address), told


async def answer(endpoint: Endpoint) -> None:
    """Pick up, and register whoever wants to be."""
    registrar = Registrar()
    async with trio.open_nursery() as nursery:
        async for incoming in endpoint.incoming():
            if isinstance(incoming, IncomingCall):
                incoming.ring()
                incoming.accept(body=SESSION, content_type=SDP)
                nursery.start_soon(incoming.over)
            else:
                assert isinstance(incoming, IncomingRequest)
                answer_register(registrar, incoming, trio.current_time())


def above(told: list[TraceRecord]) -> list[TransitionTrace]:
    """What is told of machines above the transactions."""
    return [one for one in told if isinstance(one, TransitionTrace) and one.call_id]


async def test_each_call_is_told_of_by_its_call_id(clock: MockClock) -> None:
    async with opened() as (alice, _, at_alice), opened() as (bob, hop, at_bob), trio.open_nursery() as nursery:
        nursery.start_soon(answer, bob)
        uri = SipUri(hop.remote.host, "bob", hop.remote.port)
        invites = [alice.new_request("INVITE", uri, body=SESSION, content_type=SDP) for _ in range(2)]
        async with alice.call(Order(invites[0], hop, "alice")) as first, alice.call(Order(invites[1], hop)) as second:
            await first.answered()
            await second.answered()
            await first.hold()
        nursery.cancel_scope.cancel()
    for told, machine in ((at_alice, "caller"), (at_bob, "callee")):
        assert {one.call_id for one in above(told)} == {invite.call_id for invite in invites}
        for invite in invites:
            own = [one for one in above(told) if one.call_id == invite.call_id and one.machine == machine]
            assert [one.before for one in own] == ["", *(one.after for one in own[:-1])]
            assert own[-1].after == "TERMINATED"
        held = [one for one in above(told) if one.before != one.after and one.machine.startswith("re-INVITE")]
        assert {one.call_id for one in held} == {invites[0].call_id}
        assert len(held) == 2
    tags = {(one.call_id, one.local_tag, one.remote_tag) for one in above(at_alice) if one.remote_tag}
    assert tags == {(one.call_id, one.remote_tag, one.local_tag) for one in above(at_bob)}
    assert {tag for _, tag, _ in tags} == {invite.from_tag for invite in invites}


async def test_a_registration_is_told_of_by_its_call_id_before_its_requests(clock: MockClock) -> None:
    async with opened() as (alice, _, told), opened() as (registrar, hop, _), trio.open_nursery() as nursery:
        nursery.start_soon(answer, registrar)
        aor = Address(SipUri("127.0.0.1", "alice"))
        async with alice.register(Registration(aor), user="alice", hop=hop) as registered:
            await registered.binding()
            await registered.refresh()
        nursery.cancel_scope.cancel()
    requests = [parse_message(one.data) for one in told if isinstance(one, MessageTrace) and one.data[:4] == b"REGI"]
    assert {(one.call_id, one.local_tag) for one in above(told)} == {(one.call_id, one.from_tag) for one in requests}
    shown = [text for one in told if (text := in_short(one))]
    sent = ["REGISTER", "SIP/2.0 ", "ACCEPTED"]
    assert shown == ["START", *sent, "DUE", *sent, "STOP", *sent]


def in_short(record: TraceRecord) -> str:
    """How a message begins, and what happens to a machine above the transactions."""
    if isinstance(record, MessageTrace):
        return record.data[:8].decode()
    return record.input if isinstance(record, TransitionTrace) and record.call_id else ""


async def test_nothing_is_told_where_it_is_turned_off(clock: MockClock) -> None:
    async with opened(tracing=False) as (alice, _, told), opened() as (bob, hop, _), trio.open_nursery() as nursery:
        nursery.start_soon(answer, bob)
        aor = Address(SipUri("127.0.0.1", "alice"))
        async with alice.register(Registration(aor), hop=hop) as registered:
            await registered.binding()
            order = Order(alice.new_request("INVITE", SipUri("127.0.0.1"), body=SESSION, content_type=SDP), hop)
            async with alice.call(order) as call:
                await call.answered()
        nursery.cancel_scope.cancel()
    assert {type(one) for one in told} == {MessageTrace}
