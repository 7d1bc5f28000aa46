"""What the transports add to an endpoint: calls in WebSockets, and the right sent-by behind several addresses."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from sipcore.auth.choice import Account
from sipcore.auth.session import AuthSession
from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.errors import LocalError, TransportFailure
from sipcore.events import Exchange
from sipcore.message.address import Address
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.registry import CONTACT
from sipcore.message.uri import SipUri, parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.sdp.terms import SDP
from sipcore.stack import Stack
from sipcore.transports.base import TlsConfig, TransportConfig
from sipcore.transports.certificates import self_signed
from tests.sipcore.endpoint.test_endpoint import invite

UDP, TCP, TLS, WS, WSS = Transport.UDP, Transport.TCP, Transport.TLS, Transport.WS, Transport.WSS
ANYWHERE = SocketAddress("0.0.0.0", 0)
LOOPBACK = SocketAddress("127.0.0.1", 0)
NAME = "localhost"

CERTIFICATE, KEY = self_signed([NAME])


@pytest.fixture
def patient_clock() -> MockClock:
    """A clock that jumps to the next deadline once nothing happened for 50 ms; loopback sockets need one of them."""
    return MockClock(autojump_threshold=0.05)


def serving(transport: Transport, address: SocketAddress = LOOPBACK) -> EndpointConfig:
    tls = TlsConfig(certificate=CERTIFICATE, key=KEY)
    return EndpointConfig(transports=TransportConfig(bind=((transport, address),), tls=tls), takes_incoming=True)


def at(server: Endpoint, transport: Transport, host: str = "127.0.0.1") -> Hop:
    address = server.transports.local_address(transport)
    assert address is not None
    return Hop(transport, replace(address, host=host), tls_name=NAME)


async def ask(client: Endpoint, server: Endpoint, hop: Hop) -> tuple[Exchange, IncomingRequest]:
    """OPTIONS, as the client and as the server sees it."""
    taken: list[IncomingRequest] = []

    async def answer() -> None:
        incoming = await server.incoming().receive()
        assert isinstance(incoming, IncomingRequest)
        taken.append(incoming)
        incoming.respond(200)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            exchange = await client.options(parse_uri("sip:bob@127.0.0.1"), hop=hop)
    return exchange, taken[0]


@pytest.mark.parametrize("transport", [WS, WSS])
@pytest.mark.parametrize("hangs_up", ["caller", "callee"])
async def test_a_call_in_a_websocket(transport: Transport, hangs_up: str) -> None:
    config = EndpointConfig(transports=TransportConfig(tls=TlsConfig(ca_data=CERTIFICATE)))
    ended: list[EndReason | None] = []
    async with Endpoint(serving(transport)) as server, Endpoint(config) as client:

        async def answer() -> None:
            call = await server.incoming().receive()
            assert isinstance(call, IncomingCall)
            call.accept(body=b"v=0\r\n", content_type=SDP)
            async for _ in call:
                if hangs_up == "callee":
                    await call.hang_up()
            ended.append(call.end_reason)

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(answer)
                request = client.new_request("INVITE", SipUri("127.0.0.1", "bob"), body=b"v=0\r\n", content_type=SDP)
                async with client.call(Order(request, at(server, transport), "alice")) as call:
                    await call.answered()
                    if hangs_up == "callee":
                        await call.over()
    expected = [EndReason.LOCAL_HANG_UP, EndReason.REMOTE_HANG_UP]
    assert [call.end_reason, *ended] == (expected if hangs_up == "caller" else expected[::-1])


async def test_the_contact_of_a_callee_in_a_websocket() -> None:
    """RFC 7118 §5.2, appendix B.1: a client that is called along the connection that it opened has no address; the
    server has one, whichever of them calls.
    """
    contacts: dict[str, str] = {}
    async with Endpoint(serving(WS)) as server, Endpoint(EndpointConfig(takes_incoming=True)) as client:

        async def answer(endpoint: Endpoint, caller: str) -> None:
            call = await endpoint.incoming().receive()
            assert isinstance(call, IncomingCall)
            contacts[caller] = call.invite.headers.get("Contact") or ""
            call.accept(body=b"v=0\r\n", content_type=SDP)
            await call.over()

        async def place(endpoint: Endpoint, hop: Hop, callee: str) -> None:
            request = endpoint.new_request("INVITE", SipUri("127.0.0.1", "bob"), body=b"v=0\r\n", content_type=SDP)
            async with endpoint.call(Order(request, hop, "alice")) as call:
                contacts[callee] = (await call.answered()).headers.get("Contact") or ""

        with trio.fail_after(10):
            _, incoming = await ask(client, server, at(server, WS))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(answer, server, "client calls")
                await place(client, at(server, WS), "server is called")
                nursery.start_soon(answer, client, "server calls")
                await place(server, incoming.flow.hop, "client is called")
        address = server.transports.local_address(WS)
    assert {name for name, contact in contacts.items() if ".invalid" in contact} == {"client calls", "client is called"}
    assert all(str(address) in contact for name, contact in contacts.items() if name.startswith("server"))


@pytest.mark.parametrize("transport", [WS, WSS])
async def test_a_request_in_a_websocket(transport: Transport) -> None:
    config = EndpointConfig(transports=TransportConfig(tls=TlsConfig(ca_data=CERTIFICATE)))
    async with Endpoint(serving(transport)) as server, Endpoint(config) as client:
        exchange, incoming = await ask(client, server, at(server, transport))
    assert exchange.response.status == 200
    assert incoming.request.via.transport == transport.value
    assert incoming.request.via.host.endswith(".invalid")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
@pytest.mark.parametrize("transport", [UDP, TCP])
async def test_sent_by_is_the_address_that_it_leaves_from(transport: Transport, host: str) -> None:
    """A socket bound to no address, on a machine with several: packet, Via and Contact say the same."""
    binds = TransportConfig(bind=((UDP, ANYWHERE),))
    async with Endpoint(serving(transport)) as server, Endpoint(EndpointConfig(transports=binds)) as client:
        hop = replace(at(server, transport), local=SocketAddress(host, 0))
        exchange, incoming = await ask(client, server, hop)
    assert exchange.hop.local is not None
    assert exchange.hop.local.host == host
    via = incoming.request.via
    assert incoming.flow.remote == SocketAddress(via.host, via.port or 0) == exchange.hop.local
    assert str(exchange.hop.local) in (incoming.request.headers.get("Contact") or "")


@pytest.mark.parametrize("bound", [LOOPBACK, ANYWHERE])
@pytest.mark.parametrize("transport", [TCP, TLS])
async def test_a_peer_whose_connection_is_gone_finds_back(transport: Transport, bound: SocketAddress) -> None:
    """Via and Contact name the port where connections are taken, and not the one that this one left by."""
    tls = TlsConfig(certificate=CERTIFICATE, key=KEY, verify=False)
    listening = EndpointConfig(transports=TransportConfig(bind=((transport, bound),), tls=tls))
    async with Endpoint(replace(listening, takes_incoming=True)) as server, Endpoint(listening) as client:
        _, incoming = await ask(client, server, at(server, transport))
        address = client.transports.local_address(transport)
        assert address is not None
        assert incoming.request.via.port == address.port != incoming.flow.remote.port
        server.transports.close(incoming.flow)
        (contact,) = incoming.request[CONTACT]
        assert isinstance(contact, Address)
        assert (await server.options(contact.uri)).response.status == 200


async def test_a_request_in_a_dialog_whose_peer_lets_nobody_connect_goes_the_way_that_the_dialog_came() -> None:
    """The caller's certificate is for its name, and its Contact is an address."""
    certificate, key = self_signed(["alice.example"])
    tls = TlsConfig(certificate=certificate, key=key, ca_data=CERTIFICATE)
    client_config = EndpointConfig(transports=TransportConfig(bind=((TLS, LOOPBACK),), tls=tls))
    server_config = serving(TLS)
    verifies = replace(server_config.transports, tls=replace(server_config.transports.tls, ca_data=certificate))
    async with Endpoint(replace(server_config, transports=verifies)) as server, Endpoint(client_config) as client:

        async def answer() -> None:
            call = await server.incoming().receive()
            assert isinstance(call, IncomingCall)
            call.accept(body=b"v=0\r\n", content_type=SDP)
            async for _ in call:
                await call.hang_up()

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(answer)
                request = client.new_request("INVITE", SipUri("127.0.0.1", "bob"), body=b"v=0\r\n", content_type=SDP)
                async with client.call(Order(request, at(server, TLS), "alice")) as call:
                    await call.answered()
                    await call.over()
        assert call.end_reason is EndReason.REMOTE_HANG_UP


