"""Addresses that must not be reached: whatever names them, not one datagram and no connection gets there.

127.0.0.1 is allowed here, and 127.0.0.2 is not. Each case is told without the policy as well, by which something does
get there: the case would see it.
"""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext, suppress
from typing import Any

import dns.flags
import dns.message
import dns.rrset
import pytest
import trio

from sipcore.endpoint.call import CallFailure
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import FailureReason, LocalError, NotAllowed, TransportFailure
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.transports.base import Refusal, TlsConfig, TransportConfig
from sipcore.transports.gate import gate_of
from sipcore.transports.lookup import LookupConfig
from sipcore.transports.tls import TlsContexts
from sipcore.transports.tls_trial import try_tls
from tests.sipcore.endpoint.test_peers_addresses import QUICK, Stranger

ALLOWED, REFUSED = "127.0.0.1", "127.0.0.2"
UDP, TCP, TLS, WS = Transport.UDP, Transport.TCP, Transport.TLS, Transport.WS
LATE = 0.15
"""Seconds in which whatever was sent on loopback has arrived."""


def refusal(remote: SocketAddress, is_own: bool) -> str:
    return "" if remote.host == ALLOWED else "it is not for you"


class Place:
    """Listens for datagrams and connections at one port of an address, a free one by default, and answers neither."""

    def __init__(self, host: str, port: int = 0) -> None:
        self.tcp = socket.create_server((host, port))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((host, self.port))
        for sock in (self.tcp, self.udp):
            sock.setblocking(False)

    def touched(self) -> list[str]:
        """What has come."""
        came = []
        with suppress(BlockingIOError):
            came.append(self.udp.recv(65535).split(b" ")[0].decode("latin-1"))
        with suppress(BlockingIOError):
            self.tcp.accept()[0].close()
            came.append("connection")
        return came


@pytest.fixture
def place() -> Iterator[Place]:
    there = Place(REFUSED)
    with there.tcp, there.udp:
        yield there


@asynccontextmanager
async def opened(policy: Refusal | None, nameserver: SocketAddress | None = None) -> AsyncIterator[Endpoint]:
    transports = TransportConfig(tls=TlsConfig(verify=False), connect_timeout=0.3, refusal=policy)
    if nameserver is not None:
        lookup = LookupConfig(nameservers=(nameserver,), hosts_file="")
    else:  # nobody answers there, which is not waited for
        lookup = LookupConfig(nameservers=(SocketAddress(ALLOWED, 9),), timeout=0.3, lifetime=0.5, hosts_file="")
    with trio.fail_after(20):
        async with Endpoint(EndpointConfig(transports, lookup, QUICK)) as endpoint:
            yield endpoint


@asynccontextmanager
async def meeting(status: str, fields: str, policy: Refusal | None) -> AsyncIterator[tuple[Endpoint, Stranger]]:
    stranger = Stranger(status, fields)
    async with opened(policy) as endpoint, trio.open_nursery() as nursery:
        nursery.start_soon(stranger.run)
        yield endpoint, stranger
        nursery.cancel_scope.cancel()


POLICIES = pytest.mark.parametrize("policy", [refusal, None], ids=["refused", "open"])


def refused_by(policy: Refusal | None) -> AbstractContextManager[Any]:
    """Where what is done is refused by the policy, if there is one."""
    return pytest.raises(NotAllowed) if policy is not None else nullcontext()


def judged(came: list[str], policy: Refusal | None) -> bool:
    """Whether nothing came with the policy, and something without."""
    return not came if policy is not None else bool(came)


