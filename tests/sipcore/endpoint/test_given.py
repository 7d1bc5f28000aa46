"""What an embedding program gives: texts in the place of URIs, and other things in the place of what is wanted."""

import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio

from sipcore.auth.choice import Account
from sipcore.endpoint.call import CallFailure, IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.errors import LocalError, SipError
from sipcore.events import CallRequested
from sipcore.message.address import Address
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order, target_of
from sipcore.registration.binding import Registration
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.sdp.attributes import PCMU
from sipcore.sdp.build import audio_description
from sipcore.sdp.description import SessionDescription
from sipcore.sdp.terms import SDP
from sipcore.stack_config import StackConfig
from sipcore.transports.base import TransportConfig

LOOPBACK = TransportConfig(bind=((Transport.UDP, SocketAddress("127.0.0.1", 0)),))
SESSION = bytes(audio_description(address="127.0.0.1", port=40000, session_id=1, session_version=1, codecs=[PCMU]))
ALICE = "Alice <sip:alice@example.com>"


async def test_a_text_does_wherever_a_uri_is_taken() -> None:
    async def answer(server: Endpoint) -> None:
        async for incoming in server.incoming():
            if isinstance(incoming, IncomingCall):
                incoming.reject(486)
            else:
                assert isinstance(incoming, IncomingRequest)
                incoming.respond(200)

    async with (
        Endpoint(EndpointConfig(transports=LOOPBACK, takes_incoming=True)) as server,
        Endpoint(EndpointConfig(transports=LOOPBACK, identity=ALICE)) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(answer, server)
        target = f"sip:bob@{server.transports.local_address(Transport.UDP)}"
        exchange = await client.options(target)
        assert (exchange.response.status, str(exchange.request.uri)) == (200, target)
        assert str(exchange.request.from_).startswith("Alice <sip:alice@example.com>;tag=")
        assert [str(hop.remote) for hop in await client.locate(target)] == [target.partition("@")[2]]
        request = client.new_request("OPTIONS", target, to="sip:b@example.com", from_="<sip:c@example.com>")
        assert (request.to, request.from_.uri) == (
            Address(parse_uri("sip:b@example.com")),
            parse_uri("sip:c@example.com"),
        )
        assert (await client.request(Order(request, target))).response.status == 200
        async with client.call(Order(client.new_request("INVITE", target), target)) as call:
            with pytest.raises(CallFailure, match="486"):
                await call.answered()
        nursery.cancel_scope.cancel()


def test_a_name_of_its_own_takes_the_place_of_the_product() -> None:
    endpoint = Endpoint()
    for fields, names in (([], ["sipcore"]), ([("user-agent", "mine/1.0")], ["mine/1.0"])):
        request = endpoint.new_request("OPTIONS", "sip:example.com", fields=fields)
        assert request.headers.get_all("User-Agent") == names


@pytest.mark.parametrize("name", ["Call-ID", "i", "Max-Forwards", "CSEQ", "To", "Content-Length"])
def test_what_a_request_has_in_any_case_is_not_written_twice(name: str) -> None:
    """RFC 3261 §7.3.1: a peer would refuse it, or take the one that was not meant."""
    endpoint = Endpoint()
    with pytest.raises(LocalError, match=f"has its {name} already: use request.with_header"):
        endpoint.new_request("OPTIONS", "sip:example.com", fields=[(name, 1)])
    request = endpoint.new_request("OPTIONS", "sip:example.com").with_header("Call-ID", "mine")
    assert request.headers.get_all("Call-ID") == ["mine"]


async def test_what_is_written_inside_of_a_call_is_not_written_twice() -> None:
    """RFC 3261 §12.1.1: two Contacts would name two targets."""
    listening = EndpointConfig(transports=LOOPBACK, takes_incoming=True)
    async with Endpoint(listening) as server, Endpoint() as client:
        target = f"sip:bob@{server.transports.local_address(Transport.UDP)}"
        async with client.call(Order(client.new_request("INVITE", target), target)) as call:
            incoming = await anext(server.incoming())
            assert isinstance(incoming, IncomingCall)
            for answer in (incoming.ring, incoming.accept):
                with pytest.raises(LocalError, match="the answer has its m already: leave it out"):
                    answer(fields=[("m", "<sip:elsewhere.example.com>")], body=SESSION, content_type=SDP)
            incoming.accept(fields=[("Subject", "bread")], body=SESSION, content_type=SDP)
            assert (await call.answered()).headers.get("Subject") == "bread"
            with pytest.raises(LocalError, match="a request inside a call has its Call-ID already"):
                await call.request("INFO", fields=[("Call-ID", "other")])


async def test_what_an_answer_has_in_any_case_is_not_written_twice() -> None:
    """RFC 3261 §8.2.6.2: a caller would not know which transaction, or whose call, is meant."""
    twice = [("Call-ID", "other")]
    refused = pytest.raises(LocalError, match="the answer has its Call-ID already: leave it out")
    async with (
        Endpoint(EndpointConfig(LOOPBACK, stack=StackConfig(methods=("INFO",)), takes_incoming=True)) as server,
        Endpoint() as client,
        trio.open_nursery() as nursery,
    ):
        target = f"sip:bob@{server.transports.local_address(Transport.UDP)}"
        nursery.start_soon(client.options, target)
        asked = await anext(server.incoming())
        assert isinstance(asked, IncomingRequest)
        with refused:
            asked.respond(200, fields=twice)
        asked.respond(200, fields=iter([("Subject", "bread")]))
        async with client.call(Order(client.new_request("INVITE", target), target)) as call:
            incoming = await anext(server.incoming())
            assert isinstance(incoming, IncomingCall)
            with refused:
                incoming.reject(486, fields=twice)
            incoming.accept(body=SESSION, content_type=SDP)
            await call.answered()
            call.answer(SESSION)
            nursery.start_soon(partial(call.request, "INFO"))
            async for event in incoming:
                if isinstance(event, CallRequested):
                    with refused:
                        incoming.respond(event, 200, fields=twice)
                    incoming.respond(event, 200)
                    break
            else:
                pytest.fail("no INFO came")


NO_URI = [
    ("alice@example.com", "at character 0: no URI scheme"),
    ("example.com", "at character 0: no URI scheme"),
    ("sip:alice:secret word@example.com", "at character"),
]


@pytest.mark.parametrize(("text", "why"), NO_URI)
async def test_a_text_that_is_no_uri_is_an_error_that_says_what_to_give(text: str, why: str) -> None:
    async with Endpoint(EndpointConfig(transports=LOOPBACK)) as client:
        given: list[Callable[[], object]] = [
            lambda: client.new_request("OPTIONS", text),
            lambda: client.new_request("OPTIONS", "sip:example.com", to=text),
            lambda: target_of(text),
        ]
        for give in given:
            with pytest.raises(LocalError, match=why) as found:
                give()
            assert 'give one as "sip:user@host"' in str(found.value)
            assert "secret" not in str(found.value)
        with pytest.raises(LocalError, match=why):
            await client.options(text)
        with pytest.raises(LocalError, match=why):
            await client.locate(text)


async def test_an_address_that_cannot_be_read_is_an_error_that_says_what_to_give() -> None:
    async with Endpoint(EndpointConfig(transports=LOOPBACK)) as client:
        with pytest.raises(LocalError, match="no address"):
            client.new_request("OPTIONS", "sip:example.com", from_="Alice <sip:alice@example.com")


async def test_whatever_else_is_given_in_the_place_of_an_order_or_a_registration_is_an_error() -> None:
    async with Endpoint(EndpointConfig(transports=LOOPBACK)) as client:
        with pytest.raises(LocalError, match=r"Order is wanted here, not str: Order\(endpoint.new_request"):
            await client.request("sip:bob@example.com")  # type: ignore[arg-type]
        with pytest.raises(LocalError, match="Order is wanted here, not SipUri"):
            async with client.call(parse_uri("sip:bob@example.com")):  # type: ignore[arg-type]
                pass
        with pytest.raises(LocalError, match=r"Registration is wanted here, not str: Registration\(Address.parse"):
            async with client.register("sip:alice@example.com"):  # type: ignore[arg-type]
                pass
        alice = Registration(Address.parse("sip:alice@example.com"))
        with pytest.raises(LocalError, match=r"Hop is wanted here, not str: Hop\(Transport.UDP, SocketAddress"):
            async with client.register(alice, hop="192.0.2.1:5060"):  # type: ignore[arg-type]
                pass
        with pytest.raises(LocalError, match=r"a hop leads to an IP address, and 'pbx\.example\.com' is none"):
            async with client.register(alice, hop=Hop(Transport.UDP, SocketAddress("pbx.example.com", 5060))):
                pass
    with pytest.raises(LocalError, match="Address is wanted here, not str"):
        Registration("sip:alice@example.com")  # type: ignore[arg-type]
    with pytest.raises(LocalError, match="SipUri is wanted here, not str"):
        Registration(Address.parse(ALICE), "sip:example.com")  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, b"sip:bob@example.com", SocketAddress("127.0.0.1", 5060)])