async def test_the_kernel_chooses_where_nobody_else_does() -> None:
    binds = TransportConfig(bind=((UDP, ANYWHERE),))
    async with (
        Endpoint(serving(UDP, ANYWHERE)) as server,
        Endpoint(EndpointConfig(transports=binds)) as client,
    ):
        for host in ("127.0.0.1", "127.0.0.2"):
            exchange, incoming = await ask(client, server, at(server, UDP, host))
            via = incoming.request.via
            assert incoming.flow.remote == SocketAddress(via.host, via.port or 0)
            # Answered from where it was sent to, or the client would not take it for an answer.
            assert incoming.flow.local.host == exchange.flow.remote.host == host


async def test_rport_is_asked_for_and_filled_in() -> None:
    """RFC 3581 §3 and §4."""
    async with Endpoint(serving(UDP)) as server, Endpoint() as client:
        exchange, incoming = await ask(client, server, at(server, UDP))
    assert incoming.request.via.wants_rport
    assert exchange.hop.local is not None
    assert exchange.response.via.rport == exchange.hop.local.port
    assert exchange.response.via.received == "127.0.0.1"


@pytest.mark.parametrize("waits", ["client", "server"])
async def test_a_connection_lasts_as_long_as_what_goes_over_it(waits: str, patient_clock: MockClock) -> None:
    """RFC 3261 §18: at least for the longest that a transaction takes."""
    listening = TransportConfig(bind=((TCP, LOOPBACK),))
    brief = TransportConfig(idle_timeout=1.0)
    serves = EndpointConfig(takes_incoming=True, transports=listening)
    if waits == "server":
        serves = replace(serves, transports=replace(listening, idle_timeout=1.0))
    asks = EndpointConfig(transports=brief if waits == "client" else TransportConfig())
    async with Endpoint(serves) as server, Endpoint(asks) as client, trio.open_nursery() as nursery:
        ended = trio.Event()
        client.watch_flows(lambda _: ended.set())

        async def answer() -> None:
            incoming = await server.incoming().receive()
            assert isinstance(incoming, IncomingRequest)
            await trio.sleep(20)
            incoming.respond(200)

        nursery.start_soon(answer)
        exchange = await client.options(parse_uri("sip:bob@127.0.0.1"), hop=at(server, TCP))
        assert exchange.response.status == 200
        await ended.wait()  # there is nothing to wait for any more


