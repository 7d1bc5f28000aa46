"""The awaitable API over real loopback sockets: two endpoints in one process, every transport."""

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio

from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import Call, CallFailure, IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.events import CallAnswered, CallEnded, CallFailed, CallProgress
from sipcore.message.uri import SipUri, parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.records import LookupFailure, LookupFault, Question
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.stack_config import StackConfig
from sipcore.trace import Direction, MessageTrace, TraceRecord
from sipcore.transports import lookup
from sipcore.transports.base import TlsConfig, TransportConfig
from sipcore.transports.certificates import self_signed
from sipcore.transports.lookup import Lookup, LookupConfig

LOOPBACK = SocketAddress("127.0.0.1", 0)
TRANSPORTS = (Transport.UDP, Transport.TCP, Transport.TLS)
SDP = "application/sdp"
STEP = 0.5
"""Seconds by which somebody may set the clock meanwhile."""
ALLOWED = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, MESSAGE"


@asynccontextmanager
async def two(transport: Transport = Transport.UDP) -> AsyncIterator[tuple[Endpoint, Endpoint, Hop]]:
    """A client, a server that takes what comes in, and the hop from one to the other."""
    certificate, key = self_signed(["127.0.0.1"]) if transport.secure else (b"", b"")
    tls = TlsConfig(certificate=certificate, key=key)
    binds = ((transport, LOOPBACK),)
    server_config = EndpointConfig(
        transports=TransportConfig(bind=binds, tls=tls), takes_incoming=True, stack=StackConfig(methods=("MESSAGE",))
    )
    trusting = TlsConfig(ca_data=certificate)
    client_config = EndpointConfig(transports=TransportConfig(tls=trusting))
    with trio.fail_after(10):
        async with Endpoint(server_config) as server, Endpoint(client_config) as client:
            address = server.transports.local_address(transport)
            assert address
            yield client, server, Hop(transport, address, tls_name="127.0.0.1")


def invite(client: Endpoint, hop: Hop) -> Order:
    request = client.new_request("INVITE", SipUri("127.0.0.1", "bob"), body=b"v=0\r\n", content_type=SDP)
    return Order(request, hop, "alice")


async def take_call(server: Endpoint) -> IncomingCall:
    incoming = await server.incoming().receive()
    assert isinstance(incoming, IncomingCall)
    return incoming


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_request_is_answered(transport: Transport) -> None:
    async with two(transport) as (client, server, hop), trio.open_nursery() as nursery:

        async def answer() -> None:
            incoming = await server.incoming().receive()
            assert isinstance(incoming, IncomingRequest)
            incoming.respond(200, fields=[("Server", "a test")])

        nursery.start_soon(answer)
        exchange = await client.options(parse_uri("sip:bob@127.0.0.1"), hop=hop)
        assert exchange.response.status == 200
        assert exchange.response.headers.get("Server") == "a test"
        assert exchange.hop.local is not None
        assert 0 <= exchange.rtt < 5
        assert exchange.request.via.transport == transport.value


@pytest.mark.parametrize(
    ("method", "status", "given", "told"),
    [
        ("OPTIONS", 200, [], {"Allow": ALLOWED, "Supported": "100rel, replaces, timer", "Server": "sipcore"}),
        ("OPTIONS", 200, [("allow", "INVITE")], {"Allow": "INVITE", "Supported": "100rel, replaces, timer"}),
        ("OPTIONS", 486, [], {"Allow": None, "Server": None}),
        ("MESSAGE", 200, [], {"Allow": None, "Server": None}),
    ],
)
async def test_a_200_to_options_tells_what_can_be_done(
    method: str, status: int, given: list[tuple[str, str]], told: dict[str, str | None]
) -> None:
    """RFC 3261 §11.2: whoever answers it need not know what that is."""
    async with two() as (client, server, hop), trio.open_nursery() as nursery:

        async def answer() -> None:
            incoming = await server.incoming().receive()
            assert isinstance(incoming, IncomingRequest)
            incoming.respond(status, fields=given)

        nursery.start_soon(answer)
        request = client.new_request(method, parse_uri("sip:bob@127.0.0.1"))
        headers = (await client.request(Order(request, hop))).response.headers
    assert {name: headers.get(name) for name in told} == told
    assert len(headers.get_all("Allow")) <= 1


