"""An endpoint whose block ends: whatever other tasks await of it ends too, and nothing can be begun any more."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio
from trio.testing import MockClock

from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import Call, CallFailure, IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.endpoint.registration import Registering, RegistrationFailure
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import CallEnded, CallFailed
from sipcore.message.address import Address
from sipcore.message.build import response as build_response
from sipcore.message.message import Message, Request
from sipcore.message.method import INVITE, REFER
from sipcore.message.parser import parse_message
from sipcore.message.uri import SipUri
from sipcore.outgoing import Order
from sipcore.registration.binding import Registration
from sipcore.registration.keeper import RegistrationEnded
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.build import audio_description
from sipcore.sdp.terms import SDP
from sipcore.stack_config import StackConfig
from sipcore.transports.base import TransportConfig
from sipcore.transports.lookup import LookupConfig

LOOPBACK = SocketAddress("127.0.0.1", 0)
OFFER = bytes(audio_description(address="127.0.0.1", port=40000, session_id=1, session_version=1, codecs=[PCMU]))
BOB = SipUri("127.0.0.1", "bob")
CAROL = SipUri("127.0.0.1", "carol")
NAME = SipUri("sip.example.com")
AOR = Address(SipUri("127.0.0.1", "alice"))
CLOSED = "the endpoint was closed"
USED_LATE = "the endpoint is closed"


@pytest.fixture
def clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms: no test waits for its timeouts."""
    return MockClock(autojump_threshold=0.05)


@dataclass(slots=True)
class World:
    """An endpoint, and peers that are no help: one keeps silent, one answers INVITE (and REFER) and nothing else.

    To an INVITE for `CAROL`, who never picks up, the curt one says 180.
    """

    endpoint: Endpoint
    silent: SocketAddress
    curt: SocketAddress
    listener: SocketAddress
    """Takes TCP connections, and never says a word."""

    def hop(self, transport: Transport = Transport.UDP) -> Hop:
        return Hop(transport, self.silent if transport is Transport.UDP else self.listener, tls_name="127.0.0.1")

    def invite(self, to: SocketAddress, whom: SipUri = BOB) -> Order:
        return Order(
            self.endpoint.new_request(INVITE, whom, body=OFFER, content_type=SDP), Hop(Transport.UDP, to), "alice"
        )

    @property
    def registration(self) -> Registration:
        return Registration(AOR, registrar=SipUri(self.silent.host, None, self.silent.port))


@asynccontextmanager
async def datagrams() -> AsyncIterator[tuple[trio.socket.SocketType, SocketAddress]]:
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
        await sock.bind((LOOPBACK.host, 0))
        yield sock, SocketAddress(*sock.getsockname())


async def answer_curtly(sock: trio.socket.SocketType) -> None:
    contact = ("Contact", f"<sip:bob@{SocketAddress(*sock.getsockname())}>")
    while True:
        data, sender = await sock.recvfrom(65536)
        message = parse_message(data)
        if not isinstance(message, Request):
            continue
        if message.method == INVITE and message.uri == CAROL:
            answer = build_response(message, 180, tag="curt", fields=[contact, ("Allow", "UPDATE")])
        elif message.method == INVITE and message.to_tag is None:
            answer = build_response(message, 200, tag="curt", fields=[contact], body=OFFER, content_type=SDP)
        elif message.method == REFER:
            answer = build_response(message, 202, fields=[contact])
        else:
            continue
        await sock.sendto(bytes(answer), sender)


@asynccontextmanager
async def peers() -> AsyncIterator[tuple[SocketAddress, SocketAddress, SocketAddress]]:
    async def keep_silent(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with datagrams() as (_, silent), datagrams() as (sock, curt), trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host=LOOPBACK.host)
        nursery.start_soon(trio.serve_listeners, keep_silent, [listener])
        nursery.start_soon(answer_curtly, sock)
        yield silent, curt, SocketAddress(*listener.socket.getsockname())
        nursery.cancel_scope.cancel()


def config(silent: SocketAddress) -> EndpointConfig:
    return EndpointConfig(
        transports=TransportConfig(bind=((Transport.UDP, LOOPBACK),), connect_timeout=1e6),
        lookup=LookupConfig(nameservers=(silent,), timeout=1e6, lifetime=1e6),
        stack=StackConfig(methods=("INFO",), passes_unknown=True),
        takes_incoming=True,
    )


# What may be awaited


async def asked_over(world: World, transport: Transport) -> None:
    await world.endpoint.options(BOB, hop=world.hop(transport))


async def asked_by_name(world: World) -> None:
    await world.endpoint.options(NAME)


async def located(world: World) -> None:
    await world.endpoint.locate(NAME)


