"""Link-local addresses, which mean something together with their link only, in a namespace that has one."""

from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.responder.personas import Persona
from probes.responder.run import open_responder
from probes.result import CallStatus
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.uri import parse_uri
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import TransportConfig, interface_index
from tests.impairment import namespace

HOST = "fe80::5"
URI = parse_uri("sip:bob@example.com")

Inside = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture
def inside(privileged: None) -> Iterator[Inside]:
    """Runs something where `HOST` is the address of an interface."""
    site = namespace.make("link", "192.0.2.5", HOST)

    async def limited(main: Callable[[], Awaitable[None]]) -> None:
        with trio.fail_after(30):
            await main()

    def run(main: Callable[[], Awaitable[None]]) -> None:
        with site.entered():
            trio.run(limited, main)

    yield run
    site.close()


def zone(kind: str) -> str:
    return namespace.INTERFACE if kind == "name" else str(interface_index(namespace.INTERFACE))


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("bound", ["there", "anywhere"])
@pytest.mark.parametrize("kind", ["name", "number"])
def test_a_request_and_its_answer(inside: Inside, transport: Transport, bound: str, kind: str) -> None:
    async def main() -> None:
        address = SocketAddress(f"{HOST}%{zone(kind)}" if bound == "there" else "::", 0)
        serving = EndpointConfig(takes_incoming=True, transports=TransportConfig(bind=((transport, address),)))
        async with Endpoint(serving) as server, Endpoint() as client, trio.open_nursery() as nursery:

            async def answer() -> None:
                async for incoming in server.incoming():
                    assert isinstance(incoming, IncomingRequest)
                    incoming.respond(200)

            nursery.start_soon(answer)
            at = server.transports.local_address(transport, ipv6=True)
            assert at is not None
            hop = Hop(transport, SocketAddress(f"{HOST}%{zone(kind)}", at.port))
            ends = set()
            for _ in range(2):
                exchange = await client.options(URI, hop=hop)
                assert exchange.response.status == 200
                assert exchange.request.via.host == f"[{HOST}]"  # a zone has no place in a message
                assert "%" not in str(exchange.request.headers.get("Contact"))
                assert exchange.hop.remote == SocketAddress(f"{HOST}%{zone('number')}", at.port)
                ends.add(exchange.hop.local)
            assert len(ends) == 1
            nursery.cancel_scope.cancel()

    inside(main)


@pytest.mark.parametrize("kind", ["name", "number"])
def test_nobody_listens_there(inside: Inside, kind: str) -> None:
    async def main() -> None:
        async with Endpoint() as client:
            with pytest.raises(TransportFailure) as caught:
                await client.options(URI, hop=Hop(Transport.UDP, SocketAddress(f"{HOST}%{zone(kind)}", 9)))
            assert caught.value.reason is FailureReason.REFUSED

    inside(main)


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_a_whole_call(inside: Inside, transport: Transport) -> None:
    async def main() -> None:
        address = SocketAddress(f"{HOST}%{namespace.INTERFACE}", 5070)
        async with open_responder(Persona(), [(transport, address)]):
            text = f"{transport.value.lower()}://[{HOST}%{namespace.INTERFACE}]:5070"
            result = await place_call(CallScript(Destination.parse(text), hold=0.5))
        assert result.status is CallStatus.CONNECTED
        assert result.findings == ()

    inside(main)
