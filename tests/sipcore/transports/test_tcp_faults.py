"""Peers that misbehave, and a kernel that refuses: each harms its own connection only, within named limits."""

import errno
import resource
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from sipcore.errors import FailureReason, ParseError, TransportFailure
from sipcore.message.framing import MAX_HEAD, Unfinished
from sipcore.resolve.target import Flow, Hop, SocketAddress, Transport
from sipcore.transports import connections, tcp
from sipcore.transports.base import TransportConfig, socket_address
from sipcore.transports.connections import Transports, open_transports
from sipcore.transports.handshake import Layers
from sipcore.transports.layers import StreamFraming
from tests.conftest import Injected
from tests.sipcore.transports.recorder import LOOPBACK, OK, OPTIONS, Recorder
from tests.sipcore.transports.streams import (
    LONG,
    TCP,
    Peer,
    connect,
    flow_to,
    make_connection,
    pair,
    receive_exactly,
    reset,
    serving,
)


@pytest.mark.parametrize("begun", [OPTIONS[:-1], b"OPTIONS", OPTIONS.replace(b": 0", b": 9") + b"half"])
async def test_a_half_message_is_waited_for_so_long(recorder: Recorder, patient_clock: MockClock, begun: bytes) -> None:
    recorder.patience = LONG
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(OPTIONS + begun)
        begin = trio.current_time()
        _, failure = await recorder.end()
        assert failure.reason is FailureReason.TIMED_OUT
        assert "begun and not ended" in failure.message
        assert trio.current_time() - begin == pytest.approx(tcp.MESSAGE_TIMEOUT, abs=1)


async def test_trickling_does_not_help(recorder: Recorder, patient_clock: MockClock) -> None:
    recorder.patience = LONG

    async def trickle(stream: trio.SocketStream) -> None:
        for letter in b"OPTIONS sip:a SIP/2.0\r\n":
            await stream.send_all(bytes([letter]))
            await trio.sleep(tcp.MESSAGE_TIMEOUT / 4)

    async with serving(recorder) as (_, address), await connect(address) as stream:
        with pytest.raises(trio.BrokenResourceError):
            await trickle(stream)
        assert recorder.ended[0][1].reason is FailureReason.TIMED_OUT
        assert recorder.messages == []


async def test_whole_messages_in_between_do(recorder: Recorder, patient_clock: MockClock) -> None:
    recorder.patience = LONG
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(OPTIONS[:10])
        for _ in range(4):
            await trio.sleep(0.75 * tcp.MESSAGE_TIMEOUT)
            await stream.send_all(OPTIONS[10:] + OPTIONS[:10])
        await recorder.message(4)
        assert recorder.ended == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "an HTTP request"),
        (b"\x16\x03\x01\x00\xf0\x01", "a TLS handshake"),
        (b"hello\r\n", "not a SIP start line"),
        (b"OPTIONS sip:a SIP/2.0\r\nX: " + b"y" * MAX_HEAD, "header fields beyond"),
        (OPTIONS.replace(b": 0", b": 99999999"), "a body beyond"),
        (OPTIONS.replace(b": 0", b": zero"), "not a number"),
    ],
)
async def test_garbage_ends_the_connection_and_no_other(recorder: Recorder, data: bytes, words: str) -> None:
    async with serving(recorder) as (_, address), await connect(address) as good, await connect(address) as bad:
        await good.send_all(OPTIONS)
        await bad.send_all(data)
        _, failure = await recorder.end()
        assert failure.reason is FailureReason.GARBAGE
        assert words in failure.message
        assert isinstance(failure.__cause__, ParseError)
        await good.send_all(OPTIONS)
        await recorder.message(2)
        assert len(recorder.ended) == 1
        assert recorder.events().count("failed") == 1


async def test_messages_before_garbage_are_delivered(recorder: Recorder) -> None:
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(OPTIONS + b"\x00")
        await recorder.end()
        assert [message.data for message in recorder.messages] == [OPTIONS]