async def test_whatever_else_is_given_in_the_place_of_a_uri_is_an_error(given: Any) -> None:  # noqa: ANN401  # that is the point
    wanted = f'a URI is wanted here, not {type(given).__name__}: give one as "sip:user@host"'
    async with Endpoint(EndpointConfig(transports=LOOPBACK)) as client:
        with pytest.raises(LocalError, match=wanted):
            client.new_request("OPTIONS", given)
        with pytest.raises(LocalError, match=wanted):
            target_of(given)
        with pytest.raises(LocalError, match=wanted):
            await client.options(given)
        with pytest.raises(LocalError, match=wanted):
            await client.locate(given)
    with pytest.raises(LocalError, match="a URI is wanted here, not Address"):
        client.new_request("OPTIONS", Address.parse(ALICE))  # type: ignore[arg-type]


async def test_an_account_in_the_place_of_its_session_is_an_error() -> None:
    """It would fail by the first hop, as a mistake of this program; a registration would try again for ever."""
    account: Any = Account("alice", "secret", hosts=["127.0.0.1"])
    wanted = r"AuthSession is wanted here, not Account: AuthSession\(account\)"
    async with Endpoint(EndpointConfig(transports=LOOPBACK)) as client:
        request, invite = (client.new_request(method, "sip:127.0.0.1") for method in ("MESSAGE", "INVITE"))
        with pytest.raises(LocalError, match=wanted):
            await client.options("sip:127.0.0.1", auth=account)
        with pytest.raises(LocalError, match=wanted):
            await client.request(Order(request, "sip:127.0.0.1", auth=account))
        with pytest.raises(LocalError, match=wanted):
            async with client.call(Order(invite, "sip:127.0.0.1", auth=account)):
                pass
        with pytest.raises(LocalError, match=wanted):
            async with client.register(Registration(Address.parse(ALICE)), auth=account):
                pass
    assert client.faults == 0