async def test_options_too_large_for_a_datagram_leave_from_where_the_kernel_has_it() -> None:
    """RFC 3261 §18.1.1: over TCP, where the socket that a datagram would have left from is nobody's choice."""
    datagrams = TransportConfig(bind=((Transport.UDP, SocketAddress("127.0.0.2", 0)),))
    async with two(Transport.TCP) as (_, server, hop), Endpoint(EndpointConfig(transports=datagrams)) as client:
        flows: list[Flow] = []
        server.subscribe(lambda record: flows.append(record.flow) if isinstance(record, MessageTrace) else None)
        async with trio.open_nursery() as nursery:

            async def answer() -> None:
                incoming = await server.incoming().receive()
                assert isinstance(incoming, IncomingRequest)
                incoming.respond(200)

            nursery.start_soon(answer)
            large = f"sip:{'b' * 1400}@127.0.0.1"
            await client.options(large, hop=Hop(Transport.UDP, hop.remote))
        assert [(flow.transport, flow.remote.host) for flow in flows] == [(Transport.TCP, "127.0.0.1")] * 2


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_call_is_answered_and_hung_up_when_the_block_ends(transport: Transport) -> None:
    async with two(transport) as (client, server, hop), trio.open_nursery() as nursery:
        ended: list[EndReason | None] = []

        async def answer() -> None:
            call = await take_call(server)
            call.ring()
            call.accept(body=b"v=0\r\n", content_type=SDP)
            await call.over()
            ended.append(call.end_reason)

        nursery.start_soon(answer)
        async with client.call(invite(client, hop)) as call:
            events = [event async for event in _until_answered(call)]
        assert [type(event) for event in events] == [CallProgress, CallAnswered]
        assert call.end_reason is EndReason.LOCAL_HANG_UP
    assert ended == [EndReason.REMOTE_HANG_UP]


async def _until_answered(call: Call) -> AsyncIterator[object]:
    async for event in call:
        yield event
        if isinstance(event, CallAnswered):
            return


async def test_a_refused_call_raises_what_was_said() -> None:
    async with two() as (client, server, hop), trio.open_nursery() as nursery:

        async def refuse() -> None:
            (await take_call(server)).reject(486)

        nursery.start_soon(refuse)
        async with client.call(invite(client, hop)) as call:
            with pytest.raises(CallFailure, match="486 Busy Here"):
                await call.answered()


async def test_cancelling_the_caller_cancels_the_call() -> None:
    async with two() as (client, server, hop), trio.open_nursery() as nursery:
        reasons: list[EndReason | None] = []

        async def ring() -> None:
            call = await take_call(server)
            call.ring()
            await call.over()
            reasons.append(call.end_reason)

        nursery.start_soon(ring)
        with trio.move_on_after(0.2):
            async with client.call(invite(client, hop)) as call:
                await call.answered()
        assert call.end_reason is EndReason.LOCAL_HANG_UP
    assert reasons == [EndReason.CANCELLED]


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
async def test_a_response_whose_connection_is_gone_takes_a_new_one(method: str) -> None:
    """RFC 3261 §18.2.2: to the address that the request came from, and the port of its Via."""
    listener = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener[0].socket.getsockname()[1]
    request = (
        f"{method} sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP a.example:{port};branch=z9hG4bK1\r\n"
        "From: <sip:a@a.example>;tag=a\r\nTo: <sip:b@b.example>\r\nCall-ID: 1\r\nMax-Forwards: 70\r\n"
        f"CSeq: 1 {method}\r\nContact: <sip:a@127.0.0.1:{port};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
    )
    async with two(Transport.TCP) as (_, server, hop), listener[0]:
        ended = trio.Event()
        server.watch_flows(lambda flow: ended.set())
        async with await trio.open_tcp_stream(hop.remote.host, hop.remote.port) as stream:
            await stream.send_all(request.encode())
            incoming = await server.incoming().receive()
        await ended.wait()
        if isinstance(incoming, IncomingCall):
            incoming.reject(486)
        else:
            incoming.respond(486)
        async with await listener[0].accept() as anew:
            assert (await anew.receive_some()).startswith(b"SIP/2.0 486 ")