@pytest.mark.parametrize(("transport", "differs"), [(TLS, "tls_name"), (WS, "path"), (TCP, "local")])
async def test_a_connection_that_ends_takes_no_request_on_another_one_along(transport: Transport, differs: str) -> None:
    quiet = EndpointConfig(transports=TransportConfig(tls=TlsConfig(verify=False)))
    async with Endpoint(serving(transport)) as server, Endpoint(quiet) as client:
        address = server.transports.local_address(transport)
        assert address is not None
        named = {
            "tls_name": ("a.example", "b.example"),
            "path": ("/a", "/b"),
            "local": (SocketAddress("127.0.0.2", 0), SocketAddress("127.0.0.3", 0)),
        }
        first, second = (replace(Hop(transport, address), **{differs: name}) for name in named[differs])  # type: ignore[arg-type]
        _, over_first = await ask(client, server, first)
        answers: list[int] = []

        async def wait_for_answer() -> None:
            exchange = await client.options(parse_uri("sip:bob@127.0.0.1"), hop=second)
            answers.append(exchange.response.status)

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait_for_answer)
                pending = await server.incoming().receive()
                assert isinstance(pending, IncomingRequest)
                assert pending.flow.remote != over_first.flow.remote
                ended = trio.Event()
                client.watch_flows(lambda _: ended.set())
                server.transports.close(over_first.flow)
                await ended.wait()
                pending.respond(200)
        assert answers == [200]


