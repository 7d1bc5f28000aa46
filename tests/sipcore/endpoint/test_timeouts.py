"""Timers that are set while the loop sleeps already."""

import socket

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from sipcore.endpoint.call import IncomingCall
from sipcore.endpoint.endpoint import Endpoint, EndpointConfig
from sipcore.errors import FailureReason, TransportFailure
from sipcore.message.address import Address
from sipcore.message.build import Ends
from sipcore.message.uri import SipUri
from sipcore.resolve.target import SocketAddress, Transport
from sipcore.trace import Direction, MessageTrace, TraceRecord
from sipcore.transports.base import TransportConfig
from tests.sipcore.wire import Wire

LOOPBACK = SocketAddress("127.0.0.1", 0)
DOUBLED = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
"""RFC 3261 §17.1.2.2: T1, doubled up to T2, for 64·T1."""


class Sent:
    """When an endpoint has sent what begins so, from the first on."""

    def __init__(self, endpoint: Endpoint, begin: bytes) -> None:
        self._at: list[float] = []
        self._begin = begin
        endpoint.subscribe(self._take)

    def _take(self, record: TraceRecord) -> None:
        match record:
            case MessageTrace(at=at, direction=Direction.SENT, data=data) if data.startswith(self._begin):
                self._at.append(at)

    @property
    def after(self) -> list[float]:
        """Seconds after the first one."""
        return [at - self._at[0] for at in self._at]


async def test_a_request_is_repeated_that_is_sent_while_nothing_is_waited_for(autojump_clock: MockClock) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, trio.fail_after(100):
        silent.bind(("127.0.0.1", 0))
        async with Endpoint() as endpoint:
            await wait_all_tasks_blocked()
            sent = Sent(endpoint, b"OPTIONS")
            with pytest.raises(TransportFailure) as caught:
                await endpoint.options(f"sip:127.0.0.1:{silent.getsockname()[1]}")
    assert caught.value.reason is FailureReason.TIMED_OUT
    assert sent.after == pytest.approx(DOUBLED, abs=0.01)


async def test_ringing_is_told_again_each_minute_though_nothing_else_is_waited_for(autojump_clock: MockClock) -> None:
    """RFC 3261 §13.3.1.1. The times of calls are kept beside those of transactions: this one has none by then."""
    config = EndpointConfig(TransportConfig(bind=((Transport.UDP, LOOPBACK),)), takes_incoming=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller, trio.fail_after(1000):
        caller.bind(("127.0.0.1", 0))
        async with Endpoint(config) as endpoint:
            at = endpoint.transports.local_address(Transport.UDP)
            assert at is not None
            host, port = caller.getsockname()
            ends = Ends("UDP", host, port, Address(SipUri(host, "alice", port)))
            caller.sendto(bytes(ends.around(Wire().request("INVITE"), "z9hG4bK1")), (at.host, at.port))
            incoming = await endpoint.incoming().receive()
            assert isinstance(incoming, IncomingCall)
            await trio.sleep(1)  # the 100 has been sent
            sent = Sent(endpoint, b"SIP/2.0 180")
            incoming.ring()
            await trio.sleep(150)
    assert sent.after == pytest.approx([0, 60, 120], abs=0.01)
