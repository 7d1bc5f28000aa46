"""Addresses that peers and DNS give: whatever they are, they fail what was to be sent there and nothing else."""

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from sipcore.dialogs.effects import EndReason
from sipcore.endpoint.call import CallFailure, IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import LocalError
from sipcore.events import CallConfirmed
from sipcore.message.message import Request
from sipcore.message.method import ACK, BYE
from sipcore.message.parser import parse_message
from sipcore.message.uri import parse_uri
from sipcore.outgoing import Order
from sipcore.resolve.target import Hop, SocketAddress, Transport
from sipcore.stack_config import StackConfig
from sipcore.transactions.timers import Timers
from sipcore.transports.base import TransportConfig

QUICK = StackConfig(timers=Timers(t1=0.02, t2=0.1, t4=0.1, d=0.1))
LOOPBACK = SocketAddress("127.0.0.1", 0)
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0\r\n"

HOSTS = [
    "127.0.0.1%1",
    "127.0.0.1%lo",
    "[::1%99999999999999]",
    "::1%" + "9" * 5000,
    "[fe80::1%4294967296]",
    "[fe80::1%nosuch]",
    "[fe80::1%]",
    "%1",
    "a..b",
    "a" * 300 + ".example",
]


class Stranger:
    """A peer that answers with whatever address it likes."""

    def __init__(self, status: str, fields: str) -> None:
        self.heard: list[str] = []
        self._status, self._fields = status, fields
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self.uri = parse_uri(f"sip:x@127.0.0.1:{self.port}")

    async def run(self) -> None:
        with self._socket:
            while True:
                await trio.lowlevel.wait_readable(self._socket)
                self._answer(*self._socket.recvfrom(65535))

    def _answer(self, data: bytes, sender: tuple[str, int]) -> None:
        request = parse_message(data)
        assert isinstance(request, Request)
        self.heard.append(request.method)
        if request.method == ACK:
            return
        names = ("Via", "From", "Call-ID", "CSeq")
        copied = "".join(f"{name}: {text}\r\n" for name in names for text in request.headers.get_all(name))
        status, fields = (self._status, self._fields) if request.method == "INVITE" else ("200 OK", "")
        text = f"SIP/2.0 {status}\r\n{copied}To: <sip:x@y>;tag=7\r\n{fields}Content-Length: 0\r\n\r\n"
        self._socket.sendto(text.encode(), sender)


@asynccontextmanager
async def meeting(status: str, fields: str) -> AsyncIterator[tuple[Endpoint, Stranger]]:
    stranger = Stranger(status, fields)
    with trio.fail_after(10):
        async with Endpoint(EndpointConfig(stack=QUICK)) as endpoint, trio.open_nursery() as nursery:
            nursery.start_soon(stranger.run)
            yield endpoint, stranger
            assert (await endpoint.options(stranger.uri)).response.status == 200  # nothing else has suffered
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("field", ["Contact", "Record-Route"])
async def test_a_call_to_somebody_whose_address_is_none(host: str, field: str) -> None:
    async with meeting("200 OK", f"{field}: <sip:x@127.0.0.1:9;lr;maddr={host}>\r\n") as (endpoint, stranger):
        order = Order(endpoint.new_request("INVITE", stranger.uri), stranger.uri, "me")
        async with endpoint.call(order) as call:
            if field == "Contact":
                await call.answered()
            else:
                await trio.sleep(0.05)


@pytest.mark.parametrize("host", HOSTS)
async def test_a_call_that_is_sent_on_to_what_is_no_address(host: str) -> None:
    async with meeting("302 Moved", f"Contact: <sip:x@127.0.0.1:9;maddr={host}>\r\n") as (endpoint, stranger):
        order = Order(endpoint.new_request("INVITE", stranger.uri), stranger.uri, "me")
        async with endpoint.call(order, redirects=2) as call:
            with pytest.raises(CallFailure):
                await call.answered()


async def test_a_zone_of_a_peer_is_left_out_and_the_call_goes_on_where_it_came_from() -> None:
    fields = "Contact: <sip:x@127.0.0.1:9;maddr=127.0.0.1%1>\r\n"
    async with meeting("200 OK", fields) as (endpoint, stranger):
        order = Order(endpoint.new_request("INVITE", stranger.uri), stranger.uri, "me")
        async with endpoint.call(order) as call:
            await call.answered()
    assert stranger.heard == ["INVITE", ACK, BYE, "OPTIONS"]


async def test_a_call_from_somebody_whose_address_is_none() -> None:
    config = EndpointConfig(
        stack=QUICK, takes_incoming=True, transports=TransportConfig(bind=((Transport.UDP, LOOPBACK),))
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller, trio.fail_after(10):
        caller.bind(("127.0.0.1", 0))
        port = caller.getsockname()[1]
        async with Endpoint(config) as endpoint:
            at = endpoint.transports.local_address(Transport.UDP)
            assert at is not None

            def send(method: str, branch: str, tag: str, fields: str, body: str) -> None:
                caller.sendto(
                    f"{method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch}\r\n"
                    f"From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>{tag}\r\nCall-ID: a\r\nCSeq: 1 {method}\r\n"
                    f"Max-Forwards: 70\r\n{fields}Content-Length: {len(body)}\r\n\r\n{body}".encode(),
                    (at.host, at.port),
                )

            fields = "Contact: <sip:x@127.0.0.1;maddr=127.0.0.1%1>\r\nContent-Type: application/sdp\r\n"
            send("INVITE", "q", "", fields, SDP)
            call = await endpoint.incoming().receive()
            assert isinstance(call, IncomingCall)
            call.accept(body=SDP.encode(), content_type="application/sdp")
            answer = await trio.to_thread.run_sync(caller.recv, 9999)
            found = re.search(rb"To:.*tag=([^\r;]+)", answer)
            assert found is not None
            send("ACK", "r", f";tag={found[1].decode()}", "", "")
            assert isinstance(await anext(call), CallConfirmed)
            await call.hang_up()
            assert call.end_reason is EndReason.BYE_UNANSWERED
            with pytest.raises(Exception, match="nothing listens there"):
                await endpoint.options(parse_uri("sip:127.0.0.1:9"))


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (SocketAddress("127.0.0.1", 70_000), "ports end at 65535"),
        (SocketAddress("127.0.0.1", -1), "ports end at 65535"),
        (SocketAddress("nonsense..", 9), "have the name located"),
        (SocketAddress("127.0.0.1%1", 9), "have the name located"),
    ],
)
@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("end", ["remote", "local"])
async def test_a_hop_to_what_is_no_address_is_refused_at_once(
    address: SocketAddress, problem: str, transport: Transport, end: str
) -> None:
    hop = Hop(transport, address) if end == "remote" else Hop(transport, SocketAddress("127.0.0.1", 9), address)
    async with Endpoint() as endpoint:
        with pytest.raises(LocalError, match=problem):
            await endpoint.options(parse_uri("sip:x@example.com"), hop=hop)