async def test_the_callee_hangs_up() -> None:
    async with two() as (client, server, hop), trio.open_nursery() as nursery:

        async def answer_shortly() -> None:
            call = await take_call(server)
            call.accept(body=b"v=0\r\n", content_type=SDP)
            async for _ in call:
                await call.hang_up()

        nursery.start_soon(answer_shortly)
        async with client.call(invite(client, hop)) as call:
            await call.answered()
            last = [event async for event in call][-1]
        assert isinstance(last, CallEnded)
        assert last.reason is EndReason.REMOTE_HANG_UP


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
async def test_a_closed_port_is_told_at_once(transport: Transport) -> None:
    async with Endpoint() as client:
        hop = Hop(transport, _closed_port(transport))
        with trio.fail_after(5), pytest.raises(TransportFailure) as caught:
            await client.options(parse_uri("sip:127.0.0.1"), hop=hop)
    assert caught.value.reason is FailureReason.REFUSED


def _closed_port(transport: Transport) -> SocketAddress:
    kind = socket.SOCK_DGRAM if transport is Transport.UDP else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return SocketAddress(*sock.getsockname())


@pytest.mark.parametrize("answered", [True, False])
async def test_leaving_ends_the_calls_that_came_in(answered: bool) -> None:
    """Nobody else would: whoever took them is cancelled, or they were not taken at all."""
    binds = ((Transport.UDP, LOOPBACK),)
    config = EndpointConfig(transports=TransportConfig(bind=binds), takes_incoming=True)
    with trio.fail_after(10):
        async with Endpoint() as client, trio.open_nursery() as nursery:
            async with Endpoint(config) as server:
                address = server.transports.local_address(Transport.UDP)
                assert address
                placed: list[Call] = []
                came = trio.Event()
                server.subscribe(lambda record: came.set())
                nursery.start_soon(hold, client, Hop(Transport.UDP, address), placed)
                if answered:
                    (await take_call(server)).accept(body=b"v=0\r\n", content_type=SDP)
                    await placed[0].answered()
                else:
                    await came.wait()
            await placed[0].over()
            last = [event async for event in placed[0]][-1]
            assert isinstance(last, CallEnded if answered else CallFailed)
            assert placed[0].end_reason is (EndReason.REMOTE_HANG_UP if answered else None)
            assert isinstance(last, CallEnded) or (last.response and last.response.status == 480)
            nursery.cancel_scope.cancel()


async def hold(client: Endpoint, hop: Hop, placed: list[Call]) -> None:
    async with client.call(invite(client, hop)) as call:
        placed.append(call)
        await trio.sleep_forever()


async def test_garbage_is_told() -> None:
    async with Endpoint(EndpointConfig(garbage_fails=True)) as client, trio.open_nursery() as nursery:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as peer:
            await peer.bind(("127.0.0.1", 0))

            async def answer() -> None:
                _, address = await peer.recvfrom(65536)
                await peer.sendto(b"HTTP/1.1 400 Bad Request\r\n\r\n", address)

            nursery.start_soon(answer)
            hop = Hop(Transport.UDP, SocketAddress(*peer.getsockname()))
            with trio.fail_after(5), pytest.raises(TransportFailure) as caught:
                await client.options(parse_uri("sip:127.0.0.1"), hop=hop)
    assert caught.value.reason is FailureReason.GARBAGE