async def prepared(world: World) -> None:
    await world.endpoint.transports.prepare(world.hop(Transport.TLS))


async def answered(world: World) -> None:
    async with world.endpoint.call(world.invite(world.silent)) as call:
        await call.answered()


async def events(world: World) -> None:
    async with world.endpoint.call(world.invite(world.silent)) as call:
        last = [event async for event in call][-1]
    assert isinstance(last, CallFailed)
    assert last.failure is not None
    raise last.failure


async def over(world: World) -> None:
    async with world.endpoint.call(world.invite(world.silent)) as call:
        await call.over()
    assert call.is_over
    await call.answered()


async def hung_up(world: World) -> None:
    async with world.endpoint.call(world.invite(world.silent)) as call:
        await call.hang_up()
    await call.answered()


def up(then: Callable[[Call], Awaitable[object]]) -> Callable[[World], Awaitable[None]]:
    async def run(world: World) -> None:
        async with world.endpoint.call(world.invite(world.curt)) as call:
            await call.answered()
            try:
                await then(call)
            finally:
                last = [event async for event in call][-1]
                assert last == CallEnded(call.number, EndReason.BYE_UNANSWERED)

    return run


async def changed_while_it_rings(world: World) -> None:
    async with world.endpoint.call(world.invite(world.curt, CAROL)) as call:
        await anext(call)
        await call.change()


async def bound(world: World) -> None:
    async with world.endpoint.register(world.registration) as registering:
        await registering.binding()


async def refreshed(world: World) -> None:
    async with world.endpoint.register(world.registration) as registering:
        await registering.refresh()


async def told(world: World) -> None:
    async with world.endpoint.register(world.registration) as registering:
        assert [event async for event in registering][-1] == RegistrationEnded(removed=False)
        await registering.binding()


FAILS: dict[str, tuple[Callable[[World], Awaitable[None]], type[Exception]]] = {
    "a request over UDP": (lambda world: asked_over(world, Transport.UDP), TransportFailure),
    "a request over TCP": (lambda world: asked_over(world, Transport.TCP), TransportFailure),
    "a request over TLS, in the handshake": (lambda world: asked_over(world, Transport.TLS), TransportFailure),
    "a request to a name": (asked_by_name, TransportFailure),
    "locate": (located, TransportFailure),
    "prepare": (prepared, TransportFailure),
    "answered": (answered, CallFailure),
    "the events of a call": (events, TransportFailure),
    "over": (over, CallFailure),
    "hang_up": (hung_up, CallFailure),
    "change while it rings": (changed_while_it_rings, CallFailure),
    "a request inside a call": (up(lambda call: call.request("INFO")), TransportFailure),
    "a transfer": (up(lambda call: call.transfer(BOB)), CallFailure),
    "a notification": (up(lambda call: call.request("NOTIFY", fields=[("Event", "refer")])), TransportFailure),
    "binding": (bound, RegistrationFailure),
    "refresh": (refreshed, RegistrationFailure),
    "the events of a registration": (told, RegistrationFailure),
}


CHANGES: dict[str, Callable[[Call], Awaitable[object]]] = {
    "change": lambda call: call.change(),
    "change by UPDATE": lambda call: call.change(method="UPDATE"),
    "hold": lambda call: call.hold(),
    "resume": lambda call: call.resume(),
}
HOW = pytest.mark.parametrize("cancelled", [False, True], ids=["the block ends", "the block is cancelled"])


@HOW
@pytest.mark.parametrize("what", FAILS)
async def test_what_is_awaited_elsewhere_fails(clock: MockClock, what: str, cancelled: bool) -> None:
    act, kind = FAILS[what]
    (error,) = await failures_elsewhere(act, kind, cancelled=cancelled)
    assert str(error).startswith(CLOSED)
    failure = getattr(error, "cause", error)
    assert isinstance(failure, TransportFailure)
    assert failure.reason is FailureReason.CLOSED


@HOW
@pytest.mark.parametrize("what", CHANGES)
async def test_a_change_that_is_awaited_elsewhere_fails_as_the_call_is_hung_up(
    clock: MockClock, what: str, cancelled: bool
) -> None:
    (error,) = await failures_elsewhere(up(CHANGES[what]), CallFailure, cancelled=cancelled)
    assert str(error).startswith("no answer")