async def test_the_peer_closes_in_the_middle_of_a_message(recorder: Recorder) -> None:
    async with serving(recorder) as (transports, address):
        async with await connect(address) as stream:
            await stream.send_all(OPTIONS + OPTIONS[:20])
        flow, failure = await recorder.end()
        assert "in the middle of a message" in failure.message
        assert transports.unfinished(flow) == Unfinished(OPTIONS[:20], 20)
        assert transports.unfinished(replace(flow, serial=flow.serial + 1)) is None


async def test_the_peer_resets(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        _, stream = await flow_to(client, peer, recorder)
        reset(stream)
        _, failure = await recorder.end()
        assert failure.reason is FailureReason.RESET
        assert recorder.events() == ["opened", "failed"]


async def test_what_the_peer_said_before_it_reset_is_read(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        await stream.send_all(OK)
        reset(stream)
        client.send(flow, OPTIONS)  # the writer meets the reset first
        await recorder.end()
        assert [message.data for message in recorder.messages] == [OPTIONS, OK]


async def test_a_peer_that_does_not_read_is_given_up(
    recorder: Recorder, peer: Peer, patient_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "MAX_QUEUE", 100_000)
    recorder.patience = LONG

    async def flood(client: Transports, flow: Flow) -> None:
        while True:
            client.send(flow, bytes(50_000))
            await trio.testing.wait_all_tasks_blocked()

    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        async with stream:
            with pytest.raises(TransportFailure, match="too slowly") as caught:
                await flood(client, flow)
            assert caught.value.reason is FailureReason.TIMED_OUT
            assert recorder.ended == []
            begin = trio.current_time()
            _, failure = await recorder.end()
            assert failure.reason is FailureReason.TIMED_OUT
            assert "reads nothing" in failure.message
            assert trio.current_time() - begin == pytest.approx(tcp.WRITE_TIMEOUT, abs=1)


async def test_a_peer_that_reads_slowly_gets_everything(recorder: Recorder, peer: Peer) -> None:
    async with open_transports(TransportConfig(), recorder) as client:
        flow, stream = await flow_to(client, peer, recorder)
        sent = b""
        async with stream:
            for number in range(5000):
                data = b"%05d" % number * 4000
                try:
                    client.send(flow, data)
                except TransportFailure:
                    break
                sent += data
                await trio.testing.wait_all_tasks_blocked()
            assert await receive_exactly(stream, len(sent)) == sent


async def test_pings_by_the_million_are_bounded(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "MAX_QUEUE", 10)
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(b"\r\n\r\n" * 1000)
        _, failure = await recorder.end()
        assert "too slowly" in failure.message


async def test_refused(recorder: Recorder) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        nowhere = socket_address(sock.getsockname())
    async with open_transports(TransportConfig(), recorder) as client:
        with pytest.raises(TransportFailure) as caught:
            await client.prepare(Hop(TCP, nowhere))
        assert caught.value.reason is FailureReason.REFUSED
        with pytest.raises(TransportFailure):
            await client.prepare(Hop(TCP, nowhere))
    assert recorder.events() == ["failed", "failed"]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_socket_that_would_connect_to_itself_is_refused(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """As happens by chance to who asks again and again for a port of this machine where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        nowhere = socket_address(sock.getsockname())
    prepare = tcp._prepare

    def take_that_port(sock: socket.socket) -> None:
        prepare(sock)
        sock.bind((nowhere.host, nowhere.port))

    monkeypatch.setattr(tcp, "_prepare", take_that_port)
    async with open_transports(TransportConfig(), recorder) as client:
        with pytest.raises(TransportFailure, match="nothing listens there") as caught:
            await client.prepare(Hop(TCP, SocketAddress(host, nowhere.port)))
    assert caught.value.reason is FailureReason.REFUSED


async def test_no_answer(recorder: Recorder, patient_clock: MockClock) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        hop = Hop(TCP, socket_address(full.getsockname()))
        # The queue of those not accepted is full after one; who comes then is not answered at all.
        with socket.create_connection(full.getsockname()), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(full.getsockname())
            async with open_transports(TransportConfig(connect_timeout=3.0), recorder) as client:
                begin = trio.current_time()
                with pytest.raises(TransportFailure) as caught:
                    await client.prepare(hop)
                assert caught.value.reason is FailureReason.TIMED_OUT
                assert "no answer within 3 s" in caught.value.message
                assert trio.current_time() - begin == pytest.approx(3.0, abs=0.5)


async def test_no_more_than_so_many_connections(recorder: Recorder) -> None:
    async with serving(recorder, max_connections=1) as (_, address), await connect(address) as first:
        await first.send_all(OPTIONS)
        await recorder.message()
        async with await connect(address) as second:
            with trio.fail_after(LONG):
                assert await second.receive_some() == b""
        assert "max_connections" in recorder.traces[-1].detail
        await first.send_all(OPTIONS)
        await recorder.message(2)


async def test_a_mistake_of_this_program_ends_the_connection_and_no_other(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive, met = StreamFraming.receive, [Injected("no such thing")]

    def broken(framing: StreamFraming, data: bytes) -> None:
        if met and data:
            raise met.pop()
        receive(framing, data)

    monkeypatch.setattr(StreamFraming, "receive", broken)
    async with serving(recorder) as (_, address), await connect(address) as first, await connect(address) as second:
        await first.send_all(OPTIONS)
        with trio.fail_after(LONG):
            assert await first.receive_some() == b""
        await second.send_all(OPTIONS)
        await recorder.message()
    ((error, what),) = recorder.faults
    assert isinstance(error, Injected)
    assert what.startswith("tcp 127.0.0.1:")
    assert [failure.reason for _, failure in recorder.ended][:1] == [FailureReason.FAULT]


async def test_a_mistake_at_the_end_of_a_connection_ends_nothing_else(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: StreamFraming) -> bytes:
        raise Injected

    monkeypatch.setattr(StreamFraming, "close", broken)
    async with serving(recorder) as (server, address):
        hop = await server.prepare(Hop(Transport.TCP, address))
        server.close(hop)
        await recorder.until(lambda: len(recorder.faults) == 2 and bool(recorder.ended))  # at both ends of it
        assert (await server.prepare(Hop(Transport.TCP, address))).local
    assert [failure.reason for _, failure in recorder.ended][:1] == [FailureReason.CLOSED]


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_mistake_in_a_handshake_ends_nothing_else(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, accepted: bool
) -> None:
    establish, met = Layers.establish, [Injected("no such thing")]

    async def broken(layers: Layers, sock: socket.socket, hop: Hop, tell: Callable[..., None]) -> None:
        if met and hop.accepted is accepted:
            raise met.pop()
        await establish(layers, sock, hop, tell)

    monkeypatch.setattr(Layers, "establish", broken)
    async with serving(recorder) as (server, address):
        hop = Hop(Transport.TCP, address)
        if accepted:
            async with await connect(address) as first:
                with trio.fail_after(LONG):
                    assert await first.receive_some() == b""
        else:
            with pytest.raises(TransportFailure, match="made a mistake"):
                await server.prepare(hop)
        assert (await server.prepare(hop)).local
    assert [what for _, what in recorder.faults]


async def test_peers_leave_descriptors_to_this_side(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of the process counts, which other sockets and files of it come under as well."""
    limits = [1 << 20]
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limits[-1], 1 << 20))
    async with serving(recorder) as (server, address), await connect(address) as first:
        await first.send_all(OPTIONS)
        await recorder.message()
        limits.append(2 * first.socket.fileno())  # what is open by now is more than half of it
        async with await connect(address) as second:
            await second.send_all(OPTIONS)
            await recorder.message(2)
            limits.append(second.socket.fileno() + 1)
            async with await connect(address) as third:
                with trio.fail_after(LONG):
                    assert await third.receive_some() == b""
            assert "limit of open files" in recorder.traces[-1].detail
            await second.send_all(OPTIONS)
            await recorder.message(3)
        assert server.prepared(Hop(Transport.UDP, address))


def failing_once(number: int, real: Callable[..., object]) -> Callable[..., object]:
    """`real`, but for a first call that fails with an error of the kernel."""
    failed = False

    def call(*arguments: object) -> object:
        nonlocal failed
        if not failed:
            failed = True
            raise OSError(number, "told to")
        return real(*arguments)

    return call


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ECONNABORTED])
async def test_accepting_goes_on_after_an_error(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, patient_clock: MockClock, number: int
) -> None:
    recorder.patience = LONG
    monkeypatch.setattr(tcp, "accept", failing_once(number, tcp.accept))
    begin = trio.current_time()
    async with serving(recorder) as (_, address), await connect(address) as stream:
        await stream.send_all(OPTIONS)
        await recorder.message()
        paused = trio.current_time() - begin >= connections.ACCEPT_PAUSE
        assert paused is (number == errno.EMFILE)