async def test_forged_garbage_ends_nothing() -> None:
    async with two() as (client, server, hop), trio.open_nursery() as nursery:

        async def answer_late() -> None:
            incoming = await server.incoming().receive()
            assert isinstance(incoming, IncomingRequest)
            server.transports.send(incoming.flow, b"HTTP/1.1 400 Bad Request\r\n\r\n")
            incoming.respond(200)

        nursery.start_soon(answer_late)
        exchange = await client.options(parse_uri("sip:bob@127.0.0.1"), hop=hop)
    assert exchange.response.status == 200


async def test_the_trace_has_every_message() -> None:
    async with two() as (client, server, hop), trio.open_nursery() as nursery:

        async def answer() -> None:
            incoming = await server.incoming().receive()
            assert isinstance(incoming, IncomingRequest)
            incoming.respond(200)

        nursery.start_soon(answer)
        records: list[TraceRecord] = []
        begun = time.time()
        unsubscribe = client.subscribe(records.append)
        exchange = await client.options(parse_uri("sip:bob@127.0.0.1"), hop=hop)
        unsubscribe()
        messages = [record for record in records if isinstance(record, MessageTrace)]
        assert [record.direction for record in messages] == [Direction.SENT, Direction.RECEIVED]
        assert messages[0].data == bytes(exchange.request)
        assert messages[1].data == bytes(exchange.response)
        assert messages[0].at <= messages[1].at
        dates = [client.epoch_ns / 1e9 + record.at for record in messages]
        assert begun - STEP < dates[0] <= dates[1] < time.time() + STEP


async def test_nobody_reads_what_comes_in() -> None:
    """An endpoint that only calls out still answers OPTIONS, and turns calls away."""
    binds = ((Transport.UDP, LOOPBACK),)
    config = EndpointConfig(transports=TransportConfig(bind=binds))
    async with Endpoint(config) as server, Endpoint() as client:
        address = server.transports.local_address(Transport.UDP)
        assert address
        hop = Hop(Transport.UDP, address)
        answer = (await client.options(parse_uri("sip:x@127.0.0.1"), hop=hop)).response
        assert answer.status == 200
        told = ("Allow", "Accept", "Accept-Encoding", "Accept-Language", "Supported", "Server")  # RFC 3261 §11.2
        assert [name for name in told if name not in answer.headers] == []
        async with client.call(invite(client, hop)) as call:
            with pytest.raises(CallFailure) as caught:
                await call.answered()
    assert caught.value.response
    assert caught.value.response.status == 480


@pytest.mark.parametrize("taken", [0, 1])
async def test_whoever_closes_the_channel_listens_no_more(taken: int) -> None:
    """What comes in then is turned away as where nobody ever listened, and ends nothing."""
    async with two() as (client, server, hop), trio.open_nursery() as nursery:
        async with server.incoming() as channel:
            for _ in range(taken):
                nursery.start_soon(client.request, Order(client.new_request("MESSAGE", SipUri("127.0.0.1")), hop))
                incoming = await channel.receive()
                assert isinstance(incoming, IncomingRequest)
                incoming.respond(200)
        assert (await client.options(parse_uri("sip:x@127.0.0.1"), hop=hop)).response.status == 200
        message = Order(client.new_request("MESSAGE", SipUri("127.0.0.1")), hop)
        assert (await client.request(message)).response.status == 405
        async with client.call(invite(client, hop)) as call:
            with pytest.raises(CallFailure, match="480"):
                await call.answered()


async def test_unsubscribing_twice_takes_nobody_else_off() -> None:
    seen: list[TraceRecord] = []
    async with two() as (client, _, hop):
        unsubscribe = client.subscribe(seen.append)
        client.subscribe(seen.append)
        unsubscribe()
        unsubscribe()
        unwatch = client.watch_flows(print)
        unwatch()
        unwatch()
        with pytest.raises(TransportFailure):
            await client.options(parse_uri("sip:bob@127.0.0.1"), hop=replace(hop, remote=_closed_port(Transport.UDP)))
    assert seen


