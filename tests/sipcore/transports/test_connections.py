"""All sockets behind one object: binding, finding connections, and leaving nothing behind."""

import gc
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing

from sipcore.errors import FailureReason, LocalError, TransportFailure
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.transports import ancillary as kernel
from sipcore.transports.base import TlsConfig, TransportConfig, socket_address, socket_name
from sipcore.transports.certificates import self_signed
from sipcore.transports.connections import Transports, open_transports
from tests.machine import needs_ipv6
from tests.sipcore.transports.recorder import LOOPBACK, OK, OPTIONS, Recorder

UDP, TCP, TLS = Transport.UDP, Transport.TCP, Transport.TLS
ANY = SocketAddress("0.0.0.0", 0)
NOWHERE = SocketAddress("255.255.255.255", 5060)
"""What the kernel lets nobody send to, or connect to, unasked."""


linux = pytest.mark.skipif(not kernel.LINUX, reason="Linux gives this, other systems do not")


def bound(transports: Transports, transport: Transport = UDP) -> SocketAddress:
    address = transports.local_address(transport)
    assert address is not None
    return address


async def test_a_request_is_answered_over_the_flow_it_came_on(recorder: Recorder, server: Recorder) -> None:
    async with (
        open_transports(TransportConfig(bind=((UDP, LOOPBACK),)), server) as serving,
        open_transports(TransportConfig(), recorder) as client,
    ):
        server.answer_over = serving
        hop = await client.prepare(Hop(UDP, bound(serving), why="a test"))
        assert hop.why == "a test"
        assert hop.local is not None
        assert hop.local.host == "127.0.0.1"
        client.send(hop, OPTIONS)
        response = await recorder.message()
        assert response.data == OK
        assert response.flow == Flow(UDP, hop.local, bound(serving))
        # The request came from the address that its sender was told, so that sent-by is right.
        assert server.messages[0].flow.remote == hop.local
        client.send(response.flow, OPTIONS)
        await recorder.message(2)


async def test_nothing_is_kept_of_a_connection_that_is_closed(recorder: Recorder, server: Recorder) -> None:
    """However its local address was given; a wildcard is no connection's own."""
    async with (
        open_transports(TransportConfig(bind=((TCP, LOOPBACK),)), server) as serving,
        open_transports(TransportConfig(), recorder) as client,
    ):
        for local in (None, LOOPBACK, ANY):
            client.close(await client.prepare(Hop(TCP, bound(serving, TCP), local)))
        with trio.fail_after(5):
            while client._by_target or serving._by_target:  # noqa: ASYNC110  # until the connections' own tasks have ended
                await trio.sleep(0.01)


async def test_what_serves_websockets_is_loaded_before_a_peer_comes() -> None:
    """Whose connection may take the last descriptor that there is, without which nothing can be loaded."""
    script = (
        "import sys, trio\n"
        "from sipcore.endpoint.endpoint import Endpoint, EndpointConfig\n"
        "from sipcore.resolve.target import SocketAddress, Transport\n"
        "from sipcore.transports.base import TransportConfig\n"
        "async def main():\n"
        "    bind = ((Transport.WS, SocketAddress('127.0.0.1', 0)),)\n"
        "    async with Endpoint(EndpointConfig(TransportConfig(bind=bind))):\n"
        "        return 'sipcore.transports.ws_upgrade' in sys.modules\n"
        "sys.exit(not trio.run(main))\n"
    )
    assert (await trio.run_process([sys.executable, "-c", script])).returncode == 0


async def test_addresses_are_bound_and_told(recorder: Recorder) -> None:
    config = TransportConfig(bind=((UDP, LOOPBACK), (TCP, LOOPBACK)))
    async with open_transports(config, recorder) as transports:
        udp, tcp = bound(transports, UDP), bound(transports, TCP)
        assert udp.port
        assert tcp.port
        assert transports.local_address(TLS) is None
        assert transports.local_address(UDP, ipv6=True) is None
        second = transports.bind(UDP, ANY)
        assert second.port not in (0, udp.port)
        assert transports.local_address(UDP) == udp
        assert transports.dropped == 0


@linux
async def test_each_socket_has_the_buffer_that_was_asked_for(recorder: Recorder) -> None:
    """Linux has twice as much, for its own records; the one that is bound when a hop needs it is no exception."""
    for asked in (8192, 65536):
        config = TransportConfig(bind=((UDP, LOOPBACK), (UDP, LOOPBACK)), receive_buffer=asked)
        async with open_transports(config, recorder) as transports:
            hop = await transports.prepare(Hop(UDP, SocketAddress("127.0.0.1", 5060)))
            assert hop.local is not None
            sizes = [sock._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) for sock in transports._udp.opened]
            assert sizes == [2 * asked] * len(sizes)


