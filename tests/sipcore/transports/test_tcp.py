"""Connections over real loopback sockets: framing, coalescing, reuse, keep-alive and closing."""

import socket
import struct
from dataclasses import replace

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from sipcore.deviation import Deviation
from sipcore.errors import FailureReason, TransportFailure
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.transports import tcp
from sipcore.transports.base import TransportConfig
from sipcore.transports.connections import open_transports
from tests.sipcore.transports.recorder import OK, OPTIONS, Recorder
from tests.sipcore.transports.streams import (
    LONG,
    TCP,
    Peer,
    connect,
    flow_to,
    receive_exactly,
    serving,
)


async def test_request_and_response(recorder: Recorder) -> None:
    server = Recorder()
    async with serving(server) as (transports, address), open_transports(TransportConfig(), recorder) as client:
        server.answer_over = transports
        hop = await client.prepare(Hop(TCP, address, why="a test"))
        assert hop.local is not None
        client.send(hop, OPTIONS)
        response = await recorder.message()
        assert response.data == OK
        assert response.flow == Flow(TCP, hop.local, address, response.flow.serial)
        assert not response.stamp.kernel
        assert server.messages[0].data == OPTIONS
        assert server.messages[0].flow.remote == hop.local
        assert server.messages[0].notes == ()
    assert recorder.events() == ["opened", "closed"]
    assert server.events() == ["accepted", "closed"]
    assert recorder.ended == []