@POLICIES
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "ws"])
@pytest.mark.parametrize(
    "field",
    [
        "Contact: <sip:x@127.0.0.2:{port};transport={transport}>",
        "Contact: <sip:x@127.0.0.1:9;maddr=127.0.0.2;transport={transport}>\r\nX: {port}",
        "Record-Route: <sip:127.0.0.2:{port};lr;transport={transport}>\r\nContact: <sip:x@127.0.0.1:9>",
        "Contact: <sip:x@[::ffff:127.0.0.2]:{port};transport={transport}>",
    ],
    ids=["contact", "maddr", "record-route", "mapped"],
)
async def test_a_call_is_not_led_elsewhere_by_its_2xx(
    place: Place, field: str, transport: str, policy: Refusal | None
) -> None:
    """ACK and BYE go to where the INVITE went, so that the call still comes to its end."""
    fields = field.replace("127.0.0.1:9;maddr", f"127.0.0.1:{place.port};maddr")
    fields = fields.format(port=place.port, transport=transport) + "\r\n"
    async with meeting("200 OK", fields, policy) as (endpoint, stranger):
        order = Order(endpoint.new_request("INVITE", stranger.uri), stranger.uri, "me")
        async with endpoint.call(order) as call:
            await call.answered()
            await trio.sleep(LATE)
        assert judged(place.touched(), policy)
        if policy is not None:
            later = [] if transport == "tls" else ["ACK", "BYE"]  # RFC 3261 §26.2.2: not by a way that is less safe
            assert list(dict.fromkeys(stranger.heard)) == ["INVITE", *later]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(
    "host",
    # What is no address is a name, for which DNS is asked.
    ["2130706434", "0x7f.2", "0177.0.0.2", "[::ffff:7f00:2]", "[0:0:0:0:0:FFFF:127.0.0.2]", "0.0.0.0", "[::]"],
)
async def test_nor_by_any_spelling_of_it(place: Place, host: str, transport: str) -> None:
    fields = f"Contact: <sip:x@{host}:{place.port};transport={transport}>\r\n"
    async with meeting("200 OK", fields, refusal) as (endpoint, stranger):
        order = Order(endpoint.new_request("INVITE", stranger.uri), stranger.uri, "me")
        async with endpoint.call(order) as call:
            await call.answered()
    assert place.touched() == []


@POLICIES
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_redirection_is_not_followed_there(place: Place, transport: str, policy: Refusal | None) -> None:
    fields = f"Contact: <sip:x@127.0.0.2:{place.port};transport={transport}>\r\n"
    async with meeting("302 Moved", fields, policy) as (endpoint, stranger):
        order = Order(endpoint.new_request("INVITE", stranger.uri), stranger.uri, "me")
        async with endpoint.call(order, redirects=3) as call:
            with trio.move_on_after(LATE), suppress(CallFailure, LocalError):
                await call.answered()
    assert judged(place.touched(), policy)


@POLICIES
@pytest.mark.parametrize("transport", [UDP, TCP, TLS, WS])
async def test_an_order_is_refused_at_once_and_alike(
    place: Place, transport: Transport, policy: Refusal | None
) -> None:
    async with opened(policy) as endpoint:
        uri = parse_uri(f"sip:{REFUSED}:{place.port};transport={transport.value}")
        told = []
        for port in (place.port, 9):  # somebody listens there, and nobody does
            hop = Hop(transport, SocketAddress(REFUSED, port), tls_name="x.example")
            with trio.move_on_after(LATE), suppress(TransportFailure), refused_by(policy) as caught:
                await endpoint.options(uri, hop=hop)  # what silence would come to takes longer
            if policy is not None:
                told.append(str(caught.value).replace(str(port), "PORT"))
        if policy is not None:
            assert told[0] == told[1]
            where = f"{transport.value.lower()} {REFUSED}:PORT: must not be reached from here, it is not for you"
            assert told[0] == f"{where}; {NotAllowed.advice} [RFC 3261 §26.1]"
    assert judged(place.touched(), policy)


@POLICIES
async def test_a_call_to_a_refused_place_fails_with_the_reason(place: Place, policy: Refusal | None) -> None:
    async with opened(policy) as endpoint:
        uri = parse_uri(f"sip:{REFUSED}:{place.port};transport=udp")
        async with endpoint.call(Order(endpoint.new_request("INVITE", uri), uri, "me")) as call:
            with trio.move_on_after(LATE), suppress(TransportFailure), refused_by(policy):
                await call.answered()
    assert judged(place.touched(), policy)


@pytest.mark.parametrize("linger", [True, False])
async def test_a_handshake_for_its_own_sake_is_refused_as_well(place: Place, linger: bool) -> None:
    hop = Hop(TLS, SocketAddress(REFUSED, place.port), tls_name="x.example")
    trial = await try_tls(TlsContexts(TlsConfig()), hop, seconds=5.0, linger=linger, gate=gate_of(refusal))
    assert trial.failure is not None
    assert trial.failure.reason is FailureReason.NOT_ALLOWED
    assert place.touched() == []


# Names


