"""A machine with an interface in each of two networks: what leaves it says where it leaves from (RFC 3261 §18.1.1).

Nothing is forwarded between the networks, so that what names the other interface's address leads nowhere.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import trio

from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.message.address import Address
from sipcore.message.build import response as build_response
from sipcore.message.message import Request
from sipcore.message.parser import parse_message
from sipcore.message.registry import CONTACT
from sipcore.message.uri import SipUri, parse_uri
from sipcore.resolve.target import DEFAULT_PORT, Hop, SocketAddress, Transport
from sipcore.transports.base import TransportConfig, socket_address, socket_family, socket_name
from tests.impairment import namespace
from tests.impairment.namespace import Namespace

UDP, TCP = Transport.UDP, Transport.TCP
NETWORKS = {"net1": ("192.0.2.{0}/24", "2001:db8:1::{0}/64"), "net2": ("198.51.100.{0}/24", "2001:db8:2::{0}/64")}
"""The machine's interfaces, and the networks that they are in: it is 1 in each of them, and the server there is 2."""
HOME, SERVER = 1, 2


def address(network: str, host: int, *, ipv6: bool) -> str:
    return NETWORKS[network][ipv6].format(host).partition("/")[0]


@dataclass(frozen=True, slots=True)
class Site:
    """The machine, and a server in each of its networks."""

    home: Namespace
    servers: dict[str, Namespace]

    def listen(self, network: str, transport: Transport, *, ipv6: bool) -> socket.socket:
        """A socket of the server in a network, for use by this process."""
        where = SocketAddress(address(network, SERVER, ipv6=ipv6), 0)
        kind = socket.SOCK_DGRAM if transport is UDP else socket.SOCK_STREAM
        sock = self.servers[network].socket(socket_family(where), kind)
        sock.bind(socket_name(where))
        if transport is TCP:
            sock.listen()
        return sock


@pytest.fixture(scope="module")
def site(privileged: None) -> Iterator[Site]:
    with ExitStack() as stack:
        made = []
        for name in ("home", *NETWORKS):
            one = namespace.make(name, "203.0.113.1", "2001:db8:3::1")  # an interface whose packets nobody reads
            stack.callback(one.close)
            made.append(one)
        home, *others = made
        servers = dict(zip(NETWORKS, others, strict=True))
        for network, server in servers.items():
            join(home, server, network)
        yield Site(home, servers)


def join(home: Namespace, server: Namespace, network: str) -> None:
    """Lay a cable between the machine and a server, and give both ends their addresses."""
    there = f"/proc/{os.getpid()}/fd/{server.fd}"
    ip(home, "link", "add", network, "type", "veth", "peer", "name", network, "netns", there)
    for end, host in ((home, HOME), (server, SERVER)):
        ip(end, "link", "set", network, "up")
        for subnet in NETWORKS[network]:
            ip(end, "address", "add", subnet.format(host), "dev", network, *(["nodad"] if ":" in subnet else []))


def ip(where: Namespace, *words: str) -> None:
    subprocess.run(where.command("ip", *words), check=True)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a server made of a request: where it came from, and where it says that it came from."""

    source: SocketAddress
    sent_by: SocketAddress
    contact: SocketAddress


async def serve(sock: socket.socket, transport: Transport, heard: list[Heard]) -> None:
    """Answer one request after the other to where it came from."""
    if transport is UDP:
        datagrams = trio.socket.from_stdlib_socket(sock)
        while True:
            data, name = await datagrams.recvfrom(65535)
            await datagrams.sendto(answer(data, name, heard), name)
    listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))

    async def answer_all(stream: trio.SocketStream) -> None:
        async for data in stream:
            await stream.send_all(answer(bytes(data), stream.socket.getpeername(), heard))

    await trio.serve_listeners(answer_all, [listener])


def answer(data: bytes, name: tuple[str, int], heard: list[Heard]) -> bytes:
    request = parse_message(data)
    assert isinstance(request, Request)
    (contact,) = request[CONTACT]
    assert isinstance(contact, Address)
    assert isinstance(contact.uri, SipUri)
    via = request.via
    heard.append(Heard(socket_address(name), told(via.host, via.port), told(contact.uri.host, contact.uri.port)))
    return bytes(build_response(request, 200, tag="server"))


def told(host: str, port: int | None) -> SocketAddress:
    return SocketAddress(host.strip("[]"), port or DEFAULT_PORT)


@pytest.mark.parametrize("transport", [UDP, TCP])
@pytest.mark.parametrize("ipv6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("bound", [False, True], ids=["bound when needed", "bound to no address"])
def test_each_network_is_told_the_address_that_it_can_reach(
    site: Site, transport: Transport, ipv6: bool, bound: bool
) -> None:
    anywhere = SocketAddress("::" if ipv6 else "0.0.0.0", 0)
    config = EndpointConfig(TransportConfig(bind=((transport, anywhere),) if bound else ()))
    heard: dict[str, list[Heard]] = {network: [] for network in NETWORKS}
    with ExitStack() as stack:
        listening = {network: stack.enter_context(site.listen(network, transport, ipv6=ipv6)) for network in NETWORKS}

        async def main() -> None:
            with trio.fail_after(10):
                async with Endpoint(config) as client, trio.open_nursery() as nursery:
                    for network, sock in listening.items():
                        nursery.start_soon(serve, sock, transport, heard[network])
                    for sock in (*listening.values(), *listening.values()):
                        hop = Hop(transport, socket_address(sock.getsockname()))
                        exchange = await client.options(parse_uri("sip:bob@example.com"), hop=hop)
                        assert exchange.response.status == 200
                    nursery.cancel_scope.cancel()

        with site.home.entered():
            trio.run(main)
    for network, requests in heard.items():
        home = address(network, HOME, ipv6=ipv6)
        assert [request.source.host for request in requests] == [home] * 2
        for request in requests:
            assert request.contact == request.sent_by
            assert request.sent_by.host == home
            # TCP that is listened for is told where that is, since a connection to the port it left by gets nowhere.
            assert (request.sent_by == request.source) is not (bound and transport is TCP)