async def test_a_connection_is_reused(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        first = await client.prepare(peer.hop)
        assert client.prepared(peer.hop) == first
        assert await client.prepare(peer.hop) == first
        assert recorder.events() == ["opened"]


async def test_who_waits_at_once_shares_a_connection(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        hops: list[Hop] = []

        async def prepare() -> None:
            hops.append(await client.prepare(peer.hop))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(prepare)
        assert len(hops) == 5
        assert len({hop.local for hop in hops}) == 1
        assert recorder.events() == ["opened"]


async def test_each_local_address_has_a_connection_of_its_own(recorder: Recorder, peer: Peer) -> None:
    hosts = ["127.0.0.2", "127.0.0.3", None, "127.0.0.2", None, "127.0.0.3"]
    async with open_transports(TransportConfig(), recorder) as client:
        ready: dict[str | None, set[SocketAddress | None]] = {host: set() for host in hosts}

        async def prepare(host: str | None) -> None:
            local = SocketAddress(host, 0) if host else None
            ready[host].add((await client.prepare(replace(peer.hop, local=local))).local)

        async with trio.open_nursery() as nursery:  # side by side
            for host in hosts:
                nursery.start_soon(prepare, host)
        for host in hosts:  # and one after the other
            await prepare(host)
        assert recorder.events() == ["opened"] * 3
        for host, ends in ready.items():
            (local,) = ends
            assert local is not None
            assert local.host == (host or "127.0.0.1")


async def test_what_the_kernel_chose_does_for_who_wants_the_same(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        chosen = await client.prepare(peer.hop)
        assert client.prepared(replace(peer.hop, local=SocketAddress("127.0.0.1", 0))) == chosen
        client.close(chosen)
        await recorder.until(lambda: "closed" in recorder.events())
        assert client.prepared(peer.hop) is None
        assert client.prepared(replace(peer.hop, local=SocketAddress("127.0.0.1", 0))) is None


async def test_one_who_gives_up_waiting_does_not_stop_the_others(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.prepare(peer.hop)
        hop = await client.prepare(peer.hop)
        assert hop.local is not None


async def test_what_is_sent_in_one_turn_leaves_together(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        hop = await client.prepare(peer.hop)
        for _ in range(100):
            client.send(hop, OPTIONS)
        async with await peer.accept() as stream:
            assert await stream.receive_some(1 << 20) == OPTIONS * 100


async def test_messages_may_come_in_pieces_and_together(recorder: Recorder) -> None:
    async with serving(recorder) as (_, address), await connect(address) as stream:
        data = OPTIONS * 3
        for begin in range(0, len(data), 50):
            await stream.send_all(data[begin : begin + 50])
            await trio.testing.wait_all_tasks_blocked()
        await recorder.message(3)
        assert [message.data for message in recorder.messages] == [OPTIONS] * 3


async def test_a_missing_length_is_noted(recorder: Recorder) -> None:
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(b"OPTIONS sip:a SIP/2.0\r\n\r\n")
        assert (await recorder.message()).notes == (Deviation.WITHOUT_LENGTH,)


async def test_a_ping_is_answered(recorder: Recorder) -> None:
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(b"\r\n\r\n")
        assert await receive_exactly(stream, 2) == b"\r\n"
        assert recorder.messages == []


async def test_an_answered_ping_keeps_the_connection(recorder: Recorder, peer: Peer, patient_clock: MockClock) -> None:
    recorder.patience = LONG
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        async with stream:
            client.ping(flow)
            client.ping(flow)
            assert await receive_exactly(stream, 8) == b"\r\n\r\n" * 2
            await stream.send_all(b"\r\n" * 2)
            await trio.sleep(2 * tcp.PONG_TIMEOUT)
            assert recorder.ended == []


async def test_an_unanswered_ping_ends_it(recorder: Recorder, peer: Peer, patient_clock: MockClock) -> None:
    recorder.patience = LONG
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        async with stream:
            begin = trio.current_time()
            client.ping(flow)
            ended, failure = await recorder.end()
            assert ended == flow
            assert (failure.reason, failure.section) == (FailureReason.TIMED_OUT, "RFC 5626 §4.4.1")
            assert trio.current_time() - begin == pytest.approx(tcp.PONG_TIMEOUT)
            with pytest.raises(TransportFailure, match="gone"):
                client.ping(flow)


async def test_a_connection_that_is_needed_is_not_closed_for_being_idle(
    recorder: Recorder, peer: Peer, patient_clock: MockClock
) -> None:
    recorder.patience = LONG
    async with open_transports(TransportConfig(idle_timeout=10.0), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        recorder.awaited.add(flow)
        async with stream:
            for number in range(1, 4):
                await trio.sleep(100)
                client.send(flow, OPTIONS)
                assert await receive_exactly(stream, len(OPTIONS)) == OPTIONS
                await stream.send_all(OK)
                assert (await recorder.message(number)).flow == flow
            assert recorder.ended == []
            recorder.awaited.clear()
            begin = trio.current_time()
            _, failure = await recorder.end()
            assert "idle for 10 s" in failure.message
            assert trio.current_time() - begin <= 10.1


async def test_who_is_stalled_is_not_waited_for(recorder: Recorder, peer: Peer, patient_clock: MockClock) -> None:
    recorder.patience = LONG
    async with open_transports(TransportConfig(idle_timeout=20.0), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        recorder.awaited.add(flow)
        async with stream:
            await stream.send_all(OPTIONS[:-3])
            _, failure = await recorder.end()
            assert "a message was begun and not ended" in failure.message


async def test_an_idle_connection_is_closed(recorder: Recorder, peer: Peer, patient_clock: MockClock) -> None:
    recorder.patience = LONG
    async with open_transports(TransportConfig(idle_timeout=160.0), recorder) as client:
        begin = trio.current_time()
        flow, stream = await flow_to(client, peer, recorder)
        async with stream:
            await trio.sleep(100)
            client.send(flow, OPTIONS)
            ended, failure = await recorder.end()
            assert ended == flow
            assert failure.reason is FailureReason.CLOSED
            assert "idle for 160 s" in failure.message
            # It may be closed a sixteenth early, and counts from the last message.
            assert 250 <= trio.current_time() - begin <= 260
            assert recorder.events() == ["opened", "closed"]
            with pytest.raises(TransportFailure) as caught:
                client.send(flow, OPTIONS)
            assert caught.value.reason is FailureReason.CLOSED
            again = await client.prepare(peer.hop)
            assert again.local != flow.local


async def test_the_peer_closes(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        await stream.aclose()
        assert (await recorder.end())[0] == flow
        assert recorder.ended[0][1].reason is FailureReason.CLOSED
        assert recorder.events() == ["opened", "closed"]


async def test_closing_is_silent_here_and_orderly_there(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        async with stream:
            client.send(flow, OK)
            client.close(flow)
            assert await receive_exactly(stream, len(OK)) == OK
            assert await stream.receive_some() == b""
        assert recorder.ended == []
        client.close(flow)
        with pytest.raises(TransportFailure) as caught:
            client.send(flow, OK)
        assert caught.value.reason is FailureReason.CLOSED


async def test_a_hop_can_be_closed_too(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        hop = await client.prepare(peer.hop)
        client.close(hop)
        await recorder.until(lambda: recorder.events() == ["opened", "closed"])
        client.close(hop)
        assert client.prepared(peer.hop) is None
    assert recorder.ended == []


async def test_nothing_is_taken_from_a_connection_that_was_closed(recorder: Recorder) -> None:
    async with serving(recorder) as (transports, address), await connect(address) as stream:
        recorder.close_over = transports
        await stream.send_all(OPTIONS * 3)
        await recorder.until(lambda: recorder.events()[-1:] == ["closed"])
        assert len(recorder.messages) == 1


async def test_leaving_sends_what_is_queued(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        hop = await client.prepare(peer.hop)
        client.send(hop, OPTIONS)
    async with await peer.accept() as stream:
        assert await receive_exactly(stream, len(OPTIONS)) == OPTIONS
        assert await stream.receive_some() == b""
    assert recorder.events() == ["opened", "closed"]


async def test_two_connections_between_the_same_addresses_are_told_apart(recorder: Recorder) -> None:
    async with serving(recorder) as (transports, address):
        flows = []
        for number in range(2):
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("127.0.0.3", 40_000))
                sock.connect((address.host, address.port))
                sock.sendall(OPTIONS)
                flows.append((await recorder.message(number + 1)).flow)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
            await recorder.end(number + 1)
        assert flows[0].remote == flows[1].remote
        assert flows[0].serial != flows[1].serial
        with pytest.raises(TransportFailure, match="gone"):
            transports.send(flows[0], OK)


async def test_a_peer_that_resets_and_comes_back_from_the_same_port_is_answered(recorder: Recorder) -> None:
    """Before the end of its first connection is known here: peers with one port for all they send do so."""
    async with serving(recorder) as (transports, address):
        with socket.socket() as first, socket.socket() as second:
            for sock in (first, second):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("127.0.0.3", 40_001))
                sock.connect((address.host, address.port))
                sock.sendall(OPTIONS)
                if sock is first:
                    await recorder.message()
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
                    sock.close()
            again = await recorder.message(2)
            ended, _ = await recorder.end()
            assert ended.serial < again.flow.serial
            second.setblocking(False)
            for where in (again.flow, Hop(TCP, again.flow.remote)):
                transports.send(where, OK)
                await trio.lowlevel.wait_readable(second)
                assert second.recv(1000) == OK


async def test_a_peer_is_reached_where_its_connection_comes_from(recorder: Recorder) -> None:
    async with serving(recorder) as (transports, address):
        async with await connect(address) as stream:
            await stream.send_all(OPTIONS)
            flow = (await recorder.message()).flow
            for local in (None, SocketAddress("127.0.0.1", 0)):
                hop = await transports.prepare(Hop(TCP, flow.remote, local))
                assert hop.local == flow.local
                transports.send(hop, OK)
                assert await receive_exactly(stream, len(OK)) == OK
            assert transports.prepared(Hop(TCP, flow.remote, tls_name="someone.example")) is None
            assert transports.prepared(Hop(TCP, flow.remote, SocketAddress("127.0.0.9", 0))) is None
            assert transports.prepared(Hop(Transport.WS, flow.remote)) is None
        await recorder.end()
        assert transports.prepared(Hop(TCP, flow.remote)) is None


async def test_a_local_host_is_connected_from(recorder: Recorder, peer: Peer) -> None:
    wanted = Hop(TCP, peer.address, SocketAddress("127.0.0.5", 0))
    async with open_transports(TransportConfig(), recorder) as client:
        plain = await client.prepare(peer.hop)
        hop = await client.prepare(wanted)
        assert hop.local is not None
        assert plain.local is not None
        assert (plain.local.host, hop.local.host) == ("127.0.0.1", "127.0.0.5")
        assert client.prepared(hop) == hop
        with pytest.raises(TransportFailure) as caught:
            await client.prepare(Hop(TCP, peer.address, SocketAddress("192.0.2.1", 0)))
        assert caught.value.reason is FailureReason.UNREACHABLE