@pytest.fixture
def cap() -> int:
    """The most that the kernel grants."""
    return int(Path("/proc/sys/net/core/rmem_max").read_text())


@linux
async def test_a_buffer_that_the_kernel_caps_is_told_with_what_to_change(recorder: Recorder, cap: int) -> None:
    asked = 2**30
    if cap >= asked:
        pytest.skip("the kernel grants any buffer here")
    async with open_transports(TransportConfig(receive_buffer=asked), recorder) as transports:
        assert transports.short_of_buffer == ""  # none is open yet
        transports.bind(UDP, LOOPBACK)
        assert transports.short_of_buffer == (
            f"the kernel grants a receive buffer of {cap} bytes, and {asked} were asked for: "
            f"sysctl -w net.core.rmem_max={asked}, as root"
        )
    async with open_transports(TransportConfig(bind=((UDP, LOOPBACK),), receive_buffer=8192), recorder) as transports:
        assert transports.short_of_buffer == ""


@linux
async def test_what_found_no_room_in_any_of_the_buffers_is_counted(recorder: Recorder) -> None:
    sent = 100
    config = TransportConfig(bind=((UDP, LOOPBACK), (UDP, LOOPBACK)), receive_buffer=4096)
    async with open_transports(config, recorder) as transports:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for sock in transports._udp.opened:
                for _ in range(sent):
                    peer.sendto(b"x" * 1000, socket_name(sock.local))
            await trio.testing.wait_all_tasks_blocked(0.05)
            taken = len(recorder.messages)
            for sock in transports._udp.opened:  # the count comes with the next datagram that finds room
                peer.sendto(OPTIONS, socket_name(sock.local))
            await recorder.message(taken + 2)
        assert transports.dropped == 2 * sent - taken
        assert all(sock.dropped > 0 for sock in transports._udp.opened)


@pytest.mark.parametrize("transport", [UDP, TCP])
async def test_an_address_in_use_is_refused(recorder: Recorder, transport: Transport) -> None:
    async with open_transports(TransportConfig(bind=((transport, LOOPBACK),)), recorder) as transports:
        taken = bound(transports, transport)
        with pytest.raises(LocalError, match=f"cannot receive at {transport.value.lower()} {taken}: Address already"):
            transports.bind(transport, taken)
        with pytest.raises(LocalError):
            async with open_transports(TransportConfig(bind=((transport, taken),)), recorder):
                raise AssertionError("not reached")


@pytest.mark.parametrize("transport", [TLS, Transport.WSS])
async def test_tls_is_not_served_without_a_certificate(recorder: Recorder, transport: Transport) -> None:
    async with open_transports(TransportConfig(), recorder) as transports:
        with pytest.raises(LocalError, match="without a certificate"):
            transports.bind(transport, LOOPBACK)


@needs_ipv6
@pytest.mark.parametrize("transport", [TCP, TLS, Transport.WS, Transport.WSS])
async def test_ipv6_is_served_and_connected_to(recorder: Recorder, transport: Transport) -> None:
    certificate, key = self_signed(["::1"])
    tls = TlsConfig(certificate=certificate, key=key, ca_data=certificate)
    async with open_transports(TransportConfig(tls=tls), recorder) as transports:
        address = transports.bind(transport, SocketAddress("::1", 0))
        assert transports.local_address(transport, ipv6=True) == address
        hop = await transports.prepare(Hop(transport, address))
        assert hop.local is not None
        assert hop.local.host == "::1"


@needs_ipv6
async def test_an_address_that_is_spelled_otherwise_is_the_same(recorder: Recorder, server: Recorder) -> None:
    async with (
        open_transports(TransportConfig(), server) as serving,
        open_transports(TransportConfig(), recorder) as client,
    ):
        address = serving.bind(TCP, SocketAddress("::1", 0))
        first = await client.prepare(Hop(TCP, address))
        assert client.prepared(Hop(TCP, SocketAddress("0:0::0:1", address.port))) == first


async def test_a_hop_that_was_not_prepared_is_sent_to_all_the_same(recorder: Recorder, server: Recorder) -> None:
    async with (
        open_transports(TransportConfig(bind=((UDP, LOOPBACK),)), server) as serving,
        open_transports(TransportConfig(), recorder) as client,
    ):
        client.send(Hop(UDP, bound(serving)), OPTIONS)
        assert (await server.message()).data == OPTIONS