async def failures_elsewhere(
    act: Callable[[World], Awaitable[None]], kind: type[Exception], *, cancelled: bool
) -> list[Exception]:
    """What is raised in a task outside of the endpoint's block, half a second before whose end it has begun."""
    caught: list[Exception] = []

    async def elsewhere(world: World) -> None:
        try:
            await act(world)
        except kind as error:
            caught.append(error)

    async with peers() as (silent, curt, listener):
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                with trio.CancelScope() as block:
                    async with Endpoint(config(silent)) as endpoint:
                        nursery.start_soon(elsewhere, World(endpoint, silent, curt, listener))
                        await trio.sleep(0.5)
                        if cancelled:
                            block.cancel()
                            await trio.sleep_forever()
    return caught


async def test_what_comes_in_ends_with_the_block(clock: MockClock) -> None:
    async def serve(endpoint: Endpoint) -> None:
        assert [incoming async for incoming in endpoint.incoming()] == []

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery, Endpoint() as endpoint:
            nursery.start_soon(serve, endpoint)
            nursery.start_soon(serve, endpoint)
            await trio.sleep(1)


def of_caller(request: Request, address: SocketAddress) -> bytes:
    via, contact = f"SIP/2.0/UDP {address};branch=z9hG4bK{request.method}", f"<sip:alice@{address}>"
    return bytes(request.with_first("Via", via).with_header("Contact", contact))


def ack_of(invite: Request, answer: Message) -> Request:
    ack = invite.with_header("To", answer.headers.get("To")).with_body(b"")
    return Request("ACK", ack.uri, ack.headers).with_header("CSeq", f"{invite.cseq.number} ACK")


@pytest.mark.parametrize("confirmed", [False, True])
async def test_a_call_that_came_in_gets_its_last_event(clock: MockClock, confirmed: bool) -> None:
    """Its caller says nothing more: not even the ACK, or all but that."""
    last: list[object] = []

    async def serve(endpoint: Endpoint) -> None:
        async for incoming in endpoint.incoming():
            assert isinstance(incoming, IncomingCall)
            incoming.accept(body=OFFER, content_type=SDP)
            last.extend([event async for event in incoming][-1:])
            await incoming.over()

    with trio.fail_after(20):
        async with (
            datagrams() as (caller, address),
            trio.open_nursery() as nursery,
            Endpoint(config(address)) as endpoint,
        ):
            nursery.start_soon(serve, endpoint)
            here = endpoint.transports.local_address(Transport.UDP)
            assert here
            invite = endpoint.new_request(INVITE, BOB, body=OFFER, content_type=SDP)
            await caller.sendto(of_caller(invite, address), (here.host, here.port))
            answer = parse_message((await caller.recvfrom(65536))[0])
            if confirmed:
                await caller.sendto(of_caller(ack_of(invite, answer), address), (here.host, here.port))
            await trio.sleep(0.1)
    assert last == [CallEnded(1, EndReason.BYE_UNANSWERED if confirmed else EndReason.NO_ACK)]


async def placed(endpoint: Endpoint) -> None:
    async with endpoint.call(Order(endpoint.new_request(INVITE, BOB), BOB, "alice")):
        pytest.fail("the call was placed")


async def registered(endpoint: Endpoint) -> None:
    async with endpoint.register(Registration(AOR)):
        pytest.fail("it was registered")


async def at_once(use: Callable[[], object]) -> None:
    use()


USES: dict[str, Callable[[Endpoint, Call], Awaitable[object]]] = {
    "a request over UDP": lambda endpoint, _: endpoint.options(BOB),
    "a request over TCP": lambda endpoint, _: endpoint.options(BOB, hop=Hop(Transport.TCP, LOOPBACK)),
    "a request to a name": lambda endpoint, _: endpoint.options(NAME),
    "locate": lambda endpoint, _: endpoint.locate(BOB),
    "a call": lambda endpoint, _: placed(endpoint),
    "a registration": lambda endpoint, _: registered(endpoint),
    "prepare": lambda endpoint, _: endpoint.transports.prepare(Hop(Transport.TCP, LOOPBACK)),
    "prepare for UDP": lambda endpoint, _: endpoint.transports.prepare(Hop(Transport.UDP, LOOPBACK)),
    "bind": lambda endpoint, _: at_once(lambda: endpoint.transports.bind(Transport.TCP, LOOPBACK)),
    "subscribe": lambda endpoint, _: at_once(lambda: endpoint.subscribe(print)),
    "watch_flows": lambda endpoint, _: at_once(lambda: endpoint.watch_flows(print)),
    "change": lambda _, call: call.change(),
    "hold": lambda _, call: call.hold(),
    "resume": lambda _, call: call.resume(),
    "a request inside a call": lambda _, call: call.request("INFO"),
    "a transfer": lambda _, call: call.transfer(BOB),
    "notify_refer": lambda _, call: call.notify_refer(200),
    "the session": lambda _, call: at_once(lambda: call.local),
}


