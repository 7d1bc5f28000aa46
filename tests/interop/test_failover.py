"""Failover between listeners that are there (RFC 3263 §4.3): SRV records from a name server, and hosts that fail."""

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import pytest
import trio

from probes.calls.run import place_call
from probes.calls.script import CallScript
from probes.destination import Destination
from probes.responder.personas import Guard, Manner, Persona
from probes.responder.run import open_responder
from probes.result import CallKind
from sipcore.auth.choice import Account
from sipcore.auth.server import ServerPolicy, UserTable
from sipcore.auth.session import AuthSession
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.method import ACK, BYE, INVITE, OPTIONS
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.stack_config import StackConfig
from sipcore.transactions.timers import Timers
from sipcore.transports.base import TransportConfig
from sipcore.transports.lookup import LookupConfig
from tests.interop.conftest import installed
from tests.interop.lab import HOST, Lab
from tests.interop.nameserver import nsd
from tests.interop.tap import Tap, invitation, outcome_of, tapped

UDP, TCP = Transport.UDP, Transport.TCP
DOMAIN = "failover.test"
TIMERS = Timers(t1=0.01, t2=0.04, t4=0.05)
"""Whoever says nothing is given up after 0.64 s."""
CONNECT_SECONDS = 0.3
USER, PASSWORD = "alice", "secret"
ZONE = """\
$ORIGIN failover.test.
$TTL 60
@               SOA     ns hostmaster 1 3600 600 86400 60
                NS      ns
ns              A       127.0.0.1
host            A       127.0.0.1
_sip._udp.two   SRV     1 0 {0} host
                SRV     2 0 {1} host
_sip._tcp.two   SRV     1 0 {0} host
                SRV     2 0 {1} host
_sip._udp.three SRV     1 0 {0} host
                SRV     2 0 {1} host
                SRV     3 0 {2} host
; one server for each transport, TCP preferred
mixed           NAPTR   10 10 "s" "SIP+D2T" "" _sip._tcp.mixed
                NAPTR   10 20 "s" "SIP+D2U" "" _sip._udp.mixed
_sip._tcp.mixed SRV     1 0 {0} host
_sip._udp.mixed SRV     1 0 {1} host
"""


@dataclass(frozen=True, slots=True)
class Site:
    """The ports that the zone names, best first, and how an endpoint finds them."""

    ports: tuple[int, ...]
    config: EndpointConfig


@pytest.fixture(scope="module")
def site(lab: Lab) -> Iterator[Site]:
    installed("nsd", "nsd")
    ports = tuple(lab.ports(1) for _ in range(3))
    zone = lab.folder / f"{DOMAIN}.zone"
    zone.write_text(ZONE.format(*ports))
    with nsd(lab, {DOMAIN: zone}) as (nameserver,):
        lookup = LookupConfig(nameservers=(nameserver.address,), hosts_file="")
        transports = TransportConfig(connect_timeout=CONNECT_SECONDS)
        yield Site(ports, EndpointConfig(transports, lookup, StackConfig(timers=TIMERS)))


Host = Callable[[Transport, int], AbstractAsyncContextManager[None]]
"""What is at a port for the length of a block."""


@asynccontextmanager
async def nobody(transport: Transport, port: int) -> AsyncIterator[None]:
    """Nothing: ICMP comes back, or a reset."""
    yield


@asynccontextmanager
async def silent(transport: Transport, port: int) -> AsyncIterator[None]:
    """Takes everything and says nothing."""
    if transport is UDP:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
            bound.bind((HOST, port))
            yield
    else:

        async def hold(_: trio.SocketStream) -> None:
            await trio.sleep_forever()

        async with _serving(port, hold):
            yield