def test_a_socket_that_cannot_be_prepared_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with tcp.listen(LOOPBACK) as listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        monkeypatch.setattr(tcp, "_prepare", failing_once(errno.EINVAL, tcp._prepare))
        with pytest.raises(OSError, match="told to"):
            tcp.accept(listener)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ECONNRESET, FailureReason.RESET),
        (errno.ETIMEDOUT, FailureReason.TIMED_OUT),
        (errno.EPIPE, FailureReason.CLOSED),  # what is written after an orderly close
    ],
)
async def test_why_a_connection_ended_is_told_though_the_writer_met_it_first(
    recorder: Recorder, number: int, reason: FailureReason
) -> None:
    """The kernel tells it once, and then only that nothing more will come."""
    async with pair(send=[OSError(number, "")]) as (left, right), trio.open_nursery() as nursery:
        connection = make_connection(left, recorder)
        nursery.start_soon(connection.run)
        connection.send(OPTIONS)
        await trio.testing.wait_all_tasks_blocked()
        right.sendall(OK)
        right.shutdown(socket.SHUT_WR)
        _, failure = await recorder.end()
    assert failure.reason is reason
    assert [message.data for message in recorder.messages] == [OK]


async def test_being_woken_for_nothing_does_no_harm(recorder: Recorder, nursery: trio.Nursery) -> None:
    async with pair(recv=[BlockingIOError()]) as (left, right):
        nursery.start_soon(make_connection(left, recorder).run)
        right.sendall(OPTIONS)
        await recorder.message()
        right.shutdown(socket.SHUT_WR)
        await recorder.end()


async def test_a_connection_ends_once(recorder: Recorder, nursery: trio.Nursery) -> None:
    async with pair() as (left, right):
        connection = make_connection(left, recorder)
        nursery.start_soon(connection.run)
        await trio.testing.wait_all_tasks_blocked()
        right.shutdown(socket.SHUT_WR)
        connection.close()
        with pytest.raises(TransportFailure, match="was closed here"):
            connection.send(OPTIONS)
        connection._fail(TransportFailure(FailureReason.RESET, "too late"))
        await recorder.until(recorder.events)
        assert recorder.events() == ["closed"]
        assert recorder.ended == []


async def test_a_failed_write_is_left_to_the_reader(recorder: Recorder) -> None:
    async with pair() as (left, right):
        connection = make_connection(left, recorder)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            await trio.testing.wait_all_tasks_blocked()
            right.shutdown(socket.SHUT_RD)
            connection.send(OPTIONS)
            await trio.testing.wait_all_tasks_blocked()
            right.sendall(OK)
            right.shutdown(socket.SHUT_WR)
            await recorder.end()
    assert [message.data for message in recorder.messages] == [OK]
    assert recorder.ended[0][1].reason is FailureReason.CLOSED