@pytest.mark.parametrize("what", USES)
async def test_whoever_uses_it_afterwards_is_told(clock: MockClock, what: str) -> None:
    with trio.fail_after(20):
        async with peers() as (silent, curt, listener), Endpoint(config(silent)) as endpoint:
            world = World(endpoint, silent, curt, listener)
            async with endpoint.call(world.invite(curt)) as call:
                await call.answered()
                call.patience = 0.0
    with pytest.raises(LocalError, match=USED_LATE), trio.fail_after(20):
        await USES[what](endpoint, call)
    with trio.fail_after(20):
        await call.hang_up()


async def test_what_came_in_before_can_be_answered_no_more(clock: MockClock) -> None:
    with trio.fail_after(20):
        async with Endpoint(EndpointConfig()) as client, trio.open_nursery() as nursery:
            async with datagrams() as (_, silent), Endpoint(config(silent)) as server:
                here = server.transports.local_address(Transport.UDP)
                assert here
                hop = Hop(Transport.UDP, here)
                nursery.start_soon(client.request, Order(client.new_request("MESSAGE", BOB), hop))
                request = await server.incoming().receive()
                nursery.start_soon(hold, client, Order(client.new_request(INVITE, BOB), hop, "alice"))
                call = await server.incoming().receive()
            assert isinstance(request, IncomingRequest)
            assert isinstance(call, IncomingCall)
            uses: list[Callable[[], None]] = [lambda: request.respond(200), call.ring, call.accept, call.reject]
            for use in uses:
                with pytest.raises(LocalError, match=USED_LATE):
                    use()
            nursery.cancel_scope.cancel()


async def test_what_nobody_has_taken_is_refused(clock: MockClock) -> None:
    statuses: list[int] = []

    async def ask(client: Endpoint, hop: Hop) -> None:
        exchange = await client.request(Order(client.new_request("MESSAGE", BOB), hop))
        statuses.append(exchange.response.status)

    with trio.fail_after(20):
        async with (
            Endpoint() as client,
            datagrams() as (_, silent),
            trio.open_nursery() as nursery,
            Endpoint(config(silent)) as server,
        ):
            here = server.transports.local_address(Transport.UDP)
            assert here
            for _ in range(3):
                nursery.start_soon(ask, client, Hop(Transport.UDP, here))
            taken = await server.incoming().receive()
            assert isinstance(taken, IncomingRequest)
            taken.respond(200)
            await trio.sleep(0.1)
    assert statuses == [200, 503, 503]


async def hold(client: Endpoint, order: Order) -> None:
    async with client.call(order):
        await trio.sleep_forever()


async def test_a_registration_of_another_task_is_taken_back(clock: MockClock) -> None:
    """While the endpoint still works: the registrar would send calls to nobody for an hour."""
    seen: list[tuple[str, str | None]] = []
    failures: list[RegistrationFailure] = []

    async def serve(server: Endpoint) -> None:
        async for incoming in server.incoming():
            assert isinstance(incoming, IncomingRequest)
            request = incoming.request
            seen.append((request.method, request.headers.get("Expires")))
            incoming.respond(200, fields=[("Contact", f"{request.headers.get('Contact')};expires=3600")])

    async def keep(endpoint: Endpoint, registration: Registration, kept: list[Registering]) -> None:
        async with endpoint.register(registration) as registering:
            kept.append(registering)
            await registering.binding()
            async for _ in registering:
                pass
            try:
                await registering.refresh()
            except RegistrationFailure as error:
                failures.append(error)

    with trio.fail_after(60):
        async with datagrams() as (_, silent), Endpoint(config(silent)) as server, trio.open_nursery() as nursery:
            nursery.start_soon(serve, server)
            here = server.transports.local_address(Transport.UDP)
            assert here
            registration = Registration(AOR, registrar=SipUri(here.host, None, here.port))
            async with trio.open_nursery() as outer, Endpoint() as endpoint:
                outer.start_soon(keep, endpoint, registration, [])
                await trio.sleep(0.2)
            nursery.cancel_scope.cancel()
    assert seen == [("REGISTER", "3600"), ("REGISTER", "0")]
    assert [str(error.cause) for error in failures] == [f"{CLOSED} [RFC 3261 §18.4]"]


async def test_an_endpoint_is_used_inside_its_block_and_opened_once() -> None:
    endpoint = Endpoint()
    with pytest.raises(LocalError, match="inside its block"):
        await endpoint.options(BOB)
    with pytest.raises(LocalError, match="inside its block"):
        endpoint.transports  # noqa: B018  # asking is what is tested
    async with endpoint:
        pass
    with pytest.raises(LocalError, match="opened once"):
        async with endpoint:
            pass