async def test_a_flow_finds_its_own_socket(recorder: Recorder, server: Recorder) -> None:
    config = TransportConfig(bind=((UDP, ANY), (UDP, ANY)))
    async with open_transports(config, server) as serving, open_transports(TransportConfig(), recorder) as client:
        server.answer_over = serving
        ports = [sock.local.port for sock in serving._udp.opened]
        for port in ports:
            hop = await client.prepare(Hop(UDP, SocketAddress("127.0.0.1", port)))
            client.send(hop, OPTIONS)
        await recorder.message(2)
        assert {message.flow.remote.port for message in recorder.messages} == set(ports)


@pytest.mark.parametrize(("transport", "reason"), [(UDP, FailureReason.PROHIBITED), (TCP, FailureReason.UNREACHABLE)])
async def test_no_route(recorder: Recorder, transport: Transport, reason: FailureReason) -> None:
    async with open_transports(TransportConfig(), recorder) as transports:
        with pytest.raises(TransportFailure, match=r"255\.255\.255\.255:5060: ") as caught:
            await transports.prepare(Hop(transport, NOWHERE))
        assert caught.value.reason is reason


@pytest.mark.parametrize("transport", [UDP, TCP])
@pytest.mark.parametrize("end", ["remote", "local"])
async def test_a_zone_that_there_is_not(recorder: Recorder, transport: Transport, end: str) -> None:
    nowhere, somewhere = SocketAddress("fe80::1%nosuch", 9), SocketAddress("fe80::2%1", 9)
    hop = Hop(transport, nowhere) if end == "remote" else Hop(transport, somewhere, nowhere)
    async with open_transports(TransportConfig(), recorder) as client:
        with pytest.raises(TransportFailure) as caught:
            await client.prepare(hop)
        assert caught.value.reason is FailureReason.UNREACHABLE


async def test_what_is_gone_is_refused_at_once(recorder: Recorder) -> None:
    async with open_transports(TransportConfig(), recorder) as transports:
        flow = Flow(TCP, LOOPBACK, SocketAddress("127.0.0.1", 5060), 7)
        for where in (flow, flow.hop):
            with pytest.raises(TransportFailure, match=r"tcp 127\.0\.0\.1:5060: the connection is gone") as caught:
                transports.send(where, OPTIONS)
            assert caught.value.reason is FailureReason.CLOSED
        assert transports.tls_session(flow) is None
        assert transports.prepared(flow.hop) is None
        transports.close(flow)
        transports.close(Flow(UDP, LOOPBACK, LOOPBACK))


async def test_errors_of_the_block_come_out_as_they_are(recorder: Recorder) -> None:
    with pytest.raises(KeyError):
        async with open_transports(TransportConfig(bind=((UDP, LOOPBACK),)), recorder):
            raise KeyError("as it is")


async def test_everything_is_closed_at_the_end(recorder: Recorder) -> None:
    config = TransportConfig(bind=((UDP, LOOPBACK), (TCP, LOOPBACK)))
    async with open_transports(config, recorder) as transports:
        udp, tcp = bound(transports), bound(transports, TCP)
        hop = await transports.prepare(Hop(TCP, tcp))
        assert hop.local is not None
    gc.collect()  # a socket left open would be warned of, and warnings are errors
    for kind, address in ((socket.SOCK_DGRAM, udp), (socket.SOCK_STREAM, tcp)):
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address.host, address.port))
    assert recorder.ended == []


async def test_cancelling_closes_everything(recorder: Recorder) -> None:
    with trio.move_on_after(0.02) as scope:
        async with open_transports(TransportConfig(bind=((UDP, LOOPBACK), (TCP, LOOPBACK))), recorder) as transports:
            address = bound(transports)
            await transports.prepare(Hop(TCP, bound(transports, TCP)))
            await trio.sleep_forever()
    assert scope.cancelled_caught
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address.host, address.port))


async def test_who_still_waits_when_it_ends_is_told(recorder: Recorder) -> None:
    failures: list[TransportFailure] = []

    async def prepare(transports: Transports, hop: Hop) -> None:
        try:
            await transports.prepare(hop)
        except TransportFailure as failure:
            failures.append(failure)

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            async with trio.open_nursery() as nursery, open_transports(TransportConfig(), recorder) as transports:
                nursery.start_soon(prepare, transports, Hop(TCP, socket_address(full.getsockname())))
                await trio.testing.wait_all_tasks_blocked()
    assert [failure.reason for failure in failures] == [FailureReason.CLOSED]


def test_what_is_slow_to_load_is_loaded_when_it_is_needed() -> None:
    code = """
import sys
from pathlib import Path
import sipcore.transports.connections, sipcore.transports.lookup
import sipcore.transports.tls_failure, sipcore.transports.ws_failure
print(sorted({"OpenSSL", "cryptography", "dns", "wsproto", "h11"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
