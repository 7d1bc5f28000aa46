"""Registrations: kept at real registrars over every transport, and, as registrar, for real phones."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio

from sipcore.auth.choice import Account
from sipcore.auth.digest import Algorithm
from sipcore.auth.server import Authenticator, Refused, ServerPolicy, UserTable
from sipcore.auth.session import AuthError, AuthRefusal, AuthSession
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.endpoint.incoming import IncomingRequest
from sipcore.endpoint.registrar import answer_register
from sipcore.endpoint.registration import RegistrationFailure, keep_registered
from sipcore.errors import TransportFailure
from sipcore.media.stun import Attr, StunMessage, read_xor_address
from sipcore.message.address import Address
from sipcore.message.registry import CONTACT
from sipcore.message.uri import SipUri
from sipcore.outgoing import Order
from sipcore.registration.binding import Registration, is_same
from sipcore.registration.keeper import RegistrationFailed
from sipcore.registration.registrar import Answer, Change, Registrar, RegistrarPolicy
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.stack_config import StackConfig
from sipcore.transports.base import TlsConfig, TransportConfig, socket_name
from sipcore.transports.bindings import Bindings
from tests.interop.clients import PASSWORD, PROGRAMS, REALM, USER, Client, Desk, baresip, linphone, sipp, sipsak
from tests.interop.conftest import installed
from tests.interop.lab import HOST, Lab, Server

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
URN = "urn:uuid:00000000-0000-1000-8000-000A95A0E128"

at_each_registrar = pytest.mark.parametrize(
    ("name", "transport"),
    [(name, transport) for name in ("asterisk", "kamailio") for transport in (UDP, TCP, TLS)],
    ids=lambda each: each if isinstance(each, str) else each.name,
)


def hop_to(server: Server, transport: Transport) -> Hop:
    port = {UDP: server.udp_port, TCP: server.tcp_port, TLS: server.tls_port}[transport]
    assert port is not None
    return Hop(transport, SocketAddress(server.host, port))


def trusting(server: Server) -> EndpointConfig:
    return EndpointConfig(transports=TransportConfig(tls=TlsConfig(ca_file=str(server.ca_file))))


def registration(server: Server, user: str = "alice", **more: object) -> Registration:
    given: dict[str, object] = {"aor": Address(SipUri(server.host, user)), "expires": 120, **more}
    return Registration(**given)  # type: ignore[arg-type]


def account(server: Server, user: str = "alice", password: str = PASSWORD) -> AuthSession:
    return AuthSession(Account(user, password, hosts=[server.host]))


async def fetch(client: Endpoint, server: Server, hop: Hop) -> list[Address]:
    """The bindings that the registrar has, asked by somebody else (RFC 3261 §10.2.3)."""
    alice = Address(SipUri(server.host, "alice"))
    request = client.new_request("REGISTER", SipUri(server.host), to=alice, from_=alice)
    exchange = await client.request(Order(request, hop, auth=account(server)))
    assert exchange.response.status == 200
    return [item for item in exchange.response[CONTACT] if isinstance(item, Address)]


async def test_stun_on_the_port_of_sip(kamailio: Server) -> None:
    """RFC 5626 §8: it tells where it sees this side, by the message that a keep-alive over UDP is."""
    flow = Flow(UDP, SocketAddress(HOST, 0), hop_to(kamailio, UDP).remote)
    bindings, transaction = Bindings(), secrets.token_bytes(12)
    with trio.fail_after(10), trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sock:
        await sock.bind((HOST, 0))
        await sock.sendto(bindings.ask(flow, transaction, 0), socket_name(flow.remote))
        answer, _ = await sock.recvfrom(2000)
        assert bindings.receive_untrusted(answer, flow) is None
        assert bindings.next_timeout() is None
        mapped = StunMessage.parse(answer).get(Attr.XOR_MAPPED_ADDRESS) or b""
        assert read_xor_address(mapped, transaction) == SocketAddress(*sock.getsockname())


@at_each_registrar
async def test_registered_refreshed_and_removed(
    request: pytest.FixtureRequest, name: str, transport: Transport
) -> None:
    server: Server = request.getfixturevalue(name)
    hop, auth = hop_to(server, transport), account(server)
    with trio.fail_after(20):
        async with Endpoint(trusting(server)) as client:
            async with keep_registered(client, registration(server), auth=auth, user="alice", hop=hop) as registered:
                binding = await registered.binding()
                assert binding.listed
                assert 0 < binding.granted <= 120
                again = await registered.refresh()
                assert again.listed
                assert again.contacts == binding.contacts
                assert any(is_same(found, binding.contacts[0]) for found in await fetch(client, server, hop))
            assert not any(is_same(found, binding.contacts[0]) for found in await fetch(client, server, hop))


@at_each_registrar
async def test_several_contacts_and_everything_removed(
    request: pytest.FixtureRequest, name: str, transport: Transport
) -> None:
    server: Server = request.getfixturevalue(name)
    hop, auth = hop_to(server, transport), account(server)
    another = Address.parse("<sip:alice@127.0.0.2:5070>;q=0.2;expires=300")
    with trio.fail_after(20):
        async with Endpoint(trusting(server)) as client:
            given = registration(server, q=0.8, contacts=(another,))
            async with keep_registered(client, given, auth=auth, hop=hop) as registered:
                assert (await registered.binding()).listed
                assert len(await fetch(client, server, hop)) >= 2
                await registered.stop(everything=True)
                assert await fetch(client, server, hop) == []


@at_each_registrar
async def test_a_wrong_password(request: pytest.FixtureRequest, name: str, transport: Transport) -> None:
    server: Server = request.getfixturevalue(name)
    hop, auth = hop_to(server, transport), account(server, password="wrong")
    with trio.fail_after(20):
        async with (
            Endpoint(trusting(server)) as client,
            keep_registered(client, registration(server), auth=auth, hop=hop) as registered,
        ):
            with pytest.raises(RegistrationFailure) as caught:
                await registered.binding()
    assert isinstance(caught.value.cause, AuthError)
    assert caught.value.cause.reason is AuthRefusal.REJECTED


@at_each_registrar
async def test_a_registrar_that_knows_no_flows_does_no_harm(
    request: pytest.FixtureRequest, name: str, transport: Transport
) -> None:
    """Instance and reg-id are offered; neither registrar is set up for them here."""
    server: Server = request.getfixturevalue(name)
    given = registration(server, instance=URN, reg_id=1)
    with trio.fail_after(20):
        async with (
            Endpoint(trusting(server)) as client,
            keep_registered(client, given, auth=account(server), hop=hop_to(server, transport)) as registered,
        ):
            binding = await registered.binding()
    assert binding.listed
    assert not binding.outbound


async def test_nobody_answers(lab: Lab) -> None:
    hop, alice = Hop(TCP, SocketAddress(HOST, lab.ports(1))), Registration(Address(SipUri(HOST, USER)))
    async with Endpoint() as client, keep_registered(client, alice, hop=hop) as registered:
        with trio.fail_after(20):
            event = await anext(aiter(registered))
    assert isinstance(event, RegistrationFailed)
    assert isinstance(event.failure, TransportFailure)
    assert event.retry_at is not None


# As registrar


@dataclass(slots=True)
class Running:
    """A registrar that clients come to, and what became of their requests."""

    port: int
    registrar: Registrar
    outcomes: list[Answer | Refused] = field(default_factory=list)
    accepted: trio.Event = field(default_factory=trio.Event)

    @property
    def statuses(self) -> list[int]:
        """Of the answers to all who were not challenged."""
        return [outcome.status for outcome in self.outcomes if isinstance(outcome, Answer)]

    @property
    def changes(self) -> list[Change]:
        return [change for each in self.outcomes if isinstance(each, Answer) for change, _ in each.changes]


@asynccontextmanager
async def registrar(policy: RegistrarPolicy) -> AsyncIterator[Running]:
    binds = ((UDP, SocketAddress(HOST, 0)),)
    config = EndpointConfig(TransportConfig(bind=binds), stack=StackConfig(passes_unknown=True), takes_incoming=True)
    challenges = ServerPolicy(REALM, (Algorithm.MD5,))
    authenticator = Authenticator(challenges, UserTable({USER: PASSWORD}), secrets.token_bytes(32), secrets.token_bytes)
    with trio.fail_after(20):
        async with Endpoint(config) as endpoint, trio.open_nursery() as nursery:
            address = endpoint.transports.local_address(UDP)
            assert address is not None
            running = Running(address.port, Registrar(policy))

            async def work() -> None:
                async for incoming in endpoint.incoming():
                    assert isinstance(incoming, IncomingRequest)
                    outcome = answer_register(running.registrar, incoming, trio.current_time(), authenticator)
                    running.outcomes.append(outcome)
                    if isinstance(outcome, Answer) and outcome.status == 200:
                        running.accepted.set()

            nursery.start_soon(work)
            yield running
            nursery.cancel_scope.cancel()


ADDED, UPDATED, REMOVED = Change


@pytest.mark.parametrize("client", [sipsak, sipp, baresip, linphone])
async def test_a_client_registers(client: Client, lab: Lab, tmp_path: Path) -> None:
    """A phone takes its registration back when it ends."""
    program = installed(*PROGRAMS[client])
    async with registrar(RegistrarPolicy()) as running:
        assert await client(Desk(program, replace(lab, folder=tmp_path), running.port, running.accepted))
        assert running.changes == ([ADDED, REMOVED] if client in (baresip, linphone) else [ADDED])


@pytest.mark.parametrize("client", [baresip, linphone])
async def test_too_brief_for_a_client(client: Client, lab: Lab, tmp_path: Path) -> None:
    """Both ask for a minute, are told that it takes two, and ask again."""
    program = installed(*PROGRAMS[client])
    async with registrar(RegistrarPolicy(minimum=120)) as running:
        assert await client(Desk(program, replace(lab, folder=tmp_path), running.port, running.accepted))
        assert running.statuses == [423, 200, 200]
        assert running.changes == [ADDED, REMOVED]


async def test_a_client_refreshes(lab: Lab, tmp_path: Path) -> None:
    """A registrar that grants one second, which is when baresip comes again."""
    program = installed(*PROGRAMS[baresip])
    async with registrar(RegistrarPolicy(minimum=0, maximum=1, default=1)) as running:
        assert await baresip(Desk(program, replace(lab, folder=tmp_path), running.port, running.accepted))
        assert running.changes[:2] == [ADDED, UPDATED]