async def test_a_server_that_closes_after_each_answer() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    assert isinstance(listener, trio.SocketListener)
    uri = parse_uri(f"sip:127.0.0.1:{listener.socket.getsockname()[1]};transport=tcp")

    async def serve() -> None:
        async with listener:
            while True:
                async with await listener.accept() as stream:
                    data = b""
                    while b"\r\n\r\n" not in data:
                        data += await stream.receive_some()
                    request = parse_message(data)
                    assert isinstance(request, Request)
                    proven = "Authorization" in request.headers
                    fields = [] if proven else [("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')]
                    await stream.send_all(
                        bytes(build_response(request, 200 if proven else 401, tag="7", fields=fields))
                    )

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery, Endpoint() as client:
            nursery.start_soon(serve)
            for _ in range(5):
                account = AuthSession(Account("alice", "secret", hosts=["127.0.0.1"]))
                exchange = await client.options(uri, auth=account)
                assert exchange.response.status == 200
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "tls",
    [
        TlsConfig(certificate=CERTIFICATE),
        TlsConfig(ca_file="/nonexistent"),
        TlsConfig(ciphers="NONE"),
    ],
)
async def test_settings_that_cannot_be_used_are_nobody_elses_fault(tls: TlsConfig) -> None:
    hop = Hop(TLS, SocketAddress("127.0.0.1", 1))
    async with Endpoint(EndpointConfig(transports=TransportConfig(tls=tls))) as client:
        with pytest.raises(LocalError):
            await client.options(parse_uri("sip:bob@127.0.0.1"), hop=hop)
        async with client.call(invite(client, hop)) as call:
            with pytest.raises(LocalError):
                await call.answered()
        with pytest.raises(TransportFailure):  # the endpoint works on
            await client.options(parse_uri("sip:bob@127.0.0.1"), hop=replace(hop, transport=TCP))


async def test_what_waits_for_a_connection_goes_out_in_its_order() -> None:
    """An ACK before the INVITE that follows it (RFC 3261 §14.1), whoever trio lets run first."""
    bind = ((TCP, SocketAddress("127.0.0.1", 0)),)
    async with (
        Endpoint(EndpointConfig(TransportConfig(bind=bind), takes_incoming=True)) as server,
        Endpoint() as client,
    ):
        address = server.transports.local_address(TCP)
        assert address is not None
        requests = [client.new_request("OPTIONS", SipUri("127.0.0.1", str(number))) for number in range(8)]

        def send(stack: Stack, now: float) -> None:
            for number, request in enumerate(requests):
                stack.request(Order(request, Hop(TCP, address, why=str(number))), now)

        client.loop.act(send)
        received = []
        with trio.fail_after(10):
            async for incoming in server.incoming():
                assert isinstance(incoming, IncomingRequest)
                incoming.respond(200)
                received.append(incoming.request.call_id)
                if len(received) == len(requests):
                    break
        assert received == [request.call_id for request in requests]


def sending(order: Order) -> Callable[[Stack, float], int]:
    return lambda stack, now: stack.request(order, now)


async def test_nothing_overtakes_what_waits_for_a_connection_when_that_is_there() -> None:
    """Who is woken first, those who wait for it or somebody who sends over it, is chance: so it is tried often."""
    bind = ((TCP, SocketAddress("127.0.0.1", 0)),)
    async with Endpoint(EndpointConfig(TransportConfig(bind=bind), takes_incoming=True)) as server:
        address = server.transports.local_address(TCP)
        assert address is not None
        hop = Hop(TCP, address)
        for _ in range(20):
            async with Endpoint() as client:
                first, second = (client.new_request("OPTIONS", SipUri("127.0.0.1", user)) for user in ("a", "b"))
                client.loop.act(sending(Order(first, hop)))
                await client.transports.prepare(hop)
                client.loop.act(sending(Order(second, hop)))
                received = []
                with trio.fail_after(10):
                    for _ in range(2):
                        incoming = await server.incoming().receive()
                        assert isinstance(incoming, IncomingRequest)
                        incoming.respond(200)
                        received.append(incoming.request.call_id)
            assert received == [first.call_id, second.call_id]


async def test_a_connection_from_where_the_kernel_has_it_is_for_those_who_do_not_choose() -> None:
    bind = ((TCP, SocketAddress("127.0.0.1", 0)),)
    async with Endpoint(EndpointConfig(TransportConfig(bind=bind))) as server, Endpoint() as client:
        address = server.transports.local_address(TCP)
        assert address is not None
        chosen = await client.transports.prepare(Hop(TCP, address, SocketAddress("127.0.0.1", 0)))
        other = await client.transports.prepare(Hop(TCP, address, SocketAddress("127.0.0.2", 0)))
        assert await client.transports.prepare(Hop(TCP, address)) == chosen != other