async def test_a_call_begins_with_an_invite() -> None:
    async with Endpoint(EndpointConfig(transports=LOOPBACK)) as client:
        request = client.new_request("MESSAGE", "sip:127.0.0.1")
        with pytest.raises(LocalError, match=r"begins with an INVITE, not with MESSAGE; use request\(\)"):
            async with client.call(Order(request, "sip:127.0.0.1")):
                pass


async def test_a_registration_outside_of_the_block_of_its_endpoint_is_an_error() -> None:
    endpoint = Endpoint(EndpointConfig(transports=LOOPBACK))
    for _ in range(2):
        with pytest.raises(LocalError, match="use it inside its block"):
            async with endpoint.register(Registration(Address.parse(ALICE))):
                pass
        if not endpoint.loop.begun:
            async with endpoint:
                pass


async def test_an_endpoint_is_used_in_its_own_thread() -> None:
    """Trio would wake nobody there, and the endpoint would keep no time from then on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        await _used_elsewhere(SocketAddress(*nobody.getsockname()))


async def _used_elsewhere(nobody: SocketAddress) -> None:
    async with Endpoint(EndpointConfig(transports=LOOPBACK)) as server, Endpoint() as client:
        target = f"sip:bob@{server.transports.local_address(Transport.UDP)}"

        async def call() -> None:
            async with client.call(Order(client.new_request("INVITE", target), target)):
                pass

        async def subscribe() -> None:
            client.subscribe(print)

        async def take() -> None:
            server.incoming()

        elsewhere = r"in another thread: use it there, from here by trio.from_thread.run"
        registration = Registration(Address.parse("sip:alice@example.com"))
        order = Order(client.new_request("INVITE", target), Hop(Transport.UDP, nobody))
        (registrar,) = await client.locate(target)  # it refuses
        async with client.call(order) as placed, client.register(registration, hop=registrar) as registered:
            placed.patience = 0.0
            waits = [placed.answered, placed.over, registered.binding, registered.refresh, registered.stop]
            asked: list[Callable[[], Awaitable[object]]] = [lambda: client.options(target), call, subscribe, take]
            for ask in [*asked, *waits]:
                with pytest.raises(LocalError, match=elsewhere):
                    await trio.to_thread.run_sync(trio.run, ask)
        exchange = await trio.to_thread.run_sync(lambda: trio.from_thread.run(client.options, target))
        assert exchange.response.status == 200
        assert (await client.options(target)).response.status == 200


@pytest.mark.parametrize("given", [SESSION, SESSION.decode()])
async def test_a_change_takes_a_description_that_was_read(given: Any) -> None:  # noqa: ANN401  # that is the point
    async def answer(server: Endpoint) -> None:
        async for incoming in server.incoming():
            assert isinstance(incoming, IncomingCall)
            incoming.accept(body=SESSION, content_type=SDP)

    async with (
        Endpoint(EndpointConfig(transports=LOOPBACK, takes_incoming=True)) as server,
        Endpoint(EndpointConfig(transports=LOOPBACK)) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(answer, server)
        target = f"sip:bob@{server.transports.local_address(Transport.UDP)}"
        invite = client.new_request("INVITE", target, body=SESSION, content_type=SDP)
        async with client.call(Order(invite, target)) as call:
            await call.answered()
            with pytest.raises(LocalError, match=r"SessionDescription is wanted here, not (bytes|str)"):
                await call.change(given)
            await call.change(SessionDescription.parse(SESSION))
        nursery.cancel_scope.cancel()


async def test_an_endpoint_that_could_not_begin_has_no_sockets() -> None:
    async with Endpoint(EndpointConfig(transports=LOOPBACK)) as first:
        taken = first.transports.local_address(Transport.UDP)
        assert taken is not None
        second = Endpoint(EndpointConfig(transports=TransportConfig(bind=((Transport.UDP, taken),))))
        with pytest.raises(LocalError):
            async with second:
                pass
        with pytest.raises(LocalError, match="use it inside its block"):
            second.transports.local_address(Transport.UDP)


@pytest.mark.parametrize(
    ("hop", "words"),
    [
        (Hop(Transport.UDP, SocketAddress("nohost", 5060)), "leads to an IP address"),
        (Hop(Transport.UDP, SocketAddress("127.0.0.1", 70000)), "ports end at 65535"),
        (Hop(Transport.UDP, SocketAddress("127.0.0.1", 5060), SocketAddress("nohost", 0)), "leads from an IP address"),
        (Hop(Transport.UDP, SocketAddress("127.0.0.1", 5060), SocketAddress("127.0.0.1", 70000)), "from port 70000"),
        (Hop(Transport.UDP, SocketAddress("::1%none", 5060)), "no interface with this name"),
        (Hop(Transport.UDP, SocketAddress("127.0.0.1", 0)), "does not lead there"),
    ],
)
async def test_a_hop_that_leads_nowhere_is_refused_whatever_asks_for_it(hop: Hop, words: str) -> None:
    async with Endpoint(EndpointConfig(transports=LOOPBACK)) as endpoint:
        with pytest.raises(SipError, match=words):
            await endpoint.options(ALICE[7:-1], hop=hop)
        with pytest.raises(SipError, match=words):
            await endpoint.request(Order(endpoint.new_request("MESSAGE", ALICE[7:-1]), hop))


async def test_a_port_beyond_all_ports_is_refused_at_a_host_that_is_known() -> None:
    async with Endpoint(EndpointConfig(transports=LOOPBACK)) as endpoint:
        assert endpoint.loop.ready(Hop(Transport.UDP, SocketAddress("127.0.0.1", 5060))) is not None
        with pytest.raises(LocalError, match="ports end at 65535"):
            await endpoint.options(ALICE[7:-1], hop=Hop(Transport.UDP, SocketAddress("127.0.0.1", 70000)))


async def test_a_call_can_be_answered_after_an_answer_that_was_text() -> None:
    """What cannot be sent changes nothing: the caller would wait for half a minute for a 2xx that never leaves."""

    async def answer(server: Endpoint) -> None:
        async for incoming in server.incoming():
            assert isinstance(incoming, IncomingCall)
            for begin in (incoming.ring, incoming.accept):
                with pytest.raises(LocalError, match="a body is bytes, not str"):
                    begin(body=SESSION.decode(), content_type=SDP)  # type: ignore[arg-type]
            incoming.accept(body=SESSION, content_type=SDP)

    async with (
        Endpoint(EndpointConfig(transports=LOOPBACK, takes_incoming=True)) as server,
        Endpoint(EndpointConfig(transports=LOOPBACK)) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(answer, server)
        target = f"sip:bob@{server.transports.local_address(Transport.UDP)}"
        invite = client.new_request("INVITE", target, body=SESSION, content_type=SDP)
        async with client.call(Order(invite, target)) as call:
            assert (await call.answered()).body == SESSION
        nursery.cancel_scope.cancel()
    assert (server.faults, client.faults) == (0, 0)