async def test_whoever_was_taken_off_may_still_unsubscribe() -> None:
    def broken(record: TraceRecord) -> None:
        raise BrokenPipeError("nobody reads")

    async with two() as (_, _, hop):
        with pytest.raises(BrokenPipeError):  # noqa: PT012  # the block is what is tested
            async with Endpoint() as client:
                unsubscribe = client.subscribe(broken)
                await client.options(parse_uri("sip:bob@127.0.0.1"), hop=hop)
        unsubscribe()


async def test_a_name_is_located() -> None:
    async with Endpoint() as client:
        hops = await client.locate(parse_uri("sip:localhost:5070;transport=tcp"))
    assert hops
    assert {(hop.transport, hop.remote.port) for hop in hops} == {(Transport.TCP, 5070)}


async def test_what_cannot_be_sent_is_the_callers_mistake() -> None:
    async with Endpoint() as client:
        with pytest.raises(LocalError):
            await client.options(parse_uri("tel:+15551234"))


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    with pytest.raises(TransportFailure):
        async with Endpoint():
            raise TransportFailure(FailureReason.CLOSED, "enough")


async def test_a_subscriber_that_raises_ends_the_block_and_no_transport() -> None:
    def broken(record: TraceRecord) -> None:
        raise BrokenPipeError("nobody reads")

    over = trio.Event()

    async def ring(server: Endpoint) -> None:
        call = await take_call(server)
        call.ring()
        await call.over()
        over.set()

    async with two() as (_, server, hop), trio.open_nursery() as nursery:
        nursery.start_soon(ring, server)
        with pytest.raises(BrokenPipeError):
            await _call_with(broken, hop)
        await over.wait()


async def _call_with(subscriber: Callable[[TraceRecord], None], hop: Hop) -> None:
    async with Endpoint() as client, client.call(invite(client, hop)) as call:
        async for _ in call:
            client.subscribe(subscriber)
            await client.options(parse_uri("sip:bob@127.0.0.1"), hop=hop)


async def test_a_request_that_is_given_up_leaves_its_turn_to_ask_dns(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async def answer(_: Lookup, question: Question) -> LookupFailure:
        if question.name.endswith("silent.test"):
            await trio.sleep(60)
        return LookupFailure(question, LookupFault.NXDOMAIN)

    monkeypatch.setattr(lookup, "MAX_QUESTIONS", 2)
    monkeypatch.setattr(Lookup, "_resolve", answer)
    async with Endpoint(EndpointConfig(lookup=LookupConfig(hosts_file="", lifetime=100))) as endpoint:
        with trio.move_on_after(1):
            await endpoint.options(parse_uri("sip:silent.test"))
        with pytest.raises(TransportFailure, match="quick"):
            await endpoint.options(parse_uri("sip:quick.test"))
        assert trio.current_time() == pytest.approx(1, abs=0.1)
        assert not endpoint.loop._lookups


async def silence(_: Lookup, question: Question) -> LookupFailure:
    await trio.sleep(60)
    return LookupFailure(question, LookupFault.NXDOMAIN)


async def test_a_request_that_is_given_up_at_once_is_not_looked_up_either(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Which comes first, its lookup or its end, is chance, so that it is tried often."""
    monkeypatch.setattr(Lookup, "_resolve", silence)
    async with Endpoint(EndpointConfig(lookup=LookupConfig(hosts_file=""))) as endpoint:
        for _ in range(20):
            with trio.CancelScope() as scope:
                scope.cancel()
                await endpoint.options(parse_uri("sip:nobody.test"))
        await trio.testing.wait_all_tasks_blocked()
        assert not endpoint.loop._lookups


async def test_a_call_that_is_given_up_is_not_looked_up_any_more(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(Lookup, "_resolve", silence)
    async with Endpoint(EndpointConfig(lookup=LookupConfig(hosts_file=""))) as endpoint:
        uri = parse_uri("sip:nobody.test")
        async with endpoint.call(Order(endpoint.new_request("INVITE", uri), uri)):
            await trio.sleep(1)
            assert endpoint.loop._lookups
        await trio.testing.wait_all_tasks_blocked()
        assert not endpoint.loop._lookups
        assert trio.current_time() == pytest.approx(1, abs=0.1)