class Names:
    """A name server on loopback. Each question for an address gets the next of `answers`, or the last."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self._answers = list(answers)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ALLOWED, 0))
        self.socket.setblocking(False)
        self.address = SocketAddress(*self.socket.getsockname())

    async def run(self) -> None:
        with self.socket:
            while True:
                await trio.lowlevel.wait_readable(self.socket)
                data, sender = self.socket.recvfrom(65535)
                query = dns.message.from_wire(data)
                answer = dns.message.make_response(query)
                answer.flags |= dns.flags.AA
                if query.question[0].rdtype == dns.rdatatype.A:
                    hosts = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                    answer.answer.append(dns.rrset.from_text(query.question[0].name, 0, "IN", "A", *hosts))
                self.socket.sendto(answer.to_wire(), sender)


@asynccontextmanager
async def named(policy: Refusal | None, *answers: tuple[str, ...]) -> AsyncIterator[Endpoint]:
    names = Names(*answers)
    async with opened(policy, names.address) as endpoint, trio.open_nursery() as nursery:
        nursery.start_soon(names.run)
        yield endpoint
        nursery.cancel_scope.cancel()


@POLICIES
async def test_a_name_that_leads_elsewhere_the_second_time(policy: Refusal | None) -> None:
    """What is judged is the address that is sent to, and none that the name had before."""
    stranger = Stranger("200 OK", "")
    there = Place(REFUSED)
    with there.tcp, there.udp:
        async with named(policy, (ALLOWED,), (REFUSED,)) as endpoint, trio.open_nursery() as nursery:
            nursery.start_soon(stranger.run)
            good = await endpoint.options(parse_uri(f"sip:rebinding.example:{stranger.port};transport=udp"))
            assert good.response.status == 200
            uri = parse_uri(f"sip:rebinding.example:{there.port};transport=udp")
            with trio.move_on_after(LATE), suppress(TransportFailure), refused_by(policy):
                await endpoint.options(uri)
            nursery.cancel_scope.cancel()
        assert judged(there.touched(), policy)


@pytest.mark.parametrize("answers", [(REFUSED, ALLOWED), (ALLOWED, REFUSED)])
async def test_other_addresses_of_the_name_are_still_tried(answers: tuple[str, str]) -> None:
    stranger = Stranger("200 OK", "")
    there = Place(REFUSED)
    with there.tcp, there.udp:
        async with named(refusal, answers) as endpoint, trio.open_nursery() as nursery:
            nursery.start_soon(stranger.run)
            for _ in range(4):  # equal ones take turns (RFC 3263 §4.2)
                uri = parse_uri(f"sip:both.example:{stranger.port};transport=udp")
                assert (await endpoint.options(uri)).response.status == 200
            nursery.cancel_scope.cancel()
        assert there.touched() == []


# What comes in


@contextmanager
def stranger_socket() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((ALLOWED, 0))
        sock.settimeout(1.0)
        yield sock


def options(via: str) -> bytes:
    lines = (
        *("OPTIONS sip:a@b SIP/2.0", f"Via: SIP/2.0/UDP {via};branch=z9hG4bKa", "From: <sip:a@b>;tag=1"),
        *("To: <sip:b@c>", "Call-ID: a", "CSeq: 1 OPTIONS", "Max-Forwards: 70", "Content-Length: 0", "", ""),
    )
    return "\r\n".join(lines).encode()


@POLICIES
@pytest.mark.parametrize("broken", [False, True], ids=["whole", "broken"])
@pytest.mark.parametrize("maddr", [REFUSED, "127.0.0.1"])
async def test_a_response_goes_to_where_the_request_came_from(maddr: str, broken: bool, policy: Refusal | None) -> None:
    """Even an address that may be reached is not sent to because a stranger names it by `maddr` (RFC 3261 §18.2.2)."""
    transports = TransportConfig(bind=((UDP, SocketAddress(ALLOWED, 0)),), refusal=policy)
    other = Place(maddr)
    with other.tcp, other.udp, stranger_socket() as sock:
        async with Endpoint(EndpointConfig(transports, stack=QUICK)) as endpoint:
            at = endpoint.transports.local_address(UDP)
            assert at is not None
            data = options(f"127.0.0.1:{other.port};maddr={maddr};rport")
            data = data.replace(b"Max-Forwards: 70", b"Max-Forwards: x") if broken else data
            sock.sendto(data, (at.host, at.port))
            if policy is not None:
                assert (await trio.to_thread.run_sync(sock.recv, 65535)).startswith(b"SIP/2.0 ")
            await trio.sleep(LATE)
        assert judged(other.touched(), policy)


async def test_an_address_of_this_machine_is_known_for_one() -> None:
    """Loopback as a whole, without anything being sent; whatever is not one is not asked about twice."""
    asked: list[tuple[str, bool]] = []

    def note(remote: SocketAddress, is_own: bool) -> str:
        asked.append((remote.host, is_own))
        return "it is an address of this machine" if is_own else ""

    there = Place(REFUSED)
    with there.tcp, there.udp:
        async with opened(note) as endpoint:
            for _ in range(2):
                with pytest.raises(NotAllowed, match="it is an address of this machine"):
                    await endpoint.options(parse_uri(f"sip:{REFUSED}:{there.port};transport=udp"))
        assert there.touched() == []
    assert asked == [(REFUSED, False), (REFUSED, True)]