@asynccontextmanager
async def resetting(transport: Transport, port: int) -> AsyncIterator[None]:
    """Takes a request, and resets the connection."""

    async def reset(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with _serving(port, reset):
        yield


@asynccontextmanager
async def closing(transport: Transport, port: int) -> AsyncIterator[None]:
    """Takes a request, and closes the connection in order."""

    async def close(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    async with _serving(port, close):
        yield


@asynccontextmanager
async def deaf(transport: Transport, port: int) -> AsyncIterator[None]:
    """Takes no connection any more: its queue is full, and what comes for it is dropped."""
    with socket.create_server((HOST, port), backlog=0), socket.socket() as one, socket.socket() as two:
        for filler in (one, two):
            filler.setblocking(False)
            filler.connect_ex((HOST, port))
        yield


@asynccontextmanager
async def answering(transport: Transport, port: int) -> AsyncIterator[None]:
    async with open_responder(Persona(), [(transport, SocketAddress(HOST, port))]):
        yield


@asynccontextmanager
async def overloaded(transport: Transport, port: int) -> AsyncIterator[None]:
    """Answers 503."""
    async with open_responder(Persona(Manner(status=503)), [(transport, SocketAddress(HOST, port))]):
        yield


@asynccontextmanager
async def _serving(port: int, serve: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_tcp, serve, port, host=HOST))
        yield
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def facing(site: Site, transport: Transport, hosts: Sequence[Host]) -> AsyncIterator[tuple[Endpoint, Tap]]:
    """An endpoint, with `hosts` at the ports of the site."""
    with trio.fail_after(10):
        async with AsyncExitStack() as stack:
            for host, port in zip(hosts, site.ports, strict=False):
                await stack.enter_async_context(host(transport, port))
            yield await stack.enter_async_context(tapped(site.config))


def uri_of(name: str, transport: Transport) -> str:
    return f"sip:echo@{name}.{DOMAIN};transport={transport.value.lower()}"


async def ask(endpoint: Endpoint, uri: str, auth: AuthSession | None = None) -> int:
    """The status that an OPTIONS gets."""
    request = endpoint.new_request(OPTIONS, parse_uri(uri))
    return (await endpoint.request(Order(request, parse_uri(uri), USER, auth))).response.status


async def call(endpoint: Endpoint, uri: str) -> int:
    """The status that a call gets; it is hung up at once if it is answered. Raises TransportFailure."""
    async with endpoint.call(invitation(endpoint, uri)) as placed:
        response, cause = await outcome_of(placed)
    if isinstance(cause, TransportFailure):
        raise cause
    assert response is not None, cause
    return response.status


FIRST = [
    (UDP, silent),
    (UDP, nobody),
    (UDP, overloaded),
    (TCP, silent),
    (TCP, nobody),
    (TCP, overloaded),
    (TCP, resetting),
    (TCP, closing),
    (TCP, deaf),
]
"""Every way in which the first host can fail."""
REACHED = {silent, overloaded, resetting, closing}
"""Hosts that a request gets to although it comes to nothing; over UDP one leaves for nobody as well."""


@pytest.mark.parametrize(("transport", "host"), FIRST)
async def test_a_request_goes_on_to_the_next_host(site: Site, transport: Transport, host: Host) -> None:
    async with facing(site, transport, [host, answering]) as (endpoint, tap):
        assert await ask(endpoint, uri_of("two", transport)) == 200
    tries = 2 if host in REACHED or transport is UDP else 1
    assert tap.ports(OPTIONS) == list(site.ports[:2][-tries:])
    sent = tap.sent(OPTIONS)
    # RFC 3263 §4.3: a new transaction, which a new branch makes, for the same request.
    assert len({request.via.branch for request in sent}) == tries
    assert len({(request.call_id, request.from_.tag, request.cseq.number) for request in sent}) == 1


@pytest.mark.parametrize(("transport", "host"), FIRST)
async def test_a_call_goes_on_to_the_next_host(site: Site, transport: Transport, host: Host) -> None:
    async with facing(site, transport, [host, answering]) as (endpoint, tap):
        assert await call(endpoint, uri_of("two", transport)) == 200
    first, second, _ = site.ports
    reached = host in REACHED or transport is UDP
    assert tap.ports(INVITE) == [first, second][-1 - reached :]
    assert len({invite.via.branch for invite in tap.sent(INVITE)}) == 1 + reached
    assert len({(request.call_id, request.from_.tag) for request in tap.sent()}) == 1
    assert tap.ports(ACK) == ([first, second] if host is overloaded else [second])
    assert tap.ports(BYE) == [second]


@pytest.mark.parametrize(
    ("transport", "hosts", "reason"),
    [
        (UDP, (silent, nobody), FailureReason.REFUSED),
        (UDP, (nobody, silent), FailureReason.TIMED_OUT),
        (UDP, (overloaded, nobody), FailureReason.REFUSED),
        (TCP, (resetting, nobody), FailureReason.REFUSED),
        (TCP, (nobody, resetting), FailureReason.RESET),
        (TCP, (nobody, closing), FailureReason.CLOSED),
        (TCP, (closing, deaf), FailureReason.TIMED_OUT),
        (TCP, (overloaded, nobody), FailureReason.REFUSED),
    ],
)
@pytest.mark.parametrize("act", [ask, call])
async def test_when_all_are_dead_the_last_failure_is_told(
    site: Site,
    act: Callable[[Endpoint, str], Awaitable[int]],
    transport: Transport,
    hosts: tuple[Host, ...],
    reason: FailureReason,
) -> None:
    async with facing(site, transport, hosts) as (endpoint, _):
        with pytest.raises(TransportFailure) as raised:
            await act(endpoint, uri_of("two", transport))
    assert raised.value.reason is reason
    assert str(site.ports[1]) in raised.value.message


@pytest.mark.parametrize("act", [ask, call])
async def test_when_all_are_overloaded_the_last_says_so(
    site: Site, act: Callable[[Endpoint, str], Awaitable[int]]
) -> None:
    async with facing(site, UDP, [overloaded, overloaded]) as (endpoint, tap):
        assert await act(endpoint, uri_of("two", UDP)) == 503
    assert tap.statuses().count(503) == 2


@pytest.mark.parametrize("act", [ask, call])
async def test_one_after_the_other_fails(site: Site, act: Callable[[Endpoint, str], Awaitable[int]]) -> None:
    async with facing(site, UDP, [overloaded, nobody, answering]) as (endpoint, tap):
        assert await act(endpoint, uri_of("three", UDP)) == 200
    assert tap.ports(OPTIONS if act is ask else INVITE) == list(site.ports)


@pytest.mark.parametrize("act", [ask, call])
async def test_no_other_answer_sends_it_on(site: Site, act: Callable[[Endpoint, str], Awaitable[int]]) -> None:
    async with facing(site, UDP, [answering, answering]) as (endpoint, tap):
        assert await act(endpoint, uri_of("two", UDP).replace("echo", "504")) == 504
    assert tap.ports(OPTIONS if act is ask else INVITE) == [site.ports[0]]


@pytest.mark.parametrize("act", [ask, call])
async def test_the_next_host_may_have_another_transport(
    site: Site, act: Callable[[Endpoint, str], Awaitable[int]]
) -> None:
    async with AsyncExitStack() as hosts:
        await hosts.enter_async_context(resetting(TCP, site.ports[0]))
        await hosts.enter_async_context(answering(UDP, site.ports[1]))
        endpoint, tap = await hosts.enter_async_context(tapped(site.config))
        assert await act(endpoint, f"sip:echo@mixed.{DOMAIN}") == 200
    requests = tap.sent(OPTIONS if act is ask else INVITE)
    assert [request.via.transport for request in requests] == ["TCP", "UDP"]
    assert [";transport=tcp" in (request.headers.get("Contact") or "") for request in requests] == [True, False]


async def test_credentials_of_the_first_host_are_made_anew_for_the_next(site: Site) -> None:
    """Both know the user, neither the other's nonces."""
    guard = Guard(ServerPolicy("lab"), UserTable({USER: PASSWORD}))
    personas = (Persona(Manner(status=503), guard=guard), Persona(guard=guard))
    auth = AuthSession(Account(USER, PASSWORD, hosts=[f"two.{DOMAIN}"]))
    async with AsyncExitStack() as hosts:
        for persona, port in zip(personas, site.ports, strict=False):
            await hosts.enter_async_context(open_responder(persona, [(UDP, SocketAddress(HOST, port))]))
        # both answer, so nothing is to be sent twice: with the RFC's T1, however busy the machine is
        patient = replace(site.config, stack=StackConfig())
        endpoint, tap = await hosts.enter_async_context(tapped(patient))
        assert await ask(endpoint, uri_of("two", UDP), auth) == 200
    assert tap.statuses() == [401, 503, 401, 200]
    assert [choice.retried for choice in auth.choices] == ["stale nonce"]


@pytest.mark.parametrize("host", [silent, nobody])
async def test_a_placed_call_goes_on_to_the_next_host(site: Site, host: Host) -> None:
    script = CallScript(Destination(f"two.{DOMAIN}", None, UDP, "echo"), hold=0.05)
    async with facing(site, UDP, [host, answering]):
        result = await place_call(script, site.config)
    assert result.kind is CallKind.CONNECTED, result.why
    assert result.hop is not None
    assert result.hop.remote.port == site.ports[1]
